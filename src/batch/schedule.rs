//! How much may be in memory at once.
//!
//! A case is admitted when what reading it takes fits what is left of the budget; when it is loaded, what
//! it takes from there on replaces that, if it fits. What does not fit beside others is put off and
//! runs when it does. So memory is bounded by the budget, whatever the cohort.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A budget of memory and of cases in flight.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    cases: usize,
    used: Mutex<Used>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Used {
    bytes: u64,
    cases: usize,
}

/// The share of an admitted case; given back when dropped.
#[derive(Debug)]
pub struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes and cases.
    pub fn new(bytes: u64, cases: usize) -> Self {
        Self { bytes, cases: cases.max(1), used: Mutex::default(), freed: Condvar::new() }
    }

    /// The whole of it.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        // A panic between two updates of plain numbers leaves nothing half done.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a case of this size fits. One that is larger than the whole budget runs alone.
    pub fn admit(&self, bytes: u64) -> Share<'_> {
        let fits = |used: &Used| {
            let alone = used.cases == 0;
            alone || (used.cases < self.cases && used.bytes.saturating_add(bytes) <= self.bytes)
        };
        let mut used = self
            .freed
            .wait_while(self.used(), |used| !fits(used))
            .unwrap_or_else(PoisonError::into_inner);
        used.cases += 1;
        used.bytes = used.bytes.saturating_add(bytes);
        Share { budget: self, bytes }
    }
}

impl Share<'_> {
    /// The whole budget.
    pub fn budget(&self) -> u64 {
        self.budget.bytes
    }

    /// Replaces the share by what `choose` makes of all that the other cases leave, unless that is
    /// nothing; whether it is something.
    pub fn fit<T>(&mut self, choose: impl FnOnce(u64) -> Option<(u64, T)>) -> Option<T> {
        let mut used = self.budget.used();
        let others = used.bytes.saturating_sub(self.bytes);
        let (bytes, chosen) = choose(self.budget.bytes.saturating_sub(others))?;
        used.bytes = others.saturating_add(bytes);
        self.bytes = bytes;
        drop(used);
        self.budget.freed.notify_all();
        Some(chosen)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        used.cases -= 1;
        used.bytes = used.bytes.saturating_sub(self.bytes);
        drop(used);
        self.budget.freed.notify_all();
    }
}

/// Half of the memory that is free now; 4 GiB where the system does not say.
pub fn default_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map_or(4 << 30, |kib| kib * 1024 / 2)
}

/// A size such as `4G`, `512M` or a number of bytes; powers of 1024.
///
/// # Errors
/// What the text should look like.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("\"{text}\" is no size; give a number with M or G, such as 4G");
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        "T" | "TB" | "TIB" => 40,
        _ => return Err(refuse()),
    };
    let number: f64 = digits.parse().map_err(|_| refuse())?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes >= 1.0 && bytes < 2f64.powi(60) { Ok(bytes as u64) } else { Err(refuse()) }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_is_in_flight_never_exceeds_the_budget() {
        let budget = Budget::new(100, 8);
        let (now, peak) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for size in [30, 50, 20, 70, 100, 10, 60, 40, 90, 25] {
                let (budget, now, peak) = (&budget, &now, &peak);
                scope.spawn(move || {
                    let _share = budget.admit(size);
                    let total = now.fetch_add(size, Ordering::SeqCst) + size;
                    peak.fetch_max(total, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(5));
                    now.fetch_sub(size, Ordering::SeqCst);
                });
            }
        });
        assert!(peak.into_inner() <= 100);
    }

    #[test]
    fn a_case_larger_than_the_budget_runs_alone() {
        let budget = Budget::new(10, 8);
        let share = budget.admit(1000);
        drop(share);
        let mut small = budget.admit(4);
        assert_eq!(small.fit(|available| Some((8, available))), Some(10));
        assert_eq!(budget.used().bytes, 8);
        let mut other = budget.admit(2);
        assert_eq!(other.fit(|available| Some((1, available))), Some(2));
        assert_eq!(small.fit(|available| (available > 9).then_some((10, ()))), None);
        assert_eq!(budget.used().bytes, 9);
    }

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        assert_eq!(parse_bytes("4G"), Ok(4 << 30));
        assert_eq!(parse_bytes("1.5 MiB".replace(' ', "").as_str()), Ok(3 << 19));
        for wrong in ["", "G", "4X", "-1G", "0", "nan"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
    }
}
