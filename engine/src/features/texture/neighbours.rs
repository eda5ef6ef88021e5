//! Counts pairs and runs of voxels along directions.
//!
//! For directions of distance 1 pairs and runs are counted in one stroke. A voxel and the voxel
//! before it either differ, and form a pair of the co-occurrence matrix, or are equal, and the voxel
//! is the k-th of its run; there is exactly one count per voxel and direction. Voxels that are k-th
//! in a run are as many as runs of length k or more, so run lengths are differences of such counts,
//! and a run of length k holds k - 1 pairs of the diagonal.

use multiversion::multiversion;

use super::directions::{NEAREST, Offset};
use super::entries::{self, Entry, key};
use super::grid::Grid;

/// Tables beyond this many cells per direction are replaced by lists.
const MOST_CELLS: usize = 1 << 20;

/// Pairs and runs of one direction, or of several merged.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    storage: Storage,
}

#[derive(Clone, Debug)]
enum Storage {
    /// A row per rank. Cells `0..base` count pairs with the earlier voxel's rank; cell
    /// `base + k - 1` counts runs of length k.
    Table { base: usize, stride: usize, cells: Vec<f64> },
    /// Upper triangle of the symmetric co-occurrence matrix, and runs.
    Lists { pairs: Vec<Entry>, runs: Vec<Entry> },
}

impl Default for Storage {
    fn default() -> Self {
        Self::Lists { pairs: Vec::new(), runs: Vec::new() }
    }
}

impl Counts {
    /// Adds `weight` times another direction's or slice's counts.
    pub(super) fn add(&mut self, other: &Self, weight: f64) {
        match (&mut self.storage, &other.storage) {
            (Storage::Table { cells, .. }, Storage::Table { cells: more, .. }) => {
                for (sum, more) in cells.iter_mut().zip(more) {
                    *sum += weight * more;
                }
            }
            (Storage::Lists { pairs, runs }, Storage::Lists { pairs: p, runs: r }) => {
                *pairs = entries::sum(pairs, p, weight);
                *runs = entries::sum(runs, r, weight);
            }
            // The first to be added decides the form; all counts of a region share it.
            (storage, Storage::Table { base, stride, cells }) => {
                let cells = cells.iter().map(|count| weight * count).collect();
                *storage = Storage::Table { base: *base, stride: *stride, cells };
            }
            (Storage::Table { .. }, Storage::Lists { .. }) => {
                debug_assert!(false, "counts of one region are all tables or all lists");
            }
        }
    }

    /// The symmetric co-occurrence matrix: its upper triangle and diagonal.
    pub(super) fn co_occurrences(&self) -> Vec<Entry> {
        let (base, stride, cells) = match &self.storage {
            Storage::Lists { pairs, .. } => return pairs.clone(),
            Storage::Table { base, stride, cells } => (*base, *stride, cells),
        };
        let rows: Vec<&[f64]> = cells.chunks_exact(stride).collect();
        let mut entries = Vec::new();
        for (i, row) in rows.iter().enumerate().skip(1) {
            let in_runs: f64 = row[base..].iter().enumerate().map(|(k, &n)| k as f64 * n).sum();
            let diagonal = (i, 2.0 * (row[i] + in_runs));
            let upper = (i + 1..base).map(|j| (j, row[j] + rows[j][i]));
            let counted = std::iter::once(diagonal).chain(upper).filter(|&(_, count)| count > 0.0);
            entries.extend(counted.map(|(j, count)| Entry {
                rank: i as u32,
                second: j as u32,
                count,
            }));
        }
        entries
    }

    /// Runs by rank and length.
    pub(super) fn runs(&self) -> Vec<Entry> {
        let (base, stride, cells) = match &self.storage {
            Storage::Lists { runs, .. } => return runs.clone(),
            Storage::Table { base, stride, cells } => (*base, *stride, cells),
        };
        let mut entries = Vec::new();
        for (rank, row) in cells.chunks_exact(stride).enumerate().skip(1) {
            let runs = row[base..].iter().enumerate().filter(|&(_, &count)| count > 0.0);
            entries.extend(runs.map(|(k, &count)| Entry {
                rank: rank as u32,
                second: k as u32 + 1,
                count,
            }));
        }
        entries
    }
}

/// Pairs and runs along the first `n_directions` (4 or 13) of [`NEAREST`], in total.
///
/// With `by_slice`, also hands over each slice's own counts of the 4 directions within it.
pub(super) fn pairs_and_runs(
    grid: &Grid,
    n_directions: usize,
    by_slice: bool,
    mut each_slice: impl FnMut(usize, &[Counts]),
) -> Vec<Counts> {
    let longest = grid.size.into_iter().max().unwrap_or(1);
    let shape = TableShape::of_runs(grid.highest_rank(), longest);
    if !shape.is_worth(grid, by_slice) {
        let offsets = &NEAREST[..n_directions];
        return lists(grid, offsets, by_slice, true, each_slice);
    }
    let mut tables = Tables::new(shape, n_directions);
    let mut codes = Codes::new(grid, n_directions);
    for z in (0..grid.size[2]).filter(|&z| grid.slice_voxels[z] > 0) {
        for y in 0..grid.size[1] {
            let (start, end) = grid.extent(y, z);
            if start < end {
                codes.advance(grid, shape, [start, end], y, z);
                let here = &grid.ranks()[grid.at(start, y, z)..][..end - start];
                match n_directions {
                    4 => tables.count::<4>(here, &codes, start, y),
                    _ => tables.count::<13>(here, &codes, start, y),
                }
            }
        }
        codes.end_slice();
        tables.end_slice(grid, z, by_slice, &mut each_slice);
    }
    tables.finish()
}

/// Pairs along any directions, those within a slice first.
pub(super) fn pairs(
    grid: &Grid,
    offsets: &[Offset],
    by_slice: bool,
    mut each_slice: impl FnMut(usize, &[Counts]),
) -> Vec<Counts> {
    let shape = TableShape::of_pairs(grid.highest_rank());
    if !shape.is_worth(grid, by_slice) {
        return lists(grid, offsets, by_slice, false, each_slice);
    }
    let mut tables = Tables::new(shape, offsets.len());
    tables.in_plane = offsets.iter().filter(|offset| offset[2] == 0).count();
    for z in (0..grid.size[2]).filter(|&z| grid.slice_voxels[z] > 0) {
        for (direction, &offset) in offsets.iter().enumerate() {
            for y in 0..grid.size[1] {
                let Some((here, there)) = overlapping_rows(grid, offset, y, z) else { continue };
                for (&a, &b) in here.iter().zip(there) {
                    let cell = usize::from(a) * shape.stride + usize::from(b);
                    tables.counts[cell * offsets.len() + direction] += 1;
                }
            }
        }
        tables.end_slice(grid, z, by_slice, &mut each_slice);
    }
    tables.finish()
}

/// A row's voxels and those at an offset from them, where both are in the box.
fn overlapping_rows<'a>(
    grid: &'a Grid,
    offset: Offset,
    y: usize,
    z: usize,
) -> Option<(&'a [u16], &'a [u16])> {
    let [nx, ny, nz] = grid.size;
    let there_y = y.checked_add_signed(offset[1]).filter(|&y| y < ny)?;
    let there_z = z.checked_add_signed(offset[2]).filter(|&z| z < nz)?;
    let (start, end) = grid.extent(y, z);
    let start = start.max(offset[0].min(0).unsigned_abs());
    let end = end.min(nx.saturating_sub(offset[0].max(0).unsigned_abs()));
    if start >= end {
        return None;
    }
    let there_x = start.checked_add_signed(offset[0])?;
    let ranks = grid.ranks();
    let here = &ranks[grid.at(start, y, z)..][..end - start];
    let there = &ranks[grid.at(there_x, there_y, there_z)..][..end - start];
    Some((here, there))
}

/// Layout of a direction's table.
#[derive(Clone, Copy)]
struct TableShape {
    rows: usize,
    /// First cell of the runs.
    base: usize,
    stride: usize,
}

impl TableShape {
    fn of_runs(highest_rank: usize, longest: usize) -> Self {
        let base = highest_rank + 1;
        Self { rows: base, base, stride: base + longest }
    }

    fn of_pairs(highest_rank: usize) -> Self {
        let base = highest_rank + 1;
        Self { rows: base, base, stride: base }
    }

    fn cells(self) -> usize {
        self.rows.saturating_mul(self.stride)
    }

    /// Whether reading the tables costs less than sorting pairs: a cell is read some thirty times
    /// faster than a pair is sorted.
    fn is_worth(self, grid: &Grid, by_slice: bool) -> bool {
        let readings = if by_slice { grid.size[2].max(1) } else { 1 };
        self.stride <= usize::from(u16::MAX)
            && self.cells() <= MOST_CELLS
            && self.cells().saturating_mul(readings) <= 30 * grid.voxels + 4096
    }
}

/// Integer tables of all directions, emptied into totals when a slice is asked for or they are full.
struct Tables {
    shape: TableShape,
    n_directions: usize,
    in_plane: usize,
    /// For each cell the counts of all directions, side by side: neighbouring voxels are alike, so
    /// the directions of a voxel mostly meet in the same few cells.
    counts: Vec<u32>,
    /// Voxels counted since the tables were last emptied: no cell can exceed it.
    pending: usize,
    totals: Vec<Counts>,
}

impl Tables {
    fn new(shape: TableShape, n_directions: usize) -> Self {
        let zero = Storage::Table {
            base: shape.base,
            stride: shape.stride,
            cells: vec![0.0; shape.cells()],
        };
        Self {
            shape,
            n_directions,
            in_plane: n_directions.min(4),
            counts: vec![0; shape.cells() * n_directions],
            pending: 0,
            totals: vec![Counts { storage: zero }; n_directions],
        }
    }

    /// Counts a row of voxels by rank and code. Every direction has its own place, so that no count
    /// waits for the one before to be stored.
    fn count<const N: usize>(&mut self, here: &[u16], codes: &Codes, start: usize, y: usize) {
        let stride = self.shape.stride;
        let codes: [&[u16]; N] =
            std::array::from_fn(|d| &codes.current(d, y)[start..][..here.len()]);
        let (cells, _) = self.counts.as_chunks_mut::<N>();
        for (x, &rank) in here.iter().enumerate() {
            let row = usize::from(rank) * stride;
            for (direction, code) in codes.iter().enumerate() {
                cells[row + usize::from(code[x])][direction] += 1;
            }
        }
    }

    fn end_slice(
        &mut self,
        grid: &Grid,
        z: usize,
        by_slice: bool,
        each_slice: &mut impl FnMut(usize, &[Counts]),
    ) {
        let slice = grid.size[0] * grid.size[1];
        self.pending += slice;
        if by_slice {
            let of_slice: Vec<Counts> = (0..self.in_plane).map(|d| self.empty(d)).collect();
            each_slice(z, &of_slice);
            for (total, counts) in self.totals.iter_mut().zip(&of_slice) {
                total.add(counts, 1.0);
            }
        }
        if self.pending + slice > u32::MAX as usize {
            self.empty_all();
        }
    }

    /// Takes a direction's counts out of its table.
    fn empty(&mut self, direction: usize) -> Counts {
        let TableShape { base, stride, .. } = self.shape;
        let counts = self.counts.iter_mut().skip(direction).step_by(self.n_directions);
        let mut cells: Vec<f64> = counts.map(|n| f64::from(std::mem::take(n))).collect();
        if stride > base {
            for row in cells.chunks_exact_mut(stride) {
                lengths_from_positions(row, base);
            }
        }
        Counts { storage: Storage::Table { base, stride, cells } }
    }

    fn empty_all(&mut self) {
        for direction in 0..self.n_directions {
            let counts = self.empty(direction);
            self.totals[direction].add(&counts, 1.0);
        }
        self.pending = 0;
    }

    fn finish(mut self) -> Vec<Counts> {
        self.empty_all();
        self.totals
    }
}

/// Turns counts of voxels that are k-th in their run (k from 2) into counts of runs of length k.
fn lengths_from_positions(row: &mut [f64], base: usize) {
    let firsts: f64 = row[..base].iter().sum();
    let (_, runs) = row.split_at_mut(base);
    runs[0] = firsts;
    for k in 0..runs.len() - 1 {
        runs[k] -= runs[k + 1];
    }
}

/// For each voxel and direction, what [`Tables::count`] counts: the earlier voxel's rank where it
/// differs, otherwise `base + k - 1` for the k-th voxel of a run.
///
/// Only the previous row (for directions within a slice) and the previous slice are kept.
struct Codes {
    n_directions: usize,
    width: usize,
    rows: usize,
    /// In-plane directions: two rows each, taken in turn.
    in_plane: [Vec<u16>; 2],
    /// Directions between slices: two slices each, taken in turn.
    between: [Vec<u16>; 2],
}

impl Codes {
    fn new(grid: &Grid, n_directions: usize) -> Self {
        let width = grid.size[0] + 2;
        let rows = grid.size[1] + 2;
        let in_plane = vec![0; n_directions.min(4) * width];
        let between = vec![0; n_directions.saturating_sub(4) * width * rows];
        Self {
            n_directions,
            width,
            rows,
            in_plane: [in_plane.clone(), in_plane],
            between: [between.clone(), between],
        }
    }

    /// Codes of a row of the current slice, from x = 0.
    fn current(&self, direction: usize, y: usize) -> &[u16] {
        let from = self.start(direction, y) + 1;
        let codes = if direction < 4 { &self.in_plane[0] } else { &self.between[0] };
        &codes[from..][..self.width - 1]
    }

    /// Where a row begins, its border included; rows count from -1, which is 0 here.
    fn start(&self, direction: usize, y: usize) -> usize {
        if direction < 4 {
            direction * self.width
        } else {
            ((direction - 4) * self.rows + y + 1) * self.width
        }
    }

    /// Codes of the next row.
    ///
    /// What is left in the buffers from rows further back is read only where both voxels are
    /// outside the region, and counts in a row of the table that is never looked at.
    fn advance(&mut self, grid: &Grid, shape: TableShape, x: [usize; 2], y: usize, z: usize) {
        let ranks = grid.ranks();
        let at = grid.at(x[0], y, z);
        let n = x[1] - x[0];
        let here = &ranks[at..][..n];
        let (row, slice) = (grid.row_length(), grid.row_length() * grid.slice_rows());
        self.in_plane.swap(0, 1);
        for (direction, offset) in NEAREST.iter().enumerate().take(self.n_directions) {
            let back = offset[2].unsigned_abs() * slice;
            let there = (at - back).wrapping_add_signed(offset[1] * row as isize + offset[0]);
            let earlier = &ranks[there..][..n];
            let to = self.start(direction, y) + 1 + x[0];
            if direction == 0 {
                along_row(here, earlier[0], &mut self.in_plane[0][to..][..n], shape);
                continue;
            }
            let row_before = if direction < 4 { 0 } else { offset[1] };
            let from = to.wrapping_add_signed(row_before * self.width as isize + offset[0]);
            let [codes, before] =
                if direction < 4 { &mut self.in_plane } else { &mut self.between };
            across_rows(here, earlier, &before[from..][..n], &mut codes[to..][..n], shape);
        }
    }

    fn end_slice(&mut self) {
        self.between.swap(0, 1);
    }
}

/// Codes where the earlier voxel is the one before in the row.
fn along_row(here: &[u16], first_earlier: u16, codes: &mut [u16], shape: TableShape) {
    let (base, last) = (shape.base as u16, shape.stride as u16 - 1);
    let (mut earlier, mut length) = (first_earlier, 0);
    for (&rank, code) in here.iter().zip(codes) {
        // All bits where the run goes on: a branch would be mispredicted at every other voxel.
        let goes_on = u16::from(rank == earlier).wrapping_neg();
        length = (length + 1) & goes_on;
        *code = (base + length).min(last) & goes_on | earlier & !goes_on;
        earlier = rank;
    }
}

/// Codes where the earlier voxels are another row.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn across_rows(
    here: &[u16],
    earlier: &[u16],
    before: &[u16],
    codes: &mut [u16],
    shape: TableShape,
) {
    let (base, last) = (shape.base as u16, shape.stride as u16 - 1);
    let n = here.len();
    let (earlier, before, codes) = (&earlier[..n], &before[..n], &mut codes[..n]);
    for x in 0..n {
        let longer = (before[x].max(base) + 1).min(last);
        codes[x] = if here[x] == earlier[x] { longer } else { earlier[x] };
    }
}

/// Pairs, and runs if wanted, by sorting: for regions with too many levels for tables.
pub(super) fn lists(
    grid: &Grid,
    offsets: &[Offset],
    by_slice: bool,
    runs: bool,
    mut each_slice: impl FnMut(usize, &[Counts]),
) -> Vec<Counts> {
    let flat = offsets.iter().filter(|offset| offset[2] == 0).count();
    let slices = || (0..grid.size[2]).filter(|&z| grid.slice_voxels[z] > 0);
    let mut totals = vec![Counts::default(); offsets.len()];
    if by_slice {
        for z in slices() {
            let counts: Vec<Counts> = offsets[..flat]
                .iter()
                .map(|&offset| list(grid, offset, std::iter::once(z), runs))
                .collect();
            each_slice(z, &counts);
            for (total, counts) in totals.iter_mut().zip(&counts) {
                total.add(counts, 1.0);
            }
        }
    }
    let counted = if by_slice { flat } else { 0 };
    for (total, &offset) in totals.iter_mut().zip(offsets).skip(counted) {
        *total = list(grid, offset, slices(), runs);
    }
    totals
}

fn list(
    grid: &Grid,
    offset: Offset,
    slices: impl Iterator<Item = usize>,
    want_runs: bool,
) -> Counts {
    let ranks = grid.ranks();
    let step = offset[0]
        + grid.row_length() as isize * (offset[1] + grid.slice_rows() as isize * offset[2]);
    let (mut pairs, mut runs) = (Vec::new(), Vec::new());
    for z in slices {
        for y in 0..grid.size[1] {
            if let Some((here, there)) = overlapping_rows(grid, offset, y, z) {
                let both = here.iter().zip(there).filter(|&(&a, &b)| a != 0 && b != 0);
                pairs.extend(both.map(|(&a, &b)| key(a.min(b), u32::from(a.max(b)))));
            }
            if want_runs {
                let (start, end) = grid.extent(y, z);
                for x in start..end {
                    let at = grid.at(x, y, z);
                    let rank = ranks[at];
                    if rank == 0 || ranks[at.wrapping_add_signed(step)] == rank {
                        continue;
                    }
                    let mut length = 1;
                    let mut next = at.wrapping_add_signed(-step);
                    while ranks[next] == rank {
                        length += 1;
                        next = next.wrapping_add_signed(-step);
                    }
                    runs.push(key(rank, length));
                }
            }
        }
    }
    let mut pairs = entries::from_keys(pairs);
    for diagonal in pairs.iter_mut().filter(|pair| pair.rank == pair.second) {
        diagonal.count *= 2.0;
    }
    Counts { storage: Storage::Lists { pairs, runs: entries::from_keys(runs) } }
}
