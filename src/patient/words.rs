//! The findings in plain words.

use super::assess::{AssessedLesion, Assessment};
use super::ranking::{CLEAR, Certainty};
use crate::signature::model::Model;

/// Differences with a smaller probability under measurement error alone are called larger than it.
const SIGNIFICANT: f64 = 0.05;

/// How a lesion is called: `lesion 3 (liver)`.
pub fn lesion_name(lesion: &AssessedLesion) -> String {
    let score = &lesion.score;
    let what = score.name.as_ref().or(score.site.as_ref());
    match what {
        Some(what) => format!("lesion {} ({what})", score.lesion),
        None => format!("lesion {}", score.lesion),
    }
}

/// A score for people: two decimals, a minus sign that does not break from its number.
pub fn score(value: f64) -> String {
    let text = format!("{value:.2}");
    // What rounds to zero has no sign.
    match text.strip_prefix('-') {
        Some("0.00") => "0.00".into(),
        Some(rest) => format!("\u{2212}{rest}"),
        None => text,
    }
}

/// A probability for a sentence: never 0 or 1, which draws cannot show.
pub fn probability(p: f64) -> String {
    match p {
        p if p > 0.995 => "more than 0.99".into(),
        p if p < 0.005 => "less than 0.01".into(),
        p => format!("{p:.2}"),
    }
}

/// A p value for a sentence.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
}

/// The headline: which lesion, how sure, how different.
pub fn headline(model: &Model, assessment: &Assessment) -> Vec<String> {
    let mut sentences = Vec::new();
    if assessment.lesions.is_empty() {
        sentences.push("No lesion could be scored.".into());
        return sentences;
    }
    sentences.push(lowest(assessment));
    if let Some(sentence) = difference(assessment) {
        sentences.push(sentence);
    }
    sentences.push(format!("A higher score means {}.", model.higher_means().trim_end_matches('.')));
    sentences
}

fn lowest(assessment: &Assessment) -> String {
    let first = &assessment.lesions[0];
    let value = score(first.score.linear_predictor);
    let interval = first
        .interval
        .map(|i| format!(", 95 % interval {} to {}", score(i.low), score(i.high)))
        .unwrap_or_default();
    let name = capitalised(&lesion_name(first));
    if assessment.lesions.len() == 1 {
        return format!(
            "{name} has the score {value}{interval}. With one lesion there is nothing to compare."
        );
    }
    match assessment.certainty {
        Certainty::Clear => format!(
            "{name} is clearly the lowest: score {value}{interval}; probability of being the lowest \
             {}.",
            probability(first.p_lowest.unwrap_or(0.0))
        ),
        Certainty::Probable => format!(
            "{name} is probably the lowest: score {value}{interval}; probability of being the lowest \
             {}.",
            probability(first.p_lowest.unwrap_or(0.0))
        ),
        Certainty::Open => format!(
            "Which lesion is lowest is open: with a probability of {CLEAR} it is one of lesions {}. \
             {name} has the lowest measured score, {value}{interval}.",
            list(&assessment.lowest_candidates)
        ),
        Certainty::NotAssessed => format!(
            "{name} has the lowest score, {value}. How sure that is cannot be said, because \
             measurement error is not known; perturbed copies of the lesions would tell it."
        ),
    }
}

fn difference(assessment: &Assessment) -> Option<String> {
    let heterogeneity = &assessment.heterogeneity;
    let gini = heterogeneity.headline()?;
    let value = score(gini.value?);
    let size = format!("Two lesions of this patient differ by {value} on average");
    let expected = gini
        .expected
        .map(|e| format!(" ({} is usual in the reference cohort)", score(e.mean)))
        .unwrap_or_default();
    let noise = match &heterogeneity.noise_test {
        Some(test) if test.p < SIGNIFICANT => {
            format!(", more than measurement error explains ({})", p_value(test.p))
        }
        Some(test) => format!(", which measurement error alone may explain ({})", p_value(test.p)),
        None => "; whether that is more than measurement error is not known".into(),
    };
    Some(format!("{size}{expected}{noise}."))
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().collect::<String>() + characters.as_str()
    })
}

/// `2, 4 and 5`.
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy + std::fmt::Debug>(function: fn(T) -> String, table: &[(T, &str)]) {
        for (given, expected) in table {
            assert_eq!(function(*given), *expected, "{given:?}");
        }
    }

    #[test]
    fn a_score_has_two_decimals_and_its_sign_stays_with_it() {
        check(
            score,
            &[
                (0.0, "0.00"),
                (-0.0, "0.00"),
                (-0.004, "0.00"),
                (0.004, "0.00"),
                (-0.006, "\u{2212}0.01"),
                (1.25, "1.25"),
                (-12.5, "\u{2212}12.50"),
                (1234.567, "1234.57"),
            ],
        );
    }

    #[test]
    fn a_probability_is_never_0_or_1() {
        check(
            probability,
            &[
                (0.0, "less than 0.01"),
                (0.0049, "less than 0.01"),
                (0.0051, "0.01"),
                (0.5, "0.50"),
                (0.9949, "0.99"),
                (0.9951, "more than 0.99"),
                (1.0, "more than 0.99"),
            ],
        );
        for thousandths in 0..=1000 {
            let text = probability(f64::from(thousandths) / 1000.0);
            assert!(text != "0.00" && text != "1.00", "{thousandths}");
        }
    }

    #[test]
    fn a_p_value_has_three_decimals_or_a_bound() {
        check(
            p_value,
            &[
                (0.0, "p < 0.001"),
                (0.000_99, "p < 0.001"),
                (0.001, "p = 0.001"),
                (0.05, "p = 0.050"),
                (1.0, "p = 1.000"),
            ],
        );
    }

    #[test]
    fn a_list_ends_with_and() {
        for (items, expected) in [
            (&[][..], ""),
            (&["2"], "2"),
            (&["2", "4"], "2 and 4"),
            (&["2", "4", "5"], "2, 4 and 5"),
            (&["a", "b", "c", "d"], "a, b, c and d"),
        ] {
            let items: Vec<String> = items.iter().map(|item| (*item).to_owned()).collect();
            assert_eq!(list(&items), expected);
        }
    }
}
