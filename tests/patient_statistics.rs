//! Statistics of a patient's lesions against closed forms and seeded simulation.
//!
//! Simulated rates are compared with their nominal value within four standard errors: a right
//! program fails one such comparison in about 16,000.

mod common;

use std::sync::Arc;

use abscope::features::Columns;
use abscope::patient::{Heterogeneity, MeasurementError, Ranking, ScoreDraws, ranking::Certainty};
use abscope::row::Row;
use abscope::signature::Model;
use abscope::signature::file::{Bootstrap, QuantileTable, Reference, Reliability, VolumeBand};
use abscope::signature::score::{LesionScore, Origin};
use abscope::stats::cochran::noise_test;
use abscope::stats::moments::{gini_mean_difference, mean, sd};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, StandardNormal};
use statrs::distribution::ContinuousCDF;

const HEAD: &str = r#"
kind = "gaussian"
link = "identity"
intercept = 0.0
units = "arbitrary"
"#;
const TERMS: &str = r#"
[[term]]
column = "a"
coefficient = 1.0
centre = 0.0
scale = 1.0
[[term]]
column = "b"
coefficient = -0.5
centre = 0.0
scale = 1.0
[[cutoff]]
name = "zero"
value = 0.0
scale = "linear_predictor"
low = "low"
high = "high"
provenance = "made up for a test"
"#;

fn model() -> Model {
    Model::parse(&common::signature::foreign(HEAD, TERMS)).expect("a valid model")
}

fn normal_reference(within: Option<f64>, share: Option<f64>) -> Reference {
    let law = statrs::distribution::Normal::standard();
    let p: Vec<f64> = (0..=4000).map(|i| (f64::from(i) + 0.5) / 4001.0).collect();
    Reference {
        cohort: "standard normal".into(),
        n_lesions: 4001,
        n_patients: 4001,
        patient_share: share,
        within_patient_sd: within,
        quantiles: QuantileTable {
            n: 4001,
            value: p.iter().map(|&p| law.inverse_cdf(p)).collect(),
            p,
        },
        covariance: Some(vec![vec![1.0, 0.3], vec![0.3, 1.0]]),
        by_site: Default::default(),
    }
}

fn score(model: &Model, a: f64, b: f64) -> LesionScore {
    let columns = Arc::new(Columns::parse(["a", "b"]));
    let origin = Origin::Table { hash: None, version: None, columns: &columns };
    let scorer = model.scorer(origin).expect("a table of that engine");
    let mut lesion = Row::new("p", "1", columns.clone(), vec![Ok(a), Ok(b)]);
    lesion.volume_ml = Some(5.0);
    scorer.score(&lesion).expect("a score")
}

fn pair<'a>(
    scores: &'a [LesionScore],
    errors: &'a [MeasurementError],
) -> Vec<(&'a LesionScore, &'a MeasurementError)> {
    scores.iter().zip(errors).collect()
}

fn within_four_errors(rate: f64, nominal: f64, trials: usize) {
    let error = (nominal * (1.0 - nominal) / trials as f64).sqrt();
    assert!((rate - nominal).abs() < 4.0 * error, "{rate} is not {nominal} ± {error}");
}

/// Oracle: E|X - Y| of two independent normal variables is 2 sigma / sqrt(pi), for any number of
/// lesions.
#[test]
fn the_gini_mean_difference_is_unbiased_for_2_to_20_lesions() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let law = Normal::new(0.3, 1.7).expect("a law");
    let expected = 2.0 * 1.7 / std::f64::consts::PI.sqrt();
    for n in 2..=20 {
        let values: Vec<f64> = (0..20_000)
            .map(|_| {
                let scores: Vec<f64> = (0..n).map(|_| law.sample(&mut rng)).collect();
                gini_mean_difference(&scores)
            })
            .collect();
        let error = sd(&values).expect("values") / (values.len() as f64).sqrt();
        let found = mean(&values).expect("values");
        assert!((found - expected).abs() < 4.0 * error, "n = {n}: {found} is not {expected}");
    }
}

/// Oracle: the definition, all pairs.
#[test]
fn the_gini_mean_difference_is_the_mean_over_pairs() {
    assert_eq!(gini_mean_difference(&[3.0, 0.0, 1.0]), 2.0);
    assert_eq!(gini_mean_difference(&[5.0, 5.0]), 0.0);
}

/// Oracle: by hand. Scores 0, 2, 4 with SDs 1, 1, 2: weights 1, 1, 1/4; mean 4/3; Q = 16/9 + 4/9 +
/// (8/3)²/4 = 4; tau² = (4 - 2) / (9/4 - (33/16) / (9/4)) = 1.5.
#[test]
fn cochrans_q_equals_the_hand_computed_one() {
    let test = noise_test(&[0.0, 2.0, 4.0], &[Some(1.0), Some(1.0), Some(2.0)]).expect("a test");
    assert!((test.q - 4.0).abs() < 1e-12);
    assert!((test.i_squared - 0.5).abs() < 1e-12);
    assert!((test.tau - 1.5f64.sqrt()).abs() < 1e-12);
    // Upper tail of chi-squared with two degrees of freedom is exp(-q / 2).
    assert!((test.p - (-2.0f64).exp()).abs() < 1e-12);
    assert_eq!(noise_test(&[0.0, 2.0], &[Some(1.0), None]), None);
}

/// Under measurement error alone, p is below 0.05 in 5 % of patients.
#[test]
fn cochrans_q_keeps_its_level() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let trials = 8000;
    let sd = [0.3, 0.5, 0.2, 0.7];
    let rejected = (0..trials)
        .filter(|_| {
            let scores: Vec<f64> = sd
                .iter()
                .map(|sd| sd * Distribution::<f64>::sample(&StandardNormal, &mut rng))
                .collect();
            noise_test(&scores, &sd.map(Some)).expect("a test").p < 0.05
        })
        .count();
    within_four_errors(rejected as f64 / trials as f64, 0.05, trials);
}

fn perturbed(rng: &mut ChaCha8Rng, centre: [f64; 2], sd: f64, count: usize) -> MeasurementError {
    let rows = (0..count)
        .map(|_| {
            let common: f64 = StandardNormal.sample(rng);
            centre.map(|c| c + sd * (0.6 * common + 0.8 * normal(rng))).to_vec()
        })
        .collect();
    MeasurementError::Perturbations(rows)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// A measured point: the truth plus an error of the same law as the perturbations'.
fn measured(rng: &mut ChaCha8Rng, truth: [f64; 2], sd: f64) -> [f64; 2] {
    let common = normal(rng);
    truth.map(|t| t + sd * (0.6 * common + 0.8 * normal(rng)))
}

/// Few perturbations (10) and many (40): the interval holds the true score in 95 % of lesions.
#[test]
fn score_intervals_cover_the_truth_at_their_nominal_rate() {
    let model = model();
    for (seed, count) in [(3, 10), (4, 40)] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let trials = 3000;
        let covered = (0..trials)
            .filter(|&trial| {
                let truth = [normal(&mut rng), normal(&mut rng)];
                let at = measured(&mut rng, truth, 0.4);
                let error = perturbed(&mut rng, at, 0.4, count);
                let score = score(&model, at[0], at[1]);
                let draws = ScoreDraws::with(&model, &[(&score, &error)], 2000, trial as u64);
                let interval = draws.intervals()[0].expect("an interval");
                (interval.low..=interval.high).contains(&(truth[0] - 0.5 * truth[1]))
            })
            .count();
        within_four_errors(covered as f64 / trials as f64, 0.95, trials);
    }
}

/// With the model's own error: the true coefficients lie around the file's as the bootstrap does.
#[test]
fn intervals_with_the_models_error_cover_the_truth() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let draw = |rng: &mut ChaCha8Rng| {
        let shared = normal(rng);
        vec![0.1 * normal(rng), 1.0 + 0.2 * shared, -0.5 + 0.1 * shared + 0.1 * normal(rng)]
    };
    let model = model();
    let draws = (0..400).map(|_| draw(&mut rng)).collect();
    let model = common::changed(&model, |file| {
        file.bootstrap = Some(Bootstrap { method: "simulated".into(), draws })
    });
    let trials = 3000;
    let covered = (0..trials)
        .filter(|&trial| {
            let truth = [normal(&mut rng), normal(&mut rng)];
            let coefficients = draw(&mut rng);
            let at = measured(&mut rng, truth, 0.3);
            let error = perturbed(&mut rng, at, 0.3, 30);
            let score = score(&model, at[0], at[1]);
            let draws = ScoreDraws::with(&model, &[(&score, &error)], 2000, trial as u64);
            let interval = draws.intervals()[0].expect("an interval");
            let eta = coefficients[0] + coefficients[1] * truth[0] + coefficients[2] * truth[1];
            (interval.low..=interval.high).contains(&eta)
        })
        .count();
    // The interval is that of the model at the measured point; second-order terms (error of the
    // model times error of the measurement) are 0.3² * 0.2² and do not show.
    within_four_errors(covered as f64 / trials as f64, 0.95, trials);
}

/// Shared model error moves all lesions together: two equal lesions keep their order uncertain, but
/// an error of the intercept alone does not blur two different ones.
#[test]
fn one_coefficient_draw_is_shared_by_all_lesions() {
    let model = model();
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let draws = (0..200).map(|_| vec![5.0 * normal(&mut rng), 1.0, -0.5]).collect();
    let model = common::changed(&model, |file| {
        file.bootstrap = Some(Bootstrap { method: "intercept only".into(), draws })
    });
    let scores = [score(&model, 0.0, 0.0), score(&model, 0.1, 0.0)];
    let errors = [MeasurementError::Unknown, MeasurementError::Unknown];
    let ranking = Ranking::new(&ScoreDraws::new(&model, &pair(&scores, &errors), 1));
    assert_eq!(ranking.places[0].p_lowest, Some(1.0));
    assert_eq!(ranking.certainty, Certainty::Clear);
}

/// Oracle: closed form. P(first lower) = Phi((s2 - s1) / sqrt(sd1² + sd2²)).
#[test]
fn the_probability_of_an_order_is_the_closed_form() {
    let model = model();
    let scores = [score(&model, 0.21, 0.0), score(&model, 0.26, 0.0)];
    let errors = [MeasurementError::Reliability(0.05), MeasurementError::Reliability(0.08)];
    let draws = ScoreDraws::with(&model, &pair(&scores, &errors), 40_000, 7);
    let ranking = Ranking::new(&draws);
    let law = statrs::distribution::Normal::standard();
    let expected = law.cdf(0.05 / 0.05f64.hypot(0.08));
    within_four_errors(ranking.places[0].p_lowest.expect("known"), expected, 40_000);
    assert_eq!(ranking.certainty, Certainty::Probable);
    assert!(ranking.unclear.is_empty(), "0.702 is told apart");
    assert_eq!(ranking.places[1].p_among_lowest.as_ref().expect("known")[1], 1.0);
}

/// Of the lesions given a probability of being the lowest, that share are the lowest: in every fifth
/// of the probabilities.
#[test]
fn the_probability_of_being_lowest_is_calibrated() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let (within, sd) = (0.6, 0.45);
    let model = model();
    let model = common::changed(&model, |file| {
        file.reference = Some(normal_reference(Some(within), Some(0.5)))
    });
    let mut bins = [[0.0f64; 3]; 5];
    for trial in 0..4000 {
        let n = rng.gen_range(2..=5);
        let patient = normal(&mut rng);
        let truth: Vec<f64> = (0..n).map(|_| patient + within * normal(&mut rng)).collect();
        let (mut scores, mut errors) = (Vec::new(), Vec::new());
        for t in &truth {
            let own = sd * rng.gen_range(0.5..1.5);
            scores.push(score(&model, t + own * normal(&mut rng), 0.0));
            errors.push(MeasurementError::Reliability(own));
        }
        let draws = ScoreDraws::with(&model, &pair(&scores, &errors), 500, trial);
        let lowest = (0..n).min_by(|&a, &b| truth[a].total_cmp(&truth[b])).expect("lesions");
        for place in Ranking::new(&draws).places {
            let p = place.p_lowest.expect("known");
            let bin = &mut bins[((p * 5.0) as usize).min(4)];
            bin[0] += 1.0;
            bin[1] += p;
            bin[2] += f64::from(u8::from(place.lesion == lowest));
        }
    }
    for [count, stated, seen] in bins {
        assert!(count > 300.0, "{count} lesions");
        within_four_errors(seen / count, stated / count, count as usize);
    }
}

/// The interval of the Gini mean difference holds that of the true scores in 95 % of patients.
#[test]
fn the_interval_of_the_headline_covers_the_truth() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let (within, sd) = (0.6, 0.4);
    let model = model();
    let mut reference = normal_reference(Some(within), Some(0.5));
    reference.quantiles = QuantileTable { n: 2, p: vec![0.0, 1.0], value: vec![-1.0, 1.0] };
    let model = common::changed(&model, |file| file.reference = Some(reference));
    let trials = 1000;
    let mut covered = 0;
    for trial in 0..trials {
        let truth: Vec<f64> = (0..3).map(|_| within * normal(&mut rng)).collect();
        let scores: Vec<_> =
            truth.iter().map(|t| score(&model, t + sd * normal(&mut rng), 0.0)).collect();
        let errors = vec![MeasurementError::Reliability(sd); 3];
        let lesions = pair(&scores, &errors);
        let draws = ScoreDraws::with(&model, &lesions, 1000, trial);
        let found = Heterogeneity::new(&model, &lesions, &draws, trial);
        assert!(found.basis.posterior);
        let [low, high] = found.headline().and_then(|m| m.interval).expect("an interval");
        covered += u32::from((low..=high).contains(&gini_mean_difference(&truth)));
    }
    within_four_errors(f64::from(covered) / trials as f64, 0.95, trials as usize);
}

/// Oracles: expected range of n standard normal values (Tippett 1925: 1.128, 1.693, 2.326, 3.078);
/// E|X - Y| = 2/sqrt(pi) for any n; with correlation r between lesions all spreads shrink by
/// sqrt(1 - r).
#[test]
fn expected_values_are_those_of_the_reference_for_the_number_of_lesions() {
    for share in [0.0, 0.36] {
        let model = model();
        let model = common::changed(&model, |file| {
            file.reference = Some(normal_reference(None, Some(share)))
        });
        let shrink = (1.0 - share).sqrt();
        for (n, range) in [(2usize, 1.128), (3, 1.693), (5, 2.326), (10, 3.078)] {
            let scores: Vec<_> = (0..n).map(|i| score(&model, i as f64, 0.0)).collect();
            let errors = vec![MeasurementError::Unknown; n];
            let lesions = pair(&scores, &errors);
            let draws = ScoreDraws::new(&model, &lesions, 1);
            let found = Heterogeneity::new(&model, &lesions, &draws, 11);
            let expected =
                |id: &str| found.measure(id).and_then(|m| m.expected).expect("expected").mean;
            // Standard errors of 4000 patients stay below 0.015.
            assert!(
                (expected("range") - shrink * range).abs() < 0.06,
                "{n}: {}",
                expected("range")
            );
            let gini = 2.0 / std::f64::consts::PI.sqrt() * shrink;
            assert!((expected("gini_mean_difference") - gini).abs() < 0.06);
            assert!(found.headline().expect("two or more").interval.is_none(), "errors unknown");
        }
    }
}

/// Oracle: closed form. Two lesions of a patient with share r are sqrt(2 (1 - r)) chi_2 apart, whose
/// mean is sqrt(2 (1 - r)) sqrt(pi / 2); the distance itself is by the inverse of [[1, .3], [.3, 1]].
#[test]
fn the_distance_in_feature_space_is_mahalanobis() {
    let model = model();
    let model =
        common::changed(&model, |file| file.reference = Some(normal_reference(None, Some(0.5))));
    let scores = [score(&model, 0.0, 0.0), score(&model, 1.0, 2.0)];
    let errors = [MeasurementError::Unknown, MeasurementError::Unknown];
    let lesions = pair(&scores, &errors);
    let found = Heterogeneity::new(&model, &lesions, &ScoreDraws::new(&model, &lesions, 1), 1);
    let distance = found.measure("feature_distance").expect("there");
    let expected = ((1.0 - 2.0 * 0.3 * 2.0 + 4.0) / (1.0 - 0.09f64)).sqrt();
    assert!((distance.value.expect("known") - expected).abs() < 1e-12);
    let mean = distance.expected.expect("known").mean;
    assert!((mean - (std::f64::consts::PI / 2.0).sqrt()).abs() < 0.09, "{mean}");
}

#[test]
fn one_lesion_is_said_and_nothing_is_computed() {
    let model = model();
    let scores = [score(&model, 0.0, 0.0)];
    let errors = [MeasurementError::Reliability(0.1)];
    let lesions = pair(&scores, &errors);
    let draws = ScoreDraws::new(&model, &lesions, 1);
    let found = Heterogeneity::new(&model, &lesions, &draws, 1);
    assert!(found.statement.expect("said").starts_with("One lesion only"));
    assert!(found.measures.is_empty() && found.noise_test.is_none());
    assert_eq!(Ranking::new(&draws).certainty, Certainty::NotAssessed);
}

/// Two identical lesions: each is lowest with probability one half, and the pair is said to be open.
#[test]
fn lesions_that_cannot_be_told_apart_are_said_so() {
    let model = model();
    let scores = [score(&model, 0.5, 0.0), score(&model, 0.5, 0.0), score(&model, 9.0, 0.0)];
    let errors = vec![MeasurementError::Reliability(0.1); 3];
    let ranking = Ranking::new(&ScoreDraws::new(&model, &pair(&scores, &errors), 3));
    assert_eq!(ranking.certainty, Certainty::Open);
    assert_eq!(ranking.unclear.len(), 1);
    assert_eq!((ranking.unclear[0].lower, ranking.unclear[0].higher), (0, 1));
    assert_eq!(ranking.candidates.len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_draws_and_the_models_reliability_is_used() {
    let model = model();
    let reliability = Some(Reliability {
        min_volume_ml: 1.0,
        score_sd: vec![
            VolumeBand { max_ml: Some(1.0), sd: 0.4 },
            VolumeBand { max_ml: None, sd: 0.2 },
        ],
        source: "made up".into(),
    });
    let model = common::changed(&model, |file| file.reliability = reliability);
    let error = MeasurementError::from_model(&model, Some(5.0));
    assert_eq!(error, MeasurementError::Reliability(0.2));
    assert_eq!(MeasurementError::from_model(&model, None), MeasurementError::Unknown);
    let score = score(&model, 0.0, 0.0);
    let draws = |seed| ScoreDraws::new(&model, &[(&score, &error)], seed);
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
}
