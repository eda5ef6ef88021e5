//! Voxels that are no finite numbers: refused where a lesion, what lies around it, or a filter would read
//! one, and told once where not.

mod common;

use abscope::extract::{check_finite, extract};
use abscope::ingest::{Case, load};
use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::value::Missing;
use common::{Kind, Nifti};

const SIZE: [usize; 3] = [48, 24, 24];
/// The lesion's voxels along each axis.
const LESION: std::ops::Range<usize> = 9..15;

/// A case with one voxel that is no number, beside the same case with 0 there.
fn cases(at: [usize; 3], value: f64) -> [Case; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let axes = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];
    let each = |of: &dyn Fn([usize; 3]) -> f64| -> Vec<f64> {
        let [nx, ny, nz] = SIZE;
        (0..nx * ny * nz).map(|i| of([i % nx, i / nx % ny, i / nx / ny])).collect()
    };
    let inside = |voxel: [usize; 3]| voxel.iter().all(|i| LESION.contains(i));
    let mask = each(&|voxel| f64::from(u8::from(inside(voxel))));
    let mask_path = folder.path().join("mask.nii");
    Nifti::new(SIZE, [1.0; 3], axes, [0.0; 3], mask).write(&mask_path);
    [value, 0.0].map(|special| {
        let of = |voxel: [usize; 3]| match voxel {
            voxel if voxel == at => special,
            [x, y, z] => ((x * 5 + y * 11 + z * 3) % 23) as f64 - 10.0,
        };
        let path = folder.path().join("image.nii");
        let mut image = Nifti::new(SIZE, [1.0; 3], axes, [0.0; 3], each(&of));
        image.kind = Kind::F32;
        image.write(&path);
        load(&path, &mask_path, &common::options()).expect("a case")
    })
}

fn plan(settings: &str) -> Plan {
    Plan::resolve(&Settings::parse(settings).expect("valid")).expect("they resolve")
}

const STATISTICS: &str = "[features]\nfamilies = [\"statistics\"]\n";
const LOCAL: &str = "[features]\nfamilies = [\"local_intensity\"]\n";
const RING: &str = "[features]\nfamilies = [\"statistics\"]\n\
                    [regions]\nring = { inner_mm = 0.0, outer_mm = 4.0, range_hu = [-5.0, 5.0] }\n";

fn filtered(filter: &str) -> String {
    format!("{STATISTICS}[[filter]]\nname = \"f\"\n{filter}")
}

/// Whether a plan refuses the case; where it does not, its values are those of the image with 0.
fn refuses([case, sound]: &[Case; 2], settings: &str) -> bool {
    let plan = plan(settings);
    let rows = extract(case, &plan);
    match check_finite(case, &rows) {
        Err(error) => {
            let problem = error.to_string();
            assert!(problem.contains("image.nii") && problem.contains("lesion 1"), "{problem}");
            assert!(rows[0].values().contains(&Err(Missing::IntensityNotFinite)), "{settings}");
            true
        }
        Ok(()) => {
            assert_eq!(rows[0].values(), extract(sound, &plan)[0].values(), "{settings}");
            false
        }
    }
}

#[test]
fn a_lesion_that_would_read_one_is_refused() {
    let mean = filtered("kind = \"mean\"\nsupport_voxels = 7\n");
    for value in [f64::NAN, f64::INFINITY, -1e39] {
        assert!(refuses(&cases([12, 12, 12], value), STATISTICS));
        // 2 voxels beyond the lesion.
        let near = cases([16, 12, 12], value);
        assert!(!refuses(&near, STATISTICS));
        assert!(refuses(&near, RING), "its HU range must not hide it");
        assert!(refuses(&near, LOCAL));
        assert!(refuses(&near, &mean));
        // 6 voxels beyond it.
        let farther = cases([20, 12, 12], value);
        assert!(!refuses(&farther, RING) && !refuses(&farther, &mean));
        assert!(refuses(&farther, LOCAL));
    }
}

#[test]
fn one_far_away_is_told_once_unless_a_filter_sees_the_whole_image() {
    let far = cases([45, 2, 2], f64::NAN);
    let told = far[0].warnings.iter().filter(|w| w.contains("no finite number")).count();
    assert_eq!((told, far[1].volume.flaw()), (1, None));
    for settings in [STATISTICS, LOCAL, RING, "[features]\nfamilies = [\"glcm\", \"morphology\"]\n"]
    {
        assert!(!refuses(&far, settings), "{settings}");
    }
    let cubic = "[resampling]\nspacing_mm = [0.8, 0.8, 0.8]\n";
    assert!(!refuses(&far, &format!("{cubic}{STATISTICS}")));
    assert!(refuses(&far, &filtered("kind = \"simoncelli\"\n")));
}
