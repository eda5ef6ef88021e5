//! Who the patient of a file is: PatientID and its issuer, and, where that tells nobody apart, birth
//! date, sex and name.
//!
//! An export that was anonymised can call everybody ANONYMOUS. Files of one PatientID whose birth
//! dates, sexes or names contradict each other are taken for files of different people.

use std::collections::{BTreeMap, BTreeSet};

use dicom_dictionary_std::tags;

use super::object::Fields;

/// Who the patient of a file is, as far as the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatientKey {
    /// PatientID.
    pub id: String,
    /// IssuerOfPatientID.
    pub issuer: String,
    /// Which person, where PatientID and issuer do not tell.
    pub person: Option<Person>,
}

/// What a file says of a person, in words that can be compared; empty where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    /// PatientBirthDate, YYYYMMDD.
    pub birth_date: String,
    /// PatientSex: M or F.
    pub sex: String,
    /// The words of PatientName in upper case and alphabetical order.
    pub name: Vec<String>,
}

/// What stands for an id or a name that was taken out.
const PLACEHOLDERS: [&str; 22] = [
    "ANON",
    "ANONYM",
    "ANONYMOUS",
    "ANONYMIZED",
    "ANONYMISED",
    "ANONYMIZE",
    "ANONYMISE",
    "ANONYMOUSPATIENT",
    "ANONYMIZEDPATIENT",
    "DEIDENTIFIED",
    "DEFAULT",
    "NA",
    "NOID",
    "NONAME",
    "NONE",
    "NULL",
    "PATIENT",
    "REMOVED",
    "TEST",
    "UNKNOWN",
    "XXX",
    "XXXX",
];

/// Whether a text says nothing of who it is, being a placeholder or zeros.
fn is_placeholder(text: &str) -> bool {
    let plain: String =
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect();
    PLACEHOLDERS.contains(&plain.as_str()) || plain.chars().all(|c| c == '0')
}

impl PatientKey {
    /// Reads PatientID and issuer from a file's header.
    pub fn read(fields: &Fields<'_>) -> Self {
        Self {
            id: fields.text(tags::PATIENT_ID).unwrap_or_default(),
            issuer: fields.text(tags::ISSUER_OF_PATIENT_ID).unwrap_or_default(),
            person: None,
        }
    }

    /// Whether it names someone: two studies without it cannot be known to be one patient's.
    pub fn identifies(&self) -> bool {
        self.person.is_some() || !is_placeholder(&self.id)
    }

    /// Whether two of them are different patients for certain.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        differ(&self.id, &other.id) || differ(&self.issuer, &other.issuer)
    }
}

impl Person {
    /// Reads it from a file's header.
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let birth_date = fields.text(tags::PATIENT_BIRTH_DATE).unwrap_or_default();
        let digits: String = birth_date.chars().filter(char::is_ascii_digit).collect();
        let sex = fields.text(tags::PATIENT_SEX).unwrap_or_default().to_uppercase();
        let name = fields.text(tags::PATIENT_NAME).unwrap_or_default();
        // The groups after the first are the same name in other scripts (PS3.5, 6.2.1).
        let name = name.split('=').next().unwrap_or_default();
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: BTreeSet<String> =
            words.map(str::to_uppercase).filter(|word| !is_placeholder(word)).collect();
        Self {
            birth_date: if digits.len() == 8 { digits } else { String::new() },
            sex: if ["M", "F"].contains(&sex.as_str()) { sex } else { String::new() },
            name: words.into_iter().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether both cannot be the same person: other birth dates, other sexes, or other names. A name
    /// of which words are left out is no other one; nor is one that shares a word, on the same birth
    /// date, as after a marriage.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        if differ(&self.birth_date, &other.birth_date) || differ(&self.sex, &other.sex) {
            return true;
        }
        if self.name.is_empty() || other.name.is_empty() {
            return false;
        }
        let shared = self.name.iter().filter(|word| other.name.contains(word)).count();
        let born_alike = !self.birth_date.is_empty() && self.birth_date == other.birth_date;
        shared == 0 || (!born_alike && shared < self.name.len().min(other.name.len()))
    }

    /// What both together say.
    fn join(&mut self, other: &Self) {
        for (own, theirs) in
            [(&mut self.birth_date, &other.birth_date), (&mut self.sex, &other.sex)]
        {
            if own.is_empty() {
                own.clone_from(theirs);
            }
        }
        if other.name.len() > self.name.len() {
            self.name.clone_from(&other.name);
        }
    }

    /// How much it says.
    fn words(&self) -> usize {
        usize::from(!self.birth_date.is_empty())
            + usize::from(!self.sex.is_empty())
            + usize::from(!self.name.is_empty())
    }
}

/// Whether two texts that say something say other things.
fn differ(one: &str, other: &str) -> bool {
    !one.is_empty() && !other.is_empty() && one != other
}

/// The people of one PatientID.
#[derive(Debug, Default)]
pub(super) struct People {
    /// What is known of each.
    people: Vec<Person>,
    of: BTreeMap<(String, Person), usize>,
}

impl People {
    /// Tells the people apart, by StudyInstanceUID and what single files say.
    pub(super) fn of(files: BTreeSet<(String, Person)>) -> Self {
        let mut found = Self::default();
        // Those that say most come first, so that the order of files decides nothing.
        let mut files: Vec<(String, Person)> = files.into_iter().collect();
        files.sort_by_key(|(_, person)| std::cmp::Reverse(person.words()));
        for (study, person) in files {
            let fits: Vec<usize> = (0..found.people.len())
                .filter(|&at| !found.people[at].contradicts(&person))
                .collect();
            let of_study = |at: &usize| found.of.iter().any(|((s, _), i)| *s == study && i == at);
            let in_study: Vec<usize> = fits.iter().copied().filter(of_study).collect();
            let place = match (in_study.as_slice(), fits.as_slice()) {
                ([own, ..], _) | ([], [own]) => *own,
                // One that could be several of them is none of them for certain.
                _ => {
                    found.people.push(Person::default());
                    found.people.len() - 1
                }
            };
            found.people[place].join(&person);
            found.of.insert((study, person), place);
        }
        found
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// Who the file of a study is of that says this, with the key that tells the person from the
    /// others of the PatientID in `key`.
    pub(super) fn key(
        &self,
        key: &PatientKey,
        study: &str,
        person: &Person,
    ) -> (PatientKey, Person) {
        let place = self.of.get(&(study.to_owned(), person.clone())).copied();
        let person = place.map_or_else(|| person.clone(), |place| self.people[place].clone());
        let needed = self.len() > 1 || is_placeholder(&key.id);
        let needed = needed && !key.id.is_empty() && !person.is_empty();
        (PatientKey { person: needed.then(|| person.clone()), ..key.clone() }, person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(birth_date: &str, sex: &str, name: &str) -> Person {
        let name: BTreeSet<String> =
            name.split(' ').filter(|w| !w.is_empty()).map(str::to_owned).collect();
        Person {
            birth_date: birth_date.to_owned(),
            sex: sex.to_owned(),
            name: name.into_iter().collect(),
        }
    }

    #[test]
    fn people_are_told_apart_by_what_contradicts_and_by_nothing_else() {
        let doe = person("19500101", "M", "DOE JOHN");
        for same in [
            person("", "", ""),
            person("19500101", "", ""),
            person("", "M", "DOE"),
            person("19500101", "M", "JOHN SMITH"),
            person("", "", "DOE J JOHN"),
        ] {
            assert!(!doe.contradicts(&same) && !same.contradicts(&doe), "{same:?}");
        }
        for other in [
            person("19500102", "M", "DOE JOHN"),
            person("19500101", "F", "DOE JOHN"),
            person("", "", "DOE JANE"),
            person("19500101", "M", "ROE RICHARD"),
        ] {
            assert!(doe.contradicts(&other) && other.contradicts(&doe), "{other:?}");
        }
    }

    #[test]
    fn a_shared_id_has_a_key_for_each_person() {
        let files = [
            ("1", person("19500101", "M", "")),
            ("1", person("", "", "")),
            ("2", person("19600101", "", "")),
            ("3", person("19500101", "", "")),
            ("4", person("", "M", "")),
        ];
        let files = files.map(|(study, person)| (study.to_owned(), person));
        let people = People::of(files.iter().cloned().collect());
        let anonymous = PatientKey { id: "ANONYMOUS".into(), ..PatientKey::default() };
        let keys = files.map(|(study, person)| people.key(&anonymous, &study, &person).0);
        assert_eq!(keys[0], keys[1], "a file of the same study that says nothing");
        assert_eq!(keys[0], keys[3], "the same person's other study");
        assert_ne!(keys[0], keys[2]);
        assert!(keys[4] != keys[0] && keys[4] != keys[2], "it could be either");
        assert_eq!(people.len(), 3);
    }

    #[test]
    fn an_id_that_is_a_placeholder_identifies_nobody() {
        let key = |id: &str| PatientKey { id: id.into(), ..PatientKey::default() };
        for id in ["", "ANONYMOUS", "anon^", "0000", "N/A", "De-Identified"] {
            assert!(!key(id).identifies(), "{id}");
        }
        for id in ["0017", "STS_001", "ANON-3"] {
            assert!(key(id).identifies(), "{id}");
        }
    }
}
