//! Morphological features (IBSI HCUG): the shape of the region, and how intensities lie in it.

mod autocorrelation;
mod boxes;
mod ellipsoid;
mod hull;
mod mesh;

use std::cell::OnceCell;
use std::f64::consts::PI;

use multiversion::multiversion;
use nalgebra::{Matrix3, SymmetricEigen};

use self::hull::Hull;
use crate::geometry::{Vec3, cross, dot, norm};
use crate::region::Roi;
use crate::rows::tight_box;
use crate::rows::{extent, row, runs};
use crate::value::{Missing, Value, finite, ratio};

/// What the morphological features of a region are computed from; what only some of them need is
/// computed when the first of them asks.
///
/// Lengths are in mm, areas in mm², volumes in mm³. The shape is that of the morphological mask;
/// centre of mass shift, integrated intensity, Moran's I and Geary's C take their intensities from
/// the intensity mask. A single voxel has a mesh, a volume and a diameter, but no principal axes to
/// compare; a line or plane of voxels has an extent of 0 along its missing axes, so that ratios with
/// them are missing.
pub(crate) struct Shape<'a> {
    roi: &'a Roi,
    volume: f64,
    area: f64,
    voxels: f64,
    /// Mean place of the voxels, mm from the first voxel of the box.
    centre: Vec3,
    /// Variances of the voxels' places along the principal axes, largest first, mm².
    variances: Vec3,
    hull: Hull,
    /// The hull's corners in mm.
    vertices: Vec<Vec3>,
    intensities: OnceCell<IntensityMoments>,
    least_box: OnceCell<Option<Vec3>>,
    least_ellipsoid: OnceCell<Option<Vec3>>,
    moran_and_geary: OnceCell<[Value; 2]>,
}

/// Volume and surface of a body that the shape is compared with, mm³ and mm².
#[derive(Clone, Copy)]
pub(super) struct Body {
    volume: f64,
    area: f64,
}

impl Body {
    fn of_box(edges: Vec3) -> Self {
        let [x, y, z] = edges;
        Self { volume: edges.iter().product(), area: 2.0 * (x * y + y * z + z * x) }
    }

    fn of_ellipsoid(semi_axes: Vec3) -> Self {
        Self { volume: ellipsoid::volume(semi_axes), area: ellipsoid::area(semi_axes) }
    }
}

impl<'a> Shape<'a> {
    /// # Errors
    /// The region has no voxel.
    pub(super) fn of(roi: &'a Roi) -> Result<Self, Missing> {
        let bounds = tight_box(&roi.morphological).ok_or(Missing::EmptyRegion)?;
        let span = |a: usize| bounds.min[a]..bounds.max[a];
        let mask = roi.morphological.slice(ndarray::s![span(2), span(1), span(0)]).to_owned();
        let spacing = roi.geometry.spacing;
        let (surface, moments) =
            rayon::join(|| mesh::surface(&mask, spacing), || Moments::of(&mask));
        let hull = hull::hull(&surface.outermost).ok_or(Missing::EmptyRegion)?;
        let vertices = hull.places(spacing);
        let centre = moments.centre();
        Ok(Self {
            roi,
            volume: surface.volume,
            area: surface.area,
            voxels: moments.n as f64,
            centre: std::array::from_fn(|a| (centre[a] + bounds.min[a] as f64) * spacing[a]),
            variances: moments.principal_variances(spacing),
            hull,
            vertices,
            intensities: OnceCell::new(),
            least_box: OnceCell::new(),
            least_ellipsoid: OnceCell::new(),
            moran_and_geary: OnceCell::new(),
        })
    }

    pub(super) fn volume(&self) -> f64 {
        self.volume
    }

    pub(super) fn area(&self) -> f64 {
        self.area
    }

    pub(super) fn voxel_volume(&self) -> Value {
        finite(self.voxels * self.spacing().iter().product::<f64>())
    }

    pub(super) fn compactness_1(&self) -> Value {
        ratio(self.volume, PI.sqrt() * self.area.powf(1.5))
    }

    pub(super) fn compactness_2(&self) -> Value {
        ratio(36.0 * PI * self.volume * self.volume, self.area.powi(3))
    }

    pub(super) fn spherical_disproportion(&self) -> Value {
        ratio(self.area, self.sphere_area())
    }

    pub(super) fn sphericity(&self) -> Value {
        ratio(self.sphere_area(), self.area)
    }

    pub(super) fn asphericity(&self) -> Value {
        self.spherical_disproportion().map(|disproportion| disproportion - 1.0)
    }

    /// Surface of the sphere of the same volume.
    fn sphere_area(&self) -> f64 {
        (36.0 * PI * self.volume * self.volume).cbrt()
    }

    pub(super) fn centre_of_mass_shift(&self) -> Value {
        self.intensities().shift_from(self.centre, self.spacing())
    }

    pub(super) fn integrated_intensity(&self) -> Value {
        self.intensities().mean().and_then(|mean| finite(mean * self.volume))
    }

    pub(super) fn diameter(&self) -> Value {
        finite(diameter(&self.vertices))
    }

    /// Length of a principal axis, 0 for the longest.
    pub(super) fn axis_length(&self, axis: usize) -> Value {
        finite(4.0 * self.variances[axis].sqrt())
    }

    /// Length of a principal axis over that of the longest.
    pub(super) fn relative_axis(&self, axis: usize) -> Value {
        let major = self.variances[0];
        match major > 0.0 {
            true => finite((self.variances[axis] / major).sqrt()),
            false => Err(Missing::TooFewVoxels),
        }
    }

    pub(super) fn volume_density(&self, body: Result<Body, Missing>) -> Value {
        ratio(self.volume, body?.volume)
    }

    pub(super) fn area_density(&self, body: Result<Body, Missing>) -> Value {
        ratio(self.area, body?.area)
    }

    pub(super) fn axis_aligned_box(&self) -> Result<Body, Missing> {
        Ok(Body::of_box(extents(&self.vertices)))
    }

    /// The box of least volume, turned freely.
    pub(super) fn least_box(&self) -> Result<Body, Missing> {
        let find = || boxes::least_box(&self.hull, self.spacing());
        self.least_box.get_or_init(find).map(Body::of_box).ok_or(Missing::TooFewVoxels)
    }

    /// The ellipsoid along the principal axes.
    pub(super) fn approximate_ellipsoid(&self) -> Result<Body, Missing> {
        match self.variances[2] > 0.0 {
            true => Ok(Body::of_ellipsoid(self.variances.map(|v| 2.0 * v.sqrt()))),
            false => Err(Missing::TooFewVoxels),
        }
    }

    /// The enclosing ellipsoid of least volume.
    pub(super) fn least_ellipsoid(&self) -> Result<Body, Missing> {
        let find = || ellipsoid::least_enclosing(&self.vertices);
        self.least_ellipsoid.get_or_init(find).map(Body::of_ellipsoid).ok_or(Missing::TooFewVoxels)
    }

    pub(super) fn convex_hull(&self) -> Result<Body, Missing> {
        let (mut volume, mut area) = (0.0, 0.0);
        for &[a, b, c] in &self.hull.faces {
            let [a, b, c] = [a, b, c].map(|i| self.vertices[i]);
            let to = |p: Vec3| -> Vec3 { std::array::from_fn(|i| p[i] - a[i]) };
            let normal = cross(to(b), to(c));
            volume += dot(a, normal) / 6.0;
            area += 0.5 * norm(normal);
        }
        Ok(Body { volume, area })
    }

    pub(super) fn moran_i(&self) -> Value {
        self.moran_and_geary()[0]
    }

    pub(super) fn geary_c(&self) -> Value {
        self.moran_and_geary()[1]
    }

    fn moran_and_geary(&self) -> [Value; 2] {
        *self.moran_and_geary.get_or_init(|| {
            let Some(bounds) = tight_box(&self.roi.intensity) else {
                return [Err(Missing::EmptyRegion); 2];
            };
            let span = |a: usize| bounds.min[a]..bounds.max[a];
            let part = ndarray::s![span(2), span(1), span(0)];
            autocorrelation::moran_and_geary(
                &self.roi.intensities.slice(part).to_owned(),
                &self.roi.intensity.slice(part).to_owned(),
                self.spacing(),
            )
        })
    }

    fn intensities(&self) -> &IntensityMoments {
        self.intensities.get_or_init(|| IntensityMoments::of(self.roi))
    }

    fn spacing(&self) -> Vec3 {
        self.roi.geometry.spacing
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
