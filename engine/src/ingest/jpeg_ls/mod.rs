//! JPEG-LS (ISO/IEC 14495-1, ITU-T T.87): lossless and near-lossless images of one component.
//!
//! It knows nothing of DICOM, and takes nothing on the stream's word: the caller says how large the
//! image is, lines are stored as they are decoded, and a stream that is cut off, has data left over, or
//! has codes that no encoder writes is refused.

mod bits;
mod context;
mod error;
mod header;
mod scan;

pub use error::DecodeError;

use error::Stop;
use header::{Header, Marker, next_marker, segment};
use scan::Scan;

/// A decoded image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Rows from the top, each from the left.
    pub samples: Vec<u16>,
    /// Bits of a sample, 2 to 16.
    pub precision: u16,
    /// The largest difference from the image that was encoded; 0 for lossless.
    pub near: u16,
}

/// Decodes an image of `columns` x `rows` samples.
///
/// # Errors
/// The stream is damaged, has another size, or is of a kind that is not read: several components,
/// sample values by a mapping table, a point transform.
pub fn decode(bytes: &[u8], columns: usize, rows: usize) -> Result<Image, DecodeError> {
    let header = Header::read(bytes)?;
    // Its lines may be told after the scan only.
    let told = if header.rows == 0 { rows } else { header.rows };
    if (header.columns, told) != (columns, rows) {
        return Err(DecodeError::Size {
            columns: header.columns,
            rows: header.rows,
            expected: (columns, rows),
        });
    }
    // A line takes at least one bit.
    if rows > 8 * bytes.len() {
        return Err(DecodeError::at_line(Stop::Short, 0, rows));
    }
    let mut samples = Vec::new();
    let end = if header.coding.near == 0 {
        Scan::<true>::new(&header).read(bytes, rows, &mut samples)
    } else {
        Scan::<false>::new(&header).read(bytes, rows, &mut samples)
    }?;
    trailer(bytes, end, &header, rows)?;
    Ok(Image { samples, precision: header.precision, near: header.coding.near as u16 })
}

/// The largest difference that a stream's header allows; 0 for lossless.
///
/// # Errors
/// As [`decode`], as far as the header shows it.
pub fn near(bytes: &[u8]) -> Result<u16, DecodeError> {
    Header::read(bytes).map(|header| header.coding.near as u16)
}

/// Reads what follows the scan, up to the end of the image and of the bytes.
fn trailer(bytes: &[u8], mut at: usize, header: &Header, rows: usize) -> Result<(), DecodeError> {
    let mut told = header.rows != 0;
    loop {
        let (marker, after) = next_marker(bytes, at)?;
        at = match marker {
            Marker::END => {
                // Encapsulated data has an even length.
                return if !told {
                    Err(DecodeError::NoLines)
                } else if bytes[after..].iter().all(|b| *b == 0) {
                    Ok(())
                } else {
                    Err(DecodeError::Surplus { bytes: bytes.len() - after })
                };
            }
            Marker::LINES => {
                let (value, after) = segment(bytes, after)?;
                let &[high, low] = value else {
                    return Err(DecodeError::Segment { marker: marker.0, length: value.len() });
                };
                let lines = usize::from(u16::from_be_bytes([high, low]));
                if lines != rows {
                    return Err(DecodeError::Size {
                        columns: header.columns,
                        rows: lines,
                        expected: (header.columns, rows),
                    });
                }
                told = true;
                after
            }
            _ if marker.is_comment() => segment(bytes, after)?.1,
            Marker::SCAN => return Err(DecodeError::Components),
            Marker(code) => return Err(DecodeError::Marker { code, at }),
        };
    }
}
