//! How long to wait before an attempt: full jitter, so that callers who failed together do not return together.

use std::time::Duration;

/// The most that a call waits before it goes to another target.
const OTHER_TARGET_MOST: Duration = Duration::from_millis(50);

/// The waits between attempts at one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The most that the first repeat waits. Default 200 ms.
    pub initial: Duration,
    /// The most that any repeat waits, hints apart. Default 5 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The wait before the repeat of this number (1 is the first) at the same target: anything between nothing and
    /// `initial` × 2^(n-1), at most `max`, but never less than the upstream asked for.
    ///
    /// `random` is between 0 and 1; other numbers count as the nearer of the two.
    #[must_use]
    pub fn same_target(&self, repeat: u32, hint: Option<Duration>, random: f64) -> Duration {
        let doublings = repeat.saturating_sub(1).min(31);
        let most = self.initial.saturating_mul(1 << doublings).min(self.max);
        share(most, random).max(hint.unwrap_or_default())
    }

    /// The wait before another target: up to 50 ms.
    #[must_use]
    pub fn other_target(random: f64) -> Duration {
        share(OTHER_TARGET_MOST, random)
    }
}

/// A share of a duration; what is no number between 0 and 1 is taken for the nearer end.
pub(crate) fn share(whole: Duration, random: f64) -> Duration {
    let part = if random.is_nan() {
        1.0
    } else {
        random.clamp(0.0, 1.0)
    };
    Duration::try_from_secs_f64(whole.as_secs_f64() * part)
        .unwrap_or(whole)
        .min(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_most_that_a_repeat_waits_doubles_up_to_the_maximum() {
        let backoff = Backoff::default();
        let most: Vec<Duration> = (1..=8)
            .map(|repeat| backoff.same_target(repeat, None, 1.0))
            .collect();
        assert_eq!(most, [200, 400, 800, 1600, 3200, 5000, 5000, 5000].map(MS));
        assert_eq!(backoff.same_target(3, None, 0.0), Duration::ZERO);
        assert_eq!(backoff.same_target(0, None, 1.0), MS(200));
        assert_eq!(backoff.same_target(u32::MAX, None, 1.0), MS(5000));
    }

    #[test]
    fn a_hint_is_never_undercut() {
        let backoff = Backoff::default();
        assert_eq!(backoff.same_target(1, Some(MS(2500)), 0.5), MS(2500));
        assert_eq!(backoff.same_target(1, Some(MS(50)), 1.0), MS(200));
    }

    #[test]
    fn another_target_is_tried_almost_at_once() {
        assert_eq!(Backoff::other_target(0.0), Duration::ZERO);
        assert_eq!(Backoff::other_target(1.0), MS(50));
    }

    proptest! {
        #[test]
        fn waits_stay_within_their_bounds_whatever_the_dice(
            repeat in any::<u32>(), hint in prop::option::of(any::<Duration>()), random in any::<f64>(),
            (initial, max) in any::<(Duration, Duration)>(),
        ) {
            let wait = Backoff { initial, max }.same_target(repeat, hint, random);
            let hint = hint.unwrap_or_default();
            prop_assert!(wait >= hint && wait <= max.max(hint));
            prop_assert!(Backoff::other_target(random) <= OTHER_TARGET_MOST);
        }
    }
}
