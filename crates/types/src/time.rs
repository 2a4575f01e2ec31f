//! Where time comes from, so that tests can turn it by hand.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. Everything that waits or measures asks a clock, never the system.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Monotonic time, for durations and deadlines.
    fn now(&self) -> Instant;

    /// Wall-clock time in milliseconds since 1970, for ids, logs and what people read.
    fn unix_millis(&self) -> u64;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system"
    )]
    fn unix_millis(&self) -> u64 {
        let elapsed = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is told to go on.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Instant,
    start_unix_millis: u64,
    elapsed_nanos: Arc<AtomicU64>,
    wall_offset_millis: Arc<AtomicI64>,
}

impl Default for ManualClock {
    fn default() -> Self {
        Self {
            start: SystemClock.now(),
            start_unix_millis: 1_790_000_000_000,
            elapsed_nanos: Arc::default(),
            wall_offset_millis: Arc::default(),
        }
    }
}

impl ManualClock {
    /// Moves the time on.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.elapsed_nanos.fetch_add(nanos, Ordering::SeqCst);
    }

    /// Moves the wall clock alone, as when somebody sets it or the machine has slept.
    pub fn jump(&self, jump: Jump) {
        let millis = |by: Duration| i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let by = match jump {
            Jump::Ahead(by) => millis(by),
            Jump::Back(by) => -millis(by),
        };
        self.wall_offset_millis.fetch_add(by, Ordering::SeqCst);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed_nanos.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.start + self.elapsed()
    }

    fn unix_millis(&self) -> u64 {
        let elapsed = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        let offset = self.wall_offset_millis.load(Ordering::SeqCst);
        self.start_unix_millis
            .saturating_add(elapsed)
            .saturating_add_signed(offset)
    }
}

/// How far the wall clock went beyond the time that has passed, and which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// It was set forward, or the machine has slept: the monotonic clock stands still meanwhile.
    Ahead(Duration),
    /// It was set back.
    Back(Duration),
}

/// Notices that wall and monotonic clock have parted. A clock that is steered slowly does not jump: each look compares
/// with the one before.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClockWatch {
    last: Option<(Instant, u64)>,
}

impl ClockWatch {
    /// What is no jump: more than a time server corrects at once, less than a connection's patience.
    pub const TOLERANCE: Duration = Duration::from_secs(5);

    /// The jump since the last look, if there was one.
    pub fn look(&mut self, now: Instant, unix_millis: u64) -> Option<Jump> {
        let (last, last_wall) = self.last.replace((now, unix_millis))?;
        let passed = now.saturating_duration_since(last);
        // The wall clock where it ought to be.
        let expected =
            last_wall.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        let apart = Duration::from_millis(unix_millis.abs_diff(expected));
        if apart <= Self::TOLERANCE {
            None
        } else if unix_millis > expected {
            Some(Jump::Ahead(apart))
        } else {
            Some(Jump::Back(apart))
        }
    }
}

/// The moment after which nothing more is tried for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long after `start`.
    #[must_use]
    pub fn after(start: Instant, total: Duration) -> Self {
        Self(start.checked_add(total).unwrap_or(start))
    }

    /// The moment itself.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.0
    }

    /// What is left, zero when it has passed.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        self.0.saturating_duration_since(now)
    }

    /// Whether it has passed.
    #[must_use]
    pub fn has_passed(&self, now: Instant) -> bool {
        self.0 <= now
    }

    /// The earlier of this and `limit` from `now`.
    #[must_use]
    pub fn capped(&self, now: Instant, limit: Duration) -> Self {
        Self(self.0.min(now.checked_add(limit).unwrap_or(self.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_both_times_only_when_told() {
        let clock = ManualClock::default();
        let (start, wall) = (clock.now(), clock.unix_millis());
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now() - start, Duration::from_millis(1500));
        assert_eq!(clock.unix_millis() - wall, 1500);
    }

    #[test]
    fn a_jump_of_the_wall_clock_is_noticed_once_and_slow_steering_never() {
        let (clock, mut watch) = (ManualClock::default(), ClockWatch::default());
        let mut look = |clock: &ManualClock| watch.look(clock.now(), clock.unix_millis());
        let secs = Duration::from_secs;
        assert_eq!(look(&clock), None, "the first look has nothing to compare");
        for _ in 0..10 {
            clock.advance(secs(1));
            clock.jump(Jump::Ahead(secs(4)));
            assert_eq!(look(&clock), None);
        }
        for jump in [Jump::Ahead(secs(3_600)), Jump::Back(secs(6))] {
            clock.advance(secs(1));
            clock.jump(jump);
            assert_eq!(look(&clock), Some(jump));
            clock.advance(secs(86_400));
            assert_eq!(look(&clock), None);
        }
    }

    #[test]
    fn a_deadline_caps_but_never_extends() {
        let now = ManualClock::default().now();
        let deadline = Deadline::after(now, Duration::from_secs(2));
        assert_eq!(
            deadline.capped(now, Duration::from_secs(1)).left(now),
            Duration::from_secs(1)
        );
        assert_eq!(
            deadline.capped(now, Duration::from_secs(9)).left(now),
            Duration::from_secs(2)
        );
        assert!(deadline.has_passed(now + Duration::from_secs(2)));
    }
}
