//! Filters as the user writes them.

use serde::{Deserialize, Serialize};

use super::boundary::Boundary;
use super::pooling::Pooling;
use super::{laws, wavelet};

/// Whether a filter acts in space or in each slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Dimension {
    /// In space. A Gabor filter acts in the axial, coronal and sagittal planes and pools them.
    #[default]
    #[serde(rename = "3d")]
    ThreeD,
    /// In each axial slice (fixed z).
    #[serde(rename = "2d")]
    TwoD,
}

/// A filter with the name of its response maps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterSettings {
    /// Name in columns and files: letters, digits, `.` and `-`.
    pub name: String,
    /// In space, or slice by slice.
    #[serde(default)]
    pub dimension: Dimension,
    /// What the filter sees beyond the image's edge.
    #[serde(default)]
    pub boundary: Boundary,
    /// The filter and its parameters.
    #[serde(flatten)]
    pub filter: Filter,
}

/// A filter of the second IBSI standard and its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Mean of a cube (square).
    Mean {
        /// Voxels along each edge, an odd number.
        support_voxels: usize,
    },
    /// Laplacian of Gaussian.
    Log {
        /// Standard deviation of the Gaussian, mm.
        sigma_mm: f64,
        /// Half width of the kernel in standard deviations.
        #[serde(default = "four")]
        cutoff_sigma: f64,
    },
    /// Laws kernels.
    Laws {
        /// One kernel per axis x, y, z, such as `L5E5S5`; two in 2D.
        kernels: String,
        /// Pools the responses of the kernel turned by every right angle; no rotation where not
        /// given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotation_invariant: Option<Pooling>,
        /// Makes the energy map: mean magnitude over this many voxels to each side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        energy_delta_voxels: Option<usize>,
    },
    /// Gabor filter, modulus of the response.
    Gabor {
        /// Standard deviation of the envelope along the wave, mm.
        sigma_mm: f64,
        /// Wavelength, mm.
        wavelength_mm: f64,
        /// Standard deviation along the wave over the one across it.
        gamma: f64,
        /// Orientation, or the first of several, in degrees.
        #[serde(default)]
        theta_degrees: f64,
        /// Pools orientations in steps of this many degrees over the full circle.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        theta_step_degrees: Option<f64>,
        /// How orientations and planes are pooled.
        #[serde(default = "mean")]
        pooling: Pooling,
        /// Half width of the kernel in standard deviations.
        #[serde(default = "six")]
        cutoff_sigma: f64,
    },
    /// Separable wavelet, undecimated.
    Wavelet {
        /// `haar`, `db1` to `db10`, `coif1` to `coif5`.
        wavelet: String,
        /// Decomposition level, from 1.
        #[serde(default = "one")]
        level: u32,
        /// Sub-bands such as `LLH` (low-pass along x and y, high-pass along z); all where not
        /// given. With one the map has the filter's name, with several `name-LLH`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subbands: Option<Vec<String>>,
        /// Pools the responses of the kernel turned by every right angle; no rotation where not
        /// given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rotation_invariant: Option<Pooling>,
    },
    /// Simoncelli's non-separable wavelet.
    Simoncelli {
        /// Decomposition level, from 1.
        #[serde(default = "one")]
        level: u32,
    },
    /// Shannon's non-separable wavelet.
    Shannon {
        /// Decomposition level, from 1.
        #[serde(default = "one")]
        level: u32,
    },
    /// Riesz transform of an isotropic filter.
    Riesz {
        /// Order along x, y, z.
        order: [u32; 3],
        /// The isotropic filter.
        of: RieszOf,
    },
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

fn one() -> u32 {
    1
}

fn four() -> f64 {
    4.0
}

fn six() -> f64 {
    6.0
}

fn mean() -> Pooling {
    Pooling::Mean
}

/// Longest length in mm that a filter may have: wider than a patient.
const MAX_MM: f64 = 1000.0;
/// Highest Riesz order along an axis.
const MAX_ORDER: u32 = 8;
/// Most orientations of a Gabor filter.
const MAX_ANGLES: f64 = 360.0;

impl Filter {
    /// The filter's name for people.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Mean { .. } => "Mean",
            Self::Log { .. } => "Laplacian of Gaussian",
            Self::Laws { .. } => "Laws kernels",
            Self::Gabor { .. } => "Gabor",
            Self::Wavelet { .. } => "Separable wavelets",
            Self::Simoncelli { .. } => "Simoncelli wavelet",
            Self::Shannon { .. } => "Shannon wavelet",
            Self::Riesz { .. } => "Riesz transform",
        }
    }
}

impl FilterSettings {
    /// Names of the filter's response maps, in order.
    pub fn maps(&self) -> Vec<String> {
        match self.subbands().as_slice() {
            [] | [_] => vec![self.name.clone()],
            several => several.iter().map(|s| format!("{}-{s}", self.name)).collect(),
        }
    }

    /// Sub-bands of a wavelet, none for other filters.
    pub(crate) fn subbands(&self) -> Vec<String> {
        match &self.filter {
            Filter::Wavelet { subbands: Some(some), .. } => some.clone(),
            Filter::Wavelet { .. } => wavelet::all_subbands(self.dimension == Dimension::TwoD),
            _ => Vec::new(),
        }
    }

    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// The filter, the offending key and value, and what is accepted.
    pub fn check(&self) -> Result<(), String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(format!(
                "filter name \"{name}\": use 1 to 64 letters, digits, \".\" and \"-\" (it becomes \
                 part of column and file names)"
            ));
        }
        if name.starts_with('.') || name == "original" {
            return Err(format!(
                "filter name \"{name}\": choose another; \"original\" is the unfiltered image, and \
                 a file name must not start with \".\""
            ));
        }
        let in_slice = self.dimension == Dimension::TwoD;
        self.filter.check(in_slice).map_err(|e| format!("filter \"{name}\": {e}"))
    }
}

impl Filter {
    /// Orientations in radians.
    pub(crate) fn gabor_angles(&self) -> Vec<f64> {
        match self {
            Self::Gabor { theta_degrees, theta_step_degrees, .. } => {
                // Opposite orientations have conjugate kernels and so the same modulus.
                let count = theta_step_degrees.map_or(1, half_turn_steps);
                let step = theta_step_degrees.unwrap_or(0.0);
                (0..count).map(|i| (theta_degrees + step * i as f64).to_radians()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn check(&self, in_slice: bool) -> Result<(), String> {
        match self {
            Self::Mean { support_voxels } => {
                if support_voxels % 2 == 0 || *support_voxels > 501 {
                    return Err(format!(
                        "support_voxels = {support_voxels}: give an odd number from 1 to 501"
                    ));
                }
            }
            Self::Log { sigma_mm, cutoff_sigma } => {
                within("sigma_mm", *sigma_mm, 0.0, MAX_MM)?;
                within("cutoff_sigma", *cutoff_sigma, 0.0, 20.0)?;
            }
            Self::Laws { kernels, energy_delta_voxels, .. } => {
                laws::kernels(kernels, in_slice)?;
                if let Some(delta @ 251..) = energy_delta_voxels {
                    return Err(format!("energy_delta_voxels = {delta}: give 0 to 250"));
                }
            }
            Self::Gabor {
                sigma_mm,
                wavelength_mm,
                gamma,
                theta_degrees,
                theta_step_degrees,
                cutoff_sigma,
                ..
            } => {
                within("sigma_mm", *sigma_mm, 0.0, MAX_MM)?;
                within("wavelength_mm", *wavelength_mm, 0.0, MAX_MM)?;
                within("gamma", *gamma, 0.0, 100.0)?;
                within("cutoff_sigma", *cutoff_sigma, 0.0, 20.0)?;
                if !(theta_degrees.abs() <= 360.0) {
                    return Err(format!("theta_degrees = {theta_degrees}: give -360 to 360"));
                }
                if let Some(step) = theta_step_degrees {
                    let count = 180.0 / step;
                    if !(count > 0.5 && count <= MAX_ANGLES && (count - count.round()).abs() < 1e-6)
                    {
                        return Err(format!(
                            "theta_step_degrees = {step}: give a step that divides 180 degrees, \
                             such as 22.5 or 45"
                        ));
                    }
                }
            }
            Self::Wavelet { wavelet, level, subbands, .. } => {
                wavelet::low_pass(wavelet)?;
                check_level(*level)?;
                let known = wavelet::all_subbands(in_slice);
                let chosen = subbands.as_deref().unwrap_or(&known);
                if let Some(other) = chosen.iter().find(|s| !known.contains(s)) {
                    return Err(format!("subbands: \"{other}\" is none of {}", known.join(", ")));
                }
                let repeated = (1..chosen.len()).find(|&i| chosen[..i].contains(&chosen[i]));
                if let Some(i) = repeated {
                    return Err(format!("subbands: \"{}\" is given twice", chosen[i]));
                }
                if chosen.is_empty() {
                    return Err("subbands is empty: name one, or leave the key out for all".into());
                }
            }
            Self::Simoncelli { level } | Self::Shannon { level } => check_level(*level)?,
            Self::Riesz { order, of } => {
                if order.iter().sum::<u32>() == 0 || order.iter().any(|&l| l > MAX_ORDER) {
                    return Err(format!(
                        "order = {order:?}: give 0 to {MAX_ORDER} along x, y, z, not all 0"
                    ));
                }
                if in_slice && order[2] > 0 {
                    return Err(format!("order = {order:?}: the order along z is 0 in 2d"));
                }
                match of {
                    RieszOf::Log { sigma_mm } => within("sigma_mm", *sigma_mm, 0.0, MAX_MM)?,
                    RieszOf::Simoncelli { level } | RieszOf::Shannon { level } => {
                        check_level(*level)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Steps in half a turn; the check has seen to it that they fill it.
fn half_turn_steps(step: f64) -> usize {
    (180.0 / step).round() as usize
}

fn within(key: &str, value: f64, above: f64, most: f64) -> Result<(), String> {
    if value > above && value <= most {
        return Ok(());
    }
    Err(format!("{key} = {value}: give a number above {above}, at most {most}"))
}

fn check_level(level: u32) -> Result<(), String> {
    if (1..=wavelet::MAX_LEVEL).contains(&level) {
        return Ok(());
    }
    Err(format!("level = {level}: give 1 to {}", wavelet::MAX_LEVEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FilterSettings, String> {
        let settings: FilterSettings = toml::from_str(text).map_err(|e| e.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    #[test]
    fn a_filter_reads_from_toml_and_back() {
        let text = "name = \"coif1\"\nkind = \"wavelet\"\nwavelet = \"coif1\"\n";
        let settings = parse(text).expect("valid");
        assert_eq!(settings.boundary, Boundary::Mirror);
        assert_eq!(settings.maps()[..3], ["coif1-LLL", "coif1-LLH", "coif1-LHL"]);
        let again = parse(&toml::to_string(&settings).expect("writes")).expect("valid");
        assert_eq!(again, settings);
    }

    #[test]
    fn wrong_filters_are_refused_by_key_and_value() {
        let log = |rest: &str| format!("kind = \"log\"\n{rest}");
        for (text, expected) in [
            (log("name = \"a_b\"\nsigma_mm = 1.0"), "a_b"),
            (log("name = \"a\"\nsigma_mm = 0.0"), "sigma_mm = 0"),
            (log("name = \"a\"\nsigma_mm = nan"), "sigma_mm = NaN"),
            (log("name = \"a\"\nsigma = 1.0"), "unknown field `sigma`"),
            (log("name = \"a\"\nsigma_mm = 1.0\nsupport_voxels = 3"), "support_voxels"),
            ("name = \"a\"\nkind = \"mean\"\nsupport_voxels = 4".into(), "odd"),
            ("name = \"a\"\nkind = \"median\"".into(), "median"),
            ("name = \"a\"\nkind = \"laws\"\nkernels = \"L5E5\"".into(), "L5E5E5"),
            ("name = \"a\"\nkind = \"laws\"\nkernels = \"L5E5X5\"".into(), "one per axis"),
            (
                "name = \"a\"\nkind = \"wavelet\"\nwavelet = \"db3\"\nsubbands = [\"LX\"]".into(),
                "\"LX\" is none of LLL",
            ),
            ("name = \"a\"\nkind = \"simoncelli\"\nlevel = 0".into(), "level = 0"),
        ] {
            let problem = parse(&text).expect_err(&text);
            assert!(problem.contains(expected), "{text}: {problem}");
        }
    }
}
