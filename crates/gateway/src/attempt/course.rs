//! Where a call goes next: which target and credential, after what wait, or why nowhere.
//!
//! Pure but for the shared states it asks (cooldowns, retry budgets): given a failure it names the next step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::{Code, Group, Other, Phase, Processed, Safe, Same};
use resilience::Why;
use resilience::backoff::Backoff;
use resilience::breaker::Alternative;
use resilience::registry::Registry;
use resilience::state::ProviderState;

use super::once::Failure;
use super::ways::{Closed, Going, Ways};
use crate::intake::{Call, Upload};
use crate::journal::{Next, StopReason};
use crate::routing::{Leg, Plan};

/// An attempt is not started when less than this is left. Source: the design's `min_attempt_time`; a model's first
/// token rarely comes sooner.
const MIN_ATTEMPT_TIME: Duration = Duration::from_secs(1);

/// The longest hint that is waited out; a longer one is handed to the client.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A call that finds a probe under way, and has no other way, waits for its place at most this long.
const LONGEST_WAIT_FOR_A_PROBE: Duration = Duration::from_secs(1);

/// How often it looks.
const LOOK_FOR_A_PROBE: Duration = Duration::from_millis(25);

/// Tries at one target while another one is left.
const TRIES_BESIDE_OTHERS: u32 = 2;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Try there, after a wait.
    Try {
        leg: usize,
        credential: usize,
        wait: Duration,
        next: Next,
    },
    /// Stop.
    Stop { reason: StopReason, next: Next },
}

impl Step {
    /// No target takes the call any more.
    pub(super) const CLOSED: Self = Self::Stop {
        reason: StopReason::NoOtherTarget,
        next: Next::Exhausted,
    };

    /// What the journal says of it.
    pub(super) fn next(self) -> Next {
        match self {
            Self::Try { next, .. } | Self::Stop { next, .. } => next,
        }
    }
}

/// The state of one target within one call.
#[derive(Debug, Default)]
struct LegState {
    tries: u32,
    excluded: bool,
    refused_credentials: Vec<usize>,
}

/// The course of one call over its plan.
#[derive(Debug)]
pub(super) struct Course<'a> {
    plan: &'a Plan,
    ways: Ways<'a>,
    may_repeat: bool,
    /// The body, where it goes on as it comes and may be gone.
    upload: Option<Upload>,
    earns: bool,
    legs: Vec<LegState>,
    attempts: u32,
    paid_for: Option<usize>,
    /// The target whose overload the next attempt follows.
    overloaded: Option<usize>,
}

impl<'a> Course<'a> {
    pub(super) fn new(registry: &'a Registry, plan: &'a Plan, call: &Call, now: Instant) -> Self {
        let (may_repeat, upload, terms) = match call {
            Call::Model(call) => (true, None, &call.terms),
            Call::Http(call) => (call.may_repeat, call.upload.clone(), &call.terms),
        };
        Self {
            plan,
            ways: Ways::new(registry, plan, call, now),
            may_repeat,
            upload,
            earns: terms.client_retries == 0,
            legs: plan.legs.iter().map(|_| LegState::default()).collect(),
            attempts: 0,
            paid_for: None,
            overloaded: None,
        }
    }

    /// Attempts so far.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Whether no attempt can follow the next one, whatever comes of it.
    pub(super) fn is_last(&self) -> bool {
        self.attempts >= self.plan.resilience.max_attempts
    }

    /// Whether another target could still be tried after the given one.
    pub(super) fn has_other(&self, leg: usize, now: Instant) -> bool {
        self.other_leg(leg, now, None).is_some()
    }

    /// Begins: goes to the first target that takes the call.
    pub(super) fn begin(&self, now: Instant) -> Result<Going, Closed> {
        let order = self.ways.order(now);
        let key = |leg| self.credential(leg, now).unwrap_or(0);
        self.ways.enter(&order, key, false, now)
    }

    /// How many calls run at a target, and how many may.
    pub(super) fn room(&self, leg: usize, now: Instant) -> (u32, Option<u32>) {
        self.ways.room(leg, now)
    }

    /// How long to wait before asking again, where all targets are closed; none where that would be too long. The call
    /// has waited since `since`.
    pub(super) fn wait(&self, closed: &Closed, since: Instant, now: Instant) -> Option<Duration> {
        let left = self.plan.answer_by().left(since);
        let soonest = |is: fn(Why) -> bool| {
            let until = closed.denied.iter().filter(|one| is(one.why));
            until.filter_map(|one| one.until).min()
        };
        // A probe under way may give its place back at any time.
        let until = since + LONGEST_WAIT_FOR_A_PROBE.min(left / 20);
        let probe = soonest(|why| matches!(why, Why::Open(_)));
        if now < until && probe.is_some_and(|at| at <= now + LONGEST_WAIT_FOR_A_PROBE) {
            return Some(LOOK_FOR_A_PROBE);
        }
        let rest = soonest(|why| matches!(why, Why::Resting(_)))?;
        let patience = LONGEST_WAIT.min(left / 2);
        (rest <= since + patience).then(|| rest.saturating_duration_since(now))
    }

    /// Goes where the step leads, or to another target that would do as well.
    pub(super) fn enter(
        &self,
        leg: usize,
        credential: usize,
        now: Instant,
    ) -> Result<Going, Closed> {
        let mut legs = vec![leg];
        let others = (0..self.plan.legs.len()).filter(|other| self.is_left(*other, leg));
        legs.extend(others);
        let key = |other| {
            let usual = || self.credential(other, now).unwrap_or(0);
            if other == leg { credential } else { usual() }
        };
        self.ways.enter(&legs, key, true, now)
    }

    /// Whose state it is that guards the target's provider.
    pub(super) fn has_answered(&self, leg: usize) {
        self.ways.has_answered(leg);
    }

    /// Notes that an attempt starts; a call's first visit of a provider earns that provider a fifth of a repeat.
    pub(super) fn started(&mut self, index: usize, now: Instant) {
        self.attempts += 1;
        let leg = self.plan.legs.get(index);
        let is_first = leg.is_some_and(|leg| !self.has_visited(leg.provider_label()));
        if let Some(state) = self.legs.get_mut(index) {
            state.tries += 1;
        }
        if !is_first {
            return;
        }
        if let Some(state) = self.ways.provider(index).filter(|_| self.earns) {
            state.budget.deposit(now);
        }
    }

    /// Whether an attempt of this call has gone to the provider.
    fn has_visited(&self, provider: &str) -> bool {
        let mut legs = self.plan.legs.iter().zip(&self.legs);
        legs.any(|(leg, state)| state.tries > 0 && leg.provider_label() == provider)
    }

    /// What follows a failure.
    pub(super) fn after(
        &mut self,
        leg: usize,
        credential: usize,
        failure: &Failure,
        now: Instant,
    ) -> Step {
        self.spent();
        let is_overload = failure.verdict.code.facts().group == Group::Overload;
        self.overloaded = is_overload.then_some(leg);
        let facts = failure.verdict.code.facts();
        if failure.verdict.code == Code::DeadlineExceeded || self.plan.answer_by().has_passed(now) {
            return Step::Stop {
                reason: StopReason::Deadline,
                next: Next::Deadline,
            };
        }
        if !self.may_send_again(failure) || self.plan.resilience.excepts(failure.verdict.code) {
            return Step::Stop {
                reason: StopReason::NotRetryable,
                next: Next::FailFast,
            };
        }
        if self
            .upload
            .as_ref()
            .is_some_and(|upload| !upload.can_begin_again())
        {
            return Step::Stop {
                reason: StopReason::BodyNotReplayable,
                next: Next::FailFast,
            };
        }
        if self.attempts >= self.plan.resilience.max_attempts {
            return Step::Stop {
                reason: StopReason::AttemptsExhausted,
                next: Next::Exhausted,
            };
        }
        if facts.same == Same::No
            && let Some(state) = self.legs.get_mut(leg)
        {
            state.refused_credentials.push(credential);
            state.excluded = facts.other != Other::Key;
        }
        let other = self.other_leg(leg, now, Some(failure));
        let mut options = Vec::with_capacity(3);
        options.extend(self.next_key(leg, credential, failure, now));
        let same = self.same_target((leg, credential), failure, other.is_some(), now);
        let another = other.map(|leg| Step::Try {
            leg,
            credential: self.credential(leg, now).unwrap_or(0),
            wait: Backoff::other_target(fastrand::f64()),
            next: Next::NextTarget,
        });
        if moves_on_at_once(failure) {
            options.extend(another);
            options.extend(same);
        } else {
            options.extend(same);
            options.extend(another);
        }
        self.first_in_time(&options, now)
    }

    /// The first option for which there is time. Its token is taken when the wait is over, see [`Self::pay`].
    fn first_in_time(&self, options: &[Step], now: Instant) -> Step {
        let left = self.plan.answer_by().left(now);
        let in_time = |option: &&Step| matches!(option, Step::Try { wait, .. } if left >= *wait + MIN_ATTEMPT_TIME);
        match options.iter().find(in_time) {
            Some(option) => *option,
            None if options.is_empty() => Step::Stop {
                reason: StopReason::NoOtherTarget,
                next: Next::Exhausted,
            },
            None => Step::Stop {
                reason: StopReason::Deadline,
                next: Next::Deadline,
            },
        }
    }

    /// Takes the token for a repeat at a provider that this call has visited; the first visit is free.
    /// Where there is none, another provider or the end is the next step.
    pub(super) fn pay(&mut self, leg: usize, now: Instant) -> Result<(), Step> {
        let Some(plan_leg) = self.plan.legs.get(leg) else {
            return Ok(());
        };
        let provider = plan_leg.provider_label();
        if !self.has_visited(provider) {
            return Ok(());
        }
        let Some(state) = self.ways.provider(leg) else {
            return Ok(());
        };
        let mode = self.ways.settings(leg).provider_refusal;
        if !state.refuses_repeats(mode, now) && state.budget.withdraw(now) {
            self.paid_for = Some(leg);
            return Ok(());
        }
        let unvisited = |other: &usize| {
            self.plan
                .legs
                .get(*other)
                .is_some_and(|leg| !self.has_visited(leg.provider_label()))
        };
        let other = (0..self.plan.legs.len())
            .filter(unvisited)
            .find(|other| self.is_usable(*other, leg, now));
        Err(
            match other.and_then(|other| Some((other, self.credential(other, now)?))) {
                Some((leg, credential)) => Step::Try {
                    leg,
                    credential,
                    wait: Duration::ZERO,
                    next: Next::NextTarget,
                },
                None => Step::Stop {
                    reason: StopReason::BudgetExhausted,
                    next: Next::Exhausted,
                },
            },
        )
    }

    /// A repeat answered: its token goes back, unless it went to the very target that had said it was overloaded.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.paid_for.is_some() && self.paid_for == self.overloaded {
            return self.spent();
        }
        self.refund(now);
    }

    /// The repeat was answered, or did not go at all.
    pub(super) fn refund(&mut self, now: Instant) {
        if let Some(state) = self.take_paid() {
            state.budget.give_back(now);
        }
    }

    fn take_paid(&mut self) -> Option<&Arc<ProviderState>> {
        let leg = self.paid_for.take()?;
        self.ways.provider(leg)
    }

    /// A repeat ended without an answer.
    fn spent(&mut self) {
        if let Some(leg) = self.paid_for {
            self.ways.repeated(leg);
        }
        if let Some(state) = self.take_paid() {
            state.budget.spent();
        }
    }

    /// Whether a token that is missing now may come back: repeats at that provider are under way.
    pub(super) fn may_get_a_token(&self, leg: usize) -> bool {
        let provider = self.ways.provider(leg);
        provider.is_some_and(|state| state.budget.is_waited_for())
    }

    /// How long the upstream wishes to be left alone, where the configuration obeys it.
    fn hint(&self, failure: &Failure) -> Option<Duration> {
        failure
            .evidence
            .hint()
            .filter(|_| self.plan.resilience.respect_retry_after)
    }

    fn may_send_again(&self, failure: &Failure) -> bool {
        let facts = failure.verdict.code.facts();
        if failure.verdict.code == Code::ContextLengthExceeded {
            return true; // Never as it is, but a target with a larger window may take it.
        }
        match facts.safe {
            Safe::Always => true,
            Safe::Never => false,
            Safe::Llm | Safe::Pre => self.may_repeat || failure.verdict.processed == Processed::No,
        }
    }

    fn next_key(
        &self,
        leg: usize,
        credential: usize,
        failure: &Failure,
        now: Instant,
    ) -> Option<Step> {
        if failure.verdict.code.facts().other != Other::Key {
            return None;
        }
        let other = self
            .credential(leg, now)
            .filter(|other| *other != credential && self.ways.takes(leg, *other, now))?;
        let wait = Backoff::other_target(fastrand::f64());
        Some(Step::Try {
            leg,
            credential: other,
            wait,
            next: Next::NextKey,
        })
    }

    fn same_target(
        &self,
        (leg, credential): (usize, usize),
        failure: &Failure,
        has_other: bool,
        now: Instant,
    ) -> Option<Step> {
        let facts = failure.verdict.code.facts();
        let tries = self.legs.get(leg)?.tries;
        if facts.same == Same::No || (has_other && tries >= TRIES_BESIDE_OTHERS) {
            return None;
        }
        if facts.same == Same::Fresh && tries >= TRIES_BESIDE_OTHERS {
            return None;
        }
        let alternative = if has_other {
            Alternative::Elsewhere
        } else {
            Alternative::Nowhere
        };
        if !self.ways.lets_repeat((leg, credential), alternative, now) {
            return None;
        }
        let hint = self.hint(failure);
        let longest = LONGEST_WAIT.min(self.plan.answer_by().left(now) / 2);
        if hint.is_some_and(|hint| hint > longest || (has_other && !hint.is_zero())) {
            return None;
        }
        let wait = self
            .plan
            .resilience
            .backoff
            .same_target(tries, hint, fastrand::f64());
        Some(Step::Try {
            leg,
            credential,
            wait,
            next: Next::RetrySame,
        })
    }

    /// Another target that takes calls, by the order of the plan.
    fn other_leg(&self, from: usize, now: Instant, failure: Option<&Failure>) -> Option<usize> {
        if failure.is_some_and(|failure| self.stays(failure)) {
            return None;
        }
        let usable = |leg: &usize| {
            self.is_usable(*leg, from, now)
                && failure.is_none_or(|failure| self.suits(*leg, from, failure))
        };
        let count = self.plan.legs.len();
        // What stands behind the failed target first, then what was passed over before it.
        (from + 1..count).chain(0..from).find(usable)
    }

    fn is_usable(&self, leg: usize, from: usize, now: Instant) -> bool {
        self.is_left(leg, from)
            && self
                .credential(leg, now)
                .is_some_and(|credential| self.ways.is_open(leg, credential, now))
    }

    /// Whether this call may still try another target, as far as the call itself is concerned.
    fn is_left(&self, leg: usize, from: usize) -> bool {
        let tried = self.legs.iter().filter(|state| state.tries > 0).count();
        let most = usize::try_from(self.plan.resilience.max_targets).unwrap_or(usize::MAX);
        self.legs.get(leg).is_some_and(|state| {
            leg != from
                && !state.excluded
                && state.tries < TRIES_BESIDE_OTHERS
                && (state.tries > 0 || tried < most)
        })
    }

    /// Whether the class of the failure keeps a call from other targets.
    fn stays(&self, failure: &Failure) -> bool {
        failure.verdict.code != Code::ContextLengthExceeded
            && failure.verdict.code.facts().other == Other::No
    }

    /// A prompt that was too long for one model goes only to one with a larger window, or an unknown one.
    fn suits(&self, leg: usize, from: usize, failure: &Failure) -> bool {
        if failure.verdict.code != Code::ContextLengthExceeded {
            return true;
        }
        let window = |leg: usize| match self.plan.legs.get(leg) {
            Some(Leg::Model { target, .. }) => target.context,
            _ => None,
        };
        match (window(leg), window(from)) {
            (Some(there), Some(here)) => there > here,
            _ => true,
        }
    }

    fn credential(&self, leg: usize, now: Instant) -> Option<usize> {
        let refused = &self.legs.get(leg)?.refused_credentials;
        self.ways.credential(leg, refused, now)
    }
}

impl Drop for Course<'_> {
    /// The client left in the middle of a repeat.
    fn drop(&mut self) {
        self.spent();
    }
}

/// Whether another target is better than the same one at once: nothing was sent, or what is overloaded stays so.
fn moves_on_at_once(failure: &Failure) -> bool {
    let unsent = matches!(
        failure.evidence.phase,
        Phase::Dns | Phase::Connect | Phase::Tls
    );
    let overloaded = matches!(
        failure.verdict.code.facts().group,
        Group::Overload | Group::Maintenance
    );
    unsent || overloaded
}
