//! The grey levels as flat rows, with what every counting loop needs to know of them.

use std::borrow::Cow;

use ndarray::{Array3, s};

use crate::region::Levels;
use crate::rows::extent;

/// Regions whose levels run higher than this are counted by rank.
const RANKED_ABOVE: usize = 256;

/// Grey levels in rows along x, with a border of zeros.
///
/// Matrices are indexed by *rank*: the level itself where there are few, otherwise its place among
/// the levels that occur, so that tables grow with the region and not with N_g.
pub(super) struct Grid<'a> {
    /// Grey levels with their border; 0 is outside.
    pub levels: Cow<'a, [u16]>,
    /// Ranks where they differ from the levels.
    ranks: Option<Vec<u16>>,
    /// Grey level of each rank; rank 0 is outside.
    pub grey: Vec<u16>,
    /// N_g.
    pub n_levels: usize,
    /// Size without the border: x, y, z.
    pub size: [usize; 3],
    /// Border width.
    pub border: usize,
    /// For each row, y fastest, the range of x that holds all its voxels.
    extents: Vec<(usize, usize)>,
    /// Voxels with a level, by slice.
    pub slice_voxels: Vec<usize>,
    /// Voxels with a level.
    pub voxels: usize,
}

impl<'a> Grid<'a> {
    /// Flat rows of `levels` with a border of at least `border` voxels, where the region's box is
    /// that large.
    pub(super) fn new(levels: &'a Levels, border: usize) -> Self {
        let (pz, py, px) = levels.levels.dim();
        let size = [px, py, pz].map(|n| n.saturating_sub(2 * levels.pad));
        // Beyond the box's own size there is no neighbour to find.
        let border = border.min(size[0].max(size[1]).max(size[2])).max(1);
        let (flat, border) = match levels.levels.as_slice() {
            Some(flat) if levels.pad >= border => (Cow::Borrowed(flat), levels.pad),
            _ => (Cow::Owned(bordered(levels, size, border)), border),
        };
        let highest = flat.iter().fold(0u16, |high, &level| high.max(level));
        let n_levels = levels.n_levels.max(usize::from(highest));
        let (ranks, grey) = ranked(&flat, n_levels, highest);

        let mut grid = Self {
            levels: flat,
            ranks,
            grey,
            n_levels,
            size,
            border,
            extents: Vec::new(),
            slice_voxels: vec![0; size[2]],
            voxels: 0,
        };
        grid.find_extents();
        grid
    }

    fn find_extents(&mut self) {
        let [nx, ny, nz] = self.size;
        let mut extents = Vec::with_capacity(ny * nz);
        for z in 0..nz {
            for y in 0..ny {
                let row = &self.levels[self.at(0, y, z)..][..nx];
                let extent = extent(row, |&level| level != 0).unwrap_or(0..0);
                extents.push((extent.start, extent.end));
                let inside = &row[extent];
                self.slice_voxels[z] +=
                    inside.len() - inside.iter().filter(|&&level| level == 0).count();
            }
        }
        self.extents = extents;
        self.voxels = self.slice_voxels.iter().sum();
    }

    /// Index of a voxel, counted from the border's inner corner.
    pub(super) fn at(&self, x: usize, y: usize, z: usize) -> usize {
        let b = self.border;
        ((z + b) * self.slice_rows() + y + b) * self.row_length() + x + b
    }

    /// Distance between rows in the arrays.
    pub(super) fn row_length(&self) -> usize {
        self.size[0] + 2 * self.border
    }

    /// Rows of a slice, with the border.
    pub(super) fn slice_rows(&self) -> usize {
        self.size[1] + 2 * self.border
    }

    /// The range of x that holds all voxels of a row; empty where it has none.
    pub(super) fn extent(&self, y: usize, z: usize) -> (usize, usize) {
        self.extents[z * self.size[1] + y]
    }

    /// Ranks with their border.
    pub(super) fn ranks(&self) -> &[u16] {
        self.ranks.as_deref().unwrap_or(&self.levels)
    }

    /// The highest rank.
    pub(super) fn highest_rank(&self) -> usize {
        self.grey.len() - 1
    }
}

fn bordered(levels: &Levels, size: [usize; 3], border: usize) -> Vec<u16> {
    let [nx, ny, nz] = size;
    let mut cube = Array3::zeros((nz + 2 * border, ny + 2 * border, nx + 2 * border));
    let (p, b) = (levels.pad, border);
    cube.slice_mut(s![b..b + nz, b..b + ny, b..b + nx]).assign(&levels.levels.slice(s![
        p..p + nz,
        p..p + ny,
        p..p + nx
    ]));
    cube.into_raw_vec_and_offset().0
}

fn ranked(levels: &[u16], n_levels: usize, highest: u16) -> (Option<Vec<u16>>, Vec<u16>) {
    if n_levels <= RANKED_ABOVE {
        return (None, (0..=n_levels as u16).collect());
    }
    let mut occurs = vec![false; usize::from(highest) + 1];
    occurs[0] = true;
    for &level in levels {
        occurs[usize::from(level)] = true;
    }
    let mut grey = Vec::new();
    let mut rank_of = vec![0u16; occurs.len()];
    for (level, _) in occurs.iter().enumerate().filter(|&(_, &occurs)| occurs) {
        rank_of[level] = grey.len() as u16;
        grey.push(level as u16);
    }
    let ranks = levels.iter().map(|&level| rank_of[usize::from(level)]).collect();
    (Some(ranks), grey)
}
