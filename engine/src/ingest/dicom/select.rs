//! Which series and which delineation are meant, where paths leave a choice.

use std::collections::BTreeSet;
use std::path::Path;

use super::catalogue::{Catalogue, Delineation, Problem, References, Series};
use super::complete;
use super::series::PatientKey;
use super::source::Source;
use crate::error::{Error, Remedy, Result, WhichSeries};

/// A CT series to be read.
#[derive(Clone, Debug)]
pub struct SeriesChoice {
    /// Its files.
    pub sources: Vec<Source>,
    /// Its patient.
    pub patient: PatientKey,
    /// StudyInstanceUID.
    pub study: String,
}

/// A structure set or segmentation to be read.
#[derive(Clone, Debug)]
pub struct DelineationChoice {
    /// Its file.
    pub source: Source,
    /// Its patient.
    pub patient: PatientKey,
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
    pub warnings: Vec<String>,
    /// Why the series must not be measured: slices that are missing or cannot be read, by file.
    pub faults: Vec<Problem>,
}

impl Selection {
    /// Chooses the CT series below `image` and the structure set or segmentation below `mask`, each
    /// where it is given. The series is the one of `uid` where that is given, else the one to which
    /// the delineation refers, else the only one.
    ///
    /// # Errors
    /// There is none, or more than one, each then listed; the paths cannot be read.
    pub fn find(image: Option<&Path>, mask: Option<&Path>, uid: Option<&str>) -> Result<Self> {
        let of_image = image.map(Catalogue::scan).transpose()?;
        let of_mask = match (mask, &of_image) {
            (Some(mask), Some(_)) if image == Some(mask) => None,
            (Some(mask), _) => Some(Catalogue::scan(mask)?),
            (None, _) => None,
        };
        let of_mask = of_mask.as_ref().or(of_image.as_ref());
        let found = match (mask, of_mask) {
            (Some(path), Some(catalogue)) => {
                Some(delineation(path, catalogue, of_image.as_ref(), uid)?)
            }
            _ => None,
        };
        let mut selection = Self::default();
        if let (Some(path), Some(catalogue)) = (image, &of_image) {
            let series = series(path, catalogue, found.as_ref(), uid)?;
            selection = Self::of(catalogue, series, found.as_ref());
            let elsewhere = complete::elsewhere(catalogue, series);
            if elsewhere > 0 {
                selection.warnings.push(format!(
                    "{elsewhere} DICOM files cannot be read or do not say where they belong; by their \
                     place or content they are none of the CT series"
                ));
            }
        }
        if let Some(found) = &found {
            selection.delineation = Some(choice(found));
            let same = selection.series.as_ref().is_none_or(|s| s.patient == found.patient.key);
            if !same {
                selection.warnings.push(
                    "image and lesions name different patients (PatientID and its issuer)".into(),
                );
            }
        }
        Ok(selection)
    }

    /// A series of a catalogue, with its delineation. Whether all slices are there is looked at, and
    /// told by [`Selection::check`].
    pub fn of(
        catalogue: &Catalogue,
        series: &Series,
        delineation: Option<&Delineation<'_>>,
    ) -> Self {
        let place = catalogue.patients.iter().find_map(|patient| {
            let holds = |s: &&super::catalogue::Study| {
                s.series.iter().any(|other| std::ptr::eq(other, series))
            };
            patient.studies.iter().find(holds).map(|study| (patient, study))
        });
        let (patient, study) =
            place.map_or_else(Default::default, |(p, s)| (p.key.clone(), s.uid.clone()));
        let completeness = complete::check(catalogue, series, delineation);
        Self {
            series: Some(SeriesChoice { sources: series.sources(), patient, study }),
            delineation: delineation.map(choice),
            warnings: completeness.warnings,
            faults: completeness.faults,
        }
    }

    /// Whether the series may be measured.
    ///
    /// # Errors
    /// A slice cannot be read, or is not there though the delineation refers to it.
    pub fn check(&self) -> Result<()> {
        let Some(fault) = self.faults.first() else { return Ok(()) };
        let more = match self.faults.len() {
            1 => String::new(),
            n => format!(" ({} more problems of this kind)", n - 1),
        };
        Err(Error::bad_data(&fault.file, format!("{}{more}", fault.problem)))
    }

    /// The files and archives that will be read, each once.
    pub fn files(&self) -> BTreeSet<&Path> {
        let series = self.series.iter().flat_map(|s| &s.sources);
        let delineation = self.delineation.iter().map(|d| &d.source);
        series.chain(delineation).map(|s| s.file.as_path()).collect()
    }
}

fn choice(found: &Delineation<'_>) -> DelineationChoice {
    DelineationChoice {
        source: found.instance.source.clone(),
        patient: found.patient.key.clone(),
        modality: found.series.modality.clone(),
        frames: found.references.frames.clone(),
    }
}

fn delineation<'a>(
    path: &Path,
    catalogue: &'a Catalogue,
    images: Option<&Catalogue>,
    uid: Option<&str>,
) -> Result<Delineation<'a>> {
    let mut all = catalogue.delineations();
    if all.len() > 1
        && let Some(uid) = uid
    {
        all.retain(|d| {
            let target = images.unwrap_or(catalogue).target(&d.patient.key, d.references);
            target.map_or_else(|_| d.references.series.contains(uid), |s| s.uid == uid)
        });
    }
    match all.as_slice() {
        [only] => Ok(*only),
        [] => Err(Error::bad_data(
            path,
            format!(
                "holds no structure set (RTSTRUCT) and no segmentation (SEG){}{}",
                if uid.is_some() { " of this series" } else { "" },
                first_problem(catalogue)
            ),
        )),
        several => {
            let line = |d: &Delineation<'_>| {
                let names: Vec<&str> =
                    d.references.regions.iter().take(8).map(|(_, n)| n.as_str()).collect();
                format!(
                    "{} ({}: {})",
                    d.instance.source.display().display(),
                    d.series.modality,
                    names.join(", ")
                )
            };
            let problem = format!("holds {} structure sets or segmentations", several.len());
            Err(Error::bad_request(problem)
                .with_path(path)
                .with_remedy(Remedy::NameDelineation { there: several.iter().map(line).collect() }))
        }
    }
}

fn series<'a>(
    path: &Path,
    catalogue: &'a Catalogue,
    found: Option<&Delineation<'_>>,
    uid: Option<&str>,
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
    let naming =
        |which| Remedy::NameSeries { which, there: all.iter().map(|s| describe(s)).collect() };
    if let Some(uid) = uid {
        let chosen: Vec<&Series> = all.iter().copied().filter(|s| s.uid == uid).collect();
        return match chosen.as_slice() {
            [only] => Ok(only),
            [] => Err(Error::bad_request(format!("holds no CT series {uid}"))
                .with_path(path)
                .with_remedy(naming(WhichSeries::One))),
            _ => Err(Error::bad_request(format!(
                "{} studies or patients have a series {uid}; name the folder of one of them",
                chosen.len()
            ))
            .with_path(path)),
        };
    }
    if let Some(found) = found {
        let References { series, .. } = found.references;
        return catalogue.target(&found.patient.key, found.references).map_err(|problem| {
            let which = if series.is_empty() { WhichSeries::DrawnOn } else { WhichSeries::Another };
            Error::bad_request(problem.to_string())
                .with_path(found.instance.source.display())
                .with_remedy(naming(which))
        });
    }
    match all.as_slice() {
        [only] => Ok(only),
        several => Err(Error::bad_request(format!("holds {} CT series", several.len()))
            .with_path(path)
            .with_remedy(naming(WhichSeries::One))),
    }
}

fn describe(series: &Series) -> String {
    let mut text = format!("{}: {} files", series.uid, series.instances.len());
    if let Ok(acquisition) = series.acquisition() {
        let thickness = acquisition.slice_thickness.map(|t| format!(", {t} mm slices"));
        let kernel = acquisition.kernel.map(|k| format!(", kernel {k}"));
        let kvp = acquisition.kvp.map(|k| format!(", {k} kVp"));
        let contrast = acquisition.contrast.map(|c| format!(", contrast {c}"));
        text.extend([thickness, kernel, kvp, contrast].into_iter().flatten());
    }
    text
}

fn first_problem(catalogue: &Catalogue) -> String {
    let unreadable = catalogue.problems.iter().filter(|p| p.unreadable);
    let count = unreadable.clone().count();
    unreadable
        .take(1)
        .map(|p| {
            let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
            format!("; unreadable: {}: {}{more}", p.file.display(), p.problem)
        })
        .collect()
}
