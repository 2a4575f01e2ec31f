//! Minutes of traffic at one target: who is served, who waits, who is left out.

use std::collections::BTreeMap;

use types::{Clock, ManualClock};

use super::*;

/// One stream of calls.
#[derive(Clone, Copy)]
struct Traffic {
    who: Caller,
    /// Calls a second.
    rate: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    served: u32,
    waited: u32,
    left_out: u32,
    longest: Duration,
}

impl Outcome {
    fn offered(self) -> f64 {
        f64::from(self.served + self.left_out)
    }
}

/// `limit` places, each call takes `service`, give or take a half; a minute of it.
fn run(limit: u32, service: Duration, traffic: &[Traffic]) -> Vec<Outcome> {
    let clock = ManualClock::default();
    let start = clock.now();
    let mut random = fastrand::Rng::with_seed(9);
    let mut arrivals: BTreeMap<(Duration, usize), usize> = BTreeMap::new();
    for (index, stream) in traffic.iter().enumerate() {
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(60) {
            // Calls come by themselves: the gaps are those of chance.
            at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / stream.rate);
            arrivals.insert((at, arrivals.len()), index);
        }
    }
    let mut queue = Queue::default();
    let mut outcomes = vec![Outcome::default(); traffic.len()];
    let mut ends: BTreeMap<(Duration, u64), usize> = BTreeMap::new();
    let mut waiting: BTreeMap<Ticket, (usize, Duration, Duration)> = BTreeMap::new();
    let mut serial = 0;
    loop {
        let times = [
            arrivals.keys().next().map(|(at, _)| *at),
            ends.keys().next().map(|(at, _)| *at),
            waiting.values().map(|(_, _, until)| *until).min(),
        ];
        let Some(at) = times.into_iter().flatten().min() else {
            break;
        };
        clock.advance(at.saturating_sub(clock.now() - start));
        let now = clock.now();
        let mut begin = |index: usize, ends: &mut BTreeMap<_, _>| {
            serial += 1;
            // All of one length would end together and begin together.
            let takes = service.mul_f64(0.5 + random.f64());
            ends.insert((at + takes, serial), index);
        };
        if times[1] == Some(at) {
            let (_, index) = ends.pop_first().unwrap();
            outcomes[index].served += 1;
            queue.ended(traffic[index].who);
        } else if times[0] == Some(at) {
            let (_, index) = arrivals.pop_first().unwrap();
            let in_flight = u32::try_from(ends.len()).unwrap();
            match queue.enter(traffic[index].who, in_flight, limit, LONGEST_WAIT, now) {
                Entered::Goes => begin(index, &mut ends),
                Entered::Waits {
                    ticket, left_out, ..
                } => {
                    outcomes[index].waited += 1;
                    waiting.insert(ticket, (index, at, at + LONGEST_WAIT));
                    if let Some((gone, ..)) = left_out.and_then(|gone| waiting.remove(&gone)) {
                        outcomes[gone].left_out += 1;
                    }
                }
                Entered::LeftOut => outcomes[index].left_out += 1,
            }
        } else {
            let over: Vec<Ticket> = waiting
                .iter()
                .filter(|(_, (_, _, until))| *until <= at)
                .map(|(ticket, _)| *ticket)
                .collect();
            for ticket in over {
                queue.give_up(ticket);
                let (index, ..) = waiting.remove(&ticket).unwrap();
                outcomes[index].left_out += 1;
            }
        }
        while let Some(ticket) = queue.next(u32::try_from(ends.len()).unwrap(), limit, now) {
            let (index, since, _) = waiting.remove(&ticket).unwrap();
            let longest = &mut outcomes[index].longest;
            *longest = (*longest).max(at - since);
            begin(index, &mut ends);
        }
    }
    outcomes
}

fn of(priority: Priority, team: u64) -> Caller {
    Caller {
        priority,
        team,
        key: team,
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn under_a_flood_the_modest_team_is_served_and_the_target_is_full() {
    // 40 places of a second serve 40 calls a second; 120 come, all but 12 from one team.
    let traffic = [
        Traffic {
            who: of(Priority::Normal, 1),
            rate: 108.0,
        },
        Traffic {
            who: of(Priority::Normal, 2),
            rate: 12.0,
        },
    ];
    let outcomes = run(40, SECOND, &traffic);
    let [greedy, modest] = outcomes[..] else {
        panic!("two streams")
    };
    let share = f64::from(modest.served) / modest.offered();
    assert!(share > 0.99, "{modest:?}");
    let goodput = f64::from(greedy.served + modest.served) / (40.0 * 60.0);
    assert!(goodput > 0.97, "{goodput:.3}");
    assert!(
        greedy.longest <= LONGEST_WAIT && modest.left_out == 0,
        "{modest:?}"
    );
}

#[test]
fn two_greedy_teams_share_evenly() {
    let flood = |team| Traffic {
        who: of(Priority::Normal, team),
        rate: 60.0,
    };
    let outcomes = run(40, SECOND, &[flood(1), flood(2)]);
    let ratio = f64::from(outcomes[0].served) / f64::from(outcomes[1].served);
    assert!((0.9..1.1).contains(&ratio), "{outcomes:?}");
}

#[test]
fn a_batch_job_takes_what_is_left_and_people_do_not_notice() {
    let outcomes = run(
        40,
        SECOND,
        &[
            Traffic {
                who: of(Priority::Normal, 1),
                rate: 20.0,
            },
            Traffic {
                who: of(Priority::Batch, 2),
                rate: 100.0,
            },
        ],
    );
    let [people, batch] = outcomes[..] else {
        panic!("two streams")
    };
    assert!(
        people.left_out == 0 && people.longest < SECOND / 4,
        "{people:?}"
    );
    assert!(batch.served > 0 && batch.left_out > 0, "{batch:?}");
}

#[test]
fn ordinary_traffic_neither_waits_nor_is_left_out() {
    // Calls of all classes that need a little over half of the places.
    let stream = |priority, team| Traffic {
        who: of(priority, team),
        rate: 13.0,
    };
    let traffic = [
        stream(Priority::Critical, 1),
        stream(Priority::High, 2),
        stream(Priority::Normal, 3),
        stream(Priority::Normal, 4),
    ];
    let outcomes = run(100, SECOND, &traffic);
    for outcome in outcomes {
        assert_eq!((outcome.waited, outcome.left_out), (0, 0), "{outcome:?}");
    }
}
