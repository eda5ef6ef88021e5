//! A look at a NIfTI file: its header, and which lesions a label map holds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::header::Header;
use super::labels::{MAX_LABELS, all_zero, is_label};
use super::stream::Stream;
use crate::error::Result;
use crate::geometry::{CanonicalOrder, Geometry};
use crate::ingest::open_file::OpenFile;

/// Voxels that are looked at together.
const BLOCK: usize = 4096;

/// What a file says of itself.
#[derive(Debug)]
pub struct NiftiSurvey {
    /// The grid, in canonical axis order.
    pub geometry: Geometry,
    /// Voxels of each label but 0. `None` where some value is no label, or there are more than 4,096
    /// different ones: an image.
    pub labels: Option<BTreeMap<u32, u64>>,
    /// Oddities of the header.
    pub warnings: Vec<String>,
}

/// Looks at an opened file.
///
/// # Errors
/// As [`super::survey`].
pub(super) fn read(file: OpenFile) -> Result<NiftiSurvey> {
    let path = file.path().to_owned();
    let mut stream = Stream::bare(&path, file);
    let header = Header::read(&mut stream)?;
    stream.check_length(&header)?;
    let labels = labels(&mut stream, &header)?;
    let geometry = CanonicalOrder::of(&header.geometry.direction).geometry(&header.geometry);
    Ok(NiftiSurvey { geometry, labels, warnings: header.warnings })
}

fn labels(stream: &mut Stream<'_>, header: &Header) -> Result<Option<BTreeMap<u32, u64>>> {
    let mut voxels: BTreeMap<u32, u64> = BTreeMap::new();
    let mut values = Vec::with_capacity(BLOCK);
    let mut is_image = false;
    stream.for_each_chunk(header, |bytes| {
        for block in bytes.chunks(BLOCK * header.voxel_bytes) {
            // Zero bytes are label 0 unless an offset is added.
            if !(header.inter == 0.0 && all_zero(block)) {
                values.clear();
                header.decode(block, &mut values);
                is_image = !count(&values, &mut voxels);
                if is_image {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((!is_image).then_some(voxels))
}

/// Counts the voxels of each label; `false` where these are no labels.
fn count(values: &[f64], voxels: &mut BTreeMap<u32, u64>) -> bool {
    for same in values.chunk_by(|a, b| a == b).filter(|same| same[0] != 0.0) {
        if !is_label(same[0]) {
            return false;
        }
        *voxels.entry(same[0] as u32).or_default() += same.len() as u64;
    }
    voxels.len() <= MAX_LABELS
}
