//! Layers point one way: a module knows only those before it, as the crate's documentation shows.
//!
//! Oracle: the order below, which is the one of the line "Layers:" in `src/lib.rs`. Comments may
//! point anywhere, and so may unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Modules at the crate's root from left to right. Those of one row know nothing of each other.
const LAYERS: &[&[&str]] = &[
    &["paths"],
    &["error"],
    &["input"],
    &["value", "digest", "memory", "contained", "csv_file"],
    &["stats"],
    &["geometry"],
    &["rows"],
    &["volume"],
    &["mask"],
    &["region"],
    &["fft"],
    &["output"],
    &["ingest", "filters"],
    &["preprocess"],
    &["features"],
    &["row"],
    &["settings"],
    &["plan"],
    &["extract"],
    &["table"],
    &["signature"],
    &["patient"],
    &["report"],
    &["train"],
    &["selftest"],
    &["batch"],
    &["cli"],
];

/// The folders of the two packages' modules: the engine's come first.
fn folders() -> [PathBuf; 2] {
    ["engine/src", "src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// A line of code that names another module.
#[derive(Debug, PartialEq)]
struct Arrow {
    line: usize,
    to: String,
}

/// Lines without comments and without what is compiled for unit tests only, with their numbers.
fn code(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut code = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if lines[at].trim() == "#[cfg(test)]" {
            at = after_item(&lines, at);
            continue;
        }
        let line = lines[at].split("//").next().expect("a first part");
        code.push((at + 1, line.to_owned()));
        at += 1;
    }
    code
}

/// The line after the item whose first attribute stands at `at`. In formatted code the item ends
/// where its own indentation comes back with a closing brace or a semicolon.
fn after_item(lines: &[&str], at: usize) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let own = indent(lines[at]);
    let is_last = |line: &&str| {
        let end = line.trim_end();
        indent(line) == own && (end.ends_with('}') || end.ends_with(';'))
    };
    at + 1 + lines[at..].iter().position(is_last).expect("an item has an end")
}

/// Names of the files that are compiled for unit tests only: `#[cfg(test)] mod tests;`.
fn test_files(text: &str) -> BTreeSet<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].strip_prefix("mod ")?.strip_suffix(';'))
        .map(|name| format!("{name}.rs"))
        .collect()
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The names that follow a path to the crate's root: one, or those of a group in braces.
fn names(rest: &str) -> Vec<&str> {
    let Some(group) = rest.strip_prefix('{') else { return vec![identifier(rest)] };
    let mut names = Vec::new();
    let mut depth = 0usize;
    let mut start = 0;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.into_iter().map(|name| identifier(name.trim())).filter(|name| !name.is_empty()).collect()
}

/// Ranges of the paths in `text` that lead to the crate's root, from a file `depth` modules below it.
fn roots(text: &str, depth: usize) -> Vec<Range<usize>> {
    let starts_word =
        |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
    let mut roots: Vec<_> = text
        .match_indices("crate::")
        .filter(|(at, _)| starts_word(*at))
        .map(|(at, path)| at..at + path.len())
        .collect();
    let up = "super::".repeat(depth);
    roots.extend(
        text.match_indices(&up)
            .filter(|(at, _)| depth > 0 && starts_word(*at))
            .map(|(at, path)| at..at + path.len()),
    );
    roots
}

/// The modules that a file names, with the lines.
fn arrows(text: &str, depth: usize) -> Vec<Arrow> {
    let code = code(text);
    let whole: String = code.iter().flat_map(|(_, line)| [line.as_str(), "\n"]).collect();
    let mut arrows = Vec::new();
    for root in roots(&whole, depth) {
        let line = code[whole[..root.start].matches('\n').count()].0;
        let to = names(&whole[root.end..]);
        arrows.extend(to.into_iter().map(|name| Arrow { line, to: name.to_owned() }));
    }
    arrows
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Text by path below a package's `src`, its parts those of the module.
fn sources() -> BTreeMap<Vec<String>, String> {
    folders().iter().flat_map(|folder| sources_in(folder)).collect()
}

fn sources_in(folder: &Path) -> BTreeMap<Vec<String>, String> {
    let mut files = Vec::new();
    rust_files(folder, &mut files);
    let text = |path: &PathBuf| std::fs::read_to_string(path).expect("text");
    let left_out: BTreeSet<PathBuf> = files
        .iter()
        .flat_map(|path| {
            let folder = match path.file_name().and_then(|n| n.to_str()) {
                Some("mod.rs" | "lib.rs") => path.with_file_name(""),
                _ => path.with_extension(""),
            };
            test_files(&text(path)).into_iter().map(move |name| folder.join(name))
        })
        .collect();
    files
        .iter()
        .filter(|path| !left_out.contains(*path))
        .map(|path| {
            let below = path.strip_prefix(folder).expect("below").components();
            let parts = below.map(|part| part.as_os_str().to_string_lossy().into_owned());
            (parts.collect(), text(path))
        })
        .collect()
}

/// The module at the root that a file belongs to.
fn module_of(file: &[String]) -> &str {
    match file[0].strip_suffix(".rs").unwrap_or(&file[0]) {
        "main" => "cli",
        module => module,
    }
}

#[test]
fn no_arrow_runs_back_up() {
    let mut wrong = Vec::new();
    for (file, text) in sources().iter().filter(|(file, _)| file[0] != "lib.rs") {
        let from = module_of(file);
        let depth = file.len() - usize::from(file.last().is_some_and(|name| name == "mod.rs"));
        for Arrow { line, to } in arrows(text, depth) {
            let place = format!("{}:{line}: {from} -> {to}", file.join("/"));
            match (layer(from), layer(&to)) {
                _ if from == to => {}
                (_, None) if to.starts_with(char::is_uppercase) => {
                    wrong.push(format!("{place} (name the module, not the crate's root)"));
                }
                (None, _) | (_, None) => wrong.push(format!("{place} (not a layer)")),
                (Some(own), Some(other)) if other >= own => wrong.push(place),
                _ => {}
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} arrows run back up or to the side:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_module_at_the_root_has_a_layer_and_every_layer_is_there() {
    let sources = sources();
    let there: BTreeSet<&str> =
        sources.keys().map(|file| module_of(file)).filter(|module| *module != "lib").collect();
    let listed: BTreeSet<&str> = LAYERS.iter().flat_map(|row| row.iter().copied()).collect();
    let differing: Vec<_> = there.symmetric_difference(&listed).collect();
    assert!(differing.is_empty(), "either not a layer or not in src/: {differing:?}");
}

#[test]
fn the_crates_documentation_shows_these_layers() {
    let text = std::fs::read_to_string(folders()[1].join("lib.rs")).expect("text");
    let shown: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .skip_while(|line| !line.trim().starts_with("Layers:"))
        .take_while(|line| !line.trim().is_empty() && line.trim() != "```")
        .collect();
    let shown: Vec<Vec<String>> = shown
        .trim()
        .trim_start_matches("Layers:")
        .split('<')
        .map(|row| row.split(',').map(|name| name.trim().to_owned()).collect())
        .collect();
    assert_eq!(shown, LAYERS);
}

#[test]
fn paths_are_found_in_groups_lines_and_macros_but_not_in_comments_and_tests() {
    let text = "\
/// As [`crate::batch`] does.
use crate::{
    plan::{Plan, x},
    value,
};
use super::super::cli;
use super::sibling;
fn f() { $crate::mask::g(crate::Error) } // crate::train
#[cfg(test)]
#[allow(dead_code)]
mod tests {
    use crate::report;
}
static S: super::super::table::T = 1;
";
    let found: Vec<(usize, String)> =
        arrows(text, 2).into_iter().map(|arrow| (arrow.line, arrow.to)).collect();
    let expected =
        [(2, "plan"), (2, "value"), (8, "mask"), (8, "Error"), (6, "cli"), (14, "table")];
    assert_eq!(found, expected.map(|(line, to)| (line, to.to_owned())));
    assert_eq!(test_files("#[cfg(test)]\nmod tests;\nmod own;\n"), ["tests.rs".to_owned()].into());
}

/// The string literals of a source file, comments left out.
fn literals(source: &str) -> Vec<String> {
    let code: String = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let code = code.replace("'\"'", "' '").replace("\\\\", " ").replace("\\\"", " ");
    code.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Text by path of all that is no part of the command line.
fn library() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in folders() {
        rust_files(&folder, &mut files);
    }
    files.retain(|path| !path.starts_with(folders()[1].join("cli")));
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("text");
            (path, text)
        })
        .collect()
}

#[test]
fn the_library_names_no_option_and_no_command() {
    let option = regex::Regex::new(r"(^|[^-(\w])--[a-z]").expect("a pattern");
    let command = regex::Regex::new(
        r"abscope (batch|extract|features|filter|inspect|merge|model|report|score|selftest|settings|train)\b",
    )
    .expect("a pattern");
    for (path, source) in library() {
        for text in literals(&source) {
            // Another program may be named with its options.
            let text = text.replace("gdcmconv --raw", "");
            let named = option.is_match(&text) || command.is_match(&text);
            assert!(!named, "{}: {text:?}", path.display());
        }
    }
}
