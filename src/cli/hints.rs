//! What to do about an error of the library, in the words of the command line.
//!
//! The library knows the remedy, and only here are there options. A subcommand advises none that it
//! does not have: where it lacks the option, it says the remedy in the library's neutral words.

use abscope::Error;
use abscope::error::Remedy;
use abscope::signature::score::Refusal;

/// The hints of a subcommand.
pub(crate) struct Hints {
    /// Names of the subcommand and of the one below it, such as `model calibrate`.
    name: String,
    options: Vec<String>,
}

impl Hints {
    /// The hints of the subcommand that was called.
    pub(crate) fn of(mut command: &clap::Command, mut matches: &clap::ArgMatches) -> Self {
        let mut names = Vec::new();
        while let Some((name, below)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            names.push(name);
            (command, matches) = (found, below);
        }
        Self::of_command(names.join(" "), command)
    }

    fn of_command(name: String, command: &clap::Command) -> Self {
        let options = command.get_arguments().filter_map(|a| a.get_long()).map(str::to_owned);
        Self { name, options: options.collect() }
    }

    fn has(&self, option: &str) -> bool {
        self.options.iter().any(|own| own == option)
    }

    /// An error with its causes on one line.
    pub(crate) fn explain(&self, error: &anyhow::Error) -> String {
        let mut parts = Vec::new();
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<Error>() {
                parts.push(self.told(error));
                break;
            }
            if let Some(refusal) = cause.downcast_ref::<Refusal>() {
                parts.push(self.told(&refusal.clone().into()));
                break;
            }
            parts.push(cause.to_string());
        }
        parts.join(": ")
    }

    /// An error of the library, with the way out.
    fn told(&self, error: &Error) -> String {
        match error.remedy() {
            Some(remedy) => format!("{}; {}", error.statement(), self.words(remedy)),
            None => error.statement(),
        }
    }

    fn words(&self, remedy: &Remedy) -> String {
        let text = match remedy {
            Remedy::RegridMask if self.has("regrid-mask") => {
                "pass --regrid-mask to put it on the image's grid by nearest voxel"
            }
            Remedy::UnevenSlices { spacing: true } if self.has("uneven-slices") => {
                "fetch the missing slices, or pass --uneven-slices resample to interpolate"
            }
            Remedy::UnevenSlices { spacing: false } if self.has("uneven-slices") => {
                "pass --uneven-slices resample to interpolate onto a grid without the tilt"
            }
            Remedy::NameSeries { which, .. } if self.has("series") => {
                return format!("choose {} with --series:{}", which.words(), remedy.choices());
            }
            Remedy::ConfirmSeries if self.has("series") => {
                "if they agree all the same, name the series with --series"
            }
            Remedy::NameLesions { .. } if self.has("roi") => {
                return format!("name those that are with --roi or --labels:{}", remedy.choices());
            }
            Remedy::GiveSite { lesion } if self.has("site") => {
                return format!("give --site {lesion}=SITE");
            }
            Remedy::AllowMemory { bytes } if self.has("memory") => {
                return format!("give --memory {}M", bytes.div_ceil(1 << 20));
            }
            Remedy::GiveKvp if self.has("kvp") => "give --kvp",
            Remedy::GiveSite { .. } if self.name == "score" => "fill in the table's column site",
            Remedy::GiveKvp if self.name == "score" => "fill in the table's column kvp",
            Remedy::WithoutPerturbations if self.has("perturbations") => {
                "leave perturbations out (--perturbations 0)"
            }
            Remedy::ReplaceFolder if self.has("force") => {
                "name a new folder, or pass --force to replace it"
            }
            Remedy::NameCohort if self.has("cohort") => "give --cohort",
            Remedy::CalibrateModel => "complete it with `abscope model calibrate`",
            Remedy::MatchSettings => {
                "extract them with `abscope extract --settings` and the model's settings (`abscope \
                 model show --settings`)"
            }
            Remedy::ScoreTable => "score such a table with `abscope score`",
            Remedy::MatchFormat => "run one again with the same `abscope batch --format`",
            Remedy::ListFeatures => "`abscope features list` has them all",
            other => return other.to_string(),
        };
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use abscope::error::WhichSeries;
    use clap::CommandFactory;

    use super::*;

    fn remedies() -> Vec<Remedy> {
        vec![
            Remedy::RegridMask,
            Remedy::UnevenSlices { spacing: true },
            Remedy::UnevenSlices { spacing: false },
            Remedy::NameSeries { which: WhichSeries::One, there: vec!["1.2: 3 files".into()] },
            Remedy::ConfirmSeries,
            Remedy::NameDelineation { there: vec!["set.dcm".into()] },
            Remedy::NameLesions { there: vec!["1 (BODY, EXTERNAL)".into()] },
            Remedy::GiveSite { lesion: "3".into() },
            Remedy::GiveKvp,
            Remedy::WithoutPerturbations,
            Remedy::ReplaceFolder,
            Remedy::CalibrateModel,
            Remedy::NameCohort,
            Remedy::MatchSettings,
            Remedy::ScoreTable,
            Remedy::MatchFormat,
            Remedy::ListFeatures,
            Remedy::AllowMemory { bytes: 1 << 30 },
        ]
    }

    /// The commands that do something, with their names.
    fn leaves(name: &str, command: &clap::Command, out: &mut Vec<(String, clap::Command)>) {
        let mut below = command.get_subcommands().peekable();
        if below.peek().is_none() {
            out.push((name.trim().to_owned(), command.clone()));
        }
        for command in below {
            leaves(&format!("{name} {}", command.get_name()), command, out);
        }
    }

    fn options(text: &str) -> impl Iterator<Item = &str> {
        let end = |c: char| !(c.is_ascii_lowercase() || c == '-');
        text.split("--").skip(1).map(move |rest| rest.split(end).next().unwrap_or(""))
    }

    #[test]
    fn a_subcommand_advises_no_option_that_it_does_not_have() {
        let mut commands = Vec::new();
        leaves("", &super::super::Cli::command(), &mut commands);
        for (name, command) in &commands {
            let hints = Hints::of_command(name.clone(), command);
            for remedy in remedies() {
                let words = hints.words(&remedy);
                // Between backticks stands another command, with options of its own.
                for (at, part) in words.split('`').enumerate() {
                    let owner = if at % 2 == 0 { name.as_str() } else { part };
                    let owner = owner.trim_start_matches("abscope ").split(" --").next();
                    let owner = owner.unwrap_or("");
                    let (_, owner) = commands
                        .iter()
                        .find(|(name, _)| name == owner)
                        .unwrap_or_else(|| panic!("{words}: there is no command {owner}"));
                    let has = |option| owner.get_arguments().any(|a| a.get_long() == Some(option));
                    for option in options(part) {
                        assert!(has(option), "{name}: {words}: there is no --{option}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_hint_takes_the_place_of_the_neutral_words() {
        let error = Error::bad_data("m.nii", "lies elsewhere").with_remedy(Remedy::RegridMask);
        let error = anyhow::Error::new(error).context("case 1");
        let hints = Hints { name: "extract".into(), options: vec!["regrid-mask".into()] };
        let words = "case 1: m.nii: lies elsewhere; pass --regrid-mask to put it on the image's \
                     grid by nearest voxel";
        assert_eq!(hints.explain(&error), words);
        let hints = Hints { name: "inspect".into(), options: Vec::new() };
        let neutral = hints.explain(&error);
        assert_eq!(neutral, format!("case 1: m.nii: lies elsewhere; {}", Remedy::RegridMask));
    }
}
