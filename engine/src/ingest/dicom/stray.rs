//! Files that may be slices of a series and do not say so: empty, cut off, not to be opened, or
//! without the elements that tell where a file belongs.
//!
//! Such a file counts to the series among whose files it lies, unless its own name or content shows
//! that it is something else: an export is full of viewers, texts, pictures and directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dicom_dictionary_std::uids;

use super::source::Source;
use crate::error::Message;

/// A file that is in no series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stray {
    pub(super) source: Source,
    /// What is wrong with it.
    pub(super) problem: Message,
    pub(super) content: Content,
    pub(super) said: Said,
}

/// What a file's first bytes show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Content {
    /// DICOM, damaged or incomplete.
    Dicom,
    /// Nothing: it is empty or cannot be opened.
    Unseen,
    /// No text and no format that is known.
    Unknown,
    /// A text, a picture, a program and the like.
    Foreign,
}

/// What a damaged file still says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) sop_class: Option<String>,
    pub(super) sop_instance: Option<String>,
    pub(super) modality: Option<String>,
    pub(super) series: Option<String>,
}

impl Said {
    /// Whether it may be a slice of a CT.
    fn may_be_ct(&self) -> bool {
        const CT: [&str; 3] = [
            uids::CT_IMAGE_STORAGE,
            uids::ENHANCED_CT_IMAGE_STORAGE,
            uids::LEGACY_CONVERTED_ENHANCED_CT_IMAGE_STORAGE,
        ];
        let class = self.sop_class.as_deref();
        let modality = self.modality.as_deref();
        class.is_some_and(|class| CT.contains(&class))
            || modality == Some("CT")
            || (class.is_none() && modality.is_none())
    }
}

impl Content {
    /// What bytes that are no DICOM look like.
    pub(super) fn of(bytes: &[u8]) -> Self {
        const KNOWN: [&[u8]; 16] = [
            b"%PDF",
            b"\x89PNG",
            b"\xFF\xD8\xFF",
            b"GIF8",
            b"BM",
            b"II*\0",
            b"MM\0*",
            b"MZ",
            b"\x7FELF",
            b"\xCA\xFE\xBA\xBE",
            b"PK",
            b"\x1F\x8B",
            b"SQLite",
            // Compound files (Thumbs.db, Office), and what macOS puts beside every file.
            b"\xD0\xCF\x11\xE0",
            b"\0\x05\x16\x07",
            b"\0\0\0\x01Bud1",
        ];
        if bytes.is_empty() {
            return Self::Unseen;
        }
        let head = &bytes[..bytes.len().min(512)];
        let is_text = head.iter().all(|b| *b >= 0x20 || b.is_ascii_whitespace());
        if is_text || KNOWN.iter().any(|known| bytes.starts_with(known)) {
            return Self::Foreign;
        }
        Self::Unknown
    }
}

/// Extensions by which a file says that it is DICOM.
const DICOM: [&str; 5] = ["dcm", "dicom", "dic", "ima", "dc3"];
/// Extensions of what else an export holds.
const FOREIGN: [&str; 57] = [
    "7z", "avi", "bat", "bmp", "chm", "class", "cfg", "conf", "css", "csv", "db", "dll", "doc",
    "docx", "exe", "gif", "gz", "hlp", "htm", "html", "ico", "inf", "ini", "jar", "jpeg", "jpg",
    "js", "json", "lnk", "log", "md", "md5", "mha", "mhd", "mp4", "mpg", "nii", "nrrd", "pdf",
    "png", "ppt", "pptx", "py", "rtf", "sh", "sha256", "svg", "tar", "tif", "tiff", "tmp", "tsv",
    "txt", "xls", "xlsx", "xml", "zip",
];
/// Names without an extension that media and archives have.
const FOREIGN_NAMES: [&str; 9] = [
    "dicomdir",
    "lockfile",
    "version",
    "readme",
    "license",
    "licence",
    "changes",
    "changelog",
    "manifest",
];

/// A file's name as far as the files of one series share it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    /// In lower case, every number (or UID) replaced.
    shape: String,
    /// Empty where the name has none.
    extension: String,
}

impl Pattern {
    fn of(name: &str) -> Self {
        let name = name.to_lowercase();
        let extension = match name.rsplit_once('.') {
            Some((stem, last)) if !stem.is_empty() && !last.bytes().all(|b| b.is_ascii_digit()) => {
                last.to_owned()
            }
            _ => String::new(),
        };
        let mut shape = String::new();
        for c in name.chars() {
            if !c.is_ascii_digit() {
                shape.push(c);
            } else if shape.ends_with("#.") {
                shape.pop();
            } else if !shape.ends_with('#') {
                shape.push('#');
            }
        }
        Self { shape, extension }
    }

    fn is_dicom(&self) -> bool {
        DICOM.contains(&self.extension.as_str())
    }
}

/// The files of one series: their folders, and what they are called.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    places: BTreeSet<Place>,
    shapes: BTreeSet<String>,
    extensions: BTreeSet<String>,
}

/// An archive, if any, and the folder (in it).
pub(super) type Place = (Option<PathBuf>, PathBuf);

impl Neighbours {
    /// Adds a file of the series.
    pub(super) fn add(&mut self, source: &Source) {
        let pattern = Pattern::of(&name(source));
        self.places.insert(place(source));
        self.shapes.insert(pattern.shape);
        self.extensions.insert(pattern.extension);
    }

    /// Adds a folder that has a link to a file of the series.
    pub(super) fn add_folder(&mut self, folder: &Path) {
        self.places.insert((None, folder.to_owned()));
    }

    /// Whether a file lies in a folder of the series.
    pub(super) fn are_beside(&self, source: &Source) -> bool {
        self.places.contains(&place(source))
    }
}

/// All strays of a catalogue.
#[derive(Clone, Debug, Default)]
pub(super) struct Strays {
    /// Those that name their series, by its UID.
    by_series: BTreeMap<String, Vec<Stray>>,
    by_place: BTreeMap<Place, Vec<Stray>>,
}

impl Strays {
    /// Puts them in an order that does not depend on the file system's.
    pub(super) fn new(mut strays: Vec<Stray>) -> Self {
        strays.sort();
        let mut all = Self::default();
        for stray in strays {
            let list = match &stray.said.series {
                Some(uid) => all.by_series.entry(uid.clone()).or_default(),
                None => all.by_place.entry(place(&stray.source)).or_default(),
            };
            list.push(stray);
        }
        all
    }

    /// Those that may be slices of the CT series `uid` with these files.
    pub(super) fn of<'a>(
        &'a self,
        uid: &str,
        neighbours: &'a Neighbours,
    ) -> impl Iterator<Item = &'a Stray> {
        let named = self.by_series.get(uid).into_iter().flatten();
        let beside = neighbours.places.iter().filter_map(|place| self.by_place.get(place));
        let beside = beside.flatten().filter(|stray| stray.looks_like(neighbours));
        named.chain(beside).filter(|stray| stray.said.may_be_ct())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stray> {
        self.by_series.values().chain(self.by_place.values()).flatten()
    }
}

impl Stray {
    /// Whether a file that is no DICOM can be one that was damaged; what cannot is not kept.
    pub(super) fn is_possible(source: &Source) -> bool {
        let name = name(source).to_lowercase();
        let pattern = Pattern::of(&name);
        !name.starts_with('.')
            && !FOREIGN.contains(&pattern.extension.as_str())
            && !FOREIGN_NAMES.contains(&name.as_str())
    }

    /// Whether it is DICOM by its content or its name.
    pub(super) fn is_dicom(&self) -> bool {
        match self.content {
            Content::Dicom => name(&self.source).to_lowercase() != "dicomdir",
            _ => Self::is_possible(&self.source) && Pattern::of(&name(&self.source)).is_dicom(),
        }
    }

    fn looks_like(&self, neighbours: &Neighbours) -> bool {
        if self.is_dicom() {
            return true;
        }
        if self.content == Content::Dicom || !Self::is_possible(&self.source) {
            return false;
        }
        let pattern = Pattern::of(&name(&self.source));
        neighbours.shapes.contains(&pattern.shape)
            || (self.content != Content::Foreign
                && neighbours.extensions.contains(&pattern.extension))
    }
}

fn name(source: &Source) -> String {
    let path = source.display();
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Where a file lies.
pub(super) fn place(source: &Source) -> Place {
    let folder = |path: &Path| path.parent().map(Path::to_owned).unwrap_or_default();
    match &source.member {
        None => (None, folder(&source.file)),
        Some(member) => (Some(source.file.clone()), folder(Path::new(&member.name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_uids_are_what_names_of_one_series_differ_in() {
        for (a, b) in [
            ("IM0001", "im17"),
            ("1.2.840.113619.2.55.3", "1.2.840.113619.2.55.3.44"),
            ("CT.1.2.840.5.dcm", "CT.1.2.840.5.12.dcm"),
            ("1-001.dcm", "1-117.DCM"),
        ] {
            assert_eq!(Pattern::of(a), Pattern::of(b));
        }
        assert_eq!(Pattern::of("1.2.840").extension, "");
        assert_ne!(Pattern::of("readme"), Pattern::of("im0001"));
    }

    #[test]
    fn what_lies_among_slices_is_one_of_them_by_its_name_and_content() {
        let mut neighbours = Neighbours::default();
        neighbours.add(&Source::file("exam/IM0001"));
        let belongs = |path: &str, content: Content| {
            let source = Source::file(path);
            let (problem, said) = (Message::default(), Said::default());
            let strays = Strays::new(vec![Stray { source, problem, content, said }]);
            strays.of("1.2", &neighbours).count() == 1
        };
        for path in ["exam/IM0002", "exam/A7F3", "exam/x.dcm"] {
            assert!(belongs(path, Content::Unseen), "{path}");
            assert!(belongs(path, Content::Unknown), "{path}");
        }
        assert!(belongs("exam/IM0002", Content::Foreign), "an error page in place of a slice");
        assert!(belongs("exam/what.ever", Content::Dicom));
        for path in ["other/IM0002", "exam/notes.txt", "exam/.DS_Store", "exam/._IM0001"] {
            assert!(!belongs(path, Content::Unseen), "{path}");
        }
        for path in ["exam/DICOMDIR", "exam/Thumbs.db", "exam/LICENSE", "exam/AUTHORS"] {
            assert!(!belongs(path, Content::Foreign), "{path}");
        }
        assert!(!belongs("exam/DICOMDIR", Content::Dicom));
    }

    #[test]
    fn content_is_known_by_its_first_bytes() {
        assert_eq!(Content::of(b""), Content::Unseen);
        assert_eq!(Content::of("Gr\u{fc}\u{df}e\n".as_bytes()), Content::Foreign);
        assert_eq!(Content::of(b"\xD0\xCF\x11\xE0\xA1\xB1"), Content::Foreign);
        assert_eq!(Content::of(&[0; 300]), Content::Unknown);
    }
}
