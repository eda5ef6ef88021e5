//! The checks of the processing steps as CSV and JSON, a row per lesion and check.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::csv_file::CsvWriter;
use crate::ingest::Case;
use crate::plan::Plan;
use crate::preprocess::diagnostics::{Check, checks};

/// Writes the columns `patient,lesion,check,value,missing`; a check without a value has an empty
/// cell and its reason.
///
/// # Errors
/// The writer's own.
pub fn write_csv(case: &Case, plan: &Plan, out: impl Write) -> io::Result<()> {
    let mut table = CsvWriter::new(out);
    table.record(["patient", "lesion", "check", "value", "missing"])?;
    for lesion in &case.lesions {
        for Check { tag, value } in checks(&case.volume, &lesion.mask, &plan.preparation()) {
            let (number, reason) = match value {
                Ok(number) => (number.to_string(), String::new()),
                Err(reason) => (String::new(), reason.to_string()),
            };
            table.record([&case.patient, &lesion.id, &tag, &number, &reason])?;
        }
    }
    table.flush()
}

/// The checks of each lesion as one JSON document; a missing value is `null` and its reason stands
/// under `missing`.
pub fn document(case: &Case, plan: &Plan) -> Value {
    let lesions: Vec<_> = case
        .lesions
        .iter()
        .map(|lesion| {
            let (mut values, mut missing) = (Map::new(), Map::new());
            for Check { tag, value } in checks(&case.volume, &lesion.mask, &plan.preparation()) {
                if let Err(reason) = value {
                    missing.insert(tag.clone(), json!(reason));
                }
                values.insert(tag, value.map_or(Value::Null, Value::from));
            }
            json!({ "lesion": lesion.id, "values": values, "missing": missing })
        })
        .collect();
    json!({
        "schema": "abscope.diagnostics/1",
        "version": env!("CARGO_PKG_VERSION"),
        "plan_hash": plan.hash(),
        "patient": case.patient,
        "lesions": lesions,
    })
}
