//! What reading will take of the memory, before anything is read.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use nifti::NiftiHeader;

use crate::input;

/// What reading a file or a folder is expected to take, bytes.
///
/// From a NIfTI header where there is one (nothing is allocated on its word), else from the files'
/// sizes, doubled because their pixels may be compressed.
pub fn expected_bytes(path: &Path) -> u64 {
    nifti_bytes(path).unwrap_or_else(|| 2 * stored_bytes(path))
}

fn nifti_bytes(path: &Path) -> Option<u64> {
    let mut magic = [0u8; 2];
    let mut file = input::open(path).ok()?;
    file.read_exact(&mut magic).ok()?;
    let file = (&magic[..]).chain(file);
    let header = if magic == [0x1f, 0x8b] {
        NiftiHeader::from_reader(GzDecoder::new(file)).ok()?
    } else {
        NiftiHeader::from_reader(file).ok()?
    };
    let voxels = header.dim[1..4].iter().try_fold(1u64, |n, &d| n.checked_mul(d.into()))?;
    voxels.checked_mul(u64::from(header.bitpix.unsigned_abs() / 8).max(1))
}

fn stored_bytes(path: &Path) -> u64 {
    if path.is_file() {
        return std::fs::metadata(path).map_or(0, |m| m.len());
    }
    let files = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok);
    files.filter_map(|entry| entry.metadata().ok()).filter(|m| m.is_file()).map(|m| m.len()).sum()
}
