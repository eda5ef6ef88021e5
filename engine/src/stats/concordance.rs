//! Harrell's concordance index of a risk score with a time to event.
//!
//! Harrell, Lee and Mark, Stat Med 1996. A pair counts where the shorter time is an event; two
//! events at one time do not count; an event and a censoring at one time count, the censored living
//! longer; tied scores count half. As `survival::concordance` in R.

/// Concordant, discordant and tied pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Higher risk failed first.
    pub concordant: f64,
    /// Lower risk failed first.
    pub discordant: f64,
    /// Equal risk.
    pub tied: f64,
}

impl Pairs {
    /// The index, 0 to 1; `None` without comparable pairs.
    pub fn index(&self) -> Option<f64> {
        let all = self.concordant + self.discordant + self.tied;
        (all > 0.0).then(|| (self.concordant + 0.5 * self.tied) / all)
    }
}

/// Counts the comparable pairs of `risk` (higher fails earlier) with times and events.
pub fn pairs(risk: &[f64], time: &[f64], event: &[bool]) -> Pairs {
    let mut pairs = Pairs::default();
    for first in (0..risk.len()).filter(|i| event[*i]) {
        for other in 0..risk.len() {
            let later = time[other] > time[first] || (time[other] == time[first] && !event[other]);
            if !later {
                continue;
            }
            match risk[first].total_cmp(&risk[other]) {
                _ if risk[first] == risk[other] => pairs.tied += 1.0,
                std::cmp::Ordering::Greater => pairs.concordant += 1.0,
                _ => pairs.discordant += 1.0,
            }
        }
    }
    pairs
}

/// Harrell's C; `None` without comparable pairs.
pub fn c_index(risk: &[f64], time: &[f64], event: &[bool]) -> Option<f64> {
    pairs(risk, time, event).index()
}
