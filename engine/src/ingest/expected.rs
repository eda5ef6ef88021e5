//! What reading will take of the memory, before anything is read.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use nifti::NiftiHeader;

use super::dicom::select::Selection;
use crate::input;

/// What a reader of NIfTI keeps of a file at once, bytes.
const CHUNKS: u64 = 4 << 20;

/// What reading a case takes, as far as can be told without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// So many bytes.
    Bytes(u64),
    /// At most so many bytes: only a part of what is there may be the case.
    AtMost(u64),
}

impl Expected {
    /// Of an image and a mask, of which a catalogue may know already which files they are.
    ///
    /// From a NIfTI header where there is one (nothing is allocated on its word), else from the files'
    /// sizes, doubled because they are kept until their voxels are in place.
    pub fn of(image: &Path, mask: &Path, selection: Option<&Selection>) -> Self {
        if let Some(selection) = selection {
            let files = selection.files().into_iter().map(stored_bytes);
            let bytes = 2 * files.sum::<u64>();
            let mut sources = selection.series.iter().flat_map(|series| &series.sources);
            let archived = sources.any(|source| source.member.is_some());
            return if archived { Self::AtMost(bytes) } else { Self::Bytes(bytes) };
        }
        let mask = match nifti(mask) {
            Some(nifti) => Self::Bytes(nifti.kept),
            None => Self::of_unknown(mask),
        };
        let image = match nifti(image) {
            Some(nifti) => Self::Bytes(nifti.kept.saturating_add(nifti.volume)),
            None => Self::of_unknown(image),
        };
        match (image, mask) {
            (Self::Bytes(a), Self::Bytes(b)) => Self::Bytes(a.saturating_add(b)),
            (Self::Bytes(a) | Self::AtMost(a), Self::Bytes(b) | Self::AtMost(b)) => {
                Self::AtMost(a.saturating_add(b))
            }
        }
    }

    fn of_unknown(path: &Path) -> Self {
        Self::AtMost(stored_bytes(path).saturating_mul(2))
    }
}

/// What a NIfTI file takes, bytes.
struct Nifti {
    /// While it is read.
    kept: u64,
    /// As a volume.
    volume: u64,
}

fn nifti(path: &Path) -> Option<Nifti> {
    let mut magic = [0u8; 2];
    let mut file = input::open(path).ok()?;
    file.read_exact(&mut magic).ok()?;
    let file = (&magic[..]).chain(file);
    let compressed = magic == [0x1f, 0x8b];
    let header = if compressed {
        NiftiHeader::from_reader(GzDecoder::new(file)).ok()?
    } else {
        NiftiHeader::from_reader(file).ok()?
    };
    let voxels = header.dim[1..4].iter().try_fold(1u64, |n, &d| n.checked_mul(d.into()))?;
    // Whole numbers of 16 bits stay what they are.
    let bytes = if header.bitpix.unsigned_abs() <= 16 { 2 } else { 4 };
    let stored = if compressed { stored_bytes(path) } else { 0 };
    Some(Nifti { kept: stored.saturating_add(CHUNKS), volume: voxels.checked_mul(bytes)? })
}

fn stored_bytes(path: &Path) -> u64 {
    if path.is_file() {
        return std::fs::metadata(path).map_or(0, |m| m.len());
    }
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok);
    files.filter_map(|entry| entry.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}
