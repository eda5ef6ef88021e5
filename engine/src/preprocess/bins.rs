//! Which bin an intensity lies in, decided as if in exact arithmetic.
//!
//! An intensity on a bin's edge belongs to the bin above (IBSI manual, 2.7). A division in floating
//! point finds the bin of every other intensity; where its result is within rounding of a whole number,
//! integers of any length decide.
//!
//! Intensities, and the lowest and highest of a region, are the binary numbers that are held. A width
//! or an edge that somebody wrote is the decimal number of at most 15 digits that it was written as: a
//! width of 0.1 is a tenth, so that 300 intensities apart there are 3,000 bins. With more digits than
//! 15, as a program writes a binary number, it is that binary number.

use std::cmp::Ordering;

/// Decimal numbers of so many digits survive a 64-bit number.
const DIGITS: usize = 15;
/// Relative error that a quotient is taken to have, at least eight times that of its operations.
const ERROR: f64 = 1.0 / (1u64 << 50) as f64;

/// A number without rounding: `mantissa · 2^two · 5^five`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Number {
    mantissa: i64,
    two: i32,
    five: i32,
    nearest: f64,
}

impl Number {
    /// The binary number itself, which is finite.
    pub(crate) fn held(value: f64) -> Self {
        const FRACTION: u64 = (1 << 52) - 1;
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as i32;
        let hidden = if exponent == 0 { 0 } else { 1 << 52 };
        let magnitude = (bits & FRACTION | hidden) as i64;
        let mantissa = if value < 0.0 { -magnitude } else { magnitude };
        Self { mantissa, two: exponent.max(1) - 1075, five: 0, nearest: value }
    }

    /// The decimal number that a setting was written as.
    pub(crate) fn written(value: f64) -> Self {
        let text = format!("{value:e}");
        let decimal = text.split_once('e').and_then(|(digits, exponent)| {
            let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let digits: String = digits.chars().filter(|c| *c != '.').collect();
            let exponent: i32 = exponent.parse().ok()?;
            let short = digits.trim_start_matches('-').len() <= DIGITS;
            let mantissa = digits.parse().ok().filter(|_| short)?;
            let ten = exponent - fraction as i32;
            Some(Self { mantissa, two: ten, five: ten, nearest: value })
        });
        decimal.unwrap_or_else(|| Self::held(value))
    }

    /// Whether whole intensities and few eighths leave no rounding in a quotient.
    fn is_plain(self) -> bool {
        let eighths = self.nearest * 8.0;
        eighths.fract() == 0.0 && eighths.abs() < f64::from(1 << 27)
    }
}

/// Bins side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bins {
    start: Number,
    /// The width of a bin is `over / parts`.
    over: Over,
    parts: u32,
    divisor: f64,
    /// Error of a quotient of 0.
    least_error: f64,
    plain: bool,
}

#[derive(Clone, Copy, Debug)]
enum Over {
    Width(Number),
    To(Number),
}

impl Bins {
    /// Bins of a width, which is above 0, from the edge of the first.
    pub(crate) fn of_width(first_edge: Number, width: f64) -> Self {
        let width = Number::written(width);
        Self {
            start: first_edge,
            over: Over::Width(width),
            parts: 1,
            divisor: width.nearest,
            least_error: (first_edge.nearest / width.nearest).abs() * ERROR + ERROR,
            plain: first_edge.is_plain() && width.is_plain(),
        }
    }

    /// A number of bins from one intensity to a higher one, both 32-bit numbers.
    pub(crate) fn of_number(bins: u32, low: f64, high: f64) -> Self {
        Self {
            start: Number::held(low),
            over: Over::To(Number::held(high)),
            parts: bins,
            divisor: high - low,
            least_error: ERROR,
            plain: is_whole(low as f32) && is_whole(high as f32),
        }
    }

    /// How many bins an intensity lies above the first edge, rounded.
    #[inline]
    pub(crate) fn quotient(&self, value: f64) -> f64 {
        (value - self.start.nearest) * f64::from(self.parts) / self.divisor
    }

    /// Whether the whole part of an intensity's quotient, not below 0, may be that of the next bin.
    #[inline]
    pub(crate) fn is_unsure(&self, value: f32, quotient: f64) -> bool {
        let rest = quotient - f64::from(quotient as i32);
        let error = self.least_error + quotient * ERROR;
        ((rest - 0.5).abs() >= 0.5 - error) & !(self.plain & is_whole(value))
    }

    /// Whether an intensity lies at or above the lower edge of a bin, counted from 0. Exact.
    pub(crate) fn reaches(&self, value: f64, bin: i64) -> bool {
        self.beside_edge(Number::held(value), bin) != Ordering::Less
    }

    /// Where a number lies against the lower edge of a bin.
    fn beside_edge(&self, number: Number, bin: i64) -> Ordering {
        let parts = i64::from(self.parts);
        let number = (parts, number);
        match self.over {
            Over::Width(width) => sign(&[number, (-parts, self.start), (-bin, width)]),
            Over::To(end) => sign(&[number, (bin - parts, self.start), (-bin, end)]),
        }
    }

    /// The bin of an intensity, counted from 0: below 0 for one below the first edge. Exact, up to
    /// 2^52.
    pub(crate) fn bin(&self, value: f64) -> f64 {
        self.steps_to(Number::held(value)).floor()
    }

    /// How many bins a number lies above the first edge: whole exactly where it is an edge.
    pub(crate) fn steps_to(&self, number: Number) -> f64 {
        let quotient = self.quotient(number.nearest);
        let near = quotient.round();
        let error = self.least_error + quotient.abs() * ERROR;
        if (quotient - near).abs() > error || near.abs() >= (1u64 << 52) as f64 {
            return quotient;
        }
        match self.beside_edge(number, near as i64) {
            Ordering::Less => near - 0.5,
            Ordering::Equal => near,
            Ordering::Greater => near + 0.5,
        }
    }

    /// The lowest 32-bit number at or above the lower edge of a bin.
    pub(crate) fn lowest(&self, bin: u32) -> f32 {
        let width = self.divisor / f64::from(self.parts);
        let edge = self.start.nearest + f64::from(bin) * width;
        let reaches = |value: f32| self.reaches(f64::from(value), i64::from(bin));
        let near = edge as f32;
        if reaches(near) && !reaches(near.next_down()) {
            return near;
        }
        // Around 0 there are too many numbers to try one after the other.
        let [mut below, mut above] = [edge - width, edge + width].map(|v| place(v as f32));
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            *(if reaches(number(middle)) { &mut above } else { &mut below }) = middle;
        }
        number(above)
    }
}

/// The place of a number among all 32-bit numbers in ascending order.
fn place(value: f32) -> i64 {
    let magnitude = i64::from(value.abs().to_bits());
    if value < 0.0 { -magnitude } else { magnitude }
}

fn number(place: i64) -> f32 {
    let magnitude = f32::from_bits(place.unsigned_abs() as u32);
    if place < 0 { -magnitude } else { magnitude }
}

#[inline]
fn is_whole(value: f32) -> bool {
    (value as i32) as f32 == value
}

/// The sign of a sum of products, without rounding.
fn sign(terms: &[(i64, Number)]) -> Ordering {
    let terms = || terms.iter().filter(|(factor, number)| *factor != 0 && number.mantissa != 0);
    let lowest = |exponent: fn(&Number) -> i32| {
        terms().map(|(_, number)| exponent(number)).min().unwrap_or(0)
    };
    let (two, five) = (lowest(|n| n.two), lowest(|n| n.five));
    let [mut above, mut below] = [Natural::default(), Natural::default()];
    for (factor, number) in terms() {
        let product = i128::from(*factor) * i128::from(number.mantissa);
        let mut magnitude = Natural::of(product.unsigned_abs());
        for _ in five..number.five {
            magnitude.multiply(5);
        }
        magnitude.shift((number.two - two) as usize);
        let side = if product > 0 { &mut above } else { &mut below };
        side.add(&magnitude);
    }
    above.compare(&below)
}

/// A whole number of any length: its 32-bit digits, the lowest first, without zeros at the end.
#[derive(Default)]
struct Natural {
    digits: Vec<u32>,
}

impl Natural {
    fn of(mut value: u128) -> Self {
        let mut digits = Vec::new();
        while value > 0 {
            digits.push(value as u32);
            value >>= 32;
        }
        Self { digits }
    }

    fn multiply(&mut self, factor: u32) {
        let mut carry = 0;
        for digit in &mut self.digits {
            let product = u64::from(*digit) * u64::from(factor) + carry;
            *digit = product as u32;
            carry = product >> 32;
        }
        if carry > 0 {
            self.digits.push(carry as u32);
        }
    }

    fn shift(&mut self, bits: usize) {
        self.multiply(1 << (bits % 32));
        self.digits.splice(0..0, std::iter::repeat_n(0, bits / 32));
    }

    fn add(&mut self, other: &Self) {
        let length = self.digits.len().max(other.digits.len());
        self.digits.resize(length, 0);
        let mut carry = 0;
        for (at, digit) in self.digits.iter_mut().enumerate() {
            let more = other.digits.get(at).copied().unwrap_or(0);
            let sum = u64::from(*digit) + u64::from(more) + carry;
            *digit = sum as u32;
            carry = sum >> 32;
        }
        if carry > 0 {
            self.digits.push(carry as u32);
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let lengths = self.digits.len().cmp(&other.digits.len());
        lengths.then_with(|| self.digits.iter().rev().cmp(other.digits.iter().rev()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the manual's formula in whole numbers, `floor(N (x - min) / (max - min))`.
    #[test]
    fn whole_intensities_get_the_bin_of_the_definition_for_any_number_of_bins() {
        for bins in [2u32, 3, 7, 10, 20, 32, 49, 50, 64, 99, 100, 128, 250, 1000] {
            for range in (1..=2000u32).step_by(7).chain([14, 25, 2000]) {
                let scale = Bins::of_number(bins, -1000.0, f64::from(range) - 1000.0);
                for x in 0..range {
                    let expected = u64::from(bins) * u64::from(x) / u64::from(range);
                    let value = f64::from(x) - 1000.0;
                    assert_eq!(scale.bin(value), expected as f64, "{bins} bins, {x} of {range}");
                    let quotient = scale.quotient(value);
                    if !scale.is_unsure(value as f32, quotient) {
                        assert_eq!(quotient as u64, expected, "{bins} bins, {x} of {range}");
                    }
                }
            }
        }
    }

    /// Oracle: the definition in whole tenths and hundredths.
    #[test]
    fn a_width_and_an_edge_are_the_decimal_numbers_that_were_written() {
        for (width, hundredths) in [(0.1, 10), (0.3, 30), (0.7, 70), (1.1, 110), (2.5, 250)] {
            for (edge, start) in [(0.0, 0), (-1000.0, -100_000), (0.1, 10), (-0.7, -70)] {
                let scale = Bins::of_width(Number::written(edge), width);
                for x in 1..=2000i64 {
                    let expected = (100 * x - start).div_euclid(hundredths);
                    assert_eq!(scale.bin(x as f64), expected as f64, "{x}, {width} from {edge}");
                }
            }
        }
    }

    /// Oracle: the neighbours of a binary number. Nearest to 0.3 is a number above it, nearest to 0.7
    /// one below.
    #[test]
    fn an_intensity_is_the_number_that_is_held() {
        let tenths = Bins::of_width(Number::held(0.0), 0.1);
        assert_eq!(tenths.bin(f64::from(0.3f32)), 3.0);
        assert_eq!(tenths.bin(f64::from(0.7f32)), 6.0);
        assert_eq!(tenths.lowest(3), 0.3f32);
        assert_eq!(tenths.lowest(7), 0.7f32.next_up());
        let over_zero = Bins::of_width(Number::written(-0.3), 0.1);
        assert_eq!([2, 3, 4].map(|bin| over_zero.lowest(bin)), [(-0.1f32).next_up(), 0.0, 0.1]);
    }

    /// Oracle: the intensity itself. An edge that a program read from an image is none that it wrote.
    #[test]
    fn an_edge_of_many_digits_is_the_binary_number() {
        let edge = f64::from(0.1f32);
        let scale = Bins::of_width(Number::written(edge), 1.0);
        assert!(scale.reaches(edge, 0));
        assert!(!scale.reaches(f64::from(0.1f32.next_down()), 0));
    }

    /// Oracle: sums whose terms a 64-bit number cannot hold beside each other.
    #[test]
    fn sums_of_very_different_terms_have_the_right_sign() {
        let tiny = Number::held(5e-324);
        let huge = Number::held(1e300);
        assert_eq!(sign(&[(1, huge), (1, tiny), (-1, huge)]), Ordering::Greater);
        assert_eq!(sign(&[(1, huge), (-1, tiny), (-1, huge)]), Ordering::Less);
        assert_eq!(sign(&[(3, Number::written(0.1)), (-1, Number::written(0.3))]), Ordering::Equal);
        assert_eq!(sign(&[(-3, Number::written(1e-22)), (-1, tiny)]), Ordering::Less);
        assert_eq!(sign(&[]), Ordering::Equal);
    }
}
