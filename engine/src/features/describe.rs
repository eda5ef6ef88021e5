//! All families of one image of a region, side by side.

use rayon::prelude::*;

use super::compute::{Input, values};
use super::distribution::Distribution;
use super::family::Family;
use super::intensity_histogram::Histogram;
use super::intensity_statistics::Statistics;
use super::intensity_volume_histogram::Curve;
use super::local_intensity::Peaks;
use super::morphology::Shape;
use super::parameters::{IvhDiscretisation, TextureParameters};
use super::selection::Selected;
use super::texture;
use crate::region::{LevelsOrMissing, Roi};
use crate::value::{Missing, Value};

/// An image of a region: the CT itself or a response map, with its grey levels.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    /// Intensities and masks.
    pub roi: &'a Roi,
    /// Grey levels, or why there are none. Their border is as wide as the widest neighbourhood of
    /// `texture`.
    pub levels: &'a LevelsOrMissing,
    /// Levels of the intensity-volume histogram.
    pub intensity_volume_histogram: IvhDiscretisation,
    /// Bounds of the intensity-volume histogram in units of the image; those of the region's own
    /// intensities where there are none.
    pub range: Option<[f64; 2]>,
    /// Parameters of the texture matrices.
    pub texture: &'a TextureParameters,
}

/// The values of an image in the order of [`Selected::columns`], family by family.
///
/// The families are computed side by side in rayon's current pool; no value depends on it.
pub fn describe(image: &Image<'_>, selected: &[Selected]) -> Vec<Value> {
    // The texture families stand last in the standard's order.
    let (plain, textured) =
        selected.split_at(selected.partition_point(|s| !s.family.has_matrices()));
    // The longest first: what is left for the end is short.
    let (textured, plain): (_, Vec<Vec<Value>>) = rayon::join(
        || textured_values(image, textured),
        || {
            let reads = |s: &Selected| {
                matches!(s.family, Family::Statistics | Family::IntensityVolumeHistogram)
            };
            let intensities = match plain.iter().any(reads) {
                true => Distribution::of_intensities(image.roi).ok_or(Missing::EmptyRegion),
                false => Err(Missing::EmptyRegion),
            };
            let plain = plain.par_iter().with_max_len(1);
            plain.map(|s| plain_values(image, s, intensities.as_ref())).collect()
        },
    );
    let mut all = plain.concat();
    all.extend(textured);
    all
}

/// As many values as [`describe`] gives, all missing for one reason.
pub fn missing(selected: &[Selected], reason: Missing) -> Vec<Value> {
    vec![Err(reason); selected.iter().map(Selected::len).sum()]
}

fn plain_values(
    image: &Image<'_>,
    selected: &Selected,
    intensities: Result<&Distribution, &Missing>,
) -> Vec<Value> {
    let features = &selected.features;
    let intensities = intensities.map_err(|reason| *reason);
    match selected.family {
        Family::Morphology => {
            let shape = Shape::of(image.roi);
            values(features, shape.as_ref().map(Input::Morphology).map_err(|reason| *reason))
        }
        Family::LocalIntensity => {
            let peaks = Peaks::of(image.roi).ok_or(Missing::EmptyRegion);
            values(features, peaks.as_ref().map(Input::LocalIntensity).map_err(|reason| *reason))
        }
        Family::Statistics => {
            let statistics = intensities.map(Statistics::of);
            values(features, statistics.as_ref().map(Input::Statistics).map_err(|reason| *reason))
        }
        Family::IntensityVolumeHistogram => {
            let curve = intensities.and_then(|intensities| {
                Curve::of(intensities, &image.intensity_volume_histogram, image.range)
            });
            let input = curve.as_ref().map(Input::IntensityVolumeHistogram);
            values(features, input.map_err(|reason| *reason))
        }
        Family::IntensityHistogram => {
            let levels = image.levels.as_ref().map_err(|reason| *reason);
            let histogram = levels.and_then(Histogram::of);
            let input = histogram.as_ref().map(Input::IntensityHistogram);
            values(features, input.map_err(|reason| *reason))
        }
        textured => unreachable!("{} has matrices", textured.name()),
    }
}

fn textured_values(image: &Image<'_>, selected: &[Selected]) -> Vec<Value> {
    match image.levels {
        Ok(levels) => texture::compute_all(levels, image.texture, selected).concat(),
        Err(reason) => missing(selected, *reason),
    }
}
