//! The oracle in `manual` against the values and matrices that the IBSI published, so that it can
//! judge abscope. It stands alone: `rustc --edition 2024 --test -O tests/manual_oracle.rs`.

mod manual;

use std::collections::BTreeMap;
use std::path::PathBuf;

use manual::counts::Counts;
use manual::{
    Discretisation, Image, Interpolation, Levels, Prepared, Rounding, Settings, VolumeHistogram,
    Weight, cases, discretisation, everything, glcm, gldzm, glrlm, glszm, interpolation, mesh,
    mesh_ranges, morphology, ngldm, ngtdm, nifti, of_prepared, prepare, resegmentation,
};

/// The digital phantom (chapter 5 of the manual); a bar marks voxels outside the region.
const PHANTOM: &str = "
    1  4  4  1  1
    1  4  6  1  1
    4  1  6  4  1
    4  4  6  4  1

    1  4  4  1  1
    1  1  6  1  1
   |1  1  3  1  1
    4  4  6  1  1

    1  4  4 |1 |1
    1  1  1  1  1
    1  1 |9  1  1
    1  1  6  1  1

    1  4  4 |1 |1
    1  1  1  1  1
    1  1  1  1  1
    1  1  6  1  1
";

fn phantom() -> (Image, Vec<bool>) {
    let mut values = Vec::new();
    let mut mask = Vec::new();
    for word in PHANTOM.split_whitespace() {
        mask.push(!word.starts_with('|'));
        values.push(word.trim_start_matches('|').parse().expect("a grey level"));
    }
    (Image { size: [4, 4, 5], spacing: [2.0; 3], values }, mask)
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(option_env!("CARGO_MANIFEST_DIR").unwrap_or(".")).join("fixtures/ibsi").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture(name)).expect("the fixture is there")
}

/// The reference values of a data set: tag, value, tolerance.
fn references(dataset: &str) -> Vec<(String, f64, f64)> {
    let mut rows = Vec::new();
    for line in text("ibsi1_reference.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        if cells[4] == dataset {
            let number = |cell: &str| cell.parse().expect("a number");
            rows.push((cells[9].to_owned(), number(cells[5]), number(cells[6])));
        }
    }
    rows
}

fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().expect("a number")
}

/// Every reference value of the data set; those that disagree are told.
fn compare(dataset: &str, found: &[(String, String, Option<f64>)]) {
    let mut values = BTreeMap::new();
    for (name, aggregation, value) in found {
        let tag =
            if aggregation.is_empty() { name.clone() } else { format!("{name}_{aggregation}") };
        values.insert(tag, *value);
    }
    let (mut compared, mut wrong, mut uncovered) = (0, Vec::new(), Vec::new());
    for (tag, value, tolerance) in references(dataset) {
        let Some(&ours) = values.get(&tag) else {
            uncovered.push(tag);
            continue;
        };
        compared += 1;
        // The sum of two printed numbers may miss by the noise of a float.
        let near = |ours: f64| {
            (three_digits(ours) - value).abs() <= tolerance + 1e-9 * (value.abs() + tolerance)
        };
        if !ours.is_some_and(near) {
            wrong.push(format!("{tag}: {ours:?}, not {value} +- {tolerance}"));
        }
    }
    assert!(uncovered.is_empty(), "{dataset}: no value of {uncovered:?}");
    assert!(wrong.is_empty(), "{dataset}: {} of {compared}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn gives_the_values_of_the_digital_phantom() {
    let (image, mask) = phantom();
    let found = everything(&image, &mask, &Settings::default());
    compare("digital_phantom", &found);
}

#[test]
fn reads_the_phantom_as_it_is_printed() {
    let (image, mask) = phantom();
    let read = nifti::read(&fixture("ibsi_1_digital_phantom/image.nii.gz"));
    let read_mask = nifti::read(&fixture("ibsi_1_digital_phantom/mask.nii.gz"));
    assert_eq!((read.size, read.spacing, read.values), (image.size, image.spacing, image.values));
    let read_mask: Vec<bool> = read_mask.values.iter().map(|&value| value != 0.0).collect();
    assert_eq!(read_mask, mask);
}

/// Settings of the configurations (`fixtures/ibsi/ibsi1_configs.md`).
fn configuration(letter: char) -> Settings {
    let settings = Settings {
        interpolation: Interpolation::Linear,
        rounding: Rounding::HalfAwayFromZero,
        ..Settings::default()
    };
    let cube = Some([2.0; 3]);
    match letter {
        'A' => Settings {
            lower: Some(-500.0),
            upper: Some(400.0),
            discretisation: Discretisation::FixedBinSize(25.0),
            ..settings
        },
        'B' => Settings {
            spacing: Some([3.0, 2.0, 2.0]),
            lower: Some(-500.0),
            upper: Some(400.0),
            discretisation: Discretisation::FixedBinNumber(32),
            ..settings
        },
        'C' => Settings {
            spacing: cube,
            lower: Some(-1000.0),
            upper: Some(400.0),
            discretisation: Discretisation::FixedBinSize(25.0),
            volume_histogram: VolumeHistogram::FixedBinSize(2.5),
            ..settings
        },
        'D' => Settings {
            spacing: cube,
            outliers: Some(3.0),
            discretisation: Discretisation::FixedBinNumber(32),
            ..settings
        },
        _ => Settings {
            spacing: cube,
            interpolation: Interpolation::Cubic,
            lower: Some(-1000.0),
            upper: Some(400.0),
            outliers: Some(3.0),
            discretisation: Discretisation::FixedBinNumber(32),
            volume_histogram: VolumeHistogram::FixedBinNumber(1000),
            ..settings
        },
    }
}

fn gives_the_values_of_configuration(letter: char) {
    let image = nifti::read(&fixture("ct_radiomics_phantom/image.nii.gz"));
    let mask = nifti::read(&fixture("ct_radiomics_phantom/mask.nii.gz"));
    let mask: Vec<bool> = mask.values.iter().map(|&value| value != 0.0).collect();
    let settings = configuration(letter);
    let prepared = prepare(&image, &mask, &settings);
    compare_diagnostics(letter, &prepared);
    compare(&format!("config_{letter}"), &of_prepared(&prepared, &settings));
}

/// The image after interpolation and both masks after re-segmentation, as the checks of MIRP tell them.
fn compare_diagnostics(letter: char, prepared: &Prepared) {
    let image = &prepared.image;
    let spread = |values: &[f64]| {
        let (low, high) = discretisation::extremes(values).expect("not empty");
        (manual::mean(values).expect("not empty"), low, high)
    };
    let (mean, low, high) = spread(&image.values);
    let (roi_mean, roi_low, roi_high) = spread(&prepared.intensities());
    let count = |mask: &[bool]| mask.iter().filter(|&&is_in| is_in).count() as f64;
    let found = BTreeMap::from([
        ("img_dim_x_interp_img", image.size[2] as f64),
        ("img_dim_y_interp_img", image.size[1] as f64),
        ("img_dim_z_interp_img", image.size[0] as f64),
        ("mean_int_interp_img", mean),
        ("min_int_interp_img", low),
        ("max_int_interp_img", high),
        ("int_mask_vox_count_reseg_roi", count(&prepared.intensity)),
        ("morph_mask_vox_count_reseg_roi", count(&prepared.shape)),
        ("int_mask_mean_int_reseg_roi", roi_mean),
        ("int_mask_min_int_reseg_roi", roi_low),
        ("int_mask_max_int_reseg_roi", roi_high),
    ]);
    let mut compared = 0;
    for line in text("ibsi1_diagnostics_reference.csv").lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let number = |cell: &str| cell.parse::<f64>().expect("a number");
        let ours = found.get(cells[5]).filter(|_| cells[2] == format!("config_{letter}"));
        if let Some(&ours) = ours {
            compared += 1;
            let (value, tolerance) = (number(cells[3]), number(cells[4]));
            let digits = if value.abs() < 1000.0 { three_digits(ours) } else { ours };
            assert!((digits - value).abs() <= tolerance + 1e-9, "{line}: {ours}");
        }
    }
    assert_eq!(compared, found.len());
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_a() {
    gives_the_values_of_configuration('A');
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_b() {
    gives_the_values_of_configuration('B');
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_c() {
    gives_the_values_of_configuration('C');
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_d() {
    gives_the_values_of_configuration('D');
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_e() {
    gives_the_values_of_configuration('E');
}

/// Cells of a matrix as printed: grey level, second index, count.
type Cells = Vec<(usize, String, f64)>;

/// The tables of a matrix, sorted: the captions do not tell which direction is which.
fn printed(matrix: &str, kind: &str) -> Vec<Cells> {
    let mut tables: BTreeMap<String, Cells> = BTreeMap::new();
    for line in text("ibsi1_digital_phantom_texture_matrices.csv").lines().skip(1) {
        // An aggregation with a comma stands in quotes.
        let line =
            line.replace("\"2D, merged\"", "2D merged").replace("\"3D, merged\"", "3D merged");
        let cells: Vec<&str> = line.split(',').collect();
        if cells[0] == matrix && cells[1] == kind {
            let count = cells[6].parse().expect("a count");
            let level = cells[3].parse().expect("a level");
            let second = format!("{:.6}", cells[5].parse::<f64>().expect("a number"));
            tables.entry(cells[2].to_owned()).or_default().push((level, second, count));
        }
    }
    assert!(!tables.is_empty(), "{matrix} {kind}");
    sorted(tables.into_values().collect())
}

fn sorted(mut tables: Vec<Cells>) -> Vec<Cells> {
    let key = |cells: &Cells| format!("{cells:?}");
    for cells in &mut tables {
        cells.sort_by(|a, b| format!("{a:?}").cmp(&format!("{b:?}")));
    }
    tables.sort_by_key(key);
    tables
}

fn of_pairs(matrix: &glcm::Matrix) -> Cells {
    matrix.iter().map(|(&(i, j), &count)| (i, format!("{j}.000000"), count)).collect()
}

fn of_counts(counts: &Counts) -> Cells {
    counts.cells.iter().map(|(&(i, j), &n)| (i, format!("{j}.000000"), n as f64)).collect()
}

fn phantom_levels() -> (Levels, Vec<bool>) {
    let (image, mask) = phantom();
    let settings = Settings::default();
    (discretisation::levels(&prepare(&image, &mask, &settings), &settings), mask)
}

#[test]
fn counts_the_matrices_of_the_digital_phantom() {
    let (levels, mask) = phantom_levels();
    let slices = glcm::by_slice(&levels, 1, Weight::One).concat();
    let volume = glcm::by_volume(&levels, 1, Weight::One);
    assert_eq!(sorted(slices.iter().map(of_pairs).collect()), printed("glcm", "2D"));
    assert_eq!(sorted(volume.iter().map(of_pairs).collect()), printed("glcm", "3D"));
    assert_eq!(sorted(vec![of_pairs(&glcm::merged(&volume))]), printed("glcm", "3D merged"));
    let merged: Vec<Cells> = glcm::by_slice(&levels, 1, Weight::One)
        .iter()
        .map(|slice| of_pairs(&glcm::merged(slice)))
        .collect();
    assert_eq!(sorted(merged), printed("glcm", "2D merged"));

    let slices = glrlm::by_slice(&levels);
    let volume = glrlm::by_volume(&levels);
    let all = |counts: &[Counts]| sorted(counts.iter().map(of_counts).collect());
    assert_eq!(all(&slices.concat()), printed("glrlm", "2D"));
    assert_eq!(all(&volume), printed("glrlm", "3D"));
    let merged = |counts: &[Counts]| manual::counts::merged(counts);
    assert_eq!(all(&[merged(&volume)]), printed("glrlm", "3D merged"));
    let by_slice: Vec<Counts> = slices.iter().map(|slice| merged(slice)).collect();
    assert_eq!(all(&by_slice), printed("glrlm", "2D merged"));

    assert_eq!(all(&glszm::by_slice(&levels)), printed("glszm", "2D"));
    assert_eq!(all(&[glszm::by_volume(&levels)]), printed("glszm", "3D"));
    assert_eq!(all(&gldzm::by_slice(&levels, &mask)), printed("gldzm", "2D"));
    assert_eq!(all(&[gldzm::by_volume(&levels, &mask)]), printed("gldzm", "3D"));
    assert_eq!(all(&ngldm::by_slice(&levels, 1, 0)), printed("ngldm", "2D"));
    assert_eq!(all(&[ngldm::by_volume(&levels, 1, 0)]), printed("ngldm", "3D"));
}

#[test]
fn counts_the_grey_tone_differences_of_the_digital_phantom() {
    let (levels, _) = phantom_levels();
    for (kind, ours) in
        [("2D", ngtdm::by_slice(&levels, 1)), ("3D", vec![ngtdm::by_volume(&levels, 1)])]
    {
        // Slices stand in their order here.
        let mut tables: Vec<Cells> = printed("ngtdm", kind);
        for matrix in ours {
            let place = tables.iter().position(|cells| {
                let filled = matrix.n.iter().filter(|&&n| n > 0).count();
                let agree = |(level, s, n): &(usize, String, f64)| {
                    // s is printed with six digits.
                    let s: f64 = s.parse().expect("a number");
                    matrix.n[level - 1] as f64 == *n && (matrix.s[level - 1] - s).abs() < 1e-3
                };
                cells.iter().filter(|(_, _, n)| *n > 0.0).count() == filled
                    && cells.iter().all(agree)
            });
            tables.remove(place.unwrap_or_else(|| panic!("{kind}: {matrix:?}")));
        }
        assert!(tables.is_empty(), "{kind}: {tables:?}");
    }
}

/// Closed forms: a sphere, one voxel, the box around it.
#[test]
fn measures_shapes_of_known_size() {
    let sphere = morphology::ellipsoid_area([3.0; 3]);
    assert!((sphere / (36.0 * std::f64::consts::PI) - 1.0).abs() < 1e-12);
    // The manual's series is no area for other shapes; by hand, alpha = 0 and beta^2 = 3 / 4 leave
    // 1 - x / 3 - q_2 / 15 - ... with q_v = (2 v)! / (2^v v!^2) x^v, x = 3 / 8.
    let oblate = morphology::ellipsoid_area([2.0, 2.0, 1.0]);
    let (mut sum, mut q) = (0.0, 1.0);
    for v in 0..=20 {
        let v = f64::from(v);
        sum += q / (1.0 - 4.0 * v * v);
        q *= (2.0 * v + 1.0) / (v + 1.0) * 3.0 / 8.0;
    }
    assert!((oblate / (16.0 * std::f64::consts::PI * sum) - 1.0).abs() < 1e-12);
    // One voxel: an octahedron of half diagonals 1.
    let one = mesh::mesh([1; 3], [2.0; 3], &[true]);
    assert!((one.volume - 4.0 / 3.0).abs() < 1e-12);
    assert!((one.area - 4.0 * 3_f64.sqrt()).abs() < 1e-12);
    let hull = manual::hull::hull(&one.vertices).expect("a solid");
    assert!((hull.volume([2.0; 3]) - 4.0 / 3.0).abs() < 1e-12);
    assert!((hull.diameter([2.0; 3]) - 2.0).abs() < 1e-12);
    // Its smallest box stands on none of its faces: 64 / 27, where one on a face has 8 / 3.
    let (volume, _) = hull.oriented_box([2.0; 3]);
    assert!((volume - 64.0 / 27.0).abs() < 1e-9, "{volume}");
}

/// What 0 / 0 leaves undefined, and nothing else, in a region of two different voxels side by side.
#[test]
fn two_voxels_lack_what_is_undefined() {
    let image = Image { size: [1, 1, 2], spacing: [1.0; 3], values: vec![1.0, 3.0] };
    let found = everything(&image, &[true; 2], &Settings::default());
    let lacking: Vec<String> = found
        .into_iter()
        .filter(|(name, aggregation, value)| {
            value.is_none() && !name.starts_with("cm_") && aggregation != "2D_avg"
        })
        .map(|(name, _, _)| name)
        .collect();
    // No intensity lies between the percentiles; a line has no area and no volume; of two levels,
    // half the volume has the upper one, which is more than 10 %; busyness divides by |3 - 1| / 2.
    let expected = [
        "morph_vol_dens_aee",
        "morph_area_dens_aee",
        "stat_rmad",
        "ih_rmad",
        "ivh_i10",
        "ivh_diff_i10_i90",
    ];
    assert_eq!(lacking, expected);
}

/// Whatever the case, no value is infinite and names come once.
#[test]
fn values_of_random_cases_are_finite() {
    for number in 0..400 {
        let case = cases::case(number);
        let found = everything(&case.image, &case.mask, &case.settings);
        let mut names = std::collections::BTreeSet::new();
        for (name, aggregation, value) in found {
            assert!(
                value.is_none_or(f64::is_finite),
                "case {number}: {name} {aggregation} {value:?}"
            );
            assert!(names.insert((name.clone(), aggregation)), "{name} twice");
        }
        assert_eq!(names.len(), 18 + 23 + 7 + 2 + 25 + 6 * 41 + 3 * 16 * 2 + 3 * 22);
    }
}

/// The slice that the manual's chapter 3 counts its matrices of.
fn example() -> Levels {
    let levels = [1, 2, 2, 3, 1, 2, 3, 3, 4, 2, 4, 1, 4, 1, 2, 3].map(Some).to_vec();
    Levels { size: [1, 4, 4], levels, count: 4 }
}

#[test]
fn counts_the_examples_of_the_manual() {
    let levels = example();
    // Along x; the second of the four directions of a slice is (y, x) = (1, -1), and so on.
    let along_x = &glcm::by_slice(&levels, 1, Weight::One)[0][0];
    let expected = [[0, 3, 0, 2], [3, 2, 3, 2], [0, 3, 2, 0], [2, 2, 0, 0]];
    for (i, row) in expected.iter().enumerate() {
        for (j, &count) in row.iter().enumerate() {
            let ours = along_x.get(&(i + 1, j + 1)).copied().unwrap_or(0.0);
            assert_eq!(ours, f64::from(count), "{i} {j}");
        }
    }
    let zones = gldzm::by_slice(&levels, &[true; 16]).remove(0).cells;
    // The manual prints 2 for level 2, whose two zones touch at a corner: by its own linkage, which
    // the matrices of the digital phantom confirm, they are one.
    let expected = [((1, 1), 3), ((2, 1), 1), ((3, 1), 2), ((4, 1), 1), ((4, 2), 1)];
    assert_eq!(zones, BTreeMap::from(expected));
}

/// Voxels twice as far apart at twice the distance are the same neighbours, and levels twice as far
/// apart are as dependent at twice alpha.
#[test]
fn a_distance_is_a_step_between_voxels_further_apart() {
    let (near, _) = phantom_levels();
    let size = near.size.map(|n| 2 * n);
    let mut far = Levels { size, levels: vec![None; size.iter().product()], count: near.count };
    for voxel in near.all() {
        far.levels[manual::offset(size, voxel.map(|at| 2 * at))] = near.at(voxel);
    }
    let mut steep = near.clone();
    for level in steep.levels.iter_mut().flatten() {
        *level *= 2;
    }
    assert_eq!(glcm::by_slice(&near, 1, Weight::One), glcm::by_slice(&far, 2, Weight::One));
    assert_eq!(glcm::by_volume(&near, 1, Weight::One), glcm::by_volume(&far, 2, Weight::One));
    let (a, b) = (ngtdm::by_volume(&near, 1), ngtdm::by_volume(&far, 2));
    assert_eq!((a.n, a.s), (b.n, b.s));
    assert_eq!(ngldm::by_volume(&near, 1, 1).cells, ngldm::by_volume(&far, 2, 1).cells);
    let halved: BTreeMap<_, _> = ngldm::by_volume(&steep, 1, 2)
        .cells
        .into_iter()
        .map(|((i, j), count)| ((i / 2, j), count))
        .collect();
    assert_eq!(ngldm::by_volume(&near, 1, 1).cells, halved);
}

#[test]
fn weighs_directions_by_their_length() {
    // One pair along x and one along a diagonal of x and y.
    let levels = vec![Some(1), Some(2), Some(2), None];
    let levels = Levels { size: [1, 2, 2], levels, count: 2 };
    let weight = Weight::Inverse(manual::Norm::Euclidean);
    let merged = glcm::merged(glcm::by_slice(&levels, 1, weight).iter().flatten());
    assert_eq!(merged[&(1, 2)], 2.0);
    assert!((merged[&(2, 2)] - 2.0 / 2_f64.sqrt()).abs() < 1e-12);
}

/// A line from 0 to 30 in steps of 10, 3 mm apart, and its region, the last two voxels.
fn line() -> (Image, Vec<bool>) {
    let image =
        Image { size: [1, 1, 4], spacing: [1.0, 1.0, 3.0], values: vec![0.0, 10.0, 20.0, 30.0] };
    (image, vec![false, false, true, true])
}

#[test]
fn interpolates_on_a_grid_with_the_same_centre() {
    let (image, mask) = line();
    // The example of the manual: 4 voxels of 3 mm make 6 of 2 mm, here from -0.5 mm to 9.5 mm.
    let to = [1.0, 1.0, 2.0];
    let linear = interpolation::image(&image, to, Interpolation::Linear, Rounding::None);
    assert_eq!(linear.size, [1, 1, 6]);
    for (ours, at) in linear.values.iter().zip([0.0, 1.5, 3.5, 5.5, 7.5, 9.0]) {
        assert!((ours - at * 10.0 / 3.0).abs() < 1e-12, "{:?}", linear.values);
    }
    let rounded = interpolation::image(&image, to, Interpolation::Linear, Rounding::HalfUp);
    assert_eq!(rounded.values, [0.0, 5.0, 12.0, 18.0, 25.0, 30.0]);
    let nearest = interpolation::image(&image, to, Interpolation::Nearest, Rounding::None);
    assert_eq!(nearest.values, [0.0, 10.0, 10.0, 20.0, 30.0, 30.0]);
    // 3.5 mm is 1/6 of the way into the region, 5.5 mm 5/6.
    let new = interpolation::mask(&image, &mask, to, Interpolation::Linear, 0.5);
    assert_eq!(new, [false, false, false, true, true, true]);
    // A voxel made of two lies half-way between them exactly, and half is enough.
    let one = interpolation::mask(
        &image,
        &[false, true, true, false],
        [1.0, 1.0, 6.0],
        Interpolation::Linear,
        0.5,
    );
    assert_eq!(one, [true, true]);
}

#[test]
fn a_spline_goes_through_the_voxels() {
    let mut random = cases::Random(7);
    let size = [3, 4, 5];
    let values: Vec<f64> = (0..60).map(|_| random.below(100) as f64).collect();
    let image = Image { size, spacing: [2.0; 3], values };
    // Three times as fine: the middle one of every three is an old voxel.
    let fine = interpolation::image(&image, [2.0 / 3.0; 3], Interpolation::Cubic, Rounding::None);
    assert_eq!(fine.size, size.map(|n| 3 * n));
    for voxel in manual::voxels(size) {
        let new = fine.values[manual::offset(fine.size, voxel.map(|at| 3 * at + 1))];
        assert!((new - image.values[manual::offset(size, voxel)]).abs() < 1e-6, "{voxel:?} {new}");
    }
}

#[test]
fn rounds_halves_as_told() {
    // The middle of -1 and 2, of 1 and 2, of -2 and -1, of 2 and 3.
    for (pair, rounding, expected) in [
        ([-1.0, 2.0], Rounding::HalfToEven, 0.0),
        ([1.0, 2.0], Rounding::HalfToEven, 2.0),
        ([2.0, 3.0], Rounding::HalfToEven, 2.0),
        ([2.0, 3.0], Rounding::HalfAwayFromZero, 3.0),
        ([-2.0, -1.0], Rounding::HalfAwayFromZero, -2.0),
        ([-2.0, -1.0], Rounding::HalfUp, -1.0),
        ([-2.0, -1.0], Rounding::None, -1.5),
    ] {
        let image = Image { size: [1, 1, 2], spacing: [1.0; 3], values: pair.to_vec() };
        for method in [Interpolation::Linear, Interpolation::Cubic] {
            let one = interpolation::image(&image, [1.0, 1.0, 2.0], method, rounding);
            assert!((one.values[0] - expected).abs() < 1e-12, "{pair:?} {rounding:?}: {one:?}");
        }
    }
}

#[test]
fn bins_begin_where_the_formulas_say() {
    let bins = discretisation::fixed_bin_number(&[0.0, 24.75, 25.0, 99.75, 100.0], 4);
    assert_eq!(bins, [1, 1, 2, 4, 4]);
    // Floats that divide first lose some: 100 (29 / 100) is 28.999999999999996 to them.
    let x: Vec<f64> = (1..=101).map(f64::from).collect();
    let bins = discretisation::fixed_bin_number(&x, 100);
    assert_eq!(bins[..100], (1..=100).collect::<Vec<_>>());
    assert_eq!(bins[100], 100);
    assert_eq!(discretisation::fixed_bin_size(&[-500.0, -475.25, -475.0], -500.0, 25.0), [1, 1, 2]);
}

/// Four voxels of -1 and four of 1 have a deviation of 1: both lie at the border of one deviation.
#[test]
fn outliers_begin_beyond_the_border() {
    let values = vec![-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0];
    let image = Image { size: [2, 2, 2], spacing: [1.0; 3], values };
    let kept = |limit| resegmentation::intensity_mask(&image, &[true; 8], None, None, Some(limit));
    assert_eq!(kept(1.0), [true; 8]);
    assert_eq!(kept(0.75), [false; 8]);
    let kept = resegmentation::intensity_mask(&image, &[true; 8], Some(1.0), Some(1.0), None);
    assert_eq!(kept.iter().filter(|&&is_in| is_in).count(), 4);
}

/// The mesh of the oracle lies within its own range, and so does the reference value.
#[test]
fn a_mesh_lies_within_its_range() {
    for number in 0..60 {
        let case = cases::case(number);
        let found = everything(&case.image, &case.mask, &case.settings);
        for (name, least, most) in mesh_ranges(&case.image, &case.mask, &case.settings) {
            let value = found.iter().find(|(other, _, _)| *other == name).and_then(|found| found.2);
            let value = value.expect("a value, where there is a range");
            let slack = 1e-9 * (1.0 + value.abs());
            assert!(
                least - slack <= value && value <= most + slack,
                "case {number}: {name} {least} {value} {most}"
            );
        }
    }
}
