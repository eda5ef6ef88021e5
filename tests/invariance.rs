//! What must not change a feature: where the lesion lies, which way the axes run, and, where the
//! definition promises it, a shift or a scale of the intensities. Oracle: the definitions.

use std::collections::BTreeMap;

use abscope::extract::extract;
use abscope::features::Family;
use abscope::geometry::{CanonicalOrder, Geometry, IndexBox};
use abscope::ingest::{self, Case, Lesion};
use abscope::mask::Mask;
use abscope::plan::Plan;
use abscope::settings::Settings;
use abscope::value::Value;
use abscope::volume::{Volume, Voxels};
use ndarray::Array3;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Voxels as they are, all intensities, bins between the lowest and the highest.
const SETTINGS: &str = "
[resampling]
spacing_mm = \"none\"

[resegmentation]

[discretisation]
method = \"fixed_bin_number\"
bins = 6

[features]
aggregations = [\"3D_comb\", \"3D_avg\", \"3D\"]
";

const SPACING: [f64; 3] = [0.8, 1.0, 2.5];

/// Whole intensities and the lesion's voxels, shape (z, y, x).
#[derive(Clone, Debug)]
struct Scan {
    spacing: [f64; 3],
    intensities: Array3<f32>,
    inside: Array3<bool>,
}

type Features = BTreeMap<String, (Family, Value)>;

impl Scan {
    fn features(&self) -> Features {
        let (nz, ny, nx) = self.intensities.dim();
        let grid = Geometry::axis_aligned([nx, ny, nz], self.spacing);
        let voxels = self.intensities.iter().copied().collect();
        let mask = Mask::new(grid.clone(), IndexBox::whole(grid.size), &self.inside);
        let case = Case {
            patient: "made".into(),
            volume: Volume::new(grid, Voxels::F32(voxels)),
            lesions: vec![Lesion {
                id: "1".into(),
                name: None,
                site: None,
                mask: mask.expect("a voxel"),
            }],
            kvp: None,
            scan: ingest::Scan::default(),
            inputs: Vec::new(),
            warnings: Vec::new(),
        };
        let plan = Plan::resolve(&Settings::parse(SETTINGS).expect("settings")).expect("plan");
        let row = extract(&case, &plan).remove(0);
        let named = row.columns().own().zip(row.values());
        named
            .map(|(column, value)| {
                (column.feature.tag(column.aggregation), (column.feature.family(), *value))
            })
            .collect()
    }

    fn turned(&self, order: CanonicalOrder) -> Self {
        let mut axes = order.source;
        axes.reverse();
        let turn = |array: ndarray::ArrayView3<'_, f32>| {
            let mut view = array.permuted_axes(axes.map(|a| 2 - a));
            for (axis, flipped) in order.flip.into_iter().rev().enumerate() {
                if flipped {
                    view.invert_axis(ndarray::Axis(axis));
                }
            }
            view.as_standard_layout().into_owned()
        };
        let inside = self.inside.mapv(|v| f32::from(u8::from(v)));
        Self {
            spacing: order.source.map(|s| self.spacing[s]),
            intensities: turn(self.intensities.view()),
            inside: turn(inside.view()).mapv(|v| v > 0.5),
        }
    }

    /// The same scan with `before` and `after` planes of air along each axis.
    fn moved(&self, before: [usize; 3], after: [usize; 3]) -> Self {
        let (nz, ny, nx) = self.inside.dim();
        let size: [usize; 3] = std::array::from_fn(|a| [nz, ny, nx][a] + before[a] + after[a]);
        let from = |[z, y, x]: [usize; 3]| {
            let at =
                [z.checked_sub(before[0])?, y.checked_sub(before[1])?, x.checked_sub(before[2])?];
            (at[0] < nz && at[1] < ny && at[2] < nx).then_some(at)
        };
        Self {
            spacing: self.spacing,
            intensities: Array3::from_shape_fn(size, |(z, y, x)| {
                from([z, y, x]).map_or(-900.0, |at| self.intensities[at])
            }),
            inside: Array3::from_shape_fn(size, |(z, y, x)| {
                from([z, y, x]).is_some_and(|at| self.inside[at])
            }),
        }
    }

    fn with_intensities(&self, change: impl Fn(f32) -> f32) -> Self {
        Self { intensities: self.intensities.mapv(change), ..self.clone() }
    }
}

fn scans() -> impl Strategy<Value = Scan> {
    (4..6usize, 4..7usize, 4..8usize).prop_flat_map(|(nz, ny, nx)| {
        let n = nz * ny * nx;
        let intensities = proptest::collection::vec(-80..120i16, n);
        let inside = proptest::collection::vec(proptest::bool::weighted(0.7), n);
        (intensities, inside).prop_map(move |(intensities, mut inside)| {
            // A solid core, so that every family has something to say.
            for z in 1..3 {
                for y in 1..3 {
                    for x in 1..3 {
                        inside[(z * ny + y) * nx + x] = true;
                    }
                }
            }
            let shape = (nz, ny, nx);
            let intensities = intensities.into_iter().map(f32::from).collect();
            Scan {
                spacing: SPACING,
                intensities: Array3::from_shape_vec(shape, intensities).expect("as many"),
                inside: Array3::from_shape_vec(shape, inside).expect("as many"),
            }
        })
    })
}

fn orders() -> impl Strategy<Value = CanonicalOrder> {
    let sources = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    (proptest::sample::select(sources.to_vec()), any::<[bool; 3]>())
        .prop_map(|(source, flip)| CanonicalOrder { source, flip })
}

/// Features whose value is another one than `expected` gives for them.
fn differing(
    before: &Features,
    after: &Features,
    tolerance: f64,
    expected: impl Fn(&str, Family, f64) -> Option<f64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (tag, (family, value)) in before {
        let (_, found) = &after[tag];
        match (value, found) {
            (Ok(value), Ok(found)) => {
                let Some(expected) = expected(tag, *family, *value) else { continue };
                // The enclosing ellipsoid of least volume is found by iteration: its volume to 2e-7,
                // its axes and so its area to the square root of that.
                let tolerance = match tag.as_str() {
                    "morph_vol_dens_mvee" => 1e-6,
                    "morph_area_dens_mvee" => 5e-4,
                    _ => tolerance,
                };
                if (expected - found).abs() > tolerance * expected.abs().max(1.0) {
                    wrong.push(format!("{tag}: {found} where {expected} was expected"));
                }
            }
            (Err(a), Err(b)) if a == b => {}
            _ => wrong.push(format!("{tag}: {value:?}, then {found:?}")),
        }
    }
    wrong
}

/// Features of the statistics that lie on the axis of intensities.
const LOCATIONS: [&str; 6] =
    ["stat_mean", "stat_median", "stat_min", "stat_max", "stat_p10", "stat_p90"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, rng_seed: RngSeed::Fixed(17), ..ProptestConfig::default() })]

    #[test]
    fn turning_and_mirroring_the_axes_changes_nothing(scan in scans(), order in orders()) {
        let wrong = differing(
            &scan.features(),
            &scan.turned(order).features(),
            1e-9,
            |_, _, value| Some(value),
        );
        prop_assert!(wrong.is_empty(), "{order:?}\n{}", wrong.join("\n"));
    }

    #[test]
    fn moving_the_lesion_changes_nothing(
        scan in scans(),
        before in [0..4usize, 0..4, 0..4],
        after in [0..4usize, 0..4, 0..4],
    ) {
        // Eight planes of air all round, so that the local means see the same surroundings.
        let centred = scan.moved([8; 3], [8; 3]);
        let wrong = differing(
            &centred.features(),
            &centred.moved(before, after).features(),
            1e-12,
            |_, _, value| Some(value),
        );
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_shift_of_the_intensities_moves_locations_alone(scan in scans(), shift in -300..300i16) {
        let shift = f32::from(shift);
        let wrong = differing(
            &scan.features(),
            &scan.with_intensities(|v| v + shift).features(),
            1e-6,
            |tag, family, value| match family {
                _ if LOCATIONS.contains(&tag) => Some(value + f64::from(shift)),
                Family::LocalIntensity => Some(value + f64::from(shift)),
                // Relative to the mean or to zero, and so not promised.
                Family::Statistics
                    if ["stat_cov", "stat_qcod", "stat_energy", "stat_rms"].contains(&tag) => None,
                Family::Morphology if ["morph_com", "morph_integ_int"].contains(&tag) => None,
                Family::IntensityVolumeHistogram if tag.starts_with("ivh_i") => {
                    Some(value + f64::from(shift))
                }
                _ => Some(value),
            },
        );
        prop_assert!(wrong.is_empty(), "{shift}\n{}", wrong.join("\n"));
    }

    #[test]
    fn a_scale_of_the_intensities_changes_no_bin(scan in scans(), doublings in 1..4i32) {
        let scale = 2f64.powi(doublings);
        let wrong = differing(
            &scan.features(),
            &scan.with_intensities(|v| v * scale as f32).features(),
            1e-9,
            |tag, family, value| match family {
                Family::Statistics | Family::LocalIntensity => Some(match tag {
                    "stat_skew" | "stat_kurt" | "stat_cov" | "stat_qcod" => value,
                    "stat_var" | "stat_energy" => value * scale * scale,
                    _ => value * scale,
                }),
                Family::Morphology if tag == "morph_integ_int" => Some(value * scale),
                // Its levels are steps of one unit.
                Family::IntensityVolumeHistogram => None,
                _ => Some(value),
            },
        );
        prop_assert!(wrong.is_empty(), "{scale}\n{}", wrong.join("\n"));
    }
}
