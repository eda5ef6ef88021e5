//! The samples of a scan (T.87, annex A).

use super::bits::Bits;
use super::context::{Coding, Context, RunContext};
use super::error::{DecodeError, Stop};
use super::header::{Header, Marker, next_marker};

/// Contexts of the regular mode: (9^3 + 1) / 2, of which the first is that of runs.
const CONTEXTS: usize = 365;

/// Lengths of the pieces of a run, as powers of 2 (T.87, A.7.1.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

/// Reads a scan; `EXACT` where it is lossless.
pub(super) struct Scan<const EXACT: bool> {
    columns: usize,
    /// Lines between restarts; 0 for none.
    interval: usize,
    start: usize,
    coding: Coding,
    most_zeros: u32,
    /// Steps of the gradients from -T3 to T3.
    steps: Vec<i8>,
    state: State,
}

/// What a restart forgets.
struct State {
    contexts: Box<[Context; CONTEXTS]>,
    runs: [RunContext; 2],
    run_index: usize,
    /// The line above and the one that is decoded, with a sample more at each end.
    above: Vec<i32>,
    line: Vec<i32>,
}

impl State {
    fn new(columns: usize, coding: &Coding) -> Self {
        Self {
            contexts: Box::new([Context::new(coding); CONTEXTS]),
            runs: [RunContext::new(0, coding), RunContext::new(1, coding)],
            run_index: 0,
            above: vec![0; columns + 2],
            line: vec![0; columns + 2],
        }
    }
}

impl<const EXACT: bool> Scan<EXACT> {
    pub(super) fn new(header: &Header) -> Self {
        let coding = header.coding;
        let [t1, t2, t3] = coding.thresholds;
        let step = |gradient: i32| {
            let size = gradient.abs();
            let step = [coding.near + 1, t1, t2, t3].iter().filter(|t| size >= **t).count() as i8;
            if gradient < 0 { -step } else { step }
        };
        Self {
            columns: header.columns,
            interval: header.interval,
            start: header.scan,
            coding,
            most_zeros: coding.most_zeros(0),
            steps: (-t3..=t3).map(step).collect(),
            state: State::new(header.columns, &coding),
        }
    }

    /// Appends the samples of all lines; returns the place of the marker that follows.
    pub(super) fn read(
        mut self,
        bytes: &[u8],
        rows: usize,
        samples: &mut Vec<u16>,
    ) -> Result<usize, DecodeError> {
        let mut bits = Bits::new(bytes, self.start);
        for row in 0..rows {
            if self.interval > 0 && row > 0 && row % self.interval == 0 {
                let at = bits.end().ok_or(DecodeError::LeftOver { line: row })?;
                let (marker, after) = next_marker(bytes, at)?;
                if marker != Marker::restart(row / self.interval - 1) {
                    return Err(DecodeError::Marker { code: marker.0, at });
                }
                self.state = State::new(self.columns, &self.coding);
                bits = Bits::new(bytes, after);
            }
            let stop = |stop| DecodeError::at_line(stop, row, rows);
            self.line(&mut bits).map_err(stop)?;
            samples.try_reserve(self.columns).map_err(|_| DecodeError::Memory)?;
            samples.extend(self.state.line[1..=self.columns].iter().map(|v| *v as u16));
            std::mem::swap(&mut self.state.line, &mut self.state.above);
        }
        bits.end().ok_or(DecodeError::LeftOver { line: rows })
    }

    #[inline]
    fn step(&self, gradient: i32) -> i32 {
        let t3 = self.coding.thresholds[2];
        i32::from(self.steps[(gradient.clamp(-t3, t3) + t3) as usize])
    }

    fn line(&mut self, bits: &mut Bits<'_>) -> Result<(), Stop> {
        let columns = self.columns;
        let mut above = std::mem::take(&mut self.state.above);
        let mut line = std::mem::take(&mut self.state.line);
        // Samples outside of the image (T.87, A.2.1).
        above[columns + 1] = above[columns];
        line[0] = above[1];
        let read = self.samples(bits, &above[..columns + 2], &mut line[..columns + 2]);
        self.state.above = above;
        self.state.line = line;
        read
    }

    fn samples(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
    ) -> Result<(), Stop> {
        let mut x = 1;
        // The neighbours: a to the left, b above, c above to the left, d above to the right.
        let (mut a, mut b, mut c) = (line[0], above[1], above[0]);
        while x <= self.columns {
            let d = above[x + 1];
            let context = 81 * self.step(d - b) + 9 * self.step(b - c) + self.step(c - a);
            if context != 0 {
                a = self.regular(bits, context, [a, b, c])?;
                line[x] = a;
                (b, c) = (d, b);
                x += 1;
            } else {
                x = self.run(bits, above, line, x)?;
                if x <= self.columns {
                    (a, b, c) = (line[x - 1], above[x], above[x - 1]);
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn regular(
        &mut self,
        bits: &mut Bits<'_>,
        signed_context: i32,
        [a, b, c]: [i32; 3],
    ) -> Result<i32, Stop> {
        let coding = self.coding;
        let context = &mut self.state.contexts[signed_context.unsigned_abs() as usize];
        let sign = if signed_context < 0 { -1 } else { 1 };
        let predicted = if c >= a.max(b) {
            a.min(b)
        } else if c <= a.min(b) {
            a.max(b)
        } else {
            a + b - c
        };
        let predicted = (predicted + sign * context.c).clamp(0, coding.maxval);
        let k = context.golomb_parameter();
        let mapped = bits.golomb(k, self.most_zeros, coding.qbpp)?;
        let error = context.error::<EXACT>(mapped, k, &coding)?;
        context.learn(error, &coding);
        Ok(self.sample(predicted, sign * error))
    }

    /// Decodes a run and the sample that ends it, from `x` on; returns the place after them.
    fn run(
        &mut self,
        bits: &mut Bits<'_>,
        above: &[i32],
        line: &mut [i32],
        mut x: usize,
    ) -> Result<usize, Stop> {
        let a = line[x - 1];
        let end = self.columns + 1;
        loop {
            let j = J[self.state.run_index];
            let whole = bits.number(1)? == 1;
            let length = if whole { 1 << j } else { bits.number(j)? as usize };
            let left = end - x;
            if !whole && length >= left {
                return Err(Stop::Run);
            }
            line[x..x + length.min(left)].fill(a);
            if !whole {
                x += length;
                break;
            }
            if length <= left {
                self.state.run_index = (self.state.run_index + 1).min(J.len() - 1);
            }
            if length >= left {
                return Ok(end);
            }
            x += length;
        }
        let coding = self.coding;
        let b = above[x];
        let same = (a - b).abs() <= coding.near;
        let context = &mut self.state.runs[usize::from(same)];
        let k = context.golomb_parameter();
        let less = J[self.state.run_index] + 1;
        let mapped = bits.golomb(k, coding.most_zeros(less), coding.qbpp)?;
        let error = context.error(mapped, k, &coding)?;
        self.state.run_index = self.state.run_index.saturating_sub(1);
        line[x] = if same {
            self.sample(a, error)
        } else {
            self.sample(b, if a > b { -error } else { error })
        };
        Ok(x + 1)
    }

    /// The sample of a prediction and its error, which an encoder reduced to its range (T.87, A.4.5).
    #[inline]
    fn sample(&self, predicted: i32, error: i32) -> i32 {
        let Coding { maxval, near, range, .. } = self.coding;
        let value = predicted + error * (2 * near + 1);
        let cycle = range * (2 * near + 1);
        let value = if value < -near {
            value + cycle
        } else if value > maxval + near {
            value - cycle
        } else {
            value
        };
        if EXACT { value } else { value.clamp(0, maxval) }
    }
}
