//! What a user can choose about the features themselves.

use serde::{Deserialize, Serialize};

/// Parameters of the texture matrices (IBSI manual 3.6 to 3.11). Defaults are those of the IBSI
/// reference values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TextureParameters {
    /// Chebyshev distance of co-occurring voxels (PVMT), at least 1.
    pub glcm_distance: u16,
    /// Which voxels at this distance co-occur. At distance 1 it makes no difference, and a plan has
    /// none; where not given otherwise, [`GlcmNeighbours::Scaled`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glcm_neighbours: Option<GlcmNeighbours>,
    /// Weighting of directions by their length in mm, for GLCM and GLRLM.
    pub distance_weighting: DistanceWeighting,
    /// Chebyshev radius of the NGTDM neighbourhood, at least 1.
    pub ngtdm_distance: u16,
    /// Chebyshev radius of the NGLDM neighbourhood, at least 1.
    pub ngldm_distance: u16,
    /// NGLDM coarseness alpha: neighbours within this many levels count as dependent.
    pub ngldm_coarseness: u16,
}

impl Default for TextureParameters {
    fn default() -> Self {
        Self {
            glcm_distance: 1,
            glcm_neighbours: None,
            distance_weighting: DistanceWeighting::None,
            ngtdm_distance: 1,
            ngldm_distance: 1,
            ngldm_coarseness: 0,
        }
    }
}

/// Which voxels at a distance above 1 co-occur.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GlcmNeighbours {
    /// Those along the 13 directions (4 within a slice), each as many steps away (IBSI manual, 3.6).
    #[default]
    Scaled,
    /// All at this Chebyshev distance: 49 vectors at distance 2, 109 at distance 3. PyRadiomics has
    /// these.
    Chebyshev,
}

/// How directional matrices are weighted before they are merged (IBSI manual, 3.6.2 and 3.7.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistanceWeighting {
    /// Every direction counts alike.
    #[default]
    None,
    /// Weight 1/|m|, the Euclidean length of the direction vector in mm.
    InverseDistance,
    /// Weight exp(-|m|²), |m| in mm.
    Exponential,
}

/// Levels of the intensity-volume histogram (IBSI manual, 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum IvhDiscretisation {
    /// Intensities as they are, in steps of `step` from the lower to the upper bound of the
    /// re-segmentation range, or of the region where there is no range.
    None {
        /// Step between intensities, in units of the image (1 HU for CT).
        #[serde(default = "one")]
        step: f64,
    },
    /// Bins of fixed width; intensities are bin centres.
    FixedBinSize {
        /// Bin width in units of the image.
        width: f64,
    },
    /// A fixed number of bins; intensities are bin numbers.
    FixedBinNumber {
        /// Number of bins.
        bins: u32,
    },
}

fn one() -> f64 {
    1.0
}

impl Default for IvhDiscretisation {
    fn default() -> Self {
        Self::None { step: 1.0 }
    }
}
