//! Zones of connected voxels of one grey level, by size (GLSZM, IBSI manual, 3.8) and by distance
//! to the border (GLDZM, 3.9).
//!
//! Voxels are labelled in one pass with union-find. Of the 13 neighbours that come before a voxel
//! (4 within a slice), only those are looked at that no other equal neighbour already connects:
//! which ones is worked out for whole rows at once.

use multiversion::multiversion;
use ndarray::Array3;

use super::aggregation::Mean;
use super::entries::Tally;
use super::grid::Grid;
use super::of_level_table;
use crate::features::family::Aggregation;
use crate::features::selection::Selected;
use crate::region::Levels;
use crate::rows::runs;
use crate::value::Value;

/// The values of both families.
pub(super) fn compute(
    grid: &Grid,
    levels: &Levels,
    glszm: Option<&Selected>,
    gldzm: Option<&Selected>,
) -> [Option<Vec<Value>>; 2] {
    use Aggregation::{BySlice2D, MergedSlices2_5D, Volume3D};
    let asked =
        |list: &[Aggregation]| [glszm, gldzm].into_iter().flatten().any(|s| s.wants_any(list));
    let mut borders = Borders::default();
    let in_plane = asked(&[BySlice2D, MergedSlices2_5D]);
    if gldzm.is_some() {
        borders = Borders::within_slices(&levels.morphological, levels.pad, grid.size);
    }

    let mut slices_merged = Zones::new(grid);
    let mut size_mean = Mean::default();
    let mut distance_mean = Mean::default();
    if in_plane {
        for z in (0..grid.size[2]).filter(|&z| grid.slice_voxels[z] > 0) {
            let zones = find(grid, z..z + 1, &borders);
            let voxels = grid.slice_voxels[z];
            if let Some(glszm) = glszm.filter(|s| s.wants(BySlice2D)) {
                size_mean.push(&values(glszm, &zones.by_size, grid, voxels));
            }
            if let Some(gldzm) = gldzm.filter(|s| s.wants(BySlice2D)) {
                distance_mean.push(&values(gldzm, &zones.by_distance, grid, voxels));
            }
            slices_merged.by_size.merge(&zones.by_size);
            slices_merged.by_distance.merge(&zones.by_distance);
        }
    }
    let volume = if asked(&[Volume3D]) {
        borders.extend_across_slices(grid.size);
        find(grid, 0..grid.size[2], &borders)
    } else {
        Zones::new(grid)
    };

    let family = |selected: &Selected, mean: Mean, of: fn(&Zones) -> &Tally| -> Vec<Value> {
        let mut mean = Some(mean);
        let of_aggregation = |aggregation: &Aggregation| match aggregation {
            BySlice2D => mean.take().unwrap_or_default().finish(selected.features.len()),
            MergedSlices2_5D => values(selected, of(&slices_merged), grid, grid.voxels),
            _ => values(selected, of(&volume), grid, grid.voxels),
        };
        selected.aggregations.iter().flat_map(of_aggregation).collect()
    };
    [
        glszm.map(|selected| family(selected, size_mean, |zones| &zones.by_size)),
        gldzm.map(|selected| family(selected, distance_mean, |zones| &zones.by_distance)),
    ]
}

fn values(selected: &Selected, tally: &Tally, grid: &Grid, voxels: usize) -> Vec<Value> {
    of_level_table(selected, &tally.entries(), &grid.grey, voxels as f64)
}

/// Both matrices.
struct Zones {
    by_size: Tally,
    by_distance: Tally,
}

impl Zones {
    fn new(grid: &Grid) -> Self {
        let empty = Tally::new(grid.highest_rank(), grid.voxels);
        Self { by_size: empty.clone(), by_distance: empty }
    }
}

/// City-block distance of every voxel to the outside of the morphological mask, in voxels: 1 at its
/// edge. What lies beyond the box is outside.
#[derive(Default)]
struct Borders {
    distances: Vec<u16>,
}

impl Borders {
    /// Distances within each slice.
    fn within_slices(mask: &Array3<bool>, pad: usize, size: [usize; 3]) -> Self {
        let [nx, ny, nz] = size;
        let mut distances = vec![0u16; nx * ny * nz];
        for (index, row) in distances.chunks_exact_mut(nx.max(1)).enumerate() {
            let (y, z) = (index % ny, index / ny);
            let inside = mask.slice(ndarray::s![z + pad, y + pad, pad..pad + nx]);
            let inside = inside.to_slice().expect("x is the innermost axis");
            for run in runs(inside) {
                let length = run.len() as u32;
                for (to, before) in row[run].iter_mut().zip(0..length) {
                    *to = (before + 1).min(length - before).min(u32::from(u16::MAX)) as u16;
                }
            }
        }
        for slice in distances.chunks_exact_mut((nx * ny).max(1)) {
            sweep(slice, nx);
        }
        Self { distances }
    }

    /// Adds the steps from slice to slice.
    fn extend_across_slices(&mut self, size: [usize; 3]) {
        sweep(&mut self.distances, size[0] * size[1]);
    }

    fn row(&self, grid: &Grid, y: usize, z: usize) -> Option<&[u16]> {
        let nx = grid.size[0];
        self.distances.get((z * grid.size[1] + y) * nx..)?.get(..nx)
    }
}

/// Lets distances grow by at most 1 from line to line, there and back, and from the outside.
fn sweep(values: &mut [u16], line: usize) {
    if line == 0 || values.is_empty() {
        return;
    }
    let lines = values.len() / line;
    let edge = vec![0; line];
    grow(&edge, &mut values[..line]);
    for k in 1..lines {
        let (before, after) = values.split_at_mut(k * line);
        grow(&before[(k - 1) * line..], &mut after[..line]);
    }
    grow(&edge, &mut values[(lines - 1) * line..]);
    for k in (1..lines).rev() {
        let (before, after) = values.split_at_mut(k * line);
        grow(&after[..line], &mut before[(k - 1) * line..]);
    }
}

/// Lets distances be at most 1 more than those of a line nearer to the outside.
#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn grow(nearer: &[u16], farther: &mut [u16]) {
    for (to, &from) in farther.iter_mut().zip(nearer) {
        *to = (*to).min(from.saturating_add(1));
    }
}

/// Entries by size and by distance, of a range of slices.
#[cfg(test)]
pub(super) fn matrices(
    grid: &Grid,
    levels: &Levels,
    slices: std::ops::Range<usize>,
    volume: bool,
) -> [Vec<super::entries::Entry>; 2] {
    let mut borders = Borders::within_slices(&levels.morphological, levels.pad, grid.size);
    if volume {
        borders.extend_across_slices(grid.size);
    }
    let zones = find(grid, slices, &borders);
    [zones.by_size.entries(), zones.by_distance.entries()]
}

/// A label of the union-find forest, and what is known of its voxels.
#[derive(Clone, Copy)]
struct Label {
    parent: u32,
    size: u32,
    distance: u16,
    rank: u16,
}

/// Earlier neighbours as steps in x, y, z; the bit of a link is its place here.
///
/// The order is that in which neighbours are preferred; see [`links`].
const EARLIER: [[isize; 3]; 13] = [
    [0, 0, -1],
    [0, -1, 0],
    [-1, 0, 0],
    [0, 1, -1],
    [0, -1, -1],
    [-1, 0, -1],
    [1, 0, -1],
    [-1, -1, 0],
    [1, -1, 0],
    [-1, -1, -1],
    [1, -1, -1],
    [-1, 1, -1],
    [1, 1, -1],
];

/// Zones of some slices: 26-connected, and so 8-connected where there is one slice.
fn find(grid: &Grid, slices: std::ops::Range<usize>, borders: &Borders) -> Zones {
    let [nx, ny, _] = grid.size;
    let width = nx + 2;
    // Labels of the current and the previous slice, with a border.
    let mut planes = [vec![0u32; width * (ny + 2)], vec![0u32; width * (ny + 2)]];
    let steps = EARLIER.map(|[x, y, _]| y * width as isize + x);
    let mut labels: Vec<Label> = Vec::new();
    let mut linked = vec![0u16; nx];
    let first = slices.start;
    for z in slices {
        planes.swap(0, 1);
        let [plane, previous] = &mut planes;
        for y in 0..ny {
            let (start, end) = grid.extent(y, z);
            if start == end {
                continue;
            }
            links(grid, [start, end], y, z, z > first, &mut linked);
            let here = &grid.ranks()[grid.at(start, y, z)..][..end - start];
            let distances = borders.row(grid, y, z).map_or(&[][..], |row| &row[start..end]);
            let row_start = (y + 1) * width + 1 + start;
            for (x, (&rank, &links)) in here.iter().zip(&linked).enumerate() {
                let place = row_start + x;
                if rank != 0 {
                    let label = if links == 0 {
                        labels.push(Label {
                            parent: labels.len() as u32,
                            size: 0,
                            distance: u16::MAX,
                            rank,
                        });
                        labels.len() as u32 - 1
                    } else {
                        let at = |bit: u32| {
                            let place = place.wrapping_add_signed(steps[bit as usize]);
                            let between = EARLIER[bit as usize][2] != 0;
                            if between { previous[place] } else { plane[place] }
                        };
                        let label = at(links.trailing_zeros());
                        let mut others = links & (links - 1);
                        while others != 0 {
                            join(&mut labels, label, at(others.trailing_zeros()));
                            others &= others - 1;
                        }
                        label
                    };
                    plane[place] = label;
                    let zone = &mut labels[label as usize];
                    zone.size += 1;
                    if let Some(&distance) = distances.get(x) {
                        zone.distance = zone.distance.min(distance);
                    }
                }
            }
        }
    }
    collect(grid, labels)
}

/// Sums up the labels of each zone.
fn collect(grid: &Grid, mut labels: Vec<Label>) -> Zones {
    // A parent is never younger than its child, so in descending order every label is complete
    // before it is added to its parent.
    for child in (0..labels.len()).rev() {
        let Label { parent, size, distance, .. } = labels[child];
        let parent = parent as usize;
        if parent != child {
            labels[parent].size += size;
            labels[parent].distance = labels[parent].distance.min(distance);
        }
    }
    let mut zones = Zones::new(grid);
    for (index, zone) in labels.iter().enumerate() {
        if zone.parent as usize == index {
            zones.by_size.add(zone.rank, zone.size);
            zones.by_distance.add(zone.rank, u32::from(zone.distance));
        }
    }
    zones
}

fn join(labels: &mut [Label], a: u32, b: u32) {
    if a == b {
        return;
    }
    let (a, b) = (root(labels, a), root(labels, b));
    let (older, younger) = (a.min(b), a.max(b));
    labels[younger as usize].parent = older;
}

fn root(labels: &mut [Label], mut label: u32) -> u32 {
    loop {
        let parent = labels[label as usize].parent;
        if parent == label {
            return label;
        }
        let grandparent = labels[parent as usize].parent;
        labels[label as usize].parent = grandparent;
        label = grandparent;
    }
}

/// For each voxel of a row, which of the [`EARLIER`] neighbours of its level to connect it with.
///
/// An equal neighbour is left out where it touches another equal neighbour that comes before it in
/// the list: those two are connected already.
fn links(grid: &Grid, x: [usize; 2], y: usize, z: usize, volume: bool, linked: &mut [u16]) {
    let ranks = grid.ranks();
    let n = x[1] - x[0];
    let at = grid.at(x[0], y, z);
    let row = grid.row_length();
    let linked = &mut linked[..n];
    let here = &ranks[at..][..n];
    let above = &ranks[at - row - 1..][..n + 2];
    let left = &ranks[at - 1..][..n];
    if !volume {
        links_within_slice(here, left, above, linked);
        return;
    }
    let back = at - row * grid.slice_rows() - 1;
    let previous = [back - row, back, back + row].map(|from| &ranks[from..][..n + 2]);
    links_of_volume(here, left, above, previous, linked);
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn links_within_slice(here: &[u16], left: &[u16], above: &[u16], linked: &mut [u16]) {
    let n = here.len();
    let [above_left, above, above_right] = three(above, n);
    let (left, linked) = (&left[..n], &mut linked[..n]);
    for x in 0..n {
        let equal = |other: &[u16]| u16::from(other[x] == here[x]);
        let (l, am, a0, ap) = (equal(left), equal(above_left), equal(above), equal(above_right));
        linked[x] = a0 << 1 | (l & !a0) << 2 | (am & !(a0 | l)) << 7 | (ap & !a0) << 8;
    }
}

#[multiversion(targets("x86_64+avx2+bmi1+bmi2"))]
fn links_of_volume(
    here: &[u16],
    left: &[u16],
    above: &[u16],
    previous: [&[u16]; 3],
    linked: &mut [u16],
) {
    let n = here.len();
    let a = three(above, n);
    let [b, c, d] = previous.map(|row| three(row, n));
    let (left, linked) = (&left[..n], &mut linked[..n]);
    for x in 0..n {
        let equal = |other: &[u16]| u16::from(other[x] == here[x]);
        let l = equal(left);
        let [am, a0, ap] = a.map(equal);
        let [bm, b0, bp] = b.map(equal);
        let [cm, c0, cp] = c.map(equal);
        let [dm, d0, dp] = d.map(equal);
        linked[x] = c0
            | (a0 & !c0) << 1
            | (l & !(c0 | a0)) << 2
            | (d0 & !(c0 | l)) << 3
            | (b0 & !(c0 | a0 | l)) << 4
            | (cm & !(c0 | a0 | l | d0 | b0)) << 5
            | (cp & !(c0 | a0 | d0 | b0)) << 6
            | (am & !(c0 | a0 | l | b0 | cm)) << 7
            | (ap & !(c0 | a0 | b0 | cp)) << 8
            | (bm & !(c0 | a0 | l | b0 | cm | am)) << 9
            | (bp & !(c0 | a0 | b0 | cp | ap)) << 10
            | (dm & !(c0 | l | d0 | cm)) << 11
            | (dp & !(c0 | d0 | cp)) << 12;
    }
}

/// A bordered row seen from the left, from straight ahead and from the right neighbour.
fn three(row: &[u16], n: usize) -> [&[u16]; 3] {
    [&row[..n], &row[1..][..n], &row[2..][..n]]
}
