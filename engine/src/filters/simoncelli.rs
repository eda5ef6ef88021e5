//! Non-separable wavelets: isotropic band-pass filters of one octave and its neighbours (IBSI 2,
//! 3.6).
//!
//! Transfer functions of |ω| in radians per voxel. Level j is level 1 with |ω| doubled j − 1 times.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Operator};
use super::parameter::{LEVEL, Parameter, first_level};
use super::problem::Problem;
use super::settings::Dimension;
use super::table::Kind;

/// Simoncelli's non-separable wavelet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simoncelli {
    /// Decomposition level, from 1.
    #[serde(default = "first_level")]
    pub level: u32,
}

/// Shannon's non-separable wavelet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shannon {
    /// Decomposition level, from 1.
    #[serde(default = "first_level")]
    pub level: u32,
}

pub(crate) const PARAMETERS: &[Parameter] = &[LEVEL];

impl Kind for Simoncelli {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        LEVEL.check(self.level)
    }

    fn operator(&self, _grid: Grid) -> Result<Operator, Problem> {
        let level = self.level;
        Ok(Operator::isotropic(move |omega| simoncelli(omega, level)))
    }
}

impl Kind for Shannon {
    fn check(&self, _dimension: Dimension) -> Result<(), Problem> {
        LEVEL.check(self.level)
    }

    fn operator(&self, _grid: Grid) -> Result<Operator, Problem> {
        let level = self.level;
        Ok(Operator::isotropic(move |omega| shannon(omega, level)))
    }
}

/// Simoncelli: `cos(π/2 · log2(2|ω| / π))` from π/4 to π (Portilla and Simoncelli 2000,
/// 10.1023/A:1026553619983).
pub(crate) fn simoncelli(omega: [f64; 3], level: u32) -> f64 {
    let frequency = scaled(omega, level);
    if frequency > PI / 4.0 && frequency <= PI {
        (PI / 2.0 * (2.0 * frequency / PI).log2()).cos()
    } else {
        0.0
    }
}

/// Shannon: 1 from π/2 to π.
pub(crate) fn shannon(omega: [f64; 3], level: u32) -> f64 {
    let frequency = scaled(omega, level);
    if frequency > PI / 2.0 && frequency <= PI { 1.0 } else { 0.0 }
}

fn scaled(omega: [f64; 3], level: u32) -> f64 {
    omega.iter().map(|w| w * w).sum::<f64>().sqrt() * f64::from(1u32 << (level - 1))
}
