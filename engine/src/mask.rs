//! Which voxels belong to a lesion.

use std::ops::Range;

use multiversion::multiversion;
use ndarray::Array3;

use crate::geometry::{Geometry, IndexBox};
use crate::rows;

/// A set of voxels of a grid, stored as runs along x: what it takes depends on its voxels, not on the
/// box that they lie in.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    grid: Geometry,
    bounds: IndexBox,
    /// In order, neither overlapping nor touching.
    runs: Vec<Run>,
}

/// Consecutive voxels of a row along x.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Run {
    /// The row's place among all of the grid, y fastest.
    row: u32,
    start: u32,
    end: u32,
}

impl Mask {
    /// A mask from the voxels of a box of `grid`, shape (z, y, x), x innermost in memory. `None` if no
    /// voxel is set.
    ///
    /// # Panics
    /// If the array's shape or layout is not the box's, or the box leaves the grid.
    pub fn new(grid: Geometry, bounds: IndexBox, inside: &Array3<bool>) -> Option<Self> {
        let [sx, sy, sz] = bounds.size();
        assert_eq!(inside.dim(), (sz, sy, sx), "voxels do not fit the box");
        let [x, y, z] = bounds.min;
        let runs = inside.rows().into_iter().enumerate().flat_map(|(at, voxels)| {
            let first = [x, y + at % sy, z + at / sy];
            rows::runs(rows::row(&voxels))
                .map(move |run| ([first[0] + run.start, first[1], first[2]], run.len()))
        });
        Self::from_runs(grid, runs)
    }

    /// A mask from runs along x in any order: their first voxel and their length. `None` if there is
    /// none.
    ///
    /// # Panics
    /// If a run leaves the grid, or the grid has 2³² rows.
    pub fn from_runs(
        grid: Geometry,
        runs: impl IntoIterator<Item = ([usize; 3], usize)>,
    ) -> Option<Self> {
        let [nx, ny, nz] = grid.size;
        let short = |n: usize| u32::try_from(n).expect("a grid has fewer than 2³² rows");
        let run = |([x, y, z], length): ([usize; 3], usize)| {
            assert!(x + length <= nx && y < ny && z < nz, "a run leaves the grid");
            Run { row: short(z * ny + y), start: short(x), end: short(x + length) }
        };
        let mut runs: Vec<Run> =
            runs.into_iter().filter(|&(_, length)| length > 0).map(run).collect();
        if !runs.is_sorted() {
            runs.sort_unstable();
        }
        runs.dedup_by(|next, last| {
            let joins = next.row == last.row && next.start <= last.end;
            if joins {
                last.end = last.end.max(next.end);
            }
            joins
        });
        runs.shrink_to_fit();
        let bounds = runs
            .iter()
            .map(|run| {
                let (y, z) = (run.row as usize % ny, run.row as usize / ny);
                let [start, end] = [run.start, run.end].map(|x| x as usize);
                IndexBox { min: [start, y, z], max: [end, y + 1, z + 1] }
            })
            .reduce(|a, b| a.union(&b))?;
        Some(Self { grid, bounds, runs })
    }

    /// The same voxels of another grid of this size.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn on(&self, grid: Geometry) -> Self {
        assert_eq!(grid.size, self.grid.size, "the grids differ in size");
        Self { grid, ..self.clone() }
    }

    /// The grid on which the mask lives.
    pub fn grid(&self) -> &Geometry {
        &self.grid
    }

    /// The smallest box around the set voxels.
    pub fn bounds(&self) -> &IndexBox {
        &self.bounds
    }

    /// The voxels of the smallest box, shape (z, y, x).
    pub fn inside(&self) -> Array3<bool> {
        self.within(&self.bounds)
    }

    /// The voxels of a box of the grid, shape (z, y, x).
    pub fn within(&self, bounds: &IndexBox) -> Array3<bool> {
        let [sx, sy, sz] = bounds.size();
        let mut voxels = vec![false; sx * sy * sz];
        let [low, high] = [bounds.min[0], bounds.max[0]];
        let slices = bounds.min[2] * self.grid.size[1]..bounds.max[2] * self.grid.size[1];
        let from = self.runs.partition_point(|run| (run.row as usize) < slices.start);
        for (y, z, x) in self.places(&self.runs[from..]) {
            if z >= bounds.max[2] {
                break;
            }
            if (bounds.min[1]..bounds.max[1]).contains(&y) && x.start < high && x.end > low {
                let row = ((z - bounds.min[2]) * sy + y - bounds.min[1]) * sx;
                let [start, end] = [x.start.max(low) - low, x.end.min(high) - low];
                voxels[row + start..row + end].fill(true);
            }
        }
        Array3::from_shape_vec((sz, sy, sx), voxels).expect("a voxel per place of the box")
    }

    /// The set voxels, x fastest.
    pub fn voxels(&self) -> impl Iterator<Item = [usize; 3]> {
        self.places(&self.runs).flat_map(|(y, z, x)| x.map(move |x| [x, y, z]))
    }

    /// Row (y, z) and extent along x of runs.
    fn places(&self, runs: &[Run]) -> impl Iterator<Item = (usize, usize, Range<usize>)> {
        let ny = self.grid.size[1];
        runs.iter().map(move |run| {
            let row = run.row as usize;
            (row % ny, row / ny, run.start as usize..run.end as usize)
        })
    }

    /// Whether a voxel of the grid belongs to the mask.
    pub fn contains(&self, [x, y, z]: [usize; 3]) -> bool {
        self.bounds.contains([x, y, z]) && {
            let row = z * self.grid.size[1] + y;
            let before = |run: &Run| (run.row as usize, run.end as usize) <= (row, x);
            let run = self.runs.get(self.runs.partition_point(before));
            run.is_some_and(|run| run.row as usize == row && run.start as usize <= x)
        }
    }

    /// Number of voxels set.
    pub fn voxel_count(&self) -> usize {
        self.runs.iter().map(|run| (run.end - run.start) as usize).sum()
    }

    /// Number of voxels that belong to another mask of the same grid too.
    ///
    /// # Panics
    /// If the grids differ in size.
    pub fn shared(&self, other: &Self) -> usize {
        assert_eq!(self.grid.size, other.grid.size, "the grids differ in size");
        let (mut one, mut two) = (self.runs.as_slice(), other.runs.as_slice());
        let mut shared = 0;
        while let ([a, ..], [b, ..]) = (one, two) {
            if a.row == b.row {
                shared += a.end.min(b.end).saturating_sub(a.start.max(b.start)) as usize;
            }
            if (a.row, a.end) <= (b.row, b.end) {
                one = &one[1..];
            } else {
                two = &two[1..];
            }
        }
        shared
    }

    /// Bytes of memory that the voxels take.
    pub fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }

    /// Volume of the set voxels in mL.
    pub fn volume_ml(&self) -> f64 {
        self.voxel_count() as f64 * self.grid.voxel_volume() / 1000.0
    }

    /// Whether a set voxel lies on the border of the grid, where a lesion may be cut off.
    pub fn touches_border(&self) -> bool {
        (0..3).any(|a| self.bounds.min[a] == 0 || self.bounds.max[a] == self.grid.size[a])
    }

    /// World position (LPS mm) of the mean of the set voxels.
    pub fn centroid(&self) -> [f64; 3] {
        let mut sum = [0.0; 3];
        let mut count = 0.0;
        for voxel in self.voxels() {
            for a in 0..3 {
                sum[a] += (voxel[a] - self.bounds.min[a]) as f64;
            }
            count += 1.0;
        }
        self.grid
            .voxel_to_world(std::array::from_fn(|a| sum[a] / count + self.bounds.min[a] as f64))
    }
}

/// Number of voxels set.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
pub(crate) fn count(mask: &Array3<bool>) -> usize {
    // As many voxels as 8 bits can count, so that a vector register counts many at once.
    const BLOCK: usize = u8::MAX as usize;
    let voxels = mask.as_slice().expect("standard layout");
    let mut total = 0;
    for block in voxels.chunks(BLOCK) {
        let mut of_block = 0u8;
        for &inside in block {
            of_block += u8::from(inside);
        }
        total += usize::from(of_block);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Oracle: the same questions asked of a volume of booleans.
    #[test]
    fn runs_say_what_the_voxels_say() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let grid = Geometry::axis_aligned([40, 7, 5], [0.7, 1.1, 2.5]);
        let whole = IndexBox::whole(grid.size);
        let part = IndexBox { min: [9, 2, 1], max: [37, 7, 4] };
        let mut make = |density| Array3::from_shape_fn((5, 7, 40), |_| rng.gen_bool(density));
        for density in [0.02, 0.5, 0.97] {
            let (voxels, others) = (make(density), make(0.5));
            let mask = Mask::new(grid.clone(), whole, &voxels).expect("voxels");
            let other = Mask::new(grid.clone(), whole, &others).expect("voxels");
            assert_eq!(mask.within(&whole), voxels);
            assert_eq!(mask.within(&part), voxels.slice(ndarray::s![1..4, 2..7, 9..37]));
            assert_eq!(mask.voxel_count(), voxels.iter().filter(|&&set| set).count());
            let set = |voxels: &Array3<bool>, [x, y, z]: [usize; 3]| voxels[[z, y, x]];
            let both = mask.voxels().filter(|&at| set(&others, at)).count();
            assert_eq!((mask.shared(&other), other.shared(&mask)), (both, both));
            for ((z, y, x), &inside) in voxels.indexed_iter() {
                assert_eq!(mask.contains([x, y, z]), inside, "{:?}", [x, y, z]);
            }
            let mut single: Vec<_> = mask.voxels().map(|at| (at, 1)).collect();
            single.reverse();
            assert_eq!(Mask::from_runs(grid.clone(), single), Some(mask));
        }
    }

    #[test]
    fn voxels_far_apart_take_no_box() {
        let grid = Geometry::axis_aligned([512, 512, 300], [1.0; 3]);
        let ends = [([0; 3], 1), ([511, 511, 299], 1)];
        let mask = Mask::from_runs(grid.clone(), ends).expect("voxels");
        assert_eq!((mask.voxel_count(), *mask.bounds()), (2, IndexBox::whole(grid.size)));
        assert!(mask.bytes() < 100, "{}", mask.bytes());
        assert_eq!(Mask::from_runs(grid, [([3, 3, 3], 0)]), None);
    }
}
