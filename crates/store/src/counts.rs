//! Exact sums, whatever rows are dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{KeyId, NanoUsd, TokenUsage};

use crate::row::{CallRow, Outcome};

/// What is counted of a call; borrowed from the caller, so that counting allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct Tally<'a> {
    /// When the call ended: milliseconds since 1970.
    pub ended_millis: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The alias or route; give none for a name that resolved to nothing, so that strangers cannot add names.
    pub model: Option<&'a Arc<str>>,
    /// The caller's key.
    pub key: Option<&'a KeyId>,
    /// What was used.
    pub usage: TokenUsage,
    /// What it cost.
    pub cost: NanoUsd,
    /// How many attempts were made.
    pub attempts: u64,
    /// Whether a script inside the gateway answered.
    pub demo: bool,
}

impl<'a> Tally<'a> {
    /// What a row says of itself. A refused call's model counts only if something was planned for it: a name that
    /// means nothing is no line of its own.
    #[must_use]
    pub fn of(row: &'a CallRow) -> Self {
        let meant = row.outcome != Outcome::Refused
            || !row.details.plan.is_empty()
            || !row.attempts.is_empty();
        Self {
            ended_millis: row.unix_millis.saturating_add(row.total_ms),
            outcome: row.outcome,
            model: row.model.as_ref().filter(|_| meant),
            key: row.key.as_ref(),
            usage: row.usage,
            cost: row.cost.unwrap_or_default(),
            attempts: row.attempts.len().try_into().unwrap_or(u64::MAX),
            demo: row.demo,
        }
    }
}

/// Sums over calls; saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Calls that ended.
    pub calls: u64,
    /// Attempts they made.
    pub attempts: u64,
    /// Input tokens, cached ones too.
    pub input: u64,
    /// Output tokens, reasoning too.
    pub output: u64,
    /// Input tokens read from a provider's cache.
    pub cache_read: u64,
    /// Input tokens written into a provider's cache.
    pub cache_write: u64,
    /// Output tokens that were reasoning.
    pub reasoning: u64,
    /// Money.
    pub cost: NanoUsd,
}

/// Exact sums of a span of time. Demo calls stand apart: they are in none of the other fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All calls but demos.
    pub total: Sums,
    /// The same by outcome; an outcome that never came is missing.
    pub by_outcome: BTreeMap<Outcome, Sums>,
    /// Calls that a script inside the gateway answered.
    pub demo: Sums,
    /// The demos by outcome.
    pub demo_by_outcome: BTreeMap<Outcome, Sums>,
    /// Calls of which no row was kept, demos too.
    pub not_kept: u64,
}

/// The sums of one bucket of time, outcome, model and key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountLine {
    /// When the bucket begins: seconds since 1970.
    pub start: u64,
    /// How many seconds it spans: 60, 3,600 or 86,400; older times are kept more coarsely.
    pub span: u64,
    /// How the calls ended.
    pub outcome: Outcome,
    /// The alias or route.
    pub model: Option<String>,
    /// The caller's key.
    pub key: Option<String>,
    /// Whether they were demos.
    pub demo: bool,
    /// The sums.
    pub sums: Sums,
}

impl Counts {
    pub(crate) fn add(&mut self, outcome: Outcome, demo: bool, sums: &Sums) {
        let (total, by_outcome) = if demo {
            (&mut self.demo, &mut self.demo_by_outcome)
        } else {
            (&mut self.total, &mut self.by_outcome)
        };
        total.add(sums);
        by_outcome.entry(outcome).or_default().add(sums);
    }

    /// The sums of some lines; `not_kept` stays zero.
    #[must_use]
    pub fn of_lines<'a>(lines: impl IntoIterator<Item = &'a CountLine>) -> Self {
        let mut counts = Self::default();
        for line in lines {
            counts.add(line.outcome, line.demo, &line.sums);
        }
        counts
    }
}

impl Sums {
    pub(crate) fn count(&mut self, tally: &Tally<'_>) {
        let known = Option::unwrap_or_default;
        self.add(&Self {
            calls: 1,
            attempts: tally.attempts,
            input: known(tally.usage.input),
            output: known(tally.usage.output),
            cache_read: known(tally.usage.cache_read),
            cache_write: known(tally.usage.cache_write),
            reasoning: known(tally.usage.reasoning),
            cost: tally.cost,
        });
    }

    /// Adds the other's sums to these.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cost = self.cost.saturating_add(other.cost);
    }
}

/// What calls are counted by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bucket {
    /// The minute in which they ended, as seconds since 1970.
    pub(crate) minute: u64,
    pub(crate) outcome: Outcome,
    pub(crate) model: Option<Arc<str>>,
    pub(crate) key: Option<KeyId>,
    pub(crate) demo: bool,
}

impl Bucket {
    /// Whether a call belongs here.
    pub(crate) fn holds(&self, tally: &Tally<'_>) -> bool {
        self.minute == tally.ended_millis / 60_000 * 60
            && self.outcome == tally.outcome
            && self.demo == tally.demo
            && self.model.as_ref() == tally.model
            && self.key.as_ref() == tally.key
    }

    pub(crate) fn of(tally: &Tally<'_>) -> Self {
        Self {
            minute: tally.ended_millis / 60_000 * 60,
            outcome: tally.outcome,
            model: tally.model.cloned(),
            key: tally.key.cloned(),
            demo: tally.demo,
        }
    }
}
