//! The one place where a kind of filter is registered.
//!
//! The enum [`Filter`], the keys of settings, titles, checks, `docs/filters.md` and the operators all
//! come from the list below. A new kind is one row here and one module with its parameters and their
//! `Kind`.

use serde::{Deserialize, Serialize};

use super::operator::{Grid, Operator};
use super::parameter::Parameter;
use super::problem::Problem;
use super::settings::Dimension;

/// A kind of filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FilterKind {
    /// Its key in settings, `kind`.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// Its section in chapter 3 of the IBSI 2 manual.
    pub section: &'static str,
    /// What it does, in one or two sentences.
    pub definition: &'static str,
    /// Where it comes from, if not from the standard itself: a DOI.
    pub reference: Option<&'static str>,
    /// Its parameters.
    pub parameters: &'static [Parameter],
    /// Settings with the parameters that it must have, as TOML.
    pub example: &'static str,
}

/// What the parameters of a kind of filter do.
pub(crate) trait Kind {
    /// Whether they make sense.
    fn check(&self, dimension: Dimension) -> Result<(), Problem>;

    /// What makes the response maps on a grid. The parameters have been checked.
    fn operator(&self, grid: Grid) -> Result<Operator, Problem>;

    /// What each map is called after, in order; none where there is one map.
    fn maps(&self, _dimension: Dimension) -> Vec<String> {
        Vec::new()
    }
}

macro_rules! filters {
    ($($key:literal => $module:ident::$Kind:ident {
        title: $title:literal,
        $($field:ident: $value:expr),* $(,)?
    })*) => {
        $(pub use super::$module::$Kind;)*

        /// A filter of the second IBSI standard and its parameters.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        pub enum Filter {
            $(
                #[doc = $title]
                #[serde(rename = $key)]
                $Kind($Kind),
            )*
        }

        /// Every kind of filter, in the standard's order.
        pub static FILTERS: &[FilterKind] = &[$(FilterKind {
            key: $key,
            title: $title,
            parameters: super::$module::PARAMETERS,
            $($field: $value,)*
        }),*];

        impl Filter {
            /// The key of its kind in settings.
            pub fn key(&self) -> &'static str {
                match self {
                    $(Self::$Kind(_) => $key,)*
                }
            }

            pub(crate) fn parameters(&self) -> &dyn Kind {
                match self {
                    $(Self::$Kind(parameters) => parameters,)*
                }
            }
        }
    };
}

filters! {
    "mean" => mean::Mean {
        title: "Mean",
        section: "3.1",
        definition: "The mean of the cube (square) around each voxel.",
        reference: None,
        example: "support_voxels = 5",
    }
    "log" => log::Log {
        title: "Laplacian of Gaussian",
        section: "3.2",
        definition: "The sampled Laplacian of a Gaussian, cut off and, unless asked otherwise, shifted \
                     so that its sum is 0: blobs and edges of one size.",
        reference: None,
        example: "sigma_mm = 3.0",
    }
    "laws" => laws::Laws {
        title: "Laws kernels",
        section: "3.3",
        definition: "A product of one kernel of unit norm per axis, or the energy of its response.",
        reference: None,
        example: "kernels = \"L5E5E5\"",
    }
    "gabor" => gabor::Gabor {
        title: "Gabor",
        section: "3.4",
        definition: "The modulus of the response to a plane wave under a Gaussian envelope, in the \
                     plane of each slice; in 3D pooled over the axial, coronal and sagittal planes.",
        reference: None,
        example: "sigma_mm = 5.0\nwavelength_mm = 2.0\ngamma = 1.5",
    }
    "wavelet" => wavelet::Wavelet {
        title: "Separable wavelets",
        section: "3.5",
        definition: "Low- and high-pass wavelet filters along each axis, undecimated.",
        reference: None,
        example: "wavelet = \"coif1\"",
    }
    "simoncelli" => simoncelli::Simoncelli {
        title: "Simoncelli wavelet",
        section: "3.6",
        definition: "A smooth isotropic band-pass filter of two octaves.",
        reference: Some("10.1023/A:1026553619983"),
        example: "",
    }
    "shannon" => simoncelli::Shannon {
        title: "Shannon wavelet",
        section: "3.6",
        definition: "An isotropic band-pass filter of one octave with sharp edges.",
        reference: None,
        example: "",
    }
    "riesz" => riesz::Riesz {
        title: "Riesz transform",
        section: "3.7",
        definition: "The directional part of an isotropic filter, of a given order along each axis.",
        reference: Some("10.1109/TIP.2011.2138147"),
        example: "order = [1, 0, 0]\nof = { kind = \"log\", sigma_mm = 3.0 }",
    }
}

impl Filter {
    /// Its row of the table.
    pub fn kind(&self) -> &'static FilterKind {
        let key = self.key();
        FILTERS.iter().find(|kind| kind.key == key).expect("both come from one list")
    }

    /// Its name for people.
    pub fn title(&self) -> &'static str {
        self.kind().title
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::filters::FilterSettings;
    use crate::filters::parameter::Absent;

    fn text(kind: &FilterKind, rest: &str) -> String {
        format!("name = \"a\"\nkind = \"{}\"\n{}\n{rest}", kind.key, kind.example)
    }

    #[test]
    fn keys_and_titles_are_unique_and_every_example_is_valid_and_of_its_kind() {
        let keys: BTreeSet<_> = FILTERS.iter().map(|kind| kind.key).collect();
        let titles: BTreeSet<_> = FILTERS.iter().map(|kind| kind.title).collect();
        assert_eq!((keys.len(), titles.len()), (FILTERS.len(), FILTERS.len()));
        for kind in FILTERS {
            let settings: FilterSettings = toml::from_str(&text(kind, "")).expect(kind.key);
            settings.check().expect(kind.key);
            assert_eq!(settings.filter.kind(), kind);
        }
    }

    /// serde lists the keys that it knows where it refuses one.
    #[test]
    fn the_table_has_the_keys_that_settings_have() {
        for kind in FILTERS {
            let problem = toml::from_str::<FilterSettings>(&text(kind, "zzz = 1"))
                .expect_err("an unknown key")
                .to_string();
            let known = problem.split_once("expected").expect("lists the keys").1;
            let known: Vec<_> = known.split('`').skip(1).step_by(2).collect();
            let keys: Vec<_> = kind.parameters.iter().map(|p| p.key).collect();
            assert_eq!(known, keys, "{}: {problem}", kind.key);
        }
    }

    #[test]
    fn the_table_has_the_defaults_that_settings_have() {
        for kind in FILTERS {
            let settings: FilterSettings = toml::from_str(&text(kind, "")).expect(kind.key);
            let written = toml::to_string(&settings).expect("writes");
            for parameter in kind.parameters {
                let key = parameter.key;
                let line = written.lines().find_map(|l| l.strip_prefix(&format!("{key} = ")));
                let given = kind.example.lines().any(|l| l.starts_with(&format!("{key} = ")));
                match parameter.absent {
                    Absent::Required => assert!(given, "{}: {key}", kind.key),
                    Absent::Default(value) => assert_eq!(line, Some(value), "{}: {key}", kind.key),
                    Absent::Means(_) => assert_eq!(line, None, "{}: {key}", kind.key),
                }
            }
        }
    }
}
