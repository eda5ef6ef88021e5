//! Section 3.10 (IPET): the neighbourhood grey tone difference matrix. Its distance weighting and
//! other norms than Chebyshev's, which the manual cautions against, are left out.

use super::{Features, Levels, Voxel, averaged, neighbourhood, ratio};

/// Per level, 1 first: n_i voxels that have a neighbour, and s_i, the sum of their differences.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub n: Vec<usize>,
    pub s: Vec<f64>,
}

fn matrix(levels: &Levels, voxels: &[Voxel], distance: usize, volume: bool) -> Matrix {
    let mut matrix = Matrix { n: vec![0; levels.count], s: vec![0.0; levels.count] };
    let steps = neighbourhood(distance, volume);
    for &voxel in voxels {
        let Some(level) = levels.at(voxel) else {
            continue;
        };
        let around: Vec<usize> =
            steps.iter().filter_map(|&step| levels.beside(voxel, step)).collect();
        // W_k = 0: no valid neighbourhood.
        if !around.is_empty() {
            // |i - sum / W| = |i W - sum| / W, so that no difference is exactly 0.
            let sum: usize = around.iter().sum();
            matrix.n[level - 1] += 1;
            matrix.s[level - 1] +=
                (level * around.len()).abs_diff(sum) as f64 / around.len() as f64;
        }
    }
    matrix
}

pub fn by_slice(levels: &Levels, distance: usize) -> Vec<Matrix> {
    levels.slices().into_iter().map(|z| matrix(levels, &levels.slice(z), distance, false)).collect()
}

pub fn by_volume(levels: &Levels, distance: usize) -> Matrix {
    matrix(levels, &levels.all(), distance, true)
}

fn merged(all: &[Matrix], count: usize) -> Matrix {
    let mut sum = Matrix { n: vec![0; count], s: vec![0.0; count] };
    for matrix in all {
        for level in 0..count {
            sum.n[level] += matrix.n[level];
            sum.s[level] += matrix.s[level];
        }
    }
    sum
}

/// The three aggregations (section 3.10.1).
pub fn features(levels: &Levels, distance: usize) -> Vec<(&'static str, Features)> {
    let slices = by_slice(levels, distance);
    let mut families: Vec<Features> = slices.iter().map(of_matrix).collect();
    if families.is_empty() {
        families.push(of_matrix(&merged(&[], levels.count)));
    }
    vec![
        ("2D", averaged(&families)),
        ("2_5D", of_matrix(&merged(&slices, levels.count))),
        ("3D", of_matrix(&by_volume(levels, distance))),
    ]
}

/// The features of one matrix. Without a voxel that has a neighbour p_i is 0 / 0, and there are none.
pub fn of_matrix(matrix: &Matrix) -> Features {
    let total: usize = matrix.n.iter().sum();
    let n_vc = total as f64;
    // (i, p_i, s_i) of the levels with p_i > 0; a level without has s_i = 0 and adds to no sum.
    let mut levels = Vec::new();
    for (index, (&n, &s)) in matrix.n.iter().zip(&matrix.s).enumerate() {
        if n > 0 {
            levels.push(((index + 1) as f64, n as f64 / n_vc, s));
        }
    }
    let present = levels.len() as f64;
    let sum_ps: f64 = levels.iter().map(|&(_, p, s)| p * s).sum();
    let sum_s: f64 = levels.iter().map(|&(_, _, s)| s).sum();
    let pairs = |f: fn((f64, f64, f64), (f64, f64, f64)) -> f64| {
        let mut sum = 0.0;
        for &a in &levels {
            for &b in &levels {
                sum += f(a, b);
            }
        }
        sum
    };
    let spread = pairs(|(i, p, _), (j, q, _)| p * q * (i - j).powi(2));
    let contrast = spread / (present * (present - 1.0)) * sum_s / n_vc;
    // i1 p1 - i2 p2 is 0 for some levels; counted in voxels it is 0 exactly.
    let mut change = 0;
    for (i, &n) in matrix.n.iter().enumerate().filter(|&(_, &n)| n > 0) {
        for (j, &m) in matrix.n.iter().enumerate().filter(|&(_, &m)| m > 0) {
            change += ((i + 1) * n).abs_diff((j + 1) * m);
        }
    }
    let change = change as f64 / n_vc;
    let complexity = pairs(|(i, p, s), (j, q, t)| (i - j).abs() * (p * s + q * t) / (p + q)) / n_vc;
    let strength = pairs(|(i, p, _), (j, q, _)| (p + q) * (i - j).powi(2));
    let defined = |value: Option<f64>| value.filter(|_| total > 0);
    let one_level = levels.len() == 1;
    vec![
        // QCDE: 10^6 at most; so it is, too, where the sum is 0.
        ("ngt_coarseness", defined(Some(ratio(1.0, sum_ps).unwrap_or(1e6).min(1e6)))),
        ("ngt_contrast", defined(Some(if one_level { 0.0 } else { contrast }))),
        // NQ30: two levels may have equal i p_i; then it is s / 0.
        ("ngt_busyness", defined(if one_level { Some(0.0) } else { ratio(sum_ps, change) })),
        ("ngt_complexity", defined(Some(complexity))),
        ("ngt_strength", defined(Some(ratio(strength, sum_s).unwrap_or(0.0)))),
    ]
}
