//! Dates of studies and of what was drawn, as days: only their distances leave the program.

use dicom_core::Tag;
use dicom_core::chrono::{Datelike, NaiveDate};

use super::object::Fields;

/// A day, counted from one day for all files.
pub(super) type Day = i32;

/// The date of the first of these elements that has one (DA, PS3.5, 6.2; also with points, as files of
/// before 1993 write it).
pub(super) fn day(fields: &Fields<'_>, tags: &[Tag]) -> Option<Day> {
    tags.iter().find_map(|tag| parse(&fields.text(*tag)?))
}

fn parse(text: &str) -> Option<Day> {
    let digits: String = text.chars().filter(|c| *c != '.').collect();
    if digits.len() < 8 || !digits.is_char_boundary(8) {
        return None;
    }
    let date = NaiveDate::parse_from_str(&digits[..8], "%Y%m%d").ok()?;
    Some(date.num_days_from_ce())
}

/// A time (TM) without the colons that files of before 1993 have: times of one day are in its order.
pub(super) fn time(fields: &Fields<'_>, tag: Tag) -> Option<String> {
    Some(fields.text(tag)?.chars().filter(|c| *c != ':').collect())
}

/// Hours and minutes of a time without colons, as HH:MM.
pub(super) fn clock(time: &str) -> Option<String> {
    let is_time = time.len() >= 4 && time.bytes().take(4).all(|b| b.is_ascii_digit());
    is_time.then(|| format!("{}:{}", &time[..2], &time[2..4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Oracle: Python's `datetime.date.toordinal`.
    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(parse("20240229"), Some(738_945));
        assert_eq!(parse("2023.03.01"), Some(738_580));
        assert_eq!(parse("20240229120000"), Some(738_945));
        for none in ["20230229", "2024", "", "0000\u{e9}000", "ABCDEFGH"] {
            assert_eq!(parse(none), None, "{none}");
        }
    }
}
