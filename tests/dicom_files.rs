//! DICOM files of independent writers (pydicom, highdicom, dcmtk; see fixtures/dicom/make.py).
//!
//! Oracle: the formulas from which the script made them, repeated here.

mod common;

use std::path::{Path, PathBuf};

use abscope::geometry::Geometry;
use abscope::ingest::dicom::series::{self, CtSeries, SlicePolicy};
use abscope::ingest::dicom::source::Source;
use abscope::ingest::{Case, LoadOptions, load};
use abscope::mask::Mask;
use dicom_core::ops::{ApplyOp, AttributeAction, AttributeOp};
use dicom_core::value::PixelFragmentSequence;
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use dicom_dictionary_std::uids::RLE_LOSSLESS;
use dicom_object::{FileDicomObject, InMemDicomObject};

const SIZE: [usize; 3] = [40, 32, 4];
const SPACING: [f64; 3] = [0.7, 0.5, 2.5];
const ORIGIN: [f64; 3] = [-10.0, -20.0, 30.0];

fn made(name: &str) -> PathBuf {
    Path::new("fixtures/dicom").join(name)
}

fn try_series(name: &str) -> abscope::Result<CtSeries> {
    let entries = std::fs::read_dir(made(name)).expect("a folder");
    let sources: Vec<Source> = entries.map(|e| Source::file(e.expect("an entry").path())).collect();
    series::read(&sources, SlicePolicy::Refuse)
}

fn hu(x: usize, y: usize, z: usize) -> f32 {
    (7 * x + 13 * y + 101 * z) as f32 - 1000.0
}

/// Every voxel of slice z, column x, row y lies where the writer put it, with its HU.
fn assert_voxels(ct: &CtSeries, axes: [[f64; 3]; 2], slices: usize, name: &str) {
    let [a, b] = axes;
    let normal = abscope::geometry::cross(a, b);
    let grid = ct.volume.geometry();
    assert_eq!(grid.voxel_count(), SIZE[0] * SIZE[1] * slices, "{name}");
    for z in 0..slices {
        for y in 0..SIZE[1] {
            for x in 0..SIZE[0] {
                let steps = [x, y, z].map(|i| i as f64);
                let world: [f64; 3] = std::array::from_fn(|i| {
                    let [dx, dy, dz]: [f64; 3] = std::array::from_fn(|k| steps[k] * SPACING[k]);
                    ORIGIN[i] + dx * a[i] + dy * b[i] + dz * normal[i]
                });
                let at = grid.world_to_voxel(world);
                let nearest = at.map(f64::round);
                assert!((0..3).all(|k| (at[k] - nearest[k]).abs() < 1e-3), "{name}: {at:?}");
                let got = ct.volume.get(nearest.map(|v| v as usize));
                assert_eq!(got, hu(x, y, z), "{name}: {x} {y} {z}");
            }
        }
    }
}

const AXIAL: [[f64; 3]; 2] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]];

#[test]
fn every_transfer_syntax_gives_the_voxels_that_were_written() {
    for name in [
        "plain",
        "implicit",
        "big-endian",
        "deflated",
        "no-meta",
        "rle",
        "rle-dcmtk",
        "j2k",
        "jpegls",
        "jpeg-sv1",
        "jpeg-lossless",
    ] {
        for sign in ["unsigned", "signed"] {
            let name = format!("ct/{name}-{sign}");
            let ct = try_series(&name).unwrap_or_else(|e| panic!("{e}"));
            assert_voxels(&ct, AXIAL, 2, &name);
            assert_eq!(ct.acquisition.kvp, Some(120.0));
            assert_eq!(ct.warnings, Vec::<String>::new(), "{name}");
        }
    }
}

#[test]
fn compression_with_loss_gives_a_warning() {
    // The header of the second says nothing of it: its stream does.
    for name in ["ct/j2k-with-loss", "ct/jpegls-with-loss"] {
        let ct = try_series(name).expect("reads");
        assert!(ct.warnings.iter().any(|w| w.contains("with loss")), "{name}: {:?}", ct.warnings);
        for (x, y) in [(5, 5), (0, 0), (39, 31), (20, 9)] {
            assert!((ct.volume.get([x, y, 0]) - hu(x, y, 0)).abs() <= 2.0, "{name}: {x} {y}");
        }
    }
}

/// A slice of 19 x 12 pixels of 12 bits, in JPEG-LS, changed; and its series.
fn jpeg_ls_slice(
    stream: &str,
    change: impl FnOnce(&mut FileDicomObject<InMemDicomObject>),
) -> abscope::Result<CtSeries> {
    let stream = std::fs::read(format!("fixtures/jpeg_ls/{stream}.jls")).expect("there");
    let mut file = dicom_object::open_file(made("ct/jpegls-unsigned/0")).expect("reads");
    // Fragments have an even length.
    let fragments: Vec<Vec<u8>> = stream
        .chunks(50)
        .map(|part| part.iter().copied().chain((part.len() % 2 == 1).then_some(0)).collect())
        .collect();
    assert!(fragments.len() > 3);
    let fragments = PixelFragmentSequence::new_fragments(fragments);
    file.put(DataElement::new(tags::PIXEL_DATA, VR::OB, fragments));
    for (tag, value) in [(tags::ROWS, 12u16), (tags::COLUMNS, 19)] {
        file.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
    }
    change(&mut file);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slice");
    file.write_to_file(&path).expect("written");
    series::read(&[Source::file(&path)], SlicePolicy::Refuse)
}

fn put_number(file: &mut InMemDicomObject, tag: dicom_core::Tag, value: u16) {
    file.put(DataElement::new(tag, VR::US, PrimitiveValue::from(value)));
}

/// The samples of fixtures/jpeg_ls/make.cpp in row 1, where x is up to 5.
fn coded(x: usize) -> f32 {
    (7 * x + 13) as f32
}

#[test]
fn a_frame_of_jpeg_ls_lies_in_several_fragments_and_its_header_may_know_more_bits() {
    let row = |ct: &CtSeries| -> Vec<f32> { (0..6).map(|x| ct.volume.get([x, 1, 0])).collect() };
    let expected: Vec<f32> = (0..6).map(|x| coded(x) - 1024.0).collect();
    for stream in ["19x12-12-0-restart5", "19x12-12-0-spiff", "19x12-12-0-presets"] {
        let ct = jpeg_ls_slice(stream, |_| {}).unwrap_or_else(|e| panic!("{stream}: {e}"));
        assert_eq!(row(&ct), expected, "{stream}");
    }
    // 12 bits of 16, unsigned: the value itself.
    let ct = jpeg_ls_slice("19x12-12-0-spiff", |file| {
        put_number(file, tags::BITS_STORED, 16);
        put_number(file, tags::HIGH_BIT, 15);
    });
    assert_eq!(row(&ct.expect("reads")), expected);
    // Signed, the highest of the stream's bits is the sign. Row 11 is one of the even ones; column 12,
    // row 10 has 7 x 12 + 13 x 10 and noise of 14 x 256: 3 798 of 4 096, which is -298.
    let ct = jpeg_ls_slice("19x12-12-0-spiff", |file| {
        put_number(file, tags::PIXEL_REPRESENTATION, 1);
    });
    let ct = ct.expect("reads");
    assert_eq!(ct.volume.get([0, 11, 0]), 2047.0 - 1024.0);
    assert_eq!(ct.volume.get([12, 11, 0]), 1365.0 - 1024.0);
    assert_eq!(ct.volume.get([12, 10, 0]), -298.0 - 1024.0);
}

#[test]
fn a_stream_of_jpeg_ls_that_contradicts_its_header_is_an_error() {
    let refused = |tag, value| {
        let read = jpeg_ls_slice("19x12-12-0-spiff", |file| {
            if tag == tags::BITS_ALLOCATED {
                put_number(file, tags::BITS_STORED, 8);
                put_number(file, tags::HIGH_BIT, 7);
            }
            put_number(file, tag, value);
        });
        read.expect_err("refused").to_string()
    };
    let problem = refused(tags::ROWS, 11);
    assert!(problem.contains("is 19 x 12, the header says 19 x 11"), "{problem}");
    let problem = refused(tags::BITS_ALLOCATED, 8);
    assert!(problem.contains("has 12 bits per value") && problem.contains("of 8"), "{problem}");
    let problem = refused(tags::HIGH_BIT, 15);
    assert!(problem.contains("the header says bits 4 to 15 of 16"), "{problem}");
}

#[test]
fn compressed_segmentations_are_read_unless_it_was_with_loss() {
    for codec in ["jpegls", "j2k"] {
        let name = format!("seg-compressed/labelmap-{codec}");
        let whole = case("seg/ct", &name, LoadOptions::default());
        assert_mask(&whole.lesions[0].mask, AXIAL, |x, y, z| first(x, y, z) && !second(x, y, z));
        assert_mask(&whole.lesions[1].mask, AXIAL, second);
        // The headers say nothing of the loss: the streams do.
        let lossy = made(&format!("{name}-with-loss"));
        let problem = load(&made("seg/ct"), &lossy, &LoadOptions::default()).expect_err("refused");
        assert!(problem.to_string().contains("compressed with loss"), "{name}: {problem}");
    }
}

#[test]
fn every_orientation_and_multi_frame_has_its_voxels_in_place() {
    for (name, axes) in [
        ("ct/feet-first", [[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        ("ct/prone", [[-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
        ("ct/oblique", [[0.8, 0.6, 0.0], [0.0, 0.0, -1.0]]),
        ("ct/legacy-enhanced", AXIAL),
    ] {
        let ct = try_series(name).unwrap_or_else(|e| panic!("{e}"));
        assert_voxels(&ct, axes, 4, name);
    }
}

fn case(image: &str, mask: &str, options: LoadOptions) -> Case {
    load(&made(image), &made(mask), &options).unwrap_or_else(|e| panic!("{mask}: {e}"))
}

/// Whether the stored voxel (column, row, slice) is set, by its place in the world.
fn is_set(mask: &Mask, stored: &Geometry, at: [usize; 3]) -> bool {
    let world = stored.voxel_to_world(at.map(|i| i as f64));
    mask.contains(mask.grid().world_to_voxel(world).map(|v| v.round() as usize))
}

fn assert_mask(mask: &Mask, axes: [[f64; 3]; 2], inside: impl Fn(usize, usize, usize) -> bool) {
    let direction = [axes[0], axes[1], abscope::geometry::cross(axes[0], axes[1])];
    let stored = Geometry { size: SIZE, spacing: SPACING, origin: ORIGIN, direction };
    let mut count = 0;
    for z in 0..SIZE[2] {
        for y in 0..SIZE[1] {
            for x in 0..SIZE[0] {
                count += usize::from(inside(x, y, z));
                assert_eq!(is_set(mask, &stored, [x, y, z]), inside(x, y, z), "{x} {y} {z}");
            }
        }
    }
    assert_eq!(mask.voxel_count(), count);
}

fn first(x: usize, y: usize, z: usize) -> bool {
    (3..9).contains(&x) && (2..7).contains(&y) && z < 2
}

fn second(x: usize, y: usize, z: usize) -> bool {
    (6..13).contains(&x) && (4..10).contains(&y) && (z == 1 || z == 3)
}

#[test]
fn binary_segments_overlap_and_their_frames_come_in_any_order() {
    let oblique = [[0.8, 0.6, 0.0], [0.0, 0.0, -1.0]];
    for (image, mask, axes) in [
        ("seg/ct", "seg/binary", AXIAL),
        ("seg/ct", "seg/binary-shuffled", AXIAL),
        ("seg/oblique-ct", "seg/oblique", oblique),
    ] {
        let case = case(image, mask, common::options());
        let names: Vec<_> = case.lesions.iter().map(|l| l.name.as_deref()).collect();
        assert_eq!(names, [Some("node one"), Some("node two")]);
        assert_mask(&case.lesions[0].mask, axes, first);
        assert_mask(&case.lesions[1].mask, axes, second);
        assert_eq!(case.kvp, Some(120.0));
    }
}

#[test]
fn fractions_belong_from_the_threshold_on() {
    for (threshold, from) in [(None, 20), (Some(0.25), 10)] {
        let options = common::options().fractional_threshold(threshold);
        // The boxes end at column 13 of 40, below a half.
        let read = load(&made("seg/ct"), &made("seg/fractional"), &options.patient("P".to_owned()));
        if from == 20 {
            let problem = read.expect_err("nothing reaches 0.5").to_string();
            assert!(problem.contains("no lesion"), "{problem}");
            continue;
        }
        let case = read.expect("reads");
        // Segment 1 ends at column 8: empty. Columns 10 to 12 of segment 2 have 0.25 and more; 10 of
        // 40 is 63.75 of 255, stored as 64.
        assert_eq!(case.lesions.len(), 1);
        assert_mask(&case.lesions[0].mask, AXIAL, |x, y, z| second(x, y, z) && x >= from);
        assert!(case.warnings.iter().any(|w| w.contains("node one") && w.contains("empty")));
    }
}

#[test]
fn label_maps_give_one_mask_per_value_also_for_a_part_of_the_slices() {
    let case_of = |mask| case("seg/ct", mask, common::options());
    let whole = case_of("seg/labelmap");
    assert_mask(&whole.lesions[0].mask, AXIAL, |x, y, z| first(x, y, z) && !second(x, y, z));
    assert_mask(&whole.lesions[1].mask, AXIAL, second);
    let part = case_of("seg/labelmap-part");
    assert_mask(&part.lesions[0].mask, AXIAL, |x, y, z| {
        first(x, y, z) && !second(x, y, z) && z > 0
    });
    assert_mask(&part.lesions[1].mask, AXIAL, second);
}

#[test]
fn contours_fill_voxel_centres_and_keep_their_holes() {
    let options = common::options().roi(["GTV.*", "off image"]);
    let case = case("rtstruct/ct", "rtstruct/set", options);
    let outer = |x: usize, y: usize| (2..10).contains(&x) && (3..11).contains(&y);
    let hole = |x: usize, y: usize| (5..7).contains(&x) && (6..8).contains(&y);
    let ids: Vec<&str> = case.lesions.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "7"]);
    assert_mask(&case.lesions[0].mask, AXIAL, |x, y, z| {
        outer(x, y) && (z == 1 || (z == 2 && !hole(x, y)))
    });
    assert_mask(&case.lesions[1].mask, AXIAL, |x, y, z| z == 1 && outer(x, y) && !hole(x, y));
    assert_mask(&case.lesions[2].mask, AXIAL, |x, y, z| z == 3 && outer(x, y));
    let said = |part: &str| case.warnings.iter().any(|w| w.contains(part));
    assert!(said("ROI 7 (off image): 1 contours meet no slice"), "{:?}", case.warnings);
}

#[test]
fn empty_regions_and_points_are_told() {
    let case = case("rtstruct/ct", "rtstruct/set", common::options());
    let said = |part: &str| case.warnings.iter().any(|w| w.contains(part));
    assert!(said("ROI 5 (empty) is empty"), "{:?}", case.warnings);
    assert!(said("ROI 9 (marker): 1 contours are points"), "{:?}", case.warnings);
}

#[test]
fn a_folder_of_everything_needs_a_choice_and_lists_it() {
    let problem = load(&made("seg"), &made("seg"), &common::options()).expect_err("several");
    let problem = problem.to_string();
    assert!(problem.contains("6 structure sets or segmentations"), "{problem}");
    assert!(problem.contains("node one, node two"), "{problem}");
    // Each names its own series among several.
    let case = case("seg", "seg/oblique", common::options());
    assert_eq!(case.lesions.len(), 2);
}

/// Cuts a mask's file short, then changes its bytes one at a time: reading ends with a case or with
/// an error, and never with a panic.
fn damage(image: &str, mask: &str, step: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask");
    let whole = std::fs::read(made(mask)).expect("there");
    let read = || {
        let options = common::options();
        load(&made(image), &path, &options)
    };
    for length in (0..whole.len() - 2).step_by(step) {
        std::fs::write(&path, &whole[..length]).expect("written");
        assert!(read().is_err(), "cut to {length} of {} bytes", whole.len());
    }
    for at in (128..whole.len()).step_by(step) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xFF;
        std::fs::write(&path, damaged).expect("written");
        let _ = read();
    }
}

#[test]
fn damaged_structure_sets_and_segmentations_never_panic() {
    damage("rtstruct/ct", "rtstruct/set", 13);
    damage("seg/ct", "seg/binary", 17);
    damage("seg/ct", "seg/labelmap", 19);
}

#[test]
fn damaged_compressed_slices_never_panic() {
    for name in ["rle", "j2k", "jpegls", "jpeg-sv1", "jpeg-lossless", "deflated"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("slice");
        let whole = std::fs::read(made(&format!("ct/{name}-unsigned/0"))).expect("there");
        for at in (128..whole.len()).step_by(11) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xFF;
            std::fs::write(&path, damaged).expect("written");
            let _ = series::read(&[Source::file(&path)], SlicePolicy::Refuse);
            // The last 8 bytes are the delimiter of the fragments, which are all there without it.
            if at >= whole.len() - 8 {
                continue;
            }
            std::fs::write(&path, &whole[..at]).expect("written");
            let cut = series::read(&[Source::file(&path)], SlicePolicy::Refuse);
            assert!(cut.is_err(), "{name} cut to {at} bytes");
        }
    }
}

#[test]
fn compressed_slices_of_several_values_per_pixel_are_refused_before_the_codec_takes_memory() {
    let read = |name: &str, change: &dyn Fn(&mut [u8])| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("slice");
        let mut file = std::fs::read(made(name)).expect("there");
        change(&mut file);
        std::fs::write(&path, file).expect("written");
        let read = series::read(&[Source::file(&path)], SlicePolicy::Refuse);
        read.expect_err("refused").to_string()
    };
    let at =
        |file: &[u8], marker: [u8; 2]| file.windows(2).position(|w| w == marker).expect("a marker");
    let problem = read("ct/j2k-unsigned/0", &|file| {
        let size = at(file, [0xFF, 0x51]);
        file[size + 38..size + 40].copy_from_slice(&16_384u16.to_be_bytes());
    });
    assert!(problem.contains("16384 values per pixel"), "{problem}");
    let problem = read("ct/jpeg-sv1-unsigned/0", &|file| {
        let frame = at(file, [0xFF, 0xC3]);
        file[frame + 9] = 3;
    });
    assert!(problem.contains("3 values per pixel"), "{problem}");
}

/// The label map of the fixtures, changed; and what reading it says.
fn refused_segmentation(change: impl FnOnce(&mut FileDicomObject<InMemDicomObject>)) -> String {
    let mut file = dicom_object::open_file(made("seg/labelmap")).expect("reads");
    change(&mut file);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask");
    file.write_to_file(&path).expect("written");
    let read = load(&made("seg/ct"), &path, &common::options());
    read.expect_err("refused").to_string()
}

/// Puts the last of its three frames at this height, mm.
fn move_last_frame(file: &mut InMemDicomObject, z: &str) {
    let place = (
        tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE,
        2,
        tags::PLANE_POSITION_SEQUENCE,
        tags::IMAGE_POSITION_PATIENT,
    );
    let position = AttributeAction::SetStr(format!("-10.0\\-20.0\\{z}").into());
    file.apply(AttributeOp::new(place, position)).expect("there");
}

#[test]
fn a_segment_at_no_place_on_earth_is_refused() {
    let problem = refused_segmentation(|file| move_last_frame(file, "1e300"));
    assert!(problem.contains("frame 3") && problem.contains("1e300"), "{problem}");
}

#[test]
fn rows_columns_and_places_of_a_segmentation_take_no_memory_by_themselves() {
    // Three empty frames of 16384 x 16384, the last 2000 slices off: 537 GB if they were believed.
    let problem = refused_segmentation(|file| {
        let empty = PixelFragmentSequence::new_fragments(vec![vec![0u8; 2]; 3]);
        file.put(DataElement::new(tags::PIXEL_DATA, VR::OB, empty));
        for tag in [tags::ROWS, tags::COLUMNS] {
            file.put(DataElement::new(tag, VR::US, PrimitiveValue::from(16_384u16)));
        }
        move_last_frame(file, "5030.0");
        file.update_meta(|meta| meta.transfer_syntax = RLE_LOSSLESS.to_owned());
    });
    assert!(problem.contains("frame 1 cannot be decoded"), "{problem}");
}

/// A binary segmentation of two segments, whose bytes are changed.
fn changed_segmentation(change: impl FnOnce(&mut Vec<u8>)) -> abscope::Result<abscope::Case> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("seg");
    let mut bytes = std::fs::read(made("seg/binary")).expect("there");
    change(&mut bytes);
    std::fs::write(&path, bytes).expect("written");
    let mut case = load(&made("seg/ct"), &path, &common::options())?;
    // The id of these files, TEST, names nobody.
    case.warnings.retain(|warning| !warning.contains("PatientID"));
    Ok(case)
}

/// The number of the last frame's segment (ReferencedSegmentNumber, of representation US).
fn last_number(bytes: &[u8]) -> usize {
    let head = b"\x62\0\x0b\0US\x02\0";
    bytes.windows(head.len()).rposition(|window| window == head).expect("there") + head.len()
}

#[test]
fn a_frame_of_no_segment_and_a_frame_in_anothers_place_are_refused() {
    let whole = changed_segmentation(|_| ()).expect("sound");
    assert_eq!(whole.warnings, Vec::<String>::new());
    for (number, says) in [(3, "shows segment 3, which it does not list"), (1, "at one place")] {
        let read = changed_segmentation(|bytes| {
            let at = last_number(bytes);
            assert_eq!(bytes[at], 2);
            bytes[at] = number;
        });
        let problem = read.expect_err("refused").to_string();
        assert!(problem.contains("seg") && problem.contains(says), "{problem}");
    }
}

#[test]
fn bits_that_came_into_a_segmentation_are_refused_and_a_lost_label_is_told() {
    let read = changed_segmentation(|bytes| {
        let at = bytes.len() - 100;
        bytes.splice(at..at, [1, 2, 4, 8]);
    });
    let problem = read.expect_err("refused").to_string();
    assert!(problem.contains("behind its pixel data"), "{problem}");

    let read = changed_segmentation(|bytes| {
        let head = b"\x62\0\x05\0LO";
        let at = bytes.windows(head.len()).position(|window| window == head).expect("a label");
        bytes[at + 2] ^= 0x80;
    });
    let case = read.expect("reads");
    assert_eq!(case.warnings, ["SEG: segment 1 has no label"]);
}

#[test]
fn voxels_of_a_segment_outside_the_image_are_told() {
    let read = changed_segmentation(|bytes| {
        let at = bytes.windows(4).rposition(|window| window == b"37.5").expect("a frame's place");
        bytes[at] = b'5';
    });
    let case = read.expect("reads");
    assert_eq!(case.warnings, ["SEG: 42 of the 84 voxels of 2 (node two) lie outside the image"]);
}
