//! Reads the frozen tables.

use std::path::PathBuf;

/// A frozen table as text.
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn read(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/train").join(name);
        let mut reader = csv::Reader::from_path(&path).expect("a frozen table");
        let header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
        let rows = reader
            .records()
            .map(|r| r.expect("a row").iter().map(str::to_owned).collect())
            .collect();
        Self { header, rows }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn text(&self, row: usize, column: &str) -> &str {
        let at = self.header.iter().position(|h| h == column);
        &self.rows[row][at.unwrap_or_else(|| panic!("no column {column}"))]
    }

    pub(crate) fn number(&self, row: usize, column: &str) -> f64 {
        let text = self.text(row, column);
        text.parse().unwrap_or_else(|_| panic!("{column}, row {row}: {text}"))
    }

    pub(crate) fn numbers(&self, column: &str) -> Vec<f64> {
        (0..self.len()).map(|r| self.number(r, column)).collect()
    }

    pub(crate) fn flags(&self, column: &str) -> Vec<bool> {
        self.numbers(column).iter().map(|v| *v == 1.0).collect()
    }

    /// Columns whose name starts with `prefix`.
    pub(crate) fn columns(&self, prefix: &str) -> Vec<&str> {
        self.header.iter().filter(|h| h.starts_with(prefix)).map(String::as_str).collect()
    }
}
