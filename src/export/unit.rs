//! Units of feature values, in UCUM (<https://ucum.org>).

use crate::features::family::Family;
use crate::row::{Column, ORIGINAL};

/// Hounsfield units.
const HU: &str = "[hnsf'U]";

/// The unit of a column's values; `1` for numbers without dimension.
///
/// Intensities of filter responses are on the filter's own scale, for which UCUM has no unit: they
/// are `None`, as is anything else that follows from them.
pub fn of(column: &Column) -> Option<&'static str> {
    let geometric = match column.feature.id {
        "morph_volume" | "morph_vol_approx" => Some("mm3"),
        "morph_area_mesh" => Some("mm2"),
        "morph_av" => Some("/mm"),
        "morph_com"
        | "morph_diam"
        | "morph_pca_maj_axis"
        | "morph_pca_min_axis"
        | "morph_pca_least_axis" => Some("mm"),
        _ => None,
    };
    let intensity = match column.feature.id {
        "morph_integ_int" => Some("[hnsf'U].mm3"),
        "stat_skew" | "stat_kurt" | "stat_cov" | "stat_qcod" => None,
        "stat_var" | "stat_energy" => Some("[hnsf'U]2"),
        "ivh_i10" | "ivh_i90" | "ivh_diff_i10_i90" => Some(HU),
        _ => match column.feature.family {
            Family::LocalIntensity | Family::Statistics => Some(HU),
            _ => None,
        },
    };
    match intensity {
        Some(_) if column.filter != ORIGINAL => None,
        Some(unit) => Some(unit),
        None => Some(geometric.unwrap_or("1")),
    }
}
