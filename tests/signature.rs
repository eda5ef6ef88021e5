//! Signatures: scores against hand computation and other programs, and what is refused.

mod common;

use std::sync::Arc;

use abscope::error::{Kind, Remedy};
use abscope::features::Columns;
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::signature::file::{Extraction, FeatureReference};
use abscope::signature::{
    Findings, Incomplete, LesionScore, Model, Origin, Refusal, Resolved, SignatureFile,
};
use abscope::value::{Missing, Value};

const HEAD: &str = r#"
kind = "binomial"
link = "logit"
intercept = -0.25
units = "probability"
positive_class = "inflamed"
"#;
const TERMS: &str = r#"
[[term]]
column = "a"
coefficient = 0.8
centre = 10.0
scale = 4.0
[[term]]
column = "b"
coefficient = -1.5
centre = 0.5
scale = 0.25
[term.transform]
kind = "log1p"
[[covariate]]
type = "one_hot"
name = "site"
reference = "node"
missing = "refuse"
unseen = "refuse"
[[covariate.levels]]
name = "liver"
coefficient = -0.7
[[covariate]]
type = "numeric"
name = "kvp"
centre = 120.0
scale = 10.0
coefficient = 0.05
missing = "refuse"
range = [80.0, 140.0]
[[cutoff]]
name = "half"
value = 0.5
scale = "response"
low = "cold"
high = "hot"
provenance = "made up for a test"
"#;

/// The signature whose scores are computed by hand.
fn hand() -> String {
    common::signature::foreign(HEAD, TERMS)
}

fn lesion(values: &[(&str, f64)]) -> Row {
    let values: Vec<(&str, Value)> = values.iter().map(|(name, v)| (*name, Ok(*v))).collect();
    lesion_of(&values)
}

fn lesion_of(values: &[(&str, Value)]) -> Row {
    let columns = Arc::new(Columns::parse(values.iter().map(|(name, _)| *name)));
    let mut row = Row::new("p", "7", columns, values.iter().map(|(_, v)| *v).collect());
    (row.site, row.kvp) = (Some("Liver".into()), Some(100.0));
    row
}

/// The origin of another engine's values.
fn foreign(columns: &Arc<Columns>) -> Origin<'_> {
    Origin::Table { hash: None, version: None, columns }
}

fn score(model: &Model, lesion: &Row) -> Result<LesionScore, Refusal> {
    model.scorer(foreign(lesion.columns())).expect("of that engine").score(lesion)
}

/// Oracle: by hand. a: (16 - 10) / 4 = 1.5, times 0.8 = 1.2. b: (ln(1 + 1) - 0.5) / 0.25 =
/// 0.772588722239781, times -1.5 = -1.158883083359672. Liver -0.7. kVp: (100 - 120) / 10 * 0.05 =
/// -0.1. Sum with -0.25: -1.008883083359672; probability 1 / (1 + exp(1.008883083359672)).
#[test]
fn a_score_equals_the_hand_computed_one() {
    let model = Model::parse(&hand()).expect("valid");
    let found = score(&model, &lesion(&[("a", 16.0), ("b", 1.0)])).expect("a score");
    let ln2 = std::f64::consts::LN_2;
    let b = -1.5 * ((ln2 - 0.5) / 0.25);
    let eta = -0.25 + 1.2 + b - 0.7 - 0.1;
    assert!((found.linear_predictor - eta).abs() < 1e-12, "{}", found.linear_predictor);
    assert!((found.linear_predictor + 1.008_883_083_359_672).abs() < 1e-12);
    assert!((found.response - 1.0 / (1.0 + 1.008_883_083_359_672f64.exp())).abs() < 1e-12);
    assert!((found.image_part - (-0.25 + 1.2 + b)).abs() < 1e-12);
    assert!((found.covariate_part + 0.8).abs() < 1e-12, "organs and kV apart from the image");
    let parts: f64 = found.contributions.iter().map(|c| c.contribution).sum();
    assert!((parts - 0.25 - found.linear_predictor).abs() < 1e-12, "parts add up to the score");
    assert_eq!(found.classes[0].class, "cold");
    assert_eq!(found.classes[0].linear_predictor, 0.0);
}

/// Oracles: scikit-learn's predict_proba and lifelines' predict_partial_hazard, frozen by
/// fixtures/signature/make_oracle.py.
#[test]
fn binomial_and_cox_responses_are_those_of_scikit_learn_and_lifelines() {
    for (name, kind, link) in [("binomial", "binomial", "logit"), ("cox", "cox", "log")] {
        let path = format!("{}/fixtures/signature/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("the fixture is there");
        let oracle: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let number = |v: &serde_json::Value| v.as_f64().expect("a number");
        let columns: Vec<&str> = oracle["columns"]
            .as_array()
            .expect("list")
            .iter()
            .map(|c| c.as_str().expect("text"))
            .collect();
        let mut text = hand().split("[[term]]").next().expect("the head").to_owned();
        text = text
            .replace("kind = \"binomial\"", &format!("kind = \"{kind}\""))
            .replace("link = \"logit\"", &format!("link = \"{link}\""))
            .replace(
                "intercept = -0.25",
                &format!("intercept = {:?}", number(&oracle["intercept"])),
            );
        for (i, column) in columns.iter().enumerate() {
            text.push_str(&format!(
                "[[term]]\ncolumn = \"{column}\"\ncoefficient = {:?}\ncentre = {:?}\nscale = {:?}\n",
                number(&oracle["coefficients"][i]),
                number(&oracle["centre"][i]),
                number(&oracle["scale"][i]),
            ));
        }
        text.push_str(&hand()[hand().find("[training]").expect("there")..]);
        let model = Model::parse(&text).expect("valid");
        let rows = oracle["rows"].as_array().expect("rows");
        assert_eq!(rows.len(), 40);
        for (row, expected) in rows.iter().zip(oracle["response"].as_array().expect("responses")) {
            let values: Vec<(&str, f64)> =
                columns.iter().enumerate().map(|(i, c)| (*c, number(&row[i]))).collect();
            let found = score(&model, &lesion(&values)).expect("a score").response;
            let expected = number(expected);
            assert!((found / expected - 1.0).abs() < 1e-12, "{name}: {found} {expected}");
        }
    }
}

#[test]
fn a_missing_tube_voltage_and_an_unseen_site_are_refused_by_name() {
    let model = Model::parse(&hand()).expect("valid");
    let mut other = lesion(&[("a", 16.0), ("b", 1.0)]);
    other.site = Some("brain".into());
    let message = score(&model, &other).expect_err("unseen").to_string();
    assert!(message.contains("brain") && message.contains("node, liver"), "{message}");
    other.site = None;
    let refusal = score(&model, &other).expect_err("missing");
    assert!(refusal.to_string().contains("site is not known"), "{refusal}");
    let site_of = Remedy::GiveSite { lesion: other.lesion.clone() };
    assert_eq!(refusal.remedy(), Some(&site_of), "{refusal}");
    other.site = Some("node".into());
    other.kvp = None;
    let refusal = score(&model, &other).expect_err("missing");
    assert!(refusal.is_request() && refusal.remedy() == Some(&Remedy::GiveKvp), "{refusal}");
}

#[test]
fn with_the_policy_warn_the_reference_is_taken_and_said() {
    let model = Model::parse(&hand().replace("\"refuse\"", "\"warn\"")).expect("valid");
    let mut other = lesion(&[("a", 16.0), ("b", 1.0)]);
    (other.site, other.kvp) = (Some("brain".into()), None);
    let found = score(&model, &other).expect("a score");
    assert_eq!(found.covariate_part, 0.0);
    let messages: Vec<&str> = found.flags.iter().map(|f| f.message.as_str()).collect();
    assert!(messages.iter().any(|m| m.contains("brain")), "{messages:?}");
    assert!(messages.iter().any(|m| m.contains("Tube voltage is not known")), "{messages:?}");
}

#[test]
fn a_feature_without_a_number_gives_no_score() {
    let model = Model::parse(&hand()).expect("valid");
    let other = lesion(&[("a", f64::NAN), ("b", 1.0)]);
    let message = score(&model, &other).expect_err("NaN").to_string();
    assert!(message.contains("lesion 7") && message.contains("a has no value"), "{message}");
    let other = lesion_of(&[("a", Err(Missing::FlatRegion)), ("b", Ok(1.0))]);
    let message = score(&model, &other).expect_err("missing").to_string();
    assert!(message.contains("same value"), "{message}");
    let other = lesion(&[("b", 1.0)]);
    assert!(score(&model, &other).expect_err("absent").to_string().contains("no value"));
    // ln(1 + x) has no value at -1 and below.
    let below = lesion(&[("a", 1.0), ("b", -1.5)]);
    assert!(matches!(score(&model, &below), Err(Refusal::OutsideTransform { .. })));
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let newer = hand().replace("abscope.signature/1", "abscope.signature/2");
    let problem = Model::parse(&newer).expect_err("newer").to_string();
    assert!(problem.contains("signature/2") && problem.contains("newer"), "{problem}");
    let unknown = hand().replace("units =", "unit =");
    let problem = Model::parse(&unknown).expect_err("unknown key").to_string();
    assert!(problem.contains("unit"), "{problem}");
}

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo-simulated-infiltration.toml");

#[test]
fn other_settings_are_refused_with_both_hashes() {
    let model = Model::read(DEMO.as_ref()).expect("the demonstration signature");
    let other = Plan::default();
    let own = model.plan().expect("native").hash();
    let of = |hash: Option<&str>| {
        let columns = other.columns();
        model.scorer(Origin::Table { hash, version: Some("0.1.0"), columns }).map(|_| ())
    };
    let problem = of(Some(&other.hash())).expect_err("refused").to_string();
    assert!(problem.contains(&own) && problem.contains(&other.hash()), "{problem}");
    let problem = model.scorer(Origin::Plan(&other)).expect_err("refused").to_string();
    assert!(problem.contains("regions.ring"), "key by key: {problem}");
    assert!(of(Some(&own)).is_ok());
    assert!(of(None).is_err(), "a table that does not say its settings");
    // A hand on the settings inside the file shows.
    let text = std::fs::read_to_string(DEMO).expect("the file");
    let changed = text.replace("width = 25.0", "width = 20.0");
    let problem = Model::parse(&changed).expect_err("changed").to_string();
    assert!(problem.contains("changed after training"), "{problem}");
}

/// Values are found by their place in the columns that the scorer was made for, and in a row of other
/// columns by name.
#[test]
fn rows_of_other_columns_have_the_same_score() {
    let model = Model::parse(&hand()).expect("valid");
    let row = lesion(&[("a", 16.0), ("b", 1.0)]);
    let scorer = model.scorer(foreign(row.columns())).expect("of that engine");
    let expected = scorer.score(&row).expect("a score");
    for other in [
        lesion(&[("a", 16.0), ("b", 1.0)]),
        lesion(&[("b", 1.0), ("a", 16.0)]),
        lesion(&[("x", 7.0), ("b", 1.0), ("y", 8.0), ("a", 16.0)]),
    ] {
        assert_eq!(scorer.score(&other).expect("a score"), expected);
    }
    assert!(scorer.score(&lesion(&[("b", 1.0), ("c", 16.0)])).is_err());
}

fn incomplete() -> Incomplete {
    let text = hand().replacen("centre = 10.0\nscale = 4.0\n", "", 1);
    let file = SignatureFile::parse(&text).expect("a signature file");
    file.resolve().expect("not wrong").incomplete().expect("lacks centre and scale")
}

#[test]
fn an_incomplete_file_is_listed_cannot_score_and_is_completed_by_a_named_cohort() {
    let incomplete = incomplete();
    assert_eq!(incomplete.lacking(), ["a"]);
    let error = Model::parse(&incomplete.file().to_toml()).expect_err("cannot score");
    assert_eq!(error.remedy(), Some(&Remedy::CalibrateModel));
    assert!(error.problem().ends_with("cannot score: no centre and scale for a"), "{error}");

    let columns = Arc::new(Columns::parse(["a", "b"]));
    let cohort: Vec<Row> = (0..20)
        .map(|i| {
            Row::new("p", i.to_string(), Arc::clone(&columns), vec![Ok(f64::from(i)), Ok(1.0)])
        })
        .collect();
    let hash = "ab".repeat(32);
    let calibrated =
        |name: &str, rows: &[Row]| incomplete.calibrated(name, rows, foreign(&columns), &hash);
    let completed = calibrated("Clinic A 2025", &cohort).expect("completed");
    let term = &completed.terms()[0];
    assert_eq!(term.centre(), 9.5);
    // Sample variance of 0..19 is n (n + 1) / 12 = 35.
    assert!((term.scale() - 35f64.sqrt()).abs() < 1e-12);
    let kept = &incomplete.file().terms[1];
    assert_eq!(completed.file().terms[1], *kept, "complete terms keep theirs");
    // The statement stays through writing and reading, and reaches results.
    let again = Model::parse(&completed.file().to_toml()).expect("a valid file");
    assert_eq!(again, completed);
    assert!(again.note().contains("Clinic A 2025"));
    assert_ne!(again.hash(), incomplete.file().hash());

    let few = calibrated("A", &cohort[..5]).expect_err("few").to_string();
    assert!(few.contains("5 lesions are too few"), "{few}");
    let flat = vec![lesion(&[("a", 0.1), ("b", 1.0)]); 15];
    let flat = calibrated("A", &flat).expect_err("flat").to_string();
    assert!(flat.contains("a is 0.1"), "{flat}");
    let unnamed = calibrated(" ", &cohort).expect_err("no name");
    assert_eq!(unnamed.remedy(), Some(&Remedy::NameCohort));
    let own = Plan::default();
    let own = incomplete.calibrated("A", &cohort, Origin::Plan(&own), &hash);
    assert_eq!(own.expect_err("another engine's").remedy(), Some(&Remedy::ScoreTable));
    let nothing = Resolved::Complete(completed).incomplete().expect_err("nothing to calibrate");
    assert_eq!(nothing.kind(), Kind::BadRequest);
}

/// The problems of the demonstration signature, changed.
fn findings(change: impl FnOnce(&mut SignatureFile)) -> Findings {
    let mut file = SignatureFile::read(DEMO.as_ref()).expect("the demonstration signature");
    change(&mut file);
    file.resolve().expect_err("a problem")
}

fn keys(findings: &Findings) -> Vec<&str> {
    findings.iter().map(|finding| finding.key.as_str()).collect()
}

fn feature(file: &mut SignatureFile) -> &mut FeatureReference {
    file.terms[0].feature.as_mut().expect("a feature of abscope's own")
}

/// Gives the file other settings, with their hash.
fn extract_with(file: &mut SignatureFile, change: impl FnOnce(&mut Settings)) {
    let settings = file.extraction.settings.as_mut().expect("settings");
    change(settings);
    let hash = Plan::recorded(settings).expect("they resolve").hash();
    file.extraction.hash = Some(hash);
}

#[test]
fn every_problem_is_listed_with_its_key() {
    let found = findings(|file| {
        file.id.clear();
        file.link = abscope::stats::Link::Log;
        file.extraction.hash = None;
        feature(file).ibsi = "AAAA".into();
        file.terms[0].scale = Some(0.0);
        file.terms[1].coefficient = f64::NAN;
        file.cutoffs[0].high = file.cutoffs[0].low.clone();
        file.reference.as_mut().expect("there").patient_share = Some(1.5);
        file.bootstrap.as_mut().expect("there").draws[3].pop();
    });
    let expected = [
        "id",
        "link",
        "extraction.hash",
        "term[1].feature.ibsi",
        "term[1].scale",
        "term[2].coefficient",
        "cutoff[1].high",
        "reference.patient_share",
        "bootstrap.draws[4]",
    ];
    assert_eq!(keys(&found), expected);
    let text = abscope::Error::from(found.clone()).to_string();
    assert_eq!(text.lines().count(), 1 + expected.len());
    for finding in &found {
        assert!(text.contains(&finding.to_string()), "{text}");
    }
}

#[test]
fn a_column_that_the_extraction_does_not_give_is_found() {
    let unknown = findings(|file| feature(file).filter = "log_9mm".into());
    assert_eq!(keys(&unknown), ["term[1].feature.filter"]);
    assert!(unknown.to_string().contains("\"log_9mm\"; extraction.settings give original"));

    let excluded = findings(|file| {
        let id = feature(file).id.clone();
        extract_with(file, |settings| settings.features.exclude.push(id));
    });
    assert_eq!(keys(&excluded), ["term[1].feature.id"]);

    let ring = findings(|file| {
        feature(file).region = abscope::region::Region::Ring;
        extract_with(file, |settings| settings.regions.ring = None);
    });
    assert_eq!(keys(&ring), ["term[1].feature.region"]);

    let tumour = findings(|file| extract_with(file, |settings| settings.regions.tumour = false));
    assert_eq!(tumour.len(), 7, "all terms are of the lesion");
    assert!(keys(&tumour).iter().all(|key| key.ends_with("feature.region")));

    let filter = "[[filter]]\nname = \"log\"\nkind = \"log\"\nsigma_mm = 2.0\n";
    let filter = Settings::parse(filter).expect("settings").filters;
    let left_out = findings(|file| {
        feature(file).filter = "log".into();
        extract_with(file, |settings| {
            settings.filters = filter.clone();
            settings.features.maps = Some(vec!["original".into()]);
        });
    });
    assert_eq!(keys(&left_out), ["term[1].feature.filter"]);

    let shape = findings(|file| {
        let map = Some(abscope::features::Column::parse("tumour_log_morph_volume"));
        file.terms[0].feature = map.flatten().map(|column| FeatureReference {
            region: column.region,
            filter: column.filter.clone(),
            id: column.feature.id.to_owned(),
            ibsi: column.feature.ibsi.to_owned(),
            aggregation: column.aggregation,
        });
        extract_with(file, |settings| settings.filters = filter.clone());
    });
    assert_eq!(keys(&shape), ["term[1].feature.filter"]);
}

#[test]
fn model_check_lists_all_problems_and_names_what_lacks_scaling() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.toml");
    let check = |text: String| {
        std::fs::write(&path, text).expect("written");
        let run = common::abscope().args(["model", "check"]).arg(&path).output().expect("starts");
        let [out, err] =
            [run.stdout, run.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        (run.status.code(), out, err)
    };
    let text = std::fs::read_to_string(DEMO).expect("the file");
    let (status, out, _) = check(text.clone());
    let hash = Model::parse(&text).expect("valid").hash();
    assert_eq!(status, Some(0));
    assert_eq!(out, format!("{}: valid and complete, signature {hash}\n", path.display()));

    let (status, _, err) = check(text.replacen("filter = \"original\"", "filter = \"log_9mm\"", 2));
    assert_eq!(status, Some(2), "{err}");
    assert!(err.contains("2 problems") && err.contains("model.toml"), "{err}");
    for key in ["term[1].feature.filter", "term[2].feature.filter"] {
        assert!(err.contains(key), "{err}");
    }

    let (status, out, _) = check(incomplete().file().to_toml());
    assert_eq!(status, Some(1));
    assert!(out.contains("no centre and scale for a; complete it with"), "{out}");
}

#[test]
fn features_come_from_one_engine() {
    let both = findings(|file| {
        let own = std::mem::replace(&mut file.extraction, Extraction::foreign("PyRadiomics"));
        (file.extraction.settings, file.extraction.hash) = (own.settings, own.hash);
    });
    assert_eq!(keys(&both)[0], "extraction");
    let other = findings(|file| file.extraction = Extraction::foreign("PyRadiomics"));
    assert_eq!(keys(&other)[..2], ["term[1]", "term[2]"]);
    assert!(other.to_string().contains("needs `column`"), "{other}");
}
