//! What is known of a connection: shared by its socket, its calls and its watchdog.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use types::Clock;

use super::door::Visitor;

/// A client that takes none of its answer for this long is taken for gone. Source: failures, table of timers.
const STUCK_WRITE: Duration = Duration::from_secs(60);

/// How long an idle connection is kept for its next request. Longer than the idle limits of common client pools, so
/// that it is the client who closes.
const IDLE: Duration = Duration::from_secs(180);

/// How often a connection is looked at on which nothing is due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// In a shutdown a connection may be used at the very moment in which it is closed, if it was lately: it stays until its
/// next answer, or until it has been idle for so long.
const LEFT_IDLE: Duration = Duration::from_secs(5);

/// How often a busy connection is looked at in a shutdown.
const LOOK_OFTEN: Duration = Duration::from_secs(1);

/// What is known of a connection. No clock is read while calls come and go: idle time counts from the watchdog's first
/// look at an idle connection.
#[derive(Debug)]
pub(crate) struct Facts {
    opened: Instant,
    clock: Arc<dyn Clock>,
    /// Milliseconds since `opened`, plus one, of the first byte of a head that is still incomplete; zero: none.
    head_since: AtomicU64,
    /// The same for the first look that found the connection idle.
    idle_since: AtomicU64,
    /// The same for a write that does not proceed.
    stuck_since: AtomicU64,
    calls: AtomicUsize,
    any_bytes: AtomicBool,
    /// The watchdog has to look earlier than it meant to.
    alarm: AtomicBool,
    leaving: AtomicBool,
    closing: AtomicBool,
    visitor: Visitor,
}

/// A call on a connection; the connection is idle again when the last one is dropped.
#[derive(Debug)]
pub(super) struct CallOnConnection<F: Deref<Target = Facts>>(F);

/// What the watchdog does after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It looks again.
    Again(Duration),
    /// It says that the head was too slow, then closes.
    Warn,
    /// It has the connection close, which is idle.
    Close,
    /// It closes without a word.
    Drop,
}

/// How long a connection may take for its first byte, and for a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) first_byte: Duration,
    pub(super) head: Duration,
}

impl Facts {
    pub(super) fn new(clock: Arc<dyn Clock>, visitor: Visitor) -> Arc<Self> {
        Arc::new(Self {
            opened: clock.now(),
            clock,
            head_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            stuck_since: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            any_bytes: AtomicBool::new(false),
            alarm: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            visitor,
        })
    }

    fn stamp(&self) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(self.opened);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn since(&self, stamp: &AtomicU64) -> Option<Duration> {
        match stamp.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_millis(self.stamp().saturating_sub(at))),
        }
    }

    fn mark(&self, stamp: &AtomicU64) {
        if stamp.load(Ordering::Relaxed) == 0 {
            stamp.store(self.stamp(), Ordering::Relaxed);
        }
    }

    /// Bytes have come.
    pub(super) fn read(&self) {
        self.any_bytes.store(true, Ordering::Relaxed);
    }

    /// A head has begun that is not yet whole.
    pub(super) fn begin_head(&self) {
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.mark(&self.head_since);
            self.alarm.store(true, Ordering::Relaxed);
        }
    }

    /// A head is complete and its call begins.
    pub(super) fn begin_call<F: Deref<Target = Self>>(facts: F) -> CallOnConnection<F> {
        facts.calls.fetch_add(1, Ordering::Relaxed);
        facts.head_since.store(0, Ordering::Relaxed);
        facts.idle_since.store(0, Ordering::Relaxed);
        CallOnConnection(facts)
    }

    /// A write does not proceed.
    pub(super) fn stuck(&self) {
        self.mark(&self.stuck_since);
    }

    /// A write proceeds.
    pub(super) fn wrote(&self) {
        self.stuck_since.store(0, Ordering::Relaxed);
    }

    /// The client has shown a valid key.
    pub(super) fn is_known(&self) {
        self.visitor.is_known();
    }

    /// The next answer is the last.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether the next answer is the last.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// From now on no further request is taken.
    pub(super) fn close(&self) {
        self.leave();
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether no further request is taken.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Whether the watchdog has to look earlier than it meant to: a head has begun.
    pub(super) fn take_alarm(&self) -> bool {
        self.alarm.load(Ordering::Relaxed) && self.alarm.swap(false, Ordering::Relaxed)
    }

    /// What the watchdog does now, and when it looks again.
    pub(super) fn look(&self, patience: Patience) -> Look {
        let over = |stamp: &AtomicU64, limit: Duration| {
            self.since(stamp).is_some_and(|since| since >= limit)
        };
        let rest = |limit: Duration, spent: Duration, end: Look| {
            limit
                .checked_sub(spent)
                .filter(|rest| !rest.is_zero())
                .map_or(end, Look::Again)
        };
        if over(&self.stuck_since, STUCK_WRITE) {
            return Look::Drop;
        }
        if self.calls.load(Ordering::Relaxed) > 0 {
            let soon = self.is_leaving() && !self.is_closing();
            return Look::Again(if soon { LOOK_OFTEN } else { LOOK_EVERY });
        }
        if self.is_leaving() && self.head_since.load(Ordering::Relaxed) == 0 {
            self.mark(&self.idle_since);
            let idle = self.since(&self.idle_since).unwrap_or_default();
            return rest(LEFT_IDLE, idle, Look::Close);
        }
        if !self.any_bytes.load(Ordering::Relaxed) {
            let open = self.clock.now().saturating_duration_since(self.opened);
            return rest(patience.first_byte, open, Look::Drop);
        }
        if let Some(since) = self.since(&self.head_since) {
            return rest(patience.head, since, Look::Warn);
        }
        if over(&self.idle_since, IDLE) {
            return Look::Close;
        }
        self.mark(&self.idle_since);
        Look::Again(LOOK_EVERY)
    }
}

impl<F: Deref<Target = Facts>> Drop for CallOnConnection<F> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}
