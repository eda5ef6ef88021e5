//! A small case in memory for tests.

use std::path::Path;

use ndarray::Array3;

use super::Options;
use super::manifest::CaseRequest;
use super::shard::Shard;
use crate::geometry::{Geometry, IndexBox};
use crate::ingest::dicom::series::SlicePolicy;
use crate::ingest::{Case, Lesion, Scan};
use crate::mask::Mask;
use crate::plan::Plan;
use crate::settings::Settings;
use crate::table::Format;
use crate::volume::{Volume, Voxels};

/// Voxels of the image along x, y, z, of 1 mm.
pub(super) const SIZE: [usize; 3] = [60, 50, 40];
/// Voxels of the lesion, a cube.
pub(super) const BOX: usize = 1000;

/// A ramp along x with a lesion.
pub(super) fn case() -> Case {
    let grid = Geometry::axis_aligned(SIZE, [1.0; 3]);
    let voxels = (0..SIZE.iter().product()).map(|i: usize| (i % SIZE[0]) as i16).collect();
    let bounds = IndexBox { min: [20; 3], max: [30; 3] };
    let inside = Array3::from_elem((10, 10, 10), true);
    let mask = Mask::new(grid.clone(), bounds, &inside).expect("not empty");
    Case {
        patient: "P".into(),
        volume: Volume::new(grid, Voxels::I16(voxels)),
        lesions: vec![Lesion { id: "1".into(), name: None, site: Some("liver".into()), mask }],
        kvp: None,
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    }
}

/// The default plan on the image's own grid, with filters (TOML).
pub(super) fn plan(filters: &str) -> Plan {
    let settings = format!("[resampling]\nspacing_mm = \"none\"\n{filters}");
    let settings = Settings::parse(&settings).expect("settings");
    Plan::resolve(&settings).expect("a plan")
}

/// A row of a manifest.
pub(super) fn request() -> CaseRequest {
    CaseRequest::new(1, "P".into(), Path::new("image.nii"), Path::new("mask.nii"))
}

/// A run of the whole cohort with the default settings.
pub(super) fn options() -> Options {
    Options {
        plan: Plan::default(),
        model: None,
        perturbations: 0,
        format: Format::Csv,
        memory: 1 << 30,
        shard: Shard::WHOLE,
        regrid_mask: false,
        uneven_slices: SlicePolicy::Refuse,
        site_table: None,
        pseudonyms: None,
    }
}
