//! Two looks at a whole provider: what it would most likely refuse, and whether repeats there are of any use.
//!
//! Both are pure, and both only answer a question; whether anybody acts on it is a setting.

use std::time::Instant;

/// Slices of the long window: two minutes of ten seconds. Source: failures, section on shedding.
const SLICES: u64 = 12;
const SLICE_SECONDS: u64 = 10;
/// Below five calls a second nothing is throttled. Source: the same.
const LEAST_ASKED: u32 = 600;
/// Never more than this share. Source: the same.
const MOST_REFUSED: f64 = 0.8;
/// Fewer answers in ten seconds show nothing of a provider. Source: failures, section on the retry budget.
const LEAST_ENDED: u32 = 20;

#[derive(Clone, Copy, Debug, Default)]
struct Long {
    number: u64,
    asked: u32,
    accepted: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Short {
    second: u64,
    ended: u32,
    overloaded: u32,
}

/// What a provider made of its calls.
#[derive(Debug)]
pub struct Throttle {
    start: Instant,
    long: [Long; 12],
    short: [Short; 10],
    credit: f64,
}

impl Throttle {
    /// Nothing is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            long: [Long::default(); 12],
            short: [Short::default(); 10],
            credit: 0.0,
        }
    }

    /// A call goes there, or would go there. True where it is one of those that the provider would most likely refuse.
    pub fn asks(&mut self, now: Instant) -> bool {
        let refused = self.refused_share(now);
        let slice = self.long(now);
        slice.asked = slice.asked.saturating_add(1);
        if refused <= 0.0 {
            self.credit = 0.0;
            return false;
        }
        self.credit += refused;
        if self.credit < 1.0 {
            return false;
        }
        self.credit -= 1.0;
        true
    }

    /// A call there was answered.
    pub fn answered(&mut self, now: Instant) {
        let slice = self.long(now);
        slice.accepted = slice.accepted.saturating_add(1);
        let short = self.short(now);
        short.ended = short.ended.saturating_add(1);
    }

    /// A call there failed.
    pub fn failed(&mut self, is_overload: bool, now: Instant) {
        let short = self.short(now);
        short.ended = short.ended.saturating_add(1);
        short.overloaded = short.overloaded.saturating_add(u32::from(is_overload));
    }

    /// The share of calls that the provider would most likely refuse: none while it answers every second one.
    #[must_use]
    pub fn refused_share(&self, now: Instant) -> f64 {
        let newest = self.number(now);
        let recent = self
            .long
            .iter()
            .filter(|slice| slice.number + SLICES > newest);
        let (asked, accepted) = recent.fold((0_u32, 0_u32), |(asked, accepted), slice| {
            (
                asked.saturating_add(slice.asked),
                accepted.saturating_add(slice.accepted),
            )
        });
        if asked < LEAST_ASKED {
            return 0.0;
        }
        let (asked, accepted) = (f64::from(asked), f64::from(accepted));
        ((asked - 2.0 * accepted) / (asked + 1.0)).clamp(0.0, MOST_REFUSED)
    }

    /// Whether the provider is overloaded as a whole, so that repeats there only add to it.
    #[must_use]
    pub fn is_overloaded(&self, now: Instant) -> bool {
        let newest = self.second(now);
        let recent = self.short.iter().filter(|slice| slice.second + 10 > newest);
        let (ended, overloaded) = recent.fold((0_u32, 0_u32), |(ended, overloaded), slice| {
            (
                ended.saturating_add(slice.ended),
                overloaded.saturating_add(slice.overloaded),
            )
        });
        ended >= LEAST_ENDED && overloaded > ended / 2
    }

    fn long(&mut self, now: Instant) -> &mut Long {
        let number = self.number(now);
        let place = usize::try_from(number % SLICES).unwrap_or(0);
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder by twelve is below the twelve slices"
        )]
        let slice = &mut self.long[place];
        if slice.number != number {
            *slice = Long {
                number,
                ..Long::default()
            };
        }
        slice
    }

    fn short(&mut self, now: Instant) -> &mut Short {
        let second = self.second(now);
        let place = usize::try_from(second % 10).unwrap_or(0);
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder by ten is below the ten slices"
        )]
        let slice = &mut self.short[place];
        if slice.second != second {
            *slice = Short {
                second,
                ..Short::default()
            };
        }
        slice
    }

    fn number(&self, now: Instant) -> u64 {
        self.second(now) / SLICE_SECONDS + SLICES
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_secs() + SLICES * SLICE_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::{Clock, ManualClock};

    use super::*;

    /// Two minutes at this rate, of which this share is answered; the share that would have been refused at the end.
    fn check(rate: u32, answered: f64) -> f64 {
        let clock = ManualClock::default();
        let mut throttle = Throttle::new(clock.now());
        let mut random = fastrand::Rng::with_seed(9);
        let mut refused = 0;
        for n in 0..rate * 120 {
            clock.advance(Duration::from_secs(1) / rate);
            let would = throttle.asks(clock.now());
            refused += u32::from(would && n >= rate * 110);
            if random.f64() < answered {
                throttle.answered(clock.now());
            } else {
                throttle.failed(true, clock.now());
            }
        }
        f64::from(refused) / f64::from(rate * 10)
    }

    #[test]
    fn a_provider_that_answers_half_is_not_throttled() {
        assert!(check(20, 1.0) <= 0.0);
        assert!(check(20, 0.55) <= 0.0);
    }

    #[test]
    fn a_dead_one_is_at_most_by_four_fifths() {
        let share = check(20, 0.0);
        assert!((0.78..=0.81).contains(&share), "{share}");
    }

    #[test]
    fn few_calls_are_never_throttled() {
        assert!(check(4, 0.0) <= 0.0);
    }

    #[test]
    fn a_provider_is_overloaded_when_most_of_twenty_answers_in_ten_seconds_say_so() {
        let clock = ManualClock::default();
        let mut throttle = Throttle::new(clock.now());
        (0..19).for_each(|_| throttle.failed(true, clock.now()));
        assert!(!throttle.is_overloaded(clock.now()));
        throttle.failed(true, clock.now());
        assert!(throttle.is_overloaded(clock.now()));
        (0..20).for_each(|_| throttle.answered(clock.now()));
        assert!(!throttle.is_overloaded(clock.now()));
        (0..2).for_each(|_| throttle.failed(true, clock.now()));
        assert!(throttle.is_overloaded(clock.now()));
        clock.advance(Duration::from_secs(10));
        assert!(!throttle.is_overloaded(clock.now()));
    }
}
