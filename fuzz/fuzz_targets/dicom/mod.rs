//! What the DICOM targets share: opening bytes as a file, and an image to draw on.

use std::path::Path;
use std::sync::Arc;

use abscope::geometry::Geometry;
use abscope::ingest::dicom::object::{self, Opened};

/// Opens bytes like the file that they would be; `whole` with the elements behind the pixel data.
pub(crate) fn opened(bytes: &[u8], whole: bool) -> Option<Opened> {
    object::open_bytes(Path::new("fuzzed.dcm"), Arc::new(bytes.to_vec()), whole).ok()?
}

/// The grid of the CT in `fixtures/dicom`, on which its structure set and segmentations lie.
pub(crate) fn grid() -> Geometry {
    let grid = Geometry::axis_aligned([40, 32, 4], [0.7, 0.5, 2.5]);
    Geometry { origin: [-10.0, -20.0, 30.0], ..grid }
}
