//! Targets over minutes, each with its own speed, capacity and faults; what the strategies make of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use types::{Clock, ManualClock};

use super::{Candidate, Lane, Load, Readiness, Running, Strategy, order};

/// How a simulated target behaves at a moment.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Answers begin after so many milliseconds, and last ten times as long.
    Answers(u64),
    /// Fails at once.
    FailsFast,
    /// Serves so many at a time, 500 ms each, and queues the rest.
    Queues(usize),
}

struct Target {
    load: Arc<Load>,
    /// Ends of the calls that a queueing target serves, sorted.
    free_at: Vec<Instant>,
    calls: u32,
}

/// What comes later.
enum Later {
    Begins(Running, Duration),
    Ends(#[expect(dead_code, reason = "dropping it ends the call")] Running),
}

struct Outcome {
    /// Calls by target.
    calls: Vec<u32>,
    /// Times to the first token, sorted.
    waits: Vec<Duration>,
}

/// `rate` calls a second for `seconds`.
fn run(
    strategy: Strategy,
    rate: u32,
    seconds: u32,
    behave: impl Fn(usize, u32) -> Behaviour,
    targets: usize,
) -> Outcome {
    let clock = ManualClock::default();
    let start = clock.now();
    let mut random = fastrand::Rng::with_seed(42);
    let mut pool: Vec<Target> = (0..targets)
        .map(|_| Target {
            load: Arc::new(Load::new(start)),
            free_at: Vec::new(),
            calls: 0,
        })
        .collect();
    let mut later: BTreeMap<(Instant, u64), Later> = BTreeMap::new();
    let mut serial = 0_u64;
    let mut waits = Vec::new();
    for number in 0..rate * seconds {
        let at = start + Duration::from_secs(1) / rate * number;
        while let Some((due, _)) = later.keys().next().copied()
            && due <= at
        {
            let (key, event) = later.pop_first().unwrap();
            clock.advance(key.0.saturating_duration_since(clock.now()));
            if let Later::Begins(mut running, lasts) = event {
                running.answered(clock.now());
                serial += 1;
                later.insert((clock.now() + lasts, serial), Later::Ends(running));
            }
        }
        clock.advance(at.saturating_duration_since(clock.now()));
        let now = clock.now();
        let candidates: Vec<Candidate> = pool
            .iter()
            .map(|target| Candidate {
                load: target.load.read(Lane::Stream, now),
                ..Candidate::unknown(Readiness::Ready, 1)
            })
            .collect();
        let chosen = order(strategy, &candidates, || random.f64())[0];
        let target = &mut pool[chosen];
        target.calls += 1;
        let mut running = target.load.begin(Lane::Stream, now);
        let (wait, lasts) = match behave(chosen, number / rate) {
            Behaviour::FailsFast => {
                running.failed(now);
                continue;
            }
            Behaviour::Answers(millis) => {
                // Half as long to half as long again: prompts differ.
                let wait = Duration::from_millis(millis).mul_f64(0.5 + random.f64());
                (wait, wait * 10)
            }
            Behaviour::Queues(places) => {
                let service = Duration::from_millis(500);
                target.free_at.retain(|free| *free > now);
                let busy = target.free_at.len();
                let begins = if busy < places {
                    now
                } else {
                    target.free_at[busy - places]
                };
                target.free_at.push(begins + service);
                (begins + service - now, Duration::ZERO)
            }
        };
        waits.push(wait);
        serial += 1;
        later.insert((now + wait, serial), Later::Begins(running, lasts));
    }
    waits.sort_unstable();
    Outcome {
        calls: pool.iter().map(|target| target.calls).collect(),
        waits,
    }
}

impl Outcome {
    fn share(&self, target: usize) -> f64 {
        f64::from(self.calls[target]) / f64::from(self.calls.iter().sum::<u32>())
    }

    fn percentile(&self, percent: usize) -> Duration {
        self.waits[(self.waits.len() * percent / 100).min(self.waits.len() - 1)]
    }
}

#[test]
fn a_target_that_fails_fast_is_not_taken_for_an_idle_one() {
    for strategy in [Strategy::LeastBusy, Strategy::Fastest] {
        let outcome = run(
            strategy,
            50,
            60,
            |target, _| {
                if target == 0 {
                    Behaviour::FailsFast
                } else {
                    Behaviour::Answers(400)
                }
            },
            2,
        );
        // By its empty queue or its quick replies it would get nearly all. Each failure weighs as an answer of ten
        // seconds beside those of 4.4 s, until a breaker opens.
        let share = outcome.share(0);
        assert!(share < 0.35, "{strategy:?}: {share:.3}");
    }
}

#[test]
fn the_fastest_gets_nearly_all_and_is_found_again_after_a_slow_minute() {
    let slow_between = |from, to| {
        move |target: usize, second: u32| match target {
            0 if (from..to).contains(&second) => Behaviour::Answers(4_000),
            0 => Behaviour::Answers(300),
            _ => Behaviour::Answers(900),
        }
    };
    let steady = run(Strategy::Fastest, 20, 300, slow_between(0, 0), 2);
    assert!(steady.share(0) > 0.9, "{:.3}", steady.share(0));
    let slow_first = run(Strategy::Fastest, 20, 60, slow_between(0, 60), 2);
    assert!(slow_first.share(0) < 0.2, "{:.3}", slow_first.share(0));
    let recovered = run(Strategy::Fastest, 20, 360, slow_between(0, 60), 2);
    let after = f64::from(recovered.calls[0] - slow_first.calls[0]) / f64::from(20 * 300_u32);
    assert!(after > 0.7, "{after:.3}");
}

#[test]
fn few_calls_go_to_the_slower_one_to_look_at_it() {
    let outcome = run(
        Strategy::Fastest,
        1,
        3_600,
        |target, _| Behaviour::Answers(if target == 0 { 300 } else { 1_500 }),
        2,
    );
    assert!(outcome.share(1) < 0.1, "{:.3}", outcome.share(1));
    assert!(outcome.calls[1] > 10, "{:?}", outcome.calls);
}

#[test]
fn two_servers_that_queue_are_filled_evenly_enough_by_least_busy_and_fastest() {
    // Two times 20 places of 500 ms serve 80 calls a second; 60 come.
    for strategy in [Strategy::LeastBusy, Strategy::Fastest] {
        let outcome = run(strategy, 60, 120, |_, _| Behaviour::Queues(20), 2);
        let slow = outcome.percentile(99);
        assert!(slow < Duration::from_secs(2), "{strategy:?}: {slow:?}");
        let share = outcome.share(0);
        assert!((0.3..0.7).contains(&share), "{strategy:?}: {share:.3}");
    }
}
