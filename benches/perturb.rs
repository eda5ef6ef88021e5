//! Perturbed copies of a lesion of 30 mm, and the features that the demonstration signature needs of
//! each.

use abscope::extract::extract;
use abscope::geometry::{Geometry, IndexBox};
use abscope::ingest::{Case, Lesion, Scan};
use abscope::mask::Mask;
use abscope::patient::perturbations::measurement_errors;
use abscope::signature::Model;
use abscope::signature::score::Origin;
use abscope::volume::{Volume, Voxels};
use ndarray::Array3;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};

fn main() {
    divan::main();
}

/// A ball of 30 mm in noise, on a grid as CTs have it.
fn case() -> Case {
    let geometry = Geometry::axis_aligned([128, 128, 60], [0.8, 0.8, 1.5]);
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut inside = Array3::from_elem((60, 128, 128), false);
    let mut voxels = Vec::with_capacity(geometry.voxel_count());
    for ((z, y, x), set) in inside.indexed_iter_mut() {
        let mm = [0.8 * (x as f64 - 64.0), 0.8 * (y as f64 - 64.0), 1.5 * (z as f64 - 30.0)];
        *set = mm.iter().map(|d| d * d).sum::<f64>() <= 225.0;
        let noise: f64 = StandardNormal.sample(&mut rng);
        voxels.push((if *set { 60.0 } else { 20.0 } + 25.0 * noise).round() as i16);
    }
    let mask = Mask::new(geometry.clone(), IndexBox::whole(geometry.size), &inside)
        .expect("a ball has voxels");
    Case {
        patient: "bench".into(),
        volume: Volume::new(geometry, Voxels::I16(voxels)),
        lesions: vec![Lesion { id: "1".into(), name: None, site: None, mask }],
        kvp: Some(120.0),
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    }
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn hundred_perturbations_of_30_mm(bencher: divan::Bencher) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo-simulated-infiltration.toml");
    let model = Model::read(path.as_ref()).expect("the demonstration signature");
    let plan = model.plan().expect("native");
    let scorer = model.scorer(Origin::Plan(plan)).expect("complete");
    let case = case();
    let rows = extract(&case, plan);
    bencher.bench(|| measurement_errors(&case, &rows, &scorer, plan, 100, 1));
}
