//! Whether values are those that a signature was trained on.

use std::sync::Arc;

use crate::error::{Error, Remedy, Result};
use crate::features::{Column, Columns};
use crate::plan::Plan;
use crate::plan::corrections::{self, Correction, Version};
use crate::signature::file::SignatureFile;
use crate::signature::model::{Extraction, needs_table};
use crate::table::Table;

/// How the feature values at hand were made.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// By this abscope with this plan.
    Plan(&'a Plan),
    /// They were read from a table.
    Table {
        /// Hash of abscope's plan; `None` for another engine's values, and where it is not known.
        hash: Option<&'a str>,
        /// The oldest version of abscope that computed any of them; `None` where it is not known.
        version: Option<&'a str>,
        /// The table's columns.
        columns: &'a Arc<Columns>,
    },
}

impl<'a> Origin<'a> {
    /// How the values of a table were made.
    ///
    /// # Errors
    /// Rows of different plans, with a line of each.
    pub fn of_table(table: &'a Table) -> Result<Self> {
        let versions = table.rows().map(|row| row.version.as_deref());
        let known: Option<Vec<(Version, &str)>> =
            versions.map(|text| Some((Version::parse(text?)?, text?))).collect();
        Ok(Self::Table {
            hash: table.plan_hash()?,
            version: known.and_then(|all| all.into_iter().min()).map(|(_, text)| text),
            columns: &table.columns,
        })
    }

    /// The columns that the values come in.
    pub fn columns(self) -> &'a Arc<Columns> {
        match self {
            Self::Plan(plan) => plan.columns(),
            Self::Table { columns, .. } => columns,
        }
    }
}

/// Refuses values that were not made as the signature's extraction says, and a signature or values from
/// before a correction of one of its own columns.
pub(in crate::signature) fn check(
    file: &SignatureFile,
    extraction: &Extraction,
    origin: Origin<'_>,
    corrections: &[Correction],
) -> Result<()> {
    let id = &file.id;
    let trained = match (extraction, origin) {
        (Extraction::Foreign(_), Origin::Table { hash: None, .. }) => return Ok(()),
        (Extraction::Foreign(foreign), _) => return Err(needs_table(id, foreign)),
        (Extraction::Own { trained, .. }, _) => trained,
    };
    match origin {
        Origin::Plan(plan) if !trained.agrees_with(&plan.hash()) => {
            return Err(Error::bad_request(format!(
                "model {id} was trained with other settings (model against these values): {}",
                trained.differences(plan).join("; ")
            )));
        }
        Origin::Table { hash: Some(hash), .. } if !trained.agrees_with(hash) => {
            return Err(Error::bad_request(format!(
                "model {id} was trained with settings of hash {}, the values were made with {hash}",
                trained.hash()
            ))
            .with_remedy(Remedy::MatchSettings));
        }
        Origin::Table { hash: None, .. } => {
            return Err(Error::bad_request(format!(
                "model {id} needs features extracted by abscope with its own settings, but the values \
                 do not say which settings they were made with (no plan hash)"
            )));
        }
        Origin::Plan(_) | Origin::Table { .. } => {}
    }

    let touched = |version: Option<&str>| {
        let columns = file.terms.iter().filter_map(|term| term.feature.as_ref()?.column());
        touched(version.and_then(Version::parse), columns, trained, corrections)
    };
    let by = |version: Option<&str>| match version {
        Some(version) => format!("abscope {version}"),
        None => "an unknown version of abscope".to_owned(),
    };
    let version = file.training.software.strip_prefix("abscope ");
    if let Some(columns) = touched(version) {
        return Err(Error::bad_request(format!(
            "model {id} was trained on values of {}, which are others today: {columns}",
            by(version)
        ))
        .with_remedy(Remedy::TrainAnew));
    }
    if let Origin::Table { version, .. } = origin
        && let Some(columns) = touched(version)
    {
        return Err(Error::bad_request(format!(
            "model {id} needs values that {} computed and that are others today: {columns}",
            by(version)
        ))
        .with_remedy(Remedy::ExtractAnew));
    }
    Ok(())
}

/// The columns that a correction after `version` touches, each with the correction.
fn touched(
    version: Option<Version>,
    columns: impl Iterator<Item = Column>,
    plan: &Plan,
    corrections: &[Correction],
) -> Option<String> {
    let found: Vec<String> = columns
        .filter_map(|column| {
            let found = corrections::since(version, &column, plan.processing(), corrections)?;
            let Correction { version, what, .. } = found;
            Some(format!("{} (abscope {version} corrected {what})", column.name()))
        })
        .collect();
    (!found.is_empty()).then(|| found.join(", "))
}
