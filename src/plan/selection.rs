//! What of all values a plan computes; it changes which are there, never a value.

use serde::Serialize;

use crate::features::{Aggregation, Family, Feature};

/// Regions, images, families and aggregations to compute, resolved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Selection {
    /// Whether the lesion itself is described.
    pub tumour: bool,
    /// Families, in the standard's order.
    pub families: Vec<Family>,
    /// Aggregations of the texture families, in the standard's order.
    pub aggregations: Vec<Aggregation>,
    /// Ids of features that are left out, in alphabetical order.
    pub exclude: Vec<String>,
    /// Images to describe, `original` and response maps; `None` for all.
    pub maps: Option<Vec<String>>,
}

impl Selection {
    /// Whether a feature of a selected family is wanted.
    pub fn wants(&self, feature: &Feature) -> bool {
        self.exclude.iter().all(|excluded| excluded != feature.id)
    }

    /// Whether an image (`original` or a response map) is to be described.
    pub fn wants_map(&self, name: &str) -> bool {
        self.maps.as_ref().is_none_or(|maps| maps.iter().any(|map| map == name))
    }
}

/// The section `features` of a settings file.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    families: &'a [Family],
    aggregations: &'a [Aggregation],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    exclude: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    maps: Option<&'a [String]>,
}

impl<'a> From<&'a Selection> for Written<'a> {
    fn from(selection: &'a Selection) -> Self {
        Self {
            families: &selection.families,
            aggregations: &selection.aggregations,
            exclude: &selection.exclude,
            maps: selection.maps.as_deref(),
        }
    }
}
