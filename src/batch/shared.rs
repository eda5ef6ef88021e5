//! Cases that name one export: it is looked through once, and not for each of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::manifest::CaseRequest;
use crate::ingest;
use crate::ingest::dicom::catalogue::Catalogue;
use crate::ingest::dicom::source::is_archive;

/// The cases, with what was found for those whose image is a folder or archive that several name. One
/// for which nothing was found is left as it is: its own reader says why.
pub(super) fn look_once(cases: &[&CaseRequest]) -> Vec<CaseRequest> {
    let mut of_export: BTreeMap<&Path, usize> = BTreeMap::new();
    for case in cases.iter().filter(|case| case.selection.is_none()) {
        *of_export.entry(&case.image_path).or_default() += 1;
    }
    of_export.retain(|path, cases| {
        *cases > 1 && (path.is_dir() || is_archive(path).is_ok_and(|archive| archive))
    });
    let mut looked: Vec<CaseRequest> = cases.iter().map(|case| (*case).clone()).collect();
    for path in of_export.into_keys() {
        let Ok(catalogue) = Catalogue::scan(path) else { continue };
        let mine = looked.iter_mut().filter(|c| c.selection.is_none() && c.image_path == path);
        for case in mine {
            let options = case.load_options(false);
            let chosen = ingest::choose(path, &catalogue, &case.mask_path, &options);
            case.selection = chosen.ok().map(Arc::new);
        }
    }
    looked
}
