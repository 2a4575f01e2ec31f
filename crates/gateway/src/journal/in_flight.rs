//! The calls that run at this moment, about 200 bytes each, for the live page, `top` and shutdown.
//!
//! Each worker has a table of its own, so that its lock is uncontended on a call's way.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use types::{CallId, KeyId};

/// How far a running call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallPhase {
    /// Its head or body is being read.
    Reading,
    /// An attempt is under way.
    Attempting,
    /// Its answer is being relayed.
    Relaying,
}

impl CallPhase {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Reading, Self::Attempting, Self::Relaying];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Attempting => "attempting",
            Self::Relaying => "relaying",
        }
    }
}

/// What is known of a running call.
#[derive(Clone, Debug)]
pub struct Running {
    /// When it arrived.
    pub started: Instant,
    /// Who calls.
    pub key: Option<KeyId>,
    /// What is asked for.
    pub model: Option<Arc<str>>,
    /// Where the latest attempt went.
    pub target: Option<Arc<str>>,
    /// Its number.
    pub attempt: u32,
    /// How far it is.
    pub phase: CallPhase,
}

/// The running calls of one worker.
#[derive(Clone, Debug, Default)]
pub struct InFlight {
    slots: Arc<Mutex<Slots>>,
}

/// Places that are used again, so that a call is found by its place and nothing is hashed on a call's way.
#[derive(Debug, Default)]
struct Slots {
    calls: Vec<Option<(CallId, Running)>>,
    free: Vec<usize>,
}

/// One running call's place in its table, until it [leaves](InFlight::leave).
#[derive(Debug)]
pub struct Entry(usize);

impl InFlight {
    /// Enters a call.
    #[must_use]
    pub fn enter(&self, id: CallId, now: Instant) -> Entry {
        let running = Running {
            started: now,
            key: None,
            model: None,
            target: None,
            attempt: 0,
            phase: CallPhase::Reading,
        };
        let mut slots = self.slots.lock();
        let slot = slots.free.pop().unwrap_or(slots.calls.len());
        match slots.calls.get_mut(slot) {
            Some(place) => *place = Some((id, running)),
            None => slots.calls.push(Some((id, running))),
        }
        Entry(slot)
    }

    /// The call is over.
    #[expect(clippy::needless_pass_by_value, reason = "a call leaves once")]
    pub fn leave(&self, entry: Entry) {
        let Entry(slot) = entry;
        let mut slots = self.slots.lock();
        let left = slots.calls.get_mut(slot).and_then(Option::take);
        slots.free.extend(left.is_some().then_some(slot));
        drop(slots);
        drop(left);
    }

    fn change(&self, entry: &Entry, change: impl FnOnce(&mut Running)) {
        if let Some(Some((_, running))) = self.slots.lock().calls.get_mut(entry.0) {
            change(running);
        }
    }

    /// Notes who calls.
    pub fn identified(&self, entry: &Entry, key: &KeyId) {
        self.change(entry, |running| running.key = Some(key.clone()));
    }

    /// Notes what is asked for.
    pub fn wanted(&self, entry: &Entry, model: &Arc<str>) {
        self.change(entry, |running| running.model = Some(Arc::clone(model)));
    }

    /// Notes that an attempt begins.
    pub fn attempting(&self, entry: &Entry, n: u32, target: &Arc<str>) {
        self.change(entry, |running| {
            running.attempt = n;
            running.target = Some(Arc::clone(target));
            running.phase = CallPhase::Attempting;
        });
    }

    /// Notes how far the call is.
    pub fn phase(&self, entry: &Entry, phase: CallPhase) {
        self.change(entry, |running| running.phase = phase);
    }

    /// A copy of the table, for a page.
    #[must_use]
    pub fn list(&self) -> Vec<(CallId, Running)> {
        self.slots.lock().calls.iter().flatten().cloned().collect()
    }

    /// How many calls run.
    #[must_use]
    pub fn len(&self) -> usize {
        let slots = self.slots.lock();
        slots.calls.len() - slots.free.len()
    }

    /// How many are so far.
    #[must_use]
    pub fn count(&self, phase: CallPhase) -> usize {
        let slots = self.slots.lock();
        let running = slots.calls.iter().flatten();
        running.filter(|(_, call)| call.phase == phase).count()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Clock, ManualClock};

    #[test]
    fn places_are_used_again_and_only_running_calls_are_listed() {
        let table = InFlight::default();
        let now = ManualClock::default().now();
        let first = table.enter(CallId::generate(1), now);
        let second = table.enter(CallId::generate(2), now);
        table.leave(first);
        let third = table.enter(CallId::generate(3), now);
        table.attempting(&third, 2, &Arc::from("p/m"));
        let mut times: Vec<_> = table
            .list()
            .iter()
            .map(|(id, _)| id.unix_millis())
            .collect();
        times.sort_unstable();
        assert_eq!(times, [2, 3]);
        assert_eq!(
            table.slots.lock().calls.len(),
            2,
            "the place of the first call serves the third"
        );
        table.leave(second);
        table.leave(third);
        assert!(table.is_empty());
    }
}
