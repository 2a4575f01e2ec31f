//! What the queue keeps to, whoever comes.

use proptest::prelude::*;
use types::{Clock, ManualClock};

use super::*;

const MILLI: Duration = Duration::from_millis(1);

fn caller(priority: Priority, team: u64) -> Caller {
    Caller {
        priority,
        team,
        key: team * 10,
    }
}

fn normal(team: u64) -> Caller {
    caller(Priority::Normal, team)
}

/// The ticket of a call that must wait.
fn waits(queue: &mut Queue, who: Caller, limit: u32, now: Instant) -> Ticket {
    match queue.enter(who, limit, limit, LONGEST_WAIT, now) {
        Entered::Waits { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_waits_for_a_second_or_a_twentieth_of_its_time() {
    assert_eq!(patience(Duration::from_secs(300)), Duration::from_secs(1));
    assert_eq!(patience(Duration::from_secs(4)), Duration::from_millis(200));
    assert_eq!(patience(Duration::ZERO), Duration::ZERO);
}

#[test]
fn where_there_is_room_every_class_goes_at_once() {
    let clock = ManualClock::default();
    for priority in Priority::ALL {
        let mut queue = Queue::default();
        for in_flight in 0..10 {
            let entered = queue.enter(caller(priority, 1), in_flight, 10, MILLI, clock.now());
            assert_eq!(entered, Entered::Goes, "{priority:?} beside {in_flight}");
        }
    }
}

#[test]
fn room_is_kept_for_higher_classes_that_have_come_lately() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let mut goes = |priority, in_flight, now| {
        let entered = queue.enter(caller(priority, 1), in_flight, 100, MILLI, now);
        if let Entered::Waits { ticket, .. } = entered {
            queue.give_up(ticket);
        }
        entered == Entered::Goes
    };
    assert!(goes(Priority::Batch, 99, clock.now()));
    assert!(goes(Priority::Critical, 99, clock.now()));
    for (priority, room) in [
        (Priority::High, 95),
        (Priority::Normal, 85),
        (Priority::Batch, 60),
    ] {
        assert!(goes(priority, room - 1, clock.now()), "{priority:?}");
        assert!(!goes(priority, room, clock.now()), "{priority:?}");
    }
    clock.advance(EXPECTED);
    assert!(
        goes(Priority::Batch, 99, clock.now()),
        "nobody else comes any more"
    );
}

#[test]
fn a_limit_of_one_lets_every_class_go() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    for priority in [Priority::Critical, Priority::Batch] {
        let entered = queue.enter(caller(priority, 1), 0, 1, MILLI, clock.now());
        assert_eq!(entered, Entered::Goes, "{priority:?}");
    }
}

#[test]
fn higher_classes_go_first_and_equals_in_their_order() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let now = clock.now();
    let batch = waits(&mut queue, caller(Priority::Batch, 1), 10, now);
    let first = waits(&mut queue, normal(1), 10, now);
    let second = waits(&mut queue, normal(1), 10, now);
    let critical = waits(&mut queue, caller(Priority::Critical, 1), 10, now);
    assert_eq!(queue.next(10, 10, now), None, "there is no room");
    let order: Vec<_> = (0..4).filter_map(|_| queue.next(0, 10, now)).collect();
    assert_eq!(order, [critical, first, second, batch]);
    assert_eq!(queue.next(0, 10, now), None);
}

#[test]
fn the_newest_goes_first_once_the_oldest_has_waited_too_long() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let _oldest = waits(&mut queue, normal(1), 10, clock.now());
    clock.advance(MILLI * 150);
    let _middle = waits(&mut queue, normal(1), 10, clock.now());
    clock.advance(MILLI * 51);
    let newest = waits(&mut queue, normal(1), 10, clock.now());
    assert_eq!(queue.next(0, 10, clock.now()), Some(newest));
}

#[test]
fn who_comes_does_not_overtake_an_equal_who_waits() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let waiting = waits(&mut queue, normal(1), 10, clock.now());
    let entered = queue.enter(normal(2), 5, 10, MILLI, clock.now());
    assert!(matches!(entered, Entered::Waits { .. }), "{entered:?}");
    let entered = queue.enter(caller(Priority::High, 2), 5, 10, MILLI, clock.now());
    assert_eq!(entered, Entered::Goes);
    assert_eq!(queue.next(6, 10, clock.now()), Some(waiting));
}

#[test]
fn teams_take_turns_and_so_do_the_keys_of_a_team() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let key = |team, key| Caller {
        key,
        ..normal(team)
    };
    let now = clock.now();
    let mut names = HashMap::new();
    for (name, who) in [
        ("greedy a1", key(1, 11)),
        ("greedy a2", key(1, 11)),
        ("greedy a3", key(1, 11)),
        ("greedy b1", key(1, 12)),
        ("modest 1", key(2, 21)),
        ("modest 2", key(2, 21)),
    ] {
        names.insert(waits(&mut queue, who, 100, now), name);
    }
    let order: Vec<_> = (0..6)
        .filter_map(|_| queue.next(0, 100, now))
        .map(|ticket| names[&ticket])
        .collect();
    let expected = [
        "greedy a1",
        "modest 1",
        "greedy b1",
        "modest 2",
        "greedy a2",
        "greedy a3",
    ];
    assert_eq!(order, expected);
}

#[test]
fn a_team_has_at_most_half_of_the_places_while_another_one_waits() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let now = clock.now();
    for in_flight in 0..4 {
        let entered = queue.enter(normal(1), in_flight, 4, LONGEST_WAIT, now);
        assert_eq!(entered, Entered::Goes, "nobody else waits");
    }
    let own = waits(&mut queue, normal(1), 4, now);
    let other = waits(&mut queue, normal(2), 4, now);
    queue.ended(normal(1));
    assert_eq!(queue.next(3, 4, now), Some(other));
    queue.ended(normal(1));
    assert_eq!(
        queue.next(3, 4, now),
        Some(own),
        "nobody else waits any more"
    );
}

#[test]
fn a_full_queue_leaves_out_the_lowest_class_then_the_greediest_team() {
    let clock = ManualClock::default();
    let mut queue = Queue::default();
    let now = clock.now();
    let batch = waits(&mut queue, caller(Priority::Batch, 1), 3, now);
    let _one = waits(&mut queue, normal(1), 3, now);
    let two = waits(&mut queue, normal(1), 3, now);
    let mut enter = |who| queue.enter(who, 3, 3, LONGEST_WAIT, now);
    let left_out = |entered| match entered {
        Entered::Waits { left_out, .. } => left_out,
        other => panic!("{other:?}"),
    };
    assert_eq!(enter(caller(Priority::Batch, 2)), Entered::LeftOut);
    assert_eq!(left_out(enter(normal(1))), Some(batch));
    // Three of team 1 wait now; it gets no fourth, another team takes the place of its newest.
    assert_eq!(enter(normal(1)), Entered::LeftOut);
    let newest = left_out(enter(normal(2)));
    assert!(newest.is_some_and(|newest| newest > two), "{newest:?}");
    assert_eq!(left_out(enter(normal(3))), Some(two));
    assert_eq!(enter(normal(4)), Entered::LeftOut, "as many as others have");
    assert!(!queue.give_up(batch), "it is gone");
}

proptest! {
    #[test]
    fn nobody_is_lost_and_nobody_goes_past_the_limit(
        steps in prop::collection::vec((0_u8..4, 0_usize..4, 0_u64..4, 0_u64..400), 1..300), limit in 1_u32..12,
    ) {
        let clock = ManualClock::default();
        let mut queue = Queue::default();
        let mut running: Vec<Caller> = Vec::new();
        let mut waiting: HashMap<Ticket, Caller> = HashMap::new();
        for (what, class, team, wait) in steps {
            clock.advance(Duration::from_millis(wait));
            let now = clock.now();
            let in_flight = u32::try_from(running.len()).unwrap();
            match what {
                0 | 1 => {
                    let who = caller(Priority::ALL[class], team);
                    match queue.enter(who, in_flight, limit, LONGEST_WAIT, now) {
                        Entered::Goes => running.push(who),
                        Entered::Waits { ticket, left_out, until } => {
                            prop_assert!(until <= now + LONGEST_WAIT);
                            if let Some(gone) = left_out {
                                let gone = waiting.remove(&gone);
                                prop_assert!(gone.is_some_and(|gone| gone.priority <= who.priority));
                            }
                            waiting.insert(ticket, who);
                        }
                        Entered::LeftOut => prop_assert!(waiting.len() >= limit as usize),
                    }
                }
                2 => {
                    if let Some(who) = running.pop() {
                        queue.ended(who);
                    }
                }
                _ => {
                    if let Some(ticket) = waiting.keys().next().copied() {
                        waiting.remove(&ticket);
                        prop_assert!(queue.give_up(ticket));
                    }
                }
            }
            while let Some(next) = queue.next(u32::try_from(running.len()).unwrap(), limit, now) {
                running.push(waiting.remove(&next).expect("it waited"));
            }
            prop_assert!(running.len() <= limit as usize);
            prop_assert_eq!(queue.len(), waiting.len());
            prop_assert!(queue.len() <= limit as usize);
            // Nobody waits beside a free place that is his.
            if !waiting.is_empty() {
                let highest = waiting.values().map(|who| who.priority).max().unwrap();
                let runs = u32::try_from(running.len()).unwrap();
                prop_assert!(runs >= queue.room(highest, limit, now));
            }
            prop_assert!(queue.team_turns.len() <= queue.len() && queue.key_turns.len() <= queue.len());
        }
        for who in running.drain(..) {
            queue.ended(who);
        }
        prop_assert!(queue.running.is_empty());
    }
}
