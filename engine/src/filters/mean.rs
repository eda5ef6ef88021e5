//! Mean filter (IBSI 2, 3.1).

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Operator};
use super::parameter::{Absent, Accepted, Parameter};
use super::pooled::Pooled;
use super::problem::Problem;
use super::separable::{Bank, Kernel};
use super::settings::Dimension;
use super::table::Kind;

/// Mean of a cube (square).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mean {
    /// Voxels along each edge, an odd number.
    pub support_voxels: usize,
}

const SUPPORT: Parameter = Parameter {
    key: "support_voxels",
    unit: "voxels",
    meaning: "edge of the cube (square)",
    absent: Absent::Required,
    accepted: Accepted::Odd(501),
};

pub(crate) const PARAMETERS: &[Parameter] = &[SUPPORT];

impl Kind for Mean {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        SUPPORT.check(self.support_voxels)
    }

    fn operator(&self, grid: Grid) -> Result<Operator, Problem> {
        Ok(Operator::local(Pooled::from(bank(self.support_voxels, grid.dimension))))
    }
}

/// The mean of the cube (square) of `support` voxels along each axis.
pub(crate) fn bank(support: usize, dimension: Dimension) -> Bank {
    let mean = Kernel::centred(vec![1.0 / support as f64; support]);
    let z = match dimension {
        Dimension::ThreeD => mean.clone(),
        Dimension::TwoD => Kernel::identity(),
    };
    let mut bank = Bank::default();
    bank.push([mean.clone(), mean, z], 0);
    bank
}
