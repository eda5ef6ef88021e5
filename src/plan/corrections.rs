//! Releases that corrected values.
//!
//! A value that moves because it was wrong raises the crate's version and is registered here, with the
//! columns and settings that it touches. What was made before it, and holds a touched value, is
//! refused by name or made again; everything else goes on working.

use super::processing::Processing;
use crate::features::parameters::IvhDiscretisation;
use crate::features::{Column, Family, ORIGINAL};
use crate::preprocess::parameters::{Discretisation, Interpolation, Resampling, Spacing};

/// A correction.
#[derive(Debug)]
pub struct Correction {
    /// The first version that computes the corrected values.
    pub version: Version,
    /// What was corrected, in words that complete "abscope 0.2.0 corrected …".
    pub what: &'static str,
    /// Whether the values of a column under these settings are others than before.
    pub touches: fn(&Column, &Processing) -> bool,
}

/// All corrections, oldest first.
pub static CORRECTIONS: &[Correction] = &[
    Correction {
        version: Version(0, 2, 0),
        what: "the bins of intensities on an edge",
        touches: has_rounded_bins,
    },
    Correction {
        version: Version(0, 2, 0),
        what: "the nearest of two voxels that are as near",
        touches: |_, processing| {
            let Resampling { spacing_mm, interpolation, mask_interpolation, .. } =
                processing.resampling;
            spacing_mm != Spacing::Native
                && [interpolation, mask_interpolation].contains(&Interpolation::Nearest)
        },
    },
    Correction {
        version: Version(0, 2, 0),
        what: "features of two voxels, of which a definition takes none",
        touches: |column, _| {
            ["stat_rmad", "ih_rmad", "ivh_i10", "ivh_i90", "ivh_diff_i10_i90"]
                .contains(&column.feature.id)
        },
    },
];

/// Bins whose edges were not exact: all but powers of two and widths in eighths.
fn has_rounded_bins(column: &Column, processing: &Processing) -> bool {
    let rounded = |number: f64| (number * 8.0).fract() != 0.0;
    let family = column.feature.family();
    let is_original = column.filter == ORIGINAL;
    if family == Family::IntensityVolumeHistogram {
        return match processing.intensity_volume_histogram {
            // Those of a response map are a thousand.
            _ if !is_original => true,
            IvhDiscretisation::None { step: width } | IvhDiscretisation::FixedBinSize { width } => {
                rounded(width)
            }
            IvhDiscretisation::FixedBinNumber { bins } => !bins.is_power_of_two(),
        };
    }
    let has_levels = family.has_matrices() || family == Family::IntensityHistogram;
    let of_image =
        if is_original { processing.discretisation } else { processing.filtered_discretisation };
    has_levels
        && match of_image {
            Discretisation::None => false,
            Discretisation::FixedBinSize { width, first_edge } => {
                rounded(width) || first_edge.is_some_and(rounded)
            }
            Discretisation::FixedBinNumber { bins } => !bins.is_power_of_two(),
        }
}

/// A version of abscope: major, minor, patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// The version of a text such as `0.2.0`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(str::parse);
        let mut next = || parts.next()?.ok();
        let version = Self(next()?, next()?, next()?);
        next().is_none().then_some(version)
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The first correction after `version` that touches a column. Of a version that is not known, every
/// correction is later.
pub fn since<'c>(
    version: Option<Version>,
    column: &Column,
    processing: &Processing,
    corrections: &'c [Correction],
) -> Option<&'c Correction> {
    corrections
        .iter()
        .filter(|correction| version.is_none_or(|version| version < correction.version))
        .find(|correction| (correction.touches)(column, processing))
}

/// The versions whose values a plan's columns may have: the first release, and every correction that
/// touches one of them, oldest first. Values of the last are those of today.
pub fn epochs<'a>(
    columns: impl Iterator<Item = &'a Column> + Clone,
    processing: &Processing,
    corrections: &[Correction],
) -> Vec<Version> {
    let touching = corrections
        .iter()
        .filter(|correction| columns.clone().any(|column| (correction.touches)(column, processing)))
        .map(|correction| correction.version);
    std::iter::once(Version(0, 1, 0)).chain(touching).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::settings::Settings;

    const LATER: &[Correction] = &[
        Correction {
            version: Version(0, 2, 0),
            what: "the mean of rings",
            touches: |column, processing| {
                column.feature.id == "stat_mean" && processing.ring.is_some()
            },
        },
        Correction {
            version: Version(0, 3, 0),
            what: "joint entropy",
            touches: |column, _| column.feature.id == "cm_joint_entr",
        },
    ];

    fn column(name: &str) -> Column {
        Column::parse(name).expect("a column")
    }

    #[test]
    fn only_what_a_later_correction_touches_is_found() {
        let plan = Plan::default();
        let find = |version: &str, name: &str| {
            let version = Version::parse(version);
            since(version, &column(name), plan.processing(), LATER).map(|c| c.what)
        };
        let entropy = "tumour_original_cm_joint_entr_3D_comb";
        assert_eq!(find("0.1.0", entropy), Some("joint entropy"));
        assert_eq!(find("0.3.0", entropy), None);
        assert_eq!(find("of another engine", entropy), Some("joint entropy"));
        assert_eq!(find("0.1.0", "tumour_original_stat_mean"), None);
    }

    #[test]
    fn epochs_are_the_first_release_and_what_touches_the_plan() {
        let plan = Plan::default();
        let all = epochs(plan.columns().own(), plan.processing(), LATER);
        assert_eq!(all, [Version(0, 1, 0), Version(0, 3, 0)]);
        assert_eq!(epochs(plan.columns().own(), plan.processing(), &[]), [Version(0, 1, 0)]);
    }

    #[test]
    fn bins_that_were_rounded_are_those_of_no_power_of_two_and_of_no_eighths() {
        let touched = |settings: &str, name: &str| {
            let settings = Settings::parse(settings).expect("valid");
            let plan = Plan::resolve(&settings).expect("they resolve");
            since(Version::parse("0.1.0"), &column(name), plan.processing(), CORRECTIONS).is_some()
        };
        let bins = |n: u32| format!("[discretisation]\nmethod = \"fixed_bin_number\"\nbins = {n}");
        let [entropy, mean] = ["cm_joint_entr_3D_comb", "stat_mean"].map(|tag| {
            let name = format!("tumour_original_{tag}");
            move |settings: &str| touched(settings, &name)
        });
        assert!(entropy(&bins(50)) && !mean(&bins(50)) && !entropy(&bins(64)));
        assert!(!entropy(""));
        let nearest = "[resampling]\nmask_interpolation = \"nearest\"";
        assert!(entropy(nearest) && mean(nearest));
        assert!(!mean(&format!("{nearest}\nspacing_mm = \"none\"")));
        let tenths = "[discretisation]\nmethod = \"fixed_bin_size\"\nwidth = 0.1";
        assert!(entropy(tenths));
    }

    #[test]
    fn versions_are_compared_by_number() {
        assert!(Version::parse("0.9.0") < Version::parse("0.10.0"));
        assert_eq!(Version::parse("0.1"), None);
        assert_eq!(Version::parse("0.1.0-beta"), None);
    }
}
