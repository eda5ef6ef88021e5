//! IBSI 2, phase 1: every reference response map of the digital phantoms.
//!
//! Oracle: the initiative's validated response maps (10.5281/zenodo.7323865). A map is reproduced
//! where no voxel differs by more than 1 % of the reference map's range.

use std::path::{Path, PathBuf};

use abscope::filters::{FilterSettings, respond};
use abscope::geometry::IndexBox;
use abscope::ingest::nifti::read_image;

fn ibsi(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ibsi").join(path)
}

/// Largest difference from the reference map, as a fraction of its range.
fn worst_difference(test: &str, phantom: &str, settings: &str) -> f64 {
    let setting: FilterSettings =
        toml::from_str(&format!("name = \"{test}\"\n{settings}")).expect("valid settings");
    let image = read_image(&ibsi(&format!("ibsi_2_digital_phantoms/{phantom}.nii.gz")))
        .expect("readable phantom")
        .volume;
    let file = format!("ibsi_2_response_maps/{}-ValidCRM.nii.gz", test.replace('.', "_"));
    let reference = read_image(&ibsi(&file)).expect("readable map").volume;
    let whole = IndexBox::whole(image.geometry().size);
    assert_eq!(image.geometry().size, reference.geometry().size);
    let maps = respond(&setting, image.crop(&whole).view(), image.geometry().spacing)
        .expect("the filter runs");
    assert_eq!(maps.len(), 1);
    let reference = reference.crop(&whole);
    let (mut low, mut high, mut worst) = (f32::MAX, f32::MIN, 0.0f32);
    for (&got, &expected) in maps[0].1.iter().zip(&reference) {
        low = low.min(expected);
        high = high.max(expected);
        worst = worst.max((got - expected).abs());
    }
    let fraction = f64::from(worst) / f64::from(high - low);
    println!("{test}: {:.4} % of the range", 100.0 * fraction);
    fraction
}

macro_rules! phase_1 {
    ($($name:ident: $test:literal, $phantom:literal, $settings:literal;)*) => {$(
        #[test]
        fn $name() {
            let worst = worst_difference($test, $phantom, $settings);
            assert!(worst <= 0.01, "{}: {worst}", $test);
        }
    )*};
}

phase_1! {
    map_1_a_1: "1.a.1", "checkerboard", "kind = 'mean'\nsupport_voxels = 15\nboundary = 'zero'";
    map_1_a_2: "1.a.2", "checkerboard", "kind = 'mean'\nsupport_voxels = 15\nboundary = 'nearest'";
    map_1_a_3: "1.a.3", "checkerboard", "kind = 'mean'\nsupport_voxels = 15\nboundary = 'periodic'";
    map_1_a_4: "1.a.4", "checkerboard", "kind = 'mean'\nsupport_voxels = 15\nboundary = 'mirror'";
    map_1_b_1: "1.b.1", "impulse",
        "kind = 'mean'\nsupport_voxels = 15\nboundary = 'zero'\ndimension = '2d'";

    map_2_a: "2.a", "impulse", "kind = 'log'\nsigma_mm = 3.0\nboundary = 'zero'";
    map_2_b: "2.b", "checkerboard", "kind = 'log'\nsigma_mm = 5.0\nboundary = 'mirror'";
    map_2_c: "2.c", "checkerboard",
        "kind = 'log'\nsigma_mm = 5.0\nboundary = 'mirror'\ndimension = '2d'";

    map_3_a_1: "3.a.1", "impulse", "kind = 'laws'\nkernels = 'E5L5S5'\nboundary = 'zero'";
    map_3_a_2: "3.a.2", "impulse",
        "kind = 'laws'\nkernels = 'E5L5S5'\nboundary = 'zero'\nrotation_invariant = 'max'";
    map_3_a_3: "3.a.3", "impulse",
        "kind = 'laws'\nkernels = 'E5L5S5'\nboundary = 'zero'\nrotation_invariant = 'max'\nenergy_delta_voxels = 7";
    map_3_b_1: "3.b.1", "checkerboard", "kind = 'laws'\nkernels = 'E3W5R5'\nboundary = 'mirror'";
    map_3_b_2: "3.b.2", "checkerboard",
        "kind = 'laws'\nkernels = 'E3W5R5'\nboundary = 'mirror'\nrotation_invariant = 'max'";
    map_3_b_3: "3.b.3", "checkerboard",
        "kind = 'laws'\nkernels = 'E3W5R5'\nboundary = 'mirror'\nrotation_invariant = 'max'\nenergy_delta_voxels = 7";
    map_3_c_1: "3.c.1", "checkerboard",
        "kind = 'laws'\nkernels = 'L5S5'\nboundary = 'mirror'\ndimension = '2d'";
    map_3_c_2: "3.c.2", "checkerboard",
        "kind = 'laws'\nkernels = 'L5S5'\nboundary = 'mirror'\ndimension = '2d'\nrotation_invariant = 'max'";
    map_3_c_3: "3.c.3", "checkerboard",
        "kind = 'laws'\nkernels = 'L5S5'\nboundary = 'mirror'\ndimension = '2d'\nrotation_invariant = 'max'\nenergy_delta_voxels = 7";

    map_4_a_1: "4.a.1", "impulse",
        "kind = 'gabor'\nsigma_mm = 10.0\nwavelength_mm = 4.0\ngamma = 0.5\ntheta_degrees = 60.0\nboundary = 'zero'\ndimension = '2d'";
    map_4_a_2: "4.a.2", "impulse",
        "kind = 'gabor'\nsigma_mm = 10.0\nwavelength_mm = 4.0\ngamma = 0.5\ntheta_step_degrees = 45.0\nboundary = 'zero'";
    map_4_b_1: "4.b.1", "sphere",
        "kind = 'gabor'\nsigma_mm = 20.0\nwavelength_mm = 8.0\ngamma = 2.5\ntheta_degrees = 225.0\nboundary = 'mirror'\ndimension = '2d'";
    map_4_b_2: "4.b.2", "sphere",
        "kind = 'gabor'\nsigma_mm = 20.0\nwavelength_mm = 8.0\ngamma = 2.5\ntheta_step_degrees = 22.5\nboundary = 'mirror'";

    map_5_a_1: "5.a.1", "impulse",
        "kind = 'wavelet'\nwavelet = 'db2'\nsubbands = ['LHL']\nboundary = 'zero'";
    map_5_a_2: "5.a.2", "impulse",
        "kind = 'wavelet'\nwavelet = 'db2'\nsubbands = ['LHL']\nboundary = 'zero'\nrotation_invariant = 'mean'";
    map_6_a_1: "6.a.1", "sphere",
        "kind = 'wavelet'\nwavelet = 'coif1'\nsubbands = ['HHL']\nboundary = 'periodic'";
    map_6_a_2: "6.a.2", "sphere",
        "kind = 'wavelet'\nwavelet = 'coif1'\nsubbands = ['HHL']\nboundary = 'periodic'\nrotation_invariant = 'mean'";
    map_7_a_1: "7.a.1", "checkerboard",
        "kind = 'wavelet'\nwavelet = 'haar'\nsubbands = ['LLL']\nlevel = 2\nboundary = 'mirror'\nrotation_invariant = 'mean'";
    map_7_a_2: "7.a.2", "checkerboard",
        "kind = 'wavelet'\nwavelet = 'haar'\nsubbands = ['HHH']\nlevel = 2\nboundary = 'mirror'\nrotation_invariant = 'mean'";

    map_8_a_1: "8.a.1", "checkerboard", "kind = 'simoncelli'\nlevel = 1\nboundary = 'periodic'";
    map_8_a_2: "8.a.2", "checkerboard", "kind = 'simoncelli'\nlevel = 2\nboundary = 'periodic'";
    map_8_a_3: "8.a.3", "checkerboard", "kind = 'simoncelli'\nlevel = 3\nboundary = 'periodic'";

    map_9_a: "9.a", "impulse",
        "kind = 'riesz'\norder = [1, 0, 0]\nboundary = 'zero'\nof = { kind = 'log', sigma_mm = 3.0 }";
    map_9_b_1: "9.b.1", "sphere",
        "kind = 'riesz'\norder = [0, 2, 0]\nboundary = 'zero'\nof = { kind = 'log', sigma_mm = 3.0 }";
    map_10_b_1: "10.b.1", "pattern_1",
        "kind = 'riesz'\norder = [0, 2, 0]\nboundary = 'nearest'\nof = { kind = 'simoncelli', level = 1 }";
}
