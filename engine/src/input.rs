//! Opening what is to be read: a file, and for text also what a shell hands over in place of one.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// The longest text that is read whole: settings, models and configurations have some kilobytes, a
/// model with many draws of its coefficients some megabytes.
const MAX_TEXT: u64 = 64 << 20;

/// Bytes of the longest record of a table: a file that is no table may have no line's end at all.
const MAX_RECORD: u64 = 64 << 20;

/// A reader of a table that fails where a record does not end.
#[derive(Debug)]
pub struct Bounded<R> {
    reader: R,
    /// Bytes since the last record.
    of_record: u64,
}

impl<R> Bounded<R> {
    /// A record of what `reader` holds has at most 64 MiB.
    pub fn new(reader: R) -> Self {
        Self { reader, of_record: 0 }
    }

    /// A record has ended.
    pub fn next_record(&mut self) {
        self.of_record = 0;
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.of_record > MAX_RECORD {
            let problem =
                format!("has a line of more than {} MiB; is it another file?", MAX_RECORD >> 20);
            return Err(io::Error::other(problem));
        }
        let read = self.reader.read(buffer)?;
        self.of_record += read as u64;
        Ok(read)
    }
}

/// Opens a file.
///
/// # Errors
/// [`Error::Io`] if it cannot be opened; [`Error::BadData`] if it is a folder, or a pipe, a device or
/// a socket, which could be waited for without end.
pub fn open(path: &Path) -> Result<File> {
    // Asked before opening: to open a pipe is to wait for who writes to it.
    check(path, &std::fs::metadata(path).map_err(|e| Error::io(path, e))?)?;
    File::open(path).map_err(|e| Error::io(path, e))
}

/// Opens a file, or an open descriptor of this process by its name (`/dev/stdin`, `/dev/fd/63`): to
/// those a shell has connected a writer, as in `<(command)`.
///
/// # Errors
/// As [`open`].
pub fn open_text(path: &Path) -> Result<File> {
    if is_descriptor(path) {
        return File::open(path).map_err(|e| Error::io(path, e));
    }
    open(path)
}

/// Reads a text file as [`open_text`] opens it.
///
/// # Errors
/// As [`open_text`]; also [`Error::Io`] for what is not UTF-8, and [`Error::TooBig`] beyond 64 MiB.
pub fn read_text(path: &Path) -> Result<String> {
    let mut text = String::new();
    let mut file = open_text(path)?.take(MAX_TEXT + 1);
    file.read_to_string(&mut text).map_err(|e| Error::io(path, e))?;
    if text.len() as u64 > MAX_TEXT {
        let problem =
            format!("holds more than {} MiB of text; is it another file?", MAX_TEXT >> 20);
        return Err(Error::too_big(problem).with_path(path));
    }
    Ok(text)
}

/// # Errors
/// It is no regular file.
fn check(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    if metadata.is_dir() {
        return Err(Error::bad_data(path, "is a folder; name a file"));
    }
    let kind = special(metadata.file_type());
    Err(Error::bad_data(
        path,
        format!("is {kind} and no file; copy its content to one and name that"),
    ))
}

/// What something that is neither file nor folder is called.
#[cfg(unix)]
pub(crate) fn special(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match () {
        () if kind.is_fifo() => "a pipe (FIFO)",
        () if kind.is_socket() => "a socket",
        () if kind.is_char_device() || kind.is_block_device() => "a device",
        () => "something else",
    }
}

#[cfg(not(unix))]
pub(crate) fn special(_kind: FileType) -> &'static str {
    "a device"
}

fn is_descriptor(path: &Path) -> bool {
    cfg!(unix)
        && (path == Path::new("/dev/stdin")
            || path.starts_with("/dev/fd")
            || path.starts_with("/proc/self/fd"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn devices_and_folders_are_named() {
        for (path, kind) in [("/dev/null", "a device"), ("/", "a folder")] {
            for problem in [open(path.as_ref()).err(), read_text(path.as_ref()).err()] {
                let problem = problem.expect("refused").to_string();
                assert!(problem.contains(kind) && problem.contains(path), "{problem}");
            }
        }
    }

    #[test]
    fn a_text_without_end_is_not_read_to_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long.toml");
        let file = File::create(&path).expect("created");
        file.set_len(MAX_TEXT + 1).expect("room for a hole");
        let problem = read_text(&path).expect_err("too long");
        assert!(matches!(problem, Error::TooBig { .. }), "{problem}");
    }
}
