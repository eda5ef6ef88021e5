//! docs/features.md is what the feature table renders.

#[test]
fn the_page_of_features_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/features.md");
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        file == abscope::features::documentation::page(),
        "docs/features.md differs from the feature table; write it anew with\n  \
         cargo run -- features docs > docs/features.md"
    );
}
