//! Whether a place that is asked at intervals is well: so many bad answers in a row and it is not, so many good ones and
//! it is again. It only says so; what is not well stands behind what is, and is still used where nothing else is left.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The health of one place. One asker writes, all calls read.
#[derive(Debug)]
pub struct Health {
    unhealthy_after: u32,
    healthy_after: u32,
    is_unwell: AtomicBool,
    /// Answers in a row that speak against the present state.
    against: AtomicU32,
}

impl Health {
    /// Well until the opposite is seen. Both numbers count from 1.
    #[must_use]
    pub fn new(unhealthy_after: u32, healthy_after: u32) -> Self {
        Self {
            unhealthy_after: unhealthy_after.max(1),
            healthy_after: healthy_after.max(1),
            is_unwell: AtomicBool::new(false),
            against: AtomicU32::new(0),
        }
    }

    /// Whether it is well, as far as is known.
    #[must_use]
    pub fn is_well(&self) -> bool {
        !self.is_unwell.load(Ordering::Relaxed)
    }

    /// Takes note of an answer; true when it changed whether the place is well.
    pub fn saw(&self, answer: Seen) -> bool {
        let is_well = self.is_well();
        let speaks_against = is_well == (answer == Seen::Bad);
        if !speaks_against {
            self.against.store(0, Ordering::Relaxed);
            return false;
        }
        let needed = if is_well {
            self.unhealthy_after
        } else {
            self.healthy_after
        };
        let against = self.against.load(Ordering::Relaxed) + 1;
        if against < needed {
            self.against.store(against, Ordering::Relaxed);
            return false;
        }
        self.against.store(0, Ordering::Relaxed);
        self.is_unwell.store(is_well, Ordering::Relaxed);
        true
    }
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// As it should be.
    Good,
    /// None, or one of failure.
    Bad,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_takes_a_row_of_bad_answers_to_be_unwell_and_a_row_of_good_ones_to_be_well() {
        let health = Health::new(3, 2);
        let mut seen = String::new();
        for answer in "bbgbbbbgbggb".chars() {
            let answer = if answer == 'g' { Seen::Good } else { Seen::Bad };
            health.saw(answer);
            seen.push(if health.is_well() { 'w' } else { '-' });
        }
        assert_eq!(seen, "wwwww-----ww");
    }

    proptest! {
        /// The state is that of the last whole row, whatever came before.
        #[test]
        fn a_long_enough_row_decides(before in proptest::collection::vec(any::<bool>(), 0..50), bad in 1_u32..5, good in 1_u32..5) {
            let health = Health::new(bad, good);
            let answer = |is_good: bool| if is_good { Seen::Good } else { Seen::Bad };
            for one in before {
                health.saw(answer(one));
            }
            for _ in 0..bad {
                health.saw(Seen::Bad);
            }
            prop_assert!(!health.is_well());
            for _ in 0..good {
                health.saw(Seen::Good);
            }
            prop_assert!(health.is_well());
        }
    }
}
