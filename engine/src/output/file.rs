//! A file that is there whole or not at all, and that is what it was but for its content.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, PersistError};

use super::parent;
use super::unfinished::{self, Entry};
use crate::error::{Error, Result};
use crate::paths::shown;

/// As many links in a row as Linux follows.
const MOST_LINKS: usize = 40;

/// How the name of a temporary file begins; so many letters and digits of chance follow.
const PREFIX: &str = ".tmp-abscope-";
const CHANCE: usize = 6;

/// Removes the temporary files that killed runs left in a folder, which no living run may be writing to.
///
/// # Errors
/// The folder cannot be read, or a file not removed.
pub fn remove_left_over(folder: &Path) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        entries => entries.map_err(|e| Error::io(folder, e))?,
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let chance = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let is_ours = chance.is_some_and(|c| {
            c.len() == CHANCE && c.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if is_ours && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::remove_file(entry.path()).map_err(|e| Error::io(entry.path(), e))?;
        }
    }
    Ok(())
}

/// A file under a temporary name next to its own, renamed when it is complete.
///
/// Creating it before the work starts makes a bad path fail at once; dropping it without
/// [`OutputFile::finish`] leaves nothing behind. Where the path is a link, its target is replaced. An
/// older file's mode and owner stay. A file that cannot be renamed to, since it is a mount point, gets
/// the content of the complete one. A device, a pipe or an open file of this process (`/dev/stdout`) is
/// written to as it is.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    Whole {
        /// The path, or what it is a link to.
        place: PathBuf,
        older: Option<Owned>,
        writer: BufWriter<NamedTempFile>,
        entry: Entry,
    },
    Stream(BufWriter<File>),
}

enum Target {
    File(PathBuf),
    Stream,
}

impl OutputFile {
    /// Opens the temporary file.
    ///
    /// # Errors
    /// The folder is not there or not writable, or the path is a folder or a file that cannot be
    /// written.
    pub fn create(path: &Path) -> Result<Self> {
        let names_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if path.is_dir() || names_folder {
            return Err(Error::bad_request(format!(
                "{}: is a folder; name a file to write",
                shown(path)
            )));
        }
        let sink = Sink::open(path).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), sink })
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    pub fn finish(self) -> Result<()> {
        let path = self.path;
        self.sink.finish().map_err(|e| Error::io(&path, e))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.sink {
            Sink::Whole { writer, .. } => writer.write(bytes),
            Sink::Stream(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.sink {
            Sink::Whole { writer, .. } => writer.flush(),
            Sink::Stream(writer) => writer.flush(),
        }
    }
}

impl Sink {
    fn open(path: &Path) -> io::Result<Self> {
        let place = match Target::of(path)? {
            Target::File(place) => place,
            // What `>>` opened is added to.
            Target::Stream => return Ok(Self::Stream(BufWriter::new(stream(path)?))),
        };
        let older = match place.symlink_metadata() {
            Ok(metadata) => {
                // Renaming would replace a file that its owner has protected.
                OpenOptions::new().write(true).open(&place)?;
                Some(Owned::of(&metadata))
            }
            Err(_) => None,
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(CHANCE);
        #[cfg(unix)]
        if older.is_none() {
            use std::os::unix::fs::PermissionsExt;
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        let (file, entry) = Entry::of(|| builder.tempfile_in(parent(&place)), NamedTempFile::path)?;
        Ok(Self::Whole { place, older, writer: BufWriter::new(file), entry })
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Whole { place, older, writer, entry } => {
                let file = writer.into_inner().map_err(|e| e.into_error())?;
                if let Some(older) = older {
                    older.give(file.path())?;
                }
                file.as_file().sync_all()?;
                let named = unfinished::undisturbed(|| give_name(file, &place, persist));
                drop(entry);
                named
            }
            Self::Stream(mut writer) => writer.flush(),
        }
    }
}

/// How a complete file gets its name.
type Persist = fn(NamedTempFile, &Path) -> Result<File, PersistError>;

fn persist(file: NamedTempFile, place: &Path) -> Result<File, PersistError> {
    file.persist(place)
}

fn give_name(file: NamedTempFile, place: &Path, persist: Persist) -> io::Result<()> {
    match persist(file, place) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == ErrorKind::ResourceBusy => {
            let mut to = OpenOptions::new().write(true).truncate(true).open(place)?;
            io::copy(&mut e.file.reopen()?, &mut to)?;
            to.sync_all()
        }
        Err(e) => Err(e.error),
    }
}

/// What is no file, open for writing.
fn stream(path: &Path) -> io::Result<File> {
    // The process's own are not opened again: a socket cannot be, and a file would be written to from
    // its start.
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let own = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().map(File::from);
        match path.to_str() {
            Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => {
                return own(io::stdout().as_fd());
            }
            Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => {
                return own(io::stderr().as_fd());
            }
            _ => {}
        }
    }
    // What `>>` opened is added to.
    OpenOptions::new().append(true).open(path)
}

impl Target {
    /// Follows links, also to where nothing is yet.
    fn of(path: &Path) -> io::Result<Self> {
        let mut place = path.to_owned();
        for _ in 0..MOST_LINKS {
            let metadata = match place.symlink_metadata() {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::File(place)),
                metadata => metadata?,
            };
            if metadata.is_file() {
                return Ok(Self::File(place));
            }
            if !metadata.is_symlink() || is_descriptor(&place) {
                return Ok(Self::Stream);
            }
            place = parent(&place).join(std::fs::read_link(&place)?);
        }
        Err(io::Error::other("too many links in a row"))
    }
}

/// Whether a link is an open file of a process, as `/dev/stdout` leads to.
fn is_descriptor(link: &Path) -> bool {
    let folder = parent(link).canonicalize();
    folder.is_ok_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

/// Whose a file or folder is, and who may do what with it.
#[derive(Debug)]
pub(super) struct Owned {
    #[cfg(unix)]
    mode: u32,
    #[cfg(unix)]
    owner: (u32, u32),
}

#[cfg(unix)]
impl Owned {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { mode: metadata.mode() & 0o7777, owner: (metadata.uid(), metadata.gid()) }
    }

    pub(super) fn give(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
        let metadata = path.symlink_metadata()?;
        if (metadata.uid(), metadata.gid()) != self.owner {
            // Only root may give files away; anybody else's replacement is his own.
            let _ = chown(path, Some(self.owner.0), Some(self.owner.1));
        }
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(self.mode))
    }
}

#[cfg(not(unix))]
impl Owned {
    pub(super) fn of(_metadata: &std::fs::Metadata) -> Self {
        Self {}
    }

    pub(super) fn give(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(path: &Path, text: &str) {
        let mut file = OutputFile::create(path).expect("writable");
        file.write_all(text.as_bytes()).expect("room");
        file.finish().expect("named");
    }

    #[test]
    fn what_killed_runs_left_goes_and_nothing_else() {
        let ground = tempfile::tempdir().expect("a folder");
        for name in [".tmp-mine", ".tmpABCDEF", ".tmp-abscope-notes", ".tmp-abscope-a_b-cd"] {
            std::fs::write(ground.path().join(name), "mine").expect("written");
        }
        let file = OutputFile::create(&ground.path().join("x")).expect("writable");
        let kept = |ground: &Path| std::fs::read_dir(ground).expect("there").count();
        assert_eq!(kept(ground.path()), 5);
        remove_left_over(ground.path()).expect("removed");
        assert_eq!(kept(ground.path()), 4);
        drop(file);
        remove_left_over(&ground.path().join("nowhere")).expect("nothing to remove");
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("there").permissions().mode() & 0o7777
    }

    #[test]
    fn links_stay_and_their_targets_are_replaced() {
        let ground = tempfile::tempdir().expect("a folder");
        let at = |name: &str| ground.path().join(name);
        std::fs::create_dir(at("store")).expect("made");
        std::fs::write(at("store/old"), "old").expect("written");
        for (link, target, real) in [
            ("absolute", at("store/old"), "store/old"),
            ("relative", "store/old".into(), "store/old"),
            ("chain", "relative".into(), "store/old"),
            ("dangling", "store/new".into(), "store/new"),
        ] {
            symlink(target, at(link)).expect("linked");
            write(&at(link), link);
            assert!(at(link).is_symlink(), "{link}");
            assert!(!at(real).is_symlink(), "{link}");
            assert_eq!(std::fs::read_to_string(at(real)).expect("there"), link);
        }
        symlink("loop", at("loop")).expect("linked");
        OutputFile::create(&at("loop")).expect_err("a link to itself");
        symlink("nowhere/x", at("lost")).expect("linked");
        OutputFile::create(&at("lost")).expect_err("a target without a folder");
        assert_eq!(std::fs::read_dir(at("store")).expect("there").count(), 2);
    }

    #[test]
    fn modes_stay_and_a_new_file_has_what_any_new_file_has() {
        let ground = tempfile::tempdir().expect("a folder");
        let at = |name: &str| ground.path().join(name);
        std::fs::write(at("plain"), "").expect("written");
        write(&at("new"), "new");
        assert_eq!(mode(&at("new")), mode(&at("plain")));
        for kept in [0o600, 0o640, 0o666, 0o700] {
            let permissions = std::fs::Permissions::from_mode(kept);
            std::fs::set_permissions(at("plain"), permissions).expect("its owner may");
            write(&at("plain"), "changed");
            assert_eq!(mode(&at("plain")), kept);
        }
    }

    #[test]
    fn a_mount_point_is_filled() {
        let ground = tempfile::tempdir().expect("a folder");
        let place = ground.path().join("mounted");
        std::fs::write(&place, "what was there, and is longer").expect("written");
        let mut file = NamedTempFile::new_in(ground.path()).expect("a file");
        file.write_all(b"new").expect("room");
        let busy: Persist =
            |file, _| Err(PersistError { error: ErrorKind::ResourceBusy.into(), file });
        give_name(file, &place, busy).expect("filled");
        assert_eq!(std::fs::read_to_string(&place).expect("there"), "new");
        assert_eq!(std::fs::read_dir(ground.path()).expect("there").count(), 1);
    }

    #[test]
    fn a_pipe_and_a_device_are_written_to() {
        let ground = tempfile::tempdir().expect("a folder");
        let pipe = ground.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                let mut text = String::new();
                File::open(pipe).and_then(|mut f| f.read_to_string(&mut text)).map(|_| text)
            })
        };
        write(&pipe, "through");
        assert_eq!(reader.join().expect("no panic").expect("read"), "through");
        assert!(!pipe.metadata().expect("there").is_file());

        write(Path::new("/dev/null"), "nothing");
        assert!(!Path::new("/dev/null").metadata().expect("there").is_file());
        let link = ground.path().join("link");
        symlink("/dev/null", &link).expect("linked");
        write(&link, "nothing");
        assert!(link.is_symlink());
    }
}
