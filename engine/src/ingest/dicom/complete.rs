//! Whether all slices of a CT series are there.
//!
//! A slice that cannot be read leaves no gap where it lies at an end of the stack. So whatever may
//! be one of the slices, and whatever a structure set or segmentation refers to and is not there, is
//! an error of the case, and never left out.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::catalogue::{Catalogue, Delineation, Problem, References, Series};
use super::source::Source;
use super::stray::Neighbours;
use crate::error::{Message, private};
use crate::paths::shown;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Completeness {
    /// What forbids that the series is measured.
    pub(super) faults: Vec<Problem>,
    /// What is no part of the series, as references show.
    pub(super) warnings: Vec<Message>,
}

/// Looks whether a series of a catalogue is complete, as far as its folders and the delineation
/// that is to be measured on it can tell.
pub(super) fn check(
    catalogue: &Catalogue,
    series: &Series,
    delineation: Option<&Delineation<'_>>,
) -> Completeness {
    let present: BTreeSet<&str> =
        series.instances.iter().map(|i| i.sop_instance.as_str()).collect();
    // Of a series with several volumes a delineation may list them all.
    let beside: BTreeSet<&str> = volumes(catalogue, series)
        .flat_map(|other| other.instances.iter().map(|i| i.sop_instance.as_str()))
        .collect();
    let referred = delineation.map(|d| Referred::of(d.references, series, &present));
    let referred = referred.unwrap_or_default();
    let mut found = Completeness::default();
    let absent = referred.images.difference(&present).copied();
    let absent: Vec<&str> = absent.filter(|uid| !beside.contains(uid)).collect();
    if let (Some(delineation), [first, ..]) = (delineation, absent.as_slice()) {
        let more = match absent.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        found.faults.push(Problem {
            file: delineation.instance.source.display(),
            problem: format!(
                "refers to images of CT series {} that are not there: {}{}{more}; fetch the \
                 missing slices",
                private(&series.uid),
                private(first),
                whereabouts(catalogue, series, first)
            )
            .into(),
            unreadable: true,
        });
    }
    // Only references to every slice that is there tell that there were no others.
    let mut slices = series.instances.iter().filter(|i| !i.localizer);
    let whole = referred.is_list
        && absent.is_empty()
        && slices.all(|i| referred.images.contains(i.sop_instance.as_str()));
    let mut no_part = Vec::new();
    let mut add = |file: PathBuf, instance: Option<&str>, problem: &Message| {
        if whole || instance.is_some_and(|uid| present.contains(uid)) {
            no_part.push(problem.clone());
        } else {
            let problem = format!(
                "{}; it may be a slice of CT series {}: fetch it again, or remove it if it is none",
                problem.marked(),
                private(&series.uid)
            );
            found.faults.push(Problem { file, problem: problem.into(), unreadable: true });
        }
    };
    let neighbours = neighbours(catalogue, series);
    for stray in catalogue.strays().of(&series.uid, &neighbours) {
        add(stray.source.display(), stray.said.sop_instance.as_deref(), &stray.problem);
    }
    for (_, other) in catalogue.series() {
        let is_volume = || volumes(catalogue, series).any(|volume| std::ptr::eq(volume, other));
        if other.uid != series.uid || std::ptr::eq(other, series) || is_volume() {
            continue;
        }
        for instance in other.instances.iter().filter(|i| neighbours.are_beside(&i.source)) {
            let problem = "names another patient or study (PatientID, its issuer, StudyInstanceUID) \
                           than other files of its series";
            add(instance.source.display(), Some(&instance.sop_instance), &problem.into());
        }
    }
    if let [first, ..] = no_part.as_slice() {
        let text = format!(
            "{} files among those of the CT series were left out, as its slices are complete \
             without: {}{}",
            no_part.len(),
            first.marked(),
            if no_part.len() > 1 { " (the first)" } else { "" }
        );
        found.warnings.push(text.into());
    }
    found
}

/// The other volumes of a series that holds several.
fn volumes<'a>(catalogue: &'a Catalogue, series: &'a Series) -> impl Iterator<Item = &'a Series> {
    let study = series.part.as_ref().and_then(|_| catalogue.owner(series));
    let of_study = study.into_iter().flat_map(|(_, study)| &study.series);
    of_study.filter(|other| other.uid == series.uid && !std::ptr::eq(*other, series))
}

/// How many files that are DICOM, or are called so, are in no series and may not belong to this one.
pub(super) fn elsewhere(catalogue: &Catalogue, series: &Series) -> usize {
    let neighbours = neighbours(catalogue, series);
    let all = catalogue.strays().iter().filter(|s| s.is_dicom()).count();
    let ours = catalogue.strays().of(&series.uid, &neighbours);
    all - ours.filter(|s| s.is_dicom()).count()
}

/// Files that may be slices of a CT series, by their names or places only: what is wrong with each.
pub(super) fn suspects(catalogue: &Catalogue) -> Vec<(PathBuf, Message)> {
    // Most exports have none, and the files of a large one are many.
    if catalogue.strays().iter().next().is_none() {
        return Vec::new();
    }
    let series = catalogue.series().map(|(_, series)| series).filter(|s| s.is_ct());
    let of = |series: &Series| {
        let neighbours = neighbours(catalogue, series);
        let suspects = catalogue.strays().of(&series.uid, &neighbours);
        suspects.map(|s| (s.source.display(), s.problem.clone())).collect::<Vec<_>>()
    };
    series.flat_map(of).collect()
}

fn neighbours(catalogue: &Catalogue, series: &Series) -> Neighbours {
    let mut neighbours = Neighbours::default();
    for instance in series.instances.iter().filter(|i| !i.localizer) {
        neighbours.add(&instance.source);
        for folder in catalogue.links_to(&instance.source) {
            neighbours.add_folder(folder);
        }
    }
    neighbours
}

/// Whether some file of one series lies among the files of another.
pub(super) fn lies_among(catalogue: &Catalogue, one: &Series, other: &Series) -> bool {
    let neighbours = neighbours(catalogue, other);
    one.instances.iter().any(|i| neighbours.are_beside(&i.source))
}

/// Where an image that was missed in its series is, or what may be it, with marks.
fn whereabouts(catalogue: &Catalogue, series: &Series, uid: &str) -> String {
    let file = |source: &Source| private(shown(&source.display())).to_string();
    let stray = catalogue.strays().iter().find(|s| s.said.sop_instance.as_deref() == Some(uid));
    if let Some(stray) = stray {
        return format!(" ({}: {})", file(&stray.source), stray.problem.marked());
    }
    let others = catalogue.series().flat_map(|(_, series)| &series.instances);
    match others.into_iter().find(|i| i.sop_instance == uid) {
        Some(other) => format!(" ({} is of another series)", file(&other.source)),
        None => {
            let neighbours = neighbours(catalogue, series);
            let mut strays = catalogue.strays().of(&series.uid, &neighbours);
            strays.next().map_or_else(String::new, |stray| {
                let file = file(&stray.source);
                format!(" ({file}, which may be it: {})", stray.problem.marked())
            })
        }
    }
}

/// The images of a series to which a delineation refers.
#[derive(Default)]
struct Referred<'a> {
    images: BTreeSet<&'a str>,
    /// Whether they are a list of the whole series, not only what was drawn on.
    is_list: bool,
}

impl<'a> Referred<'a> {
    fn of(references: &'a References, series: &Series, present: &BTreeSet<&str>) -> Self {
        let mut images: BTreeSet<&str> = match references.images.get(&series.uid) {
            Some(images) => images.iter().map(String::as_str).collect(),
            // A copy of the series under another UID, whose slices kept theirs.
            None => {
                let lists = references.images.values();
                let ours = lists.filter(|l| l.iter().any(|uid| present.contains(uid.as_str())));
                ours.flatten().map(String::as_str).collect()
            }
        };
        let is_list = !images.is_empty();
        if !is_list && references.drawn_on.iter().any(|uid| present.contains(uid.as_str())) {
            images.extend(references.drawn_on.iter().map(String::as_str));
        }
        Self { images, is_list }
    }
}
