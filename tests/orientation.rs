//! The same lesions stored in any orientation give the same bytes, and the number of threads changes
//! nothing. The grid is anisotropic (three spacings) and oblique.

mod common;

use std::path::Path;

use abscope::extract::extract;
use abscope::ingest::load;
use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::table::write_csv;
use common::{Kind, Nifti};

const SIZE: [usize; 3] = [44, 36, 20];
const SPACING: [f64; 3] = [0.8, 1.3, 2.1];
const SETTINGS: &str = r#"
    [resampling]
    spacing_mm = [1.0, 1.0, 1.0]
    [resegmentation]
    range_hu = [-1000.0, 400.0]
    [regions.ring]
    inner_mm = 1.0
    outer_mm = 4.0
    range_hu = [-200.0, 300.0]
    [features]
    aggregations = ["2D_avg", "2D_comb", "2_5D_avg", "2_5D_comb", "3D_avg", "3D_comb", "2D", "2_5D", "3D"]
"#;

/// RAS axes turned by 12 degrees about (1, 2, 3), and RAS offset.
fn frame() -> ([[f64; 3]; 3], [f64; 3]) {
    let norm = 14f64.sqrt();
    let [x, y, z] = [1.0 / norm, 2.0 / norm, 3.0 / norm];
    let (s, c) = 12f64.to_radians().sin_cos();
    let t = 1.0 - c;
    let turn = [
        [t * x * x + c, t * x * y + s * z, t * x * z - s * y],
        [t * x * y - s * z, t * y * y + c, t * y * z + s * x],
        [t * x * z + s * y, t * y * z - s * x, t * z * z + c],
    ];
    ([turn[0].map(|v| -v), turn[1].map(|v| -v), turn[2]], [40.0, 55.0, -120.0])
}

fn intensity([x, y, z]: [usize; 3]) -> f64 {
    let noise = (x * 7919 + y * 104_729 + z * 1_299_709) % 61;
    (40.0 + 30.0 * (0.4 * x as f64).sin() + 20.0 * (0.3 * (y + 2 * z) as f64).cos()).round()
        + noise as f64
}

fn label([x, y, z]: [usize; 3]) -> f64 {
    let within = |centre: [f64; 3], radius: f64| {
        let at = [x, y, z].map(|i| i as f64);
        (0..3).map(|a| ((at[a] - centre[a]) * SPACING[a]).powi(2)).sum::<f64>() < radius * radius
    };
    match () {
        () if within([14.0, 16.0, 10.0], 7.0) => 1.0,
        () if within([31.0, 20.0, 9.0], 5.0) => 2.0,
        () => 0.0,
    }
}

/// The grid stored with its axes in the order `source`, those in `flip` reversed.
fn stored(source: [usize; 3], flip: [bool; 3], kind: Kind, value: fn([usize; 3]) -> f64) -> Nifti {
    let (axes, mut origin) = frame();
    for a in 0..3 {
        if flip[a] {
            let s = source[a];
            for r in 0..3 {
                origin[r] += axes[s][r] * SPACING[s] * (SIZE[s] - 1) as f64;
            }
        }
    }
    let size = source.map(|s| SIZE[s]);
    let mut voxels = Vec::new();
    for k in 0..size[2] {
        for j in 0..size[1] {
            for i in 0..size[0] {
                let at = [i, j, k];
                let mut original = [0; 3];
                for a in 0..3 {
                    original[source[a]] = if flip[a] { size[a] - 1 - at[a] } else { at[a] };
                }
                voxels.push(value(original));
            }
        }
    }
    let turned: [[f64; 3]; 3] =
        std::array::from_fn(|a| axes[source[a]].map(|v| if flip[a] { -v } else { v }));
    Nifti { kind, ..Nifti::new(size, source.map(|s| SPACING[s]), turned, origin, voxels) }
}

fn table(folder: &Path, source: [usize; 3], flip: [bool; 3]) -> String {
    let (image, mask) = (folder.join("image.nii.gz"), folder.join("mask.nii.gz"));
    stored(source, flip, Kind::I16, intensity).write(&image);
    stored(source, flip, Kind::U8, label).write(&mask);
    let options = common::options();
    let case = load(&image, &mask, &options).expect("loads");
    let plan = Plan::resolve(&Settings::parse(SETTINGS).expect("valid")).expect("resolves");
    let mut out = Vec::new();
    write_csv(&extract(&case, &plan), &plan, &mut out).expect("writes");
    String::from_utf8(out).expect("text")
}

#[test]
fn the_same_lesions_in_eight_orientations_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let reference = table(folder.path(), [0, 1, 2], [false; 3]);
    assert!(reference.lines().count() == 3, "two lesions and a header");
    for (source, flip) in [
        ([0, 1, 2], [true, false, false]),
        ([0, 1, 2], [false, true, true]),
        ([1, 0, 2], [false, false, true]),
        ([2, 1, 0], [false, false, false]),
        ([1, 2, 0], [true, true, true]),
        ([2, 0, 1], [false, true, false]),
        ([0, 2, 1], [true, false, true]),
    ] {
        let same = table(folder.path(), source, flip) == reference;
        assert!(same, "stored as {source:?} flipped {flip:?}");
    }
}

#[test]
fn one_thread_and_many_give_the_same_bytes() {
    let folder = tempfile::tempdir().expect("folder");
    let tables = [1, 2, 7, 1].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| table(folder.path(), [0, 1, 2], [false; 3]))
    });
    assert!(tables.iter().all(|t| *t == tables[0]));
}
