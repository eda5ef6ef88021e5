//! Separable wavelets, undecimated (IBSI 2, 3.5).
//!
//! The kernels are the decomposition filters in the order PyWavelets lists them. Level j filters
//! with kernels that have 2^(j−1) − 1 zeros between their values ("à trous"), after the low-pass
//! filters of the levels before.

use rustfft::num_complex::Complex64;

use super::pooling::rotations;
use super::separable::{Bank, Kernel};

/// Levels beyond this reach over more than any image.
pub(crate) const MAX_LEVEL: u32 = 8;

/// Low-pass decomposition filter of Coiflet 2 to 5 (Daubechies, Ten Lectures on Wavelets, 1992,
/// table 8.1, normalised to sum √2 and reversed).
const COIFLET_2: [f64; 12] = [
    -0.0007205494453679,
    -0.0018232088707116,
    0.0056114348194211,
    0.0236801719464464,
    -0.0594344186467388,
    -0.0764885990786692,
    0.4170051844236707,
    0.8127236354493977,
    0.3861100668229939,
    -0.0673725547222826,
    -0.0414649367819558,
    0.0163873364635998,
];
const COIFLET_3: [f64; 18] = [
    -0.0000345997728362,
    -0.0000709833031381,
    0.0004662169601129,
    0.0011175187708906,
    -0.0025745176887502,
    -0.0090079761366615,
    0.0158805448636158,
    0.0345550275730615,
    -0.0823019271068856,
    -0.0717998216193117,
    0.4284834763776168,
    0.7937772226256169,
    0.4051769024096150,
    -0.0611233900026726,
    -0.0657719112818552,
    0.0234526961418362,
    0.0077825964273254,
    -0.0037935128644910,
];
const COIFLET_4: [f64; 24] = [
    -0.0000017849850031,
    -0.0000032596802369,
    0.0000312298758654,
    0.0000623390344610,
    -0.0002599745524878,
    -0.0005890207562444,
    0.0012665619292991,
    0.0037514361572790,
    -0.0056582866866115,
    -0.0152117315279485,
    0.0250822618448678,
    0.0393344271233433,
    -0.0962204420340021,
    -0.0666274742634348,
    0.4343860564915321,
    0.7822389309206135,
    0.4153084070304910,
    -0.0560773133167630,
    -0.0812666996808907,
    0.0266823001560570,
    0.0160689439647787,
    -0.0073461663276432,
    -0.0016294920126020,
    0.0008923136685824,
];
const COIFLET_5: [f64; 30] = [
    -0.0000000951765727,
    -0.0000001674428858,
    0.0000020637618516,
    0.0000037346551755,
    -0.0000213150268122,
    -0.0000413404322768,
    0.0001405411497166,
    0.0003022595818445,
    -0.0006381313431115,
    -0.0016628637021860,
    0.0024333732129107,
    0.0067641854487565,
    -0.0091642311634348,
    -0.0197617789446276,
    0.0326835742705106,
    0.0412892087544753,
    -0.1055742087143175,
    -0.0620359639693546,
    0.4379916262173834,
    0.7742896037334738,
    0.4215662067346898,
    -0.0520431631816557,
    -0.0919200105692549,
    0.0281680289738655,
    0.0234081567882734,
    -0.0101311175209033,
    -0.0041593587818186,
    0.0021782363583355,
    0.0003585896879330,
    -0.0002120808398259,
];

/// Low-pass decomposition filter of a wavelet by name: `haar`, `db1` to `db10`, `coif1` to `coif5`.
pub(crate) fn low_pass(name: &str) -> Result<Vec<f64>, String> {
    let unknown = || format!("wavelet = \"{name}\": name one of haar, db1 to db10, coif1 to coif5");
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
pub(crate) fn all_subbands(in_slice: bool) -> Vec<String> {
    let axes = if in_slice { 2 } else { 3 };
    (0..1u32 << axes)
        .map(|bits| (0..axes).rev().map(|a| if bits >> a & 1 == 1 { 'H' } else { 'L' }).collect())
        .collect()
}

/// The kernels of these sub-bands, one response map each, alone or with their rotations.
pub(crate) fn bank(
    low: &[f64],
    level: u32,
    subbands: &[String],
    rotated: bool,
    in_slice: bool,
) -> Bank {
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
            for kernels in rotations(&kernels, in_slice) {
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
                // The published tables have ten correct digits; the others are computed.
                assert!((product - expected).abs() < 1e-9, "{name} shift {shift}: {product}");
            }
            let high = high_pass(&low);
            let width = low.len() as f64;
            for moment in 0..moments {
                let sum: f64 = high
                    .iter()
                    .enumerate()
                    .map(|(i, v)| v * (i as f64 / width).powi(moment as i32))
                    .sum();
                assert!(sum.abs() < 1e-8, "{name} moment {moment}: {sum}");
            }
        }
    }

    #[test]
    fn unknown_wavelets_are_refused_by_name() {
        for name in ["db0", "db11", "db01", "sym4", ""] {
            assert!(low_pass(name).is_err_and(|e| e.contains("coif1 to coif5")), "{name}");
        }
    }
}
