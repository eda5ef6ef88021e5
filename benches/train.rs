//! Time of a whole path of 100 penalties, and of nested cross-validation on a cohort of the size of
//! published signatures. `fixtures/train/time_glmnet.R` times R glmnet on the same sizes.

use abscope::signature::Kind;
use abscope::train::elastic_net::{ElasticNet, Response};
use abscope::train::{Config, Dataset, Procedure};
use divan::Bencher;
use linfa::ParamGuard;
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

fn main() {
    divan::main();
}

/// Correlated columns (0.5 between neighbours) of which ten carry a signal.
fn simulated(n: usize, p: usize) -> (Array2<f64>, Vec<f64>) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut x = Array2::zeros((n, p));
    for mut row in x.rows_mut() {
        let mut last: f64 = rng.sample(StandardNormal);
        for value in &mut row {
            let fresh: f64 = rng.sample(StandardNormal);
            last = 0.5 * last + 0.75_f64.sqrt() * fresh;
            *value = last;
        }
    }
    let y = x
        .rows()
        .into_iter()
        .map(|row| {
            let noise: f64 = rng.sample(StandardNormal);
            (0..10).map(|k| row[k * p / 10]).sum::<f64>() + noise
        })
        .collect();
    (x, y)
}

#[divan::bench(args = [Kind::Gaussian, Kind::Binomial, Kind::Cox], sample_count = 5)]
fn path_of_100_on_500_by_1000(bencher: Bencher<'_, '_>, kind: Kind) {
    let (x, y) = simulated(500, 1000);
    let response = match kind {
        Kind::Gaussian => Response::Continuous(y),
        Kind::Binomial => Response::Binary(y.iter().map(|y| *y > 0.0).collect()),
        Kind::Cox => Response::Survival {
            time: y.iter().map(|y| (-y / 3.0).exp()).collect(),
            event: (0..y.len()).map(|i| i % 3 != 0).collect(),
        },
    };
    let params = ElasticNet::params(kind).check().expect("sound parameters");
    bencher.bench(|| params.path(x.view(), &response, None).expect("a path"));
}

/// 135 patients with one lesion each, 84 features, 5 x 5 folds, 10 repeats, six L1 ratios.
#[divan::bench(args = [Kind::Gaussian, Kind::Binomial], sample_count = 1, sample_size = 1)]
fn nested_5_by_5_repeated_10_times_on_135_by_84(bencher: Bencher<'_, '_>, kind: Kind) {
    let (x, y) = simulated(135, 84);
    let (outcome, response) = match kind {
        Kind::Gaussian => ("kind = \"gaussian\"", Response::Continuous(y)),
        _ => (
            "kind = \"binomial\"\npositive = \"1\"",
            Response::Binary(y.iter().map(|y| *y > 0.0).collect()),
        ),
    };
    let config: Config = toml::from_str(&format!(
        "[model]\nid = \"bench\"\ntitle = \"\"\nhigher_means = \"more\"\ncohort = \"simulated\"\n\
         [outcome]\ncolumn = \"y\"\n{outcome}\n"
    ))
    .expect("a configuration");
    let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
    let data = Dataset::new(names(135), names(135), names(84), x, response);
    bencher.bench_local(|| Procedure { config: &config }.nested(&data, 10).expect("predictions"));
}
