//! Signatures: scores against hand computation and other programs, and what is refused.

mod common;

use abscope::error::Remedy;
use abscope::signature::Model;
use abscope::signature::score::{LesionScore, LesionValues, Origin, Refusal};
use abscope::value::Missing;

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
    common::signature(HEAD, TERMS)
}

fn lesion(values: &[(&str, f64)]) -> LesionValues {
    LesionValues {
        patient: "p".into(),
        lesion: "7".into(),
        site: Some("Liver".into()),
        kvp: Some(100.0),
        values: values.iter().map(|(name, v)| ((*name).to_owned(), Ok(*v))).collect(),
        ..LesionValues::default()
    }
}

fn score(model: &Model, lesion: &LesionValues) -> Result<LesionScore, Refusal> {
    model.scorer(Origin::Foreign).expect("complete").score(lesion)
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
    let mut other = lesion(&[("a", f64::NAN), ("b", 1.0)]);
    let message = score(&model, &other).expect_err("NaN").to_string();
    assert!(message.contains("lesion 7") && message.contains("a has no value"), "{message}");
    other.values.insert("a".into(), Err(Missing::FlatRegion));
    let message = score(&model, &other).expect_err("missing").to_string();
    assert!(message.contains("same value"), "{message}");
    other.values.remove("a");
    assert!(score(&model, &other).expect_err("absent").to_string().contains("no value"));
    // ln(1 + x) has no value at -1 and below.
    let below = lesion(&[("a", 1.0), ("b", -1.5)]);
    assert!(matches!(score(&model, &below), Err(Refusal::OutsideTransform { .. })));
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let newer = hand().replace("abscope.signature/1", "abscope.signature/2");
    let problem = Model::parse(&newer).expect_err("newer");
    assert!(problem.contains("signature/2") && problem.contains("newer"), "{problem}");
    let problem = Model::parse(&hand().replace("units =", "unit =")).expect_err("unknown key");
    assert!(problem.contains("unit"), "{problem}");
}

#[test]
fn other_settings_are_refused_with_both_hashes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/models/demo-simulated-infiltration.toml");
    let model = Model::read(path.as_ref()).expect("the demonstration signature");
    let other = abscope::plan::Plan::default();
    let own = model.plan().expect("native").hash();
    let problem = model.scorer(Origin::Hash(&other.hash())).expect_err("refused").to_string();
    assert!(problem.contains(&own) && problem.contains(&other.hash()), "{problem}");
    let problem = model.scorer(Origin::Plan(&other)).expect_err("refused").to_string();
    assert!(problem.contains("regions.ring"), "key by key: {problem}");
    assert!(model.scorer(Origin::Hash(&own)).is_ok());
    assert!(model.scorer(Origin::Foreign).is_err(), "a table that does not say its settings");
    // A hand on the settings inside the file shows.
    let text = std::fs::read_to_string(path).expect("the file");
    let problem = Model::parse(&text.replace("width = 25.0", "width = 20.0")).expect_err("changed");
    assert!(problem.contains("changed after training"), "{problem}");
}

fn incomplete() -> Model {
    Model::parse(&hand().replacen("centre = 10.0\nscale = 4.0\n", "", 1)).expect("not wrong")
}

#[test]
fn an_incomplete_model_is_listed_cannot_score_and_is_completed_by_a_named_cohort() {
    let model = incomplete();
    assert_eq!(model.without_scaling(), ["a"]);
    let problem = model.scorer(Origin::Foreign).expect_err("incomplete").to_string();
    assert!(problem.contains("a") && problem.contains("model calibrate"), "{problem}");

    let cohort: Vec<LesionValues> = (0..20)
        .map(|i| LesionValues {
            lesion: i.to_string(),
            ..lesion(&[("a", f64::from(i)), ("b", 1.0)])
        })
        .collect();
    let hash = "ab".repeat(32);
    let completed = model.calibrated("Clinic A 2025", &cohort, &hash).expect("completed");
    let term = &completed.terms[0];
    assert_eq!(term.centre, Some(9.5));
    // Sample variance of 0..19 is n (n + 1) / 12 = 35.
    assert!((term.scale.expect("filled") - 35f64.sqrt()).abs() < 1e-12);
    assert_eq!(completed.terms[1], model.terms[1], "complete terms keep theirs");
    // The statement stays through writing and reading, and reaches results.
    let again = Model::parse(&completed.to_toml()).expect("a valid file");
    assert_eq!(again, completed);
    assert!(abscope::table::scores::note(&again).contains("Clinic A 2025"));
    assert_ne!(again.hash(), model.hash());

    let few = model.calibrated("A", &cohort[..5], &hash).expect_err("few").to_string();
    assert!(few.contains("5 lesions are too few"), "{few}");
    let flat = vec![lesion(&[("a", 0.1), ("b", 1.0)]); 15];
    let flat = model.calibrated("A", &flat, &hash).expect_err("flat").to_string();
    assert!(flat.contains("a is 0.1"), "{flat}");
    assert!(completed.calibrated("B", &cohort, &hash).is_err(), "nothing left to calibrate");
}
