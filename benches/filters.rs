//! Response maps of a lesion of 40 mm at 1 mm: Laplacian of Gaussian at sigma 1 to 5 mm and the
//! eight sub-bands of a one-level Coiflet 1 wavelet, on one thread.

use abscope::filters::{FilterSettings, respond_all_in};
use abscope::geometry::IndexBox;
use ndarray::Array3;

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().expect("first use of the pool");
    divan::main();
}

/// Soft tissue with noise, large enough that no kernel meets the edge.
fn image() -> Array3<f32> {
    let mut state = 5u32;
    Array3::from_shape_fn((90, 90, 90), |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let lung = if x + y + z > 170 { -800.0 } else { 40.0 };
        lung + (state >> 27) as f32
    })
}

fn parse(filters: &[String]) -> Vec<FilterSettings> {
    filters.iter().map(|text| toml::from_str(text).expect("valid")).collect()
}

fn logs() -> Vec<String> {
    (1..=5).map(|s| format!("name = 'log-{s}'\nkind = 'log'\nsigma_mm = {s}.0")).collect()
}

fn wavelet() -> Vec<String> {
    vec!["name = 'coif1'\nkind = 'wavelet'\nwavelet = 'coif1'".to_owned()]
}

fn run(bencher: divan::Bencher, filters: Vec<String>) {
    let image = image();
    let settings = parse(&filters);
    let bounds = IndexBox { min: [25; 3], max: [65; 3] };
    bencher.bench_local(|| {
        respond_all_in(&settings, image.view(), [1.0; 3], &bounds).expect("filters")
    });
}

#[divan::bench]
fn log_sigma_1_to_5(bencher: divan::Bencher) {
    run(bencher, logs());
}

#[divan::bench]
fn wavelet_coif1(bencher: divan::Bencher) {
    run(bencher, wavelet());
}

#[divan::bench]
fn log_sigma_1_to_5_and_wavelet_coif1(bencher: divan::Bencher) {
    run(bencher, [logs(), wavelet()].concat());
}

#[divan::bench(sample_count = 10)]
fn gabor_eight_orientations_three_planes(bencher: divan::Bencher) {
    let gabor = "name = 'gabor'\nkind = 'gabor'\nsigma_mm = 3.0\nwavelength_mm = 4.0\n\
                 gamma = 1.0\ntheta_step_degrees = 22.5";
    run(bencher, vec![gabor.to_owned()]);
}

#[divan::bench(sample_count = 10)]
fn simoncelli(bencher: divan::Bencher) {
    run(bencher, vec!["name = 's'\nkind = 'simoncelli'".to_owned()]);
}
