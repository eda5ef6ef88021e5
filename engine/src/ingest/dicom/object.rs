//! Opening DICOM files as they are met: with or without preamble and meta group, deflated, with
//! damaged numbers. Nothing is taken from a file's lengths before the walk has checked them.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_core::Tag;
use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};
use dicom_object::InMemDicomObject;
use dicom_transfer_syntax_registry::entries;
use sha2::{Digest, Sha256};

use super::characters;
use super::deflated;
use super::stray::Said;
use super::unknown;
pub use super::walk::PixelSpan;
use super::walk::{self, Encoding};
use crate::error::{Error, Message, Problem, Result};
use crate::ingest::open_file::OpenFile;

/// A parsed data set.
pub type DicomObject = InMemDicomObject;

/// Explicit VR big endian; retired from the standard, alive in archives.
const BIG_ENDIAN: &str = entries::EXPLICIT_VR_BIG_ENDIAN.uid();
/// Bytes of a file, in memory.
pub type Bytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// An opened DICOM file.
#[derive(Clone)]
pub struct Opened {
    /// Its elements; without PixelData where only the header was asked for.
    pub object: DicomObject,
    /// UID of its transfer syntax, as the file says or as its first bytes show.
    pub transfer_syntax: String,
    /// The file.
    pub path: PathBuf,
    /// Where the pixel data lies within [`Opened::data_set`].
    pub pixels: Option<PixelSpan>,
    pub(super) encoding: Encoding,
    /// The file's bytes as they were read, of which the hash is taken.
    pub(super) file: Bytes,
    bytes: Bytes,
    /// Offset of the data set within the bytes.
    start: usize,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The elements hold the patient's name.
        write!(f, "Opened({}, {})", self.path.display(), self.transfer_syntax)
    }
}

impl Opened {
    /// The encoded data set, inflated where the file is deflated.
    pub fn data_set(&self) -> &[u8] {
        &(*self.bytes).as_ref()[self.start..]
    }

    /// The same with the SHA-256 of its pixel data in that data's place, by which copies are still told
    /// from what differs.
    pub(super) fn without_pixels(self) -> Self {
        let digest =
            |span: &PixelSpan| Sha256::digest(&self.data_set()[span.bytes.clone()]).to_vec();
        let digest = self.pixels.as_ref().map(digest);
        let pixels = digest
            .as_ref()
            .zip(self.pixels.as_ref())
            .map(|(digest, span)| PixelSpan { bytes: 0..digest.len(), declared: span.declared });
        let bytes: Bytes = Arc::new(digest.unwrap_or_default());
        Self { pixels, file: bytes.clone(), bytes, start: 0, ..self }
    }

    /// Its elements, with errors that name the file.
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(&self.object, &self.path)
    }

    /// Whether its numbers of several bytes are big endian.
    pub fn big_endian(&self) -> bool {
        self.encoding.big_endian
    }
}

/// Opens a file's bytes, with all of its elements or, unless `whole`, up to its pixel data, which stays
/// where it is. `path` names it in errors; `None` where the bytes are no DICOM.
///
/// # Errors
/// [`Error::BadData`] if they are damaged.
pub fn open_bytes(path: &Path, bytes: Bytes, whole: bool) -> Result<Option<Opened>> {
    let Some(mut file) = sniff((*bytes).as_ref()).map_err(|problem| problem.in_file(path))? else {
        return Ok(None);
    };
    let as_read = bytes.clone();
    let mut bytes = bytes;
    if file.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        bytes = Arc::new(
            deflated::inflate(&(*bytes).as_ref()[file.start..])
                .map_err(|problem| problem.in_file(path))?,
        );
        file.start = 0;
    }
    let data = &(*bytes).as_ref()[file.start..];
    let walked = match walk::walk(data, file.encoding, whole) {
        Ok(walked) => walked,
        // Without the magic word, what does not parse was no DICOM to begin with.
        Err(_) if !file.magic => return Ok(None),
        Err(problem) => return Err(problem.in_file(path)),
    };
    let end = if whole { data.len() } else { walked.header_end };
    let syntax = match file.encoding {
        Encoding { explicit: false, .. } => entries::IMPLICIT_VR_LITTLE_ENDIAN.erased(),
        Encoding { big_endian: true, .. } => entries::EXPLICIT_VR_BIG_ENDIAN.erased(),
        Encoding { .. } => entries::EXPLICIT_VR_LITTLE_ENDIAN.erased(),
    };
    let mut known = unknown::made_opaque(&data[..end], &walked.unknown, file.encoding);
    let hidden = characters::hide(&mut known, &walked.characters);
    let parsed = DicomObject::read_dataset_with_ts(&known[..], &syntax).and_then(|mut object| {
        if !walked.unknown.is_empty() {
            unknown::resolve(&mut object)?;
        }
        if hidden {
            characters::decode(&mut object);
        }
        Ok(object)
    });
    let object = match parsed {
        Ok(object) => object,
        Err(_) if !file.magic => return Ok(None),
        Err(e) => {
            return Err(Error::bad_data(path, format!("cannot be parsed as DICOM: {}", chain(&e))));
        }
    };
    if !file.magic && object.get(tags::SOP_CLASS_UID).is_none() {
        return Ok(None);
    }
    Ok(Some(Opened {
        object,
        transfer_syntax: file.transfer_syntax,
        path: path.to_owned(),
        pixels: walked.pixels,
        encoding: file.encoding,
        start: file.start,
        file: as_read,
        bytes,
    }))
}

/// The bytes of a file up to the length of its pixel data; all of them where it has none or is deflated.
///
/// # Errors
/// As [`OpenFile::start`].
pub(super) fn up_to_pixels(file: OpenFile) -> Result<Vec<u8>> {
    file.start(|bytes| {
        let Ok(Some(file)) = sniff(bytes) else { return false };
        let deflated = file.transfer_syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN;
        let walked = || walk::walk(&bytes[file.start..], file.encoding, false);
        !deflated && walked().is_ok_and(|walked| walked.pixels.is_some())
    })
}

/// What a damaged file says of itself before the damage.
pub(super) fn glimpse(bytes: &[u8]) -> Said {
    let mut said = Said::default();
    // The meta group repeats class and instance, and comes first.
    let meta = if bytes.get(128..132) == Some(b"DICM") { bytes.get(132..) } else { None };
    let start = sniff(bytes).ok().flatten().map(|file| (file.start, file.encoding));
    let parts = [meta.map(|b| (b, Encoding::EXPLICIT)), start.map(|(at, e)| (&bytes[at..], e))];
    for (part, encoding) in parts.into_iter().flatten() {
        // How far the walk gets is all that matters.
        let _ = walk::walk_seeing(part, encoding, false, &mut |tag, value| {
            let place = match tag {
                tags::SOP_CLASS_UID | tags::MEDIA_STORAGE_SOP_CLASS_UID => &mut said.sop_class,
                tags::SOP_INSTANCE_UID | tags::MEDIA_STORAGE_SOP_INSTANCE_UID => {
                    &mut said.sop_instance
                }
                tags::MODALITY => &mut said.modality,
                tags::SERIES_INSTANCE_UID => &mut said.series,
                _ => return,
            };
            let text = String::from_utf8_lossy(&part[value]);
            let text = text.trim_matches(['\0', ' ']);
            *place = Some(text.to_owned()).filter(|t| !t.is_empty());
        });
    }
    said
}

/// Whether bytes start like a DICOM file.
pub(super) fn is_dicom(bytes: &[u8]) -> bool {
    !matches!(sniff(bytes), Ok(None))
}

struct Sniffed {
    magic: bool,
    transfer_syntax: String,
    encoding: Encoding,
    start: usize,
}

/// Finds the data set and its encoding; `None` where the bytes are no DICOM.
fn sniff(bytes: &[u8]) -> Result<Option<Sniffed>, Problem> {
    let magic_at = |at: usize| bytes.get(at..at + 4) == Some(b"DICM");
    let (magic, mut at) = if magic_at(128) {
        (true, 132)
    } else if magic_at(0) {
        (true, 4)
    } else {
        (false, 0)
    };
    if !magic && !plausible_start(bytes) {
        return Ok(None);
    }
    let mut stated = None;
    while bytes.get(at..at + 2) == Some(&[0x02, 0x00]) {
        let step = walk::element(bytes, at, Encoding::EXPLICIT).and_then(|e| {
            let length = e.length().ok_or("has a meta group without lengths")?;
            let value = bytes.get(e.value..e.value.saturating_add(length));
            value.map(|v| (e, v)).ok_or_else(|| "ends inside its meta group; fetch it again".into())
        });
        match step {
            Ok((e, value)) => {
                if e.tag == tags::TRANSFER_SYNTAX_UID {
                    let text = String::from_utf8_lossy(value);
                    stated = Some(text.trim_matches(['\0', ' ']).to_owned());
                }
                at = e.value + value.len();
            }
            Err(problem) if magic => return Err(problem),
            Err(_) => return Ok(None),
        }
    }
    let shown = shown_encoding(&bytes[at..]);
    let (transfer_syntax, encoding) = match stated.filter(|uid| !uid.is_empty()) {
        Some(uid) => {
            let encoding = match (uid.as_str(), shown) {
                (uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, _) => Encoding::EXPLICIT,
                // Some archives convert the data set and forget the meta group: what is there wins.
                (_, Some(shown)) => shown,
                (uids::IMPLICIT_VR_LITTLE_ENDIAN, None) => Encoding::IMPLICIT,
                (BIG_ENDIAN, None) => Encoding { explicit: true, big_endian: true },
                (_, None) => Encoding::EXPLICIT,
            };
            (uid, encoding)
        }
        None => match shown {
            Some(encoding) => (uncompressed(encoding).to_owned(), encoding),
            None if magic => {
                return Err(
                    "has no transfer syntax and no readable data set; fetch it again".into()
                );
            }
            None => return Ok(None),
        },
    };
    let plain = [uids::IMPLICIT_VR_LITTLE_ENDIAN, uids::EXPLICIT_VR_LITTLE_ENDIAN, BIG_ENDIAN];
    let transfer_syntax = if plain.contains(&transfer_syntax.as_str()) {
        uncompressed(encoding).to_owned()
    } else {
        transfer_syntax
    };
    Ok(Some(Sniffed { magic, transfer_syntax, encoding, start: at }))
}

fn uncompressed(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding { explicit: false, .. } => uids::IMPLICIT_VR_LITTLE_ENDIAN,
        Encoding { big_endian: true, .. } => BIG_ENDIAN,
        Encoding { .. } => uids::EXPLICIT_VR_LITTLE_ENDIAN,
    }
}

/// Whether a file without the magic word may start with a data set: group 0002 or 0008.
fn plausible_start(bytes: &[u8]) -> bool {
    bytes.len() > 8
        && matches!(&bytes[..2], [0x02 | 0x08, 0x00] | [0x00, 0x08])
        && shown_encoding(bytes).is_some()
}

/// The encoding that a data set's first element shows. `None` where it shows none.
fn shown_encoding(data: &[u8]) -> Option<Encoding> {
    let head = data.get(..8)?;
    let big_endian = head[0] == 0 && head[1] != 0;
    if walk::is_vr([head[4], head[5]]) {
        return Some(Encoding { explicit: true, big_endian });
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let fits = length == u32::MAX || (length as usize) <= data.len() - 8;
    (!big_endian && fits).then_some(Encoding::IMPLICIT)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

/// The elements of a data set or of a sequence's item, with errors that name the file and the tag.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    object: &'a DicomObject,
    path: &'a Path,
}

impl<'a> Fields<'a> {
    /// The elements of `object`, which came from the file `path`.
    pub fn new(object: &'a DicomObject, path: &'a Path) -> Self {
        Self { object, path }
    }

    /// The file.
    pub fn path(&self) -> &'a Path {
        self.path
    }

    /// An error about this file.
    pub fn bad(&self, problem: impl Into<Message>) -> Error {
        Error::bad_data(self.path, problem)
    }

    /// A text without padding; `None` where absent or empty.
    pub fn text(&self, tag: Tag) -> Option<String> {
        let text = self.raw(tag)?;
        let text = text.trim_matches(['\0', ' ']);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The values of a text of several values, without padding; empty where absent.
    pub fn texts(&self, tag: Tag) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        let values = text.split('\\').map(|v| v.trim_matches(['\0', ' ']).to_owned());
        if text.is_empty() { Vec::new() } else { values.collect() }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is absent or empty.
    pub fn need_text(&self, tag: Tag) -> Result<String> {
        self.text(tag).ok_or_else(|| self.missing(tag))
    }

    /// Real numbers, from text or binary; `None` where absent or empty.
    ///
    /// A comma is taken for the decimal point, which some writers put in its place.
    ///
    /// # Errors
    /// A value is no finite number.
    pub fn decimals(&self, tag: Tag) -> Result<Option<Vec<f64>>> {
        let Some(element) = self.object.get(tag) else { return Ok(None) };
        if element.value().primitive().is_none_or(|p| p.multiplicity() == 0) {
            return Ok(None);
        }
        let not_text = element.value().primitive().filter(|p| {
            !matches!(p, dicom_core::PrimitiveValue::Str(_) | dicom_core::PrimitiveValue::Strs(_))
        });
        let values = match not_text {
            Some(binary) => binary
                .to_multi_float64()
                .map_err(|_| self.bad(format!("{} holds no numbers", name(tag))))?,
            None => self
                .texts(tag)
                .iter()
                .map(|text| {
                    number(text).ok_or_else(|| {
                        self.bad(format!(
                            "{} is \"{}\", which is no number",
                            name(tag),
                            short(text)
                        ))
                    })
                })
                .collect::<Result<_>>()?,
        };
        if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
            return Err(self.bad(format!("{} is {bad}, which is no finite number", name(tag))));
        }
        Ok(Some(values).filter(|v| !v.is_empty()))
    }

    /// The first of the numbers at `tag`.
    ///
    /// # Errors
    /// As [`Fields::decimals`].
    pub fn decimal(&self, tag: Tag) -> Result<Option<f64>> {
        Ok(self.decimals(tag)?.map(|v| v[0]))
    }

    /// Exactly `N` real numbers; `None` where absent or empty.
    ///
    /// # Errors
    /// As [`Fields::decimals`]; also for another count.
    pub fn vector<const N: usize>(&self, tag: Tag) -> Result<Option<[f64; N]>> {
        let Some(values) = self.decimals(tag)? else { return Ok(None) };
        let count = values.len();
        <[f64; N]>::try_from(values)
            .map(Some)
            .map_err(|_| self.bad(format!("{} has {count} values instead of {N}", name(tag))))
    }

    /// Exactly `N` real numbers that must be there.
    ///
    /// # Errors
    /// As [`Fields::vector`]; also where absent.
    pub fn need_vector<const N: usize>(&self, tag: Tag) -> Result<[f64; N]> {
        self.vector(tag)?.ok_or_else(|| self.missing(tag))
    }

    /// A whole number; `None` where absent or empty.
    ///
    /// # Errors
    /// The value is no whole number of 53 bits.
    pub fn integer(&self, tag: Tag) -> Result<Option<i64>> {
        let Some(value) = self.decimal(tag)? else { return Ok(None) };
        if value.fract() != 0.0 || value.abs() > 9e15 {
            return Err(self.bad(format!("{} is {value} instead of a whole number", name(tag))));
        }
        Ok(Some(value as i64))
    }

    /// A whole number from `low` to `high` that must be there.
    ///
    /// # Errors
    /// It is absent, no whole number, or out of range.
    pub fn need_integer(&self, tag: Tag, low: i64, high: i64) -> Result<i64> {
        let value = self.integer(tag)?.ok_or_else(|| self.missing(tag))?;
        if !(low..=high).contains(&value) {
            return Err(self.bad(format!("{} is {value}; it must be {low} to {high}", name(tag))));
        }
        Ok(value)
    }

    /// The items of a sequence; empty where absent.
    pub fn items(&self, tag: Tag) -> impl Iterator<Item = Fields<'a>> + use<'a> {
        let items = self.object.get(tag).and_then(|e| e.value().items()).unwrap_or_default();
        let path = self.path;
        items.iter().map(move |object| Fields { object, path })
    }

    /// The first item of a sequence.
    pub fn item(&self, tag: Tag) -> Option<Fields<'a>> {
        self.items(tag).next()
    }

    /// Whether the element is there.
    pub fn has(&self, tag: Tag) -> bool {
        self.object.get(tag).is_some()
    }

    /// The error for an element that is not there.
    pub fn missing(&self, tag: Tag) -> Error {
        self.bad(format!("has no {}", name(tag)))
    }

    fn raw(&self, tag: Tag) -> Option<Cow<'a, str>> {
        self.object.get(tag)?.value().to_raw_str().ok()
    }
}

/// A tag's name and number, such as `PixelSpacing (0028,0030)`.
pub fn name(tag: Tag) -> String {
    let number = format!("({:04X},{:04X})", tag.group(), tag.element());
    match StandardDataDictionary.by_tag(tag) {
        Some(entry) => format!("{} {number}", entry.alias()),
        None => number,
    }
}

/// A decimal string (PS3.5, 6.2: DS) as it is met: padded, or with a comma for the point.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.matches(',').count() == 1 && !text.contains('.') {
        return text.replace(',', ".").parse().ok();
    }
    text.parse().ok()
}

/// A length or position as its writer meant it: 0.97699999809265 is the 32-bit number 0.977 written
/// out, and the NIfTI of the same image says 0.977.
pub(super) fn decimal(value: f64) -> f64 {
    let single = value as f32;
    if (f64::from(single) - value).abs() > 1e-12 * value.abs() {
        return value;
    }
    single.to_string().parse().unwrap_or(value)
}

/// The start of a text that goes into a message.
fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::open_file::testing::{Mishap, unlucky};

    #[test]
    fn decimal_strings_are_read_as_they_are_met() {
        assert_eq!(number(" 0.977 "), Some(0.977));
        assert_eq!(number("0,977\0"), Some(0.977));
        assert_eq!(number("-1.5e2"), Some(-150.0));
        assert_eq!(number("1,000.5"), None);
        assert_eq!(number(""), None);
    }

    #[test]
    fn a_32_bit_number_written_out_is_its_shortest_decimal() {
        assert_eq!(decimal(0.97699999809265), 0.977);
        assert_eq!(decimal(-174.39450073242), -174.3945);
        assert_eq!(decimal(0.9771234), 0.9771234);
        assert_eq!(decimal(76.6), 76.6);
    }

    /// It could not be read beyond its first bytes.
    #[test]
    fn a_header_is_read_without_the_pixels_behind_it() {
        let text = |tag: [u8; 4], value: &str| {
            let length = (value.len() as u16).to_le_bytes();
            [&tag[..], b"LO", &length, value.as_bytes()].concat()
        };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("slice");
        // A header of the usual length, and one that is longer than what shows a file's kind.
        for repeats in [1, 3] {
            let mut file = [&[0; 128][..], b"DICM"].concat();
            for at in 0..repeats {
                file.extend(text([0x19, 0, at, 0x10], &"x".repeat(40_000)));
            }
            file.extend([0xE0, 0x7F, 0x10, 0, b'O', b'W', 0, 0]);
            file.extend((1u32 << 20).to_le_bytes());
            file.resize(file.len() + (1 << 20), 7);
            let after = 1 << 18;
            let opened = unlucky(&path, &file, after, Mishap::Fails, &[]).expect("its first bytes");
            let start = up_to_pixels(opened).expect("a header");
            assert!(file.starts_with(&start) && start.len() <= after, "{} bytes", start.len());
            let opened = open_bytes(&path, Arc::new(start), false).expect("sound").expect("DICOM");
            assert!(opened.pixels.is_some());
            // Without pixel data there is nothing to stop at.
            let header = &file[..file.len() - (1 << 20) - 12];
            std::fs::write(&path, header).expect("written");
            let all = up_to_pixels(OpenFile::open(&path).expect("there")).expect("a header");
            assert!(all == header);
        }
    }

    #[test]
    fn what_is_no_dicom_is_not_taken_for_it() {
        for bytes in [&b""[..], b"hello", &[0u8; 400], &[8u8; 400], b"\x08\x00plain text, is it"] {
            let opened = open_bytes(Path::new("x"), Arc::new(bytes.to_vec()), true);
            assert!(matches!(opened, Ok(None)), "{bytes:?}");
        }
    }
}
