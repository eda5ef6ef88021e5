//! What a value is: region, image, feature and aggregation, and the column's name made of them.

use std::collections::BTreeMap;
use std::fmt;
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
        format!("{}_{filter}_{}", region.name(), feature.tag(*aggregation))
    }

    /// The unit of its values in UCUM; `1` for numbers without dimension.
    ///
    /// Intensities of filter responses are on the filter's own scale, for which UCUM has no unit:
    /// they are `None`, as is anything else that follows from them.
    pub fn unit(&self) -> Option<&'static str> {
        let unit = self.feature.unit;
        let known = self.filter == ORIGINAL || !unit.is_of_intensity();
        known.then(|| unit.ucum())
    }

    /// The column of this name, where its region, feature and aggregation are abscope's.
    pub fn parse(name: &str) -> Option<Self> {
        static TAGS: LazyLock<BTreeMap<String, (&'static Feature, Aggregation)>> =
            LazyLock::new(tags);
        let (region, rest) = Region::ALL.into_iter().find_map(|region| {
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
    FEATURES
        .iter()
        .flat_map(|f| f.family().aggregations().iter().map(move |&a| (f.tag(a), (f, a))))
        .collect()
}

/// A column with values: abscope's own, or one of another engine.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnKey {
    /// A feature of abscope.
    Own(Column),
    /// A name that abscope does not know.
    Foreign(String),
}

impl ColumnKey {
    /// The column of a name.
    pub fn parse(name: &str) -> Self {
        Column::parse(name).map_or_else(|| Self::Foreign(name.to_owned()), Self::Own)
    }

    /// The column, where it is abscope's own.
    pub fn own(&self) -> Option<&Column> {
        match self {
            Self::Own(column) => Some(column),
            Self::Foreign(_) => None,
        }
    }
}

impl From<Column> for ColumnKey {
    fn from(column: Column) -> Self {
        Self::Own(column)
    }
}

impl fmt::Display for ColumnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(column) => f.write_str(&column.name()),
            Self::Foreign(name) => f.write_str(name),
        }
    }
}

/// The columns of a table, in its order, each once; rows of one table share them.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    keys: Vec<ColumnKey>,
    names: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl Columns {
    /// Columns in this order; of two with one name the first is found.
    pub fn new(keys: impl IntoIterator<Item = ColumnKey>) -> Self {
        let keys: Vec<ColumnKey> = keys.into_iter().collect();
        let names: Vec<String> = keys.iter().map(ColumnKey::to_string).collect();
        let mut places = BTreeMap::new();
        for (place, name) in names.iter().enumerate() {
            places.entry(name.clone()).or_insert(place);
        }
        Self { keys, names, places }
    }

    /// The columns of these names.
    pub fn parse<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        Self::new(names.into_iter().map(ColumnKey::parse))
    }

    /// The columns.
    pub fn keys(&self) -> &[ColumnKey] {
        &self.keys
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Those that are abscope's own.
    pub fn own(&self) -> impl Iterator<Item = &Column> + Clone {
        self.keys.iter().filter_map(ColumnKey::own)
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The place of the column of this name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}
