//! Direction vectors between voxels, and their weights.

use crate::features::parameters::{DistanceWeighting, GlcmNeighbours};

/// Steps in x, y, z to the earlier voxel of a pair.
pub(super) type Offset = [isize; 3];

/// The 4 directions of a slice, then the 9 between slices, at Chebyshev distance 1.
pub(super) const NEAREST: [Offset; 13] = [
    [-1, 0, 0],
    [-1, -1, 0],
    [0, -1, 0],
    [1, -1, 0],
    [-1, -1, -1],
    [0, -1, -1],
    [1, -1, -1],
    [-1, 0, -1],
    [0, 0, -1],
    [1, 0, -1],
    [-1, 1, -1],
    [0, 1, -1],
    [1, 1, -1],
];

/// One of each pair of opposite vectors between voxels that co-occur at a distance, those of the slice
/// first, as far as they lead from a voxel of a box of `size` voxels to another.
pub(super) fn at_distance(
    distance: u16,
    neighbours: GlcmNeighbours,
    size: [usize; 3],
) -> Vec<Offset> {
    match neighbours {
        GlcmNeighbours::Scaled => scaled(distance, size),
        GlcmNeighbours::Chebyshev => chebyshev(distance, size),
    }
}

/// The nearest voxels' directions, `distance` steps each.
fn scaled(distance: u16, size: [usize; 3]) -> Vec<Offset> {
    let steps = isize::try_from(distance.max(1)).expect("a distance has 16 bits");
    let fits = |offset: &Offset| (0..3).all(|a| offset[a].unsigned_abs() < size[a]);
    NEAREST.iter().map(|offset| offset.map(|step| step * steps)).filter(fits).collect()
}

/// One of each pair of opposite vectors of Chebyshev length `distance`, those of the slice first.
///
/// Vectors that lead out of a box of `size` voxels from anywhere are left out: no voxel of the
/// region has a neighbour there.
fn chebyshev(distance: u16, size: [usize; 3]) -> Vec<Offset> {
    let d = distance.max(1) as isize;
    let reach = size.map(|n| d.min(n.saturating_sub(1) as isize));
    let mut offsets = Vec::new();
    for z in -reach[2]..=0 {
        for y in -reach[1]..=reach[1] {
            for x in -reach[0]..=reach[0] {
                let length = x.abs().max(y.abs()).max(z.abs());
                if length == d && (z, y, x) < (0, 0, 0) {
                    offsets.push([x, y, z]);
                }
            }
        }
    }
    offsets.sort_by_key(|offset| offset[2] != 0);
    offsets
}

/// A direction's weight (IBSI manual, 3.6.2); `spacing` in mm.
pub(super) fn weight(weighting: DistanceWeighting, offset: Offset, spacing: [f64; 3]) -> f64 {
    let square: f64 = offset.iter().zip(spacing).map(|(&o, s)| (o as f64 * s).powi(2)).sum();
    match weighting {
        DistanceWeighting::None => 1.0,
        DistanceWeighting::InverseDistance => square.sqrt().recip(),
        DistanceWeighting::Exponential => (-square).exp(),
    }
}
