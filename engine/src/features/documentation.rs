//! The feature table as a page of documentation, `docs/features.md`.

use std::fmt::Write;

use super::family::{Aggregation, Family};
use super::table::{Edge, FEATURES, Feature};

/// What the manual leaves open or undefined, and how it is answered here.
const CHOICES: &str = "
Where the manual leaves a choice, or divides 0 by 0:

- The mesh is that of marching cubes at one half of the mask; another table of triangles moves volume, area and \
what is made of them.
- Halves are rounded away from 0.
- The axes of a single voxel are 0 long; skewness and kurtosis of one intensity are missing; of a region of \
one intensity a fixed number of bins leaves the first level, and no intensity-volume histogram.
- A matrix of which a feature is undefined has no part in averages, nor has a slice without a voxel of the region.
- Directions are weighted by their length in mm.
- The smallest oriented box is looked for among those that share a face with the convex hull, as is usual; a \
smaller one may share none (one voxel: 8/3 of its volume, where 64/27 is possible).
- Intensities at an outlier's bound are kept, whatever rounding makes of the bound.
- Half-way between two voxels, nearest-neighbour interpolation takes the one farther to the left, to the back or \
up of the patient (SciPy and ITK: the farther along the stored axis). Beyond the image its outermost voxels go on.
- Of bins of a width in the intensity-volume histogram of a region without a range, the last is the one that \
the highest intensity lies in.

";

/// The page in Markdown. A test compares it with the file.
pub fn page() -> String {
    let mut page = String::from(
        "<!-- Generated: change engine/src/features/table.rs instead. -->\n\n\
         # Features\n\n",
    );
    let _ = writeln!(
        page,
        "The {} features of abscope, as the Image Biomarker Standardisation Initiative (IBSI) defines \
         them: reference manual, doi:10.1148/radiol.2020191145. The code of a feature leads to its \
         definition at <https://ibsi.readthedocs.io>.\n\n\
         A column is named `{{region}}_{{filter}}_{{id}}_{{aggregation}}`, for example \
         `tumour_original_cm_joint_max_3D_comb`. Intensities are in HU for a CT; those of a filter's \
         response map are on the filter's own scale. N_g is the number of grey levels.\n\n\
         *Flat* is what a region of many voxels of one intensity gives, *one voxel* what a single voxel \
         gives, above the first grey level (a histogram of one level has no gradient), with an \
         intensity-volume histogram over a given range and matrices merged in 3D. A \
         value that cannot be computed is missing with a reason, never 0. A region without a voxel has \
         no values. *PyRadiomics* names the feature that measures the same there; its numbers differ \
         where its definition or its processing does (its kurtosis is not less 3, for one).\n",
        FEATURES.len()
    );
    page.push_str(CHOICES);
    page.push_str("| family | features | aggregations |\n|---|---|---|\n");
    for family in Family::ALL {
        let _ = writeln!(
            page,
            "| [{}](#{}) | {} | {} |",
            heading(family),
            heading(family).to_lowercase().replace(' ', "-"),
            of(family).count(),
            aggregations(family)
        );
    }
    for family in Family::ALL {
        let _ = writeln!(
            page,
            "\n## {}\n\n| id | name | code | measures | unit | range | flat | one voxel | PyRadiomics | \
             checked against |\n|---|---|---|---|---|---|---|---|---|---|",
            heading(family)
        );
        for f in of(family) {
            let _ = writeln!(
                page,
                "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                f.id,
                f.name,
                f.ibsi,
                f.definition,
                f.unit.symbol(),
                f.range,
                edge(f.flat),
                edge(f.one_voxel),
                f.pyradiomics.map_or_else(String::new, |name| format!("`{name}`")),
                f.oracle.describe(),
            );
        }
    }
    page
}

fn of(family: Family) -> impl Iterator<Item = &'static Feature> {
    FEATURES.iter().filter(move |f| f.family() == family)
}

/// The family's name as a heading.
pub fn heading(family: Family) -> &'static str {
    match family {
        Family::Morphology => "Morphology",
        Family::LocalIntensity => "Local intensity",
        Family::Statistics => "Intensity statistics",
        Family::IntensityHistogram => "Intensity histogram",
        Family::IntensityVolumeHistogram => "Intensity-volume histogram",
        Family::Glcm => "Grey level co-occurrence",
        Family::Glrlm => "Grey level run length",
        Family::Glszm => "Grey level size zone",
        Family::Gldzm => "Grey level distance zone",
        Family::Ngtdm => "Neighbourhood grey tone difference",
        Family::Ngldm => "Neighbouring grey level dependence",
    }
}

fn aggregations(family: Family) -> String {
    let codes: Vec<_> = family
        .aggregations()
        .iter()
        .filter(|a| **a != Aggregation::NotAggregated)
        .map(|a| format!("`{}` ({})", a.suffix(), a.ibsi().unwrap_or_default()))
        .collect();
    codes.join(", ")
}

fn edge(edge: Edge) -> String {
    match edge {
        Edge::Value => "a value".into(),
        Edge::Always(value) => ((value * 1e6).round() / 1e6).to_string(),
        Edge::Missing(_) => edge.to_string(),
    }
}
