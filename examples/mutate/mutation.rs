//! Ways to damage a file, from a seed.

use std::ops::Range;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::subjects::{File, Subject};

/// What is done to one file of a subject.
pub(crate) struct Mutation {
    /// The file's place in the subject.
    pub(crate) file: usize,
    /// The file that it changes places with.
    pub(crate) exchanged: Option<usize>,
    /// In words, with the place.
    pub(crate) what: String,
    /// The file's bytes afterwards.
    pub(crate) bytes: Vec<u8>,
    /// The bytes of the sound file that are others or gone.
    pub(crate) touched: Vec<Range<usize>>,
    /// Whether bytes came or went, so that what follows lies elsewhere.
    pub(crate) shifts: bool,
}

const WAYS: [(&str, u32); 9] = [
    ("bits", 30),
    ("byte", 15),
    ("number", 15),
    ("cut", 8),
    ("insert", 8),
    ("delete", 8),
    ("repeat", 6),
    ("splice", 7),
    ("exchange", 3),
];

/// Numbers that a field of a header does not expect.
const EXTREMES: [&[u8]; 16] = [
    &[0],
    &[0xff],
    &[0x80],
    &[0, 0],
    &[0xff, 0xff],
    &[0xff, 0x7f],
    &[0, 0x80],
    &[0, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0x80],
    &[0, 0, 0xc0, 0x7f],
    &[0, 0, 0x80, 0x7f],
    &[0, 0, 0, 0, 0, 0, 0, 0],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
];

/// The same for numbers that are text.
const EXTREME_TEXTS: [&str; 12] = [
    "0",
    "-1",
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "1e-320",
    "99999999999999999999",
    "65536",
    "2147483648",
    "",
    "0.0000001",
];

impl Mutation {
    /// A mutation of one of the subject's files that are to be damaged.
    pub(crate) fn draw(random: &mut ChaCha8Rng, subject: &Subject) -> Self {
        let damaged: Vec<usize> =
            (0..subject.files.len()).filter(|&at| subject.files[at].damaged).collect();
        let file = *damaged.choose(random).expect("a subject has a file to damage");
        let sound = &subject.files[file];
        let way = WAYS.choose_weighted(random, |way| way.1).expect("weights").0;
        let mut bytes = sound.bytes.clone();
        let length = bytes.len();
        let at = place(random, sound);
        let end =
            |random: &mut ChaCha8Rng, most: usize| (at + random.gen_range(1..=most)).min(length);
        let (mut touched, mut shifts, mut exchanged) = (Vec::new(), false, None);
        match way {
            "bits" => {
                let near = random.gen_bool(0.5);
                for _ in 0..random.gen_range(1..=3) {
                    let at = if near { at } else { place(random, sound) };
                    bytes[at] ^= 1 << random.gen_range(0..8);
                    touched.push(at..at + 1);
                }
            }
            "byte" => {
                bytes[at] = random.gen_range(0..=u8::MAX);
                touched.push(at..at + 1);
            }
            "number" if sound.text => {
                let is_number = |b: &u8| b.is_ascii_digit() || b".-+".contains(b);
                let start = (at..length).find(|&at| is_number(&bytes[at])).unwrap_or(at);
                let stop = (start..length).find(|&at| !is_number(&bytes[at])).unwrap_or(length);
                let text = EXTREME_TEXTS.choose(random).expect("some");
                bytes.splice(start..stop, text.bytes());
                touched.push(start..stop.max(start + 1));
                shifts = true;
            }
            "number" => {
                let mut number = EXTREMES.choose(random).expect("some").to_vec();
                if random.gen_bool(0.2) {
                    number.reverse();
                }
                let stop = (at + number.len()).min(length);
                bytes[at..stop].copy_from_slice(&number[..stop - at]);
                touched.push(at..stop);
            }
            "cut" => {
                bytes.truncate(at);
                touched.push(at..length);
                shifts = true;
            }
            "insert" => {
                let new: Vec<u8> =
                    (0..random.gen_range(1..=16)).map(|_| random.gen_range(0..=u8::MAX)).collect();
                bytes.splice(at..at, new);
                touched.push(at..at + 1);
                shifts = true;
            }
            "delete" => {
                let stop = end(random, 32);
                bytes.drain(at..stop);
                touched.push(at..stop);
                shifts = true;
            }
            "repeat" => {
                let block = bytes[at..end(random, 64)].to_vec();
                bytes.splice(at..at, block);
                touched.push(at..at + 1);
                shifts = true;
            }
            "splice" => {
                let other = &subject.files.choose(random).expect("some").bytes;
                let from = random.gen_range(0..other.len());
                let stop = end(random, 256).min(at + other.len() - from);
                bytes[at..stop].copy_from_slice(&other[from..from + stop - at]);
                touched.push(at..stop);
            }
            _ => {
                let others: Vec<usize> =
                    damaged.into_iter().filter(|&other| other != file).collect();
                exchanged = others.choose(random).copied();
                touched.push(0..length);
                shifts = true;
            }
        }
        let what = format!("{way} at {at}");
        Self { file, exchanged, what, bytes, touched, shifts }
    }

    /// What the mutation changes where nothing vouches for it, if all of it may lie there: then
    /// [`Mutation::elsewhere`] has the rest.
    pub(crate) fn apart(&self, subject: &Subject) -> Option<&'static str> {
        let file = &subject.files[self.file];
        if self.exchanged.is_some() {
            return subject.exchange;
        }
        let part = |at: usize| file.apart.iter().find(|(range, _)| range.contains(&at));
        let mut touched = self.touched.iter().cloned().flatten();
        if !self.shifts {
            let mut changed = touched.filter(|&at| file.bytes[at] != self.bytes[at]);
            return changed.find_map(part).map(|part| part.1);
        }
        if let Some(lines) = file.lines {
            return Some(lines);
        }
        let first = part(self.touched[0].start)?.1;
        (file.text && touched.all(|at| part(at).is_some())).then_some(first)
    }

    /// The file's bytes with what the mutation changes elsewhere alone.
    pub(crate) fn elsewhere(&self, subject: &Subject) -> Vec<u8> {
        let file = &subject.files[self.file];
        if self.shifts {
            return file.bytes.clone();
        }
        let mut bytes = self.bytes.clone();
        for (range, _) in &file.apart {
            bytes[range.clone()].copy_from_slice(&file.bytes[range.clone()]);
        }
        bytes
    }
}

/// Half of the places lie where the format does carry redundancy, which may be a small part.
fn place(random: &mut ChaCha8Rng, file: &File) -> usize {
    let mut at = random.gen_range(0..file.bytes.len());
    if random.gen_bool(0.5) {
        for _ in 0..20 {
            if !file.apart.iter().any(|(range, _)| range.contains(&at)) {
                break;
            }
            at = random.gen_range(0..file.bytes.len());
        }
    }
    at
}
