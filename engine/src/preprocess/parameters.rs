//! What a user can choose about the preparation of a region, each default filled in.

use serde::{Deserialize, Serialize};

/// Resampling, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// New spacing, or the image's own grid.
    pub spacing_mm: Spacing,
    /// Interpolation of the image.
    pub interpolation: Interpolation,
    /// Interpolation of the mask.
    pub mask_interpolation: Interpolation,
    /// A resampled mask voxel at or above this fraction belongs to the region.
    pub mask_threshold: f64,
    /// Rounding of interpolated intensities.
    pub rounding: Rounding,
    /// How the image goes on beyond its edge for cubic splines; where there are none it makes no
    /// difference, and a plan has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spline_edge: Option<SplineEdge>,
}

/// New voxel spacing in mm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SpacingSetting", into = "SpacingSetting")]
pub enum Spacing {
    /// The image's own grid.
    Native,
    /// In the slice plane only; slices stay where they are.
    InPlane([f64; 2]),
    /// Along x, y, z.
    Volume([f64; 3]),
}

impl Spacing {
    /// The spacing of the working grid of an image with spacing `native`, mm.
    pub fn resolve(self, native: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Native => native,
            Self::InPlane([x, y]) => [x, y, native[2]],
            Self::Volume(spacing) => spacing,
        }
    }
}

impl TryFrom<SpacingSetting> for Spacing {
    type Error = String;

    fn try_from(setting: SpacingSetting) -> Result<Self, String> {
        let spacing = match setting {
            SpacingSetting::Word(word) if word == "none" => return Ok(Self::Native),
            SpacingSetting::Word(word) => {
                return Err(format!(
                    "resampling.spacing_mm is \"{word}\"; give \"none\", two or three numbers in mm"
                ));
            }
            SpacingSetting::Spacing(spacing) => spacing,
        };
        // Below a tenth of a millimetre the grid explodes; above 20 mm no lesion is left.
        if let Some(bad) = spacing.iter().find(|s| !(0.1..=20.0).contains(*s)) {
            return Err(format!("resampling.spacing_mm holds {bad}; give 0.1 to 20 mm"));
        }
        match spacing[..] {
            [x, y] => Ok(Self::InPlane([x, y])),
            [x, y, z] => Ok(Self::Volume([x, y, z])),
            _ => Err(format!(
                "resampling.spacing_mm has {} numbers; give two (x, y) or three (x, y, z)",
                spacing.len()
            )),
        }
    }
}

impl From<Spacing> for SpacingSetting {
    fn from(spacing: Spacing) -> Self {
        match spacing {
            Spacing::Native => Self::Word("none".into()),
            Spacing::InPlane(s) => Self::Spacing(s.into()),
            Spacing::Volume(s) => Self::Spacing(s.into()),
        }
    }
}

/// Re-segmentation, resolved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resegmentation {
    /// Intensities to keep, both bounds included, HU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_hu: Option<[f64; 2]>,
    /// Keep mean ± this many standard deviations of the morphological mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlier_sigma: Option<f64>,
}

/// The word `"none"` or a spacing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SpacingSetting {
    /// `"none"`: keep the image's own grid.
    Word(String),
    /// New spacing in mm.
    Spacing(Vec<f64>),
}

/// How values between voxels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest voxel.
    Nearest,
    /// Linear along each axis.
    Trilinear,
    /// Cubic B-spline with prefilter.
    TricubicSpline,
}

/// How an image goes on beyond its edge for cubic splines, which near the edge depend on it. Nearest
/// and linear interpolation always repeat the outermost voxels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplineEdge {
    /// With its outermost voxels, as the IBSI manual recommends and MIRP does.
    #[default]
    Nearest,
    /// Mirrored at the centres of its outermost voxels; positions beyond these have their value.
    Mirror,
}

/// Rounding of interpolated intensities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest whole number, as CT numbers are.
    NearestInteger,
    /// As interpolated.
    None,
}

/// How intensities become grey levels (IBSI manual, 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Discretisation {
    /// Intensities are grey levels already: whole numbers from 1.
    None,
    /// Bins of fixed width.
    FixedBinSize {
        /// Bin width, HU (or units of the response).
        width: f64,
        /// Lower edge of the first bin; the lower bound of the re-segmentation range where not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        first_edge: Option<f64>,
    },
    /// A fixed number of bins between the region's minimum and maximum.
    FixedBinNumber {
        /// Number of bins.
        bins: u32,
    },
}

/// A shell around a lesion, without the voxels of other lesions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ring {
    /// Voxels whose centre is farther than this from the nearest voxel centre of the lesion, mm.
    pub inner_mm: f64,
    /// And at most this far, mm.
    pub outer_mm: f64,
    /// Only voxels with intensities in this range, both bounds included, HU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range_hu: Option<[f64; 2]>,
}
