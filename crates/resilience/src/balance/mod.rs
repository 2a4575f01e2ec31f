//! Which of several targets a call begins with, and in which order the others follow.
//!
//! Pure: what is known of the targets comes in as [`Candidate`]s, chance as a function. What is learnt of a target's
//! load and speed is kept in [`Load`]. Whether a target takes the call at all is asked later, in the order made here.

mod load;

use std::cmp::Ordering;
use std::time::Duration;

pub use load::{Lane, Load, Loads, Reading, Running};

/// How the first target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// In the order in which they are written.
    #[default]
    Ordered,
    /// By chance, each as often as its weight says.
    Weighted,
    /// The one with the fewest calls running for its weight.
    LeastBusy,
    /// The sooner to answer of two at random.
    Fastest,
    /// The one at which the call costs least.
    Cheapest,
}

impl Strategy {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Ordered,
        Self::Weighted,
        Self::LeastBusy,
        Self::Fastest,
        Self::Cheapest,
    ];

    /// Its word in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ordered => "ordered",
            Self::Weighted => "weighted",
            Self::LeastBusy => "least_busy",
            Self::Fastest => "fastest",
            Self::Cheapest => "cheapest",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// How ready a target is to take a call, the readiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// It takes calls.
    Ready,
    /// It takes a few: it is being tried after a failure.
    Probing,
    /// It takes none for now.
    Resting,
}

/// What is known of a target for the choice.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Whether it takes calls.
    pub readiness: Readiness,
    /// Its share; 0: only where no other takes calls.
    pub weight: u32,
    /// How busy and how fast it is.
    pub load: Reading,
    /// What the call would cost there, in any unit, the same for all; none where nothing is known.
    pub price: Option<u64>,
}

impl Candidate {
    /// A target of which nothing is known.
    #[must_use]
    pub fn unknown(readiness: Readiness, weight: u32) -> Self {
        Self {
            readiness,
            weight,
            load: Reading::default(),
            price: None,
        }
    }
}

/// How often a call is sent to a target whose pace nobody has seen for a while, in place of the fastest: at most this
/// share of the calls. A target that became fast must be found; one in twenty is less than what a p95 shows.
const EXPLORE: f64 = 0.05;

/// The order in which the targets are to be tried: a permutation of the candidates' indices. Those that rest come
/// last, in the order in which they are written; `chance` gives numbers from 0 up to, but never, 1.
#[must_use]
pub fn order(
    strategy: Strategy,
    candidates: &[Candidate],
    mut chance: impl FnMut() -> f64,
) -> Vec<usize> {
    if strategy == Strategy::Ordered {
        return (0..candidates.len()).collect();
    }
    let mut ranked: Vec<Ranked<'_>> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| Ranked {
            index,
            candidate,
            // Invariant: one number for each, whatever the strategy, so that equals are taken in turn and not
            // the first of them always.
            lot: lot(candidate.weight, chance()),
        })
        .collect();
    let slow = candidates.iter().filter_map(|one| one.load.slow).max();
    let by = |one: &Ranked<'_>, other: &Ranked<'_>| match strategy {
        Strategy::Ordered => one.index.cmp(&other.index),
        Strategy::Weighted => Ordering::Equal,
        Strategy::LeastBusy => one.busy_for_its_weight(other),
        Strategy::Fastest => one.pace(slow).cmp(&other.pace(slow)),
        Strategy::Cheapest => one.price().cmp(&other.price()),
    };
    ranked.sort_by(|one, other| {
        one.rests().cmp(&other.rests()).then_with(|| {
            if one.rests() {
                one.index.cmp(&other.index)
            } else {
                by(one, other).then_with(|| one.tie(other, strategy))
            }
        })
    });
    if strategy == Strategy::Fastest {
        two_choices(&mut ranked, &mut chance);
    }
    ranked.iter().map(|ranked| ranked.index).collect()
}

/// A candidate with its lot.
struct Ranked<'c> {
    index: usize,
    candidate: &'c Candidate,
    lot: f64,
}

impl Ranked<'_> {
    fn rests(&self) -> bool {
        self.candidate.readiness == Readiness::Resting
    }

    /// Fewer calls for its weight first; without a weight last.
    fn busy_for_its_weight(&self, other: &Self) -> Ordering {
        let load = |one: &Self, by: &Self| {
            u64::from(one.candidate.load.busy) * u64::from(by.candidate.weight)
        };
        let is_spare = |one: &Self| one.candidate.weight == 0;
        is_spare(self)
            .cmp(&is_spare(other))
            .then_with(|| load(self, other).cmp(&load(other, self)))
    }

    /// What is not known is looked at first, by one call at a time. What failed lately is slower than the slow answers
    /// of any: twice, since the pace of a good target lies near its slow answers when it is busy.
    fn pace(&self, slow: Option<Duration>) -> Duration {
        let load = &self.candidate.load;
        match load.pace {
            Some(pace) if load.failed_lately => {
                pace.max(slow.map_or(Duration::MAX, |slow| slow * 2))
            }
            Some(pace) => pace,
            None if load.busy == 0 => Duration::ZERO,
            None => Duration::MAX,
        }
    }

    /// What is not known may be dear.
    fn price(&self) -> u64 {
        self.candidate.price.unwrap_or(u64::MAX)
    }

    /// The healthier of two equals, then the heavier, then by lot. By weight the lot alone decides: it holds the
    /// weights, and a target that is being tried must get its share to be found well.
    fn tie(&self, other: &Self, strategy: Strategy) -> Ordering {
        let by_lot = || self.lot.total_cmp(&other.lot);
        if strategy == Strategy::Weighted {
            return by_lot();
        }
        self.candidate
            .readiness
            .cmp(&other.candidate.readiness)
            .then_with(|| other.candidate.weight.cmp(&self.candidate.weight))
            .then_with(by_lot)
    }
}

/// A random waiting time whose rate is the weight: the first of several such comes first as often as its weight says,
/// and so does the second among the rest.
fn lot(weight: u32, chance: f64) -> f64 {
    if weight == 0 {
        return f64::INFINITY;
    }
    // From above 0 to 1, since a logarithm of 0 is none.
    let chance = (1.0 - chance).clamp(f64::MIN_POSITIVE, 1.0);
    -chance.ln() / f64::from(weight)
}

/// Puts the better of two random ones first. Choosing the best of all sends every call of the next moment to the same
/// target; the better of two is nearly as good and does not herd.
fn two_choices(ranked: &mut [Ranked<'_>], mut chance: impl FnMut() -> f64) {
    let usable = ranked.iter().take_while(|one| !one.rests()).count();
    if usable < 2 {
        return;
    }
    if chance() < EXPLORE
        && let Some(stale) = ranked
            .iter()
            .take(usable)
            .rposition(|one| one.candidate.load.is_stale && one.candidate.weight > 0)
    {
        bring_first(ranked, stale);
        return;
    }
    let first = pick(usable, chance());
    let second = (first + 1 + pick(usable - 1, chance())) % usable;
    // Invariant: they are sorted, so the better one stands further ahead.
    bring_first(ranked, first.min(second));
}

fn bring_first(ranked: &mut [Ranked<'_>], index: usize) {
    if let Some(front) = ranked.get_mut(..=index) {
        front.rotate_right(1);
    }
}

/// One of so many.
fn pick(count: usize, chance: f64) -> usize {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let mut at = 0;
    // A count of targets is small; casting a float back would need a reason for every lint.
    while at + 1 < count && f64::from(at + 1) <= chance * f64::from(count) {
        at += 1;
    }
    usize::try_from(at).unwrap_or(0)
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
