//! The score table: one row per lesion, scored or not.

use std::io;
use std::path::Path;

use super::cell::{Cell, CellKind};
use super::csv;
use super::field::Field;
use super::write::{Format, Writer};
use crate::error::Result;
use crate::ingest::Scan;
use crate::output::OutputFile;

/// The schema of score tables.
pub const SCHEMA: &str = "abscope.scores/1";

/// One lesion's score. An empty cell is a value that does not exist or is not known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScoreRow {
    /// The patient's pseudonymous id.
    pub patient: String,
    /// The lesion's id within the patient.
    pub lesion: String,
    /// Its name.
    pub name: Option<String>,
    /// Its site.
    pub site: Option<String>,
    /// Tube voltage, kV.
    pub kvp: Option<f64>,
    /// The scan that it was measured on.
    pub scan: Scan,
    /// Volume as delineated, mL.
    pub volume_ml: Option<f64>,
    /// The score, where there is one.
    pub score: Option<Score>,
    /// Why there is none.
    pub unscored_because: Option<String>,
    /// Id and version of the model.
    pub model: String,
    /// Its hash.
    pub model_hash: String,
    /// What every result of the model must carry.
    pub note: String,
}

/// What is known of a lesion that has a score.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// The linear predictor.
    pub linear_predictor: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
    /// SD of its draws.
    pub sd: Option<f64>,
    /// SD of the measurement alone.
    pub measurement_sd: Option<f64>,
    /// The response on the model's link.
    pub response: f64,
    /// Its interval.
    pub response_interval: Option<[f64; 2]>,
    /// Class by the first cut-off.
    pub class: Option<String>,
    /// Probability of a true score above it.
    pub p_above_cutoff: Option<f64>,
    /// Rank within the patient, 1 for the lowest.
    pub rank: usize,
    /// Probability of being the lowest.
    pub p_lowest: Option<f64>,
    /// Share of the reference lesions at or below, 0 to 1.
    pub percentile: Option<f64>,
    /// The same among lesions of the same site.
    pub percentile_same_site: Option<f64>,
    /// Sum of the intercept and the image terms.
    pub image_part: f64,
    /// Sum of the covariates.
    pub covariate_part: f64,
    /// Codes of the flags.
    pub flags: Vec<String>,
    /// The worst severity among them.
    pub worst_flag: Option<String>,
}

impl ScoreRow {
    /// The columns with this row's cells.
    fn columns(&self) -> [(&'static str, CellKind, Cell); 34] {
        use CellKind::{Count, Number, Text};
        let score = self.score.as_ref();
        let of = |read: fn(&Score) -> Option<f64>| Cell::from(score.and_then(read));
        [
            ("patient", Text, self.patient.as_str().into()),
            ("lesion", Text, self.lesion.as_str().into()),
            ("name", Text, (&self.name).into()),
            ("site", Text, (&self.site).into()),
            ("study", Text, (&self.scan.study).into()),
            ("series", Text, (&self.scan.series).into()),
            ("study_day", Number, self.scan.study_day.map(|day| day as f64).into()),
            ("kvp", Number, self.kvp.into()),
            ("kernel", Text, (&self.scan.kernel).into()),
            ("phase", Text, (&self.scan.phase).into()),
            ("slice_thickness_mm", Number, self.scan.slice_thickness_mm.into()),
            ("volume_ml", Number, self.volume_ml.into()),
            ("score", Number, of(|s| Some(s.linear_predictor))),
            ("score_low", Number, of(|s| s.interval.map(|i| i[0]))),
            ("score_high", Number, of(|s| s.interval.map(|i| i[1]))),
            ("score_sd", Number, of(|s| s.sd)),
            ("measurement_sd", Number, of(|s| s.measurement_sd)),
            ("response", Number, of(|s| Some(s.response))),
            ("response_low", Number, of(|s| s.response_interval.map(|i| i[0]))),
            ("response_high", Number, of(|s| s.response_interval.map(|i| i[1]))),
            ("class", Text, (&score.and_then(|s| s.class.clone())).into()),
            ("p_above_cutoff", Number, of(|s| s.p_above_cutoff)),
            ("rank", Count, score.map_or(Cell::Empty, |s| Cell::Count(s.rank as u64))),
            ("p_lowest", Number, of(|s| s.p_lowest)),
            ("percentile", Number, of(|s| s.percentile)),
            ("percentile_same_site", Number, of(|s| s.percentile_same_site)),
            ("image_part", Number, of(|s| Some(s.image_part))),
            ("covariate_part", Number, of(|s| Some(s.covariate_part))),
            ("flags", Text, score.map_or(Cell::Empty, |s| s.flags.join(";").as_str().into())),
            ("worst_flag", Text, (&score.and_then(|s| s.worst_flag.clone())).into()),
            ("unscored_because", Text, (&self.unscored_because).into()),
            ("model", Text, self.model.as_str().into()),
            ("model_hash", Text, self.model_hash.as_str().into()),
            ("note", Text, self.note.as_str().into()),
        ]
    }

    /// The names of the columns.
    pub fn header() -> [&'static str; 34] {
        Self::default().columns().map(|(name, _, _)| name)
    }

    /// The row as text, in the order of [`ScoreRow::header`].
    pub fn texts(&self) -> Vec<String> {
        self.columns().iter().map(|(_, _, cell)| cell.to_string()).collect()
    }

    fn cells(&self) -> Vec<Cell> {
        self.columns().into_iter().map(|(_, _, cell)| cell).collect()
    }
}

fn fields() -> Vec<Field> {
    let columns = ScoreRow::default().columns();
    columns.into_iter().map(|(name, kind, _)| Field::plain(name, kind)).collect()
}

/// Writes scores as CSV.
///
/// # Errors
/// The writer's.
pub fn write_csv(
    rows: impl IntoIterator<Item = ScoreRow>,
    writer: impl io::Write,
) -> io::Result<()> {
    csv::write_all(writer, &fields(), rows.into_iter().map(|row| row.cells()))
}

/// A score table under construction; its file appears, whole, when it is finished.
pub struct ScoreWriter(Writer);

impl ScoreWriter {
    /// Begins a table at `path`.
    ///
    /// # Errors
    /// The folder is not there or not writable; Parquet without the `parquet` feature.
    pub fn create(path: &Path, format: Format) -> Result<Self> {
        let file = OutputFile::create(path)?;
        let about = [("schema", SCHEMA.into()), ("version", env!("CARGO_PKG_VERSION").into())];
        Writer::open(path, file, format, &fields(), &about).map(Self)
    }

    /// Appends a row.
    ///
    /// # Errors
    /// The disk is full.
    pub fn write(&mut self, row: &ScoreRow) -> Result<()> {
        self.0.write(row.cells())
    }

    /// Ends the table and gives its file its name.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    pub fn finish(self) -> Result<()> {
        self.0.finish()
    }
}
