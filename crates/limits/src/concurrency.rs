//! At most so many calls at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A number of places. Clones share them.
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    limit: u32,
    taken: Arc<AtomicU32>,
}

impl ConcurrencyLimit {
    /// So many places; none at all refuses everything.
    #[must_use]
    pub fn new(limit: u32) -> Self {
        Self {
            limit,
            taken: Arc::new(AtomicU32::new(0)),
        }
    }

    /// Takes a place, if one is free.
    #[must_use]
    pub fn take(&self) -> Option<Slot> {
        self.taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |taken| {
                (taken < self.limit).then_some(taken + 1)
            })
            .ok()
            .map(|_| Slot {
                taken: Arc::clone(&self.taken),
            })
    }

    /// The number of places.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// How many are taken.
    #[must_use]
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Acquire)
    }
}

/// A place; given back when dropped, however the call ends.
#[derive(Debug)]
#[must_use = "the place is given back when the slot is dropped"]
pub struct Slot {
    taken: Arc<AtomicU32>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
