//! A feature's value, or why there is none.

use serde::{Deserialize, Serialize};

/// A finite value, or the reason for its absence.
pub type Value = Result<f64, Missing>;

/// Why a value cannot be computed. Written out next to the empty cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The region holds no voxel after re-segmentation.
    EmptyRegion,
    /// The region has no voxel on the grid that the image was resampled to.
    LostInResampling,
    /// The region, its surroundings or a filter would read intensities that are no finite numbers.
    IntensityNotFinite,
    /// All voxels have one intensity or grey level, and the definition divides by their spread.
    FlatRegion,
    /// The definition divides by a mean, sum or other quantity that is zero here.
    ZeroDenominator,
    /// Too few voxels (one voxel, a line, a plane) for the shape the definition needs.
    TooFewVoxels,
    /// Even the highest level of an intensity-volume histogram has more of the volume than asked for.
    NoSuchLevel,
    /// No voxel has a neighbour inside the region at the distance asked for.
    NoNeighbours,
    /// Discretisation would need more than 65,535 grey levels.
    TooManyLevels,
    /// Grey levels below 1: an image without discretisation must hold whole numbers from 1.
    LevelsBelowOne,
    /// A filter's kernel is too wide for the grid.
    FilterTooWide,
    /// The table that was read has an empty cell here.
    NotInTable,
    /// The result exceeds the range of a 64-bit number.
    NotFinite,
}

impl Missing {
    const ALL: [Self; 13] = [
        Self::EmptyRegion,
        Self::LostInResampling,
        Self::IntensityNotFinite,
        Self::FlatRegion,
        Self::ZeroDenominator,
        Self::TooFewVoxels,
        Self::NoSuchLevel,
        Self::NoNeighbours,
        Self::TooManyLevels,
        Self::LevelsBelowOne,
        Self::FilterTooWide,
        Self::NotInTable,
        Self::NotFinite,
    ];

    /// The word for it in tables.
    pub fn code(self) -> &'static str {
        match self {
            Self::EmptyRegion => "empty_region",
            Self::LostInResampling => "lost_in_resampling",
            Self::IntensityNotFinite => "intensity_not_finite",
            Self::FlatRegion => "flat_region",
            Self::ZeroDenominator => "zero_denominator",
            Self::TooFewVoxels => "too_few_voxels",
            Self::NoSuchLevel => "no_such_level",
            Self::NoNeighbours => "no_neighbours",
            Self::TooManyLevels => "too_many_levels",
            Self::LevelsBelowOne => "levels_below_one",
            Self::FilterTooWide => "filter_too_wide",
            Self::NotInTable => "not_in_table",
            Self::NotFinite => "not_finite",
        }
    }

    /// The reason of such a word.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// One sentence for tables, reports and messages.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::EmptyRegion => "the region has no voxel left after re-segmentation",
            Self::LostInResampling => "resampling left no voxel of the lesion",
            Self::IntensityNotFinite => "it would read intensities that are no finite numbers",
            Self::FlatRegion => "all voxels have the same value",
            Self::ZeroDenominator => "the definition divides by a quantity that is zero here",
            Self::TooFewVoxels => "the region has too few voxels for this definition",
            Self::NoSuchLevel => "even the highest level has more of the volume",
            Self::NoNeighbours => "no voxel has a neighbour inside the region",
            Self::TooManyLevels => "more than 65,535 grey levels; widen the bins",
            Self::LevelsBelowOne => {
                "without discretisation, intensities must be whole numbers from 1"
            }
            Self::FilterTooWide => "the filter's kernel is too wide for the grid",
            Self::NotInTable => "the feature table has no value here",
            Self::NotFinite => "the result is not a finite number",
        }
    }
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.explanation())
    }
}

/// `numerator / denominator`, missing where the denominator is zero.
pub fn ratio(numerator: f64, denominator: f64) -> Value {
    if denominator == 0.0 { Err(Missing::ZeroDenominator) } else { finite(numerator / denominator) }
}

/// A value that is missing where it is not finite.
pub fn finite(value: f64) -> Value {
    if value.is_finite() { Ok(value) } else { Err(Missing::NotFinite) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_has_one_word_everywhere() {
        for reason in Missing::ALL {
            assert_eq!(serde_json::json!(reason), reason.code());
            assert_eq!(Missing::parse(reason.code()), Some(reason));
        }
        assert_eq!(Missing::parse("of_no_interest"), None);
    }
}
