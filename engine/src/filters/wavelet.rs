//! Separable wavelets, undecimated (IBSI 2, 3.5).
//!
//! The kernels are the decomposition filters in the order PyWavelets lists them. Level j filters
//! with kernels that have 2^(j−1) − 1 zeros between their values ("à trous"), after the low-pass
//! filters of the levels before.

use rustfft::num_complex::Complex64;
use serde::{Deserialize, Serialize};

use super::operator::{Grid, Operator};
use super::parameter::{Absent, Accepted, LEVEL, Parameter, ROTATION_INVARIANT, first_level};
use super::pooled::Pooled;
use super::pooling::{Pooling, rotations};
use super::problem::Problem;
use super::separable::{Bank, Kernel};
use super::settings::Dimension;
use super::table::Kind;

/// Separable wavelet, undecimated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wavelet {
    /// `haar`, `db1` to `db10`, `coif1` to `coif5`.
    pub wavelet: String,
    /// Decomposition level, from 1.
    #[serde(default = "first_level")]
    pub level: u32,
    /// Sub-bands such as `LLH` (low-pass along x and y, high-pass along z); all where not given.
    /// With one the map has the filter's name, with several `name-LLH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subbands: Option<Vec<String>>,
    /// Pools the responses of the kernel turned by every right angle; no rotation where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_invariant: Option<Pooling>,
}

const WAVELET: Parameter = Parameter {
    key: "wavelet",
    unit: "",
    meaning: "the wavelet",
    absent: Absent::Required,
    accepted: Accepted::Checked("one of haar, db1 to db10, coif1 to coif5"),
};
const SUBBANDS: Parameter = Parameter {
    key: "subbands",
    unit: "",
    meaning: "sub-bands, low- or high-pass along x, y and, in 3D, z; with several each map is \
              named after its own",
    absent: Absent::Means("all"),
    accepted: Accepted::Checked("some of LLL to HHH, in 2d of LL to HH"),
};

pub(crate) const PARAMETERS: &[Parameter] = &[WAVELET, LEVEL, SUBBANDS, ROTATION_INVARIANT];

impl Kind for Wavelet {
    fn check(&self, dimension: Dimension) -> Result<(), Problem> {
        low_pass(&self.wavelet)?;
        LEVEL.check(self.level)?;
        let known = all_subbands(dimension);
        let chosen = self.maps(dimension);
        if let Some(other) = chosen.iter().find(|s| !known.contains(s)) {
            let fault = format!("is none of {}", known.join(", "));
            return Err(Problem::of_item(SUBBANDS.key, other, fault));
        }
        if let Some(i) = (1..chosen.len()).find(|&i| chosen[..i].contains(&chosen[i])) {
            return Err(Problem::of_item(SUBBANDS.key, &chosen[i], "is given twice"));
        }
        if chosen.is_empty() {
            let advice = "name one, or leave the key out for all";
            return Err(Problem::of_empty(SUBBANDS.key, advice));
        }
        Ok(())
    }

    fn maps(&self, dimension: Dimension) -> Vec<String> {
        self.subbands.clone().unwrap_or_else(|| all_subbands(dimension))
    }

    fn operator(&self, Grid { dimension, .. }: Grid) -> Result<Operator, Problem> {
        let low = low_pass(&self.wavelet)?;
        let subbands = self.maps(dimension);
        let rotated = self.rotation_invariant.is_some();
        Ok(Operator::local(Pooled {
            bank: bank(&low, self.level, &subbands, rotated, dimension),
            maps: subbands.len(),
            pooling: self.rotation_invariant,
            energy: None,
        }))
    }
}

/// Low-pass decomposition filter of Coiflet 2 to 5 (Daubechies, Ten Lectures on Wavelets, 1992,
/// section 8.2). Her table 8.1 is good to 1e-5 only, so that these solve her equations
/// (orthonormality and vanishing moments of both filters) from the table on, in 40 digits.
const COIFLET_2: [f64; 12] = [
    -0.000720549445520347,
    -0.001823208870911032,
    0.005611434819368834,
    0.02368017194684777,
    -0.059434418646431085,
    -0.07648859907828075,
    0.41700518442323903,
    0.8127236354494135,
    0.38611006682276283,
    -0.0673725547237256,
    -0.04146493678687178,
    0.01638733646320364,
];
const COIFLET_3: [f64; 18] = [
    -3.4599773197272774e-05,
    -7.0983302506379e-05,
    0.0004662169598204029,
    0.0011175187708306303,
    -0.002574517688136797,
    -0.009007976136730624,
    0.015880544863669452,
    0.03455502757329773,
    -0.08230192710629981,
    -0.07179982161915484,
    0.42848347637737,
    0.7937772226260872,
    0.4051769024091182,
    -0.06112339000297254,
    -0.06577191128146936,
    0.023452696142077165,
    0.0077825964256727454,
    -0.0037935128643808015,
];
const COIFLET_4: [f64; 24] = [
    -1.7849909144933466e-06,
    -3.2596479400307506e-06,
    3.1229861599195265e-05,
    6.233885431278718e-05,
    -0.0002599743371222568,
    -0.0005890202246332164,
    0.00126656107892566,
    0.003751434697146086,
    -0.0056582838001308835,
    -0.015211728187697213,
    0.025082253337949608,
    0.03933442260558915,
    -0.09622042453595264,
    -0.06662747236681715,
    0.43438603311435653,
    0.7822389344242826,
    0.41530842700068227,
    -0.05607731960356926,
    -0.08126671024919373,
    0.026682304669604834,
    0.016068947131575025,
    -0.00734616793626805,
    -0.0016294924252267858,
    0.000892313902537003,
];
const COIFLET_5: [f64; 30] = [
    -9.604010112767892e-08,
    -1.6237995172048335e-07,
    2.0612203985788783e-06,
    3.7007277113394796e-06,
    -2.1270221672515614e-05,
    -4.12198619242655e-05,
    0.00014035632812373243,
    0.00030185794166824473,
    -0.0006375589261258812,
    -0.0016616273039298788,
    0.0024315754425382886,
    0.006761520220620417,
    -0.009159507338676163,
    -0.019758391600965465,
    0.03267479946705735,
    0.041287530472117834,
    -0.10556315130733723,
    -0.06203775157498195,
    0.4379823066591633,
    0.7742936228603274,
    0.42157126673075435,
    -0.05204667025355476,
    -0.09192158806008609,
    0.028169744270532353,
    0.023408322118927783,
    -0.010131584846900275,
    -0.004159312627578639,
    0.0021782943778456947,
    0.0003585777411617577,
    -0.000212081862067494,
];

/// Low-pass decomposition filter of a wavelet by name: `haar`, `db1` to `db10`, `coif1` to `coif5`.
fn low_pass(name: &str) -> Result<Vec<f64>, Problem> {
    let unknown = || {
        let advice = "name one of haar, db1 to db10, coif1 to coif5";
        Problem::of_value(WAVELET.key, format!("\"{name}\""), advice)
    };
    match name {
        "haar" => Ok(daubechies(1)),
        "coif1" => Ok(coiflet_1()),
        "coif2" => Ok(COIFLET_2.to_vec()),
        "coif3" => Ok(COIFLET_3.to_vec()),
        "coif4" => Ok(COIFLET_4.to_vec()),
        "coif5" => Ok(COIFLET_5.to_vec()),
        _ => match name.strip_prefix("db").and_then(|n| n.parse().ok()) {
            Some(moments @ 1..=10) if name == format!("db{moments}") => Ok(daubechies(moments)),
            _ => Err(unknown()),
        },
    }
}

/// Coiflet 1 in closed form (Daubechies 1992, 8.2).
fn coiflet_1() -> Vec<f64> {
    let root = 7f64.sqrt();
    [-3.0 + root, 1.0 - root, 14.0 - 2.0 * root, 14.0 + 2.0 * root, 5.0 + root, 1.0 - root]
        .map(|v| v / (16.0 * 2f64.sqrt()))
        .to_vec()
}

/// Daubechies' filter with `moments` vanishing moments, by spectral factorisation: of each pair of
/// roots of the half-band polynomial the one inside the unit circle (Daubechies 1992, 6.1).
fn daubechies(moments: u32) -> Vec<f64> {
    let n = moments as usize;
    // P(y) = sum over k < n of binomial(n − 1 + k, k) y^k, with y = (2 − z − 1/z) / 4.
    let mut binomial = vec![1.0f64];
    for k in 1..n {
        binomial.push(binomial[k - 1] * (n - 1 + k) as f64 / k as f64);
    }
    let mut filter = vec![Complex64::new(1.0, 0.0)];
    let mut times_root = |root: Complex64| {
        filter.push(Complex64::new(0.0, 0.0));
        for i in (1..filter.len()).rev() {
            let lower = filter[i - 1];
            filter[i] -= root * lower;
        }
    };
    for y in polynomial_roots(&binomial) {
        let half = Complex64::new(1.0, 0.0) - 2.0 * y;
        let spread = (half * half - 1.0).sqrt();
        let (a, b) = (half + spread, half - spread);
        times_root(if a.norm() < b.norm() { a } else { b });
    }
    for _ in 0..n {
        times_root(Complex64::new(-1.0, 0.0));
    }
    let mut low: Vec<f64> = filter.iter().rev().map(|c| c.re).collect();
    let scale = 2f64.sqrt() / low.iter().sum::<f64>();
    low.iter_mut().for_each(|v| *v *= scale);
    low
}

/// Roots of a polynomial with positive coefficients, lowest power first (Durand-Kerner).
fn polynomial_roots(coefficients: &[f64]) -> Vec<Complex64> {
    let degree = coefficients.len() - 1;
    let lead = coefficients[degree];
    let value = |x: Complex64| {
        coefficients.iter().rev().fold(Complex64::new(0.0, 0.0), |sum, &c| sum * x + c / lead)
    };
    let mut roots: Vec<Complex64> =
        (0..degree).map(|i| Complex64::from_polar(0.7, 0.4 + 2.5 * i as f64)).collect();
    for _ in 0..500 {
        for i in 0..degree {
            let mut others = Complex64::new(1.0, 0.0);
            for (j, root) in roots.iter().enumerate() {
                if j != i {
                    others *= roots[i] - root;
                }
            }
            let step = value(roots[i]) / others;
            roots[i] -= step;
        }
    }
    roots
}

/// High-pass filter of a low-pass filter: the quadrature mirror, signs as PyWavelets has them.
fn high_pass(low: &[f64]) -> Vec<f64> {
    low.iter().rev().enumerate().map(|(k, v)| if k % 2 == 0 { -v } else { *v }).collect()
}

/// Low- and high-pass kernels of a level, the low-pass filters of the levels before included.
fn level_kernels(low: &[f64], level: u32) -> [Kernel; 2] {
    let spread = |taps: &[f64], level: u32| -> Kernel {
        let step = 1usize << (level - 1);
        let mut spread = vec![0.0; taps.len() * step];
        for (i, tap) in taps.iter().enumerate() {
            spread[i * step] = *tap;
        }
        Kernel::centred(spread)
    };
    let before = (1..level).fold(Kernel::identity(), |k, l| in_series(&k, &spread(low, l)));
    [low.to_vec(), high_pass(low)].map(|taps| in_series(&before, &spread(&taps, level)))
}

/// The kernel that does what two do one after the other.
fn in_series(a: &Kernel, b: &Kernel) -> Kernel {
    let mut taps = vec![0.0; a.taps.len() + b.taps.len() - 1];
    for (i, x) in a.taps.iter().enumerate() {
        for (j, y) in b.taps.iter().enumerate() {
            taps[i + j] += x * y;
        }
    }
    Kernel { taps, first: a.first + b.first }
}

/// Every sub-band in 3D (`LLL` to `HHH`) or in the slice (`LL` to `HH`); letters run x, y, z.
fn all_subbands(dimension: Dimension) -> Vec<String> {
    let axes = dimension.axes();
    (0..1u32 << axes)
        .map(|bits| (0..axes).rev().map(|a| if bits >> a & 1 == 1 { 'H' } else { 'L' }).collect())
        .collect()
}

/// The kernels of these sub-bands, one response map each, alone or with their rotations.
fn bank(low: &[f64], level: u32, subbands: &[String], rotated: bool, dimension: Dimension) -> Bank {
    let [low, high] = level_kernels(low, level);
    let mut bank = Bank::default();
    for (target, subband) in subbands.iter().enumerate() {
        let mut letters = subband.chars();
        let kernels: [Kernel; 3] = std::array::from_fn(|_| match letters.next() {
            Some('H') => high.clone(),
            Some(_) => low.clone(),
            None => Kernel::identity(),
        });
        if rotated {
            for kernels in rotations(&kernels, dimension) {
                bank.push(kernels, target);
            }
        } else {
            bank.push(kernels, target);
        }
    }
    bank
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: Daubechies 1992, tables 6.1 and 8.1.
    #[test]
    fn known_coefficients_of_daubechies_2_and_10_and_coiflet_1() {
        let db2 = low_pass("db2").expect("known");
        let root = 3f64.sqrt();
        let expected = [1.0 - root, 3.0 - root, 3.0 + root, 1.0 + root];
        for (got, expected) in db2.iter().zip(expected.map(|v| v / (4.0 * 2f64.sqrt()))) {
            assert!((got - expected).abs() < 1e-14, "{db2:?}");
        }
        let db10 = low_pass("db10").expect("known");
        assert!((db10[19] - 0.026_670_057_900_5).abs() < 1e-11, "{db10:?}");
        assert!((db10[16] - 0.688_459_039_454).abs() < 1e-10, "{db10:?}");
        assert!((low_pass("coif1").expect("known")[3] - 0.852_572_020_212).abs() < 1e-11);
    }

    /// Orthonormality to even shifts and vanishing moments define the filters.
    #[test]
    fn every_filter_is_orthonormal_to_its_even_shifts_and_has_its_vanishing_moments() {
        let daubechies = (1..=10).map(|n| (format!("db{n}"), n));
        let coiflets = (1..=5).map(|n| (format!("coif{n}"), 2 * n));
        for (name, moments) in daubechies.chain(coiflets) {
            let low = low_pass(&name).expect("known");
            for shift in (0..low.len()).step_by(2) {
                let product: f64 = low.iter().zip(&low[shift..]).map(|(a, b)| a * b).sum();
                let expected = if shift == 0 { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-12, "{name} shift {shift}: {product}");
            }
            let high = high_pass(&low);
            let width = low.len() as f64;
            for moment in 0..moments {
                let sum: f64 =
                    high.iter().enumerate().map(|(i, v)| v * (i as f64 / width).powi(moment)).sum();
                assert!(sum.abs() < 1e-8, "{name} moment {moment}: {sum}");
            }
        }
    }

    #[test]
    fn unknown_wavelets_are_refused_by_name() {
        for name in ["db0", "db11", "db01", "sym4", ""] {
            assert!(
                low_pass(name).is_err_and(|e| e.to_string().contains("coif1 to coif5")),
                "{name}"
            );
        }
    }
}
