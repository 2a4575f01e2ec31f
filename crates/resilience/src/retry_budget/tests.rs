#![cfg(test)]
//! The budget by its promises: how much a dead upstream is stormed, and who is not starved.

use std::time::Duration;

use proptest::prelude::*;
use types::{Clock, ManualClock};

use super::*;

const RATIO: f64 = 0.2;

/// What a provider saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    calls: u32,
    attempts: u32,
}

impl Seen {
    /// Attempts beyond one per call.
    fn extra(&self) -> u32 {
        self.attempts - self.calls
    }
}

/// Calls arrive at an even rate at a primary that fails a share of its attempts; each may be repeated there three times.
fn simulate(rate: u32, seconds: u32, failing: f64, seed: u64) -> Seen {
    let clock = ManualClock::default();
    let budget = RetryBudget::new(RATIO, clock.now());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut seen = Seen::default();
    for _ in 0..rate * seconds {
        clock.advance(Duration::from_secs(1) / rate);
        budget.deposit(clock.now());
        seen.calls += 1;
        seen.attempts += 1;
        for _ in 0..3 {
            if random.f64() >= failing || !budget.withdraw(clock.now()) {
                break;
            }
            seen.attempts += 1;
        }
    }
    seen
}

fn assert_near(left: f64, expected: f64) {
    assert!((left - expected).abs() < 1e-9, "{left} is not {expected}");
}

#[test]
fn a_dead_upstream_gets_a_fifth_more_at_most_beside_the_floor() {
    for rate in [1, 5, 20, 100, 1000] {
        let seconds = 60;
        let seen = simulate(rate, seconds, 1.0, 7);
        let share = f64::from(seen.calls) * RATIO;
        // The floor is one a second, of which ten may come at once at the start.
        let floor = f64::from(seconds) + FLOOR;
        assert!(
            f64::from(seen.extra()) <= share.max(floor) + FLOOR,
            "{rate} a second: {seen:?}"
        );
        if share > floor {
            assert!(
                f64::from(seen.attempts) <= 1.2 * f64::from(seen.calls) + FLOOR,
                "{seen:?}"
            );
        }
    }
}

#[test]
fn a_few_failures_are_all_repeated() {
    let seen = simulate(100, 60, 0.05, 11);
    let without = simulate(100, 60, 0.0, 11);
    assert_eq!(without.extra(), 0);
    // One in twenty fails, of which one in twenty again: about 315 repeats of 6,000 calls.
    assert!((240..400).contains(&seen.extra()), "{seen:?}");
}

#[test]
fn a_pure_fallback_is_never_starved() {
    // A primary at 100 calls a second fails a tenth; its calls go on to a secondary that earns nothing before.
    let clock = ManualClock::default();
    let (primary, secondary) = (
        RetryBudget::new(RATIO, clock.now()),
        RetryBudget::new(RATIO, clock.now()),
    );
    let mut random = fastrand::Rng::with_seed(3);
    let (mut fallbacks, mut served, mut repeats) = (0, 0, 0);
    for _ in 0..6000 {
        clock.advance(Duration::from_millis(10));
        primary.deposit(clock.now());
        if random.f64() >= 0.1 {
            continue;
        }
        fallbacks += 1;
        // The first visit asks nobody: it is a first attempt there and earns for later repeats.
        secondary.deposit(clock.now());
        if random.f64() >= 0.05 {
            served += 1;
        } else if secondary.withdraw(clock.now()) {
            repeats += 1;
        }
    }
    assert!(fallbacks > 500);
    assert_eq!(served + repeats, fallbacks);
}

#[test]
fn what_was_earned_and_not_spent_expires_after_ten_seconds() {
    let clock = ManualClock::default();
    let budget = RetryBudget::new(RATIO, clock.now());
    for _ in 0..1000 {
        budget.deposit(clock.now());
    }
    assert_near(budget.left(clock.now()), 200.0);
    clock.advance(Duration::from_secs(9));
    assert_near(budget.left(clock.now()), 200.0);
    clock.advance(Duration::from_secs(1));
    assert_near(budget.left(clock.now()), 10.0);
}

#[test]
fn the_floor_is_one_a_second() {
    let clock = ManualClock::default();
    let budget = RetryBudget::new(0.0, clock.now());
    let mut granted = 0;
    for _ in 0..600 {
        clock.advance(Duration::from_millis(100));
        granted += u32::from(budget.withdraw(clock.now()));
    }
    assert!((60..=70).contains(&granted), "{granted} in 60 s");
}

#[test]
fn a_ratio_of_one_repeats_every_call_once() {
    let clock = ManualClock::default();
    let budget = RetryBudget::new(1.0, clock.now());
    for _ in 0..100 {
        budget.deposit(clock.now());
    }
    assert!((0..100).all(|_| budget.withdraw(clock.now())));
    assert!(!budget.withdraw(clock.now()));
}

#[test]
fn a_new_ratio_counts_at_once_and_for_what_was_earned_before() {
    let now = ManualClock::default().now();
    let budget = RetryBudget::new(RATIO, now);
    (0..100).for_each(|_| budget.deposit(now));
    budget.set_ratio(0.5);
    assert_near(budget.left(now), 50.0);
}

#[test]
fn what_a_closed_target_had_used_up_goes_back_once_and_no_more_than_was_taken() {
    let clock = ManualClock::default();
    let budget = RetryBudget::new(RATIO, clock.now());
    (0..8).for_each(|_| assert!(budget.withdraw(clock.now())));
    budget.refund(5, clock.now());
    assert_near(budget.left(clock.now()), 7.0);
    budget.refund(50, clock.now());
    assert_near(budget.left(clock.now()), FLOOR);
}

#[test]
fn a_ratio_that_is_no_number_leaves_the_floor() {
    let now = ManualClock::default().now();
    for ratio in [f64::NAN, f64::INFINITY, -1.0] {
        let budget = RetryBudget::new(ratio, now);
        (0..100).for_each(|_| budget.deposit(now));
        assert_near(budget.left(now), FLOOR);
    }
}

#[test]
fn threads_together_get_no_more_than_the_budget() {
    let now = ManualClock::default().now();
    let budget = RetryBudget::new(RATIO, now);
    let granted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..250)
                        .filter(|_| {
                            budget.deposit(now);
                            budget.withdraw(now)
                        })
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum::<usize>()
    });
    assert!((10..=200).contains(&granted), "{granted}");
}

proptest! {
    #[test]
    fn in_any_ten_seconds_repeats_stay_below_floor_or_share(
        steps in prop::collection::vec((0_u64..900, 0_u8..3), 1..400), ratio in 0.0_f64..1.0,
    ) {
        let clock = ManualClock::default();
        let budget = RetryBudget::new(ratio, clock.now());
        let mut history: Vec<(Instant, bool)> = Vec::new();
        for (millis, deposits) in steps {
            clock.advance(Duration::from_millis(millis));
            for _ in 0..deposits {
                budget.deposit(clock.now());
                history.push((clock.now(), false));
            }
            if budget.withdraw(clock.now()) {
                history.push((clock.now(), true));
            }
        }
        for (index, (end, _)) in history.iter().enumerate() {
            let recent = history[..=index].iter().filter(|(at, _)| end.duration_since(*at) <= Duration::from_secs(9));
            let (repeats, _) = recent.fold((0_u32, 0_u32), |(r, d), (_, repeat)| (r + u32::from(*repeat), d + u32::from(!*repeat)));
            let window = Duration::from_secs(10);
            let first = history[..=index].iter().filter(|(at, repeat)| !repeat && end.duration_since(*at) <= window + window).count();
            let share = ratio * f64::from(u32::try_from(first).expect("few"));
            prop_assert!(f64::from(repeats) <= FLOOR.max(share), "{repeats} repeats, share {share}");
        }
    }
}
