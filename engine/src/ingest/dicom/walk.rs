//! A look at the skeleton of an encoded data set (DICOM PS3.5, section 7) before it is parsed.
//!
//! The parser trusts the lengths that it reads and follows nested sequences by recursion. The walk
//! takes neither for granted: every length must fit the bytes that are there, and sequences nest to
//! a fixed depth. It also finds where the pixel data lies, so that voxels are copied from the file
//! itself and once.

use std::ops::Range;

use dicom_core::dictionary::{DataDictionary, DataDictionaryEntry};
use dicom_core::{Tag, VR};
use dicom_dictionary_std::{StandardDataDictionary, tags};

use super::characters;
use crate::error::Problem;

/// Deepest nesting of sequences that is followed; structured reports reach about ten.
const MAX_DEPTH: usize = 64;
const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);

/// How elements are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

impl Encoding {
    pub(super) const IMPLICIT: Self = Self { explicit: false, big_endian: false };
    pub(super) const EXPLICIT: Self = Self { explicit: true, big_endian: false };

    fn u16(self, b: &[u8]) -> u16 {
        let b = [b[0], b[1]];
        if self.big_endian { u16::from_be_bytes(b) } else { u16::from_le_bytes(b) }
    }

    fn u32(self, b: &[u8]) -> u32 {
        let b = [b[0], b[1], b[2], b[3]];
        if self.big_endian { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
    }
}

/// Where the pixel data of a file lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelSpan {
    /// The bytes that are there, within the data set.
    pub bytes: Range<usize>,
    /// The length that the element claims; `None` for encapsulated (compressed) pixel data.
    pub declared: Option<u64>,
}

/// What a walk found.
pub(super) struct Walked {
    /// Offset of the PixelData element, or the end of the data set.
    pub(super) header_end: usize,
    pub(super) pixels: Option<PixelSpan>,
    /// Values of unknown representation and undefined length, each with its delimiter: sequences in
    /// implicit little endian, whatever is around them (PS3.5, 6.2.2, note 4).
    pub(super) unknown: Vec<Range<usize>>,
    /// Where SpecificCharacterSet stands.
    pub(super) characters: Vec<characters::Place>,
}

/// An element's header.
pub(super) struct Element {
    pub(super) tag: Tag,
    sequence: bool,
    vr: VR,
    /// Declared length of the value; `None` where undefined.
    length: Option<usize>,
    /// Offset of the value.
    pub(super) value: usize,
}

impl Element {
    /// Declared length of the value; `None` where undefined.
    pub(super) fn length(&self) -> Option<usize> {
        self.length
    }
}

struct Open {
    /// Where it ends; `None` where a delimiter ends it.
    end: Option<usize>,
    is_item: bool,
    encoding: Encoding,
    /// Where the value starts, if its representation is unknown.
    unknown: Option<usize>,
    /// The elements so far, in an item.
    seen: Vec<Tag>,
}

/// Reads the element header at `at`.
pub(super) fn element(bytes: &[u8], at: usize, encoding: Encoding) -> Result<Element, Problem> {
    let take = |from: usize, len: usize| {
        bytes.get(from..from + len).ok_or_else(|| {
            format!("ends inside an element header, {} bytes in; fetch the file again", bytes.len())
        })
    };
    let head = take(at, 8)?;
    let tag = Tag(encoding.u16(head), encoding.u16(&head[2..]));
    if tag.group() == 0xFFFE || !encoding.explicit {
        let length = encoding.u32(&head[4..]);
        // Private and unknown elements of defined length are opaque to the parser as well.
        let vr = StandardDataDictionary.by_tag(tag).map_or(VR::UN, |e| e.vr().relaxed());
        return Ok(Element {
            tag,
            sequence: length == UNDEFINED || vr == VR::SQ,
            vr,
            length: (length != UNDEFINED).then_some(length as usize),
            value: at + 8,
        });
    }
    let name = [head[4], head[5]];
    let vr = VR::from_binary(name).unwrap_or(VR::UN);
    if is_short(name) {
        let length = usize::from(encoding.u16(&head[6..]));
        return Ok(Element { tag, sequence: false, vr, length: Some(length), value: at + 8 });
    }
    let length = encoding.u32(take(at + 8, 4)?);
    Ok(Element {
        tag,
        sequence: vr == VR::SQ || length == UNDEFINED,
        vr,
        length: (length != UNDEFINED).then_some(length as usize),
        value: at + 12,
    })
}

/// Walks over a data set up to its pixel data, or over all of it where `whole`.
pub(super) fn walk(bytes: &[u8], encoding: Encoding, whole: bool) -> Result<Walked, Problem> {
    walk_seeing(bytes, encoding, whole, &mut |_, _| {})
}

/// The same; `see` is called with the tag and the place of each value outside of sequences, as far as
/// the walk gets.
pub(super) fn walk_seeing(
    bytes: &[u8],
    encoding: Encoding,
    whole: bool,
    see: &mut dyn FnMut(Tag, Range<usize>),
) -> Result<Walked, Problem> {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    let mut pixels: Option<(usize, PixelSpan)> = None;
    let mut unknown: Vec<Range<usize>> = Vec::new();
    let mut characters = Vec::new();
    let mut outermost: Vec<Tag> = Vec::new();
    loop {
        while open.last().is_some_and(|o| o.end == Some(at)) {
            open.pop();
        }
        if at == bytes.len() {
            if !open.is_empty() {
                return Err("ends inside a sequence; the file was cut off, fetch it again".into());
            }
            let (header_end, pixels) = pixels.map_or((at, None), |(at, span)| (at, Some(span)));
            return Ok(Walked { header_end, pixels, unknown, characters });
        }
        let here = open.last().map_or(encoding, |o| o.encoding);
        let limit = open.last().and_then(|o| o.end).unwrap_or(bytes.len());
        let e = element(&bytes[..limit], at, here)?;
        if e.tag == ITEM_END || e.tag == SEQUENCE_END {
            let closed = open.pop().filter(|o| o.end.is_none() && o.is_item == (e.tag == ITEM_END));
            let Some(closed) = closed else {
                return Err(format!(
                    "has a delimiter {} where nothing is open, at byte {at}",
                    e.tag
                )
                .into());
            };
            unknown.extend(closed.unknown.map(|start| start..e.value));
            at = e.value;
            continue;
        }
        let fits = |length: usize| e.value.checked_add(length).filter(|end| *end <= limit);
        let overrun = |length: usize| {
            format!(
                "element {} at byte {at} claims {length} bytes and {} are left; the file was cut \
                 off or its lengths are wrong, fetch it again",
                e.tag,
                limit.saturating_sub(e.value)
            )
        };
        if e.tag == ITEM || open.last().is_some_and(|o| !o.is_item) {
            let in_sequence = open.last().is_some_and(|o| !o.is_item);
            if e.tag != ITEM || !in_sequence {
                return Err(format!(
                    "has {} where an item of a sequence is due, at byte {at}",
                    e.tag
                )
                .into());
            }
            let end = e.length.map(|n| fits(n).ok_or_else(|| overrun(n))).transpose()?;
            open.push(Open { end, is_item: true, encoding: here, unknown: None, seen: Vec::new() });
            at = e.value;
            continue;
        }
        // A value that has swallowed the end of its item makes one of two: the later elements would take
        // the place of the earlier (PS3.5, 7.1: each at most once).
        let seen = open.last_mut().map_or(&mut outermost, |o| &mut o.seen);
        if seen.last().is_some_and(|last| e.tag <= *last) && seen.contains(&e.tag) {
            return Err(format!(
                "has the element {} twice in one place, at byte {at}; its lengths are wrong, fetch it \
                 again",
                e.tag
            )
            .into());
        }
        seen.push(e.tag);
        if open.is_empty() && e.tag == tags::PIXEL_DATA {
            let end = match e.length {
                Some(length) => e.value.saturating_add(length).min(bytes.len()),
                None => bytes.len(),
            };
            let span =
                PixelSpan { bytes: e.value.min(end)..end, declared: e.length.map(|n| n as u64) };
            if !whole {
                let pixels = Some(span);
                return Ok(Walked { header_end: at, pixels, unknown, characters });
            }
            pixels = Some((at, span));
            at = match e.length {
                Some(length) => fits(length).ok_or_else(|| overrun(length))?,
                None => fragments_end(bytes, e.value, encoding)?,
            };
            continue;
        }
        if e.tag == tags::PIXEL_DATA && e.length.is_none() {
            // The icon of an image, compressed.
            at = fragments_end(&bytes[..limit], e.value, here)?;
            continue;
        }
        if e.sequence {
            if open.len() >= 2 * MAX_DEPTH {
                return Err(
                    format!("nests sequences more than {MAX_DEPTH} deep, at byte {at}").into()
                );
            }
            let end = e.length.map(|n| fits(n).ok_or_else(|| overrun(n))).transpose()?;
            // An unknown value of undefined length is implicit little endian inside (PS3.5, 6.2.2).
            let unknown = here.explicit && e.vr == VR::UN;
            let encoding = if unknown { Encoding::IMPLICIT } else { here };
            open.push(Open {
                end,
                is_item: false,
                encoding,
                unknown: unknown.then_some(e.value),
                seen: Vec::new(),
            });
            at = e.value;
        } else {
            let length = e.length.unwrap_or(0);
            let number = bytes_of_a_number(e.vr);
            if length % number != 0 {
                return Err(format!(
                    "element {} at byte {at} has {length} bytes, which are no whole numbers of \
                     {number} bytes; its lengths are wrong, fetch it again",
                    e.tag
                )
                .into());
            }
            at = fits(length).ok_or_else(|| overrun(length))?;
            if e.tag == tags::SPECIFIC_CHARACTER_SET {
                let outermost = open.is_empty();
                characters.push(characters::Place { value: e.value..at, outermost });
            }
            if open.is_empty() {
                see(e.tag, e.value..at);
            }
        }
    }
}

/// The end of encapsulated pixel data: items up to the sequence's delimiter.
fn fragments_end(bytes: &[u8], mut at: usize, encoding: Encoding) -> Result<usize, Problem> {
    loop {
        let e = element(bytes, at, encoding)?;
        match (e.tag, e.length) {
            (SEQUENCE_END, _) => return Ok(e.value),
            (ITEM, Some(length)) if length <= bytes.len() - e.value => at = e.value + length,
            _ => {
                return Err(format!(
                    "its compressed pixel data is cut off or damaged at byte {at}; fetch it again"
                )
                .into());
            }
        }
    }
}

/// Checks what follows the pixel data: elements in ascending order (PS3.5, 7.1), or, in a file that is
/// `filled`, zeros. Anything else shows that bytes came into the pixel data.
///
/// # Errors
/// It is something else.
pub(super) fn check_rest(
    bytes: &[u8],
    span: &PixelSpan,
    encoding: Encoding,
    filled: bool,
) -> Result<(), Problem> {
    let mut at = match span.declared {
        Some(_) => span.bytes.end,
        // Fragments without a delimiter end with the file.
        None => fragments_end(bytes, span.bytes.start, encoding).unwrap_or(bytes.len()),
    };
    let surplus = |at: usize| {
        format!(
            "has {} bytes behind its pixel data that are no elements; bytes were added to it or \
             its lengths are wrong, fetch it again",
            bytes.len() - at
        )
    };
    let mut last = tags::PIXEL_DATA;
    // A value of an odd length, which should not be, has its byte of padding outside.
    let padded = span.declared.is_some_and(|length| length % 2 == 1) && at + 1 == bytes.len();
    while at < bytes.len() {
        if (filled || padded) && bytes[at..].iter().all(|byte| *byte == 0) {
            break;
        }
        let e = element(bytes, at, encoding).map_err(|_| surplus(at))?;
        let named =
            !encoding.explicit || e.tag.group() == 0xFFFE || is_vr([bytes[at + 4], bytes[at + 5]]);
        if e.tag <= last || !named {
            return Err(surplus(at).into());
        }
        let Some(length) = e.length else {
            return walk(&bytes[at..], encoding, true).map(drop);
        };
        let end = e.value.checked_add(length).filter(|end| *end <= bytes.len());
        at = end.ok_or_else(|| surplus(at))?;
        last = e.tag;
    }
    Ok(())
}

/// The frames' encoded bytes of encapsulated pixel data (PS3.5, annex A.4): one fragment per frame,
/// or all fragments of a single frame; else by the basic offset table.
pub(super) fn frames(
    bytes: &[u8],
    span: &PixelSpan,
    frames: usize,
    encoding: Encoding,
) -> Result<Vec<Vec<Range<usize>>>, Problem> {
    let mut at = span.bytes.start;
    let mut items: Vec<(usize, Range<usize>)> = Vec::new();
    loop {
        if at == bytes.len() {
            break;
        }
        let e = element(bytes, at, encoding)?;
        match (e.tag, e.length) {
            (SEQUENCE_END, _) => break,
            (ITEM, Some(length)) if length <= bytes.len() - e.value => {
                items.push((at, e.value..e.value + length));
                at = e.value + length;
            }
            _ => {
                return Err(format!(
                    "its compressed pixel data is cut off or damaged at byte {at}; fetch it again"
                )
                .into());
            }
        }
    }
    if items.len() < 2 {
        return Err("has no compressed pixel data".into());
    }
    let (_, table) = items.remove(0);
    let fragments = items;
    if frames == 1 {
        return Ok(vec![fragments.into_iter().map(|(_, r)| r).collect()]);
    }
    if fragments.len() == frames {
        return Ok(fragments.into_iter().map(|(_, r)| vec![r]).collect());
    }
    let offsets: Vec<usize> =
        bytes[table].chunks_exact(4).map(|c| encoding.u32(c) as usize).collect();
    if offsets.len() != frames {
        return Err(format!(
            "has {} fragments of compressed pixel data and {} offsets for {frames} frames",
            fragments.len(),
            offsets.len()
        )
        .into());
    }
    let first = fragments[0].0;
    let mut out = vec![Vec::new(); frames];
    for (start, range) in fragments {
        let frame = offsets.partition_point(|&o| o <= start - first);
        let list = out.get_mut(frame.wrapping_sub(1));
        list.ok_or("has a basic offset table that is out of order")?.push(range);
    }
    if let Some(empty) = out.iter().position(Vec::is_empty) {
        return Err(format!("has no compressed pixel data for frame {}", empty + 1).into());
    }
    Ok(out)
}

/// Bytes of one value of a representation. The parser reads whole numbers only: after others it would
/// take what is left of the value for the next element, and its bytes for a length.
fn bytes_of_a_number(vr: VR) -> usize {
    match vr {
        VR::US | VR::SS | VR::OW => 2,
        VR::AT | VR::FL | VR::OF | VR::SL | VR::UL | VR::OL => 4,
        VR::FD | VR::OD | VR::SV | VR::UV | VR::OV => 8,
        _ => 1,
    }
}

/// Value representations with a length of 16 bits (PS3.5, section 7.1.2).
fn is_short(vr: [u8; 2]) -> bool {
    const SHORT: [&[u8; 2]; 21] = [
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN",
        b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US",
    ];
    SHORT.contains(&&vr)
}

/// Whether two bytes are a value representation of PS3.5.
pub(super) fn is_vr(vr: [u8; 2]) -> bool {
    const LONG: [&[u8; 2]; 13] =
        [b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"];
    is_short(vr) || LONG.contains(&&vr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_and_lengths_are_bounded() {
        // (0040,A730) ContentSequence, SQ, undefined length, with an item of undefined length.
        let level = [
            0x40, 0x00, 0x30, 0xA7, b'S', b'Q', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0x00,
            0xE0, 0xFF, 0xFF, 0xFF, 0xFF,
        ];
        let problem = walk(&level.repeat(100_000), Encoding::EXPLICIT, true).err();
        assert!(problem.is_some_and(|p| p.to_string().contains("deep")));
        let long = [0x40, 0x00, 0x30, 0xA7, b'O', b'B', 0, 0, 0xF0, 0xFF, 0xFF, 0xFF, 1, 2];
        let problem = walk(&long, Encoding::EXPLICIT, true).err();
        assert!(
            problem
                .is_some_and(|p| p.to_string().contains("claims 4294967280 bytes and 2 are left"))
        );
    }

    #[test]
    fn an_element_that_is_there_twice_is_refused() {
        let element = |tag: [u8; 2]| [&[0x08, 0, tag[0], tag[1]], &b"LO\x02\0ab"[..]].concat();
        let read = |tags: &[[u8; 2]]| {
            let bytes: Vec<u8> = tags.iter().flat_map(|tag| element(*tag)).collect();
            walk(&bytes, Encoding::EXPLICIT, true).map(drop).map_err(|e| e.to_string())
        };
        read(&[[1, 0], [2, 0], [3, 0]]).expect("in order");
        read(&[[2, 0], [1, 0], [3, 0]]).expect("out of order, as some programs write");
        for tags in [[[1, 0], [1, 0], [2, 0]], [[1, 0], [2, 0], [1, 0]]] {
            let problem = read(&tags).expect_err("twice");
            assert!(problem.contains("(0008,0001) twice"), "{problem}");
        }
    }

    #[test]
    fn a_part_of_a_number_is_refused() {
        // (3006,0024) of FD, 30 bytes: three numbers, and a fourth cut off.
        let element = [&[0x06, 0x30, 0x24, 0x00, b'F', b'D', 30, 0][..], &[0; 30]].concat();
        let problem = walk(&element, Encoding::EXPLICIT, true).err();
        assert!(problem.is_some_and(
            |p| p.to_string().contains("30 bytes") && p.to_string().contains("of 8 bytes")
        ));
        // (0028,0010) Rows, US by the dictionary.
        let rows = [0x28, 0x00, 0x10, 0x00, 3, 0, 0, 0, 1, 2, 3];
        assert!(walk(&rows, Encoding::IMPLICIT, true).is_err());
    }

    #[test]
    fn a_delimiter_without_a_sequence_and_an_element_without_an_item_are_refused() {
        let delimiter = [0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0];
        assert!(walk(&delimiter, Encoding::EXPLICIT, true).is_err());
        let bare = [
            0x40, 0x00, 0x30, 0xA7, b'S', b'Q', 0, 0, 8, 0, 0, 0, 0x40, 0x00, 0x30, 0xA7, b'U',
            b'S', 0, 0,
        ];
        assert!(walk(&bare, Encoding::EXPLICIT, true).is_err());
    }
}
