//! The table of memory in docs/scaling.md: budgets against measured peaks.
//!
//! `cargo build --release && cargo run --release --example peaks -- target/release/abscope`
#![allow(clippy::print_stdout, reason = "the figures are its result")]

use std::path::Path;
use std::process::Command;

#[path = "../tests/common/peaks.rs"]
mod peaks;

use peaks::{Bench, EVERY_KIND, MIB, ball, needed};

const SIZE: [usize; 3] = [512, 512, 300];
const BUDGETS: [u64; 4] = [64, 256, 1024, 4096];

fn abscope() -> Command {
    Command::new(std::env::args().nth(1).unwrap_or_else(|| "target/release/abscope".into()))
}

fn main() {
    let fixture = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let sarcoma = ["image", "mask"]
        .map(|kind| fixture(&format!("ibsi/ibsi_validation_sts_ct/STS_019_CT_{kind}.nii.gz")));
    let phantom =
        [fixture("ibsi/ct_radiomics_phantom/image.nii.gz"), fixture("ct_phantom_parts.nii.gz")];
    let benches: [Bench; 4] = std::array::from_fn(|_| Bench::new(abscope));
    let (one, million) = (ball([256, 256, 150], 14), ball([256, 256, 150], 134));
    let sixty: Vec<_> = (0..60)
        .map(|i| ball([60 + 40 * (i % 10), 80 + 60 * (i / 10), 40 + 4 * i], 4 + i % 10))
        .collect();
    let of_sixty = move |at| sixty.iter().position(|inside| inside(at)).map_or(0, |i| i as u8 + 1);
    let of_one = benches[0].make(SIZE, &move |at| u8::from(one(at)));
    let of_sixty = benches[1].make(SIZE, &of_sixty);
    let of_million = benches[2].make(SIZE, &move |at| u8::from(million(at)));
    let of_interleaved = benches[3]
        .make([256, 256, 150], &|[x, y, z]: [usize; 3]| ((x + 7 * y + 13 * z) % 60) as u8 + 1);
    let default = "schema = 1\n";
    let cases = [
        ("CT phantom, 4 lesions", phantom, default),
        ("sarcoma CT", sarcoma.clone(), default),
        ("512 x 512 x 300, 1 lesion", of_one.clone(), default),
        ("512 x 512 x 300, 60 lesions", of_sixty, default),
        ("512 x 512 x 300, a lesion of 10 million voxels", of_million, default),
        ("256 x 256 x 150, 60 interleaved lesions", of_interleaved, default),
        ("sarcoma CT, every filter", sarcoma, EVERY_KIND),
        ("512 x 512 x 300, 1 lesion, every filter", of_one, EVERY_KIND),
    ];
    let head = BUDGETS.map(|budget| format!("{budget} MiB")).join(" | ");
    println!("| Case | Threads | {head} |\n|---|---|---|---|---|---|");
    for (name, inputs, settings) in &cases {
        for threads in [1, 2] {
            let cells = BUDGETS.map(|budget| {
                let ran = benches[0].run(inputs, settings, budget * MIB, threads);
                match ran.lesions {
                    0 => format!("needs {}", needed(&ran.failures)),
                    _ => (ran.peak / MIB).to_string(),
                }
            });
            println!("| {name} | {threads} | {} |", cells.join(" | "));
        }
    }
}
