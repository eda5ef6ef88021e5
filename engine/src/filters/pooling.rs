//! Several responses made one, and the rotations of a separable kernel.

use serde::{Deserialize, Serialize};

use super::separable::Kernel;
use super::settings::Dimension;
use super::tile::Tile;

/// How the responses of a filter and of its rotations become one, voxel by voxel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The largest.
    Max,
}

impl Pooling {
    /// Takes one of `count` responses into `pooled`.
    pub(crate) fn take(self, pooled: &mut Tile, response: &Tile, count: usize, first: bool) {
        let pairs = pooled.values.iter_mut().zip(&response.values);
        match self {
            Self::Mean => {
                let weight = 1.0 / count as f32;
                pairs.for_each(|(pooled, value)| *pooled += weight * value);
            }
            Self::Max if first => pooled.values.copy_from_slice(&response.values),
            Self::Max => pairs.for_each(|(pooled, value)| *pooled = pooled.max(*value)),
        }
    }
}

/// A separable kernel (x, y, z) turned by each right angle: 24 rotations in 3D, 4 in the slice.
pub(crate) fn rotations(kernels: &[Kernel; 3], dimension: Dimension) -> Vec<[Kernel; 3]> {
    const ORDERS: [([usize; 3], bool); 6] = [
        ([0, 1, 2], true),
        ([1, 2, 0], true),
        ([2, 0, 1], true),
        ([0, 2, 1], false),
        ([1, 0, 2], false),
        ([2, 1, 0], false),
    ];
    let mut all = Vec::new();
    for (order, even) in ORDERS {
        for flips in 0..8u32 {
            // A rotation, not a reflection: permutation and flips together keep handedness.
            let keeps_hand = even == (flips.count_ones() % 2 == 0);
            let leaves_slice = order[2] != 2 || flips >> 2 & 1 == 1;
            if keeps_hand && (dimension == Dimension::ThreeD || !leaves_slice) {
                all.push(std::array::from_fn(|axis| {
                    let kernel = &kernels[order[axis]];
                    if flips >> axis & 1 == 1 { kernel.reversed() } else { kernel.clone() }
                }));
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_24_distinct_rotations_in_space_and_4_in_a_slice() {
        let kernel = |n: i32| Kernel::centred(vec![f64::from(n), f64::from(n + 1)]);
        let kernels = [kernel(0), kernel(2), kernel(4)];
        for (dimension, count) in [(Dimension::ThreeD, 24), (Dimension::TwoD, 4)] {
            let all = rotations(&kernels, dimension);
            assert_eq!(all.len(), count);
            for (i, a) in all.iter().enumerate() {
                assert!(all[..i].iter().all(|b| a != b));
            }
        }
    }
}
