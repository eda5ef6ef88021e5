//! The oracle in `manual` against the values and matrices that the IBSI published, so that it can
//! judge abscope. It stands alone: `rustc --edition 2024 --test -O tests/manual_oracle.rs`.

mod manual;

use std::collections::BTreeMap;
use std::path::PathBuf;

use manual::counts::Counts;
use manual::{
    Discretisation, Image, Interpolation, Levels, Rounding, Settings, VolumeHistogram, Weight,
    cases, discretisation, everything, glcm, gldzm, glrlm, glszm, mesh, morphology, ngldm, ngtdm,
    nifti, prepare,
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

/// Every reference value of the data set that the oracle has a value for; those that disagree are told.
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
    eprintln!("{dataset}: {} of {compared}; without: {uncovered:?}", compared - wrong.len());
    assert!(compared > 200, "{dataset}: only {compared} compared");
    assert!(wrong.is_empty(), "{dataset}:\n{}", wrong.join("\n"));
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
        autocorrelation: false,
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

fn gives_the_values_of_configuration(letter: char, autocorrelation: bool) {
    let image = nifti::read(&fixture("ct_radiomics_phantom/image.nii.gz"));
    let mask = nifti::read(&fixture("ct_radiomics_phantom/mask.nii.gz"));
    let mask: Vec<bool> = mask.values.iter().map(|&value| value != 0.0).collect();
    let settings = Settings { autocorrelation, ..configuration(letter) };
    compare(&format!("config_{letter}"), &everything(&image, &mask, &settings));
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_a() {
    gives_the_values_of_configuration('A', false);
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_b() {
    gives_the_values_of_configuration('B', true);
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_c() {
    gives_the_values_of_configuration('C', true);
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_d() {
    gives_the_values_of_configuration('D', true);
}

#[test]
#[ignore = "slow: a large image"]
fn gives_the_values_of_configuration_e() {
    gives_the_values_of_configuration('E', true);
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
