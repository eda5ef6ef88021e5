//! Random small cases, the same for the same number.

use super::{
    Discretisation, Image, Interpolation, Rounding, Settings, VolumeHistogram, offset, voxels,
};

/// An image, a mask with at least one voxel (re-segmentation or a coarser grid may leave none), and
/// settings.
#[derive(Clone, Debug)]
pub struct Case {
    pub image: Image,
    pub mask: Vec<bool>,
    pub settings: Settings,
}

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to one below the bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Spacings that are binary fractions, so that no place on a grid is rounded.
const SPACINGS: [f64; 8] = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0];

pub fn case(number: u64) -> Case {
    let mut random = Random(number);
    let size = [0; 3].map(|_| 1 + random.below(8));
    let spacing = if random.chance(30) {
        [random.pick(&SPACINGS); 3]
    } else {
        [0; 3].map(|_| random.pick(&SPACINGS))
    };
    let (values, settings) = intensities(&mut random, size.iter().product());
    let mut settings = settings;
    if random.chance(40) {
        let keep_slices = random.chance(30);
        let mut to = if random.chance(50) {
            [random.pick(&SPACINGS); 3]
        } else {
            [0; 3].map(|_| random.pick(&SPACINGS))
        };
        // At most twice as fine, for the oracle is slow.
        for axis in 0..3 {
            while 2.0 * to[axis] < spacing[axis] {
                to[axis] *= 2.0;
            }
        }
        if keep_slices {
            to[0] = spacing[0];
        }
        settings.spacing = Some(to);
        settings.interpolation =
            random.pick(&[Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic]);
        // What a spline leaves unrounded is noise in its last digits, which would choose a bin.
        if settings.rounding == Rounding::None && settings.interpolation == Interpolation::Cubic {
            settings.interpolation = Interpolation::Linear;
        }
        // Levels are no intensities: between two of them there is nothing.
        if settings.discretisation == Discretisation::None {
            settings.interpolation = Interpolation::Nearest;
        }
    }
    settings.glcm_distance = random.pick(&[1, 1, 1, 2, 3]);
    settings.ngtdm_distance = random.pick(&[1, 1, 2]);
    settings.ngldm_distance = random.pick(&[1, 1, 2]);
    settings.ngldm_alpha = random.pick(&[0, 0, 1, 2]);
    let mask = mask(&mut random, size);
    Case { image: Image { size, spacing, values }, mask, settings }
}

/// Intensities of several kinds, with settings that suit them.
fn intensities(random: &mut Random, n: usize) -> (Vec<f64>, Settings) {
    let mut settings = Settings::default();
    let draw = |random: &mut Random, values: &[f64]| -> Vec<f64> {
        (0..n).map(|_| random.pick(values)).collect()
    };
    let kind = random.below(7);
    let values = match kind {
        // Grey levels, few or many.
        0 | 1 => {
            let levels = if kind == 0 { 1 + random.below(4) } else { 1 + random.below(60) };
            let levels: Vec<f64> = (1..=levels).map(|level| level as f64).collect();
            draw(random, &levels)
        }
        // One intensity.
        2 => vec![random_integer(random); n],
        // Two intensities far apart.
        3 => {
            let two = [random_integer(random), random_integer(random)];
            draw(random, &two)
        }
        // Integers, negative ones too.
        4 | 5 => (0..n).map(|_| random_integer(random)).collect(),
        // Quarters, on the edges of bins often.
        _ => (0..n).map(|_| random.below(400) as f64 / 4.0 - 50.0).collect(),
    };
    if kind <= 1 {
        return (values, settings);
    }
    if random.chance(50) {
        settings.lower = Some(-200.0);
        if random.chance(70) {
            settings.upper = Some(300.0);
        }
    }
    if random.chance(30) {
        settings.outliers = Some(random.pick(&[1.0, 1.5, 2.0, 3.0]));
    }
    settings.rounding = if kind == 6 { Rounding::None } else { Rounding::HalfAwayFromZero };
    settings.discretisation = if random.chance(50) {
        Discretisation::FixedBinNumber(random.pick(&[1, 2, 3, 4, 8, 32, 64]))
    } else {
        Discretisation::FixedBinSize(random.pick(&[2.5, 10.0, 25.0, 64.0]))
    };
    settings.volume_histogram = if kind == 6 || random.chance(40) {
        if random.chance(50) {
            VolumeHistogram::FixedBinSize(random.pick(&[0.5, 2.5, 10.0]))
        } else {
            VolumeHistogram::FixedBinNumber(random.pick(&[10, 100, 1000]))
        }
    } else {
        VolumeHistogram::Discrete
    };
    (values, settings)
}

fn random_integer(random: &mut Random) -> f64 {
    random.below(1001) as f64 - 500.0
}

/// Masks of several kinds.
fn mask(random: &mut Random, size: [usize; 3]) -> Vec<bool> {
    let any = |random: &mut Random| size.map(|n| random.below(n));
    let mut mask = vec![false; size.iter().product()];
    let kind = random.below(7);
    let slice = random.below(size[0]);
    let (low, high) = (any(random), any(random));
    let density = random.pick(&[10, 30, 60, 90]);
    for voxel in voxels(size) {
        let in_box = |axis: usize| {
            let (a, b) = (low[axis].min(high[axis]), low[axis].max(high[axis]));
            (a..=b).contains(&voxel[axis])
        };
        mask[offset(size, voxel)] = match kind {
            // Scattered, sparse to dense.
            0 | 1 => random.chance(density),
            // Everything.
            2 => true,
            // A box, and a box with holes.
            3 => (0..3).all(in_box),
            4 => (0..3).all(in_box) && random.chance(80),
            // One slice.
            5 => voxel[0] == slice && random.chance(density),
            // A single voxel.
            _ => false,
        };
    }
    let one = any(random);
    mask[offset(size, one)] = true;
    mask
}
