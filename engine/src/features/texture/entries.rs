//! Sparse matrices: sorted lists of what occurs.

/// A matrix element that is not zero.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// Rank of the grey level.
    pub rank: u32,
    /// The second index: another rank, a length, a size, a distance, a dependence.
    pub second: u32,
    /// How often, times a direction's weight.
    pub count: f64,
}

/// Entries from unsorted keys `rank << 32 | second`, one per occurrence.
pub(super) fn from_keys(mut keys: Vec<u64>) -> Vec<Entry> {
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b)
        .map(|same| Entry {
            rank: (same[0] >> 32) as u32,
            second: same[0] as u32,
            count: same.len() as f64,
        })
        .collect()
}

/// A key that sorts by rank, then by the second index.
pub(super) fn key(rank: u16, second: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(second)
}

/// `first + weight * other`, both sorted.
pub(super) fn sum(first: &[Entry], other: &[Entry], weight: f64) -> Vec<Entry> {
    let place = |entry: &Entry| (entry.rank, entry.second);
    let mut merged = Vec::with_capacity(first.len().max(other.len()));
    let (mut a, mut b) = (first.iter().peekable(), other.iter().peekable());
    loop {
        let entry = match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if place(x) == place(y) => {
                let entry = Entry { count: x.count + weight * y.count, ..**x };
                a.next();
                b.next();
                entry
            }
            (Some(x), Some(y)) if place(x) < place(y) => {
                let entry = **x;
                a.next();
                entry
            }
            (Some(x), None) => {
                let entry = **x;
                a.next();
                entry
            }
            (_, Some(y)) => {
                let entry = Entry { count: weight * y.count, ..**y };
                b.next();
                entry
            }
            (None, None) => return merged,
        };
        merged.push(entry);
    }
}

/// Counts of (rank, second) with small second indices in a table and the rest in a list.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    width: usize,
    table: Vec<u64>,
    rest: Vec<u64>,
}

impl Tally {
    /// Second indices that the table holds: almost all zones are smaller and nearer than this.
    const WIDTH: usize = 64;

    /// No counts yet, for ranks to `highest_rank` in a region of `voxels`.
    pub(super) fn new(highest_rank: usize, voxels: usize) -> Self {
        let cells = (highest_rank + 1) * Self::WIDTH;
        let width = if cells <= 4 * voxels + 4096 { Self::WIDTH } else { 0 };
        Self { width, table: vec![0; (highest_rank + 1) * width], rest: Vec::new() }
    }

    pub(super) fn add(&mut self, rank: u16, second: u32) {
        if (second as usize) < self.width {
            self.table[usize::from(rank) * self.width + second as usize] += 1;
        } else {
            self.rest.push(key(rank, second));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        debug_assert_eq!(self.width, other.width, "tallies of one region");
        for (sum, more) in self.table.iter_mut().zip(&other.table) {
            *sum += more;
        }
        self.rest.extend_from_slice(&other.rest);
    }

    /// All counts, sorted.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let listed = from_keys(self.rest.clone());
        let mut listed = listed.into_iter().peekable();
        let mut entries = Vec::new();
        for (rank, row) in self.table.chunks_exact(self.width.max(1)).enumerate() {
            let rank = rank as u32;
            let counted = row.iter().enumerate().filter(|&(_, &count)| count > 0);
            entries.extend(counted.map(|(second, &count)| Entry {
                rank,
                second: second as u32,
                count: count as f64,
            }));
            while let Some(entry) = listed.next_if(|entry| entry.rank == rank) {
                entries.push(entry);
            }
        }
        entries.extend(listed);
        entries
    }
}
