//! Volumes as NIfTI-1 (`.nii`, or gzipped as `.nii.gz`): 32-bit floating point, little-endian, with
//! the grid as sform in RAS mm (nifti1.h).

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::ArrayView3;

use super::OutputFile;
use crate::error::{Error, Result};
use crate::geometry::Geometry;
use crate::paths::shown;

/// Bytes of the header and the (empty) extension flag, after which the voxels start.
const VOXEL_OFFSET: usize = 352;

/// Writes values of shape (z, y, x) on a grid, gzipped where the name ends in `.gz`.
///
/// # Errors
/// The shape is not the grid's, an axis has more than 32,767 voxels, or the file cannot be written.
pub fn write(path: &Path, geometry: &Geometry, values: ArrayView3<f32>) -> Result<()> {
    let [nx, ny, nz] = geometry.size;
    if values.dim() != (nz, ny, nx) {
        return Err(Error::bad_request(format!(
            "{}: the values' shape {:?} (z, y, x) is not the grid's of {nx} x {ny} x {nz} voxels",
            shown(path),
            values.dim()
        )));
    }
    let header = header(geometry).map_err(|e| {
        Error::too_big(format!("{}: {e}; NIfTI-1 cannot hold this grid", shown(path)))
    })?;
    let mut file = OutputFile::create(path)?;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gz")) {
        let mut encoder = GzEncoder::new(&mut file, Compression::default());
        write_to(&mut encoder, &header, values)
            .and_then(|()| encoder.finish().map(|_| ()))
            .map_err(|e| Error::io(path, e))?;
    } else {
        write_to(&mut file, &header, values).map_err(|e| Error::io(path, e))?;
    }
    file.finish()
}

fn write_to(
    mut out: impl Write,
    header: &[u8; VOXEL_OFFSET],
    values: ArrayView3<f32>,
) -> std::io::Result<()> {
    out.write_all(header)?;
    let mut bytes = Vec::new();
    for slice in values.outer_iter() {
        bytes.clear();
        bytes.extend(slice.iter().flat_map(|v| v.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    Ok(())
}

/// Field offsets as in nifti1.h.
fn header(geometry: &Geometry) -> Result<[u8; VOXEL_OFFSET], String> {
    let mut bytes = [0u8; VOXEL_OFFSET];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, &348i32.to_le_bytes());
    put(40, &3i16.to_le_bytes());
    for (axis, &n) in geometry.size.iter().enumerate() {
        let n = i16::try_from(n).map_err(|_| format!("{n} voxels along an axis"))?;
        put(42 + 2 * axis, &n.to_le_bytes());
        put(80 + 4 * axis, &(geometry.spacing[axis] as f32).to_le_bytes());
    }
    for unused in 4..8 {
        put(40 + 2 * unused, &1i16.to_le_bytes());
    }
    const FLOAT32: i16 = 16;
    put(70, &FLOAT32.to_le_bytes());
    put(72, &32i16.to_le_bytes());
    put(76, &1f32.to_le_bytes());
    put(108, &(VOXEL_OFFSET as f32).to_le_bytes());
    put(112, &1f32.to_le_bytes());
    const MILLIMETRES: u8 = 2;
    put(123, &[MILLIMETRES]);
    const SCANNER_COORDINATES: i16 = 1;
    put(254, &SCANNER_COORDINATES.to_le_bytes());
    for row in 0..3 {
        // LPS to RAS; adding 0 turns -0 into 0.
        let sign = if row < 2 { -1.0 } else { 1.0 };
        let along = |axis: usize| geometry.direction[axis][row] * geometry.spacing[axis];
        let affine = [along(0), along(1), along(2), geometry.origin[row]];
        for (column, value) in affine.into_iter().enumerate() {
            put(280 + 16 * row + 4 * column, &((sign * value + 0.0) as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::geometry::IndexBox;
    use crate::ingest::nifti::read_image;

    fn values() -> Array3<f32> {
        Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (z * 100 + y * 10 + x) as f32 / 7.0 - 3.0)
    }

    fn grid() -> Geometry {
        Geometry {
            origin: [-174.3945, 12.5, -1203.25],
            ..Geometry::axis_aligned([5, 4, 3], [0.977, 0.7, 2.5])
        }
    }

    #[test]
    fn a_written_volume_reads_back_equal() {
        let folder = tempfile::tempdir().expect("folder");
        for name in ["map.nii", "map.nii.gz"] {
            let path = folder.path().join(name);
            write(&path, &grid(), values().view()).expect("writes");
            let back = read_image(&path).expect("reads");
            assert!(back.warnings.is_empty(), "{:?}", back.warnings);
            assert_eq!(*back.volume.geometry(), grid());
            assert_eq!(back.volume.crop(&IndexBox::whole([5, 4, 3])), values());
        }
    }

    #[test]
    fn an_oblique_grid_reads_back_within_a_thousandth_of_a_voxel() {
        let (sin, cos) = 0.3f64.sin_cos();
        let oblique =
            Geometry { direction: [[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]], ..grid() };
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("map.nii.gz");
        write(&path, &oblique, values().view()).expect("writes");
        let back = read_image(&path).expect("reads").volume;
        assert!(oblique.difference(back.geometry(), 1e-3).is_none());
        assert_eq!(back.crop(&IndexBox::whole([5, 4, 3])), values());
    }

    #[test]
    fn values_of_another_shape_are_refused() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("map.nii");
        let problem = write(&path, &grid(), Array3::zeros((4, 4, 5)).view()).expect_err("shape");
        assert!(problem.to_string().contains("5 x 4 x 3"), "{problem}");
        assert!(!path.exists());
    }
}
