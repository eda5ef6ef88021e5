//! Plans that outlive the release that wrote them.
//!
//! A later release may add keys. A plan of an older schema lacks them and gets, for each, the value
//! that computes what the older release always computed; and a plan in which all newer keys have that
//! value has the same hash as before. So tables, signatures and journals that hold a hash, and nothing
//! else of their plan, go on being recognised.

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::digest::hex;

/// The schema that this version writes.
pub const SCHEMA: u32 = 2;

/// A key that a schema added.
#[derive(Debug)]
pub(super) struct Addition {
    /// The first schema that has it.
    pub(super) schema: u32,
    /// The section and key, such as `["texture", "glcm_distance"]`.
    pub(super) path: [&'static str; 2],
    /// In a section of many tables, the kind of those that have it.
    pub(super) kind: Option<&'static str>,
    /// The value, as JSON, that computes what was always computed.
    pub(super) legacy: &'static str,
}

/// Keys added since schema 1, oldest first.
pub(super) static ADDITIONS: &[Addition] = &[
    Addition {
        schema: 2,
        path: ["texture", "glcm_neighbours"],
        kind: None,
        legacy: "\"chebyshev\"",
    },
    Addition { schema: 2, path: ["filter", "zero_mean"], kind: Some("log"), legacy: "false" },
    Addition { schema: 2, path: ["resampling", "spline_edge"], kind: None, legacy: "\"mirror\"" },
];

impl Addition {
    fn legacy(&self) -> Json {
        serde_json::from_str(self.legacy).expect("the table of additions holds JSON")
    }

    /// The tables of a plan that have the key.
    fn tables<'p>(&self, plan: &'p mut Json) -> Vec<&'p mut Map<String, Json>> {
        match plan.get_mut(self.path[0]) {
            Some(Json::Object(table)) => vec![table],
            Some(Json::Array(tables)) => tables
                .iter_mut()
                .filter_map(Json::as_object_mut)
                .filter(|table| {
                    self.kind.is_none_or(|kind| table.get("kind").is_some_and(|k| k == kind))
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

/// Gives a plan or settings of an older schema the keys that it lacks.
pub(super) fn upgrade(plan: &mut Json, from: u32, additions: &[Addition]) {
    for addition in additions.iter().filter(|a| a.schema > from) {
        let [section, key] = addition.path;
        let Some(sections) = plan.as_object_mut() else { return };
        if addition.kind.is_none() {
            sections.entry(section).or_insert_with(|| Json::Object(Default::default()));
        }
        for keys in addition.tables(plan) {
            if keys.get(key).is_none_or(Json::is_null) {
                keys.insert(key.to_owned(), addition.legacy());
            }
        }
    }
}

/// The hash under every schema that can express the plan, oldest first: SHA-256, in hexadecimal, of
/// the canonical JSON (keys sorted, no white space, shortest numbers that read back the same).
pub(super) fn hashes(canonical: &Json, additions: &[Addition]) -> Vec<String> {
    let newest = additions.iter().map(|a| a.schema).max().unwrap_or(1);
    let mut hashes: Vec<String> = (1..=newest)
        .filter_map(|schema| expressed(canonical.clone(), schema, additions))
        .map(|plan| hex(&Sha256::digest(plan.to_string())))
        .collect();
    hashes.dedup();
    hashes
}

/// The plan as the oldest schema that can express it has it.
pub(super) fn oldest(plan: Json, additions: &[Addition]) -> Json {
    let newest = additions.iter().map(|a| a.schema).max().unwrap_or(1);
    (1..newest).find_map(|schema| expressed(plan.clone(), schema, additions)).unwrap_or(plan)
}

/// The plan without the keys that a schema does not have; `None` where one of them matters.
fn expressed(mut plan: Json, schema: u32, additions: &[Addition]) -> Option<Json> {
    for addition in additions.iter().filter(|a| a.schema > schema) {
        for keys in addition.tables(&mut plan) {
            if let Some(value) = keys.remove(addition.path[1])
                && value != addition.legacy()
            {
                return None;
            }
        }
    }
    Some(plan)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LATER: &[Addition] = &[
        Addition {
            schema: 2,
            path: ["texture", "glcm_neighbours"],
            kind: None,
            legacy: "\"chebyshev\"",
        },
        Addition { schema: 3, path: ["resampling", "edge"], kind: None, legacy: "\"mirror\"" },
    ];

    fn plan(neighbours: &str, edge: &str) -> Json {
        json!({
            "resampling": { "edge": edge, "rounding": "none" },
            "texture": { "glcm_distance": 1, "glcm_neighbours": neighbours },
        })
    }

    #[test]
    fn an_older_plan_gets_what_it_always_computed() {
        let old =
            json!({ "resampling": { "rounding": "none" }, "texture": { "glcm_distance": 1 } });
        let mut upgraded = old.clone();
        upgrade(&mut upgraded, 1, LATER);
        assert_eq!(crate::digest::sorted(upgraded), plan("chebyshev", "mirror"));
        let mut of_two = json!({
            "resampling": { "rounding": "none" },
            "texture": { "glcm_distance": 1, "glcm_neighbours": "scaled" },
        });
        upgrade(&mut of_two, 2, LATER);
        assert_eq!(of_two["texture"]["glcm_neighbours"], "scaled");
        assert_eq!(of_two["resampling"]["edge"], "mirror");
    }

    #[test]
    fn a_plan_has_the_hash_of_every_schema_that_can_express_it() {
        let old =
            json!({ "resampling": { "rounding": "none" }, "texture": { "glcm_distance": 1 } });
        let recorded = &hashes(&old, &[])[0];
        let all = hashes(&plan("chebyshev", "mirror"), LATER);
        assert_eq!((all.len(), &all[0]), (3, recorded));
        assert_eq!(oldest(plan("chebyshev", "mirror"), LATER), old);
        assert_eq!(hashes(&plan("scaled", "mirror"), LATER).len(), 2);
        let newest = hashes(&plan("chebyshev", "clamp"), LATER);
        assert_eq!(newest.len(), 1);
        assert!(!newest.contains(recorded));
    }
}
