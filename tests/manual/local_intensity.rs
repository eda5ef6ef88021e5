//! Section 3.2 (9ST6): mean intensities within 1 cm³ around voxels of the region. The sphere takes
//! every voxel of the image, in the region or not; beyond the edge of the image there are none.

use super::discretisation::extremes;
use super::{Features, Prepared, Voxel, inside, mean, offset, voxels};

/// r = (3 / (4 pi))^(1/3) cm, here in mm.
fn radius() -> f64 {
    10.0 * (3.0 / (4.0 * std::f64::consts::PI)).cbrt()
}

fn mean_around(prepared: &Prepared, centre: Voxel, steps: &[[isize; 3]]) -> Option<f64> {
    let size = prepared.image.size;
    let mut around = Vec::new();
    for &step in steps {
        if let Some(voxel) = super::moved(size, centre, step) {
            around.push(prepared.image.values[offset(size, voxel)]);
        }
    }
    mean(&around)
}

/// All steps within the radius.
fn sphere(spacing: [f64; 3]) -> Vec<[isize; 3]> {
    let reach = spacing.map(|spacing| (radius() / spacing).ceil() as usize);
    let mut steps = Vec::new();
    for cell in voxels(reach.map(|reach| 2 * reach + 1)) {
        let step = [0, 1, 2].map(|axis| cell[axis] as isize - reach[axis] as isize);
        let mut squared = 0.0;
        for axis in 0..3 {
            squared += (step[axis] as f64 * spacing[axis]).powi(2);
        }
        if squared <= radius().powi(2) {
            steps.push(step);
        }
    }
    steps
}

pub fn features(prepared: &Prepared) -> Features {
    let size = prepared.image.size;
    let steps = sphere(prepared.image.spacing);
    let highest = extremes(&prepared.intensities()).map(|(_, high)| high);
    let (mut local, mut global): (Option<f64>, Option<f64>) = (None, None);
    for voxel in inside(size, &prepared.intensity) {
        let Some(peak) = mean_around(prepared, voxel, &steps) else {
            continue;
        };
        global = Some(global.map_or(peak, |best| best.max(peak)));
        // VJGA: of several voxels with the highest intensity, the highest peak.
        if Some(prepared.image.values[offset(size, voxel)]) == highest {
            local = Some(local.map_or(peak, |best| best.max(peak)));
        }
    }
    vec![("loc_peak_loc", local), ("loc_peak_glob", global)]
}
