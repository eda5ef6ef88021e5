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

use super::complete;
use super::header::{self, Acquisition};
use super::object::{self, Opened};
pub use super::references::References;
use super::series::PatientKey;
use super::source::{self, Source};
use super::stray::{Content, Said, Stray, Strays};
use super::tree::Tree;
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
    /// Files that may be slices and do not say so.
    strays: Strays,
    /// Folders with a symbolic link to a file that is called by another path.
    links: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
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
        let mut found = Found::default();
        let mut links = BTreeMap::new();
        let files = if path.is_dir() {
            let tree = Tree::below(path)?;
            for (file, problem) in tree.closed {
                found.problems.push(Problem { file, problem, unreadable: true });
            }
            for (file, problem) in tree.unseen {
                found.unseen(Source::file(file), problem);
            }
            links = tree.links;
            tree.files
        } else {
            OpenFile::open(path)?;
            vec![path.to_owned()]
        };
        let looked = files
            .into_par_iter()
            .fold(Found::default, |mut found, file| {
                found.look(&file);
                found
            })
            .reduce(Found::default, Found::and);
        let mut catalogue = Self { links, ..found.and(looked).catalogue() };
        let named: BTreeSet<PathBuf> = catalogue.problems.iter().map(|p| p.file.clone()).collect();
        let suspects: BTreeMap<PathBuf, String> = complete::suspects(&catalogue)
            .into_iter()
            .filter(|(f, _)| !named.contains(f))
            .collect();
        for (file, problem) in suspects {
            let problem = format!("{problem}, and may be a slice of the CT beside it");
            catalogue.problems.push(Problem { file, problem, unreadable: true });
        }
        catalogue.problems.sort();
        Ok(catalogue)
    }

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
                let mut lists = references.images.values();
                lists.any(|list| s.instances.iter().any(|i| list.contains(&i.sop_instance)))
            });
        }
        // A reference to a series that is not here must not end at another reconstruction of the
        // same scan; only where there is no such reference, the frame of reference decides.
        if candidates.is_empty() && references.series.is_empty() && references.images.is_empty() {
            candidates = those(&|s| {
                s.frame_of_reference.as_ref().is_some_and(|f| references.frames.contains(f))
            });
        }
        // UIDs are unique in the world, so that the patient need not agree; where a damaged export
        // has a UID twice, the patient decides.
        if candidates.len() > 1 {
            candidates.retain(|(p, _)| p.key == *patient);
        }
        let mut candidates: Vec<&Series> = candidates.into_iter().map(|(_, s)| s).collect();
        // Files of one series and folder that name another study are its slices, damaged: whether it
        // can be measured without them is looked at later.
        if let Some(largest) = candidates.iter().copied().max_by_key(|s| s.instances.len()) {
            candidates.retain(|s| {
                let own = std::ptr::eq(*s, largest);
                own || s.uid != largest.uid || !complete::lies_among(self, s, largest)
            });
        }
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
    strays: Vec<Stray>,
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
        self.strays.append(&mut other.strays);
        self.other_files += other.other_files;
        self
    }

    fn look(&mut self, path: &Path) {
        let opened = match OpenFile::open(path) {
            Ok(opened) => opened,
            Err(e) => return self.unseen(Source::file(path), said_of(path, &e)),
        };
        if source::is_zip(opened.head()) {
            let visited = source::for_each_member(path, |source, bytes| match bytes {
                Ok(bytes) if source::is_zip(&bytes) => self.problems.push(Problem {
                    file: source.display(),
                    problem: "is an archive within an archive and was not looked into".into(),
                    unreadable: true,
                }),
                Ok(bytes) => self.file(source, Arc::new(bytes)),
                Err(e) => {
                    let problem = said_of(&source.display(), &e);
                    self.unseen(source, problem);
                }
            });
            if let Err(e) = visited {
                let (file, problem) = (path.to_owned(), said_of(path, &e));
                self.problems.push(Problem { file, problem, unreadable: true });
            }
            return;
        }
        let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
        if (name.ends_with(".nii") || name.ends_with(".nii.gz")) && nifti::looks_like_nifti(&opened)
        {
            self.nifti.push(path.to_owned());
            return;
        }
        let source = Source::file(path);
        if !object::is_dicom(opened.head()) {
            return self.other(source, opened.head());
        }
        match opened.whole() {
            Ok(bytes) => self.file(source, Arc::new(bytes)),
            Err(e) => self.unseen(source, said_of(path, &e)),
        }
    }

    fn file(&mut self, source: Source, bytes: object::Bytes) {
        let path = source.display();
        let opened = match object::open_bytes(&path, bytes.clone(), false) {
            Ok(None) => return self.other(source, (*bytes).as_ref()),
            Ok(Some(opened)) => opened,
            Err(e) => {
                let said = object::glimpse((*bytes).as_ref());
                return self.damaged(source, &e, said);
            }
        };
        match entry(source.clone(), &opened) {
            Ok(Some(entry)) => self.instances.push(entry),
            Ok(None) => self.other_files += 1,
            Err(e) => {
                let fields = opened.fields();
                let said = Said {
                    sop_class: fields.text(tags::SOP_CLASS_UID),
                    sop_instance: fields.text(tags::SOP_INSTANCE_UID),
                    modality: fields.text(tags::MODALITY),
                    series: fields.text(tags::SERIES_INSTANCE_UID),
                };
                self.damaged(source, &e, said);
            }
        }
    }

    /// A file of which nothing could be read.
    fn unseen(&mut self, source: Source, problem: String) {
        self.problems.push(Problem {
            file: source.display(),
            problem: problem.clone(),
            unreadable: true,
        });
        if Stray::is_possible(&source) {
            let said = Said::default();
            self.strays.push(Stray { source, problem, content: Content::Unseen, said });
        }
    }

    /// A DICOM file that is in no series.
    fn damaged(&mut self, source: Source, error: &Error, said: Said) {
        let file = source.display();
        let problem = said_of(&file, error);
        self.problems.push(Problem { file, problem: problem.clone(), unreadable: true });
        self.strays.push(Stray { source, problem, content: Content::Dicom, said });
    }

    /// A file that is no DICOM.
    fn other(&mut self, source: Source, bytes: &[u8]) {
        self.other_files += 1;
        if Stray::is_possible(&source) {
            let content = Content::of(bytes);
            let empty = content == Content::Unseen;
            let problem = if empty { "is empty" } else { "is not a DICOM file" }.to_owned();
            self.strays.push(Stray { source, problem, content, said: Said::default() });
        }
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
        Catalogue {
            patients,
            nifti: self.nifti,
            problems,
            other_files: self.other_files,
            strays: Strays::new(self.strays),
            links: BTreeMap::new(),
        }
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
    let mut modalities: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in &entries {
        *modalities.entry(&entry.modality).or_default() += 1;
    }
    // One file with another modality must not hide what the series is.
    let modality = modalities.iter().max_by_key(|(_, files)| **files);
    let modality = modality.map(|(modality, _)| (*modality).to_owned()).unwrap_or_default();
    if modalities.len() > 1 {
        problems.push(Problem {
            file: entries[0].instance.source.display(),
            problem: format!(
                "its series {uid} has files of several modalities: {}",
                modalities.into_keys().collect::<Vec<_>>().join(", ")
            ),
            unreadable: false,
        });
    }
    Series {
        uid,
        modality,
        frame_of_reference: entries.iter().find_map(|e| e.frame.clone()),
        instances: entries.into_iter().map(|e| e.instance).collect(),
    }
}

/// What an error says of a file, without the file.
fn said_of(path: &Path, error: &Error) -> String {
    let text = error.to_string();
    let prefix = format!("{}: ", path.display());
    text.strip_prefix(&prefix).unwrap_or(&text).to_owned()
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
        "RTSTRUCT" => Some(References::of_structure_set(&fields)?),
        "SEG" => Some(References::of_segmentation(&fields)?),
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
