//! What is left out when the gateway itself runs short: batch calls first, then normal ones, never higher ones.
//!
//! A pure machine, told what was measured about once a second. It rises by one class a look and falls at once, so that a
//! single bad measurement costs a batch call at most.

use std::time::Duration;

use types::Priority;

/// From here on batch calls are left out. Source: failures, section on shedding.
const TIGHT: Measured = Measured {
    descriptors: 90,
    memory: 85,
    lag: Duration::from_millis(100),
};

/// From here on normal calls are left out as well: what little is left is for ending what runs. A loop that is late for a
/// second serves nobody in time; below that, a busy machine is only slow.
const SPENT: Measured = Measured {
    descriptors: 96,
    memory: 93,
    lag: Duration::from_secs(1),
};

/// What was measured of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// Descriptors in use, in percent of the most there may be.
    pub descriptors: u64,
    /// Memory in use, in percent of the limit.
    pub memory: u64,
    /// How late the latest worker is.
    pub lag: Duration,
}

impl Measured {
    fn exceeds(&self, mark: &Self) -> bool {
        self.descriptors > mark.descriptors || self.memory > mark.memory || self.lag > mark.lag
    }
}

/// Which calls are left out at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    highest: Option<Priority>,
}

impl Pressure {
    /// Takes in what was measured; the highest class that is left out from now on, if any.
    pub fn look(&mut self, measured: &Measured) -> Option<Priority> {
        self.highest = if !measured.exceeds(&TIGHT) {
            None
        } else if measured.exceeds(&SPENT) && self.highest.is_some() {
            Some(Priority::Normal)
        } else {
            Some(Priority::Batch)
        };
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn look(steps: &[(u64, u64, u64)]) -> Vec<Option<Priority>> {
        let mut pressure = Pressure::default();
        let measured = steps.iter().map(|(descriptors, memory, lag)| Measured {
            descriptors: *descriptors,
            memory: *memory,
            lag: Duration::from_millis(*lag),
        });
        measured.map(|measured| pressure.look(&measured)).collect()
    }

    #[test]
    fn batch_is_left_out_first_then_normal_and_relief_comes_at_once() {
        let (batch, normal) = (Some(Priority::Batch), Some(Priority::Normal));
        assert_eq!(
            look(&[(90, 85, 100), (91, 0, 0), (0, 86, 0)]),
            [None, batch, batch]
        );
        assert_eq!(
            look(&[(99, 0, 0), (99, 0, 0), (92, 0, 0), (10, 10, 0), (99, 0, 0)]),
            [batch, normal, batch, None, batch]
        );
        assert_eq!(
            look(&[(0, 0, 400), (0, 0, 400)]),
            [batch, batch],
            "slow, not spent"
        );
        assert_eq!(look(&[(0, 0, 1_500), (0, 0, 1_500)]), [batch, normal]);
    }

    proptest! {
        #[test]
        fn high_and_critical_calls_are_never_left_out_and_ordinary_ones_not_by_one_measurement(
            steps in prop::collection::vec((0_u64..=100, 0_u64..=100, 0_u64..5_000), 1..50),
        ) {
            let looked = look(&steps);
            prop_assert!(looked.iter().all(|highest| *highest < Some(Priority::High)));
            prop_assert_ne!(looked[0], Some(Priority::Normal));
            for (step, highest) in steps.iter().zip(looked) {
                if step.0 <= 90 && step.1 <= 85 && step.2 <= 100 {
                    prop_assert_eq!(highest, None);
                }
            }
        }
    }
}
