//! Slices that cannot be read are an error of the case, wherever they lie in the stack; what is no
//! slice is none.
//!
//! Oracle: the stack of `common/dicom.rs`, on whose slices 2 and 3 a square of 9 voxels is drawn: 18
//! voxels, whatever happens to the slices at the ends.

mod common;
#[path = "common/dicom.rs"]
mod made;

use std::io::Write;
use std::path::{Path, PathBuf};

use abscope::batch::discover::discover;
use abscope::batch::manifest::Asked;
use abscope::error::Message;
use abscope::ingest::dicom::catalogue::Catalogue;
use abscope::ingest::pseudonyms::Pseudonyms;
use abscope::ingest::{Case, load};
use dicom_core::VR;
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use made::{EXPLICIT, contour, put, square, stack, structure_set, write};
use tempfile::TempDir;

const SLICES: usize = 6;

/// A folder with a stack as `exam/IM0`, `exam/IM1`, ... and its structure set beside the folder.
fn exam(listed: &[usize]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let exam = folder.path().join("exam");
    std::fs::create_dir(&exam).expect("made");
    for (n, slice) in stack(SLICES).iter().enumerate() {
        write(&exam.join(format!("IM{n}")), slice, EXPLICIT);
    }
    write(&folder.path().join("RS"), &structure_set(vec![square(2), square(3)], listed), EXPLICIT);
    (folder, exam)
}

fn read(folder: &Path) -> abscope::Result<Case> {
    load(folder, &folder.join("RS"), &common::options())
}

fn refused(folder: &Path, parts: &[&str], what: &str) {
    let problem = match read(folder) {
        Ok(case) => panic!("{what}: read as {:?}", case.volume.geometry().size),
        Err(e) => e.to_string(),
    };
    for part in parts {
        assert!(problem.contains(part), "{what}: {problem:?} does not say {part:?}");
    }
}

fn sound(folder: &Path, slices: usize) -> Vec<Message> {
    let case = read(folder).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(case.volume.geometry().size[2], slices);
    assert_eq!(case.lesions[0].mask.voxel_count(), 18);
    case.warnings
}

/// What is done to a slice's file, and what the error says.
type Damage = (&'static str, fn(&Path), &'static str);

fn rewrite(path: &Path, change: impl FnOnce(&mut InMemDicomObject)) {
    let file = dicom_object::open_file(path).expect("reads");
    let mut object = file.into_inner();
    change(&mut object);
    write(path, &object, EXPLICIT);
}

fn replace(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("there");
    change(&mut bytes);
    std::fs::write(path, bytes).expect("written");
}

const DAMAGE: [Damage; 10] = [
    ("empty", |p| std::fs::write(p, b"").expect("written"), "is empty"),
    ("zeros", |p| replace(p, |b| b.fill(0)), "is not a DICOM file"),
    ("cut in the preamble", |p| replace(p, |b| b.truncate(100)), "is not a DICOM file"),
    ("cut in the meta group", |p| replace(p, |b| b.truncate(200)), "ends"),
    ("cut in the header", |p| replace(p, |b| b.truncate(450)), "ends inside"),
    ("another magic word", |p| replace(p, |b| b[131] = b'N'), "is not a DICOM file"),
    ("an error page", |p| std::fs::write(p, b"<html>503").expect("written"), "is not a DICOM"),
    (
        "no SOPInstanceUID",
        |p| {
            rewrite(p, |o| {
                o.remove_element(tags::SOP_INSTANCE_UID);
            })
        },
        "SOPInstanceUID",
    ),
    (
        "no Modality",
        |p| {
            rewrite(p, |o| {
                o.remove_element(tags::MODALITY);
            })
        },
        "Modality",
    ),
    (
        "no SeriesInstanceUID",
        |p| {
            rewrite(p, |o| {
                o.remove_element(tags::SERIES_INSTANCE_UID);
            })
        },
        "SeriesInstanceUID",
    ),
];

/// Bytes that come into the pixel data push others out behind it.
#[test]
fn bytes_behind_the_pixel_data_are_elements_or_an_error() {
    let (folder, exam) = exam(&[]);
    let path = exam.join("IM3");
    let slice = std::fs::read(&path).expect("there");
    let at = slice.len() - 40;
    for (at, new) in [
        (at, &[7][..]),
        (at, &[7, 0]),
        (at, &[0xff; 4]),
        (at, b"a few more bytes"),
        // What is pushed out may be nothing but background.
        (slice.len(), &[0; 6]),
    ] {
        let mut bytes = slice.clone();
        bytes.splice(at..at, new.iter().copied());
        std::fs::write(&path, bytes).expect("written");
        refused(folder.path(), &["IM3", "behind its pixel data"], "bytes in the pixel data");
    }
    // DataSetTrailingPadding, the only element that commonly follows, and a block filled with zeros.
    let filled = vec![0; 512 - slice.len() % 512];
    for tail in [&b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd"[..], &filled] {
        std::fs::write(&path, [&slice[..], tail].concat()).expect("written");
        assert_eq!(sound(folder.path(), SLICES), Vec::<String>::new());
    }
}

#[test]
fn bytes_behind_a_deflated_data_set_are_an_error() {
    let (folder, exam) = exam(&[]);
    let path = exam.join("IM3");
    write(&path, &stack(SLICES)[3], made::DEFLATED);
    assert_eq!(sound(folder.path(), SLICES), Vec::<String>::new());
    let mut bytes = std::fs::read(&path).expect("there");
    bytes.extend(b"more");
    std::fs::write(&path, bytes).expect("written");
    refused(folder.path(), &["IM3", "4 bytes follow its end"], "more");
}

#[test]
fn a_roi_without_a_name_is_told() {
    let (folder, exam) = exam(&[]);
    let mut set = structure_set(vec![square(2), square(3)], &[]);
    set.update_value(tags::STRUCTURE_SET_ROI_SEQUENCE, |value| {
        for item in value.items_mut().expect("items") {
            item.remove_element(tags::ROI_NAME);
        }
    });
    write(&folder.path().join("RS"), &set, EXPLICIT);
    assert_eq!(sound(folder.path(), SLICES), ["RTSTRUCT: ROI 1 has no name"], "{exam:?}");
}

#[test]
fn a_slice_that_cannot_be_read_is_an_error_wherever_it_lies() {
    for (what, damage, says) in DAMAGE {
        for number in [0, 1, SLICES - 1] {
            // Without a list of slices the folder tells, with one the list.
            let (folder, exam) = exam(&[]);
            let path = exam.join(format!("IM{number}"));
            damage(&path);
            refused(folder.path(), &[&format!("IM{number}"), says], what);
            std::fs::remove_file(path).expect("removed");
            if number != 1 {
                sound(folder.path(), SLICES - 1);
            }
        }
        let (folder, exam) = self::exam(&[0, 1, 2, 3, 4, 5]);
        damage(&exam.join("IM5"));
        refused(folder.path(), &["RS", "1.2.3.9.5", "not there"], what);
        std::fs::remove_file(exam.join("IM5")).expect("removed");
        refused(folder.path(), &["RS", "1.2.3.9.5", "not there"], what);
    }
}

#[test]
fn a_slice_of_another_patient_or_study_is_an_error() {
    for tag in [tags::PATIENT_ID, tags::STUDY_INSTANCE_UID] {
        let (folder, exam) = exam(&[]);
        rewrite(&exam.join("IM5"), |o| put(o, tag, VR::LO, "1.2.3.77"));
        refused(folder.path(), &["IM5", "another patient or study"], "another patient");
        rewrite(&exam.join("IM5"), |o| {
            o.remove_element(tag);
        });
        refused(folder.path(), &["IM5", "another patient or study"], "no patient");
    }
}

#[cfg(unix)]
#[test]
fn links_are_followed_once_and_those_to_nowhere_are_slices_too() {
    use std::os::unix::fs::symlink;

    let (folder, exam) = exam(&[]);
    // The last slices lie elsewhere, one behind a link of its own, one in a linked folder.
    let store = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(store.path().join("more")).expect("made");
    std::fs::rename(exam.join("IM4"), store.path().join("a")).expect("moved");
    std::fs::rename(exam.join("IM5"), store.path().join("more/IM5")).expect("moved");
    symlink(store.path().join("a"), exam.join("IM4")).expect("linked");
    symlink(store.path().join("more"), exam.join("more")).expect("linked");
    assert_eq!(sound(folder.path(), SLICES), Vec::<String>::new());

    // Loops, and links to what is there already.
    symlink(&exam, exam.join("itself")).expect("linked");
    symlink(folder.path(), store.path().join("more/up")).expect("linked");
    symlink(exam.join("IM1"), exam.join("latest")).expect("linked");
    symlink("/", exam.join("root")).expect("linked");
    assert_eq!(sound(folder.path(), SLICES), Vec::<String>::new());

    std::fs::remove_file(store.path().join("a")).expect("removed");
    refused(folder.path(), &["IM4", "leads nowhere"], "a link to nowhere");
    std::fs::remove_file(exam.join("IM4")).expect("removed");
    symlink(exam.join("IM4"), exam.join("IM4")).expect("linked");
    refused(folder.path(), &["IM4", "leads nowhere"], "a link to itself");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_named_and_not_waited_for() {
    let (folder, exam) = exam(&[]);
    let pipe = exam.join("IM6");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("runs");
    assert!(made.success());
    refused(folder.path(), &["IM6", "pipe"], "a pipe");
    let problem = Catalogue::scan(&pipe).expect_err("no file").to_string();
    assert!(problem.contains("IM6") && problem.contains("pipe"), "{problem}");
}

#[cfg(unix)]
#[test]
fn a_slice_without_permission_is_an_error() {
    use std::os::unix::fs::PermissionsExt;

    let (folder, exam) = exam(&[]);
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(exam.join("IM5"), closed).expect("changed");
    // Root reads everything.
    if std::fs::File::open(exam.join("IM5")).is_err() {
        refused(folder.path(), &["IM5", "ermission"], "no permission");
    }
}

#[test]
fn what_else_lies_in_an_export_is_no_slice() {
    let (folder, exam) = exam(&[]);
    for (name, content) in [
        ("DICOMDIR", &b"not one"[..]),
        ("README", b"hello"),
        ("VERSION", b""),
        ("notes.txt", b""),
        ("report.xml", b"<a/>"),
        ("Thumbs.db", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"),
        (".DS_Store", b"\0\0\0\x01Bud1"),
        ("._IM1", b"\0\x05\x16\x07\0\x02"),
        ("preview", b"\xFF\xD8\xFF\xE0"),
        ("viewer.exe", b"MZ\x90\0"),
        ("IM1.jpg", b""),
        ("image.raw", b"\x01\x02\x03"),
    ] {
        std::fs::write(exam.join(name), content).expect("written");
    }
    // A damaged directory of media, and a cut image of another modality.
    let whole = std::fs::read(exam.join("IM1")).expect("there");
    std::fs::write(exam.join("dicomdir"), &whole[..300]).expect("written");
    rewrite(&exam.join("IM1"), |o| {
        put(o, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.4");
        put(o, tags::MODALITY, VR::CS, "MR");
    });
    replace(&exam.join("IM1"), |b| b.truncate(450));
    std::fs::rename(exam.join("IM1"), exam.join("mr")).expect("renamed");
    std::fs::write(exam.join("IM1"), &whole).expect("written");
    let warnings = sound(folder.path(), SLICES);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("1 DICOM files cannot be read"), "{warnings:?}");
}

#[test]
fn what_cannot_be_read_is_a_warning_where_references_show_the_stack_whole_and_elsewhere() {
    let (folder, exam) = exam(&[0, 1, 2, 3, 4, 5]);
    std::fs::write(exam.join("IM6"), b"").expect("written");
    let warnings = sound(folder.path(), SLICES);
    assert!(warnings[0].contains("1 files among those of the CT series"), "{warnings:?}");
    assert!(warnings[0].contains("is empty"), "{warnings:?}");
    // A list of the slices that were drawn on shows nothing of the others.
    let (folder, exam) = self::exam(&[2, 3]);
    std::fs::write(exam.join("IM6"), b"").expect("written");
    refused(folder.path(), &["IM6", "is empty"], "a list of some");
    std::fs::rename(exam.join("IM6"), folder.path().join("IM6.dcm")).expect("moved");
    let warnings = sound(folder.path(), SLICES);
    assert!(warnings[0].contains("1 DICOM files cannot be read"), "{warnings:?}");
    // A damaged copy of a slice that is there.
    let whole = std::fs::read(exam.join("IM5")).expect("there");
    std::fs::write(exam.join("IM6"), &whole[..450]).expect("written");
    assert!(sound(folder.path(), SLICES)[0].contains("ends inside"));
}

#[test]
fn a_damaged_slice_counts_to_the_series_that_it_names() {
    // In a folder of its own, with its own series named.
    let (folder, exam) = exam(&[]);
    std::fs::create_dir(folder.path().join("lost")).expect("made");
    let lost = folder.path().join("lost/slice");
    std::fs::rename(exam.join("IM5"), &lost).expect("moved");
    sound(folder.path(), SLICES);
    rewrite(&lost, |o| {
        o.remove_element(tags::SOP_INSTANCE_UID);
    });
    refused(folder.path(), &["lost", "SOPInstanceUID"], "named series");
    // Among the files of a series, with another one named.
    rewrite(&lost, |o| put(o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.44"));
    std::fs::rename(&lost, exam.join("IM5")).expect("moved");
    sound(folder.path(), SLICES - 1);
}

#[test]
fn the_images_of_a_segmentation_must_be_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = Path::new("fixtures/dicom/seg");
    for n in 0..4 {
        let name = n.to_string();
        std::fs::copy(made.join("ct").join(&name), folder.path().join(&name)).expect("copied");
    }
    let options = || common::options();
    let read = || load(folder.path(), &made.join("binary"), &options());
    assert_eq!(read().expect("reads").lesions.len(), 2);
    for n in [0, 3] {
        let name = folder.path().join(n.to_string());
        let bytes = std::fs::read(&name).expect("there");
        std::fs::remove_file(&name).expect("removed");
        let problem = read().expect_err("refused").to_string();
        assert!(problem.contains("refers to images"), "{problem}");
        std::fs::write(&name, bytes).expect("written");
    }
}

#[test]
fn a_batch_finds_the_case_and_fails_it() {
    let (folder, exam) = exam(&[]);
    std::fs::write(exam.join("IM5"), b"").expect("written");
    let found = discover(
        folder.path(),
        &Asked { identify: true, ..Asked::default() },
        &Pseudonyms::new([0; 32]),
    )
    .expect("readable");
    let [case] = found.manifest.cases.as_slice() else { panic!("one case") };
    let read = load(&case.image_path, &case.mask_path, &case.load_options(false));
    let problem = read.expect_err("refused").to_string();
    assert!(problem.contains("IM5") && problem.contains("is empty"), "{problem}");
}

/// An archive of the stack and its structure set, stored, so that its bytes are those of the files.
fn archive(members: usize) -> (TempDir, PathBuf) {
    let (folder, exam) = exam(&[]);
    let path = folder.path().join("exam.zip");
    let mut zip = zip::ZipWriter::new(std::fs::File::create(&path).expect("made"));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for n in 0..members {
        zip.start_file(format!("exam/IM{n}"), options).expect("started");
        let bytes = std::fs::read(exam.join(format!("IM{n}"))).expect("there");
        zip.write_all(&bytes).expect("written");
    }
    zip.finish().expect("finished");
    (folder, path)
}

fn read_archive(folder: &Path, path: &Path) -> abscope::Result<Case> {
    load(path, &folder.join("RS"), &common::options())
}

#[test]
fn a_damaged_member_of_an_archive_is_an_error() {
    let (folder, path) = archive(SLICES);
    let case = read_archive(folder.path(), &path).expect("reads");
    assert_eq!(case.volume.geometry().size[2], SLICES);
    let whole = std::fs::read(&path).expect("there");
    // One bit of the first and the last member's pixels.
    let length = whole.len() / SLICES;
    for at in [length - 200, whole.len() - 700] {
        let mut damaged = whole.clone();
        damaged[at] ^= 4;
        std::fs::write(&path, damaged).expect("written");
        let problem = read_archive(folder.path(), &path).expect_err("refused").to_string();
        assert!(problem.contains("IM") && problem.contains("archive is damaged"), "{problem}");
    }
}

#[test]
fn no_bit_of_an_archive_changes_what_is_read_in_silence() {
    let (folder, path) = archive(3);
    let rs = structure_set(vec![square(0), square(1)], &[]);
    write(&folder.path().join("RS"), &rs, EXPLICIT);
    let whole = std::fs::read(&path).expect("there");
    let sound = read_archive(folder.path(), &path).expect("reads");
    let mut silent = Vec::new();
    for at in (0..whole.len()).step_by(7).chain(whole.len() - 260..whole.len()) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        std::fs::write(&path, damaged).expect("written");
        if let Ok(case) = read_archive(folder.path(), &path)
            && case.warnings == sound.warnings
            && case.volume != sound.volume
        {
            silent.push(at);
        }
    }
    assert_eq!(silent, Vec::<usize>::new(), "of {}", whole.len());
}

#[test]
fn a_member_that_is_there_twice_is_an_error() {
    let (folder, path) = archive(SLICES);
    // The name of the last member becomes that of the first, in both of its headers.
    let mut bytes = std::fs::read(&path).expect("there");
    let places: Vec<usize> =
        bytes.windows(8).enumerate().filter(|(_, w)| *w == b"exam/IM5").map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2);
    for at in places {
        bytes[at + 7] = b'0';
    }
    std::fs::write(&path, bytes).expect("written");
    let problem = read_archive(folder.path(), &path).expect_err("refused").to_string();
    assert!(problem.contains("twice"), "{problem}");
}

/// The case with this structure set on a sound stack.
fn drawn(contours: Vec<InMemDicomObject>) -> abscope::Result<Case> {
    let (folder, _) = exam(&[]);
    write(&folder.path().join("RS"), &structure_set(contours, &[]), EXPLICIT);
    read(folder.path())
}

#[test]
fn a_contour_that_is_there_twice_counts_once_and_is_told() {
    let case = drawn(vec![square(2), square(3), square(2)]).expect("reads");
    assert_eq!(case.lesions[0].mask.voxel_count(), 18);
    let told = "1 contours are there more than once and count once";
    assert!(case.warnings.iter().any(|w| w.contains(told)), "{:?}", case.warnings);
}

#[test]
fn the_points_of_a_contour_are_as_many_as_it_says() {
    for said in ["3", "5"] {
        let mut wrong = square(3);
        put(&mut wrong, tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, said);
        let problem = drawn(vec![square(2), wrong]).expect_err("refused").to_string();
        assert!(problem.contains("contour 2 of ROI 1 (GTV) has 4 points"), "{problem}");
        assert!(problem.contains(&format!("says {said}")), "{problem}");
    }
    let mut silent = square(3);
    silent.remove_element(tags::NUMBER_OF_CONTOUR_POINTS);
    assert_eq!(drawn(vec![square(2), silent]).expect("reads").warnings, Vec::<String>::new());
}

#[test]
fn contours_through_the_centres_of_voxels_are_told() {
    // As rt-utils writes a mask of columns and rows 1 to 4: the outline of its pixels' indices.
    let place = |column: f64, row: f64| [-10.0 + 0.7 * column, -20.0 + 0.5 * row, 35.0];
    let outline = [place(1.0, 1.0), place(4.0, 1.0), place(4.0, 4.0), place(1.0, 4.0)];
    let case = drawn(vec![contour(&outline)]).expect("reads");
    assert!(case.lesions[0].mask.voxel_count() < 16);
    assert!(case.warnings.iter().any(|w| w.contains("rt-utils")), "{:?}", case.warnings);
}
