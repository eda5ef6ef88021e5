//! What the user wrote: extraction settings as TOML. An unknown key is an error.
//!
//! Every key may be left out; [`crate::plan::Plan`] fills in the defaults. `abscope settings show`
//! prints the resolved plan, which is itself a settings file.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::{IvhDiscretisation, TextureParameters};
use crate::filters::FilterSettings;
use crate::input;
use crate::preprocess::parameters::{
    Discretisation, Interpolation, Ring, Rounding, SpacingSetting, SplineEdge,
};

/// Extraction settings as written, sections and keys optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Schema of the keys; that of this version where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<u32>,
    /// Resampling of image and mask.
    pub resampling: ResamplingSettings,
    /// Which voxels of the resampled mask take part in intensity features.
    pub resegmentation: Option<ResegmentationSettings>,
    /// Grey levels for histogram and textures.
    pub discretisation: Option<Discretisation>,
    /// Grey levels of filter responses.
    pub filtered_discretisation: Option<Discretisation>,
    /// Levels of the intensity-volume histogram.
    pub intensity_volume_histogram: Option<IvhDiscretisation>,
    /// Parameters of the texture matrices.
    pub texture: TextureParameters,
    /// Filters, whose response maps are described besides the image itself.
    #[serde(rename = "filter", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSettings>,
    /// Regions to describe.
    pub regions: RegionSettings,
    /// Families and aggregations to compute.
    pub features: FeatureSelection,
}

/// Resampling (IBSI manual, 2.4).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResamplingSettings {
    /// `"none"`, or the new spacing: three numbers (x, y, z), or two (x, y) to keep the slices. mm.
    pub spacing_mm: Option<SpacingSetting>,
    /// Interpolation of the image.
    pub interpolation: Option<Interpolation>,
    /// Interpolation of the mask.
    pub mask_interpolation: Option<Interpolation>,
    /// A resampled mask voxel at or above this fraction belongs to the region.
    pub mask_threshold: Option<f64>,
    /// Rounding of interpolated intensities.
    pub rounding: Option<Rounding>,
    /// How the image goes on beyond its edge for cubic splines. Signatures that were written before it do
    /// not have it, nor does their hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spline_edge: Option<SplineEdge>,
}

/// Re-segmentation (IBSI manual, 2.6). Without this section the range is -1000 to 400 HU.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResegmentationSettings {
    /// Intensities to keep, both bounds included, in HU.
    pub range_hu: Option<[f64; 2]>,
    /// Keep mean ± this many (population) standard deviations of the morphological mask.
    pub outlier_sigma: Option<f64>,
}

/// Regions to describe: the lesion, and optionally a ring around it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegionSettings {
    /// Whether the lesion itself is described.
    pub tumour: bool,
    /// A shell around the lesion.
    pub ring: Option<Ring>,
}

impl Default for RegionSettings {
    fn default() -> Self {
        Self { tumour: true, ring: None }
    }
}

/// What to compute. It changes which values are there, never a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureSelection {
    /// Families; all where not given.
    pub families: Option<Vec<Family>>,
    /// Aggregations of the texture families; 3D merged and 3D where not given.
    pub aggregations: Option<Vec<Aggregation>>,
    /// Ids of features to leave out, such as `morph_moran_i`.
    pub exclude: Vec<String>,
    /// Images to describe: `original` and the names of response maps; all where not given.
    pub maps: Option<Vec<String>>,
}

impl Settings {
    /// Reads settings from a TOML file.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or holds an unknown key or a wrong type (with its line).
    pub fn read(path: &Path) -> Result<Self> {
        let text = input::read_text(path)?;
        Self::parse(&text).map_err(|problem| Error::bad_data(path, problem))
    }

    /// Parses settings from TOML text.
    ///
    /// # Errors
    /// What is wrong and where, without a file name.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| format!("not valid settings: {}", toml_problem(&e, text)))
    }
}

/// What is wrong with TOML text and in which line, on one line itself.
pub(crate) fn toml_problem(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    match error.span() {
        Some(span) => {
            let before = &text.as_bytes()[..span.start.min(text.len())];
            let line = before.iter().filter(|&&b| b == b'\n').count() + 1;
            format!("line {line}: {message}")
        }
        None => message,
    }
}
