//! The line before a target that has as many calls as it can take: who waits, for how long, and whose turn it is.
//!
//! `limits::queue` decides; this lets calls wait for it. Before targets with room there is no line, and a call looks at
//! one number.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use limits::queue::{self, Caller, Entered, Queue, Ticket};
use parking_lot::Mutex;
use tokio::sync::Notify;
use types::Clock;

use crate::routing::Plan;

/// How often one of those that wait looks whose turn it is: a few times for each place that becomes free at a target with
/// a hundred calls of a second.
const LOOK: Duration = Duration::from_millis(2);

/// The lines before all targets.
#[derive(Debug, Default)]
pub struct Lines {
    /// Calls that wait, before whatever target.
    waiting: AtomicUsize,
    /// Only targets at which somebody waits, or runs who has waited. Bound: the targets that have a limit.
    lines: Mutex<HashMap<Arc<str>, Line>>,
}

#[derive(Debug, Default)]
struct Line {
    queue: Queue,
    /// Whose turn it is, and who has not gone yet.
    called: HashSet<Ticket>,
    /// Who had to leave for another.
    left_out: HashSet<Ticket>,
    /// Wakes who waits.
    bells: HashMap<Ticket, Arc<Notify>>,
    /// Who looks for all.
    looks: Option<Ticket>,
}

/// What waiting came to.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It is the call's turn.
    Comes(Place),
    /// There are too many, and others come first.
    LeftOut,
    /// It has waited for as long as it may.
    TooLong(Duration),
}

/// A call that came through the line and runs; it counts as its team's until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    lines: Arc<Lines>,
    target: Arc<str>,
    caller: Caller,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lines
            .with(&self.target, |line| line.queue.ended(self.caller));
    }
}

impl Lines {
    /// Whether somebody waits before this target.
    pub(crate) fn is_waited_for(&self, target: &str) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
            && self
                .lines
                .lock()
                .get(target)
                .is_some_and(|line| !line.queue.is_empty())
    }

    /// Whether nobody waits anywhere.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Joins the line before a target, of which `room` tells how many calls run and how many may.
    ///
    /// # Cancel safety
    /// Who leaves gives up its place in the line.
    pub(crate) async fn join(
        self: &Arc<Self>,
        plan: &Plan,
        target: &Arc<str>,
        clock: &dyn Clock,
        mut room: impl FnMut(Instant) -> (u32, Option<u32>),
    ) -> Turn {
        let since = clock.now();
        let caller = plan.rank;
        let comes = || {
            Turn::Comes(Place {
                lines: Arc::clone(self),
                target: Arc::clone(target),
                caller,
            })
        };
        let bell = Arc::new(Notify::new());
        let (in_flight, limit) = room(since);
        let patience = queue::patience(plan.answer_by().left(since));
        let entered = self.with(target, |line| {
            let in_flight = line.with_called(in_flight);
            let limit = limit.unwrap_or(u32::MAX);
            let entered = line.queue.enter(caller, in_flight, limit, patience, since);
            if let Entered::Waits {
                ticket, left_out, ..
            } = entered
            {
                line.bells.insert(ticket, Arc::clone(&bell));
                if let Some(other) = left_out {
                    line.left_out.insert(other);
                    line.ring(other);
                }
            }
            entered
        });
        let (ticket, until) = match entered {
            Entered::Goes => return comes(),
            Entered::LeftOut => return Turn::LeftOut,
            Entered::Waits { ticket, until, .. } => (ticket, until),
        };
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting {
            lines: self,
            target,
            caller,
            ticket,
            is_called: false,
        };
        let mut now = since;
        loop {
            let looks = self.with(target, |line| *line.looks.get_or_insert(ticket) == ticket);
            let left = until.saturating_duration_since(now);
            let pause = if looks { LOOK.min(left) } else { left };
            // Rung or not, what has come is looked up.
            let _rung = tokio::time::timeout(pause, bell.notified()).await;
            now = clock.now();
            let (in_flight, limit) = room(now);
            let limit = limit.unwrap_or(u32::MAX);
            let (called, left_out) = self.with(target, |line| {
                line.call(in_flight, limit, now);
                (line.called.remove(&ticket), line.left_out.remove(&ticket))
            });
            if called {
                waiting.goes();
                return comes();
            }
            if left_out {
                return Turn::LeftOut;
            }
            if now >= until {
                return Turn::TooLong(now.saturating_duration_since(since));
            }
        }
    }

    /// Works on a target's line, which is made where it is needed and forgotten where nothing is left of it.
    fn with<T>(&self, target: &Arc<str>, work: impl FnOnce(&mut Line) -> T) -> T {
        let mut lines = self.lines.lock();
        let line = lines.entry(Arc::clone(target)).or_default();
        let result = work(line);
        if line.queue.is_idle() {
            lines.remove(target);
        }
        result
    }
}

impl Line {
    /// Those that were called have not arrived at the target yet.
    fn with_called(&self, in_flight: u32) -> u32 {
        let called = u32::try_from(self.called.len()).unwrap_or(u32::MAX);
        in_flight.saturating_add(called)
    }

    fn call(&mut self, in_flight: u32, limit: u32, now: Instant) {
        while let Some(next) = self.queue.next(self.with_called(in_flight), limit, now) {
            self.called.insert(next);
            self.ring(next);
        }
    }

    fn ring(&self, ticket: Ticket) {
        if let Some(bell) = self.bells.get(&ticket) {
            bell.notify_one();
        }
    }

    /// One who waited has left the line, whichever way.
    fn leaves(&mut self, ticket: Ticket) {
        self.bells.remove(&ticket);
        // It looked for all, or was rung to take over.
        if self.looks.is_none_or(|looks| looks == ticket) {
            self.looks = None;
            // Whoever it is: one that wakes takes over.
            if let Some(other) = self.bells.values().next() {
                other.notify_one();
            }
        }
    }
}

/// A call in the line; however it leaves, it leaves nothing behind.
struct Waiting<'a> {
    lines: &'a Lines,
    target: &'a Arc<str>,
    caller: Caller,
    ticket: Ticket,
    is_called: bool,
}

impl Waiting<'_> {
    fn goes(mut self) {
        self.is_called = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.lines.waiting.fetch_sub(1, Ordering::Relaxed);
        let (ticket, caller) = (self.ticket, self.caller);
        self.lines.with(self.target, |line| {
            line.leaves(ticket);
            if self.is_called {
                return;
            }
            line.left_out.remove(&ticket);
            // Called in the very moment of leaving: somebody else's turn then.
            if !line.queue.give_up(ticket) && line.called.remove(&ticket) {
                line.queue.ended(caller);
            }
        });
    }
}
