//! A circuit breaker: closed it lets calls through, open it does not, half-open it lets one at a time try.
//!
//! A pure machine: it is told the time and given its dice. Who asks, what failed and how it is called is opaque to it.
//! What may be set stands in [`crate::settings`]; what it is used for in [`crate::ticket`].

mod row;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use self::row::Row;
use self::window::{Callers, Window};
use crate::backoff::share;
use crate::lesson::{Fault, Weight};
use crate::settings::BreakerSettings;

/// How long a breaker stays open where nothing heals by trying again. Source: failures, section on breakers.
const FLAT: Duration = Duration::from_secs(60);
/// After closing, admission rises by a quarter in each of these. Source: the same.
const RAMP_STEP: Duration = Duration::from_secs(10);
/// Each minute of health halves the next open time once. Source: the same.
const HEALTH: Duration = Duration::from_secs(60);
/// A target that still answers now and then is never thinned by more. Source: failures, section on shedding.
const MOST_THINNED: f64 = 0.8;
/// So many good answers are thought to be worth as many calls and a half more that fail: half of all may fail before any
/// call without another way is kept back. Chosen by simulation; the throttle of section 6.11 has 2.
const GOOD_IS_WORTH: f64 = 2.5;
/// For so long after it has opened, calls without another way still go: those that met a failure of a moment must not be
/// lost to it. Longer than the first three waits between repeats together.
const GRACE: Duration = Duration::from_millis(1500);
/// Who finds a probe under way is told to come again in this time at most.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// Doublings beyond this change nothing.
const MOST_TRIPS: u32 = 16;

/// What a breaker guards: which failures count, and how it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guards {
    /// A target.
    Target,
    /// All models of a provider that nobody has named: a name that does not exist says nothing of the others.
    Unnamed,
    /// A key, or a provider: opened by what is certain, closed by one good answer.
    Certain,
}

impl Guards {
    fn closes_after(self) -> u32 {
        match self {
            Self::Target | Self::Unnamed => 3,
            Self::Certain => 1,
        }
    }

    fn counts(self) -> bool {
        self != Self::Certain
    }
}

/// A call that asks to be let through.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Whose call it is.
    pub caller: u64,
    /// What is left to it if it is refused here.
    pub alternative: Alternative,
    /// Whether its own limits are shorter than an answer may take: it may learn nothing here.
    pub hurried: bool,
    /// How long it may hold the one place of a probe.
    pub lease: Duration,
}

/// What is left to a call that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternative {
    /// Another target takes it.
    Elsewhere,
    /// Nothing: the target is thinned, not closed.
    Nowhere,
    /// Nothing, and this is the least bad of all: it gets one call for each time that it is open.
    LastResort,
}

/// Why and since when a breaker is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenedBy {
    /// The name of the failure.
    pub cause: &'static str,
    /// What the upstream said last, scrubbed.
    pub excerpt: Option<Arc<str>>,
    /// When it opened; probes that failed since do not change it.
    pub since: Instant,
}

/// The state, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It lets calls through.
    Closed,
    /// It has closed a short while ago and lets more and more calls through.
    Ramping,
    /// It lets nothing through but what has no other way.
    Open,
    /// It lets one call at a time try.
    HalfOpen,
}

impl Position {
    /// The word, as in metrics and the admin API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Ramping => "ramping",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// What became of the breaker by something it learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has opened, or a probe has failed.
    Opened,
    /// It has closed.
    Closed,
}

/// What a call that was let through carries until its end. Every ending gives it back: see [`Breaker::settle`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pass {
    probe: Option<u64>,
    /// In which slice of the window it was counted as good.
    counted: Option<u64>,
    epoch: u32,
}

impl Pass {
    /// Whether the call is a probe that has no verdict yet.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether the call's answer has begun and was good so far.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.counted.is_some()
    }
}

/// How far a breaker would let a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Grant {
    Freely,
    /// This share of all that ask; the rest is told to come at this moment.
    Share(f64, Instant),
    Probe,
    Resort,
    /// Not before this moment.
    Refused(Instant),
}

#[derive(Clone, Copy, Debug)]
struct Lease {
    id: u64,
    until: Instant,
    hurried: bool,
}

#[derive(Clone, Copy, Debug)]
enum Resort {
    Unused,
    UnderWay(u64),
    Used,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { ramp: Option<Instant> },
    Open { until: Instant, resort: Resort },
    HalfOpen { good: u32, lease: Option<Lease> },
}

/// The breaker of one target, credential or provider.
#[derive(Debug)]
pub struct Breaker {
    guards: Guards,
    state: State,
    window: Window,
    /// Failures before the first content, in a row.
    row: Row,
    /// Answers that broke off after it, in a row.
    broken: Row,
    /// Answers that have begun and not ended.
    flowing: u32,
    /// The two callers that were last answered or failed.
    active: [Option<(u64, Instant)>; 2],
    trips: u32,
    closed_since: Instant,
    /// Opened by what nothing heals.
    flat: bool,
    /// Until when calls without another way still go.
    grace_until: Instant,
    opened_by: Option<OpenedBy>,
    /// What is left over of the shares of earlier calls.
    credit: f64,
    leases: u64,
    epoch: u32,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(guards: Guards, now: Instant) -> Self {
        Self {
            guards,
            state: State::Closed { ramp: None },
            window: Window::new(now, BreakerSettings::default().window),
            row: Row::default(),
            broken: Row::default(),
            flowing: 0,
            active: [None; 2],
            trips: 0,
            closed_since: now,
            flat: false,
            grace_until: now,
            opened_by: None,
            credit: 0.0,
            leases: 0,
            epoch: 0,
        }
    }

    /// Until when a call would be refused; none where it would be let through. Nothing is taken by asking.
    #[must_use]
    pub fn refuses(&self, ask: &Ask, now: Instant) -> Option<Instant> {
        match self.grant(ask, now) {
            Grant::Freely | Grant::Probe | Grant::Resort => None,
            Grant::Share(share, _) if self.credit + share >= 1.0 => None,
            Grant::Share(_, until) | Grant::Refused(until) => Some(until),
        }
    }

    /// Lets a call through, or says when to come again.
    ///
    /// # Errors
    /// The moment of the next probe.
    pub fn enter(&mut self, ask: &Ask, now: Instant) -> Result<Pass, Instant> {
        let probe = match self.grant(ask, now) {
            Grant::Freely => None,
            Grant::Share(share, until) => {
                self.credit += share;
                if self.credit < 1.0 {
                    return Err(until);
                }
                self.credit -= 1.0;
                None
            }
            Grant::Probe => Some(self.lend(ask, now)),
            Grant::Resort => {
                self.leases += 1;
                if let State::Open { resort, .. } = &mut self.state {
                    *resort = Resort::UnderWay(self.leases);
                }
                Some(self.leases)
            }
            Grant::Refused(until) => return Err(until),
        };
        Ok(Pass {
            probe,
            counted: None,
            epoch: self.epoch,
        })
    }

    /// A call that was let through although the breaker would have refused it, or does not act.
    #[must_use]
    pub fn wave_through(&self) -> Pass {
        Pass {
            epoch: self.epoch,
            ..Pass::default()
        }
    }

    /// The answer is good so far: it counts as one from now on.
    pub fn begun(&mut self, pass: &mut Pass, caller: u64, now: Instant) -> Option<Change> {
        if pass.counted.is_some() {
            return None;
        }
        self.note(caller, now);
        pass.counted = Some(self.window.good(now));
        self.flowing += 1;
        self.row = Row::default();
        let probe = pass.probe.take()?;
        self.probe_answered(probe, now)
    }

    /// The answer was good to its last byte.
    pub fn ended(&mut self, pass: &mut Pass, caller: u64, now: Instant) -> Option<Change> {
        let change = self.begun(pass, caller, now);
        self.broken = Row::default();
        self.settle(pass);
        change
    }

    /// The call ended and says nothing: whatever it held is given back.
    pub fn settle(&mut self, pass: &mut Pass) {
        if pass.counted.take().is_some() {
            self.flowing = self.flowing.saturating_sub(1);
        }
        let Some(probe) = pass.probe.take() else {
            return;
        };
        match &mut self.state {
            State::HalfOpen { lease, .. } if lease.is_some_and(|lease| lease.id == probe) => {
                *lease = None;
            }
            State::Open { resort, .. } if resort.is(probe) => *resort = Resort::Unused,
            _ => {}
        }
    }

    /// The call failed. `random` is between 0 and 1.
    pub fn failed(
        &mut self,
        pass: &mut Pass,
        call: &Failed<'_>,
        settings: &BreakerSettings,
        now: Instant,
    ) -> Option<Change> {
        let probe = pass.probe.take();
        let broke = pass.counted.take();
        if let Some(slice) = broke {
            self.window.take_back(slice);
            self.flowing = self.flowing.saturating_sub(1);
        }
        let opens = matches!(call.fault.weight, Weight::Opens | Weight::OpensFlat);
        if opens && self.guards == Guards::Unnamed {
            return None;
        }
        // A call that began before the breaker last opened says nothing of what has recovered since.
        if matches!(self.state, State::Closed { .. }) && pass.epoch != self.epoch {
            return None;
        }
        self.window.resize(settings.window);
        self.note(call.caller, now);
        self.window.failed(call.caller, now);
        let trips = match &mut self.state {
            State::Closed { .. } => {
                opens || (self.guards.counts() && self.counts_to_open(call, broke, settings, now))
            }
            State::Open { until, resort } => {
                if probe.is_some_and(|probe| resort.is(probe)) {
                    *resort = Resort::Used;
                    *until = (*until).max(now + call.fault.hint.unwrap_or_default());
                }
                call.fault.weight == Weight::OpensFlat && !self.flat
            }
            State::HalfOpen { lease, .. } => {
                let is_current = |probe| lease.is_some_and(|lease| lease.id == probe);
                let was_probe = broke.is_some() && pass.epoch == self.epoch;
                opens || was_probe || probe.is_some_and(is_current)
            }
        };
        trips.then(|| self.trip(call, settings, now))
    }

    /// Whether it was opened by what nothing heals.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Where it stands.
    #[must_use]
    pub fn position(&self, now: Instant) -> Position {
        match self.state {
            State::Closed { ramp } if ramp_share(ramp, now) < 1.0 => Position::Ramping,
            State::Closed { .. } => Position::Closed,
            State::Open { until, .. } if now < until => Position::Open,
            State::Open { .. } | State::HalfOpen { .. } => Position::HalfOpen,
        }
    }

    /// When the next call may try; none while it is closed.
    #[must_use]
    pub fn next_probe(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Closed { .. } => None,
            State::Open { until, .. } => Some(until.max(now)),
            State::HalfOpen { lease, .. } => {
                Some(lease.map_or(now, |lease| lease.until.clamp(now, now + PROBE_WAIT)))
            }
        }
    }

    /// Why it is not closed.
    #[must_use]
    pub fn opened_by(&self) -> Option<&OpenedBy> {
        self.opened_by.as_ref()
    }

    /// Good answers and failures in the window.
    #[must_use]
    pub fn recent(&self, now: Instant) -> (u32, u32) {
        let sums = self.window.sums(now);
        (sums.good, sums.failed)
    }

    fn grant(&self, ask: &Ask, now: Instant) -> Grant {
        match self.state {
            State::Closed { ramp } => {
                let share = ramp_share(ramp, now);
                // After a recovery only who has another way is asked to take it.
                if share < 1.0 && ask.alternative == Alternative::Elsewhere {
                    let step = ramp.map_or(now, |since| since + RAMP_STEP * 3);
                    Grant::Share(share, step)
                } else {
                    Grant::Freely
                }
            }
            State::Open { until, resort } if now < until => {
                if let Some(share) = self.thinned(ask, now) {
                    Grant::Share(share, until)
                } else if ask.alternative == Alternative::LastResort
                    && matches!(resort, Resort::Unused)
                {
                    Grant::Resort
                } else {
                    Grant::Refused(until)
                }
            }
            State::Open { .. } => Grant::Probe,
            State::HalfOpen { lease, .. } => match lease {
                Some(lease) if lease.until > now && (ask.hurried || !lease.hurried) => {
                    let until = lease.until.min(now + PROBE_WAIT);
                    match self.thinned(ask, now) {
                        Some(share) => Grant::Share(share, until),
                        None => Grant::Refused(until),
                    }
                }
                _ => Grant::Probe,
            },
        }
    }

    /// The share of calls without another way that is let through: as many as have a chance, as long as any succeeds.
    fn thinned(&self, ask: &Ask, now: Instant) -> Option<f64> {
        if ask.alternative == Alternative::Elsewhere || self.flat || !self.guards.counts() {
            return None;
        }
        if now < self.grace_until {
            return Some(1.0);
        }
        let sums = self.window.sums(now);
        if sums.good == 0 {
            return None;
        }
        let (asked, good) = (f64::from(sums.total()), f64::from(sums.good));
        let refused = ((asked - GOOD_IS_WORTH * good) / (asked + 1.0)).clamp(0.0, MOST_THINNED);
        Some(1.0 - refused)
    }

    fn lend(&mut self, ask: &Ask, now: Instant) -> u64 {
        self.leases += 1;
        let lease = Lease {
            id: self.leases,
            until: now + ask.lease,
            hurried: ask.hurried,
        };
        match &mut self.state {
            State::HalfOpen { lease: place, .. } => *place = Some(lease),
            State::Open { .. } | State::Closed { .. } => {
                self.state = State::HalfOpen {
                    good: 0,
                    lease: Some(lease),
                };
                self.epoch = self.epoch.wrapping_add(1);
            }
        }
        self.leases
    }

    fn probe_answered(&mut self, probe: u64, now: Instant) -> Option<Change> {
        let good = match &mut self.state {
            State::HalfOpen { good, lease } if lease.is_some_and(|lease| lease.id == probe) => {
                *lease = None;
                *good += 1;
                *good
            }
            State::Open { resort, .. } if resort.is(probe) => {
                self.epoch = self.epoch.wrapping_add(1);
                self.state = State::HalfOpen {
                    good: 1,
                    lease: None,
                };
                1
            }
            _ => return None,
        };
        if good < self.guards.closes_after() {
            return None;
        }
        let ramp = self.guards.counts().then_some(now);
        self.state = State::Closed { ramp };
        self.closed_since = now;
        // What failed before it opened is no longer true of it.
        self.window.clear();
        self.row = Row::default();
        self.broken = Row::default();
        self.credit = 1.0;
        self.opened_by = None;
        self.flat = false;
        Some(Change::Closed)
    }

    fn counts_to_open(
        &mut self,
        call: &Failed<'_>,
        broke: Option<u64>,
        settings: &BreakerSettings,
        now: Instant,
    ) -> bool {
        // Five poisoned prompts of one caller must not close a target to all.
        let shared = self.has_two_callers(settings.window, now);
        let suffices = |callers: Callers| !shared || callers == Callers::Several;
        if call.fault.weight == Weight::Full {
            let row = match broke {
                None => &mut self.row,
                Some(_) => &mut self.broken,
            };
            row.add(call.caller);
            // Many answers may be under way that began well before the ones that broke.
            let flowing = broke.map_or(0, |_| self.flowing);
            if row.count >= settings.consecutive && row.count > flowing && suffices(row.callers) {
                return true;
            }
        }
        let sums = self.window.sums(now);
        let total = sums.total();
        total >= settings.min_calls
            && f64::from(sums.failed) >= settings.failure_rate * f64::from(total)
            && suffices(sums.failed_for)
    }

    fn trip(&mut self, call: &Failed<'_>, settings: &BreakerSettings, now: Instant) -> Change {
        if let State::Closed { .. } = self.state {
            let healthy = now.saturating_duration_since(self.closed_since).as_secs();
            let minutes = u32::try_from(healthy / HEALTH.as_secs()).unwrap_or(u32::MAX);
            self.trips = self.trips.saturating_sub(minutes);
            self.grace_until = now + GRACE;
        }
        self.trips = (self.trips + 1).min(MOST_TRIPS);
        self.flat = call.fault.weight == Weight::OpensFlat;
        let open = if self.flat {
            FLAT
        } else {
            let doubled = settings.open.saturating_mul(1 << (self.trips - 1));
            let most = doubled.min(settings.max_open);
            most / 2 + share(most / 2, call.random)
        };
        self.state = State::Open {
            until: now + open.max(call.fault.hint.unwrap_or_default()),
            resort: Resort::Unused,
        };
        self.epoch = self.epoch.wrapping_add(1);
        self.credit = 1.0;
        let since = self.opened_by.as_ref().map_or(now, |before| before.since);
        self.opened_by = Some(OpenedBy {
            cause: call.fault.cause,
            excerpt: call.fault.excerpt.clone(),
            since,
        });
        Change::Opened
    }

    fn note(&mut self, caller: u64, now: Instant) {
        let [last, before] = &mut self.active;
        if last.is_some_and(|(known, _)| known != caller) {
            *before = *last;
        }
        *last = Some((caller, now));
    }

    fn has_two_callers(&self, within: Duration, now: Instant) -> bool {
        self.active
            .iter()
            .all(|one| one.is_some_and(|(_, at)| now.saturating_duration_since(at) <= within))
    }
}

/// A call that failed, and the dice for how long the breaker opens.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// Whose call.
    pub caller: u64,
    /// What failed.
    pub fault: &'a Fault,
    /// Between 0 and 1.
    pub random: f64,
}

impl Resort {
    fn is(self, probe: u64) -> bool {
        matches!(self, Self::UnderWay(id) if id == probe)
    }
}

/// The share of calls that a breaker lets through so long after it closed: a quarter, half, three quarters, all.
fn ramp_share(ramp: Option<Instant>, now: Instant) -> f64 {
    let Some(since) = ramp else { return 1.0 };
    let steps = now.saturating_duration_since(since).as_nanos() / RAMP_STEP.as_nanos();
    match steps {
        0 => 0.25,
        1 => 0.5,
        2 => 0.75,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests;
