//! What a loaded case takes of the memory.

use crate::features::RADIUS_MM;
use crate::filters::{self, Boundary, Dimension, Filter, FilterSettings};
use crate::ingest::Case;
use crate::plan::Plan;
use crate::preprocess::resample::WorkingGrid;
use crate::volume::Volume;

/// Bytes that a voxel of a box takes while the features of one image of it are computed:
/// intensities, masks, levels, zones and the neighbourhoods of one family at a time.
const BYTES_PER_BOX_VOXEL: f64 = 48.0;
/// Bytes of a voxel of an image on its way through filters.
const SAMPLE: f64 = 4.0;
/// Bytes of a coefficient of a whole image's spectrum: real for a cosine series, else complex.
const COSINE: f64 = 8.0;
const COMPLEX: f64 = 16.0;

/// What a loaded case takes, with the work to come, bytes.
///
/// As many lesions as there are threads are worked on at once: each has all of its response maps,
/// and they are either being made or being described, an image on each thread.
pub(super) fn measured(case: &Case, plan: &Plan) -> u64 {
    let threads = rayon::current_num_threads();
    let spacing = plan.processing().resampling.spacing_mm.resolve(case.volume.geometry().spacing);
    let grid = WorkingGrid::new(case.volume.geometry(), spacing).geometry.size;
    let margin = plan.processing().ring.map_or(0.0, |ring| ring.outer_mm) + RADIUS_MM;
    let mut boxes: Vec<[f64; 3]> = case
        .lesions
        .iter()
        .map(|lesion| {
            let native = lesion.mask.grid().spacing;
            let size = lesion.mask.bounds().size();
            std::array::from_fn(|a| (size[a] as f64 * native[a] + 2.0 * margin) / spacing[a])
        })
        .collect();
    boxes.sort_by(|a, b| f64::total_cmp(&voxels(b), &voxels(a)));

    let bank = Bank::of(plan, spacing, grid.map(|n| n as f64));
    let lesions = || boxes.iter().take(threads);
    let held: f64 = lesions().map(|size| bank.maps as f64 * SAMPLE * voxels(size)).sum();
    let made: f64 = lesions().map(|size| bank.making(size, threads)).sum();
    let images = boxes.iter().flat_map(|size| std::iter::repeat_n(voxels(size), bank.images));
    let described = images.take(threads).sum::<f64>() * BYTES_PER_BOX_VOXEL;
    let masks: u64 = case.lesions.iter().map(|l| l.mask.inside().len() as u64).sum();
    volume_bytes(&case.volume) + masks + (held + f64::max(made, described)) as u64
}

fn voxels(size: &[f64; 3]) -> f64 {
    size.iter().product()
}

/// The filters of which a plan wants a map, as far as memory is concerned.
struct Bank {
    /// Maps that are made for each lesion.
    maps: usize,
    /// Images that are described for each lesion: the CT and the maps that are wanted.
    images: usize,
    /// Voxels of the working grid along each axis.
    whole: [f64; 3],
    /// Whether a filter sees the whole image.
    sees_whole: bool,
    /// How far the widest of the other filters sees beyond a lesion's box, voxels.
    reach: [f64; 3],
    /// Bytes of the spectra of the whole image, which are there for all filters made by FFT.
    spectra: f64,
    /// Bytes that each filter made by FFT takes besides.
    fourier: Vec<f64>,
    /// Number of filters with a kernel of bounded support.
    bounded: usize,
}

impl Bank {
    fn of(plan: &Plan, spacing: [f64; 3], whole: [f64; 3]) -> Self {
        let wanted = |name: &String| plan.selection().wants_map(name);
        let mut bank = Self {
            maps: 0,
            images: 1,
            whole,
            sees_whole: false,
            reach: [0.0; 3],
            spectra: 0.0,
            fourier: Vec::new(),
            bounded: 0,
        };
        let mut series: Vec<(Boundary, Dimension)> = Vec::new();
        for filter in plan.processing().filters.iter().filter(|f| f.maps().iter().any(wanted)) {
            // A kernel that is too wide for the grid makes no map.
            let Ok(reach) = filters::support(filter, spacing) else { continue };
            bank.maps += filter.maps().len();
            bank.images += filter.maps().iter().filter(|name| wanted(name)).count();
            match reach {
                Some(reach) => {
                    for (widest, reach) in bank.reach.iter_mut().zip(reach) {
                        *widest = widest.max(reach as f64);
                    }
                }
                None => bank.sees_whole = true,
            }
            if is_fourier(filter) {
                let spectrum = spectrum_bytes(filter, whole);
                let key = (filter.boundary, filter.dimension);
                if !series.contains(&key) {
                    series.push(key);
                    bank.spectra += spectrum;
                }
                // A product with the spectrum, turned from axis to axis, and what it becomes.
                bank.fourier.push(2.0 * spectrum + SAMPLE * voxels(&whole));
            } else {
                bank.bounded += 1;
            }
        }
        bank.fourier.sort_by(|a, b| f64::total_cmp(b, a));
        bank
    }

    /// Bytes while the maps of a lesion's box are made, besides the maps.
    fn making(&self, size: &[f64; 3], threads: usize) -> f64 {
        if self.maps == 0 {
            return 0.0;
        }
        let grown: [f64; 3] =
            std::array::from_fn(|a| (size[a] + 2.0 * self.reach[a]).min(self.whole[a]));
        let seen = if self.sees_whole { self.whole } else { grown };
        // The extended box, the same between two axes, and a response before it is pooled.
        let extended: [f64; 3] = std::array::from_fn(|a| size[a] + 2.0 * self.reach[a]);
        let bounded = SAMPLE * (2.0 * voxels(&extended) + voxels(size));
        let mut at_once: Vec<f64> = self.fourier.clone();
        at_once.extend(std::iter::repeat_n(bounded, self.bounded));
        at_once.sort_by(|a, b| f64::total_cmp(b, a));
        let at_once: f64 = at_once.iter().take(threads).sum();
        SAMPLE * voxels(&seen) + self.spectra + at_once
    }
}

fn is_fourier(filter: &FilterSettings) -> bool {
    matches!(
        filter.filter,
        Filter::Simoncelli { .. } | Filter::Shannon { .. } | Filter::Riesz { .. }
    )
}

/// An image that goes on as zeros or as its edge voxels is extended by half to each side.
fn spectrum_bytes(filter: &FilterSettings, whole: [f64; 3]) -> f64 {
    match filter.boundary {
        Boundary::Mirror => COSINE * voxels(&whole),
        Boundary::Periodic => COMPLEX * voxels(&whole),
        _ if filter.dimension == Dimension::TwoD => COMPLEX * 4.0 * voxels(&whole),
        _ => COMPLEX * 8.0 * voxels(&whole),
    }
}

fn volume_bytes(volume: &Volume) -> u64 {
    let bytes_per_voxel = if volume.voxels().whole().is_ok() { 2 } else { 4 };
    volume.geometry().voxel_count() as u64 * bytes_per_voxel
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing::{self, BOX, SIZE};

    const WAVELET: &str = "[[filter]]\nname = \"w\"\nkind = \"wavelet\"\nwavelet = \"haar\"\n";
    const SIMONCELLI: &str = "[[filter]]\nname = \"s\"\nkind = \"simoncelli\"\n";

    fn bytes(filters: &str) -> usize {
        measured(&testing::case(), &testing::plan(filters)) as usize
    }

    #[test]
    fn response_maps_and_the_images_that_they_are_made_from_are_counted() {
        let plain = bytes("");
        let one = bytes(&format!("{WAVELET}subbands = [\"LLH\"]\n"));
        assert!(one >= plain + 4 * BOX, "{one} against {plain}");
        let eight = bytes(WAVELET);
        assert!(eight >= one + 7 * 4 * BOX, "{eight} against {one}");

        let whole = SIZE.iter().product::<usize>();
        // The image, its spectrum, and the product of that with the filter.
        let mirrored = bytes(SIMONCELLI);
        assert!(mirrored >= (4 + 8 + 8) * whole, "{mirrored} for {whole} voxels");
        let zero = bytes(&format!("{SIMONCELLI}boundary = \"zero\"\n"));
        assert!(zero >= 8 * (16 + 16) * whole, "{zero} for {whole} voxels");
    }

    #[test]
    fn a_filter_of_which_no_map_is_wanted_costs_nothing() {
        let plan = testing::plan(&format!("[features]\nmaps = [\"original\"]\n{SIMONCELLI}"));
        let unwanted = measured(&testing::case(), &plan) as usize;
        assert_eq!(unwanted, bytes(""));
        assert!(unwanted < bytes(SIMONCELLI));
    }
}
