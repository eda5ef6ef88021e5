//! Units of feature values, in UCUM (<https://ucum.org>).

use crate::features::column::{Column, ORIGINAL};

/// The unit of a column's values; `1` for numbers without dimension.
///
/// Intensities of filter responses are on the filter's own scale, for which UCUM has no unit: they
/// are `None`, as is anything else that follows from them.
pub fn of(column: &Column) -> Option<&'static str> {
    let unit = column.feature.unit;
    let known = column.filter == ORIGINAL || !unit.is_of_intensity();
    known.then(|| unit.ucum())
}
