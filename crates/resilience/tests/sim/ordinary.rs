//! What must never be noticed: ordinary traffic before ordinary upstreams.

use std::time::Duration;

use resilience::Settings;

use crate::world::{
    Does, End, MS, SECOND, Traffic, World, broken, healthy, overloaded, queueing, rate_limited,
};

/// Mixed traffic of many callers with stray failures of all kinds, clients that leave and clients in a hurry.
fn mixed(seed: u64, legs: &[usize]) -> World {
    let mut world = World::new(seed, Settings::default());
    for _ in legs {
        world.upstream(|asked| {
            let first = MS(asked.random.u64(50..3000));
            let whole = first + MS(asked.random.u64(0..20_000));
            match asked.random.u32(0..1000) {
                0..8 => Does::Fail(MS(30), broken()),
                8..12 => Does::Fail(MS(30), overloaded()),
                12..16 => Does::Fail(MS(30), rate_limited()),
                16..18 => Does::Fail(SECOND * 30, broken()),
                _ => Does::Answer(first, whole),
            }
        });
    }
    let end = SECOND * 600;
    for (caller, every) in [(1, 90), (2, 400), (3, 2500), (4, 17_000)] {
        let mut traffic = Traffic::new(caller, MS(every), end, legs);
        traffic.leaves = (caller == 3).then_some(SECOND * 4);
        world.traffic(traffic.clone());
        traffic.hurry = Some(MS(400));
        traffic.every *= 5;
        world.traffic(traffic);
    }
    world.run_until(SECOND * 700);
    world
}

#[test]
fn ordinary_mixed_traffic_is_never_refused() {
    for seed in 0..4 {
        for legs in [&[0][..], &[0, 1]] {
            let world = mixed(seed, legs);
            let refused = world.count(|call| call.end == End::Refused);
            assert_eq!(refused, 0, "{seed} {legs:?} of {}", world.ended.len());
            let lost = world.count(|call| call.end == End::Failed);
            assert!(lost * 10_000 <= world.ended.len(), "{lost} lost");
            assert!(world.ended.len() > 8_000);
        }
    }
}

#[test]
fn a_provider_that_never_rejects_is_never_limited() {
    // 2,000 streams at a time: 12 s answers, a prompt's size in every first token.
    let mut world = World::new(1, Settings::default());
    world.upstream(|asked| {
        let first = MS(asked.random.u64(100..9000));
        Does::Answer(first, first.max(SECOND * 12))
    });
    let end = SECOND * 120;
    for caller in 0..4 {
        world.traffic(Traffic::new(caller, MS(24), end, &[0]));
    }
    world.run_until(SECOND * 60);
    assert!(
        world.reading(0).in_flight >= 1990,
        "{}",
        world.reading(0).in_flight
    );
    world.run_until(end + SECOND * 20);
    assert!(world.ended.len() >= 19_990);
    assert_eq!(world.count(|call| call.end != End::Answered { leg: 0 }), 0);
    let reading = world.reading(0);
    assert_eq!((reading.limit, reading.in_flight), (None, 0));
}

#[test]
fn a_server_that_queues_is_not_taken_for_broken() {
    let mut world = World::new(2, Settings::default());
    world.upstream(queueing(4, |random| MS(random.u64(500..1500))));
    // A little more than it can do for a minute, then less.
    for caller in 0..2 {
        world.traffic(Traffic::new(caller, MS(450), SECOND * 60, &[0]));
        let mut calm = Traffic::new(caller, SECOND, SECOND * 120, &[0]);
        calm.from = SECOND * 60;
        world.traffic(calm);
    }
    world.run_until(SECOND * 180);
    assert_eq!(world.count(|call| call.end != End::Answered { leg: 0 }), 0);
    assert_eq!(world.reading(0).limit, None);
}

#[test]
fn a_tenth_that_fails_is_all_recovered_at_a_lone_target() {
    let mut world = World::new(3, Settings::default());
    world.upstream(|asked| match asked.random.u32(0..10) {
        0 => Does::Fail(MS(20), broken()),
        _ => Does::Answer(MS(200), SECOND),
    });
    world.traffic(Traffic::new(1, MS(50), SECOND * 300, &[0]));
    world.run_until(SECOND * 320);
    let lost = world.count(|call| !matches!(call.end, End::Answered { .. }));
    assert!(lost <= 3, "{lost} of {}", world.ended.len());
}

#[test]
fn a_pair_of_healthy_targets_uses_the_first_alone() {
    let mut world = World::new(4, Settings::default());
    world.upstream(healthy(MS(200), SECOND));
    world.upstream(healthy(MS(200), SECOND));
    world.traffic(Traffic::new(1, MS(10), SECOND * 60, &[0, 1]));
    world.run_until(SECOND * 70);
    assert!(world.reached[1].is_empty());
    let unanswered = world.count(|call| !matches!(call.end, End::Answered { leg: 0 }));
    assert_eq!((world.ended.len(), unanswered), (6000, 0));
    let _: Duration = world.ended[0].came;
}
