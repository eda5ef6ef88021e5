//! The NIfTI reader: voxel types, scaling, orientation, and files that are not what they claim.

mod common;

use abscope::error::Error;
use abscope::ingest::nifti::{read_image, read_labels};
use abscope::volume::{Volume, Voxels};
use abscope::{LoadOptions, load};
use common::{Kind, Nifti, fixture, gunzip, write_bytes};

const IDENTITY: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// RAS axes of the LPS order that volumes are kept in.
const LPS: [[f64; 3]; 3] = [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]];

fn ramp(axes: [[f64; 3]; 3]) -> Nifti {
    let voxels = (0..60).map(|i| f64::from(i) - 20.0).collect();
    Nifti::new([5, 4, 3], [0.7, 1.1, 2.5], axes, [10.0, -20.0, 30.0], voxels)
}

fn read(nifti: &Nifti, name: &str) -> Result<Volume, Error> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    nifti.write(&path);
    read_image(&path).map(|image| image.volume)
}

#[test]
fn every_voxel_type_and_byte_order_gives_the_same_image() {
    let plain = read(&ramp(LPS), "a.nii").expect("reads");
    for kind in [Kind::I16, Kind::I32, Kind::F32, Kind::F64] {
        for big_endian in [false, true] {
            for name in ["a.nii", "a.nii.gz"] {
                let file = Nifti { kind, big_endian, ..ramp(LPS) };
                assert_eq!(
                    read(&file, name).expect("reads"),
                    plain,
                    "{kind:?} {big_endian} {name}"
                );
            }
        }
    }
}

/// Oracle: the NIfTI-1 standard, stored * slope + inter; slope 0 and NaN mean none.
#[test]
fn voxels_are_scaled_as_the_header_says() {
    let first = |slope, inter| {
        let volume = read(&Nifti { slope, inter, ..ramp(LPS) }, "a.nii").expect("reads");
        (volume.get([0, 0, 0]), matches!(volume.voxels(), Voxels::F32(_)))
    };
    assert_eq!(first(2.0, -1000.0), (-1040.0, false));
    assert_eq!(first(0.5, 0.25), (-9.75, true));
    assert_eq!(first(0.0, 7.0), (-20.0, false));
    assert_eq!(first(f32::NAN, 0.0), (-20.0, false));
}

/// Oracle: the affine itself; each voxel's place in the patient is where the header puts it.
#[test]
fn flipped_axes_keep_every_voxel_in_its_place() {
    for bits in 0..8 {
        let mut axes = IDENTITY;
        for (a, axis) in axes.iter_mut().enumerate() {
            if bits >> a & 1 == 1 {
                axis[a] = -1.0;
            }
        }
        let file = ramp(axes);
        let volume = read(&file, "a.nii.gz").expect("reads");
        for (index, &value) in file.voxels.iter().enumerate() {
            let at = [index % 5, index / 5 % 4, index / 20];
            let ras: [f64; 3] = std::array::from_fn(|r| {
                (0..3).map(|c| f64::from(file.srow[r][c]) * at[c] as f64).sum::<f64>()
                    + f64::from(file.srow[r][3])
            });
            let voxel = volume.geometry().world_to_voxel([-ras[0], -ras[1], ras[2]]);
            let nearest = voxel.map(f64::round);
            for (got, whole) in voxel.iter().zip(nearest) {
                assert!((got - whole).abs() < 1e-4, "{voxel:?}");
            }
            assert_eq!(f64::from(volume.get(nearest.map(|v| v as usize))), value);
        }
    }
}

/// Oracle: the quaternion of a half turn about z is (0, 0, 1), the affine diag(-1, -1, 1).
#[test]
fn a_qform_alone_gives_the_grid_of_the_equal_sform() {
    let sform = read(&ramp(LPS), "a.nii").expect("reads");
    let file = Nifti {
        sform_code: 0,
        qform_code: 1,
        quatern: [0.0, 0.0, 1.0],
        qoffset: [10.0, -20.0, 30.0],
        ..ramp(LPS)
    };
    let qform = read(&file, "a.nii").expect("reads");
    assert!(sform.geometry().difference(qform.geometry(), 1e-6).is_none());
    assert_eq!(sform.voxels(), qform.voxels());
}

#[test]
fn a_file_cut_off_anywhere_is_refused_and_never_panics() {
    let folder = tempfile::tempdir().expect("folder");
    for name in ["image.nii.gz", "mask.nii.gz"] {
        let compressed =
            std::fs::read(fixture("ibsi/ibsi_1_digital_phantom").join(name)).expect("fixture");
        let plain = gunzip(&fixture("ibsi/ibsi_1_digital_phantom").join(name));
        for (bytes, ending) in [(&compressed, "nii.gz"), (&plain, "nii")] {
            for length in 0..bytes.len() {
                let path = folder.path().join(format!("cut.{ending}"));
                std::fs::write(&path, &bytes[..length]).expect("writes");
                let image = read_image(&path).expect_err("cut off");
                let labels = read_labels(&path).expect_err("cut off");
                for problem in [image, labels] {
                    assert!(problem.to_string().contains("cut."), "names the file: {problem}");
                }
            }
        }
    }
}

#[test]
fn a_header_with_any_byte_changed_never_panics() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("changed.nii");
    let bytes = ramp(LPS).bytes();
    for at in 0..352 {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] = value;
            std::fs::write(&path, &changed).expect("writes");
            // Either is fine; what must hold is that one of them comes back.
            if let Ok(image) = read_image(&path) {
                assert_eq!(image.volume.voxels().len(), image.volume.geometry().voxel_count());
            }
            let _ = read_labels(&path);
        }
    }
}

#[test]
fn a_header_that_claims_a_huge_grid_is_refused_before_anything_is_allocated() {
    for (dim, name) in [
        ([3, 30000, 30000, 2, 1, 1, 1, 1], "a.nii.gz"),
        ([3, 1000, 1000, 1000, 1, 1, 1, 1], "a.nii"),
    ] {
        let problem = read(&Nifti { dim, ..ramp(LPS) }, name).expect_err("too short").to_string();
        assert!(problem.contains("too short"), "{problem}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let voxels = vec![0.0; 60];
    let with = |change: &dyn Fn(&mut Nifti)| {
        let mut file = Nifti { voxels: voxels.clone(), ..ramp(LPS) };
        change(&mut file);
        read(&file, "a.nii").expect_err("refused").to_string()
    };
    let four = with(&|f| f.dim = [4, 5, 4, 1, 3, 1, 1, 1]);
    assert!(four.contains('4') && four.contains('3'), "{four}");
    let nan = with(&|f| {
        f.kind = Kind::F32;
        f.voxels[27] = f64::NAN;
    });
    assert!(nan.contains("(2, 1, 1)") && nan.contains("NaN"), "{nan}");
    // Above the largest number of 32 bits, 3.4e38.
    let large = with(&|f| {
        f.kind = Kind::F64;
        f.voxels[27] = 1e39;
    });
    assert!(large.contains("(2, 1, 1)") && large.contains("32 bits"), "{large}");
    let sheared = with(&|f| f.srow[0][2] = 1.0);
    assert!(sheared.contains("sheared"), "{sheared}");
    let flat = with(&|f| f.srow[1] = [0.0; 4]);
    assert!(flat.contains("spacing"), "{flat}");
}

#[test]
fn a_damaged_checksum_is_noticed() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("damaged.nii.gz");
    write_bytes(&path, &ramp(LPS).bytes());
    let mut bytes = std::fs::read(&path).expect("reads");
    let crc = bytes.len() - 8;
    bytes[crc] ^= 0xff;
    std::fs::write(&path, bytes).expect("writes");
    let problem = read_image(&path).expect_err("damaged").to_string();
    assert!(problem.contains("decompressed"), "{problem}");
}

#[test]
fn labels_are_lesions_and_fractions_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("labels.nii.gz");
    let mut file = Nifti { kind: Kind::F32, ..ramp(IDENTITY) };
    file.voxels.fill(0.0);
    file.voxels[7] = 3.0;
    file.voxels[8] = 3.0;
    file.voxels[59] = 1.0;
    file.write(&path);
    let labels = read_labels(&path).expect("reads");
    let counts: Vec<_> = labels.masks.iter().map(|(l, m)| (*l, m.voxel_count())).collect();
    assert_eq!(counts, [(1, 1), (3, 2)]);
    file.voxels[30] = 0.5;
    file.write(&path);
    let problem = read_labels(&path).expect_err("fraction").to_string();
    assert!(problem.contains("0.5") && problem.contains("(0, 2, 1)"), "{problem}");
}

/// Every label has a voxel on either side of the grid: its box is half of the grid.
#[test]
fn thousands_of_scattered_labels_take_no_memory() {
    let (side, labels) = (160, 4000);
    let mut voxels = vec![0.0; side * side * side];
    let last = voxels.len() - 1;
    for label in 0..labels {
        voxels[label] = (label + 1) as f64;
        voxels[last - label] = (label + 1) as f64;
    }
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii");
    Nifti::new([side; 3], [1.0; 3], LPS, [0.0; 3], voxels).write(&path);
    let error = read_labels(&path).expect_err("refused");
    assert!(matches!(error, Error::TooBig { .. }), "{error}");
    assert!(error.to_string().contains("4000 labels"), "{error}");
}

/// PET, MR and CT numbers without their intercept begin at 0; the same image in HU is told nothing.
#[test]
fn an_image_that_is_no_ct_in_hu_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let (image, mask) = (folder.path().join("image.nii"), folder.path().join("mask.nii"));
    let lesion = (0..60).map(|i| f64::from(u8::from(i > 30))).collect();
    Nifti { voxels: lesion, ..ramp(LPS) }.write(&mask);
    for (shift, told) in [(0.0, false), (20.0, true)] {
        for kind in [Kind::I16, Kind::F32] {
            let ct = ramp(LPS);
            let voxels = ct.voxels.iter().map(|v| v + shift).collect();
            Nifti { kind, voxels, ..ct }.write(&image);
            let case = load(&image, &mask, &LoadOptions::default()).expect("reads");
            let said = case.warnings.iter().any(|w| w.contains("no intensity is below 0"));
            assert_eq!(said, told, "{kind:?} {:?}", case.warnings);
        }
    }
}
