//! Filters as the user writes them.

use serde::{Deserialize, Serialize};

use super::boundary::Boundary;
use super::operator::{Grid, Operator};
use super::problem::{FilterProblem, Problem};
use super::table::Filter;

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

impl Dimension {
    /// The axes that a filter acts along: x, y and, in space, z.
    pub(crate) fn axes(self) -> usize {
        match self {
            Self::ThreeD => 3,
            Self::TwoD => 2,
        }
    }
}

impl FilterSettings {
    /// Names of the filter's response maps, in order.
    pub fn maps(&self) -> Vec<String> {
        match self.filter.parameters().maps(self.dimension).as_slice() {
            [] | [_] => vec![self.name.clone()],
            several => several.iter().map(|s| format!("{}-{s}", self.name)).collect(),
        }
    }

    /// The same with nothing left open that a schema of plans added.
    #[must_use]
    pub fn resolved(mut self) -> Self {
        if let Filter::Log(log) = &mut self.filter {
            log.zero_mean.get_or_insert(true);
        }
        self
    }

    /// Whether the parameters make sense.
    ///
    /// # Errors
    /// The filter, the offending key and value, and what is accepted.
    pub fn check(&self) -> Result<(), FilterProblem> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            return Err(FilterProblem::of_name(
                name,
                "use 1 to 64 letters, digits, \".\" and \"-\" (it becomes part of column and file \
                 names)",
            ));
        }
        if name.starts_with('.') || name == "original" {
            return Err(FilterProblem::of_name(
                name,
                "choose another; \"original\" is the unfiltered image, and a file name must not \
                 start with \".\"",
            ));
        }
        self.filter.parameters().check(self.dimension).map_err(|problem| self.at_fault(problem))
    }

    /// What makes the response maps on voxels of this spacing (x, y, z in mm).
    pub(crate) fn operator(&self, spacing: [f64; 3]) -> Result<Operator, FilterProblem> {
        self.check()?;
        let grid = Grid { spacing, dimension: self.dimension };
        self.filter.parameters().operator(grid).map_err(|problem| self.at_fault(problem))
    }

    fn at_fault(&self, problem: Problem) -> FilterProblem {
        FilterProblem { filter: self.name.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<FilterSettings, String> {
        let settings: FilterSettings = toml::from_str(text).map_err(|e| e.to_string())?;
        settings.check().map_err(|e| e.to_string())?;
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

    #[test]
    fn a_problem_names_filter_key_and_value() {
        let text =
            "name = \"a\"\nkind = \"gabor\"\nsigma_mm = 5.0\nwavelength_mm = 2000.0\ngamma = 1.5";
        let settings: FilterSettings = toml::from_str(text).expect("reads");
        let FilterProblem { filter, problem } = settings.check().expect_err("too long");
        assert_eq!((&*filter, problem.key, &*problem.value), ("a", "wavelength_mm", "2000"));
        let message = FilterProblem { filter, problem }.to_string();
        assert_eq!(
            message,
            "filter \"a\": wavelength_mm = 2000: give a number above 0, at most 1000"
        );
    }
}
