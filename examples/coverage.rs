//! How often the 95 % interval of the AUC covers the truth.
//!
//! Two questions, each over repeated simulations from one seed:
//!
//! 1. A fixed score on lesions that cluster in patients: does the interval of a sample cover the AUC
//!    of the population? Obuchowski's error, symmetric and on the logit scale that training uses,
//!    against DeLong's, which takes lesions as independent.
//! 2. The whole procedure: does the interval of the nested cross-validation cover the AUC that the
//!    trained signature has on 20,000 new patients?
//!
//! ```text
//! cargo run --release --example coverage -- 500 100
//! ```
//!
//! The arguments are the numbers of simulations for the two questions.
#![allow(clippy::print_stdout, reason = "the figures are its result")]

use abscope::stats::auc;
use abscope::train::elastic_net::Response;
use abscope::train::{Config, Dataset, Procedure};
use anyhow::{Context, Result};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use rayon::prelude::*;

const SEED: u64 = 20_260_101;
const FEATURES: usize = 20;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| -> Result<u64> {
        arguments.next().map_or(Ok(default), |a| a.parse().context("give a number"))
    };
    let (first, second) = (number(500)?, number(100)?);
    fixed_score(first);
    procedure(second)
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// Lesions of patients: half of each feature's variance lies between patients; the outcome of a
/// lesion follows two features and a patient's own tendency.
fn simulate(patients: usize, lesions: usize, rng: &mut ChaCha8Rng) -> Dataset {
    let n = patients * lesions;
    let mut values = Array2::zeros((n, FEATURES));
    let (mut names, mut ids, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..patients {
        let own: Vec<f64> = (0..FEATURES).map(|_| normal(rng)).collect();
        let tendency = normal(rng);
        for lesion in 0..lesions {
            let row = patient * lesions + lesion;
            for j in 0..FEATURES {
                values[[row, j]] = 0.5_f64.sqrt() * (own[j] + normal(rng));
            }
            let signal = values[[row, 0]] - values[[row, 1]];
            y.push(signal + 0.7 * tendency + normal(rng) > 0.0);
            names.push(patient.to_string());
            ids.push(lesion.to_string());
        }
    }
    let columns = (0..FEATURES).map(|j| format!("f{j}")).collect();
    Dataset::new(names, ids, columns, values, Response::Binary(y))
}

fn classes(data: &Dataset) -> &[bool] {
    match &data.response {
        Response::Binary(y) => y,
        _ => &[],
    }
}

fn generator(stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(stream);
    rng
}

fn fixed_score(simulations: u64) {
    let score = |data: &Dataset| -> Vec<f64> {
        data.values.rows().into_iter().map(|r| r[0] - r[1]).collect()
    };
    let population = simulate(40_000, 4, &mut generator(u64::MAX));
    let truth = auc::area(&score(&population), classes(&population)).expect("two classes");
    let covered: Vec<[bool; 3]> = (0..simulations)
        .into_par_iter()
        .map(|stream| {
            let data = simulate(60, 4, &mut generator(stream));
            let scores = score(&data);
            let y = classes(&data);
            let within = |interval: Option<[f64; 2]>| {
                interval.is_some_and(|[low, high]| (low..=high).contains(&truth))
            };
            let clustered = auc::clustered(&scores, y, &data.patient);
            [
                within(clustered.map(|a| a.logit_interval())),
                within(clustered.map(|a| a.interval())),
                within(auc::delong(&scores, y).map(|a| a.interval())),
            ]
        })
        .collect();
    let share = |k: usize| {
        100.0 * covered.iter().filter(|c| c[k]).count() as f64 / covered.len().max(1) as f64
    };
    println!(
        "fixed score, true AUC {truth:.3}, 60 patients of 4 lesions, {simulations} simulations: \
         covered {:.1} % (Obuchowski, logit scale), {:.1} % (Obuchowski, symmetric), {:.1} % (DeLong, \
         symmetric)",
        share(0),
        share(1),
        share(2)
    );
}

fn procedure(simulations: u64) -> Result<()> {
    let config: Config = toml::from_str(
        r#"
        [model]
        id = "coverage"
        title = "Coverage"
        higher_means = "more"
        cohort = "simulated"
        [outcome]
        kind = "binomial"
        column = "y"
        positive = "1"
        [elastic_net]
        l1_ratio = [0.5]
        n_lambdas = 40
        [validation]
        repeats = 2
        interval_draws = 100
        "#,
    )?;
    let population = simulate(20_000, 4, &mut generator(u64::MAX - 1));
    let everyone: Vec<usize> = (0..population.len()).collect();
    let results = (0..simulations)
        .into_par_iter()
        .map(|stream| {
            let data = simulate(60, 4, &mut generator(1_000_000 + stream));
            let procedure = Procedure { config: &config };
            let rows: Vec<usize> = (0..data.len()).collect();
            let signature = procedure.fit(&data, &rows, 0)?;
            let eta = signature.linear_predictor(&population, &everyone)?;
            let truth = auc::area(&eta, classes(&population)).context("two classes")?;
            let planted = signature.selected().contains(&0) && signature.selected().contains(&1);
            let measured = procedure.evaluate(&data)?.measured.swap_remove(0);
            let [low, high] = measured.interval.context("an interval")?;
            Ok((measured.value - truth, (low..=high).contains(&truth), planted, truth))
        })
        .collect::<Result<Vec<_>>>()?;
    let n = results.len().max(1) as f64;
    println!(
        "whole procedure, mean true AUC {:.3}, {simulations} simulations: covered {:.1} %, mean \
         difference {:+.4}, both planted features selected {:.1} %",
        results.iter().map(|r| r.3).sum::<f64>() / n,
        100.0 * results.iter().filter(|r| r.1).count() as f64 / n,
        results.iter().map(|r| r.0).sum::<f64>() / n,
        100.0 * results.iter().filter(|r| r.2).count() as f64 / n,
    );
    Ok(())
}
