//! Everything of a plan that can change a value: what its hash covers.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::features::parameters::{IvhDiscretisation, TextureParameters};
use crate::filters::FilterSettings;
use crate::preprocess::parameters::{Discretisation, Resampling, Resegmentation, Ring};

/// How a value is computed, with nothing left open.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Processing {
    /// Resampling of image and mask.
    pub resampling: Resampling,
    /// Which voxels take part in intensity features.
    pub resegmentation: Resegmentation,
    /// Grey levels of the image.
    pub discretisation: Discretisation,
    /// Grey levels of filter responses.
    pub filtered_discretisation: Discretisation,
    /// Levels of the intensity-volume histogram.
    pub intensity_volume_histogram: IvhDiscretisation,
    /// Parameters of the texture matrices.
    pub texture: TextureParameters,
    /// Filters, whose response maps are described besides the image itself.
    #[serde(rename = "filter", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSettings>,
    /// A shell around the lesion.
    #[serde(rename = "regions", serialize_with = "as_region")]
    pub ring: Option<Ring>,
}

impl Processing {
    /// Width in voxels of the border that the texture matrices' neighbourhoods need.
    pub fn border(&self) -> usize {
        let TextureParameters { glcm_distance, ngtdm_distance, ngldm_distance, .. } = self.texture;
        glcm_distance.max(ngtdm_distance).max(ngldm_distance).into()
    }
}

/// Settings have the ring beside the tumour, which is a matter of selection.
fn as_region<S: Serializer>(ring: &Option<Ring>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut regions = serializer.serialize_map(Some(usize::from(ring.is_some())))?;
    if let Some(ring) = ring {
        regions.serialize_entry("ring", ring)?;
    }
    regions.end()
}
