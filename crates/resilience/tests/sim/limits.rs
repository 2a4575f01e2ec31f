//! Floods before upstreams that refuse, and what is left of a limit when they are over.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use resilience::Settings;

use crate::world::{
    Dial, Does, End, MS, SECOND, Traffic, World, overloaded, rejecting, rejecting_within,
};

/// Three times what an upstream can do, for three minutes: calls that reached it for each good answer, and the share of
/// its capacity that was used, after the first five seconds.
fn flood(seed: u64, capacity: usize, takes: Duration, refuses: Duration) -> (f64, f64) {
    let mut world = World::new(seed, Settings::default());
    world.upstream(rejecting_within(refuses, capacity, move |random| {
        takes.mul_f64(0.5 + random.f64())
    }));
    let end = SECOND * 210;
    let parts = u32::try_from(capacity).expect("few");
    for caller in 0..3 {
        let mut traffic = Traffic::new(caller, takes / parts, end, &[0]);
        traffic.from = takes / parts / 3 * u32::try_from(caller).expect("three");
        world.traffic(traffic);
    }
    world.run_until(end + takes * 2);
    let from = SECOND * 5;
    let reached = world.reached[0].iter().filter(|at| **at >= from).count();
    let good = world.count(|call| call.came >= from && call.end == End::Answered { leg: 0 });
    let possible = f64::from(parts) * 205.0 / takes.as_secs_f64();
    let count = |n: usize| f64::from(u32::try_from(n).expect("few"));
    (count(reached) / count(good), count(good) / possible)
}

#[test]
fn a_flood_costs_a_tenth_more_calls_than_answers_at_most_and_loses_a_twentieth_of_capacity_at_most()
{
    for (capacity, takes, refuses) in [
        (1, SECOND, MS(5)),
        (3, SECOND * 2, MS(5)),
        (5, MS(300), MS(5)),
        (20, MS(500), MS(5)),
        (20, MS(200), MS(30)),
        (20, SECOND * 12, MS(5)),
        (100, SECOND * 2, MS(5)),
        (400, SECOND * 12, MS(5)),
    ] {
        for seed in 0..3 {
            let (calls, used) = flood(seed, capacity, takes, refuses);
            let told = format!(
                "{capacity} of {takes:?}, refused within {refuses:?}: {calls:.3} calls an answer, {used:.3} used"
            );
            assert!(calls <= 1.1, "{told}");
            assert!(used >= 0.95 || capacity < 5, "{told}");
        }
    }
}

/// An upstream that refuses all beyond what the dial says.
fn dialled(world: &mut World, capacity: usize, takes: Duration) -> Dial<usize> {
    let dial: Dial<usize> = Arc::new(Mutex::new(capacity));
    let seen = Arc::clone(&dial);
    let mut busy: Vec<Duration> = Vec::new();
    world.upstream(move |asked| {
        busy.retain(|until| *until > asked.at);
        if busy.len() >= *seen.lock() {
            return Does::Fail(MS(5), overloaded());
        }
        busy.push(asked.at + takes);
        Does::Answer(MS(200).min(takes), takes)
    });
    dial
}

#[test]
fn a_minute_of_overload_leaves_no_limit_a_minute_later() {
    for takes in [MS(300), SECOND * 12] {
        let mut world = World::new(5, Settings::default());
        let dial = dialled(&mut world, 100, takes);
        for caller in 0..5 {
            world.traffic(Traffic::new(caller, takes / 10, SECOND * 400, &[0]));
        }
        world.run_until(SECOND * 60);
        assert_eq!(
            world.reading(0).limit,
            None,
            "50 at a time are well below 100"
        );
        *dial.lock() = 10;
        world.run_until(SECOND * 120);
        assert!(world.reading(0).limit.is_some(), "{takes:?}");
        *dial.lock() = 100;
        world.run_until(SECOND * 180);
        let before = world.count(|call| call.end == End::Refused);
        world.run_until(SECOND * 400);
        assert_eq!(world.reading(0).limit, None, "{takes:?}");
        let refused = world.count(|call| call.end == End::Refused);
        assert_eq!(
            refused - before,
            0,
            "{takes:?}: calm is calm after a minute"
        );
    }
}

#[test]
fn when_load_stops_the_limit_is_forgotten() {
    let mut world = World::new(6, Settings::default());
    let _dial = dialled(&mut world, 10, SECOND);
    for caller in 0..3 {
        world.traffic(Traffic::new(caller, MS(100), SECOND * 60, &[0]));
    }
    world.run_until(SECOND * 60);
    assert!(world.reading(0).limit.is_some());
    world.run_until(SECOND * 95);
    assert_eq!(world.reading(0).limit, None);
}

#[test]
fn a_flooded_primary_spills_over_and_loses_nothing() {
    let mut world = World::new(7, Settings::default());
    world.upstream(rejecting(20, |random| MS(random.u64(500..1500))));
    world.upstream(|_| Does::Answer(MS(200), SECOND));
    for caller in 0..4 {
        world.traffic(Traffic::new(caller, MS(67), SECOND * 120, &[0, 1]));
    }
    world.run_until(SECOND * 130);
    let lost = world.count(|call| !matches!(call.end, End::Answered { .. }));
    assert_eq!(lost, 0);
    let primary = world.count(|call| call.end == End::Answered { leg: 0 });
    assert!(primary >= 20 * 120 * 9 / 10, "{primary} of 2,400");
}

#[test]
fn a_capacity_that_shrinks_and_grows_is_followed() {
    let mut world = World::new(8, Settings::default());
    let dial = dialled(&mut world, 50, SECOND);
    for caller in 0..4 {
        world.traffic(Traffic::new(caller, MS(25), SECOND * 300, &[0]));
    }
    for (until, capacity) in [(60, 50), (120, 10), (180, 50)] {
        *dial.lock() = capacity;
        world.run_until(SECOND * until);
        let limit = world.reading(0).limit.expect("a flood has a limit");
        let near = capacity * 8 / 10..=capacity + 2;
        let limit = usize::try_from(limit).expect("small");
        assert!(near.contains(&limit), "{limit} for {capacity}");
    }
}
