//! From an image and a lesion to regions ready for features: resample, round, re-segment,
//! discretise.

pub(crate) mod bins;
pub mod diagnostics;
pub mod discretise;
mod finite;
pub mod parameters;
pub mod perturb;
pub mod resample;
pub mod resegment;
pub mod ring;

use std::sync::Arc;

use multiversion::multiversion;
use ndarray::Array3;
use rayon::prelude::*;

use crate::error::Result;
use crate::filters::{self, FilterSettings};
use crate::geometry::{Geometry, IndexBox};
use crate::mask::Mask;
use crate::preprocess::parameters::{Resampling, Resegmentation, Ring, Rounding};
use crate::preprocess::resample::WorkingGrid;
use crate::region::Roi;
use crate::region::{Region, RegionFacts};
use crate::rows::{SLICES, rows_of_slice, tight_box};
use crate::value::Missing;
use crate::volume::Volume;

/// Below this a voxel counts as air (or lung), above [`BONE_HU`] as bone or metal, in the facts of a
/// region.
const AIR_HU: f32 = -500.0;
const BONE_HU: f32 = 300.0;

/// What of a plan the preparation of regions needs.
#[derive(Clone, Copy, Debug)]
pub struct Preparation<'a> {
    /// Resampling of image and mask.
    pub resampling: &'a Resampling,
    /// Which voxels take part in intensity features.
    pub resegmentation: &'a Resegmentation,
    /// Filters.
    pub filters: &'a [FilterSettings],
    /// Response maps to make; all where absent.
    pub maps: Option<&'a [String]>,
    /// Whether the lesion itself is wanted.
    pub tumour: bool,
    /// A shell around the lesion.
    pub ring: Option<Ring>,
    /// How far around a region intensities are needed, mm.
    pub surroundings_mm: f64,
}

impl<'a> Preparation<'a> {
    /// Whether a response map is to be made.
    fn wants(&self, map: &str) -> bool {
        self.maps.is_none_or(|maps| maps.iter().any(|wanted| wanted == map))
    }

    /// Filters of which at least one map is wanted.
    fn wanted_filters(&self) -> impl Iterator<Item = &'a FilterSettings> {
        self.filters.iter().filter(|filter| filter.maps().iter().any(|map| self.wants(map)))
    }

    fn wanted_regions(&self) -> impl Iterator<Item = Region> + use<> {
        let tumour = self.tumour.then_some(Region::Tumour);
        let ring = self.ring.map(|_| Region::Ring);
        tumour.into_iter().chain(ring)
    }

    /// How far, in voxels, the box must reach beyond the lesion.
    fn margin(&self, spacing: [f64; 3]) -> [usize; 3] {
        let ring = self.ring.map_or(0.0, |r| r.outer_mm);
        spacing.map(|s| ((ring + self.surroundings_mm) / s).ceil() as usize)
    }
}

/// A region of a lesion ready for features, and what is known of it.
#[derive(Clone, Debug)]
pub struct PreparedRegion {
    /// The region's voxels. `None` where resampling, other lesions or the ring's HU range left none.
    pub roi: Option<Roi>,
    /// Why there are neither voxels nor facts, but counts of 0: resampling left none of the lesion, or
    /// what would be read of the image holds no finite numbers.
    pub refused: Option<Missing>,
    /// The wanted response maps on the box of `roi`, in the filters' order.
    pub responses: Arc<Vec<Response>>,
    /// Facts for warnings; `levels` is filled in by the extraction.
    pub facts: RegionFacts,
}

/// A filter's response map on the box of a lesion, or why there is none.
pub type Response = (String, Result<Arc<Array3<f32>>, Missing>);

/// Prepares the regions that are asked for of one lesion.
///
/// `others` are the other lesions of the case, whose voxels the ring leaves out.
pub fn prepare(
    volume: &Volume,
    lesion: &Mask,
    others: &[&Mask],
    preparation: &Preparation<'_>,
) -> Vec<PreparedRegion> {
    let resampling = preparation.resampling;
    let spacing = resampling.spacing_mm.resolve(volume.geometry().spacing);
    let grid = WorkingGrid::new(volume.geometry(), spacing);
    let resampled = |mask: &Mask| {
        resample::mask(mask, &grid, resampling.mask_interpolation, resampling.mask_threshold)
    };
    let Some(tumour) = resampled(lesion) else {
        let lost = |region| PreparedRegion::refused(region, Missing::LostInResampling);
        return preparation.wanted_regions().map(lost).collect();
    };

    let bounds = tumour.bounds().grown(preparation.margin(spacing), grid.geometry.size);
    let intensities = Arc::new(intensities(volume, &grid, &bounds, resampling));
    let tumour_voxels = tumour.within(&bounds);
    let responses = Arc::new(responses(volume, &grid, &bounds, preparation));
    let unreadable = volume.flaw().map(|_| finite::unreadable(volume, &grid, &bounds, preparation));
    let geometry = &grid.geometry;
    let frame = Frame { grid: geometry, bounds, intensities, responses, unreadable, preparation };

    preparation
        .wanted_regions()
        .map(|region| match (region, preparation.ring) {
            (Region::Ring, Some(ring)) => {
                let mut shell = ring::shell(&tumour_voxels, spacing, ring.inner_mm, ring.outer_mm);
                for other in others {
                    if let Some(other) = near(&grid, other, &bounds).and_then(resampled) {
                        let other = other.within(&bounds);
                        shell.zip_mut_with(&other, |inside, &taken| *inside &= !taken);
                    }
                }
                frame.region(region, shell, ring.range_hu)
            }
            _ => frame.region(region, tumour_voxels.clone(), None),
        })
        .collect()
}

/// Interpolated and rounded intensities of a box.
pub fn intensities(
    volume: &Volume,
    grid: &WorkingGrid,
    bounds: &IndexBox,
    resampling: &Resampling,
) -> Array3<f32> {
    let edge = resampling.spline_edge.unwrap_or_default();
    let mut values = resample::image(volume, grid, bounds, resampling.interpolation, edge);
    let whole = grid.is_native() && volume.voxels().whole().is_ok();
    if resampling.rounding == Rounding::NearestInteger && !whole {
        round_each(values.as_slice_mut().expect("standard layout"));
    }
    values
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn round_each(values: &mut [f32]) {
    for value in values {
        *value = rounded(*value);
    }
}

/// `f32::round` (halves away from zero) in instructions that every processor has for several numbers
/// at once.
#[inline]
fn rounded(value: f32) -> f32 {
    /// From here on every number is whole.
    const WHOLE: f32 = 8_388_608.0;
    let towards_zero = (value as i32) as f32;
    let rest = value - towards_zero;
    let up = if rest >= 0.5 { 1.0 } else { 0.0 };
    let down = if rest <= -0.5 { 1.0 } else { 0.0 };
    if value.abs() < WHOLE { towards_zero + (up - down) } else { value }
}

/// The wanted response maps within a box.
///
/// A filter sees the image as far as its kernel reaches, and what its boundary condition says where
/// the image ends: the values are those of filtering the whole image.
fn responses(
    volume: &Volume,
    grid: &WorkingGrid,
    bounds: &IndexBox,
    preparation: &Preparation<'_>,
) -> Vec<Response> {
    if preparation.wanted_filters().next().is_none() {
        return Vec::new();
    }
    let Geometry { size, spacing, .. } = grid.geometry;
    let seen = filters::seen(preparation.wanted_filters(), spacing, bounds, size);
    let image = intensities(volume, grid, &seen, preparation.resampling);
    let within = IndexBox {
        min: std::array::from_fn(|a| bounds.min[a] - seen.min[a]),
        max: std::array::from_fn(|a| bounds.max[a] - seen.min[a]),
    };
    respond(preparation, &image, spacing, &within)
}

/// The wanted maps of an image, within a box of it.
fn respond(
    preparation: &Preparation<'_>,
    image: &Array3<f32>,
    spacing: [f64; 3],
    within: &IndexBox,
) -> Vec<Response> {
    let wants = |map: &str| preparation.wants(map);
    let each = filters::respond_each_in(
        preparation.wanted_filters(),
        image.view(),
        spacing,
        within,
        wants,
    )
    .expect("the box lies within the image");
    let of_filter = |(filter, maps): (&FilterSettings, Result<filters::Maps>)| match maps {
        Ok(maps) => maps.into_iter().map(|(name, map)| (name, Ok(Arc::new(map)))).collect(),
        // The one thing that can fail once the settings are checked: a kernel of thousands of
        // voxels, on a grid much finer than the filter.
        Err(_) => {
            let names = filter.maps().into_iter().filter(|name| wants(name));
            names.map(|name| (name, Err(Missing::FilterTooWide))).collect::<Vec<Response>>()
        }
    };
    each.into_iter().flat_map(of_filter).collect()
}

/// A lesion that can reach into a box of the working grid.
fn near<'a>(grid: &WorkingGrid, other: &'a Mask, bounds: &IndexBox) -> Option<&'a Mask> {
    grid.reach(other.bounds()).intersection(bounds).map(|_| other)
}

/// What all regions of a lesion share.
struct Frame<'a> {
    grid: &'a Geometry,
    bounds: IndexBox,
    intensities: Arc<Array3<f32>>,
    responses: Arc<Vec<Response>>,
    /// Voxels that cannot be described, in an image that holds numbers that are not finite.
    unreadable: Option<Array3<bool>>,
    preparation: &'a Preparation<'a>,
}

impl Frame<'_> {
    fn region(
        &self,
        region: Region,
        mut morphological: Array3<bool>,
        range: Option<[f64; 2]>,
    ) -> PreparedRegion {
        if let Some(unreadable) = &self.unreadable
            && finite::reads(&morphological, unreadable, self.grid.spacing, self.preparation)
        {
            return PreparedRegion::refused(region, Missing::IntensityNotFinite);
        }
        let shares = Shares::of(&self.intensities, &morphological);
        if let Some([low, high]) = range {
            morphological.zip_mut_with(&self.intensities, |inside, &value| {
                *inside &= (low..=high).contains(&f64::from(value));
            });
        }
        let Some(tight) = tight_box(&morphological) else {
            return PreparedRegion::empty(region);
        };
        let intensity = resegment::intensity_mask(
            &self.intensities,
            &morphological,
            self.preparation.resegmentation,
        );
        let roi = Roi {
            geometry: self.grid.cropped(&self.bounds),
            intensities: self.intensities.clone(),
            morphological: Arc::new(morphological),
            intensity: Arc::new(intensity),
        };
        let size = self.grid.size;
        let facts = RegionFacts {
            region,
            voxels: roi.morphological_count(),
            voxels_kept: roi.intensity_count(),
            levels: None,
            intensity_range: roi.range_within(&roi.morphological).map(|r| r.map(f64::from)),
            air_fraction: shares.air,
            bone_fraction: shares.bone,
            touches_border: (0..3).any(|a| {
                self.bounds.min[a] + tight.min[a] == 0
                    || self.bounds.min[a] + tight.max[a] == size[a]
            }),
        };
        PreparedRegion { roi: Some(roi), refused: None, responses: self.responses.clone(), facts }
    }
}

impl PreparedRegion {
    fn refused(region: Region, reason: Missing) -> Self {
        Self { refused: Some(reason), ..Self::empty(region) }
    }

    fn empty(region: Region) -> Self {
        Self {
            roi: None,
            refused: None,
            responses: Arc::default(),
            facts: RegionFacts {
                region,
                voxels: 0,
                voxels_kept: 0,
                levels: None,
                intensity_range: None,
                air_fraction: 0.0,
                bone_fraction: 0.0,
                touches_border: false,
            },
        }
    }
}

/// Shares of a mask's voxels.
struct Shares {
    air: f64,
    bone: f64,
}

impl Shares {
    fn of(intensities: &Array3<f32>, mask: &Array3<bool>) -> Self {
        let add = |a: [u64; 3], b: [u64; 3]| -> [u64; 3] { std::array::from_fn(|i| a[i] + b[i]) };
        let [all, air, bone] = (0..mask.dim().0)
            .into_par_iter()
            .with_min_len(SLICES)
            .map(|z| {
                rows_of_slice(intensities, mask, z)
                    .map(|(values, mask)| tissues(values, mask))
                    .fold([0; 3], add)
            })
            .reduce(|| [0; 3], add);
        let share = |n: u64| if all == 0 { 0.0 } else { n as f64 / all as f64 };
        Self { air: share(air), bone: share(bone) }
    }
}

/// Voxels of a row, those of air and those of bone.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn tissues(values: &[f32], mask: &[bool]) -> [u64; 3] {
    let (mut all, mut air, mut bone) = (0u32, 0u32, 0u32);
    for (&value, &inside) in values.iter().zip(mask) {
        all += u32::from(inside);
        air += u32::from(inside & (value < AIR_HU));
        bone += u32::from(inside & (value > BONE_HU));
    }
    [all, air, bone].map(u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: `f32::round`.
    #[test]
    fn rounding_is_that_of_the_standard_library() {
        let halves = (-40..40).map(|i| i as f32 * 0.5);
        let near = [0.499_999_97, 0.5, 2.499_999_8, 8_388_607.5, 8_388_609.0, 1e30, f32::INFINITY];
        for value in halves.chain(near).chain(near.map(|v| -v)) {
            assert_eq!(rounded(value), value.round(), "{value}");
        }
        assert!(rounded(f32::NAN).is_nan());
    }
}
