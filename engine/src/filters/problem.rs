//! What is wrong with a filter's settings: the filter, the key, and the value.

use std::fmt::{self, Display, Formatter};

use crate::error::Error;

/// A parameter with a value that is not accepted. Displays what to give instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The key in the settings.
    pub key: &'static str,
    /// What was given for it.
    pub value: String,
    message: String,
}

impl Problem {
    /// A value of `key`, and what to do instead.
    pub(crate) fn of_value(key: &'static str, value: impl Display, advice: impl Display) -> Self {
        let value = value.to_string();
        Self { key, message: format!("{key} = {value}: {advice}"), value }
    }

    /// An item in the list of `key`, and what is wrong with it.
    pub(crate) fn of_item(key: &'static str, item: &str, fault: impl Display) -> Self {
        Self { key, value: item.to_owned(), message: format!("{key}: \"{item}\" {fault}") }
    }

    /// A list without an item, and what to do instead.
    pub(crate) fn of_empty(key: &'static str, advice: &str) -> Self {
        Self { key, value: String::new(), message: format!("{key} is empty: {advice}") }
    }
}

/// A filter whose settings are not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterProblem {
    /// The filter's name.
    pub filter: String,
    /// What is wrong with it; the key is `name` where the name itself is.
    pub problem: Problem,
}

impl FilterProblem {
    pub(crate) fn of_name(filter: &str, advice: &'static str) -> Self {
        let problem = Problem { key: "name", value: filter.to_owned(), message: advice.to_owned() };
        Self { filter: filter.to_owned(), problem }
    }
}

impl Display for FilterProblem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { filter, problem } = self;
        match problem.key {
            "name" => write!(f, "filter name \"{filter}\": {problem}"),
            _ => write!(f, "filter \"{filter}\": {problem}"),
        }
    }
}

impl std::error::Error for FilterProblem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}

impl From<FilterProblem> for Error {
    fn from(problem: FilterProblem) -> Self {
        Self::bad_request(problem.to_string())
    }
}
