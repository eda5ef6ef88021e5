//! What a value is: region, image, feature and aggregation, and the column's name made of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::family::Aggregation;
use super::table::{FEATURES, Feature};
use crate::region::Region;

/// The filter id of the unfiltered image.
pub const ORIGINAL: &str = "original";

/// What one value is: region, filter, feature, aggregation.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Tumour or ring.
    pub region: Region,
    /// The filter's name in the settings; [`ORIGINAL`] for the image itself.
    pub filter: String,
    /// The feature.
    pub feature: &'static Feature,
    /// How its matrices were aggregated.
    pub aggregation: Aggregation,
}

impl Column {
    /// The column's name, `{region}_{filter}_{tag}`, such as `tumour_original_cm_joint_max_3D_comb`.
    pub fn name(&self) -> String {
        let Self { region, filter, feature, aggregation } = self;
        let mut name = format!("{}_{filter}_{}", region.name(), feature.id);
        if !aggregation.suffix().is_empty() {
            name.push('_');
            name.push_str(aggregation.suffix());
        }
        name
    }

    /// The column of this name, where its region, feature and aggregation are abscope's.
    pub fn parse(name: &str) -> Option<Self> {
        static TAGS: LazyLock<BTreeMap<String, (&'static Feature, Aggregation)>> =
            LazyLock::new(tags);
        let (region, rest) = [Region::Tumour, Region::Ring].into_iter().find_map(|region| {
            let rest = name.strip_prefix(region.name())?.strip_prefix('_')?;
            Some((region, rest))
        })?;
        // A filter's name may hold underscores itself: the longest tag that is known ends it.
        rest.match_indices('_').find_map(|(at, _)| {
            let (feature, aggregation) = *TAGS.get(&rest[at + 1..])?;
            let filter = rest[..at].to_owned();
            (!filter.is_empty()).then_some(Self { region, filter, feature, aggregation })
        })
    }
}

/// Every feature's id with every aggregation of its family.
fn tags() -> BTreeMap<String, (&'static Feature, Aggregation)> {
    let tag = |id: &str, a: Aggregation| match a.suffix() {
        "" => id.to_owned(),
        suffix => format!("{id}_{suffix}"),
    };
    FEATURES
        .iter()
        .flat_map(|f| f.family.aggregations().iter().map(move |&a| (tag(f.id, a), (f, a))))
        .collect()
}
