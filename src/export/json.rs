//! The feature table as JSON, with provenance and units.

use serde_json::{Map, Value, json};

use crate::ingest::Case;
use crate::plan::Plan;
use crate::row::Row;

/// A case's rows as one JSON document: version, plan and its hash, inputs, warnings, rows.
///
/// A missing value is `null` under `values` and its reason stands under `missing`.
pub fn document(case: &Case, plan: &Plan, rows: &[Row]) -> Value {
    json!({
        "schema": "abscope.features/1",
        "version": env!("CARGO_PKG_VERSION"),
        "plan_hash": plan.hash(),
        "plan": plan,
        "inputs": case.inputs,
        "warnings": case.warnings,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

/// One row as JSON.
pub fn row(row: &Row) -> Value {
    let mut values = Map::new();
    let mut missing = Map::new();
    for (column, value) in row.columns().names().iter().zip(row.values()) {
        values.insert(column.clone(), value.map_or(Value::Null, Value::from));
        if let Err(reason) = value {
            missing.insert(column.clone(), json!(reason));
        }
    }
    json!({
        "patient": row.patient,
        "lesion": row.lesion,
        "name": row.name,
        "site": row.site,
        "kvp": row.kvp,
        "volume_ml": row.volume_ml,
        "version": row.version,
        "plan_hash": row.plan_hash,
        "facts": row.facts,
        "values": values,
        "missing": missing,
    })
}
