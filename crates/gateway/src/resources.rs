//! What the process has left: descriptors, memory, and how late its workers are; and whether the clocks have parted.
//!
//! Measured in the background, so that who leaves calls out or shows a gauge reads a few atomics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use limits::pressure::{Measured, Pressure};
use nix::sys::resource::{Resource, getrlimit};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use types::{Clock, ClockWatch, Jump, Priority};

use crate::bytes;

/// How often the system is asked.
const MEASURE_EVERY: Duration = Duration::from_secs(1);

/// How often a worker shows that it is alive: often enough to see a stall of a tenth of a second, seldom enough to cost
/// nothing on an idle machine.
pub(crate) const BEAT_EVERY: Duration = Duration::from_millis(200);

/// How much there is of something, and how much of it is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// In use.
    pub used: u64,
    /// The most there may be; 0 where the system does not tell.
    pub limit: u64,
}

impl Share {
    /// How much is used, in whole percent; 0 where no limit is known.
    #[must_use]
    pub fn percent(self) -> u64 {
        self.used
            .saturating_mul(100)
            .checked_div(self.limit)
            .unwrap_or(0)
    }
}

/// The latest measurements of one process.
#[derive(Debug, Default)]
pub struct Resources {
    descriptors: Gauge,
    memory: Gauge,
    workers: Mutex<Vec<Arc<LoopLag>>>,
    clock_jumps: AtomicU64,
    pressure: Mutex<Pressure>,
    /// How many classes are left out, the lowest first.
    left_out: AtomicUsize,
}

#[derive(Debug, Default)]
struct Gauge {
    used: AtomicU64,
    limit: AtomicU64,
}

impl Gauge {
    fn set(&self, share: Share) {
        self.used.store(share.used, Ordering::Relaxed);
        self.limit.store(share.limit, Ordering::Relaxed);
    }

    fn share(&self) -> Share {
        Share {
            used: self.used.load(Ordering::Relaxed),
            limit: self.limit.load(Ordering::Relaxed),
        }
    }
}

impl Resources {
    /// Open descriptors, of as many as the process may have.
    #[must_use]
    pub fn descriptors(&self) -> Share {
        self.descriptors.share()
    }

    /// Resident memory in bytes, of as much as the cgroup or the machine has.
    #[must_use]
    pub fn memory(&self) -> Share {
        self.memory.share()
    }

    /// How late each worker is at this moment, in their order.
    #[must_use]
    pub fn loop_lags(&self, now: Instant) -> Vec<Duration> {
        self.workers.lock().iter().map(|lag| lag.at(now)).collect()
    }

    /// How late the latest worker is.
    #[must_use]
    pub fn worst_loop_lag(&self, now: Instant) -> Duration {
        let workers = self.workers.lock();
        workers
            .iter()
            .map(|lag| lag.at(now))
            .max()
            .unwrap_or_default()
    }

    /// How often wall and monotonic clock have parted since the start.
    #[must_use]
    pub fn clock_jumps(&self) -> u64 {
        self.clock_jumps.load(Ordering::Relaxed)
    }

    /// Takes in what was measured; tests say what they like.
    pub fn set(&self, descriptors: Share, memory: Share) {
        self.descriptors.set(descriptors);
        self.memory.set(memory);
    }

    /// Whether calls of this class are left out at the moment, because the process runs short.
    #[must_use]
    pub fn leaves_out(&self, priority: Priority) -> bool {
        (priority as usize) < self.left_out.load(Ordering::Relaxed)
    }

    /// Decides from the latest measurements which calls are left out from now on.
    pub fn judge(&self, now: Instant) {
        let measured = Measured {
            descriptors: self.descriptors().percent(),
            memory: self.memory().percent(),
            lag: self.worst_loop_lag(now),
        };
        let highest = self.pressure.lock().look(&measured);
        let count = highest.map_or(0, |highest| highest as usize + 1);
        if self.left_out.swap(count, Ordering::Relaxed) == count {
            return;
        }
        let Measured {
            descriptors,
            memory,
            lag,
        } = measured;
        let lag = lag.as_millis();
        match highest {
            Some(highest) => tracing::warn!(
                "{} calls are left out: {descriptors} % of the descriptors and {memory} % of the memory are in use, \
                 workers are {lag} ms late",
                highest.as_str()
            ),
            None => tracing::warn!("no call is left out any more"),
        }
    }

    /// A worker begins; it beats every `BEAT_EVERY` from now on.
    pub fn add_worker(&self, now: Instant) -> Arc<LoopLag> {
        let lag = Arc::new(LoopLag::new(now));
        self.workers.lock().push(Arc::clone(&lag));
        lag
    }

    fn measure(&self, clocks: &mut ClockWatch, clock: &dyn Clock) {
        self.set(descriptors(), memory());
        self.judge(clock.now());
        let Some(jump) = clocks.look(clock.now(), clock.unix_millis()) else {
            return;
        };
        self.clock_jumps.fetch_add(1, Ordering::Relaxed);
        let (by, way) = match jump {
            Jump::Ahead(by) => (by, "ahead: it was set, or the machine has slept"),
            Jump::Back(by) => (by, "back"),
        };
        tracing::warn!(
            "the clock jumped {} s {way}; idle connections to upstreams are not used again",
            by.as_secs()
        );
    }
}

/// How late one worker's loop runs, told by a timer that it should have seen sooner.
#[derive(Debug)]
pub struct LoopLag {
    start: Instant,
    /// When the next beat is due, in microseconds since `start`.
    due: AtomicU64,
    /// The lateness seen, in microseconds; it halves with every beat that is in time.
    seen: AtomicU64,
}

impl LoopLag {
    fn new(now: Instant) -> Self {
        Self {
            start: now,
            due: AtomicU64::new(micros(BEAT_EVERY)),
            seen: AtomicU64::new(0),
        }
    }

    /// The worker's loop has come by.
    pub fn beat(&self, now: Instant) {
        let now = micros(now.saturating_duration_since(self.start));
        let late = now.saturating_sub(self.due.load(Ordering::Relaxed));
        let faded = self.seen.load(Ordering::Relaxed) / 2;
        self.seen.store(late.max(faded), Ordering::Relaxed);
        self.due
            .store(now.saturating_add(micros(BEAT_EVERY)), Ordering::Relaxed);
    }

    /// How late it is: what was seen lately, or a beat that is still missing.
    #[must_use]
    pub fn at(&self, now: Instant) -> Duration {
        let now = micros(now.saturating_duration_since(self.start));
        let missing = now.saturating_sub(self.due.load(Ordering::Relaxed));
        Duration::from_micros(missing.max(self.seen.load(Ordering::Relaxed)))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Measures once a second until it is dropped.
///
/// # Cancel safety
/// It holds nothing.
pub async fn keep_measuring(resources: &Resources, clock: &dyn Clock) {
    let mut tick = interval(MEASURE_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut clocks = ClockWatch::default();
    loop {
        tick.tick().await;
        resources.measure(&mut clocks, clock);
    }
}

/// What the system says of this process's descriptors.
#[must_use]
pub fn descriptors() -> Share {
    const FOLDER: &str = "/proc/self/fd";
    // Since Linux 6.2 the folder's size is their number; counting them costs a millisecond for each few thousand.
    let told = std::fs::metadata(FOLDER).map_or(0, |folder| folder.len());
    let used = if told > 0 {
        told
    } else {
        let counted = std::fs::read_dir(FOLDER).map_or(0, Iterator::count);
        u64::try_from(counted).unwrap_or(u64::MAX)
    };
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
    Share { used, limit }
}

/// What the system says of this process's memory.
#[must_use]
pub fn memory() -> Share {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    Share {
        used: bytes::kibibytes(&status, "VmRSS:").unwrap_or(0),
        limit: bytes::memory_limit(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::ManualClock;

    #[test]
    fn a_late_worker_is_seen_while_it_is_late_and_forgotten_soon_after() {
        let clock = ManualClock::default();
        let resources = Resources::default();
        let lag = resources.add_worker(clock.now());
        let on_time = resources.add_worker(clock.now());
        let millis = |number| Duration::from_millis(number);
        for _ in 0..5 {
            clock.advance(BEAT_EVERY);
            lag.beat(clock.now());
            on_time.beat(clock.now());
        }
        assert_eq!(resources.worst_loop_lag(clock.now()), Duration::ZERO);
        clock.advance(BEAT_EVERY + millis(400));
        on_time.beat(clock.now() - millis(400));
        assert_eq!(
            resources.loop_lags(clock.now()),
            [millis(400), millis(200)],
            "before any beat: the missing ones tell"
        );
        lag.beat(clock.now());
        assert_eq!(lag.at(clock.now()), millis(400));
        for left in [200, 100, 50] {
            clock.advance(BEAT_EVERY);
            lag.beat(clock.now());
            assert_eq!(lag.at(clock.now()), millis(left));
        }
    }

    #[test]
    fn the_system_tells_what_this_process_uses() {
        let before = descriptors();
        let files: Vec<_> = (0..32)
            .map(|_| std::fs::File::open("/proc/self/status").unwrap())
            .collect();
        let after = descriptors();
        assert!(after.used >= before.used + 20, "{before:?} {after:?}");
        assert!(after.limit >= after.used, "{after:?}");
        drop(files);
        let memory = memory();
        assert!(
            memory.used > 1 << 20 && memory.limit > memory.used,
            "{memory:?}"
        );
        assert!(memory.percent() <= 100, "{memory:?}");
        assert_eq!(Share { used: 7, limit: 0 }.percent(), 0);
    }

    #[test]
    fn jumps_of_the_clock_are_counted() {
        let (clock, resources) = (ManualClock::default(), Resources::default());
        let mut clocks = ClockWatch::default();
        for jump in [None, None, Some(Jump::Back(Duration::from_secs(60))), None] {
            clock.advance(MEASURE_EVERY);
            if let Some(jump) = jump {
                clock.jump(jump);
            }
            resources.measure(&mut clocks, &clock);
        }
        assert_eq!(resources.clock_jumps(), 1);
        assert!(resources.descriptors().used > 0 && resources.memory().used > 0);
    }
}
