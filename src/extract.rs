//! A case and a plan to rows of features, in parallel over lesions, regions, response maps and
//! families.

use std::sync::Arc;

use ndarray::Array3;
use rayon::prelude::*;

use crate::features::FeatureValues;
use crate::features::column::{Column, ORIGINAL};
use crate::features::distribution::Distribution;
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::IvhDiscretisation;
use crate::features::table::{FEATURES, Feature};
use crate::features::{
    intensity_histogram, intensity_statistics, intensity_volume_histogram, local_intensity,
    morphology, texture,
};
use crate::ingest::{Case, Lesion};
use crate::mask::Mask;
use crate::plan::Plan;
use crate::preprocess::parameters::Discretisation;
use crate::preprocess::{self, Prepared, discretise};
use crate::region::RegionFacts;
use crate::region::{LevelsOrMissing, Roi};
use crate::row::FeatureRow;
use crate::value::{Missing, Value};

/// Bins of the intensity-volume histogram of a response map, whose values have no natural step.
const RESPONSE_BINS: u32 = 1000;

/// The values of one family under one aggregation.
type Block = (Family, Aggregation, FeatureValues);

/// Features of every lesion of a case, in the case's order.
pub fn extract(case: &Case, plan: &Plan) -> Vec<FeatureRow> {
    // The largest first and one at a time: the last one that a core is left alone with is small.
    let mut order: Vec<usize> = (0..case.lesions.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(case.lesions[i].mask.bounds().voxel_count()));
    let mut rows: Vec<(usize, FeatureRow)> = order
        .into_par_iter()
        .with_max_len(1)
        .map(|i| (i, extract_lesion(case, &case.lesions[i], plan)))
        .collect();
    rows.sort_by_key(|&(i, _)| i);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// Features of one lesion of a case.
pub fn extract_lesion(case: &Case, lesion: &Lesion, plan: &Plan) -> FeatureRow {
    let others: Vec<&Mask> = case
        .lesions
        .iter()
        .filter(|other| other.id != lesion.id)
        .map(|other| &other.mask)
        .collect();
    let prepared = preprocess::prepare(&case.volume, &lesion.mask, &others, plan);
    let (facts, values) = describe_all(prepared, plan);
    FeatureRow {
        patient: case.patient.clone(),
        lesion: lesion.id.clone(),
        name: lesion.name.clone(),
        site: lesion.site.clone(),
        kvp: case.kvp,
        volume_ml: lesion.mask.volume_ml(),
        plan_hash: plan.hash(),
        version: env!("CARGO_PKG_VERSION").into(),
        facts,
        values,
    }
}

/// Facts and values of a lesion's prepared regions, in the plan's order.
pub fn describe_all(
    prepared: Vec<Prepared>,
    plan: &Plan,
) -> (Vec<RegionFacts>, Vec<(Column, Value)>) {
    let described: Vec<_> = prepared.into_par_iter().map(|region| describe(region, plan)).collect();
    let (facts, values): (Vec<_>, Vec<_>) = described.into_iter().unzip();
    (facts, values.concat())
}

/// What is known of a region, and its values: the image's own first, then those of each map.
fn describe(prepared: Prepared, plan: &Plan) -> (RegionFacts, Vec<(Column, Value)>) {
    let mut facts = prepared.facts;
    let region = facts.region;
    let mut values = Vec::new();
    let mut add = |filter: &str, blocks: Vec<Block>| {
        for (_, aggregation, block) in blocks {
            values.extend(block.into_iter().filter(|(id, _)| plan.features.wants(id)).map(
                |(id, value)| {
                    let filter = filter.to_owned();
                    (Column { region, filter, feature: registered(id), aggregation }, value)
                },
            ));
        }
    };

    let Some(roi) = prepared.roi else {
        for image in images(plan) {
            add(&image, missing_blocks(plan, &image, Missing::EmptyRegion));
        }
        return (facts, values);
    };
    let original = Image {
        name: ORIGINAL,
        discretisation: &plan.discretisation,
        intensity_volume_histogram: plan.intensity_volume_histogram,
        range: plan.resegmentation.range_hu,
    };
    if plan.features.wants_map(ORIGINAL) {
        let levels = discretise::levels(&roi, original.discretisation, pad(plan));
        facts.levels = levels.as_ref().ok().map(|l| l.n_levels);
        add(ORIGINAL, blocks(&roi, &levels, &original, plan));
    }
    let responses: Vec<_> = prepared
        .responses
        .par_iter()
        .map(|(name, response)| {
            let blocks = match response {
                Ok(response) => response_blocks(name, response, &roi, plan),
                Err(reason) => missing_blocks(plan, name, *reason),
            };
            (name, blocks)
        })
        .collect();
    for (name, blocks) in responses {
        add(name, blocks);
    }
    (facts, values)
}

fn registered(id: &str) -> &'static Feature {
    FEATURES.iter().find(|f| f.id == id).expect("families compute registered features only")
}

/// An image of a region: the CT itself or a response map, and how it is discretised.
struct Image<'a> {
    name: &'a str,
    discretisation: &'a Discretisation,
    intensity_volume_histogram: IvhDiscretisation,
    /// Bounds of the intensity-volume histogram.
    range: Option<[f64; 2]>,
}

/// Names of the images that a plan describes.
fn images(plan: &Plan) -> Vec<String> {
    let maps = plan.filters.iter().flat_map(|filter| filter.maps());
    let all = std::iter::once(ORIGINAL.to_owned()).chain(maps);
    all.filter(|name| plan.features.wants_map(name)).collect()
}

/// The families that describe an image. A response map has the shape of the lesion it belongs to.
fn families(plan: &Plan, image: &str) -> Vec<Family> {
    let described = |f: &Family| image == ORIGINAL || !f.is_shape();
    plan.features.families.iter().copied().filter(described).collect()
}

fn response_blocks(name: &str, response: &Arc<Array3<f32>>, roi: &Roi, plan: &Plan) -> Vec<Block> {
    let roi = Roi {
        geometry: roi.geometry.clone(),
        intensities: response.clone(),
        morphological: roi.morphological.clone(),
        intensity: roi.intensity.clone(),
    };
    let image = Image {
        name,
        discretisation: &plan.filtered_discretisation,
        intensity_volume_histogram: IvhDiscretisation::FixedBinNumber { bins: RESPONSE_BINS },
        range: None,
    };
    let levels = discretise::levels(&roi, image.discretisation, pad(plan));
    blocks(&roi, &levels, &image, plan)
}

/// Width of the border that the neighbourhoods of a plan need.
fn pad(plan: &Plan) -> usize {
    let texture = &plan.texture;
    texture.glcm_distance.max(texture.ngtdm_distance).max(texture.ngldm_distance).into()
}

/// All blocks of a region's image, in the plan's order.
fn blocks(roi: &Roi, levels: &LevelsOrMissing, image: &Image, plan: &Plan) -> Vec<Block> {
    let (textured, plain): (Vec<Family>, Vec<Family>) =
        families(plan, image.name).into_iter().partition(|f| f.aggregations().len() > 1);
    // The longest first: what is left for the end is short.
    let (textured, plain): (_, Vec<Block>) = rayon::join(
        || texture_blocks(&textured, levels, plan),
        || {
            let reads =
                |f: &Family| matches!(f, Family::Statistics | Family::IntensityVolumeHistogram);
            let intensities =
                if plain.iter().any(reads) { Distribution::of_intensities(roi) } else { None };
            let plain = plain.into_par_iter().with_max_len(1);
            plain.map(|f| plain_block(f, roi, intensities.as_ref(), levels, image, plan)).collect()
        },
    );
    [plain, textured].concat()
}

fn plain_block(
    family: Family,
    roi: &Roi,
    intensities: Option<&Distribution>,
    levels: &LevelsOrMissing,
    image: &Image,
    plan: &Plan,
) -> Block {
    let of_intensities = |compute: &dyn Fn(&Distribution) -> FeatureValues| {
        intensities.map_or_else(|| missing(family, Missing::EmptyRegion), compute)
    };
    let values = match family {
        Family::Morphology => morphology::compute_selected(roi, |id| plan.features.wants(id)),
        Family::LocalIntensity => local_intensity::compute(roi),
        Family::Statistics => of_intensities(&intensity_statistics::compute),
        Family::IntensityVolumeHistogram => of_intensities(&|intensities| {
            let discretisation = &image.intensity_volume_histogram;
            intensity_volume_histogram::compute(intensities, discretisation, image.range)
        }),
        Family::IntensityHistogram => match levels {
            Ok(levels) => intensity_histogram::compute(levels),
            Err(reason) => missing(family, *reason),
        },
        textured => unreachable!("{} has matrices", textured.name()),
    };
    (family, Aggregation::NotAggregated, values)
}

fn texture_blocks(families: &[Family], levels: &LevelsOrMissing, plan: &Plan) -> Vec<Block> {
    let wanted: Vec<(Family, Vec<Aggregation>)> =
        families.iter().map(|&f| (f, aggregations(f, plan))).collect();
    match levels {
        Ok(levels) => {
            let wanted: Vec<(Family, &[Aggregation])> =
                wanted.iter().map(|(f, a)| (*f, a.as_slice())).collect();
            texture::compute_all(levels, &plan.texture, &wanted)
        }
        Err(reason) => wanted
            .into_iter()
            .flat_map(|(f, list)| list.into_iter().map(move |a| (f, a, missing(f, *reason))))
            .collect(),
    }
}

/// The aggregations of a family that a plan asks for.
fn aggregations(family: Family, plan: &Plan) -> Vec<Aggregation> {
    let wanted = |a: &Aggregation| plan.features.aggregations.contains(a);
    family.aggregations().iter().copied().filter(wanted).collect()
}

fn missing(family: Family, reason: Missing) -> FeatureValues {
    FEATURES.iter().filter(|f| f.family == family).map(|f| (f.id, Err(reason))).collect()
}

fn missing_blocks(plan: &Plan, image: &str, reason: Missing) -> Vec<Block> {
    let plain = |f: &Family| f.aggregations().len() == 1;
    let families = families(plan, image);
    let without = families
        .iter()
        .filter(|f| plain(f))
        .map(|&f| (f, Aggregation::NotAggregated, missing(f, reason)));
    let with = families
        .iter()
        .filter(|f| !plain(f))
        .flat_map(|&f| aggregations(f, plan).into_iter().map(move |a| (f, a, missing(f, reason))));
    without.chain(with).collect()
}
