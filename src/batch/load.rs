//! A case as its row of the manifest asks for it, and what a failure on the way means.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Options;
use super::failures::{Failure, Stage};
use super::manifest::CaseRequest;
use crate::error::Result;
use crate::ingest::{self, Case};

/// Runs a stage of a case; an error or a panic is a failure of the case.
pub(super) fn guarded<T>(
    request: &CaseRequest,
    stage: Stage,
    work: impl FnOnce() -> Result<T>,
) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::of(request, stage, &error)),
        Err(payload) => Err(Failure::of_panic(request, stage, payload.as_ref())),
    }
}

/// Loads a case, and gives its lesions the site and the ids that the manifest asks for.
pub(super) fn load(request: &CaseRequest, options: &Options) -> Result<Case> {
    let load_options = request
        .load_options(options.regrid_mask)
        .uneven_slices(options.uneven_slices)
        .pseudonyms(options.pseudonyms.clone())
        // A site that the row gives to all of its lesions needs no table.
        .site_table(options.site_table.clone().filter(|_| request.site.is_none()));
    let mut case = ingest::load(&request.image_path, &request.mask_path, &load_options)?;
    if let Some(site) = &request.site {
        for lesion in case.lesions.iter_mut().filter(|lesion| lesion.site.is_none()) {
            lesion.site = Some(site.clone());
        }
    }
    if let Some(id) = &request.lesion {
        let only = case.lesions.len() == 1;
        for lesion in &mut case.lesions {
            lesion.id = if only { id.clone() } else { format!("{id}.{}", lesion.id) };
        }
    }
    Ok(case)
}
