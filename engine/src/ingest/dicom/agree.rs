//! In what the slices of one series must agree to be one volume, and in what else they differ.
//!
//! A slice of another size, depth or place would be measured wrong or left out; one of another
//! rescale slope, kernel, tube voltage or phase is measured as it says, and told.

use std::collections::{BTreeMap, BTreeSet};

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::header::{Acquisition, Frame};
use super::object::name;
use super::series::Slice;
use super::stack::Plane;
use crate::error::{Error, Result};

/// Elements that name what a series belongs to. Their values are shown where they name no person.
const BELONGING: [(Tag, bool); 3] = [
    (tags::PATIENT_ID, false),
    (tags::STUDY_INSTANCE_UID, true),
    (tags::FRAME_OF_REFERENCE_UID, true),
];

/// # Errors
/// A file names another patient, study or frame of reference than the other files.
pub(super) fn belonging(slices: &[Slice]) -> Result<()> {
    for (tag, shown) in BELONGING {
        let of = |slice: &Slice| slice.opened.fields().text(tag);
        let Some(odd) = odd(slices, |s| Some(of(s))) else { continue };
        let said = |value: Option<String>| match value {
            None => "missing".to_owned(),
            Some(value) if shown => format!("\"{value}\""),
            Some(_) => "another one".to_owned(),
        };
        let others = if shown { said(odd.usual) } else { "a common one".to_owned() };
        let value = said(odd.value);
        return Err(refused(odd.slice, &name(tag), &value, &others, odd.count));
    }
    Ok(())
}

/// # Errors
/// A file has another size of its image, or other stored values, than the other files.
pub(super) fn format(slices: &[Slice]) -> Result<()> {
    let same = |tag: Tag, of: &dyn Fn(&Slice) -> Option<String>| match odd(slices, of) {
        None => Ok(()),
        Some(odd) => Err(refused(odd.slice, &name(tag), &odd.value, &odd.usual, odd.count)),
    };
    same(tags::ROWS, &|s| Some(s.header.format.rows.to_string()))?;
    same(tags::COLUMNS, &|s| Some(s.header.format.columns.to_string()))?;
    same(tags::BITS_ALLOCATED, &|s| Some(s.header.format.bits_allocated.to_string()))?;
    same(tags::BITS_STORED, &|s| Some(s.header.format.bits_stored.to_string()))?;
    same(tags::HIGH_BIT, &|s| Some(s.header.format.high_bit.to_string()))?;
    same(tags::PIXEL_REPRESENTATION, &|s| Some(u8::from(s.header.format.signed).to_string()))?;
    same(tags::PHOTOMETRIC_INTERPRETATION, &|s| s.header.photometric.clone())
}

/// # Errors
/// A plane has another orientation or pixel spacing than the others.
pub(super) fn placement(slices: &[Slice], planes: &[Plane]) -> Result<()> {
    let mut groups: Vec<Vec<&Plane>> = Vec::new();
    for plane in planes {
        match groups.iter_mut().find(|group| group[0].parallel(plane)) {
            Some(group) => group.push(plane),
            None => groups.push(vec![plane]),
        }
    }
    // Of as many planes the first group stays.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let [usual, other, ..] = groups.as_slice() else { return Ok(()) };
    let (plane, of_most) = (other[0], usual[0]);
    let directions = |frame: &Frame| {
        let [[a, b, c], [d, e, f]] = frame.axes;
        format!("{a}\\{b}\\{c}\\{d}\\{e}\\{f}")
    };
    let (tag, value, others) = if plane.oriented_like(of_most) {
        let spacing = |frame: &Frame| format!("{}\\{} mm", frame.spacing[1], frame.spacing[0]);
        (tags::PIXEL_SPACING, spacing(&plane.frame), spacing(&of_most.frame))
    } else {
        let (value, others) = (directions(&plane.frame), directions(&of_most.frame));
        (tags::IMAGE_ORIENTATION_PATIENT, value, others)
    };
    Err(refused(&slices[plane.file], &name(tag), &value, &others, usual.len()))
}

fn refused(slice: &Slice, what: &str, value: &str, others: &str, count: usize) -> Error {
    Error::bad_data(
        &slice.opened.path,
        format!(
            "{what} is {value}, where {count} of the other slices of its series have {others}; \
             fetch the file again, or remove it if it is no slice of this volume"
        ),
    )
}

struct Odd<'a, T> {
    slice: &'a Slice,
    value: T,
    /// What most slices have, and how many.
    usual: T,
    count: usize,
}

/// The first slice that has not what most have, where it has anything.
fn odd<T: Ord + Clone>(slices: &[Slice], of: impl Fn(&Slice) -> Option<T>) -> Option<Odd<'_, T>> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for value in slices.iter().filter_map(&of) {
        *counts.entry(value).or_default() += 1;
    }
    // Of as frequent values the first stays.
    let (usual, count) = counts.into_iter().rev().max_by_key(|(_, count)| *count)?;
    let differs = |slice| Some((slice, of(slice).filter(|value| *value != usual)?));
    let (slice, value) = slices.iter().find_map(differs)?;
    Some(Odd { slice, value, usual, count })
}

/// What the slices have in common of their acquisition; what they differ in is told.
///
/// # Errors
/// A number that is none.
pub(super) fn acquisition(slices: &[Slice], warnings: &mut Vec<String>) -> Result<Acquisition> {
    let all = slices
        .iter()
        .map(|s| Acquisition::read(&s.opened.fields()))
        .collect::<Result<Vec<Acquisition>>>()?;
    let mut common = all[0].clone();
    macro_rules! same {
        ($field:ident, $what:literal) => {
            if all.iter().any(|a| a.$field != common.$field) {
                warnings.push(format!("slices differ in {}, which was taken as unknown", $what));
                common.$field = None;
            }
        };
    }
    same!(kvp, "tube voltage");
    same!(kernel, "convolution kernel");
    same!(contrast, "contrast agent");
    same!(phase, "phase of contrast");
    same!(slice_thickness, "slice thickness");
    rescale(slices, warnings);
    phases(slices, warnings);
    Ok(common)
}

fn rescale(slices: &[Slice], warnings: &mut Vec<String>) {
    let frames = slices.iter().flat_map(|s| &s.header.frames);
    let ways: BTreeSet<(String, String)> =
        frames.map(|f| (f.slope.to_string(), f.intercept.to_string())).collect();
    if ways.len() < 2 {
        return;
    }
    let shown = ways.iter().take(2).map(|(slope, intercept)| format!("{slope} and {intercept}"));
    let more = if ways.len() > 2 { format!("; {} more", ways.len() - 2) } else { String::new() };
    warnings.push(format!(
        "slices differ in rescale slope and intercept ({}{more}), and each was taken by its own",
        shown.collect::<Vec<_>>().join("; ")
    ));
}

/// Phases of one examination: where a scanner makes each slice an acquisition of its own, the numbers
/// say nothing.
fn phases(slices: &[Slice], warnings: &mut Vec<String>) {
    for (tag, what) in [
        (tags::ACQUISITION_NUMBER, "acquisitions"),
        (tags::TEMPORAL_POSITION_IDENTIFIER, "temporal positions"),
        (tags::NOMINAL_PERCENTAGE_OF_CARDIAC_PHASE, "cardiac phases"),
    ] {
        let values: BTreeSet<Option<String>> =
            slices.iter().map(|s| s.opened.fields().text(tag)).collect();
        if values.len() > 1 && 2 * values.len() <= slices.len() {
            warnings.push(format!(
                "slices are of {} {what} ({}), which may be phases of contrast; all were measured",
                values.len(),
                name(tag)
            ));
        }
    }
}
