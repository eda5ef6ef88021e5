//! Settings to a plan: every default filled in, every value checked, and that they agree.

use super::processing::Processing;
use super::selection::Selection;
use crate::error::{Error, Remedy, Result};
use crate::features::family::{Aggregation, Family};
use crate::features::parameters::{IvhDiscretisation, TextureParameters};
use crate::features::{FEATURES, ORIGINAL};
use crate::filters::FilterSettings;
use crate::preprocess::parameters::{
    Discretisation, Interpolation, Resampling, Resegmentation, Ring, Rounding, Spacing,
    SpacingSetting,
};
use crate::settings::Settings;

/// What changes values.
pub(super) fn processing(settings: &Settings) -> Result<Processing> {
    let resampling = resampling(settings)?;
    let resegmentation = resegmentation(settings)?;
    let discretisation_of_image = discretisation(
        "discretisation",
        settings
            .discretisation
            .unwrap_or(Discretisation::FixedBinSize { width: 25.0, first_edge: None }),
        resegmentation.range_hu,
    )?;
    let filtered_discretisation = discretisation(
        "filtered_discretisation",
        settings.filtered_discretisation.unwrap_or(Discretisation::FixedBinNumber { bins: 32 }),
        None,
    )?;
    let intensity_volume_histogram = settings.intensity_volume_histogram.unwrap_or_default();
    check_ivh(&intensity_volume_histogram)?;
    Ok(Processing {
        resampling,
        resegmentation,
        discretisation: discretisation_of_image,
        filtered_discretisation,
        intensity_volume_histogram,
        texture: texture(settings)?,
        filters: settings.filters.iter().cloned().map(FilterSettings::resolved).collect(),
        ring: ring(settings)?,
    })
}

fn resampling(settings: &Settings) -> Result<Resampling> {
    let written = &settings.resampling;
    let threshold = written.mask_threshold.unwrap_or(0.5);
    if !(threshold > 0.0 && threshold <= 1.0) {
        return Err(Error::bad_request(format!(
            "resampling.mask_threshold is {threshold}; give a fraction above 0 and at most 1"
        )));
    }
    let spacing = written.spacing_mm.clone().unwrap_or(SpacingSetting::Spacing(vec![1.0; 3]));
    let spacing_mm = Spacing::try_from(spacing).map_err(Error::bad_request)?;
    let interpolation = written.interpolation.unwrap_or(Interpolation::Trilinear);
    let has_splines =
        interpolation == Interpolation::TricubicSpline && spacing_mm != Spacing::Native;
    Ok(Resampling {
        spacing_mm,
        interpolation,
        mask_interpolation: written.mask_interpolation.unwrap_or(Interpolation::Trilinear),
        mask_threshold: threshold,
        rounding: written.rounding.unwrap_or(Rounding::NearestInteger),
        spline_edge: has_splines.then_some(written.spline_edge.unwrap_or_default()),
    })
}

fn check_range(key: &str, range: [f64; 2]) -> Result<()> {
    let [low, high] = range;
    if low.is_finite() && high.is_finite() && low < high {
        return Ok(());
    }
    Err(Error::bad_request(format!("{key} is [{low}, {high}]; give two numbers, the lower first")))
}

fn resegmentation(settings: &Settings) -> Result<Resegmentation> {
    let Some(written) = &settings.resegmentation else {
        return Ok(Resegmentation { range_hu: Some([-1000.0, 400.0]), outlier_sigma: None });
    };
    if let Some(range) = written.range_hu {
        check_range("resegmentation.range_hu", range)?;
    }
    if let Some(sigma) = written.outlier_sigma
        && !(sigma > 0.0 && sigma.is_finite())
    {
        return Err(Error::bad_request(format!(
            "resegmentation.outlier_sigma is {sigma}; give a number above 0, such as 3"
        )));
    }
    Ok(Resegmentation { range_hu: written.range_hu, outlier_sigma: written.outlier_sigma })
}

fn discretisation(
    section: &str,
    written: Discretisation,
    range: Option<[f64; 2]>,
) -> Result<Discretisation> {
    match written {
        Discretisation::None => Ok(written),
        Discretisation::FixedBinNumber { bins } => {
            if !(2..=65_535).contains(&bins) {
                return Err(Error::bad_request(format!(
                    "{section}.bins is {bins}; give 2 to 65535"
                )));
            }
            Ok(written)
        }
        Discretisation::FixedBinSize { width, first_edge } => {
            if !(width > 0.0 && width.is_finite()) {
                return Err(Error::bad_request(format!(
                    "{section}.width is {width}; give a number above 0, such as 25"
                )));
            }
            // Without a fixed edge the levels of two lesions would not mean the same intensities.
            let edge = first_edge.or(range.map(|r| r[0])).filter(|e| e.is_finite());
            let Some(edge) = edge else {
                return Err(Error::bad_request(format!(
                    "{section}: bins of fixed size need a first edge; give \
                     resegmentation.range_hu or {section}.first_edge"
                )));
            };
            Ok(Discretisation::FixedBinSize { width, first_edge: Some(edge) })
        }
    }
}

fn check_ivh(ivh: &IvhDiscretisation) -> Result<()> {
    let (key, sound) = match *ivh {
        IvhDiscretisation::None { step } => ("step", step > 0.0 && step.is_finite()),
        IvhDiscretisation::FixedBinSize { width } => ("width", width > 0.0 && width.is_finite()),
        IvhDiscretisation::FixedBinNumber { bins } => ("bins", (2..=1_000_000).contains(&bins)),
    };
    if sound {
        return Ok(());
    }
    Err(Error::bad_request(format!(
        "intensity_volume_histogram.{key} is out of range; give a number above 0 (bins: 2 to 1000000)"
    )))
}

fn texture(settings: &Settings) -> Result<TextureParameters> {
    let texture = settings.texture;
    for (key, distance) in [
        ("glcm_distance", texture.glcm_distance),
        ("ngtdm_distance", texture.ngtdm_distance),
        ("ngldm_distance", texture.ngldm_distance),
    ] {
        if !(1..=20).contains(&distance) {
            return Err(Error::bad_request(format!(
                "texture.{key} is {distance}; give 1 to 20 voxels"
            )));
        }
    }
    // At distance 1 both are the same voxels.
    let glcm_neighbours =
        (texture.glcm_distance > 1).then_some(texture.glcm_neighbours.unwrap_or_default());
    Ok(TextureParameters { glcm_neighbours, ..texture })
}

fn ring(settings: &Settings) -> Result<Option<Ring>> {
    let Some(ring) = settings.regions.ring else { return Ok(None) };
    let sound = ring.inner_mm >= 0.0 && ring.outer_mm > ring.inner_mm && ring.outer_mm <= 100.0;
    if !sound {
        return Err(Error::bad_request(format!(
            "regions.ring from {} to {} mm; give 0 <= inner_mm < outer_mm <= 100",
            ring.inner_mm, ring.outer_mm
        )));
    }
    if let Some(range) = ring.range_hu {
        check_range("regions.ring.range_hu", range)?;
    }
    Ok(Some(ring))
}

/// What to compute, each part known; settings of filters are checked on the way.
pub(super) fn selection(settings: &Settings) -> Result<Selection> {
    let tumour = settings.regions.tumour;
    if !tumour && settings.regions.ring.is_none() {
        return Err(Error::bad_request(
            "regions: nothing to describe; set tumour = true or a ring",
        ));
    }
    let mut families = settings.features.families.clone().unwrap_or(Family::ALL.to_vec());
    families.sort_unstable();
    families.dedup();
    let mut aggregations = settings
        .features
        .aggregations
        .clone()
        .unwrap_or(vec![Aggregation::Merged3D, Aggregation::Volume3D]);
    aggregations.sort_unstable();
    aggregations.dedup();
    aggregations.retain(|a| *a != Aggregation::NotAggregated);
    if families.is_empty() {
        return Err(Error::bad_request(
            "features.families is empty; leave it out for all families",
        ));
    }
    for family in &families {
        let own = family.aggregations();
        if family.has_matrices() && !own.iter().any(|a| aggregations.contains(a)) {
            let own: Vec<_> = own.iter().map(|a| a.suffix()).collect();
            return Err(Error::bad_request(format!(
                "features.aggregations has none for {}; add one of {}, or leave the family out of \
                 features.families",
                family.name(),
                own.join(", ")
            )));
        }
    }
    let mut exclude = settings.features.exclude.clone();
    exclude.sort_unstable();
    exclude.dedup();
    if let Some(unknown) = exclude.iter().find(|id| FEATURES.iter().all(|f| f.id != **id)) {
        return Err(Error::bad_request(format!("features.exclude: there is no feature {unknown}"))
            .with_remedy(Remedy::ListFeatures));
    }
    Ok(Selection { tumour, families, aggregations, exclude, maps: maps(settings)? })
}

/// The images to describe.
fn maps(settings: &Settings) -> Result<Option<Vec<String>>> {
    let mut known = vec![ORIGINAL.to_owned()];
    for filter in &settings.filters {
        filter.check()?;
        for map in filter.maps() {
            if known.contains(&map) {
                return Err(Error::bad_request(format!(
                    "two response maps are called {map}; give each filter a name of its own"
                )));
            }
            known.push(map);
        }
    }
    let Some(wanted) = &settings.features.maps else { return Ok(None) };
    if let Some(unknown) = wanted.iter().find(|map| !known.contains(map)) {
        return Err(Error::bad_request(format!(
            "features.maps: there is no image {unknown}; there is {}",
            known.join(", ")
        )));
    }
    if wanted.is_empty() {
        return Err(Error::bad_request("features.maps is empty; leave it out for all images"));
    }
    Ok(Some(known.into_iter().filter(|map| wanted.contains(map)).collect()))
}
