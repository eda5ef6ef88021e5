//! The phase of contrast in which a CT was taken, as far as its header says.

use dicom_dictionary_std::tags;

use super::header::Groups;
use super::object::Fields;

/// What a word of a series' description says of the phase.
const WORDS: [(&str, &[&str]); 4] = [
    ("native", &["native", "nativ", "plain", "unenhanced", "noncontrast", "ncct", "precontrast"]),
    ("arterial", &["arterial", "arteriell", "arterielle", "art"]),
    (
        "venous",
        &[
            "portal",
            "portalvenous",
            "portovenous",
            "portalven\u{f6}s",
            "venous",
            "ven\u{f6}s",
            "ven\u{f6}se",
            "ven",
            "pv",
        ],
    ),
    ("delayed", &["delayed", "delay", "late", "equilibrium", "excretory"]),
];
/// Pairs of words that say that there is no contrast.
const WITHOUT: [[&str; 2]; 5] = [
    ["non", "contrast"],
    ["no", "contrast"],
    ["without", "contrast"],
    ["o", "contrast"],
    ["pre", "contrast"],
];

/// The phase: ContrastBolusAgentPhase (PS3.3, C.8.15.3.10) where a file has it, else what a word of
/// SeriesDescription says; `contrast` where only an agent is named.
pub(super) fn of(fields: &Fields<'_>, groups: &Groups<'_>) -> Option<String> {
    let coded = groups
        .find(tags::CONTRAST_BOLUS_USAGE_SEQUENCE, tags::CONTRAST_BOLUS_AGENT_PHASE)
        .and_then(|usage| usage.text(tags::CONTRAST_BOLUS_AGENT_PHASE));
    if let Some(coded) = coded {
        return Some(coded.to_lowercase().replace('_', " "));
    }
    let described = fields.text(tags::SERIES_DESCRIPTION).and_then(|text| described(&text));
    described.or_else(|| agent(fields).then_some("contrast")).map(str::to_owned)
}

fn agent(fields: &Fields<'_>) -> bool {
    let named = fields.text(tags::CONTRAST_BOLUS_AGENT).map(|agent| agent.to_uppercase());
    let none = |agent: &String| ["NONE", "NO", "N", "N/A", "0"].contains(&agent.as_str());
    named.is_some_and(|agent| !none(&agent))
        || fields.item(tags::CONTRAST_BOLUS_AGENT_SEQUENCE).is_some()
}

/// The phase that a description names; `None` where it names none or several.
fn described(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let without = words.windows(2).any(|pair| WITHOUT.iter().any(|none| none == pair));
    let named = |(_, of): &&(&str, &[&str])| words.iter().any(|word| of.contains(word));
    let mut phases = WORDS.iter().filter(named).map(|(phase, _)| *phase);
    match (phases.next(), phases.next()) {
        (None, _) if without => Some("native"),
        (Some("native"), None) => Some("native"),
        (Some(phase), None) if !without => Some(phase),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_names_a_phase_or_none() {
        for (text, phase) in [
            ("Abdomen portal venous 3.0 B30f", Some("venous")),
            ("THORAX ART. 1.0", Some("arterial")),
            ("CT Abd w/o contrast", Some("native")),
            ("Nativ 5.0", Some("native")),
            ("Liver arterial + venous", None),
            ("Thorax 5.0 I30f 3", None),
            ("PARTIAL BODY", None),
            ("", None),
        ] {
            assert_eq!(described(text), phase, "{text}");
        }
    }
}
