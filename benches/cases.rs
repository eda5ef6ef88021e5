//! Whole lesions in one process, on one core: each family alone, all families, and the settings that
//! are compared with peers. Items are voxels.
//!
//! A family's figure includes cropping and resampling its lesion, which `nothing_but_preparation`
//! measures alone (the mean of the voxels costs next to nothing).

use abscope::extract::extract;
use abscope::plan::Plan;
use abscope::settings::Settings;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};

#[path = "../examples/ball/mod.rs"]
mod ball;

fn main() {
    // One core: what is compared with other engines.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("a pool of one thread");
    divan::main();
}

/// Diameters in mm: a lesion, and a region of 0.9 million voxels.
const DIAMETERS: [usize; 2] = [40, 120];

fn bench(bencher: Bencher, diameter: usize, settings: &str) {
    let plan = Plan::resolve(&Settings::parse(settings).expect("settings")).expect("plan");
    let case = ball::scan(diameter, 1, 400.0);
    bencher
        .counter(ItemsCount::new(case.lesions[0].mask.voxel_count()))
        .bench(|| extract(black_box(&case), &plan));
}

fn family(bencher: Bencher, diameter: usize, family: &str) {
    bench(bencher, diameter, &format!("[features]\nfamilies = [\"{family}\"]\n"));
}

macro_rules! families {
    ($($name:ident),+) => {
        $(#[divan::bench(args = DIAMETERS)]
        fn $name(bencher: Bencher, diameter: usize) {
            family(bencher, diameter, stringify!($name));
        })+
    };
}

families!(
    morphology,
    local_intensity,
    statistics,
    intensity_histogram,
    intensity_volume_histogram,
    glcm,
    glrlm,
    glszm,
    gldzm,
    ngtdm,
    ngldm
);

#[divan::bench(args = DIAMETERS)]
fn nothing_but_preparation(bencher: Bencher, diameter: usize) {
    let all_but_the_mean = "[features]\nfamilies = [\"statistics\"]\nexclude = [\"stat_var\", \
        \"stat_skew\", \"stat_kurt\", \"stat_median\", \"stat_p10\", \"stat_p90\", \"stat_iqr\", \
        \"stat_mad\", \"stat_rmad\", \"stat_medad\", \"stat_cov\", \"stat_qcod\", \"stat_energy\", \
        \"stat_rms\"]\n";
    bench(bencher, diameter, all_but_the_mean);
}

#[divan::bench(args = DIAMETERS)]
fn all_families(bencher: Bencher, diameter: usize) {
    bench(bencher, diameter, "");
}

#[divan::bench(args = DIAMETERS)]
fn as_compared_with_peers(bencher: Bencher, diameter: usize) {
    bench(bencher, diameter, include_str!("peers/matched.toml"));
}

#[divan::bench(args = DIAMETERS)]
fn as_compared_with_peers_with_3d_averages(bencher: Bencher, diameter: usize) {
    bench(bencher, diameter, include_str!("peers/averaged.toml"));
}
