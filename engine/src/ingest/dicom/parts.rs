//! Volumes that share one series: phases of contrast, of breath or of the heart, which lie at the same
//! places and are told apart by their acquisition.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::object::Fields;
use crate::geometry::{cross, dot};

/// What tells the volumes of one series apart, the first that does.
const TELLING: [(Tag, &str); 3] = [
    (tags::ACQUISITION_NUMBER, "acquisition"),
    (tags::TEMPORAL_POSITION_IDENTIFIER, "temporal position"),
    (tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE, "cardiac phase"),
];

/// One of several volumes of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// What tells it from the others, such as `acquisition`.
    pub kind: &'static str,
    /// Its value of that.
    pub value: String,
    /// How many volumes the series has.
    pub of: usize,
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.value)
    }
}

/// Where a slice lies, and what it says of its acquisition.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Distance along the normal of the slices, rounded to µm: slices as near as that share a place.
    along: i64,
    values: [Option<String>; TELLING.len()],
}

impl Place {
    /// `None` where a file does not say where its image lies, as one of many frames.
    pub(super) fn read(fields: &Fields<'_>) -> Option<Self> {
        let position = fields.vector::<3>(tags::IMAGE_POSITION_PATIENT).ok()??;
        let [a, b, c, d, e, f] = fields.vector::<6>(tags::IMAGE_ORIENTATION_PATIENT).ok()??;
        let along = dot(position, cross([a, b, c], [d, e, f]));
        Some(Self {
            along: (along * 1e3).round() as i64,
            values: TELLING.map(|(tag, _)| fields.text(tag)),
        })
    }
}

/// Divides the files of a series into its volumes. Each file is given by its SOPInstanceUID and its
/// place; the answer has a part for each, or none where they are one volume, or nothing tells several
/// apart.
pub(super) fn divide(files: &[(&str, Option<&Place>)]) -> Option<Vec<Part>> {
    let mut slices: BTreeMap<&str, &Place> = BTreeMap::new();
    for (instance, place) in files {
        if let Some(place) = place {
            slices.insert(instance, place);
        }
    }
    let slices: Vec<&Place> = slices.into_values().collect();
    if !coincide(&slices) {
        return None;
    }
    let (which, values) = (0..TELLING.len()).find_map(|which| {
        let values: Option<BTreeSet<&str>> =
            slices.iter().map(|place| place.values[which].as_deref()).collect();
        let values = values?;
        let apart = |value: &&str| {
            let of = |place: &&&Place| place.values[which].as_deref() == Some(*value);
            !coincide(&slices.iter().filter(of).copied().collect::<Vec<_>>())
        };
        (values.len() > 1 && values.iter().all(apart)).then_some((which, values))
    })?;
    let first = *values.first()?;
    let part = |place: &Option<&Place>| {
        // Localizers have no place; they are part of no volume.
        let value = place.and_then(|place| place.values[which].as_deref()).unwrap_or(first);
        Part { kind: TELLING[which].1, value: value.to_owned(), of: values.len() }
    };
    Some(files.iter().map(|(_, place)| part(place)).collect())
}

/// Whether two slices lie at one place.
fn coincide(slices: &[&Place]) -> bool {
    let mut along: Vec<i64> = slices.iter().map(|place| place.along).collect();
    along.sort_unstable();
    along.windows(2).any(|pair| pair[1] - pair[0] <= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(along: i64, acquisition: &str, time: &str) -> Place {
        let value = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Place { along, values: [value(acquisition), value(time), None] }
    }

    fn parts(places: &[Place]) -> Option<Vec<String>> {
        let names: Vec<String> = (0..places.len()).map(|i| i.to_string()).collect();
        let files: Vec<_> = names.iter().map(String::as_str).zip(places.iter().map(Some)).collect();
        Some(divide(&files)?.into_iter().map(|part| part.to_string()).collect())
    }

    #[test]
    fn volumes_at_the_same_places_are_divided_by_what_tells_them_apart() {
        let phases =
            [place(0, "1", ""), place(3000, "1", ""), place(0, "2", ""), place(3000, "2", "")];
        let expected = ["acquisition 1", "acquisition 1", "acquisition 2", "acquisition 2"];
        assert_eq!(parts(&phases).expect("two"), expected);
        let times = [place(0, "1", "7"), place(0, "1", "8"), place(3000, "1", "7")];
        let expected = ["temporal position 7", "temporal position 8", "temporal position 7"];
        assert_eq!(parts(&times).expect("two"), expected);
    }

    #[test]
    fn one_volume_and_what_nothing_tells_apart_stay_together() {
        let steps = [place(0, "1", ""), place(3000, "1", ""), place(6000, "2", "")];
        assert_eq!(parts(&steps), None, "an acquisition in two steps");
        assert_eq!(parts(&[place(0, "1", ""), place(0, "1", "")]), None);
        assert_eq!(parts(&[place(0, "1", ""), place(0, "", "")]), None);
        let copy = place(0, "1", "");
        assert_eq!(divide(&[("a", Some(&copy)), ("a", Some(&copy))]), None, "a copy");
    }
}
