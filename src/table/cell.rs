//! A typed cell of a table.

use std::fmt;

use crate::value::{Missing, Value};

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Text.
    Text,
    /// A number.
    Number,
    /// A whole number, 0 or more.
    Count,
    /// True or false.
    Truth,
}

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// There is no value.
    Empty,
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A whole number.
    Count(u64),
    /// True or false.
    Truth(bool),
}

impl Cell {
    /// The cell as text; `None` for an empty one.
    pub(super) fn text(&self) -> Option<String> {
        Some(self.to_string().trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The cell as a value; `None` where it is no number. Other programs write `NA` or `NaN` where
    /// there is none.
    pub(super) fn value(&self) -> Option<Value> {
        let finite = |v: f64| if v.is_finite() { Ok(v) } else { Err(Missing::NotFinite) };
        match self {
            Self::Empty => Some(Err(Missing::NotInTable)),
            Self::Number(v) if v.is_nan() => Some(Err(Missing::NotInTable)),
            Self::Number(v) => Some(finite(*v)),
            Self::Count(n) => Some(Ok(*n as f64)),
            Self::Truth(_) => None,
            Self::Text(text) => match text.trim() {
                "" | "NA" | "NaN" | "nan" => Some(Err(Missing::NotInTable)),
                text => text.parse().ok().map(finite),
            },
        }
    }

    /// The cell as a truth; `None` where it is neither true nor false.
    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Truth(truth) => Some(*truth),
            other => match other.to_string().trim() {
                "true" | "True" | "TRUE" | "1" => Some(true),
                "false" | "False" | "FALSE" | "0" => Some(false),
                _ => None,
            },
        }
    }
}

impl From<Option<f64>> for Cell {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Empty, Self::Number)
    }
}

impl From<&Value> for Cell {
    fn from(value: &Value) -> Self {
        value.ok().into()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        if text.is_empty() { Self::Empty } else { Self::Text(text.to_owned()) }
    }
}

impl From<&Option<String>> for Cell {
    fn from(text: &Option<String>) -> Self {
        text.as_deref().unwrap_or_default().into()
    }
}

/// As it stands in a text file: numbers so that they read back the same.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Count(number) => number.fmt(f),
            Self::Truth(truth) => truth.fmt(f),
        }
    }
}
