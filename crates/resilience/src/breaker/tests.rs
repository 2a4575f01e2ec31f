#![cfg(test)]
//! The breaker by its rules, case by case, and against a simple model.

use proptest::prelude::*;
use types::{Clock, ManualClock};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A breaker, its clock, and calls that are told in one line.
struct Bench {
    clock: ManualClock,
    breaker: Breaker,
    settings: BreakerSettings,
    random: f64,
}

impl Bench {
    fn new() -> Self {
        Self::of(Guards::Target)
    }

    fn of(guards: Guards) -> Self {
        let clock = ManualClock::default();
        Self {
            breaker: Breaker::new(guards, clock.now()),
            clock,
            settings: BreakerSettings::default(),
            random: 1.0,
        }
    }

    fn ask(caller: u64, alternative: Alternative) -> Ask {
        Ask {
            caller,
            alternative,
            hurried: false,
            lease: SECOND * 30,
        }
    }

    fn enter(&mut self, caller: u64) -> Option<Pass> {
        self.enter_as(caller, Alternative::Elsewhere)
    }

    fn enter_as(&mut self, caller: u64, alternative: Alternative) -> Option<Pass> {
        let ask = Self::ask(caller, alternative);
        self.breaker.enter(&ask, self.clock.now()).ok()
    }

    fn fail_with(&mut self, mut pass: Pass, caller: u64, fault: &Fault) {
        let call = Failed {
            caller,
            fault,
            random: self.random,
        };
        let now = self.clock.now();
        self.breaker.failed(&mut pass, &call, &self.settings, now);
    }

    /// A call that fails; false when it was not let through.
    fn fail(&mut self, caller: u64, weight: Weight) -> bool {
        let Some(pass) = self.enter(caller) else {
            return false;
        };
        self.fail_with(pass, caller, &fault(weight));
        true
    }

    fn succeed(&mut self, caller: u64) -> bool {
        let Some(mut pass) = self.enter(caller) else {
            return false;
        };
        let now = self.clock.now();
        self.breaker.ended(&mut pass, caller, now);
        true
    }

    fn open(&mut self) {
        (0..5).for_each(|_| assert!(self.fail(1, Weight::Full)));
        assert_eq!(self.position(), Position::Open);
    }

    fn position(&self) -> Position {
        self.breaker.position(self.clock.now())
    }

    fn opens_for(&self) -> Duration {
        let now = self.clock.now();
        self.breaker
            .next_probe(now)
            .map_or(Duration::ZERO, |at| at - now)
    }

    fn wait_for_probe(&mut self) {
        self.clock.advance(self.opens_for());
        assert_eq!(self.position(), Position::HalfOpen);
    }
}

fn fault(weight: Weight) -> Fault {
    Fault {
        weight,
        ..Fault::of_target("internal_error")
    }
}

#[test]
fn five_failures_in_a_row_open_it_and_a_good_answer_between_them_does_not() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        (0..4).for_each(|_| assert!(bench.fail(1, Weight::Full)));
        assert!(bench.succeed(1));
    }
    assert_eq!(bench.position(), Position::Closed);
    bench.open();
    assert!(bench.enter(1).is_none());
    let opened = bench.breaker.opened_by().map(|by| (by.cause, by.since));
    assert_eq!(opened, Some(("internal_error", bench.clock.now())));
}

#[test]
fn what_says_nothing_neither_counts_nor_resets_a_row() {
    let mut bench = Bench::new();
    (0..4).for_each(|_| assert!(bench.fail(1, Weight::Full)));
    for _ in 0..50 {
        let mut pass = bench.enter(1).expect("it is closed");
        bench.breaker.settle(&mut pass);
    }
    assert!(bench.fail(1, Weight::Rate), "a refused rate is no row");
    assert_eq!(bench.position(), Position::Closed);
    assert!(bench.fail(1, Weight::Full));
    assert_eq!(bench.position(), Position::Open);
}

#[test]
fn five_failures_of_one_caller_do_not_close_a_target_that_another_uses() {
    let mut bench = Bench::new();
    assert!(bench.succeed(2));
    (0..10).for_each(|_| assert!(bench.fail(1, Weight::Full)));
    assert_eq!(bench.position(), Position::Closed);
    assert!(bench.fail(2, Weight::Full));
    assert_eq!(bench.position(), Position::Open);
}

#[test]
fn a_caller_that_has_been_silent_for_a_window_protects_nobody() {
    let mut bench = Bench::new();
    assert!(bench.succeed(2));
    bench.clock.advance(SECOND * 31);
    bench.open();
}

#[test]
fn half_of_twenty_in_thirty_seconds_open_it_and_refused_rates_count_there() {
    for weight in [Weight::Full, Weight::Rate] {
        let mut bench = Bench::new();
        for _ in 0..9 {
            assert!(bench.succeed(1) && bench.fail(1, weight));
            bench.clock.advance(SECOND);
        }
        assert!(bench.succeed(1));
        assert_eq!(bench.position(), Position::Closed);
        assert!(bench.fail(1, weight));
        assert_eq!(bench.position(), Position::Open, "{weight:?}");
    }
    let mut bench = Bench::new();
    for _ in 0..30 {
        assert!(bench.succeed(1) && bench.fail(1, Weight::Full));
        bench.clock.advance(SECOND * 4);
    }
    assert_eq!(
        bench.position(),
        Position::Closed,
        "never twenty in a window"
    );
}

#[test]
fn a_rate_of_one_caller_does_not_close_a_target_that_another_uses() {
    let mut bench = Bench::new();
    for _ in 0..30 {
        assert!(bench.succeed(2) && bench.fail(1, Weight::Full) && bench.fail(1, Weight::Full));
    }
    assert_eq!(bench.position(), Position::Closed);
}

#[test]
fn what_nothing_heals_opens_it_at_once_for_a_minute() {
    let mut bench = Bench::new();
    assert!(bench.fail(1, Weight::OpensFlat));
    assert_eq!(bench.opens_for(), MINUTE);
    bench.wait_for_probe();
    assert!(bench.fail(1, Weight::OpensFlat));
    assert_eq!(bench.opens_for(), MINUTE);
}

#[test]
fn it_stays_open_twice_as_long_each_time_up_to_its_most() {
    for (random, expected) in [
        (1.0, [5.0, 10.0, 20.0, 25.0, 25.0]),
        (0.0, [2.5, 5.0, 10.0, 12.5, 12.5]),
    ] {
        let mut bench = Bench::new();
        bench.random = random;
        bench.open();
        let mut seen = vec![bench.opens_for().as_secs_f64()];
        for _ in 1..5 {
            bench.wait_for_probe();
            assert!(bench.fail(1, Weight::Full));
            seen.push(bench.opens_for().as_secs_f64());
        }
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_servers_own_wish_is_never_undercut() {
    let mut bench = Bench::new();
    (0..4).for_each(|_| assert!(bench.fail(1, Weight::Full)));
    let pass = bench.enter(1).expect("it is closed");
    let wish = Fault {
        hint: Some(SECOND * 45),
        ..fault(Weight::Full)
    };
    bench.fail_with(pass, 1, &wish);
    assert_eq!(bench.opens_for(), SECOND * 45);
}

#[test]
fn half_open_it_lets_one_call_try_at_a_time_and_three_good_ones_close_it() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait_for_probe();
    for _ in 0..3 {
        assert_eq!(bench.position(), Position::HalfOpen);
        let mut probe = bench.enter(1).expect("one may try");
        assert!(bench.enter(1).is_none(), "a second may not");
        let now = bench.clock.now();
        bench.breaker.ended(&mut probe, 1, now);
    }
    assert_eq!(bench.position(), Position::Ramping);
    assert_eq!(bench.breaker.opened_by(), None);
}

#[test]
fn every_ending_gives_the_place_of_a_probe_back() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait_for_probe();
    let mut left = bench.enter(1).expect("one may try");
    bench.breaker.settle(&mut left);
    assert_eq!(bench.position(), Position::HalfOpen, "no verdict");
    let silent = bench.enter(1).expect("the place is free again");
    bench.clock.advance(SECOND * 30);
    let late = bench.enter(1).expect("the lease is over");
    bench.fail_with(silent, 1, &fault(Weight::Full));
    assert_eq!(
        bench.position(),
        Position::HalfOpen,
        "whose lease is over has no say"
    );
    bench.fail_with(late, 1, &fault(Weight::Rate));
    assert_eq!(
        bench.position(),
        Position::Open,
        "a refused rate fails the probe"
    );
}

#[test]
fn a_call_in_a_hurry_does_not_keep_a_patient_one_from_trying() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait_for_probe();
    let now = bench.clock.now();
    let hurried = Ask {
        hurried: true,
        ..Bench::ask(1, Alternative::Elsewhere)
    };
    assert!(bench.breaker.enter(&hurried, now).is_ok());
    assert!(bench.breaker.enter(&hurried, now).is_err());
    let mut patient = bench.enter(2).expect("a patient one takes over");
    assert!(bench.enter(2).is_none());
    assert!(bench.breaker.enter(&hurried, now).is_err());
    bench.breaker.ended(&mut patient, 2, now);
    assert!(bench.enter(2).is_some());
}

#[test]
fn after_closing_it_lets_a_quarter_more_through_every_ten_seconds() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait_for_probe();
    (0..3).for_each(|_| assert!(bench.succeed(1)));
    for expected in [25, 50, 75, 100] {
        let through = (0..100).filter(|_| bench.succeed(1)).count();
        assert!(through.abs_diff(expected) <= 1, "{through} of {expected}");
        bench.clock.advance(SECOND * 10);
    }
    assert_eq!(bench.position(), Position::Closed);
}

#[test]
fn who_has_no_other_way_is_not_kept_back_after_a_recovery() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait_for_probe();
    (0..3).for_each(|_| assert!(bench.succeed(1)));
    let through = (0..100).filter(|_| bench.enter_as(1, Alternative::Nowhere).is_some());
    assert_eq!(through.count(), 100);
}

/// Opens by a rate: `good` of 100 were answered in the last seconds.
fn half_dead(good: usize) -> Bench {
    let mut bench = Bench::new();
    bench.settings.consecutive = 1000;
    bench.settings.min_calls = 100;
    (0..good).for_each(|_| assert!(bench.succeed(1)));
    (good..100).for_each(|_| assert!(bench.fail(1, Weight::Full)));
    assert_eq!(bench.position(), Position::Open);
    bench.clock.advance(GRACE);
    bench
}

#[test]
fn a_target_without_an_alternative_is_thinned_and_not_closed() {
    for (good, expected) in [(50, 100), (40, 100), (20, 50), (5, 20), (0, 0)] {
        let mut bench = half_dead(good);
        let through = (0..100)
            .filter(|_| bench.enter_as(1, Alternative::Nowhere).is_some())
            .count();
        assert!(
            through.abs_diff(expected) <= 2,
            "{good}: {through}, not {expected}"
        );
        assert!(bench.enter(1).is_none(), "who can go elsewhere does");
    }
}

#[test]
fn a_failure_of_a_moment_does_not_lose_those_who_met_it() {
    let mut bench = Bench::new();
    bench.open();
    bench.clock.advance(GRACE - Duration::from_millis(1));
    assert!(bench.enter_as(1, Alternative::Nowhere).is_some());
    assert!(bench.enter(1).is_none(), "who can go elsewhere does");
    bench.clock.advance(Duration::from_millis(1));
    assert!(bench.enter_as(1, Alternative::Nowhere).is_none());
}

#[test]
fn the_least_bad_of_all_gets_one_call_for_each_time_it_is_open() {
    let mut bench = half_dead(0);
    let last = |bench: &mut Bench| bench.enter_as(1, Alternative::LastResort);
    let resort = last(&mut bench).expect("one may");
    assert!(last(&mut bench).is_none());
    bench.fail_with(resort, 1, &fault(Weight::Full));
    assert!(last(&mut bench).is_none(), "once");
    assert_eq!(bench.position(), Position::Open);
    bench.wait_for_probe();
    assert!(bench.fail(1, Weight::Full));
    let mut resort = last(&mut bench).expect("it is open anew");
    let now = bench.clock.now();
    bench.breaker.ended(&mut resort, 1, now);
    assert_eq!(
        bench.position(),
        Position::HalfOpen,
        "it is a probe that succeeded"
    );
}

#[test]
fn a_last_resort_whose_client_left_can_be_taken_by_the_next() {
    let mut bench = half_dead(0);
    let mut left = bench.enter_as(1, Alternative::LastResort).expect("one may");
    bench.breaker.settle(&mut left);
    assert!(bench.enter_as(1, Alternative::LastResort).is_some());
}

#[test]
fn each_minute_of_health_forgets_one_opening() {
    let mut bench = Bench::new();
    bench.open();
    for _ in 0..3 {
        bench.wait_for_probe();
        assert!(bench.fail(1, Weight::Full));
    }
    bench.wait_for_probe();
    (0..3).for_each(|_| assert!(bench.succeed(1)));
    bench.clock.advance(MINUTE * 2);
    bench.open();
    assert_eq!(bench.opens_for(), SECOND * 20, "two of four are forgotten");
}

#[test]
fn answers_that_break_off_count_as_the_failures_they_are() {
    let mut bench = Bench::new();
    for broken in 1..=5 {
        let mut pass = bench.enter(1).expect("it is closed");
        let now = bench.clock.now();
        bench.breaker.begun(&mut pass, 1, now);
        assert_eq!(bench.breaker.recent(now), (1, broken - 1));
        bench.fail_with(pass, 1, &fault(Weight::Full));
        assert_eq!(bench.breaker.recent(bench.clock.now()), (0, broken));
    }
    assert_eq!(bench.position(), Position::Open);
}

#[test]
fn a_few_broken_answers_among_many_that_still_flow_open_nothing() {
    let mut bench = Bench::new();
    let mut flowing: Vec<Pass> = (0..100).filter_map(|_| bench.enter(1)).collect();
    let now = bench.clock.now();
    for pass in &mut flowing {
        bench.breaker.begun(pass, 1, now);
    }
    for pass in flowing.drain(..20) {
        bench.fail_with(pass, 1, &fault(Weight::Full));
    }
    assert_eq!(bench.position(), Position::Closed);
    assert_eq!(flowing.len(), 80);
}

#[test]
fn calls_from_before_an_outage_that_fail_after_it_open_nothing() {
    let mut bench = Bench::new();
    let old: Vec<Pass> = (0..10).filter_map(|_| bench.enter(1)).collect();
    bench.open();
    bench.wait_for_probe();
    (0..3).for_each(|_| assert!(bench.succeed(1)));
    for pass in old {
        bench.fail_with(pass, 1, &fault(Weight::Full));
    }
    assert_eq!(bench.position(), Position::Ramping);
}

#[test]
fn a_name_that_does_not_exist_says_nothing_of_the_other_names() {
    let mut bench = Bench::of(Guards::Unnamed);
    (0..50).for_each(|_| assert!(bench.fail(1, Weight::OpensFlat)));
    assert_eq!(bench.position(), Position::Closed);
    bench.open();
}

#[test]
fn a_key_is_opened_by_what_is_certain_alone_and_closed_by_one_good_answer() {
    let mut bench = Bench::of(Guards::Certain);
    (0..50).for_each(|_| assert!(bench.fail(1, Weight::Full)));
    assert!(bench.fail(1, Weight::OpensFlat));
    assert_eq!(bench.position(), Position::Open);
    bench.wait_for_probe();
    assert!(bench.succeed(1));
    assert_eq!(bench.position(), Position::Closed);
}

/// What may happen to a breaker.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Enter { caller: u64, alone: bool },
    End { which: usize, how: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u64..12_000).prop_map(Step::Wait),
        (0_u64..3, any::<bool>()).prop_map(|(caller, alone)| Step::Enter { caller, alone }),
        (any::<usize>(), 0_u8..6).prop_map(|(which, how)| Step::End { which, how }),
    ]
}

/// The model: what must hold whatever happens.
#[derive(Default)]
struct Model {
    /// Calls that were let through and have not ended: whose, and whether only one such may be out.
    out: Vec<(u64, Pass)>,
    /// Counted failures since the last good answer began, of any weight that counts in the row.
    row: u32,
}

proptest! {
    #[test]
    fn it_refines_its_model(steps in prop::collection::vec(step(), 1..400)) {
        let mut bench = Bench::new();
        let mut model = Model::default();
        for step in steps {
            let before = bench.position();
            match step {
                Step::Wait(millis) => bench.clock.advance(Duration::from_millis(millis)),
                Step::Enter { caller, alone } => {
                    let alternative = if alone { Alternative::Nowhere } else { Alternative::Elsewhere };
                    let ask = Bench::ask(caller, alternative);
                    let refused = bench.breaker.refuses(&ask, bench.clock.now());
                    let entered = bench.enter_as(caller, alternative);
                    prop_assert_eq!(refused.is_none(), entered.is_some(), "asking and entering agree");
                    prop_assert!(before != Position::Closed || entered.is_some(), "closed refuses nobody");
                    prop_assert!(
                        alone || before != Position::Open || entered.is_none(),
                        "open lets nobody through that can go elsewhere"
                    );
                    if let Some(pass) = entered {
                        model.out.push((caller, pass));
                    }
                }
                Step::End { which, how } if !model.out.is_empty() => {
                    let (caller, mut pass) = model.out.swap_remove(which % model.out.len());
                    let now = bench.clock.now();
                    match how {
                        0 | 1 => {
                            bench.breaker.ended(&mut pass, caller, now);
                            model.row = 0;
                        }
                        2 => bench.breaker.settle(&mut pass),
                        3 => {
                            bench.fail_with(pass, caller, &fault(Weight::Rate));
                        }
                        _ => {
                            bench.fail_with(pass, caller, &fault(Weight::Full));
                            model.row += 1;
                        }
                    }
                    if before == Position::Closed && bench.position() == Position::Open {
                        let (good, failed) = bench.breaker.recent(now);
                        let by_rate = good + failed >= 20 && failed >= good;
                        prop_assert!(by_rate || model.row >= 5, "{} in a row, {good} good, {failed} failed", model.row);
                    }
                }
                Step::End { .. } => {}
            }
            let now = bench.clock.now();
            let next = bench.breaker.next_probe(now);
            prop_assert_eq!(
                next.is_some(),
                matches!(bench.position(), Position::Open | Position::HalfOpen)
            );
            prop_assert!(next.is_none_or(|at| at - now <= SECOND * 30), "nobody waits longer than the most");
        }
        // Leases never leak: when all have ended, a probe can be had.
        let now = bench.clock.now();
        for (_, mut pass) in model.out.drain(..) {
            bench.breaker.settle(&mut pass);
        }
        prop_assert_eq!(bench.breaker.flowing, 0);
        if bench.breaker.next_probe(now).is_some() {
            bench.clock.advance(SECOND * 30);
            prop_assert!(bench.enter(0).is_some());
        }
    }
}
