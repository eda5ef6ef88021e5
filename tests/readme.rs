//! What the README says is true: its commands run, its settings are settings.

mod common;

use std::path::Path;

use abscope::plan::Plan;
use abscope::settings::Settings;
use assert_cmd::prelude::*;
use common::{abscope, fixture};

const README: &str = include_str!("../README.md");

/// The fenced blocks of a language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    README
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .collect()
}

#[test]
fn the_first_command_leaves_a_report() {
    let line = blocks("sh")[0].trim();
    let arguments: Vec<&str> =
        line.strip_prefix("cargo run --release -- ").expect("a cargo command").split(' ').collect();
    let folder = tempfile::tempdir().expect("folder");
    let output = folder.path().join("report");
    let (last, rest) = arguments.split_last().expect("arguments");
    assert_eq!((*last, rest.last()), ("report", Some(&"-o")));
    abscope().args(rest).arg(&output).assert().success();
    for name in ["report.html", "report.json", "features.csv", "scores.csv"] {
        assert!(output.join(name).metadata().expect(name).len() > 100, "{name}");
    }
}

#[test]
fn the_second_command_is_the_one_that_ci_calls() {
    let command = blocks("sh")[1].trim();
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(command).is_file());
    let ci = std::fs::read_to_string(fixture("../.ci/run")).expect("CI script");
    assert!(ci.lines().any(|line| line == command));
}

#[test]
fn the_settings_command_and_the_settings_example_work() {
    let command = blocks("sh")[2].trim();
    let arguments = command.strip_prefix("abscope ").expect("an abscope command").split(' ');
    abscope().args(arguments).assert().success();
    let settings = Settings::parse(blocks("toml")[0]).expect("valid settings");
    assert_ne!(Plan::resolve(&settings).expect("resolves").hash(), Plan::default().hash());
}

#[test]
fn every_command_of_the_table_exists() {
    let commands = README
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`abscope "))
        .map(|line| line.split("`abscope ").nth(1).expect("a command").split([' ', '`']).next());
    let mut seen = 0;
    for command in commands {
        abscope().args([command.expect("a name"), "--help"]).assert().success();
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn every_file_that_is_linked_exists() {
    for link in README.split("](").skip(1).map(|rest| rest.split(')').next().expect("closed")) {
        if !link.starts_with("http") {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(link).exists(), "{link}");
        }
    }
}
