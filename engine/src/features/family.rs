//! Feature families and the ways their matrices are aggregated (IBSI manual, chapter 3).

use serde::{Deserialize, Serialize};

/// A family of features of the IBSI standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Morphology (HCUG).
    Morphology,
    /// Local intensity (9ST6).
    LocalIntensity,
    /// Intensity-based statistics (UHIW).
    Statistics,
    /// Intensity histogram (ZVCW).
    IntensityHistogram,
    /// Intensity-volume histogram (P88C).
    IntensityVolumeHistogram,
    /// Grey level co-occurrence matrix (LFYI).
    Glcm,
    /// Grey level run length matrix (TP0I).
    Glrlm,
    /// Grey level size zone matrix (9SAK).
    Glszm,
    /// Grey level distance zone matrix (VMDZ).
    Gldzm,
    /// Neighbourhood grey tone difference matrix (IPET).
    Ngtdm,
    /// Neighbouring grey level dependence matrix (REK0).
    Ngldm,
}

impl Family {
    /// All families, in the standard's order.
    pub const ALL: [Self; 11] = [
        Self::Morphology,
        Self::LocalIntensity,
        Self::Statistics,
        Self::IntensityHistogram,
        Self::IntensityVolumeHistogram,
        Self::Glcm,
        Self::Glrlm,
        Self::Glszm,
        Self::Gldzm,
        Self::Ngtdm,
        Self::Ngldm,
    ];

    /// The name used in settings and in the reference tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Morphology => "morphology",
            Self::LocalIntensity => "local_intensity",
            Self::Statistics => "statistics",
            Self::IntensityHistogram => "intensity_histogram",
            Self::IntensityVolumeHistogram => "intensity_volume_histogram",
            Self::Glcm => "glcm",
            Self::Glrlm => "glrlm",
            Self::Glszm => "glszm",
            Self::Gldzm => "gldzm",
            Self::Ngtdm => "ngtdm",
            Self::Ngldm => "ngldm",
        }
    }

    /// The aggregations that the standard defines for this family.
    pub fn aggregations(self) -> &'static [Aggregation] {
        use Aggregation::*;
        match self {
            Self::Glcm | Self::Glrlm => {
                &[Average2D, SliceMerged2D, DirectionMerged2_5D, Merged2_5D, Average3D, Merged3D]
            }
            Self::Glszm | Self::Gldzm | Self::Ngtdm | Self::Ngldm => {
                &[BySlice2D, MergedSlices2_5D, Volume3D]
            }
            _ => &[NotAggregated],
        }
    }

    /// Whether the family's features are of matrices, which are counted by slice and direction and
    /// aggregated.
    pub fn has_matrices(self) -> bool {
        self >= Self::Glcm
    }

    /// Whether the family describes the region's shape, whatever the filter.
    pub fn is_shape(self) -> bool {
        self == Self::Morphology
    }
}

/// How texture matrices are merged and their features averaged.
///
/// Slices are planes of fixed z. IBSI codes in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Aggregation {
    /// The family has no matrices to aggregate.
    #[serde(rename = "none")]
    NotAggregated,
    /// A matrix per slice and direction, features averaged (BTW3).
    #[serde(rename = "2D_avg")]
    Average2D,
    /// Directions merged within each slice, features averaged over slices (SUJT).
    #[serde(rename = "2D_comb")]
    SliceMerged2D,
    /// Slices merged for each 2D direction, features averaged over directions (JJUI).
    #[serde(rename = "2_5D_avg")]
    DirectionMerged2_5D,
    /// All 2D directions and slices merged (ZW7Z).
    #[serde(rename = "2_5D_comb")]
    Merged2_5D,
    /// A matrix per 3D direction, features averaged (ITBB).
    #[serde(rename = "3D_avg")]
    Average3D,
    /// All 3D directions merged (IAZD).
    #[serde(rename = "3D_comb")]
    Merged3D,
    /// A matrix per slice, features averaged (8QNN).
    #[serde(rename = "2D")]
    BySlice2D,
    /// Matrices of the slices merged (62GR).
    #[serde(rename = "2_5D")]
    MergedSlices2_5D,
    /// One matrix of the volume (KOBO).
    #[serde(rename = "3D")]
    Volume3D,
}

impl Aggregation {
    /// The suffix of column names, as in IBSI's spreadsheets; empty where nothing is aggregated.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::NotAggregated => "",
            Self::Average2D => "2D_avg",
            Self::SliceMerged2D => "2D_comb",
            Self::DirectionMerged2_5D => "2_5D_avg",
            Self::Merged2_5D => "2_5D_comb",
            Self::Average3D => "3D_avg",
            Self::Merged3D => "3D_comb",
            Self::BySlice2D => "2D",
            Self::MergedSlices2_5D => "2_5D",
            Self::Volume3D => "3D",
        }
    }

    /// The standard's four-letter code.
    pub fn ibsi(self) -> Option<&'static str> {
        match self {
            Self::NotAggregated => None,
            Self::Average2D => Some("BTW3"),
            Self::SliceMerged2D => Some("SUJT"),
            Self::DirectionMerged2_5D => Some("JJUI"),
            Self::Merged2_5D => Some("ZW7Z"),
            Self::Average3D => Some("ITBB"),
            Self::Merged3D => Some("IAZD"),
            Self::BySlice2D => Some("8QNN"),
            Self::MergedSlices2_5D => Some("62GR"),
            Self::Volume3D => Some("KOBO"),
        }
    }
}
