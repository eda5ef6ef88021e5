//! Regions that are one lesion twice.

use super::case::Lesion;

/// Regions that share this much (Dice, DOI 10.2307/1932409) are hardly two lesions.
const SAME: f64 = 0.9;

/// A warning for each pair of regions that cover nearly the same voxels.
pub(super) fn warnings(lesions: &[Lesion]) -> Vec<String> {
    let counts: Vec<usize> = lesions.iter().map(|lesion| lesion.mask.voxel_count()).collect();
    let called = |lesion: &Lesion| match &lesion.name {
        Some(name) => format!("{} ({name})", lesion.id),
        None => lesion.id.clone(),
    };
    let mut warnings = Vec::new();
    for (at, one) in lesions.iter().enumerate() {
        for (other, &count) in lesions.iter().zip(&counts).skip(at + 1) {
            let dice = |shared: usize| 2.0 * shared as f64 / (counts[at] + count) as f64;
            if dice(counts[at].min(count)) < SAME
                || one.mask.bounds().intersection(other.mask.bounds()).is_none()
            {
                continue;
            }
            let dice = dice(one.mask.shared(&other.mask));
            if dice >= SAME {
                warnings.push(format!(
                    "{} and {} cover nearly the same voxels (Dice {dice:.2}): they may be one lesion, \
                     measured twice",
                    called(one),
                    called(other)
                ));
            }
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::geometry::{Geometry, IndexBox};
    use crate::mask::Mask;

    fn lesion(id: &str, min: [usize; 3], size: [usize; 3]) -> Lesion {
        let grid = Geometry::axis_aligned([30, 30, 30], [1.0; 3]);
        let bounds = IndexBox { min, max: std::array::from_fn(|a| min[a] + size[a]) };
        let inside = Array3::from_elem((size[2], size[1], size[0]), true);
        let mask = Mask::new(grid, bounds, &inside).expect("voxels");
        Lesion { id: id.into(), name: Some("GTV".into()), site: None, mask }
    }

    #[test]
    fn a_copy_that_moved_a_little_is_told_and_neighbours_are_not() {
        let first = || lesion("1", [2, 2, 2], [10, 10, 10]);
        // 9 of 10 planes are shared: Dice 0.9.
        let told = warnings(&[first(), lesion("2", [3, 2, 2], [10, 10, 10])]);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("1 (GTV) and 2 (GTV)") && told[0].contains("0.90"), "{told:?}");
        for other in [
            lesion("2", [4, 2, 2], [10, 10, 10]),
            lesion("2", [2, 2, 2], [10, 10, 5]),
            lesion("2", [12, 2, 2], [10, 10, 10]),
        ] {
            assert_eq!(warnings(&[first(), other]), Vec::<String>::new());
        }
    }
}
