//! What a loaded case takes of the memory, with as many threads as work on it.

use crate::features::{Column, RADIUS_MM};
use crate::filters::{self, Boundary, Dimension, Filter, FilterSettings};
use crate::ingest::Case;
use crate::plan::Plan;
use crate::preprocess::resample::WorkingGrid;
use crate::volume::Volume;

/// Bytes that the program itself takes: its code, tables, stacks, and what the allocator keeps.
pub(super) const PROGRAM: u64 = 24 << 20;
/// Bytes that a voxel of a box takes while the features of one image of it are computed:
/// intensities, masks, levels, zones and the neighbourhoods of one family at a time.
const BYTES_PER_BOX_VOXEL: f64 = 32.0;
/// Bytes that a voxel of a box takes besides for Moran's I and Geary's C: its row's spectra.
const AUTOCORRELATION: f64 = 60.0;
/// What the allocator takes for a byte of work: what was freed is not always room for what comes.
const ROOM: f64 = 1.25;
const AUTOCORRELATED: [&str; 2] = ["morph_moran_i", "morph_geary_c"];
/// Bytes of a voxel of an image on its way through filters.
const SAMPLE: f64 = 4.0;
/// Bytes of a coefficient of a whole image's spectrum: real for a cosine series, else complex.
const COSINE: f64 = 8.0;
const COMPLEX: f64 = 16.0;

/// What a loaded case takes, and what the work to come takes besides.
pub(super) struct Footprint {
    /// Bytes of image and masks.
    loaded: u64,
    /// The boxes of the lesions on the working grid, the largest first, voxels.
    boxes: Vec<[f64; 3]>,
    bank: Bank,
    /// Bytes that a voxel of the CT's box takes while it is described.
    per_voxel: f64,
}

impl Footprint {
    pub(super) fn of(case: &Case, plan: &Plan) -> Self {
        let native = case.volume.geometry().spacing;
        let spacing = plan.processing().resampling.spacing_mm.resolve(native);
        let grid = WorkingGrid::new(case.volume.geometry(), spacing).geometry.size;
        let margin = plan.processing().ring.map_or(0.0, |ring| ring.outer_mm) + RADIUS_MM;
        let mut boxes: Vec<[f64; 3]> = case
            .lesions
            .iter()
            .map(|lesion| {
                let native = lesion.mask.grid().spacing;
                let size = lesion.mask.bounds().size();
                std::array::from_fn(|a| {
                    let grown = (size[a] as f64 * native[a] + 2.0 * margin) / spacing[a];
                    grown.min(grid[a] as f64)
                })
            })
            .collect();
        boxes.sort_by(|a, b| f64::total_cmp(&voxels(b), &voxels(a)));
        let masks: u64 = case.lesions.iter().map(|l| l.mask.bytes() as u64).sum();
        let correlates = |column: &Column| AUTOCORRELATED.contains(&column.feature.id);
        let besides = if plan.columns().own().any(correlates) { AUTOCORRELATION } else { 0.0 };
        Self {
            loaded: volume_bytes(&case.volume) + masks,
            boxes,
            bank: Bank::of(plan, spacing, grid.map(|n| n as f64)),
            per_voxel: BYTES_PER_BOX_VOXEL + besides,
        }
    }

    /// Bytes that the case takes on so many threads.
    ///
    /// As many lesions as there are threads are worked on at once: each has all of its response maps,
    /// and they are either being made or being described, an image on each thread.
    pub(super) fn bytes(&self, threads: usize) -> u64 {
        let Self { loaded, boxes, bank, per_voxel } = self;
        let lesions = || boxes.iter().take(threads);
        let held: f64 = lesions().map(|size| bank.maps as f64 * SAMPLE * voxels(size)).sum();
        let made: f64 = lesions().map(|size| bank.making(size, threads)).sum();
        let mut images: Vec<f64> = boxes
            .iter()
            .flat_map(|size| {
                let maps = std::iter::repeat_n(BYTES_PER_BOX_VOXEL, bank.images - 1);
                maps.chain([*per_voxel]).map(|bytes| bytes * voxels(size))
            })
            .collect();
        images.sort_by(|a, b| f64::total_cmp(b, a));
        let described = images.iter().take(threads).sum::<f64>();
        loaded + (ROOM * (held + f64::max(made, described))) as u64
    }

    /// The most threads, up to `most`, on which the case takes no more than this, with what it takes.
    pub(super) fn within(&self, available: u64, most: usize) -> Option<(u64, usize)> {
        let fewer = std::iter::successors(Some(most), |&n| (n > 1).then_some(n / 2));
        fewer.map(|n| (self.bytes(n), n)).find(|&(bytes, _)| bytes <= available)
    }
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
    use crate::ingest::Lesion;

    const WAVELET: &str = "[[filter]]\nname = \"w\"\nkind = \"wavelet\"\nwavelet = \"haar\"\n";
    const SIMONCELLI: &str = "[[filter]]\nname = \"s\"\nkind = \"simoncelli\"\n";

    fn bytes(filters: &str) -> usize {
        Footprint::of(&testing::case(), &testing::plan(filters)).bytes(2) as usize
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
    fn a_case_gets_as_many_threads_as_fit() {
        let mut case = testing::case();
        let lesion = case.lesions[0].clone();
        case.lesions.extend((2..9).map(|id| Lesion { id: id.to_string(), ..lesion.clone() }));
        let footprint = Footprint::of(&case, &testing::plan(WAVELET));
        let of = |threads| footprint.bytes(threads);
        assert!(of(1) < of(2) && of(2) < of(4));
        assert_eq!(footprint.within(u64::MAX, 4), Some((of(4), 4)));
        assert_eq!(footprint.within(of(4) - 1, 4), Some((of(2), 2)));
        assert_eq!(footprint.within(of(1), 4), Some((of(1), 1)));
        assert_eq!(footprint.within(of(1) - 1, 4), None);
    }

    #[test]
    fn a_filter_of_which_no_map_is_wanted_costs_nothing() {
        let plan = testing::plan(&format!("[features]\nmaps = [\"original\"]\n{SIMONCELLI}"));
        let unwanted = Footprint::of(&testing::case(), &plan).bytes(2) as usize;
        assert_eq!(unwanted, bytes(""));
        assert!(unwanted < bytes(SIMONCELLI));
    }
}
