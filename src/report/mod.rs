//! A patient's report: a page to read, and the same as JSON.

mod cohort;
mod html;
mod pictures;

pub use cohort::{CohortPatient, CohortSignature, cohort_page};

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use self::pictures::View;

use crate::error::Result;
use crate::extract::{check_finite, each_prepared, lost_in_resampling};
use crate::ingest::{Case, Lesion};
use crate::output::OutputFolder;
use crate::patient::scores::Provenance;
use crate::patient::{AssessOptions, Assessment, assess_case, words};
use crate::plan::Plan;
use crate::preprocess::PreparedRegion;
use crate::row::Row;
use crate::signature::domain::{Flag, FlagCode, Severity};
use crate::signature::model::Model;
use crate::signature::score::{Origin, Scorer};
use crate::table::{scores, write_csv};

/// The schema of the JSON document.
pub const SCHEMA: &str = "abscope.report/1";

/// Perturbed copies without a score beyond this share are said.
const LOST_COPIES: f64 = 0.1;

/// A case with its values and the pictures of its lesions, ready to be assessed.
#[derive(Debug)]
pub struct Examined<'a> {
    case: &'a Case,
    plan: &'a Plan,
    rows: Vec<Row>,
    /// Pictures in the order of the case's lesions.
    views: Vec<Vec<View>>,
}

/// Computes the values of a case's lesions and draws them, from regions prepared once.
pub fn examine<'a>(case: &'a Case, plan: &'a Plan) -> Examined<'a> {
    let of_lesion = |lesion: &Lesion, prepared: &[PreparedRegion], row: Row| {
        (row, pictures::views(&case.volume, lesion, prepared))
    };
    let (rows, views) = each_prepared(case, plan, of_lesion).into_iter().unzip();
    Examined { case, plan, rows, views }
}

impl<'a> Examined<'a> {
    /// The values, in the order of the case's lesions.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The report of the case under a model.
    ///
    /// # Errors
    /// As [`assess_case`]; or a lesion would read intensities that are no finite numbers.
    pub fn report(&'a self, scorer: &'a Scorer<'a>, options: AssessOptions) -> Result<Report<'a>> {
        check_finite(self.case, &self.rows)?;
        let assessment = assess_case(scorer, self.case, &self.rows, options)?;
        Ok(Report { examined: self, model: scorer.model(), assessment })
    }
}

/// A patient's report.
#[derive(Debug)]
pub struct Report<'a> {
    examined: &'a Examined<'a>,
    model: &'a Model,
    assessment: Assessment,
}

/// From a case and a model to a patient's report in `folder`: `report.html`, `report.json`,
/// `features.csv` and `scores.csv`.
///
/// # Errors
/// The model cannot score images; a covariate that the model needs is missing; the folder is there
/// already or cannot be written.
pub fn write(
    case: &Case,
    model: &Model,
    options: AssessOptions,
    folder: &Path,
) -> Result<Assessment> {
    let plan = model.plan()?;
    let scorer = model.scorer(Origin::Plan(plan))?;
    let output = OutputFolder::create(folder, false)?;
    let examined = examine(case, plan);
    let report = examined.report(&scorer, options)?;
    report.write_to(&output)?;
    output.finish()?;
    Ok(report.into_assessment())
}

/// Something the reader must know before the findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Warning {
    /// How much it should trouble the reader.
    pub severity: Severity,
    /// The lesions concerned, where it is not the whole.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lesions: Vec<String>,
    /// One or two sentences.
    pub message: String,
}

impl Report<'_> {
    /// What was found.
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// What was found, without the case.
    pub fn into_assessment(self) -> Assessment {
        self.assessment
    }

    /// Writes the page, the same as JSON, and the tables of features and scores.
    ///
    /// # Errors
    /// The folder cannot be written, or the page not be made.
    pub fn write_to(&self, folder: &OutputFolder) -> Result<()> {
        let in_memory = "writing to memory does not fail";
        let mut table = Vec::new();
        write_csv(&self.examined.rows, self.examined.plan, &mut table).expect(in_memory);
        folder.write("features.csv", &table)?;
        let mut table = Vec::new();
        let provenance = Provenance::of(self.model);
        scores::write_csv(provenance.rows(&self.assessment), &mut table).expect(in_memory);
        folder.write("scores.csv", &table)?;
        let mut json = self.json_text();
        json.push(b'\n');
        folder.write("report.json", &json)?;
        folder.write("report.html", self.html()?.as_bytes())
    }

    /// The page.
    ///
    /// # Errors
    /// The template fails, which a test would show.
    pub fn html(&self) -> Result<String> {
        html::page(self)
    }

    /// [`Report::json`] as the bytes of a file.
    pub fn json_text(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(&self.json()).expect("a report is plain data")
    }

    /// Warnings in order of importance: of the model, of lesions, of the input.
    pub fn warnings(&self) -> Vec<Warning> {
        let Self { examined, model, assessment } = self;
        let case = examined.case;
        let mut all = Vec::new();
        let mut of = |severity, lesion: Option<&str>, message: String| {
            all.push(Warning {
                severity,
                lesions: lesion.map(str::to_owned).into_iter().collect(),
                message,
            });
        };
        let note = model.note();
        if !note.is_empty() {
            of(Severity::Warning, None, note);
        }
        for lesion in &assessment.unscored {
            of(Severity::Warning, Some(&lesion.lesion), format!("Not scored: {}.", lesion.reason));
        }
        for lesion in &assessment.lesions {
            let wanted = assessment.uncertainty.perturbations;
            let lost = wanted.saturating_sub(lesion.perturbations);
            if wanted > 0 && lost as f64 > LOST_COPIES * wanted as f64 {
                of(
                    Severity::Caution,
                    Some(&lesion.score.lesion),
                    format!("{lost} of {wanted} perturbed copies gave no score."),
                );
            }
        }
        for warning in lost_in_resampling(case, examined.plan, &examined.rows) {
            of(Severity::Warning, None, warning);
        }
        for warning in &case.warnings {
            of(Severity::Caution, None, warning.withheld());
        }
        all.extend(of_lesions(assessment, model.terms().len()));
        all.sort_by_key(|w| std::cmp::Reverse(w.severity));
        all
    }

    /// The report as JSON; `docs/report.schema.json` describes it.
    pub fn json(&self) -> Value {
        let Self { examined: Examined { case, plan, .. }, model, assessment } = self;
        json!({
            "schema": SCHEMA,
            "use": "research use only; not a medical device",
            "patient": assessment.patient,
            "headline": assessment.headline,
            "warnings": self.warnings(),
            "model": {
                "id": model.id(),
                "version": model.version(),
                "title": model.file().title,
                "hash": model.hash(),
                "kind": model.kind(),
                "link": model.link(),
                "units": model.file().units,
                "higher_means": model.higher_means(),
                "cutoffs": model.file().cutoffs,
                "calibration": model.file().calibration,
                "simulated": model.file().card.simulated,
                "card": model.file().card,
                "evaluation": model.file().evaluation,
            },
            "lesions": assessment.lesions,
            "unscored": assessment.unscored,
            "ranking": {
                "certainty": assessment.certainty,
                "lowest_candidates": assessment.lowest_candidates,
                "unclear_pairs": assessment.unclear_pairs,
            },
            "heterogeneity": assessment.heterogeneity,
            "uncertainty": assessment.uncertainty,
            "provenance": {
                "software": "abscope",
                "version": env!("CARGO_PKG_VERSION"),
                "plan_hash": plan.hash(),
                "plan": plan,
                "model_hash": model.hash(),
                "inputs": case.inputs,
                "kvp": case.kvp,
                "scan": case.scan,
            },
        })
    }

    /// The order of the pairs that cannot be told apart, in words.
    fn unclear(&self) -> Vec<String> {
        let pairs = self.assessment.unclear_pairs.iter();
        pairs
            .map(|p| {
                format!(
                    "{} and {} (order probable at {})",
                    p.lower,
                    p.higher,
                    words::probability(p.p_order)
                )
            })
            .collect()
    }
}

/// A lesion's flags with those of single features in one sentence.
fn grouped(flags: &[Flag], n_terms: usize) -> Vec<(FlagCode, Severity, String)> {
    use FlagCode::{FeatureOutsideTraining, FeaturesUnlikeReference};
    let outside: Vec<&Flag> = flags.iter().filter(|f| f.code == FeatureOutsideTraining).collect();
    let rest = flags.iter().filter(|f| match f.code {
        FeatureOutsideTraining => outside.len() < 2,
        // Says the same once more.
        FeaturesUnlikeReference => outside.is_empty(),
        _ => true,
    });
    let mut all: Vec<_> = rest.map(|f| (f.code, f.severity, f.message.clone())).collect();
    if outside.len() > 1 {
        let severity = outside.iter().map(|f| f.severity).max().unwrap_or(Severity::Caution);
        let message = format!(
            "{} of {n_terms} features are unlike the training data; the score is an extrapolation.",
            outside.len()
        );
        all.push((FeatureOutsideTraining, severity, message));
    }
    all
}

/// The flags of all lesions, one warning per kind and severity.
fn of_lesions(assessment: &Assessment, n_terms: usize) -> Vec<Warning> {
    let mut kinds: Vec<(FlagCode, Severity, Vec<(String, String)>)> = Vec::new();
    for lesion in &assessment.lesions {
        for (code, severity, message) in grouped(&lesion.score.flags, n_terms) {
            let entry = (lesion.score.lesion.clone(), message);
            match kinds.iter_mut().find(|k| k.0 == code && k.1 == severity) {
                Some(kind) => kind.2.push(entry),
                None => kinds.push((code, severity, vec![entry])),
            }
        }
    }
    kinds
        .into_iter()
        .map(|(code, severity, entries)| {
            // Each lesion's own numbers stand beside its pictures.
            let same = entries.iter().all(|e| e.1 == entries[0].1);
            let message = if same { entries[0].1.clone() } else { code.in_general().to_owned() };
            Warning { severity, lesions: entries.into_iter().map(|e| e.0).collect(), message }
        })
        .collect()
}
