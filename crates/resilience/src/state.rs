//! What is remembered of one target, one credential, one provider: their machines behind one short lock each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::breaker::{Ask, Breaker, Change, Failed, Guards, OpenedBy, Pass};
use crate::concurrency::Limiter;
use crate::cooldown::Cooldown;
use crate::latency::Latency;
use crate::lesson::{Fault, Level, Weight};
use crate::retry_budget::RetryBudget;
use crate::settings::{BreakerSettings, Mode, Settings};
use crate::throttle::Throttle;

/// A provider of which two targets are open and nothing has answered for this long is failing as a whole.
const SILENT: Duration = Duration::from_secs(30);
/// A target that opened longer ago says nothing of its provider.
const LONG_AGO: Duration = Duration::from_secs(90);
/// Targets of a provider that are remembered as open.
const MOST_OPEN: usize = 16;
/// A key that may not use a model is passed over there for this long. Source: failures, breakers: configuration.
const BARRED_FOR: Duration = Duration::from_secs(60);
/// Keys of a target that are remembered as such.
const MOST_BARRED: usize = 16;

/// What loops that do not act would have done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shadow {
    /// Calls that the breaker would have refused.
    pub breaker: u64,
    /// Calls that the adaptive limit would have refused.
    pub limit: u64,
    /// Times that slow first tokens would have cut the limit.
    pub latency: u64,
    /// Calls that would have gone elsewhere because the target is an outlier.
    pub outlier: u64,
    /// Calls that the local throttle would have refused.
    pub throttle: u64,
    /// Repeats that an overloaded provider would have been spared.
    pub repeats: u64,
}

impl Shadow {
    /// Each count with the name of its loop.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("circuit_breaker", self.breaker),
            ("concurrency", self.limit),
            ("latency", self.latency),
            ("outlier_ejection", self.outlier),
            ("local_throttle", self.throttle),
            ("provider_refusal", self.repeats),
        ]
    }
}

/// The state of one target; shared by all calls.
#[derive(Debug)]
pub struct TargetState {
    pub(crate) cooldown: Cooldown,
    pub(crate) fingerprint: u64,
    in_flight: AtomicU32,
    answered: AtomicU64,
    failed: AtomicU64,
    has_barred: AtomicBool,
    /// Tokens of the provider's retry budget that repeats here have used up since it was last closed.
    repeats: AtomicU32,
    inner: Mutex<TargetMachines>,
}

#[derive(Debug)]
struct TargetMachines {
    breaker: Breaker,
    limiter: Limiter,
    latency: Latency,
    barred: Vec<(u64, Instant)>,
    shadow: Shadow,
}

/// Why a target does not take a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Its breaker, until this moment.
    Open(Instant),
    /// It has as many calls as it may have.
    Full,
}

/// What a call holds of its target.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) pass: Pass,
    /// The calls in flight when this one went, itself counted.
    pub(crate) with: u32,
    /// When the call went.
    since: Instant,
}

impl TargetState {
    /// A fresh state of what `guards` says; another fingerprint means another configuration.
    #[must_use]
    pub fn new(guards: Guards, fingerprint: u64, now: Instant) -> Self {
        Self {
            cooldown: Cooldown::new(now),
            fingerprint,
            in_flight: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            has_barred: AtomicBool::new(false),
            repeats: AtomicU32::new(0),
            inner: Mutex::new(TargetMachines {
                breaker: Breaker::new(guards, now),
                limiter: Limiter::new(now),
                latency: Latency::new(now),
                barred: Vec::new(),
                shadow: Shadow::default(),
            }),
        }
    }

    /// Calls in flight, each until the last byte of its answer.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The most calls at a time that it takes now; none where nothing shows a limit.
    #[must_use]
    pub fn most(&self, settings: &Settings, now: Instant) -> Option<u32> {
        let concurrency = &settings.concurrency;
        let adaptive = match concurrency.mode {
            Mode::Act => self.inner.lock().limiter.limit(now),
            Mode::Shadow | Mode::Off => None,
        };
        [concurrency.max, adaptive].into_iter().flatten().min()
    }

    /// Good answers and failures so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.answered.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }

    /// Good answers and failures of the breaker's window.
    #[must_use]
    pub fn recent(&self, now: Instant) -> (u32, u32) {
        self.inner.lock().breaker.recent(now)
    }

    /// Whether this key was told a short while ago that it may not use this target.
    #[must_use]
    pub fn bars(&self, credential: u64, now: Instant) -> bool {
        self.has_barred.load(Ordering::Relaxed)
            && self
                .inner
                .lock()
                .barred
                .iter()
                .any(|(known, until)| *known == credential && now < *until)
    }

    /// Notes that a repeat here used up a token.
    pub fn repeated(&self) {
        self.repeats.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the tokens that repeats here have used up.
    pub(crate) fn take_repeats(&self) -> u32 {
        if self.repeats.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        self.repeats.swap(0, Ordering::Relaxed)
    }

    /// Notes that a call went elsewhere, or would have gone, because this target is an outlier.
    pub fn is_outlier(&self) {
        self.inner.lock().shadow.outlier += 1;
    }

    pub(crate) fn bar(&self, credential: u64, now: Instant) {
        let mut machines = self.inner.lock();
        machines
            .barred
            .retain(|(known, until)| *known != credential && now < *until);
        if machines.barred.len() < MOST_BARRED {
            machines.barred.push((credential, now + BARRED_FOR));
            self.has_barred.store(true, Ordering::Relaxed);
        }
    }

    pub(crate) fn look(&self, ask: &Ask, settings: &Settings, now: Instant) -> Result<(), Closed> {
        let mut machines = self.inner.lock();
        if settings.breaker.mode == Mode::Act
            && let Some(until) = machines.breaker.refuses(ask, now)
        {
            return Err(Closed::Open(until));
        }
        if machines.is_full(self.in_flight(), settings, now) {
            machines.limiter.refused(now);
            return Err(Closed::Full);
        }
        Ok(())
    }

    pub(crate) fn enter(
        &self,
        ask: &Ask,
        settings: &Settings,
        now: Instant,
    ) -> Result<Place, Closed> {
        let mut machines = self.inner.lock();
        let mut pass = machines.pass(ask, settings, now)?;
        let in_flight = self.in_flight();
        if machines.is_full(in_flight, settings, now) {
            machines.limiter.refused(now);
            machines.breaker.settle(&mut pass);
            return Err(Closed::Full);
        }
        if settings.concurrency.mode == Mode::Shadow && !machines.limiter.allows(in_flight, now) {
            machines.shadow.limit += 1;
        }
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Place {
            pass,
            with: in_flight.saturating_add(1),
            since: now,
        })
    }

    /// The answer has begun; with how long its first token took after how many bytes of prompt, where it streams.
    pub(crate) fn begun(
        &self,
        place: &mut Place,
        caller: u64,
        first_token: Option<(Duration, u64)>,
        settings: &Settings,
        now: Instant,
    ) -> Option<Change> {
        let mut machines = self.inner.lock();
        let change = machines.begun(place, caller, now);
        if let Some((after, bytes)) = first_token
            && settings.concurrency.latency != Mode::Off
            && machines.latency.first_token(after, bytes, now)
        {
            if settings.concurrency.latency == Mode::Act {
                machines
                    .limiter
                    .lost(u32::MAX, self.in_flight(), Duration::ZERO, now);
            } else {
                machines.shadow.latency += 1;
            }
        }
        change
    }

    /// The answer was good to its last byte.
    pub(crate) fn ended(&self, place: &mut Place, caller: u64, now: Instant) -> Option<Change> {
        let mut machines = self.inner.lock();
        let change = machines.begun(place, caller, now);
        machines.breaker.ended(&mut place.pass, caller, now);
        machines.limiter.answered(place.with, now);
        self.leave();
        self.answered.fetch_add(1, Ordering::Relaxed);
        change
    }

    /// The call failed.
    pub(crate) fn failed(
        &self,
        place: &mut Place,
        call: &Failed<'_>,
        settings: &Settings,
        now: Instant,
    ) -> Option<Change> {
        let mut machines = self.inner.lock();
        let was_probe = place.pass.is_probe();
        let change = if call.fault.level == Level::Target && settings.breaker.mode != Mode::Off {
            machines
                .breaker
                .failed(&mut place.pass, call, &settings.breaker, now)
        } else {
            machines.breaker.settle(&mut place.pass);
            None
        };
        // A probe goes alone: refused, it says nothing of how many the target could take.
        if call.fault.is_loss && !was_probe {
            let took = now.saturating_duration_since(place.since);
            machines
                .limiter
                .lost(place.with, self.in_flight(), took, now);
        }
        self.leave();
        self.failed.fetch_add(1, Ordering::Relaxed);
        change
    }

    /// The call ended and says nothing.
    pub(crate) fn settle(&self, place: &mut Place) {
        self.inner.lock().breaker.settle(&mut place.pass);
        self.leave();
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Breaker, &Limiter, &Shadow) -> T) -> T {
        let machines = self.inner.lock();
        read(&machines.breaker, &machines.limiter, &machines.shadow)
    }

    fn leave(&self) {
        let less = |count: u32| count.checked_sub(1);
        // Only who has entered leaves.
        self.in_flight
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .unwrap_or_default();
    }
}

impl TargetMachines {
    fn pass(&mut self, ask: &Ask, settings: &Settings, now: Instant) -> Result<Pass, Closed> {
        let mode = settings.breaker.mode;
        if mode == Mode::Off {
            return Ok(self.breaker.wave_through());
        }
        match self.breaker.enter(ask, now) {
            Ok(pass) => Ok(pass),
            Err(until) if mode == Mode::Act => Err(Closed::Open(until)),
            Err(_) => {
                self.shadow.breaker += 1;
                Ok(self.breaker.wave_through())
            }
        }
    }

    fn is_full(&self, in_flight: u32, settings: &Settings, now: Instant) -> bool {
        let concurrency = &settings.concurrency;
        concurrency.max.is_some_and(|max| in_flight >= max)
            || (concurrency.mode == Mode::Act && !self.limiter.allows(in_flight, now))
    }

    fn begun(&mut self, place: &mut Place, caller: u64, now: Instant) -> Option<Change> {
        if !place.pass.has_begun() {
            self.limiter.accepted(place.with, now);
        }
        self.breaker.begun(&mut place.pass, caller, now)
    }
}

/// A breaker that is opened by what is certain alone, so that nothing is asked of it while it is closed.
#[derive(Debug)]
pub(crate) struct CertainBreaker {
    is_troubled: AtomicBool,
    breaker: Mutex<Breaker>,
}

impl CertainBreaker {
    fn new(now: Instant) -> Self {
        Self {
            is_troubled: AtomicBool::new(false),
            breaker: Mutex::new(Breaker::new(Guards::Certain, now)),
        }
    }

    pub(crate) fn refuses(&self, ask: &Ask, now: Instant) -> Option<Instant> {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return None;
        }
        self.breaker.lock().refuses(ask, now)
    }

    /// The pass of a probe; none where it is closed and nothing has to be given back.
    pub(crate) fn enter(&self, ask: &Ask, now: Instant) -> Result<Option<Pass>, Instant> {
        if !self.is_troubled.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.breaker.lock().enter(ask, now).map(Some)
    }

    pub(crate) fn answered(&self, pass: &mut Option<Pass>, caller: u64, now: Instant) {
        if let Some(mut pass) = pass.take() {
            let mut breaker = self.breaker.lock();
            breaker.ended(&mut pass, caller, now);
            self.is_troubled
                .store(breaker.next_probe(now).is_some(), Ordering::Relaxed);
        }
    }

    pub(crate) fn settle(&self, pass: &mut Option<Pass>) {
        if let Some(mut pass) = pass.take() {
            self.breaker.lock().settle(&mut pass);
        }
    }

    pub(crate) fn failed(
        &self,
        pass: &mut Option<Pass>,
        call: &Failed<'_>,
        settings: &BreakerSettings,
        now: Instant,
    ) {
        if settings.mode == Mode::Off {
            return self.settle(pass);
        }
        let mut breaker = self.breaker.lock();
        let mut pass = pass.take().unwrap_or_else(|| breaker.wave_through());
        breaker.failed(&mut pass, call, settings, now);
        self.is_troubled
            .store(breaker.next_probe(now).is_some(), Ordering::Relaxed);
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Breaker) -> T) -> T {
        read(&self.breaker.lock())
    }

    pub(crate) fn opened_by(&self) -> Option<OpenedBy> {
        self.read(|breaker| breaker.opened_by().cloned())
    }
}

/// The state of one key of a provider.
#[derive(Debug)]
pub struct CredentialState {
    pub(crate) cooldown: Cooldown,
    pub(crate) fingerprint: u64,
    pub(crate) breaker: CertainBreaker,
    /// What tells it from other keys.
    pub(crate) mark: u64,
}

impl CredentialState {
    /// A fresh state; another fingerprint means another key under the same name.
    #[must_use]
    pub fn new(mark: u64, fingerprint: u64, now: Instant) -> Self {
        Self {
            cooldown: Cooldown::new(now),
            fingerprint,
            breaker: CertainBreaker::new(now),
            mark,
        }
    }

    /// Whether it takes a call that could use another key.
    #[must_use]
    pub fn takes(&self, ask: &Ask, settings: &Settings, now: Instant) -> bool {
        self.cooldown.until(now).is_none()
            && (settings.breaker.mode != Mode::Act || self.breaker.refuses(ask, now).is_none())
    }

    /// What tells it from other keys, for [`TargetState::bars`].
    #[must_use]
    pub fn mark(&self) -> u64 {
        self.mark
    }
}

/// The state of one provider.
#[derive(Debug)]
pub struct ProviderState {
    /// Its retry budget.
    pub budget: RetryBudget,
    pub(crate) fingerprint: u64,
    pub(crate) breaker: CertainBreaker,
    /// All its models that nobody has named.
    pub(crate) unnamed: Arc<TargetState>,
    start: Instant,
    last_answer_nanos: AtomicU64,
    whole: Mutex<Whole>,
}

/// What is known of all targets of a provider together.
#[derive(Debug)]
struct Whole {
    throttle: Throttle,
    open_targets: Vec<(u64, Instant)>,
    shadow: Shadow,
}

impl ProviderState {
    /// A fresh state.
    #[must_use]
    pub fn new(ratio: f64, fingerprint: u64, now: Instant) -> Self {
        Self {
            budget: RetryBudget::new(ratio, now),
            fingerprint,
            breaker: CertainBreaker::new(now),
            unnamed: Arc::new(TargetState::new(Guards::Unnamed, fingerprint, now)),
            start: now,
            last_answer_nanos: AtomicU64::new(0),
            whole: Mutex::new(Whole {
                throttle: Throttle::new(now),
                open_targets: Vec::new(),
                shadow: Shadow::default(),
            }),
        }
    }

    /// Whether the local throttle refuses this call.
    pub(crate) fn throttles(&self, mode: Mode, now: Instant) -> bool {
        if mode == Mode::Off {
            return false;
        }
        let mut whole = self.whole.lock();
        let would = whole.throttle.asks(now);
        if would && mode == Mode::Shadow {
            whole.shadow.throttle += 1;
        }
        would && mode == Mode::Act
    }

    /// Whether a repeat there is of no use because the provider is overloaded as a whole.
    #[must_use]
    pub fn refuses_repeats(&self, mode: Mode, now: Instant) -> bool {
        if mode == Mode::Off {
            return false;
        }
        let mut whole = self.whole.lock();
        let would = whole.throttle.is_overloaded(now);
        if would && mode == Mode::Shadow {
            whole.shadow.repeats += 1;
        }
        would && mode == Mode::Act
    }

    /// A call to one of its targets was answered.
    pub(crate) fn answered(&self, now: Instant) {
        let nanos = now.saturating_duration_since(self.start).as_nanos();
        self.last_answer_nanos
            .store(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.whole.lock().throttle.answered(now);
    }

    /// A call to one of its targets failed.
    pub(crate) fn failed(&self, fault: &Fault, now: Instant) {
        self.whole.lock().throttle.failed(fault.is_overload, now);
    }

    /// A target has opened. Two of them, while nothing of the provider answers, open the provider.
    pub(crate) fn target_opened(
        &self,
        target: u64,
        call: &Failed<'_>,
        settings: &BreakerSettings,
        now: Instant,
    ) {
        let open = {
            let mut whole = self.whole.lock();
            whole.open_targets.retain(|(known, at)| {
                *known != target && now.saturating_duration_since(*at) < LONG_AGO
            });
            if whole.open_targets.len() < MOST_OPEN {
                whole.open_targets.push((target, now));
            }
            whole.open_targets.len()
        };
        let answered =
            self.start + Duration::from_nanos(self.last_answer_nanos.load(Ordering::Relaxed));
        if open < 2 || now.saturating_duration_since(answered) < SILENT {
            return;
        }
        let fault = Fault {
            level: Level::Provider,
            weight: Weight::Opens,
            ..call.fault.clone()
        };
        let call = Failed {
            fault: &fault,
            ..*call
        };
        self.breaker.failed(&mut None, &call, settings, now);
    }

    pub(crate) fn target_closed(&self, target: u64) {
        self.whole
            .lock()
            .open_targets
            .retain(|(known, _)| *known != target);
    }

    pub(crate) fn shadow(&self) -> Shadow {
        self.whole.lock().shadow
    }
}
