//! An image's voxels, in the narrowest type that holds them.

use std::ops::ControlFlow;

use super::NiftiImage;
use super::header::Header;
use super::stream::{CHUNK, Stream, decoded};
use crate::error::{Error, Result};
use crate::geometry::CanonicalOrder;
use crate::ingest::open_file::OpenFile;
use crate::volume::{Volume, Voxels};

/// Reads an opened file as an image.
///
/// # Errors
/// As [`super::read_image`].
pub(in crate::ingest) fn read(file: OpenFile) -> Result<NiftiImage> {
    let ((volume, warnings), sha256) = decoded(file, |stream| {
        let header = Header::read(stream)?;
        let volume = volume(stream, &header)?;
        Ok((volume, header.warnings))
    })?;
    Ok(NiftiImage { volume, warnings, sha256 })
}

fn volume(stream: &mut Stream<'_>, header: &Header) -> Result<Volume> {
    if header.stores_whole_numbers()
        && let Some(voxels) = stream.stored(header)?
    {
        return Ok(Volume::new(header.geometry.clone(), Voxels::Stored(voxels)));
    }
    let mut voxels = Narrowing::new();
    let mut values = Vec::with_capacity(CHUNK);
    let mut read = 0usize;
    stream.for_each_chunk(header, |bytes| {
        values.clear();
        header.decode(bytes, &mut values);
        // A volume holds 32-bit numbers.
        check_finite(&values, read, header)?;
        read += values.len();
        voxels.extend(&values);
        Ok(ControlFlow::Continue(()))
    })?;
    let order = CanonicalOrder::of(&header.geometry.direction);
    let voxels = voxels.reordered(&order, header.geometry.size);
    Ok(Volume::new(order.geometry(&header.geometry), voxels))
}

/// Checks the values of stored voxels from `start` on.
///
/// # Errors
/// One is no finite number of 32 bits.
pub(super) fn check_finite(values: &[f64], start: usize, header: &Header) -> Result<()> {
    let Some(at) = values.iter().position(|v| !(*v as f32).is_finite()) else { return Ok(()) };
    let [x, y, z] = header.stored_voxel(start + at);
    Err(Error::bad_data(
        &header.path,
        format!(
            "voxel ({x}, {y}, {z}) is {}; replace voxels that are no finite numbers of 32 bits first, \
             for instance by the value of air",
            values[at]
        ),
    ))
}

/// Voxels in the narrowest type that has held them so far.
enum Narrowing {
    Whole(Vec<i16>),
    Real(Vec<f32>),
}

impl Narrowing {
    fn new() -> Self {
        Self::Whole(Vec::new())
    }

    fn extend(&mut self, values: &[f64]) {
        if let Self::Whole(whole) = self {
            // Truncation and back leaves exactly the whole numbers within range unchanged.
            if values.iter().fold(true, |fits, &v| fits & (f64::from(v as i16) == v)) {
                whole.extend(values.iter().map(|&v| v as i16));
                return;
            }
            *self = Self::Real(whole.iter().map(|&v| f32::from(v)).collect());
        }
        if let Self::Real(real) = self {
            real.extend(values.iter().map(|&v| v as f32));
        }
    }

    fn reordered(self, order: &CanonicalOrder, stored_size: [usize; 3]) -> Voxels {
        match self {
            Self::Whole(v) => Voxels::I16(reorder(v, order, stored_size)),
            Self::Real(v) => Voxels::F32(reorder(v, order, stored_size)),
        }
    }
}

/// Stored voxels in canonical order.
pub(in crate::ingest) fn reorder<T: Copy>(
    stored: Vec<T>,
    order: &CanonicalOrder,
    stored_size: [usize; 3],
) -> Vec<T> {
    if order.is_identity() {
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
