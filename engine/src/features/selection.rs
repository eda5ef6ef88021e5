//! Which features of a family are asked for.

use super::family::{Aggregation, Family};
use super::table::{FEATURES, Feature};

/// The features of one family that are asked for, and the aggregations of its matrices.
#[derive(Clone, Debug, PartialEq)]
pub struct Selected {
    /// The family.
    pub family: Family,
    /// Aggregations that the standard defines for the family, in its order.
    pub aggregations: Vec<Aggregation>,
    /// Features of the family, in the table's order.
    pub features: Vec<&'static Feature>,
}

impl Selected {
    /// The features of a family for which `wanted` holds, with those of the `aggregations` that the
    /// standard defines for the family, once each.
    pub fn new(
        family: Family,
        aggregations: &[Aggregation],
        wanted: impl Fn(&Feature) -> bool,
    ) -> Self {
        let own = family.aggregations().iter().copied();
        Self {
            family,
            aggregations: match family.has_matrices() {
                true => own.filter(|a| aggregations.contains(a)).collect(),
                false => own.collect(),
            },
            features: FEATURES.iter().filter(|f| f.family() == family && wanted(f)).collect(),
        }
    }

    /// Every feature with each aggregation, in the order of the values.
    pub fn columns(&self) -> impl Iterator<Item = (&'static Feature, Aggregation)> {
        self.aggregations.iter().flat_map(|&aggregation| {
            self.features.iter().map(move |&feature| (feature, aggregation))
        })
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.aggregations.len() * self.features.len()
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the aggregation is asked for.
    pub(super) fn wants(&self, aggregation: Aggregation) -> bool {
        self.aggregations.contains(&aggregation)
    }

    /// Whether one of the aggregations is asked for.
    pub(super) fn wants_any(&self, aggregations: &[Aggregation]) -> bool {
        aggregations.iter().any(|a| self.wants(*a))
    }
}
