//! The neighbourhood grey tone difference matrix (IBSI manual, 3.10).
//!
//! A voxel of level i with W neighbours of sum A differs from their mean by |i·W - A| / W. Sums and
//! counts are integers; the differences are added up row by row, slice by slice, in one thread.

use multiversion::multiversion;

use super::Computed;
use super::aggregation::Mean;
use super::grid::Grid;
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::TextureParameters;
use crate::value::{Missing, Value, finite, ratio};

/// The largest coarseness (IBSI manual, 3.10): that of a region without differences.
const MAX_COARSENESS: f64 = 1e6;

/// Features with each aggregation.
pub(super) fn compute(
    grid: &Grid,
    parameters: &TextureParameters,
    aggregations: &[Aggregation],
) -> Vec<Computed> {
    use Aggregation::{BySlice2D, MergedSlices2_5D, Volume3D};
    if aggregations.is_empty() {
        return Vec::new();
    }
    let within = |n: usize| usize::from(parameters.ngtdm_distance.max(1)).min(n.max(1));
    let radius = within(grid.size.into_iter().max().unwrap_or(1)).min(grid.border);
    let in_plane = aggregations.iter().any(|&a| a != Volume3D);
    let volume = aggregations.contains(&Volume3D);
    let mut mean = Mean::default();
    let each_slice = |differences: &Differences| {
        if aggregations.contains(&BySlice2D) {
            mean.push(&features(&differences.tones(grid)));
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
    let mut values = |aggregation| match aggregation {
        BySlice2D => mean.take().unwrap_or_default().finish(),
        MergedSlices2_5D => features(&slices.tones(grid)).to_vec(),
        _ => features(&whole.tones(grid)).to_vec(),
    };
    aggregations
        .iter()
        .map(|&aggregation| Computed {
            family: Family::Ngtdm,
            aggregation,
            values: values(aggregation),
        })
        .collect()
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
pub(super) struct Tone {
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

/// Coarseness, contrast, busyness, complexity, strength.
///
/// The double sums over levels are taken apart into sums of powers, or swept over sorted levels, so
/// that their cost does not grow with the square of the number of levels.
pub(super) fn features(tones: &[Tone]) -> [Value; 5] {
    let voxels: u64 = tones.iter().map(|tone| tone.count).sum();
    if voxels == 0 {
        return [Err(Missing::NoNeighbours); 5];
    }
    let voxels = voxels as f64;
    let p = |tone: &Tone| tone.count as f64 / voxels;
    let differences: f64 = tones.iter().map(|tone| tone.difference).sum();
    let weighted: f64 = tones.iter().map(|tone| p(tone) * tone.difference).sum();
    let n = tones.len() as f64;

    let mean: f64 = tones.iter().map(|tone| p(tone) * tone.level).sum();
    let variance: f64 = tones.iter().map(|tone| p(tone) * (tone.level - mean).powi(2)).sum();
    let contrast = if tones.len() > 1 {
        2.0 * variance / (n * (n - 1.0)) * (differences / voxels)
    } else {
        0.0
    };

    let mut products: Vec<f64> = tones.iter().map(|tone| tone.level * p(tone)).collect();
    products.sort_by(f64::total_cmp);
    let mut before = 0.0;
    let mut busy = 0.0;
    for (k, &product) in products.iter().enumerate() {
        busy += 2.0 * (product * k as f64 - before);
        before += product;
    }
    let busyness = if tones.len() > 1 { ratio(weighted, busy) } else { Ok(0.0) };

    // ΣΣ (p + p')(i - i')² = 2 Σ p Σ' (i - i')², with levels from the mean of those that occur.
    let centre = tones.iter().map(|tone| tone.level).sum::<f64>() / n;
    let scatter: f64 = tones.iter().map(|tone| (tone.level - centre).powi(2)).sum();
    let spread: f64 =
        tones.iter().map(|tone| p(tone) * (n * (tone.level - centre).powi(2) + scatter)).sum();
    let strength = if differences == 0.0 { Ok(0.0) } else { finite(2.0 * spread / differences) };

    [
        finite(weighted.recip().min(MAX_COARSENESS)),
        finite(contrast),
        busyness,
        finite(complexity(tones, voxels)),
        strength,
    ]
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
