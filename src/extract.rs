//! A case and a plan to rows of features, in parallel over lesions, regions, response maps and
//! families.

use ndarray::Array3;
use rayon::prelude::*;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::features::parameters::IvhDiscretisation;
use crate::features::{Image, ORIGINAL, describe, missing};
use crate::ingest::{Case, Lesion};
use crate::plan::{ImageLayout, Plan};
use crate::preprocess::parameters::{Discretisation, Resampling};
use crate::preprocess::{self, PreparedRegion, discretise};
use crate::region::{RegionFacts, Roi};
use crate::row::Row;
use crate::value::{Missing, Value};

/// Bins of the intensity-volume histogram of a response map, whose values have no natural step.
const RESPONSE_BINS: u32 = 1000;

/// Features of every lesion of a case, in the case's order.
///
/// The rows share [`Plan::columns`], in whose order their values are.
pub fn extract(case: &Case, plan: &Plan) -> Vec<Row> {
    each_prepared(case, plan, |_, _, row| row)
}

/// As [`extract()`], with what `keep` makes of each lesion's prepared regions and row.
pub fn each_prepared<T: Send>(
    case: &Case,
    plan: &Plan,
    keep: impl Fn(&Lesion, &[PreparedRegion], Row) -> T + Sync,
) -> Vec<T> {
    // The largest first and one at a time: the last one that a core is left alone with is small.
    let mut order: Vec<usize> = (0..case.lesions.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(case.lesions[i].mask.bounds().voxel_count()));
    let mut kept: Vec<(usize, T)> = order
        .into_par_iter()
        .with_max_len(1)
        .map(|i| {
            let lesion = &case.lesions[i];
            let prepared = prepare(case, lesion, plan);
            let row = row(case, lesion, &prepared, plan);
            (i, keep(lesion, &prepared, row))
        })
        .collect();
    kept.sort_by_key(|&(i, _)| i);
    kept.into_iter().map(|(_, kept)| kept).collect()
}

/// Features of one lesion of a case.
pub fn extract_lesion(case: &Case, lesion: &Lesion, plan: &Plan) -> Row {
    row(case, lesion, &prepare(case, lesion, plan), plan)
}

/// For each lesion that resampling left no voxel of, in a sentence: how many it had, and on which grids.
///
/// `rows` are those of the case's lesions, in their order.
pub fn lost_in_resampling(case: &Case, plan: &Plan, rows: &[Row]) -> Vec<String> {
    let Resampling { spacing_mm, mask_threshold, .. } = &plan.processing().resampling;
    let native = case.volume.geometry().spacing;
    let [old, new] = [native, spacing_mm.resolve(native)].map(in_words);
    let is_lost = |row: &Row| row.values().contains(&Err(Missing::LostInResampling));
    let lost = case.lesions.iter().zip(rows).filter(|(_, row)| is_lost(row));
    let sentence = |(lesion, _): (&Lesion, _)| {
        format!(
            "lesion {}: resampling from {old} to {new} mm left none of its {} voxels, so that it has no \
             values; give a smaller resampling.spacing_mm, or a resampling.mask_threshold below \
             {mask_threshold}",
            lesion.id,
            lesion.mask.voxel_count()
        )
    };
    lost.map(sentence).collect()
}

/// Checks that no row lacks values since intensities that are no finite numbers would have been read.
///
/// # Errors
/// [`Error::BadData`] naming the image, the lesions, and the first such voxel.
pub fn check_finite(case: &Case, rows: &[Row]) -> Result<()> {
    let Some(flaw) = case.volume.flaw() else { return Ok(()) };
    let is_refused = |row: &&Row| row.values().contains(&Err(Missing::IntensityNotFinite));
    let refused: Vec<&str> = rows.iter().filter(is_refused).map(|row| &*row.lesion).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let lesions = if refused.len() == 1 { "lesion" } else { "lesions" };
    let problem = format!(
        "{lesions} {}, what lies around or a filter would read voxels that are no finite numbers: {}",
        refused.join(", "),
        flaw.problem
    );
    Err(Error::bad_data(&flaw.path, problem))
}

/// A spacing with as many digits as matter.
fn in_words(spacing: [f64; 3]) -> String {
    spacing.map(|s| ((s * 1000.0).round() / 1000.0).to_string()).join(" x ")
}

/// A lesion's regions as a plan wants them.
fn prepare(case: &Case, lesion: &Lesion, plan: &Plan) -> Vec<PreparedRegion> {
    preprocess::prepare(&case.volume, &lesion.mask, &case.others(lesion), &plan.preparation())
}

fn row(case: &Case, lesion: &Lesion, prepared: &[PreparedRegion], plan: &Plan) -> Row {
    let (facts, values) = describe_all(prepared, plan);
    let columns = Arc::clone(plan.columns());
    let mut row = Row::new(&case.patient, &lesion.id, columns, values);
    row.name.clone_from(&lesion.name);
    row.site.clone_from(&lesion.site);
    row.kvp = case.kvp;
    row.scan = case.scan.clone();
    row.volume_ml = Some(lesion.mask.volume_ml());
    row.plan_hash = Some(plan.hash());
    row.version = Some(env!("CARGO_PKG_VERSION").into());
    row.facts = facts;
    row
}

/// Facts and values of a lesion's prepared regions, the values in the order of [`Plan::columns`]. Of a
/// lesion that resampling left no voxel of, nothing is known.
pub fn describe_all(prepared: &[PreparedRegion], plan: &Plan) -> (Vec<RegionFacts>, Vec<Value>) {
    let described: Vec<_> =
        prepared.par_iter().map(|region| describe_region(region, plan)).collect();
    let (facts, values): (Vec<_>, Vec<_>) = described.into_iter().unzip();
    (facts.into_iter().flatten().collect(), values.concat())
}

/// What is known of a region, and its values: the image's own first, then those of each map.
fn describe_region(prepared: &PreparedRegion, plan: &Plan) -> (Option<RegionFacts>, Vec<Value>) {
    let mut facts = prepared.facts.clone();
    let Some(roi) = &prepared.roi else {
        let facts = prepared.refused.is_none().then_some(facts);
        let reason = prepared.refused.unwrap_or(Missing::EmptyRegion);
        let nothing = |image: &ImageLayout| missing(&image.selected, reason);
        return (facts, plan.images().iter().flat_map(nothing).collect());
    };
    let (original, maps) = match plan.images() {
        [first, maps @ ..] if first.name == ORIGINAL => (Some(first), maps),
        maps => (None, maps),
    };
    let mut values = Vec::new();
    if let Some(layout) = original {
        let processing = plan.processing();
        let levels = discretise::levels(roi, &processing.discretisation, processing.border());
        facts.levels = levels.as_ref().ok().map(|l| l.n_levels);
        let image = Image {
            roi,
            levels: &levels,
            intensity_volume_histogram: processing.intensity_volume_histogram,
            range: processing.resegmentation.range_hu,
            texture: &processing.texture,
        };
        values = describe(&image, &layout.selected);
    }
    debug_assert!(
        maps.iter().map(|layout| &layout.name).eq(prepared.responses.iter().map(|(name, _)| name)),
        "maps are prepared in the order of the plan's images"
    );
    let of_maps: Vec<Vec<Value>> = maps
        .par_iter()
        .zip(prepared.responses.par_iter())
        .map(|(layout, (_, response))| match response {
            Ok(response) => describe_response(response, roi, layout, plan),
            Err(reason) => missing(&layout.selected, *reason),
        })
        .collect();
    values.extend(of_maps.into_iter().flatten());
    (Some(facts), values)
}

fn describe_response(
    response: &Arc<Array3<f32>>,
    roi: &Roi,
    layout: &ImageLayout,
    plan: &Plan,
) -> Vec<Value> {
    let processing = plan.processing();
    let roi = Roi { intensities: Arc::clone(response), ..roi.clone() };
    let discretisation: &Discretisation = &processing.filtered_discretisation;
    let levels = discretise::levels(&roi, discretisation, processing.border());
    let image = Image {
        roi: &roi,
        levels: &levels,
        intensity_volume_histogram: IvhDiscretisation::FixedBinNumber { bins: RESPONSE_BINS },
        range: None,
        texture: &processing.texture,
    };
    describe(&image, &layout.selected)
}
