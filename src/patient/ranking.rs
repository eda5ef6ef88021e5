//! Which lesion is lowest, and how sure that is.

use serde::Serialize;

use super::uncertainty::ScoreDraws;

/// Below this probability of their order two lesions count as not told apart.
pub const TOLD_APART: f64 = 0.7;
/// At or above this the lowest lesion is called clear.
pub const CLEAR: f64 = 0.9;

/// One lesion's place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// Index of the lesion in the order of the scores given.
    pub lesion: usize,
    /// Rank by score, 1 for the lowest.
    pub rank: usize,
    /// Mean rank over the draws.
    pub expected_rank: Option<f64>,
    /// Probability that this lesion has the lowest true score.
    pub p_lowest: Option<f64>,
    /// Probability that it is among the `k` lowest, for `k` from 1 to the number of lesions.
    pub p_among_lowest: Option<Vec<f64>>,
}

/// Two lesions whose order is not sure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UnclearPair {
    /// Index of the lesion with the lower score.
    pub lower: usize,
    /// Index of the other.
    pub higher: usize,
    /// Probability that their true scores are in this order.
    pub p_order: f64,
}

/// How sure it is which lesion is lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// P(lowest) of one lesion is at least [`CLEAR`].
    Clear,
    /// At least [`TOLD_APART`].
    Probable,
    /// Below: the lesions of [`Ranking::candidates`] are not told apart.
    Open,
    /// One lesion only, or nothing known of the errors.
    NotAssessed,
}

/// The lesions of a patient from low to high.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranking {
    /// From the lowest score to the highest.
    pub places: Vec<Place>,
    /// Pairs whose order has a probability below [`TOLD_APART`].
    pub unclear: Vec<UnclearPair>,
    /// The fewest lesions that hold the lowest one with a probability of at least [`CLEAR`].
    pub candidates: Vec<usize>,
    /// In one word.
    pub certainty: Certainty,
}

impl Ranking {
    /// Ranks lesions by score; probabilities are shares of the draws.
    pub fn new(draws: &ScoreDraws) -> Self {
        let n = draws.scores.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&a, &b| draws.scores[a].total_cmp(&draws.scores[b]).then(a.cmp(&b)));
        let drawn = draws.best();
        let counts = (n > 1 && !drawn.is_empty()).then(|| Counts::of(drawn));
        let places: Vec<Place> = order
            .iter()
            .zip(1..)
            .map(|(&lesion, rank)| {
                let among = counts.as_ref().map(|c| c.among_lowest(lesion));
                Place {
                    lesion,
                    rank,
                    expected_rank: among
                        .as_ref()
                        .map(|p| 1.0 + p[..n - 1].iter().map(|q| 1.0 - q).sum::<f64>()),
                    p_lowest: among.as_ref().map(|p| p[0]),
                    p_among_lowest: among,
                }
            })
            .collect();
        let Some(counts) = counts else {
            let candidates = order.first().copied().into_iter().collect();
            let certainty = Certainty::NotAssessed;
            return Self { places, unclear: Vec::new(), candidates, certainty };
        };
        let candidates = candidates(&places);
        let best = places.iter().filter_map(|p| p.p_lowest).fold(0.0, f64::max);
        let certainty = match best {
            p if p >= CLEAR => Certainty::Clear,
            p if p >= TOLD_APART => Certainty::Probable,
            _ => Certainty::Open,
        };
        Self { unclear: unclear(&order, &counts), places, candidates, certainty }
    }

    /// The place of a lesion.
    pub fn place(&self, lesion: usize) -> &Place {
        self.places.iter().find(|p| p.lesion == lesion).expect("every lesion has a place")
    }
}

/// The most probable lowest lesions until their probabilities sum to [`CLEAR`].
fn candidates(places: &[Place]) -> Vec<usize> {
    let mut by_p: Vec<&Place> = places.iter().collect();
    let p = |place: &Place| place.p_lowest.unwrap_or(0.0);
    by_p.sort_by(|a, b| p(b).total_cmp(&p(a)).then(a.rank.cmp(&b.rank)));
    let mut sum = 0.0;
    let mut chosen = Vec::new();
    for place in by_p {
        chosen.push(place.lesion);
        sum += p(place);
        if sum >= CLEAR {
            break;
        }
    }
    chosen
}

fn unclear(order: &[usize], counts: &Counts) -> Vec<UnclearPair> {
    let mut pairs = Vec::new();
    for (at, &lower) in order.iter().enumerate() {
        for &higher in &order[at + 1..] {
            let p_order = counts.lower(lower, higher);
            if p_order < TOLD_APART {
                pairs.push(UnclearPair { lower, higher, p_order });
            }
        }
    }
    pairs
}

/// How often each lesion took each rank, and each pair each order.
struct Counts {
    draws: f64,
    rank: Vec<Vec<u32>>,
    below: Vec<Vec<u32>>,
}

impl Counts {
    fn of(drawn: &[Vec<f64>]) -> Self {
        let (n, draws) = (drawn.len(), drawn[0].len());
        let mut rank = vec![vec![0u32; n]; n];
        let mut below = vec![vec![0u32; n]; n];
        let mut order: Vec<usize> = Vec::with_capacity(n);
        for d in 0..draws {
            order.clear();
            order.extend(0..n);
            // Ties go round, so that each tied lesion takes each place equally often.
            order.sort_by(|&a, &b| {
                drawn[a][d].total_cmp(&drawn[b][d]).then(((a + d) % n).cmp(&((b + d) % n)))
            });
            for (place, &lesion) in order.iter().enumerate() {
                rank[lesion][place] += 1;
                for &other in &order[place + 1..] {
                    below[lesion][other] += 1;
                }
            }
        }
        Self { draws: draws as f64, rank, below }
    }

    fn among_lowest(&self, lesion: usize) -> Vec<f64> {
        let mut sum = 0;
        let cumulative = self.rank[lesion].iter().map(|count| {
            sum += count;
            f64::from(sum) / self.draws
        });
        cumulative.collect()
    }

    fn lower(&self, a: usize, b: usize) -> f64 {
        f64::from(self.below[a][b]) / self.draws
    }
}
