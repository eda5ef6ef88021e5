//! Laws kernels (IBSI 2, 3.3).

use super::pooling::rotations;
use super::separable::{Bank, Kernel};

/// A Laws kernel by its name, at unit norm.
fn kernel(name: &str) -> Option<Kernel> {
    let values: &[f64] = match name {
        "L3" => &[1.0, 2.0, 1.0],
        "L5" => &[1.0, 4.0, 6.0, 4.0, 1.0],
        "E3" => &[-1.0, 0.0, 1.0],
        "E5" => &[-1.0, -2.0, 0.0, 2.0, 1.0],
        "S3" => &[-1.0, 2.0, -1.0],
        "S5" => &[-1.0, 0.0, 2.0, 0.0, -1.0],
        "W5" => &[-1.0, 2.0, 0.0, -2.0, 1.0],
        "R5" => &[1.0, -4.0, 6.0, -4.0, 1.0],
        _ => return None,
    };
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    Some(Kernel::centred(values.iter().map(|v| v / norm).collect()))
}

/// The kernels along x, y, z of a name such as `L5E5S5` (3D) or `L5E5` (in the slice).
pub(crate) fn kernels(name: &str, in_slice: bool) -> Result<[Kernel; 3], String> {
    let axes = if in_slice { 2 } else { 3 };
    let names: Vec<String> =
        name.chars().collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().collect()).collect();
    let mut all: Vec<Kernel> = names.iter().filter_map(|n| kernel(n)).collect();
    if names.len() != axes || all.len() != axes {
        return Err(format!(
            "kernels = \"{name}\": name {axes} of L3, L5, E3, E5, S3, S5, W5, R5, one per axis, \
             such as \"{}\"",
            if in_slice { "L5E5" } else { "L5E5E5" }
        ));
    }
    all.resize(3, Kernel::identity());
    all.try_into().map_err(|_| "three kernels".to_owned())
}

/// The kernel, alone or with its rotations.
pub(crate) fn bank(kernels: &[Kernel; 3], rotated: bool, in_slice: bool) -> Bank {
    let mut bank = Bank::default();
    if rotated {
        for kernels in rotations(kernels, in_slice) {
            bank.push(kernels, 0);
        }
    } else {
        bank.push(kernels.clone(), 0);
    }
    bank
}
