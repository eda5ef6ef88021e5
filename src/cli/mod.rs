//! One file per subcommand.
//!
//! Exit status: 0 all done; 1 some cases failed, each named; 2 the request could not be run.

use std::path::PathBuf;
use std::process::ExitCode;

use abscope::ingest::pseudonyms;
use abscope::paths::shown;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

mod batch;
mod case;
mod console;
mod extract;
mod features;
mod filter;
mod hints;
mod inspect;
mod merge;
mod model;
mod report;
mod score;
mod selftest;
mod settings;
mod signals;
mod train;

use hints::Hints;

/// Exit status where the request could not be run.
const CANNOT_RUN: u8 = 2;
/// Twice the cores of the largest machines; each thread takes memory of its own.
const MOST_THREADS: i64 = 1024;

#[derive(Parser)]
#[command(
    name = "abscope",
    version,
    about = "IBSI radiomics of lesions on CT, linear signatures, and how a patient's lesions differ",
    after_help = "For research use only. Not a medical device."
)]
struct Cli {
    /// Number of threads; all cores where not given. Results do not depend on it.
    #[arg(long, global = true, value_name = "N", allow_negative_numbers = true,
        value_parser = clap::value_parser!(u16).range(1..=MOST_THREADS))]
    threads: Option<u16>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Args),
    Report(report::Args),
    Extract(extract::Args),
    Filter(filter::Args),
    Score(score::Args),
    Model(model::Args),
    Batch(batch::Args),
    Merge(merge::Args),
    Features(features::Args),
    Settings(settings::Args),
    Selftest(selftest::Args),
    Train(train::Args),
}

/// Runs the command line.
pub(crate) fn run() -> ExitCode {
    let mut command = Cli::command();
    let matches = match command.try_get_matches_from_mut(std::env::args_os()) {
        Ok(matches) => matches,
        Err(said) => return console::said(&said),
    };
    let hints = Hints::of(&command, &matches);
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(said) => return console::said(&said),
    };
    signals::clean_up_when_told_to_end();
    let key = NewKey::watch();
    let done = execute(cli);
    key.tell();
    match done {
        Ok(status) => status,
        Err(error) if console::is_reader_gone(&error) => ExitCode::from(console::READER_GONE),
        Err(error) => {
            console::tell!("error: {}", hints.explain(&error));
            ExitCode::from(CANNOT_RUN)
        }
    }
}

/// The user's key of pseudonyms, where there is none yet: that one is made is told, since nobody who
/// has lost his would notice otherwise.
struct NewKey(Option<PathBuf>);

impl NewKey {
    fn watch() -> Self {
        Self(pseudonyms::user_key().ok().filter(|path| !path.exists()))
    }

    fn tell(self) {
        if let Some(path) = self.0.filter(|path| path.exists()) {
            console::tell!(
                "note: made a key for pseudonyms, {}: keep it; patients have other pseudonyms than under \
                 any other key",
                shown(&path)
            );
        }
    }
}

fn execute(cli: Cli) -> anyhow::Result<ExitCode> {
    if let Some(threads) = cli.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build_global()?;
    }
    match cli.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Report(args) => report::run(args),
        Command::Score(args) => score::run(args),
        Command::Model(args) => model::run(args),
        Command::Extract(args) => extract::run(args),
        Command::Filter(args) => filter::run(args),
        Command::Batch(args) => batch::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Features(args) => features::run(args),
        Command::Settings(args) => settings::run(args),
        Command::Selftest(args) => selftest::run(args),
        Command::Train(args) => train::run(args),
    }
}
