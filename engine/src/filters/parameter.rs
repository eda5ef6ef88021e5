//! A filter's parameters: what each means, and which values it takes.

use std::fmt::{self, Display, Formatter};

use super::problem::Problem;

/// Longest length in mm that a filter may have: wider than a patient.
const MAX_MM: f64 = 1000.0;

/// A parameter of a kind of filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// The key in the settings.
    pub key: &'static str,
    /// The unit of its values; empty where they have none.
    pub unit: &'static str,
    /// What it does.
    pub meaning: &'static str,
    /// What holds where it is not given.
    pub absent: Absent,
    /// What it takes.
    pub accepted: Accepted,
}

/// What holds where a parameter is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It must be given.
    Required,
    /// This value, as TOML.
    Default(&'static str),
    /// What the filter does then.
    Means(&'static str),
}

/// The values that a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Accepted {
    /// A number above the first and at most the second.
    Above(f64, f64),
    /// A number from the first to the second.
    From(f64, f64),
    /// An odd number from 1 to this.
    Odd(usize),
    /// What the filter's own check takes, in words that follow "give".
    Checked(&'static str),
}

impl Parameter {
    /// Whether a number is accepted.
    pub(crate) fn check(&self, value: impl Number) -> Result<(), Problem> {
        let number = value.number();
        let sound = match self.accepted {
            Accepted::Above(above, most) => number > above && number <= most,
            Accepted::From(least, most) => (least..=most).contains(&number),
            Accepted::Odd(most) => number % 2.0 == 1.0 && number <= most as f64,
            Accepted::Checked(_) => true,
        };
        if sound { Ok(()) } else { Err(self.refused(value)) }
    }

    /// The refusal of a value.
    pub(crate) fn refused(&self, value: impl Display) -> Problem {
        Problem::of_value(self.key, value, format!("give {}", self.accepted))
    }
}

impl Display for Accepted {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(above, most) => write!(f, "a number above {above}, at most {most}"),
            Self::From(least, most) => write!(f, "{least} to {most}"),
            Self::Odd(most) => write!(f, "an odd number from 1 to {most}"),
            Self::Checked(words) => f.write_str(words),
        }
    }
}

/// A number of any type that settings have.
pub(crate) trait Number: Copy + Display {
    fn number(self) -> f64;
}

impl Number for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl Number for u32 {
    fn number(self) -> f64 {
        f64::from(self)
    }
}

impl Number for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

/// Standard deviation of a Gaussian.
pub(crate) const SIGMA: Parameter = Parameter {
    key: "sigma_mm",
    unit: "mm",
    meaning: "standard deviation of the Gaussian",
    absent: Absent::Required,
    accepted: Accepted::Above(0.0, MAX_MM),
};

/// A wave's length.
pub(crate) const WAVELENGTH: Parameter = Parameter {
    key: "wavelength_mm",
    unit: "mm",
    meaning: "wavelength",
    absent: Absent::Required,
    accepted: Accepted::Above(0.0, MAX_MM),
};

/// Where a kernel ends.
pub(crate) const CUTOFF: Parameter = Parameter {
    key: "cutoff_sigma",
    unit: "standard deviations",
    meaning: "half width of the kernel",
    absent: Absent::Required,
    accepted: Accepted::Above(0.0, 20.0),
};

/// Rotation invariance of separable kernels.
pub(crate) const ROTATION_INVARIANT: Parameter = Parameter {
    key: "rotation_invariant",
    unit: "",
    meaning: "how the responses of the kernel turned by every right angle are pooled",
    absent: Absent::Means("no rotation"),
    accepted: Accepted::Checked("\"mean\" or \"max\""),
};

/// Levels beyond this reach over more than any image.
const MAX_LEVEL: f64 = 8.0;

/// Decomposition level of a wavelet.
pub(crate) const LEVEL: Parameter = Parameter {
    key: "level",
    unit: "",
    meaning: "decomposition level; each doubles the scale",
    absent: Absent::Default("1"),
    accepted: Accepted::From(1.0, MAX_LEVEL),
};

/// The default of [`LEVEL`].
pub(crate) fn first_level() -> u32 {
    1
}
