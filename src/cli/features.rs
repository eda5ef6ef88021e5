//! `abscope features`: which features there are and what each means.

use std::process::ExitCode;

use super::console::{self, say};
use abscope::features::table::Edge;
use abscope::features::{FEATURES, Family, Feature, documentation, lookup};
use anyhow::bail;
use serde_json::json;

/// List the features, or explain one.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// List the features.
    List {
        /// Only this family, such as glcm.
        #[arg(long, value_name = "FAMILY", value_parser = family)]
        family: Option<Family>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Explain a feature.
    Explain {
        /// Its id, IBSI code or PyRadiomics name, or a whole column of a feature table.
        name: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the page of all features, docs/features.md.
    Docs {
        /// Print the page of all filters instead, docs/filters.md.
        #[arg(long)]
        filters: bool,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List { family, json } => {
            let wanted = |f: &&Feature| family.is_none_or(|family| f.family() == family);
            let features: Vec<_> = FEATURES.iter().filter(wanted).collect();
            if json { print_json(&features)? } else { list(&features)? }
        }
        Action::Explain { name, json } => match lookup::find(&name) {
            Ok(features) if json => print_json(&features)?,
            Ok(features) => {
                let pages: Vec<_> = features.iter().map(|f| explanation(f)).collect();
                console::data(pages.join("\n"))?;
            }
            Err(similar) => {
                bail!(
                    "no feature is called {name}; did you mean {}? `abscope features list` shows all",
                    similar.join(", ")
                )
            }
        },
        Action::Docs { filters: false } => console::data(documentation::page())?,
        Action::Docs { filters: true } => {
            console::data(abscope::filters::documentation::page())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn family(name: &str) -> Result<Family, String> {
    Family::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
        let names = Family::ALL.map(Family::name).join(", ");
        format!("no such family; the families are {names}")
    })
}

fn list(features: &[&Feature]) -> anyhow::Result<()> {
    let mut last = None;
    for f in features {
        if last.replace(f.family()) != Some(f.family()) {
            say!("\n{} ({})", documentation::heading(f.family()), f.family().name())?;
        }
        say!("  {:<26} {}  {:<7} {}", f.id, f.ibsi, f.unit.symbol(), f.name)?;
    }
    say!("\n{} features; `abscope features explain ID` says more.", features.len())
}

fn explanation(f: &Feature) -> String {
    let columns: Vec<_> = f
        .family()
        .aggregations()
        .iter()
        .map(|&a| format!("tumour_original_{}", f.tag(a)))
        .collect();
    let unit = if f.unit.symbol().is_empty() { "none" } else { f.unit.symbol() };
    let lines = [
        ("IBSI code", f.ibsi.to_owned()),
        ("family", format!("{} ({})", documentation::heading(f.family()), f.family().name())),
        ("unit", unit.to_owned()),
        ("range", f.range.to_owned()),
        ("flat region", f.flat.to_string()),
        ("one voxel", f.one_voxel.to_string()),
        ("PyRadiomics", f.pyradiomics.unwrap_or("no such feature").to_owned()),
        ("checked against", f.oracle.describe().to_owned()),
        ("columns", columns.join("\n                   ")),
    ];
    let mut text = format!("{}: {}\n\n  {}\n\n", f.id, f.name, f.definition);
    for (key, value) in lines {
        text.push_str(&format!("  {key:<16} {value}\n"));
    }
    text
}

fn print_json(features: &[&Feature]) -> anyhow::Result<()> {
    let list: Vec<_> = features
        .iter()
        .map(|f| {
            json!({
                "id": f.id,
                "name": f.name,
                "ibsi": f.ibsi,
                "family": f.family(),
                "aggregations": f.family().aggregations(),
                "definition": f.definition,
                "unit": f.unit.ucum(),
                "range": f.range,
                "flat_region": edge(f.flat),
                "one_voxel": edge(f.one_voxel),
                "pyradiomics": f.pyradiomics,
                "oracle": f.oracle.describe(),
            })
        })
        .collect();
    say!("{}", serde_json::to_string_pretty(&list)?)
}

/// What a degenerate region gives: a number, `"value"`, or the reason why there is none.
fn edge(edge: Edge) -> serde_json::Value {
    match edge {
        Edge::Value => json!("value"),
        Edge::Always(value) => json!(value),
        Edge::Missing(reason) => json!({ "missing": reason }),
    }
}
