//! Pure noise must look like noise. The two classical ways of fooling oneself are shown to do so, on
//! the same data, with the same elastic net.

use abscope::signature::Kind;
use abscope::stats::auc;
use abscope::train::elastic_net::{ElasticNet, Response};
use abscope::train::{Dataset, Procedure};
use linfa::ParamGuard;
use rand::Rng;

use crate::simulated::{cohort, config};

fn noise() -> Dataset {
    cohort(60, 4, 200, 7, |_, rng| rng.r#gen())
}

fn classes(data: &Dataset) -> Vec<bool> {
    match &data.response {
        Response::Binary(y) => y.clone(),
        _ => unreachable!("the outcome is binary"),
    }
}

/// Cross-validated AUC of a fixed elastic net with rows dealt to folds by `fold`.
fn claimed(data: &Dataset, columns: &[usize], fold: impl Fn(usize) -> usize) -> f64 {
    let y = classes(data);
    let x = data.values.select(ndarray::Axis(1), columns);
    let mut score = vec![0.0; y.len()];
    for held_out in 0..5 {
        let train: Vec<usize> = (0..y.len()).filter(|r| fold(*r) != held_out).collect();
        let test: Vec<usize> = (0..y.len()).filter(|r| fold(*r) == held_out).collect();
        let params = ElasticNet::params(Kind::Binomial).l1_ratio(0.1).lambda_ratio(0.05);
        let path = params
            .check()
            .expect("sound")
            .path(x.select(ndarray::Axis(0), &train).view(), &data.response.select(&train), None)
            .expect("a path");
        let last = path.solutions.last().expect("a solution");
        let eta = last.linear_predictor(x.select(ndarray::Axis(0), &test).view());
        test.iter().zip(eta).for_each(|(row, eta)| score[*row] = eta - last.intercept);
    }
    auc::area(&score, &y).expect("two classes")
}

#[test]
fn noise_is_seen_to_be_noise() {
    let data = noise();
    let config = config(
        "[elastic_net]\nl1_ratio = [0.1, 1.0]\nn_lambdas = 30\n[validation]\nrepeats = 2\ninterval_draws = 100\n\
         [pipeline]\ncorrelation = 1.0",
    );
    let performance = Procedure { config: &config }.evaluate(&data).expect("a performance");
    let auc = &performance.measured[0];
    let [low, high] = auc.interval.expect("an interval");
    assert!(low <= 0.5 && 0.5 <= high, "AUC {} ({low} to {high})", auc.value);
    assert!((auc.value - 0.5).abs() < 0.12, "AUC {}", auc.value);
}

/// The same noise: lesions dealt to folds singly are recognised by their patient's other lesions.
#[test]
fn folds_of_lesions_would_claim_a_signature() {
    let data = noise();
    let all: Vec<usize> = (0..data.columns.len()).collect();
    let by_lesion = claimed(&data, &all, |row| (row % 4 + row / 4) % 5);
    let by_patient = claimed(&data, &all, |row| (row / 4) % 5);
    assert!(by_lesion > 0.85, "folds of lesions claim {by_lesion}");
    assert!((by_patient - 0.5).abs() < 0.15, "folds of patients claim {by_patient}");
}

/// Features chosen on all rows before cross-validation of one lesion each.
#[test]
fn selection_before_folds_would_claim_a_signature() {
    let data = cohort(100, 1, 1000, 3, |_, rng| rng.r#gen());
    let y = classes(&data);
    let mut ranked: Vec<(f64, usize)> = (0..data.columns.len())
        .map(|j| {
            let area = auc::area(&data.values.column(j).to_vec(), &y).expect("two classes");
            ((area - 0.5).abs(), j)
        })
        .collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best: Vec<usize> = ranked.iter().take(20).map(|r| r.1).collect();
    let after_selection = claimed(&data, &best, |row| row % 5);
    let all: Vec<usize> = (0..data.columns.len()).collect();
    let honest = claimed(&data, &all, |row| row % 5);
    assert!(after_selection > 0.85, "selection before folds claims {after_selection}");
    assert!((honest - 0.5).abs() < 0.17, "everything inside the folds claims {honest}");
}

/// The procedure has no other folds than of patients: whatever the data, no fold divides one. With
/// outcomes of patients and near-copies of lesions, folds of lesions would be nearly perfect.
#[test]
fn near_copies_of_lesions_do_not_help() {
    let mut data = cohort(60, 4, 50, 11, |_, rng| rng.r#gen());
    for row in 0..data.len() {
        let first = row / 4 * 4;
        for j in 0..data.columns.len() {
            data.values[[row, j]] = data.values[[first, j]] + 1e-3 * ((row * 7 + j) % 5) as f64;
        }
    }
    let all: Vec<usize> = (0..data.columns.len()).collect();
    assert!(claimed(&data, &all, |row| (row % 4 + row / 4) % 5) > 0.9);
    let config = config(
        "[elastic_net]\nl1_ratio = [0.5]\nn_lambdas = 20\n[validation]\nrepeats = 1\ninterval_draws = 100",
    );
    let performance = Procedure { config: &config }.evaluate(&data).expect("a performance");
    let [low, high] = performance.measured[0].interval.expect("an interval");
    assert!(low <= 0.5 && 0.5 <= high, "{low} to {high}");
}

/// A planted signal is found, whatever the number of threads, to the last bit.
#[test]
fn a_planted_signal_is_found_on_any_number_of_threads() {
    let data = cohort(160, 2, 40, 5, |own, rng| {
        let noise: f64 = rng.sample(rand_distr::StandardNormal);
        1.5 * own[3] - 1.5 * own[17] + noise > 0.0
    });
    let config = config(
        "[elastic_net]\nl1_ratio = [0.5, 1.0]\nn_lambdas = 30\n[validation]\nrepeats = 1\nbootstrap = 10\n\
         interval_draws = 100\npermutations = 10",
    );
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| {
            let procedure = Procedure { config: &config };
            let rows: Vec<usize> = (0..data.len()).collect();
            let signature = procedure.fit(&data, &rows, 0).expect("a signature");
            let performance = procedure.evaluate(&data).expect("a performance");
            let stability = procedure.stability(&data, &signature).expect("resamples");
            let permutation = procedure.permutation(&data).expect("permutations").expect("some");
            let of_columns: Vec<(usize, f64)> = signature
                .pipeline
                .features
                .iter()
                .zip(&signature.solution.coefficients)
                .map(|(feature, b)| (feature.column, *b))
                .collect();
            (
                of_columns,
                performance.measured,
                stability.coefficients,
                permutation,
                stability.frequency,
            )
        })
    };
    let (coefficients, measured, draws, permutation, frequency) = run(1);
    // The penalty shrinks them, so their size says little: they are the largest, with their signs.
    let by_size = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
    let most = coefficients.iter().max_by(by_size).expect("columns");
    let least = coefficients.iter().min_by(by_size).expect("columns");
    assert!(most.0 == 3 && most.1 > 0.0, "{coefficients:?}");
    assert!(least.0 == 17 && least.1 < 0.0, "{coefficients:?}");
    // A resample may leave a planted feature out; no other feature is chosen as often.
    let planted = frequency[3].min(frequency[17]);
    let others = frequency.iter().enumerate().filter(|(j, _)| ![3, 17].contains(j));
    assert!(others.map(|(_, f)| *f).all(|f| f < planted), "{frequency:?}");
    let low = measured[0].interval.expect("an interval")[0];
    assert!(low > 0.6, "AUC {} from {low}", measured[0].value);
    assert!((permutation.p - 1.0 / 11.0).abs() < 1e-12, "p = {}", permutation.p);
    let again = run(4);
    assert_eq!((coefficients, measured, draws, permutation, frequency), again);
}
