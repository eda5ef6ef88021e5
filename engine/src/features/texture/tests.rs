//! The matrices themselves: against IBSI's tables for the digital phantom, and against counting by
//! the definitions, voxel by voxel, on random regions.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array3;
use proptest::prelude::*;

use super::directions::{NEAREST, Offset, at_distance};
use super::entries::Entry;
use super::ngtdm::Tone;
use super::*;
use crate::features::parameters::GlcmNeighbours;

/// Counts by (grey level, second index).
type Matrix = BTreeMap<(u16, u32), f64>;

/// Grey levels from an array (z, y, x) with 0 outside, which is also the morphological mask.
fn levels_of(array: &Array3<u16>, pad: usize) -> Levels {
    let (nz, ny, nx) = array.dim();
    let mut levels = Array3::zeros((nz + 2 * pad, ny + 2 * pad, nx + 2 * pad));
    levels.slice_mut(ndarray::s![pad..pad + nz, pad..pad + ny, pad..pad + nx]).assign(array);
    Levels {
        morphological: levels.mapv(|level| level != 0),
        n_levels: array.iter().copied().max().map_or(0, usize::from),
        voxel_count: array.iter().filter(|&&level| level != 0).count(),
        levels,
        pad,
        spacing: [1.0; 3],
    }
}

fn matrix(entries: &[Entry], grid: &Grid) -> Matrix {
    entries.iter().map(|e| ((grid.grey[e.rank as usize], e.second), e.count)).collect()
}

/// The same for co-occurrences, whose second index is a rank.
fn co_occurrences(entries: &[Entry], grid: &Grid) -> Matrix {
    let grey = |rank: u32| grid.grey[rank as usize];
    let entry = |e: &Entry| ((grey(e.rank), u32::from(grey(e.second))), e.count);
    entries.iter().map(entry).collect()
}

mod by_definition {
    use super::*;

    fn at(array: &Array3<u16>, [x, y, z]: [isize; 3]) -> u16 {
        let index = [z, y, x].map(|c| usize::try_from(c).ok());
        match index {
            [Some(z), Some(y), Some(x)] => array.get([z, y, x]).copied().unwrap_or(0),
            _ => 0,
        }
    }

    fn voxels(array: &Array3<u16>) -> impl Iterator<Item = ([isize; 3], u16)> {
        array
            .indexed_iter()
            .map(|((z, y, x), &level)| ([x as isize, y as isize, z as isize], level))
            .filter(|&(_, level)| level != 0)
    }

    fn plus(a: [isize; 3], b: [isize; 3], times: isize) -> [isize; 3] {
        std::array::from_fn(|k| a[k] + times * b[k])
    }

    /// The upper triangle of the symmetric co-occurrence matrix of a direction.
    pub(super) fn pairs(array: &Array3<u16>, offset: Offset) -> Matrix {
        let mut matrix = Matrix::new();
        for (place, level) in voxels(array) {
            for sign in [1, -1] {
                let other = at(array, plus(place, offset, sign));
                if other >= level {
                    *matrix.entry((level, other.into())).or_default() += 1.0;
                }
            }
        }
        matrix
    }

    pub(super) fn runs(array: &Array3<u16>, offset: Offset) -> Matrix {
        let mut matrix = Matrix::new();
        for (place, level) in voxels(array) {
            if at(array, plus(place, offset, -1)) != level {
                let length =
                    (1..).find(|&k| at(array, plus(place, offset, k)) != level).expect("an end");
                *matrix.entry((level, length as u32)).or_default() += 1.0;
            }
        }
        matrix
    }

    /// All offsets within a radius but the voxel itself.
    fn around(radius: isize, flat: bool) -> Vec<[isize; 3]> {
        let range = || -radius..=radius;
        let depth = if flat { 0..=0 } else { range() };
        depth
            .flat_map(|z| range().flat_map(move |y| range().map(move |x| [x, y, z])))
            .filter(|&offset| offset != [0, 0, 0])
            .collect()
    }

    /// Zones by size and by distance, by flood fill and by looking for the nearest outside voxel.
    pub(super) fn zones(array: &Array3<u16>, mask: &Array3<u16>, flat: bool) -> [Matrix; 2] {
        let distance = |place: [isize; 3]| -> u32 {
            let reach = array.shape().iter().sum::<usize>() as isize;
            (1..=reach)
                .find(|&steps| {
                    around(steps, flat).into_iter().any(|offset| {
                        offset.iter().map(|c| c.abs()).sum::<isize>() <= steps
                            && at(mask, plus(place, offset, 1)) == 0
                    })
                })
                .expect("an outside") as u32
        };
        let mut seen = Array3::from_elem(array.dim(), false);
        let [mut by_size, mut by_distance] = [Matrix::new(), Matrix::new()];
        for (place, level) in voxels(array) {
            let mut open = vec![place];
            let (mut size, mut nearest) = (0, u32::MAX);
            while let Some(place) = open.pop() {
                let index = [place[2] as usize, place[1] as usize, place[0] as usize];
                if std::mem::replace(&mut seen[index], true) {
                    continue;
                }
                size += 1;
                nearest = nearest.min(distance(place));
                let near = around(1, flat).into_iter().map(|offset| plus(place, offset, 1));
                open.extend(near.filter(|&next| at(array, next) == level));
            }
            if size > 0 {
                *by_size.entry((level, size)).or_default() += 1.0;
                *by_distance.entry((level, nearest)).or_default() += 1.0;
            }
        }
        [by_size, by_distance]
    }

    pub(super) fn tones(array: &Array3<u16>, radius: isize, flat: bool) -> Vec<Tone> {
        let mut rows: BTreeMap<u16, (u64, f64)> = BTreeMap::new();
        for (place, level) in voxels(array) {
            let near: Vec<f64> = around(radius, flat)
                .into_iter()
                .map(|offset| at(array, plus(place, offset, 1)))
                .filter(|&level| level != 0)
                .map(f64::from)
                .collect();
            if !near.is_empty() {
                let row = rows.entry(level).or_default();
                row.0 += 1;
                row.1 += (f64::from(level) - near.iter().sum::<f64>() / near.len() as f64).abs();
            }
        }
        rows.into_iter()
            .map(|(level, (count, difference))| Tone { level: f64::from(level), count, difference })
            .collect()
    }

    pub(super) fn dependences(
        array: &Array3<u16>,
        radius: isize,
        alpha: u16,
        flat: bool,
    ) -> Matrix {
        let mut matrix = Matrix::new();
        for (place, level) in voxels(array) {
            let near = around(radius, flat)
                .into_iter()
                .map(|offset| at(array, plus(place, offset, 1)))
                .filter(|&other| other != 0 && other.abs_diff(level) <= alpha)
                .count();
            *matrix.entry((level, near as u32 + 1)).or_default() += 1.0;
        }
        matrix
    }

    /// The double sums over levels as the manual writes them.
    pub(super) fn tone_features(tones: &[Tone]) -> [f64; 5] {
        let voxels: f64 = tones.iter().map(|t| t.count as f64).sum();
        let p = |t: &Tone| t.count as f64 / voxels;
        let differences: f64 = tones.iter().map(|t| t.difference).sum();
        let weighted: f64 = tones.iter().map(|t| p(t) * t.difference).sum();
        let double = |f: &dyn Fn(&Tone, &Tone) -> f64| -> f64 {
            tones.iter().flat_map(|a| tones.iter().map(move |b| f(a, b))).sum()
        };
        let n = tones.len() as f64;
        let spread = double(&|a, b| p(a) * p(b) * (a.level - b.level).powi(2));
        let busy = double(&|a, b| (a.level * p(a) - b.level * p(b)).abs());
        let complex = double(&|a, b| {
            let weights = p(a) * a.difference + p(b) * b.difference;
            (a.level - b.level).abs() * weights / (p(a) + p(b))
        });
        let strong = double(&|a, b| (p(a) + p(b)) * (a.level - b.level).powi(2));
        [
            1.0 / weighted,
            spread / (n * (n - 1.0)) * differences / voxels,
            weighted / busy,
            complex / voxels,
            strong / differences,
        ]
    }
}

/// Random regions: few or many levels, holes, and patches that make runs and zones.
fn regions(most_levels: u16) -> impl Strategy<Value = Array3<u16>> {
    (1..9usize, 1..9usize, 1..9usize, 1..=most_levels, 0..4u8).prop_flat_map(
        |(nx, ny, nz, levels, holes)| {
            let voxel = (0..10u8, 1..=levels).prop_map(
                move |(hole, level)| {
                    if hole < holes { 0 } else { level }
                },
            );
            proptest::collection::vec(voxel, nx * ny * nz).prop_map(move |voxels| {
                Array3::from_shape_vec((nz, ny, nx), voxels).expect("as many as the shape says")
            })
        },
    )
}

fn slice(array: &Array3<u16>, z: usize) -> Array3<u16> {
    array.slice(ndarray::s![z..z + 1, .., ..]).to_owned()
}

proptest! {
    #[test]
    fn pairs_and_runs_follow_their_definitions(array in regions(6), wide in any::<bool>()) {
        // Levels far apart are counted by rank.
        let array = if wide { array.mapv(|level| level * 9000) } else { array };
        let levels = levels_of(&array, 1);
        let grid = Grid::new(&levels, 1);
        let mut slices = 0;
        let totals = neighbours::pairs_and_runs(&grid, 13, true, |z, counts| {
            for (counts, &offset) in counts.iter().zip(&NEAREST) {
                let array = slice(&array, z);
                let pairs = co_occurrences(&counts.co_occurrences(), &grid);
                assert_eq!(pairs, by_definition::pairs(&array, offset));
                assert_eq!(matrix(&counts.runs(), &grid), by_definition::runs(&array, offset));
            }
            slices += 1;
        });
        let occupied = |z: &usize| array.slice(ndarray::s![*z, .., ..]).iter().any(|&v| v != 0);
        prop_assert_eq!(slices, (0..array.dim().0).filter(occupied).count());
        for (counts, &offset) in totals.iter().zip(&NEAREST) {
            let pairs = co_occurrences(&counts.co_occurrences(), &grid);
            prop_assert_eq!(pairs, by_definition::pairs(&array, offset));
            prop_assert_eq!(matrix(&counts.runs(), &grid), by_definition::runs(&array, offset));
        }
    }

    #[test]
    fn lists_and_tables_agree(array in regions(5)) {
        let levels = levels_of(&array, 1);
        let grid = Grid::new(&levels, 1);
        let tables = neighbours::pairs_and_runs(&grid, 13, false, |_, _| ());
        let lists = neighbours::lists(&grid, &NEAREST, true, true, |_, _| ());
        for (table, list) in tables.iter().zip(&lists) {
            prop_assert_eq!(table.co_occurrences(), list.co_occurrences());
            prop_assert_eq!(table.runs(), list.runs());
        }
    }

    #[test]
    fn pairs_at_a_distance_follow_their_definition(
        array in regions(4),
        distance in 2..5u16,
        scaled in any::<bool>(),
    ) {
        let levels = levels_of(&array, 1);
        let grid = Grid::new(&levels, 1);
        let neighbours = if scaled { GlcmNeighbours::Scaled } else { GlcmNeighbours::Chebyshev };
        let offsets = at_distance(distance, neighbours, grid.size);
        let totals = neighbours::pairs(&grid, &offsets, true, |_, _| ());
        for (counts, &offset) in totals.iter().zip(&offsets) {
            let pairs = co_occurrences(&counts.co_occurrences(), &grid);
            prop_assert_eq!(pairs, by_definition::pairs(&array, offset));
        }
    }

    #[test]
    fn zones_follow_their_definition(array in regions(3), seed in any::<u64>()) {
        // Re-segmentation takes voxels out of the levels but not of the morphological mask.
        let mask = array.clone();
        let mut left = seed;
        let array = array.mapv(|level| {
            left = left.rotate_left(5) ^ 0x9e37_79b9;
            if left.is_multiple_of(7) { 0 } else { level }
        });
        let mut levels = levels_of(&array, 1);
        levels.morphological = levels_of(&mask, 1).morphological;
        let grid = Grid::new(&levels, 1);
        let volume = zones::matrices(&grid, &levels, 0..grid.size[2], true);
        prop_assert_eq!(
            volume.map(|entries| matrix(&entries, &grid)),
            by_definition::zones(&array, &mask, false)
        );
        for z in 0..array.dim().0 {
            let flat = zones::matrices(&grid, &levels, z..z + 1, false);
            prop_assert_eq!(
                flat.map(|entries| matrix(&entries, &grid)),
                by_definition::zones(&slice(&array, z), &slice(&mask, z), true)
            );
        }
    }

    #[test]
    fn tones_follow_their_definition(array in regions(8), radius in 1..4usize) {
        let levels = levels_of(&array, 3);
        let grid = Grid::new(&levels, radius);
        let [slices, volume] = ngtdm::matrices(&grid, radius);
        let by_slice = (0..array.dim().0)
            .map(|z| by_definition::tones(&slice(&array, z), radius as isize, true));
        let mut merged: BTreeMap<u64, Tone> = BTreeMap::new();
        for tone in by_slice.flatten() {
            let nothing = Tone { level: tone.level, count: 0, difference: 0.0 };
            let sum = merged.entry(tone.level as u64).or_insert(nothing);
            sum.count += tone.count;
            sum.difference += tone.difference;
        }
        let expected = [
            merged.into_values().collect(),
            by_definition::tones(&array, radius as isize, false),
        ];
        for (found, expected) in [slices, volume].into_iter().zip(expected) {
            prop_assert_eq!(found.len(), expected.len());
            for (a, b) in found.iter().zip(&expected) {
                prop_assert_eq!((a.level, a.count), (b.level, b.count));
                prop_assert!((a.difference - b.difference).abs() <= 1e-12 * b.difference);
            }
        }
    }

    #[test]
    fn dependences_follow_their_definition(
        array in regions(8),
        radius in 1..4usize,
        alpha in 0..3u16,
    ) {
        let levels = levels_of(&array, 3);
        let grid = Grid::new(&levels, radius);
        let [slices, volume] = ngldm::matrices(&grid, radius, alpha);
        let mut merged = Matrix::new();
        for z in 0..array.dim().0 {
            let slice = by_definition::dependences(&slice(&array, z), radius as isize, alpha, true);
            for (place, count) in slice {
                *merged.entry(place).or_default() += count;
            }
        }
        prop_assert_eq!(matrix(&slices, &grid), merged);
        let expected = by_definition::dependences(&array, radius as isize, alpha, false);
        prop_assert_eq!(matrix(&volume, &grid), expected);
    }

    #[test]
    fn tone_features_follow_the_double_sums(array in regions(12)) {
        let tones = by_definition::tones(&array, 1, false);
        prop_assume!(tones.len() > 1 && tones.iter().any(|t| t.difference > 1e-9));
        let expected = by_definition::tone_features(&tones);
        let table = ngtdm::Tones::of(&tones).expect("voxels with neighbours");
        let values = [
            table.coarseness(),
            table.contrast(),
            table.busyness(),
            table.complexity(),
            table.strength(),
        ];
        for (value, expected) in values.into_iter().zip(expected) {
            match value {
                Ok(value) => prop_assert!((value - expected).abs() <= 1e-9 * expected.abs()),
                // Every i·p_i alike: the definition divides by zero.
                Err(_) => prop_assert!(!expected.is_finite() || expected > 1e9),
            }
        }
    }

    #[test]
    fn a_narrow_border_is_widened(array in regions(4)) {
        let parameters = TextureParameters { ngtdm_distance: 3, ngldm_distance: 2, ..Default::default() };
        for family in [Family::Ngtdm, Family::Ngldm, Family::Glrlm] {
            let aggregation = family.aggregations().last().copied().expect("an aggregation");
            let [narrow, wide] = [0, 3].map(|pad| {
                compute(&levels_of(&array, pad), &parameters, family, aggregation)
            });
            prop_assert_eq!(narrow, wide);
        }
    }
}

/// The digital phantom's grey levels (IBSI manual, 5.1), as printed there: slices from z = 0.
fn digital_phantom() -> Array3<u16> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/ibsi/ibsi_1_digital_phantom");
    let case = crate::ingest::load(
        &folder.join("image.nii.gz"),
        &folder.join("mask.nii.gz"),
        &crate::ingest::LoadOptions::default(),
    )
    .expect("the phantom loads");
    let mask = &case.lesions[0].mask;
    let [nx, ny, nz] = case.volume.geometry().size;
    Array3::from_shape_fn((nz, ny, nx), |(z, y, x)| {
        if mask.contains([x, y, z]) { case.volume.get([x, y, z]) as u16 } else { 0 }
    })
}

/// Oracle: the definition, on the digital phantom: the contrast of the pairs along 13 directions (IBSI
/// manual, 3.6), or along all vectors of the distance.
#[test]
fn co_occurring_voxels_at_a_distance_lie_along_the_directions_unless_asked_otherwise() {
    let array = digital_phantom();
    let contrast = |offsets: &[Offset]| {
        let (mut sum, mut count) = (0.0, 0.0);
        for &offset in offsets {
            for ((a, b), pairs) in by_definition::pairs(&array, offset) {
                // The lower triangle is the upper one again; the diagonal adds nothing.
                let pairs = if u32::from(a) == b { pairs } else { 2.0 * pairs };
                sum += pairs * (f64::from(a) - f64::from(b)).powi(2);
                count += pairs;
            }
        }
        sum / count
    };
    let mut all = Vec::new();
    for [z, y, x] in (0..125).map(|i| [i / 25 - 2, i / 5 % 5 - 2, i % 5 - 2isize]) {
        if [x, y, z].iter().any(|step| step.abs() == 2) && [z, y, x] < [0; 3] {
            all.push([x, y, z]);
        }
    }
    assert_eq!(all.len(), 49);
    let expected = [
        (None, contrast(&NEAREST.map(|offset| offset.map(|step| 2 * step)))),
        (Some(GlcmNeighbours::Chebyshev), contrast(&all)),
    ];
    for (glcm_neighbours, expected) in expected {
        let parameters =
            TextureParameters { glcm_distance: 2, glcm_neighbours, ..Default::default() };
        let levels = levels_of(&array, 2);
        let values = compute(&levels, &parameters, Family::Glcm, Aggregation::Merged3D);
        let found = values.iter().find(|(feature, _)| feature.id == "cm_contrast");
        let found = found.expect("a feature").1.expect("a value");
        assert!((found - expected).abs() < 1e-12, "{glcm_neighbours:?}: {found}, not {expected}");
    }
}

/// Oracle: the definition. Nothing co-occurs in a region that is narrower than the distance.
#[test]
fn a_region_narrower_than_the_distance_has_no_neighbours_in_any_aggregation() {
    let levels = levels_of(&Array3::from_shape_fn((1, 2, 2), |(_, y, x)| (1 + x + y) as u16), 1);
    for glcm_neighbours in [None, Some(GlcmNeighbours::Chebyshev)] {
        let parameters =
            TextureParameters { glcm_distance: 3, glcm_neighbours, ..Default::default() };
        for &aggregation in Family::Glcm.aggregations() {
            let values = compute(&levels, &parameters, Family::Glcm, aggregation);
            assert!(!values.is_empty(), "{aggregation:?}");
            for (feature, value) in values {
                assert_eq!(value, Err(Missing::NoNeighbours), "{} {aggregation:?}", feature.id);
            }
        }
    }
}

/// IBSI's printed matrices of a family and aggregation, each sorted by itself.
///
/// The captions that name the directions are garbled in the source, so matrices are compared as a
/// collection.
fn printed(family: &str, aggregation: &str) -> Vec<Vec<(u16, String, u64)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fixtures/ibsi/ibsi1_digital_phantom_texture_matrices.csv");
    let mut tables: BTreeMap<u32, Vec<(u16, String, u64)>> = BTreeMap::new();
    for row in csv::Reader::from_path(path).expect("the table opens").records() {
        let row = row.expect("a row");
        if &row[0] == family && &row[1] == aggregation {
            let number = |cell: &str| cell.parse::<f64>().expect("a number") as u64;
            tables.entry(row[2].parse().expect("an index")).or_default().push((
                number(&row[3]) as u16,
                row[5].to_string(),
                number(&row[6]),
            ));
        }
    }
    let mut tables: Vec<_> = tables.into_values().collect();
    tables.iter_mut().for_each(|table| table.sort());
    tables.sort();
    tables
}

fn as_printed(matrices: Vec<Matrix>) -> Vec<Vec<(u16, String, u64)>> {
    let table = |matrix: Matrix| {
        let row =
            |((level, second), count): ((u16, u32), f64)| (level, second.to_string(), count as u64);
        let mut rows: Vec<_> = matrix.into_iter().map(row).collect();
        rows.sort();
        rows
    };
    let mut tables: Vec<_> = matrices.into_iter().map(table).collect();
    tables.sort();
    tables
}

/// Both triangles.
fn mirrored(matrix: Matrix) -> Matrix {
    let mirror =
        |((i, j), count): ((u16, u32), f64)| [((i, j), count), ((j as u16, i.into()), count)];
    matrix.into_iter().flat_map(mirror).collect()
}

#[test]
fn co_occurrence_and_run_length_matrices_are_those_ibsi_prints() {
    let levels = levels_of(&digital_phantom(), 1);
    let grid = Grid::new(&levels, 1);
    let glcm = |c: &neighbours::Counts| mirrored(co_occurrences(&c.co_occurrences(), &grid));
    let glrlm = |c: &neighbours::Counts| matrix(&c.runs(), &grid);
    let merged = |all: &[neighbours::Counts]| {
        let mut sum = neighbours::Counts::default();
        all.iter().for_each(|counts| sum.add(counts, 1.0));
        sum
    };
    let [mut flat, mut flat_merged] = [Vec::new(), Vec::new()];
    let volume = neighbours::pairs_and_runs(&grid, 13, true, |_, counts| {
        flat.extend_from_slice(counts);
        flat_merged.push(merged(counts));
    });
    let volume_merged = vec![merged(&volume)];
    for (name, counts) in
        [("2D", flat), ("2D, merged", flat_merged), ("3D", volume), ("3D, merged", volume_merged)]
    {
        assert_eq!(as_printed(counts.iter().map(glcm).collect()), printed("glcm", name), "{name}");
        assert_eq!(
            as_printed(counts.iter().map(glrlm).collect()),
            printed("glrlm", name),
            "{name}"
        );
    }
}

#[test]
fn zone_and_dependence_matrices_are_those_ibsi_prints() {
    let array = digital_phantom();
    let levels = levels_of(&array, 1);
    let grid = Grid::new(&levels, 1);
    let slices = || (0..array.dim().0).map(|z| (z..z + 1, slice(&array, z)));
    let zones =
        |range, volume| zones::matrices(&grid, &levels, range, volume).map(|e| matrix(&e, &grid));
    let volume = zones(0..grid.size[2], true);
    let flat: Vec<[Matrix; 2]> = slices().map(|(range, _)| zones(range, false)).collect();
    for (k, family) in ["glszm", "gldzm"].into_iter().enumerate() {
        let flat = flat.iter().map(|both| both[k].clone()).collect();
        assert_eq!(as_printed(flat), printed(family, "2D"), "{family}");
        assert_eq!(as_printed(vec![volume[k].clone()]), printed(family, "3D"), "{family}");
    }

    let dependences = |array: &Array3<u16>, scope: usize| {
        let levels = levels_of(array, 1);
        let grid = Grid::new(&levels, 1);
        matrix(&ngldm::matrices(&grid, 1, 0)[scope], &grid)
    };
    let flat = slices().map(|(_, slice)| dependences(&slice, 0)).collect();
    assert_eq!(as_printed(flat), printed("ngldm", "2D"));
    assert_eq!(as_printed(vec![dependences(&array, 1)]), printed("ngldm", "3D"));
}

#[test]
fn grey_tone_differences_are_those_ibsi_prints() {
    let tones = |array: &Array3<u16>, scope: usize| {
        let levels = levels_of(array, 1);
        let tones = ngtdm::matrices(&Grid::new(&levels, 1), 1)[scope].clone();
        // Printed with six significant digits.
        let row = |t: Tone| {
            let digits = 5 - t.difference.log10().floor().max(0.0) as i32;
            let scale = 10f64.powi(digits);
            (t.level as u16, ((t.difference * scale).round() / scale).to_string(), t.count)
        };
        let mut rows: Vec<_> = tones.into_iter().map(row).collect();
        rows.sort();
        rows
    };
    let array = digital_phantom();
    let mut flat: Vec<_> = (0..array.dim().0).map(|z| tones(&slice(&array, z), 0)).collect();
    flat.sort();
    assert_eq!(flat, printed("ngtdm", "2D"));
    assert_eq!(vec![tones(&array, 1)], printed("ngtdm", "3D"));
}
