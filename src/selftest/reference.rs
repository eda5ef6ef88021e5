//! The reference values of the IBSI and the settings behind them, embedded in the program.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::features::column::ORIGINAL;
use crate::features::family::{Aggregation, Family};
use crate::plan::Plan;
use crate::settings::Settings;

/// An image with settings, for which the IBSI gives reference values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    /// The digital phantom of 5 x 4 x 4 voxels.
    DigitalPhantom,
    /// CT phantom: per slice, no resampling.
    ConfigA,
    /// CT phantom: per slice, 2 mm in the plane.
    ConfigB,
    /// CT phantom: 2 mm trilinear, fixed bin size.
    ConfigC,
    /// CT phantom: 2 mm trilinear, fixed bin number.
    ConfigD,
    /// CT phantom: 2 mm cubic spline, fixed bin number.
    ConfigE,
    /// CT phantom: filters within the slice.
    Phase2A,
    /// CT phantom: filters in 3D, 1 mm cubic spline.
    Phase2B,
}

impl Dataset {
    /// All, in the standard's order.
    pub const ALL: [Self; 8] = [
        Self::DigitalPhantom,
        Self::ConfigA,
        Self::ConfigB,
        Self::ConfigC,
        Self::ConfigD,
        Self::ConfigE,
        Self::Phase2A,
        Self::Phase2B,
    ];

    /// The name in the reference tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::DigitalPhantom => "digital_phantom",
            Self::ConfigA => "config_A",
            Self::ConfigB => "config_B",
            Self::ConfigC => "config_C",
            Self::ConfigD => "config_D",
            Self::ConfigE => "config_E",
            Self::Phase2A => "phase_2_A",
            Self::Phase2B => "phase_2_B",
        }
    }

    /// A heading for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::DigitalPhantom => "Digital phantom",
            Self::ConfigA => "CT phantom A: per slice, 25 HU bins",
            Self::ConfigB => "CT phantom B: per slice, 2 mm, 32 bins",
            Self::ConfigC => "CT phantom C: 2 mm trilinear, 25 HU bins",
            Self::ConfigD => "CT phantom D: 2 mm trilinear, 32 bins",
            Self::ConfigE => "CT phantom E: 2 mm cubic spline, 32 bins",
            Self::Phase2A => "CT phantom, filters 1.A to 9.A: within the slice",
            Self::Phase2B => "CT phantom, filters 1.B to 9.B: in 3D, 1 mm cubic spline",
        }
    }

    /// Image and mask, from the folder that holds the data.
    pub fn files(self) -> [&'static str; 2] {
        match self {
            Self::DigitalPhantom => {
                ["ibsi_1_digital_phantom/image.nii.gz", "ibsi_1_digital_phantom/mask.nii.gz"]
            }
            _ => ["ct_radiomics_phantom/image.nii.gz", "ct_radiomics_phantom/mask.nii.gz"],
        }
    }

    /// The settings as TOML.
    pub fn settings(self) -> &'static str {
        match self {
            Self::DigitalPhantom => include_str!("digital_phantom.toml"),
            Self::ConfigA => include_str!("config_a.toml"),
            Self::ConfigB => include_str!("config_b.toml"),
            Self::ConfigC => include_str!("config_c.toml"),
            Self::ConfigD => include_str!("config_d.toml"),
            Self::ConfigE => include_str!("config_e.toml"),
            Self::Phase2A => include_str!("ibsi2_phase2_a.toml"),
            Self::Phase2B => include_str!("ibsi2_phase2_b.toml"),
        }
    }

    /// The settings resolved.
    pub fn plan(self) -> Plan {
        let settings = Settings::parse(self.settings()).expect("embedded settings are valid");
        Plan::resolve(&settings).expect("embedded settings agree with each other")
    }

    fn named(name: &str) -> Self {
        *Self::ALL.iter().find(|d| d.name() == name).expect("embedded tables name known datasets")
    }
}

/// A reference value.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Image and settings.
    pub dataset: Dataset,
    /// The family's name, for IBSI 2 the filter's id and name, for diagnostics the step (`initial
    /// image`, ...).
    pub group: String,
    /// The filter as in a column's name; `original` for none.
    pub filter: String,
    /// IBSI's short tag with the aggregation.
    pub tag: String,
    /// IBSI's name.
    pub name: String,
    /// IBSI's code; empty for diagnostics.
    pub ibsi: String,
    /// Family and aggregation of a feature.
    pub feature: Option<(Family, Aggregation)>,
    /// The value, of three significant digits.
    pub value: f64,
    /// How far from it a result may lie.
    pub tolerance: f64,
    /// How many teams agree, in IBSI's words; empty for diagnostics.
    pub consensus: String,
}

/// The 1804 reference values of IBSI 1 features.
pub static FEATURE_REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Row {
        family: Family,
        feature_name: String,
        ibsi_code: String,
        aggregation: String,
        dataset: String,
        value: f64,
        tolerance: f64,
        consensus: String,
        spreadsheet_tag: String,
    }
    rows(include_bytes!("ibsi1_reference.csv"))
        .map(|row: Row| Reference {
            dataset: Dataset::named(&row.dataset),
            group: row.family.name().into(),
            filter: ORIGINAL.into(),
            tag: row.spreadsheet_tag,
            name: row.feature_name,
            ibsi: row.ibsi_code,
            feature: Some((row.family, aggregation(row.family, &row.aggregation))),
            value: row.value,
            tolerance: row.tolerance,
            consensus: row.consensus,
        })
        .collect()
});

/// The 300 checks of the processing steps of configurations A to E.
pub static DIAGNOSTIC_REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Row {
        family: String,
        feature_name: String,
        dataset: String,
        value: f64,
        tolerance: f64,
        spreadsheet_tag: String,
    }
    rows(include_bytes!("ibsi1_diagnostics_reference.csv"))
        .map(|row: Row| Reference {
            dataset: Dataset::named(&row.dataset),
            group: row.family.trim_start_matches("Diagnostics-").into(),
            filter: ORIGINAL.into(),
            tag: row.spreadsheet_tag,
            name: row.feature_name,
            ibsi: String::new(),
            feature: None,
            value: row.value,
            tolerance: row.tolerance,
            consensus: String::new(),
        })
        .collect()
});

/// The filters of phase 2, by id.
const PHASE_2_FILTERS: [&str; 9] = [
    "1 no filter",
    "2 mean",
    "3 Laplacian of Gaussian",
    "4 Laws",
    "5 Gabor",
    "6 Daubechies 3, level 1",
    "7 Daubechies 3, level 2",
    "8 Simoncelli, level 1",
    "9 Simoncelli, level 2",
];

/// The 323 reference values of IBSI 2, phase 2: intensity statistics of response maps.
pub static FILTER_REFERENCES: LazyLock<Vec<Reference>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    struct Row {
        filter_id: String,
        feature_name: String,
        ibsi_code: String,
        value: Option<f64>,
        tolerance: Option<f64>,
        consensus: String,
        spreadsheet_tag: String,
    }
    let reference = |row: Row| {
        let (filter, configuration) = row.filter_id.split_once('.').expect("such as 2.A");
        let number: usize = filter.parse().expect("1 to 9");
        Some(Reference {
            dataset: if configuration == "A" { Dataset::Phase2A } else { Dataset::Phase2B },
            group: PHASE_2_FILTERS[number - 1].into(),
            filter: if number == 1 { ORIGINAL.into() } else { filter.into() },
            tag: row.spreadsheet_tag,
            name: row.feature_name,
            ibsi: row.ibsi_code,
            feature: Some((Family::Statistics, Aggregation::NotAggregated)),
            value: row.value?,
            tolerance: row.tolerance?,
            consensus: row.consensus,
        })
    };
    rows(include_bytes!("ibsi2_phase2_reference.csv")).filter_map(reference).collect()
});

pub(super) fn rows<T: for<'de> Deserialize<'de>>(table: &'static [u8]) -> impl Iterator<Item = T> {
    csv::Reader::from_reader(table)
        .into_deserialize()
        .map(|row| row.expect("embedded tables are well-formed"))
}

/// The aggregation that the reference tables call by this name.
fn aggregation(family: Family, name: &str) -> Aggregation {
    let found = family.aggregations().iter().copied().find(|a| {
        name == match a {
            Aggregation::NotAggregated => "none",
            Aggregation::Average2D => "2D average",
            Aggregation::SliceMerged2D => "2D slice-merged",
            Aggregation::DirectionMerged2_5D => "2.5D dir-merged",
            Aggregation::Merged2_5D => "2.5D merged",
            Aggregation::Average3D => "3D average",
            Aggregation::Merged3D => "3D merged",
            Aggregation::BySlice2D => "2D",
            Aggregation::MergedSlices2_5D => "2.5D",
            Aggregation::Volume3D => "3D",
        }
    });
    found.expect("embedded tables name known aggregations")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{FEATURES, Oracle};

    /// Oracle: the reference table of the IBSI.
    #[test]
    fn every_reference_row_finds_its_feature_and_its_name_and_code() {
        for row in FEATURE_REFERENCES.iter() {
            let (family, aggregation) = row.feature.expect("a feature's row");
            let found = FEATURES.iter().find(|f| f.tag(aggregation) == row.tag);
            let feature = found.unwrap_or_else(|| panic!("no feature for {}", row.tag));
            assert_eq!(
                (feature.family(), feature.ibsi),
                (family, row.ibsi.as_str()),
                "{}",
                row.tag
            );
        }
    }

    #[test]
    fn every_feature_is_vetted_by_a_reference_row_or_says_by_what() {
        for feature in FEATURES {
            let aggregations = feature.family().aggregations();
            let vetted = aggregations
                .iter()
                .all(|&a| FEATURE_REFERENCES.iter().any(|row| row.tag == feature.tag(a)));
            let says = feature.oracle == Oracle::Ibsi;
            assert_eq!(vetted, says, "{}: {}", feature.id, feature.oracle.describe());
        }
        let others: Vec<_> =
            FEATURES.iter().filter(|f| f.oracle != Oracle::Ibsi).map(|f| f.id).collect();
        assert_eq!(
            others,
            [
                "morph_vol_dens_ombb",
                "morph_area_dens_ombb",
                "morph_vol_dens_mvee",
                "morph_area_dens_mvee",
                "ivh_auc"
            ]
        );
    }
}
