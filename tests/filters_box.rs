//! Filtering a lesion's box equals filtering the whole image, for every filter, boundary and
//! dimension. Oracle: the whole image's response, cropped.

use abscope::filters::{
    FilterSettings, respond, respond_all_in, respond_each_in, respond_in, seen, support,
};
use abscope::geometry::IndexBox;
use ndarray::{Array3, ArrayView3, s};

const SPACING: [f64; 3] = [0.9, 1.1, 2.0];

/// Every kind of filter, as far as it takes parameters that change its course.
const FILTERS: &[&str] = &[
    "kind = 'mean'\nsupport_voxels = 5",
    "kind = 'log'\nsigma_mm = 1.5",
    "kind = 'laws'\nkernels = '{L5S5E3|L5S5}'",
    "kind = 'laws'\nkernels = '{L5S5E3|L5S5}'\nrotation_invariant = 'max'\nenergy_delta_voxels = 3",
    "kind = 'laws'\nkernels = '{E5E3W5|E5W5}'\nrotation_invariant = 'mean'\nenergy_delta_voxels = 9",
    "kind = 'gabor'\nsigma_mm = 2.0\nwavelength_mm = 3.0\ngamma = 0.7\ntheta_degrees = 30.0\ncutoff_sigma = 3.0",
    "kind = 'gabor'\nsigma_mm = 1.5\nwavelength_mm = 2.0\ngamma = 1.5\ntheta_step_degrees = 45.0\npooling = 'max'",
    "kind = 'wavelet'\nwavelet = 'coif1'",
    "kind = 'wavelet'\nwavelet = 'db3'\nlevel = 2\nsubbands = ['{LHL|LH}']\nrotation_invariant = 'mean'",
    "kind = 'wavelet'\nwavelet = 'haar'\nlevel = 3\nsubbands = ['{LLH|HL}', '{HHH|HH}']\nrotation_invariant = 'max'",
    "kind = 'simoncelli'\nlevel = 2",
    "kind = 'shannon'\nlevel = 1",
    "kind = 'riesz'\norder = [1, 0, 0]\nof = { kind = 'log', sigma_mm = 2.0 }",
    "kind = 'riesz'\norder = [1, 1, 0]\nof = { kind = 'simoncelli', level = 1 }",
];

fn settings() -> Vec<FilterSettings> {
    let mut all = Vec::new();
    for (i, filter) in FILTERS.iter().enumerate() {
        for (j, dimension) in ["3d", "2d"].into_iter().enumerate() {
            for boundary in ["zero", "nearest", "periodic", "mirror"] {
                let mut text = String::new();
                for part in filter.split('{') {
                    match part.split_once('}').filter(|(choice, _)| choice.contains('|')) {
                        Some((choice, rest)) => {
                            text += choice.split('|').nth(j).expect("two choices");
                            text += rest;
                        }
                        None if text.is_empty() => text += part,
                        None => text += &format!("{{{part}"),
                    }
                }
                let head = format!(
                    "name = \"f{i}-{dimension}-{boundary}\"\ndimension = '{dimension}'\nboundary = '{boundary}'"
                );
                let setting: FilterSettings =
                    toml::from_str(&format!("{head}\n{text}")).expect(&text);
                setting.check().expect(&text);
                all.push(setting);
            }
        }
    }
    all
}

/// Whole numbers of HU with an edge and noise, so that boundaries matter.
fn image() -> Array3<f32> {
    let mut state = 3u32;
    Array3::from_shape_fn((11, 17, 20), |(z, y, x)| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let tissue = if x + 2 * y + z > 30 { 60.0 } else { -820.0 };
        tissue + (state >> 24) as f32
    })
}

fn crop<'a>(map: &'a Array3<f32>, bounds: &IndexBox) -> ArrayView3<'a, f32> {
    let span = |a: usize| bounds.min[a]..bounds.max[a];
    map.slice(s![span(2), span(1), span(0)])
}

fn assert_equal(name: &str, got: &Array3<f32>, whole: &Array3<f32>, bounds: &IndexBox) {
    let scale = whole.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(scale > 0.0, "{name} does not respond");
    let expected = crop(whole, bounds);
    assert_eq!(got.dim(), expected.dim());
    for (at, value) in got.indexed_iter() {
        let difference = (value - expected[at]).abs() / scale;
        assert!(difference <= 1e-6, "{name} at {at:?} of {bounds:?}: {value} {}", expected[at]);
    }
}

#[test]
fn the_response_in_a_box_equals_the_whole_images_response() {
    let image = image();
    let boxes = [
        IndexBox { min: [8, 7, 4], max: [13, 12, 8] },
        IndexBox { min: [0, 0, 0], max: [3, 4, 2] },
        IndexBox { min: [15, 10, 9], max: [20, 17, 11] },
        IndexBox { min: [6, 0, 5], max: [7, 17, 6] },
    ];
    for setting in settings() {
        let whole = respond(&setting, image.view(), SPACING).expect("runs");
        assert_eq!(whole.iter().map(|m| m.0.clone()).collect::<Vec<_>>(), setting.maps());
        for bounds in &boxes {
            let part = respond_in(&setting, image.view(), SPACING, bounds).expect("runs");
            assert_eq!(part.len(), whole.len());
            for ((name, got), (_, whole)) in part.iter().zip(&whole) {
                assert_equal(name, got, whole, bounds);
            }
        }
    }
}

/// What a pipeline does that holds only the lesion's surroundings.
#[test]
fn an_image_cropped_to_the_filters_support_gives_the_same_response() {
    let image = image();
    let size = [20, 17, 11];
    let bounds = IndexBox { min: [9, 0, 5], max: [12, 3, 8] };
    let mut cropped = 0;
    for setting in settings() {
        let Some(margin) = support(&setting, SPACING).expect("valid") else { continue };
        let around = bounds.grown(margin, size);
        let inner = IndexBox {
            min: std::array::from_fn(|a| bounds.min[a] - around.min[a]),
            max: std::array::from_fn(|a| bounds.max[a] - around.min[a]),
        };
        let whole = respond(&setting, image.view(), SPACING).expect("runs");
        let part = respond_in(&setting, crop(&image, &around), SPACING, &inner).expect("runs");
        for ((name, got), (_, whole)) in part.iter().zip(&whole) {
            assert_equal(name, got, whole, &bounds);
        }
        cropped += usize::from(around != IndexBox::whole(size));
    }
    assert!(cropped > 20, "only {cropped} filters had less than the whole image");
}

#[test]
fn several_filters_at_once_give_the_bytes_of_each_alone_with_any_number_of_threads() {
    let image = image();
    let bounds = IndexBox { min: [3, 2, 1], max: [12, 11, 9] };
    let settings = settings();
    let alone: Vec<(String, Array3<f32>)> = settings
        .iter()
        .flat_map(|s| respond_in(s, image.view(), SPACING, &bounds).expect("runs"))
        .collect();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let together = pool
            .install(|| respond_all_in(&settings, image.view(), SPACING, &bounds))
            .expect("runs");
        assert_eq!(together.len(), alone.len());
        for (a, b) in together.iter().zip(&alone) {
            assert_eq!(a.0, b.0);
            assert!(a.1.iter().zip(&b.1).all(|(x, y)| x.to_bits() == y.to_bits()), "{}", a.0);
        }
    }
}

/// Every second map of each filter, and none of some.
#[test]
fn a_map_has_the_bytes_that_it_has_among_all_whichever_others_are_wanted() {
    let image = image();
    let bounds = IndexBox { min: [3, 2, 1], max: [12, 11, 9] };
    let settings = settings();
    let all = respond_all_in(&settings, image.view(), SPACING, &bounds).expect("runs");
    let some: Vec<&str> = all.iter().skip(1).step_by(2).map(|(name, _)| name.as_str()).collect();
    let each = respond_each_in(&settings, image.view(), SPACING, &bounds, |m| some.contains(&m))
        .expect("runs");
    assert!(each.len() < settings.len());
    let got: Vec<_> = each.into_iter().flat_map(|(_, maps)| maps.expect("runs")).collect();
    let expected: Vec<_> = all.iter().filter(|(name, _)| some.contains(&name.as_str())).collect();
    assert_eq!(got.len(), expected.len());
    for ((name, got), (expected_name, expected)) in got.iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert!(got.iter().zip(expected).all(|(x, y)| x.to_bits() == y.to_bits()), "{name}");
    }
}

#[test]
fn a_filter_that_is_too_wide_leaves_the_others_as_they_are() {
    let image = image();
    let size = [20, 17, 11];
    let bounds = IndexBox { min: [9, 8, 5], max: [12, 11, 8] };
    let parse = |text: &str| -> FilterSettings { toml::from_str(text).expect(text) };
    let settings = [
        parse("name = 'wide'\nkind = 'log'\nsigma_mm = 1000.0"),
        parse("name = 'mean'\nkind = 'mean'\nsupport_voxels = 3"),
    ];
    let each = respond_each_in(&settings, image.view(), SPACING, &bounds, |_| true).expect("runs");
    let [(first, wide), (second, mean)] = &each[..] else { panic!("two filters") };
    assert_eq!((&*first.name, &*second.name), ("wide", "mean"));
    assert!(wide.as_ref().is_err_and(|e| e.to_string().contains("filter \"wide\"")));
    let alone = respond_in(&settings[1], image.view(), SPACING, &bounds).expect("runs");
    assert_eq!(mean.as_ref().expect("runs"), &alone);
    assert_eq!(seen(&settings, SPACING, &bounds, size), bounds.grown([1; 3], size));
}

#[test]
fn a_box_outside_the_image_and_a_huge_kernel_are_refused() {
    let image = image();
    let log: FilterSettings =
        toml::from_str("name = 'a'\nkind = 'log'\nsigma_mm = 1000.0").expect("valid");
    let inside = IndexBox { min: [0; 3], max: [2; 3] };
    let problem = respond_in(&log, image.view(), SPACING, &inside).expect_err("too big");
    assert!(problem.to_string().contains("filter \"a\": its kernel reaches"), "{problem}");
    let mean: FilterSettings =
        toml::from_str("name = 'b'\nkind = 'mean'\nsupport_voxels = 3").expect("valid");
    for bounds in [
        IndexBox { min: [0; 3], max: [21, 2, 2] },
        IndexBox { min: [2; 3], max: [2, 4, 4] },
        IndexBox { min: [5; 3], max: [3; 3] },
    ] {
        let problem = respond_in(&mean, image.view(), SPACING, &bounds).expect_err("outside");
        assert!(problem.to_string().contains("empty or leaves the image"), "{problem}");
    }
}
