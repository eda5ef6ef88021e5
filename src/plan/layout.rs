//! The columns of a plan, in the order in which its values are computed.

use std::sync::Arc;

use super::processing::Processing;
use super::selection::Selection;
use crate::features::{Column, Columns, ORIGINAL, Selected};
use crate::region::Region;

/// An image that is described, and what is computed of it in every region.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageLayout {
    /// [`ORIGINAL`] or the response map's name.
    pub name: String,
    /// What is computed, families in the standard's order.
    pub selected: Vec<Selected>,
}

/// Regions, images and columns.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) regions: Vec<Region>,
    pub(super) images: Vec<ImageLayout>,
    pub(super) columns: Arc<Columns>,
}

impl Layout {
    pub(super) fn new(processing: &Processing, selection: &Selection) -> Self {
        let tumour = selection.tumour.then_some(Region::Tumour);
        let ring = processing.ring.map(|_| Region::Ring);
        let regions: Vec<Region> = tumour.into_iter().chain(ring).collect();

        let maps = processing.filters.iter().flat_map(|filter| filter.maps());
        let images: Vec<ImageLayout> = std::iter::once(ORIGINAL.to_owned())
            .chain(maps)
            .filter(|name| selection.wants_map(name))
            .map(|name| ImageLayout { selected: selected(selection, &name), name })
            .collect();

        let columns = regions.iter().flat_map(|&region| {
            images.iter().flat_map(move |image| {
                let selected = image.selected.iter().flat_map(Selected::columns);
                selected.map(move |(feature, aggregation)| {
                    Column { region, filter: image.name.clone(), feature, aggregation }.into()
                })
            })
        });
        let columns = Arc::new(Columns::new(columns));
        Self { regions, images, columns }
    }
}

/// What is computed of an image. A response map has the shape of the lesion it belongs to.
fn selected(selection: &Selection, image: &str) -> Vec<Selected> {
    let described = selection.families.iter().filter(|f| image == ORIGINAL || !f.is_shape());
    described
        .map(|&family| Selected::new(family, &selection.aggregations, |f| selection.wants(f)))
        .collect()
}
