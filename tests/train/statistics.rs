//! Statistics against pROC, survival and glm in R (`make_statistics.R`), neuroCombat, SciPy and
//! pingouin (`make_statistics.py`), each to 1e-6.

use abscope::stats::Transform;
use abscope::stats::icc::{IccKind, icc};
use abscope::stats::{auc, calibration, combat, concordance, ranks, yeo_johnson};

use crate::table::Table;

fn close(ours: f64, theirs: f64, what: &str) {
    assert!((ours - theirs).abs() <= 1e-6, "{what}: {ours}, the oracle has {theirs}");
}

#[test]
fn areas_concordance_and_calibration_equal_r() {
    let data = Table::read("statistics_data.csv");
    let frozen = Table::read("statistics_r.csv");
    let r = |name: &str| {
        let row = (0..frozen.len()).find(|i| frozen.text(*i, "name") == name);
        frozen.number(row.expect("a frozen value"), "value")
    };
    let (a, b, class) = (data.numbers("a"), data.numbers("b"), data.flags("class"));
    let of_a = auc::delong(&a, &class).expect("both classes");
    let of_b = auc::delong(&b, &class).expect("both classes");
    close(of_a.value, r("auc_a"), "AUC");
    close(of_a.standard_error, r("se_a"), "DeLong's error");
    close(of_b.value, r("auc_b"), "AUC");
    close(of_b.standard_error, r("se_b"), "DeLong's error");
    close(of_a.interval()[0], r("low_a"), "DeLong's interval");
    close(of_a.interval()[1], r("high_a"), "DeLong's interval");
    let patients: Vec<usize> = (0..a.len()).collect();
    let compared = auc::compare(&a, &b, &class, &patients).expect("both classes");
    close(compared.p, r("p_compare"), "paired DeLong test");
    let c = concordance::c_index(&a, &data.numbers("time"), &data.flags("event"));
    close(c.expect("comparable pairs"), r("c_index"), "C-index");
    let eta: Vec<f64> = a.iter().map(|a| 0.7 * a - 0.4).collect();
    let fit = calibration::calibration(&eta, &class).expect("a slope");
    close(fit.slope, r("calibration_slope"), "calibration slope");
    close(fit.intercept, r("calibration_intercept"), "calibration intercept");
    close(fit.brier, r("brier"), "Brier score");
    close(ranks::spearman(&a, &b).expect("they vary"), r("spearman"), "Spearman");
}

#[test]
fn harmonised_values_equal_neurocombat() {
    let frozen = Table::read("combat.csv");
    assert_eq!(frozen.len(), 45);
    let batch: Vec<&str> = (0..frozen.len()).map(|r| frozen.text(r, "batch")).collect();
    let columns: Vec<Vec<f64>> = frozen.columns("x").iter().map(|c| frozen.numbers(c)).collect();
    let fit = combat::fit(&columns, &batch).expect("estimates");
    for (g, column) in frozen.columns("y").iter().enumerate() {
        for row in 0..frozen.len() {
            let ours = fit.apply(g, columns[g][row], batch[row]).expect("a known batch");
            close(ours, frozen.number(row, column), &format!("feature {g}, row {row}"));
        }
    }
    assert_eq!(fit.apply(0, 1.0, "another scanner"), None);
    assert!(
        combat::fit(&columns, &vec!["one"; batch.len()]).expect_err("one batch").contains("two")
    );
}

#[test]
fn powers_equal_scipy() {
    let frozen = Table::read("yeo_johnson.csv");
    assert_eq!(frozen.len(), 5);
    for row in 0..frozen.len() {
        let values: Vec<f64> =
            frozen.text(row, "values").split(' ').map(|v| v.parse().expect("a number")).collect();
        let lambda = yeo_johnson::fit(&values).expect("a power");
        close(lambda, frozen.number(row, "lambda"), "power");
        let first = Transform::YeoJohnson { lambda }.apply(values[0]);
        close(first, frozen.number(row, "transformed_first"), "transformed value");
    }
    assert_eq!(yeo_johnson::fit(&[2.0, 2.0, 2.0]), None);
}

#[test]
fn intraclass_correlations_equal_pingouin() {
    let frozen = Table::read("icc.csv");
    assert_eq!(frozen.len(), 8);
    for row in 0..frozen.len() {
        let values: Vec<Vec<f64>> = frozen
            .text(row, "values")
            .split(';')
            .map(|r| r.split(' ').map(|v| v.parse().expect("a number")).collect())
            .collect();
        let kind = match frozen.text(row, "kind") {
            "agreement" => IccKind::Agreement,
            _ => IccKind::Consistency,
        };
        let ours = icc(&values, kind).expect("a correlation");
        close(ours.value, frozen.number(row, "icc"), "ICC");
        close(ours.interval[0], frozen.number(row, "low"), "lower bound");
        close(ours.interval[1], frozen.number(row, "high"), "upper bound");
    }
    assert_eq!(icc(&[vec![1.0, 1.0], vec![1.0, 1.0]], IccKind::Agreement), None);
}

/// By hand: logit(0.8) = ln 4; the error of the logit is 0.04 / (0.8 * 0.2) = 0.25.
#[test]
fn interval_in_the_logit() {
    let [low, high] = auc::Auc { value: 0.8, standard_error: 0.04 }.logit_interval();
    let odds = |p: f64| p / (1.0 - p);
    assert!((odds(low) - 4.0 * (-0.25 * 1.959963984540054_f64).exp()).abs() < 1e-12);
    assert!((odds(high) - 4.0 * (0.25 * 1.959963984540054_f64).exp()).abs() < 1e-12);
    let certain = auc::Auc { value: 1.0, standard_error: 0.0 };
    assert_eq!(certain.logit_interval(), [1.0, 1.0]);
}
