//! Regions that hardly are one: each feature gives what the feature table says, or a value where it
//! can, and never NaN.

use abscope::extract::extract;
use abscope::features::table::Edge;
use abscope::features::{Aggregation, FEATURES, Feature};
use abscope::geometry::{Geometry, IndexBox};
use abscope::ingest::{Case, Lesion, Scan};
use abscope::mask::Mask;
use abscope::plan::Plan;
use abscope::row::Row;
use abscope::settings::Settings;
use abscope::value::{Missing, Value};
use abscope::volume::{Volume, Voxels};
use ndarray::Array3;

const SIZE: [usize; 3] = [14, 13, 12];

/// What differs between two regions that the table speaks of in the same words.
const OTHER: [f64; 3] = [1.0, 1.25, 2.0];
/// An intensity of the second grey level: a histogram of one level has no gradient.
const LOW: f32 = -970.0;

/// Voxels as they are, range and bins of a CT.
const NATIVE: &str = "[resampling]\nspacing_mm = \"none\"\n";

fn plan(settings: &str) -> Plan {
    Plan::resolve(&Settings::parse(settings).expect("settings")).expect("plan")
}

/// A case of one lesion: the voxels for which `inside` holds, of `intensity` HU by voxel index.
fn case(inside: impl Fn([usize; 3]) -> bool, intensity: impl Fn([usize; 3]) -> f32) -> Case {
    case_of_spacing([1.5, 2.0, 3.0], inside, intensity)
}

fn case_of_spacing(
    spacing: [f64; 3],
    inside: impl Fn([usize; 3]) -> bool,
    intensity: impl Fn([usize; 3]) -> f32,
) -> Case {
    let grid = Geometry::axis_aligned(SIZE, spacing);
    let [nx, ny, nz] = SIZE;
    let voxels = (0..nz)
        .flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
        .map(intensity)
        .collect();
    let mask = Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| inside([x, y, z]));
    let mask = Mask::new(grid.clone(), IndexBox::whole(SIZE), &mask).expect("a voxel");
    Case {
        patient: "made".into(),
        volume: Volume::new(grid, Voxels::F32(voxels)),
        lesions: vec![Lesion { id: "1".into(), name: None, site: None, mask }],
        kvp: None,
        scan: Scan::default(),
        inputs: Vec::new(),
        warnings: Vec::new(),
    }
}

fn row(case: &Case, settings: &str) -> Row {
    extract(case, &plan(settings)).remove(0)
}

fn cuboid(size: [usize; 3]) -> impl Fn([usize; 3]) -> bool {
    move |v| (0..3).all(|a| (4..4 + size[a]).contains(&v[a]))
}

/// The value under the aggregation that the feature table speaks of.
fn value(row: &Row, feature: &Feature) -> Value {
    let merged = [Aggregation::NotAggregated, Aggregation::Merged3D, Aggregation::Volume3D];
    let (_, value) = row
        .columns()
        .own()
        .zip(row.values())
        .find(|(c, _)| c.feature.id == feature.id && merged.contains(&c.aggregation))
        .unwrap_or_else(|| panic!("no column of {}", feature.id));
    *value
}

/// What two degenerate regions of a kind give: the reason both lack a value, the number they share,
/// or a value that depends on the region.
fn edge(a: Value, b: Value) -> Edge {
    match (a, b) {
        (Err(reason), Err(other)) if reason == other => Edge::Missing(reason),
        (Ok(x), Ok(y)) if (x - y).abs() <= 1e-9 => Edge::Always(x),
        (Ok(_), Ok(_)) => Edge::Value,
        _ => panic!("{a:?} but {b:?}"),
    }
}

#[test]
fn flat_regions_and_single_voxels_give_what_the_table_says() {
    let at = |hu: f32| move |[x, _, _]: [usize; 3]| if x > 11 { hu - 7.0 } else { hu };
    let flat = [
        row(&case(cuboid([4, 5, 3]), at(100.0)), NATIVE),
        row(&case_of_spacing(OTHER, cuboid([6, 3, 4]), at(LOW)), NATIVE),
    ];
    let one = [
        row(&case(cuboid([1, 1, 1]), at(100.0)), NATIVE),
        row(&case_of_spacing(OTHER, cuboid([1, 1, 1]), at(LOW)), NATIVE),
    ];
    let mut wrong = Vec::new();
    for feature in FEATURES {
        let found = [&flat, &one].map(|[a, b]| edge(value(a, feature), value(b, feature)));
        let said = [feature.flat, feature.one_voxel];
        let as_said = found.iter().zip(said).all(|pair| match pair {
            (Edge::Always(found), Edge::Always(said)) => (found - said).abs() <= 1e-9,
            (found, said) => *found == said,
        });
        if !as_said {
            wrong.push(format!("EDGE\t{}\tEdge::{:?}\tEdge::{:?}", feature.id, found[0], found[1]));
        }
    }
    assert!(wrong.is_empty(), "the table should say:\n{}", wrong.join("\n"));
}

#[test]
fn lines_planes_and_parts_give_finite_values_or_reasons() {
    let ramp = |[x, y, z]: [usize; 3]| (7 * x + 13 * y + 29 * z) as f32 % 90.0;
    let all = "features.aggregations = [\"2D_avg\", \"2D_comb\", \"2_5D_avg\", \"2_5D_comb\", \
               \"3D_avg\", \"3D_comb\", \"2D\", \"2_5D\", \"3D\"]\n";
    let settings = format!("{all}{NATIVE}");
    let corner = |v: [usize; 3]| v.iter().all(|i| *i < 3);
    let far = |v: [usize; 3]| v == [13, 12, 11];
    let cases = [
        case(cuboid([6, 1, 1]), ramp),
        case(cuboid([1, 1, 5]), ramp),
        case(cuboid([5, 4, 1]), ramp),
        case(cuboid([1, 4, 5]), ramp),
        case(corner, ramp),
        case(move |v| corner(v) || far(v), ramp),
        case(|_| true, ramp),
        // A checkerboard touches itself along edges only.
        case(move |v| cuboid([4, 4, 4])(v) && (v[0] + v[1] + v[2]) % 2 == 0, ramp),
    ];
    for (i, case) in cases.iter().enumerate() {
        let row = row(case, &settings);
        for (column, value) in row.columns().own().zip(row.values()) {
            match value {
                Ok(v) => assert!(v.is_finite(), "case {i}: {} is {v}", column.name()),
                Err(reason) => assert!(
                    matches!(
                        reason,
                        Missing::TooFewVoxels
                            | Missing::NoNeighbours
                            | Missing::FlatRegion
                            | Missing::ZeroDenominator
                    ),
                    "case {i}: {} {reason:?}",
                    column.name()
                ),
            }
        }
        let first_order = ["stat_mean", "stat_skew", "ih_entropy", "ivh_v10", "morph_volume"];
        for id in first_order {
            let found = row.value(&format!("tumour_original_{id}")).expect("a column");
            assert!(found.is_ok(), "case {i}: {id} {found:?}");
        }
    }
}

/// Oracle: closed forms of two intensities a and b in equal shares.
#[test]
fn two_levels_in_equal_shares_have_closed_forms() {
    let two = |[x, _, _]: [usize; 3]| if x % 2 == 0 { -20.0 } else { 60.0 };
    let row = row(&case(cuboid([4, 3, 2]), two), NATIVE);
    let get = |tag: &str| row.value(&format!("tumour_original_{tag}")).expect(tag).expect(tag);
    for (tag, expected) in [
        ("stat_mean", 20.0),
        ("stat_var", 1600.0),
        ("stat_skew", 0.0),
        ("stat_kurt", -2.0),
        ("stat_mad", 40.0),
        ("stat_rms", (1600.0f64 + 400.0).sqrt()),
        ("ih_entropy", 1.0),
        ("ih_uniformity", 0.5),
        // Neighbours along x differ, the others are alike in pairs: both levels stay as frequent.
        ("cm_joint_avg_3D_comb", (40.0 + 43.0) / 2.0),
    ] {
        assert!((get(tag) - expected).abs() < 1e-9, "{tag} is {}, not {expected}", get(tag));
    }
}

#[test]
fn more_levels_than_the_engine_takes_are_missing_with_that_reason() {
    let ramp = |[x, y, z]: [usize; 3]| (100 * x + 7 * y + z) as f32 / 3.0;
    let fine = format!("{NATIVE}[discretisation]\nmethod = \"fixed_bin_size\"\nwidth = 0.001\n");
    let row = row(&case(cuboid([4, 4, 4]), ramp), &fine);
    for (column, value) in row.columns().own().zip(row.values()) {
        let levels = column.feature.family().has_matrices() || column.feature.id.starts_with("ih_");
        if levels {
            assert_eq!(*value, Err(Missing::TooManyLevels), "{}", column.name());
        }
    }
    assert!(row.value("tumour_original_stat_mean").expect("a column").is_ok());
}

#[test]
fn a_region_that_re_segmentation_empties_has_a_shape_and_reasons() {
    let row = row(&case(cuboid([4, 4, 4]), |_| 900.0), NATIVE);
    for (column, value) in row.columns().own().zip(row.values()) {
        let id = column.feature.id;
        let of_intensity = !id.starts_with("morph_")
            || ["integ", "moran", "geary", "com"].iter().any(|s| id == format!("morph_{s}"));
        if of_intensity {
            assert_eq!(*value, Err(Missing::EmptyRegion), "{}", column.name());
        }
    }
    assert!(row.value("tumour_original_morph_volume").expect("a column").is_ok());
}

/// Oracle: the map of the filter alone, and the maps that the settings ask for.
#[test]
fn a_filter_too_wide_for_its_grid_blanks_its_own_maps_only() {
    let ramp = |[x, y, z]: [usize; 3]| (10 * x + 3 * y + z) as f32;
    let case = case(cuboid([5, 4, 4]), ramp);
    let narrow = "[[filter]]\nname = \"narrow\"\nkind = \"log\"\nsigma_mm = 2.0\n";
    // Four standard deviations are 1,600 voxels of 1.5 mm.
    let wide = "[[filter]]\nname = \"wide\"\nkind = \"log\"\nsigma_mm = 600.0\n";
    let wavelet = "[[filter]]\nname = \"w\"\nkind = \"wavelet\"\nwavelet = \"haar\"\n";
    let settings = |maps: &str, filters: &str| {
        format!("{NATIVE}[features]\nfamilies = [\"statistics\"]\nmaps = [{maps}]\n{filters}")
    };
    let alone = row(&case, &settings("\"narrow\"", narrow));
    let all = format!("{wide}{narrow}{wavelet}");
    let together = row(&case, &settings("\"wide\", \"narrow\", \"w-LLH\"", &all));

    let maps = ["wide", "narrow", "w-LLH"].map(|map| format!("tumour_{map}_stat_mean"));
    let means: Vec<&String> =
        together.columns().names().iter().filter(|name| name.ends_with("stat_mean")).collect();
    assert_eq!(means, maps.each_ref(), "no map that was not asked for");
    for (column, value) in together.columns().own().zip(together.values()) {
        match column.filter.as_str() {
            "wide" => assert_eq!(*value, Err(Missing::FilterTooWide), "{}", column.name()),
            "narrow" => assert_eq!(alone.value(&column.name()), Some(*value)),
            _ => assert!(value.is_ok(), "{}: {value:?}", column.name()),
        }
    }
}
