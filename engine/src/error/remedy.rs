//! Ways out of an error.

use std::fmt::{self, Display, Formatter};

use super::Message;

/// What a caller can do about an error.
///
/// `Display` says it in the library's own terms. A command line matches on the variant and names its
/// option; a table's reader names the column.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Put the mask on the image's grid.
    RegridMask,
    /// Interpolate slices onto even places.
    UnevenSlices {
        /// Whether they are unevenly spaced, so that missing ones could be fetched, or only tilted.
        spacing: bool,
    },
    /// Say which CT series is meant.
    NameSeries {
        /// What the series has to be.
        which: WhichSeries,
        /// The series that are there, one line each, SeriesInstanceUID first.
        there: Vec<Message>,
    },
    /// Name the CT series, and so take the responsibility that it is the one that was drawn on.
    ConfirmSeries,
    /// Name one of several structure sets or segmentations as the mask.
    NameDelineation {
        /// Those that are there, one line each, file first.
        there: Vec<Message>,
    },
    /// Name the regions that are lesions.
    NameLesions {
        /// Those that are there, number first.
        there: Vec<Message>,
    },
    /// Give the site of a lesion.
    GiveSite {
        /// The lesion's id.
        lesion: String,
    },
    /// Give the tube voltage of the CT.
    GiveKvp,
    /// Leave perturbed copies out of the measurement error.
    WithoutPerturbations,
    /// Name a new folder, or let the one that is there be replaced.
    ReplaceFolder,
    /// Complete a model with centre and scale of a cohort.
    CalibrateModel,
    /// Name the cohort that a model is calibrated with.
    NameCohort,
    /// Extract the features anew, with the settings of the model.
    MatchSettings,
    /// Extract the features anew, with this version.
    ExtractAnew,
    /// Train the model anew, on features of this version.
    TrainAnew,
    /// Score a table of the engine that the model was trained on, instead of images.
    ScoreTable,
    /// Run one part of a cohort again, with the feature table in the format of the others.
    MatchFormat,
    /// Look a feature's id up.
    ListFeatures,
    /// Allow more memory.
    AllowMemory {
        /// What is needed, bytes.
        bytes: u64,
    },
}

/// Which of several series is to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhichSeries {
    /// Any of them.
    One,
    /// The one on which the lesions were drawn, which the file does not say.
    DrawnOn,
    /// Another one than the lesions refer to, which is not there.
    Another,
}

impl WhichSeries {
    /// As the object of a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::DrawnOn => "the one it was drawn on",
            Self::Another => "another one",
        }
    }
}

impl Remedy {
    /// What there is to choose from, one choice a line, each after a line break; empty where the
    /// remedy is no choice.
    pub fn choices(&self) -> Message {
        const SHOWN: usize = 20;
        let there = match self {
            Self::NameSeries { there, .. }
            | Self::NameDelineation { there }
            | Self::NameLesions { there } => there.as_slice(),
            _ => &[],
        };
        let lines = there.iter().take(SHOWN).map(|line| format!("\n  {}", line.marked()));
        let mut text: String = lines.collect();
        if there.len() > SHOWN {
            text.push_str(&format!("\n  and {} more", there.len() - SHOWN));
        }
        text.into()
    }
}

/// As [`Remedy::message`], whole.
impl Display for Remedy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl Remedy {
    /// In the library's own terms.
    pub fn message(&self) -> Message {
        match self {
            Self::RegridMask => "put the mask on the image's grid by nearest voxel",
            Self::UnevenSlices { spacing: true } => {
                "fetch the missing slices, or have even ones interpolated from those that are there"
            }
            Self::UnevenSlices { spacing: false } => {
                "have them interpolated onto a grid without the tilt"
            }
            Self::NameSeries { which, .. } => {
                let (which, choices) = (which.words(), self.choices());
                return format!("choose {which} by its SeriesInstanceUID:{}", choices.marked())
                    .into();
            }
            Self::ConfirmSeries => {
                "if they agree all the same, name the series by its SeriesInstanceUID"
            }
            Self::NameDelineation { .. } => {
                return format!("name one of their files as the mask:{}", self.choices().marked())
                    .into();
            }
            Self::NameLesions { .. } => {
                return format!("name those that are all the same:{}", self.choices().marked())
                    .into();
            }
            Self::AllowMemory { bytes } => {
                return format!("allow {} MiB of memory", bytes.div_ceil(1 << 20)).into();
            }
            Self::GiveSite { lesion } => {
                return format!("give the site of lesion {lesion}").into();
            }
            Self::GiveKvp => "give the tube voltage of the CT in kV",
            Self::WithoutPerturbations => {
                "leave perturbed copies out and take the model's reliability"
            }
            Self::ReplaceFolder => "name a new folder, or have this one replaced",
            Self::CalibrateModel => "complete the model with a cohort's centre and scale",
            Self::NameCohort => "give the cohort's name",
            Self::MatchSettings => "extract the features with the settings of the model",
            Self::ExtractAnew => "extract the features anew with this version",
            Self::TrainAnew => "train the model anew on features of this version",
            Self::ScoreTable => "give it a feature table of that engine",
            Self::MatchFormat => "run one again with the format of the others",
            Self::ListFeatures => "see the list of all features for its id",
        }
        .into()
    }
}
