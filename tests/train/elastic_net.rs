//! Elastic net against R glmnet 4.1-6 (`make_elastic_net.R`), scikit-learn and linfa-elasticnet.

use abscope::signature::Kind;
use abscope::train::elastic_net::{ElasticNet, ElasticNetError, Response, TOLERANCE};
use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::{Fit, Predict};
use ndarray::{Array1, Array2};

use crate::table::Table;

fn data() -> (Table, Array2<f64>) {
    let table = Table::read("elastic_net_data.csv");
    let names = table.columns("x");
    let x = Array2::from_shape_fn((table.len(), names.len()), |(i, j)| table.number(i, names[j]));
    (table, x)
}

fn response(table: &Table, kind: Kind, weights: &[f64]) -> Response {
    match kind {
        Kind::Gaussian => {
            // glmnet's objective is ours for an outcome of unit weighted variance.
            let y = table.numbers("y");
            let total: f64 = weights.iter().sum();
            let mean = y.iter().zip(weights).map(|(y, w)| y * w).sum::<f64>() / total;
            let squares = y.iter().zip(weights).map(|(y, w)| w * (y - mean).powi(2));
            let sd = (squares.sum::<f64>() / total).sqrt();
            Response::Continuous(y.iter().map(|y| (y - mean) / sd).collect())
        }
        Kind::Binomial => Response::Binary(table.flags("class")),
        Kind::Cox => {
            Response::Survival { time: table.numbers("time"), event: table.flags("event") }
        }
    }
}

/// Coefficients on the standardised scale differ from glmnet's by at most 1e-6 (gaussian,
/// binomial) and 1e-5 (Cox), and the optimality conditions hold to 1e-8.
#[test]
fn coefficients_equal_glmnet() {
    let (table, x) = data();
    let frozen = Table::read("elastic_net_glmnet.csv");
    let sd: Vec<f64> = x.std_axis(ndarray::Axis(0), 0.0).to_vec();
    let names = frozen.columns("x");
    assert_eq!(frozen.len(), 72);
    for row in 0..frozen.len() {
        let kind = match frozen.text(row, "kind") {
            "gaussian" => Kind::Gaussian,
            "binomial" => Kind::Binomial,
            _ => Kind::Cox,
        };
        let weights = match frozen.text(row, "weighted") {
            "TRUE" => table.numbers("weight"),
            _ => vec![1.0; table.len()],
        };
        let mut factors = vec![1.0; x.ncols()];
        if frozen.text(row, "factored") == "TRUE" {
            (factors[0], factors[1]) = (0.0, 2.5);
        }
        let solution = ElasticNet::params(kind)
            .l1_ratio(frozen.number(row, "l1_ratio"))
            .standardise(frozen.text(row, "standardise") == "TRUE")
            .penalty_factors(factors)
            .lambdas(vec![frozen.number(row, "lambda")])
            .check()
            .expect("sound parameters")
            .path(x.view(), &response(&table, kind, &weights), Some(&weights))
            .expect("a solution")
            .solutions
            .remove(0);
        let which = format!(
            "{} {} lambda {}",
            frozen.text(row, "case"),
            frozen.text(row, "kind"),
            frozen.text(row, "lambda")
        );
        assert!(solution.kkt <= 1e-8, "{which}: KKT {:e}", solution.kkt);
        let tolerance = if kind == Kind::Cox { 1e-5 } else { 1e-6 };
        for (j, name) in names.iter().enumerate() {
            let expected = frozen.number(row, name);
            let difference = (solution.coefficients[j] - expected).abs() * sd[j].max(1.0);
            assert!(difference <= tolerance, "{which} {name}: off by {difference:e}");
        }
        if kind != Kind::Cox {
            // The intercept at the centre of the data, where it is not an extrapolation.
            let at_centre = |a: f64, b: &dyn Fn(usize) -> f64| {
                (0..names.len()).fold(a, |sum, j| sum + b(j) * x.column(j).mean().expect("rows"))
            };
            let ours = at_centre(solution.intercept, &|j| solution.coefficients[j]);
            let theirs =
                at_centre(frozen.number(row, "intercept"), &|j| frozen.number(row, names[j]));
            assert!((ours - theirs).abs() <= tolerance, "{which}: intercept {ours} {theirs}");
        }
        let explained = (solution.deviance_ratio - frozen.number(row, "deviance_ratio")).abs();
        assert!(explained <= 1e-6, "{which}: deviance ratio off by {explained:e}");
    }
}

/// scikit-learn's ElasticNet and LogisticRegression (`make_elastic_net.py`), on z-scored columns and
/// an outcome of any scale.
#[test]
fn coefficients_equal_scikit_learn() {
    let (table, x) = data();
    let frozen = Table::read("elastic_net_sklearn.csv");
    let (mean, sd) =
        (x.mean_axis(ndarray::Axis(0)).expect("rows"), x.std_axis(ndarray::Axis(0), 0.0));
    let z = (&x - &mean) / &sd;
    for row in 0..frozen.len() {
        let (kind, response) = match frozen.text(row, "kind") {
            "gaussian" => {
                let y = table.numbers("y").iter().map(|y| 37.0 * y + 5.0).collect();
                (Kind::Gaussian, Response::Continuous(y))
            }
            _ => (Kind::Binomial, Response::Binary(table.flags("class"))),
        };
        let solution = ElasticNet::params(kind)
            .l1_ratio(frozen.number(row, "l1_ratio"))
            .standardise(false)
            .lambdas(vec![frozen.number(row, "lambda")])
            .check()
            .expect("sound parameters")
            .path(z.view(), &response, None)
            .expect("a solution")
            .solutions
            .remove(0);
        assert!(solution.kkt <= 1e-8);
        for (j, name) in frozen.columns("x").iter().enumerate() {
            let expected = frozen.number(row, name);
            let difference = (solution.coefficients[j] - expected).abs();
            assert!(difference <= 1e-6, "row {row} {name}: off by {difference:e}");
        }
        assert!((solution.intercept - frozen.number(row, "intercept")).abs() <= 1e-6);
    }
}

/// linfa-elasticnet on z-scored columns, through the same traits.
#[test]
fn linfas_traits_fit_what_linfa_elasticnet_fits() {
    let (table, x) = data();
    let (mean, sd) =
        (x.mean_axis(ndarray::Axis(0)).expect("rows"), x.std_axis(ndarray::Axis(0), 0.0));
    let z = (&x - &mean) / &sd;
    let dataset = DatasetBase::new(z, Array1::from(table.numbers("y")));
    let ours =
        ElasticNet::params(Kind::Gaussian).l1_ratio(0.5).lambda(0.1).fit(&dataset).expect("a fit");
    let theirs = linfa_elasticnet::ElasticNet::params()
        .l1_ratio(0.5)
        .penalty(0.1)
        .tolerance(1e-12)
        .max_iterations(100_000)
        .fit(&dataset)
        .expect("a fit");
    for (a, b) in ours.coefficients.iter().zip(theirs.hyperplane()) {
        assert!((a - b).abs() < 1e-8, "{a} {b}");
    }
    let (predicted, expected) = (ours.predict(&dataset), theirs.predict(&dataset));
    assert!((predicted - expected).iter().all(|d: &f64| d.abs() < 1e-7));
}

#[test]
fn the_path_is_optimal_everywhere_and_starts_empty() {
    let (table, x) = data();
    for kind in [Kind::Gaussian, Kind::Binomial, Kind::Cox] {
        let path = ElasticNet::params(kind)
            .check()
            .expect("sound parameters")
            .path(x.view(), &response(&table, kind, &vec![1.0; x.nrows()]), None)
            .expect("a path");
        assert_eq!(path.solutions[0].n_selected(), 0);
        assert!(path.solutions.len() > 20);
        for pair in path.solutions.windows(2) {
            assert!(pair[1].deviance_ratio > pair[0].deviance_ratio);
        }
        assert!(path.solutions.iter().all(|s| s.kkt <= TOLERANCE));
    }
}

#[test]
fn what_cannot_be_fitted_is_an_error() {
    let (_, x) = data();
    let n = x.nrows();
    let fit = |response: Response, x: &Array2<f64>| {
        let params = ElasticNet::params(response.kind()).check().expect("sound parameters");
        params.path(x.view(), &response, None).map(|_| ()).expect_err("no fit").to_string()
    };
    assert!(fit(Response::Binary(vec![true; n]), &x).contains("one class"));
    assert!(fit(Response::Continuous(vec![2.5; n]), &x).contains("does not vary"));
    let none = Response::Survival { time: vec![1.0; n], event: vec![false; n] };
    assert!(fit(none, &x).contains("no event"));
    let mut holed = x.clone();
    holed[[3, 4]] = f64::NAN;
    let y = Response::Continuous((0..n).map(|i| i as f64).collect());
    assert!(fit(y.clone(), &holed).contains("not finite"));
    let refused = ElasticNet::params(Kind::Gaussian).l1_ratio(1.5).check();
    assert!(matches!(refused, Err(ElasticNetError::Parameter(_))));
    // Perfectly separated classes have no unpenalised fit; that must not pass for one.
    let separated =
        Response::Binary((0..n).map(|i| x[[i, 0]] > x.column(0).mean().expect("rows")).collect());
    let free = ElasticNet::params(Kind::Binomial).lambdas(vec![0.0]).check().expect("sound");
    assert!(matches!(
        free.path(x.view(), &separated, None),
        Err(ElasticNetError::Separated { .. })
    ));
}
