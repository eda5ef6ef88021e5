//! The user's table of ROI names and sites: a lesion's site is looked up, never guessed.
//!
//! CSV with the columns `roi` and `site`. A `roi` is a name or a regular expression for the whole
//! name; case does not matter. The first row that matches decides.

use std::path::Path;

use super::case::Lesion;
use super::names::NamePattern;
use super::options::LoadOptions;
use super::read::Region;
use crate::error::{Error, Result};
use crate::input;

/// Sites by ROI name.
#[derive(Clone, Debug, Default)]
pub struct SiteTable {
    rows: Vec<(NamePattern, String)>,
}

impl SiteTable {
    /// Reads a table.
    ///
    /// # Errors
    /// The file cannot be read, is no such table, or has an empty cell or a pattern that is no
    /// regular expression.
    pub fn read(path: &Path) -> Result<Self> {
        let damaged = |e: csv::Error| match e.kind() {
            csv::ErrorKind::Io(_) => Error::io(path, std::io::Error::from(e)),
            _ => Error::bad_data(path, format!("is not a table of comma-separated values: {e}")),
        };
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(input::open_text(path)?);
        let header = reader.headers().map_err(damaged)?.clone();
        let column = |name: &str| {
            header.iter().position(|h| h.trim_start_matches('\u{feff}') == name).ok_or_else(|| {
                Error::bad_data(path, format!("has no column \"{name}\"; it needs roi and site"))
            })
        };
        let (roi, site) = (column("roi")?, column("site")?);
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(damaged)?;
            let line = record.position().map_or(0, csv::Position::line);
            let (roi, site) = (record.get(roi).unwrap_or(""), record.get(site).unwrap_or(""));
            if roi.is_empty() || site.is_empty() {
                return Err(Error::bad_data(path, format!("line {line} has an empty cell")));
            }
            let pattern = NamePattern::of(roi);
            if !pattern.is_pattern() {
                let problem = format!(
                    "line {line}: \"{roi}\" is neither a name nor a regular expression, such as \
                     GTV.*"
                );
                return Err(Error::bad_data(path, problem));
            }
            rows.push((pattern, site.to_owned()));
        }
        Ok(Self { rows })
    }

    /// The rows, names or patterns with their sites.
    pub fn rows(&self) -> Vec<(&str, &str)> {
        self.rows.iter().map(|(roi, site)| (roi.text(), site.as_str())).collect()
    }

    /// The site of a ROI.
    pub fn site(&self, roi: &str) -> Option<&str> {
        let row = self.rows.iter().find(|(pattern, _)| pattern.matches(roi));
        row.map(|(_, site)| site.as_str())
    }
}

/// The site of a lesion: the one that was given for it, else that of the table.
pub(super) fn site_of(region: &Region, options: &LoadOptions) -> Option<String> {
    let named = region.name.as_ref().and_then(|name| options.sites.get(name));
    let given = options.sites.get(&region.id).or(named).cloned();
    let looked_up = || {
        let name = region.name.as_deref().unwrap_or(&region.id);
        options.site_table.as_ref()?.site(name).map(str::to_owned)
    };
    given.or_else(looked_up)
}

/// # Errors
/// A site was given for a lesion that is not there.
pub(super) fn check_given(options: &LoadOptions, lesions: &[Lesion]) -> Result<()> {
    for key in options.sites.keys() {
        if !lesions.iter().any(|l| l.id == *key || l.name.as_ref() == Some(key)) {
            let ids = lesions.iter().map(|l| l.id.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::bad_request(format!(
                "a site was given for lesion {key}, which is not there; the lesions are {ids}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_that_matches_the_whole_name_decides() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sites.csv");
        std::fs::write(&path, "roi,site\nGTV liver,liver\ngtv.*lung.*,lung\nGTV_1,node\n")
            .expect("written");
        let table = SiteTable::read(&path).expect("a table");
        assert_eq!(table.site("gtv LIVER "), Some("liver"));
        assert_eq!(table.site("GTV_lung_2"), Some("lung"));
        assert_eq!(table.site("GTV_12"), None);
        std::fs::write(&path, "roi,site\nGTV(,liver\n").expect("written");
        assert!(SiteTable::read(&path).is_err());
    }
}
