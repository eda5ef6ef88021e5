//! Which series and which delineation are meant, where paths leave a choice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, Delineation, NoTarget, PatientKey, Problem, Series};
use super::complete;
use super::lesions::Take;
use super::preference::{Preferred, preferred};
use super::source::Source;
use crate::error::{Error, Message, Remedy, Result, WhichSeries, private};
use crate::paths::shown;

/// A CT series to be read.
#[derive(Clone, Debug)]
pub struct SeriesChoice {
    /// Its files.
    pub sources: Vec<Source>,
    /// Its patient.
    pub patient: PatientKey,
    /// StudyInstanceUID.
    pub study: String,
    /// What it is called by, as [`Series::name`] says.
    pub series: String,
    /// Days from the patient's first study that was found to this one, where their dates are known.
    pub study_day: Option<i64>,
}

/// A structure set or segmentation to be read.
#[derive(Clone, Debug)]
pub struct DelineationChoice {
    /// Its file.
    pub source: Source,
    /// RTSTRUCT or SEG.
    pub modality: String,
    /// FrameOfReferenceUIDs in which it was drawn.
    pub frames: BTreeSet<String>,
}

/// What was chosen for image and mask; `None` for what is no DICOM.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The image.
    pub series: Option<SeriesChoice>,
    /// The lesions.
    pub delineation: Option<DelineationChoice>,
    /// What was noticed.
    pub warnings: Vec<Message>,
    /// Why the series must not be measured: slices that are missing or cannot be read, by file.
    pub faults: Vec<Problem>,
    /// Why the lesions must not be measured: nothing tells which of several delineations is meant.
    pub undecided: Option<Undecided>,
}

/// Delineations of one image of which neither approval nor date tells which is meant.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// What each is called.
    called: Vec<Message>,
    /// A line for each to choose from, file first.
    there: Vec<Message>,
}

impl Undecided {
    fn of(several: &[Delineation<'_>]) -> Self {
        Self {
            called: several.iter().map(Delineation::called).collect(),
            there: several.iter().map(listed).collect(),
        }
    }

    fn error(self) -> Error {
        let problem = format!(
            "{} structure sets or segmentations belong to one image, and neither approval nor date \
             tells which is meant: {}",
            self.called.len(),
            self.called.iter().map(Message::marked).collect::<Vec<_>>().join("; ")
        );
        Error::bad_request(problem).with_remedy(Remedy::NameDelineation { there: self.there })
    }
}

/// The images of a catalogue with the structure set or segmentation of each.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    /// The pairs, in the catalogue's order of series.
    pub selections: Vec<Selection>,
    /// What has no partner, and why.
    pub unmatched: Vec<(PathBuf, Message)>,
}

impl Selection {
    /// Chooses the CT series below `image` and the structure set or segmentation below `mask`, each
    /// where it is given. The series is the one that `name` names, as [`Series::name`] does or by its
    /// UID; else the one to which the delineation refers, else the only one. Of several delineations of
    /// one series with regions to `take` it is the approved one, and of several the latest.
    ///
    /// # Errors
    /// There is none, or more than one, each then listed; the lesions are of another patient than the
    /// image, and `name` does not say that this is meant; the paths cannot be read.
    pub fn find(
        image: Option<&Path>,
        mask: Option<&Path>,
        name: Option<&str>,
        take: &Take<'_>,
    ) -> Result<Self> {
        let of_image = image.map(Catalogue::scan).transpose()?;
        let of_mask = match (mask, &of_image) {
            (Some(mask), Some(_)) if image == Some(mask) => None,
            (Some(mask), _) => Some(Catalogue::scan(mask)?),
            (None, _) => None,
        };
        let of_mask = of_mask.as_ref().or(of_image.as_ref());
        Self::among(image.zip(of_image.as_ref()), mask.zip(of_mask), name, take)
    }

    /// As [`Selection::find`], in paths that were looked through already.
    ///
    /// # Errors
    /// As [`Selection::find`].
    pub fn among(
        image: Option<(&Path, &Catalogue)>,
        mask: Option<(&Path, &Catalogue)>,
        name: Option<&str>,
        take: &Take<'_>,
    ) -> Result<Self> {
        let of_image = image.map(|(_, catalogue)| catalogue);
        let found = match mask {
            Some((path, catalogue)) => Some(delineation(path, catalogue, of_image, name, take)?),
            None => None,
        };
        let taken = found.as_ref().map(|found| &found.taken);
        let mut selection = Self::default();
        if let Some((path, catalogue)) = image {
            let series = series(path, catalogue, taken, name)?;
            selection = Self::of(catalogue, series, taken);
            let elsewhere = complete::elsewhere(catalogue, series);
            if elsewhere > 0 {
                let text = format!(
                    "{elsewhere} DICOM files cannot be read or do not say where they belong; by their \
                     place or content they are none of the CT series"
                );
                selection.warnings.push(text.into());
            }
            let owner = catalogue.owner(series).map(|(patient, _)| patient);
            let of_another = |d: &Delineation<'_>| {
                owner.is_some_and(|owner| {
                    (&owner.key.id, &owner.key.issuer) != (&d.patient.key.id, &d.patient.key.issuer)
                        || owner.is_another_than(d.patient)
                })
            };
            let elsewhere = |d: &Delineation<'_>| {
                d.references.series.len() + d.references.images.len() > 0
                    && catalogue.target(d).ok().is_none_or(|target| !std::ptr::eq(target, series))
            };
            if taken.is_some_and(elsewhere) {
                selection.warnings.push(
                    "the lesions refer to another series or volume than the one that was named"
                        .into(),
                );
            }
            if taken.is_some_and(of_another) {
                selection.warnings.push(
                    "image and lesions name different patients (PatientID and its issuer, birth date, \
                     sex or name)"
                        .into(),
                );
            }
        }
        if let Some(found) = &found {
            selection.delineation = Some(choice(&found.taken));
            selection.warnings.extend(found.warnings());
        }
        Ok(selection)
    }

    /// The pairs of all CT series of a catalogue, or of those that `name` names, with the delineation
    /// that [`Selection::find`] would choose of each.
    pub fn all(catalogue: &Catalogue, name: Option<&str>, take: &Take<'_>) -> Pairs {
        let is_wanted = |series: &Series| name.is_none_or(|name| is_named(series, name));
        let mut pairs = Pairs::default();
        let mut drawn_on: BTreeMap<*const Series, Vec<Delineation<'_>>> = BTreeMap::new();
        for delineation in catalogue.delineations() {
            match catalogue.target(&delineation) {
                Ok(series) => drawn_on.entry(series).or_default().push(delineation),
                Err(_) if name.is_some() => {}
                Err(problem) => {
                    let file = delineation.instance.source.display();
                    pairs.unmatched.push((file, problem.message()));
                }
            }
        }
        for (_, series) in catalogue.series().filter(|(_, s)| s.is_ct() && is_wanted(s)) {
            let Some(of_series) = drawn_on.remove(&std::ptr::from_ref(series)) else {
                let name = private(series.name());
                let problem = format!("CT series {name} without structure set or segmentation");
                pairs.unmatched.push((common_folder(&series.sources()), problem.into()));
                continue;
            };
            let selection = match preferred(of_series, &|d| holds(d, take)) {
                Ok(found) => {
                    let mut selection = Self::of(catalogue, series, Some(&found.taken));
                    selection.warnings.extend(found.warnings());
                    selection
                }
                Err(several) => {
                    let undecided = Some(Undecided::of(&several));
                    Self { undecided, ..Self::of(catalogue, series, several.first()) }
                }
            };
            pairs.selections.push(selection);
        }
        pairs
    }

    /// A series of a catalogue, with its delineation. Whether all slices are there is looked at, and
    /// told by [`Selection::check`].
    fn of(catalogue: &Catalogue, series: &Series, delineation: Option<&Delineation<'_>>) -> Self {
        let owner = catalogue.owner(series);
        let completeness = complete::check(catalogue, series, delineation);
        let mut warnings = completeness.warnings;
        if owner.is_some_and(|(patient, _)| patient.key.person.is_some()) {
            warnings.push(
                "PatientID names several people or nobody here; the patient was told by birth date, sex \
                 and name"
                    .into(),
            );
        } else if owner.is_some_and(|(patient, _)| !patient.key.identifies()) {
            warnings.push(
                "PatientID names nobody; the study was taken for a patient of its own".into(),
            );
        }
        if let Some(part) = &series.part {
            let text = format!(
                "the CT series holds {} volumes at the same places; measured: {part}",
                part.of
            );
            warnings.push(text.into());
        }
        if series.is_unnamed() {
            warnings.push(
                "the CT files have no SeriesInstanceUID; those of one study, frame of reference and \
                 SeriesNumber were taken for a series"
                    .into(),
            );
        }
        let choice_of_series = SeriesChoice {
            sources: series.sources(),
            patient: owner.map(|(patient, _)| patient.key.clone()).unwrap_or_default(),
            study: owner.map(|(_, study)| study.uid.clone()).unwrap_or_default(),
            series: series.name(),
            study_day: owner.and_then(|(patient, study)| patient.study_day(study)),
        };
        Self {
            series: Some(choice_of_series),
            delineation: delineation.map(choice),
            warnings,
            faults: completeness.faults,
            undecided: None,
        }
    }

    /// Whether image and lesions may be measured.
    ///
    /// # Errors
    /// A slice cannot be read, or is not there though the delineation refers to it; or nothing tells
    /// which of several delineations is meant.
    pub fn check(&self) -> Result<()> {
        if let Some(undecided) = &self.undecided {
            return Err(undecided.clone().error());
        }
        let Some(fault) = self.faults.first() else { return Ok(()) };
        let more = match self.faults.len() {
            1 => String::new(),
            n => format!(" ({} more problems of this kind)", n - 1),
        };
        Err(Error::bad_data(&fault.file, format!("{}{more}", fault.problem.marked())))
    }

    /// The files and archives that will be read, each once.
    pub fn files(&self) -> BTreeSet<&Path> {
        let series = self.series.iter().flat_map(|s| &s.sources);
        let delineation = self.delineation.iter().map(|d| &d.source);
        series.chain(delineation).map(|s| s.file.as_path()).collect()
    }
}

impl SeriesChoice {
    /// The deepest folder, or the archive, that holds all of its files.
    pub fn folder(&self) -> PathBuf {
        common_folder(&self.sources)
    }
}

fn common_folder(sources: &[Source]) -> PathBuf {
    if let [only] = sources {
        return only.file.clone();
    }
    let place = |s: &Source| match &s.member {
        Some(_) => s.file.clone(),
        None => s.file.parent().map(Path::to_owned).unwrap_or_default(),
    };
    let mut common = sources.first().map(place).unwrap_or_default();
    for source in sources {
        while !place(source).starts_with(&common) && common.pop() {}
    }
    common
}

fn choice(found: &Delineation<'_>) -> DelineationChoice {
    DelineationChoice {
        source: found.instance.source.clone(),
        modality: found.series.modality.clone(),
        frames: found.references.frames.clone(),
    }
}

/// Whether a delineation has a region to take.
fn holds(found: &Delineation<'_>, take: &Take<'_>) -> bool {
    found.references.regions.iter().any(|r| take.takes(r.number, &r.name, &r.kind))
}

fn is_named(series: &Series, name: &str) -> bool {
    series.uid == name || series.name() == name
}

/// The structure set or segmentation that is meant.
fn delineation<'a>(
    path: &Path,
    catalogue: &'a Catalogue,
    images: Option<&Catalogue>,
    name: Option<&str>,
    take: &Take<'_>,
) -> Result<Preferred<'a>> {
    // Each with the CT series that it leads to, where there is one among the images.
    let target = |d: Delineation<'a>| (d, images.and_then(|images| images.target(&d).ok()));
    let mut all: Vec<_> = catalogue.delineations().into_iter().map(target).collect();
    if all.len() > 1 {
        if let Some(name) = name {
            all.retain(|(d, target)| match target {
                Some(series) => is_named(series, name),
                None => d.references.series.contains(name),
            });
        } else if all.iter().any(|(_, target)| target.is_some()) {
            all.retain(|(_, target)| target.is_some());
        }
    }
    if all.is_empty() {
        return Err(Error::bad_data(
            path,
            format!(
                "holds no structure set (RTSTRUCT) and no segmentation (SEG){}{}",
                if name.is_some() { " of this series" } else { "" },
                first_problem(catalogue)
            ),
        ));
    }
    let series: BTreeSet<String> = all
        .iter()
        .filter_map(|(d, target)| match images {
            Some(_) => target.map(Series::name),
            None => d.references.series.first().cloned(),
        })
        .collect();
    let all: Vec<Delineation<'a>> = all.into_iter().map(|(d, _)| d).collect();
    let several = all.len();
    let found = if several > 1 && series.len() != 1 {
        Err(all)
    } else {
        preferred(all, &|d| holds(d, take))
    };
    found.map_err(|all| {
        let error = match series.len() {
            1 => Undecided::of(&all).error(),
            n => {
                let of = if n == 0 { String::new() } else { format!(" of {n} CT series") };
                let there = all.iter().map(listed).collect();
                let problem = format!("holds {several} structure sets or segmentations{of}");
                Error::bad_request(problem).with_remedy(Remedy::NameDelineation { there })
            }
        };
        error.with_path(path)
    })
}

/// A line of a list to choose from, file first.
fn listed(found: &Delineation<'_>) -> Message {
    let names: Vec<&str> =
        found.references.regions.iter().take(8).map(|r| r.name.as_str()).collect();
    let file = private(shown(&found.instance.source.display()));
    format!("{file} ({}: {})", found.called().marked(), names.join(", ")).into()
}

/// The CT series that is meant.
fn series<'a>(
    path: &Path,
    catalogue: &'a Catalogue,
    found: Option<&Delineation<'_>>,
    name: Option<&str>,
) -> Result<&'a Series> {
    let all: Vec<&Series> = catalogue.series().map(|(_, s)| s).filter(|s| s.is_ct()).collect();
    if all.is_empty() {
        let modalities: BTreeSet<&str> =
            catalogue.series().map(|(_, s)| s.modality.as_str()).collect();
        let there = match modalities.len() {
            0 => String::new(),
            _ => format!("; it has {}", modalities.into_iter().collect::<Vec<_>>().join(", ")),
        };
        return Err(Error::bad_data(
            path,
            format!("holds no CT series{there}{}", first_problem(catalogue)),
        ));
    }
    let naming = |which, of: &[&Series]| Remedy::NameSeries {
        which,
        there: of.iter().map(|s| describe(catalogue, s)).collect(),
    };
    if let Some(name) = name {
        let chosen: Vec<&Series> = all.iter().copied().filter(|s| is_named(s, name)).collect();
        let target = found.and_then(|found| catalogue.target(found).ok());
        let meant = chosen.iter().find(|s| target.is_some_and(|t| std::ptr::eq(t, **s)));
        return match chosen.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::bad_request(format!("holds no CT series {}", private(name)))
                .with_path(path)
                .with_remedy(naming(WhichSeries::One, &all))),
            several => match meant {
                Some(meant) => Ok(meant),
                None if several.iter().all(|s| s.part.is_some()) => {
                    Err(Error::bad_request(format!(
                        "series {} holds {} volumes at the same places",
                        private(name),
                        several.len()
                    ))
                    .with_path(path)
                    .with_remedy(naming(WhichSeries::One, several)))
                }
                None => Err(Error::bad_request(format!(
                    "{} studies or patients have a series {}; name the folder of one of them",
                    several.len(),
                    private(name)
                ))
                .with_path(path)),
            },
        };
    }
    if let Some(found) = found {
        return catalogue.target(found).map_err(|problem| {
            let remedy = match &problem {
                NoTarget::OtherPatient => Remedy::ConfirmSeries,
                NoTarget::Several { names } => {
                    let of: Vec<&Series> =
                        all.iter().copied().filter(|s| names.contains(&s.name())).collect();
                    naming(WhichSeries::DrawnOn, &of)
                }
                _ if found.references.series.is_empty() => naming(WhichSeries::DrawnOn, &all),
                _ => naming(WhichSeries::Another, &all),
            };
            Error::bad_request(problem.message())
                .with_path(found.instance.source.display())
                .with_remedy(remedy)
        });
    }
    match all.as_slice() {
        [only] => Ok(only),
        several => Err(Error::bad_request(format!("holds {} CT series", several.len()))
            .with_path(path)
            .with_remedy(naming(WhichSeries::One, several))),
    }
}

/// A line of a list to choose from, the name first.
fn describe(catalogue: &Catalogue, series: &Series) -> Message {
    let mut text = format!("{}: {} files", private(series.name()), series.instances.len());
    let day = catalogue.owner(series).and_then(|(patient, study)| patient.study_day(study));
    text.extend(day.map(|day| format!(", day {day}")));
    text.extend(series.part.as_ref().map(|part| format!(", {part}")));
    if let Ok(acquisition) = series.acquisition() {
        let thickness = acquisition.slice_thickness.map(|t| format!(", {t} mm slices"));
        let kernel = acquisition.kernel.map(|k| format!(", kernel {k}"));
        let kvp = acquisition.kvp.map(|k| format!(", {k} kVp"));
        let phase = acquisition.phase.map(|c| format!(", {c}"));
        text.extend([thickness, kernel, kvp, phase].into_iter().flatten());
    }
    text.into()
}

/// The first file that cannot be read, with marks.
fn first_problem(catalogue: &Catalogue) -> String {
    let unreadable = catalogue.problems.iter().filter(|p| p.unreadable);
    let count = unreadable.clone().count();
    unreadable
        .take(1)
        .map(|p| {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("; unreadable: {}: {}{more}", private(shown(&p.file)), p.problem.marked())
        })
        .collect()
}
