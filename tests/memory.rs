//! `abscope batch --memory` holds what it says.
//!
//! Oracle: the kernel's own record of a process's peak, for the budget that was given: a run stays within a
//! fifth above it, or its case fails before it is tried and says what it needs, with which it then runs.
//! docs/scaling.md has the same for large cases, from `examples/peaks.rs`.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/dicom.rs"]
mod made;
#[path = "common/peaks.rs"]
mod peaks;

use std::path::PathBuf;
use std::process::Stdio;

use common::{STATISTICS, abscope};
use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::tags;
use peaks::{Bench, FILTERS, MIB, Ran, ball, needed, watched};

#[test]
fn a_run_keeps_to_its_memory_or_says_what_it_needs() {
    let bench = Bench::new(abscope);
    let one = ball([80, 80, 60], 48);
    let large = bench.make([160, 160, 120], &move |at| u8::from(one(at)));
    let default = "schema = 1\n";
    for settings in [default, FILTERS] {
        let mut done: Option<Vec<u8>> = None;
        for threads in [1, 2] {
            let small = bench.run(&large, settings, 64 * MIB, threads);
            assert!(small.peak <= 64 * MIB * 6 / 5, "{} MiB of 64", small.peak / MIB);
            assert_eq!(small.lesions, 0, "64 MiB were enough");
            let needs = needed(&small.failures);
            for memory in [needs, 2 * needs] {
                let ran = bench.run(&large, settings, memory * MIB, threads);
                assert_eq!(ran.lesions, 1, "{memory} MiB on {threads}: {}", ran.failures);
                let most = memory * MIB * 6 / 5;
                assert!(ran.peak <= most, "{} MiB of {memory} on {threads}", ran.peak / MIB);
                // What is said is what is needed, and not ten times as much.
                assert!(memory > needs || 3 * ran.peak >= most, "{} of {memory}", ran.peak / MIB);
                assert_eq!(done.get_or_insert_with(|| ran.features.clone()), &ran.features);
            }
        }
    }
}

#[test]
fn many_lesions_are_worked_on_one_after_the_other() {
    let bench = Bench::new(abscope);
    let balls: Vec<_> = (0..24)
        .map(|i| ball([20 + 30 * (i % 5), 20 + 30 * (i / 5), 20 + 4 * (i % 10)], 9))
        .collect();
    let inputs = bench.make([160, 160, 90], &move |at| {
        balls.iter().position(|inside| inside(at)).map_or(0, |i| i as u8 + 1)
    });
    for threads in [1, 2] {
        let ran = bench.run(&inputs, "schema = 1\n", 96 * MIB, threads);
        assert_eq!(ran.lesions, 24, "{}", ran.failures);
        assert!(ran.peak <= 96 * MIB * 6 / 5, "{} MiB of 96", ran.peak / MIB);
    }
}

/// Sixty lesions of which each spans the image: a lesion costs its own voxels, and only those in work an
/// image more.
#[test]
fn interleaved_lesions_cost_their_own_voxels() {
    let size = [96, 96, 64];
    let voxels: usize = size.iter().product();
    let place = |[x, y, z]: [usize; 3]| (x + 7 * y + 13 * z) % 60;
    let (one, sixty) = (Bench::new(abscope), Bench::new(abscope));
    let of_one = one.make(size, &move |at| u8::from(place(at) == 0));
    let of_sixty = sixty.make(size, &move |at| place(at) as u8 + 1);
    let ((alone, _), (together, ran)) = (enough(&one, &of_one), enough(&sixty, &of_sixty));
    let own = (12 * voxels) as u64 / MIB + 2;
    assert!(together <= alone + own, "{together} MiB for sixty, {alone} for one");
    assert_eq!(ran.lesions, 60, "{}", ran.failures);
    assert!(ran.peak <= together * MIB * 6 / 5, "{} MiB of {together}", ran.peak / MIB);
}

/// The budget, MiB, that a case of statistics says to need, first by its headers and then by its lesions,
/// and the run with it.
fn enough(bench: &Bench, inputs: &[PathBuf; 2]) -> (u64, Ran) {
    let mut budget = 16;
    for _ in 0..3 {
        let ran = bench.run(inputs, STATISTICS, budget * MIB, 1);
        if ran.lesions > 0 {
            return (budget, ran);
        }
        budget = needed(&ran.failures);
    }
    panic!("{budget} MiB are not what it needs");
}

/// 128 MiB of slices.
#[test]
fn inspect_holds_no_series_pixels() {
    let folder = tempfile::tempdir().expect("a folder");
    let side = 1024;
    for number in 0..64 {
        let mut slice = made::slice(number, [0.0, 0.0, 2.5 * number as f64]);
        made::pixel_format(&mut slice, [side, side], 16, true);
        let pixels = PrimitiveValue::U16(vec![1000 + number as u16; side * side].into());
        slice.put(DataElement::new(tags::PIXEL_DATA, VR::OW, pixels));
        made::write(&folder.path().join(number.to_string()), &slice, made::EXPLICIT);
    }
    let (peak, code) = watched(abscope().arg("inspect").arg(folder.path()).stdout(Stdio::null()));
    assert_eq!(code, Some(0));
    assert!(peak < 48 * MIB, "{} MiB", peak / MIB);
}
