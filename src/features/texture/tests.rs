//! The digital phantom of IBSI 1: every reference value, every matrix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ndarray::Array3;

use super::*;
use crate::features::table::FEATURES;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ibsi").join(name)
}

/// Grey levels from an array (z, y, x) with 0 outside, which is also the morphological mask.
pub(super) fn levels_of(array: &Array3<u16>, pad: usize) -> Levels {
    let (nz, ny, nx) = array.dim();
    let shape = (nz + 2 * pad, ny + 2 * pad, nx + 2 * pad);
    let mut levels = Array3::zeros(shape);
    levels.slice_mut(ndarray::s![pad..pad + nz, pad..pad + ny, pad..pad + nx]).assign(array);
    Levels {
        morphological: levels.mapv(|level| level != 0),
        n_levels: array.iter().copied().max().map_or(0, usize::from),
        voxel_count: array.iter().filter(|&&level| level != 0).count(),
        levels,
        pad,
        spacing: [1.0; 3],
    }
}

fn phantom() -> Levels {
    let case = crate::ingest::load::volume(&fixture("ibsi_1_digital_phantom/image.nii.gz"));
    let _ = case;
    unimplemented!()
}

fn reference_aggregation(family: Family, name: &str) -> Aggregation {
    use Aggregation::*;
    match (family, name) {
        (Family::Glcm | Family::Glrlm, "2D average") => Average2D,
        (_, "2D slice-merged") => SliceMerged2D,
        (_, "2.5D dir-merged") => DirectionMerged2_5D,
        (_, "2.5D merged") => Merged2_5D,
        (_, "3D average") => Average3D,
        (_, "3D merged") => Merged3D,
        (_, "2D") => BySlice2D,
        (_, "2.5D") => MergedSlices2_5D,
        (_, "3D") => Volume3D,
        other => panic!("unknown aggregation {other:?}"),
    }
}
