//! What is done when the program is told to end, by ^C, by a scheduler or by a terminal that closes:
//! nothing half written is left, and what a run has finished is kept.

#[cfg(unix)]
pub(crate) use unix::clean_up_when_told_to_end;

#[cfg(unix)]
mod unix {
    use std::ffi::c_int;
    use std::thread::Builder;

    use abscope::output;
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    /// Watches for SIGINT, SIGTERM and SIGHUP, but for those that whoever started the program has it
    /// ignore (`nohup`). The exit status is 128 and the number of the signal. Where they cannot be watched,
    /// they end the program as SIGKILL does, which the next run mends.
    pub(crate) fn clean_up_when_told_to_end() {
        let ignored = ignored();
        let ends = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |s| !ignored.contains(s));
        // Before the thread is there, so that none is missed by what is begun meanwhile.
        let Ok(mut signals) = Signals::new(ends) else { return };
        let _ = Builder::new().name("signals".into()).spawn(move || {
            let Some(signal) = signals.forever().next() else { return };
            // Told again, it ends though a disk does not answer.
            let _ = Builder::new().spawn(move || signals.forever().next().map(end));
            output::discard_unfinished();
            end(signal);
        });
    }

    #[allow(clippy::exit, reason = "a signal ends the program, whatever it does")]
    fn end(signal: c_int) {
        std::process::exit(128 + signal);
    }

    /// Signals that are ignored, where the system tells (proc_pid_status(5)).
    fn ignored() -> Vec<c_int> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
    }
}

#[cfg(not(unix))]
pub(crate) fn clean_up_when_told_to_end() {}
