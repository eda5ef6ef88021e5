//! Checks of the image and the lesion after each step, as the IBSI defines them for its CT phantom
//! (IBSI manual, chapter 5): where features of two programs differ, the first check that differs
//! names the step.

use ndarray::Array3;

use crate::geometry::{Geometry, IndexBox};
use crate::mask::Mask;
use crate::preprocess::resample::{self, WorkingGrid};
use crate::preprocess::{Preparation, intensities, resegment};
use crate::rows;
use crate::value::{Missing, Value, finite};
use crate::volume::Volume;

/// One check.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// The IBSI's short tag, such as `int_mask_vox_count_reseg_roi`.
    pub tag: String,
    /// Voxels, mm or HU, as the tag says; missing where a step leaves no voxel.
    pub value: Value,
}

/// The 60 checks of a lesion: the image as read and resampled; the lesion as read, resampled and
/// re-segmented.
///
/// Dimensions are numbers of voxels along x, y, z; voxel dimensions are in mm; intensities in HU.
/// The whole image is resampled, which extraction never does: expect seconds for a fine grid.
pub fn checks(volume: &Volume, lesion: &Mask, preparation: &Preparation<'_>) -> Vec<Check> {
    let native = volume.geometry();
    let grid = WorkingGrid::new(native, preparation.resampling.spacing_mm.resolve(native.spacing));
    let working = &grid.geometry;
    let mut list = List::default();

    list.image("init_img", native, &volume.crop(&IndexBox::whole(native.size)));
    let resampled =
        intensities(volume, &grid, &IndexBox::whole(working.size), preparation.resampling);
    list.image("interp_img", working, &resampled);

    list.region("init_roi", native, lesion, &volume.crop(lesion.bounds()), &lesion.inside());
    let sampling = preparation.resampling;
    match resample::mask(lesion, &grid, sampling.mask_interpolation, sampling.mask_threshold) {
        Some(mask) => {
            let values = intensities(volume, &grid, mask.bounds(), sampling);
            let inside = mask.inside();
            let kept = resegment::intensity_mask(&values, &inside, preparation.resegmentation);
            list.region("interp_roi", working, &mask, &values, &inside);
            list.region("reseg_roi", working, &mask, &values, &kept);
        }
        None => {
            list.empty_region("interp_roi", working);
            list.empty_region("reseg_roi", working);
        }
    }
    list.0
}

#[derive(Default)]
struct List(Vec<Check>);

impl List {
    fn add(&mut self, what: &str, step: &str, value: Value) {
        self.0.push(Check { tag: format!("{what}_{step}"), value });
    }

    fn add_axes(&mut self, what: &str, step: &str, values: [Value; 3]) {
        for (axis, value) in ["x", "y", "z"].into_iter().zip(values) {
            self.add(&format!("{what}_{axis}"), step, value);
        }
    }

    fn image(&mut self, step: &str, grid: &Geometry, values: &Array3<f32>) {
        self.add_axes("img_dim", step, grid.size.map(count));
        self.add_axes("vox_dim", step, grid.spacing.map(finite));
        let [mean, low, high] = summary(values.iter().copied());
        self.add("mean_int", step, mean);
        self.add("min_int", step, low);
        self.add("max_int", step, high);
    }

    /// `values` and `kept` (the intensity mask) lie on the box of the morphological mask.
    fn region(
        &mut self,
        step: &str,
        grid: &Geometry,
        morphological: &Mask,
        values: &Array3<f32>,
        kept: &Array3<bool>,
    ) {
        self.add_axes("int_mask_dim", step, grid.size.map(count));
        let box_size = rows::tight_box(kept)
            .map_or([Err(Missing::EmptyRegion); 3], |bounds| bounds.size().map(count));
        self.add_axes("int_mask_bb_dim", step, box_size);
        self.add_axes("morph_mask_bb_dim", step, morphological.bounds().size().map(count));
        let within: Vec<f32> =
            values.iter().zip(kept).filter(|&(_, &inside)| inside).map(|(&v, _)| v).collect();
        self.add("int_mask_vox_count", step, count(within.len()));
        self.add("morph_mask_vox_count", step, count(morphological.voxel_count()));
        let [mean, low, high] = summary(within.into_iter());
        self.add("int_mask_mean_int", step, mean);
        self.add("int_mask_min_int", step, low);
        self.add("int_mask_max_int", step, high);
    }

    fn empty_region(&mut self, step: &str, grid: &Geometry) {
        self.add_axes("int_mask_dim", step, grid.size.map(count));
        self.add_axes("int_mask_bb_dim", step, [Err(Missing::EmptyRegion); 3]);
        self.add_axes("morph_mask_bb_dim", step, [Err(Missing::EmptyRegion); 3]);
        self.add("int_mask_vox_count", step, count(0));
        self.add("morph_mask_vox_count", step, count(0));
        for what in ["int_mask_mean_int", "int_mask_min_int", "int_mask_max_int"] {
            self.add(what, step, Err(Missing::EmptyRegion));
        }
    }
}

fn count(n: usize) -> Value {
    Ok(n as f64)
}

/// Mean, minimum and maximum.
fn summary(values: impl Iterator<Item = f32>) -> [Value; 3] {
    let (mut n, mut sum) = (0u64, 0.0);
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.map(f64::from) {
        n += 1;
        sum += value;
        low = low.min(value);
        high = high.max(value);
    }
    if n == 0 { [Err(Missing::EmptyRegion); 3] } else { [sum / n as f64, low, high].map(finite) }
}
