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
                (taken < self.limit).then(|| taken + 1)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_slot_is_dropped() {
        let limit = ConcurrencyLimit::new(2);
        let (one, _two) = (limit.take(), limit.take());
        assert!(one.is_some() && limit.take().is_none());
        assert_eq!((limit.limit(), limit.taken()), (2, 2));
        drop(one);
        assert!(limit.take().is_some());
        assert_eq!(limit.taken(), 1);
    }

    #[test]
    fn no_places_refuse_everything() {
        assert!(ConcurrencyLimit::new(0).take().is_none());
    }

    #[test]
    fn threads_together_never_hold_more_than_there_are() {
        let limit = ConcurrencyLimit::new(3);
        let most = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        if let Some(_slot) = limit.take() {
                            most.fetch_max(limit.taken(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert!(most.load(Ordering::Relaxed) <= 3);
        assert_eq!(limit.taken(), 0);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_is_held(limit in 0_u32..8, steps in prop::collection::vec(any::<bool>(), 0..200)) {
            let places = ConcurrencyLimit::new(limit);
            let mut held = Vec::new();
            for take in steps {
                if take {
                    held.extend(places.take());
                } else {
                    held.pop();
                }
                prop_assert!(held.len() <= limit as usize);
                prop_assert_eq!(places.taken() as usize, held.len());
            }
        }
    }
}
