//! How cost grows with the volume of a lesion, the number of lesions and the number of grey levels:
//! measured curves with the exponent of a power law fitted to each. `docs/performance.md` quotes it.
//!
//! ```text
//! cargo run --release --example cost_curves
//! ```
#![allow(clippy::print_stdout, reason = "the figures are its result")]

use std::path::Path;
use std::time::Instant;

use abscope::extract::extract;
use abscope::ingest::Case;
use abscope::plan::Plan;
use abscope::settings::Settings;

mod ball;

const REPETITIONS: usize = 5;

fn main() -> anyhow::Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let matched = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/matched.toml");
    let text = std::fs::read_to_string(matched)?;
    let plan = |bin_width: &str| -> anyhow::Result<Plan> {
        let text = text.replace("width = 25.0", &format!("width = {bin_width}"));
        Ok(Plan::resolve(&Settings::parse(&text).map_err(anyhow::Error::msg)?)?)
    };

    let diameters = [12, 20, 32, 50, 80, 120];
    let volumes = diameters.map(|diameter| ball::scan(diameter, 1, 400.0));
    let standard = plan("25.0")?;
    let curve = volumes.iter().map(|case| (voxels(case), seconds(case, &standard))).collect();
    print("voxels of one lesion (17 levels)", curve);

    let curve = [1, 2, 4, 8, 16]
        .into_iter()
        .map(|count| (count as f64, seconds(&ball::scan(32, count, 400.0), &standard)))
        .collect();
    print("lesions of 32 mm", curve);

    let case = ball::scan(50, 1, 400.0);
    let curve = ["50.0", "25.0", "12.5", "6.25", "3.125"]
        .into_iter()
        .map(|width| -> anyhow::Result<(f64, f64)> {
            Ok((400.0 / width.parse::<f64>()?, seconds(&case, &plan(width)?)))
        })
        .collect::<Result<_, _>>()?;
    print("grey levels, lesion of 50 mm", curve);
    Ok(())
}

fn voxels(case: &Case) -> f64 {
    case.lesions[0].mask.voxel_count() as f64
}

/// Best of some repetitions after a first one.
fn seconds(case: &Case, plan: &Plan) -> f64 {
    (0..=REPETITIONS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(extract(case, plan));
            start.elapsed().as_secs_f64()
        })
        .skip(1)
        .fold(f64::INFINITY, f64::min)
}

/// The curve and the slope of its logarithms by least squares, over all points and over the upper
/// half, where fixed costs no longer show.
fn print(what: &str, curve: Vec<(f64, f64)>) {
    println!("{what}");
    for (size, seconds) in &curve {
        println!("  {size:>9.0}  {:>9.3} ms", seconds * 1e3);
    }
    let upper = &curve[curve.len() / 2..];
    println!("  exponent {:.2}, upper half {:.2}\n", exponent(&curve), exponent(upper));
}

fn exponent(curve: &[(f64, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = curve.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let n = logs.len() as f64;
    let mean = |f: fn(&(f64, f64)) -> f64| logs.iter().map(f).sum::<f64>() / n;
    let (x, y) = (mean(|p| p.0), mean(|p| p.1));
    let covariance: f64 = logs.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / logs.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}
