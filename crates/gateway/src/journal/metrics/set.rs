//! The numbers of one worker, and the sum of all workers' at a scrape. Plain integers under a lock that only a scrape
//! ever contends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use diagnosis::{Code, Phase};
use types::{CallId, Priority};

use super::histogram::{Exemplary, FINE_SECONDS, Histogram, SECONDS, TOKENS};
use super::labels::{Labels, OTHERS, TargetLabel};
use crate::journal::{Attempt, Closed, Outcome, StopReason, Summary};

/// Names whose place is remembered by address: a power of two, more than most gateways have targets in use.
const REMEMBERED: usize = 64;

/// Histograms of failed operations, one for each target and code, at most; what comes later is not timed. A gateway that
/// fails in more ways than this has other worries, and every failure is still counted.
const MOST_FAILED_OPERATIONS: usize = 2_000;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Ending {
    Answered,
    Failed,
    Cancelled,
}

impl Ending {
    pub(super) const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::Cancelled];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn of(attempt: &Attempt) -> Self {
        match &attempt.verdict {
            None => Self::Answered,
            Some(verdict) if verdict.code == Code::ClientCancelled => Self::Cancelled,
            Some(_) => Self::Failed,
        }
    }
}

/// What failures are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Failure {
    pub(super) code: Code,
    /// Where and how far; none for what the gateway refused by itself.
    pub(super) at: Option<(usize, Phase)>,
    /// Whether it is what the client was told.
    pub(super) visible: bool,
}

/// How often, and which call was the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) times: u64,
    pub(super) last: CallId,
}

/// The numbers of one target.
#[derive(Clone, Debug)]
pub(super) struct TargetSet {
    pub(super) label: TargetLabel,
    pub(super) endings: [u64; Ending::ALL.len()],
    pub(super) answered: Exemplary,
    pub(super) first_token: Exemplary,
    pub(super) input: Histogram,
    pub(super) output: Histogram,
    pub(super) cost_nanos: u64,
}

impl TargetSet {
    fn new(label: TargetLabel) -> Self {
        Self {
            label,
            endings: [0; Ending::ALL.len()],
            answered: Exemplary::new(&SECONDS),
            first_token: Exemplary::new(&SECONDS),
            input: Histogram::new(&TOKENS),
            output: Histogram::new(&TOKENS),
            cost_nanos: 0,
        }
    }

    pub(super) fn is_known(&self) -> bool {
        &*self.label.target != OTHERS
    }

    pub(super) fn answered(&self) -> u64 {
        self.endings
            .get(Ending::Answered as usize)
            .copied()
            .unwrap_or(0)
    }

    fn absorb(&mut self, other: &Self) {
        for (own, others) in self.endings.iter_mut().zip(other.endings) {
            *own += others;
        }
        self.answered.absorb(&other.answered);
        self.first_token.absorb(&other.first_token);
        self.input.absorb(&other.input);
        self.output.absorb(&other.output);
        self.cost_nanos = self.cost_nanos.saturating_add(other.cost_nanos);
    }
}

/// All numbers of one worker.
#[derive(Clone, Debug)]
pub(super) struct Set {
    pub(super) outcomes: [u64; Outcome::ALL.len()],
    pub(super) duration: Exemplary,
    pub(super) overhead: Histogram,
    pub(super) targets: Vec<TargetSet>,
    pub(super) failures: HashMap<Failure, Counted>,
    pub(super) failed_operations: HashMap<(usize, Code), Histogram>,
    pub(super) retries: HashMap<(Code, Ending), u64>,
    pub(super) suppressed: HashMap<StopReason, u64>,
    pub(super) stream_breaks: HashMap<Code, u64>,
    pub(super) connections_opened: u64,
    pub(super) connections_reused: u64,
    pub(super) possible_duplicates: u64,
    pub(super) queue_wait: Histogram,
    pub(super) shed: [u64; Priority::ALL.len()],
    places: HashMap<Arc<str>, usize>,
    /// The place of a name by the address of its text, which a snapshot keeps where it is. The entry holds the text, so
    /// that no other can come to lie at the same address.
    remembered: [Option<(Arc<str>, usize)>; REMEMBERED],
}

impl Default for Set {
    fn default() -> Self {
        Self {
            outcomes: [0; Outcome::ALL.len()],
            duration: Exemplary::new(&SECONDS),
            overhead: Histogram::new(&FINE_SECONDS),
            targets: Vec::new(),
            failures: HashMap::new(),
            failed_operations: HashMap::new(),
            retries: HashMap::new(),
            suppressed: HashMap::new(),
            stream_breaks: HashMap::new(),
            connections_opened: 0,
            connections_reused: 0,
            possible_duplicates: 0,
            queue_wait: Histogram::new(&SECONDS),
            shed: [0; Priority::ALL.len()],
            places: HashMap::new(),
            remembered: [const { None }; REMEMBERED],
        }
    }
}

impl Set {
    /// Counts a call that is over.
    pub(super) fn count(&mut self, closed: &Closed, summary: &Summary<'_>, labels: &Labels) {
        if let Some(count) = self.outcomes.get_mut(closed.outcome as usize) {
            *count += 1;
        }
        self.duration.observe(micros(closed.took), closed.id);
        let mut own = closed.took;
        for attempt in &summary.attempts {
            own = own.saturating_sub(attempt.took);
            self.attempt(closed.id, attempt, labels);
        }
        self.overhead.observe(micros(own));
        self.possible_duplicates += u64::from(summary.repeats_at_risk);
        for waited in &summary.waits {
            self.queue_wait.observe(micros(*waited));
        }
        if closed.outcome != Outcome::Ok {
            self.troubled(closed, summary, labels);
        }
        self.used(summary, labels);
    }

    fn attempt(&mut self, call: CallId, attempt: &Attempt, labels: &Labels) {
        let ending = Ending::of(attempt);
        let connected = attempt.evidence.times.connect.is_some();
        self.connections_reused += u64::from(attempt.evidence.reused);
        self.connections_opened += u64::from(connected && !attempt.evidence.reused);
        let place = self.place(&attempt.target, ending == Ending::Answered, labels);
        let Some(target) = self.targets.get_mut(place) else {
            return;
        };
        if let Some(count) = target.endings.get_mut(ending as usize) {
            *count += 1;
        }
        if ending == Ending::Answered {
            target.answered.observe(micros(attempt.took), call);
        }
        if let Some(first_token) = attempt.evidence.times.first_token {
            target.first_token.observe(micros(first_token), call);
        }
    }

    /// What only calls have that did not go smoothly: here names may be looked up.
    fn troubled(&mut self, closed: &Closed, summary: &Summary<'_>, labels: &Labels) {
        let of_code = |attempt: &&Attempt, code: Code| {
            attempt
                .verdict
                .as_ref()
                .is_some_and(|verdict| verdict.code == code)
        };
        // The client was told one code: that of the last attempt which has it.
        let told = summary.code.and_then(|code| {
            let mut backwards = summary.attempts.iter().enumerate().rev();
            backwards.find(|(_, attempt)| of_code(attempt, code))
        });
        for (index, attempt) in summary.attempts.iter().enumerate() {
            let Some(verdict) = &attempt.verdict else {
                continue;
            };
            let place = self.place(&attempt.target, false, labels);
            self.failed(
                Failure {
                    code: verdict.code,
                    at: Some((place, attempt.evidence.phase)),
                    visible: told.is_some_and(|(last, _)| last == index),
                },
                closed.id,
            );
            self.failed_operation(place, verdict.code, attempt.took);
            if let Some(repeat) = summary.attempts.get(index + 1) {
                let key = (verdict.code, Ending::of(repeat));
                *self.retries.entry(key).or_default() += 1;
            }
        }
        if let (Some(code), None) = (summary.code, told) {
            self.failed(
                Failure {
                    code,
                    at: None,
                    visible: true,
                },
                closed.id,
            );
        }
        if let (Some(Code::LoadShed | Code::QueueTimeout), Some(shed)) =
            (summary.code, self.shed.get_mut(summary.priority as usize))
        {
            *shed += 1;
        }
        match summary.stop_reason {
            // Nobody wanted a repeat.
            None | Some(StopReason::NotRetryable) => {}
            Some(reason) => *self.suppressed.entry(reason).or_default() += 1,
        }
        if let Some(code) = summary.code.filter(|_| summary.output_sent) {
            *self.stream_breaks.entry(code).or_default() += 1;
        }
    }

    fn failed(&mut self, failure: Failure, call: CallId) {
        let counted = self.failures.entry(failure).or_insert(Counted {
            times: 0,
            last: call,
        });
        counted.times += 1;
        counted.last = call;
    }

    fn failed_operation(&mut self, place: usize, code: Code, took: Duration) {
        let key = (place, code);
        if self.failed_operations.len() >= MOST_FAILED_OPERATIONS
            && !self.failed_operations.contains_key(&key)
        {
            return;
        }
        let fresh = || Histogram::new(&SECONDS);
        let histogram = self.failed_operations.entry(key).or_insert_with(fresh);
        histogram.observe(micros(took));
    }

    /// Tokens and money, at the target that was last tried: it is the one that answered, or broke off.
    fn used(&mut self, summary: &Summary<'_>, labels: &Labels) {
        let Some(attempt) = summary.attempts.last() else {
            return;
        };
        let usage = &summary.usage;
        if usage.is_unknown() && summary.cost.is_none() {
            return;
        }
        let place = self.place(&attempt.target, attempt.verdict.is_none(), labels);
        let Some(target) = self.targets.get_mut(place) else {
            return;
        };
        if let Some(input) = usage.input {
            target.input.observe(input);
        }
        if let Some(output) = usage.output {
            target.output.observe(output);
        }
        let cost = summary.cost.map_or(0, types::NanoUsd::as_nanos);
        target.cost_nanos = target.cost_nanos.saturating_add(cost);
    }

    /// The place of a target's numbers. A name of the snapshot is found by its address: nothing is hashed or compared.
    fn place(&mut self, target: &Arc<str>, answered: bool, labels: &Labels) -> usize {
        // An allocation is at least 16 bytes apart from its neighbours.
        let address = Arc::as_ptr(target).cast::<u8>().addr();
        let slot = (address >> 4) % REMEMBERED;
        if let Some(Some((name, place))) = self.remembered.get(slot)
            && Arc::ptr_eq(name, target)
        {
            return *place;
        }
        let label = labels.label(target, answered);
        let place = self.place_of(label);
        let own = self.targets.get(place).map(|set| &set.label.target);
        if own == Some(target)
            && let Some(remembered) = self.remembered.get_mut(slot)
        {
            *remembered = Some((Arc::clone(target), place));
        }
        place
    }

    fn place_of(&mut self, label: TargetLabel) -> usize {
        if let Some(place) = self.places.get(&label.target) {
            return *place;
        }
        let place = self.targets.len();
        self.places.insert(Arc::clone(&label.target), place);
        self.targets.push(TargetSet::new(label));
        place
    }

    /// Adds another worker's numbers.
    pub(super) fn absorb(&mut self, other: &Self) {
        for (own, others) in self.outcomes.iter_mut().zip(other.outcomes) {
            *own += others;
        }
        self.duration.absorb(&other.duration);
        self.overhead.absorb(&other.overhead);
        // Workers met the targets in different orders.
        let places: Vec<usize> = other
            .targets
            .iter()
            .map(|target| {
                let place = self.place_of(target.label.clone());
                if let Some(own) = self.targets.get_mut(place) {
                    own.absorb(target);
                }
                place
            })
            .collect();
        let here = |place: usize| places.get(place).copied().unwrap_or_default();
        for (failure, others) in &other.failures {
            let at = failure.at.map(|(place, phase)| (here(place), phase));
            let own = self
                .failures
                .entry(Failure { at, ..*failure })
                .or_insert(Counted {
                    times: 0,
                    last: others.last,
                });
            own.times += others.times;
            own.last = own.last.max(others.last);
        }
        for ((place, code), histogram) in &other.failed_operations {
            let fresh = || Histogram::new(&SECONDS);
            let own = self.failed_operations.entry((here(*place), *code));
            own.or_insert_with(fresh).absorb(histogram);
        }
        add(&mut self.retries, &other.retries);
        add(&mut self.suppressed, &other.suppressed);
        add(&mut self.stream_breaks, &other.stream_breaks);
        self.connections_opened += other.connections_opened;
        self.connections_reused += other.connections_reused;
        self.possible_duplicates += other.possible_duplicates;
        self.queue_wait.absorb(&other.queue_wait);
        for (own, others) in self.shed.iter_mut().zip(other.shed) {
            *own += others;
        }
    }
}

fn add<K: Copy + Eq + std::hash::Hash>(own: &mut HashMap<K, u64>, others: &HashMap<K, u64>) {
    for (key, count) in others {
        *own.entry(*key).or_default() += count;
    }
}

fn micros(duration: Duration) -> u64 {
    let whole = duration.as_secs().saturating_mul(1_000_000);
    whole.saturating_add(u64::from(duration.subsec_micros()))
}
