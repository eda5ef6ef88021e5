//! What a run would do, and how many grey levels each lesion would get.

use rayon::prelude::*;

use super::Options;
use super::failures::{Failure, Stage};
use super::load::{guarded, load};
use super::manifest::{CaseRequest, Manifest};
use super::shared;
use crate::ingest::{Case, Lesion};
use crate::plan::Plan;
use crate::preprocess::{self, Preparation, PreparedRegion, discretise};
use crate::region::Region;
use crate::value::Missing;

/// A lesion that would be described.
#[derive(Clone, Debug, PartialEq)]
pub struct LesionPreview {
    /// Its id.
    pub lesion: String,
    /// Its name.
    pub name: Option<String>,
    /// Tumour or ring.
    pub region: Region,
    /// Volume of the lesion as delineated, mL.
    pub volume_ml: f64,
    /// Voxels of the region on the working grid.
    pub voxels: usize,
    /// Voxels left by re-segmentation.
    pub voxels_kept: usize,
    /// Grey levels; or why there are none.
    pub levels: Result<usize, String>,
}

/// A case that would be done, or why it would fail.
pub type CasePreview = Result<Vec<LesionPreview>, Failure>;

/// Looks at every case of the shard, in the manifest's order, without computing a feature or writing
/// a file.
pub fn preview(
    manifest: &Manifest,
    options: &Options,
    mut tell: impl FnMut(&CaseRequest, CasePreview),
) {
    let shard: Vec<&CaseRequest> =
        manifest.cases.iter().filter(|case| options.shard.holds(&case.patient)).collect();
    let looked = shared::look_once(&shard);
    let shard: Vec<&CaseRequest> = looked.iter().collect();
    // As many at once as there are threads: memory stays that of a few cases.
    for cases in shard.chunks(rayon::current_num_threads().max(1)) {
        let previews: Vec<CasePreview> =
            cases.par_iter().map(|case| preview_case(case, options)).collect();
        for (case, preview) in cases.iter().zip(previews) {
            tell(case, preview);
        }
    }
}

fn preview_case(request: &CaseRequest, options: &Options) -> CasePreview {
    if let Some(problem) = &request.problem {
        return Err(Failure::new(request, Stage::Manifest, problem, "correct the row"));
    }
    let case = guarded(request, Stage::Load, || load(request, options))?;
    guarded(request, Stage::Extract, || Ok(lesions(&case, &options.plan)))
}

fn lesions(case: &Case, plan: &Plan) -> Vec<LesionPreview> {
    let mut previews = Vec::new();
    for lesion in &case.lesions {
        for prepared in regions(case, lesion, plan) {
            let levels = match &prepared.roi {
                Some(roi) => discretise::levels(roi, &plan.processing().discretisation, 0)
                    .map(|levels| levels.n_levels)
                    .map_err(|reason| reason.explanation().to_owned()),
                None => Err(prepared
                    .refused
                    .map_or("the region has no voxel on the working grid", Missing::explanation)
                    .to_owned()),
            };
            previews.push(LesionPreview {
                lesion: lesion.id.clone(),
                name: lesion.name.clone(),
                region: prepared.facts.region,
                volume_ml: lesion.mask.volume_ml(),
                voxels: prepared.facts.voxels,
                voxels_kept: prepared.facts.voxels_kept,
                levels,
            });
        }
    }
    previews
}

/// The regions of a lesion, without response maps: these are not shown, and take most of the time.
fn regions(case: &Case, lesion: &Lesion, plan: &Plan) -> Vec<PreparedRegion> {
    let preparation = Preparation { filters: &[], ..plan.preparation() };
    preprocess::prepare(&case.volume, &lesion.mask, &case.others(lesion), &preparation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::testing;

    #[test]
    fn regions_are_prepared_as_for_extraction_but_no_filter_is_run() {
        let case = testing::case();
        let plan = testing::plan("[[filter]]\nname = \"s\"\nkind = \"simoncelli\"\n");
        let lesion = &case.lesions[0];
        let extracted = preprocess::prepare(&case.volume, &lesion.mask, &[], &plan.preparation());
        let shown = regions(&case, lesion, &plan);
        assert_eq!(extracted[0].responses.len(), 1);
        assert!(shown[0].responses.is_empty());
        assert_eq!(shown[0].facts, extracted[0].facts);
        assert_eq!(lesions(&case, &plan)[0].voxels, testing::BOX);
    }
}
