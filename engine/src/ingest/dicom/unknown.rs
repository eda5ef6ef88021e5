//! Values of unknown representation (UN) and undefined length.
//!
//! Whoever converts a file to an explicit encoding without knowing an element writes its sequence as
//! UN, and leaves its items as they were: in implicit little endian (PS3.5, 6.2.2, note 4, from
//! CP-246). The parser reads on in the encoding around them, and takes what it finds for lengths. So
//! it gets them as plain bytes, and then each by itself.

use std::borrow::Cow;
use std::ops::Range;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::ReadError;
use dicom_transfer_syntax_registry::entries;

use super::object::DicomObject;
use super::walk::Encoding;

/// Start of an item and end of a sequence, in little endian.
const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const SEQUENCE_END: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];

/// A data set in which these values, delimiters included, have a defined length.
pub(super) fn made_opaque<'a>(
    data: &'a [u8],
    values: &[Range<usize>],
    encoding: Encoding,
) -> Cow<'a, [u8]> {
    let mut data = Cow::Borrowed(data);
    for value in values {
        let length = value.len() as u32;
        let bytes = if encoding.big_endian { length.to_be_bytes() } else { length.to_le_bytes() };
        data.to_mut()[value.start - 4..value.start].copy_from_slice(&bytes);
    }
    data
}

/// Puts sequences in the place of values that were made opaque.
///
/// # Errors
/// One of them is no sequence of data sets.
pub(super) fn resolve(object: &mut DicomObject) -> Result<(), ReadError> {
    let text = object.get(tags::SPECIFIC_CHARACTER_SET).and_then(|e| e.value().to_raw_str().ok());
    let mut text = text.map_or_else(Vec::new, |text| text.as_bytes().to_vec());
    text.resize(text.len().next_multiple_of(2), b' ');
    let mut characters = Vec::new();
    if !text.is_empty() {
        put(&mut characters, tags::SPECIFIC_CHARACTER_SET, text.len() as u32, &text);
    }
    resolve_in(object, &characters)
}

fn resolve_in(object: &mut DicomObject, characters: &[u8]) -> Result<(), ReadError> {
    let tags: Vec<Tag> = object.tags().collect();
    for tag in tags {
        let opaque = object.get(tag).filter(|e| e.vr() == VR::UN).and_then(|e| {
            let bytes = e.value().primitive()?.to_bytes();
            let is_sequence = bytes.starts_with(&ITEM) || bytes.len() == SEQUENCE_END.len();
            (is_sequence && bytes.ends_with(&SEQUENCE_END)).then(|| bytes.into_owned())
        });
        if let Some(items) = opaque {
            let mut encoded = characters.to_vec();
            put(&mut encoded, tag, u32::MAX, &items);
            let implicit = entries::IMPLICIT_VR_LITTLE_ENDIAN.erased();
            let mut parsed = DicomObject::read_dataset_with_ts(&encoded[..], &implicit)?;
            if let Some(sequence) = parsed.take(tag) {
                object.put(sequence);
            }
            continue;
        }
        let mut problem = None;
        object.update_value(tag, |value| {
            for item in value.items_mut().into_iter().flatten() {
                problem = problem.take().or(resolve_in(item, characters).err());
            }
        });
        if let Some(problem) = problem {
            return Err(problem);
        }
    }
    Ok(())
}

/// Adds an element in implicit little endian.
fn put(data: &mut Vec<u8>, tag: Tag, length: u32, value: &[u8]) {
    data.extend(tag.group().to_le_bytes());
    data.extend(tag.element().to_le_bytes());
    data.extend(length.to_le_bytes());
    data.extend(value);
}
