//! A rest that an upstream asked for, shared by all calls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::backoff::share;

/// No hint rests anything for longer.
pub const LONGEST_COOLDOWN: Duration = Duration::from_secs(3600);

/// Until when something rests.
#[derive(Debug)]
pub struct Cooldown {
    origin: Instant,
    nanos: AtomicU64,
}

impl Cooldown {
    /// No rest. Moments before `now` count as `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            nanos: AtomicU64::new(0),
        }
    }

    /// Until when it rests; none where it does not.
    #[must_use]
    pub fn until(&self, now: Instant) -> Option<Instant> {
        let until = self.origin + Duration::from_nanos(self.nanos.load(Ordering::Relaxed));
        (until > now).then_some(until)
    }

    /// Lets it rest until this moment. A rest that is already longer stays.
    pub fn rest_until(&self, until: Instant) {
        let nanos = until.saturating_duration_since(self.origin).as_nanos();
        self.nanos
            .fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Lets it rest as long as the upstream asked for, plus up to a tenth (`random` between 0 and 1), at most an hour.
    pub fn rest_for(&self, hint: Duration, now: Instant, random: f64) {
        self.rest_until(now + rest(hint, random));
    }
}

/// A hint with its jitter: all who wait for it return spread over a tenth of it, never early.
#[must_use]
pub fn rest(hint: Duration, random: f64) -> Duration {
    let hint = hint.min(LONGEST_COOLDOWN);
    (hint + share(hint / 10, random)).min(LONGEST_COOLDOWN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::{Clock, ManualClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rest_ends_by_itself() {
        let clock = ManualClock::default();
        let cooldown = Cooldown::new(clock.now());
        assert_eq!(cooldown.until(clock.now()), None);
        cooldown.rest_for(SECOND * 20, clock.now(), 0.0);
        let until = clock.now() + SECOND * 20;
        assert_eq!(cooldown.until(clock.now()), Some(until));
        clock.advance(SECOND * 20 - Duration::from_nanos(1));
        assert_eq!(cooldown.until(clock.now()), Some(until));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(cooldown.until(clock.now()), None);
    }

    #[test]
    fn a_shorter_hint_does_not_end_a_longer_rest() {
        let clock = ManualClock::default();
        let cooldown = Cooldown::new(clock.now());
        cooldown.rest_for(SECOND * 20, clock.now(), 0.0);
        cooldown.rest_for(SECOND, clock.now(), 1.0);
        assert_eq!(cooldown.until(clock.now()), Some(clock.now() + SECOND * 20));
    }

    proptest! {
        #[test]
        fn a_rest_is_the_hint_and_at_most_a_tenth_more_and_at_most_an_hour(
            hint in any::<Duration>(), random in any::<f64>(),
        ) {
            let rest = rest(hint, random);
            let hint = hint.min(LONGEST_COOLDOWN);
            prop_assert!(rest >= hint && rest <= LONGEST_COOLDOWN && rest <= hint + hint / 10);
        }

        #[test]
        fn moments_long_past_or_far_ahead_do_not_panic(before in 0_u64..1 << 40, ahead in 0_u64..1 << 40) {
            let clock = ManualClock::default();
            clock.advance(Duration::from_secs(before >> 20));
            let cooldown = Cooldown::new(clock.now());
            cooldown.rest_until(clock.now() + Duration::from_millis(ahead));
            let _until = cooldown.until(clock.now());
        }
    }
}
