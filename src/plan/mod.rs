//! The settings resolved: every default filled in, checked, and hashed.
//!
//! Two tables of features may be compared, and a signature applied, only where the plans' hashes
//! agree. The hash covers all that can change a value ([`Processing`]) and nothing else: the
//! [`Selection`] of regions, images, families and aggregations is left out.

pub mod corrections;
mod layout;
mod processing;
mod resolve;
mod schema;
mod selection;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::sorted;
use crate::error::{Error, Result};
use crate::features::{Aggregation, Column, Columns, Family, RADIUS_MM};
use crate::filters::FilterSettings;
use crate::preprocess::Preparation;
use crate::preprocess::parameters::{Discretisation, Resampling, Resegmentation, Ring};
use crate::region::Region;
use crate::settings::Settings;

pub use layout::ImageLayout;
pub use processing::Processing;
pub use schema::SCHEMA;
pub use selection::Selection;

use layout::Layout;

/// Extraction settings with nothing left open, and the columns that they give.
///
/// As text (TOML, JSON) a plan is a settings file with every key; reading one resolves and checks it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    processing: Processing,
    selection: Selection,
    layout: Layout,
}

impl Default for Plan {
    fn default() -> Self {
        Self::resolve(&Settings::default()).expect("the defaults agree with each other")
    }
}

impl Plan {
    /// Fills in the defaults and checks that the settings agree with each other. Settings that name
    /// no schema are of today's.
    ///
    /// Defaults: 1 mm trilinear with whole HU, mask trilinear at 0.5, range -1000 to 400 HU, bins of
    /// 25 HU from -1000 HU, 32 bins for filter responses, all families, 3D merged.
    ///
    /// # Errors
    /// [`Error::BadRequest`] naming the key, its value and what it may be.
    pub fn resolve(settings: &Settings) -> Result<Self> {
        Self::of_schema(settings, settings.schema.unwrap_or(SCHEMA))
    }

    /// The plan of settings that were written down with results. Where they name no schema, they are
    /// of the first, which had none to name.
    ///
    /// # Errors
    /// As [`Plan::resolve`]; or the settings are of a schema that this version does not know.
    pub fn recorded(settings: &Settings) -> Result<Self> {
        Self::of_schema(settings, settings.schema.unwrap_or(1))
    }

    fn of_schema(settings: &Settings, schema: u32) -> Result<Self> {
        if schema == 0 || schema > SCHEMA {
            return Err(Error::bad_request(format!(
                "schema is {schema}; this abscope {} knows 1 to {SCHEMA}",
                env!("CARGO_PKG_VERSION")
            )));
        }
        if schema < SCHEMA {
            let mut written = serde_json::to_value(settings).expect("settings are plain data");
            schema::upgrade(&mut written, schema, schema::ADDITIONS);
            let upgraded = serde_json::from_value(written).map_err(|e| {
                Error::bad_request(format!("settings of schema {schema} cannot be read: {e}"))
            })?;
            return Ok(Self::new(resolve::processing(&upgraded)?, resolve::selection(&upgraded)?));
        }
        Ok(Self::new(resolve::processing(settings)?, resolve::selection(settings)?))
    }

    fn new(processing: Processing, selection: Selection) -> Self {
        let layout = Layout::new(&processing, &selection);
        Self { processing, selection, layout }
    }

    /// What changes values.
    pub fn processing(&self) -> &Processing {
        &self.processing
    }

    /// What is computed.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The columns, in the order of a row's values.
    pub fn columns(&self) -> &Arc<Columns> {
        &self.layout.columns
    }

    /// The regions that are described, in the order of the columns.
    pub fn regions(&self) -> &[Region] {
        &self.layout.regions
    }

    /// The images that are described in every region, in the order of the columns.
    pub fn images(&self) -> &[ImageLayout] {
        &self.layout.images
    }

    /// The plan that computes the families, aggregations and images of these columns, and nothing
    /// else.
    pub fn narrowed(&self, columns: &[Column]) -> Self {
        let families = Family::ALL.into_iter();
        let mut aggregations: Vec<Aggregation> = columns
            .iter()
            .map(|column| column.aggregation)
            .filter(|aggregation| *aggregation != Aggregation::NotAggregated)
            .collect();
        aggregations.sort_unstable();
        aggregations.dedup();
        let mut maps: Vec<String> = columns.iter().map(|column| column.filter.clone()).collect();
        maps.sort_unstable();
        maps.dedup();
        let selection = Selection {
            families: families
                .filter(|f| columns.iter().any(|column| column.feature.family() == *f))
                .collect(),
            aggregations,
            maps: Some(maps),
            ..self.selection.clone()
        };
        Self::new(self.processing.clone(), selection)
    }

    /// What the preparation of regions needs.
    pub fn preparation(&self) -> Preparation<'_> {
        let local = self.selection.families.contains(&Family::LocalIntensity);
        Preparation {
            resampling: &self.processing.resampling,
            resegmentation: &self.processing.resegmentation,
            filters: &self.processing.filters,
            maps: self.selection.maps.as_deref(),
            tumour: self.selection.tumour,
            ring: self.processing.ring,
            surroundings_mm: if local { RADIUS_MM } else { 0.0 },
        }
    }

    /// The plan as a settings file.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan is plain data")
    }

    /// What the hash covers, as JSON with its keys in alphabetical order.
    pub fn canonical(&self) -> serde_json::Value {
        sorted(serde_json::to_value(&self.processing).expect("a plan is plain data"))
    }

    /// The plan's hash: that of the oldest schema that can express it, so that it stays what it was.
    pub fn hash(&self) -> String {
        let mut hashes = schema::hashes(&self.canonical(), schema::ADDITIONS);
        hashes.swap_remove(0)
    }

    /// The whole plan, selection included, as the oldest schema that can express it wrote it down.
    pub fn oldest_form(&self) -> serde_json::Value {
        let mut plan = serde_json::to_value(self).expect("a plan is plain data");
        let sections = plan.as_object_mut().expect("a plan is a table");
        sections.remove("schema");
        schema::oldest(plan, schema::ADDITIONS)
    }

    /// Whether a recorded hash is this plan's, under any schema that can express it.
    pub fn agrees_with(&self, recorded: &str) -> bool {
        schema::hashes(&self.canonical(), schema::ADDITIONS).iter().any(|hash| hash == recorded)
    }

    /// The keys in which two plans differ, as `key: mine against theirs` lines.
    pub fn differences(&self, other: &Plan) -> Vec<String> {
        let mut lines = Vec::new();
        compare("", &self.canonical(), &other.canonical(), &mut lines);
        lines
    }
}

impl Serialize for Plan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// The settings file, its sections in the order of the manual.
        #[derive(Serialize)]
        struct Written<'a> {
            schema: u32,
            resampling: &'a Resampling,
            resegmentation: &'a Resegmentation,
            discretisation: &'a Discretisation,
            filtered_discretisation: &'a Discretisation,
            intensity_volume_histogram: &'a crate::features::parameters::IvhDiscretisation,
            texture: &'a crate::features::parameters::TextureParameters,
            #[serde(rename = "filter", skip_serializing_if = "<[FilterSettings]>::is_empty")]
            filters: &'a [FilterSettings],
            regions: Regions,
            features: selection::Written<'a>,
        }
        #[derive(Serialize)]
        struct Regions {
            tumour: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            ring: Option<Ring>,
        }
        let Processing {
            resampling,
            resegmentation,
            discretisation,
            filtered_discretisation,
            intensity_volume_histogram,
            texture,
            filters,
            ring,
        } = &self.processing;
        Written {
            schema: SCHEMA,
            resampling,
            resegmentation,
            discretisation,
            filtered_discretisation,
            intensity_volume_histogram,
            texture,
            filters,
            regions: Regions { tumour: self.selection.tumour, ring: *ring },
            features: (&self.selection).into(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let settings = Settings::deserialize(deserializer)?;
        Self::recorded(&settings).map_err(serde::de::Error::custom)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::parameters::GlcmNeighbours;
    use crate::preprocess::parameters::SplineEdge;

    fn plan(text: &str) -> Plan {
        Plan::resolve(&Settings::parse(text).expect("valid settings")).expect("they resolve")
    }

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
        let default = Plan::default();
        let selection = plan("[features]\nfamilies = [\"glcm\"]\n[regions]\ntumour = true");
        assert_eq!(default.hash(), selection.hash());
        assert!(selection.agrees_with(&default.hash()));
        let width = plan("[discretisation]\nmethod = \"fixed_bin_size\"\nwidth = 20.0");
        assert_ne!(default.hash(), width.hash());
        assert!(!width.agrees_with(&default.hash()));
        assert_eq!(default.differences(&width), ["discretisation.width: 25.0 against 20.0"]);
    }

    /// Oracle: the hash that version 0.1.0 gave its default plan.
    #[test]
    fn the_default_plan_keeps_its_hash() {
        let recorded = "f430d7f383e5dbc47273dcf27b872651619b2ba8e974874cb53e786417fe4c02";
        assert_eq!(Plan::default().hash(), recorded);
    }

    #[test]
    fn a_plan_reads_back_checked() {
        let ring = plan("[regions]\nring = { inner_mm = 0.0, outer_mm = 5.0 }");
        let json = serde_json::to_value(&ring).expect("plain data");
        assert_eq!(json["schema"], SCHEMA);
        assert_eq!(serde_json::from_value::<Plan>(json.clone()).expect("valid"), ring);
        let mut wrong = json;
        wrong["texture"]["glcm_distance"] = 0.into();
        let problem = serde_json::from_value::<Plan>(wrong).expect_err("not valid").to_string();
        assert!(problem.contains("glcm_distance is 0"), "{problem}");
    }

    #[test]
    fn a_plan_of_schema_1_keeps_the_voxels_that_co_occurred() {
        let text = "[texture]\nglcm_distance = 2";
        let settings = Settings::parse(text).expect("valid");
        let old = Plan::recorded(&settings).expect("resolves");
        let of = |plan: &Plan| plan.processing().texture.glcm_neighbours;
        assert_eq!(of(&old), Some(GlcmNeighbours::Chebyshev));
        assert_eq!(of(&plan(text)), Some(GlcmNeighbours::Scaled));
        assert_ne!(old.hash(), plan(text).hash());
        let named = plan(&format!("{text}\nglcm_neighbours = \"chebyshev\""));
        assert_eq!(named.hash(), old.hash());
        assert_eq!(old.oldest_form()["texture"].get("glcm_neighbours"), None);
        let near = plan("[texture]\nglcm_neighbours = \"chebyshev\"");
        assert_eq!((of(&near), near.hash()), (None, Plan::default().hash()));
    }

    #[test]
    fn a_plan_of_schema_1_keeps_its_kernels_as_they_were_cut() {
        let text = "[[filter]]\nname = \"log2\"\nkind = \"log\"\nsigma_mm = 2.0\n\
                    [[filter]]\nname = \"mean\"\nkind = \"mean\"\nsupport_voxels = 3\n";
        let old = Plan::recorded(&Settings::parse(text).expect("valid")).expect("resolves");
        let written = |plan: &Plan| plan.canonical()["filter"].clone();
        assert_eq!(written(&old)[0]["zero_mean"], false);
        assert_eq!(written(&plan(text))[0]["zero_mean"], true);
        assert_eq!(written(&old)[1].get("zero_mean"), None);
        assert_eq!(old.oldest_form()["filter"][0].get("zero_mean"), None);
        assert_ne!(old.hash(), plan(text).hash());
        let named = plan(&text.replace("= 2.0\n", "= 2.0\nzero_mean = false\n"));
        assert_eq!(named.hash(), old.hash());
    }

    #[test]
    fn a_plan_of_schema_1_keeps_its_mirrored_edge() {
        let text = "[resampling]\ninterpolation = \"tricubic_spline\"";
        let old = Plan::recorded(&Settings::parse(text).expect("valid")).expect("resolves");
        let of = |plan: &Plan| plan.processing().resampling.spline_edge;
        assert_eq!(of(&old), Some(SplineEdge::Mirror));
        assert_eq!(of(&plan(text)), Some(SplineEdge::Nearest));
        assert_ne!(old.hash(), plan(text).hash());
        assert_eq!(old.oldest_form()["resampling"].get("spline_edge"), None);
        assert_eq!(of(&Plan::default()), None);
        let linear = plan("[resampling]\nspline_edge = \"mirror\"");
        assert_eq!(linear.hash(), Plan::default().hash());
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let settings = Settings::parse("schema = 99").expect("a number");
        let problem = Plan::resolve(&settings).expect_err("of a later release").to_string();
        assert!(problem.contains("schema is 99"), "{problem}");
    }

    #[test]
    fn values_are_laid_out_region_by_region_and_image_by_image() {
        let text = "[[filter]]\nname = \"log2\"\nkind = \"log\"\nsigma_mm = 2.0\n\
                    [regions]\nring = { inner_mm = 0.0, outer_mm = 5.0 }\n\
                    [features]\nfamilies = [\"morphology\", \"local_intensity\"]\n\
                    exclude = [\"loc_peak_glob\"]";
        let plan = plan(text);
        let names = plan.columns().names();
        assert_eq!(names.len(), 2 * (29 + 1 + 1));
        assert_eq!(
            names[28..31],
            [
                "tumour_original_morph_geary_c",
                "tumour_original_loc_peak_loc",
                "tumour_log2_loc_peak_loc",
            ]
        );
        assert_eq!(names[31], "ring_original_morph_volume");
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
