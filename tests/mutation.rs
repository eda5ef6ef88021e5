//! A part of the mutation program (`examples/mutate`, `docs/robustness.md`): no damage passes in silence.
//!
//! Oracle: what the sound files give. A mutation is refused, told, changes nothing, or lies where the format
//! has nothing that could show it.

use std::process::Command;

#[path = "../examples/mutate/campaign.rs"]
mod campaign;
#[path = "common/dicom.rs"]
mod dicom;
#[path = "../examples/mutate/mutation.rs"]
mod mutation;
#[path = "common/signature.rs"]
mod signature;
#[path = "../examples/mutate/subjects.rs"]
mod subjects;

use campaign::{Fate, Tally};

/// Mutations of all formats together.
const COUNT: u64 = 2000;
const SEED: u64 = 1;

/// What [`no_damage_passes_in_silence`] starts in processes of their own; nothing by itself.
#[test]
fn worker() {
    campaign::work();
}

#[test]
fn no_damage_passes_in_silence() {
    let program = std::env::current_exe().expect("a program");
    let start = || {
        let mut command = Command::new(&program);
        command.args(["--exact", "worker", "--nocapture"]).env("RAYON_NUM_THREADS", "1");
        command
    };
    let parts: u64 = subjects::FORMATS.iter().map(|(_, part)| part).sum();
    for (name, part) in subjects::FORMATS {
        let mutations = (COUNT * part).div_ceil(parts);
        let mut tally = Tally::default();
        tally.add(campaign::run(name, SEED, 0..mutations, &start));
        assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
        let of = |fate| tally.of(fate);
        let total: u64 = Fate::ALL.into_iter().map(of).sum();
        assert_eq!(total, mutations, "{name}");
        // Damage that nothing shows is the exception: else the sound files would not have been read.
        assert!(2 * of(Fate::Apart) < mutations, "{name}: {:?}", tally.apart);
        assert!(of(Fate::Refused) > 0, "{name}");
    }
}
