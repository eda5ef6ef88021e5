//! An image's voxels, in the narrowest type that holds them.

use std::ops::ControlFlow;

use super::NiftiImage;
use super::header::Header;
use super::stream::{CHUNK, Stream, decoded};
use crate::error::Result;
use crate::geometry::CanonicalOrder;
use crate::ingest::open_file::OpenFile;
use crate::volume::{Flaw, Volume, Voxels};

/// Reads an opened file as an image.
///
/// # Errors
/// As [`super::read_image`].
pub(in crate::ingest) fn read(file: OpenFile) -> Result<NiftiImage> {
    let ((volume, warnings), sha256) = decoded(file, |stream| {
        let header = Header::read(stream)?;
        let (volume, not_finite) = volume(stream, &header)?;
        let mut warnings = header.warnings;
        warnings.extend(not_finite.map(|count| {
            let (voxels, are) = if count == 1 { ("voxel", "is no") } else { ("voxels", "are no") };
            format!(
                "{count} {voxels} {are} finite number of 32 bits; a lesion is refused where it, its ring \
                 or a filter would read one"
            )
        }));
        Ok((volume, warnings))
    })?;
    Ok(NiftiImage { volume, warnings, sha256 })
}

/// The voxels, and how many are no finite numbers if there are such.
fn volume(stream: &mut Stream<'_>, header: &Header) -> Result<(Volume, Option<usize>)> {
    if header.stores_whole_numbers()
        && let Some(voxels) = stream.stored(header)?
    {
        return Ok((Volume::new(header.geometry.clone(), Voxels::Stored(voxels)), None));
    }
    let mut voxels = Narrowing::new(header.geometry.voxel_count());
    let mut values = Vec::with_capacity(CHUNK);
    let mut read = 0usize;
    let mut flaw = None;
    let mut not_finite = 0;
    stream.for_each_chunk(header, |bytes| {
        values.clear();
        header.decode(bytes, &mut values);
        // A volume holds 32-bit numbers.
        let finite = |v: &f64| (*v as f32).is_finite();
        if !values.iter().fold(true, |all, v| all & finite(v)) {
            not_finite += values.iter().filter(|v| !finite(v)).count();
            let first = values.iter().position(|v| !finite(v));
            let first = first.map(|at| not_finite_at(read + at, values[at], header));
            flaw = flaw.take().or(first);
        }
        read += values.len();
        voxels.extend(&values);
        Ok(ControlFlow::Continue(()))
    })?;
    let order = CanonicalOrder::of(&header.geometry.direction);
    let voxels = voxels.reordered(&order, header.geometry.size);
    let volume = Volume::new(order.geometry(&header.geometry), voxels);
    Ok(match flaw {
        Some(flaw) => (volume.with_flaw(flaw), Some(not_finite)),
        None => (volume, None),
    })
}

/// A stored voxel whose value is no finite number of 32 bits.
fn not_finite_at(index: usize, value: f64, header: &Header) -> Flaw {
    let [x, y, z] = header.stored_voxel(index);
    let problem = format!(
        "voxel ({x}, {y}, {z}) is {value}; replace voxels that are no finite numbers of 32 bits first, \
         for instance by the value of air"
    );
    Flaw { path: header.path.clone(), problem }
}

/// Voxels in the narrowest type that has held them so far.
struct Narrowing {
    voxels: Narrowed,
    /// How many there will be.
    count: usize,
}

enum Narrowed {
    Whole(Vec<i16>),
    Real(Vec<f32>),
}

/// Room for so many, where there is as much, so that it is not moved to more and more of it. The header
/// was checked against what the file can hold, and what is never filled takes no memory.
fn room<T>(count: usize) -> Vec<T> {
    let mut room = Vec::new();
    // Without it the voxels take their room bit by bit.
    let _ = room.try_reserve_exact(count);
    room
}

impl Narrowing {
    fn new(count: usize) -> Self {
        Self { voxels: Narrowed::Whole(room(count)), count }
    }

    fn extend(&mut self, values: &[f64]) {
        if let Narrowed::Whole(whole) = &mut self.voxels {
            // Truncation and back leaves exactly the whole numbers within range unchanged.
            if values.iter().fold(true, |fits, &v| fits & (f64::from(v as i16) == v)) {
                whole.extend(values.iter().map(|&v| v as i16));
                return;
            }
            let mut real = room(self.count);
            real.extend(whole.iter().map(|&v| f32::from(v)));
            self.voxels = Narrowed::Real(real);
        }
        if let Narrowed::Real(real) = &mut self.voxels {
            real.extend(values.iter().map(|&v| v as f32));
        }
    }

    fn reordered(self, order: &CanonicalOrder, stored_size: [usize; 3]) -> Voxels {
        match self.voxels {
            Narrowed::Whole(v) => Voxels::I16(reorder(v, order, stored_size)),
            Narrowed::Real(v) => Voxels::F32(reorder(v, order, stored_size)),
        }
    }
}

/// Stored voxels in canonical order: in the same memory, where no axis is another's.
pub(in crate::ingest) fn reorder<T: Copy>(
    mut stored: Vec<T>,
    order: &CanonicalOrder,
    stored_size: [usize; 3],
) -> Vec<T> {
    if order.source == [0, 1, 2] {
        mirror(&mut stored, order.flip, stored_size);
        return stored;
    }
    let (start, [sx, sy, sz]) = order.strides(stored_size);
    let [nx, ny, nz] = order.source.map(|s| stored_size[s] as isize);
    let mut out = Vec::with_capacity(stored.len());
    for z in 0..nz {
        for y in 0..ny {
            let row = start as isize + y * sy + z * sz;
            out.extend((0..nx).map(|x| stored[(row + x * sx) as usize]));
        }
    }
    out
}

/// Turns the axes that are to be turned.
fn mirror<T>(voxels: &mut [T], flip: [bool; 3], [nx, ny, _]: [usize; 3]) {
    if flip[0] {
        voxels.chunks_exact_mut(nx.max(1)).for_each(<[T]>::reverse);
    }
    if flip[1] {
        voxels.chunks_exact_mut((nx * ny).max(1)).for_each(|slice| turn(slice, nx));
    }
    if flip[2] {
        turn(voxels, nx * ny);
    }
}

/// Parts of `len` in the opposite order.
fn turn<T>(parts: &mut [T], len: usize) {
    let count = parts.len().checked_div(len).unwrap_or(0);
    for at in 0..count / 2 {
        let (before, after) = parts.split_at_mut((count - 1 - at) * len);
        before[at * len..(at + 1) * len].swap_with_slice(&mut after[..len]);
    }
}
