//! docs/filters.md is what the filter table renders, and its examples are settings.

use abscope::filters::documentation::page;
use abscope::plan::Plan;
use abscope::settings::Settings;

#[test]
fn the_page_of_filters_is_up_to_date() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/filters.md");
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        file == page(),
        "docs/filters.md differs from the filter table; write it anew with\n  \
         cargo run -- features docs --filters > docs/filters.md"
    );
}

#[test]
fn the_examples_together_are_valid_settings() {
    let page = page();
    let examples: String = page
        .split("```toml\n")
        .skip(1)
        .filter_map(|block| Some(block.split_once("```")?.0))
        .collect();
    let settings = Settings::parse(&examples).expect("valid settings");
    assert_eq!(settings.filters.len(), abscope::filters::FILTERS.len());
    Plan::resolve(&settings).expect("resolves");
}
