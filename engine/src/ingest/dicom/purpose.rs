//! What a region of a structure set was drawn for: a lesion, or something else.
//!
//! A structure set of a treatment plan holds the patient's outline, the couch, organs at risk, target
//! volumes with their margins and lines of dose beside the lesion. The type (RTROIInterpretedType,
//! PS3.3, C.8.8.8) tells them apart where the program that wrote it asked; many write one type for all,
//! so that a name which speaks for itself comes first.

use std::sync::LazyLock;

use regex::{Regex, RegexBuilder};

/// Types of what is no lesion, whatever its name.
const NEVER: [&str; 19] = [
    "EXTERNAL",
    "PTV",
    "CTV",
    "TREATED_VOLUME",
    "IRRAD_VOLUME",
    "BOLUS",
    "MARKER",
    "REGISTRATION",
    "ISOCENTER",
    "CONTRAST_AGENT",
    "BRACHY_CHANNEL",
    "BRACHY_ACCESSORY",
    "BRACHY_SRC_APP",
    "BRACHY_CHNL_SHLD",
    "SUPPORT",
    "FIXATION",
    "DOSE_REGION",
    "DOSE_MEASUREMENT",
    "DEVICE",
];

/// Types of what is no lesion unless its name says so. ORGAN is not among them: some programs
/// (rt-utils, for one) call every region that, so that there the name decides alone.
const DOUBTFUL: [&str; 4] = ["OAR", "AVOIDANCE", "CONTROL", "CAVITY"];

/// Names of volumes made from a lesion: targets with their margins, rings and helpers of a plan.
static DERIVED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(^|[^a-z])([pci]tv|(ring|shell|prv|opti?|avoid(ance)?)([^a-z]|$))"));

/// Names of what is a lesion.
static LESION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"gtv|lesion|l\u{e4}sion|tumou?r|(^|[^a-z])(mets?|ln|nod(e|al)s?)([^a-z]|$)|metast|nodul|mass([^a-z]|$)|primar|recurren|neoplas|carcinom|sarcom|melanom",
    )
});

/// Names with a word for the patient's outline, a device or a dose.
static OTHER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(^|[^a-z])(body|external|skin|outline|couch(surface|interior)?|table(top)?|mattress|bolus|isodose|dose)([^a-z]|$)|\d ?\[?%|\d ?c?gy([^a-z]|$)",
    )
});

/// Names that consist of organs and sides alone.
static ORGANS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[^a-z]*((whole|total|both|bilateral|left|right|lt|rt|l|r|upper|lower|lungs?|heart|aorta|trachea|bronch(us|i)|o?esophagus|spinal|cord|canal|brain|stem|cerebellum|hippocampus|pituitary|chiasma?|optic|nerves?|eyes?|lens(es)?|orbits?|cochleas?|parotids?|submandibular|glands?|mandible|oral|cavity|larynx|pharynx|thyroid|liver|spleen|pancreas|stomach|bowel|bag|small|large|duodenum|colon|sigmoid|rectum|anus|bladder|prostate|uterus|ovar(y|ies)|kidneys?|adrenals?|femurs?|femoral|heads?|humer(us|al)|ribs?|sternum|chest|wall|bones?|muscles?|fat|vertebra(e|l)?|sacrum|pelvis|great|vessels?|vena|cava|inferior|superior)[^a-z0-9]*)+$",
    )
});

fn pattern(text: &str) -> Regex {
    RegexBuilder::new(text).case_insensitive(true).build().expect("a pattern")
}

/// Whether a region is taken for a lesion where nobody asks for it by name.
///
/// `kind` is its RTROIInterpretedType, empty where there is none.
pub(super) fn is_lesion(name: &str, kind: &str) -> bool {
    let kind = kind.trim().to_ascii_uppercase();
    if DERIVED.is_match(name) || NEVER.contains(&kind.as_str()) {
        return false;
    }
    if kind == "GTV" || LESION.is_match(name) {
        return true;
    }
    !DOUBTFUL.contains(&kind.as_str()) && !OTHER.is_match(name) && !ORGANS.is_match(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: the defined terms of RTROIInterpretedType (PS3.3, C.8.8.8.1), and names of structure
    /// sets of The Cancer Imaging Archive (NSCLC-Radiomics, Soft-tissue-Sarcoma, HNSCC).
    #[test]
    fn lesions_are_told_from_all_else_by_name_and_type() {
        for (name, kind) in [
            ("GTV-1", ""),
            ("GTVp_1", "GTV"),
            ("GTV_Mass", "ORGAN"),
            ("Lesion 3", "CONTROL"),
            ("liver met 2", "ORGAN"),
            ("Lung nodule", "ORGAN"),
            ("node one", ""),
            ("skin met", ""),
            ("Vertebral body lesion", "OAR"),
            ("GTV 60Gy", ""),
            ("External iliac LN", ""),
            ("liver 2", ""),
            ("seg7", "ORGAN"),
            ("", ""),
            ("1", "GTV"),
            ("Metastasis L1", "AVOIDANCE"),
        ] {
            assert!(is_lesion(name, kind), "{name} {kind}");
        }
        for (name, kind) in [
            ("BODY", "EXTERNAL"),
            ("Body", ""),
            ("External", ""),
            ("CouchSurface", "SUPPORT"),
            ("couch", ""),
            ("PTV60", "PTV"),
            ("PTV_GTV1", ""),
            ("GTV_PTV", "GTV"),
            ("Tumor", "PTV"),
            ("GTV ring", ""),
            ("Optic Nerve L", ""),
            ("CTV1", ""),
            ("ITV", ""),
            ("Dose 95[%]", "DOSE_REGION"),
            ("Dose 95[%]", ""),
            ("50 Gy", ""),
            ("5000cGy", ""),
            ("Lung-Left", "ORGAN"),
            ("Lung-Right", ""),
            ("Spinal-Cord", "ORGAN"),
            ("SpinalCord", "ORGAN"),
            ("Lungs", ""),
            ("Femoral_Head_L", ""),
            ("x", "AVOIDANCE"),
            ("z", "DOSE_REGION"),
            ("iso", "ISOCENTER"),
            ("seed 1", "MARKER"),
            ("Ring_1", ""),
            ("Heart", "OAR"),
        ] {
            assert!(!is_lesion(name, kind), "{name} {kind}");
        }
    }
}
