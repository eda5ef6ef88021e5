//! What a folder holds: patients, studies, series and instances, and which structure sets and
//! segmentations belong to which CT series.
//!
//! Files are opened once, in parallel, up to their pixel data; any depth, any names, zip archives
//! included. What is kept of a file is a few lines, so that an export of a whole department fits
//! into memory. The order is that of identifiers and paths, whatever the file system says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use rayon::prelude::*;

use super::header::{self, Acquisition};
use super::object::{self, Fields, Opened};
use super::series::PatientKey;
use super::source::{self, Source};
use crate::error::{Error, Result};
use crate::ingest::nifti;
use crate::ingest::open_file::OpenFile;

/// A folder's DICOM files by patient, study and series.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// The patients, by PatientID and issuer.
    pub patients: Vec<Patient>,
    /// NIfTI files, by path.
    pub nifti: Vec<PathBuf>,
    /// What is wrong, by file.
    pub problems: Vec<Problem>,
    /// Files that are neither DICOM nor NIfTI.
    pub other_files: usize,
}

/// Something wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or the member of an archive.
    pub file: PathBuf,
    /// What is wrong with it.
    pub problem: String,
    /// Whether it could not be read, or is only odd.
    pub unreadable: bool,
}

/// A patient.
#[derive(Clone, Debug)]
pub struct Patient {
    /// PatientID and issuer.
    pub key: PatientKey,
    /// By StudyInstanceUID.
    pub studies: Vec<Study>,
}

/// A study.
#[derive(Clone, Debug)]
pub struct Study {
    /// StudyInstanceUID.
    pub uid: String,
    /// By SeriesInstanceUID.
    pub series: Vec<Series>,
}

/// A series.
#[derive(Clone, Debug)]
pub struct Series {
    /// SeriesInstanceUID.
    pub uid: String,
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

/// What a structure set or segmentation refers to, and what it delineates.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct References {
    /// SeriesInstanceUIDs.
    pub series: BTreeSet<String>,
    /// SOPInstanceUIDs of images.
    pub instances: BTreeSet<String>,
    /// FrameOfReferenceUIDs.
    pub frames: BTreeSet<String>,
    /// ROI or segment numbers with their names.
    pub regions: Vec<(i64, String)>,
}

impl Series {
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

impl Catalogue {
    /// Looks at a folder and all below it, or at one file or archive.
    ///
    /// # Errors
    /// The path itself cannot be read. Whatever is wrong below it is a [`Problem`].
    pub fn scan(path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        let mut found = Found::default();
        if path.is_dir() {
            for entry in walkdir::WalkDir::new(path) {
                match entry {
                    Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
                    Ok(_) => {}
                    Err(e) if e.depth() == 0 => return Err(Error::io(path, e.into())),
                    Err(e) => found.problems.push(Problem {
                        file: e.path().unwrap_or(path).to_owned(),
                        problem: "cannot be read".into(),
                        unreadable: true,
                    }),
                }
            }
            files.sort();
        } else {
            OpenFile::open(path)?;
            files.push(path.to_owned());
        }
        let looked = files
            .into_par_iter()
            .fold(Found::default, |mut found, file| {
                found.look(&file);
                found
            })
            .reduce(Found::default, Found::and);
        Ok(found.and(looked).catalogue())
    }

    /// All series of all patients, in order.
    pub fn series(&self) -> impl Iterator<Item = (&Patient, &Series)> {
        self.patients.iter().flat_map(|patient| {
            patient.studies.iter().flat_map(move |s| s.series.iter().map(move |s| (patient, s)))
        })
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

    /// The CT series to which a structure set or segmentation of `patient` refers: by the series'
    /// UID, else by the images' UIDs, else, where it names neither, by the frame of reference.
    ///
    /// # Errors
    /// Which references lead nowhere, or to several series.
    pub fn target(
        &self,
        patient: &PatientKey,
        references: &References,
    ) -> std::result::Result<&Series, NoTarget> {
        let those = |wanted: &dyn Fn(&Series) -> bool| -> Vec<(&Patient, &Series)> {
            self.series().filter(|(_, s)| s.is_ct() && wanted(s)).collect()
        };
        let mut candidates = those(&|s| references.series.contains(&s.uid));
        if candidates.is_empty() {
            candidates = those(&|s| {
                s.instances.iter().any(|i| references.instances.contains(&i.sop_instance))
            });
        }
        // A reference to a series that is not here must not end at another reconstruction of the
        // same scan; only where there is no such reference, the frame of reference decides.
        if candidates.is_empty() && references.series.is_empty() && references.instances.is_empty()
        {
            candidates = those(&|s| {
                s.frame_of_reference.as_ref().is_some_and(|f| references.frames.contains(f))
            });
        }
        // UIDs are unique in the world, so that the patient need not agree; where a damaged export
        // has a UID twice, the patient decides.
        if candidates.len() > 1 {
            candidates.retain(|(p, _)| p.key == *patient);
        }
        let candidates: Vec<&Series> = candidates.into_iter().map(|(_, s)| s).collect();
        match candidates.as_slice() {
            [only] => Ok(only),
            [] => Err(match references.series.first() {
                Some(uid) => NoTarget::Absent { uid: uid.clone() },
                None => NoTarget::Nothing,
            }),
            several => {
                Err(NoTarget::Several { uids: several.iter().map(|s| s.uid.clone()).collect() })
            }
        }
    }
}

/// Why a structure set or segmentation leads to no CT series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoTarget {
    /// The series that it names is not there.
    #[error("refers to CT series {uid}, which is not there")]
    Absent {
        /// SeriesInstanceUID.
        uid: String,
    },
    /// It names no series, and none that is there has its images or its frame of reference.
    #[error("refers to no CT series that is there")]
    Nothing,
    /// Several series are meant.
    #[error("refers to {} CT series: {}", uids.len(), uids.join(", "))]
    Several {
        /// SeriesInstanceUIDs.
        uids: Vec<String>,
    },
}

/// What one thread has found.
#[derive(Default)]
struct Found {
    instances: Vec<Entry>,
    nifti: Vec<PathBuf>,
    problems: Vec<Problem>,
    other_files: usize,
}

struct Entry {
    patient: PatientKey,
    study: String,
    series: String,
    modality: String,
    frame: Option<String>,
    instance: Instance,
}

impl Found {
    fn and(mut self, mut other: Self) -> Self {
        self.instances.append(&mut other.instances);
        self.nifti.append(&mut other.nifti);
        self.problems.append(&mut other.problems);
        self.other_files += other.other_files;
        self
    }

    fn look(&mut self, path: &Path) {
        let opened = match OpenFile::open(path) {
            Ok(opened) => opened,
            Err(e) => return self.unreadable(path, &e),
        };
        if source::is_zip(opened.head()) {
            let visited = source::for_each_member(path, |source, bytes| match bytes {
                Ok(bytes) if source::is_zip(&bytes) => self.problems.push(Problem {
                    file: source.display(),
                    problem: "is an archive within an archive and was not looked into".into(),
                    unreadable: true,
                }),
                Ok(bytes) => self.file(source, Arc::new(bytes)),
                Err(e) => self.unreadable(&source.display(), &e),
            });
            if let Err(e) = visited {
                self.unreadable(path, &e);
            }
            return;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        if (name.ends_with(".nii") || name.ends_with(".nii.gz")) && nifti::looks_like_nifti(&opened)
        {
            self.nifti.push(path.to_owned());
            return;
        }
        if !source::is_dicom_or_zip(opened.head()) {
            self.other_files += 1;
            return;
        }
        match opened.whole() {
            Ok(bytes) => self.file(Source::file(path), Arc::new(bytes)),
            Err(e) => self.unreadable(path, &e),
        }
    }

    fn file(&mut self, source: Source, bytes: object::Bytes) {
        let path = source.display();
        match object::open_bytes(&path, bytes, false) {
            Ok(None) => self.other_files += 1,
            Ok(Some(opened)) => match entry(source, &opened) {
                Ok(Some(entry)) => self.instances.push(entry),
                Ok(None) => self.other_files += 1,
                Err(e) => self.unreadable(&path, &e),
            },
            Err(e) => self.unreadable(&path, &e),
        }
    }

    fn unreadable(&mut self, path: &Path, error: &Error) {
        let text = error.to_string();
        let prefix = format!("{}: ", path.display());
        let problem = text.strip_prefix(&prefix).unwrap_or(&text).to_owned();
        self.problems.push(Problem { file: path.to_owned(), problem, unreadable: true });
    }

    fn catalogue(mut self) -> Catalogue {
        let mut tree: BTreeMap<PatientKey, BTreeMap<String, BTreeMap<String, Vec<Entry>>>> =
            BTreeMap::new();
        for entry in self.instances {
            let study = tree.entry(entry.patient.clone()).or_default();
            let series = study.entry(entry.study.clone()).or_default();
            series.entry(entry.series.clone()).or_default().push(entry);
        }
        let mut owners: BTreeMap<&str, BTreeSet<(&PatientKey, &str)>> = BTreeMap::new();
        for (patient, studies) in &tree {
            for (study, series) in studies {
                for uid in series.keys() {
                    owners.entry(uid).or_default().insert((patient, study));
                }
            }
        }
        for (uid, owners) in &owners {
            if owners.len() > 1 {
                let (patient, study) = owners.first().expect("several owners");
                let file = &tree[*patient][*study][*uid][0].instance.source;
                self.problems.push(Problem {
                    file: file.display(),
                    problem: format!(
                        "its series {uid} occurs in {} studies or patients; each was taken for a \
                         series of its own",
                        owners.len()
                    ),
                    unreadable: false,
                });
            }
        }
        let mut problems = self.problems;
        let patients = tree
            .into_iter()
            .map(|(key, studies)| Patient {
                key,
                studies: studies
                    .into_iter()
                    .map(|(uid, series)| Study {
                        uid,
                        series: series
                            .into_iter()
                            .map(|(uid, entries)| gather(uid, entries, &mut problems))
                            .collect(),
                    })
                    .collect(),
            })
            .collect();
        problems.sort();
        self.nifti.sort();
        Catalogue { patients, nifti: self.nifti, problems, other_files: self.other_files }
    }
}

/// One series from its files.
fn gather(uid: String, mut entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Series {
    entries.sort_by(|a, b| a.instance.cmp(&b.instance));
    let copies = entries
        .windows(2)
        .filter(|w| w[0].instance.sop_instance == w[1].instance.sop_instance)
        .count();
    if copies > 0 {
        problems.push(Problem {
            file: entries[0].instance.source.display(),
            problem: format!(
                "its series {uid} has {copies} files of a SOPInstanceUID that another has"
            ),
            unreadable: false,
        });
    }
    let modalities: BTreeSet<&str> = entries.iter().map(|e| e.modality.as_str()).collect();
    if modalities.len() > 1 {
        problems.push(Problem {
            file: entries[0].instance.source.display(),
            problem: format!(
                "its series {uid} has files of several modalities: {}",
                modalities.into_iter().collect::<Vec<_>>().join(", ")
            ),
            unreadable: false,
        });
    }
    Series {
        uid,
        modality: entries[0].modality.clone(),
        frame_of_reference: entries.iter().find_map(|e| e.frame.clone()),
        instances: entries.into_iter().map(|e| e.instance).collect(),
    }
}

fn entry(source: Source, opened: &Opened) -> Result<Option<Entry>> {
    let fields = opened.fields();
    if fields.text(tags::SOP_CLASS_UID).as_deref() == Some(uids::MEDIA_STORAGE_DIRECTORY_STORAGE)
        || fields.has(tags::DIRECTORY_RECORD_SEQUENCE)
    {
        return Ok(None);
    }
    let modality = fields.need_text(tags::MODALITY)?;
    let references = match modality.as_str() {
        "RTSTRUCT" => Some(structure_set(&fields)?),
        "SEG" => Some(segmentation(&fields)?),
        _ => None,
    };
    Ok(Some(Entry {
        patient: PatientKey::read(&fields),
        study: fields.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        series: fields.need_text(tags::SERIES_INSTANCE_UID)?,
        frame: fields.text(tags::FRAME_OF_REFERENCE_UID),
        instance: Instance {
            sop_instance: fields.need_text(tags::SOP_INSTANCE_UID)?,
            source,
            localizer: modality == "CT" && header::is_localizer(&fields),
            references: references.map(Arc::new),
        },
        modality,
    }))
}

/// PS3.3, C.8.8.5.
fn structure_set(fields: &Fields<'_>) -> Result<References> {
    let mut references = References::default();
    for frame in fields.items(tags::REFERENCED_FRAME_OF_REFERENCE_SEQUENCE) {
        references.frames.extend(frame.text(tags::FRAME_OF_REFERENCE_UID));
        for study in frame.items(tags::RT_REFERENCED_STUDY_SEQUENCE) {
            for series in study.items(tags::RT_REFERENCED_SERIES_SEQUENCE) {
                references.series.extend(series.text(tags::SERIES_INSTANCE_UID));
                let images = series.items(tags::CONTOUR_IMAGE_SEQUENCE);
                references
                    .instances
                    .extend(images.filter_map(|i| i.text(tags::REFERENCED_SOP_INSTANCE_UID)));
            }
        }
    }
    for roi in fields.items(tags::STRUCTURE_SET_ROI_SEQUENCE) {
        references.frames.extend(roi.text(tags::REFERENCED_FRAME_OF_REFERENCE_UID));
        let number = roi.integer(tags::ROI_NUMBER)?.ok_or_else(|| roi.missing(tags::ROI_NUMBER))?;
        references.regions.push((number, roi.text(tags::ROI_NAME).unwrap_or_default()));
    }
    Ok(references)
}

/// PS3.3, C.8.20.2.
fn segmentation(fields: &Fields<'_>) -> Result<References> {
    let mut references = References::default();
    for series in fields.items(tags::REFERENCED_SERIES_SEQUENCE) {
        references.series.extend(series.text(tags::SERIES_INSTANCE_UID));
        let images = series.items(tags::REFERENCED_INSTANCE_SEQUENCE);
        references
            .instances
            .extend(images.filter_map(|i| i.text(tags::REFERENCED_SOP_INSTANCE_UID)));
    }
    references.frames.extend(fields.text(tags::FRAME_OF_REFERENCE_UID));
    for segment in fields.items(tags::SEGMENT_SEQUENCE) {
        let number = segment
            .integer(tags::SEGMENT_NUMBER)?
            .ok_or_else(|| segment.missing(tags::SEGMENT_NUMBER))?;
        references.regions.push((number, segment.text(tags::SEGMENT_LABEL).unwrap_or_default()));
    }
    Ok(references)
}
