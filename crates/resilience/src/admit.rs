//! Whether a target, a credential or a provider takes a call now: today cooldowns, later breakers and limits as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::backoff::share;

/// No hint rests anything for longer.
pub const LONGEST_COOLDOWN: Duration = Duration::from_secs(3600);

/// Whether a call may go there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may.
    Yes,
    /// Not before this moment.
    CooldownUntil(Instant),
}

/// What an attempt taught about where it went. The words are of this crate: the caller translates its verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// A good answer.
    Answered,
    /// The target has more to do than it can.
    Overloaded,
    /// The target failed.
    Failed,
    /// Nothing heals by trying again.
    Misconfigured,
    /// Nothing: the caller left, the request was wrong, or the caller's own timer fired.
    Nothing,
}

/// The state of one target, credential or provider; shared by all calls.
#[derive(Debug)]
pub struct TargetState {
    origin: Instant,
    cooldown_nanos: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl TargetState {
    /// A fresh state. Moments before `now` count as `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            origin: now,
            cooldown_nanos: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// Whether a call may go there now.
    #[must_use]
    pub fn admits(&self, now: Instant) -> Admission {
        let until = self.origin + Duration::from_nanos(self.cooldown_nanos.load(Ordering::Relaxed));
        if until <= now {
            Admission::Yes
        } else {
            Admission::CooldownUntil(until)
        }
    }

    /// Lets it rest until this moment. A rest that is already longer stays.
    pub fn cooldown(&self, until: Instant) {
        let nanos = until.saturating_duration_since(self.origin).as_nanos();
        self.cooldown_nanos
            .fetch_max(u64::try_from(nanos).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Lets it rest as long as the upstream asked for, plus up to a tenth (`random` between 0 and 1), at most an hour.
    pub fn cooldown_for(&self, hint: Duration, now: Instant, random: f64) {
        self.cooldown(now + rest(hint, random));
    }

    /// Takes note of how an attempt ended.
    pub fn learned(&self, lesson: Lesson, _now: Instant) {
        match lesson {
            Lesson::Answered => &self.answered,
            Lesson::Overloaded | Lesson::Failed | Lesson::Misconfigured => &self.failed,
            Lesson::Nothing => return,
        }
        .fetch_add(1, Ordering::Relaxed);
    }

    /// Good answers and failures so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (
            self.answered.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
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
    fn a_rest_ends_by_itself_and_is_the_same_for_all_calls() {
        let clock = ManualClock::default();
        let state = TargetState::new(clock.now());
        assert_eq!(state.admits(clock.now()), Admission::Yes);
        state.cooldown_for(SECOND * 20, clock.now(), 0.0);
        let until = clock.now() + SECOND * 20;
        assert_eq!(state.admits(clock.now()), Admission::CooldownUntil(until));
        clock.advance(SECOND * 20 - Duration::from_nanos(1));
        assert_eq!(state.admits(clock.now()), Admission::CooldownUntil(until));
        clock.advance(Duration::from_nanos(1));
        assert_eq!(state.admits(clock.now()), Admission::Yes);
    }

    #[test]
    fn a_shorter_hint_does_not_end_a_longer_rest() {
        let clock = ManualClock::default();
        let state = TargetState::new(clock.now());
        state.cooldown_for(SECOND * 20, clock.now(), 0.0);
        state.cooldown_for(SECOND, clock.now(), 1.0);
        assert_eq!(
            state.admits(clock.now()),
            Admission::CooldownUntil(clock.now() + SECOND * 20)
        );
    }

    #[test]
    fn lessons_are_counted_but_for_those_that_say_nothing() {
        let clock = ManualClock::default();
        let state = TargetState::new(clock.now());
        for lesson in [
            Lesson::Answered,
            Lesson::Failed,
            Lesson::Overloaded,
            Lesson::Misconfigured,
            Lesson::Nothing,
        ] {
            state.learned(lesson, clock.now());
        }
        assert_eq!(state.counts(), (1, 3));
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
            let state = TargetState::new(clock.now());
            state.cooldown(clock.now() + Duration::from_millis(ahead));
            let _admission = state.admits(clock.now());
        }
    }
}
