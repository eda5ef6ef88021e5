//! Whether a lesion lies in the domain that the model was trained on.

use nalgebra::DVector;
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use super::model::{Model, Policy, Term};
use super::score::LesionValues;
use crate::preprocess::parameters::Discretisation;
use crate::region::{Region, RegionFacts};
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
pub(super) fn of_facts(model: &Model, lesion: &LesionValues) -> Vec<Flag> {
    let mut flags = Vec::new();
    if let (Some(reliability), Some(volume)) = (&model.reliability, lesion.volume_ml)
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
    let needs =
        |region| model.terms.iter().any(|t| t.feature.as_ref().is_some_and(|f| f.region == region));
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
    let settings = model.extraction.settings.as_ref()?;
    match (settings.discretisation, facts.intensity_range) {
        (Some(Discretisation::FixedBinSize { width, .. }), Some([low, high])) => {
            Some(levels.min(((high - low) / width) as usize + 1))
        }
        _ => Some(levels),
    }
}

pub(super) fn of_feature(term: &Term, value: f64, standardised: f64, flags: &mut Vec<Flag>) {
    let label = term.label();
    let outside = term.training_quantiles.and_then(|q| {
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
    let Some(covariance) = model.reference.as_ref().and_then(|r| r.covariance.as_ref()) else {
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
