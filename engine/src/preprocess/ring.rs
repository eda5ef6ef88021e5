//! The ring: a shell around a lesion.

use ndarray::{Array3, Axis};

use crate::geometry::Vec3;

/// Voxels whose centre lies farther than `inner_mm` and at most `outer_mm` from the nearest voxel
/// centre of the lesion. The array must reach `outer_mm` beyond the lesion where the image does.
pub fn shell(lesion: &Array3<bool>, spacing: Vec3, inner_mm: f64, outer_mm: f64) -> Array3<bool> {
    // Distances on a regular grid are sums of squares of multiples of the spacing; the slack keeps
    // a voxel at exactly the outer distance inside whatever the rounding.
    const SLACK: f64 = 1e-9;
    let inner = inner_mm * inner_mm + SLACK;
    let outer = outer_mm * outer_mm + SLACK;
    squared_distance(lesion, spacing).mapv(|d| d > inner && d <= outer)
}

/// Squared distance in mm² of every voxel centre to the nearest one of the mask, exact: lower
/// envelopes of parabolas along one axis after the other (Felzenszwalb and Huttenlocher 2012, DOI
/// 10.4086/toc.2012.v008a019). Infinite where the mask is empty.
pub fn squared_distance(mask: &Array3<bool>, spacing: Vec3) -> Array3<f64> {
    let mut distance = mask.mapv(|inside| if inside { 0.0 } else { f64::INFINITY });
    for axis in 0..3 {
        let mut envelope = Envelope::default();
        for mut lane in distance.lanes_mut(Axis(2 - axis)) {
            envelope.transform(&mut lane, spacing[axis]);
        }
    }
    distance
}

/// Scratch space of the one-dimensional transform.
#[derive(Default)]
struct Envelope {
    input: Vec<f64>,
    vertex: Vec<usize>,
    from: Vec<f64>,
}

impl Envelope {
    fn transform(&mut self, lane: &mut ndarray::ArrayViewMut1<f64>, spacing: f64) {
        self.input.clear();
        self.input.extend(lane.iter());
        self.vertex.clear();
        self.from.clear();
        let step = spacing * spacing;
        for (q, &height) in self.input.iter().enumerate() {
            if height == f64::INFINITY {
                continue;
            }
            let mut start = f64::NEG_INFINITY;
            while let Some(&v) = self.vertex.last() {
                // Where the parabola at q comes to lie below the one at v, in voxels.
                let (qf, vf) = (q as f64, v as f64);
                start = ((height - self.input[v]) / step + qf * qf - vf * vf) / (2.0 * (qf - vf));
                if start > *self.from.last().unwrap_or(&f64::NEG_INFINITY) {
                    break;
                }
                self.vertex.pop();
                self.from.pop();
                start = f64::NEG_INFINITY;
            }
            self.vertex.push(q);
            self.from.push(start);
        }
        if self.vertex.is_empty() {
            return;
        }
        let mut k = 0;
        for (q, out) in lane.iter_mut().enumerate() {
            while k + 1 < self.vertex.len() && self.from[k + 1] <= q as f64 {
                k += 1;
            }
            let v = self.vertex[k];
            let apart = q.abs_diff(v) as f64 * spacing;
            *out = self.input[v] + apart * apart;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    /// Oracle: the definition, by brute force.
    #[test]
    fn distances_equal_the_definition_on_an_anisotropic_grid() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let spacing = [0.7, 1.3, 2.9];
        for density in [0.01, 0.2] {
            let mask = Array3::from_shape_fn((7, 9, 11), |_| rng.gen_bool(density));
            let distance = squared_distance(&mask, spacing);
            for ((z, y, x), &got) in distance.indexed_iter() {
                let expected = mask
                    .indexed_iter()
                    .filter(|&(_, &inside)| inside)
                    .map(|((k, j, i), _)| {
                        let d = [x.abs_diff(i), y.abs_diff(j), z.abs_diff(k)];
                        (0..3).map(|a| (d[a] as f64 * spacing[a]).powi(2)).sum::<f64>()
                    })
                    .fold(f64::INFINITY, f64::min);
                assert!(got == expected || (got - expected).abs() < 1e-9, "{got} {expected}");
            }
        }
    }
}
