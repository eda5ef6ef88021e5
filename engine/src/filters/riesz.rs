//! Riesz transforms: directional parts of isotropic filters (IBSI 2, 3.7).
//!
//! Order l = (l_x, l_y, l_z), |l| = l_x + l_y + l_z, has the transfer function
//! `sqrt(|l|! / (l_x! l_y! l_z!)) · (−iω_x)^l_x (−iω_y)^l_y (−iω_z)^l_z / |ω|^|l|`, times that of
//! the isotropic filter (Unser et al. 2011, 10.1109/TIP.2011.2138147).

use serde::{Deserialize, Serialize};

use super::operator::{Fourier, Grid, Operator};
use super::parameter::{Absent, Accepted, LEVEL, Parameter, SIGMA};
use super::problem::Problem;
use super::settings::Dimension;
use super::simoncelli::{shannon, simoncelli};
use super::table::Kind;

/// Highest order along an axis.
const MAX_ORDER: u32 = 8;

/// Riesz transform of an isotropic filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Riesz {
    /// Order along x, y, z.
    pub order: [u32; 3],
    /// The isotropic filter.
    pub of: RieszOf,
}

/// The isotropic filter of a Riesz transform.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RieszOf {
    /// Laplacian of Gaussian, not cut off.
    Log {
        /// Standard deviation of the Gaussian, mm.
        sigma_mm: f64,
    },
    /// Simoncelli's wavelet.
    Simoncelli {
        /// Decomposition level, from 1.
        level: u32,
    },
    /// Shannon's wavelet.
    Shannon {
        /// Decomposition level, from 1.
        level: u32,
    },
}

const ORDER: Parameter = Parameter {
    key: "order",
    unit: "",
    meaning: "order along x, y and z",
    absent: Absent::Required,
    accepted: Accepted::Checked("0 to 8 along x, y, z, not all 0"),
};
const OF: Parameter = Parameter {
    key: "of",
    unit: "",
    meaning: "the isotropic filter, not cut off",
    absent: Absent::Required,
    accepted: Accepted::Checked(
        "a table with `kind` \"log\" and `sigma_mm`, or \"simoncelli\" or \"shannon\" and `level`",
    ),
};

pub(crate) const PARAMETERS: &[Parameter] = &[ORDER, OF];

impl Kind for Riesz {
    fn check(&self, dimension: Dimension) -> Result<(), Problem> {
        let order = self.order;
        if order.iter().all(|&l| l == 0) || order.iter().any(|&l| l > MAX_ORDER) {
            return Err(ORDER.refused(format!("{order:?}")));
        }
        if dimension == Dimension::TwoD && order[2] > 0 {
            let advice = "the order along z is 0 in 2d";
            return Err(Problem::of_value(ORDER.key, format!("{order:?}"), advice));
        }
        match self.of {
            RieszOf::Log { sigma_mm } => SIGMA.check(sigma_mm),
            RieszOf::Simoncelli { level } | RieszOf::Shannon { level } => LEVEL.check(level),
        }
    }

    fn operator(&self, grid: Grid) -> Result<Operator, Problem> {
        let Self { order, of } = *self;
        let isotropic = move |omega| match of {
            RieszOf::Log { sigma_mm } => laplacian_of_gaussian(omega, grid.voxels(sigma_mm)),
            RieszOf::Simoncelli { level } => simoncelli(omega, level),
            RieszOf::Shannon { level } => shannon(omega, level),
        };
        let transfer = Box::new(move |omega| isotropic(omega) * normalisation(omega, order));
        Ok(Operator::Fourier(Fourier { transfer, order }))
    }
}

/// The isotropic part and normalisation, without the powers of −iω; 0 at ω = 0, where no direction
/// is defined.
fn normalisation(omega: [f64; 3], order: [u32; 3]) -> f64 {
    let total: u32 = order.iter().sum();
    let length = omega.iter().map(|w| w * w).sum::<f64>().sqrt();
    if length == 0.0 {
        return 0.0;
    }
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let parts: f64 = order.iter().map(|&l| factorial(l)).product();
    (factorial(total) / parts).sqrt() / length.powi(total as i32)
}

/// Transfer function of the Laplacian of Gaussian with standard deviations in voxels.
fn laplacian_of_gaussian(omega: [f64; 3], sigma: [f64; 3]) -> f64 {
    let (mut square, mut exponent) = (0.0, 0.0);
    for axis in 0..3 {
        square += omega[axis] * omega[axis];
        exponent += (omega[axis] * sigma[axis]).powi(2) / 2.0;
    }
    -square * (-exponent).exp()
}
