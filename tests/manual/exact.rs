//! Numbers that decide a side (a bin, a mask, a rounding) are counted in whole units, so that no
//! rounding of a float decides instead.

/// Units in 1. Integers, and halves down to 1/65536, are whole numbers of them.
pub const UNIT: i128 = 1 << 16;

/// A number in units, when it is a whole number of them.
pub fn units(value: f64) -> Option<i128> {
    let scaled = value * UNIT as f64;
    (scaled.fract() == 0.0 && scaled.abs() < (1_u64 << 44) as f64).then_some(scaled as i128)
}

/// All of them in units, or none.
pub fn all_units(values: &[f64]) -> Option<Vec<i128>> {
    values.iter().map(|&value| units(value)).collect()
}

/// The largest integer at or below a fraction.
pub fn floor(above: i128, below: i128) -> i128 {
    above.div_euclid(below)
}

/// A fraction as a float; numbers this side of 2^53 only suffer the division.
pub fn float(above: i128, below: i128) -> f64 {
    above as f64 / below as f64
}
