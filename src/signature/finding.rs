//! What is wrong with a signature file.

use std::fmt::{self, Display, Formatter};

use crate::error::Error;

/// One problem of a signature file.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The key, such as `term[2].scale`; entries of a list are counted from 1.
    pub key: String,
    /// What is wrong with it, with the offending value and what it may be: the predicate of a sentence
    /// that begins with the key.
    pub problem: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.problem)
    }
}

/// All problems of a signature file, in the order of its keys; as text, one a line.
#[derive(Clone, Debug, Default, PartialEq, thiserror::Error)]
pub struct Findings(Vec<Finding>);

impl Findings {
    /// The problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// Number of problems.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn add(&mut self, key: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Finding { key: key.into(), problem: problem.into() });
    }

    pub(super) fn unless(&mut self, sound: bool, key: &str, problem: impl FnOnce() -> String) {
        if !sound {
            self.add(key, problem());
        }
    }

    pub(super) fn finite(&mut self, key: &str, value: f64) {
        self.unless(value.is_finite(), key, || format!("is {value}; give a finite number"));
    }

    pub(super) fn above_zero(&mut self, key: &str, value: f64) {
        let sound = value > 0.0 && value.is_finite();
        self.unless(sound, key, || format!("is {value}; give a number above 0"));
    }

    pub(super) fn share(&mut self, key: &str, value: f64) {
        let sound = (0.0..=1.0).contains(&value);
        self.unless(sound, key, || format!("is {value}; give 0 to 1"));
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => one.fmt(f),
            all => {
                write!(f, "{} problems:", all.len())?;
                all.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
        }
    }
}

impl From<Findings> for Error {
    fn from(findings: Findings) -> Self {
        Self::bad_request(findings.to_string())
    }
}
