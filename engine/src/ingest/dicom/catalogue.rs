//! What a folder holds: patients, studies, series and instances, and which structure sets and
//! segmentations belong to which CT series.
//!
//! Files are opened once, in parallel, up to their pixel data; any depth, any names, zip archives
//! included. What is kept of a file is a few lines, so that an export of a whole department fits
//! into memory. The order is that of identifiers and paths, whatever the file system says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::complete;
use super::dates::Day;
use super::header::Acquisition;
pub use super::parts::Part;
pub use super::patient::{PatientKey, Person};
pub use super::preference::{About, Approval};
pub use super::references::{References, Region};
use super::source::Source;
use super::stray::Strays;
use crate::error::{Message, Result, private};

/// A folder's DICOM files by patient, study and series.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The patients, by PatientID and issuer, and by person where those are of several.
    pub patients: Vec<Patient>,
    /// NIfTI files, by path.
    pub nifti: Vec<PathBuf>,
    /// What is wrong, by file.
    pub problems: Vec<Problem>,
    /// Files that are neither DICOM nor NIfTI.
    pub other_files: usize,
    /// Files that may be slices and do not say so.
    pub(super) strays: Strays,
    /// Folders with a symbolic link to a file that is called by another path.
    pub(super) links: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the member of an archive.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: Message,
    /// Whether it could not be read, or is only odd.
    pub unreadable: bool,
}

/// A patient.
#[derive(Clone, Debug)]
pub struct Patient {
    /// PatientID and issuer, and the person where those are of several.
    pub key: PatientKey,
    /// What the files say of the person.
    pub(super) person: Person,
    /// By StudyInstanceUID.
    pub studies: Vec<Study>,
}

/// A study.
#[derive(Clone, Debug)]
pub struct Study {
    /// StudyInstanceUID.
    pub uid: String,
    /// Its day, counted as [`Patient::days_until`] counts.
    pub(super) day: Option<Day>,
    /// By SeriesInstanceUID.
    pub series: Vec<Series>,
}

/// A series.
#[derive(Clone, Debug)]
pub struct Series {
    /// SeriesInstanceUID.
    pub uid: String,
    /// Which of its volumes, where it holds several: each is a series of its own here.
    pub part: Option<Part>,
    /// SeriesDescription.
    pub description: Option<String>,
    /// Modality, such as CT, RTSTRUCT, SEG.
    pub modality: String,
    /// FrameOfReferenceUID of its first instance.
    pub frame_of_reference: Option<String>,
    /// Its files, by SOPInstanceUID and path.
    pub instances: Vec<Instance>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instance {
    /// SOPInstanceUID.
    pub sop_instance: String,
    /// Where it is.
    pub source: Source,
    /// Whether it is a localizer, which is no part of a volume.
    pub localizer: bool,
    /// What a structure set or segmentation refers to.
    pub references: Option<Arc<References>>,
}

impl Patient {
    /// Days from the patient's first study to this day. `None` where no study has a date, or nothing
    /// tells that the studies are of one patient.
    pub(super) fn days_until(&self, day: Day) -> Option<i64> {
        let first = self.studies.iter().filter_map(|study| study.day).min()?;
        (self.key.identifies() || self.studies.len() == 1)
            .then(|| i64::from(day) - i64::from(first))
    }

    /// Days from the patient's first study to a study of it.
    pub fn study_day(&self, study: &Study) -> Option<i64> {
        self.days_until(study.day?)
    }

    /// Whether the other is another patient for certain.
    pub(super) fn is_another_than(&self, other: &Self) -> bool {
        self.key.contradicts(&other.key) || self.person.contradicts(&other.person)
    }
}

impl Series {
    /// What it is called by: its UID, with `#` and the number of the acquisition (or what else tells
    /// them apart) where it holds several volumes.
    pub fn name(&self) -> String {
        match &self.part {
            None => self.uid.clone(),
            Some(part) => format!("{}#{}", self.uid, part.value),
        }
    }

    /// Whether the files are said to be one series, and none of them says which.
    pub fn is_unnamed(&self) -> bool {
        self.uid.starts_with(UNNAMED)
    }

    /// Whether it is a CT volume or could be one.
    pub fn is_ct(&self) -> bool {
        self.modality == "CT" && self.instances.iter().any(|i| !i.localizer)
    }

    /// Its files.
    pub fn sources(&self) -> Vec<Source> {
        self.instances.iter().map(|i| i.source.clone()).collect()
    }

    /// Tube voltage, kernel, contrast and slice thickness of its first file.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn acquisition(&self) -> Result<Acquisition> {
        let Some(instance) = self.instances.iter().find(|i| !i.localizer) else {
            return Ok(Acquisition::default());
        };
        let opened = instance.source.open_header()?;
        opened.map_or(Ok(Acquisition::default()), |o| Acquisition::read(&o.fields()))
    }
}

/// What the uid of a series begins with whose files have none.
pub(super) const UNNAMED: &str = "without UID";

/// A structure set or segmentation, with the series that it was found in.
#[derive(Clone, Copy, Debug)]
pub struct Delineation<'a> {
    /// Its patient.
    pub patient: &'a Patient,
    /// Its own series.
    pub series: &'a Series,
    /// Its file.
    pub instance: &'a Instance,
    /// What it refers to.
    pub references: &'a References,
}

impl Delineation<'_> {
    /// What messages call it: its modality, and what it says of itself.
    pub fn called(&self) -> Message {
        let about = self.references.about.words(self.patient);
        let kind = &self.series.modality;
        match about.marked() {
            "" => kind.as_str().into(),
            about => format!("{kind} ({about})").into(),
        }
    }
}

impl Catalogue {
    /// All series of all patients, in order.
    pub fn series(&self) -> impl Iterator<Item = (&Patient, &Series)> {
        self.patients.iter().flat_map(|patient| {
            patient.studies.iter().flat_map(move |s| s.series.iter().map(move |s| (patient, s)))
        })
    }

    /// Files that may be slices and do not say so.
    pub(super) fn strays(&self) -> &Strays {
        &self.strays
    }

    /// Folders with a symbolic link to a file that is called by another path.
    pub(super) fn links_to(&self, source: &Source) -> impl Iterator<Item = &Path> {
        self.links.get(&source.file).into_iter().flatten().map(PathBuf::as_path)
    }

    /// All structure sets and segmentations, in order; copies once.
    pub fn delineations(&self) -> Vec<Delineation<'_>> {
        let mut all: Vec<Delineation<'_>> = Vec::new();
        for (patient, series) in self.series() {
            for instance in &series.instances {
                let Some(references) = &instance.references else { continue };
                let copy = all.last().is_some_and(|last| {
                    std::ptr::eq(last.series, series)
                        && last.instance.sop_instance == instance.sop_instance
                });
                if !copy {
                    all.push(Delineation { patient, series, instance, references });
                }
            }
        }
        all
    }

    /// The patient of a series of the catalogue, and its study.
    pub fn owner(&self, series: &Series) -> Option<(&Patient, &Study)> {
        self.patients.iter().find_map(|patient| {
            let holds = |s: &&Study| s.series.iter().any(|other| std::ptr::eq(other, series));
            patient.studies.iter().find(holds).map(|study| (patient, study))
        })
    }

    /// The CT series to which a structure set or segmentation refers: by the series' UID, else by the
    /// images' UIDs, else, where it names neither, by the frame of reference.
    ///
    /// # Errors
    /// Why there is none that is the same patient's, or which of several it could be.
    pub fn target(&self, delineation: &Delineation<'_>) -> std::result::Result<&Series, NoTarget> {
        let References { series, images, frames, .. } = delineation.references;
        let lists = |s: &Series, list: &BTreeSet<String>| {
            s.instances.iter().any(|i| list.contains(&i.sop_instance))
        };
        let those = |wanted: &dyn Fn(&Series) -> bool| -> Vec<(&Patient, &Series)> {
            self.series().filter(|(_, s)| wanted(s)).collect()
        };
        let mut candidates = those(&|s| {
            let named = s.part.is_none() || images.get(&s.uid).is_none_or(|list| lists(s, list));
            series.contains(&s.uid) && named
        });
        if candidates.is_empty() {
            candidates = those(&|s| images.values().any(|list| lists(s, list)));
        }
        let others: BTreeSet<&str> = candidates.iter().map(|(_, s)| s.modality.as_str()).collect();
        let others: Vec<&str> = others.into_iter().filter(|modality| *modality != "CT").collect();
        let is_elsewhere = !others.is_empty();
        candidates.retain(|(_, s)| s.is_ct());
        if candidates.is_empty() && is_elsewhere {
            return Err(NoTarget::NoCt { modality: others.join(", ") });
        }
        // A reference to a series that is not here must not end at another reconstruction of the
        // same scan; only where there is no such reference, the frame of reference decides.
        if candidates.is_empty() && series.is_empty() && images.is_empty() {
            candidates = those(&|s| {
                s.is_ct() && s.frame_of_reference.as_ref().is_some_and(|f| frames.contains(f))
            });
        }
        // Where a damaged export has a UID twice, the patient decides.
        if candidates.len() > 1 && candidates.iter().any(|(p, _)| p.key == delineation.patient.key)
        {
            candidates.retain(|(p, _)| p.key == delineation.patient.key);
        }
        // Files of one series and folder that name another study are its slices, damaged: whether it
        // can be measured without them is looked at later.
        let largest = candidates.iter().map(|(_, s)| *s).max_by_key(|s| s.instances.len());
        if let Some(largest) = largest.filter(|s| s.part.is_none()) {
            candidates.retain(|(_, s)| {
                let own = std::ptr::eq(*s, largest);
                own || s.uid != largest.uid || !complete::lies_among(self, s, largest)
            });
        }
        match candidates.as_slice() {
            [(patient, _)] if delineation.patient.is_another_than(patient) => {
                Err(NoTarget::OtherPatient)
            }
            [(_, only)] => Ok(only),
            [] => Err(match series.first() {
                Some(uid) => NoTarget::Absent { uid: uid.clone() },
                None => NoTarget::Nothing,
            }),
            several => {
                Err(NoTarget::Several { names: several.iter().map(|(_, s)| s.name()).collect() })
            }
        }
    }
}

/// Why a structure set or segmentation leads to no CT series.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoTarget {
    /// The series that it names is not there.
    Absent {
        /// SeriesInstanceUID.
        uid: String,
    },
    /// What it names is no CT.
    NoCt {
        /// The modality.
        modality: String,
    },
    /// What it names is another patient's.
    OtherPatient,
    /// It names no series, and none that is there has its images or its frame of reference.
    Nothing,
    /// Several series are meant.
    Several {
        /// What they are called.
        names: Vec<String>,
    },
}

impl NoTarget {
    /// In words.
    pub fn message(&self) -> Message {
        match self {
            Self::Absent { uid } => {
                format!("refers to CT series {}, which is not there", private(uid)).into()
            }
            Self::NoCt { modality } => {
                format!("refers to a series of modality {modality}, which is no CT").into()
            }
            Self::OtherPatient => {
                "refers to a CT series of another patient (PatientID, birth date, sex or name differ)"
                    .into()
            }
            Self::Nothing => "refers to no CT series that is there".into(),
            Self::Several { names } => {
                let all: Vec<String> = names.iter().map(|name| private(name).to_string()).collect();
                format!("refers to {} CT series: {}", all.len(), all.join(", ")).into()
            }
        }
    }
}
