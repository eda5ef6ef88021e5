//! From a frame's bytes to HU.
//!
//! Uncompressed frames are read where they lie in the file. Compressed ones go through codecs, one
//! frame at a time: JPEG-LS and run lengths through those here, others through those of
//! `dicom-transfer-syntax-registry`, after their own headers have been found to claim no more than the
//! file's does.

use std::borrow::Cow;

use dicom_core::value::{InMemFragment, PixelFragmentSequence};
use dicom_dictionary_std::uids;
use dicom_encoding::adapters::{PixelDataObject, PixelDataReader, RawPixelData};
use dicom_encoding::transfer_syntax::{Codec, TransferSyntaxIndex};
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;

use super::header::PixelFormat;
use super::object::Opened;
use super::walk::{self, PixelSpan};
use crate::contained::contained;
use crate::error::{Error, Problem, Result};
use crate::ingest::jpeg_ls;

/// What padded pixels become: the HU of air, below every tissue.
pub(super) const PADDING_HU: i16 = -1024;

/// The stored values of a frame: little or big endian, as many bytes as the format says.
pub(super) struct Stored<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    pub(super) big_endian: bool,
    /// Bits of a value, where a codestream knows better than BitsStored.
    pub(super) bits: u16,
}

/// The encoded bytes of each frame of a file.
pub(super) enum FrameBytes<'a> {
    Plain(&'a [u8]),
    Encapsulated(Vec<Vec<std::ops::Range<usize>>>),
}

/// Finds the frames of a file.
///
/// # Errors
/// No pixel data, or less or more than its size calls for; a transfer syntax without a reader.
pub(super) fn locate<'a>(
    opened: &'a Opened,
    format: &PixelFormat,
    frames: usize,
) -> Result<FrameBytes<'a>> {
    let bad = |problem: String| Error::bad_data(&opened.path, problem);
    let Some(span) = &opened.pixels else { return Err(bad("has no pixel data".into())) };
    let data = opened.data_set();
    if let Some(declared) = span.declared {
        let needed = format.frame_bytes() as u64 * frames as u64;
        let there = span.bytes.len() as u64;
        if there < needed {
            return Err(bad(format!(
                "has {there} bytes of pixel data where {} x {} x {frames} voxels of {} bits need \
                 {needed}; the file was cut off or its header is wrong, fetch it again",
                format.columns, format.rows, format.bits_allocated
            )));
        }
        // A value has an even length (PS3.5, 7.1.1). What is longer is of another image.
        if declared > needed.next_multiple_of(2) {
            return Err(bad(format!(
                "has {declared} bytes of pixel data where {} x {} x {frames} voxels of {} bits need \
                 {needed}; its header is wrong, fetch it again",
                format.columns, format.rows, format.bits_allocated
            )));
        }
        check_rest(opened, span)?;
        return Ok(FrameBytes::Plain(&data[span.bytes.clone()][..needed as usize]));
    }
    if !is_jpeg_ls(opened) {
        decoder(opened)?;
    }
    let frames = walk::frames(data, span, frames, opened.encoding)
        .map_err(|problem| problem.in_file(&opened.path))?;
    check_rest(opened, span)?;
    Ok(FrameBytes::Encapsulated(frames))
}

/// Sectors of a disk or blocks of a tape, which some stores fill with zeros.
const BLOCK: usize = 512;

/// As [`walk::check_rest`].
///
/// # Errors
/// Bytes behind the pixel data are no elements.
pub(super) fn check_rest(opened: &Opened, span: &PixelSpan) -> Result<()> {
    let filled = (*opened.file).as_ref().len().is_multiple_of(BLOCK);
    walk::check_rest(opened.data_set(), span, opened.encoding, filled)
        .map_err(|problem| problem.in_file(&opened.path))
}

/// The stored values of frame `index`.
///
/// # Errors
/// The codec refuses the bytes, or gives another number of voxels.
pub(super) fn stored<'a>(
    opened: &'a Opened,
    format: &PixelFormat,
    frames: &FrameBytes<'a>,
    index: usize,
) -> Result<Stored<'a>> {
    match frames {
        FrameBytes::Plain(bytes) => {
            let len = format.frame_bytes();
            Ok(Stored {
                bytes: Cow::Borrowed(&bytes[index * len..(index + 1) * len]),
                big_endian: opened.big_endian(),
                bits: format.bits_stored,
            })
        }
        FrameBytes::Encapsulated(fragments) => {
            let bytes = joined(opened, &fragments[index]);
            decode(opened, format, &bytes).map_err(|problem| {
                let name = syntax_name(&opened.transfer_syntax);
                Error::bad_data(
                    &opened.path,
                    format!("frame {} cannot be decoded ({name}): {problem}", index + 1),
                )
            })
        }
    }
}

/// The bytes of a frame, which most files keep in one piece.
fn joined<'a>(opened: &'a Opened, fragments: &[std::ops::Range<usize>]) -> Cow<'a, [u8]> {
    let bytes = |range: &std::ops::Range<usize>| &opened.data_set()[range.clone()];
    match fragments {
        [whole] => Cow::Borrowed(bytes(whole)),
        parts => Cow::Owned(parts.iter().flat_map(bytes).copied().collect()),
    }
}

fn is_jpeg_ls(opened: &Opened) -> bool {
    [uids::JPEGLS_LOSSLESS, uids::JPEGLS_NEAR_LOSSLESS].contains(&opened.transfer_syntax.as_str())
}

/// Whether the streams of a file's frames say that their values are approximate: near-lossless JPEG-LS,
/// the irreversible wavelet of JPEG 2000, the cosine transform of JPEG. The header may keep silent, and
/// most transfer syntaxes allow both kinds of stream.
pub(super) fn is_approximate(opened: &Opened, frames: usize) -> bool {
    let compressed = opened.pixels.as_ref().filter(|span| span.declared.is_none());
    let Some(span) = compressed else { return false };
    let jpeg_ls = is_jpeg_ls(opened);
    let located = walk::frames(opened.data_set(), span, frames, opened.encoding);
    located.into_iter().flatten().any(|fragments| {
        let bytes = joined(opened, &fragments);
        match jpeg_ls {
            true => jpeg_ls::near(&bytes).is_ok_and(|near| near > 0),
            false => Claim::of(&bytes).is_some_and(|claim| claim.with_loss),
        }
    })
}

fn decode<'a>(opened: &Opened, format: &PixelFormat, bytes: &[u8]) -> Result<Stored<'a>, Problem> {
    if is_jpeg_ls(opened) {
        return near_lossless(format, bytes);
    }
    if opened.transfer_syntax == uids::RLE_LOSSLESS {
        let bytes = Cow::Owned(run_lengths(bytes, format)?);
        return Ok(Stored { bytes, big_endian: false, bits: format.bits_stored });
    }
    let claim = Claim::of(bytes).ok_or("the compressed image does not say what size it has")?;
    if (claim.columns, claim.rows) != (format.columns, format.rows) {
        return Err(format!(
            "the compressed image is {} x {}, the header says {} x {}",
            claim.columns, claim.rows, format.columns, format.rows
        )
        .into());
    }
    if claim.components != 1 {
        return Err(format!(
            "the compressed image has {} values per pixel, the header says 1",
            claim.components
        )
        .into());
    }
    if claim.bits > format.bits_allocated {
        return Err(format!(
            "the compressed image has {} bits per value, the header allocates {}",
            claim.bits, format.bits_allocated
        )
        .into());
    }
    let codec = decoder(opened).map_err(|e| e.to_string())?;
    let frame = Compressed { uid: &opened.transfer_syntax, format, bytes };
    let mut out = Vec::new();
    match contained(|| codec.decode_frame(&frame, 0, &mut out)) {
        Some(Ok(())) => {}
        Some(Err(e)) => return Err(e.to_string().into()),
        None => return Err("the codec gave up on damaged data; fetch the file again".into()),
    }
    if out.len() != format.frame_bytes() {
        return Err(format!("{} bytes instead of {}", out.len(), format.frame_bytes()).into());
    }
    Ok(Stored {
        bytes: Cow::Owned(out),
        big_endian: false,
        bits: claim.bits.min(format.bits_stored),
    })
}

/// Decodes JPEG-LS, whose samples take the low bits of a value, as many as the stream says.
fn near_lossless<'a>(format: &PixelFormat, bytes: &[u8]) -> Result<Stored<'a>, Problem> {
    let image = jpeg_ls::decode(bytes, format.columns, format.rows).map_err(|e| e.to_string())?;
    // A value that ends below its highest bit would be taken from bits that are not there.
    let needed = if format.high_bit + 1 == format.bits_stored { 1 } else { format.high_bit + 1 };
    if !(needed..=format.bits_allocated).contains(&image.precision) {
        return Err(format!(
            "the compressed image has {} bits per value, the header says bits {} to {} of {}",
            image.precision,
            format.high_bit + 1 - format.bits_stored,
            format.high_bit,
            format.bits_allocated
        )
        .into());
    }
    let width = usize::from(format.bits_allocated / 8);
    let words = image.samples.iter().flat_map(|sample| {
        let word = u32::from(*sample).to_le_bytes();
        word.into_iter().take(width)
    });
    Ok(Stored {
        bytes: Cow::Owned(words.collect()),
        big_endian: false,
        bits: image.precision.min(format.bits_stored),
    })
}

type Reader = &'static (dyn PixelDataReader + Send + Sync);

fn decoder(opened: &Opened) -> Result<Reader> {
    let uid = opened.transfer_syntax.as_str();
    // 12-bit JPEG with loss: the codec takes it for 8 bits.
    let refused = [uids::JPEG_EXTENDED12_BIT];
    let codec = TransferSyntaxRegistry.get(uid).map(|syntax| syntax.codec());
    match codec {
        Some(Codec::EncapsulatedPixelData(Some(reader), _)) if !refused.contains(&uid) => {
            Ok(&**reader)
        }
        _ => Err(Error::unsupported(
            &opened.path,
            format!(
                "is compressed as {} ({uid}), which is not read; convert it to explicit little \
                 endian, for instance with gdcmconv --raw or dcmdjpeg",
                syntax_name(uid)
            ),
        )),
    }
}

fn syntax_name(uid: &str) -> &'static str {
    TransferSyntaxRegistry.get(uid).map_or("unknown transfer syntax", |syntax| syntax.name())
}

/// Decodes run lengths (PS3.5, annex G): one segment per byte of a value, highest byte first. The
/// registry's codec panics on segments that end early.
fn run_lengths(bytes: &[u8], format: &PixelFormat) -> Result<Vec<u8>, Problem> {
    let u32_at = |at: usize| {
        let word = bytes.get(at..at + 4).ok_or("is shorter than its header of 64 bytes")?;
        Ok::<usize, Problem>(u32::from_le_bytes([word[0], word[1], word[2], word[3]]) as usize)
    };
    let width = usize::from(format.bits_allocated / 8);
    let segments = u32_at(0)?;
    if segments != width || bytes.len() < 64 {
        return Err(format!("has {segments} segments instead of {width}").into());
    }
    let voxels = format.rows * format.columns;
    // A run of 128 takes 2 bytes: what the segments cannot hold is not allocated.
    if voxels > 64 * bytes.len() {
        return Err(format!("{} bytes are too few for {voxels} voxels", bytes.len()).into());
    }
    let mut out = vec![0u8; voxels * width];
    for segment in 0..segments {
        let start = u32_at(4 + 4 * segment)?;
        let end = if segment + 1 < segments { u32_at(8 + 4 * segment)? } else { bytes.len() };
        let mut rest = bytes.get(start..end).ok_or("has segments outside of its data")?.iter();
        let mut places = out.iter_mut().skip(width - 1 - segment).step_by(width);
        let mut left = voxels;
        while left > 0 {
            let count = *rest.next().ok_or("has a segment that ends early")?;
            let run = match count {
                0..=127 => usize::from(count) + 1,
                128 => continue,
                129..=255 => 257 - usize::from(count),
            };
            let mut value = 0;
            for i in 0..run {
                if i == 0 || count < 128 {
                    value = *rest.next().ok_or("has a segment that ends early")?;
                }
                if let Some(place) = places.next() {
                    *place = value;
                    left -= 1;
                }
            }
        }
    }
    Ok(out)
}

/// What a compressed stream says of its image. The codecs take memory by it.
struct Claim {
    columns: usize,
    rows: usize,
    components: u16,
    bits: u16,
    with_loss: bool,
}

impl Claim {
    /// Reads it from a JPEG (SOF marker, ITU-T T.81 table B.1) or JPEG 2000 (SIZ and COD markers, ITU-T
    /// T.800 A.5 and A.6) stream. `None` for other streams.
    fn of(bytes: &[u8]) -> Option<Self> {
        // Some writers leave the codestream of JPEG 2000 within its file format.
        let codestream = [0xFF, 0x4F, 0xFF, 0x51];
        let bytes = if bytes.starts_with(b"\0\0\0\x0CjP  ") {
            &bytes[bytes.windows(4).position(|w| w == codestream)?..]
        } else {
            bytes
        };
        let u16_at = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let u32_at = |at: usize| Some(u32::from(u16_at(at)?) << 16 | u32::from(u16_at(at + 2)?));
        if bytes.starts_with(&codestream) {
            // Samples lie at the multiples of a step, from the offset up to the size.
            let samples = |size: usize, offset: usize, step: usize| {
                let step = u32::from(*bytes.get(step)?).max(1);
                let count = u32_at(size)?.div_ceil(step);
                Some(count.saturating_sub(u32_at(offset)?.div_ceil(step)) as usize)
            };
            return Some(Self {
                columns: samples(8, 16, 43)?,
                rows: samples(12, 20, 44)?,
                components: u16_at(40)?,
                bits: u16::from(bytes.get(42)? & 0x7F) + 1,
                with_loss: irreversible(bytes),
            });
        }
        if u16_at(0)? != 0xFFD8 {
            return None;
        }
        let mut at = 2;
        loop {
            let marker = u16_at(at)?;
            // Any number of these may stand before a marker (ISO 10918-1, B.1.1.2).
            if marker == 0xFFFF {
                at += 1;
                continue;
            }
            let frame =
                matches!(marker, 0xFFC0..=0xFFCF) && ![0xFFC4, 0xFFC8, 0xFFCC].contains(&marker);
            if frame {
                return Some(Self {
                    columns: usize::from(u16_at(at + 7)?),
                    rows: usize::from(u16_at(at + 5)?),
                    components: u16::from(*bytes.get(at + 9)?),
                    bits: u16::from(*bytes.get(at + 4)?),
                    with_loss: ![0xFFC3, 0xFFC7, 0xFFCB, 0xFFCF].contains(&marker),
                });
            }
            at += 2 + usize::from(u16_at(at + 2)?);
        }
    }
}

/// Whether the main header of a JPEG 2000 codestream chooses the wavelet that does not come back exactly.
fn irreversible(codestream: &[u8]) -> bool {
    const COD: [u8; 2] = [0xFF, 0x52];
    const START_OF_TILE: [u8; 2] = [0xFF, 0x90];
    const TRANSFORMATION: usize = 13;
    let mut at = 2;
    while let Some(&[a, b, high, low]) = codestream.get(at..at + 4) {
        match [a, b] {
            COD => return codestream.get(at + TRANSFORMATION) == Some(&0),
            START_OF_TILE => break,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

/// One compressed frame, as the codecs want to see it.
struct Compressed<'a> {
    uid: &'a str,
    format: &'a PixelFormat,
    bytes: &'a [u8],
}

impl PixelDataObject for Compressed<'_> {
    fn transfer_syntax_uid(&self) -> &str {
        self.uid
    }
    fn rows(&self) -> Option<u16> {
        u16::try_from(self.format.rows).ok()
    }
    fn cols(&self) -> Option<u16> {
        u16::try_from(self.format.columns).ok()
    }
    fn samples_per_pixel(&self) -> Option<u16> {
        Some(1)
    }
    fn bits_allocated(&self) -> Option<u16> {
        Some(self.format.bits_allocated)
    }
    fn bits_stored(&self) -> Option<u16> {
        Some(self.format.bits_stored)
    }
    fn photometric_interpretation(&self) -> Option<&str> {
        Some("MONOCHROME2")
    }
    fn number_of_frames(&self) -> Option<u32> {
        Some(1)
    }
    fn number_of_fragments(&self) -> Option<u32> {
        Some(1)
    }
    fn fragment(&self, fragment: usize) -> Option<Cow<'_, [u8]>> {
        (fragment == 0).then_some(Cow::Borrowed(self.bytes))
    }
    fn offset_table(&self) -> Option<Cow<'_, [u32]>> {
        Some(Cow::Borrowed(&[]))
    }
    fn raw_pixel_data(&self) -> Option<RawPixelData> {
        let fragments: Vec<InMemFragment> = vec![self.bytes.to_vec()];
        let sequence = PixelFragmentSequence::new_fragments(fragments);
        let (offset_table, fragments) = sequence.into_parts();
        Some(RawPixelData { fragments, offset_table })
    }
}

/// Turns stored values into whole HU. Returns the number of padded voxels, or `None` where a value
/// is not a whole number of 16 bits.
pub(super) fn whole(
    stored: &Stored<'_>,
    format: &PixelFormat,
    slope: i32,
    intercept: i32,
    out: &mut [i16],
) -> Option<u64> {
    let shift = u32::from(format.high_bit + 1 - format.bits_stored);
    let plain = format.bits_allocated == 16
        && !stored.big_endian
        && shift == 0
        && slope.unsigned_abs() <= 1 << 14
        && intercept.unsigned_abs() <= 1 << 28;
    if !plain {
        let mut padded = 0;
        let mut at = 0;
        each(stored, format, |value| {
            let hu = match value {
                Some(value) => {
                    i16::try_from(value * i64::from(slope) + i64::from(intercept)).ok()?
                }
                None => {
                    padded += 1;
                    PADDING_HU
                }
            };
            out[at] = hu;
            at += 1;
            Some(())
        })?;
        return Some(padded);
    }
    let unused = 16 - u32::from(stored.bits);
    // Nearly every CT has a slope of 1, and not every processor multiplies several numbers at once.
    if slope == 1 {
        words(&stored.bytes, format, unused, |value| value + intercept, out)
    } else {
        words(&stored.bytes, format, unused, |value| value * slope + intercept, out)
    }
}

/// Turns words of 16 bits, of which the highest `unused` are no part of the value, into HU.
fn words(
    bytes: &[u8],
    format: &PixelFormat,
    unused: u32,
    to_hu: impl Fn(i32) -> i32,
    out: &mut [i16],
) -> Option<u64> {
    match (format.signed, format.padding) {
        (false, None) => words_of::<false, false>(bytes, unused, to_hu, (1, 0), out),
        (true, None) => words_of::<true, false>(bytes, unused, to_hu, (1, 0), out),
        (false, Some(range)) => words_of::<false, true>(bytes, unused, to_hu, range, out),
        (true, Some(range)) => words_of::<true, true>(bytes, unused, to_hu, range, out),
    }
}

/// One pass without branches, which the compiler turns into vector instructions: the usual CT goes
/// through here.
fn words_of<const SIGNED: bool, const PADDED: bool>(
    bytes: &[u8],
    unused: u32,
    to_hu: impl Fn(i32) -> i32,
    padding: (i64, i64),
    out: &mut [i16],
) -> Option<u64> {
    // The range of padding lies within 17 bits.
    let (low, high) = (padding.0 as i32, padding.1 as i32);
    let mut fits = true;
    let mut padded = 0u64;
    for (out, b) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        let word = u16::from_le_bytes([b[0], b[1]]);
        let value = if SIGNED {
            i32::from((word << unused).cast_signed() >> unused)
        } else {
            i32::from((word << unused) >> unused)
        };
        let hu = to_hu(value);
        if PADDED {
            let raw = if SIGNED { i32::from(word.cast_signed()) } else { i32::from(word) };
            let is_padding = (low <= raw) & (raw <= high) | (low <= value) & (value <= high);
            padded += u64::from(is_padding);
            *out = if is_padding { PADDING_HU } else { hu as i16 };
            fits &= is_padding | (i32::from(hu as i16) == hu);
        } else {
            *out = hu as i16;
            fits &= i32::from(hu as i16) == hu;
        }
    }
    fits.then_some(padded)
}

/// Turns stored values into HU of any kind. Returns the number of padded voxels.
pub(super) fn real(
    stored: &Stored<'_>,
    format: &PixelFormat,
    slope: f64,
    intercept: f64,
    out: &mut [f32],
) -> u64 {
    let mut padded = 0;
    let mut at = 0;
    let done = each(stored, format, |value| {
        out[at] = match value {
            Some(value) => (value as f64 * slope + intercept) as f32,
            None => {
                padded += 1;
                f32::from(PADDING_HU)
            }
        };
        at += 1;
        Some(())
    });
    debug_assert!(done.is_some(), "every value is taken");
    padded
}

/// Hands over every stored value; `None` for a padded one. Stops where the taker does.
pub(super) fn each(
    stored: &Stored<'_>,
    format: &PixelFormat,
    mut take: impl FnMut(Option<i64>) -> Option<()>,
) -> Option<()> {
    let bytes = usize::from(format.bits_allocated / 8);
    let shift = u32::from(format.high_bit + 1 - format.bits_stored);
    let unused = 64 - u32::from(stored.bits);
    let allocated = 64 - u32::from(format.bits_allocated);
    for chunk in stored.bytes.chunks_exact(bytes) {
        let mut word = 0u64;
        for (at, byte) in chunk.iter().enumerate() {
            let place = if stored.big_endian { bytes - 1 - at } else { at };
            word |= u64::from(*byte) << (8 * place);
        }
        let value = if format.signed {
            ((word >> shift) << unused).cast_signed() >> unused
        } else {
            (((word >> shift) << unused) >> unused).cast_signed()
        };
        // Padding may lie outside of BitsStored, so that the whole word is compared as well.
        let raw = if format.signed {
            (word << allocated).cast_signed() >> allocated
        } else {
            word.cast_signed()
        };
        let is_padding = format.padding.is_some_and(|(low, high)| {
            (low..=high).contains(&raw) || (low..=high).contains(&value)
        });
        take((!is_padding).then_some(value))?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(bits_stored: u16, high_bit: u16, signed: bool) -> PixelFormat {
        PixelFormat {
            rows: 1,
            columns: 4,
            bits_allocated: 16,
            bits_stored,
            high_bit,
            signed,
            padding: None,
        }
    }

    fn values(words: [u16; 4], format: &PixelFormat) -> ([i16; 4], Option<u64>) {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        let stored =
            Stored { bytes: Cow::Owned(bytes), big_endian: false, bits: format.bits_stored };
        let mut out = [0; 4];
        let padded = whole(&stored, format, 1, -1024, &mut out);
        (out, padded)
    }

    #[test]
    fn bits_above_bits_stored_are_no_part_of_the_value() {
        // PS3.5, 8.1.1: 12 bits in the low or the high part of a word.
        let words = [0xF001, 0x0FFF, 0x0800, 0x1000];
        assert_eq!(values(words, &format(12, 11, false)).0, [-1023, 3071, 1024, -1024]);
        assert_eq!(values(words, &format(12, 11, true)).0, [-1023, -1025, -3072, -1024]);
        let words = [0x001F, 0xFFF0, 0x8000, 0x0010];
        assert_eq!(values(words, &format(12, 15, false)).0, [-1023, 3071, 1024, -1023]);
    }

    #[test]
    fn the_size_of_a_jpeg_is_found_behind_bytes_of_fill() {
        let frame = [0xFF, 0xC3, 0, 11, 16, 0, 7, 0, 9, 1, 1, 0x11, 0];
        let claim = |bytes: &[u8]| Claim::of(bytes).map(|c| (c.columns, c.rows, c.bits));
        assert_eq!(claim(&[&[0xFF, 0xD8], &frame[..]].concat()), Some((9, 7, 16)));
        assert_eq!(claim(&[&[0xFF, 0xD8, 0xFF, 0xFF], &frame[..]].concat()), Some((9, 7, 16)));
        assert_eq!(claim(&[0xFF, 0xD8, 0xFF, 0xD9]), None);
    }

    #[test]
    fn padding_becomes_air_and_is_counted() {
        let mut format = format(16, 15, true);
        format.padding = Some((-2000, -1990));
        let words = [-2000i16, -1995, -1989, 24].map(i16::cast_unsigned);
        assert_eq!(values(words, &format), ([-1024, -1024, -3013, -1000], Some(2)));
    }

    #[test]
    fn a_value_beyond_16_bits_is_noticed() {
        assert_eq!(values([65535; 4], &format(16, 15, false)).1, None);
    }
}
