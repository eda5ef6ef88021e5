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

mod contour;
mod motion;
mod noise;
mod sampler;

use std::sync::Arc;

use ndarray::Array3;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use sha2::{Digest, Sha256};

use super::resample::spline_coefficients;
use super::{Frame, Preparation, PreparedRegion, ring};
use crate::error::{Error, Remedy, Result};
use crate::filters;
use crate::geometry::{Geometry, IndexBox, Vec3};
use crate::mask::Mask;
use crate::preprocess::parameters::{Interpolation, Resampling, Rounding, Spacing};
use crate::region::Region;
use crate::volume::Volume;

use motion::Motion;
use sampler::Sampler;

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

/// Room around a lesion for a contour that moves out, mm.
const CONTOUR_ROOM_MM: f64 = 4.0;
/// Voxels on each side that the spline prefilter needs.
const SPLINE_MARGIN: usize = 16;

/// The lesion to perturb.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its id within the patient; a lesion's copies depend on it and on the seed.
    pub id: &'a str,
    /// The image, HU for CT.
    pub volume: &'a Volume,
    /// Its voxels, on the image's grid.
    pub lesion: &'a Mask,
    /// The other lesions of the image, whose voxels a ring leaves out.
    pub others: &'a [&'a Mask],
}

/// A lesion, and all that its perturbed copies have in common.
#[derive(Debug)]
pub struct Perturber<'a> {
    preparation: Preparation<'a>,
    ranges: Ranges,
    seed: u64,
    lesion_id: String,
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
    /// Prepares a lesion.
    ///
    /// # Errors
    /// There is a filter that sees the whole image, which is not perturbed as a whole; or copies would
    /// read intensities that are no finite numbers.
    pub fn new(
        subject: &Subject<'_>,
        preparation: Preparation<'a>,
        ranges: Ranges,
        seed: u64,
    ) -> Result<Self> {
        let Subject { id, volume, lesion, others } = *subject;
        let native = volume.geometry().clone();
        let voxels = set_voxels(lesion);
        let centre = native.world_to_voxel(lesion.centroid());
        let spacing = preparation.resampling.spacing_mm.resolve(native.spacing);
        let margin = margin(&preparation, spacing)?;
        let room: Vec3 =
            std::array::from_fn(|a| (margin[a] + 2) as f64 * spacing[a] + CONTOUR_ROOM_MM);
        let source =
            source_box(&native, &voxels, centre, room, preparation.resampling.interpolation);
        let image = volume.crop(&source).mapv(f64::from);
        if let Some(flaw) = volume.flaw().filter(|_| image.iter().any(|v| !v.is_finite())) {
            return Err(Error::bad_data(&flaw.path, flaw.problem.as_str())
                .with_remedy(Remedy::WithoutPerturbations));
        }
        let others = others
            .iter()
            .filter(|other| source.intersection(other.bounds()).is_some())
            .map(|other| fraction(other, &source))
            .collect();
        Ok(Self {
            preparation,
            ranges,
            seed,
            lesion_id: id.to_owned(),
            image,
            lesion: fraction(lesion, &source),
            others,
            noise_sd: noise::noise_sd(volume, lesion).unwrap_or(0.0),
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
    pub fn copy(&self, index: u64) -> Option<Vec<PreparedRegion>> {
        let mut rng = self.rng(index);
        let resampling = self.preparation.resampling;
        let spacing = resampling.spacing_mm.resolve(self.native.spacing);
        let motion = Motion::draw(
            self.centre,
            self.native.spacing,
            spacing,
            !matches!(resampling.spacing_mm, Spacing::Volume(_)),
            self.ranges.rotation_degrees,
            &mut rng,
        );
        let (grid, bounds) = motion.grid(&self.voxels, self.margin);
        let sampler = motion.sampler(&bounds);

        let intensities = self.intensities(&sampler, resampling, &mut rng);
        let masks = sampler.lines(&self.native, resampling.mask_interpolation);
        let inside = |fractions: &Array3<f64>| {
            let mut fractions = fractions.clone();
            prefilter(&mut fractions, resampling.mask_interpolation);
            masks.sample(&fractions, &self.source).mapv(|f| f >= resampling.mask_threshold - 1e-9)
        };
        let within = sampler.within(&self.native);
        let mut tumour = inside(&self.lesion);
        tumour.zip_mut_with(&within, |t, &w| *t &= w);
        let tumour = contour::moved(&self.ranges, &tumour, &within, spacing, &mut rng)?;

        let whole = IndexBox::whole(grid.size);
        let responses = super::respond(&self.preparation, &intensities, spacing, &whole);
        let frame = Frame {
            grid: &grid,
            bounds: whole,
            intensities: Arc::new(intensities),
            responses: Arc::new(responses),
            unreadable: None,
            preparation: &self.preparation,
        };
        let regions =
            self.preparation.wanted_regions().map(|region| match (region, self.preparation.ring) {
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

    fn intensities(
        &self,
        sampler: &Sampler,
        &Resampling { interpolation, rounding, .. }: &Resampling,
        rng: &mut ChaCha8Rng,
    ) -> Array3<f32> {
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
        match rounding {
            Rounding::NearestInteger => values.mapv(|v| (v as f32).round()),
            Rounding::None => values.mapv(|v| v as f32),
        }
    }
}

/// How far, in working voxels, a copy must reach beyond its lesion.
fn margin(preparation: &Preparation<'_>, spacing: Vec3) -> Result<[usize; 3]> {
    let mut reach = [0; 3];
    for filter in preparation.wanted_filters() {
        match filters::support(filter, spacing) {
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
    let region = preparation.margin(spacing);
    Ok(std::array::from_fn(|a| region[a] + reach[a]))
}

fn symmetric(rng: &mut ChaCha8Rng, half: f64) -> f64 {
    half * (2.0 * rng.r#gen::<f64>() - 1.0)
}

fn set_voxels(mask: &Mask) -> Vec<Vec3> {
    mask.voxels().map(|voxel| voxel.map(|i| i as f64)).collect()
}

/// The image's voxels that any rotation of the grid can reach.
fn source_box(
    native: &Geometry,
    voxels: &[Vec3],
    centre: Vec3,
    room: Vec3,
    interpolation: Interpolation,
) -> IndexBox {
    let mm = |v: &Vec3, a: usize| (v[a] - centre[a]) * native.spacing[a];
    let plane = voxels.iter().map(|v| mm(v, 0).hypot(mm(v, 1))).fold(0.0, f64::max);
    let height = voxels.iter().map(|v| mm(v, 2).abs()).fold(0.0, f64::max);
    // The corner of the grid's box is sqrt(2) farther than its sides.
    let reach_plane = 2f64.sqrt() * (plane + room[0].max(room[1]));
    let reach = [reach_plane, reach_plane, height + room[2]];
    let spline = interpolation == Interpolation::TricubicSpline;
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
    mask.within(bounds).mapv(|inside| f64::from(u8::from(inside)))
}

fn prefilter(values: &mut Array3<f64>, interpolation: Interpolation) {
    if interpolation == Interpolation::TricubicSpline {
        for axis in 0..3 {
            spline_coefficients(values, axis);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::RADIUS_MM;
    use crate::preprocess::{Resampling, Resegmentation, Ring, Rounding, parameters::Spacing};
    use crate::volume::Voxels;

    /// A ball of 10 mm radius on an anisotropic grid; intensity 0.5 x + 2 y - z in mm plus noise.
    pub(super) fn ball(noise: f64) -> (Volume, Mask) {
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
        let mask = Mask::new(geometry.clone(), IndexBox::whole(geometry.size), &inside)
            .expect("a ball has voxels");
        (Volume::new(geometry, Voxels::F32(voxels)), mask)
    }

    fn perturber<'a>(
        (volume, lesion): &(Volume, Mask),
        plan: &'a Plan,
        ranges: Ranges,
        seed: u64,
    ) -> Perturber<'a> {
        let subject = Subject { id: "1", volume, lesion, others: &[] };
        Perturber::new(&subject, plan.preparation(), ranges, seed).expect("no filters")
    }

    /// What a copy is prepared by.
    struct Plan {
        resampling: Resampling,
        resegmentation: Resegmentation,
        ring: Ring,
    }

    impl Plan {
        fn new(interpolation: Interpolation) -> Self {
            Self {
                resampling: Resampling {
                    spacing_mm: Spacing::Volume([1.0; 3]),
                    interpolation,
                    mask_interpolation: Interpolation::Trilinear,
                    mask_threshold: 0.5,
                    rounding: Rounding::None,
                    spline_edge: None,
                },
                resegmentation: Resegmentation::default(),
                ring: Ring { inner_mm: 0.0, outer_mm: 3.0, range_hu: None },
            }
        }

        fn preparation(&self) -> Preparation<'_> {
            Preparation {
                resampling: &self.resampling,
                resegmentation: &self.resegmentation,
                filters: &[],
                maps: None,
                tumour: true,
                ring: Some(self.ring),
                surroundings_mm: RADIUS_MM,
            }
        }
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

    fn mean(prepared: &PreparedRegion) -> f64 {
        let values = prepared.roi.as_ref().expect("a region").values();
        values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64
    }

    fn count(prepared: &PreparedRegion) -> f64 {
        prepared.roi.as_ref().expect("a region").morphological_count() as f64
    }

    /// Oracle: a linear image stays linear under any interpolation, with its slope turned by the
    /// grid's rotation in the plane, and as it was along z. The mask's edge is known to half a voxel.
    #[test]
    fn shifted_and_turned_grids_sample_the_same_image() {
        let case = ball(0.0);
        for interpolation in [Interpolation::Trilinear, Interpolation::TricubicSpline] {
            let plan = Plan::new(interpolation);
            let ranges = Ranges { rotation_degrees: 13.0, ..still() };
            let perturber = perturber(&case, &plan, ranges, 5);
            let [x, y, z] = case.1.centroid();
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
        let plan = Plan::new(Interpolation::Trilinear);
        let ranges = Ranges { volume_change: 0.2, contour_mm: 1.0, ..still() };
        let perturber = perturber(&case, &plan, ranges, 6);
        let ball = 4.0 / 3.0 * std::f64::consts::PI * 1000.0;
        let shares: Vec<f64> =
            (0..60).map(|i| count(&perturber.copy(i).expect("a copy")[0]) / ball).collect();
        assert!(shares.iter().all(|s| (0.77..1.23).contains(s)), "{shares:?}");
        let mean = shares.iter().sum::<f64>() / 60.0;
        // SD of the mean of 60 uniform values on ±0.2 is 0.015.
        assert!((mean - 1.0).abs() < 0.06, "{mean}");
        assert!(shares.iter().any(|s| *s < 0.88) && shares.iter().any(|s| *s > 1.12));
    }

    #[test]
    fn a_copy_depends_on_seed_lesion_and_index_only() {
        let case = ball(5.0);
        let plan = Plan::new(Interpolation::Trilinear);
        let perturber = |seed| perturber(&case, &plan, Ranges::default(), seed);
        let values = |seed, index| {
            let copy = perturber(seed).copy(index).expect("a copy");
            copy[0].roi.as_ref().expect("a region").values()
        };
        assert_eq!(values(1, 3), values(1, 3));
        assert_ne!(values(1, 3), values(1, 4));
        assert_ne!(values(1, 3), values(2, 3));
    }
}
