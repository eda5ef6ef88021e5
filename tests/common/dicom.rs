//! CT slices and structure sets made to measure, as DICOM files.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::path::{Path, PathBuf};

use dicom_core::value::DataSetSequence;
use dicom_core::{DataElement, PrimitiveValue, Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use tempfile::TempDir;

pub const CT_STORAGE: &str = "1.2.840.10008.5.1.4.1.1.2";
pub const IMPLICIT: &str = "1.2.840.10008.1.2";
pub const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub const COLUMNS: usize = 6;
pub const ROWS: usize = 5;

/// The HU that every test expects at column x, row y of the slice with this number.
pub fn hu(x: usize, y: usize, slice: usize) -> i16 {
    -1000 + (x + 10 * y + 100 * slice) as i16
}

pub fn put(object: &mut InMemDicomObject, tag: Tag, vr: VR, value: impl Into<PrimitiveValue>) {
    object.put(DataElement::new(tag, vr, value.into()));
}

/// A slice with stored values of HU + 1024, at this place, by columns and rows of a CT.
pub fn slice(number: usize, position: [f64; 3]) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    let uid = |kind: &str| PrimitiveValue::from(format!("1.2.3.{kind}"));
    o.put(DataElement::new(tags::SOP_CLASS_UID, VR::UI, PrimitiveValue::from(CT_STORAGE)));
    o.put(DataElement::new(tags::SOP_INSTANCE_UID, VR::UI, uid(&format!("9.{number}"))));
    o.put(DataElement::new(tags::STUDY_INSTANCE_UID, VR::UI, uid("1")));
    o.put(DataElement::new(tags::SERIES_INSTANCE_UID, VR::UI, uid("2")));
    o.put(DataElement::new(tags::FRAME_OF_REFERENCE_UID, VR::UI, uid("3")));
    put(&mut o, tags::MODALITY, VR::CS, "CT");
    put(&mut o, tags::PATIENT_ID, VR::LO, "MRN-1");
    put(&mut o, tags::PATIENT_NAME, VR::PN, "Doe^John");
    put(&mut o, tags::IMAGE_TYPE, VR::CS, "ORIGINAL\\PRIMARY\\AXIAL");
    put(&mut o, tags::KVP, VR::DS, "120");
    put(&mut o, tags::SLICE_THICKNESS, VR::DS, "2.5");
    put(&mut o, tags::CONVOLUTION_KERNEL, VR::SH, "B30f");
    let place = position.map(|v| v.to_string()).join("\\");
    put(&mut o, tags::IMAGE_POSITION_PATIENT, VR::DS, place);
    put(&mut o, tags::IMAGE_ORIENTATION_PATIENT, VR::DS, "1\\0\\0\\0\\1\\0");
    put(&mut o, tags::PIXEL_SPACING, VR::DS, "0.5\\0.7");
    pixel_format(&mut o, [COLUMNS, ROWS], 16, true);
    put(&mut o, tags::RESCALE_SLOPE, VR::DS, "1");
    put(&mut o, tags::RESCALE_INTERCEPT, VR::DS, "-1024");
    pixels(&mut o, number, |hu| (hu + 1024) as u16);
    o
}

/// What stored values are: all of `bits` are used.
pub fn pixel_format(
    o: &mut InMemDicomObject,
    [columns, rows]: [usize; 2],
    bits: u16,
    signed: bool,
) {
    put(o, tags::SAMPLES_PER_PIXEL, VR::US, 1u16);
    put(o, tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2");
    put(o, tags::ROWS, VR::US, rows as u16);
    put(o, tags::COLUMNS, VR::US, columns as u16);
    put(o, tags::BITS_ALLOCATED, VR::US, bits);
    put(o, tags::BITS_STORED, VR::US, bits);
    put(o, tags::HIGH_BIT, VR::US, bits - 1);
    put(o, tags::PIXEL_REPRESENTATION, VR::US, u16::from(signed));
}

/// Sets the pixel data of a slice, stored from its HU.
pub fn pixels(o: &mut InMemDicomObject, number: usize, store: impl Fn(i32) -> u16) {
    let at = |i: usize| store(i32::from(hu(i % COLUMNS, i / COLUMNS, number)));
    let words: Vec<u16> = (0..COLUMNS * ROWS).map(at).collect();
    let words = PrimitiveValue::U16(words.into());
    o.put(DataElement::new(tags::PIXEL_DATA, VR::OW, words));
}

pub fn stack(count: usize) -> Vec<InMemDicomObject> {
    (0..count).map(|n| slice(n, [-10.0, -20.0, 30.0 + 2.5 * n as f64])).collect()
}

pub fn write(path: &Path, object: &InMemDicomObject, syntax: &str) {
    let text = |tag| object.get(tag).map(|e| e.to_str().expect("text").into_owned());
    let meta = FileMetaTableBuilder::new()
        .transfer_syntax(syntax)
        .media_storage_sop_class_uid(text(tags::SOP_CLASS_UID).unwrap_or_default())
        .media_storage_sop_instance_uid(text(tags::SOP_INSTANCE_UID).unwrap_or_default());
    let file = object.clone().with_meta(meta).expect("a file");
    file.write_to_file(path).expect("written");
}

/// Writes slices as files 0, 1, ... in explicit little endian.
pub fn folder(slices: &[InMemDicomObject]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let paths: Vec<PathBuf> =
        (0..slices.len()).map(|i| folder.path().join(i.to_string())).collect();
    for (path, slice) in paths.iter().zip(slices) {
        write(path, slice, EXPLICIT);
    }
    (folder, paths)
}

/// An element with these items.
pub fn sequence(tag: Tag, items: Vec<InMemDicomObject>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, VR::SQ, DataSetSequence::from(items))
}

/// An item with these elements.
pub fn item(elements: impl IntoIterator<Item = DataElement<InMemDicomObject>>) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(elements)
}

/// An element of text.
pub fn text(tag: Tag, vr: VR, value: impl Into<String>) -> DataElement<InMemDicomObject> {
    DataElement::new(tag, vr, PrimitiveValue::from(value.into()))
}

/// A closed contour through these points, mm.
pub fn contour(points: &[[f64; 3]]) -> InMemDicomObject {
    let data: Vec<String> = points.iter().flatten().map(f64::to_string).collect();
    item([
        text(tags::CONTOUR_GEOMETRIC_TYPE, VR::CS, "CLOSED_PLANAR"),
        text(tags::NUMBER_OF_CONTOUR_POINTS, VR::IS, points.len().to_string()),
        text(tags::CONTOUR_DATA, VR::DS, data.join("\\")),
    ])
}

/// Columns 1 to 3 and rows 1 to 3 of the slice with this number of a [`stack`]: 9 voxels.
pub fn square(number: usize) -> InMemDicomObject {
    let place = |column: f64, row: f64| {
        [-10.0 + 0.7 * column, -20.0 + 0.5 * row, 30.0 + 2.5 * number as f64]
    };
    contour(&[place(0.5, 0.5), place(3.5, 0.5), place(3.5, 3.5), place(0.5, 3.5)])
}

/// A structure set of one ROI on the series of a [`stack`], which lists these slices of it.
pub fn structure_set(contours: Vec<InMemDicomObject>, listed: &[usize]) -> InMemDicomObject {
    let mut o = InMemDicomObject::new_empty();
    put(&mut o, tags::SOP_CLASS_UID, VR::UI, "1.2.840.10008.5.1.4.1.1.481.3");
    put(&mut o, tags::SOP_INSTANCE_UID, VR::UI, "1.2.3.8.1");
    put(&mut o, tags::STUDY_INSTANCE_UID, VR::UI, "1.2.3.1");
    put(&mut o, tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.8");
    put(&mut o, tags::MODALITY, VR::CS, "RTSTRUCT");
    put(&mut o, tags::PATIENT_ID, VR::LO, "MRN-1");
    let image =
        |n: &usize| item([text(tags::REFERENCED_SOP_INSTANCE_UID, VR::UI, format!("1.2.3.9.{n}"))]);
    let images = sequence(tags::CONTOUR_IMAGE_SEQUENCE, listed.iter().map(image).collect());
    let series = item([text(tags::SERIES_INSTANCE_UID, VR::UI, "1.2.3.2"), images]);
    let study = item([sequence(tags::RT_REFERENCED_SERIES_SEQUENCE, vec![series])]);
    let frame = item([
        text(tags::FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
        sequence(tags::RT_REFERENCED_STUDY_SEQUENCE, vec![study]),
    ]);
    o.put(sequence(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE, vec![frame]));
    let roi = item([
        text(tags::ROI_NUMBER, VR::IS, "1"),
        text(tags::ROI_NAME, VR::LO, "GTV"),
        text(tags::REFERENCED_FRAME_OF_REFERENCE_UID, VR::UI, "1.2.3.3"),
    ]);
    o.put(sequence(tags::STRUCTURE_SET_ROI_SEQUENCE, vec![roi]));
    let drawn = item([
        text(tags::REFERENCED_ROI_NUMBER, VR::IS, "1"),
        sequence(tags::CONTOUR_SEQUENCE, contours),
    ]);
    o.put(sequence(tags::ROI_CONTOUR_SEQUENCE, vec![drawn]));
    o
}

/// A data set whose UIDs begin with another root than `1.2.3.`, also in its items.
pub fn under(root: &str, object: &InMemDicomObject) -> InMemDicomObject {
    InMemDicomObject::from_element_iter(object.iter().map(|element| {
        let (tag, vr) = (element.header().tag, element.header().vr);
        if let Some(items) = element.value().items() {
            return sequence(tag, items.iter().map(|item| under(root, item)).collect());
        }
        let uid = (vr == VR::UI).then(|| element.to_str().expect("text").into_owned());
        match uid.as_deref().and_then(|uid| uid.strip_prefix("1.2.3.")) {
            Some(rest) => text(tag, VR::UI, format!("{root}{rest}")),
            None => element.clone(),
        }
    }))
}
