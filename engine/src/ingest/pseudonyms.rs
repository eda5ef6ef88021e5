//! Pseudonymous ids: a keyed hash of PatientID and its issuer, or of a file's [subject](super::subject).
//!
//! The same patient gets the same id in every run of one user, and nobody without the key can find
//! the patient by trying out all ids, as an unkeyed hash would allow (HMAC, RFC 2104).

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};

use hmac::{Hmac, Mac};
use rand::RngCore;
use sha2::Sha256;

use super::dicom::catalogue::PatientKey;
use crate::digest::hex;
use crate::error::{Error, Result};

/// The environment variable that names the key's file.
pub const KEY_FILE: &str = "ABSCOPE_KEY_FILE";
const KEY_BYTES: usize = 32;

/// Makes pseudonyms with one key.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; KEY_BYTES],
}

/// Without the key.
impl fmt::Debug for Pseudonyms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pseudonyms").finish_non_exhaustive()
    }
}

impl Pseudonyms {
    /// With a given key.
    pub fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// With the user's key: the file that `ABSCOPE_KEY_FILE` names, else `abscope/pseudonym.key` in
    /// the user's configuration folder (`XDG_CONFIG_HOME` or `~/.config`; `APPDATA` on Windows).
    /// The key is made at first use.
    ///
    /// # Errors
    /// There is no such folder, it cannot be written, or the file holds no key or can be read by others;
    /// the path is not absolute.
    pub fn of_user() -> Result<Self> {
        Self::of_file(&user_key()?)
    }

    /// With the user's key, which must be there and be the one of a [`Pseudonyms::fingerprint`].
    ///
    /// # Errors
    /// As [`Pseudonyms::of_user`]; there is no key, or another.
    pub fn of_user_as_before(fingerprint: &str) -> Result<Self> {
        let path = user_key()?;
        let lost = |what: &str| {
            let problem = format!(
                "{what} (fingerprint {fingerprint}), so that patients would have other pseudonyms; \
                 restore that key, or begin anew in another folder"
            );
            Error::bad_request(problem).with_path(&path)
        };
        if !path.exists() {
            return Err(lost("is not there: the key of the pseudonyms that were begun with"));
        }
        let names = Self::of_file(&path)?;
        match names.fingerprint() == fingerprint {
            true => Ok(names),
            false => Err(lost("is not the key of the pseudonyms that were begun with")),
        }
    }

    /// With the key of a file, which is made where it is not there: 64 hexadecimal digits that only
    /// the user can read.
    ///
    /// # Errors
    /// The file cannot be read or written, holds no key, or can be read by others.
    pub fn of_file(path: &Path) -> Result<Self> {
        if !path.exists() {
            make_key(path)?;
        }
        check_private(path)?;
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let digits = text.trim();
        let key = (0..KEY_BYTES)
            .map(|i| u8::from_str_radix(digits.get(2 * i..2 * i + 2)?, 16).ok())
            .collect::<Option<Vec<u8>>>()
            .and_then(|key| <[u8; KEY_BYTES]>::try_from(key).ok())
            .filter(|_| digits.len() == 2 * KEY_BYTES);
        key.map(Self::new).ok_or_else(|| {
            Error::bad_data(
                path,
                "is no key of 64 hexadecimal digits; restore it, or remove it to get a new one \
                 (and with it new pseudonyms)",
            )
        })
    }

    /// The pseudonym of a patient; where the file names none, of its study.
    pub fn of(&self, patient: &PatientKey, study: &str) -> String {
        if !patient.identifies() {
            return self.named("P", &["study", study]);
        }
        let mut said = vec!["patient", &patient.id, &patient.issuer];
        if let Some(person) = &patient.person {
            said.extend([person.birth_date.as_str(), &person.sex]);
            said.extend(person.name.iter().map(String::as_str));
        }
        self.named("P", &said)
    }

    /// What a patient is called: by the pseudonym, or, where that is asked for (`identify`), by the id
    /// of its files, with the pseudonym where the id is that of several people.
    pub fn patient(&self, patient: &PatientKey, study: &str, identify: bool) -> String {
        let pseudonym = self.of(patient, study);
        match (identify && !patient.id.is_empty(), patient.identifies() && patient.person.is_none())
        {
            (false, _) => pseudonym,
            (true, true) => patient.id.clone(),
            (true, false) => format!("{} ({pseudonym})", patient.id),
        }
    }

    /// The pseudonym of a patient of whom there is only what files are called by.
    pub fn of_subject(&self, subject: &str) -> String {
        self.named("P", &["subject", subject])
    }

    /// What tells this key from others, and does not give it away.
    pub fn fingerprint(&self) -> String {
        self.named("K", &["fingerprint"])
    }

    /// The pseudonym of a study, by its StudyInstanceUID.
    pub fn of_study(&self, uid: &str) -> String {
        self.named("ST", &["study", uid])
    }

    /// The pseudonym of a series, by its name (the SeriesInstanceUID, and which volume of it).
    pub fn of_series(&self, name: &str) -> String {
        self.named("SE", &["series", name])
    }

    fn named(&self, kind: &str, said: &[&str]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length is a key");
        mac.update(said.join("\0").as_bytes());
        format!("{kind}-{}", &hex(&mac.finalize().into_bytes())[..12])
    }
}

/// Where the user's key is kept, whether it is there or not.
///
/// # Errors
/// There is no folder for it; the path is not absolute.
pub fn user_key() -> Result<PathBuf> {
    let place = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let path = place(KEY_FILE).or_else(|| {
        let config = place("XDG_CONFIG_HOME")
            .or_else(|| Some(place("HOME")?.join(".config")))
            .or_else(|| place("APPDATA"));
        Some(config?.join("abscope").join("pseudonym.key"))
    });
    let Some(path) = path else {
        return Err(Error::bad_request(format!(
            "there is no home folder to keep the key of the pseudonyms in; name a file in {KEY_FILE}"
        )));
    };
    if path.is_relative() {
        // Every folder would get a key, and patients as many pseudonyms.
        let problem = format!(
            "is the key of the pseudonyms, and not an absolute path; give one in {KEY_FILE}"
        );
        return Err(Error::bad_request(problem).with_path(&path));
    }
    Ok(path)
}

/// Who can read the key can find out who a pseudonym is.
#[cfg(unix)]
fn check_private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.permissions().mode();
    if mode & 0o077 != 0 {
        let problem = format!(
            "is the key of the pseudonyms and open to other users (mode {:04o}); close it (chmod 600), \
             and if others have read it, take a new one",
            mode & 0o7777
        );
        return Err(Error::bad_data(path, problem));
    }
    Ok(())
}

/// Other systems keep a user's configuration folder from others.
#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

fn make_key(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    let mut key = [0u8; KEY_BYTES];
    rand::rngs::OsRng.fill_bytes(&mut key);
    // A temporary file is readable by its owner only, and appears under its name complete or not
    // at all; where another process was first, its key stays.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| Error::io(folder, e))?;
    writeln!(file, "{}", hex(&key)).map_err(|e| Error::io(path, e))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(Error::io(path, e.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patient(id: &str, issuer: &str) -> PatientKey {
        PatientKey { id: id.into(), issuer: issuer.into(), person: None }
    }

    #[test]
    fn the_pseudonym_is_an_hmac_of_id_and_issuer() {
        // Python: hmac.new(bytes(range(32)), b"patient\0" b"MRN-1\0SITE", "sha256").hexdigest()
        let names = Pseudonyms::new(std::array::from_fn(|i| i as u8));
        assert_eq!(names.of(&patient("MRN-1", "SITE"), "1.2"), "P-865b508142ff");
        assert_ne!(names.of(&patient("MRN-1", ""), ""), names.of(&patient("MRN-1", "SITE"), ""));
        assert_ne!(names.of(&patient("", ""), "1.2"), names.of(&patient("", ""), "1.3"));
    }

    #[test]
    fn a_fingerprint_and_a_subject_are_keyed_and_no_patients() {
        // Python: hmac.new(bytes(range(32)), b"subject\0" b"p1", "sha256").hexdigest(), and of
        // b"fingerprint".
        let names = Pseudonyms::new(std::array::from_fn(|i| i as u8));
        assert_eq!(names.of_subject("p1"), "P-339575711167");
        assert_eq!(names.fingerprint(), "K-5ab8c392c2c5");
    }

    #[test]
    fn a_key_is_made_once_for_the_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config").join("pseudonym.key");
        let first = Pseudonyms::of_file(&path).expect("made");
        let again = Pseudonyms::of_file(&path).expect("read");
        assert_eq!(first.key, again.key);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        #[cfg(unix)]
        for mode in [0o640, 0o604, 0o620] {
            use std::os::unix::fs::PermissionsExt;
            let set = |mode| {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))
                    .expect("own");
            };
            set(mode);
            let problem = Pseudonyms::of_file(&path).expect_err("open to others").to_string();
            assert!(problem.contains(&format!("(mode {mode:04o})")), "{problem}");
            set(0o600);
        }
        std::fs::write(&path, "no key").expect("written");
        assert!(Pseudonyms::of_file(&path).is_err());
    }
}
