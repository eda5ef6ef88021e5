//! `abscope batch --memory` holds what it says.
//!
//! Oracle: the kernel's own record of a process's peak, for the budget that was given: a run stays within a
//! fifth above it, or its case fails before it is tried and says what it needs, with which it then runs.
//! docs/scaling.md has the same for large cases, from `examples/peaks.rs`.
#![cfg(target_os = "linux")]

mod common;
#[path = "common/peaks.rs"]
mod peaks;

use common::abscope;
use peaks::{Bench, FILTERS, MIB, ball, needed};

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
