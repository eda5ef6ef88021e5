//! Any bytes as a signature file, and what a signature that passes its checks is used for first.
//!
//! ```text
//! fuzz/seeds.sh && cargo +nightly fuzz run model -- -rss_limit_mb=2048 -malloc_limit_mb=1024 \
//!     -dict=fuzz/dictionaries/model.dict
//! ```
#![no_main]

use abscope::signature::{Origin, Resolved, SignatureFile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(file) = SignatureFile::parse(text) else { return };
    let again = SignatureFile::parse(&file.to_toml());
    assert_eq!(again.map(|f| f.hash()), Ok(file.hash()), "a signature that changes when written");
    let Ok(Resolved::Complete(model)) = file.resolve() else { return };
    for term in model.terms() {
        term.label();
    }
    if let Ok(plan) = model.plan() {
        let _ = model.scorer(Origin::Plan(plan));
    }
    let _ = model.ordered_cutoffs();
});
