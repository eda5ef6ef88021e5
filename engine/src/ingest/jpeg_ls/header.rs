//! Markers and their segments up to the scan (T.87, annex C).

use super::context::Coding;
use super::error::DecodeError;

/// The second byte of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marker(pub(super) u8);

impl Marker {
    pub(super) const START: Self = Self(0xD8);
    pub(super) const END: Self = Self(0xD9);
    pub(super) const SCAN: Self = Self(0xDA);
    pub(super) const LINES: Self = Self(0xDC);
    const RESTART_INTERVAL: Self = Self(0xDD);
    const FRAME: Self = Self(0xF7);
    const PRESETS: Self = Self(0xF8);

    /// The marker between restart intervals, of which every eighth is the same.
    pub(super) fn restart(index: usize) -> Self {
        Self(0xD0 + (index % 8) as u8)
    }

    /// Application data, SPIFF's header among them, or a comment.
    pub(super) fn is_comment(self) -> bool {
        matches!(self.0, 0xE0..=0xEF | 0xFE)
    }
}

/// The marker at `at`, where any number of bytes FF may precede it, and the place after it.
pub(super) fn next_marker(bytes: &[u8], at: usize) -> Result<(Marker, usize), DecodeError> {
    match bytes.get(at) {
        None => return Err(DecodeError::Cut),
        Some(0xFF) => {}
        Some(_) => return Err(DecodeError::NoMarker { at }),
    }
    let fill = bytes[at..].iter().position(|b| *b != 0xFF).ok_or(DecodeError::Cut)?;
    match bytes[at + fill] {
        0 => Err(DecodeError::NoMarker { at }),
        code => Ok((Marker(code), at + fill + 1)),
    }
}

/// The segment whose length stands at `at`, and the place after it.
pub(super) fn segment(bytes: &[u8], at: usize) -> Result<(&[u8], usize), DecodeError> {
    let length = bytes.get(at..at + 2).ok_or(DecodeError::Cut)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    // The length counts itself.
    let value = length.checked_sub(2).and_then(|_| bytes.get(at + 2..at + length));
    Ok((value.ok_or(DecodeError::Cut)?, at + length))
}

/// What a stream says before its scan.
pub(super) struct Header {
    pub(super) columns: usize,
    /// 0 where they are told after the scan.
    pub(super) rows: usize,
    pub(super) precision: u16,
    pub(super) coding: Coding,
    /// Lines after which the coder starts anew; 0 for never.
    pub(super) interval: usize,
    /// Where the scan's bits start.
    pub(super) scan: usize,
}

struct Frame {
    precision: u16,
    rows: usize,
    columns: usize,
    component: u8,
}

/// Preset parameters; 0 for the default.
#[derive(Clone, Copy, Default)]
struct Presets {
    maxval: u16,
    thresholds: [u16; 3],
    reset: u16,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let Ok((Marker::START, mut at)) = next_marker(bytes, 0) else {
            return Err(DecodeError::NoImage);
        };
        let mut frame = None;
        let mut presets = Presets::default();
        let mut interval = 0;
        loop {
            let (marker, after) = next_marker(bytes, at)?;
            let known = [Marker::FRAME, Marker::PRESETS, Marker::RESTART_INTERVAL, Marker::SCAN];
            if !(known.contains(&marker) || marker.is_comment()) {
                return Err(DecodeError::Marker { code: marker.0, at });
            }
            let (value, next) = segment(bytes, after)?;
            match (marker, &frame) {
                (Marker::FRAME, None) => frame = Some(Frame::read(value)?),
                (Marker::PRESETS, _) => presets = Presets::read(value)?.unwrap_or(presets),
                (Marker::RESTART_INTERVAL, _) => interval = restart_interval(value)?,
                (Marker::SCAN, Some(frame)) => {
                    let near = near(value, frame)?;
                    return Ok(Self {
                        columns: frame.columns,
                        rows: frame.rows,
                        precision: frame.precision,
                        coding: presets.coding(frame.precision, near)?,
                        interval,
                        scan: next,
                    });
                }
                (Marker::FRAME | Marker::SCAN, _) => {
                    return Err(DecodeError::Marker { code: marker.0, at });
                }
                _ => {}
            }
            at = next;
        }
    }
}

impl Frame {
    /// Reads a frame header (T.87, C.2.2).
    fn read(value: &[u8]) -> Result<Self, DecodeError> {
        let wrong = DecodeError::Segment { marker: Marker::FRAME.0, length: value.len() };
        let &[precision, y1, y0, x1, x0, count, ref components @ ..] = value else {
            return Err(wrong);
        };
        if components.len() != 3 * usize::from(count) {
            return Err(wrong);
        }
        if !(2..=16).contains(&precision) {
            return Err(DecodeError::Parameter { name: "precision", value: precision.into() });
        }
        let columns = usize::from(u16::from_be_bytes([x1, x0]));
        if columns == 0 {
            return Err(DecodeError::Parameter { name: "number of columns", value: 0 });
        }
        let &[component, sampling, _] = components else { return Err(DecodeError::Components) };
        if sampling >> 4 == 0 || sampling & 15 == 0 {
            return Err(DecodeError::Parameter { name: "sampling factor", value: sampling.into() });
        }
        Ok(Self {
            precision: precision.into(),
            rows: usize::from(u16::from_be_bytes([y1, y0])),
            columns,
            component,
        })
    }
}

/// NEAR of a scan header (T.87, C.2.3), whose other parameters must be those of a scan that is read.
fn near(value: &[u8], frame: &Frame) -> Result<u8, DecodeError> {
    let wrong = DecodeError::Segment { marker: Marker::SCAN.0, length: value.len() };
    let (&count, rest) = value.split_first().ok_or(wrong.clone())?;
    if rest.len() != 2 * usize::from(count) + 3 {
        return Err(wrong);
    }
    let &[component, table, near, interleave, transform] = rest else {
        return Err(DecodeError::Components);
    };
    if component != frame.component {
        return Err(DecodeError::Parameter { name: "scan's component", value: component.into() });
    }
    if table != 0 {
        return Err(DecodeError::MappingTable);
    }
    // All modes are one where there is one component.
    if interleave > 2 {
        return Err(DecodeError::Parameter { name: "interleave mode", value: interleave.into() });
    }
    if transform != 0 {
        return Err(DecodeError::PointTransform(transform));
    }
    Ok(near)
}

/// A restart interval in lines (T.87, C.2.5), of 2 to 4 bytes.
fn restart_interval(value: &[u8]) -> Result<usize, DecodeError> {
    if !(2..=4).contains(&value.len()) {
        let marker = Marker::RESTART_INTERVAL.0;
        return Err(DecodeError::Segment { marker, length: value.len() });
    }
    Ok(value.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte)) as usize)
}

impl Presets {
    /// Reads a segment of presets (T.87, C.2.4.1); `None` for a mapping table, which matters only to a
    /// scan that names it.
    fn read(value: &[u8]) -> Result<Option<Self>, DecodeError> {
        match value {
            [1, rest @ ..] if rest.len() == 10 => {
                let [maxval, t1, t2, t3, reset] =
                    std::array::from_fn(|i| u16::from_be_bytes([rest[2 * i], rest[2 * i + 1]]));
                Ok(Some(Self { maxval, thresholds: [t1, t2, t3], reset }))
            }
            [2 | 3, ..] => Ok(None),
            [4, ..] => Err(DecodeError::Oversize),
            [id, ..] if *id != 1 => {
                Err(DecodeError::Parameter { name: "kind of presets", value: (*id).into() })
            }
            _ => Err(DecodeError::Segment { marker: Marker::PRESETS.0, length: value.len() }),
        }
    }

    /// The parameters of a scan, with the defaults where none is preset.
    fn coding(self, precision: u16, near: u8) -> Result<Coding, DecodeError> {
        let refused = |name, value: i32| Err(DecodeError::Parameter { name, value: value as u32 });
        let largest = (1 << precision) - 1;
        let maxval = if self.maxval == 0 { largest } else { i32::from(self.maxval) };
        if maxval > largest {
            return refused("MAXVAL", maxval);
        }
        let near = i32::from(near);
        if near > maxval / 2 {
            return refused("NEAR", near);
        }
        let mut thresholds = default_thresholds(maxval, near);
        let mut least = near + 1;
        for (at, name) in ["T1", "T2", "T3"].into_iter().enumerate() {
            if self.thresholds[at] != 0 {
                thresholds[at] = i32::from(self.thresholds[at]);
            }
            if !(least..=maxval).contains(&thresholds[at]) {
                return refused(name, thresholds[at]);
            }
            least = thresholds[at];
        }
        let reset = if self.reset == 0 { 64 } else { i32::from(self.reset) };
        if !(3..=maxval.max(255)).contains(&reset) {
            return refused("RESET", reset);
        }
        Ok(Coding::new(maxval, near, thresholds, reset as u32))
    }
}

/// Default thresholds of the gradients (T.87, C.2.4.1.1.1).
fn default_thresholds(maxval: i32, near: i32) -> [i32; 3] {
    let clamp = |value: i32, least: i32| {
        if value > maxval || value < least { least } else { value }
    };
    let [b1, b2, b3] = [3, 7, 21];
    let [t1, t2, t3] = if maxval >= 128 {
        let factor = (maxval.min(4095) + 128) / 256;
        [
            factor * (b1 - 2) + 2 + 3 * near,
            factor * (b2 - 3) + 3 + 5 * near,
            factor * (b3 - 4) + 4 + 7 * near,
        ]
    } else {
        let factor = 256 / (maxval + 1);
        [
            (b1 / factor + 3 * near).max(2),
            (b2 / factor + 5 * near).max(3),
            (b3 / factor + 7 * near).max(4),
        ]
    };
    let t1 = clamp(t1, near + 1);
    let t2 = clamp(t2, t1);
    [t1, t2, clamp(t3, t2)]
}

#[cfg(test)]
mod tests {
    use super::default_thresholds;

    #[test]
    fn default_thresholds_are_those_of_the_standard() {
        // T.87, table C.3.
        assert_eq!(default_thresholds(255, 0), [3, 7, 21]);
        assert_eq!(default_thresholds(4095, 0), [18, 67, 276]);
        assert_eq!(default_thresholds(65535, 0), [18, 67, 276]);
        assert_eq!(default_thresholds(255, 3), [12, 22, 42]);
    }
}
