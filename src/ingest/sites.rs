//! The user's table of ROI names and sites: a lesion's site is looked up, never guessed.
//!
//! CSV with the columns `roi` and `site`. A `roi` is a name or a regular expression for the whole
//! name; case does not matter. The first row that matches decides.

use std::path::Path;

use regex::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// Sites by ROI name.
#[derive(Clone, Debug, Default)]
pub struct SiteTable {
    rows: Vec<(String, Regex, String)>,
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
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(damaged)?;
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
            let pattern = whole_name(roi)
                .map_err(|problem| Error::bad_data(path, format!("line {line}: {problem}")))?;
            rows.push((roi.to_owned(), pattern, site.to_owned()));
        }
        Ok(Self { rows })
    }

    /// The rows, names or patterns with their sites.
    pub fn rows(&self) -> Vec<(&str, &str)> {
        self.rows.iter().map(|(roi, _, site)| (roi.as_str(), site.as_str())).collect()
    }

    /// The site of a ROI.
    pub fn site(&self, roi: &str) -> Option<&str> {
        let roi = roi.trim();
        let row = self
            .rows
            .iter()
            .find(|(text, pattern, _)| text.eq_ignore_ascii_case(roi) || pattern.is_match(roi));
        row.map(|(_, _, site)| site.as_str())
    }
}

/// A regular expression for a whole name; case does not matter.
pub(crate) fn whole_name(text: &str) -> std::result::Result<Regex, String> {
    RegexBuilder::new(&format!("^(?:{text})$"))
        .case_insensitive(true)
        .size_limit(1 << 20)
        .build()
        .map_err(|_| {
            format!("\"{text}\" is neither a name nor a regular expression, such as GTV.*")
        })
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
