//! Every fixture is the file that `fixtures/SHA256SUMS` says, and none is there unrecorded.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use abscope::ingest::sha256;
use common::fixture;

fn files(folder: &Path, base: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            files(&path, base, found);
        } else {
            let name = path.strip_prefix(base).expect("below").to_str().expect("text");
            if name != "SHA256SUMS" && name != "README.md" {
                found.insert(name.to_owned(), sha256(&path).expect("reads"));
            }
        }
    }
}

#[test]
fn the_fixtures_are_those_that_are_recorded() {
    let base = fixture("");
    let recorded: BTreeMap<String, String> = std::fs::read_to_string(base.join("SHA256SUMS"))
        .expect("checksums")
        .lines()
        .map(|line| {
            let (sum, name) = line.split_once("  ").expect("sum and name");
            (name.to_owned(), sum.to_owned())
        })
        .collect();
    let mut found = BTreeMap::new();
    files(&base, &base, &mut found);
    let differing: Vec<_> = found
        .iter()
        .filter(|(name, sum)| recorded.get(*name) != Some(sum))
        .map(|(name, _)| name)
        .chain(recorded.keys().filter(|name| !found.contains_key(*name)))
        .collect();
    assert!(
        differing.is_empty(),
        "{differing:?}; if the change is meant, run in fixtures/: \
         find . -type f ! -name SHA256SUMS ! -name README.md -printf '%P\\0' | LC_ALL=C sort -z | \
         xargs -0 sha256sum > SHA256SUMS, and say in README.md where the file comes from"
    );
}
