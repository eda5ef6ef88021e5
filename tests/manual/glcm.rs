//! Section 3.6 (LFYI): the grey level co-occurrence matrix.

use std::collections::BTreeMap;

use super::{Features, Levels, Norm, Settings, Voxel, Weight, averaged, directions, plogp, ratio};

/// How often a voxel of level i has one of level j at a step, or at its opposite.
pub type Matrix = BTreeMap<(usize, usize), f64>;

/// M = M+ + M+ transposed, over some voxels.
fn matrix(levels: &Levels, voxels: &[Voxel], step: [isize; 3], weight: f64) -> Matrix {
    let mut matrix = Matrix::new();
    for &voxel in voxels {
        if let (Some(i), Some(j)) = (levels.at(voxel), levels.beside(voxel, step)) {
            *matrix.entry((i, j)).or_default() += weight;
            *matrix.entry((j, i)).or_default() += weight;
        }
    }
    matrix
}

/// The length of a step in voxels, by a norm (MPUJ).
pub fn length(step: [isize; 3], norm: Norm) -> f64 {
    let m = step.map(|step| step.unsigned_abs() as f64);
    match norm {
        Norm::Manhattan => m[0] + m[1] + m[2],
        Norm::Euclidean => (m[0] * m[0] + m[1] * m[1] + m[2] * m[2]).sqrt(),
        Norm::Chebyshev => m[0].max(m[1]).max(m[2]),
    }
}

fn weight_of(step: [isize; 3], weight: Weight) -> f64 {
    match weight {
        Weight::One => 1.0,
        Weight::Inverse(norm) => 1.0 / length(step, norm),
        Weight::Gaussian(norm) => (-length(step, norm).powi(2)).exp(),
    }
}

/// The directions of distance 1, times the distance: their number stays the same.
fn steps(volume: bool, distance: usize) -> Vec<[isize; 3]> {
    directions(volume).into_iter().map(|step| step.map(|m| m * distance as isize)).collect()
}

/// One matrix for each slice (outer) and direction (inner).
pub fn by_slice(levels: &Levels, distance: usize, weight: Weight) -> Vec<Vec<Matrix>> {
    let mut all = Vec::new();
    for z in levels.slices() {
        let voxels = levels.slice(z);
        all.push(
            steps(false, distance)
                .into_iter()
                .map(|step| matrix(levels, &voxels, step, weight_of(step, weight)))
                .collect(),
        );
    }
    all
}

/// One matrix for each of the thirteen directions.
pub fn by_volume(levels: &Levels, distance: usize, weight: Weight) -> Vec<Matrix> {
    let voxels = levels.all();
    steps(true, distance)
        .into_iter()
        .map(|step| matrix(levels, &voxels, step, weight_of(step, weight)))
        .collect()
}

pub fn merged<'a>(all: impl IntoIterator<Item = &'a Matrix>) -> Matrix {
    let mut sum = Matrix::new();
    for matrix in all {
        for (&cell, &count) in matrix {
            *sum.entry(cell).or_default() += count;
        }
    }
    sum
}

/// The six aggregations (section 3.6.1).
pub fn features(levels: &Levels, settings: &Settings) -> Vec<(&'static str, Features)> {
    let slices = by_slice(levels, settings.glcm_distance, settings.glcm_weight);
    let volume = by_volume(levels, settings.glcm_distance, settings.glcm_weight);
    let of = |matrix: &Matrix| of_matrix(matrix, levels.count);
    // An empty region has no slices; one empty matrix keeps the names.
    let mean = |families: Vec<Features>| {
        if families.is_empty() { of(&Matrix::new()) } else { averaged(&families) }
    };
    let each_direction = |direction: usize| merged(slices.iter().map(|slice| &slice[direction]));
    vec![
        ("2D_avg", mean(slices.iter().flatten().map(of).collect())),
        ("2D_comb", mean(slices.iter().map(|slice| of(&merged(slice))).collect())),
        ("2_5D_avg", mean((0..4).map(|direction| of(&each_direction(direction))).collect())),
        ("2_5D_comb", of(&merged(slices.iter().flatten()))),
        ("3D_avg", mean(volume.iter().map(of).collect())),
        ("3D_comb", of(&merged(&volume))),
    ]
}

/// The features of one matrix. A matrix without a pair has none.
pub fn of_matrix(matrix: &Matrix, count: usize) -> Features {
    let total: f64 = matrix.values().sum();
    let some = total > 0.0;
    let p: Vec<(f64, f64, f64)> =
        matrix.iter().map(|(&(i, j), &n)| (i as f64, j as f64, n / total)).collect();
    let n_g = count as f64;

    // p_i., which equals p_.j.
    let mut row: BTreeMap<usize, f64> = BTreeMap::new();
    // p_(i-j),k and p_(i+j),k.
    let mut diagonal: BTreeMap<usize, f64> = BTreeMap::new();
    let mut cross: BTreeMap<usize, f64> = BTreeMap::new();
    for (&(i, j), &n) in matrix {
        *row.entry(i).or_default() += n / total;
        *diagonal.entry(i.abs_diff(j)).or_default() += n / total;
        *cross.entry(i + j).or_default() += n / total;
    }
    let expected =
        |f: &dyn Fn(f64, f64) -> f64| p.iter().map(|&(i, j, p)| f(i, j) * p).sum::<f64>();
    let over = |marginal: &BTreeMap<usize, f64>, f: &dyn Fn(f64) -> f64| {
        marginal.iter().map(|(&k, &p)| f(k as f64) * p).sum::<f64>()
    };
    let entropy =
        |marginal: &BTreeMap<usize, f64>| 0.0 - marginal.values().map(|&p| plogp(p)).sum::<f64>();

    let mu = expected(&|i, _| i);
    let diff_avg = over(&diagonal, &|k| k);
    let sum_avg = over(&cross, &|k| k);
    let hxy = 0.0 - p.iter().map(|&(_, _, p)| plogp(p)).sum::<f64>();
    let hx = entropy(&row);
    let mut hxy1 = 0.0;
    for (&(i, j), &n) in matrix {
        hxy1 -= n / total * (row[&i] * row[&j]).log2();
    }
    let mut hxy2 = 0.0;
    for &a in row.values() {
        for &b in row.values() {
            hxy2 -= plogp(a * b);
        }
    }
    // One level only: its deviation and its entropy are 0, which correlation and the first measure
    // of information divide by.
    let one_level = row.len() == 1;
    let correlation = expected(&|i, j| (i - mu) * (j - mu)) / expected(&|i, _| (i - mu).powi(2));
    // The difference is 0 or more; a float may fall short.
    let information = (hxy2 - hxy).max(0.0);
    let information2 = if one_level { 0.0 } else { (1.0 - (-2.0 * information).exp()).sqrt() };
    let defined = |value: f64| some.then_some(value);
    let unless_one_level = |value: f64| (some && !one_level).then_some(value);
    vec![
        ("cm_joint_max", p.iter().map(|&(_, _, p)| p).reduce(f64::max)),
        ("cm_joint_avg", defined(mu)),
        ("cm_joint_var", defined(expected(&|i, _| (i - mu).powi(2)))),
        ("cm_joint_entr", defined(hxy)),
        ("cm_diff_avg", defined(diff_avg)),
        ("cm_diff_var", defined(over(&diagonal, &|k| (k - diff_avg).powi(2)))),
        ("cm_diff_entr", defined(entropy(&diagonal))),
        ("cm_sum_avg", defined(sum_avg)),
        ("cm_sum_var", defined(over(&cross, &|k| (k - sum_avg).powi(2)))),
        ("cm_sum_entr", defined(entropy(&cross))),
        ("cm_energy", defined(p.iter().map(|&(_, _, p)| p * p).sum())),
        ("cm_contrast", defined(expected(&|i, j| (i - j).powi(2)))),
        ("cm_dissimilarity", defined(expected(&|i, j| (i - j).abs()))),
        ("cm_inv_diff", defined(expected(&|i, j| 1.0 / (1.0 + (i - j).abs())))),
        ("cm_inv_diff_norm", defined(expected(&|i, j| 1.0 / (1.0 + (i - j).abs() / n_g)))),
        ("cm_inv_diff_mom", defined(expected(&|i, j| 1.0 / (1.0 + (i - j).powi(2))))),
        (
            "cm_inv_diff_mom_norm",
            defined(expected(&|i, j| 1.0 / (1.0 + (i - j).powi(2) / (n_g * n_g)))),
        ),
        // Over pairs of different levels: the manual's 2 sum_(j > i) for a symmetric matrix.
        ("cm_inv_var", defined(expected(&|i, j| if i == j { 0.0 } else { 1.0 / (i - j).powi(2) }))),
        ("cm_corr", unless_one_level(correlation)),
        ("cm_auto_corr", defined(expected(&|i, j| i * j))),
        ("cm_clust_tend", defined(expected(&|i, j| (i + j - 2.0 * mu).powi(2)))),
        ("cm_clust_shade", defined(expected(&|i, j| (i + j - 2.0 * mu).powi(3)))),
        ("cm_clust_prom", defined(expected(&|i, j| (i + j - 2.0 * mu).powi(4)))),
        ("cm_info_corr1", if some && !one_level { ratio(hxy - hxy1, hx) } else { None }),
        ("cm_info_corr2", defined(information2)),
    ]
}
