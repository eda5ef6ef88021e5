//! Small simulated data sets.

use abscope::train::elastic_net::Response;
use abscope::train::{Config, Dataset};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// Lesions whose features resemble those of the patient's other lesions (half of the variance is
/// the patient's), and an outcome of each patient.
pub(crate) fn cohort(
    patients: usize,
    lesions: usize,
    features: usize,
    seed: u64,
    outcome: impl Fn(&[f64], &mut ChaCha8Rng) -> bool,
) -> Dataset {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut values = Array2::zeros((patients * lesions, features));
    let (mut names, mut ids, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..patients {
        let own: Vec<f64> = (0..features).map(|_| rng.sample(StandardNormal)).collect();
        let class = outcome(&own, &mut rng);
        for lesion in 0..lesions {
            for j in 0..features {
                let noise: f64 = rng.sample(StandardNormal);
                values[[patient * lesions + lesion, j]] = own[j] + noise;
            }
            names.push(format!("p{patient}"));
            ids.push(lesion.to_string());
            y.push(class);
        }
    }
    let columns = (0..features).map(|j| format!("f{j}")).collect();
    let mut data = Dataset::new(names, ids, columns, values, Response::Binary(y));
    data.by_patient = true;
    data
}

/// A small configuration for a binary outcome.
pub(crate) fn config(extra: &str) -> Config {
    let text = format!(
        r#"
        [model]
        id = "test"
        title = "Test"
        higher_means = "more"
        cohort = "simulated"
        simulated = true
        [outcome]
        kind = "binomial"
        column = "response"
        positive = "1"
        {extra}
        "#
    );
    let config: Config = toml::from_str(&text).expect("a configuration");
    config.check().expect("a sound configuration");
    config
}
