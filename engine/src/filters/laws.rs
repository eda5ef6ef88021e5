//! Laws kernels (IBSI 2, 3.3).

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Operator};
use super::parameter::{Absent, Accepted, Parameter, ROTATION_INVARIANT};
use super::pooled::{Energy, Pooled};
use super::pooling::{Pooling, rotations};
use super::problem::Problem;
use super::separable::{Bank, Kernel};
use super::settings::Dimension;
use super::table::Kind;

/// Laws kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laws {
    /// One kernel per axis x, y, z, such as `L5E5S5`; two in 2D.
    pub kernels: String,
    /// Pools the responses of the kernel turned by every right angle; no rotation where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation_invariant: Option<Pooling>,
    /// Makes the energy map: mean magnitude over this many voxels to each side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_delta_voxels: Option<usize>,
}

const KERNELS: Parameter = Parameter {
    key: "kernels",
    unit: "",
    meaning: "kernels along x, y and, in 3D, z: level, edge, spot, wave or ripple of 3 or 5 voxels",
    absent: Absent::Required,
    accepted: Accepted::Checked(
        "one of L3, L5, E3, E5, S3, S5, W5, R5 per axis, such as \"L5E5E5\", in 2d \"L5E5\"",
    ),
};
const ENERGY: Parameter = Parameter {
    key: "energy_delta_voxels",
    unit: "voxels",
    meaning: "makes the energy map: mean magnitude over this many voxels to each side",
    absent: Absent::Means("the response itself"),
    accepted: Accepted::From(0.0, 250.0),
};

pub(crate) const PARAMETERS: &[Parameter] = &[KERNELS, ROTATION_INVARIANT, ENERGY];

impl Kind for Laws {
    fn check(&self, dimension: Dimension) -> Result<(), Problem> {
        kernels(&self.kernels, dimension)?;
        self.energy_delta_voxels.map_or(Ok(()), |delta| ENERGY.check(delta))
    }

    fn operator(&self, Grid { dimension, .. }: Grid) -> Result<Operator, Problem> {
        let kernels = kernels(&self.kernels, dimension)?;
        Ok(Operator::local(Pooled {
            bank: bank(&kernels, self.rotation_invariant.is_some(), dimension),
            maps: 1,
            pooling: self.rotation_invariant,
            energy: self.energy_delta_voxels.map(|delta| Energy { delta, dimension }),
        }))
    }
}

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
fn kernels(name: &str, dimension: Dimension) -> Result<[Kernel; 3], Problem> {
    let axes = dimension.axes();
    let names: Vec<String> =
        name.chars().collect::<Vec<_>>().chunks(2).map(|pair| pair.iter().collect()).collect();
    let all: Option<Vec<Kernel>> = names.iter().map(|n| kernel(n)).collect();
    let Some(all) = all.filter(|all| all.len() == axes) else {
        let example = &"L5E5E5"[..2 * axes];
        return Err(Problem::of_value(
            KERNELS.key,
            format!("\"{name}\""),
            format!(
                "name {axes} of L3, L5, E3, E5, S3, S5, W5, R5, one per axis, such as \"{example}\""
            ),
        ));
    };
    let mut all = all.into_iter();
    Ok(std::array::from_fn(|_| all.next().unwrap_or_else(Kernel::identity)))
}

/// The kernel, alone or with its rotations.
fn bank(kernels: &[Kernel; 3], rotated: bool, dimension: Dimension) -> Bank {
    let mut bank = Bank::default();
    if rotated {
        for kernels in rotations(kernels, dimension) {
            bank.push(kernels, 0);
        }
    } else {
        bank.push(kernels.clone(), 0);
    }
    bank
}
