//! Texture families on a region of 1.76 million voxels with 16 levels, and on ten small lesions.
//!
//! Two textures bound what images look like: `noise` has no two neighbours alike but by chance,
//! `smooth` has the long runs and large zones of a well-resampled soft-tissue lesion.

use abscope::features::parameters::TextureParameters;
use abscope::features::texture::{compute, compute_all};
use abscope::features::{Aggregation, Family, Selected};
use abscope::region::Levels;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn main() {
    // One core: what is compared with other engines.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("a pool of one thread");
    divan::main();
}

#[derive(Clone, Copy, Debug)]
enum Texture {
    Noise,
    Smooth,
}

const TEXTURES: [Texture; 2] = [Texture::Noise, Texture::Smooth];

/// A ball of `diameter` voxels with levels 1 to `n_levels`; a cube where `ball` is false.
fn region(diameter: usize, ball: bool, n_levels: u16, texture: Texture) -> Levels {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut values = Array3::from_shape_simple_fn([diameter; 3], || random.r#gen::<f64>());
    if let Texture::Smooth = texture {
        for _ in 0..2 {
            values = blurred(&values);
        }
    }
    let (low, high) =
        values.iter().fold((f64::MAX, f64::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    let centre = (diameter as f64 - 1.0) / 2.0;
    let pad = 1;
    let mut levels = Array3::zeros([diameter + 2 * pad; 3]);
    for ((z, y, x), &value) in values.indexed_iter() {
        let square: f64 = [x, y, z].iter().map(|&c| (c as f64 - centre).powi(2)).sum();
        if !ball || square.sqrt() <= diameter as f64 / 2.0 {
            let bin = ((value - low) / (high - low) * f64::from(n_levels)) as u16;
            levels[[z + pad, y + pad, x + pad]] = bin.min(n_levels - 1) + 1;
        }
    }
    Levels {
        morphological: levels.mapv(|level| level != 0),
        voxel_count: levels.iter().filter(|&&level| level != 0).count(),
        n_levels: usize::from(n_levels),
        levels,
        pad,
        spacing: [1.0; 3],
    }
}

/// Mean over boxes of 5 x 5 x 5 voxels, wrapped at the edges.
fn blurred(values: &Array3<f64>) -> Array3<f64> {
    let mut result = values.clone();
    for axis in 0..3 {
        let before = result.clone();
        let n = before.shape()[axis];
        for (mut line, from) in
            result.lanes_mut(ndarray::Axis(axis)).into_iter().zip(before.lanes(ndarray::Axis(axis)))
        {
            for k in 0..n {
                line[k] = (0..5).map(|step| from[(k + n + step - 2) % n]).sum::<f64>() / 5.0;
            }
        }
    }
    result
}

fn large(texture: Texture) -> Levels {
    region(121, false, 16, texture)
}

const TEXTURE: [Family; 6] =
    [Family::Glcm, Family::Glrlm, Family::Glszm, Family::Gldzm, Family::Ngtdm, Family::Ngldm];

fn merged(family: Family) -> Aggregation {
    match family {
        Family::Glcm | Family::Glrlm => Aggregation::Merged3D,
        _ => Aggregation::Volume3D,
    }
}

fn one(bencher: Bencher, family: Family, texture: Texture) {
    let levels = large(texture);
    let parameters = TextureParameters::default();
    bencher
        .counter(ItemsCount::new(levels.voxel_count))
        .bench(|| compute(black_box(&levels), &parameters, family, merged(family)));
}

#[divan::bench(args = TEXTURES)]
fn glcm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Glcm, texture);
}

#[divan::bench(args = TEXTURES)]
fn glrlm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Glrlm, texture);
}

#[divan::bench(args = TEXTURES)]
fn glszm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Glszm, texture);
}

#[divan::bench(args = TEXTURES)]
fn gldzm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Gldzm, texture);
}

#[divan::bench(args = TEXTURES)]
fn ngtdm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Ngtdm, texture);
}

#[divan::bench(args = TEXTURES)]
fn ngldm(bencher: Bencher, texture: Texture) {
    one(bencher, Family::Ngldm, texture);
}

fn several(bencher: Bencher, levels: &[Levels], aggregations: fn(Family) -> Vec<Aggregation>) {
    let wanted = TEXTURE.map(|family| Selected::new(family, &aggregations(family), |_| true));
    let parameters = TextureParameters::default();
    let voxels: usize = levels.iter().map(|l| l.voxel_count).sum();
    bencher.counter(ItemsCount::new(voxels)).bench(|| {
        levels.iter().map(|l| compute_all(black_box(l), &parameters, &wanted)).collect::<Vec<_>>()
    });
}

fn merged_only(family: Family) -> Vec<Aggregation> {
    vec![merged(family)]
}

fn merged_and_averaged(family: Family) -> Vec<Aggregation> {
    match family {
        Family::Glcm | Family::Glrlm => vec![Aggregation::Average3D, Aggregation::Merged3D],
        _ => vec![merged(family)],
    }
}

fn every(family: Family) -> Vec<Aggregation> {
    family.aggregations().to_vec()
}

#[divan::bench(args = TEXTURES)]
fn all_families_merged(bencher: Bencher, texture: Texture) {
    several(bencher, &[large(texture)], merged_only);
}

#[divan::bench(args = TEXTURES)]
fn all_families_merged_and_averaged(bencher: Bencher, texture: Texture) {
    several(bencher, &[large(texture)], merged_and_averaged);
}

#[divan::bench(args = TEXTURES)]
fn all_families_and_aggregations(bencher: Bencher, texture: Texture) {
    several(bencher, &[large(texture)], every);
}

/// Balls of 8 to 60 mm at 1 mm.
#[divan::bench(args = TEXTURES)]
fn ten_lesions_merged(bencher: Bencher, texture: Texture) {
    let diameters = [8, 10, 13, 16, 20, 25, 32, 40, 50, 60];
    let lesions = diameters.map(|diameter| region(diameter, true, 32, texture));
    several(bencher, &lesions, merged_only);
}
