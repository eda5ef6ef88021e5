//! Looking through a folder or archive: each file's header once, and from what they say patients,
//! studies and series.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dicom_dictionary_std::{tags, uids};
use rayon::prelude::*;

use super::catalogue::{
    Catalogue, Instance, Part, Patient, Problem, References, Series, Study, UNNAMED,
};
use super::complete;
use super::dates::{self, Day};
use super::header;
use super::object::{self, Opened};
use super::parts::{self, Place};
use super::patient::{PatientKey, People, Person};
use super::source::{self, Source};
use super::stray::{self, Content, Said, Stray, Strays};
use super::tree::Tree;
use crate::error::{Error, Message, Result, private};
use crate::ingest::nifti;
use crate::ingest::open_file::OpenFile;
use crate::ingest::subject;
use crate::paths::shown;

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
                found.problems.push(Problem { file, problem: problem.into(), unreadable: true });
            }
            for (file, problem) in tree.unseen {
                found.unseen(Source::file(file), problem.into());
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
        let suspects: BTreeMap<PathBuf, Message> = complete::suspects(&catalogue)
            .into_iter()
            .filter(|(f, _)| !named.contains(f))
            .collect();
        for (file, problem) in suspects {
            let problem = format!("{}, and may be a slice of the CT beside it", problem.marked());
            catalogue.problems.push(Problem { file, problem: problem.into(), unreadable: true });
        }
        catalogue.problems.sort();
        Ok(catalogue)
    }
}

/// What one thread has found.
#[derive(Default)]
struct Found {
    instances: Vec<Entry>,
    /// CT files that name no series, and the error that would be.
    unnamed: Vec<(Entry, Error)>,
    nifti: Vec<PathBuf>,
    problems: Vec<Problem>,
    strays: Vec<Stray>,
    other_files: usize,
}

struct Entry {
    patient: PatientKey,
    person: Person,
    study: String,
    day: Option<Day>,
    series: String,
    description: Option<String>,
    modality: String,
    frame: Option<String>,
    place: Option<Place>,
    instance: Instance,
}

impl Found {
    fn and(mut self, mut other: Self) -> Self {
        self.instances.append(&mut other.instances);
        self.unnamed.append(&mut other.unnamed);
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
        if subject::is_nifti(path) && nifti::looks_like_nifti(&opened) {
            self.nifti.push(path.to_owned());
            return;
        }
        let source = Source::file(path);
        if !object::is_dicom(opened.head()) {
            return self.other(source, opened.head());
        }
        match object::up_to_pixels(opened) {
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
            Ok(Some(Named { entry, unnamed: None })) => self.instances.push(entry),
            Ok(Some(Named { entry, unnamed: Some(error) })) => self.unnamed.push((entry, error)),
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
    fn unseen(&mut self, source: Source, problem: Message) {
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
            let problem = if empty { "is empty" } else { "is not a DICOM file" }.into();
            self.strays.push(Stray { source, problem, content, said: Said::default() });
        }
    }

    fn catalogue(mut self) -> Catalogue {
        self.name_the_unnamed();
        let mut tree: BTreeMap<
            (PatientKey, Person),
            BTreeMap<String, BTreeMap<String, Vec<Entry>>>,
        > = BTreeMap::new();
        for entry in told_apart(self.instances, &mut self.problems) {
            let who = (entry.patient.clone(), entry.person.clone());
            let study = tree.entry(who).or_default().entry(entry.study.clone()).or_default();
            study.entry(entry.series.clone()).or_default().push(entry);
        }
        let mut owners: BTreeMap<&str, BTreeSet<(&PatientKey, &str)>> = BTreeMap::new();
        for ((patient, _), studies) in &tree {
            for (study, series) in studies {
                for uid in series.keys().filter(|uid| !uid.starts_with(UNNAMED)) {
                    owners.entry(uid).or_default().insert((patient, study));
                }
            }
        }
        let several = owners.iter().filter(|(_, owners)| owners.len() > 1);
        let of = |uid: &str| tree.values().flat_map(|s| s.values()).find_map(|s| s.get(uid));
        for (uid, owners) in several {
            let file = &of(uid).expect("a series has an owner")[0].instance.source;
            self.problems.push(Problem {
                file: file.display(),
                problem: format!(
                    "its series {} occurs in {} studies or patients; each was taken for a series of \
                     its own",
                    private(uid),
                    owners.len()
                )
                .into(),
                unreadable: false,
            });
        }
        let mut problems = self.problems;
        let patients = tree
            .into_iter()
            .map(|((key, person), studies)| Patient {
                key,
                person,
                studies: studies
                    .into_iter()
                    .map(|(uid, series)| Study {
                        uid,
                        day: series.values().flatten().filter_map(|entry| entry.day).min(),
                        series: series
                            .into_iter()
                            .flat_map(|(uid, entries)| volumes(&uid, entries, &mut problems))
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

    /// CT files without a SeriesInstanceUID: among files of a series they are slices of it, damaged; by
    /// themselves those of one study, frame of reference and SeriesNumber are a series.
    fn name_the_unnamed(&mut self) {
        let beside: BTreeSet<stray::Place> = self
            .instances
            .iter()
            .filter(|e| e.modality == "CT")
            .map(|e| stray::place(&e.instance.source))
            .collect();
        for (entry, error) in std::mem::take(&mut self.unnamed) {
            let Instance { source, sop_instance, .. } = &entry.instance;
            if beside.contains(&stray::place(source)) {
                let said = Said {
                    sop_class: None,
                    sop_instance: Some(sop_instance.clone()),
                    modality: Some(entry.modality),
                    series: None,
                };
                self.damaged(source.clone(), &error, said);
            } else {
                self.instances.push(entry);
            }
        }
    }
}

/// The files with the keys of their patients, people of one PatientID told apart.
fn told_apart(entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut files: BTreeMap<PatientKey, BTreeSet<(String, Person)>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.patient.id.is_empty()) {
        let said = (entry.study.clone(), entry.person.clone());
        files.entry(entry.patient.clone()).or_default().insert(said);
    }
    let people: BTreeMap<PatientKey, People> =
        files.into_iter().map(|(key, files)| (key, People::of(files))).collect();
    let mut told: BTreeSet<&PatientKey> = BTreeSet::new();
    let mut all = Vec::with_capacity(entries.len());
    for mut entry in entries {
        if let Some((shared, people)) = people.get_key_value(&entry.patient) {
            if people.len() > 1 && told.insert(shared) {
                problems.push(Problem {
                    file: entry.instance.source.display(),
                    problem: format!(
                        "its PatientID is that of {} people, whose birth dates, sexes or names differ; \
                         each was taken for a patient",
                        people.len()
                    )
                    .into(),
                    unreadable: false,
                });
            }
            (entry.patient, entry.person) = people.key(shared, &entry.study, &entry.person);
        } else {
            entry.person = Person::default();
        }
        all.push(entry);
    }
    all
}

/// The volumes of one series, of which each is a series here.
fn volumes(uid: &str, mut entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Vec<Series> {
    entries.sort_by(|a, b| a.instance.cmp(&b.instance));
    let files: Vec<(&str, Option<&Place>)> =
        entries.iter().map(|e| (e.instance.sop_instance.as_str(), e.place.as_ref())).collect();
    let Some(parts) = parts::divide(&files) else {
        return vec![gather(uid.to_owned(), entries, problems)];
    };
    let mut divided: BTreeMap<(usize, Part), Vec<Entry>> = BTreeMap::new();
    for (entry, part) in entries.into_iter().zip(parts) {
        // In the order of numbers, not of their digits.
        divided.entry((part.value.len(), part)).or_default().push(entry);
    }
    let series = |((_, part), entries)| {
        let series = gather(uid.to_owned(), entries, problems);
        Series { part: Some(part), ..series }
    };
    divided.into_iter().map(series).collect()
}

/// One series from its files, which are in order.
fn gather(uid: String, entries: Vec<Entry>, problems: &mut Vec<Problem>) -> Series {
    let copies = entries
        .windows(2)
        .filter(|w| w[0].instance.sop_instance == w[1].instance.sop_instance)
        .count();
    if copies > 0 {
        problems.push(Problem {
            file: entries[0].instance.source.display(),
            problem: format!(
                "its series {} has {copies} files of a SOPInstanceUID that another has",
                private(&uid)
            )
            .into(),
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
                "its series {} has files of several modalities: {}",
                private(&uid),
                modalities.into_keys().collect::<Vec<_>>().join(", ")
            )
            .into(),
            unreadable: false,
        });
    }
    if uid.starts_with(UNNAMED) {
        problems.push(Problem {
            file: entries[0].instance.source.display(),
            problem: format!(
                "has no SeriesInstanceUID; {} CT files of one study, frame of reference and \
                 SeriesNumber without one were taken for a series",
                entries.len()
            )
            .into(),
            unreadable: false,
        });
    }
    Series {
        uid,
        part: None,
        description: entries.iter().find_map(|e| e.description.clone()),
        modality,
        frame_of_reference: entries.iter().find_map(|e| e.frame.clone()),
        instances: entries.into_iter().map(|e| e.instance).collect(),
    }
}

/// What an error says of a file, without the file, with the way out.
fn said_of(path: &Path, error: &Error) -> Message {
    let message = error.message();
    let mut text = message.marked().to_owned();
    if let Some(other) = error.path().filter(|other| *other != path) {
        text.insert_str(0, &format!("{}: ", private(shown(other))));
    }
    text.extend(error.remedy().map(|remedy| format!("; {remedy}")));
    text.into()
}

/// A file of a series.
struct Named {
    entry: Entry,
    /// Why it does not say of which, though it is a CT.
    unnamed: Option<Error>,
}

/// What a file is; `None` for a directory of files.
fn entry(source: Source, opened: &Opened) -> Result<Option<Named>> {
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
    let is_ct = modality == "CT";
    let localizer = is_ct && header::is_localizer(&fields);
    let frame = fields.text(tags::FRAME_OF_REFERENCE_UID);
    let (series, unnamed) = match fields.need_text(tags::SERIES_INSTANCE_UID) {
        Ok(uid) => (uid, None),
        Err(error) if is_ct => {
            let number = fields.text(tags::SERIES_NUMBER).unwrap_or_default();
            let frame = frame.as_deref().unwrap_or_default();
            (format!("{UNNAMED} {number} {frame}").trim_end().to_owned(), Some(error))
        }
        Err(error) => return Err(error),
    };
    let entry = Entry {
        patient: PatientKey::read(&fields),
        person: Person::read(&fields),
        study: fields.text(tags::STUDY_INSTANCE_UID).unwrap_or_default(),
        day: dates::day(&fields, &[tags::STUDY_DATE, tags::SERIES_DATE, tags::ACQUISITION_DATE]),
        series,
        description: fields.text(tags::SERIES_DESCRIPTION),
        frame,
        place: (is_ct && !localizer).then(|| Place::read(&fields)).flatten(),
        instance: Instance {
            sop_instance: fields.need_text(tags::SOP_INSTANCE_UID)?,
            source,
            localizer,
            references: references.map(Arc::new),
        },
        modality,
    };
    Ok(Some(Named { entry, unnamed }))
}
