//! Section 3.1 (HCUG): the shape of the region. The minimum volume enclosing ellipsoid is left out:
//! the manual approximates it up to a tolerance and gives no value.

use std::f64::consts::PI;

use super::hull::hull;
use super::mesh::{Mesh, mesh};
use super::{Features, Prepared, Settings, Voxel, inside, mean, offset, ratio};

/// Features that take the mesh's volume or area, for which tables of marching cubes differ: compare
/// them by `ranges`.
pub const OF_MESH: [&str; 19] = [
    "morph_volume",
    "morph_area_mesh",
    "morph_av",
    "morph_comp_1",
    "morph_comp_2",
    "morph_sph_dispr",
    "morph_sphericity",
    "morph_asphericity",
    "morph_vol_dens_aabb",
    "morph_area_dens_aabb",
    "morph_vol_dens_ombb",
    "morph_area_dens_ombb",
    "morph_vol_dens_aee",
    "morph_area_dens_aee",
    "morph_vol_dens_mvee",
    "morph_area_dens_mvee",
    "morph_vol_dens_conv_hull",
    "morph_area_dens_conv_hull",
    "morph_integ_int",
];

/// The mesh of the morphological mask.
pub fn mesh_of(prepared: &Prepared) -> Mesh {
    mesh(prepared.image.size, prepared.image.spacing, &prepared.shape)
}

fn position(voxel: Voxel, spacing: [f64; 3]) -> [f64; 3] {
    [0, 1, 2].map(|axis| voxel[axis] as f64 * spacing[axis])
}

pub fn features(prepared: &Prepared, settings: &Settings) -> Features {
    let mesh = mesh_of(prepared);
    of_mesh(prepared, settings, &mesh, mesh.volume, mesh.area)
}

/// The least and the most of each feature that takes the mesh's volume or area. All of them rise or
/// fall with either, so the extremes of both tell them.
pub fn ranges(prepared: &Prepared, settings: &Settings) -> Vec<(&'static str, f64, f64)> {
    let mesh = mesh_of(prepared);
    let settings = Settings { autocorrelation: false, ..settings.clone() };
    let mut ranges: Vec<(&'static str, f64, f64)> = Vec::new();
    for volume in [mesh.volumes.0, mesh.volumes.1] {
        for area in [mesh.areas.0, mesh.areas.1] {
            for (name, value) in of_mesh(prepared, &settings, &mesh, volume, area) {
                let Some(value) = value.filter(|_| OF_MESH.contains(&name)) else {
                    continue;
                };
                match ranges.iter_mut().find(|range| range.0 == name) {
                    Some(range) => *range = (name, range.1.min(value), range.2.max(value)),
                    None => ranges.push((name, value, value)),
                }
            }
        }
    }
    ranges
}

/// The features, should the mesh have this volume and this area.
pub fn of_mesh(
    prepared: &Prepared,
    settings: &Settings,
    mesh: &Mesh,
    volume: f64,
    area: f64,
) -> Features {
    let spacing = prepared.image.spacing;
    let region = inside(prepared.image.size, &prepared.shape);
    let some = !region.is_empty();
    let v = some.then_some(volume);
    let a = some.then_some(area);
    let over = |above: Option<f64>, below: Option<f64>| ratio(above?, below?);
    let both = |f: fn(f64, f64) -> f64| Some(f(v?, a?));

    let hull = hull(&mesh.vertices);
    let hull_volume = hull.as_ref().map(|hull| hull.volume(spacing));
    let hull_area = hull.as_ref().map(|hull| hull.area(spacing));
    // PBX1, R59B: the box of the vertices.
    let sides = some.then(|| {
        [0, 1, 2].map(|axis| {
            let along = mesh.vertices.iter().map(|vertex| vertex[axis]);
            let extent = along.clone().max().unwrap_or(0) - along.min().unwrap_or(0);
            extent as f64 * spacing[axis] / 2.0
        })
    });
    let box_volume = sides.map(|[a, b, c]| a * b * c);
    let box_area = sides.map(|[a, b, c]| 2.0 * (a * b + b * c + c * a));

    // TDIC: semi-axes of twice the roots of the eigenvalues.
    let lambda = eigenvalues(&region, spacing);
    let semi = lambda.map(|lambda| lambda.map(|l| 2.0 * l.sqrt()));
    let axis = |index: usize| semi.map(|semi| 2.0 * semi[index]);
    let ellipsoid_volume = semi.map(|[a, b, c]| 4.0 * PI * a * b * c / 3.0);
    let ellipsoid = semi.map(ellipsoid_area);

    let intensities = prepared.intensities();
    let (moran, geary) =
        if settings.autocorrelation { autocorrelation(prepared) } else { (None, None) };
    let mut features = vec![
        ("morph_volume", v),
        ("morph_vol_approx", some.then(|| region.len() as f64 * spacing.iter().product::<f64>())),
        ("morph_area_mesh", a),
        ("morph_av", over(a, v)),
        ("morph_comp_1", both(|v, a| v / (PI.sqrt() * a.powf(1.5)))),
        ("morph_comp_2", both(|v, a| 36.0 * PI * v * v / a.powi(3))),
        ("morph_sph_dispr", both(|v, a| a / (36.0 * PI * v * v).cbrt())),
        ("morph_sphericity", both(|v, a| (36.0 * PI * v * v).cbrt() / a)),
        ("morph_asphericity", both(|v, a| (a.powi(3) / (36.0 * PI * v * v)).cbrt() - 1.0)),
        ("morph_com", centre_shift(prepared, &region)),
        ("morph_diam", hull.as_ref().map(|hull| hull.diameter(spacing))),
        ("morph_pca_maj_axis", axis(0)),
        ("morph_pca_min_axis", axis(1)),
        ("morph_pca_least_axis", axis(2)),
        ("morph_pca_elongation", over(axis(1), axis(0))),
        ("morph_pca_flatness", over(axis(2), axis(0))),
        ("morph_vol_dens_aabb", over(v, box_volume)),
        ("morph_area_dens_aabb", over(a, box_area)),
        ("morph_vol_dens_aee", over(v, ellipsoid_volume)),
        ("morph_area_dens_aee", over(a, ellipsoid)),
        ("morph_vol_dens_conv_hull", over(v, hull_volume)),
        ("morph_area_dens_conv_hull", over(a, hull_area)),
        // 99N0: the mean of the intensity mask times the volume of the morphological one.
        ("morph_integ_int", mean(&intensities).and_then(|mean| Some(mean * v?))),
    ];
    if settings.autocorrelation {
        features.extend([("morph_moran_i", moran), ("morph_geary_c", geary)]);
    }
    if settings.oriented_box {
        let oriented = hull.as_ref().map(|hull| hull.oriented_box(spacing));
        features.push(("morph_vol_dens_ombb", over(v, oriented.map(|(volume, _)| volume))));
        features.push(("morph_area_dens_ombb", over(a, oriented.map(|(_, area)| area))));
    }
    features
}

/// KLMA. Undefined where the intensities sum to 0.
fn centre_shift(prepared: &Prepared, region: &[Voxel]) -> Option<f64> {
    let (size, spacing) = (prepared.image.size, prepared.image.spacing);
    let mut weight = 0.0;
    let mut weighted = [0.0; 3];
    for voxel in inside(size, &prepared.intensity) {
        let x = prepared.image.values[offset(size, voxel)];
        weight += x;
        for axis in 0..3 {
            weighted[axis] += x * position(voxel, spacing)[axis];
        }
    }
    let mut squared = 0.0;
    for axis in 0..3 {
        let places: Vec<f64> = region.iter().map(|&voxel| position(voxel, spacing)[axis]).collect();
        squared += (mean(&places)? - ratio(weighted[axis], weight)?).powi(2);
    }
    Some(squared.sqrt())
}

/// Eigenvalues of the covariance of the voxel centres, largest first. The manual does not say whether
/// the covariance divides by n or by n - 1. Only n - 1 gives the axes of the digital phantom (9.31 and
/// 8.54; n gives 9.24 and 8.48); a single voxel, then, has none.
fn eigenvalues(region: &[Voxel], spacing: [f64; 3]) -> Option<[f64; 3]> {
    let n = region.len() as i128;
    if n < 2 {
        return None;
    }
    // n sum(xy) - sum(x) sum(y), in voxels: exact.
    let mut sums = [0_i128; 3];
    let mut products = [[0_i128; 3]; 3];
    for &voxel in region {
        let at = voxel.map(|index| index as i128);
        for a in 0..3 {
            sums[a] += at[a];
            for b in 0..3 {
                products[a][b] += at[a] * at[b];
            }
        }
    }
    let mut scatter = [[0_i128; 3]; 3];
    let mut covariance = [[0.0; 3]; 3];
    for a in 0..3 {
        for b in 0..3 {
            scatter[a][b] = n * products[a][b] - sums[a] * sums[b];
            covariance[a][b] =
                scatter[a][b] as f64 / (n * (n - 1)) as f64 * spacing[a] * spacing[b];
        }
    }
    let mut lambda = jacobi(covariance);
    lambda.sort_by(|a, b| b.total_cmp(a));
    // Voxels in a plane, in a line or in a point have eigenvalues of exactly 0.
    for value in &mut lambda[rank(scatter)..] {
        *value = 0.0;
    }
    Some(lambda)
}

/// The rank of a symmetric, positive semi-definite matrix of integers.
fn rank(m: [[i128; 3]; 3]) -> usize {
    let minor = |a: usize, b: usize| m[a][a] * m[b][b] - m[a][b] * m[a][b];
    let product = |a: i128, b: i128, c: i128| a.checked_mul(b).and_then(|ab| ab.checked_mul(c));
    let determinant = || {
        let diagonal = product(m[0][0], m[1][1], m[2][2])?;
        let around = product(2 * m[0][1], m[0][2], m[1][2])?;
        let mut rest = 0;
        for (a, b, c) in [(0, 1, 2), (1, 0, 2), (2, 0, 1)] {
            rest += product(m[a][a], m[b][c], m[b][c])?;
        }
        Some(diagonal + around - rest)
    };
    // A region so large that the determinant does not fit has an extent in every direction.
    if determinant() != Some(0) {
        3
    } else if minor(0, 1) > 0 || minor(0, 2) > 0 || minor(1, 2) > 0 {
        2
    } else {
        usize::from(m[0][0] + m[1][1] + m[2][2] > 0)
    }
}

/// Eigenvalues of a symmetric matrix by rotations that empty the cells off its diagonal in turn.
fn jacobi(mut m: [[f64; 3]; 3]) -> [f64; 3] {
    for _ in 0..50 {
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            if m[p][q] == 0.0 {
                continue;
            }
            let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            let mut turn = [[0.0; 3]; 3];
            for axis in 0..3 {
                turn[axis][axis] = 1.0;
            }
            turn[p][p] = c;
            turn[q][q] = c;
            turn[p][q] = s;
            turn[q][p] = -s;
            let mut turned = [[0.0; 3]; 3];
            for a in 0..3 {
                for b in 0..3 {
                    for k in 0..3 {
                        for l in 0..3 {
                            turned[a][b] += turn[k][a] * m[k][l] * turn[l][b];
                        }
                    }
                }
            }
            turned[p][q] = 0.0;
            turned[q][p] = 0.0;
            m = turned;
        }
    }
    [m[0][0], m[1][1], m[2][2]].map(|value| value.max(0.0))
}

/// RDD2: 4 pi a b sum (alpha beta)^v / (1 - 4 v^2) P_v((alpha^2 + beta^2) / (2 alpha beta)) up to
/// v = 20. The product q_v of the power and the Legendre polynomial has the recurrence of the latter,
/// (v + 1) q_(v+1) = (2 v + 1) x q_v - v y q_(v-1), with x = (alpha^2 + beta^2) / 2 and
/// y = (alpha beta)^2, and no 0 / 0 for a round ellipsoid. A point has no eccentricities.
///
/// The manual's eccentricities are sqrt(1 - b^2 / a^2) and sqrt(1 - c^2 / a^2). The series gives the
/// area of an ellipsoid for sqrt(1 - c^2 / b^2) and sqrt(1 - c^2 / a^2) instead, so that this is not
/// quite an area; the reference values (digital phantom: 1.36, not 1.30) are those of the manual.
pub fn ellipsoid_area([a, b, c]: [f64; 3]) -> f64 {
    if a == 0.0 {
        return 0.0;
    }
    let alpha2 = 1.0 - (b * b) / (a * a);
    let beta2 = 1.0 - (c * c) / (a * a);
    let (x, y) = ((alpha2 + beta2) / 2.0, alpha2 * beta2);
    let (mut before, mut q) = (0.0, 1.0);
    let mut sum = 0.0;
    for v in 0..=20 {
        let v = f64::from(v);
        sum += q / (1.0 - 4.0 * v * v);
        (before, q) = (q, ((2.0 * v + 1.0) * x * q - v * y * before) / (v + 1.0));
    }
    4.0 * PI * a * b * sum
}

/// N365 and NPT7, over all pairs of voxels of the intensity mask, weighted by the inverse of their
/// distance. Undefined for one voxel and for one intensity.
fn autocorrelation(prepared: &Prepared) -> (Option<f64>, Option<f64>) {
    let (size, spacing) = (prepared.image.size, prepared.image.spacing);
    let places: Vec<[f64; 3]> = inside(size, &prepared.intensity)
        .into_iter()
        .map(|voxel| position(voxel, spacing))
        .collect();
    let x = prepared.intensities();
    let n = x.len() as f64;
    let constant = x.iter().all(|value| Some(value) == x.first());
    let Some(mu) = mean(&x).filter(|_| !constant) else {
        return (None, None);
    };
    let (mut weights, mut products, mut differences) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            let (p, q) = (places[i], places[j]);
            let squared = (p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2) + (p[2] - q[2]).powi(2);
            let weight = 1.0 / squared.sqrt();
            // Each pair stands for both of its orders.
            weights += 2.0 * weight;
            products += 2.0 * weight * (x[i] - mu) * (x[j] - mu);
            differences += 2.0 * weight * (x[i] - x[j]).powi(2);
        }
    }
    let spread: f64 = x.iter().map(|x| (x - mu).powi(2)).sum();
    let moran = ratio(n * products, weights * spread);
    let geary = ratio((n - 1.0) * differences, 2.0 * weights * spread);
    (moran, geary)
}
