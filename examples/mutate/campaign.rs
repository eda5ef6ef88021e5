//! Mutations in processes of their own, counted by what became of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::mutation::Mutation;
use crate::subjects::{self, Seen, Subject};

/// The environment variable that makes a process a worker: `FORMAT SEED FROM TO`.
pub(crate) const WORKER: &str = "ABSCOPE_MUTATION_WORKER";
/// What begins a worker's lines, among what else a process may print.
const LINE: &str = "mutation:";
/// More is a hang.
const PATIENCE: Duration = Duration::from_secs(10);
/// More is too much, bytes.
const MEMORY: u64 = 1 << 30;

/// What became of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fate {
    Refused,
    Warned,
    Unchanged,
    Apart,
    Silent,
    Panic,
    Signal,
    Hang,
    Memory,
}

impl Fate {
    pub(crate) const ALL: [Self; 9] = [
        Self::Refused,
        Self::Warned,
        Self::Unchanged,
        Self::Apart,
        Self::Silent,
        Self::Panic,
        Self::Signal,
        Self::Hang,
        Self::Memory,
    ];

    pub(crate) fn is_failure(self) -> bool {
        self >= Self::Silent
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Warned => "warned",
            Self::Unchanged => "unchanged",
            Self::Apart => "apart",
            Self::Silent => "silent",
            Self::Panic => "panics",
            Self::Signal => "signals",
            Self::Hang => "hangs",
            Self::Memory => "memory",
        }
    }
}

/// The counts of one format.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) fates: BTreeMap<Fate, u64>,
    /// Largest resident size of a process that read mutated files, bytes.
    pub(crate) peak: u64,
    /// The failures, in words.
    pub(crate) failures: Vec<String>,
    /// What mutations that are counted apart have changed, and how often.
    pub(crate) apart: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn of(&self, fate: Fate) -> u64 {
        self.fates.get(&fate).copied().unwrap_or(0)
    }

    fn note(&mut self, name: &str, number: u64, fate: Fate, about: &str) {
        *self.fates.entry(fate).or_default() += 1;
        if fate.is_failure() {
            self.failures.push(format!("{name} {number}: {}: {about}", fate.name()));
        }
        if fate == Fate::Apart {
            *self.apart.entry(about.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (fate, count) in other.fates {
            *self.fates.entry(fate).or_default() += count;
        }
        for (part, count) in other.apart {
            *self.apart.entry(part).or_default() += count;
        }
        self.peak = self.peak.max(other.peak);
        self.failures.extend(other.failures);
    }
}

/// Runs these mutations of a format in workers; `start` makes the command of one.
pub(crate) fn run(
    name: &str,
    seed: u64,
    mut numbers: std::ops::Range<u64>,
    start: &dyn Fn() -> Command,
) -> Tally {
    let mut tally = Tally::default();
    while !numbers.is_empty() {
        let request = format!("{name} {seed} {} {}", numbers.start, numbers.end);
        let mut command = start();
        command.env(WORKER, request).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a worker starts");
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().expect("it is piped");
        let errors = child.stderr.take().expect("it is piped");
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(LINE) {
                    let _ = sender.send(line.trim().to_owned());
                }
            }
        });
        let errors = std::thread::spawn(move || {
            let lines = BufReader::new(errors).lines().map_while(Result::ok);
            lines.fold(String::new(), |_, line| line)
        });
        let died = loop {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) if line == "ready" => {}
                Ok(line) => {
                    let mut words = line.splitn(4, ' ');
                    let number = words.next().and_then(|word| word.parse().ok());
                    let fate = words.next();
                    let fate = Fate::ALL.into_iter().find(|f| Some(f.name()) == fate);
                    let peak: Option<u64> = words.next().and_then(|word| word.parse().ok());
                    let (Some(number), Some(fate), Some(peak)) = (number, fate, peak) else {
                        panic!("a worker says {line:?}");
                    };
                    tally.peak = tally.peak.max(peak);
                    let fate =
                        if peak > MEMORY && !fate.is_failure() { Fate::Memory } else { fate };
                    tally.note(name, number, fate, words.next().unwrap_or_default());
                    numbers.start = number + 1;
                }
                Err(RecvTimeoutError::Disconnected) => break None,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().expect("a worker of our own");
                    break Some(Fate::Hang);
                }
            }
        };
        let status = end(child);
        reader.join().expect("it only reads");
        let last = errors.join().expect("it only reads");
        if !numbers.is_empty() {
            let fate = died.unwrap_or(Fate::Signal);
            tally.note(name, numbers.start, fate, &format!("{status}: {last}"));
            numbers.start += 1;
        }
    }
    tally
}

fn end(mut child: Child) -> String {
    child.wait().map_or_else(|e| e.to_string(), |status| status.to_string())
}

/// Does what the environment asks of a worker; whether it asked.
pub(crate) fn work() -> bool {
    let Ok(request) = std::env::var(WORKER) else { return false };
    let words: Vec<&str> = request.split(' ').collect();
    let [name, seed, from, to] = words[..] else { panic!("{WORKER} is {request:?}") };
    let number = |word: &str| word.parse::<u64>().expect("a number");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut subject = subjects::make(name, folder.path()).expect("a sound subject");
    let sound = subject.read().expect("a sound subject is read");
    let again = subject.read().expect("and read again");
    assert_eq!(sound.values, again.values, "it has the same values twice");
    say("ready");
    for at in number(from)..number(to) {
        let mut random = ChaCha8Rng::seed_from_u64(number(seed));
        random.set_stream(at);
        let mutation = Mutation::draw(&mut random, &subject);
        reset_peak();
        subject.put(&mutation).expect("room in the temporary folder");
        let seen = catch_unwind(AssertUnwindSafe(|| subject.read()));
        let (fate, about) = fate(&subject, &mutation, &sound, seen);
        let file = &subject.files[mutation.file].name;
        let about =
            if fate.is_failure() { format!("{file}, {}: {about}", mutation.what) } else { about };
        let about = about.replace('\n', " ");
        say(&format!("{at} {} {} {about}", fate.name(), peak()));
        subject.restore(&mutation).expect("room in the temporary folder");
    }
    true
}

fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{LINE} {line}").expect("a parent that listens");
    output.flush().expect("a parent that listens");
}

fn fate(
    subject: &Subject,
    mutation: &Mutation,
    sound: &Seen,
    seen: std::thread::Result<Result<Seen, String>>,
) -> (Fate, String) {
    let seen = match seen {
        Err(_) => return (Fate::Panic, String::new()),
        Ok(Err(error)) => return (Fate::Refused, error),
        Ok(Ok(seen)) => seen,
    };
    if seen.values == sound.values {
        return (Fate::Unchanged, String::new());
    }
    let told: BTreeSet<&String> = seen.told.difference(&sound.told).collect();
    if let Some(told) = told.first() {
        return (Fate::Warned, (*told).clone());
    }
    if let Some(part) = mutation.apart(subject) {
        subject.put_rest(mutation).expect("room in the temporary folder");
        match subject.read() {
            Ok(rest) if rest.values == sound.values => return (Fate::Apart, part.to_owned()),
            _ => {}
        }
    }
    (Fate::Silent, difference(&sound.values, &seen.values))
}

/// Where two texts begin to differ.
fn difference(a: &str, b: &str) -> String {
    let at = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let part = |text: &str| {
        let bytes = text.as_bytes();
        let (from, to) = (at.saturating_sub(40).min(bytes.len()), (at + 40).min(bytes.len()));
        String::from_utf8_lossy(&bytes[from..to]).into_owned()
    };
    format!("{} -> {}", part(a), part(b))
}

/// Forgets the largest resident size so far, where the system can.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident size since it was forgotten, bytes; 0 where the system does not tell.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
