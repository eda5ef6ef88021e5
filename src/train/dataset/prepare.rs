//! Bringing feature table and outcomes together; everything doubtful is refused.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::features::Features;
use super::outcomes::OutcomeTable;
use super::{Dataset, Repeated};
use crate::digest::hex;
use crate::error::{Error, Result};
use crate::input;
use crate::paths::shown;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::signature::file::{Extraction, Foreign, Kind};
use crate::train::config::{Config, Unit};

/// A data set with what the model file says of it.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The data.
    pub data: Dataset,
    /// All lesions, for the reference distribution; the same rows where rows are lesions.
    pub lesions: Dataset,
    /// How features were extracted.
    pub extraction: Extraction,
    /// SHA-256 over both files.
    pub data_sha256: String,
    /// What a reader should know: columns left out, lesions without outcome.
    pub notes: Vec<String>,
}

impl Prepared {
    /// Reads and joins the two tables.
    ///
    /// # Errors
    /// Each names the file, the offending value and the way out: no patient column, a lesion twice,
    /// cells that are not numbers, rows of different plans, settings of another hash, lesions without
    /// features, an outcome of one class or that does not vary, one patient in all, fewer events or
    /// cases than folds.
    pub fn read(features: &Path, outcomes: &Path, config: &Config) -> Result<Self> {
        let table = Features::read(features)?;
        let mut notes = Vec::new();
        let hash = table.plan_hash()?.map(str::to_owned);
        let extraction = extraction(features, hash.as_deref(), config)?;
        let columns = table.candidates(extraction.foreign.is_none(), config, &mut notes)?;
        let outcome = OutcomeTable::read(outcomes, &config.outcome)?;
        let mut lesions = table.join(&columns, (outcomes, &outcome), config, &mut notes)?;
        if let Some(path) = &config.features.repeated {
            lesions.repeated = Some(Repeated::read(path, &lesions, hash.as_deref())?);
        }
        let unit = config.features.unit.unwrap_or(match outcome.by_lesion {
            true => Unit::Lesion,
            false => Unit::Patient,
        });
        let data = match unit {
            Unit::Lesion => {
                if config.outcome.kind() == Kind::Cox && !outcome.by_lesion {
                    return Err(Error::bad_request(
                        "features.unit = \"lesion\" with one time to event per patient would count \
                         each patient's event several times; use unit = \"patient\"",
                    ));
                }
                lesions.clone()
            }
            Unit::Patient => {
                if outcome.by_lesion {
                    return Err(Error::bad_request(
                        "features.unit = \"patient\" needs outcomes keyed by patient alone; remove \
                         the column lesion or use unit = \"lesion\"",
                    ));
                }
                lesions.by_patient(config)?
            }
        };
        data.check(config).map_err(|problem| Error::bad_data(outcomes, problem))?;
        let mut digest = Sha256::new();
        for file in [features, outcomes] {
            digest.update(std::fs::read(file).map_err(|e| Error::io(file, e))?);
        }
        Ok(Self { data, lesions, extraction, data_sha256: hex(&digest.finalize()), notes })
    }
}

fn extraction(path: &Path, hash: Option<&str>, config: &Config) -> Result<Extraction> {
    let Some(hash) = hash else {
        let engine = config.features.engine.clone().ok_or_else(|| {
            Error::bad_data(
                path,
                "has no plan_hash, so another engine made it; name it in the configuration, such as \
                 features.engine = \"PyRadiomics\"",
            )
        })?;
        let foreign = Foreign { engine, version: None, settings: None };
        return Ok(Extraction { hash: None, settings: None, foreign: Some(foreign) });
    };
    let Some(file) = &config.features.settings else {
        return Err(Error::bad_data(
            path,
            format!(
                "was extracted with plan {hash}; give those settings as features.settings in the \
                 configuration, so that the model can carry them"
            ),
        ));
    };
    let text = input::read_text(file)?;
    let settings = Settings::parse(&text).map_err(|e| Error::bad_data(file, e.to_string()))?;
    let plan = Plan::resolve(&settings)?;
    if plan.hash() != hash {
        return Err(Error::bad_data(
            file,
            format!(
                "has plan {}, but {} was extracted with plan {hash}; give the settings of that run",
                plan.hash(),
                shown(path)
            ),
        ));
    }
    Ok(Extraction::of(&plan))
}
