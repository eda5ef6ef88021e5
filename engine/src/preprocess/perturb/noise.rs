//! The image's own noise.

use crate::mask::Mask;
use crate::volume::Volume;

/// Surroundings from which noise is estimated, mm beyond the lesion's box.
const NOISE_SURROUNDINGS_MM: f64 = 15.0;
/// Fewer blocks of four pixels give no estimate of noise.
const MIN_NOISE_BLOCKS: usize = 64;
/// Air in a CT has no noise where the scanner clips it.
const CLIPPED_BELOW_HU: f32 = -900.0;

/// Noise of the image around a lesion: median absolute diagonal Haar detail of blocks of 2 x 2 pixels
/// within a slice, divided by 0.6745. `None` where too few blocks lie above clipped air.
pub(super) fn noise_sd(volume: &Volume, mask: &Mask) -> Option<f64> {
    let geometry = volume.geometry();
    let grow = |a: usize| (NOISE_SURROUNDINGS_MM / geometry.spacing[a]).ceil() as usize;
    let bounds = mask.bounds().grown([grow(0), grow(1), 0], geometry.size);
    let values = volume.crop(&bounds);
    let mut details = Vec::new();
    for slice in values.outer_iter() {
        for block in slice.exact_chunks((2, 2)) {
            if block.iter().all(|&v| v > CLIPPED_BELOW_HU) {
                let [a, b, c, d] = [block[[0, 0]], block[[0, 1]], block[[1, 0]], block[[1, 1]]];
                details.push(0.5 * f64::from(a - b - c + d).abs());
            }
        }
    }
    if details.len() < MIN_NOISE_BLOCKS {
        return None;
    }
    let middle = details.len() / 2;
    let (_, &mut median, _) = details.select_nth_unstable_by(middle, f64::total_cmp);
    Some(median / 0.674_489_750_196_081_7)
}

#[cfg(test)]
mod tests {
    use super::super::tests::ball;
    use super::*;

    /// The SD that was put in comes out, although the image has a slope.
    #[test]
    fn the_noise_estimate_finds_the_noise_that_was_put_in() {
        let (volume, mask) = ball(12.0);
        let sd = noise_sd(&volume, &mask).expect("an estimate");
        assert!((sd / 12.0 - 1.0).abs() < 0.08, "{sd}");
    }
}
