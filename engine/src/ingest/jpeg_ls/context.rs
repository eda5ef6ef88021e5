//! What the coder has learnt of the errors of its predictions (T.87, A.2 and A.6).

use super::error::Stop;

/// Least and greatest correction of a prediction (T.87, A.6.2).
const MIN_C: i32 = -128;
const MAX_C: i32 = 127;

/// Parameters of a scan (T.87, A.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Coding {
    pub(super) maxval: i32,
    pub(super) near: i32,
    /// Gradients from which a context changes.
    pub(super) thresholds: [i32; 3],
    /// Occurrences after which counts are halved.
    pub(super) reset: u32,
    /// Number of prediction errors that differ.
    pub(super) range: i32,
    /// Bits of one of them.
    pub(super) qbpp: u32,
    /// Longest code, bits.
    pub(super) limit: u32,
}

impl Coding {
    pub(super) fn new(maxval: i32, near: i32, thresholds: [i32; 3], reset: u32) -> Self {
        let bits = |values: i32| (values - 1).checked_ilog2().map_or(0, |log| log + 1);
        let range = (maxval + 2 * near) / (2 * near + 1) + 1;
        let bpp = bits(maxval + 1).max(2);
        let limit = 2 * (bpp + bpp.max(8));
        Self { maxval, near, thresholds, reset, range, qbpp: bits(range), limit }
    }

    /// Zeros before an escaped value, where the longest code is shorter by `less`.
    pub(super) fn most_zeros(&self, less: u32) -> u32 {
        self.limit - less - self.qbpp - 1
    }

    /// A prediction error that an encoder can have had.
    #[inline]
    fn checked(&self, magnitude: u64, negative: bool) -> Result<i32, Stop> {
        let most = if negative { self.range / 2 } else { (self.range + 1) / 2 - 1 };
        if magnitude > most as u64 {
            return Err(Stop::Range);
        }
        let magnitude = magnitude as i32;
        Ok(if negative { -magnitude } else { magnitude })
    }

    fn first_a(&self) -> u32 {
        ((self.range + 32) / 64).max(2) as u32
    }
}

/// The parameter k of a Golomb code: the least with `n` x 2^k >= `a`.
#[inline]
pub(super) fn golomb_parameter(a: u32, n: u32) -> u32 {
    if n >= a {
        return 0;
    }
    let k = n.leading_zeros() - a.leading_zeros();
    k + u32::from(n << k < a)
}

/// A context of the regular mode.
#[derive(Clone, Copy)]
pub(super) struct Context {
    a: u32,
    b: i32,
    pub(super) c: i32,
    n: u32,
}

impl Context {
    pub(super) fn new(coding: &Coding) -> Self {
        Self { a: coding.first_a(), b: 0, c: 0, n: 1 }
    }

    #[inline]
    pub(super) fn golomb_parameter(&self) -> u32 {
        golomb_parameter(self.a, self.n)
    }

    /// The error that `mapped` stands for (T.87, A.5.2).
    #[inline]
    pub(super) fn error<const EXACT: bool>(
        &self,
        mapped: u64,
        k: u32,
        coding: &Coding,
    ) -> Result<i32, Stop> {
        let inverted = EXACT && k == 0 && 2 * self.b <= -(self.n as i32);
        let odd = mapped & 1 == 1;
        let half = mapped / 2;
        if odd {
            if inverted { coding.checked(half, false) } else { coding.checked(half + 1, true) }
        } else if inverted {
            coding.checked(half + 1, true)
        } else {
            coding.checked(half, false)
        }
    }

    /// Learns from an error (T.87, A.6).
    #[inline]
    pub(super) fn learn(&mut self, error: i32, coding: &Coding) {
        self.b += error * (2 * coding.near + 1);
        self.a += error.unsigned_abs();
        if self.n == coding.reset {
            self.a >>= 1;
            self.b >>= 1;
            self.n >>= 1;
        }
        self.n += 1;
        let n = self.n as i32;
        if self.b <= -n {
            self.c = (self.c - 1).max(MIN_C);
            self.b = (self.b + n).max(1 - n);
        } else if self.b > 0 {
            self.c = (self.c + 1).min(MAX_C);
            self.b = (self.b - n).min(0);
        }
    }
}

/// A context of the sample that ends a run (T.87, A.7.2).
#[derive(Clone, Copy)]
pub(super) struct RunContext {
    a: u32,
    n: u32,
    /// Errors below 0.
    negative: u32,
    /// 1 where the samples to the left and above are the same, else 0.
    kind: u32,
}

impl RunContext {
    pub(super) fn new(kind: u32, coding: &Coding) -> Self {
        Self { a: coding.first_a(), n: 1, negative: 0, kind }
    }

    pub(super) fn golomb_parameter(&self) -> u32 {
        golomb_parameter(self.a + self.kind * (self.n >> 1), self.n)
    }

    /// The error that `mapped` stands for; learns from it.
    pub(super) fn error(&mut self, mapped: u64, k: u32, coding: &Coding) -> Result<i32, Stop> {
        let shifted = mapped + u64::from(self.kind);
        let odd = shifted & 1 == 1;
        let below = odd == (k != 0 || 2 * self.negative >= self.n);
        let error = coding.checked(shifted.div_ceil(2), below)?;
        self.negative += u32::from(error < 0);
        // Within 32 bits, since the error is.
        self.a += ((mapped + 1 - u64::from(self.kind)) >> 1) as u32;
        if self.n == coding.reset {
            self.a >>= 1;
            self.n >>= 1;
            self.negative >>= 1;
        }
        self.n += 1;
        Ok(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_eight_bits_are_those_of_the_standard() {
        // T.87, H.3: MAXVAL 255, lossless.
        let coding = Coding::new(255, 0, [3, 7, 21], 64);
        assert_eq!((coding.range, coding.qbpp, coding.limit), (256, 8, 32));
        assert_eq!(coding.first_a(), 4);
        // A range that is no power of 2: 2 * 4 + 1 = 9 values each.
        let coding = Coding::new(255, 4, [3, 7, 21], 64);
        assert_eq!((coding.range, coding.qbpp), (30, 5));
    }

    #[test]
    fn the_golomb_parameter_is_the_least_that_fits() {
        for n in 1..70u32 {
            for a in 0..3000u32 {
                let least = (0..32).find(|k| u64::from(n) << k >= u64::from(a));
                assert_eq!(Some(golomb_parameter(a, n)), least, "{n} {a}");
            }
        }
        assert_eq!(golomb_parameter(u32::MAX, 1), 32);
    }
}
