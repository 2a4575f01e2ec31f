//! How busy a target is and how soon it answers, as the calls that went there showed it.
//!
//! The time to the first token has two parts: the usual one, which moves slowly, and a peak above it, which jumps up
//! with every slow answer and fades within seconds. What still waits for its first token counts as well, by its age
//! and by its number beside the usual one: a target that stalls or fills up is seen at once, not when its answers come.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};

/// How fast a peak fades: to a third in this time. Chosen: longer than a burst, shorter than an outage.
const PEAK_FADES: f64 = 10.0;

/// A failure counts as a slow answer for so long. Source: the design's rule that a target that fails fast is not an
/// idle one.
const FAILURE_COUNTS: Duration = Duration::from_secs(10);

/// A pace that nobody has seen for so long is looked at again.
const STALE: Duration = Duration::from_secs(30);

/// What each good answer moves the usual time by at least; the longer none was seen, the more the next one counts.
const USUAL_MOVES: f64 = 0.1;

/// Over how many seconds the usual number of waiting calls is taken.
const WAITING_IS_USUAL_AFTER: f64 = 10.0;

/// Targets that are watched at most; as many as there are states of targets.
const MOST_LOADS: usize = 4_096;

/// Good answers that are remembered for their 95th percentile.
const REMEMBERED: usize = 32;

/// Calls whose answers begin after times that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A stream: its first token.
    Stream,
    /// An answer that comes whole: its head.
    Whole,
}

/// What is known of a target's load at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Calls running there; each failure of the last 10 s counts as one.
    pub busy: u32,
    /// How soon an answer is expected to begin; none where nothing is known.
    pub pace: Option<Duration>,
    /// The time within which 95 of the last good answers in 100 began; none before the first.
    pub slow: Option<Duration>,
    /// Whether a call failed there in the last 10 s.
    pub failed_lately: bool,
    /// Whether no answer was seen for so long that the pace may be another one now.
    pub is_stale: bool,
}

/// The load of one target; shared by all calls.
#[derive(Debug)]
pub struct Load {
    origin: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: u32,
    stream: Pace,
    whole: Pace,
    failures: Failures,
}

impl State {
    fn pace(&mut self, lane: Lane) -> &mut Pace {
        match lane {
            Lane::Stream => &mut self.stream,
            Lane::Whole => &mut self.whole,
        }
    }
}

/// The loads of all targets that are chosen by load or speed. Others are not watched, and cost nothing.
#[derive(Debug, Default)]
pub struct Loads {
    any: AtomicBool,
    /// Names come from the configuration alone: aliases with such a strategy. Bound: [`MOST_LOADS`].
    loads: RwLock<HashMap<Arc<str>, Arc<Load>>>,
}

impl Loads {
    /// The load of a target, which is watched from now on.
    #[must_use]
    pub fn watch(&self, target: &Arc<str>, now: Instant) -> Arc<Load> {
        if let Some(found) = self.loads.read().get(target) {
            return Arc::clone(found);
        }
        let mut loads = self.loads.write();
        if loads.len() >= MOST_LOADS {
            // After many reloads: what is still in use comes back, empty.
            loads.clear();
        }
        let fresh = || Arc::new(Load::new(now));
        let load = Arc::clone(loads.entry(Arc::clone(target)).or_insert_with(fresh));
        self.any.store(true, Ordering::Release);
        load
    }

    /// Notes that a call begins at a target, where that is watched.
    pub fn begin(&self, target: &str, lane: Lane, now: Instant) -> Option<Running> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let load = self.loads.read().get(target).map(Arc::clone)?;
        Some(load.begin(lane, now))
    }
}

/// A call that runs at the target; it ends when this is dropped.
#[derive(Debug)]
#[must_use = "the call counts as running until this is dropped"]
pub struct Running {
    load: Arc<Load>,
    lane: Lane,
    started: Instant,
    waits: bool,
}

impl Load {
    /// A target of which nothing is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            state: Mutex::default(),
        }
    }

    /// Notes that a call begins there.
    pub fn begin(self: &Arc<Self>, lane: Lane, now: Instant) -> Running {
        let mut state = self.state.lock();
        state.running = state.running.saturating_add(1);
        state.pace(lane).waits(self.nanos(now));
        Running {
            load: Arc::clone(self),
            lane,
            started: now,
            waits: true,
        }
    }

    /// What is known of it now.
    #[must_use]
    pub fn read(&self, lane: Lane, now: Instant) -> Reading {
        let now = self.nanos(now);
        let mut state = self.state.lock();
        let failures = state.failures.recent(now);
        let running = state.running;
        let pace = state.pace(lane);
        let is_old = now.saturating_sub(pace.seen) >= nanos(STALE);
        Reading {
            busy: running.saturating_add(failures),
            pace: pace.expected(now),
            slow: pace.good.slow,
            failed_lately: failures > 0,
            is_stale: pace.waiting == 0 && failures == 0 && is_old,
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(self.origin))
    }
}

impl Running {
    /// The answer has begun.
    pub fn answered(&mut self, now: Instant) {
        if !std::mem::take(&mut self.waits) {
            return;
        }
        let took = now.saturating_duration_since(self.started);
        let (started, now) = (self.load.nanos(self.started), self.load.nanos(now));
        let mut state = self.load.state.lock();
        let pace = state.pace(self.lane);
        pace.no_longer_waits(started, now);
        pace.answered(took, now);
    }

    /// The target failed.
    pub fn failed(&mut self, now: Instant) {
        let started = self.load.nanos(self.started);
        let took = now.saturating_duration_since(self.started);
        let now = self.load.nanos(now);
        let mut state = self.load.state.lock();
        state.failures.add(now);
        if std::mem::take(&mut self.waits) {
            let pace = state.pace(self.lane);
            pace.no_longer_waits(started, now);
            pace.failed(took, now);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let started = self.load.nanos(self.started);
        let mut state = self.load.state.lock();
        state.running = state.running.saturating_sub(1);
        if self.waits {
            // When it is dropped is not known here: what is usual is brought up to date by the next call.
            let pace = state.pace(self.lane);
            pace.no_longer_waits(started, pace.counted);
        }
    }
}

/// The time to the first token in one lane. All times are nanoseconds since the load's origin.
#[derive(Debug, Default)]
struct Pace {
    /// Seconds, without peaks.
    usual: Option<f64>,
    /// Seconds above the usual, at `seen`.
    above: f64,
    seen: u64,
    /// What a failure counts for, and until when.
    penalty: f64,
    penalty_until: u64,
    waiting: u32,
    /// The usual number of those that wait, at `counted`.
    usually_waiting: f64,
    counted: u64,
    /// The sum of the moments at which those that wait began.
    waiting_since: u128,
    good: Good,
}

impl Pace {
    fn waits(&mut self, now: u64) {
        self.usually_waiting = self.usually_waiting_at(now);
        self.counted = now;
        self.waiting = self.waiting.saturating_add(1);
        self.waiting_since = self.waiting_since.saturating_add(u128::from(now));
    }

    fn no_longer_waits(&mut self, started: u64, now: u64) {
        self.usually_waiting = self.usually_waiting_at(now);
        self.counted = now;
        self.waiting = self.waiting.saturating_sub(1);
        self.waiting_since = self.waiting_since.saturating_sub(u128::from(started));
    }

    fn answered(&mut self, took: Duration, now: u64) {
        let took_seconds = took.as_secs_f64();
        // From the last answer to the beginning of this one: it must not count for more because it is slow.
        let began = now.saturating_sub(nanos(took));
        let moves = (1.0 - faded(began, self.seen, PEAK_FADES)).max(USUAL_MOVES);
        let usual = self
            .usual
            .map_or(took_seconds, |usual| usual + moves * (took_seconds - usual));
        let above = (self.peak(now)).max(took_seconds - usual).max(0.0);
        self.usual = Some(usual);
        self.above = above;
        self.seen = now;
        self.good.add(took);
    }

    fn failed(&mut self, took: Duration, now: u64) {
        let slow = self.good.slow.unwrap_or_default().max(took);
        let still = if now < self.penalty_until {
            self.penalty
        } else {
            0.0
        };
        self.penalty = still.max(slow.as_secs_f64());
        self.penalty_until = now.saturating_add(nanos(FAILURE_COUNTS));
    }

    /// What is left of the peak.
    fn peak(&self, now: u64) -> f64 {
        self.above * faded(now, self.seen, PEAK_FADES)
    }

    fn usually_waiting_at(&self, now: u64) -> f64 {
        let waiting = f64::from(self.waiting);
        let before = faded(now, self.counted, WAITING_IS_USUAL_AFTER);
        waiting + (self.usually_waiting - waiting) * before
    }

    /// How many times as many wait as usually do; one more on both sides, so that few are not many.
    fn crowd(&self, now: u64) -> f64 {
        let usually = self.usually_waiting_at(now);
        ((f64::from(self.waiting) + 1.0) / (usually + 1.0)).max(1.0)
    }

    fn expected(&self, now: u64) -> Option<Duration> {
        let known = self.usual.map(|usual| usual + self.peak(now));
        let punished = (now < self.penalty_until).then_some(self.penalty);
        let expected = match (known, punished) {
            (None, None) => return None,
            (known, punished) => {
                (known.unwrap_or(0.0) * self.crowd(now)).max(punished.unwrap_or(0.0))
            }
        };
        Duration::try_from_secs_f64(expected)
            .ok()
            .map(|expected| expected.max(self.twice_the_mean_age(now)))
    }

    /// Who waits has waited for half of its time on average: twice the mean age is what the wait comes to.
    fn twice_the_mean_age(&self, now: u64) -> Duration {
        let Some(mean) = self.waiting_since.checked_div(u128::from(self.waiting)) else {
            return Duration::ZERO;
        };
        let age = u128::from(now).saturating_sub(mean);
        Duration::from_nanos(u64::try_from(age.saturating_mul(2)).unwrap_or(u64::MAX))
    }
}

/// The last good answers' times.
#[derive(Debug, Default)]
struct Good {
    times: Vec<Duration>,
    next: usize,
    slow: Option<Duration>,
}

impl Good {
    fn add(&mut self, took: Duration) {
        match self.times.get_mut(self.next) {
            Some(oldest) => *oldest = took,
            None => self.times.push(took),
        }
        self.next = (self.next + 1) % REMEMBERED;
        self.slow = self.percentile();
    }

    /// Of 32 answers the 95th percentile is the second slowest; of fewer, the slowest.
    fn percentile(&self) -> Option<Duration> {
        let spare = self.times.len() - (self.times.len() * 95).div_ceil(100);
        let mut slowest = Duration::ZERO;
        let mut second = Duration::ZERO;
        for time in &self.times {
            if *time >= slowest {
                second = std::mem::replace(&mut slowest, *time);
            } else if *time > second {
                second = *time;
            }
        }
        match (self.times.is_empty(), spare) {
            (true, _) => None,
            (false, 0) => Some(slowest),
            (false, _) => Some(second),
        }
    }
}

/// Failures of the last ten seconds, by the second.
#[derive(Debug, Default)]
struct Failures {
    seconds: [u32; 10],
    newest: u64,
}

impl Failures {
    fn add(&mut self, now: u64) {
        let second = self.turn_to(now);
        if let Some(count) = self.seconds.get_mut(second) {
            *count = count.saturating_add(1);
        }
    }

    fn recent(&mut self, now: u64) -> u32 {
        self.turn_to(now);
        self.seconds
            .iter()
            .fold(0, |sum: u32, count| sum.saturating_add(*count))
    }

    /// Empties the seconds that have passed since the last look; the index of this one.
    fn turn_to(&mut self, now: u64) -> usize {
        const SECONDS: u64 = 10;
        let second = now / 1_000_000_000;
        let passed = second.saturating_sub(self.newest).min(SECONDS);
        for step in 0..passed {
            let index = usize::try_from((second - step) % SECONDS).unwrap_or(0);
            if let Some(count) = self.seconds.get_mut(index) {
                *count = 0;
            }
        }
        self.newest = self.newest.max(second);
        usize::try_from(self.newest % SECONDS).unwrap_or(0)
    }
}

/// What is left of something after the time from `then` to `now`, when it fades to a third in `seconds`.
fn faded(now: u64, then: u64, seconds: f64) -> f64 {
    let age = Duration::from_nanos(now.saturating_sub(then)).as_secs_f64();
    (-age / seconds).exp()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
