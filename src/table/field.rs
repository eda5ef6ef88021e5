//! The columns of a feature table: what identifies a row, what is carried through, facts, values.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::cell::{Cell, CellKind};
use crate::features::{Column, ColumnKey};
use crate::plan::Plan;
use crate::region::{Region, RegionFacts};
use crate::row::Row;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: CellKind,
    /// What is known of it: unit (UCUM), name, codes.
    pub about: Option<Json>,
}

impl Field {
    pub(super) fn plain(name: impl Into<String>, kind: CellKind) -> Self {
        Self { name: name.into(), kind, about: None }
    }

    fn number(name: impl Into<String>, unit: &str) -> Self {
        let about = Some(json!({ "unit": unit }));
        Self { name: name.into(), kind: CellKind::Number, about }
    }
}

/// A column that is not abscope's own and is carried through to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its name.
    pub name: String,
    /// Whether every value of it is a number (and the column of a typed table therefore numeric).
    pub numeric: bool,
}

impl Carried {
    fn field(&self) -> Field {
        let kind = if self.numeric { CellKind::Number } else { CellKind::Text };
        Field::plain(&self.name, kind)
    }

    /// The typed cell of a text that was carried through.
    pub(super) fn cell(&self, text: &str) -> Cell {
        match text.parse() {
            Ok(number) if self.numeric => Cell::Number(number),
            _ => text.into(),
        }
    }
}

/// What identifies a row, and what it was computed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    Patient,
    Lesion,
    Name,
    Site,
    Study,
    Series,
    StudyDay,
    Kvp,
    Kernel,
    Phase,
    SliceThicknessMm,
    VolumeMl,
    Version,
    PlanHash,
    /// Every value that there is none of, as `column=reason`, separated by semicolons.
    Missing,
}

impl Identity {
    pub(super) const ALL: [Self; 15] = [
        Self::Patient,
        Self::Lesion,
        Self::Name,
        Self::Site,
        Self::Study,
        Self::Series,
        Self::StudyDay,
        Self::Kvp,
        Self::Kernel,
        Self::Phase,
        Self::SliceThicknessMm,
        Self::VolumeMl,
        Self::Version,
        Self::PlanHash,
        Self::Missing,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Lesion => "lesion",
            Self::Name => "name",
            Self::Site => "site",
            Self::Study => "study",
            Self::Series => "series",
            Self::StudyDay => "study_day",
            Self::Kvp => "kvp",
            Self::Kernel => "kernel",
            Self::Phase => "phase",
            Self::SliceThicknessMm => "slice_thickness_mm",
            Self::VolumeMl => "volume_ml",
            Self::Version => "version",
            Self::PlanHash => "plan_hash",
            Self::Missing => "missing",
        }
    }

    fn field(self) -> Field {
        match self {
            Self::StudyDay => Field::number(self.name(), "d"),
            Self::Kvp => Field::number(self.name(), "kV"),
            Self::SliceThicknessMm => Field::number(self.name(), "mm"),
            Self::VolumeMl => Field::number(self.name(), "mL"),
            _ => Field::plain(self.name(), CellKind::Text),
        }
    }

    fn cell(self, row: &Row) -> Cell {
        match self {
            Self::Patient => row.patient.as_str().into(),
            Self::Lesion => row.lesion.as_str().into(),
            Self::Name => (&row.name).into(),
            Self::Site => (&row.site).into(),
            Self::Study => (&row.scan.study).into(),
            Self::Series => (&row.scan.series).into(),
            Self::StudyDay => row.scan.study_day.map(|day| day as f64).into(),
            Self::Kvp => row.kvp.into(),
            Self::Kernel => (&row.scan.kernel).into(),
            Self::Phase => (&row.scan.phase).into(),
            Self::SliceThicknessMm => row.scan.slice_thickness_mm.into(),
            Self::VolumeMl => row.volume_ml.into(),
            Self::Version => (&row.version).into(),
            Self::PlanHash => (&row.plan_hash).into(),
            Self::Missing => {
                let reasons = row.missing().map(|(column, why)| format!("{column}={}", why.code()));
                reasons.collect::<Vec<_>>().join(";").as_str().into()
            }
        }
    }
}

/// Whether abscope writes a column of this name itself, so that none can be carried through under it.
pub fn is_own_name(name: &str) -> bool {
    Identity::ALL.iter().any(|identity| identity.name() == name)
        || Fact::parse(name).is_some()
        || Column::parse(name).is_some()
}

/// A fact of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Voxels,
    VoxelsKept,
    Levels,
    IntensityMin,
    IntensityMax,
    AirFraction,
    BoneFraction,
    TouchesBorder,
}

impl Fact {
    pub(super) const ALL: [Self; 8] = [
        Self::Voxels,
        Self::VoxelsKept,
        Self::Levels,
        Self::IntensityMin,
        Self::IntensityMax,
        Self::AirFraction,
        Self::BoneFraction,
        Self::TouchesBorder,
    ];

    /// The end of its column's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Voxels => "voxels",
            Self::VoxelsKept => "voxels_kept",
            Self::Levels => "levels",
            Self::IntensityMin => "intensity_min",
            Self::IntensityMax => "intensity_max",
            Self::AirFraction => "air_fraction",
            Self::BoneFraction => "bone_fraction",
            Self::TouchesBorder => "touches_border",
        }
    }

    /// The name of its column.
    pub(super) fn column(self, region: Region) -> String {
        format!("{}_fact_{}", region.name(), self.name())
    }

    /// The fact of a column.
    pub(super) fn parse(name: &str) -> Option<(Region, Self)> {
        let places = Region::ALL.into_iter().flat_map(|r| Self::ALL.map(|fact| (r, fact)));
        places.into_iter().find(|(region, fact)| {
            name.strip_prefix(region.name())
                .and_then(|rest| rest.strip_prefix("_fact_"))
                .is_some_and(|rest| rest == fact.name())
        })
    }

    fn field(self, region: Region) -> Field {
        let name = self.column(region);
        match self {
            Self::Voxels | Self::VoxelsKept | Self::Levels => Field::plain(name, CellKind::Count),
            Self::IntensityMin | Self::IntensityMax => Field::number(name, "[hnsf'U]"),
            Self::AirFraction | Self::BoneFraction => Field::number(name, "1"),
            Self::TouchesBorder => Field::plain(name, CellKind::Truth),
        }
    }

    fn cell(self, facts: &RegionFacts) -> Cell {
        match self {
            Self::Voxels => Cell::Count(facts.voxels as u64),
            Self::VoxelsKept => Cell::Count(facts.voxels_kept as u64),
            Self::Levels => facts.levels.map_or(Cell::Empty, |n| Cell::Count(n as u64)),
            Self::IntensityMin => facts.intensity_range.map(|range| range[0]).into(),
            Self::IntensityMax => facts.intensity_range.map(|range| range[1]).into(),
            Self::AirFraction => Cell::Number(facts.air_fraction),
            Self::BoneFraction => Cell::Number(facts.bone_fraction),
            Self::TouchesBorder => Cell::Truth(facts.touches_border),
        }
    }
}

/// The fields of a table without rows: identity and what is carried through.
pub(super) fn without_values(carried: &[Carried]) -> Vec<Field> {
    let identity = Identity::ALL.iter().map(|identity| identity.field());
    identity.chain(carried.iter().map(Carried::field)).collect()
}

/// The fields of the rows of a plan.
pub(super) fn of_plan(plan: &Plan, carried: &[Carried]) -> Vec<Field> {
    let mut fields = without_values(carried);
    let regions = plan.regions().iter();
    fields.extend(regions.flat_map(|&region| Fact::ALL.map(|fact| fact.field(region))));
    fields.extend(plan.columns().keys().iter().map(value_field));
    fields
}

fn value_field(key: &ColumnKey) -> Field {
    let about = key.own().map(|column| {
        json!({
            "name": column.feature.name,
            "ibsi": column.feature.ibsi,
            "aggregation_ibsi": column.aggregation.ibsi(),
            "unit": column.unit(),
        })
    });
    Field { name: key.to_string(), kind: CellKind::Number, about }
}

/// The cells of a row, in the order of [`of_plan`].
pub(super) fn cells(row: &Row, carried: &[Carried], texts: &[String]) -> Vec<Cell> {
    let identity = Identity::ALL.iter().map(|identity| identity.cell(row));
    let carried = carried.iter().zip(texts).map(|(column, text)| column.cell(text));
    let has = |region: Region| row.columns().own().any(|column| column.region == region);
    let facts = Region::ALL.into_iter().filter_map(|region| {
        let known = row.facts.iter().find(|facts| facts.region == region);
        // Of a lesion that resampling left nothing of there are no facts, but the table has the columns.
        let cells = |fact: Fact| known.map_or(Cell::Empty, |facts| fact.cell(facts));
        (known.is_some() || has(region)).then(|| Fact::ALL.map(cells))
    });
    let facts = facts.flatten();
    identity.chain(carried).chain(facts).chain(row.values().iter().map(Cell::from)).collect()
}
