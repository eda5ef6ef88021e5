//! What a value is: region, image, feature and aggregation, and the column's name made of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{LazyLock, OnceLock};

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

/// The columns of a table, in its order; rows of one table share them.
///
/// Names are made when they are asked for: a plan with response maps has thousands of columns, and
/// most of what it is used for needs none of their names.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    keys: Vec<ColumnKey>,
    names: OnceLock<Vec<String>>,
    /// Places in the order of the names; of two with one name, the first is found.
    by_name: OnceLock<Vec<usize>>,
}

impl Columns {
    /// Columns in this order.
    pub fn new(keys: impl IntoIterator<Item = ColumnKey>) -> Self {
        Self { keys: keys.into_iter().collect(), ..Self::default() }
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
        self.names.get_or_init(|| self.keys.iter().map(ColumnKey::to_string).collect())
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
        let names = self.names();
        let by_name = self.by_name.get_or_init(|| {
            let mut places: Vec<usize> = (0..names.len()).collect();
            places.sort_by_key(|&place| &names[place]);
            places
        });
        let first = by_name.partition_point(|&place| names[place].as_str() < name);
        by_name.get(first).copied().filter(|&place| names[place] == name)
    }
}

impl PartialEq for Columns {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}
