//! A label map's lesions: runs of equal voxels.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::header::Header;
use super::stream::{CHUNK, Stream, decoded};
use super::{MAX_VOXELS, NiftiLabels};
use crate::error::{Error, Result};
use crate::geometry::{CanonicalOrder, Geometry};
use crate::ingest::open_file::OpenFile;
use crate::mask::Mask;

/// A label map with more distinct labels than this is an image taken for a mask.
pub(super) const MAX_LABELS: usize = 4096;

/// Reads an opened file as a label map.
///
/// # Errors
/// As [`super::read_labels`].
pub(in crate::ingest) fn read(file: OpenFile) -> Result<NiftiLabels> {
    let ((header, runs), sha256) = decoded(file, |stream| {
        let header = Header::read(stream)?;
        let runs = runs(stream, &header)?;
        Ok((header, runs))
    })?;
    let order = CanonicalOrder::of(&header.geometry.direction);
    let geometry = order.geometry(&header.geometry);
    let place = Place { stored: &header.geometry, order: &order };
    let masks = runs
        .into_iter()
        .filter_map(|(label, runs)| {
            Some((label, Mask::from_runs(geometry.clone(), place.canonical_runs(&runs))?))
        })
        .collect();
    Ok(NiftiLabels { geometry, masks, warnings: header.warnings, sha256 })
}

/// The runs of each label.
fn runs(stream: &mut Stream<'_>, header: &Header) -> Result<BTreeMap<u32, Vec<Run>>> {
    let mut runs: BTreeMap<u32, Vec<Run>> = BTreeMap::new();
    let mut values = Vec::with_capacity(CHUNK);
    let mut start = 0usize;
    // Zero bytes are label 0 in every voxel type unless an offset is added: most of a label map can
    // be skipped without looking at its voxels.
    let zero_is_zero = header.inter == 0.0;
    let voxel_bytes = header.voxel_bytes;
    stream.for_each_chunk(header, |bytes| {
        for block in bytes.chunks(4096 * voxel_bytes) {
            let count = block.len() / voxel_bytes;
            if !(zero_is_zero && all_zero(block)) {
                values.clear();
                header.decode(block, &mut values);
                collect_runs(&values, start, header, &mut runs)?;
            }
            start += count;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(runs)
}

/// Consecutive stored voxels of one label; no image that is read has more voxels than 32 bits count.
struct Run {
    start: u32,
    len: u32,
}

const _: () = assert!(MAX_VOXELS <= u32::MAX as u64, "a run counts voxels in 32 bits");

impl Run {
    /// One past its last voxel.
    fn end(&self) -> usize {
        self.start as usize + self.len as usize
    }
}

fn short(voxels: usize) -> u32 {
    u32::try_from(voxels).expect("images hold fewer than 2³² voxels")
}

pub(super) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0u8, |any, b| any | b) == 0
}

fn collect_runs(
    values: &[f64],
    start: usize,
    header: &Header,
    runs: &mut BTreeMap<u32, Vec<Run>>,
) -> Result<()> {
    let mut at = 0;
    while at < values.len() {
        let value = values[at];
        let len = values[at..].iter().take_while(|v| **v == value).count().max(1);
        if value != 0.0 {
            if !is_label(value) {
                let [x, y, z] = header.stored_voxel(start + at);
                return Err(Error::bad_data(
                    &header.path,
                    format!(
                        "voxel ({x}, {y}, {z}) is {value}; a label map holds whole numbers from 0 \
                         (is this an image, or a probability map to be thresholded first?)"
                    ),
                ));
            }
            let label = value as u32;
            let list = runs.entry(label).or_default();
            match list.last_mut() {
                Some(last) if last.end() == start + at => last.len += short(len),
                _ => list.push(Run { start: short(start + at), len: short(len) }),
            }
            if runs.len() > MAX_LABELS {
                return Err(Error::bad_data(
                    &header.path,
                    format!(
                        "more than {MAX_LABELS} distinct labels; this looks like an image, not a \
                         label map"
                    ),
                ));
            }
        }
        at += len;
    }
    Ok(())
}

/// Whether a value may be a lesion's.
pub(super) fn is_label(value: f64) -> bool {
    value.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(&value)
}

/// Where stored voxels lie in canonical order.
struct Place<'a> {
    stored: &'a Geometry,
    order: &'a CanonicalOrder,
}

impl Place<'_> {
    fn canonical(&self, index: usize) -> [usize; 3] {
        let [nx, ny, _] = self.stored.size;
        let at = [index % nx, index / nx % ny, index / (nx * ny)];
        std::array::from_fn(|a| {
            let s = self.order.source[a];
            if self.order.flip[a] { self.stored.size[s] - 1 - at[s] } else { at[s] }
        })
    }

    /// Runs, cut at the ends of rows, since both ends of one that spans rows do not bound it: first
    /// voxel, and one past the last.
    fn rows(&self, runs: &[Run]) -> impl Iterator<Item = (usize, usize)> {
        let nx = self.stored.size[0];
        runs.iter().flat_map(move |run| {
            let end = run.end();
            let mut at = run.start as usize;
            std::iter::from_fn(move || {
                let row_end = (at / nx + 1) * nx;
                let piece = (at < end).then(|| (at, row_end.min(end)));
                at = row_end.min(end);
                piece
            })
        })
    }

    /// Runs along the first axis of the canonical order: first voxel and length.
    fn canonical_runs(&self, runs: &[Run]) -> impl Iterator<Item = ([usize; 3], usize)> {
        let along = self.order.source[0] == 0;
        self.rows(runs).flat_map(move |(start, end)| {
            let whole = along.then(|| {
                let (a, b) = (self.canonical(start), self.canonical(end - 1));
                (if a[0] <= b[0] { a } else { b }, end - start)
            });
            let single = if along { start..start } else { start..end };
            whole.into_iter().chain(single.map(|index| (self.canonical(index), 1)))
        })
    }
}
