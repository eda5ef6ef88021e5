//! The neighbourhood grey tone difference matrix (IBSI manual, 3.10).
//!
//! A voxel of level i with W neighbours of sum A differs from their mean by |i·W - A| / W. Sums and
//! counts are integers; the differences are added up row by row, slice by slice, in one thread.

use multiversion::multiversion;

use super::aggregation::Mean;
use super::grid::Grid;
use crate::features::compute;
use crate::features::family::Aggregation;
use crate::features::parameters::TextureParameters;
use crate::features::selection::Selected;
use crate::value::{Missing, Value, finite, ratio};

/// The largest coarseness (IBSI manual, 3.10): that of a region without differences.
const MAX_COARSENESS: f64 = 1e6;

/// The values with each aggregation.
pub(super) fn compute(
    grid: &Grid,
    parameters: &TextureParameters,
    selected: &Selected,
) -> Vec<Value> {
    use Aggregation::{BySlice2D, MergedSlices2_5D, Volume3D};
    let within = |n: usize| usize::from(parameters.ngtdm_distance.max(1)).min(n.max(1));
    let radius = within(grid.size.into_iter().max().unwrap_or(1)).min(grid.border);
    let in_plane = selected.wants_any(&[BySlice2D, MergedSlices2_5D]);
    let volume = selected.wants(Volume3D);
    let mut mean = Mean::default();
    let each_slice = |differences: &Differences| {
        if selected.wants(BySlice2D) {
            mean.push(&values(selected, differences, grid));
        }
    };
    // Sums and counts of neighbours share a number: the count in its upper bits.
    let window = (2 * radius + 1).saturating_pow(3);
    let fits = window < 1 << 10 && window * grid.n_levels < 1 << u32::COUNT_SHIFT;
    let [slices, whole] = match fits {
        true => differences::<u32>(grid, radius, in_plane, volume, each_slice),
        false => differences::<u64>(grid, radius, in_plane, volume, each_slice),
    };
    let mut mean = Some(mean);
    let of_aggregation = |aggregation: &Aggregation| match aggregation {
        BySlice2D => mean.take().unwrap_or_default().finish(selected.features.len()),
        MergedSlices2_5D => values(selected, &slices, grid),
        _ => values(selected, &whole, grid),
    };
    selected.aggregations.iter().flat_map(of_aggregation).collect()
}

fn values(selected: &Selected, differences: &Differences, grid: &Grid) -> Vec<Value> {
    let rows = differences.tones(grid);
    let tones = Tones::of(&rows);
    let input = tones.as_ref().map(compute::Input::Ngtdm).map_err(|reason| *reason);
    compute::values(&selected.features, input)
}

/// The matrix of the slices merged and that of the volume.
#[cfg(test)]
pub(super) fn matrices(grid: &Grid, radius: usize) -> [Vec<Tone>; 2] {
    let wide = differences::<u64>(grid, radius, true, true, |_| ()).map(|d| d.tones(grid));
    let narrow = differences::<u32>(grid, radius, true, true, |_| ()).map(|d| d.tones(grid));
    assert_eq!(narrow, wide, "sums of 32 and of 64 bits");
    narrow
}

/// A row of the matrix, for a level with a neighbour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tone {
    /// Grey level.
    pub level: f64,
    /// n_i: voxels of the level that have a neighbour.
    pub count: u64,
    /// s_i: sum of their differences.
    pub difference: f64,
}

/// The matrix by rank.
#[derive(Clone)]
struct Differences {
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, Default)]
struct Cell {
    count: u64,
    difference: f64,
}

impl Differences {
    fn new(grid: &Grid) -> Self {
        Self { cells: vec![Cell::default(); grid.highest_rank() + 1] }
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in self.cells.iter_mut().zip(&other.cells) {
            sum.count += more.count;
            sum.difference += more.difference;
        }
    }

    fn tones(&self, grid: &Grid) -> Vec<Tone> {
        // Rank 0 is what lies outside.
        let rows = self.cells.iter().zip(&grid.grey).skip(1);
        rows.filter(|(cell, _)| cell.count > 0)
            .map(|(cell, &grey)| Tone {
                level: f64::from(grey),
                count: cell.count,
                difference: cell.difference,
            })
            .collect()
    }
}

/// A sum of levels with the number of summands in the upper bits.
trait Packed: Copy + Default + std::ops::AddAssign + std::ops::Sub<Output = Self> {
    const COUNT_SHIFT: u32;
    fn pack(level: u16) -> Self;
    /// Sum and count.
    fn unpack(self) -> [u64; 2];
}

impl Packed for u32 {
    const COUNT_SHIFT: u32 = 22;
    fn pack(level: u16) -> Self {
        Self::from(level) | Self::from(level != 0) << Self::COUNT_SHIFT
    }
    fn unpack(self) -> [u64; 2] {
        [self & ((1 << Self::COUNT_SHIFT) - 1), self >> Self::COUNT_SHIFT].map(u64::from)
    }
}

impl Packed for u64 {
    const COUNT_SHIFT: u32 = 40;
    fn pack(level: u16) -> Self {
        Self::from(level) | Self::from(level != 0) << Self::COUNT_SHIFT
    }
    fn unpack(self) -> [u64; 2] {
        [self & ((1 << Self::COUNT_SHIFT) - 1), self >> Self::COUNT_SHIFT]
    }
}

/// Differences within slices and within the volume; each slice's own go to `each_slice`.
fn differences<P: Packed>(
    grid: &Grid,
    radius: usize,
    in_plane: bool,
    volume: bool,
    mut each_slice: impl FnMut(&Differences),
) -> [Differences; 2] {
    let [nx, ny, nz] = grid.size;
    let side = 2 * radius + 1;
    let empty = Differences::new(grid);
    let [mut slices, mut whole] = [empty.clone(), empty.clone()];
    // Sums over the window within a slice, for as many slices as the window is high.
    let mut planes: Vec<Vec<P>> = vec![vec![P::default(); nx * ny]; side];
    let mut scratch = Scratch::new(grid, radius);
    let mut sums = vec![P::default(); nx];
    for z in 0..radius.min(nz) {
        scratch.plane(grid, radius, z, &mut planes[z % side]);
    }
    for z in 0..nz {
        match z + radius {
            next if next < nz => scratch.plane(grid, radius, next, &mut planes[next % side]),
            next => planes[next % side].fill(P::default()),
        }
        if grid.slice_voxels[z] == 0 {
            continue;
        }
        let mut of_slice = in_plane.then(|| empty.clone());
        for y in 0..ny {
            let (start, end) = grid.extent(y, z);
            if start == end {
                continue;
            }
            let at = grid.at(start, y, z);
            let here = &grid.levels[at..][..end - start];
            let ranks = &grid.ranks()[at..][..end - start];
            let columns = y * nx + start..y * nx + end;
            if let Some(of_slice) = &mut of_slice {
                tally(here, ranks, &planes[z % side][columns.clone()], of_slice);
            }
            if volume {
                let sums = &mut sums[..end - start];
                sums.fill(P::default());
                for plane in &planes {
                    add_each(sums, &plane[columns.clone()]);
                }
                tally(here, ranks, sums, &mut whole);
            }
        }
        if let Some(of_slice) = of_slice {
            each_slice(&of_slice);
            slices.merge(&of_slice);
        }
    }
    [slices, whole]
}

/// Adds a row's voxels, given the sums over their windows (themselves included).
fn tally<P: Packed>(here: &[u16], ranks: &[u16], sums: &[P], into: &mut Differences) {
    for ((&level, &rank), &sum) in here.iter().zip(ranks).zip(sums) {
        let [sum, neighbours] = (sum - P::pack(level)).unpack();
        let numerator = (u64::from(level) * neighbours).abs_diff(sum);
        let cell = &mut into.cells[usize::from(rank)];
        cell.count += u64::from(neighbours > 0);
        cell.difference += numerator as f64 / neighbours.max(1) as f64;
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn add_each<P: Packed>(sums: &mut [P], more: &[P]) {
    for (sum, &more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

/// Buffers for the sums of a slice.
struct Scratch<P> {
    packed: Vec<P>,
    columns: Vec<P>,
}

impl<P: Packed> Scratch<P> {
    fn new(grid: &Grid, radius: usize) -> Self {
        let width = grid.size[0] + 2 * radius;
        let rows = grid.size[1] + 2 * radius;
        Self { packed: vec![P::default(); width * rows], columns: vec![P::default(); width] }
    }

    /// Sums over the square window around every voxel of a slice.
    fn plane(&mut self, grid: &Grid, radius: usize, z: usize, sums: &mut [P]) {
        let [nx, ny, _] = grid.size;
        let width = nx + 2 * radius;
        for (y, row) in self.packed.chunks_exact_mut(width).enumerate() {
            let from =
                grid.at(0, 0, z) + y * grid.row_length() - radius * grid.row_length() - radius;
            for (to, &level) in row.iter_mut().zip(&grid.levels[from..][..width]) {
                *to = P::pack(level);
            }
        }
        for (y, sums) in sums.chunks_exact_mut(nx.max(1)).take(ny).enumerate() {
            self.columns.fill(P::default());
            for row in self.packed[y * width..].chunks_exact(width).take(2 * radius + 1) {
                add_each(&mut self.columns, row);
            }
            sums.copy_from_slice(&self.columns[..nx]);
            for x in 1..=2 * radius {
                add_each(sums, &self.columns[x..]);
            }
        }
    }
}

/// The matrix and what its features share.
///
/// The double sums over levels are taken apart into sums of powers, or swept over sorted levels, so
/// that their cost does not grow with the square of the number of levels.
pub(crate) struct Tones<'a> {
    tones: &'a [Tone],
    voxels: f64,
    /// Number of levels that occur.
    n: f64,
    /// Σ s_i and Σ p_i s_i.
    differences: f64,
    weighted: f64,
}

impl<'a> Tones<'a> {
    /// # Errors
    /// No voxel has a neighbour.
    pub(super) fn of(tones: &'a [Tone]) -> Result<Self, Missing> {
        let voxels: u64 = tones.iter().map(|tone| tone.count).sum();
        if voxels == 0 {
            return Err(Missing::NoNeighbours);
        }
        let voxels = voxels as f64;
        Ok(Self {
            tones,
            voxels,
            n: tones.len() as f64,
            differences: tones.iter().map(|tone| tone.difference).sum(),
            weighted: tones.iter().map(|t| t.count as f64 / voxels * t.difference).sum(),
        })
    }

    fn p(&self, tone: &Tone) -> f64 {
        tone.count as f64 / self.voxels
    }

    pub(in crate::features) fn coarseness(&self) -> Value {
        finite(self.weighted.recip().min(MAX_COARSENESS))
    }

    pub(in crate::features) fn contrast(&self) -> Value {
        if self.tones.len() < 2 {
            return Ok(0.0);
        }
        let mean: f64 = self.tones.iter().map(|tone| self.p(tone) * tone.level).sum();
        let variance: f64 =
            self.tones.iter().map(|tone| self.p(tone) * (tone.level - mean).powi(2)).sum();
        finite(2.0 * variance / (self.n * (self.n - 1.0)) * (self.differences / self.voxels))
    }

    pub(in crate::features) fn busyness(&self) -> Value {
        if self.tones.len() < 2 {
            return Ok(0.0);
        }
        let mut products: Vec<f64> =
            self.tones.iter().map(|tone| tone.level * self.p(tone)).collect();
        products.sort_by(f64::total_cmp);
        let mut before = 0.0;
        let mut busy = 0.0;
        for (k, &product) in products.iter().enumerate() {
            busy += 2.0 * (product * k as f64 - before);
            before += product;
        }
        ratio(self.weighted, busy)
    }

    pub(in crate::features) fn complexity(&self) -> Value {
        finite(complexity(self.tones, self.voxels))
    }

    /// ΣΣ (p + p')(i - i')² = 2 Σ p Σ' (i - i')², with levels from the mean of those that occur.
    pub(in crate::features) fn strength(&self) -> Value {
        if self.differences == 0.0 {
            return Ok(0.0);
        }
        let centre = self.tones.iter().map(|tone| tone.level).sum::<f64>() / self.n;
        let scatter: f64 = self.tones.iter().map(|tone| (tone.level - centre).powi(2)).sum();
        let spread: f64 = self
            .tones
            .iter()
            .map(|tone| self.p(tone) * (self.n * (tone.level - centre).powi(2) + scatter))
            .sum();
        finite(2.0 * spread / self.differences)
    }
}

/// `1/N ΣΣ |i - i'| (p s + p' s') / (p + p')`.
fn complexity(tones: &[Tone], voxels: f64) -> f64 {
    /// Sums over the levels below that have the same number of voxels.
    struct Class {
        count: f64,
        levels: [f64; 2],
        differences: [f64; 2],
    }
    let mut counts: Vec<u64> = tones.iter().map(|tone| tone.count).collect();
    counts.sort_unstable();
    counts.dedup();
    let mut classes: Vec<Class> = counts
        .iter()
        .map(|&count| Class { count: count as f64, levels: [0.0; 2], differences: [0.0; 2] })
        .collect();
    let mut total = 0.0;
    for tone in tones {
        let (i, n, s) = (tone.level, tone.count as f64, tone.difference);
        for class in &classes {
            let [levels, weighted_levels] = class.levels;
            let [differences, weighted_differences] = class.differences;
            let own = n * s * (i * levels - weighted_levels);
            let other = class.count * (i * differences - weighted_differences);
            total += (own + other) / (n + class.count);
        }
        if let Ok(place) = counts.binary_search(&tone.count) {
            let class = &mut classes[place];
            class.levels[0] += 1.0;
            class.levels[1] += i;
            class.differences[0] += s;
            class.differences[1] += i * s;
        }
    }
    2.0 * total / voxels
}
