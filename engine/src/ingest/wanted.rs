//! Which lesions of a source are asked for, by number or name.

use std::path::Path;

use super::dicom::lesions::Take;
use super::names::NamePattern;
use super::options::LoadOptions;
use super::read::Region;
use crate::error::{Error, Result};

/// The lesions that are asked for.
pub(super) struct Wanted<'a> {
    labels: &'a [String],
    names: Vec<NamePattern>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(options: &'a LoadOptions) -> Self {
        let names = options.roi.iter().map(|text| NamePattern::of(text));
        Self { labels: &options.labels, names: names.collect() }
    }

    /// The regions of a structure set or segmentation that are taken: those that are asked for, else
    /// those that are lesions.
    pub(super) fn take(&self) -> Take<'_> {
        if self.labels.is_empty() && self.names.is_empty() {
            return Take::Lesions;
        }
        Take::Asked(Box::new(|number, name| self.takes(&number.to_string(), Some(name))))
    }

    /// Whether a lesion is asked for, as all are where nothing is.
    pub(super) fn takes(&self, id: &str, name: Option<&str>) -> bool {
        let by_label = self.labels.is_empty() || self.labels.iter().any(|label| label == id);
        by_label && (self.names.is_empty() || self.names.iter().any(|asked| meant(asked, id, name)))
    }

    /// The lesions among those that were read of `path`; `there` are all that it has.
    ///
    /// # Errors
    /// A label or a name is not there.
    pub(super) fn among(
        &self,
        regions: Vec<Region>,
        there: &[String],
        path: &Path,
    ) -> Result<Vec<Region>> {
        let present = || if there.is_empty() { "none".to_owned() } else { there.join(", ") };
        for label in self.labels {
            if !regions.iter().any(|r| r.id == *label) {
                let problem = format!("has no label {label}; it has {}", present());
                return Err(Error::bad_data(path, problem));
            }
        }
        for asked in &self.names {
            if !regions.iter().any(|r| meant(asked, &r.id, r.name.as_deref())) {
                let problem = format!(
                    "has no lesion named or matching \"{}\"; it has {}",
                    asked.text(),
                    present()
                );
                return Err(Error::bad_data(path, problem));
            }
        }
        Ok(regions.into_iter().filter(|r| self.takes(&r.id, r.name.as_deref())).collect())
    }
}

fn meant(asked: &NamePattern, id: &str, name: Option<&str>) -> bool {
    asked.text() == id || name.is_some_and(|name| asked.matches(name))
}
