//! Simulates the cohort that the demonstration signature is trained on.
//!
//! 135 patients with two to five lesions each, on small CT-like volumes (0.9 x 0.9 x 2 mm). Every
//! lesion has a known latent infiltration `z`, half of whose variance lies between patients. It shows
//! in the image in three ways: the texture is coarser and fainter with more infiltration, and the
//! tissue around the lesion denser. Lesions lie in four kinds of tissue. The outcome is the latent
//! value, plus a shift by site that the image does not show, plus noise.
//!
//! ```text
//! cargo run --release --example simulate_cohort -- FOLDER
//! cp examples/simulate_cohort.toml FOLDER/train.toml
//! abscope train FOLDER/features.csv FOLDER/outcomes.csv --config FOLDER/train.toml \
//!     --output models/demo-simulated-infiltration.toml
//! ```
//!
//! It writes `features.csv` (every feature of lesion and ring), `outcomes.csv`, `settings.toml`, and
//! `repeated.csv` (perturbed copies of the first patients' lesions, for the features' reliability and
//! the score's measurement error). Everything follows from one seed.
#![allow(clippy::print_stdout, reason = "the summary is for whoever runs it")]

use std::io::Write;
use std::path::Path;

use abscope::extract::{describe_all, extract};
use abscope::geometry::{Geometry, IndexBox};
use abscope::ingest::{Case, Lesion, Scan};
use abscope::mask::Mask;
use abscope::plan::Plan;
use abscope::preprocess::perturb::{Perturber, Ranges, Subject};
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::table::write_csv;
use abscope::volume::{Volume, Voxels};
use anyhow::{Context, Result, bail};
use ndarray::{Array3, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

const SEED: u64 = 20_180_814;
const PATIENTS: u64 = 135;
const SPACING: [f64; 3] = [0.9, 0.9, 2.0];
/// Voxels around each lesion's cell; a volume is a row of cells along x.
const CELL: [usize; 3] = [56, 56, 26];
/// Noise of the image, HU.
const NOISE: f64 = 14.0;
/// Patients whose lesions are extracted again from perturbed copies, and the copies.
const REPEATED_PATIENTS: u64 = 20;
const REPEATS: usize = 4;
/// The settings of the demonstration signature.
const SETTINGS: &str = r#"
[resampling]
spacing_mm = [1.0, 1.0, 1.0]
interpolation = "trilinear"
[resegmentation]
range_hu = [-150.0, 300.0]
[discretisation]
method = "fixed_bin_size"
width = 25.0
[regions.ring]
inner_mm = 0.0
outer_mm = 4.0
range_hu = [-150.0, 300.0]
"#;

/// A kind of tissue around lesions: HU, SD of its own texture, and what it adds to the outcome.
struct Site {
    name: &'static str,
    hu: f64,
    texture: f64,
    outcome: f64,
}

const SITES: [Site; 4] = [
    Site { name: "liver", hu: 95.0, texture: 8.0, outcome: -0.3 },
    Site { name: "lung", hu: -780.0, texture: 60.0, outcome: 0.3 },
    Site { name: "node", hu: -40.0, texture: 30.0, outcome: 0.1 },
    Site { name: "soft tissue", hu: 45.0, texture: 18.0, outcome: 0.0 },
];

/// A lesion's known truth.
struct Truth {
    latent: f64,
    outcome: f64,
}

fn main() -> Result<()> {
    match std::env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [folder] => simulate(Path::new(folder)),
        _ => bail!("give the folder to write to"),
    }
}

fn simulate(folder: &Path) -> Result<()> {
    let plan = Plan::resolve(&Settings::parse(SETTINGS).map_err(anyhow::Error::msg)?)?;
    let patients: Vec<(Vec<Row>, Vec<Truth>)> = (0..PATIENTS)
        .into_par_iter()
        .map(|number| {
            let (case, truths) = patient(number);
            (extract(&case, &plan), truths)
        })
        .collect();
    std::fs::create_dir_all(folder)?;
    let rows: Vec<Row> = patients.iter().flat_map(|(rows, _)| rows.clone()).collect();
    write_csv(&rows, &plan, std::fs::File::create(folder.join("features.csv"))?)?;
    let mut outcomes = std::fs::File::create(folder.join("outcomes.csv"))?;
    writeln!(outcomes, "patient,lesion,infiltration,latent")?;
    for (rows, truths) in &patients {
        for (row, truth) in rows.iter().zip(truths) {
            let Truth { latent, outcome } = truth;
            writeln!(outcomes, "{},{},{outcome},{latent}", row.patient, row.lesion)?;
        }
    }
    std::fs::write(folder.join("settings.toml"), plan.to_toml())?;
    std::fs::write(folder.join("repeated.csv"), repeated(&plan)?)?;
    println!("{} patients, {} lesions, plan {}", PATIENTS, rows.len(), plan.hash());
    Ok(())
}

/// The lesions of the first patients as they are (repeat 0) and in perturbed copies, as a feature
/// table with a column `repeat`.
fn repeated(plan: &Plan) -> Result<Vec<u8>> {
    let rows: Vec<Vec<(usize, Row)>> = (0..REPEATED_PATIENTS)
        .into_par_iter()
        .map(|number| {
            let (case, _) = patient(number);
            let mut rows = Vec::new();
            for (row, lesion) in extract(&case, plan).into_iter().zip(&case.lesions) {
                let subject = Subject {
                    id: &lesion.id,
                    volume: &case.volume,
                    lesion: &lesion.mask,
                    others: &case.others(lesion),
                };
                let perturber =
                    Perturber::new(&subject, plan.preparation(), Ranges::default(), SEED)?;
                for repeat in 1..=REPEATS {
                    let copy = perturber.copy(repeat as u64).context("a copy without a lesion")?;
                    let (facts, values) = describe_all(&copy, plan);
                    rows.push((repeat, row.with(facts, values)));
                }
                rows.push((0, row));
            }
            Ok(rows)
        })
        .collect::<Result<_>>()?;
    let (repeats, rows): (Vec<usize>, Vec<Row>) = rows.into_iter().flatten().unzip();
    let mut plain = Vec::new();
    write_csv(&rows, plan, &mut plain)?;
    let mut plain = csv::Reader::from_reader(&plain[..]);
    let mut table = csv::Writer::from_writer(Vec::new());
    let mut header = plain.headers()?.clone();
    header.push_field("repeat");
    table.write_record(&header)?;
    for (record, repeat) in plain.records().zip(repeats) {
        let mut record = record?;
        record.push_field(&repeat.to_string());
        table.write_record(&record)?;
    }
    Ok(table.into_inner()?)
}

/// Patient `number`: a row of cells, one lesion in each.
fn patient(number: u64) -> (Case, Vec<Truth>) {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(number);
    let count = rng.gen_range(2..=5);
    let own = normal(&mut rng);
    let geometry = Geometry::axis_aligned([CELL[0] * count, CELL[1], CELL[2]], SPACING);
    let mut image = Array3::<f64>::zeros((CELL[2], CELL[1], CELL[0] * count));
    let mut lesions = Vec::new();
    let mut truths = Vec::new();
    for at in 0..count {
        let site = &SITES[rng.gen_range(0..SITES.len())];
        let latent = 0.5f64.sqrt() * own + 0.5f64.sqrt() * normal(&mut rng);
        let columns = ndarray::s![.., .., at * CELL[0]..(at + 1) * CELL[0]];
        let (cell, inside) = cell(site, latent, &mut rng);
        image.slice_mut(columns).assign(&cell);
        let mut whole = Array3::from_elem(image.dim(), false);
        whole.slice_mut(columns).assign(&inside);
        let mask = Mask::new(geometry.clone(), IndexBox::whole(geometry.size), &whole)
            .expect("a lesion has voxels");
        lesions.push(Lesion {
            id: (at + 1).to_string(),
            name: None,
            site: Some(site.name.into()),
            mask,
        });
        truths.push(Truth { latent, outcome: latent + site.outcome + 0.3 * normal(&mut rng) });
    }
    let kvp = if rng.gen_bool(0.7) { 120.0 } else { 100.0 };
    let voxels = image.iter().map(|v| v.round().clamp(-1024.0, 3071.0) as i16).collect();
    let case = Case {
        patient: format!("sim-{number:03}"),
        volume: Volume::new(geometry, Voxels::I16(voxels)),
        lesions,
        kvp: Some(kvp),
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    };
    (case, truths)
}

/// Tissue of a site with a lesion in its middle.
fn cell(site: &Site, latent: f64, rng: &mut ChaCha8Rng) -> (Array3<f64>, Array3<bool>) {
    let tissue = field(3.0, rng);
    let coarse = field(1.6 * (0.3 * latent).exp(), rng);
    let contrast = 34.0 * (-0.25 * latent).exp();
    let bumps = field(5.0, rng);
    let radius = rng.gen_range(7.0..15.0);
    let stretch: [f64; 3] = std::array::from_fn(|_| rng.gen_range(0.85..1.2));
    let centre: [f64; 3] =
        std::array::from_fn(|a| 0.5 * CELL[a] as f64 * SPACING[a] + rng.gen_range(-1.5..1.5));
    let level = 55.0 + 12.0 * normal(rng);
    let mut inside = Array3::from_elem(tissue.dim(), false);
    let mut image = Array3::zeros(tissue.dim());
    for ((z, y, x), value) in image.indexed_iter_mut() {
        let mm: [f64; 3] =
            std::array::from_fn(|a| ([x, y, z][a] as f64 + 0.5) * SPACING[a] - centre[a]);
        let distance = (0..3).map(|a| (mm[a] / stretch[a]).powi(2)).sum::<f64>().sqrt();
        // Above 0 outside, mm; lesions are not quite ellipsoids.
        let out = distance - radius - 0.8 * bumps[[z, y, x]];
        inside[[z, y, x]] = out <= 0.0;
        let around = site.hu + site.texture * tissue[[z, y, x]];
        // A halo of denser tissue of 4 mm, wider and denser with infiltration.
        let halo = (-(out.max(0.0) / 3.0).powi(2)).exp();
        let denser = around + halo * (40.0 + 22.0 * latent - around.min(40.0)) * 0.8;
        let own = level + contrast * coarse[[z, y, x]];
        let share = 1.0 / (1.0 + (out / 0.5).exp());
        *value = share * own + (1.0 - share) * denser;
    }
    let noise = smoothed(white(rng), [0.6, 0.6, 0.5]);
    image.scaled_add(NOISE, &noise);
    (image, inside)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

fn white(rng: &mut ChaCha8Rng) -> Array3<f64> {
    Array3::from_shape_simple_fn((CELL[2], CELL[1], CELL[0]), || normal(rng))
}

/// A random field of mean 0 and SD 1 with a Gaussian kernel of this SD, mm.
fn field(mm: f64, rng: &mut ChaCha8Rng) -> Array3<f64> {
    smoothed(white(rng), SPACING.map(|s| mm / s))
}

/// White noise smoothed by a Gaussian kernel of these SDs in voxels and brought back to SD 1.
fn smoothed(mut values: Array3<f64>, sd: [f64; 3]) -> Array3<f64> {
    for (axis, sd) in sd.into_iter().enumerate() {
        let reach = (4.0 * sd).ceil() as isize;
        let kernel: Vec<f64> =
            (-reach..=reach).map(|i| (-0.5 * (i as f64 / sd).powi(2)).exp()).collect();
        let energy = kernel.iter().map(|k| k * k).sum::<f64>().sqrt();
        for mut lane in values.lanes_mut(Axis(2 - axis)) {
            let n = lane.len() as isize;
            let input = lane.to_vec();
            for (i, out) in lane.iter_mut().enumerate() {
                // Wrapped round, so that the SD is the same at the edges.
                *out = kernel
                    .iter()
                    .zip(-reach..=reach)
                    .map(|(k, o)| k * input[(i as isize + o).rem_euclid(n) as usize])
                    .sum::<f64>()
                    / energy;
            }
        }
    }
    values
}
