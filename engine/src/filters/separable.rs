//! Convolution along one axis after the other.
//!
//! Kernels that are a product of one kernel per axis cost the sum, not the product, of their
//! lengths. The passes run z, y, x and each makes only what the next ones need, so that the
//! longest, least aligned pass (x) runs over the fewest voxels.

use super::tile::Tile;

/// A kernel along one axis: `response(i) = sum over k of taps[k] · image(i − first − k)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kernel {
    /// Values, from offset `first` upwards.
    pub(crate) taps: Vec<f64>,
    /// Offset of the first value from the voxel that gets the response.
    pub(crate) first: isize,
}

impl Kernel {
    /// A kernel centred on its voxel. An even one has its centre at the right of its two middle
    /// values, as the IBSI reference response maps of Daubechies 2 and Coiflet 1 show.
    pub(crate) fn centred(taps: Vec<f64>) -> Self {
        let first = -((taps.len() / 2) as isize);
        Self { taps, first }
    }

    /// The kernel that leaves an image as it is.
    pub(crate) fn identity() -> Self {
        Self { taps: vec![1.0], first: 0 }
    }

    /// The same values in reverse order at the same offsets.
    pub(crate) fn reversed(&self) -> Self {
        let first = -(self.first + self.taps.len() as isize - 1);
        Self { taps: self.taps.iter().rev().copied().collect(), first }
    }

    /// Voxels needed before and after the first and last response.
    pub(crate) fn reach(&self) -> (isize, isize) {
        ((self.first + self.taps.len() as isize - 1).max(0), (-self.first).max(0))
    }
}

/// Convolves along an axis (0 = x), for the responses `from..to` of that axis.
pub(crate) fn convolve(tile: &Tile, axis: usize, kernel: &Kernel, from: isize, to: isize) -> Tile {
    let mut out = bare(tile, axis, from, to);
    add_convolved(&mut out, tile, axis, kernel);
    out
}

/// An empty tile with `tile`'s box except along `axis`.
pub(crate) fn bare(tile: &Tile, axis: usize, from: isize, to: isize) -> Tile {
    let (mut min, mut max) = (tile.min, tile.max);
    (min[axis], max[axis]) = (from, to);
    Tile::zeros(min, max)
}

/// Adds the convolution of `tile` along an axis to `out`, which has the same box except along it.
pub(crate) fn add_convolved(out: &mut Tile, tile: &Tile, axis: usize, kernel: &Kernel) {
    // As a correlation: response(i) = sum over j of weights[j] · image(i − before + j).
    let weights: Vec<f32> = kernel.taps.iter().rev().map(|&w| w as f32).collect();
    let before = kernel.first + kernel.taps.len() as isize - 1;
    let skip = (out.min[axis] - before - tile.min[axis]) as usize;
    let [nx, ny, nz] = tile.size();
    let [ox, oy, oz] = out.size();
    if out.values.is_empty() {
        return;
    }
    match axis {
        0 => {
            for row in 0..ny * nz {
                let input = &tile.values[row * nx + skip..(row + 1) * nx];
                add_weighted(&mut out.values[row * ox..(row + 1) * ox], input, 1, &weights);
            }
        }
        1 => {
            let (plane, out_plane) = (nx * ny, nx * oy);
            for z in 0..nz {
                let input = &tile.values[z * plane + skip * nx..(z + 1) * plane];
                let out = &mut out.values[z * out_plane..(z + 1) * out_plane];
                add_weighted(out, input, nx, &weights);
            }
        }
        _ => {
            let plane = nx * ny;
            let input = &tile.values[skip * plane..];
            add_weighted(&mut out.values[..plane * oz], input, plane, &weights);
        }
    }
}

/// `out[i] += sum over j of weights[j] · input[i + j · step]`.
///
/// A block's sums stay in registers over all weights; the order of summation is the same for every
/// voxel, whatever block it falls into.
fn add_weighted(out: &mut [f32], input: &[f32], step: usize, weights: &[f32]) {
    let done = blocks::<64>(out, input, step, weights, 0);
    let done = blocks::<16>(out, input, step, weights, done);
    let done = blocks::<4>(out, input, step, weights, done);
    blocks::<1>(out, input, step, weights, done);
}

#[inline(always)]
fn blocks<const N: usize>(
    out: &mut [f32],
    input: &[f32],
    step: usize,
    weights: &[f32],
    start: usize,
) -> usize {
    let mut at = start;
    while at + N <= out.len() {
        let mut sum = [0.0f32; N];
        for (j, &weight) in weights.iter().enumerate() {
            let from = at + j * step;
            let values: &[f32; N] =
                input[from..from + N].try_into().expect("the slice has the block's length");
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        for (out, sum) in out[at..at + N].iter_mut().zip(sum) {
            *out += sum;
        }
        at += N;
    }
    at
}

/// One separable kernel of a bank: its kernels along x, y, z by number, and the response map that
/// it goes into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) kernels: [usize; 3],
    pub(crate) target: usize,
}

/// Separable kernels that are applied together; equal passes are made once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bank {
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) leaves: Vec<Leaf>,
}

impl Bank {
    /// Adds the product of kernels along x, y, z for a response map.
    pub(crate) fn push(&mut self, kernels: [Kernel; 3], target: usize) {
        let kernels = kernels.map(|kernel| {
            self.kernels.iter().position(|k| *k == kernel).unwrap_or_else(|| {
                self.kernels.push(kernel);
                self.kernels.len() - 1
            })
        });
        self.leaves.push(Leaf { kernels, target });
    }

    /// Leaves out the kernels of all response maps but these, which are numbered anew from 0.
    pub(crate) fn keep(&mut self, maps: &[usize]) {
        self.leaves.retain_mut(|leaf| match maps.iter().position(|map| *map == leaf.target) {
            Some(target) => {
                leaf.target = target;
                true
            }
            None => false,
        });
    }

    /// Voxels needed before and after a box along x, y, z.
    pub(crate) fn reach(&self) -> [(isize, isize); 3] {
        std::array::from_fn(|axis| {
            self.leaves
                .iter()
                .map(|leaf| self.kernels[leaf.kernels[axis]].reach())
                .fold((0, 0), |(before, after), (b, a)| (before.max(b), after.max(a)))
        })
    }

    /// Convolves `tile` with every kernel and hands each response within `min..max` to `take`,
    /// with its response map.
    pub(crate) fn apply(
        &self,
        tile: &Tile,
        min: [isize; 3],
        max: [isize; 3],
        mut take: impl FnMut(usize, &Tile),
    ) {
        let used = |axis: usize, under: &dyn Fn(&&Leaf) -> bool| -> Vec<usize> {
            let mut list: Vec<usize> =
                self.leaves.iter().filter(under).map(|leaf| leaf.kernels[axis]).collect();
            list.sort_unstable();
            list.dedup();
            list
        };
        for z in used(2, &|_| true) {
            let along_z = convolve(tile, 2, &self.kernels[z], min[2], max[2]);
            for y in used(1, &|leaf| leaf.kernels[2] == z) {
                let along_y = convolve(&along_z, 1, &self.kernels[y], min[1], max[1]);
                for x in used(0, &|leaf| leaf.kernels[1..] == [y, z]) {
                    let response = convolve(&along_y, 0, &self.kernels[x], min[0], max[0]);
                    for leaf in self.leaves.iter().filter(|leaf| leaf.kernels == [x, y, z]) {
                        take(leaf.target, &response);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of convolution, in 64 bits.
    #[test]
    fn three_passes_equal_the_triple_sum() {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
        };
        let mut tile = Tile::zeros([-3, -4, -2], [75, 9, 8]);
        tile.values.iter_mut().for_each(|v| *v = next() as f32);
        let mut kernel = |n: usize| Kernel::centred((0..n).map(|_| next()).collect());
        let kernels = [kernel(4), kernel(5), kernel(3)];
        let mut bank = Bank::default();
        bank.push(kernels.clone(), 0);
        let (min, max) = ([0, 0, 0], [72, 6, 6]);
        bank.apply(&tile, min, max, |_, response| {
            let got = response.view();
            for ((z, y, x), &value) in got.indexed_iter() {
                let mut expected = 0.0;
                for (k, c) in kernels[2].taps.iter().enumerate() {
                    for (j, b) in kernels[1].taps.iter().enumerate() {
                        for (i, a) in kernels[0].taps.iter().enumerate() {
                            let at = |n: usize, axis: usize, tap: usize| {
                                (n as isize - kernels[axis].first - tap as isize - tile.min[axis])
                                    as usize
                            };
                            let voxel = [at(z, 2, k), at(y, 1, j), at(x, 0, i)];
                            expected += a * b * c * f64::from(tile.view()[voxel]);
                        }
                    }
                }
                assert!((f64::from(value) - expected).abs() < 1e-6);
            }
        });
    }
}
