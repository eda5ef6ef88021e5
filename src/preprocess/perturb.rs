//! Perturbed copies of a lesion: what another scan and another observer might have given.
//!
//! After Zwanenburg et al. 2019 (doi:10.1038/s41598-018-36938-4), all at once in each copy: image
//! noise (N), rotation in the slice plane and sub-voxel translation (R, T), growth or shrinkage (V)
//! and contour randomisation (C). Rotation and translation move the working grid, so that the image
//! is interpolated once, as without perturbation, and is not blurred twice.
//!
//! Two steps differ from that paper. Noise is estimated from the lesion's surroundings by the median
//! absolute diagonal Haar detail (Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425) rather than
//! from the whole image, most of which is air. The contour is moved along its normal by a smooth
//! random field rather than by supervoxels, so that its randomness has a size in mm that does not
//! depend on the image; growth and shrinkage are the level of the moved contour that holds the wanted
//! volume.

use std::sync::Arc;

use ndarray::{Array3, Axis};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

use super::resample::{cubic_weights, mirror, spline_coefficients};
use super::{Frame, Prepared, ring, wanted_regions};
use crate::error::{Error, Remedy, Result};
use crate::filters;
use crate::geometry::{Geometry, IndexBox, Vec3};
use crate::ingest::{Case, Lesion};
use crate::mask::Mask;
use crate::plan::Plan;
use crate::preprocess::parameters::Spacing;
use crate::preprocess::parameters::{Interpolation, Rounding};
use crate::region::{Region, rows};

/// How far perturbations go. The defaults are those of reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranges {
    /// Rotation, uniform to both sides, degrees.
    pub rotation_degrees: f64,
    /// Change of volume, uniform to both sides, share of the volume.
    pub volume_change: f64,
    /// SD of the contour's displacement along its normal, mm.
    pub contour_mm: f64,
    /// The most that this SD may be of the lesion's equivalent radius: 1 mm on a lesion of 2 mm
    /// radius would make another lesion of it.
    pub contour_share_of_radius: f64,
    /// Noise added, in units of the image's own.
    pub noise: f64,
}

impl Default for Ranges {
    fn default() -> Self {
        Self {
            rotation_degrees: 13.0,
            volume_change: 0.2,
            contour_mm: 1.0,
            contour_share_of_radius: 0.1,
            noise: 1.0,
        }
    }
}

/// Distance of the nodes of the contour's random field, mm: its bumps are about this wide.
const FIELD_NODES_MM: f64 = 5.0;
/// Room around a lesion for a contour that moves out, mm.
const CONTOUR_ROOM_MM: f64 = 4.0;
/// Surroundings from which noise is estimated, mm beyond the lesion's box.
const NOISE_SURROUNDINGS_MM: f64 = 15.0;
/// Fewer blocks of four pixels give no estimate of noise.
const MIN_NOISE_BLOCKS: usize = 64;
/// Air in a CT has no noise where the scanner clips it.
const CLIPPED_BELOW_HU: f32 = -900.0;
/// Voxels on each side that the spline prefilter needs.
const SPLINE_MARGIN: usize = 16;

/// A lesion, and all that its perturbed copies have in common.
#[derive(Debug)]
pub struct Perturber<'a> {
    plan: &'a Plan,
    ranges: Ranges,
    seed: u64,
    lesion_id: &'a str,
    /// The image around the lesion on its own grid.
    image: Array3<f64>,
    source: IndexBox,
    native: Geometry,
    lesion: Array3<f64>,
    others: Vec<Array3<f64>>,
    /// Voxels of the lesion on the image's grid.
    voxels: Vec<Vec3>,
    /// The centre of rotation, voxels of the image.
    centre: Vec3,
    noise_sd: f64,
    /// Working voxels around the lesion that rings, local intensity and filters need.
    margin: [usize; 3],
}

impl<'a> Perturber<'a> {
    /// Prepares a lesion of a case.
    ///
    /// # Errors
    /// The plan has a filter that sees the whole image, which is not perturbed as a whole.
    pub fn new(
        case: &'a Case,
        lesion: &'a Lesion,
        plan: &'a Plan,
        ranges: Ranges,
        seed: u64,
    ) -> Result<Self> {
        let native = case.volume.geometry().clone();
        let mask = &lesion.mask;
        let voxels = set_voxels(mask);
        let centre = native.world_to_voxel(mask.centroid());
        let spacing = plan.resampling.spacing_mm.resolve(native.spacing);
        let margin = margin(plan, spacing)?;
        let room: Vec3 =
            std::array::from_fn(|a| (margin[a] + 2) as f64 * spacing[a] + CONTOUR_ROOM_MM);
        let source = source_box(&native, &voxels, centre, room, plan);
        let others = case
            .lesions
            .iter()
            .filter(|other| other.id != lesion.id)
            .filter(|other| source.intersection(other.mask.bounds()).is_some())
            .map(|other| fraction(&other.mask, &source))
            .collect();
        Ok(Self {
            plan,
            ranges,
            seed,
            lesion_id: &lesion.id,
            image: case.volume.crop(&source).mapv(f64::from),
            lesion: fraction(mask, &source),
            others,
            noise_sd: noise_sd(case, mask).unwrap_or(0.0),
            source,
            native,
            voxels,
            centre,
            margin,
        })
    }

    /// The image's own noise around the lesion, HU; 0 where it cannot be estimated.
    pub fn noise_sd(&self) -> f64 {
        self.noise_sd
    }

    /// Copy number `index` of the lesion, ready for features; `None` where nothing of the lesion is
    /// left. The same seed, lesion id and index give the same copy, whatever else is computed.
    pub fn copy(&self, index: u64) -> Option<Vec<Prepared>> {
        let mut rng = self.rng(index);
        let spacing = self.plan.resampling.spacing_mm.resolve(self.native.spacing);
        let motion = Motion::draw(self, spacing, &mut rng);
        let (grid, bounds) = motion.grid(self, self.margin);
        let sampler = motion.sampler(&bounds);

        let intensities = self.intensities(&sampler, &mut rng);
        let resampling = &self.plan.resampling;
        let masks = sampler.lines(&self.native, resampling.mask_interpolation);
        let inside = |fractions: &Array3<f64>| {
            let mut fractions = fractions.clone();
            prefilter(&mut fractions, resampling.mask_interpolation);
            masks.sample(&fractions, &self.source).mapv(|f| f >= resampling.mask_threshold - 1e-9)
        };
        let within = sampler.within(&self.native);
        let mut tumour = inside(&self.lesion);
        tumour.zip_mut_with(&within, |t, &w| *t &= w);
        let tumour = self.move_contour(&tumour, &within, spacing, &mut rng)?;

        let whole = IndexBox::whole(grid.size);
        let wanted = super::wanted_filters(self.plan);
        let responses = match wanted.is_empty() {
            true => Vec::new(),
            false => super::respond(&wanted, &intensities, spacing, &whole, self.plan),
        };
        let frame = Frame {
            grid: &grid,
            bounds: whole,
            intensities: Arc::new(intensities),
            responses: Arc::new(responses),
            plan: self.plan,
        };
        let regions =
            wanted_regions(self.plan).map(|region| match (region, self.plan.regions.ring) {
                (Region::Ring, Some(ring)) => {
                    let mut shell = ring::shell(&tumour, spacing, ring.inner_mm, ring.outer_mm);
                    shell.zip_mut_with(&within, |s, &w| *s &= w);
                    for other in &self.others {
                        shell.zip_mut_with(&inside(other), |s, &taken| *s &= !taken);
                    }
                    frame.region(region, shell, ring.range_hu)
                }
                _ => frame.region(region, tumour.clone(), None),
            });
        Some(regions.collect())
    }

    fn rng(&self, index: u64) -> ChaCha8Rng {
        let digest = Sha256::digest(format!("{}/{}/{index}", self.seed, self.lesion_id));
        let mut key = [0u8; 32];
        key.copy_from_slice(&digest);
        ChaCha8Rng::from_seed(key)
    }

    fn intensities(&self, sampler: &Sampler, rng: &mut ChaCha8Rng) -> Array3<f32> {
        let interpolation = self.plan.resampling.interpolation;
        let mut image = self.image.clone();
        let sd = self.noise_sd * self.ranges.noise;
        if sd > 0.0 {
            for value in &mut image {
                let normal: f64 = StandardNormal.sample(rng);
                *value += sd * normal;
            }
        }
        prefilter(&mut image, interpolation);
        let values = sampler.lines(&self.native, interpolation).sample(&image, &self.source);
        match self.plan.resampling.rounding {
            Rounding::NearestInteger => values.mapv(|v| (v as f32).round()),
            Rounding::None => values.mapv(|v| v as f32),
        }
    }

    /// The voxels nearest to the lesion after its contour was moved, as many as the changed volume
    /// holds.
    fn move_contour(
        &self,
        tumour: &Array3<bool>,
        within: &Array3<bool>,
        spacing: Vec3,
        rng: &mut ChaCha8Rng,
    ) -> Option<Array3<bool>> {
        let change = symmetric(rng, self.ranges.volume_change);
        let tight = rows::tight_box(tumour)?;
        let (nz, ny, nx) = tumour.dim();
        let room = spacing.map(|s| (CONTOUR_ROOM_MM / s).ceil() as usize);
        let bounds = tight.grown(room, [nx, ny, nz]);
        let slice = ndarray::s![
            bounds.min[2]..bounds.max[2],
            bounds.min[1]..bounds.max[1],
            bounds.min[0]..bounds.max[0]
        ];
        let near = tumour.slice(slice).to_owned();
        let count = near.iter().filter(|&&v| v).count();
        let volume = count as f64 * spacing.iter().product::<f64>();
        let radius = (volume * 3.0 / (4.0 * std::f64::consts::PI)).cbrt();
        let sd = self.ranges.contour_mm.min(self.ranges.contour_share_of_radius * radius);

        let outside = ring::squared_distance(&near, spacing);
        let depth = ring::squared_distance(&near.mapv(|v| !v), spacing);
        let field = random_field(near.dim(), spacing, rng);
        let mut height = ndarray::Zip::from(&outside)
            .and(&depth)
            .and(&field)
            .map_collect(|out, deep, bump| out.sqrt() - deep.sqrt() + sd * bump);
        height.zip_mut_with(&within.slice(slice), |h, &w| {
            if !w {
                *h = f64::INFINITY;
            }
        });
        let wanted = ((1.0 + change) * count as f64).round().max(1.0) as usize;
        let mut sorted: Vec<f64> = height.iter().copied().filter(|h| h.is_finite()).collect();
        let last = wanted.min(sorted.len()).checked_sub(1)?;
        let (_, &mut level, _) = sorted.select_nth_unstable_by(last, f64::total_cmp);
        let mut moved = Array3::from_elem(tumour.dim(), false);
        moved.slice_mut(slice).zip_mut_with(&height, |m, &h| *m = h <= level);
        Some(moved)
    }
}

/// How far, in working voxels, a copy must reach beyond its lesion.
fn margin(plan: &Plan, spacing: Vec3) -> Result<[usize; 3]> {
    let mut reach = [0; 3];
    for filter in super::wanted_filters(plan) {
        match filters::support(&filter, spacing) {
            Ok(Some(own)) => reach = std::array::from_fn(|a| own[a].max(reach[a])),
            Ok(None) => {
                return Err(Error::bad_request(format!(
                    "filter {} sees the whole image, and perturbed copies hold the surroundings of \
                     a lesion only",
                    filter.maps().join(", ")
                ))
                .with_remedy(Remedy::WithoutPerturbations));
            }
            // Its maps are missing with and without perturbation.
            Err(_) => {}
        }
    }
    let region = super::margin(plan, spacing);
    Ok(std::array::from_fn(|a| region[a] + reach[a]))
}

fn symmetric(rng: &mut ChaCha8Rng, half: f64) -> f64 {
    half * (2.0 * rng.r#gen::<f64>() - 1.0)
}

fn set_voxels(mask: &Mask) -> Vec<Vec3> {
    let min = mask.bounds().min;
    mask.inside()
        .indexed_iter()
        .filter(|&(_, &inside)| inside)
        .map(|((z, y, x), _)| [x + min[0], y + min[1], z + min[2]].map(|i| i as f64))
        .collect()
}

/// The image's voxels that any rotation of the grid can reach.
fn source_box(
    native: &Geometry,
    voxels: &[Vec3],
    centre: Vec3,
    room: Vec3,
    plan: &Plan,
) -> IndexBox {
    let mm = |v: &Vec3, a: usize| (v[a] - centre[a]) * native.spacing[a];
    let plane = voxels.iter().map(|v| mm(v, 0).hypot(mm(v, 1))).fold(0.0, f64::max);
    let height = voxels.iter().map(|v| mm(v, 2).abs()).fold(0.0, f64::max);
    // The corner of the grid's box is sqrt(2) farther than its sides.
    let reach_plane = 2f64.sqrt() * (plane + room[0].max(room[1]));
    let reach = [reach_plane, reach_plane, height + room[2]];
    let spline = plan.resampling.interpolation == Interpolation::TricubicSpline;
    let extra = if spline { SPLINE_MARGIN as f64 } else { 2.0 };
    let n = native.size;
    let low = |a: usize| centre[a] - reach[a] / native.spacing[a] - extra;
    let high = |a: usize| centre[a] + reach[a] / native.spacing[a] + extra + 1.0;
    IndexBox {
        min: std::array::from_fn(|a| low(a).floor().clamp(0.0, n[a] as f64 - 1.0) as usize),
        max: std::array::from_fn(|a| high(a).ceil().clamp(1.0, n[a] as f64) as usize),
    }
}

/// 1 inside a mask, 0 outside, within a box of its grid.
fn fraction(mask: &Mask, bounds: &IndexBox) -> Array3<f64> {
    super::spread(mask, bounds).mapv(|inside| f64::from(u8::from(inside)))
}

fn prefilter(values: &mut Array3<f64>, interpolation: Interpolation) {
    if interpolation == Interpolation::TricubicSpline {
        for axis in 0..3 {
            spline_coefficients(values, axis);
        }
    }
}

/// Noise of the image around a lesion: median absolute diagonal Haar detail of blocks of 2 x 2 pixels
/// within a slice, divided by 0.6745. `None` where too few blocks lie above clipped air.
pub fn noise_sd(case: &Case, mask: &Mask) -> Option<f64> {
    let geometry = case.volume.geometry();
    let grow = |a: usize| (NOISE_SURROUNDINGS_MM / geometry.spacing[a]).ceil() as usize;
    let bounds = mask.bounds().grown([grow(0), grow(1), 0], geometry.size);
    let values = case.volume.crop(&bounds);
    let mut details = Vec::new();
    for slice in values.outer_iter() {
        for block in slice.exact_chunks((2, 2)) {
            if block.iter().all(|&v| v > CLIPPED_BELOW_HU) {
                let [a, b, c, d] = [block[[0, 0]], block[[0, 1]], block[[1, 0]], block[[1, 1]]];
                details.push(0.5 * f64::from(a - b - c + d).abs());
            }
        }
    }
    if details.len() < MIN_NOISE_BLOCKS {
        return None;
    }
    let middle = details.len() / 2;
    let (_, &mut median, _) = details.select_nth_unstable_by(middle, f64::total_cmp);
    Some(median / 0.674_489_750_196_081_7)
}

/// How the working grid of one copy lies over the image: turned about the lesion's centre in the
/// slice plane, and shifted by a part of a voxel.
struct Motion {
    centre: Vec3,
    native_spacing: Vec3,
    spacing: Vec3,
    shift: Vec3,
    cosine: f64,
    sine: f64,
}

impl Motion {
    fn draw(of: &Perturber<'_>, spacing: Vec3, rng: &mut ChaCha8Rng) -> Self {
        let shift: Vec3 = std::array::from_fn(|_| rng.r#gen::<f64>());
        let angle = symmetric(rng, of.ranges.rotation_degrees).to_radians();
        // Where slices are kept apart, they stay where they are.
        let along_z = matches!(of.plan.resampling.spacing_mm, Spacing::Volume(_));
        let centre_slice = of.centre[2].round();
        Self {
            centre: if along_z { of.centre } else { [of.centre[0], of.centre[1], centre_slice] },
            native_spacing: of.native.spacing,
            spacing,
            shift: if along_z { shift } else { [shift[0], shift[1], 0.0] },
            cosine: angle.cos(),
            sine: angle.sin(),
        }
    }

    /// Working coordinates, in voxels from the centre, of an image voxel.
    fn to_working(&self, voxel: Vec3) -> Vec3 {
        let mm: Vec3 =
            std::array::from_fn(|a| (voxel[a] - self.centre[a]) * self.native_spacing[a]);
        let turned = [
            self.cosine * mm[0] + self.sine * mm[1],
            -self.sine * mm[0] + self.cosine * mm[1],
            mm[2],
        ];
        std::array::from_fn(|a| turned[a] / self.spacing[a] - self.shift[a])
    }

    /// The working grid just large enough for the lesion and its surroundings, and where it starts.
    fn grid(&self, of: &Perturber<'_>, margin: [usize; 3]) -> (Geometry, Box3) {
        let mut low = [f64::INFINITY; 3];
        let mut high = [f64::NEG_INFINITY; 3];
        for &voxel in &of.voxels {
            let at = self.to_working(voxel);
            for a in 0..3 {
                low[a] = low[a].min(at[a]);
                high[a] = high[a].max(at[a]);
            }
        }
        let room: [i64; 3] = std::array::from_fn(|a| {
            margin[a] as i64 + (CONTOUR_ROOM_MM / self.spacing[a]).ceil() as i64 + 1
        });
        let min: [i64; 3] = std::array::from_fn(|a| low[a].floor() as i64 - room[a]);
        let max: [i64; 3] = std::array::from_fn(|a| high[a].ceil() as i64 + room[a] + 1);
        let size = std::array::from_fn(|a| (max[a] - min[a]) as usize);
        (Geometry::axis_aligned(size, self.spacing), Box3 { min, size })
    }

    fn sampler(&self, bounds: &Box3) -> Sampler {
        let [nx, ny, nz] = bounds.size;
        let mm = |axis: usize, i: usize| {
            ((bounds.min[axis] + i as i64) as f64 + self.shift[axis]) * self.spacing[axis]
        };
        let mut plane = Vec::with_capacity(nx * ny);
        for y in 0..ny {
            for x in 0..nx {
                let (u, v) = (mm(0, x), mm(1, y));
                plane.push([
                    self.centre[0] + (self.cosine * u - self.sine * v) / self.native_spacing[0],
                    self.centre[1] + (self.sine * u + self.cosine * v) / self.native_spacing[1],
                ]);
            }
        }
        let slices = (0..nz).map(|z| self.centre[2] + mm(2, z) / self.native_spacing[2]).collect();
        Sampler { size: bounds.size, plane, slices }
    }
}

/// A box of working voxels around the centre.
struct Box3 {
    min: [i64; 3],
    size: [usize; 3],
}

/// Where the working voxels lie in the image, in its voxels.
struct Sampler {
    size: [usize; 3],
    /// x and y of each column, x fastest.
    plane: Vec<[f64; 2]>,
    slices: Vec<f64>,
}

/// Up to four source indices along one axis and their weights.
#[derive(Clone, Copy)]
struct Tap {
    index: [usize; 4],
    weight: [f64; 4],
}

/// A sampler with the weights of an interpolation.
struct Lines {
    size: [usize; 3],
    width: usize,
    plane: Vec<[Tap; 2]>,
    slices: Vec<Tap>,
}

impl Sampler {
    fn lines(&self, native: &Geometry, interpolation: Interpolation) -> Lines {
        let tap = |axis: usize, position: f64| tap(position, native.size[axis], interpolation);
        Lines {
            size: self.size,
            width: match interpolation {
                Interpolation::Nearest => 1,
                Interpolation::Trilinear => 2,
                Interpolation::TricubicSpline => 4,
            },
            plane: self.plane.iter().map(|&[x, y]| [tap(0, x), tap(1, y)]).collect(),
            slices: self.slices.iter().map(|&z| tap(2, z)).collect(),
        }
    }

    /// Working voxels whose centre lies in the image.
    fn within(&self, native: &Geometry) -> Array3<bool> {
        let inside = |axis: usize, at: f64| at >= -0.5 && at <= native.size[axis] as f64 - 0.5;
        let plane: Vec<bool> =
            self.plane.iter().map(|&[x, y]| inside(0, x) && inside(1, y)).collect();
        let [nx, ny, nz] = self.size;
        Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
            plane[y * nx + x] && inside(2, self.slices[z])
        })
    }
}

/// The image is continued beyond its border by its outermost voxels.
fn tap(position: f64, n: usize, interpolation: Interpolation) -> Tap {
    let inside = position.clamp(0.0, (n - 1) as f64);
    let base = inside.floor().min((n as f64 - 2.0).max(0.0));
    let f = inside - base;
    let base = base as usize;
    match interpolation {
        Interpolation::Nearest => {
            Tap { index: [(inside + 0.5).floor() as usize, 0, 0, 0], weight: [1.0, 0.0, 0.0, 0.0] }
        }
        Interpolation::Trilinear => {
            Tap { index: [base, (base + 1).min(n - 1), 0, 0], weight: [1.0 - f, f, 0.0, 0.0] }
        }
        Interpolation::TricubicSpline => {
            let at = |offset: isize| mirror(base as isize + offset, n as isize);
            Tap { index: [at(-1), at(0), at(1), at(2)], weight: cubic_weights(f) }
        }
    }
}

impl Lines {
    /// Values of `source` (a box of the image) at every working voxel, shape (z, y, x).
    fn sample(&self, source: &Array3<f64>, bounds: &IndexBox) -> Array3<f64> {
        let [nx, ny, nz] = self.size;
        let (sz, sy, sx) = source.dim();
        let values = source.as_slice().expect("standard layout");
        // Taps outside the box belong to voxels far from the lesion: the box's edge stands for them.
        let local = |axis: usize, i: usize, n: usize| i.saturating_sub(bounds.min[axis]).min(n - 1);
        // In the plane first: working slices share the image's slices.
        let used: Vec<usize> = {
            let of = |tap: &Tap| tap.index[..self.width].iter().map(|&i| local(2, i, sz)).collect();
            let mut all: Vec<usize> =
                self.slices.iter().flat_map(|t| -> Vec<usize> { of(t) }).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let columns: Vec<([usize; 16], [f64; 16])> = self
            .plane
            .iter()
            .map(|[tx, ty]| {
                let (mut index, mut weight) = ([0; 16], [0.0; 16]);
                for j in 0..self.width {
                    for i in 0..self.width {
                        index[j * self.width + i] =
                            local(1, ty.index[j], sy) * sx + local(0, tx.index[i], sx);
                        weight[j * self.width + i] = ty.weight[j] * tx.weight[i];
                    }
                }
                (index, weight)
            })
            .collect();
        let taps = self.width * self.width;
        let mut planes = Array3::<f64>::zeros((used.len(), ny, nx));
        for (&z, mut plane) in used.iter().zip(planes.outer_iter_mut()) {
            let slice = &values[z * sy * sx..(z + 1) * sy * sx];
            for (out, (index, weight)) in plane.iter_mut().zip(&columns) {
                *out = index[..taps].iter().zip(weight).map(|(&i, w)| w * slice[i]).sum();
            }
        }
        let mut out = Array3::zeros((nz, ny, nx));
        for (tap, mut slice) in self.slices.iter().zip(out.outer_iter_mut()) {
            for t in 0..self.width {
                if tap.weight[t] != 0.0 {
                    let at = used.binary_search(&local(2, tap.index[t], sz)).expect("collected");
                    slice.scaled_add(tap.weight[t], &planes.index_axis(Axis(0), at));
                }
            }
        }
        out
    }
}

/// A smooth random field of mean 0 and SD 1: normal values at nodes [`FIELD_NODES_MM`] apart, linear
/// between them, divided by the SD that the interpolation leaves.
fn random_field(shape: (usize, usize, usize), spacing: Vec3, rng: &mut ChaCha8Rng) -> Array3<f64> {
    let n = [shape.2, shape.1, shape.0];
    let nodes: [usize; 3] =
        std::array::from_fn(|a| (n[a] as f64 * spacing[a] / FIELD_NODES_MM).ceil() as usize + 2);
    let lattice = Array3::from_shape_simple_fn((nodes[2], nodes[1], nodes[0]), || {
        let normal: f64 = StandardNormal.sample(rng);
        normal
    });
    // A lattice at a random place has no preferred points in the lesion.
    let start: Vec3 = std::array::from_fn(|_| rng.r#gen::<f64>());
    let lines: [Vec<(usize, f64)>; 3] = std::array::from_fn(|a| {
        (0..n[a])
            .map(|i| {
                let at = start[a] + i as f64 * spacing[a] / FIELD_NODES_MM;
                (at.floor() as usize, at - at.floor())
            })
            .collect()
    });
    let left = |f: f64| (1.0 - f) * (1.0 - f) + f * f;
    Array3::from_shape_fn(shape, |(z, y, x)| {
        let [(i, fx), (j, fy), (k, fz)] = [lines[0][x], lines[1][y], lines[2][z]];
        let line =
            |k: usize, j: usize| (1.0 - fx) * lattice[[k, j, i]] + fx * lattice[[k, j, i + 1]];
        let plane = |k: usize| (1.0 - fy) * line(k, j) + fy * line(k, j + 1);
        let value = (1.0 - fz) * plane(k) + fz * plane(k + 1);
        value / (left(fx) * left(fy) * left(fz)).sqrt()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::volume::{Volume, Voxels};

    /// A ball of 10 mm radius on an anisotropic grid; intensity 100 x + 10 y + z in mm plus noise.
    fn ball(noise: f64) -> Case {
        let geometry = Geometry::axis_aligned([50, 48, 30], [0.9, 1.0, 2.0]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let centre = [22.0, 23.0, 29.0];
        let mut voxels = Vec::new();
        let mut inside = Array3::from_elem((30, 48, 50), false);
        for z in 0..30 {
            for y in 0..48 {
                for x in 0..50 {
                    let mm = geometry.voxel_to_world([x, y, z].map(|i| i as f64));
                    let d: f64 = (0..3).map(|a| (mm[a] - centre[a]).powi(2)).sum();
                    inside[[z, y, x]] = d <= 100.0;
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    let value = 0.5 * mm[0] + 2.0 * mm[1] - mm[2] + noise * normal;
                    voxels.push(value as f32);
                }
            }
        }
        let mask = Mask::new(geometry.clone(), IndexBox::whole(geometry.size), inside)
            .expect("a ball has voxels");
        Case {
            patient: "p".into(),
            volume: Volume::new(geometry, Voxels::F32(voxels)),
            lesions: vec![Lesion { id: "1".into(), name: None, site: None, mask }],
            kvp: None,
            inputs: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn plan(interpolation: &str) -> Plan {
        let settings = format!(
            "[resampling]\nspacing_mm = [1.0, 1.0, 1.0]\nrounding = \"none\"\ninterpolation = \
             \"{interpolation}\"\n[regions.ring]\ninner_mm = 0.0\nouter_mm = 3.0"
        );
        Plan::resolve(&Settings::parse(&settings).expect("valid")).expect("resolves")
    }

    fn still() -> Ranges {
        Ranges {
            rotation_degrees: 0.0,
            volume_change: 0.0,
            contour_mm: 0.0,
            contour_share_of_radius: 0.1,
            noise: 0.0,
        }
    }

    fn mean(prepared: &Prepared) -> f64 {
        let values = prepared.roi.as_ref().expect("a region").values();
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
    }

    fn count(prepared: &Prepared) -> f64 {
        prepared.roi.as_ref().expect("a region").morphological_count() as f64
    }

    /// Oracle: a linear image stays linear under any interpolation, with its slope turned by the
    /// grid's rotation in the plane, and as it was along z. The mask's edge is known to half a voxel.
    #[test]
    fn shifted_and_turned_grids_sample_the_same_image() {
        let case = ball(0.0);
        for interpolation in ["trilinear", "tricubic_spline"] {
            let plan = plan(interpolation);
            let ranges = Ranges { rotation_degrees: 13.0, ..still() };
            let perturber =
                Perturber::new(&case, &case.lesions[0], &plan, ranges, 5).expect("no filters");
            let [x, y, z] = case.lesions[0].mask.centroid();
            let expected = 0.5 * x + 2.0 * y - z;
            for index in 0..10 {
                let copy = perturber.copy(index).expect("a copy");
                assert!((mean(&copy[0]) - expected).abs() < 0.5 * 2.3, "{}", mean(&copy[0]));
                let values = &copy[0].roi.as_ref().expect("a region").intensities;
                let (z, y, x) = (values.dim().0 / 2, values.dim().1 / 2, values.dim().2 / 2);
                let at = |z: usize, y: usize, x: usize| f64::from(values[[z, y, x]]);
                let slope = [
                    at(z, y, x + 5) - at(z, y, x - 5),
                    at(z, y + 5, x) - at(z, y - 5, x),
                    at(z + 5, y, x) - at(z - 5, y, x),
                ]
                .map(|d| 0.1 * d);
                assert!((slope[0].hypot(slope[1]) - 0.5f64.hypot(2.0)).abs() < 1e-3, "{slope:?}");
                assert!((slope[2] + 1.0).abs() < 1e-3, "{slope:?}");
                let ball = 4.0 / 3.0 * std::f64::consts::PI * 1000.0;
                assert!((count(&copy[0]) / ball - 1.0).abs() < 0.03, "{}", count(&copy[0]));
                // Shell of 3 mm; its voxels lie 0.5 mm farther out than the continuous one's.
                let shell = 4.0 / 3.0 * std::f64::consts::PI * (13.5f64.powi(3) - 10.5f64.powi(3));
                assert!(
                    (count(&copy[1]) / shell - 1.0).abs() < 0.12,
                    "{}",
                    count(&copy[1]) / shell
                );
            }
        }
    }

    /// Volumes are spread evenly over the range asked for, whatever the contour's bumps.
    #[test]
    fn volumes_change_within_their_range() {
        let case = ball(0.0);
        let plan = plan("trilinear");
        let ranges = Ranges { volume_change: 0.2, contour_mm: 1.0, ..still() };
        let perturber =
            Perturber::new(&case, &case.lesions[0], &plan, ranges, 6).expect("no filters");
        let ball = 4.0 / 3.0 * std::f64::consts::PI * 1000.0;
        let shares: Vec<f64> =
            (0..60).map(|i| count(&perturber.copy(i).expect("a copy")[0]) / ball).collect();
        assert!(shares.iter().all(|s| (0.77..1.23).contains(s)), "{shares:?}");
        let mean = shares.iter().sum::<f64>() / 60.0;
        // SD of the mean of 60 uniform values on ±0.2 is 0.015.
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
        assert!(shares.iter().any(|s| *s < 0.88) && shares.iter().any(|s| *s > 1.12));
    }

    /// The SD that was put in comes out, although the image has a slope.
    #[test]
    fn the_noise_estimate_finds_the_noise_that_was_put_in() {
        let case = ball(12.0);
        let sd = noise_sd(&case, &case.lesions[0].mask).expect("an estimate");
        assert!((sd / 12.0 - 1.0).abs() < 0.08, "{sd}");
    }

    #[test]
    fn a_copy_depends_on_seed_lesion_and_index_only() {
        let case = ball(5.0);
        let plan = plan("trilinear");
        let perturber = |seed| {
            Perturber::new(&case, &case.lesions[0], &plan, Ranges::default(), seed)
                .expect("no filters")
        };
        let values = |seed, index| {
            let copy = perturber(seed).copy(index).expect("a copy");
            copy[0].roi.as_ref().expect("a region").values()
        };
        assert_eq!(values(1, 3), values(1, 3));
        assert_ne!(values(1, 3), values(1, 4));
        assert_ne!(values(1, 3), values(2, 3));
    }

    /// Oracle: mean 0 and SD 1 by construction, over many fields.
    #[test]
    fn the_contours_field_has_unit_variance_everywhere() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (mut sum, mut squares, mut n) = (0.0, 0.0, 0.0);
        for _ in 0..3000 {
            let field = random_field((9, 8, 7), [1.0, 1.0, 2.0], &mut rng);
            for at in [[0, 0, 0], [4, 4, 3], [8, 7, 6]] {
                sum += field[at];
                squares += field[at] * field[at];
                n += 1.0;
            }
        }
        // Standard errors: 0.011 for the mean, 0.015 for the variance.
        assert!((sum / n).abs() < 0.045 && (squares / n - 1.0f64).abs() < 0.06);
    }
}
