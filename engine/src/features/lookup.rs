//! Finding a feature by whatever name the user has for it.

use super::family::Aggregation;
use super::table::{FEATURES, Feature};
use crate::features::column::Column;

/// How many similar names are offered for an unknown one.
const SUGGESTIONS: usize = 3;

/// The features that a name stands for: an id (`cm_joint_max`), an id with its aggregation, a whole
/// column (`tumour_original_cm_joint_max_3D_comb`), an IBSI code (`GYBY`) or a PyRadiomics name
/// (`glcm_MaximumProbability`, with or without `original_` before it). Upper and lower case are the
/// same. Two features share each of the codes BC2M and GBPN.
///
/// # Errors
/// The ids and PyRadiomics names most like the unknown name, best first.
pub fn find(name: &str) -> Result<Vec<&'static Feature>, Vec<&'static str>> {
    if let Some(column) = Column::parse(name) {
        return Ok(vec![column.feature]);
    }
    let name = name.to_lowercase();
    let plain = name.strip_prefix("original_").unwrap_or(&name);
    let is = |candidate: &str| candidate.to_lowercase() == plain;
    let found: Vec<_> = FEATURES
        .iter()
        .filter(|f| {
            let tagged = |a: &Aggregation| is(&f.tag(*a));
            is(f.id)
                || is(f.ibsi)
                || f.pyradiomics.is_some_and(is)
                || f.family().aggregations().iter().any(tagged)
        })
        .collect();
    if found.is_empty() { Err(similar(plain)) } else { Ok(found) }
}

/// The names nearest to an unknown one.
fn similar(name: &str) -> Vec<&'static str> {
    let names = FEATURES.iter().flat_map(|f| [Some(f.id), f.pyradiomics]).flatten();
    let mut ranked: Vec<_> =
        names.map(|known| (distance(name, &known.to_lowercase()), known)).collect();
    // A stable sort keeps the table's order among equally near names.
    ranked.sort_by_key(|(distance, _)| *distance);
    ranked.into_iter().take(SUGGESTIONS).map(|(_, known)| known).collect()
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(name: &str) -> Vec<&'static str> {
        find(name).expect("known").iter().map(|f| f.id).collect()
    }

    #[test]
    fn a_feature_is_found_by_each_of_its_names() {
        for name in [
            "cm_joint_entr",
            "TU9B",
            "tu9b",
            "glcm_JointEntropy",
            "original_glcm_JointEntropy",
            "cm_joint_entr_3D_comb",
            "tumour_original_cm_joint_entr_3D_comb",
            "ring_log_2mm_cm_joint_entr_2_5D_avg",
        ] {
            assert_eq!(ids(name), ["cm_joint_entr"], "{name}");
        }
        assert_eq!(ids("BC2M"), ["ivh_v10", "ivh_v90"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        assert_eq!(find("cm_joint_entropy").expect_err("unknown")[0], "cm_joint_entr");
        assert_eq!(find("glcm_JointEntrpy").expect_err("unknown")[0], "glcm_JointEntropy");
        assert_eq!(find("").expect_err("unknown").len(), SUGGESTIONS);
    }

    /// Oracle: the textbook pair, three edits apart.
    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
