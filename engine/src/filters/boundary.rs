//! What a filter sees beyond the image's edge (IBSI 2, boundary conditions).

use ndarray::ArrayView3;
use serde::{Deserialize, Serialize};

use super::tile::Tile;

/// How an image goes on beyond its edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Intensity 0: `0 0 | a b c d | 0 0`.
    Zero,
    /// The edge voxel's intensity: `a a | a b c d | d d`.
    Nearest,
    /// The opposite side: `c d | a b c d | a b`.
    Periodic,
    /// Mirrored at the edge voxel's outer face: `b a | a b c d | d c`.
    #[default]
    Mirror,
}

impl Boundary {
    /// The voxel among `n` that stands at `index`, or none where the intensity is 0.
    pub(crate) fn source(self, index: isize, n: usize) -> Option<usize> {
        let last = n as isize - 1;
        let inside = (0..=last).contains(&index);
        match self {
            _ if inside => Some(index as usize),
            Self::Zero => None,
            Self::Nearest => Some(index.clamp(0, last) as usize),
            Self::Periodic => Some(index.rem_euclid(n as isize) as usize),
            Self::Mirror => {
                let folded = index.rem_euclid(2 * n as isize);
                Some(folded.min(2 * n as isize - 1 - folded) as usize)
            }
        }
    }

    /// The smallest span within `0..n` that holds every voxel standing in for `from..to`.
    pub(crate) fn sources(self, from: isize, to: isize, n: usize) -> (isize, isize) {
        let inner = (from.max(0), to.min(n as isize));
        let outside = (from..from.max(0).min(to)).chain(to.min(n as isize).max(from)..to);
        outside.filter_map(|i| self.source(i, n)).fold(inner, |(low, high), i| {
            let i = i as isize;
            if low >= high { (i, i + 1) } else { (low.min(i), high.max(i + 1)) }
        })
    }

    /// The image over `tile`'s voxels, which may reach beyond it.
    ///
    /// `image` has shape (z, y, x), and its first voxel is voxel `origin` of a grid of `size`
    /// voxels (both x, y, z); it holds every voxel of the grid that is looked up.
    pub(crate) fn extend(
        self,
        image: ArrayView3<f32>,
        origin: [isize; 3],
        size: [usize; 3],
        min: [isize; 3],
        max: [isize; 3],
    ) -> Tile {
        let lookup = |axis: usize| -> Vec<Option<usize>> {
            (min[axis]..max[axis])
                .map(|i| self.source(i, size[axis]).map(|s| (s as isize - origin[axis]) as usize))
                .collect()
        };
        let (xs, ys, zs) = (lookup(0), lookup(1), lookup(2));
        let mut tile = Tile::zeros(min, max);
        let (nx, ny) = (xs.len(), ys.len());
        // Columns that exist as they are: copied at once, the rest one by one.
        let plain_from = (-min[0]).max(0).min(nx as isize) as usize;
        let plain_to = (size[0] as isize - min[0]).clamp(plain_from as isize, nx as isize) as usize;
        for (z, source_z) in zs.iter().enumerate() {
            for (y, source_y) in ys.iter().enumerate() {
                let (Some(sz), Some(sy)) = (source_z, source_y) else { continue };
                let row = image.slice(ndarray::s![*sz, *sy, ..]);
                let start = (z * ny + y) * nx;
                let out = &mut tile.values[start..start + nx];
                match (row.as_slice(), xs.get(plain_from).copied().flatten()) {
                    (Some(row), Some(first)) if plain_to > plain_from => {
                        let n = plain_to - plain_from;
                        out[plain_from..plain_to].copy_from_slice(&row[first..first + n]);
                    }
                    _ => {
                        for x in plain_from..plain_to {
                            out[x] = xs[x].map_or(0.0, |s| row[s]);
                        }
                    }
                }
                for x in (0..plain_from).chain(plain_to..nx) {
                    out[x] = xs[x].map_or(0.0, |s| row[s]);
                }
            }
        }
        tile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(boundary: Boundary) -> String {
        (-5..9).map(|i| boundary.source(i, 4).map_or('0', |s| char::from(b'a' + s as u8))).collect()
    }

    #[test]
    fn an_image_of_four_voxels_goes_on_as_its_boundary_says() {
        assert_eq!(line(Boundary::Zero), "00000abcd00000");
        assert_eq!(line(Boundary::Nearest), "aaaaaabcdddddd");
        assert_eq!(line(Boundary::Periodic), "dabcdabcdabcda");
        assert_eq!(line(Boundary::Mirror), "ddcbaabcddcbaa");
    }

    #[test]
    fn the_span_of_sources_holds_every_source() {
        for boundary in [Boundary::Zero, Boundary::Nearest, Boundary::Periodic, Boundary::Mirror] {
            for from in -9..9 {
                for to in from + 1..12 {
                    let (low, high) = boundary.sources(from, to, 5);
                    for i in (from..to).filter_map(|i| boundary.source(i, 5)) {
                        assert!((low..high).contains(&(i as isize)), "{boundary:?} {from}..{to}");
                    }
                }
            }
        }
    }
}
