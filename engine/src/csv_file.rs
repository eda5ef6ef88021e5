//! CSV files with a header: read record by record, with what is wrong told by file and line, and
//! written so that a spreadsheet shows every text as text.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-` or `@` for a formula, and runs it
//! (CWE-1236). Such a text is written with an apostrophe before it, by which spreadsheets know a text,
//! and read without. Numbers are none of these texts.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::input::{self, Bounded};

/// Names of columns that a message lists before it stops.
const LISTED: usize = 12;

/// A CSV file whose header has been read. Names and cells come without the white space around them.
#[derive(Debug)]
pub struct CsvFile<R = File> {
    path: Arc<Path>,
    columns: Vec<String>,
    reader: csv::Reader<Bounded<R>>,
}

/// One record: the cells in the order of [`CsvFile::columns`].
#[derive(Clone, Debug)]
pub struct Record {
    path: Arc<Path>,
    line: u64,
    cells: csv::StringRecord,
}

impl CsvFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// As [`input::open_text`]; also [`Error::BadData`] if its header is not UTF-8.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(path, input::open_text(path)?)
    }
}

impl<R: Read> CsvFile<R> {
    /// Reads the header of an open file; `path` is its name in messages.
    ///
    /// # Errors
    /// As [`CsvFile::open`].
    pub fn of(path: &Path, file: R) -> Result<Self> {
        let file = Bounded::new(file);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        // Spreadsheets put a byte order mark before the first name.
        let name = |name: &str| name.trim_start_matches('\u{feff}').trim().to_owned();
        let header = reader.headers().map_err(|e| damaged(path, e))?;
        let columns = header.iter().map(|text| plain(&name(text)).into_owned()).collect();
        Ok(Self { path: path.into(), columns, reader })
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns, in the file's order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Place of a column; the first where the name is there twice.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| c == name)
    }

    /// Place of a column that must be there.
    ///
    /// # Errors
    /// It is not; the message lists what there is.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let names = self.columns.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
            Error::bad_data(&self.path, format!("has no column {name}; it has {names}"))
        })
    }

    /// The records after the header, in the file's order.
    ///
    /// # Errors
    /// Each one that cannot be read, is not UTF-8, or has not as many cells as the header.
    pub fn records(&mut self) -> impl Iterator<Item = Result<Record>> {
        let Self { path, reader, .. } = self;
        std::iter::from_fn(move || {
            reader.get_mut().next_record();
            let mut cells = csv::StringRecord::new();
            match reader.read_record(&mut cells) {
                Ok(false) => None,
                Ok(true) => {
                    let line = cells.position().map_or(0, csv::Position::line);
                    if cells.iter().any(|cell| matches!(plain(cell), Cow::Owned(_))) {
                        cells = cells.iter().map(plain).collect();
                    }
                    Some(Ok(Record { path: Arc::clone(path), line, cells }))
                }
                Err(e) => Some(Err(damaged(path, e))),
            }
        })
    }
}

impl Record {
    /// The line that it begins on, from 1; of empty lines before it, the first.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The cell at a place of [`CsvFile::columns`].
    pub fn cell(&self, at: usize) -> &str {
        self.cells.get(at).unwrap_or("")
    }

    /// All cells, in the order of the columns.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.cells.iter()
    }

    /// An error that names file and line.
    pub fn problem(&self, problem: impl std::fmt::Display) -> Error {
        Error::bad_data(&self.path, format!("line {}: {problem}", self.line))
    }

    /// An error that names file, line and column, as in `"x" is not a number`.
    pub fn wrong_cell(&self, column: &str, cell: &str, what: impl std::fmt::Display) -> Error {
        let line = self.line;
        Error::bad_data(&self.path, format!("line {line}, column {column}: \"{cell}\" is {what}"))
    }
}

/// A CSV file under construction.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    csv: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes to `writer`, whose buffering is its own affair.
    pub fn new(writer: W) -> Self {
        Self { csv: csv::Writer::from_writer(writer) }
    }

    /// Appends a record, or the header.
    ///
    /// # Errors
    /// The writer's; the record has another number of cells than the first.
    pub fn record(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) -> io::Result<()> {
        for cell in cells {
            self.csv.write_field(safe(cell.as_ref()).as_bytes())?;
        }
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    /// Appends a row: a type with a field per column, or a list of cells.
    ///
    /// # Errors
    /// As [`CsvWriter::record`].
    pub fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        let mut plain = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        plain.serialize(row)?;
        let plain = plain.into_inner().map_err(csv::IntoInnerError::into_error)?;
        let reader = csv::ReaderBuilder::new().has_headers(false).from_reader(plain.as_slice());
        reader.into_records().try_for_each(|cells| self.record(&cells?))
    }

    /// Writes out what is still kept.
    ///
    /// # Errors
    /// The writer's.
    pub fn flush(&mut self) -> io::Result<()> {
        self.csv.flush()
    }

    /// The writer, to which everything is written.
    ///
    /// # Errors
    /// The writer's.
    pub fn into_inner(self) -> io::Result<W> {
        self.csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// What a spreadsheet takes for the beginning of a formula, also in full width, or swallows before one.
const OF_FORMULA: [char; 11] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];

/// Whether a text is a formula, or one that was made safe, however often.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(OF_FORMULA)
        && !text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn safe(text: &str) -> Cow<'_, str> {
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// What [`safe`] was given.
fn plain(text: &str) -> Cow<'_, str> {
    match text.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => Cow::Owned(rest.to_owned()),
        _ => Cow::Borrowed(text),
    }
}

fn damaged(path: &Path, error: csv::Error) -> Error {
    match error.kind() {
        csv::ErrorKind::Io(_) => Error::io(path, std::io::Error::from(error)),
        _ => Error::bad_data(path, format!("is not a table of comma-separated values: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn of(text: &str) -> Result<CsvFile<&[u8]>> {
        CsvFile::of(Path::new("table.csv"), text.as_bytes())
    }

    #[test]
    fn cells_are_found_by_column_and_named_by_line() {
        let mut file = of("\u{feff}patient, dose \nA, 1\n\n\"B\n2\",x\n").expect("a header");
        assert_eq!(file.columns(), ["patient", "dose"]);
        let dose = file.column("dose").expect("a column");
        let records: Vec<_> = file.records().map(|r| r.expect("a record")).collect();
        assert_eq!(records[0].cell(dose), "1");
        assert_eq!((records[1].line(), records[1].cell(0)), (3, "B\n2"));
        assert_eq!(
            records[1].wrong_cell("dose", records[1].cell(dose), "not a number").to_string(),
            "table.csv: line 3, column dose: \"x\" is not a number"
        );
        let missing = file.column("site").expect_err("no such column").to_string();
        assert_eq!(missing, "table.csv: has no column site; it has patient, dose");
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let endless = || io::repeat(b'x');
        let error = CsvFile::of(Path::new("table.csv"), endless()).expect_err("no header");
        assert!(error.to_string().contains("64 MiB"), "{error}");
        let mut file =
            CsvFile::of(Path::new("table.csv"), b"a\n1\n".chain(endless())).expect("a header");
        let mut records = file.records();
        assert!(records.next().is_some_and(|record| record.is_ok()));
        let error = records.next().expect("a record").expect_err("endless").to_string();
        assert!(error.contains("table.csv") && error.contains("64 MiB"), "{error}");
    }

    #[test]
    fn a_formula_is_written_as_text_and_read_back_as_it_was() {
        let texts = [
            "=1+1",
            "+x",
            "-x",
            "@SUM(A1)",
            "\tx",
            "\u{FF1D}x",
            "'=x",
            "''=x",
            "'x",
            "'",
            "''",
            "-",
            "-1.5",
            "+2",
            "-1e-300",
            "1=1",
            "",
            "a",
        ];
        let mut writer = CsvWriter::new(Vec::new());
        writer.record(texts).expect("memory");
        writer.record(texts).expect("memory");
        let bytes = writer.into_inner().expect("memory");
        let text = std::str::from_utf8(&bytes).expect("text");
        assert!(text.starts_with("'=1+1,'+x,'-x,'@SUM(A1),"), "{text}");
        assert!(text.contains(",-1.5,+2,-1e-300,1=1,"), "{text}");
        let mut file = CsvFile::of(Path::new("table.csv"), bytes.as_slice()).expect("a header");
        assert_eq!(file.columns(), texts);
        let record = file.records().next().expect("a record").expect("sound");
        assert_eq!(record.cells().collect::<Vec<_>>(), texts);
    }

    #[test]
    fn ragged_records_are_refused_by_line() {
        let mut file = of("a,b\n1,2\n3\n").expect("a header");
        let problem = file.records().nth(1).expect("a record").expect_err("ragged").to_string();
        assert!(problem.contains("table.csv") && problem.contains("line: 3"), "{problem}");
    }
}
