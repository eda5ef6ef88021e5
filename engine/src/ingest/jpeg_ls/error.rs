//! What is wrong with a stream.

use thiserror::Error;

/// Why a stream is not decoded.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// It starts like something else.
    #[error("it is no JPEG-LS stream")]
    NoImage,
    /// Its bytes end before its header does.
    #[error("it ends inside its header or before its end marker; fetch the file again")]
    Cut,
    /// A marker that does not belong there.
    #[error("it has the marker FF{code:02X} at byte {at}, which does not belong there")]
    Marker {
        /// The marker's second byte.
        code: u8,
        /// Where it is looked for.
        at: usize,
    },
    /// Other bytes where a marker is due.
    #[error("it has no marker at byte {at}, where one is due")]
    NoMarker {
        /// Where it is looked for.
        at: usize,
    },
    /// A segment of another length than its kind has.
    #[error("its segment FF{marker:02X} has {length} bytes, which is not its length")]
    Segment {
        /// The marker's second byte.
        marker: u8,
        /// Bytes that it has.
        length: usize,
    },
    /// A number that the standard does not allow.
    #[error("its {name} is {value}, which is not allowed")]
    Parameter {
        /// The parameter's name.
        name: &'static str,
        /// Its value.
        value: u32,
    },
    /// An image of another size.
    #[error(
        "the compressed image is {columns} x {rows}, the header says {} x {}",
        expected.0, expected.1
    )]
    Size {
        /// Its columns.
        columns: usize,
        /// Its rows; 0 where they are told nowhere.
        rows: usize,
        /// What the caller expects.
        expected: (usize, usize),
    },
    /// Several values per pixel.
    #[error("it has several values per pixel, the header says 1")]
    Components,
    /// Samples that are places in a table.
    #[error("its samples are mapped by a table, which is not read")]
    MappingTable,
    /// Samples of which the lowest bits are left out.
    #[error("it was coded with a point transform of {0} bits, which is not read")]
    PointTransform(u8),
    /// Sides beyond 16 bits.
    #[error("it is larger than 65535 samples along a side, which is not read")]
    Oversize,
    /// Neither the frame nor what follows the scan says how many lines there are.
    #[error("it does not say how many lines it has")]
    NoLines,
    /// Damage within the samples.
    #[error("line {line} of {lines} {stop}; fetch the file again")]
    Samples {
        /// The line from 1.
        line: usize,
        /// Lines of the image.
        lines: usize,
        /// What is wrong.
        stop: Stop,
    },
    /// Coded data behind the last sample of the image or of a restart interval.
    #[error("it has coded data left over behind line {line}; fetch the file again")]
    LeftOver {
        /// The last line that was decoded, from 1.
        line: usize,
    },
    /// Bytes behind the image.
    #[error("it has {bytes} bytes behind its end marker")]
    Surplus {
        /// How many.
        bytes: usize,
    },
    /// More samples than there is memory for.
    #[error("its samples need more memory than there is")]
    Memory,
}

/// Why a line cannot be decoded.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Stop {
    /// The coded data end.
    #[error("has no coded data")]
    Short,
    /// A code of more bits than any value needs.
    #[error("has a code that is longer than any can be")]
    TooLong,
    /// A prediction error out of range.
    #[error("has a value out of range")]
    Range,
    /// A run that goes on beyond the line.
    #[error("has a run that is longer than the line")]
    Run,
}

impl DecodeError {
    pub(super) fn at_line(stop: Stop, line: usize, lines: usize) -> Self {
        Self::Samples { line: line + 1, lines, stop }
    }
}
