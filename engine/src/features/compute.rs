//! How a feature is computed: a function of what its family prepares of a region.

use super::family::Family;
use super::intensity_histogram::Histogram;
use super::intensity_statistics::Statistics;
use super::intensity_volume_histogram::Curve;
use super::local_intensity::Peaks;
use super::morphology::Shape;
use super::table::Feature;
use super::texture::glcm::CoOccurrence;
use super::texture::level_table::LevelTable;
use super::texture::ngtdm::Tones;
use crate::value::{Missing, Value};

/// A feature's function, by its family.
#[derive(Clone, Copy)]
pub(crate) enum Compute {
    Morphology(fn(&Shape<'_>) -> Value),
    LocalIntensity(fn(&Peaks) -> Value),
    Statistics(fn(&Statistics<'_>) -> Value),
    IntensityHistogram(fn(&Histogram) -> Value),
    IntensityVolumeHistogram(fn(&Curve) -> Value),
    Glcm(fn(&CoOccurrence<'_>) -> Value),
    Glrlm(fn(&LevelTable) -> Value),
    Glszm(fn(&LevelTable) -> Value),
    Gldzm(fn(&LevelTable) -> Value),
    Ngtdm(fn(&Tones<'_>) -> Value),
    Ngldm(fn(&LevelTable) -> Value),
}

/// What a family prepares of a region.
pub(super) enum Input<'a> {
    Morphology(&'a Shape<'a>),
    LocalIntensity(&'a Peaks),
    Statistics(&'a Statistics<'a>),
    IntensityHistogram(&'a Histogram),
    IntensityVolumeHistogram(&'a Curve),
    Glcm(&'a CoOccurrence<'a>),
    /// Of GLRLM, GLSZM, GLDZM and NGLDM.
    LevelTable(&'a LevelTable),
    Ngtdm(&'a Tones<'a>),
}

impl Compute {
    pub(super) fn family(self) -> Family {
        match self {
            Self::Morphology(_) => Family::Morphology,
            Self::LocalIntensity(_) => Family::LocalIntensity,
            Self::Statistics(_) => Family::Statistics,
            Self::IntensityHistogram(_) => Family::IntensityHistogram,
            Self::IntensityVolumeHistogram(_) => Family::IntensityVolumeHistogram,
            Self::Glcm(_) => Family::Glcm,
            Self::Glrlm(_) => Family::Glrlm,
            Self::Glszm(_) => Family::Glszm,
            Self::Gldzm(_) => Family::Gldzm,
            Self::Ngtdm(_) => Family::Ngtdm,
            Self::Ngldm(_) => Family::Ngldm,
        }
    }

    fn of(self, input: &Input<'_>) -> Value {
        match (self, input) {
            (Self::Morphology(value), Input::Morphology(shape)) => value(shape),
            (Self::LocalIntensity(value), Input::LocalIntensity(peaks)) => value(peaks),
            (Self::Statistics(value), Input::Statistics(statistics)) => value(statistics),
            (Self::IntensityHistogram(value), Input::IntensityHistogram(histogram)) => {
                value(histogram)
            }
            (Self::IntensityVolumeHistogram(value), Input::IntensityVolumeHistogram(curve)) => {
                value(curve)
            }
            (Self::Glcm(value), Input::Glcm(matrix)) => value(matrix),
            (
                Self::Glrlm(value) | Self::Glszm(value) | Self::Gldzm(value) | Self::Ngldm(value),
                Input::LevelTable(table),
            ) => value(table),
            (Self::Ngtdm(value), Input::Ngtdm(tones)) => value(tones),
            _ => unreachable!("a feature is asked of its own family's input"),
        }
    }
}

impl std::fmt::Debug for Compute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}(..)", self.family())
    }
}

/// The values of some features of one family; all missing where there is nothing to compute them
/// from.
pub(super) fn values(
    features: &[&'static Feature],
    input: Result<Input<'_>, Missing>,
) -> Vec<Value> {
    match input {
        Ok(input) => features.iter().map(|feature| feature.compute.of(&input)).collect(),
        Err(reason) => vec![Err(reason); features.len()],
    }
}
