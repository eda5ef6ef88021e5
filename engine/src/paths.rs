//! How paths are shown.

use std::borrow::Cow;
use std::path::Path;

/// The same path with `/` between its folders, as ids, tables and messages show it on every system.
pub fn slashed(path: &Path) -> Cow<'_, Path> {
    // Elsewhere a backslash is part of a name. A verbatim path (`\\?\`) allows no other separator.
    match path.to_str() {
        Some(text) if cfg!(windows) && !text.starts_with(r"\\?\") => {
            Cow::Owned(text.replace('\\', "/").into())
        }
        _ => Cow::Borrowed(path),
    }
}

/// [`slashed`] as text.
pub fn shown(path: &Path) -> String {
    slashed(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_path_has_one_separator() {
        let path = Path::new("fixtures/ibsi").join("a").join("b.nii");
        assert_eq!(slashed(&path).to_str(), Some("fixtures/ibsi/a/b.nii"));
    }

    #[cfg(unix)]
    #[test]
    fn a_backslash_in_a_name_stays() {
        assert_eq!(slashed(Path::new(r"a\b.nii")), Path::new(r"a\b.nii"));
    }
}
