//! A zip archive, whose directory is read once, however many of its members are.
//!
//! Members are inflated into memory and never written to disk, so that their names cannot lead
//! anywhere.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ingest::open_file::{Readable, State};
use crate::input;

/// The largest member that is inflated; the largest enhanced CT reach about 1 GiB.
const MAX_MEMBER: u64 = 2 << 30;
/// A large member may be this many times larger than its bytes in the archive: an empty CT slice reaches
/// about 200, an archive bomb the 1032 of deflate.
const MAX_RATIO: u64 = 500;
/// A member of up to this size may be compressed to any degree, as a sparse segmentation is.
const SMALL_MEMBER: u64 = 128 << 20;
/// Members of one archive.
const MAX_MEMBERS: usize = 1_000_000;

/// An archive. Its file is open only while a member is read: an export may be thousands of archives.
pub(super) struct Archive {
    directory: zip::ZipArchive<Reopened>,
}

/// What the directory says of a member.
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    File,
    Folder,
    /// A link, or a folder with content.
    Other,
    /// Its entry is damaged.
    Damaged(Error),
}

impl Archive {
    /// Reads the directory.
    ///
    /// # Errors
    /// The file cannot be read, is no zip archive, has too many members, or two of one name.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = Reopened::first(path)?;
        let directory = zip::ZipArchive::new(file).map_err(|e| damaged(path, &e))?;
        if directory.len() > MAX_MEMBERS {
            return Err(Error::too_big(format!(
                "has {} members; abscope looks at up to {MAX_MEMBERS}",
                directory.len()
            ))
            .with_path(path));
        }
        if directory.has_duplicate_names() {
            return Err(Error::bad_data(
                path,
                "names a member twice, and only one of the two can be read; extract the archive first",
            ));
        }
        // Its file is closed: each reader opens it again.
        Ok(Self { directory: directory.clone() })
    }

    /// What its directory says of its members, in order.
    pub(super) fn members(&self, path: &Path) -> impl Iterator<Item = Listed> {
        let mut directory = self.directory.clone();
        let path = path.to_owned();
        (0..directory.len()).map(move |index| {
            let called =
                directory.name_for_index(index).and_then(|name| Some(name.ok()?.into_owned()));
            let member = match directory.by_index_raw(index) {
                Ok(member) => member,
                Err(e) => {
                    let name = called.unwrap_or_else(|| format!("member {}", index + 1));
                    let error = damaged(&path.join(&name), &e);
                    return Listed { name, kind: Kind::Damaged(error) };
                }
            };
            let name = match member.name() {
                Ok(name) => name.into_owned(),
                Err(_) => String::from_utf8_lossy(member.name_raw()).into_owned(),
            };
            let kind = match (member.is_dir() && member.size() == 0, member.is_file()) {
                (true, _) => Kind::Folder,
                (_, true) => Kind::File,
                _ => Kind::Other,
            };
            Listed { name, kind }
        })
    }

    /// The bytes of a member. `shown` names it in errors.
    ///
    /// # Errors
    /// The archive has changed; the member is damaged, holds more than the directory promises, or is
    /// beyond the limits.
    pub(super) fn read(&self, index: usize, shown: &Path) -> Result<Vec<u8>> {
        let mut directory = self.directory.clone();
        let mut member = directory.by_index(index).map_err(|e| damaged(shown, &e))?;
        let (promised, compressed) = (member.size(), member.compressed_size());
        let allowed = compressed.saturating_mul(MAX_RATIO).clamp(SMALL_MEMBER, MAX_MEMBER);
        if promised > allowed {
            return Err(Error::too_big(format!(
                "its {compressed} bytes inflate to {promised}, and {allowed} are read; extract the \
                 archive first if it is sound"
            ))
            .with_path(shown));
        }
        let mut out = Vec::new();
        // The decoder stops where a member goes on beyond what was promised, and compares the checksum.
        member.read_to_end(&mut out).map_err(|e| {
            Error::bad_data(
                shown,
                format!(
                    "the archive is damaged here: its directory promises {promised} bytes ({e}); fetch \
                     it again"
                ),
            )
        })?;
        Ok(out)
    }
}

fn damaged(path: &Path, problem: &zip::result::ZipError) -> Error {
    Error::bad_data(path, format!("cannot be read as a zip archive ({problem})"))
}

/// A file that is opened when it is read. A copy opens it for itself, and only if it still is what it
/// was.
struct Reopened {
    path: Arc<Path>,
    state: State,
    file: Option<BufReader<File>>,
    /// Where reading begins once it is open.
    at: u64,
}

impl Reopened {
    fn first(path: &Path) -> Result<Self> {
        let file = input::open(path)?;
        let state = file.state().map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.into(), state, file: Some(BufReader::new(file)), at: 0 })
    }

    fn opened(&mut self) -> io::Result<&mut BufReader<File>> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut file =
                    input::open(&self.path).map_err(|e| io::Error::other(e.problem()))?;
                if file.state()? != self.state {
                    let problem = "the archive has changed since its directory was read; try again \
                                   once it is written to its end";
                    return Err(io::Error::other(problem));
                }
                file.seek(SeekFrom::Start(self.at))?;
                BufReader::new(file)
            }
        };
        Ok(self.file.insert(file))
    }
}

impl Clone for Reopened {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), state: self.state, file: None, at: 0 }
    }
}

impl Read for Reopened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.opened()?.read(buffer)
    }
}

impl Seek for Reopened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if let (None, SeekFrom::Start(at)) = (&self.file, to) {
            self.at = at;
            return Ok(at);
        }
        self.opened()?.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    fn zipped(folder: &Path, members: &[(&str, Vec<u8>)]) -> PathBuf {
        let path = folder.join("all.zip");
        let mut archive = zip::ZipWriter::new(File::create(&path).expect("made"));
        let options = zip::write::SimpleFileOptions::default().compression_level(Some(9));
        for (name, content) in members {
            archive.start_file(*name, options).expect("a member");
            archive.write_all(content).expect("written");
        }
        archive.finish().expect("finished");
        path
    }

    /// Where the directory of an archive begins (APPNOTE.TXT, 4.3.12).
    fn directory_of(bytes: &[u8]) -> usize {
        bytes.windows(4).position(|w| w == b"PK\x01\x02").expect("a directory")
    }

    fn overwritten(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let before = std::fs::metadata(path).and_then(|m| m.modified()).expect("a time");
        let mut bytes = std::fs::read(path).expect("there");
        change(&mut bytes);
        std::fs::write(path, bytes).expect("written");
        let file = File::options().write(true).open(path).expect("there");
        file.set_times(FileTimes::new().set_modified(before)).expect("its owner may set times");
    }

    /// Every member has its bytes, and the directory, which is no more, was not asked for them.
    #[test]
    fn the_directory_is_read_once_for_all_members() {
        let folder = tempfile::tempdir().expect("a folder");
        let names: Vec<String> = (0..50).map(|at| format!("slice {at}")).collect();
        let members: Vec<(&str, Vec<u8>)> =
            names.iter().map(|name| (name.as_str(), name.repeat(100).into_bytes())).collect();
        let path = zipped(folder.path(), &members);
        let archive = Archive::open(&path).expect("an archive");
        overwritten(&path, |bytes| {
            let from = directory_of(bytes);
            bytes[from..].fill(0);
        });
        for (index, (name, content)) in members.iter().enumerate() {
            assert!(archive.read(index, Path::new(name)).expect("reads") == *content, "{name}");
        }
        assert!(Archive::open(&path).is_err(), "there is no directory any more");
    }

    #[test]
    fn an_archive_that_has_changed_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = zipped(folder.path(), &[("a", vec![1; 100])]);
        let archive = Archive::open(&path).expect("an archive");
        std::fs::write(&path, b"other").expect("written");
        let told = archive.read(0, Path::new("a")).expect_err("changed").to_string();
        assert!(told.contains("has changed"), "{told}");
    }

    #[test]
    fn a_member_that_inflates_to_more_than_its_directory_says_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = zipped(folder.path(), &[("a", vec![7; 1 << 20])]);
        overwritten(&path, |bytes| {
            // Uncompressed size, byte 24 of an entry (APPNOTE.TXT, 4.3.12).
            let size = directory_of(bytes) + 24;
            assert_eq!(bytes[size..size + 4], (1u32 << 20).to_le_bytes());
            bytes[size..size + 4].copy_from_slice(&1000u32.to_le_bytes());
        });
        let archive = Archive::open(&path).expect("an archive");
        let told = archive.read(0, Path::new("a")).expect_err("more than promised").to_string();
        assert!(told.contains("promises 1000 bytes") && told.contains("fetch it again"), "{told}");
    }

    #[test]
    fn what_a_directory_promises_beyond_the_limits_is_not_inflated() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = zipped(folder.path(), &[("a", vec![7; 1 << 20])]);
        overwritten(&path, |bytes| {
            let size = directory_of(bytes) + 24;
            bytes[size..size + 4].copy_from_slice(&(3u32 << 30).to_le_bytes());
        });
        let archive = Archive::open(&path).expect("an archive");
        let told = archive.read(0, Path::new("a")).expect_err("too much").to_string();
        assert!(told.contains("3221225472") && told.contains("134217728 are read"), "{told}");
    }
}
