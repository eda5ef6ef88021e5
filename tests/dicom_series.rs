//! CT series as scanners, archives and damaged copies have them.
//!
//! Oracles: the NIfTI of the IBSI CT phantom, made by the initiative from the same DICOM; and stored
//! values of made-up series, whose HU follow from PS3.3, C.11.1.1.2 by hand.

#[path = "common/dicom.rs"]
mod made;

use std::path::{Path, PathBuf};

use abscope::ingest::dicom::series::{self, CtSeries, SlicePolicy};
use abscope::ingest::dicom::source::Source;
use abscope::ingest::nifti;

const PHANTOM: &str = "fixtures/ibsi/ct_radiomics_phantom";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries.map(|e| e.expect("an entry").path()).collect();
    files.sort();
    files
}

fn sources(files: &[PathBuf]) -> Vec<Source> {
    files.iter().map(Source::file).collect()
}

fn phantom_slices() -> Vec<PathBuf> {
    let mut files = files(&Path::new(PHANTOM).join("dicom"));
    files.retain(|f| f.to_string_lossy().contains("DCM_IMG"));
    files
}

fn read(files: &[PathBuf]) -> CtSeries {
    series::read(&sources(files), SlicePolicy::Refuse).expect("a sound series")
}

#[test]
fn the_phantom_as_dicom_has_the_voxels_of_its_nifti() {
    let files = phantom_slices();
    assert_eq!(files.len(), 60);
    let ct = read(&files);
    let nifti = nifti::read_image(&Path::new(PHANTOM).join("image.nii.gz")).expect("reads");
    assert_eq!(ct.volume.geometry(), nifti.volume.geometry());
    let differing = |a: &[i16], b: &[i16]| a.iter().zip(b).filter(|(a, b)| a != b).count();
    let (a, b) = (ct.volume.voxels().whole(), nifti.volume.voxels().whole());
    assert_eq!(a.expect("whole HU").len(), 201 * 204 * 60);
    assert_eq!(differing(a.expect("whole HU"), b.expect("whole HU")), 0);
    assert_eq!(ct.acquisition.kvp, None, "KVP is there and empty");
    assert_eq!(ct.acquisition.slice_thickness, Some(3.0));
    assert_eq!(ct.warnings, Vec::<String>::new());
    assert_eq!(ct.instances.len(), 60);
}

#[test]
fn the_order_of_files_changes_nothing() {
    let mut files = phantom_slices();
    let ct = read(&files);
    files.reverse();
    files.swap(3, 40);
    assert!(read(&files).volume == ct.volume);
}

mod made_up {
    //! Series written here, slice by slice, with what goes wrong in practice.

    use std::path::PathBuf;

    use abscope::Error;
    use abscope::ingest::dicom::catalogue::Catalogue;
    use abscope::ingest::dicom::series::{self, CtSeries, SlicePolicy};
    use abscope::ingest::dicom::source::Source;
    use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
    use dicom_dictionary_std::tags;
    use dicom_object::InMemDicomObject;

    use crate::made::{
        self, BIG_ENDIAN, COLUMNS, DEFLATED, EXPLICIT, IMPLICIT, ROWS, folder, hu, pixels, put,
        slice, stack, write,
    };

    fn try_read(paths: &[PathBuf], policy: SlicePolicy) -> Result<CtSeries, Error> {
        series::read(&super::sources(paths), policy)
    }

    fn read(slices: &[InMemDicomObject]) -> CtSeries {
        let (_folder, paths) = folder(slices);
        try_read(&paths, SlicePolicy::Refuse).expect("a sound series")
    }

    fn refused(slices: &[InMemDicomObject], parts: &[&str]) -> String {
        let (_folder, paths) = folder(slices);
        let problem = try_read(&paths, SlicePolicy::Refuse).expect_err("refused").to_string();
        for part in parts {
            assert!(problem.contains(part), "{problem:?} does not say {part:?}");
        }
        problem
    }

    fn resampled(slices: &[InMemDicomObject]) -> CtSeries {
        let (_folder, paths) = folder(slices);
        try_read(&paths, SlicePolicy::Resample).expect("interpolated")
    }

    /// Every voxel is where and what it was made to be.
    fn assert_stack(ct: &CtSeries, count: usize) {
        let grid = ct.volume.geometry();
        assert_eq!(grid.size, [COLUMNS, ROWS, count]);
        assert_eq!(grid.spacing, [0.7, 0.5, 2.5]);
        assert_eq!(grid.origin, [-10.0, -20.0, 30.0]);
        assert_eq!(grid.direction, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        for z in 0..count {
            for y in 0..ROWS {
                for x in 0..COLUMNS {
                    assert_eq!(ct.volume.get([x, y, z]), f32::from(hu(x, y, z)), "{x} {y} {z}");
                }
            }
        }
    }

    #[test]
    fn a_sound_series_has_its_hu_in_place_and_its_acquisition() {
        let ct = read(&stack(4));
        assert_stack(&ct, 4);
        assert_eq!(ct.acquisition.kvp, Some(120.0));
        assert_eq!(ct.acquisition.kernel.as_deref(), Some("B30f"));
        assert_eq!(ct.acquisition.slice_thickness, Some(2.5));
        assert_eq!(ct.warnings, Vec::<String>::new());
    }

    #[test]
    fn every_uncompressed_transfer_syntax_reads_the_same() {
        for syntax in [IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN] {
            let folder = tempfile::tempdir().expect("a folder");
            let paths: Vec<PathBuf> =
                (0..3).map(|i| folder.path().join(format!("{i}.dcm"))).collect();
            for (path, slice) in paths.iter().zip(stack(3)) {
                write(path, &slice, syntax);
            }
            assert_stack(&try_read(&paths, SlicePolicy::Refuse).expect(syntax), 3);
        }
    }

    #[test]
    fn files_without_preamble_or_meta_group_are_read() {
        let (_folder, paths) = folder(&stack(3));
        for (path, with_meta) in paths.iter().zip([true, false, false]) {
            let bytes = std::fs::read(path).expect("there");
            // The preamble and the magic word are 132 bytes; the meta group's length is its own
            // first value (PS3.10, 7.1).
            let length = u32::from_le_bytes(bytes[140..144].try_into().expect("4 bytes"));
            let start = if with_meta { 132 } else { 144 + length as usize };
            std::fs::write(path, &bytes[start..]).expect("written");
        }
        assert_stack(&try_read(&paths, SlicePolicy::Refuse).expect("reads"), 3);
    }

    #[test]
    fn a_meta_group_that_names_the_wrong_encoding_does_not_mislead() {
        let (_folder, paths) = folder(&stack(2));
        let bytes = std::fs::read(&paths[0]).expect("there");
        let uid = b"1.2.840.10008.1.2.1\0";
        let at = bytes.windows(20).position(|w| w == uid).expect("the transfer syntax");
        let mut wrong = bytes;
        wrong[at..at + 20].copy_from_slice(b"1.2.840.10008.1.2\0\0\0");
        std::fs::write(&paths[0], wrong).expect("written");
        assert_stack(&try_read(&paths, SlicePolicy::Refuse).expect("reads"), 2);
    }

    #[test]
    fn rescale_is_of_each_slice() {
        // Stored = (HU - intercept) / slope by hand: HU + 1024, and (HU + 1000) with other values.
        let mut slices = stack(3);
        pixels(&mut slices[1], 1, |hu| (hu + 1000) as u16);
        put(&mut slices[1], tags::RESCALE_INTERCEPT, VR::DS, " -1000.0 ");
        assert_stack(&read(&slices), 3);
        // A slope that is no whole number: HU = 0.5 stored - 1000.
        pixels(&mut slices[2], 2, |hu| (2 * (hu + 1000)) as u16);
        put(&mut slices[2], tags::RESCALE_SLOPE, VR::DS, "0,5");
        put(&mut slices[2], tags::RESCALE_INTERCEPT, VR::DS, "-1000");
        assert_stack(&read(&slices), 3);
    }

    #[test]
    fn twelve_bit_values_ignore_the_bits_above_and_extend_their_sign() {
        let mut slices = stack(3);
        for (n, slice) in slices.iter_mut().enumerate() {
            put(slice, tags::BITS_STORED, VR::US, 12u16);
            put(slice, tags::HIGH_BIT, VR::US, 11u16);
            put(slice, tags::RESCALE_INTERCEPT, VR::DS, "0");
            // Two's complement of 12 bits with an overlay in the bits above.
            pixels(slice, n, |hu| (hu as u16 & 0x0FFF) | 0x5000);
        }
        assert_stack(&read(&slices), 3);
    }

    #[test]
    fn padding_becomes_air_and_is_counted() {
        let mut slices = stack(2);
        put(&mut slices[0], tags::PIXEL_PADDING_VALUE, VR::SS, 24i16);
        let ct = read(&slices);
        // Stored 24 is -1000 HU, the first voxel of the first slice.
        assert_eq!(ct.volume.get([0, 0, 0]), -1024.0);
        assert_eq!(ct.volume.get([1, 0, 0]), -999.0);
        assert_eq!(ct.warnings, ["1 padded voxels were taken as -1024 HU"]);
        put(&mut slices[0], tags::PIXEL_PADDING_RANGE_LIMIT, VR::SS, 27i16);
        assert_eq!(read(&slices).warnings, ["4 padded voxels were taken as -1024 HU"]);
    }

    #[test]
    fn a_missing_slice_is_told_in_mm_and_interpolated_on_request() {
        let mut slices = stack(6);
        slices.remove(3);
        refused(&slices, &["1 slice is missing", "5.000 mm after slice 3", "interpolated"]);
        let ct = resampled(&slices);
        assert_eq!(ct.volume.geometry().size[2], 6);
        // HU rise by 100 per slice, so that linear interpolation restores the missing one.
        assert_stack(&ct, 6);
        assert!(ct.warnings[0].contains("1 slice is missing"), "{:?}", ct.warnings);
    }

    #[test]
    fn uneven_slices_are_refused_or_interpolated() {
        let mut slices = stack(5);
        put(&mut slices[2], tags::IMAGE_POSITION_PATIENT, VR::DS, "-10\\-20\\36.0");
        refused(&slices, &["unevenly spaced", "3.500 mm after slice 2", "1.500 mm after slice 3"]);
        let ct = resampled(&slices);
        // At 35 mm, 2.5 of 3.5 mm from slice 1 to the slice at 36 mm: 100 + 100 * 2.5 / 3.5.
        let expected = f64::from(hu(0, 0, 1)) + 100.0 * 2.5 / 3.5;
        assert!((f64::from(ct.volume.get([0, 0, 2])) - expected).abs() < 1e-3);
        assert_eq!(ct.volume.get([2, 3, 4]), f32::from(hu(2, 3, 4)));
    }

    #[test]
    fn gantry_tilt_is_told_and_sheared_on_request() {
        // Each slice starts one voxel (0.7 mm) further in x, while the patient stays: along a line
        // in world coordinates, HU fall by 1 per slice.
        let tilted: Vec<InMemDicomObject> = (0..4)
            .map(|n| slice(n, [-10.0 + 0.7 * n as f64, -20.0, 30.0 + 2.5 * n as f64]))
            .collect();
        // atan(0.7 / 2.5) = 15.64 degrees.
        let told = refused(&tilted, &["shifted sideways", "2.100 mm", "15.64 degrees"]);
        assert!(!told.contains("missing slices"), "a tilt is none: {told}");
        let ct = resampled(&tilted);
        assert_eq!(ct.volume.geometry().origin, [-10.0, -20.0, 30.0]);
        for z in 0..4 {
            for x in z..COLUMNS {
                let (got, wanted) = (ct.volume.get([x, 2, z]), f32::from(hu(x - z, 2, z)));
                assert!((got - wanted).abs() < 1e-3, "{x} {z}: {got} {wanted}");
            }
        }
        assert_eq!(ct.volume.get([0, 2, 3]), -1024.0, "outside of the tilted slice is air");
    }

    #[test]
    fn copies_are_dropped_and_contradictions_refused() {
        let mut slices = stack(4);
        slices.push(slices[2].clone());
        let ct = read(&slices);
        assert_stack(&ct, 4);
        assert_eq!(ct.warnings, ["1 copies of slices were left out"]);

        pixels(&mut slices[4], 9, |hu| (hu + 1024) as u16);
        refused(&slices, &["SOPInstanceUID", "other content"]);

        put(&mut slices[4], tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.9.99");
        refused(&slices, &["two different slices lie at the same place", "35.000"]);
    }

    #[test]
    fn localizers_are_left_out_with_a_warning() {
        let mut slices = stack(4);
        let mut scout = slice(7, [0.0, 0.0, 0.0]);
        put(&mut scout, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\LOCALIZER");
        put(&mut scout, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\0\\-1");
        slices.push(scout);
        let ct = read(&slices);
        assert_stack(&ct, 4);
        assert_eq!(ct.warnings, ["1 localizers were left out"]);
    }

    #[test]
    fn a_slice_that_is_not_like_the_others_is_refused_wherever_it_lies() {
        for number in [0, 2, 4] {
            let with = |tag, vr, value: PrimitiveValue, parts: &[&str]| {
                let mut slices = stack(5);
                put(&mut slices[number], tag, vr, value);
                let problem = refused(&slices, parts);
                assert!(problem.contains(&format!("/{number}: ")), "{problem}");
            };
            let short = |v: u16| PrimitiveValue::from(v);
            with(tags::ROWS, VR::US, short(6), &["Rows (0028,0010) is 6", "4 of", "have 5"]);
            with(tags::COLUMNS, VR::US, short(5), &["Columns (0028,0011) is 5", "have 6"]);
            with(
                tags::BITS_STORED,
                VR::US,
                short(12),
                &["BitsStored (0028,0101) is 12", "have 16"],
            );
            with(
                tags::PIXEL_REPRESENTATION,
                VR::US,
                short(0),
                &["PixelRepresentation (0028,0103) is 0", "have 1"],
            );
            with(
                tags::PHOTOMETRIC_INTERPRETATION,
                VR::CS,
                "MONOCHROME1".into(),
                &["PhotometricInterpretation (0028,0004) is MONOCHROME1", "have MONOCHROME2"],
            );
            with(
                tags::IMAGE_ORIENTATION_PATIENT,
                VR::DS,
                "1\\0\\0\\0\\0\\-1".into(),
                &["ImageOrientationPatient (0020,0037) is 1\\0\\0\\0\\0\\-1", "1\\0\\0\\0\\1\\0"],
            );
            with(
                tags::PIXEL_SPACING,
                VR::DS,
                "0.5\\0.8".into(),
                &["PixelSpacing (0028,0030) is 0.5\\0.8", "0.5\\0.7"],
            );
            with(
                tags::FRAME_OF_REFERENCE_UID,
                VR::UI,
                "1.2.3.4".into(),
                &["FrameOfReferenceUID (0020,0052) is \"1.2.3.4\"", "\"1.2.3.3\""],
            );
            with(tags::PATIENT_ID, VR::LO, "MRN-2".into(), &["PatientID (0010,0020) is another"]);
        }
        let mut slices = stack(5);
        for (tag, value) in [(tags::BITS_ALLOCATED, 32u16), (tags::HIGH_BIT, 20)] {
            put(&mut slices[4], tag, VR::US, value);
        }
        refused(&slices, &["BitsAllocated (0028,0100) is 32", "have 16"]);
        let mut slices = stack(5);
        for (n, slice) in slices.iter_mut().enumerate() {
            put(slice, tags::BITS_STORED, VR::US, 12u16);
            put(slice, tags::HIGH_BIT, VR::US, if n == 4 { 15u16 } else { 11 });
        }
        refused(&slices, &["HighBit (0028,0102) is 15", "have 11"]);
    }

    #[test]
    fn what_may_differ_between_slices_is_measured_and_told() {
        let mut slices = stack(6);
        pixels(&mut slices[5], 5, |hu| (hu + 1000) as u16);
        put(&mut slices[5], tags::RESCALE_INTERCEPT, VR::DS, "-1000");
        for slice in &mut slices[3..] {
            put(slice, tags::KVP, VR::DS, "100");
            put(slice, tags::CONVOLUTION_KERNEL, VR::SH, "B70f");
            put(slice, tags::ACQUISITION_NUMBER, VR::IS, "2");
        }
        let ct = read(&slices);
        assert_stack(&ct, 6);
        for (warning, says) in ct.warnings.iter().zip([
            "tube voltage",
            "convolution kernel",
            "rescale slope and intercept (1 and -1000; 1 and -1024)",
            "2 acquisitions",
        ]) {
            assert!(warning.contains(says), "{warning:?} does not say {says:?}");
        }
        assert_eq!(ct.warnings.len(), 4, "{:?}", ct.warnings);
        // A scanner that counts every slice says nothing of phases.
        let mut slices = stack(6);
        for (n, slice) in slices.iter_mut().enumerate() {
            put(slice, tags::ACQUISITION_NUMBER, VR::IS, n.to_string());
        }
        assert_eq!(read(&slices).warnings, Vec::<String>::new());
    }

    #[test]
    fn an_empty_or_doubled_rescale_value_is_no_number_and_a_negative_slope_is_refused() {
        for tag in [tags::RESCALE_INTERCEPT, tags::RESCALE_SLOPE] {
            for (value, says) in [("", "is empty"), ("1\\24", "has 2 values")] {
                let mut slices = stack(3);
                put(&mut slices[1], tag, VR::DS, value);
                refused(&slices, &["Rescale", says]);
            }
        }
        let mut slices = stack(3);
        for slice in &mut slices {
            put(slice, tags::RESCALE_SLOPE, VR::DS, "-1");
        }
        refused(&slices, &["RescaleSlope (0028,1053) is -1"]);
        let mut slices = stack(3);
        for slice in &mut slices {
            slice.remove_element(tags::RESCALE_SLOPE);
        }
        assert_eq!(
            read(&slices).warnings,
            ["3 of 3 files: has no rescale slope, which was taken as 1"]
        );
    }

    #[test]
    fn pixel_data_is_as_long_as_its_header_says() {
        let with = |words: usize| {
            let mut slices = stack(2);
            let words = PrimitiveValue::U16(vec![0u16; words].into());
            slices[1].put(DataElement::new(tags::PIXEL_DATA, VR::OW, words));
            slices
        };
        refused(&with(COLUMNS * ROWS - 1), &["has 58 bytes of pixel data", "need 60"]);
        refused(&with(COLUMNS * ROWS + 1), &["has 62 bytes of pixel data", "need 60"]);
        refused(&with(2 * COLUMNS * ROWS), &["has 120 bytes of pixel data"]);
        // Bytes of an odd number have one of padding.
        let mut slices = stack(2);
        for slice in &mut slices {
            put(slice, tags::COLUMNS, VR::US, 5u16);
            put(slice, tags::BITS_ALLOCATED, VR::US, 8u16);
            put(slice, tags::BITS_STORED, VR::US, 8u16);
            put(slice, tags::HIGH_BIT, VR::US, 7u16);
            let bytes = PrimitiveValue::U8(vec![0u8; 26].into());
            slice.put(DataElement::new(tags::PIXEL_DATA, VR::OB, bytes));
        }
        assert_eq!(read(&slices).volume.geometry().size, [5, 5, 2]);
        let bytes = PrimitiveValue::U8(vec![0u8; 28].into());
        slices[1].put(DataElement::new(tags::PIXEL_DATA, VR::OB, bytes));
        refused(&slices, &["has 28 bytes of pixel data", "need 25"]);
    }

    #[test]
    fn a_compressed_icon_is_no_data_set() {
        // What the fragment holds would be an element of 4 GB.
        let fragment = [0x28, 0, 0x10, 0, b'O', b'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF].to_vec();
        let fragments = dicom_core::value::PixelFragmentSequence::new_fragments(vec![
            fragment.clone(),
            fragment,
        ]);
        let icon = made::item([DataElement::new(tags::PIXEL_DATA, VR::OB, fragments)]);
        let mut slices = stack(3);
        slices[1].put(made::sequence(tags::ICON_IMAGE_SEQUENCE, vec![icon]));
        assert_stack(&read(&slices), 3);
    }

    /// Implicit little endian: a private sequence of one item, with a sequence of one item in it.
    fn unknown_items() -> Vec<u8> {
        let element = |group: u16, element: u16, length: u32, value: &[u8]| {
            let mut bytes = [group.to_le_bytes(), element.to_le_bytes()].concat();
            bytes.extend(length.to_le_bytes());
            bytes.extend(value);
            bytes
        };
        let end = |of: u16| element(0xFFFE, of, 0, b"");
        let leaf = element(0x0029, 0x1020, 0x8000, &[b'x'; 0x8000]);
        let inner = [element(0xFFFE, 0xE000, u32::MAX, &leaf), end(0xE00D), end(0xE0DD)].concat();
        let nested = element(0x0029, 0x1030, u32::MAX, &inner);
        [element(0xFFFE, 0xE000, u32::MAX, &nested), end(0xE00D), end(0xE0DD)].concat()
    }

    #[test]
    fn unknown_values_of_undefined_length_are_sequences_in_implicit_little_endian() {
        for (syntax, length) in [(EXPLICIT, [0xFF; 4]), (BIG_ENDIAN, [0xFF; 4])] {
            let (_folder, paths) = folder(&stack(3));
            for (path, mut slice) in paths.iter().zip(stack(3)) {
                // Written as a value of defined length, whose length becomes undefined: outside of
                // sequences, and in an item of another sequence.
                let unknown = PrimitiveValue::U8(unknown_items().into());
                let unknown = DataElement::new(Tag(0x0029, 0x1010), VR::UN, unknown);
                let item = made::item([unknown.clone()]);
                slice.put(unknown);
                slice.put(made::sequence(tags::PROCEDURE_CODE_SEQUENCE, vec![item]));
                write(path, &slice, syntax);
                let mut bytes = std::fs::read(path).expect("there");
                let head = b"UN\0\0";
                let places = bytes.windows(4).enumerate().filter(|(_, w)| w == head);
                let places: Vec<usize> = places.map(|(at, _)| at + 4).collect();
                assert_eq!(places.len(), 2);
                for at in places {
                    bytes[at..at + 4].copy_from_slice(&length);
                }
                std::fs::write(path, bytes).expect("written");
            }
            let ct = try_read(&paths, SlicePolicy::Refuse).expect(syntax);
            assert_stack(&ct, 3);
            let opened = Source::file(&paths[0]).open().expect("reads");
            let outer = opened.fields().item(Tag(0x0029, 0x1010)).expect("a sequence");
            let inner = outer.item(Tag(0x0029, 0x1030)).expect("a sequence");
            assert!(inner.has(Tag(0x0029, 0x1020)));
            let nested = opened.fields().item(tags::PROCEDURE_CODE_SEQUENCE).expect("a sequence");
            let nested = nested.item(Tag(0x0029, 0x1010)).expect("a sequence");
            assert!(nested.item(Tag(0x0029, 0x1030)).is_some());
        }
    }

    #[test]
    fn feet_first_and_prone_have_the_same_canonical_volume_rules() {
        // Rows run to the right, slices down: the voxel of column x lies at -10 - 0.7 x.
        let slices: Vec<InMemDicomObject> = (0..4)
            .map(|n| {
                let mut s = slice(n, [-10.0, -20.0, 30.0 - 2.5 * n as f64]);
                put(&mut s, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "-1\\0\\0\\0\\1\\0");
                s
            })
            .collect();
        let ct = read(&slices);
        let grid = ct.volume.geometry();
        assert_eq!(grid.direction, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        for n in 0..4 {
            for x in 0..COLUMNS {
                let world = [-10.0 - 0.7 * x as f64, -20.0 + 0.5, 30.0 - 2.5 * n as f64];
                let at = grid.world_to_voxel(world).map(|v| v.round() as usize);
                assert_eq!(ct.volume.get(at), f32::from(hu(x, 1, n)));
            }
        }
    }

    #[test]
    fn an_oblique_series_keeps_its_places() {
        // Columns turned by the angle of the triangle 3-4-5 about the patient's long axis, rows
        // along it: slices are neither axial nor along a canonical axis.
        let (c, s) = (0.8, 0.6);
        let normal = [s, -c, 0.0];
        let slices: Vec<InMemDicomObject> = (0..4)
            .map(|n| {
                let mut o = slice(n, normal.map(|v| 2.5 * n as f64 * v));
                let axes = format!("{c}\\{s}\\0\\0\\0\\-1");
                put(&mut o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, axes);
                o
            })
            .collect();
        let ct = read(&slices);
        let grid = ct.volume.geometry();
        for n in 0..4 {
            for y in 0..ROWS {
                for x in 0..COLUMNS {
                    let along = 2.5 * n as f64;
                    let world = [
                        0.7 * x as f64 * c - along * -s,
                        0.7 * x as f64 * s - along * c,
                        -0.5 * y as f64,
                    ];
                    let at = grid.world_to_voxel(world).map(|v| v.round() as usize);
                    assert_eq!(ct.volume.get(at), f32::from(hu(x, y, n)), "{x} {y} {n}");
                }
            }
        }
    }

    #[test]
    fn an_enhanced_multi_frame_series_reads_like_single_slices() {
        let mut o = slice(0, [0.0; 3]);
        for tag in [
            tags::IMAGE_POSITION_PATIENT,
            tags::IMAGE_ORIENTATION_PATIENT,
            tags::PIXEL_SPACING,
            tags::RESCALE_SLOPE,
            tags::RESCALE_INTERCEPT,
            tags::KVP,
        ] {
            o.remove_element(tag);
        }
        let group = |sequence: Tag, values: &[(Tag, VR, String)]| {
            let mut item = InMemDicomObject::new_empty();
            for (tag, vr, value) in values {
                put(&mut item, *tag, *vr, value.as_str());
            }
            DataElement::new(sequence, VR::SQ, dicom_core::value::DataSetSequence::from(vec![item]))
        };
        let text = str::to_owned;
        let shared = InMemDicomObject::from_element_iter([
            group(
                tags::PIXEL_MEASURES_SEQUENCE,
                &[(tags::PIXEL_SPACING, VR::DS, text("0.5\\0.7"))],
            ),
            group(
                tags::PLANE_ORIENTATION_SEQUENCE,
                &[(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, text("1\\0\\0\\0\\1\\0"))],
            ),
            group(tags::CTX_RAY_DETAILS_SEQUENCE, &[(tags::KVP, VR::DS, text("100"))]),
        ]);
        // Frames in no order, each with an intercept of its own.
        let order = [2usize, 0, 3, 1];
        let mut words = Vec::new();
        let mut frames = Vec::new();
        for n in order {
            let intercept = -1024 + 10 * n as i32;
            let place = format!("-10\\-20\\{}", 30.0 + 2.5 * n as f64);
            frames.push(InMemDicomObject::from_element_iter([
                group(
                    tags::PLANE_POSITION_SEQUENCE,
                    &[(tags::IMAGE_POSITION_PATIENT, VR::DS, place)],
                ),
                group(
                    tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE,
                    &[
                        (tags::RESCALE_SLOPE, VR::DS, text("1")),
                        (tags::RESCALE_INTERCEPT, VR::DS, intercept.to_string()),
                    ],
                ),
            ]));
            let stored = |i: usize| (i32::from(hu(i % COLUMNS, i / COLUMNS, n)) - intercept) as u16;
            words.extend((0..COLUMNS * ROWS).map(stored));
        }
        let sequence =
            |items: Vec<InMemDicomObject>| dicom_core::value::DataSetSequence::from(items);
        o.put(DataElement::new(
            tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE,
            VR::SQ,
            sequence(vec![shared]),
        ));
        o.put(DataElement::new(
            tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
            VR::SQ,
            sequence(frames),
        ));
        put(&mut o, tags::NUMBER_OF_FRAMES, VR::IS, "4");
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(words.into())));
        let ct = read(&[o]);
        assert_stack(&ct, 4);
        assert_eq!(ct.acquisition.kvp, Some(100.0));
    }

    #[test]
    fn run_length_encoding_reads_the_same_and_damage_is_named() {
        // PS3.5, annex G: two segments, high bytes first, each a literal run.
        let encoded = |n: usize| {
            let words: Vec<u16> = (0..COLUMNS * ROWS)
                .map(|i| (i32::from(hu(i % COLUMNS, i / COLUMNS, n)) + 1024) as u16)
                .collect();
            let segment = |shift: u32| {
                let mut bytes = vec![(words.len() - 1) as u8];
                bytes.extend(words.iter().map(|w| (w >> shift) as u8));
                bytes.resize(bytes.len().next_multiple_of(2), 0);
                bytes
            };
            let (high, low) = (segment(8), segment(0));
            let mut bytes = vec![0u8; 64];
            bytes[0] = 2;
            bytes[4] = 64;
            bytes[8] = 64 + high.len() as u8;
            bytes.extend(high);
            bytes.extend(low);
            bytes
        };
        let folder = tempfile::tempdir().expect("a folder");
        let mut paths = Vec::new();
        for (n, mut o) in stack(3).into_iter().enumerate() {
            let fragments =
                dicom_core::value::PixelFragmentSequence::new_fragments(vec![encoded(n)]);
            o.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
            paths.push(folder.path().join(n.to_string()));
            write(&paths[n], &o, "1.2.840.10008.1.2.5");
        }
        assert_stack(&try_read(&paths, SlicePolicy::Refuse).expect("reads"), 3);

        let bytes = std::fs::read(&paths[1]).expect("there");
        std::fs::write(&paths[1], &bytes[..bytes.len() - 40]).expect("written");
        let problem = try_read(&paths, SlicePolicy::Refuse).expect_err("cut off").to_string();
        assert!(problem.contains("cut off"), "{problem}");
    }

    #[test]
    fn an_unknown_compression_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let mut o = slice(0, [0.0; 3]);
        let fragments = dicom_core::value::PixelFragmentSequence::new_fragments(vec![vec![0u8; 8]]);
        o.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
        write(&path, &o, "1.2.840.10008.1.2.4.51");
        let problem = try_read(&[path], SlicePolicy::Refuse).expect_err("refused").to_string();
        assert!(problem.contains("JPEG Extended") && problem.contains(".4.51"), "{problem}");
    }

    #[test]
    fn what_is_missing_or_wrong_in_a_header_is_named() {
        let without = |tag| {
            let mut slices = stack(2);
            slices[1].remove_element(tag);
            slices
        };
        refused(&without(tags::IMAGE_POSITION_PATIENT), &["ImagePositionPatient (0020,0032)"]);
        refused(&without(tags::PIXEL_SPACING), &["PixelSpacing (0028,0030)"]);
        refused(&without(tags::ROWS), &["Rows (0028,0010)"]);
        refused(&without(tags::PIXEL_DATA), &["no pixel data"]);
        let with = |tag, vr, value: &str| {
            let mut slices = stack(2);
            put(&mut slices[1], tag, vr, value);
            slices
        };
        refused(&with(tags::MODALITY, VR::CS, "MR"), &["modality is MR"]);
        refused(&with(tags::PIXEL_SPACING, VR::DS, "0\\0.7"), &["impossible"]);
        refused(&with(tags::PIXEL_SPACING, VR::DS, "a\\b"), &["\"a\"", "no number"]);
        refused(
            &with(tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\1\\0\\0"),
            &["right angles"],
        );
        refused(&with(tags::IMAGE_POSITION_PATIENT, VR::DS, "1e300\\0\\0"), &["impossible"]);
        refused(&with(tags::RESCALE_SLOPE, VR::DS, "0"), &["RescaleSlope"]);
        refused(&with(tags::RESCALE_SLOPE, VR::DS, "1e300"), &["RescaleSlope", "give no HU"]);
        refused(&with(tags::RESCALE_INTERCEPT, VR::DS, "-1e300"), &["RescaleIntercept"]);
        refused(
            &with(tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.77"),
            &["StudyInstanceUID", "1.2.3.77"],
        );
        let mut colour = stack(2);
        put(&mut colour[1], tags::SAMPLES_PER_PIXEL, VR::US, 3u16);
        refused(&colour, &["3 values per pixel"]);
        let mut huge = stack(2);
        for slice in &mut huge {
            put(slice, tags::ROWS, VR::US, 16_000u16);
            put(slice, tags::COLUMNS, VR::US, 16_000u16);
        }
        refused(&huge, &["60 bytes of pixel data"]);
    }

    #[test]
    fn no_damage_to_a_file_ends_in_a_panic() {
        let (_folder, paths) = folder(&stack(2));
        let whole = std::fs::read(&paths[1]).expect("there");
        for length in 0..whole.len() {
            std::fs::write(&paths[1], &whole[..length]).expect("written");
            let read = try_read(&paths, SlicePolicy::Refuse);
            assert!(read.is_err(), "cut to {length} of {} bytes", whole.len());
        }
        // Every byte of the header set to its opposite, one at a time.
        for at in 128..whole.len() - 60 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xFF;
            std::fs::write(&paths[1], damaged).expect("written");
            let _ = try_read(&paths, SlicePolicy::Refuse);
        }
    }

    #[test]
    fn a_messy_folder_is_sorted_out_and_every_problem_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            path
        };
        for (n, slice) in stack(3).iter().enumerate() {
            write(&at(&format!("DOE/A/B/C/IM{n}")), slice, EXPLICIT);
        }
        // The same UIDs for another patient, another modality, a cut file, and no DICOM at all.
        let mut other = slice(0, [0.0; 3]);
        put(&mut other, tags::PATIENT_ID, VR::LO, "MRN-2");
        write(&at("other/1"), &other, IMPLICIT);
        let mut dose = slice(5, [0.0; 3]);
        put(&mut dose, tags::MODALITY, VR::CS, "SR");
        put(&mut dose, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.8");
        write(&at("other/report"), &dose, EXPLICIT);
        let bytes = std::fs::read(at("other/1")).expect("there");
        std::fs::write(at("cut"), &bytes[..300]).expect("written");
        std::fs::write(at("DICOMDIR"), b"not one").expect("written");
        std::fs::write(at("viewer.exe"), vec![0x4D; 5000]).expect("written");
        let mut zip = zip::ZipWriter::new(std::fs::File::create(at("x.zip")).expect("made"));
        let options = zip::write::SimpleFileOptions::default();
        let mut fourth = slice(3, [-10.0, -20.0, 37.5]);
        put(&mut fourth, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.7");
        write(&at("tmp"), &fourth, EXPLICIT);
        let bytes = std::fs::read(at("tmp")).expect("there");
        std::fs::remove_file(at("tmp")).expect("removed");
        for (name, bytes) in [("../../evil", &bytes), ("readme.txt", &b"hello".to_vec())] {
            zip.start_file(name, options).expect("started");
            std::io::Write::write_all(&mut zip, bytes).expect("written");
        }
        zip.finish().expect("finished");

        let catalogue = Catalogue::scan(folder.path()).expect("readable");
        let ids: Vec<&str> = catalogue.patients.iter().map(|p| p.key.id.as_str()).collect();
        assert_eq!(ids, ["MRN-1", "MRN-2"]);
        let series: Vec<(&str, &str, usize)> = catalogue
            .series()
            .map(|(_, s)| (s.uid.as_str(), s.modality.as_str(), s.instances.len()))
            .collect();
        let expected = [
            ("1.2.3.2", "CT", 3),
            ("1.2.3.7", "CT", 1),
            ("1.2.3.8", "SR", 1),
            ("1.2.3.2", "CT", 1),
        ];
        assert_eq!(series, expected);
        assert_eq!(catalogue.other_files, 3);
        let problems: Vec<String> =
            catalogue.problems.iter().map(|p| p.problem.to_string()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|p| p.contains("1.2.3.2 occurs in 2 studies")), "{problems:?}");
        assert!(
            problems.iter().any(|p| p.contains("cut off") || p.contains("ends")),
            "{problems:?}"
        );
        let (_, first) = catalogue.series().next().expect("a series");
        let ct = series::read(&first.sources(), SlicePolicy::Refuse).expect("reads");
        assert_stack(&ct, 3);
        // A member of an archive is read where it is, whatever its name.
        let (_, zipped) = catalogue.series().nth(1).expect("the archive's");
        let ct = series::read(&zipped.sources(), SlicePolicy::Refuse).expect("reads");
        assert_eq!(ct.volume.get([2, 1, 0]), f32::from(hu(2, 1, 3)));
        assert!(matches!(&zipped.instances[0].source, Source { member: Some(_), .. }));
    }

    #[test]
    fn a_hundred_thousand_small_files_are_looked_through() {
        let folder = tempfile::tempdir().expect("a folder");
        for n in 0..100_000usize {
            if n % 1000 == 0 {
                std::fs::create_dir(folder.path().join(format!("{}", n / 1000))).expect("made");
            }
            let path = folder.path().join(format!("{}/{n}.txt", n / 1000));
            std::fs::write(path, n.to_string()).expect("written");
        }
        write(&folder.path().join("57/ct"), &slice(0, [0.0; 3]), EXPLICIT);
        let catalogue = Catalogue::scan(folder.path()).expect("readable");
        assert_eq!(catalogue.other_files, 100_000);
        assert_eq!(catalogue.series().count(), 1);
        assert_eq!(catalogue.problems, []);
    }
}
