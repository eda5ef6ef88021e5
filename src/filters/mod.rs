//! Image filters of the second IBSI standard (10.1148/radiol.231319), in 3D or slice by slice.
//!
//! A filter turns an image into response maps on the same grid. Filters with kernels of bounded
//! support are evaluated in the box that is asked for: the box is extended by the kernel's support,
//! beyond the image's edge by the boundary condition, so that the values are those of filtering the
//! whole image. Simoncelli and Shannon wavelets and Riesz transforms have unbounded support; they are made by
//! FFT from the whole image always, one forward transform for all of them.
//!
//! Lengths in mm are divided by the voxel spacing; the filters act on voxel coordinates.

mod boundary;
mod fft;
mod gabor;
mod laws;
mod log;
mod mean;
mod pooling;
mod riesz;
mod separable;
mod settings;
mod simoncelli;
mod tile;
mod wavelet;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::IndexBox;

pub use boundary::Boundary;
pub use pooling::Pooling;
pub use settings::{Dimension, Filter, FilterSettings, RieszOf};

use fft::Spectrum;
use gabor::Gabor;
use log::LaplacianOfGaussian;
use separable::Bank;
use tile::Tile;

/// Kernels that reach farther than this, in voxels, are refused.
const MAX_REACH: usize = 1024;

/// A filter ready to run on voxels of a given spacing.
enum Prepared {
    /// Separable kernels, their number of response maps, the pooling of each map's responses, and
    /// the half width of the energy map.
    Separable {
        bank: Bank,
        maps: usize,
        pooling: Option<Pooling>,
        energy: Option<usize>,
    },
    Log(LaplacianOfGaussian),
    Gabor(Gabor),
    /// Transfer function and orders of −iω.
    Fourier {
        transfer: Transfer,
        order: [u32; 3],
    },
}

/// A real transfer function of ω in radians per voxel.
type Transfer = Box<dyn Fn([f64; 3]) -> f64 + Send + Sync>;

impl FilterSettings {
    fn prepare(&self, spacing: [f64; 3]) -> Result<Prepared> {
        self.check().map_err(Error::bad_request)?;
        let in_slice = self.dimension == Dimension::TwoD;
        let one = |bank| Prepared::Separable { bank, maps: 1, pooling: None, energy: None };
        let to_voxels = |mm: f64| spacing.map(|s| mm / s);
        let refuse = |e: String| Error::bad_request(format!("filter \"{}\": {e}", self.name));
        Ok(match &self.filter {
            Filter::Mean { support_voxels } => one(mean::bank(*support_voxels, in_slice)),
            Filter::Log { sigma_mm, cutoff_sigma } => {
                let sigma = to_voxels(*sigma_mm);
                let axes = if in_slice { 2 } else { 3 };
                Prepared::Log(LaplacianOfGaussian::new(&sigma[..axes], *cutoff_sigma))
            }
            Filter::Laws { kernels, rotation_invariant, energy_delta_voxels } => {
                let kernels = laws::kernels(kernels, in_slice).map_err(refuse)?;
                Prepared::Separable {
                    bank: laws::bank(&kernels, rotation_invariant.is_some(), in_slice),
                    maps: 1,
                    pooling: *rotation_invariant,
                    energy: *energy_delta_voxels,
                }
            }
            Filter::Gabor { sigma_mm, wavelength_mm, gamma, pooling, cutoff_sigma, .. } => {
                Prepared::Gabor(Gabor {
                    sigma_mm: *sigma_mm,
                    wavelength_mm: *wavelength_mm,
                    gamma: *gamma,
                    angles: self.filter.gabor_angles(),
                    cutoff: *cutoff_sigma,
                    pooling: *pooling,
                    in_slice,
                    spacing,
                })
            }
            Filter::Wavelet { wavelet, level, rotation_invariant, .. } => {
                let low = wavelet::low_pass(wavelet).map_err(refuse)?;
                let subbands = self.subbands();
                let rotated = rotation_invariant.is_some();
                Prepared::Separable {
                    bank: wavelet::bank(&low, *level, &subbands, rotated, in_slice),
                    maps: subbands.len(),
                    pooling: *rotation_invariant,
                    energy: None,
                }
            }
            Filter::Simoncelli { level } => {
                let level = *level;
                let transfer = Box::new(move |omega| simoncelli::simoncelli(omega, level));
                Prepared::Fourier { transfer, order: [0; 3] }
            }
            Filter::Shannon { level } => {
                let level = *level;
                let transfer = Box::new(move |omega| simoncelli::shannon(omega, level));
                Prepared::Fourier { transfer, order: [0; 3] }
            }
            Filter::Riesz { order, of } => {
                let (order, of) = (*order, *of);
                let isotropic = move |omega| match of {
                    RieszOf::Log { sigma_mm } => {
                        let sigma = spacing.map(|s| sigma_mm / s);
                        riesz::laplacian_of_gaussian(omega, sigma)
                    }
                    RieszOf::Simoncelli { level } => simoncelli::simoncelli(omega, level),
                    RieszOf::Shannon { level } => simoncelli::shannon(omega, level),
                };
                let transfer =
                    Box::new(move |omega| isotropic(omega) * riesz::normalisation(omega, order));
                Prepared::Fourier { transfer, order }
            }
        })
    }
}

impl Prepared {
    /// Voxels beyond a box that its response depends on, along x, y, z; none for the whole image.
    fn reach(&self, in_slice: bool) -> Option<[usize; 3]> {
        match self {
            Self::Separable { bank, energy, .. } => {
                let delta = energy.unwrap_or(0);
                let reach = bank.reach();
                Some(std::array::from_fn(|a| {
                    let delta = if a == 2 && in_slice { 0 } else { delta };
                    reach[a].0.max(reach[a].1) as usize + delta
                }))
            }
            Self::Log(log) => Some(log.reach()),
            Self::Gabor(gabor) => Some(gabor.reach()),
            Self::Fourier { .. } => None,
        }
    }
}

/// Voxels beyond a box (x, y, z) that its response depends on, or `None` where it depends on the
/// whole image: filters of unbounded support (Simoncelli, Shannon, Riesz), and any filter with a
/// periodic boundary.
///
/// # Errors
/// [`Error::BadRequest`] for invalid settings, [`Error::TooBig`] for a kernel of more than 1,024
/// voxels to each side.
pub fn support(setting: &FilterSettings, spacing: [f64; 3]) -> Result<Option<[usize; 3]>> {
    let reach = prepared(setting, spacing)?.1;
    Ok(reach.filter(|_| setting.boundary != Boundary::Periodic))
}

fn prepared(setting: &FilterSettings, spacing: [f64; 3]) -> Result<(Prepared, Option<[usize; 3]>)> {
    let filter = setting.prepare(spacing)?;
    let reach = filter.reach(setting.dimension == Dimension::TwoD);
    if let Some(widest) = reach.and_then(|r| r.into_iter().max())
        && widest > MAX_REACH
    {
        return Err(Error::too_big(format!(
            "filter \"{}\": its kernel reaches {widest} voxels to each side, more than \
             {MAX_REACH}; make it smaller or resample to larger voxels",
            setting.name
        )));
    }
    Ok((filter, reach))
}

/// The response maps of a filter over a whole image, by name.
///
/// `image` has shape (z, y, x), `spacing` is x, y, z in mm. Each map has the image's shape.
///
/// # Errors
/// As [`support`]; also [`Error::BadRequest`] for an empty image.
pub fn respond(
    setting: &FilterSettings,
    image: ArrayView3<f32>,
    spacing: [f64; 3],
) -> Result<Vec<(String, Array3<f32>)>> {
    let (nz, ny, nx) = image.dim();
    respond_in(setting, image, spacing, &IndexBox::whole([nx, ny, nz]))
}

/// The response maps of a filter within a box of the image; equal to [`respond`] and cropping.
///
/// # Errors
/// As [`respond`]; also [`Error::BadRequest`] for a box that is empty or leaves the image.
pub fn respond_in(
    setting: &FilterSettings,
    image: ArrayView3<f32>,
    spacing: [f64; 3],
    bounds: &IndexBox,
) -> Result<Vec<(String, Array3<f32>)>> {
    respond_all_in(std::slice::from_ref(setting), image, spacing, bounds)
}

/// The response maps of several filters within a box of the image, in the order of the settings.
///
/// Filters run in parallel; those made by FFT share one forward transform per boundary condition
/// and dimension.
///
/// # Errors
/// As [`respond_in`].
pub fn respond_all_in(
    settings: &[FilterSettings],
    image: ArrayView3<f32>,
    spacing: [f64; 3],
    bounds: &IndexBox,
) -> Result<Vec<(String, Array3<f32>)>> {
    let (nz, ny, nx) = image.dim();
    let size = [nx, ny, nz];
    if bounds.voxel_count() == 0 || (0..3).any(|a| bounds.max[a] > size[a]) {
        return Err(Error::bad_request(format!(
            "the box {:?} to {:?} is empty or leaves the image of {nx} x {ny} x {nz} voxels",
            bounds.min, bounds.max
        )));
    }
    if !spacing.iter().all(|s| s.is_finite() && *s > 0.0) {
        return Err(Error::bad_request(format!(
            "the voxel spacing {spacing:?} mm is not positive"
        )));
    }
    let filters = settings
        .iter()
        .map(|setting| Ok((setting, prepared(setting, spacing)?.0)))
        .collect::<Result<Vec<_>>>()?;

    let mut series: Vec<(Boundary, Dimension)> = filters
        .iter()
        .filter(|(_, filter)| matches!(filter, Prepared::Fourier { .. }))
        .map(|(setting, _)| (setting.boundary, setting.dimension))
        .collect();
    series.sort_unstable();
    series.dedup();
    let spectra: Vec<Spectrum> = series
        .iter()
        .map(|&(boundary, dimension)| Spectrum::of(image, boundary, dimension == Dimension::TwoD))
        .collect();

    let maps: Vec<Vec<(String, Array3<f32>)>> = filters
        .par_iter()
        .map(|(setting, filter)| {
            let scene = Scene {
                image,
                size,
                boundary: setting.boundary,
                in_slice: setting.dimension == Dimension::TwoD,
            };
            let responses = match filter {
                Prepared::Fourier { transfer, order } => {
                    let key = (setting.boundary, setting.dimension);
                    let at = series.iter().position(|s| *s == key).expect("made above");
                    let whole = spectra[at].filtered(transfer, *order);
                    let span = |a: usize| bounds.min[a]..bounds.max[a];
                    vec![whole.slice(ndarray::s![span(2), span(1), span(0)]).to_owned()]
                }
                bounded => scene.respond(bounded, bounds),
            };
            setting.maps().into_iter().zip(responses).collect()
        })
        .collect();
    Ok(maps.into_iter().flatten().collect())
}

/// An image as a filter of bounded support sees it.
struct Scene<'a> {
    image: ArrayView3<'a, f32>,
    size: [usize; 3],
    boundary: Boundary,
    in_slice: bool,
}

impl Scene<'_> {
    fn respond(&self, filter: &Prepared, bounds: &IndexBox) -> Vec<Array3<f32>> {
        let (min, max) = (bounds.min.map(|i| i as isize), bounds.max.map(|i| i as isize));
        let tiles = match filter {
            Prepared::Separable { bank, maps, pooling, energy } => match energy {
                Some(delta) => self.energy(bank, *maps, *pooling, *delta, min, max),
                None => self.pooled(bank, *maps, *pooling, min, max),
            },
            Prepared::Log(log) => {
                let tile = self.extended(min, max, log.reach().map(|r| (r as isize, r as isize)));
                vec![log.apply(&tile, min, max)]
            }
            Prepared::Gabor(gabor) => {
                let reach = gabor.reach().map(|r| (r as isize, r as isize));
                vec![gabor.apply(&self.extended(min, max, reach), min, max)]
            }
            Prepared::Fourier { .. } => Vec::new(),
        };
        tiles.into_iter().map(Tile::into_array).collect()
    }

    /// The image over a box and what a kernel needs before and after it.
    fn extended(&self, min: [isize; 3], max: [isize; 3], reach: [(isize, isize); 3]) -> Tile {
        let from = std::array::from_fn(|a| min[a] - reach[a].0);
        let to = std::array::from_fn(|a| max[a] + reach[a].1);
        self.boundary.extend(self.image, [0; 3], self.size, from, to)
    }

    /// One response per map; the responses of a map's kernels pooled.
    fn pooled(
        &self,
        bank: &Bank,
        maps: usize,
        pooling: Option<Pooling>,
        min: [isize; 3],
        max: [isize; 3],
    ) -> Vec<Tile> {
        let tile = self.extended(min, max, bank.reach());
        let count = bank.leaves.len() / maps;
        let mut pooled: Vec<Option<Tile>> = vec![None; maps];
        bank.apply(&tile, min, max, |target, response| match pooling {
            None => pooled[target] = Some(response.clone()),
            Some(pooling) => {
                let first = pooled[target].is_none();
                let into = pooled[target].get_or_insert_with(|| Tile::zeros(min, max));
                pooling.take(into, response, count, first);
            }
        });
        pooled.into_iter().flatten().collect()
    }

    /// The mean magnitude of the pooled response around each voxel. The response, like the image,
    /// goes on beyond the edge by the boundary condition.
    fn energy(
        &self,
        bank: &Bank,
        maps: usize,
        pooling: Option<Pooling>,
        delta: usize,
        min: [isize; 3],
        max: [isize; 3],
    ) -> Vec<Tile> {
        let mean = pooling::mean_over(delta, self.in_slice);
        let reach = mean.reach();
        let from: [isize; 3] = std::array::from_fn(|a| min[a] - reach[a].0);
        let to: [isize; 3] = std::array::from_fn(|a| max[a] + reach[a].1);
        let span: [(isize, isize); 3] =
            std::array::from_fn(|a| self.boundary.sources(from[a], to[a], self.size[a]));
        let (inner_min, inner_max) = (span.map(|s| s.0), span.map(|s| s.1));
        self.pooled(bank, maps, pooling, inner_min, inner_max)
            .into_iter()
            .flat_map(|mut response| {
                response.values.iter_mut().for_each(|v| *v = v.abs());
                let around = self.boundary.extend(response.view(), inner_min, self.size, from, to);
                self::pooled_mean(&mean, &around, min, max)
            })
            .collect()
    }
}

fn pooled_mean(mean: &Bank, tile: &Tile, min: [isize; 3], max: [isize; 3]) -> Option<Tile> {
    let mut result = None;
    mean.apply(tile, min, max, |_, response| result = Some(response.clone()));
    result
}
