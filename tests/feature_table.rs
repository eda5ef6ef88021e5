//! A feature table reads back as it was written, in every format, and refuses what it cannot trust.
//!
//! Oracle: the rows that were written (round trip); for refusals, the line and column that the test
//! itself spoilt.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use abscope::features::{Column, Columns, FEATURES};
use abscope::plan::Plan;
use abscope::region::{Region, RegionFacts};
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::table::{Carried, FeatureWriter, Format, Table};
use abscope::value::Missing;
use assert_cmd::prelude::*;
use proptest::prelude::*;

/// Two features of the image and of a response map.
fn plan() -> Plan {
    let settings = "[features]\nfamilies = [\"statistics\", \"glcm\"]\n\
                    [[filter]]\nname = \"log-2-mm\"\nkind = \"log\"\nsigma_mm = 2.0\n";
    Plan::resolve(&Settings::parse(settings).expect("settings")).expect("a plan")
}

/// A row of the plan's columns, with these values and reasons for all others.
fn row(patient: &str, lesion: &str, values: &[(&str, Result<f64, Missing>)]) -> Row {
    let plan = plan();
    let given = |name: &String| values.iter().find(|(column, _)| column == name);
    let value = |name| given(name).map_or(Err(Missing::ZeroDenominator), |(_, value)| *value);
    let all = plan.columns().names().iter().map(value).collect();
    let mut row = Row::new(patient, lesion, Arc::clone(plan.columns()), all);
    row.name = Some("GTV, \"left\"".into());
    row.kvp = Some(120.0);
    row.volume_ml = Some(12.345_678_901_234_5);
    row.plan_hash = Some(plan.hash());
    row.version = Some("0.1.0".into());
    row.facts = vec![RegionFacts {
        region: Region::Tumour,
        voxels: 4711,
        voxels_kept: 4700,
        levels: None,
        intensity_range: Some([-103.5, 261.0]),
        air_fraction: 0.1,
        bone_fraction: 0.0,
        touches_border: true,
    }];
    row
}

fn rows() -> Vec<Row> {
    let entropy = "tumour_original_cm_joint_entr_3D_comb";
    let mean = "tumour_log-2-mm_stat_mean";
    vec![
        row("p 1", "1", &[(entropy, Ok(0.1 + 0.2)), (mean, Ok(-1e-300))]),
        row("p 1", "2", &[(entropy, Err(Missing::FlatRegion)), (mean, Ok(1.797e308))]),
        row("p,2", "1", &[(entropy, Ok(5.0)), (mean, Err(Missing::EmptyRegion))]),
    ]
}

const FORMATS: &[Format] = &[
    Format::Csv,
    Format::Jsonl,
    #[cfg(feature = "parquet")]
    Format::Parquet,
];

fn carried() -> Vec<Carried> {
    vec![
        Carried { name: "age".into(), numeric: true },
        Carried { name: "centre".into(), numeric: false },
    ]
}

fn write(folder: &Path, format: Format, rows: &[Row]) -> PathBuf {
    let path = folder.join(format!("features.{}", format.extension()));
    let mut writer =
        FeatureWriter::create(&path, format, &plan(), &carried()).expect("a writable folder");
    for (at, row) in rows.iter().enumerate() {
        let cells = [(40 + at).to_string(), format!("centre {at}")];
        writer.write(row, &cells).expect("room on the disk");
    }
    writer.finish().expect("room on the disk");
    path
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn every_format_reads_back_what_was_written() {
    for &format in FORMATS {
        let folder = folder();
        let table = Table::read(&write(folder.path(), format, &rows())).expect("reads");
        assert_eq!(table.entries.len(), 3, "{format:?}");
        assert_eq!(table.columns.names()[0], "age", "{format:?}");
        for (read, written) in table.rows().zip(rows()) {
            let age = read.value("age").expect("age is numeric");
            let values = std::iter::once(age).chain(written.values().iter().copied()).collect();
            let expected = written.of_columns(Arc::clone(&table.columns), values);
            assert_eq!(*read, expected, "{format:?}");
        }
        assert_eq!(table.column("age").expect("numeric"), [Ok(40.0), Ok(41.0), Ok(42.0)]);
        assert_eq!(table.text(&table.entries[2], "centre"), Some("centre 2"), "{format:?}");
        let hash = plan().hash();
        assert_eq!(table.plan_hash().expect("one plan"), Some(hash.as_str()));
    }
}

#[test]
fn the_same_rows_are_the_same_bytes() {
    for &format in FORMATS {
        let (a, b) = (folder(), folder());
        let read = |folder: &Path| std::fs::read(write(folder, format, &rows())).expect("written");
        assert_eq!(read(a.path()), read(b.path()), "{format:?}");
    }
}

#[test]
fn a_table_without_rows_is_refused_and_can_be_written() {
    for &format in FORMATS {
        let folder = folder();
        let path = write(folder.path(), format, &[]);
        let problem = Table::read(&path).expect_err("no rows").to_string();
        assert!(problem.contains("no rows") || problem.contains("is empty"), "{problem}");
    }
}

#[test]
fn a_row_with_other_columns_is_refused_when_writing() {
    for &format in FORMATS {
        let folder = folder();
        let path = folder.path().join("t");
        let mut writer = FeatureWriter::create(&path, format, &plan(), &[]).expect("writable");
        writer.write(&rows()[0], &[]).expect("the first row");
        let columns = Arc::new(Columns::parse(["tumour_original_stat_mean"]));
        let other = Row::new("p", "1", columns, vec![Ok(1.0)]);
        let problem = writer.write(&other, &[]).expect_err("other columns").to_string();
        assert!(problem.contains("other columns"), "{problem}");
    }
}

fn read_text(text: &str) -> Result<Table, String> {
    let folder = folder();
    let path = folder.path().join("table");
    std::fs::write(&path, text).expect("written");
    Table::read(&path).map_err(|e| e.to_string())
}

fn refused(text: &str, parts: &[&str]) {
    let problem = read_text(text).expect_err(text);
    for part in parts {
        assert!(problem.contains(part), "{problem:?} does not say {part:?}");
    }
}

#[test]
fn a_table_that_cannot_be_trusted_is_refused_by_line_and_column() {
    let mean = "tumour_original_stat_mean";
    refused("", &["is empty"]);
    refused("id,lesion\n1,1\n", &["no column \"patient\"", "id, lesion"]);
    refused("patient;lesion\n1;1\n", &["commas"]);
    refused("patient,a,a\n1,2,3\n", &["\"a\" twice"]);
    refused("patient,lesion\n", &["no rows"]);
    refused("patient,lesion\nA,1\nB,1\nA,1\n", &["lines 2 and 4", "lesion 1 of patient A"]);
    refused("patient,lesion\n,1\n", &["line 2", "no patient"]);
    refused(&format!("patient,{mean}\nA,1.5\nB,\"1,5\"\n"), &["line 3", mean, "\"1,5\""]);
    refused(&format!("patient,missing,{mean}\nA,{mean}=because,\n"), &["line 2", "because"]);
    refused("patient,kvp\nA,high\n", &["line 2", "kvp", "\"high\""]);
    refused("patient,lesion\nA,1,2\n", &["line: 2"]);
    refused("{\"patient\": \"A\"}\n", &["line 1", "values"]);
    refused("{\"patient\": \"A\", \"values\": {}}\n{\"pat\n", &["line 2", "not JSON"]);
}

#[test]
fn mixed_plans_are_reported_with_a_line_of_each() {
    let table = read_text("patient,plan_hash\nA,aa\nB,bb\nC,aa\n").expect("reads");
    let problem = table.plan_hash().expect_err("two plans").to_string();
    assert!(problem.contains("aa in 2 rows from line 2"), "{problem}");
    assert!(problem.contains("bb in 1 rows from line 3"), "{problem}");
}

#[test]
fn another_engines_table_keeps_its_columns() {
    let text = "\u{feff}patient,diagnostics_Version,original_glcm_Contrast,batch\n\
                A,v3.1,1.25,GE\nB,v3.1,NA,Siemens\nC,v3.1,inf,GE\n";
    let table = read_text(text).expect("reads");
    assert_eq!(table.columns.names(), ["original_glcm_Contrast"]);
    assert_eq!(table.text_columns, ["diagnostics_Version", "batch"]);
    assert_eq!(table.plan_hash().expect("none"), None);
    assert_eq!(
        table.column("original_glcm_Contrast").expect("numbers"),
        [Ok(1.25), Err(Missing::NotInTable), Err(Missing::NotFinite)]
    );
    let problem = table.column("batch").expect_err("text").to_string();
    assert!(problem.contains("line 2, column batch: \"GE\""), "{problem}");
    assert_eq!(table.entries[1].row.batch.as_deref(), Some("Siemens"));
}

#[test]
fn every_column_name_parses_back() {
    for feature in FEATURES {
        for &aggregation in feature.family().aggregations() {
            for filter in ["original", "log_2_mm", "wavelet_LLH"] {
                let column =
                    Column { region: Region::Ring, filter: filter.into(), feature, aggregation };
                assert_eq!(Column::parse(&column.name()), Some(column));
            }
        }
    }
}

#[cfg(feature = "parquet")]
#[test]
fn a_spoilt_parquet_file_is_an_error_and_never_a_panic() {
    let folder = folder();
    let path = write(folder.path(), Format::Parquet, &rows());
    let whole = std::fs::read(&path).expect("written");
    let spoilt = folder.path().join("spoilt");
    for length in (4..whole.len()).step_by(97) {
        std::fs::write(&spoilt, &whole[..length]).expect("written");
        Table::read(&spoilt).expect_err("truncated");
    }
    for at in (4..whole.len()).step_by(31) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&spoilt, &bytes).expect("written");
        let _ = Table::read(&spoilt);
    }
}

/// A table whose footer does not name abscope as its writer, as after another program's hands.
#[cfg(feature = "parquet")]
fn of_another_program(table: &[u8]) -> Vec<u8> {
    let name = b"abscope version";
    let at = table.windows(name.len()).rposition(|bytes| bytes == name).expect("named");
    let mut table = table.to_vec();
    table[at] = b'A';
    table
}

#[cfg(feature = "parquet")]
#[test]
fn no_flipped_bit_of_a_parquet_table_passes() {
    let folder = folder();
    let path = write(folder.path(), Format::Parquet, &rows());
    let whole = std::fs::read(&path).expect("written");
    let expected = Table::read(&path).expect("whole");
    let changed = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Table::read(&path).map(|table| table == expected)
    };
    let flips = (0..whole.len()).step_by(13).map(|at| (at, at % 8));
    let footer = (whole.len() - 400..whole.len()).flat_map(|at| [(at, 0), (at, 6)]);
    for (at, bit) in flips.chain(footer) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        match changed(&bytes) {
            Err(error) => {
                let named = error.to_string().contains("features.parquet");
                assert!(named, "{at}.{bit}: {error}");
            }
            // Only what says that abscope wrote it; then the values are as they were.
            Ok(same) => assert!(same && at > whole.len() - 400, "{at}.{bit} passes"),
        }
    }

    // Without the digest of the whole, each page has its checksum.
    let other = of_another_program(&whole);
    assert!(changed(&other).expect("still a table"));
    let text = other.windows(5).position(|bytes| bytes == b"p 1\x03\0").expect("a page of text");
    let mut bytes = other.clone();
    bytes[text] ^= 1;
    let error = changed(&bytes).expect_err("another patient").to_string();
    assert!(error.contains("CRC") && error.contains("features.parquet"), "{error}");
}

/// The program that checks a table's pages, writes it anew with its metadata and with checksums, and spoils
/// a page of that.
#[cfg(feature = "parquet")]
const CHECKSUMS: &str = r#"
import sys
import pyarrow.parquet as parquet
path, again, spoilt = sys.argv[1:]
rows = parquet.read_table(path, page_checksum_verification=True)
whole = open(path, "rb").read()
for at in range(4, parquet.read_metadata(path).row_group(0).column(0).total_compressed_size):
    open(spoilt, "wb").write(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
    try:
        parquet.read_table(spoilt, page_checksum_verification=True)
    except OSError as error:
        seen = "CRC" in str(error)
        if seen:
            break
assert seen, "no page has a checksum"
rows = rows.replace_schema_metadata(parquet.read_metadata(path).metadata)
parquet.write_table(rows, again, write_page_checksum=True, compression="none", use_dictionary=False)
assert b"abscope.sha256" in parquet.read_metadata(again).metadata
whole = open(again, "rb").read()
first = parquet.read_metadata(again).row_group(0).column(0)
at = whole.rindex(b"p 1", 0, 4 + first.total_compressed_size)
open(spoilt, "wb").write(whole[:at] + b"q" + whole[at + 1:])
"#;

/// Oracle: pyarrow, which checks and writes checksums of pages.
#[cfg(feature = "parquet")]
#[test]
#[ignore = "needs Python with pyarrow; tests/run sets ABSCOPE_TEST_PYTHON"]
fn checksums_of_pages_are_those_of_pyarrow() {
    let python = std::env::var("ABSCOPE_TEST_PYTHON").expect("tests/run sets it");
    let folder = folder();
    let path = write(folder.path(), Format::Parquet, &rows());
    let (again, spoilt) = (folder.path().join("again"), folder.path().join("spoilt"));
    let mut command = std::process::Command::new(python);
    command.args(["-c", CHECKSUMS]).args([&path, &again, &spoilt]).assert().success();
    let (ours, theirs) = (Table::read(&path).expect("ours"), Table::read(&again).expect("theirs"));
    assert_eq!(ours.entries, theirs.entries);
    let error = Table::read(&spoilt).map(|_| "read").expect_err("a changed page").to_string();
    assert!(error.contains("CRC"), "{error}");
}

/// The program that writes one table with three engines, with the types and encodings they choose.
#[cfg(feature = "parquet")]
const WRITERS: &str = r#"
import sys
import duckdb, polars, pyarrow, pyarrow.parquet
folder = sys.argv[1]
rows = pyarrow.table({
    "patient": pyarrow.array(["a", "b", "é"] * 1000).dictionary_encode(),
    "lesion": pyarrow.array([str(i) for i in range(3000)], pyarrow.large_string()),
    "single": pyarrow.array([0.1, None, 2.5] * 1000, pyarrow.float32()),
    "double": pyarrow.array([0.1, None, -1e300] * 1000),
    "small": pyarrow.array([-1, 127, None] * 1000, pyarrow.int8()),
    "byte": pyarrow.array([255, None, 0] * 1000, pyarrow.uint8()),
    "unsigned": pyarrow.array([2**32 - 1, None, 0] * 1000, pyarrow.uint32()),
    "long": pyarrow.array([-2**40, None, 7] * 1000, pyarrow.int64()),
    "largest": pyarrow.array([2**64 - 2**11, None, 7] * 1000, pyarrow.uint64()),
    "truth": pyarrow.array([True, None, False] * 1000),
    "nothing": pyarrow.nulls(3000, pyarrow.float64()),
})
pyarrow.parquet.write_table(rows, f"{folder}/pyarrow.parquet", row_group_size=700)
pyarrow.parquet.write_table(rows.append_column("null", pyarrow.nulls(3000)), f"{folder}/pages.parquet",
    use_dictionary=False, data_page_version="2.0", data_page_size=500, compression="none", version="1.0",
    column_encoding={"long": "DELTA_BINARY_PACKED", "lesion": "DELTA_BYTE_ARRAY", "double": "BYTE_STREAM_SPLIT"})
polars.from_arrow(rows).write_parquet(f"{folder}/polars.parquet", compression="snappy")
duckdb.sql(f"copy (select * from rows) to '{folder}/duckdb.parquet' (format parquet, compression snappy)")
polars.from_arrow(rows).write_parquet(f"{folder}/zstd.parquet")
for name, column in {"date": "2026-11-25", "list": [1.0]}.items():
    odd = pyarrow.table({"patient": ["a"], "lesion": ["1"], "odd": [column]})
    if name == "date":
        odd = odd.set_column(2, "odd", odd["odd"].cast(pyarrow.date32()))
    pyarrow.parquet.write_table(odd, f"{folder}/{name}.parquet")
"#;

/// Oracle: pyarrow, polars and DuckDB, each of which wrote the table.
#[cfg(feature = "parquet")]
#[test]
#[ignore = "needs Python with pyarrow, polars and DuckDB; tests/run sets ABSCOPE_TEST_PYTHON"]
fn what_pyarrow_polars_and_duckdb_write_is_read() {
    let python = std::env::var("ABSCOPE_TEST_PYTHON").expect("tests/run sets it");
    let folder = folder();
    let mut command = std::process::Command::new(python);
    command.args(["-c", WRITERS]).arg(folder.path()).assert().success();
    let expected = [
        ("single", [Some(0.1), None, Some(2.5)]),
        ("double", [Some(0.1), None, Some(-1e300)]),
        ("small", [Some(-1.0), Some(127.0), None]),
        ("byte", [Some(255.0), None, Some(0.0)]),
        ("unsigned", [Some(4_294_967_295.0), None, Some(0.0)]),
        ("long", [Some(-1_099_511_627_776.0), None, Some(7.0)]),
        ("largest", [Some(18_446_744_073_709_549_568.0), None, Some(7.0)]),
    ];
    for file in ["pyarrow", "pages", "polars", "duckdb"] {
        let table = Table::read(&folder.path().join(format!("{file}.parquet"))).expect(file);
        assert_eq!(table.entries.len(), 3000, "{file}");
        for (at, entry) in table.entries.iter().enumerate() {
            assert_eq!(entry.row.patient, ["a", "b", "é"][at % 3], "{file}");
            assert_eq!(entry.row.lesion, at.to_string(), "{file}");
            assert_eq!(table.text(entry, "nothing"), Some(""), "{file}");
            assert_eq!(table.text(entry, "truth"), Some(["true", "", "false"][at % 3]), "{file}");
        }
        for (name, values) in expected {
            let column = table.column(name).unwrap_or_else(|e| panic!("{file}: {e}"));
            let read = column.iter().map(|value| value.ok());
            assert!(read.eq(values.into_iter().cycle().take(3000)), "{file}: {name}");
        }
    }
    let error = Table::read(&folder.path().join("zstd.parquet")).expect_err("polars' own default");
    assert!(error.to_string().contains("compressed by ZSTD"), "{error}");
    for (file, kind) in [("date", "Date"), ("list", "nested")] {
        let error = Table::read(&folder.path().join(format!("{file}.parquet"))).expect_err(file);
        assert!(error.to_string().contains(&format!("column odd has type {kind}")), "{error}");
    }
}

proptest! {
    #[test]
    fn every_finite_number_survives_every_format(value in prop::num::f64::NORMAL | prop::num::f64::SUBNORMAL | prop::num::f64::ZERO) {
        for &format in FORMATS {
            let folder = folder();
            let rows = [row("p", "1", &[("tumour_original_stat_mean", Ok(value))])];
            let table = Table::read(&write(folder.path(), format, &rows)).expect("reads");
            let read = table.column("tumour_original_stat_mean").expect("numbers")[0].expect("value");
            prop_assert_eq!(read.to_bits(), value.to_bits());
        }
    }
}
