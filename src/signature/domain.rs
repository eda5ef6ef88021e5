//! Whether a lesion lies in the domain that the model was trained on.

use nalgebra::DVector;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::file::Policy;
use super::model::{Model, Term};
use crate::preprocess::parameters::Discretisation;
use crate::region::{Region, RegionFacts};
use crate::row::Row;
use crate::stats::Mahalanobis;

/// A ring with more air or bone than this describes something else than tissue around a tumour.
const MOSTLY: f64 = 0.5;
/// Tissue, iodine and bone stay below; implants, clips and coils do not.
const METAL_HU: f64 = 2500.0;
/// Fewer grey levels leave texture matrices of a handful of cells.
const FEW_LEVELS: usize = 8;
/// Share of voxels that re-segmentation may remove before the region is not the lesion any more.
const REMOVED: f64 = 0.10;
/// Standardised values beyond this are extrapolation, whatever the training extremes.
const FAR_Z: f64 = 4.0;
/// Distances beyond this quantile of the chi-squared distribution are outside the training cloud.
const DISTANCE_QUANTILE: f64 = 0.99;

/// How much a flag should trouble the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// The score may be less sure than its interval says.
    Caution,
    /// The score should not be relied on.
    Warning,
}

impl Severity {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Caution => "caution",
            Self::Warning => "warning",
        }
    }
}

/// What is out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlagCode {
    /// A feature lies outside the training quantiles.
    FeatureOutsideTraining,
    /// The combination of features is unlike the reference cohort.
    FeaturesUnlikeReference,
    /// The volume is below the model's minimum.
    VolumeBelowMinimum,
    /// The ring is mostly air.
    RingMostlyAir,
    /// The ring is mostly bone.
    RingMostlyBone,
    /// There is metal in the region.
    Metal,
    /// The region reaches the border of the image.
    Truncated,
    /// Discretisation gives too few grey levels.
    FewLevels,
    /// Re-segmentation removed more than a tenth of the region.
    ManyVoxelsRemoved,
    /// A covariate is not known.
    CovariateMissing,
    /// The site was not seen in training.
    SiteUnseen,
    /// The tube voltage is outside the training range.
    KvpOutsideTraining,
    /// The batch is not in the model's harmonisation.
    BatchUnknown,
    /// Perturbing image and mask moves the score to one side.
    PerturbationShift,
}

impl FlagCode {
    /// The word for it in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::FeatureOutsideTraining => "feature_outside_training",
            Self::FeaturesUnlikeReference => "features_unlike_reference",
            Self::VolumeBelowMinimum => "volume_below_minimum",
            Self::RingMostlyAir => "ring_mostly_air",
            Self::RingMostlyBone => "ring_mostly_bone",
            Self::Metal => "metal",
            Self::Truncated => "truncated",
            Self::FewLevels => "few_levels",
            Self::ManyVoxelsRemoved => "many_voxels_removed",
            Self::CovariateMissing => "covariate_missing",
            Self::SiteUnseen => "site_unseen",
            Self::KvpOutsideTraining => "kvp_outside_training",
            Self::BatchUnknown => "batch_unknown",
            Self::PerturbationShift => "perturbation_shift",
        }
    }

    /// What it means of any lesion, in one sentence.
    pub fn in_general(self) -> &'static str {
        match self {
            Self::FeatureOutsideTraining | Self::FeaturesUnlikeReference => {
                "Features are unlike the training data; the score is an extrapolation."
            }
            Self::VolumeBelowMinimum => "The lesion is smaller than the model's minimum.",
            Self::RingMostlyAir => "The ring around the lesion is mostly air.",
            Self::RingMostlyBone => "The ring around the lesion is mostly bone.",
            Self::Metal => "There is metal in the region.",
            Self::Truncated => "The lesion reaches the border of the image.",
            Self::FewLevels => "The lesion has too few grey levels for its texture.",
            Self::ManyVoxelsRemoved => {
                "Re-segmentation removed more than a tenth of the lesion's voxels."
            }
            Self::CovariateMissing => "A covariate is not known.",
            Self::SiteUnseen => "The site was not seen in training.",
            Self::KvpOutsideTraining => "The tube voltage is outside the training range.",
            Self::BatchUnknown => "The batch is not in the model's harmonisation.",
            Self::PerturbationShift => {
                "Perturbed copies of image and contour score to one side of the lesion as it is; the \
                 contour or the image may be unusual."
            }
        }
    }
}

/// One reason to doubt a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flag {
    /// What.
    pub code: FlagCode,
    /// How much.
    pub severity: Severity,
    /// One sentence with the offending value.
    pub message: String,
}

impl Flag {
    /// A flag with its message.
    pub fn new(code: FlagCode, severity: Severity, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into() }
    }
}

/// Flags from what is known of the regions besides their features.
pub(super) fn of_facts(model: &Model, lesion: &Row) -> Vec<Flag> {
    let mut flags = Vec::new();
    if let (Some(reliability), Some(volume)) = (model.reliability(), lesion.volume_ml)
        && volume < reliability.min_volume_ml
    {
        flags.push(Flag::new(
            FlagCode::VolumeBelowMinimum,
            Severity::Warning,
            format!(
                "Volume {volume:.2} mL is below the model's minimum of {} mL.",
                reliability.min_volume_ml
            ),
        ));
    }
    let own = || model.terms().iter().filter_map(|term| term.column().own());
    let needs = |region| own().any(|column| column.region == region);
    for facts in lesion.facts.iter().filter(|f| f.region == Region::Tumour || needs(f.region)) {
        of_region(model, facts, &mut flags);
    }
    flags
}

fn of_region(model: &Model, facts: &RegionFacts, flags: &mut Vec<Flag>) {
    let region = facts.region.name();
    let mut push = |code, severity, message: String| flags.push(Flag::new(code, severity, message));
    if facts.region == Region::Ring {
        if facts.air_fraction > MOSTLY {
            push(
                FlagCode::RingMostlyAir,
                Severity::Warning,
                format!("{:.0} % of the ring is air.", 100.0 * facts.air_fraction),
            );
        }
        if facts.bone_fraction > MOSTLY {
            push(
                FlagCode::RingMostlyBone,
                Severity::Warning,
                format!("{:.0} % of the ring is bone.", 100.0 * facts.bone_fraction),
            );
        }
    }
    if let Some([_, highest]) = facts.intensity_range
        && highest > METAL_HU
    {
        push(
            FlagCode::Metal,
            Severity::Warning,
            format!("The {region} reaches {highest:.0} HU: metal or its streaks."),
        );
    }
    if facts.touches_border {
        let severity =
            if facts.region == Region::Tumour { Severity::Warning } else { Severity::Caution };
        push(
            FlagCode::Truncated,
            severity,
            format!("The {region} reaches the border of the image and may be cut off."),
        );
    }
    if let Some(levels) = occupied_levels(model, facts)
        && levels < FEW_LEVELS
    {
        push(
            FlagCode::FewLevels,
            Severity::Caution,
            format!("The {region} spans {levels} grey levels; texture needs {FEW_LEVELS} or more."),
        );
    }
    if facts.voxels > 0 {
        let removed = 1.0 - facts.voxels_kept as f64 / facts.voxels as f64;
        if removed > REMOVED {
            push(
                FlagCode::ManyVoxelsRemoved,
                Severity::Caution,
                format!("Re-segmentation removed {:.0} % of the {region}.", 100.0 * removed),
            );
        }
    }
}

/// Levels between the region's lowest and highest intensity: with bins of fixed size, levels are
/// counted from the first edge, and the lower ones may be empty.
fn occupied_levels(model: &Model, facts: &RegionFacts) -> Option<usize> {
    let levels = facts.levels?;
    let processing = model.extraction().trained()?.processing();
    match (processing.discretisation, facts.intensity_range) {
        (Discretisation::FixedBinSize { width, .. }, Some([low, high])) => {
            Some(levels.min(((high - low) / width) as usize + 1))
        }
        _ => Some(levels),
    }
}

pub(super) fn of_feature(term: &Term, value: f64, standardised: f64, flags: &mut Vec<Flag>) {
    let label = term.label();
    let outside = term.training_quantiles().and_then(|q| {
        if value < q.min || value > q.max {
            Some((Severity::Warning, [q.min, q.max], "the range of the training data"))
        } else if value < q.q01 || value > q.q99 {
            Some((Severity::Caution, [q.q01, q.q99], "1 to 99 % of the training data"))
        } else {
            None
        }
    });
    if let Some((severity, [low, high], what)) = outside {
        let (value, low, high) = (number(value), number(low), number(high));
        flags.push(Flag::new(
            FlagCode::FeatureOutsideTraining,
            severity,
            format!("{label} is {value}, outside {what} ({low} to {high})."),
        ));
    } else if standardised.abs() > FAR_Z {
        flags.push(Flag::new(
            FlagCode::FeatureOutsideTraining,
            Severity::Warning,
            format!("{label} is {standardised:.1} training SDs from the mean."),
        ));
    }
}

/// Four significant digits, for sentences.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-4..6).contains(&magnitude) {
        let digits = (3 - magnitude).max(0) as usize;
        let text = format!("{value:.digits$}");
        if text.contains('.') {
            return text.trim_end_matches('0').trim_end_matches('.').to_owned();
        }
        return text;
    }
    format!("{value:.3e}")
}

/// Squared Mahalanobis distance of the standardised terms from the training mean, which is 0.
pub(super) fn of_distance(model: &Model, standardised: &[f64], flags: &mut Vec<Flag>) {
    let Some(covariance) = model.reference().and_then(|r| r.covariance.as_ref()) else {
        return;
    };
    let Some(metric) = Mahalanobis::of(covariance) else { return };
    let squared = metric.squared(&DVector::from_column_slice(standardised));
    let Ok(law) = ChiSquared::new(metric.dimensions() as f64) else { return };
    let limit = law.inverse_cdf(DISTANCE_QUANTILE);
    if squared > limit {
        flags.push(Flag::new(
            FlagCode::FeaturesUnlikeReference,
            Severity::Caution,
            format!(
                "The combination of features is unlike the reference cohort (distance {:.1}; 99 % \
                 of it lies within {:.1}).",
                squared.sqrt(),
                limit.sqrt()
            ),
        ));
    }
}

fn policy_severity(policy: Policy) -> Severity {
    if policy == Policy::Warn { Severity::Warning } else { Severity::Note }
}

pub(super) fn missing_covariate(name: &str, instead: &str, policy: Policy) -> Flag {
    let what = if name == "kvp" { "Tube voltage" } else { "Site" };
    Flag::new(
        FlagCode::CovariateMissing,
        policy_severity(policy),
        format!("{what} is not known; the model takes {instead}."),
    )
}

pub(super) fn unseen_site(site: &str, reference: &str, policy: Policy) -> Flag {
    Flag::new(
        FlagCode::SiteUnseen,
        policy_severity(policy),
        format!("Site \"{site}\" was not seen in training; the model takes {reference}."),
    )
}

pub(super) fn kvp_outside(value: f64, range: [f64; 2]) -> Flag {
    Flag::new(
        FlagCode::KvpOutsideTraining,
        Severity::Caution,
        format!("Tube voltage {value} kV is outside training ({} to {} kV).", range[0], range[1]),
    )
}

pub(super) fn unknown_batch(batch: &str, policy: Policy) -> Flag {
    Flag::new(
        FlagCode::BatchUnknown,
        policy_severity(policy),
        format!("Batch {batch} is not in the model's harmonisation; values are as measured."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::settings::Settings;

    /// The demonstration signature, which looks at the lesion only: bins of 25 HU from -150 HU.
    fn demo() -> Model {
        Model::parse(include_str!("../../models/demo-simulated-infiltration.toml"))
            .expect("the signature of the repository is valid")
    }

    /// The same with a term of the ring.
    fn model() -> Model {
        demo().changed(|file| {
            let feature = file.terms[0].feature.as_mut().expect("a feature of abscope's own");
            feature.region = Region::Ring;
        })
    }

    /// The same extracted with other settings.
    fn with_settings(change: impl FnOnce(&mut Settings)) -> Model {
        model().changed(|file| {
            let settings =
                file.extraction.settings.as_mut().expect("the signature is abscope's own");
            change(settings);
            file.extraction.hash = Some(Plan::recorded(settings).expect("they resolve").hash());
        })
    }

    /// A region of which nothing is out of the ordinary.
    fn ordinary(region: Region) -> RegionFacts {
        RegionFacts {
            region,
            voxels: 1000,
            voxels_kept: 1000,
            levels: Some(12),
            intensity_range: Some([-150.0, 150.0]),
            air_fraction: 0.0,
            bone_fraction: 0.0,
            touches_border: false,
        }
    }

    fn flags(model: &Model, volume_ml: Option<f64>, facts: Vec<RegionFacts>) -> Vec<Flag> {
        let mut row = Row::new("p", "1", Default::default(), Vec::new());
        (row.volume_ml, row.facts) = (volume_ml, facts);
        of_facts(model, &row)
    }

    fn seen(flags: &[Flag]) -> Vec<(FlagCode, Severity)> {
        flags.iter().map(|flag| (flag.code, flag.severity)).collect()
    }

    /// Oracle: the thresholds that the constants and the codes document, on both sides of each.
    #[test]
    fn facts_of_a_region_are_flagged_beyond_their_thresholds_only() {
        use FlagCode::{
            FewLevels, ManyVoxelsRemoved, Metal, RingMostlyAir, RingMostlyBone, Truncated,
        };
        use Region::{Ring, Tumour};
        use Severity::{Caution, Warning};
        type Change = fn(&mut RegionFacts);
        let table: &[(Region, Change, Option<(FlagCode, Severity)>)] = &[
            (Tumour, |_| {}, None),
            (Ring, |_| {}, None),
            (Ring, |f| f.air_fraction = 0.5, None),
            (Ring, |f| f.air_fraction = 0.51, Some((RingMostlyAir, Warning))),
            (Tumour, |f| f.air_fraction = 0.9, None),
            (Ring, |f| f.bone_fraction = 0.5, None),
            (Ring, |f| f.bone_fraction = 0.51, Some((RingMostlyBone, Warning))),
            (Tumour, |f| f.bone_fraction = 0.9, None),
            (Tumour, |f| f.intensity_range = Some([-150.0, 2500.0]), None),
            (Tumour, |f| f.intensity_range = Some([-150.0, 2501.0]), Some((Metal, Warning))),
            (Ring, |f| f.intensity_range = Some([-150.0, 3071.0]), Some((Metal, Warning))),
            (Tumour, |f| f.intensity_range = None, None),
            (Tumour, |f| f.touches_border = true, Some((Truncated, Warning))),
            (Ring, |f| f.touches_border = true, Some((Truncated, Caution))),
            (Tumour, |f| f.levels = Some(8), None),
            (Tumour, |f| f.levels = Some(7), Some((FewLevels, Caution))),
            (Ring, |f| f.levels = Some(1), Some((FewLevels, Caution))),
            (Tumour, |f| f.levels = None, None),
            // The lower of the 12 levels are empty: 175 HU reach over 8 bins of 25 HU, 174 over 7.
            (Tumour, |f| f.intensity_range = Some([-25.0, 150.0]), None),
            (Tumour, |f| f.intensity_range = Some([-24.0, 150.0]), Some((FewLevels, Caution))),
            (Tumour, |f| f.voxels_kept = 900, None),
            (Tumour, |f| f.voxels_kept = 899, Some((ManyVoxelsRemoved, Caution))),
            (Ring, |f| f.voxels_kept = 0, Some((ManyVoxelsRemoved, Caution))),
            (Tumour, |f| (f.voxels, f.voxels_kept) = (0, 0), None),
        ];
        for (row, (region, change, expected)) in table.iter().enumerate() {
            let mut facts = ordinary(*region);
            change(&mut facts);
            let found = flags(&model(), None, vec![facts.clone()]);
            assert_eq!(seen(&found), Vec::from_iter(*expected), "row {row}: {facts:?}");
            assert!(found.iter().all(|flag| flag.message.contains(region.name())), "{found:?}");
        }
    }

    #[test]
    fn grey_levels_count_as_they_are_where_bins_have_no_fixed_size() {
        let model = with_settings(|settings| {
            settings.discretisation = Some(Discretisation::FixedBinNumber { bins: 12 });
        });
        let facts = RegionFacts { intensity_range: Some([0.0, 30.0]), ..ordinary(Region::Tumour) };
        assert_eq!(flags(&model, None, vec![facts.clone()]), []);
        let few = RegionFacts { levels: Some(7), ..facts };
        assert_eq!(
            seen(&flags(&model, None, vec![few])),
            [(FlagCode::FewLevels, Severity::Caution)]
        );
    }

    /// Oracle: the default of settings, bins of 25 HU.
    #[test]
    fn settings_without_discretisation_have_the_default_bins() {
        let model = with_settings(|settings| settings.discretisation = None);
        let facts =
            RegionFacts { intensity_range: Some([-24.0, 150.0]), ..ordinary(Region::Tumour) };
        let few = (FlagCode::FewLevels, Severity::Caution);
        assert_eq!(seen(&flags(&model, None, vec![facts.clone()])), [few]);
        let wider = RegionFacts { intensity_range: Some([-25.0, 150.0]), ..facts };
        assert_eq!(flags(&model, None, vec![wider]), []);
    }

    #[test]
    fn a_ring_that_no_term_looks_at_is_not_flagged() {
        let air = RegionFacts { air_fraction: 0.9, ..ordinary(Region::Ring) };
        assert_eq!(flags(&model(), None, vec![air.clone()]).len(), 1);
        assert_eq!(flags(&demo(), None, vec![air]), []);
    }

    #[test]
    fn a_volume_below_the_models_minimum_is_flagged() {
        let model = model().changed(|file| {
            file.reliability.as_mut().expect("the signature has one").min_volume_ml = 0.5;
        });
        for (volume, expected) in [(None, 0), (Some(0.5), 0), (Some(0.499), 1), (Some(8.0), 0)] {
            let found = flags(&model, volume, Vec::new());
            assert_eq!(found.len(), expected, "{volume:?}");
            let code = (FlagCode::VolumeBelowMinimum, Severity::Warning);
            assert!(seen(&found).iter().all(|flag| *flag == code), "{found:?}");
        }
        let model = model.changed(|file| file.reliability = None);
        assert_eq!(flags(&model, Some(1e-3), Vec::new()), []);
    }

    /// Oracle: with two terms the 99 % quantile of the chi-squared distribution is -2 ln 0.01.
    #[test]
    fn a_combination_of_features_is_flagged_beyond_99_percent_of_the_reference() {
        // Standard deviations 2 and 1, uncorrelated: distances add up as squares.
        let covariance = vec![vec![4.0, 0.0], vec![0.0, 1.0]];
        let model = model().changed(|file| {
            file.terms.truncate(2);
            file.bootstrap = None;
            file.reference.as_mut().expect("the signature has one").covariance = Some(covariance);
        });
        let limit = (-2.0 * 0.01f64.ln()).sqrt();
        for (share, expected) in [(0.0, 0), (0.999_999, 0), (1.000_001, 1), (3.0, 1)] {
            for direction in [[2.0, 0.0], [0.0, -1.0], [2.0 * 0.6, 0.8]] {
                let mut found = Vec::new();
                of_distance(&model, &direction.map(|d| share * limit * d), &mut found);
                assert_eq!(found.len(), expected, "{share} {direction:?}");
                let code = (FlagCode::FeaturesUnlikeReference, Severity::Caution);
                assert!(seen(&found).iter().all(|flag| *flag == code), "{found:?}");
            }
        }
        let mut found = Vec::new();
        let model = model.changed(|file| file.reference = None);
        of_distance(&model, &[100.0, 100.0], &mut found);
        assert_eq!(found, []);
    }

    /// Oracle: the training quantiles of the term, and four standard deviations within them.
    #[test]
    fn a_feature_is_flagged_by_how_far_it_leaves_the_training_data() {
        let model = model();
        let term = &model.terms()[0];
        let q = term.training_quantiles().expect("the signature has them");
        let table = [
            (q.q50, 0.0, None),
            (q.q01, -1.0, None),
            (q.q99, 1.0, None),
            ((q.min + q.q01) / 2.0, -2.0, Some(Severity::Caution)),
            ((q.max + q.q99) / 2.0, 2.0, Some(Severity::Caution)),
            (q.min - 1e-9, -2.0, Some(Severity::Warning)),
            (q.max + 1e-9, 2.0, Some(Severity::Warning)),
            (q.q50, 4.0, None),
            (q.q50, -4.01, Some(Severity::Warning)),
            // Outside the quantiles that is said, once.
            (q.max + 1.0, 9.0, Some(Severity::Warning)),
        ];
        for (value, standardised, expected) in table {
            let mut found = Vec::new();
            of_feature(term, value, standardised, &mut found);
            let expected = expected.map(|severity| (FlagCode::FeatureOutsideTraining, severity));
            assert_eq!(seen(&found), Vec::from_iter(expected), "{value} {standardised}");
        }
    }

    #[test]
    fn numbers_have_four_significant_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.123_456, "0.1235"),
            (12.3456, "12.35"),
            (123_456.0, "123456"),
            (0.000_123_44, "0.0001234"),
            (0.000_012_344, "1.234e-5"),
            (12_345_678.0, "1.235e7"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
