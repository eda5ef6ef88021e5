//! The NIfTI reader: voxel types, scaling, orientation, and files that are not what they claim.

mod common;

use std::path::Path;

use abscope::error::Error;
use abscope::ingest::nifti::{read_image, read_labels};
use abscope::ingest::{Case, LoadOptions, load, sha256};
use abscope::mask::Mask;
use abscope::volume::{Volume, Voxels};
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
fn voxels_that_are_no_finite_numbers_are_told_and_kept() {
    // The last is above the largest number of 32 bits, 3.4e38.
    for (kind, value) in [(Kind::F32, f64::NAN), (Kind::F32, f64::NEG_INFINITY), (Kind::F64, 1e39)]
    {
        let mut file = Nifti { voxels: vec![0.0; 60], ..ramp(LPS) };
        file.kind = kind;
        file.voxels[27] = value;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a.nii");
        file.write(&path);
        let image = read_image(&path).expect("reads");
        let flaw = image.volume.flaw().expect("told");
        assert!(flaw.problem.contains("(2, 1, 1)") && flaw.problem.contains("32 bits"));
        assert!(flaw.path.ends_with("a.nii"), "{flaw:?}");
        let once = image.warnings.iter().filter(|w| w.contains("1 voxel is no finite")).count();
        assert_eq!(once, 1, "{:?}", image.warnings);
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

fn loaded(image: &Path, mask: &Path) -> Result<Case, Error> {
    load(image, mask, &common::options())
}

/// What a case holds but for the hashes of its files.
fn held(case: &Case) -> (&Volume, Vec<(&str, &abscope::Mask)>) {
    (&case.volume, case.lesions.iter().map(|l| (l.id.as_str(), &l.mask)).collect())
}

/// Oracle: RFC 1952. Header and trailer of a member and the code of its blocks leave few bits that
/// mean nothing; each other one is covered by the checksum.
#[test]
fn a_flipped_bit_of_a_compressed_file_is_an_error_or_changes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let [image, mask] = ["image.nii.gz", "mask.nii.gz"].map(|name| folder.path().join(name));
    let noise = |i: usize| f64::from((i as u32).wrapping_mul(2_654_435_761) >> 22) - 512.0;
    let labels = |i: usize| f64::from(u8::from(i % 13 < 5) + 2 * u8::from(i % 13 == 7));
    let file = |values: &dyn Fn(usize) -> f64, kind, axes| Nifti {
        kind,
        ..Nifti::new([9, 8, 7], [0.7, 1.1, 2.5], axes, [1.0; 3], (0..504).map(values).collect())
    };
    // Whole numbers in canonical order are decompressed in one piece, all else in a stream.
    for (axes, kind) in [(LPS, Kind::I16), (IDENTITY, Kind::F32)] {
        file(&noise, kind, axes).write(&image);
        file(&labels, kind, axes).write(&mask);
        let sound = loaded(&image, &mask).expect("sound");
        let mut refused = 0;
        for path in [&image, &mask] {
            let bytes = std::fs::read(path).expect("there");
            // Prime to 8, so that all bits of a byte have their turn.
            for bit in (0..8 * bytes.len()).step_by(7) {
                let mut flipped = bytes.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                std::fs::write(path, &flipped).expect("writes");
                match loaded(&image, &mask) {
                    Ok(case) => assert!(held(&case) == held(&sound), "{kind:?} bit {bit}"),
                    Err(error) => {
                        let name = path.file_name().expect("a name").to_string_lossy();
                        assert!(error.to_string().contains(&*name), "{error}");
                        refused += 1;
                    }
                }
            }
            std::fs::write(path, &bytes).expect("writes");
        }
        assert!(refused > 200, "{refused}");
    }
}

#[test]
fn a_gzip_header_tells_nothing_of_the_image() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii.gz");
    let plain = read(&ramp(LPS), "a.nii").expect("reads");
    let header = flate2::GzBuilder::new().filename("PATIENT.nii").comment("x").mtime(7).extra([1]);
    let mut encoder = header.write(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut encoder, &ramp(LPS).bytes()).expect("memory");
    std::fs::write(&path, encoder.finish().expect("memory")).expect("writes");
    assert_eq!(read_image(&path).expect("reads").volume, plain);
}

/// Oracle: gzip(1) takes the same files: "gzip -t" is silent on the first two, and names the last.
#[test]
fn members_of_gzip_may_follow_one_another_and_nothing_but_zeros_the_last() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("a.nii.gz");
    let member = |bytes: &[u8]| {
        write_bytes(&path, bytes);
        std::fs::read(&path).expect("there")
    };
    for (axes, kind) in [(LPS, Kind::I16), (IDENTITY, Kind::F32)] {
        let file = Nifti { kind, ..ramp(axes) };
        let plain = read(&file, "a.nii").expect("reads");
        let bytes = file.bytes();
        let parts = [member(&bytes[..100]), member(&bytes[100..365]), member(&bytes[365..])];
        let padded = [&parts.concat()[..], &[0; 1000]].concat();
        for sound in [parts.concat(), padded.clone()] {
            std::fs::write(&path, sound).expect("writes");
            assert_eq!(read_image(&path).expect("reads").volume, plain);
        }
        for (surplus, problem) in [
            ([&padded[..], b"x"].concat(), "no gzip data"),
            ([&parts.concat()[..], b"end of file"].concat(), "11 bytes that are no gzip data"),
            ([parts.concat(), member(b"more")].concat(), "more bytes after the 60 voxels"),
        ] {
            std::fs::write(&path, surplus).expect("writes");
            let told = read_image(&path).expect_err("surplus").to_string();
            assert!(told.contains("a.nii.gz") && told.contains(problem), "{told}");
        }
    }
}

#[test]
fn bytes_after_the_voxels_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    for name in ["a.nii", "a.nii.gz"] {
        let path = folder.path().join(name);
        for (axes, kind) in [(LPS, Kind::I16), (IDENTITY, Kind::F32)] {
            for surplus in [vec![0], vec![0; 512], b"tail".to_vec()] {
                let voxels = (0..60).map(f64::from).collect();
                let file = Nifti { kind, voxels, ..ramp(axes) };
                write_bytes(&path, &[file.bytes(), surplus.clone()].concat());
                let image = read_image(&path).expect_err("surplus").to_string();
                let labels = read_labels(&path).expect_err("surplus").to_string();
                for told in [image, labels] {
                    assert!(told.contains("after the 60 voxels"), "{told}");
                    let count = format!("{} bytes", surplus.len());
                    assert!(told.contains(&count) || name == "a.nii.gz", "{told}");
                }
            }
        }
    }
}

/// Oracle: SHA-256 of the file, by the same function that checks the fixtures.
#[test]
fn the_hash_of_an_input_is_that_of_its_file() {
    let folder = tempfile::tempdir().expect("folder");
    for (name, kind) in [("i.nii", Kind::I16), ("i.nii.gz", Kind::I16), ("f.nii.gz", Kind::F32)] {
        let path = folder.path().join(name);
        Nifti { kind, voxels: (0..60).map(f64::from).collect(), ..ramp(LPS) }.write(&path);
        let case = loaded(&path, &path).expect("reads");
        for input in &case.inputs {
            assert_eq!(input.sha256, sha256(&path).expect("reads"), "{name} {}", input.role);
        }
    }
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
    let read = read_labels(&path).expect("reads");
    assert_eq!(read.masks.len(), labels);
    let bytes: usize = read.masks.values().map(Mask::bytes).sum();
    assert!(bytes < 100 * labels, "{bytes}");
    for (label, mask) in &read.masks {
        let first = *label as usize - 1;
        let at = |index: usize| [index % side, index / side % side, index / (side * side)];
        assert_eq!(mask.voxels().collect::<Vec<_>>(), [at(first), at(last - first)]);
    }
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

/// Writes bytes, compressed where the name says so, and reads them as an image.
fn read_bytes(bytes: &[u8], name: &str) -> Result<Volume, Error> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    write_bytes(&path, bytes);
    read_image(&path).map(|image| image.volume)
}

/// Oracle: the same image as NIfTI-1.
#[test]
fn nifti_2_gives_the_same_image_as_nifti_1() {
    let quatern = Nifti {
        sform_code: 0,
        qform_code: 1,
        quatern: [0.0, 0.0, 1.0],
        qoffset: [4.0, 5.0, 6.5],
        ..ramp(LPS)
    };
    let scaled = Nifti { slope: 2.0, inter: -7.0, ..ramp(IDENTITY) };
    for file in [ramp(LPS), ramp(IDENTITY), quatern, scaled] {
        for kind in [Kind::I16, Kind::I32, Kind::F32, Kind::F64] {
            for big_endian in [false, true] {
                let file = Nifti { kind, big_endian, ..file.clone() };
                let expected = read(&file, "a.nii").expect("reads");
                for name in ["a.nii", "a.nii.gz"] {
                    let found = read_bytes(&file.bytes_2(), name).expect("reads");
                    assert_eq!(found, expected, "{kind:?} {big_endian} {name}");
                }
            }
        }
    }
}

#[test]
fn a_case_of_nifti_2_files_is_that_of_nifti_1_files() {
    let folder = tempfile::tempdir().expect("folder");
    let mut mask = Nifti { voxels: vec![0.0; 60], ..ramp(LPS) };
    mask.voxels[31] = 3.0;
    let (image, path) = (folder.path().join("image"), folder.path().join("mask.nii.gz"));
    write_bytes(&image, &ramp(LPS).bytes_2());
    write_bytes(&path, &mask.bytes_2());
    let case = load(&image, &path, &LoadOptions::default()).expect("loads");
    assert_eq!(case.lesions[0].id, "3");
    let labels = abscope::ingest::nifti::survey(&path).expect("reads").labels.expect("labels");
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), [(3, 1)]);
}

/// What a NIfTI-2 header claims, against what there is: refused by name, and nothing is allocated for
/// it.
#[test]
fn hostile_nifti_2_headers_are_refused_by_name() {
    let sound = ramp(LPS).bytes_2();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        read_bytes(&file, "a.nii").expect_err("refused").to_string()
    };
    let long = |v: i64| v.to_le_bytes();
    let double = |v: f64| v.to_le_bytes();
    for (at, bytes, expected) in [
        (4, &b"n+2\0\n\x1a\n\0"[..], "binary mode"),
        (4, b"ni2\0\r\n\x1a\n", ".hdr/.img"),
        (4, b"n+3\0\r\n\x1a\n", "magic"),
        (16, &long(0), "dim[0] is 0"),
        (16, &long(8), "dim[0] is 8"),
        (24, &long(-5), "-5 voxels"),
        (24, &long(i64::MAX), "voxels"),
        (24, &long(1 << 31), "voxels"),
        (24, &long(1 << 20), "too short"),
        (12, &[7, 0], "type code 7"),
        (168, &long(12), "vox_offset is 12"),
        (168, &long(i64::MAX), "vox_offset"),
        (168, &long(-1), "vox_offset"),
        (400, &double(f64::NAN), "not finite"),
        (400, &double(1e200), "spacing"),
    ] {
        let problem = with(at, bytes);
        assert!(problem.contains("a.nii") && problem.contains(expected), "{at}: {problem}");
    }
    for length in [0, 100, 347, 348, 400, 539, 543, sound.len() - 1] {
        let problem = read_bytes(&sound[..length], "a.nii").expect_err("cut off").to_string();
        assert!(problem.contains("a.nii"), "{length}: {problem}");
    }
    let mut longer = sound.clone();
    longer.push(0);
    assert!(read_bytes(&longer, "a.nii").is_err());
    let mut four = Nifti { voxels: vec![0.0; 60], ..ramp(LPS) };
    four.dim = [4, 5, 4, 1, 3, 1, 1, 1];
    let problem = read_bytes(&four.bytes_2(), "a.nii").expect_err("refused").to_string();
    assert!(problem.contains("dimensions"), "{problem}");
}

/// Oracle: nibabel, which wrote the file.
#[test]
fn a_nifti_2_file_of_nibabel_is_read() {
    for name in ["little.nii.gz", "big.nii.gz"] {
        let path = fixture("nifti2").join(name);
        let volume = read_image(&path).expect("reads").volume;
        let geometry = volume.geometry();
        assert_eq!(geometry.size, [4, 3, 2]);
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!((0..3).all(|a| close(geometry.spacing[a], [0.7, 0.9, 2.5][a])), "{geometry:?}");
        for z in 0..2 {
            for y in 0..3 {
                for x in 0..4 {
                    let expected = (100 * x + 10 * y + z) as f32 - 150.0;
                    assert_eq!(volume.get([x, y, z]), expected, "{name} ({x}, {y}, {z})");
                }
            }
        }
    }
}
