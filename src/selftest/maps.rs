//! The response maps of IBSI 2, phase 1: every filter on digital phantoms.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::filters::{self, FilterSettings};
use crate::geometry::IndexBox;
use crate::ingest::nifti;
use crate::paths::slashed;
use crate::volume::Volume;

/// How far a voxel may lie from the reference map, as a fraction of the map's range.
pub const TOLERANCE: f64 = 0.01;

/// A reference map and how it is made.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseMap {
    /// The digital phantom.
    phantom: String,
    /// The filter; its name is the map's id.
    filter: FilterSettings,
}

/// The 33 reference maps.
pub static RESPONSE_MAPS: LazyLock<Vec<ResponseMap>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        map: Vec<ResponseMap>,
    }
    let file: File =
        toml::from_str(include_str!("ibsi2_phase1.toml")).expect("embedded settings are valid");
    file.map
});

/// A response map beside its reference.
#[derive(Clone, Debug, Serialize)]
pub struct MapComparison {
    /// IBSI's id, such as `3.a.2`.
    pub id: String,
    /// The digital phantom.
    pub phantom: String,
    /// Largest difference of a voxel, as a fraction of the reference map's range.
    pub largest_difference: f64,
    /// Whether it is at most 1 %.
    pub passed: bool,
}

impl ResponseMap {
    /// IBSI's id, such as `3.a.2`.
    pub fn id(&self) -> &str {
        &self.filter.name
    }

    /// How it is made.
    pub fn filter(&self) -> &FilterSettings {
        &self.filter
    }

    /// The reference map, from the folder that holds the data.
    pub fn file(&self) -> PathBuf {
        let name = format!("{}-ValidCRM.nii.gz", self.id().replace('.', "_"));
        Path::new("ibsi_2_response_maps").join(name)
    }

    /// Filters the phantom and compares the response with the reference map; both are read from
    /// `data`.
    ///
    /// # Errors
    /// What the reader reports; a reference map of another size than the phantom.
    pub fn compare(&self, data: &Path) -> Result<MapComparison> {
        let phantom = format!("ibsi_2_digital_phantoms/{}.nii.gz", self.phantom);
        let image = nifti::read_image(&slashed(&data.join(phantom)))?.volume;
        let file = data.join(self.file());
        let file = slashed(&file);
        let reference = nifti::read_image(&file)?.volume;
        let whole = IndexBox::whole(image.geometry().size);
        if reference.geometry().size != image.geometry().size {
            return Err(Error::bad_data(&file, "has another size than its phantom"));
        }
        let spacing = image.geometry().spacing;
        let maps = filters::respond(&self.filter, image.crop(&whole).view(), spacing)?;
        let [(_, response)] = &maps[..] else {
            return Err(Error::bad_request(format!(
                "{}: the filter gives several maps",
                self.id()
            )));
        };
        let largest_difference = difference(response.iter(), &reference);
        Ok(MapComparison {
            id: self.id().to_owned(),
            phantom: self.phantom.clone(),
            largest_difference,
            passed: largest_difference <= TOLERANCE,
        })
    }
}

/// Largest difference from the reference, as a fraction of the reference's range.
fn difference<'a>(response: impl Iterator<Item = &'a f32>, reference: &Volume) -> f64 {
    let expected = reference.crop(&IndexBox::whole(reference.geometry().size));
    let (low, high) =
        expected.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)));
    let worst = response.zip(&expected).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    f64::from(worst) / f64::from(high - low)
}
