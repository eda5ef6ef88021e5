//! A made-up scan with balls of tissue in it, for measuring.

use abscope::geometry::{Geometry, IndexBox};
use abscope::ingest::{Case, Lesion, Scan};
use abscope::mask::Mask;
use abscope::volume::{Volume, Voxels};
use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A scan of 1 mm voxels with `count` balls of `diameter` voxels side by side, each with whole
/// intensities over `range` HU that are alike over neighbouring voxels.
pub(crate) fn scan(diameter: usize, count: usize, range: f32) -> Case {
    let margin = 4;
    let step = diameter + 2 * margin;
    let size = [step * count, step, step];
    let grid = Geometry::axis_aligned(size, [1.0; 3]);
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut intensities: Vec<f32> = Vec::with_capacity(grid.voxel_count());
    let mut last = 0.0f32;
    for _ in 0..grid.voxel_count() {
        last = 0.6 * last + 0.4 * random.r#gen::<f32>();
        intensities.push((last * range - range / 2.0).round());
    }
    let radius = diameter as f64 / 2.0;
    let ball = |[x, y, z]: [usize; 3], first: usize| {
        let middle = margin as f64 + radius - 0.5;
        let at = [x as f64 - first as f64 - middle, y as f64 - middle, z as f64 - middle];
        at.iter().map(|d| d * d).sum::<f64>() <= radius * radius
    };
    let lesions = (0..count)
        .map(|index| {
            let first = index * step;
            let bounds = IndexBox { min: [first, 0, 0], max: [first + step, step, step] };
            let inside =
                Array3::from_shape_fn([step; 3], |(z, y, x)| ball([x + first, y, z], first));
            Lesion {
                id: (index + 1).to_string(),
                name: None,
                site: None,
                mask: Mask::new(grid.clone(), bounds, &inside).expect("a ball has voxels"),
            }
        })
        .collect();
    Case {
        patient: "made".into(),
        volume: Volume::new(grid, Voxels::F32(intensities)),
        lesions,
        kvp: None,
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    }
}
