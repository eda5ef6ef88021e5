//! A part of a cohort for one of several machines.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// Shard `index` of `count`, written `index/count`, the first being 1.
///
/// All cases of a patient are in one shard. Which one follows from the patient's id alone, not from
/// the order of the manifest, so that a manifest that grows moves no patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard {
    /// Which one, from 1.
    pub index: u64,
    /// How many there are.
    pub count: u64,
}

impl Shard {
    /// The whole cohort.
    pub const WHOLE: Self = Self { index: 1, count: 1 };

    /// Whether a patient's cases are in this shard.
    pub fn holds(self, patient: &str) -> bool {
        let digest = Sha256::digest(patient);
        let number = digest[..8].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        number % self.count == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split_once('/')
            .and_then(|(index, count)| {
                Some(Self { index: index.parse().ok()?, count: count.parse().ok()? })
            })
            .filter(|shard| (1..=shard.count).contains(&shard.index))
            .ok_or_else(|| {
                format!("\"{text}\" is no shard; give i/n with i from 1 to n, such as 2/8")
            })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patient_is_in_exactly_one_shard_and_the_shards_are_even() {
        let count = 4;
        let mut sizes = [0; 4];
        for patient in 0..4000 {
            let patient = format!("P{patient}");
            let shards = (1..=count).filter(|&index| Shard { index, count }.holds(&patient));
            let [index] = shards.collect::<Vec<_>>()[..] else { panic!("not in one shard") };
            sizes[index as usize - 1] += 1;
        }
        // Binomial with 4000 draws at 1/4: standard deviation 27; five of them.
        assert!(sizes.iter().all(|n| (865..=1135).contains(n)), "{sizes:?}");
    }

    #[test]
    fn a_shard_is_i_of_n() {
        assert_eq!("2/8".parse(), Ok(Shard { index: 2, count: 8 }));
        for wrong in ["", "2", "0/8", "9/8", "1/0", "a/b", "-1/4"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
