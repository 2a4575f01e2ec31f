//! Outages, recoveries, and who may and may not close a target to others.

use std::time::Duration;

use resilience::Settings;
use resilience::breaker::Position;

use crate::world::{Does, End, Ended, MS, SECOND, Traffic, World, broken, healthy, overloaded};

/// The kinds of dead.
#[derive(Clone, Copy, Debug)]
enum Dead {
    /// At once.
    Fast,
    /// Silent until a timer fires.
    Silent,
    Overloaded,
}

impl Dead {
    fn does(self) -> Does {
        match self {
            Self::Fast => Does::Fail(MS(2), broken()),
            Self::Silent => Does::Fail(SECOND * 3, broken()),
            Self::Overloaded => Does::Fail(MS(20), overloaded()),
        }
    }
}

/// A primary that is dead from 20 s for `lasts`, and a healthy secondary.
fn outage(seed: u64, dead: Dead, lasts: Duration, traffic: &[Traffic]) -> World {
    let mut world = World::new(seed, Settings::default());
    world.upstream(move |asked| {
        if (SECOND * 20..SECOND * 20 + lasts).contains(&asked.at) {
            dead.does()
        } else {
            Does::Answer(MS(200), SECOND)
        }
    });
    world.upstream(healthy(MS(300), SECOND));
    for one in traffic {
        world.traffic(one.clone());
    }
    world.run_until(SECOND * 20 + lasts + SECOND * 120);
    world
}

#[test]
fn an_outage_of_a_minute_with_a_call_every_four_seconds_loses_nothing_and_is_soon_over() {
    for dead in [Dead::Fast, Dead::Silent, Dead::Overloaded] {
        for seed in 0..400 {
            let mut traffic = Traffic::new(1, SECOND * 4, SECOND * 180, &[0, 1]);
            // The outage begins anywhere between two calls.
            traffic.from = MS(10 * seed);
            let world = outage(seed, dead, SECOND * 60, &[traffic]);
            let told = format!("{dead:?} {seed}");
            let lost = world.count(|call| !matches!(call.end, End::Answered { .. }));
            assert_eq!(lost, 0, "{told}");
            let (from, to) = (SECOND * 20, SECOND * 80);
            let during = world.reached[0]
                .iter()
                .filter(|at| (from..to).contains(*at));
            let during = during.count();
            assert!(during <= 10, "{told}: {during} calls reached the primary");
            let back = world.reached[0].iter().find(|at| **at >= to);
            let back = *back.expect("it is used again") - to;
            assert!(back <= SECOND * 30, "{told}: after {back:?}");
            assert_eq!(world.position(0), Position::Closed, "{told}");
        }
    }
}

#[test]
fn a_primary_that_fails_a_fifth_beside_a_healthy_secondary_loses_nothing() {
    for fault in [broken, overloaded] {
        let mut world = World::new(7, Settings::default());
        world.upstream(move |asked| match asked.random.u32(0..5) {
            0 => Does::Fail(MS(20), fault()),
            _ => Does::Answer(MS(200), SECOND),
        });
        world.upstream(healthy(MS(200), SECOND));
        for caller in 0..4 {
            world.traffic(Traffic::new(caller, MS(40), SECOND * 120, &[0, 1]));
        }
        world.run_until(SECOND * 140);
        let lost = world.count(|call| !matches!(call.end, End::Answered { .. }));
        assert_eq!((world.ended.len(), lost), (12_000, 0));
        let primary = world.count(|call| call.end == End::Answered { leg: 0 });
        // It still answers four in five and is not given up; one that says it is overloaded gets less.
        let least = if fault().is_overload { 300 } else { 6_000 };
        assert!(primary > least, "{primary}");
    }
}

#[test]
fn a_dead_upstream_without_an_alternative_sees_no_more_than_a_fifth_beyond_its_calls() {
    for rate in [20, 100] {
        let mut world = World::new(8, Settings::default());
        world.upstream(|_| Dead::Fast.does());
        world.traffic(Traffic::new(1, SECOND / rate, SECOND * 60, &[0]));
        world.run_until(SECOND * 70);
        let calls = usize::try_from(rate * 60).expect("few");
        let reached = world.reached[0].len();
        assert!(
            reached * 5 <= calls,
            "{reached} of {calls} calls: it is left alone"
        );
        assert_eq!(
            world.count(|call| matches!(call.end, End::Answered { .. })),
            0
        );
    }
}

#[test]
fn a_lone_target_is_in_use_again_soon_after_an_outage() {
    for dead in [Dead::Fast, Dead::Silent, Dead::Overloaded] {
        for seed in 0..50 {
            let callers: Vec<Traffic> = (0..3)
                .map(|caller| Traffic::new(caller, MS(300), SECOND * 200, &[0]))
                .collect();
            let world = outage(seed, dead, SECOND * 60, &callers);
            let told = format!("{dead:?} {seed}");
            let late = |ended: &Ended| ended.came > SECOND * (80 + 35);
            let lost = world.count(|call| late(call) && !matches!(call.end, End::Answered { .. }));
            assert_eq!(lost, 0, "{told}: 35 s after its return nothing is refused");
        }
    }
}

#[test]
fn poisoned_prompts_of_one_tenant_close_nothing_to_the_others() {
    let mut world = World::new(9, Settings::default());
    // Tenant 6's prompts crash the server's worker; it serves all others.
    world.upstream(|asked| match asked.caller {
        6 => Does::Fail(MS(50), broken()),
        _ => Does::Answer(MS(200), SECOND),
    });
    world.traffic(Traffic::new(6, MS(100), SECOND * 120, &[0]));
    world.traffic(Traffic::new(1, SECOND * 5, SECOND * 120, &[0]));
    world.traffic(Traffic::new(2, SECOND * 7, SECOND * 120, &[0]));
    world.run_until(SECOND * 130);
    let hurt = |call: &Ended| call.caller != 6 && !matches!(call.end, End::Answered { .. });
    assert_eq!(world.count(hurt), 0);
    assert_eq!(world.position(0), Position::Closed);
}

#[test]
fn callers_with_tiny_timeouts_close_nothing_and_delay_no_recovery() {
    let mut hurried = Traffic::new(6, MS(20), SECOND * 200, &[0, 1]);
    hurried.hurry = Some(MS(50));
    // No answer comes in 50 ms: they learn nothing, however many they are.
    let mut world = World::new(10, Settings::default());
    world.upstream(healthy(MS(200), SECOND));
    world.upstream(healthy(MS(200), SECOND));
    world.traffic(hurried.clone());
    world.traffic(Traffic::new(1, SECOND, SECOND * 60, &[0, 1]));
    world.run_until(SECOND * 60);
    assert_eq!(world.position(0), Position::Closed);
    assert_eq!(world.count(|call| call.end == End::Answered { leg: 1 }), 0);

    for seed in 0..20 {
        let patient = Traffic::new(1, SECOND * 2, SECOND * 200, &[0, 1]);
        let world = outage(seed, Dead::Silent, SECOND * 60, &[hurried.clone(), patient]);
        let back = |call: &&Ended| call.end == End::Answered { leg: 0 } && call.came > SECOND * 80;
        let first = world.ended.iter().find(back).expect("in use again").came;
        assert!(first <= SECOND * (80 + 32), "{seed}: {first:?}");
        assert_eq!(world.position(0), Position::Closed, "{seed}");
    }
}

#[test]
fn probes_whose_client_leaves_leak_nothing() {
    for seed in 0..20 {
        // Nine in ten clients leave before anything could be known.
        let mut leaving = Traffic::new(1, MS(100), SECOND * 200, &[0, 1]);
        leaving.leaves = Some(MS(30));
        let staying = Traffic::new(2, SECOND, SECOND * 200, &[0, 1]);
        let world = outage(seed, Dead::Silent, SECOND * 60, &[leaving, staying]);
        assert_eq!(world.position(0), Position::Closed, "{seed}");
        let back = |call: &&Ended| call.end == End::Answered { leg: 0 } && call.came > SECOND * 80;
        let first = world.ended.iter().find(back).expect("in use again").came;
        assert!(first <= SECOND * (80 + 32), "{seed}: {first:?}");
        assert_eq!(world.reading(0).in_flight, 0);
    }
}

#[test]
fn a_target_that_fails_fast_draws_no_traffic() {
    let mut world = World::new(11, Settings::default());
    world.upstream(|_| Dead::Fast.does());
    world.upstream(healthy(MS(200), SECOND));
    for caller in 0..3 {
        world.traffic(Traffic::new(caller, MS(30), SECOND * 60, &[0, 1]));
    }
    world.run_until(SECOND * 70);
    let reached = world.reached[0].len();
    assert!(reached <= 20, "{reached} of 6,000 calls");
    let lost = world.count(|call| !matches!(call.end, End::Answered { leg: 1 }));
    assert_eq!(lost, 0);
}

#[test]
fn a_dead_model_leaves_its_healthy_siblings_their_repeats() {
    // Both are models of one provider here: the budget is that of the dead one's first calls alone, then it is closed.
    let mut world = World::new(12, Settings::default());
    world.upstream(|asked| match asked.caller {
        6 => Dead::Fast.does(),
        _ if asked.random.u32(0..10) == 0 => Does::Fail(MS(20), broken()),
        _ => Does::Answer(MS(100), SECOND),
    });
    world.traffic(Traffic::new(6, MS(100), SECOND * 60, &[0]));
    world.run_until(SECOND * 60);
    let dead = world.reached[0].len();
    assert!(dead <= 60, "{dead} of 600 calls reach a dead model");
}

#[test]
fn a_restart_in_the_middle_of_an_outage_finds_out_anew() {
    let mut world = World::new(13, Settings::default());
    world.upstream(|asked| {
        if asked.at < SECOND * 60 {
            Dead::Fast.does()
        } else {
            Does::Answer(MS(200), SECOND)
        }
    });
    world.upstream(healthy(MS(200), SECOND));
    world.traffic(Traffic::new(1, MS(500), SECOND * 150, &[0, 1]));
    world.run_until(SECOND * 30);
    assert_eq!(world.position(0), Position::Open);
    world.restart();
    world.run_until(SECOND * 160);
    let lost = world.count(|call| matches!(call.end, End::Failed | End::Refused));
    assert_eq!(lost, 0);
    assert_eq!(world.position(0), Position::Closed);
}
