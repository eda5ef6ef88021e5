//! Local intensity features (IBSI 9ST6): the mean within a sphere of 1 cm³ around a voxel.
//!
//! A sphere's mean takes all voxels whose centre lies within it, in the region or not; where the
//! image ends, those that are there.

use std::ops::Range;

use ndarray::Array3;
use rayon::prelude::*;

use crate::region::Roi;
use crate::rows;

/// Radius in mm of the sphere of 1 cm³.
pub const RADIUS_MM: f64 = 6.203_504_908_994;

/// Local and global intensity peak, in units of the image.
///
/// The local peak is the mean around the voxel of highest intensity; where several have it, the
/// highest of their means. The global peak is the highest mean around any voxel of the region.
pub(crate) struct Peaks {
    /// Highest intensity.
    highest: f32,
    /// Highest mean around a voxel of that intensity.
    pub(super) local: f64,
    /// Highest mean around any voxel.
    pub(super) global: f64,
}

impl Peaks {
    /// The peaks of a region; `None` for no voxel.
    pub(super) fn of(roi: &Roi) -> Option<Self> {
        let sphere = sphere(roi.geometry.spacing);
        let widest = sphere.iter().map(|r| r.half_width).max()?;
        let sums = RowSums::new(&roi.intensities, widest);
        let (nz, ny, _) = roi.intensities.dim();
        (0..nz * ny)
            .into_par_iter()
            .filter_map(|row| {
                let (z, y) = (row / ny, row % ny);
                let inside = roi.intensity.slice(ndarray::s![z, y, ..]);
                let inside = rows::row(&inside);
                let intensities = roi.intensities.slice(ndarray::s![z, y, ..]);
                let peak = |x: usize, mean: f64| Peaks {
                    highest: intensities[x],
                    local: mean,
                    global: mean,
                };
                stretches(inside)
                    .flat_map(|stretch| {
                        let means = sums.means(&sphere, [z, y], &stretch);
                        stretch.zip(means).filter(|&(x, _)| inside[x])
                    })
                    .map(|(x, mean)| peak(x, mean))
                    .reduce(Peaks::join)
            })
            .reduce_with(Peaks::join)
    }

    fn join(self, other: Self) -> Self {
        let global = self.global.max(other.global);
        let (highest, local) = match self.highest.total_cmp(&other.highest) {
            std::cmp::Ordering::Greater => (self.highest, self.local),
            std::cmp::Ordering::Less => (other.highest, other.local),
            std::cmp::Ordering::Equal => (self.highest, self.local.max(other.local)),
        };
        Self { highest, local, global }
    }
}

/// Runs of a row's voxels, together with the gaps between them that are too short to be passed over.
fn stretches(inside: &[bool]) -> impl Iterator<Item = Range<usize>> {
    const GAP: usize = 16;
    let mut runs = rows::runs(inside).peekable();
    std::iter::from_fn(move || {
        let mut stretch = runs.next()?;
        while let Some(next) = runs.next_if(|next| next.start < stretch.end + GAP) {
            stretch.end = next.end;
        }
        Some(stretch)
    })
}

/// A row of a sphere: from `-half_width` to `half_width` along x.
struct Row {
    dz: isize,
    dy: isize,
    half_width: usize,
}

fn sphere(spacing: [f64; 3]) -> Vec<Row> {
    let radius_squared = RADIUS_MM * RADIUS_MM;
    let reach = |s: f64| (RADIUS_MM / s).floor() as isize;
    let mut rows = Vec::new();
    for dz in -reach(spacing[2])..=reach(spacing[2]) {
        for dy in -reach(spacing[1])..=reach(spacing[1]) {
            let rest = radius_squared
                - (dz as f64 * spacing[2]).powi(2)
                - (dy as f64 * spacing[1]).powi(2);
            if rest >= 0.0 {
                rows.push(Row { dz, dy, half_width: (rest.sqrt() / spacing[0]).floor() as usize });
            }
        }
    }
    rows
}

/// Running sums along x, with a margin of the sphere's half width on both sides: the sum from a to b
/// is `row[b + margin + 1] - row[a + margin]`, also beyond the ends.
struct RowSums {
    values: Vec<f64>,
    width: usize,
    margin: usize,
    nx: usize,
    ny: usize,
    nz: usize,
}

impl RowSums {
    fn new(intensities: &Array3<f32>, margin: usize) -> Self {
        let (nz, ny, nx) = intensities.dim();
        let width = nx + 2 * margin + 1;
        let mut values = vec![0.0; nz * ny * width];
        values.par_chunks_mut(width).enumerate().for_each(|(row, sums)| {
            let mut sum = 0.0;
            let intensities = intensities.slice(ndarray::s![row / ny, row % ny, ..]);
            for (out, &value) in sums[margin + 1..].iter_mut().zip(&intensities) {
                sum += f64::from(value);
                *out = sum;
            }
            sums[margin + 1 + nx..].fill(sum);
        });
        Self { values, width, margin, nx, ny, nz }
    }

    /// The means of the spheres around consecutive voxels of row (z, y).
    fn means(
        &self,
        sphere: &[Row],
        [z, y]: [usize; 2],
        voxels: &Range<usize>,
    ) -> impl Iterator<Item = f64> + use<> {
        let mut total = vec![0.0f64; voxels.len()];
        let mut count = vec![0u32; voxels.len()];
        for &Row { dz, dy, half_width: w } in sphere {
            let (z, y) = (z as isize + dz, y as isize + dy);
            if z < 0 || y < 0 || z >= self.nz as isize || y >= self.ny as isize {
                continue;
            }
            let sums = self.row(z as usize, y as usize);
            let below = &sums[voxels.start + self.margin - w..voxels.end + self.margin - w];
            let above = &sums[voxels.start + self.margin + w + 1..voxels.end + self.margin + w + 1];
            for ((total, above), below) in total.iter_mut().zip(above).zip(below) {
                *total += above - below;
            }
            for (x, count) in voxels.clone().zip(count.iter_mut()) {
                *count += ((x + w).min(self.nx - 1) - x.saturating_sub(w) + 1) as u32;
            }
        }
        total.into_iter().zip(count).map(|(total, count)| total / f64::from(count))
    }

    fn row(&self, z: usize, y: usize) -> &[f64] {
        let start = (z * self.ny + y) * self.width;
        &self.values[start..start + self.width]
    }
}
