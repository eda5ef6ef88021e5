//! `abscope settings`: the resolved plan, every default visible.

use std::path::PathBuf;
use std::process::ExitCode;

use super::case;
use super::console::say;
use abscope::paths::shown;

/// Show or check extraction settings.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Print the settings with every default filled in, and their hash. The output is itself a
    /// settings file.
    Show {
        /// Settings (TOML); the defaults where not given.
        file: Option<PathBuf>,
        /// Print JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
    /// Say whether settings are valid; exit status 2 and the reason if not.
    Check {
        /// Settings (TOML).
        file: PathBuf,
    },
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::Show { file, json: false } => {
            let plan = case::plan(file.as_ref())?;
            say!("# plan {}\n{}", plan.hash(), plan.to_toml().trim_end())?;
        }
        Action::Show { file, json: true } => {
            let plan = case::plan(file.as_ref())?;
            let document = serde_json::json!({ "hash": plan.hash(), "plan": plan });
            say!("{}", serde_json::to_string_pretty(&document)?)?;
        }
        Action::Check { file } => {
            let plan = case::plan(Some(&file))?;
            say!("{}: valid, plan {}", shown(&file), plan.hash())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
