//! Names of regions are read in the character sets that their file states.
//!
//! Oracle: the names of PS3.5, annexes H and I, and texts that Python's codecs encoded.

#[path = "common/dicom.rs"]
mod made;

use std::path::Path;

use abscope::ingest::{Case, LoadOptions, load};
use dicom_core::value::Value;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::InMemDicomObject;
use made::{EXPLICIT, IMPLICIT, put, square, stack, structure_set, write};

const JAPANESE: &[u8] = b"\x1b$B;3ED\x1b(B 1";
const KOREAN: &[u8] = b"\x1b$)C\xb1\xe6\xb5\xbf 1";

/// A text by its bytes, whatever the object's character set.
fn put_bytes(object: &mut InMemDicomObject, tag: Tag, vr: VR, bytes: &[u8]) {
    let even = bytes.len().next_multiple_of(2);
    let padded: Vec<u8> = bytes.iter().copied().chain([b' ']).take(even).collect();
    object.put(DataElement::new(tag, vr, PrimitiveValue::U8(padded.into())));
}

fn change_item(
    object: &mut InMemDicomObject,
    sequence: Tag,
    change: impl FnOnce(&mut InMemDicomObject),
) {
    let items = match object.take(sequence).expect("there").into_value() {
        Value::Sequence(items) => items,
        _ => panic!("no sequence"),
    };
    let mut items = items.into_items().into_vec();
    change(&mut items[0]);
    object.put(made::sequence(sequence, items));
}

fn named(folder: &Path, sets: &str, name: &[u8], syntax: &str) {
    for (n, slice) in stack(4).iter().enumerate() {
        write(&folder.join(format!("IM{n}")), slice, EXPLICIT);
    }
    let mut set = structure_set(vec![square(2)], &[0, 1, 2, 3]);
    put(&mut set, tags::SPECIFIC_CHARACTER_SET, VR::CS, sets);
    change_item(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, |roi| {
        put_bytes(roi, tags::ROI_NAME, VR::LO, name);
    });
    write(&folder.join("RS"), &set, syntax);
}

fn read(folder: &Path, options: LoadOptions) -> Case {
    load(folder, &folder.join("RS"), &options.patient("P".to_owned()))
        .unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_region_has_its_name_in_every_character_set() {
    for (sets, bytes, name) in [
        ("\\ISO 2022 IR 87", JAPANESE, "山田 1"),
        ("ISO 2022 IR 6\\ISO 2022 IR 87", JAPANESE, "山田 1"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde \x1b$B;3ED\x1b(J", "ﾔﾏﾀﾞ 山田"),
        ("\\ISO 2022 IR 149", KOREAN, "길동 1"),
        ("ISO 2022 IR 6\\ISO 2022 IR 149", KOREAN, "길동 1"),
        ("\\ISO 2022 IR 58", b"\x1b$)A\xd5\xc5 1", "张 1"),
        ("\\ISO 2022 IR 87\\ISO 2022 IR 159", b"\x1b$(D0!1*\x1b(B", "丂侗"),
        ("ISO_IR 100", b"L\xe9sion", "Lésion"),
        ("ISO_IR 101", b"\xb6ledziona", "śledziona"),
        ("ISO_IR 144", b"\xbe\xdf\xe3\xe5\xde\xdb\xec", "Опухоль"),
        ("ISO_IR 166", b"\xa1\xa2", "กข"),
        ("ISO_IR 192", "腫瘍".as_bytes(), "腫瘍"),
        ("GB18030", b"\xd6\xd7\xc1\xf6 \x81\x5c", "肿瘤 乗"),
    ] {
        for syntax in [EXPLICIT, IMPLICIT] {
            let folder = tempfile::tempdir().expect("a folder");
            named(folder.path(), sets, bytes, syntax);
            let all = read(folder.path(), LoadOptions::default());
            assert_eq!(all.lesions[0].name.as_deref(), Some(name), "{sets}");
            let chosen = read(folder.path(), LoadOptions::default().roi([name]));
            assert_eq!(chosen.lesions.len(), 1, "{sets}");
        }
    }
}

#[test]
fn an_item_with_its_own_character_set_does_not_change_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    named(folder.path(), "\\ISO 2022 IR 87", JAPANESE, EXPLICIT);
    let mut set = structure_set(vec![square(2)], &[0, 1, 2, 3]);
    put(&mut set, tags::SPECIFIC_CHARACTER_SET, VR::CS, "ISO_IR 100");
    // Before the names of the regions.
    change_item(&mut set, tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, |frame| {
        put(frame, tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 149");
    });
    change_item(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, |roi| {
        put_bytes(roi, tags::ROI_NAME, VR::LO, b"L\xe9sion");
    });
    write(&folder.path().join("RS"), &set, EXPLICIT);
    let case = read(folder.path(), LoadOptions::default());
    assert_eq!(case.lesions[0].name.as_deref(), Some("Lésion"));
    // And the other way round: only the item has a set.
    change_item(&mut set, tags::STRUCTURE_SET_ROI_SEQUENCE, |roi| {
        put(roi, tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 149");
        put_bytes(roi, tags::ROI_NAME, VR::LO, KOREAN);
    });
    write(&folder.path().join("RS"), &set, EXPLICIT);
    let case = read(folder.path(), LoadOptions::default());
    assert_eq!(case.lesions[0].name.as_deref(), Some("길동 1"));
}

#[test]
fn a_segment_has_its_label_in_its_character_set() {
    let mut file = dicom_object::open_file("fixtures/dicom/seg/binary").expect("reads");
    put(&mut file, tags::SPECIFIC_CHARACTER_SET, VR::CS, "\\ISO 2022 IR 149");
    change_item(&mut file, tags::SEGMENT_SEQUENCE, |segment| {
        put_bytes(segment, tags::SEGMENT_LABEL, VR::LO, KOREAN);
    });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mask");
    file.write_to_file(&path).expect("written");
    let options = LoadOptions::default().patient("P".to_owned());
    let case =
        load(Path::new("fixtures/dicom/seg/ct"), &path, &options).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<_> = case.lesions.iter().map(|l| l.name.as_deref()).collect();
    assert_eq!(names, [Some("길동 1"), Some("node two")]);
}
