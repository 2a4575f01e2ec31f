//! What every strategy keeps to, whatever the targets.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::strategy::Strategy as Generator;
use types::{Clock, ManualClock};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ready(weight: u32) -> Candidate {
    Candidate::unknown(Readiness::Ready, weight)
}

fn busy(busy: u32, weight: u32) -> Candidate {
    let mut candidate = ready(weight);
    candidate.load.busy = busy;
    candidate
}

fn paced(millis: u64) -> Candidate {
    let mut candidate = ready(1);
    candidate.load.pace = Some(Duration::from_millis(millis));
    candidate
}

fn priced(price: Option<u64>) -> Candidate {
    Candidate { price, ..ready(1) }
}

/// How often each target came first.
fn firsts(strategy: Strategy, candidates: &[Candidate], times: u32) -> Vec<u32> {
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..times {
        let first = order(strategy, candidates, || random.f64())[0];
        counts[first] += 1;
    }
    counts
}

fn candidate() -> impl Generator<Value = Candidate> {
    let readiness = prop_oneof![
        4 => Just(Readiness::Ready),
        1 => Just(Readiness::Probing),
        2 => Just(Readiness::Resting),
    ];
    let pace = prop::option::of((0_u64..5_000).prop_map(Duration::from_millis));
    (
        readiness,
        0_u32..5,
        0_u32..50,
        pace,
        any::<bool>(),
        prop::option::of(0_u64..9),
    )
        .prop_map(
            |(readiness, weight, busy, pace, is_stale, price)| Candidate {
                readiness,
                weight,
                load: Reading {
                    busy,
                    pace,
                    slow: pace,
                    failed_lately: is_stale && busy % 2 == 0,
                    is_stale,
                },
                price,
            },
        )
}

fn any_strategy() -> impl Generator<Value = Strategy> {
    prop::sample::select(Strategy::ALL.to_vec())
}

#[test]
fn words_are_read_back() {
    for strategy in Strategy::ALL {
        assert_eq!(Strategy::parse(strategy.as_str()), Some(strategy));
    }
    assert_eq!(Strategy::parse("random"), None);
}

#[test]
fn the_written_order_is_kept_whatever_is_known() {
    let mut candidates = [busy(9, 1), paced(1), priced(Some(0))];
    candidates[0].readiness = Readiness::Resting;
    assert_eq!(firsts(Strategy::Ordered, &candidates, 100), [100, 0, 0]);
}

#[test]
fn a_target_without_weight_is_a_spare() {
    let counts = firsts(Strategy::Weighted, &[ready(0), ready(1)], 1_000);
    assert_eq!(counts, [0, 1_000]);
    let mut resting = ready(1);
    resting.readiness = Readiness::Resting;
    assert_eq!(
        firsts(Strategy::Weighted, &[ready(0), resting], 100),
        [100, 0]
    );
    let counts = firsts(Strategy::LeastBusy, &[busy(0, 0), busy(9, 1)], 100);
    assert_eq!(counts, [0, 100]);
}

#[test]
fn the_least_busy_for_its_weight_is_first_and_equals_take_turns() {
    assert_eq!(
        firsts(Strategy::LeastBusy, &[busy(4, 1), busy(3, 1)], 100),
        [0, 100]
    );
    assert_eq!(
        firsts(Strategy::LeastBusy, &[busy(4, 3), busy(3, 1)], 100),
        [100, 0]
    );
    let counts = firsts(Strategy::LeastBusy, &[busy(2, 1), busy(2, 1)], 1_000);
    assert!(counts.iter().all(|count| *count > 400), "{counts:?}");
}

#[test]
fn of_equals_the_healthier_is_first_then_the_heavier() {
    let mut probing = busy(0, 5);
    probing.readiness = Readiness::Probing;
    assert_eq!(
        firsts(Strategy::LeastBusy, &[probing, busy(0, 1)], 100),
        [0, 100]
    );
    assert_eq!(
        firsts(
            Strategy::Cheapest,
            &[
                priced(Some(1)),
                Candidate {
                    weight: 2,
                    ..priced(Some(1))
                }
            ],
            100
        ),
        [0, 100]
    );
}

#[test]
fn the_cheapest_is_first_and_an_unknown_price_last() {
    let candidates = [priced(None), priced(Some(30)), priced(Some(20))];
    let mut random = fastrand::Rng::with_seed(1);
    assert_eq!(
        order(Strategy::Cheapest, &candidates, || random.f64()),
        [2, 1, 0]
    );
}

#[test]
fn the_slowest_of_three_is_never_the_better_of_two() {
    let counts = firsts(
        Strategy::Fastest,
        &[paced(900), paced(100), paced(300)],
        3_000,
    );
    assert_eq!(counts[0], 0);
    // Two of the three pairs hold the fastest.
    assert!((1_900..2_100).contains(&counts[1]), "{counts:?}");
}

#[test]
fn a_pace_that_nobody_has_seen_for_long_is_looked_at_now_and_then() {
    let mut stale = paced(900);
    stale.load.is_stale = true;
    let counts = firsts(Strategy::Fastest, &[paced(100), stale], 10_000);
    assert!((300..700).contains(&counts[1]), "{counts:?}");
}

#[test]
fn a_target_that_failed_lately_is_as_slow_as_slow_answers_of_any() {
    let mut failing = paced(1);
    failing.load.failed_lately = true;
    let mut good = paced(400);
    good.load.slow = Some(Duration::from_millis(800));
    assert_eq!(firsts(Strategy::Fastest, &[failing, good], 100), [0, 100]);
}

#[test]
fn a_failure_counts_as_one_call_for_ten_seconds() {
    let clock = ManualClock::default();
    let load = Arc::new(Load::new(clock.now()));
    for _ in 0..3 {
        let mut running = load.begin(Lane::Whole, clock.now());
        running.failed(clock.now());
    }
    assert_eq!(load.read(Lane::Whole, clock.now()).busy, 3);
    clock.advance(SECOND * 9);
    assert_eq!(load.read(Lane::Whole, clock.now()).busy, 3);
    clock.advance(SECOND);
    assert_eq!(load.read(Lane::Whole, clock.now()).busy, 0);
}

#[test]
fn a_failure_is_a_slow_answer_for_ten_seconds() {
    let clock = ManualClock::default();
    let load = Arc::new(Load::new(clock.now()));
    let answer = |millis: u64| {
        let mut running = load.begin(Lane::Stream, clock.now());
        clock.advance(Duration::from_millis(millis));
        running.answered(clock.now());
    };
    for _ in 0..20 {
        answer(500);
    }
    answer(2_000);
    answer(2_000);
    clock.advance(SECOND * 60);
    let pace = || load.read(Lane::Stream, clock.now()).pace.unwrap();
    assert!(pace() < SECOND, "{:?}", pace());
    load.begin(Lane::Stream, clock.now()).failed(clock.now());
    assert_eq!(pace(), SECOND * 2, "the slowest 5 % of its good answers");
    clock.advance(SECOND * 10);
    assert!(pace() < SECOND, "{:?}", pace());
    assert_eq!(
        load.read(Lane::Whole, clock.now()).pace,
        None,
        "the other lane"
    );
}

#[test]
fn a_slow_answer_is_a_peak_that_fades() {
    let clock = ManualClock::default();
    let load = Arc::new(Load::new(clock.now()));
    let answer = |millis: u64| {
        let mut running = load.begin(Lane::Stream, clock.now());
        clock.advance(Duration::from_millis(millis));
        running.answered(clock.now());
    };
    for _ in 0..50 {
        answer(500);
    }
    answer(5_000);
    let pace = || load.read(Lane::Stream, clock.now()).pace.unwrap();
    assert!(pace() > SECOND * 4);
    clock.advance(SECOND * 60);
    assert!(pace() < SECOND, "{:?}", pace());
}

#[test]
fn a_target_that_stalls_is_slow_before_its_first_answer_comes() {
    let clock = ManualClock::default();
    let load = Arc::new(Load::new(clock.now()));
    load.begin(Lane::Stream, clock.now()).answered(clock.now());
    let waiting: Vec<_> = (0..3)
        .map(|_| load.begin(Lane::Stream, clock.now()))
        .collect();
    clock.advance(SECOND * 2);
    assert!(load.read(Lane::Stream, clock.now()).pace >= Some(SECOND * 2));
    drop(waiting);
    assert!(load.read(Lane::Stream, clock.now()).pace < Some(SECOND));
    assert_eq!(load.read(Lane::Stream, clock.now()).busy, 0);
}

#[test]
fn only_what_is_chosen_by_load_is_watched() {
    let now = ManualClock::default().now();
    let loads = Loads::default();
    assert!(loads.begin("a/m", Lane::Whole, now).is_none());
    let watched = loads.watch(&Arc::from("a/m"), now);
    let running = loads.begin("a/m", Lane::Whole, now);
    assert!(running.is_some() && loads.begin("b/m", Lane::Whole, now).is_none());
    assert_eq!(watched.read(Lane::Whole, now).busy, 1);
    drop(running);
    assert_eq!(watched.read(Lane::Whole, now).busy, 0);
}

proptest! {
    #[test]
    fn weights_hold_in_the_long_run(weights in prop::collection::vec(1_u32..20, 2..6), seed in any::<u64>()) {
        let candidates: Vec<_> = weights.iter().map(|weight| ready(*weight)).collect();
        let mut random = fastrand::Rng::with_seed(seed);
        let rounds = 20_000_u32;
        let mut counts = vec![0_u32; candidates.len()];
        for _ in 0..rounds {
            counts[order(Strategy::Weighted, &candidates, || random.f64())[0]] += 1;
        }
        let sum: u32 = weights.iter().sum();
        for (weight, count) in weights.iter().zip(counts) {
            let share = f64::from(*weight) / f64::from(sum);
            let deviation = (share * (1.0 - share) / f64::from(rounds)).sqrt();
            // Six standard deviations: one false alarm in half a billion looks.
            prop_assert!((f64::from(count) / f64::from(rounds) - share).abs() < 6.0 * deviation);
        }
    }

    #[test]
    fn every_target_is_in_the_order_once_and_those_that_rest_are_last(
        strategy in any_strategy(),
        candidates in prop::collection::vec(candidate(), 0..8),
        seed in any::<u64>(),
    ) {
        let mut random = fastrand::Rng::with_seed(seed);
        let order = order(strategy, &candidates, || random.f64());
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..candidates.len()).collect::<Vec<_>>());
        if strategy != Strategy::Ordered {
            let rests: Vec<bool> = order
                .iter()
                .map(|index| candidates[*index].readiness == Readiness::Resting)
                .collect();
            prop_assert!(rests.is_sorted(), "{:?}", rests);
        }
    }

    #[test]
    fn chance_of_any_kind_does_no_harm(
        strategy in any_strategy(),
        candidates in prop::collection::vec(candidate(), 0..8),
        chance in prop::sample::select(vec![0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, 0.5]),
    ) {
        prop_assert_eq!(order(strategy, &candidates, || chance).len(), candidates.len());
    }
}
