//! Deflated data sets (PS3.5, A.5), inflated as far as their own header says that they go.

use std::io::Read;

use dicom_dictionary_std::tags;
use flate2::bufread::DeflateDecoder;

use super::walk::{self, Encoding};
use crate::error::Problem;

/// The largest data set that is inflated.
const MAX_INFLATED: u64 = 4 << 30;
/// Of a data set without pixel data, and of what stands before and behind pixel data: a structure set
/// of many long contours has some tens of megabytes.
const MAX_ELEMENTS: u64 = 256 << 20;
/// Deflate cannot expand by more than this (zlib technical details: 1032 to 1).
const MAX_RATIO: u64 = 1032;
/// Bytes that are inflated first, to find the pixel data.
const FIRST: u64 = 1 << 16;

/// The data set.
///
/// # Errors
/// It is damaged, or its pixel data is longer than its rows, columns and frames need, which is found
/// before it is inflated.
pub(super) fn inflate(compressed: &[u8]) -> Result<Vec<u8>, Problem> {
    let most = (compressed.len() as u64).saturating_mul(MAX_RATIO);
    let mut stream = DeflateDecoder::new(compressed);
    let mut out = Vec::new();
    let mut limit = FIRST;
    let mut pixels = None;
    loop {
        read_to(&mut stream, &mut out, limit)?;
        if (out.len() as u64) < limit {
            break;
        }
        if pixels.is_none() {
            pixels = pixel_bytes(&out)?;
            if let Some((header, length)) = pixels {
                let all = header.saturating_add(length);
                // What the file cannot hold is not allocated for.
                out.reserve_exact((all.min(most) as usize).saturating_sub(out.len()));
            }
        }
        let allowed = match pixels {
            Some((header, length)) => header.saturating_add(length).saturating_add(MAX_ELEMENTS),
            None => MAX_ELEMENTS,
        };
        let allowed = allowed.min(MAX_INFLATED);
        if limit > allowed {
            return Err(format!(
                "its {} deflated bytes inflate to more than {allowed}, which is more than a data set \
                 such as its header says needs; fetch it again, or convert it to explicit little endian",
                compressed.len()
            )
            .into());
        }
        // One byte more shows that there are more.
        limit = match pixels {
            Some((header, length)) if header.saturating_add(length) >= limit => {
                header.saturating_add(length).saturating_add(1).min(allowed + 1)
            }
            _ => limit.saturating_mul(2).min(allowed + 1),
        };
    }
    let rest = stream.into_inner();
    // A byte of 0 makes the length even.
    let padding = compressed.len().is_multiple_of(2) && rest == [0];
    if !rest.is_empty() && !padding {
        return Err(format!(
            "its deflated data set is damaged ({} bytes follow its end); fetch it again",
            rest.len()
        )
        .into());
    }
    Ok(out)
}

/// Inflates until `out` holds `limit` bytes, or to the end.
fn read_to(
    stream: &mut DeflateDecoder<&[u8]>,
    out: &mut Vec<u8>,
    limit: u64,
) -> Result<(), Problem> {
    let missing = limit.saturating_sub(out.len() as u64);
    let read = stream.by_ref().take(missing).read_to_end(out);
    read.map(drop)
        .map_err(|e| format!("its deflated data set is damaged ({e}); fetch it again").into())
}

/// Where the value of the pixel data begins, and its length. `None` where it has not come yet.
///
/// # Errors
/// It is longer than the elements before it say.
fn pixel_bytes(start: &[u8]) -> Result<Option<(u64, u64)>, Problem> {
    let mut numbers = [None::<u64>; 3];
    let (mut frames, mut samples) = (1, 1);
    let walked = walk::walk_seeing(start, Encoding::EXPLICIT, false, &mut |tag, value| {
        let value = &start[value];
        let number = || value.get(..2).map(|b| u64::from(u16::from_le_bytes([b[0], b[1]])));
        match tag {
            tags::ROWS => numbers[0] = number(),
            tags::COLUMNS => numbers[1] = number(),
            tags::BITS_ALLOCATED => numbers[2] = number(),
            tags::SAMPLES_PER_PIXEL => samples = number().unwrap_or(1),
            tags::NUMBER_OF_FRAMES => {
                let text = String::from_utf8_lossy(value);
                frames = text.trim_matches(['\0', ' ']).parse().unwrap_or(1);
            }
            _ => {}
        }
    });
    // What was inflated so far ends within an element, or is damaged, which shows at the end.
    let Ok(walked) = walked else { return Ok(None) };
    let Some(span) = walked.pixels else { return Ok(None) };
    let Some(declared) = span.declared else { return Ok(None) };
    if let [Some(rows), Some(columns), Some(bits)] = numbers {
        let voxels = rows.saturating_mul(columns).saturating_mul(frames);
        let bits = bits.saturating_mul(samples);
        let needed = voxels.saturating_mul(bits).div_ceil(8).next_multiple_of(2);
        if declared > needed {
            return Err(format!(
                "has {declared} bytes of pixel data where {columns} x {rows} x {frames} voxels of \
                 {bits} bits need {needed}; its header is wrong, fetch it again"
            )
            .into());
        }
    }
    Ok(Some((span.bytes.start as u64, declared)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    use super::*;

    fn element(tag: [u8; 4], vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
        let short = (value.len() as u16).to_le_bytes();
        let long = (value.len() as u32).to_le_bytes();
        match vr {
            b"OW" | b"OB" => [&tag[..], vr, &[0, 0], &long, value].concat(),
            _ => [&tag[..], vr, &short, value].concat(),
        }
    }

    /// 16 x 16 voxels of 16 bits, and so many bytes of pixel data.
    fn slice(pixels: usize) -> Vec<u8> {
        let number = |n: u16| n.to_le_bytes();
        [
            element([0x28, 0, 0x10, 0], b"US", &number(16)),
            element([0x28, 0, 0x11, 0], b"US", &number(16)),
            element([0x28, 0, 0x00, 1], b"US", &number(16)),
            element([0xE0, 0x7F, 0x10, 0], b"OW", &vec![0; pixels]),
        ]
        .concat()
    }

    fn deflated(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_data_set_comes_back_whatever_stands_around_its_pixels() {
        let long = vec![1; 300_000];
        let before = element([0x19, 0, 0x10, 0], b"OB", &long);
        let behind = element([0xFC, 0xFF, 0xFC, 0xFF], b"OB", &long);
        for data in [
            slice(512),
            [before.clone(), slice(512)].concat(),
            [before.clone(), slice(512), behind].concat(),
            before,
            Vec::new(),
        ] {
            assert!(inflate(&deflated(&data)).expect("sound") == data, "{} bytes", data.len());
            assert!(inflate(&[&deflated(&data)[..], b"more"].concat()).is_err());
        }
    }

    #[test]
    fn pixel_data_beyond_what_the_header_needs_is_refused_and_not_inflated() {
        let mut bomb = deflated(&slice(64 << 20));
        // The end is not there: it is not read so far.
        bomb.truncate(bomb.len() / 2);
        let told = inflate(&bomb).expect_err("too long").to_string();
        assert!(told.contains("has 67108864 bytes of pixel data"), "{told}");
        assert!(told.contains("16 x 16 x 1 voxels of 16 bits need 512"), "{told}");
    }

    #[test]
    fn a_data_set_without_pixels_is_bounded() {
        let bomb = deflated(&element([0x19, 0, 0x10, 0], b"OB", &vec![0; 257 << 20]));
        let told = inflate(&bomb).expect_err("too long").to_string();
        assert!(told.contains("more than 268435456"), "{told}");
    }
}
