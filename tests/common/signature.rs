//! Signatures as text, for tests and for the mutation program.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use abscope::features::Column;
use abscope::plan::Plan;
use abscope::signature::SignatureFile;
use abscope::signature::file::{Extraction, Term};

/// A signature on the columns of another engine: `head` has its kind, link, intercept and units,
/// `terms` all tables from the terms to the cut-offs.
pub fn foreign(head: &str, terms: &str) -> String {
    format!(
        r#"
schema = "abscope.signature/1"
id = "test"
version = "1.0.0"
title = "Test"
higher_means = "more of it"
{head}
[extraction.foreign]
engine = "none"
{terms}
[training]
cohort = "none"
outcome = "none"
procedure = "none"
software = "none"
[card]
authors = []
licence = "MIT"
intended_use = "tests"
not_for = []
"#
    )
}

/// A signature of one feature of a plan, whose score is plain arithmetic: 0.5 + 2 (mean - 40) / 10.
pub fn one_feature_model(plan: &Plan) -> String {
    const HEAD: &str = r#"
kind = "gaussian"
link = "identity"
intercept = 0.5
units = "arbitrary"
"#;
    const TERMS: &str = r#"
[[term]]
column = "a"
coefficient = 2.0
centre = 40.0
scale = 10.0
[[cutoff]]
name = "zero"
value = 0.0
scale = "linear_predictor"
low = "low"
high = "high"
provenance = "made up for a test"
"#;
    let mut file = SignatureFile::parse(&foreign(HEAD, TERMS)).expect("a file");
    file.extraction = Extraction::of(plan);
    let mean = Column::parse("tumour_original_stat_mean").expect("a column");
    let term = Term::of(&mean, 2.0);
    file.terms = vec![Term { centre: Some(40.0), scale: Some(10.0), ..term }];
    file.to_toml()
}
