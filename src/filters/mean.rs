//! Mean filter (IBSI 2, 3.1).

use super::separable::{Bank, Kernel};

/// The mean of the cube (square) of `support` voxels along each axis.
pub(crate) fn bank(support: usize, in_slice: bool) -> Bank {
    let mean = Kernel::centred(vec![1.0 / support as f64; support]);
    let z = if in_slice { Kernel::identity() } else { mean.clone() };
    let mut bank = Bank::default();
    bank.push([mean.clone(), mean, z], 0);
    bank
}
