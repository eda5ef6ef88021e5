//! Which of several structure sets and segmentations of one image is taken: a choice, never their sum,
//! since they are versions, readers or formats of the same lesions.

use std::cmp::Reverse;

use dicom_dictionary_std::tags;

use super::catalogue::{Delineation, Patient};
use super::dates::{self, Day};
use super::object::Fields;
use crate::error::{Message, private};

/// What a structure set or segmentation says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// StructureSetLabel, or ContentLabel of a segmentation.
    pub label: Option<String>,
    /// The day it was drawn, counted as the catalogue counts days.
    pub(super) day: Option<Day>,
    /// The time of that day (TM), without colons.
    pub(super) time: Option<String>,
    /// ApprovalStatus.
    pub approval: Approval,
}

/// Whether someone stands behind it (ApprovalStatus, PS3.3, C.8.8.16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Approval {
    /// Rejected.
    Rejected,
    /// Not approved, or nothing is said.
    #[default]
    Unapproved,
    /// Approved.
    Approved,
}

impl About {
    /// Of a structure set.
    pub(super) fn structure_set(fields: &Fields<'_>) -> Self {
        let label = fields.text(tags::STRUCTURE_SET_LABEL);
        let label = label.or_else(|| fields.text(tags::STRUCTURE_SET_NAME));
        Self::drawn(label, fields, (tags::STRUCTURE_SET_DATE, tags::STRUCTURE_SET_TIME))
    }

    /// Of a segmentation.
    pub(super) fn segmentation(fields: &Fields<'_>) -> Self {
        let label = fields.text(tags::CONTENT_LABEL);
        let label = label.or_else(|| fields.text(tags::CONTENT_DESCRIPTION));
        Self::drawn(label, fields, (tags::CONTENT_DATE, tags::CONTENT_TIME))
    }

    fn drawn(
        label: Option<String>,
        fields: &Fields<'_>,
        own: (dicom_core::Tag, dicom_core::Tag),
    ) -> Self {
        let others = [
            (tags::INSTANCE_CREATION_DATE, tags::INSTANCE_CREATION_TIME),
            (tags::SERIES_DATE, tags::SERIES_TIME),
        ];
        // A day goes with its own time only.
        let mut places = std::iter::once(own).chain(others);
        let found = places.find_map(|(date, time)| Some((dates::day(fields, &[date])?, time)));
        let (day, time) = found.map_or((None, None), |(day, time)| (Some(day), Some(time)));
        Self {
            label,
            day,
            time: time.and_then(|tag| dates::time(fields, tag)),
            approval: match fields.text(tags::APPROVAL_STATUS).as_deref() {
                Some("APPROVED") => Approval::Approved,
                Some("REJECTED") => Approval::Rejected,
                _ => Approval::Unapproved,
            },
        }
    }

    /// In words: label, day since the patient's first study, and approval.
    pub fn words(&self, patient: &Patient) -> Message {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.label.as_ref().map(|label| format!("\"{}\"", private(label))));
        let day = self.day.and_then(|day| patient.days_until(day)).map(|day| format!("day {day}"));
        words.extend(day);
        words.extend(self.time.as_deref().and_then(dates::clock));
        match self.approval {
            Approval::Approved => words.push("approved".to_owned()),
            Approval::Rejected => words.push("rejected".to_owned()),
            Approval::Unapproved => {}
        }
        words.join(", ").into()
    }
}

/// The one that is taken, and the others.
pub(super) struct Preferred<'a> {
    pub(super) taken: Delineation<'a>,
    pub(super) left: Vec<Delineation<'a>>,
}

/// The delineation of one image that is taken: of those with a wanted region (`holds`), if any, the
/// approved one, and of several the latest.
///
/// # Errors
/// Nothing tells which of them that is.
pub(super) fn preferred<'a>(
    mut all: Vec<Delineation<'a>>,
    holds: &dyn Fn(&Delineation<'_>) -> bool,
) -> Result<Preferred<'a>, Vec<Delineation<'a>>> {
    let rank = |d: &Delineation<'_>| {
        let about = &d.references.about;
        (holds(d), about.approval, about.day, about.time.clone())
    };
    all.sort_by_cached_key(|d| Reverse(rank(d)));
    match all.as_slice() {
        [only] => Ok(Preferred { taken: *only, left: Vec::new() }),
        [first, second, ..] if rank(first) != rank(second) => {
            Ok(Preferred { taken: *first, left: all[1..].to_vec() })
        }
        _ => Err(all),
    }
}

impl Preferred<'_> {
    /// What has to be told.
    pub(super) fn warnings(&self) -> Vec<Message> {
        let mut warnings = Vec::new();
        let kind = &self.taken.series.modality;
        if !self.left.is_empty() {
            let left: Vec<Message> = self.left.iter().map(Delineation::called).collect();
            let text = format!(
                "{} structure sets or segmentations belong to this image, and one is measured: {}; \
                 left out: {}",
                left.len() + 1,
                self.taken.called().marked(),
                left.iter().map(Message::marked).collect::<Vec<_>>().join("; ")
            );
            warnings.push(text.into());
        }
        if self.taken.references.about.approval == Approval::Rejected {
            warnings.push(format!("the {kind} has the approval status REJECTED").into());
        }
        warnings
    }
}
