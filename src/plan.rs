//! The settings resolved: every default filled in, checked, and hashed.
//!
//! Two tables of features may be compared, and a signature applied, only where the plans' hashes
//! agree. The hash covers all that can change a value and nothing else: the selection of families
//! and aggregations is left out.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::{hex, sorted};
use crate::error::{Error, Remedy, Result};
use crate::features::column::ORIGINAL;
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::{IvhDiscretisation, TextureParameters};
use crate::features::table::FEATURES;
use crate::filters::FilterSettings;
use crate::preprocess::parameters::{
    Discretisation, Interpolation, Resampling, Resegmentation, Ring, Rounding, Spacing,
    SpacingSetting,
};
use crate::settings::{RegionSettings, Settings};

/// Extraction settings with nothing left open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Resampling of image and mask.
    pub resampling: Resampling,
    /// Which voxels take part in intensity features.
    pub resegmentation: Resegmentation,
    /// Grey levels of the image.
    pub discretisation: Discretisation,
    /// Grey levels of filter responses.
    pub filtered_discretisation: Discretisation,
    /// Levels of the intensity-volume histogram.
    pub intensity_volume_histogram: IvhDiscretisation,
    /// Parameters of the texture matrices.
    pub texture: TextureParameters,
    /// Filters, whose response maps are described besides the image itself.
    #[serde(default, rename = "filter", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<FilterSettings>,
    /// Regions to describe.
    pub regions: Regions,
    /// What to compute.
    pub features: Features,
}

/// Regions, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Regions {
    /// Whether the lesion itself is described.
    pub tumour: bool,
    /// A shell around the lesion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Ring>,
}

/// Families and aggregations, resolved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// Families, in the standard's order.
    pub families: Vec<Family>,
    /// Aggregations of the texture families, in the standard's order.
    pub aggregations: Vec<Aggregation>,
    /// Ids of features that are left out, in alphabetical order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Images to describe, `original` and response maps; `None` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maps: Option<Vec<String>>,
}

impl Features {
    /// Whether a feature of a selected family is wanted.
    pub fn wants(&self, id: &str) -> bool {
        self.exclude.iter().all(|excluded| excluded != id)
    }

    /// Whether an image (`original` or a response map) is to be described.
    pub fn wants_map(&self, name: &str) -> bool {
        self.maps.as_ref().is_none_or(|maps| maps.iter().any(|map| map == name))
    }
}

impl Default for Plan {
    fn default() -> Self {
        Self::resolve(&Settings::default()).expect("the defaults agree with each other")
    }
}

impl Plan {
    /// Fills in the defaults and checks that the settings agree with each other.
    ///
    /// Defaults: 1 mm trilinear with whole HU, mask trilinear at 0.5, range -1000 to 400 HU, bins of
    /// 25 HU from -1000 HU, 32 bins for filter responses, all families, 3D merged.
    ///
    /// # Errors
    /// [`Error::BadRequest`] naming the key, its value and what it may be.
    pub fn resolve(settings: &Settings) -> Result<Self> {
        let resampling = resolve_resampling(settings)?;
        let resegmentation = resolve_resegmentation(settings)?;
        let discretisation = resolve_discretisation(
            "discretisation",
            settings
                .discretisation
                .unwrap_or(Discretisation::FixedBinSize { width: 25.0, first_edge: None }),
            resegmentation.range_hu,
        )?;
        let filtered_discretisation = resolve_discretisation(
            "filtered_discretisation",
            settings.filtered_discretisation.unwrap_or(Discretisation::FixedBinNumber { bins: 32 }),
            None,
        )?;
        let intensity_volume_histogram = settings.intensity_volume_histogram.unwrap_or_default();
        check_ivh(&intensity_volume_histogram)?;
        check_texture(&settings.texture)?;
        Ok(Self {
            resampling,
            resegmentation,
            discretisation,
            filtered_discretisation,
            intensity_volume_histogram,
            texture: settings.texture,
            filters: settings.filters.clone(),
            regions: resolve_regions(settings)?,
            features: resolve_features(settings)?,
        })
    }

    /// The plan as a settings file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan is plain data")
    }

    /// What the hash covers: all that can change a value, as JSON.
    pub fn canonical(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self).expect("a plan is plain data");
        let sections = value.as_object_mut().expect("a plan is a table");
        sections.remove("features");
        if let Some(regions) = sections.get_mut("regions").and_then(|r| r.as_object_mut()) {
            regions.remove("tumour");
        }
        sorted(value)
    }

    /// SHA-256, in hexadecimal, of the canonical JSON: keys sorted, no white space, shortest numbers
    /// that read back the same.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(self.canonical().to_string()))
    }

    /// The keys in which two plans differ, as `key: mine against theirs` lines.
    pub fn differences(&self, other: &Plan) -> Vec<String> {
        let mut lines = Vec::new();
        compare("", &self.canonical(), &other.canonical(), &mut lines);
        lines
    }
}

fn compare(
    prefix: &str,
    mine: &serde_json::Value,
    theirs: &serde_json::Value,
    lines: &mut Vec<String>,
) {
    if let (Some(a), Some(b)) = (mine.as_object(), theirs.as_object()) {
        let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
        for key in keys {
            let absent = serde_json::Value::Null;
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            compare(&path, a.get(key).unwrap_or(&absent), b.get(key).unwrap_or(&absent), lines);
        }
    } else if mine != theirs {
        let show = |v: &serde_json::Value| {
            if v.is_null() { "not set".to_owned() } else { v.to_string() }
        };
        lines.push(format!("{prefix}: {} against {}", show(mine), show(theirs)));
    }
}

fn resolve_resampling(settings: &Settings) -> Result<Resampling> {
    let written = &settings.resampling;
    let threshold = written.mask_threshold.unwrap_or(0.5);
    if !(threshold > 0.0 && threshold <= 1.0) {
        return Err(Error::bad_request(format!(
            "resampling.mask_threshold is {threshold}; give a fraction above 0 and at most 1"
        )));
    }
    let spacing = written.spacing_mm.clone().unwrap_or(SpacingSetting::Spacing(vec![1.0; 3]));
    Ok(Resampling {
        spacing_mm: Spacing::try_from(spacing).map_err(Error::bad_request)?,
        interpolation: written.interpolation.unwrap_or(Interpolation::Trilinear),
        mask_interpolation: written.mask_interpolation.unwrap_or(Interpolation::Trilinear),
        mask_threshold: threshold,
        rounding: written.rounding.unwrap_or(Rounding::NearestInteger),
    })
}

fn check_range(key: &str, range: [f64; 2]) -> Result<()> {
    let [low, high] = range;
    if low.is_finite() && high.is_finite() && low < high {
        return Ok(());
    }
    Err(Error::bad_request(format!("{key} is [{low}, {high}]; give two numbers, the lower first")))
}

fn resolve_resegmentation(settings: &Settings) -> Result<Resegmentation> {
    let Some(written) = &settings.resegmentation else {
        return Ok(Resegmentation { range_hu: Some([-1000.0, 400.0]), outlier_sigma: None });
    };
    if let Some(range) = written.range_hu {
        check_range("resegmentation.range_hu", range)?;
    }
    if let Some(sigma) = written.outlier_sigma
        && !(sigma > 0.0 && sigma.is_finite())
    {
        return Err(Error::bad_request(format!(
            "resegmentation.outlier_sigma is {sigma}; give a number above 0, such as 3"
        )));
    }
    Ok(Resegmentation { range_hu: written.range_hu, outlier_sigma: written.outlier_sigma })
}

fn resolve_discretisation(
    section: &str,
    written: Discretisation,
    range: Option<[f64; 2]>,
) -> Result<Discretisation> {
    match written {
        Discretisation::None => Ok(written),
        Discretisation::FixedBinNumber { bins } => {
            if !(2..=65_535).contains(&bins) {
                return Err(Error::bad_request(format!(
                    "{section}.bins is {bins}; give 2 to 65535"
                )));
            }
            Ok(written)
        }
        Discretisation::FixedBinSize { width, first_edge } => {
            if !(width > 0.0 && width.is_finite()) {
                return Err(Error::bad_request(format!(
                    "{section}.width is {width}; give a number above 0, such as 25"
                )));
            }
            // Without a fixed edge the levels of two lesions would not mean the same intensities.
            let edge = first_edge.or(range.map(|r| r[0])).filter(|e| e.is_finite());
            let Some(edge) = edge else {
                return Err(Error::bad_request(format!(
                    "{section}: bins of fixed size need a first edge; give \
                     resegmentation.range_hu or {section}.first_edge"
                )));
            };
            Ok(Discretisation::FixedBinSize { width, first_edge: Some(edge) })
        }
    }
}

fn check_ivh(ivh: &IvhDiscretisation) -> Result<()> {
    let (key, sound) = match *ivh {
        IvhDiscretisation::None { step } => ("step", step > 0.0 && step.is_finite()),
        IvhDiscretisation::FixedBinSize { width } => ("width", width > 0.0 && width.is_finite()),
        IvhDiscretisation::FixedBinNumber { bins } => ("bins", (2..=1_000_000).contains(&bins)),
    };
    if sound {
        return Ok(());
    }
    Err(Error::bad_request(format!(
        "intensity_volume_histogram.{key} is out of range; give a number above 0 (bins: 2 to 1000000)"
    )))
}

fn check_texture(texture: &TextureParameters) -> Result<()> {
    for (key, distance) in [
        ("glcm_distance", texture.glcm_distance),
        ("ngtdm_distance", texture.ngtdm_distance),
        ("ngldm_distance", texture.ngldm_distance),
    ] {
        if !(1..=20).contains(&distance) {
            return Err(Error::bad_request(format!(
                "texture.{key} is {distance}; give 1 to 20 voxels"
            )));
        }
    }
    Ok(())
}

fn resolve_regions(settings: &Settings) -> Result<Regions> {
    let RegionSettings { tumour, ring } = settings.regions.clone();
    if let Some(ring) = &ring {
        let sound = ring.inner_mm >= 0.0 && ring.outer_mm > ring.inner_mm && ring.outer_mm <= 100.0;
        if !sound {
            return Err(Error::bad_request(format!(
                "regions.ring from {} to {} mm; give 0 <= inner_mm < outer_mm <= 100",
                ring.inner_mm, ring.outer_mm
            )));
        }
        if let Some(range) = ring.range_hu {
            check_range("regions.ring.range_hu", range)?;
        }
    }
    if !tumour && ring.is_none() {
        return Err(Error::bad_request(
            "regions: nothing to describe; set tumour = true or a ring",
        ));
    }
    Ok(Regions { tumour, ring })
}

fn resolve_features(settings: &Settings) -> Result<Features> {
    let mut families = settings.features.families.clone().unwrap_or(Family::ALL.to_vec());
    families.sort_unstable();
    families.dedup();
    let mut aggregations = settings
        .features
        .aggregations
        .clone()
        .unwrap_or(vec![Aggregation::Merged3D, Aggregation::Volume3D]);
    aggregations.sort_unstable();
    aggregations.dedup();
    aggregations.retain(|a| *a != Aggregation::NotAggregated);
    if families.is_empty() {
        return Err(Error::bad_request(
            "features.families is empty; leave it out for all families",
        ));
    }
    for family in &families {
        let own = family.aggregations();
        if own.len() > 1 && !own.iter().any(|a| aggregations.contains(a)) {
            let own: Vec<_> = own.iter().map(|a| a.suffix()).collect();
            return Err(Error::bad_request(format!(
                "features.aggregations has none for {}; add one of {}, or leave the family out of \
                 features.families",
                family.name(),
                own.join(", ")
            )));
        }
    }
    let mut exclude = settings.features.exclude.clone();
    exclude.sort_unstable();
    exclude.dedup();
    if let Some(unknown) = exclude.iter().find(|id| FEATURES.iter().all(|f| f.id != **id)) {
        return Err(Error::bad_request(format!("features.exclude: there is no feature {unknown}"))
            .with_remedy(Remedy::ListFeatures));
    }
    Ok(Features { families, aggregations, exclude, maps: resolve_maps(settings)? })
}

/// The images to describe, each known; settings of filters are checked on the way.
fn resolve_maps(settings: &Settings) -> Result<Option<Vec<String>>> {
    let mut known = vec![ORIGINAL.to_owned()];
    for filter in &settings.filters {
        filter.check().map_err(Error::bad_request)?;
        for map in filter.maps() {
            if known.contains(&map) {
                return Err(Error::bad_request(format!(
                    "two response maps are called {map}; give each filter a name of its own"
                )));
            }
            known.push(map);
        }
    }
    let Some(wanted) = &settings.features.maps else { return Ok(None) };
    if let Some(unknown) = wanted.iter().find(|map| !known.contains(map)) {
        return Err(Error::bad_request(format!(
            "features.maps: there is no image {unknown}; there is {}",
            known.join(", ")
        )));
    }
    if wanted.is_empty() {
        return Err(Error::bad_request("features.maps is empty; leave it out for all images"));
    }
    Ok(Some(known.into_iter().filter(|map| wanted.contains(map)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resolved_plan_is_a_settings_file_that_resolves_to_itself() {
        let plan = Plan::default();
        let again = Settings::parse(&plan.to_toml()).expect("the plan is valid settings");
        assert_eq!(Plan::resolve(&again).expect("and resolves"), plan);
    }

    #[test]
    fn filters_are_part_of_the_plan_and_of_its_hash() {
        let text = "[[filter]]\nname = \"log2\"\nkind = \"log\"\nsigma_mm = 2.0\n";
        let plan = Plan::resolve(&Settings::parse(text).expect("valid")).expect("resolves");
        let again = Settings::parse(&plan.to_toml()).expect("the plan is valid settings");
        assert_eq!(Plan::resolve(&again).expect("and resolves"), plan);
        assert_ne!(plan.hash(), Plan::default().hash());
        let unknown = text.replace("sigma_mm", "sigma");
        assert!(Settings::parse(&unknown).expect_err("unknown key").contains("sigma"));
        let twice = Settings::parse(&text.repeat(2)).expect("valid");
        assert!(Plan::resolve(&twice).expect_err("one name twice").to_string().contains("log2"));
    }

    #[test]
    fn the_hash_moves_with_values_and_not_with_the_selection() {
        let plan = Plan::default();
        let mut selection = plan.clone();
        selection.features.families = vec![Family::Glcm];
        assert_eq!(plan.hash(), selection.hash());
        let mut width = plan.clone();
        width.discretisation =
            Discretisation::FixedBinSize { width: 20.0, first_edge: Some(-1000.0) };
        assert_ne!(plan.hash(), width.hash());
        assert_eq!(plan.differences(&width), ["discretisation.width: 25.0 against 20.0"]);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let problem =
            Settings::parse("[resampling]\nspacing = [1, 1, 1]").expect_err("unknown key");
        assert!(problem.contains("spacing") && problem.contains("line 2"), "{problem}");
    }

    #[test]
    fn bins_of_fixed_size_without_an_edge_are_refused() {
        let settings = Settings::parse("[resegmentation]\noutlier_sigma = 3.0").expect("valid");
        let problem = Plan::resolve(&settings).expect_err("no first edge").to_string();
        assert!(problem.contains("first_edge"), "{problem}");
    }
}
