//! Output that is there whole or not at all.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::error::{Error, Remedy, Result};

/// A file under a temporary name next to its own, renamed when it is complete.
///
/// Creating it before the work starts makes a bad path fail at once; dropping it without
/// [`OutputFile::finish`] leaves nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    writer: BufWriter<NamedTempFile>,
}

impl OutputFile {
    /// Opens the temporary file.
    ///
    /// # Errors
    /// The folder is not there or not writable, or the path is a folder.
    pub fn create(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Err(Error::bad_request(format!(
                "{}: is a folder; name a file to write",
                path.display()
            )));
        }
        let file = NamedTempFile::new_in(parent(path)).map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), writer: BufWriter::new(file) })
    }

    /// Gives the file its name, in place of an older one.
    ///
    /// # Errors
    /// The disk is full or the name cannot be given.
    pub fn finish(self) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        let file = self.writer.into_inner().map_err(|e| io(e.into_error()))?;
        file.as_file().sync_all().map_err(io)?;
        share(file.path(), 0o666).map_err(io)?;
        file.persist(&self.path).map_err(|e| io(e.error))?;
        Ok(())
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

/// A folder under a temporary name, renamed when it is complete.
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    replace: bool,
    folder: TempDir,
}

impl OutputFolder {
    /// Creates the temporary folder next to `path`.
    ///
    /// # Errors
    /// `path` is there already and not empty (unless `replace`), or its parent cannot be written.
    pub fn create(path: &Path, replace: bool) -> Result<Self> {
        let occupied = path.is_file()
            || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !(replace && path.is_dir()) {
            return Err(Error::bad_request("is there already")
                .with_path(path)
                .with_remedy(Remedy::ReplaceFolder));
        }
        let folder = tempfile::Builder::new()
            .prefix(".abscope-")
            .tempdir_in(parent(path))
            .map_err(|e| Error::io(path, e))?;
        Ok(Self { path: path.to_owned(), replace: occupied, folder })
    }

    /// Where a file of the folder is written for now.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    ///
    /// # Errors
    /// The disk is full or the file cannot be created.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        std::fs::write(self.file(name), bytes).map_err(|e| Error::io(self.path.join(name), e))
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// The name cannot be given.
    pub fn finish(self) -> Result<()> {
        let io = |e| Error::io(&self.path, e);
        share(self.folder.path(), 0o777).map_err(io)?;
        if self.replace {
            std::fs::remove_dir_all(&self.path).map_err(io)?;
        } else if self.path.is_dir() {
            std::fs::remove_dir(&self.path).map_err(io)?;
        }
        std::fs::rename(self.folder.path(), &self.path).map_err(io)?;
        // The folder has moved: there is nothing left for the guard to remove.
        let _ = self.folder.keep();
        Ok(())
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Temporary files are private to their owner; results get the usual permissions, less the umask.
#[cfg(unix)]
fn share(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // The umask can only be read by setting it, which is not safe with threads: a file made the
    // ordinary way next to it shows what it leaves.
    let probe = tempfile::Builder::new()
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    let allowed = probe.as_file().metadata()?.permissions().mode() & 0o666;
    let executable = (allowed & 0o444) >> 2;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & (allowed | executable)))
}

#[cfg(not(unix))]
fn share(_path: &Path, _mode: u32) -> std::io::Result<()> {
    Ok(())
}
