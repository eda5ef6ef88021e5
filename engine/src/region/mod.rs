//! What is described: a lesion or the ring around it, cut out and ready for features.

mod levels;
mod roi;

pub use levels::{Levels, LevelsOrMissing};
pub use roi::Roi;

use serde::{Deserialize, Serialize};

/// What a value describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    /// The lesion.
    Tumour,
    /// The shell around it.
    Ring,
}

impl Region {
    /// Both, in the order of columns.
    pub const ALL: [Self; 2] = [Self::Tumour, Self::Ring];

    /// The name in columns.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tumour => "tumour",
            Self::Ring => "ring",
        }
    }
}

/// What is known of a region besides its features; warnings come from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegionFacts {
    /// Which region.
    pub region: Region,
    /// Voxels of the morphological mask on the working grid.
    pub voxels: usize,
    /// Voxels left by re-segmentation.
    pub voxels_kept: usize,
    /// Grey levels that discretisation gives (N_g); absent where it cannot.
    pub levels: Option<usize>,
    /// Lowest and highest intensity of the morphological mask, HU.
    pub intensity_range: Option<[f64; 2]>,
    /// Share of the region (before its HU range and re-segmentation) below -500 HU.
    pub air_fraction: f64,
    /// Share of the region (before its HU range and re-segmentation) above 300 HU.
    pub bone_fraction: f64,
    /// Whether the region lies on the border of the image.
    pub touches_border: bool,
}
