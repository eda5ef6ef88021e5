//! An assessment as rows of the score table.

use super::assess::{AssessedLesion, Assessment, Unscored};
use crate::ingest::Scan;
use crate::signature::Model;
use crate::table::scores::{Score, ScoreRow};

/// What the rows of a model have in common.
#[derive(Clone, Debug)]
pub struct Provenance {
    name: String,
    hash: String,
    note: String,
}

impl Provenance {
    /// Of the scores of a model.
    pub fn of(model: &Model) -> Self {
        Self {
            name: format!("{} {}", model.id(), model.version()),
            hash: model.hash(),
            note: model.note(),
        }
    }

    /// A patient's lesions from low to high, then those without a score.
    pub fn rows<'a>(&'a self, patient: &'a Assessment) -> impl Iterator<Item = ScoreRow> + 'a {
        let Assessment { patient: id, scan, .. } = patient;
        let scored = patient.lesions.iter().map(|lesion| self.scored(id, scan, lesion));
        let unscored = patient.unscored.iter().map(|lesion| self.unscored(id, scan, lesion));
        scored.chain(unscored)
    }

    fn scored(&self, patient: &str, scan: &Scan, lesion: &AssessedLesion) -> ScoreRow {
        let score = &lesion.score;
        let interval = lesion.interval.as_ref();
        let worst = score.flags.iter().map(|flag| flag.severity).max();
        ScoreRow {
            lesion: score.lesion.clone(),
            name: score.name.clone(),
            site: score.site.clone(),
            kvp: score.kvp,
            volume_ml: score.volume_ml,
            score: Some(Score {
                linear_predictor: score.linear_predictor,
                interval: interval.map(|i| [i.low, i.high]),
                sd: interval.map(|i| i.sd),
                measurement_sd: interval.and_then(|i| i.measurement_sd),
                response: score.response,
                response_interval: lesion.response_interval,
                class: score.classes.first().map(|call| call.class.clone()),
                p_above_cutoff: lesion.p_above_cutoff,
                rank: lesion.rank,
                p_lowest: lesion.p_lowest,
                percentile: score.percentile,
                percentile_same_site: score.percentile_same_site,
                image_part: score.image_part,
                covariate_part: score.covariate_part,
                flags: score.flags.iter().map(|flag| flag.code.name().to_owned()).collect(),
                worst_flag: worst.map(|severity| severity.name().to_owned()),
            }),
            ..self.row(patient, scan)
        }
    }

    /// The row of a lesion without a score.
    pub fn unscored(&self, patient: &str, scan: &Scan, lesion: &Unscored) -> ScoreRow {
        ScoreRow {
            lesion: lesion.lesion.clone(),
            name: lesion.name.clone(),
            site: lesion.site.clone(),
            kvp: lesion.kvp,
            volume_ml: lesion.volume_ml,
            unscored_because: Some(lesion.reason.clone()),
            ..self.row(patient, scan)
        }
    }

    fn row(&self, patient: &str, scan: &Scan) -> ScoreRow {
        ScoreRow {
            patient: patient.to_owned(),
            scan: scan.clone(),
            model: self.name.clone(),
            model_hash: self.hash.clone(),
            note: self.note.clone(),
            ..ScoreRow::default()
        }
    }
}
