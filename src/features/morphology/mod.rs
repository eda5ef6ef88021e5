//! Morphological features (IBSI HCUG): the shape of the region, and how intensities lie in it.

mod autocorrelation;
mod boxes;
mod ellipsoid;
mod hull;
mod mesh;

use std::f64::consts::PI;

use multiversion::multiversion;
use nalgebra::{Matrix3, SymmetricEigen};

use self::hull::Hull;
use crate::features::FeatureValues;
use crate::geometry::{Vec3, cross, dot, norm};
use crate::region::Roi;
use crate::region::rows::tight_box;
use crate::region::rows::{extent, row, runs};
use crate::value::{Missing, Value, finite, ratio};

/// All morphological features.
pub fn compute(roi: &Roi) -> FeatureValues {
    compute_selected(roi, |_| true)
}

/// The morphological features that are wanted; the others are neither computed nor returned.
///
/// Lengths are in mm, areas in mm², volumes in mm³. The shape is that of the morphological mask;
/// centre of mass shift, integrated intensity, Moran's I and Geary's C take their intensities from
/// the intensity mask. A single voxel has a mesh, a volume and a diameter, but no principal axes to
/// compare; a line or plane of voxels has an extent of 0 along its missing axes, so that ratios with
/// them are missing.
pub fn compute_selected(roi: &Roi, wanted: impl Fn(&str) -> bool) -> FeatureValues {
    let shape = Shape::of(roi);
    let wants = |ids: &[&str]| ids.iter().any(|id| wanted(id));
    let mut values = FeatureValues::new();
    let mut add = |id: &'static str, value: &dyn Fn() -> Value| {
        if wanted(id) {
            values.push((id, value()));
        }
    };
    let Some(shape) = shape else {
        for id in IDS {
            add(id, &|| Err(Missing::EmptyRegion));
        }
        return values;
    };
    let (volume, area) = (shape.volume, shape.area);
    let intensities = if wants(&["morph_com", "morph_integ_int"]) {
        IntensityMoments::of(roi)
    } else {
        IntensityMoments::default()
    };
    // Surface of the sphere of the same volume.
    let sphere = (36.0 * PI * volume * volume).cbrt();
    add("morph_volume", &|| finite(volume));
    add("morph_vol_approx", &|| finite(shape.voxels * shape.voxel_volume));
    add("morph_area_mesh", &|| finite(area));
    add("morph_av", &|| ratio(area, volume));
    add("morph_comp_1", &|| ratio(volume, PI.sqrt() * area.powf(1.5)));
    add("morph_comp_2", &|| ratio(36.0 * PI * volume * volume, area.powi(3)));
    add("morph_sph_dispr", &|| ratio(area, sphere));
    add("morph_sphericity", &|| ratio(sphere, area));
    add("morph_asphericity", &|| ratio(area, sphere).map(|d| d - 1.0));
    add("morph_com", &|| intensities.shift_from(shape.centre, roi.geometry.spacing));
    add("morph_diam", &|| finite(diameter(&shape.vertices)));

    let [major, minor, least] = shape.variances;
    add("morph_pca_maj_axis", &|| finite(4.0 * major.sqrt()));
    add("morph_pca_min_axis", &|| finite(4.0 * minor.sqrt()));
    add("morph_pca_least_axis", &|| finite(4.0 * least.sqrt()));
    let relative = |variance: f64| {
        if major > 0.0 { finite((variance / major).sqrt()) } else { Err(Missing::TooFewVoxels) }
    };
    add("morph_pca_elongation", &|| relative(minor));
    add("morph_pca_flatness", &|| relative(least));

    let box_area = |[x, y, z]: Vec3| 2.0 * (x * y + y * z + z * x);
    let aabb = extents(&shape.vertices);
    add("morph_vol_dens_aabb", &|| ratio(volume, aabb.iter().product()));
    add("morph_area_dens_aabb", &|| ratio(area, box_area(aabb)));
    let ombb = if wants(&["morph_vol_dens_ombb", "morph_area_dens_ombb"]) {
        boxes::least_box(&shape.hull, roi.geometry.spacing)
    } else {
        None
    };
    let ombb = ombb.ok_or(Missing::TooFewVoxels);
    add("morph_vol_dens_ombb", &|| ombb.and_then(|b| ratio(volume, b.iter().product())));
    add("morph_area_dens_ombb", &|| ombb.and_then(|b| ratio(area, box_area(b))));
    let semi_axes = shape.variances.map(|v| 2.0 * v.sqrt());
    let approximate = if least > 0.0 { Ok(semi_axes) } else { Err(Missing::TooFewVoxels) };
    add("morph_vol_dens_aee", &|| approximate.and_then(|e| ratio(volume, ellipsoid::volume(e))));
    add("morph_area_dens_aee", &|| approximate.and_then(|e| ratio(area, ellipsoid::area(e))));
    let mvee = if wants(&["morph_vol_dens_mvee", "morph_area_dens_mvee"]) {
        ellipsoid::least_enclosing(&shape.vertices)
    } else {
        None
    };
    let mvee = mvee.ok_or(Missing::TooFewVoxels);
    add("morph_vol_dens_mvee", &|| mvee.and_then(|e| ratio(volume, ellipsoid::volume(e))));
    add("morph_area_dens_mvee", &|| mvee.and_then(|e| ratio(area, ellipsoid::area(e))));
    let (hull_volume, hull_area) = shape.hull_size();
    add("morph_vol_dens_conv_hull", &|| ratio(volume, hull_volume));
    add("morph_area_dens_conv_hull", &|| ratio(area, hull_area));
    add("morph_integ_int", &|| intensities.mean().and_then(|mean| finite(mean * volume)));

    let [moran, geary] = if wants(&["morph_moran_i", "morph_geary_c"]) {
        let bounds = tight_box(&roi.intensity);
        bounds.map_or([Err(Missing::EmptyRegion); 2], |b| {
            let span = |a: usize| b.min[a]..b.max[a];
            let part = ndarray::s![span(2), span(1), span(0)];
            autocorrelation::moran_and_geary(
                &roi.intensities.slice(part).to_owned(),
                &roi.intensity.slice(part).to_owned(),
                roi.geometry.spacing,
            )
        })
    } else {
        [Err(Missing::EmptyRegion); 2]
    };
    add("morph_moran_i", &|| moran);
    add("morph_geary_c", &|| geary);
    values
}

const IDS: [&str; 29] = [
    "morph_volume",
    "morph_vol_approx",
    "morph_area_mesh",
    "morph_av",
    "morph_comp_1",
    "morph_comp_2",
    "morph_sph_dispr",
    "morph_sphericity",
    "morph_asphericity",
    "morph_com",
    "morph_diam",
    "morph_pca_maj_axis",
    "morph_pca_min_axis",
    "morph_pca_least_axis",
    "morph_pca_elongation",
    "morph_pca_flatness",
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
    "morph_moran_i",
    "morph_geary_c",
];

/// What the features of shape are computed from.
struct Shape {
    volume: f64,
    area: f64,
    voxels: f64,
    voxel_volume: f64,
    /// Mean place of the voxels, mm from the first voxel of the box.
    centre: Vec3,
    /// Variances of the voxels' places along the principal axes, largest first, mm².
    variances: Vec3,
    hull: Hull,
    /// The hull's corners in mm.
    vertices: Vec<Vec3>,
}

impl Shape {
    fn of(roi: &Roi) -> Option<Self> {
        let bounds = tight_box(&roi.morphological)?;
        let span = |a: usize| bounds.min[a]..bounds.max[a];
        let mask = roi.morphological.slice(ndarray::s![span(2), span(1), span(0)]).to_owned();
        let spacing = roi.geometry.spacing;
        let (surface, moments) =
            rayon::join(|| mesh::surface(&mask, spacing), || Moments::of(&mask));
        let hull = hull::hull(&surface.outermost)?;
        let vertices = hull.places(spacing);
        let centre = moments.centre();
        Some(Self {
            volume: surface.volume,
            area: surface.area,
            voxels: moments.n as f64,
            voxel_volume: spacing.iter().product(),
            centre: std::array::from_fn(|a| (centre[a] + bounds.min[a] as f64) * spacing[a]),
            variances: moments.principal_variances(spacing),
            hull,
            vertices,
        })
    }

    fn hull_size(&self) -> (f64, f64) {
        let (mut volume, mut area) = (0.0, 0.0);
        for &[a, b, c] in &self.hull.faces {
            let [a, b, c] = [a, b, c].map(|i| self.vertices[i]);
            let to = |p: Vec3| -> Vec3 { std::array::from_fn(|i| p[i] - a[i]) };
            let normal = cross(to(b), to(c));
            volume += dot(a, normal) / 6.0;
            area += 0.5 * norm(normal);
        }
        (volume, area)
    }
}

/// Sums over the voxels of a mask, in whole numbers.
#[derive(Default)]
struct Moments {
    n: u64,
    first: [u64; 3],
    /// Sums of xx, yy, zz, xy, xz, yz.
    second: [u64; 6],
}

impl Moments {
    fn of(mask: &ndarray::Array3<bool>) -> Self {
        let mut sums = Self::default();
        let ny = mask.dim().1;
        for (index, mask) in mask.rows().into_iter().enumerate() {
            let (mut n, mut sx, mut sxx) = (0u64, 0u64, 0u64);
            // A row is a few runs of voxels, whose sums have closed forms.
            for run in runs(row(&mask)) {
                let (start, end) = (run.start as u64, run.end as u64);
                let below = |m: u64| m * m.saturating_sub(1) / 2;
                let squares_below =
                    |m: u64| m * m.saturating_sub(1) * (2 * m).saturating_sub(1) / 6;
                n += end - start;
                sx += below(end) - below(start);
                sxx += squares_below(end) - squares_below(start);
            }
            let (y, z) = ((index % ny) as u64, (index / ny) as u64);
            sums.n += n;
            for (sum, add) in sums.first.iter_mut().zip([sx, n * y, n * z]) {
                *sum += add;
            }
            let products = [sxx, n * y * y, n * z * z, sx * y, sx * z, n * y * z];
            for (sum, add) in sums.second.iter_mut().zip(products) {
                *sum += add;
            }
        }
        sums
    }

    fn centre(&self) -> Vec3 {
        self.first.map(|s| s as f64 / self.n as f64)
    }

    fn principal_variances(&self, spacing: Vec3) -> Vec3 {
        let n = i128::from(self.n);
        // The reference values divide by n - 1. With that and n taken out, the covariance is a whole
        // number: nothing cancels, and a flat region has exactly no variance across itself.
        let divisor = (n * (n - 1).max(1)) as f64;
        let covariance = |at: usize, a: usize, b: usize| {
            let whole = n * i128::from(self.second[at])
                - i128::from(self.first[a]) * i128::from(self.first[b]);
            whole as f64 / divisor * spacing[a] * spacing[b]
        };
        let [xx, yy, zz] = [covariance(0, 0, 0), covariance(1, 1, 1), covariance(2, 2, 2)];
        let [xy, xz, yz] = [covariance(3, 0, 1), covariance(4, 0, 2), covariance(5, 1, 2)];
        let matrix = Matrix3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz);
        let mut values: [f64; 3] = SymmetricEigen::new(matrix).eigenvalues.into();
        values.sort_by(|a, b| b.total_cmp(a));
        // Rounding leaves a plane that is not along the axes a variance of about 1e-16 of the largest.
        values.map(|v| if v <= 1e-12 * values[0] { 0.0 } else { v })
    }
}

/// Sums over the voxels of the intensity mask.
#[derive(Default)]
struct IntensityMoments {
    n: usize,
    /// Sum of the intensities.
    total: f64,
    /// Sums of the intensities times their x, y and z in voxels.
    first: Vec3,
}

impl IntensityMoments {
    fn of(roi: &Roi) -> Self {
        let mut sums = Self { n: roi.intensity_count(), ..Self::default() };
        let ny = roi.intensity.dim().1;
        let rows = roi.intensity.rows().into_iter().zip(roi.intensities.rows());
        for (index, (mask, values)) in rows.enumerate() {
            let mask = row(&mask);
            let Some(extent) = extent(mask, |&inside| inside) else { continue };
            let (of_row, by_x) = row_sums(&row(&values)[extent.clone()], &mask[extent.clone()]);
            let by_x = by_x + of_row * extent.start as f64;
            let (y, z) = ((index % ny) as f64, (index / ny) as f64);
            sums.total += of_row;
            for (sum, add) in sums.first.iter_mut().zip([by_x, of_row * y, of_row * z]) {
                *sum += add;
            }
        }
        sums
    }

    fn mean(&self) -> Value {
        if self.n == 0 { Err(Missing::EmptyRegion) } else { finite(self.total / self.n as f64) }
    }

    /// Distance in mm from a place to where the intensities have their centre.
    fn shift_from(&self, place: Vec3, spacing: Vec3) -> Value {
        if self.n == 0 {
            return Err(Missing::EmptyRegion);
        }
        if self.total == 0.0 {
            return Err(Missing::ZeroDenominator);
        }
        finite(norm(std::array::from_fn(|a| place[a] - self.first[a] / self.total * spacing[a])))
    }
}

/// Sums of a row's intensities within a mask, as they are and times their place.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn row_sums(values: &[f32], mask: &[bool]) -> (f64, f64) {
    /// As many running sums as keep a processor busy.
    const LANES: usize = 4;
    let (mut totals, mut by_place) = ([0.0; LANES], [0.0; LANES]);
    for (block, (values, mask)) in values.chunks(LANES).zip(mask.chunks(LANES)).enumerate() {
        for (lane, (&value, &inside)) in values.iter().zip(mask).enumerate() {
            let value = if inside { f64::from(value) } else { 0.0 };
            totals[lane] += value;
            by_place[lane] += value * (block * LANES + lane) as f64;
        }
    }
    (totals.iter().sum(), by_place.iter().sum())
}

/// The largest distance between two corners of the hull: none of the mesh's vertices are farther.
fn diameter(vertices: &[Vec3]) -> f64 {
    let n = vertices.len() as f64;
    let middle: Vec3 = std::array::from_fn(|a| vertices.iter().map(|v| v[a]).sum::<f64>() / n);
    let to = |a: &Vec3, b: &Vec3| -> f64 { norm(std::array::from_fn(|k| a[k] - b[k])) };
    // From the outermost inwards: two corners are no farther apart than their distances from the
    // middle together, so that most pairs need not be looked at.
    let mut outermost: Vec<(f64, Vec3)> = vertices.iter().map(|v| (to(v, &middle), *v)).collect();
    outermost.sort_by(|a, b| b.partial_cmp(a).expect("finite"));
    let mut longest = 0.0f64;
    for (i, (radius, a)) in outermost.iter().enumerate() {
        if 2.0 * radius <= longest {
            break;
        }
        for (other, b) in &outermost[i + 1..] {
            if radius + other <= longest {
                break;
            }
            longest = longest.max(to(a, b));
        }
    }
    longest
}

/// Edge lengths of the axis-aligned box around points.
fn extents(vertices: &[Vec3]) -> Vec3 {
    std::array::from_fn(|a| {
        let (low, high) = vertices
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v[a]), h.max(v[a])));
        high - low
    })
}
