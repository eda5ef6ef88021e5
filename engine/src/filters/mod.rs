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
pub mod documentation;
mod gabor;
mod laws;
mod log;
mod mean;
mod operator;
pub mod parameter;
mod pooled;
mod pooling;
mod problem;
mod riesz;
mod separable;
mod settings;
mod simoncelli;
mod spectrum;
pub mod table;
mod tile;
mod wavelet;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::geometry::IndexBox;

pub use boundary::Boundary;
pub use pooling::Pooling;
pub use problem::{FilterProblem, Problem};
pub use riesz::RieszOf;
pub use settings::{Dimension, FilterSettings};
pub use table::{FILTERS, Filter, FilterKind};

use operator::{Operator, Scene};
use spectrum::Spectrum;
use tile::Tile;

/// Kernels that reach farther than this, in voxels, are refused.
const MAX_REACH: usize = 1024;

/// Response maps by name, each of shape (z, y, x).
pub type Maps = Vec<(String, Array3<f32>)>;

/// Voxels beyond a box (x, y, z) that its response depends on, or `None` where it depends on the
/// whole image: filters of unbounded support (Simoncelli, Shannon, Riesz), and any filter with a
/// periodic boundary.
///
/// # Errors
/// [`Error::BadRequest`] for invalid settings, [`Error::TooBig`] for a kernel of more than 1,024
/// voxels to each side.
pub fn support(setting: &FilterSettings, spacing: [f64; 3]) -> Result<Option<[usize; 3]>> {
    let reach = ready(setting, spacing)?.reach();
    Ok(reach.filter(|_| setting.boundary != Boundary::Periodic))
}

/// The part of an image of `size` voxels that filters see for their responses within `bounds`. A
/// filter that [`support`] refuses sees nothing.
pub fn seen<'a>(
    settings: impl IntoIterator<Item = &'a FilterSettings>,
    spacing: [f64; 3],
    bounds: &IndexBox,
    size: [usize; 3],
) -> IndexBox {
    let see = |seen: IndexBox, setting: &FilterSettings| match support(setting, spacing) {
        Ok(Some(reach)) => seen.union(&bounds.grown(reach, size)),
        Ok(None) => IndexBox::whole(size),
        Err(_) => seen,
    };
    settings.into_iter().fold(*bounds, see)
}

/// The filter ready for voxels of a spacing, unless its kernel is too wide.
fn ready(setting: &FilterSettings, spacing: [f64; 3]) -> Result<Operator> {
    let operator = setting.operator(spacing)?;
    if let Some(widest) = operator.reach().and_then(|r| r.into_iter().max())
        && widest > MAX_REACH
    {
        return Err(Error::too_big(format!(
            "filter \"{}\": its kernel reaches {widest} voxels to each side, more than \
             {MAX_REACH}; make it smaller or resample to larger voxels",
            setting.name
        )));
    }
    Ok(operator)
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
) -> Result<Maps> {
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
) -> Result<Maps> {
    respond_all_in(std::slice::from_ref(setting), image, spacing, bounds)
}

/// The response maps of several filters within a box of the image, in the order of the settings.
///
/// # Errors
/// As [`respond_in`], for any of them; [`respond_each_in`] tells one from the other.
pub fn respond_all_in(
    settings: &[FilterSettings],
    image: ArrayView3<f32>,
    spacing: [f64; 3],
    bounds: &IndexBox,
) -> Result<Maps> {
    let each = respond_each_in(settings, image, spacing, bounds, |_| true)?;
    let maps = each.into_iter().map(|(_, maps)| maps).collect::<Result<Vec<_>>>()?;
    Ok(maps.into_iter().flatten().collect())
}

/// The wanted response maps of each of several filters within a box of the image, in the order of
/// the settings, or why a filter has none. Filters without a wanted map are left out.
///
/// Filters run in parallel; those made by FFT share one forward transform per boundary condition
/// and dimension. A map has the same values whichever others are wanted.
///
/// # Errors
/// [`Error::BadRequest`] for a box that is empty or leaves the image, or a spacing that is not
/// positive; for each filter those of [`support`].
pub fn respond_each_in<'a>(
    settings: impl IntoIterator<Item = &'a FilterSettings>,
    image: ArrayView3<f32>,
    spacing: [f64; 3],
    bounds: &IndexBox,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<(&'a FilterSettings, Result<Maps>)>> {
    check_place(image, spacing, bounds)?;
    let tasks: Vec<(&FilterSettings, Result<Task>)> = settings
        .into_iter()
        .filter_map(|setting| Some((setting, Task::of(setting, spacing, &wanted)?)))
        .collect();

    let mut series: Vec<(Boundary, Dimension)> = tasks
        .iter()
        .filter(|(_, task)| task.as_ref().is_ok_and(|t| matches!(t.operator, Operator::Fourier(_))))
        .map(|(setting, _)| (setting.boundary, setting.dimension))
        .collect();
    series.sort_unstable();
    series.dedup();
    let spectra: Vec<Spectrum> = series
        .iter()
        .map(|&(boundary, dimension)| Spectrum::of(image, boundary, dimension))
        .collect();
    let spectrum = |setting: &FilterSettings| {
        let key = (setting.boundary, setting.dimension);
        &spectra[series.iter().position(|s| *s == key).expect("made above")]
    };

    Ok(tasks
        .into_par_iter()
        .map(|(setting, task)| {
            let maps = task.map(|task| {
                let responses = match &task.operator {
                    Operator::Fourier(filter) => {
                        let whole = spectrum(setting).filtered(&filter.transfer, filter.order);
                        let span = |a: usize| bounds.min[a]..bounds.max[a];
                        vec![whole.slice(ndarray::s![span(2), span(1), span(0)]).to_owned()]
                    }
                    Operator::Local(local) => {
                        let (nz, ny, nx) = image.dim();
                        let scene = Scene { image, size: [nx, ny, nz], boundary: setting.boundary };
                        let (min, max) =
                            (bounds.min.map(|i| i as isize), bounds.max.map(|i| i as isize));
                        local.respond(&scene, min, max).into_iter().map(Tile::into_array).collect()
                    }
                };
                task.named(responses)
            });
            (setting, maps)
        })
        .collect())
}

fn check_place(image: ArrayView3<f32>, spacing: [f64; 3], bounds: &IndexBox) -> Result<()> {
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
    Ok(())
}

/// A filter to run.
struct Task {
    operator: Operator,
    /// What each of the operator's responses is called; none for a map that is not wanted.
    names: Vec<Option<String>>,
}

impl Task {
    /// `None` where no map is wanted.
    fn of(
        setting: &FilterSettings,
        spacing: [f64; 3],
        wanted: impl Fn(&str) -> bool,
    ) -> Option<Result<Self>> {
        let mut names: Vec<Option<String>> =
            setting.maps().into_iter().map(|name| wanted(&name).then_some(name)).collect();
        let kept: Vec<usize> = (0..names.len()).filter(|&i| names[i].is_some()).collect();
        if kept.is_empty() {
            return None;
        }
        Some(ready(setting, spacing).map(|mut operator| {
            if kept.len() < names.len()
                && let Operator::Local(local) = &mut operator
                && local.keep(&kept)
            {
                names.retain(Option::is_some);
            }
            Self { operator, names }
        }))
    }

    fn named(self, responses: Vec<Array3<f32>>) -> Maps {
        let pairs = self.names.into_iter().zip(responses);
        pairs.filter_map(|(name, map)| Some((name?, map))).collect()
    }
}
