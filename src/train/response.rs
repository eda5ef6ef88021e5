//! What is to be predicted.

use crate::signature::Kind;

/// What is to be predicted, one entry per row.
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    /// A number.
    Continuous(Vec<f64>),
    /// A class, `true` the positive one.
    Binary(Vec<bool>),
    /// A time and whether the event happened then.
    Survival {
        /// Time to event or censoring, in any unit.
        time: Vec<f64>,
        /// Whether the event happened.
        event: Vec<bool>,
    },
}

impl Response {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Continuous(y) => y.len(),
            Self::Binary(y) => y.len(),
            Self::Survival { time, .. } => time.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind of model it takes.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Continuous(_) => Kind::Gaussian,
            Self::Binary(_) => Kind::Binomial,
            Self::Survival { .. } => Kind::Cox,
        }
    }

    /// The entries at `rows`.
    pub fn select(&self, rows: &[usize]) -> Self {
        let numbers = |v: &[f64]| rows.iter().map(|r| v[*r]).collect();
        let flags = |v: &[bool]| rows.iter().map(|r| v[*r]).collect();
        match self {
            Self::Continuous(y) => Self::Continuous(numbers(y)),
            Self::Binary(y) => Self::Binary(flags(y)),
            Self::Survival { time, event } => {
                Self::Survival { time: numbers(time), event: flags(event) }
            }
        }
    }
}
