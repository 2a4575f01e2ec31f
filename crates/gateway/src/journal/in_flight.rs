//! The calls that run at this moment, about 200 bytes each, for the live page, `top` and shutdown.
//!
//! Each worker has a table of its own, so that its lock is uncontended on a call's way.

use std::collections::HashMap;
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
    calls: Arc<Mutex<HashMap<CallId, Running>>>,
}

/// One running call; it leaves the table when dropped.
#[derive(Debug)]
pub struct Entry {
    id: CallId,
    table: InFlight,
}

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
        self.calls.lock().insert(id, running);
        Entry {
            id,
            table: self.clone(),
        }
    }

    /// A copy of the table, for a page.
    #[must_use]
    pub fn list(&self) -> Vec<(CallId, Running)> {
        self.calls
            .lock()
            .iter()
            .map(|(id, running)| (*id, running.clone()))
            .collect()
    }

    /// How many calls run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.calls.lock().len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Entry {
    fn change(&self, change: impl FnOnce(&mut Running)) {
        if let Some(running) = self.table.calls.lock().get_mut(&self.id) {
            change(running);
        }
    }

    /// Notes who calls.
    pub fn identified(&self, key: &KeyId) {
        self.change(|running| running.key = Some(key.clone()));
    }

    /// Notes what is asked for.
    pub fn wanted(&self, model: &Arc<str>) {
        self.change(|running| running.model = Some(Arc::clone(model)));
    }

    /// Notes that an attempt begins.
    pub fn attempting(&self, n: u32, target: &Arc<str>) {
        self.change(|running| {
            running.attempt = n;
            running.target = Some(Arc::clone(target));
            running.phase = CallPhase::Attempting;
        });
    }

    /// Notes how far the call is.
    pub fn phase(&self, phase: CallPhase) {
        self.change(|running| running.phase = phase);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.table.calls.lock().remove(&self.id);
    }
}
