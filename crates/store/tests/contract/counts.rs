//! Sums are exact whatever rows are dropped, and what is dropped is told.

use std::sync::Arc;
use std::thread;

use store::{CallRow, Class, Counts, Filter, News, NotKept, Options, Outcome, Tally};
use types::{Clock, KeyId, NanoUsd, TokenUsage};

use crate::{Bench, full, label};

const DAY: u64 = 86_400_000;

#[test]
fn a_call_is_counted_the_moment_it_is_recorded() {
    let bench = Bench::new();
    bench.record(full(bench.clock.unix_millis()));
    let before = bench.store.counts();
    bench.store.flush().unwrap();
    assert_eq!(bench.store.counts(), before);
    assert_eq!(before.total.calls, 1);
    assert_eq!(before.total.attempts, 2);
    assert_eq!(before.total.input, 1_312);
    assert_eq!(before.total.output, 40);
    assert_eq!(before.total.cache_read, 1_024);
    assert_eq!(before.total.reasoning, 12);
    assert_eq!(before.total.cost, NanoUsd::new(300_000));
    assert_eq!(before.by_outcome[&Outcome::Recovered], before.total);
}

#[test]
fn demos_are_counted_apart() {
    let bench = Bench::new();
    bench.record(CallRow {
        demo: true,
        ..full(bench.clock.unix_millis())
    });
    bench.record(bench.row(Outcome::Ok));
    let bench = bench.reopened();
    let counts = bench.store.counts();
    assert_eq!(counts.total.calls, 1);
    assert_eq!(counts.total.cost, NanoUsd::ZERO);
    assert_eq!(counts.demo.calls, 1);
    assert_eq!(counts.demo_by_outcome[&Outcome::Recovered].calls, 1);
}

#[test]
fn many_threads_lose_no_call_and_no_reader_sees_the_sum_fall() {
    let bench = Bench::new();
    let now = bench.clock.unix_millis();
    let key = KeyId::new("web");
    let model: Arc<str> = Arc::from("smart");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    let tally = Tally {
                        ended_millis: now,
                        outcome: Outcome::Ok,
                        model: Some(&model),
                        key: Some(&key),
                        usage: TokenUsage {
                            output: Some(3),
                            ..TokenUsage::default()
                        },
                        cost: NanoUsd::new(7),
                        attempts: 1,
                        demo: false,
                    };
                    bench
                        .store
                        .write_behind()
                        .record_with(&tally, || bench.row(Outcome::Ok));
                }
            });
        }
        scope.spawn(|| {
            let mut last = 0;
            while last < 40_000 {
                let calls = bench.store.counts().total.calls;
                assert!(calls >= last);
                last = calls;
                let lines = bench.store.count_lines(0, u64::MAX).unwrap();
                assert!(Counts::of_lines(&lines).total.calls >= last);
            }
        });
    });
    bench.store.flush().unwrap();
    let bench = bench.reopened();
    let counts = bench.store.counts();
    assert_eq!(counts.total.calls, 40_000);
    assert_eq!(counts.total.output, 120_000);
    assert_eq!(counts.total.cost, NanoUsd::new(280_000));
    // The clock stands still: each class may keep one second's worth.
    assert_eq!(counts.not_kept, 38_000);
}

#[test]
fn a_flood_of_one_class_leaves_the_others_their_rows() {
    let bench = Bench::with(&Options {
        rows_per_second: 10,
        ..Options::default()
    });
    for _ in 0..500 {
        bench.record(bench.row(Outcome::Ok));
    }
    for _ in 0..12 {
        bench.record(bench.row(Outcome::Refused));
    }
    let failed: Vec<_> = (0..10)
        .map(|_| bench.record(bench.row(Outcome::Failed)))
        .collect();
    bench.store.flush().unwrap();
    for id in failed {
        assert!(bench.store.get(id).unwrap().is_some());
    }
    let second = bench.clock.unix_millis() / 1_000;
    let page = bench.store.recent(&Filter::default(), None, 200).unwrap();
    assert_eq!(page.rows.len(), 30);
    assert_eq!(
        page.not_kept,
        [
            NotKept {
                second,
                class: Class::Plain,
                count: 490
            },
            NotKept {
                second,
                class: Class::Refused,
                count: 2
            },
        ]
    );
    assert_eq!(bench.store.counts().not_kept, 492);
    assert_eq!(bench.store.counts().total.calls, 522);
    let only_failed = Filter {
        outcomes: vec![Outcome::Failed],
        ..Filter::default()
    };
    let page = bench.store.recent(&only_failed, None, 200).unwrap();
    assert_eq!(
        page.not_kept,
        [],
        "notes of other classes are not its business"
    );
}

#[test]
fn above_the_rate_the_rows_kept_are_spread_over_each_second() {
    let bench = Bench::with(&Options {
        rows_per_second: 100,
        ..Options::default()
    });
    for _ in 0..4_000 {
        bench.record(bench.row(Outcome::Ok));
        bench.tick(1);
    }
    bench.store.flush().unwrap();
    let mut quarters = [0; 16];
    let mut before = None;
    let start = bench.clock.unix_millis() - 4_000;
    loop {
        let page = bench.store.recent(&Filter::default(), before, 200).unwrap();
        for row in &page.rows {
            let at = usize::try_from((row.call.unix_millis - start) / 250).unwrap();
            quarters[at] += 1;
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    // The first second's worth came at once, then 100 a second, evenly.
    assert_eq!(quarters[8..], [25; 8]);
}

#[test]
fn a_clock_that_is_set_back_does_not_silence_the_store() {
    let bench = Bench::with(&Options {
        rows_per_second: 5,
        ..Options::default()
    });
    let now = bench.clock.unix_millis();
    let at = |millis: u64| CallRow {
        unix_millis: millis,
        ..bench.row(Outcome::Ok)
    };
    for _ in 0..5 {
        bench.record(at(now + 3_600_000));
    }
    bench.record(at(now));
    assert_eq!(bench.store.counts().not_kept, 0);
}

#[test]
fn each_second_that_was_thinned_is_noted_on_one_page() {
    let bench = Bench::with(&Options {
        rows_per_second: 1,
        ..Options::default()
    });
    for _ in 0..20 {
        for _ in 0..3 {
            bench.record(bench.row(Outcome::Ok));
        }
        bench.store.flush().unwrap();
        bench.tick(1_000);
    }
    let mut notes = Vec::new();
    let mut before = None;
    loop {
        let page = bench.store.recent(&Filter::default(), before, 3).unwrap();
        notes.extend(page.not_kept);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(notes.len(), 20);
    assert_eq!(notes.iter().map(|note| note.count).sum::<u64>(), 40);
    let all = bench.store.not_kept(0, u64::MAX, 100).unwrap();
    assert_eq!(notes, all);
}

#[test]
fn subscribers_hear_of_what_was_not_kept() {
    let bench = Bench::with(&Options {
        rows_per_second: 1,
        ..Options::default()
    });
    let mut news = bench.store.subscribe();
    for _ in 0..4 {
        bench.record(bench.row(Outcome::Ok));
    }
    bench.store.flush().unwrap();
    let mut heard = (0, 0);
    while let Ok(item) = news.try_recv() {
        match item {
            News::Call(_) => heard.0 += 1,
            News::NotKept(note) => heard.1 += note.count,
        }
    }
    assert_eq!(heard, (1, 3));
}

#[test]
fn lines_tell_the_sums_by_minute_outcome_model_and_key() {
    let bench = Bench::new();
    let row = |outcome, key: &str| CallRow {
        key: Some(KeyId::new(key)),
        model: Some(label("smart")),
        ..bench.row(outcome)
    };
    bench.record(row(Outcome::Ok, "web"));
    bench.record(row(Outcome::Ok, "web"));
    bench.stored(row(Outcome::Failed, "ci-bot"));
    bench.tick(60_000);
    bench.record(row(Outcome::Ok, "web"));
    let lines = bench.store.count_lines(0, u64::MAX).unwrap();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line.outcome, line.key.as_deref(), line.sums.calls))
        .collect();
    assert_eq!(
        seen,
        [
            (Outcome::Ok, Some("web"), 2),
            (Outcome::Failed, Some("ci-bot"), 1),
            (Outcome::Ok, Some("web"), 1)
        ]
    );
    assert_eq!(lines[2].start - lines[0].start, 60);
    let second = bench
        .store
        .count_lines(lines[2].start * 1_000, u64::MAX)
        .unwrap();
    assert_eq!(second, lines[2..]);
}

#[test]
fn a_flood_of_names_is_counted_together() {
    let bench = Bench::new();
    for n in 0..1_500 {
        bench.record(CallRow {
            model: Some(label(&format!("model-{n}"))),
            ..bench.row(Outcome::Ok)
        });
    }
    bench.store.flush().unwrap();
    let lines = bench.store.count_lines(0, u64::MAX).unwrap();
    assert_eq!(lines.len(), 1_001);
    let others = lines
        .iter()
        .find(|line| line.model.as_deref() == Some("(others)"))
        .unwrap();
    assert_eq!(others.sums.calls, 500);
}

#[test]
fn names_that_mean_nothing_are_no_lines_of_their_own() {
    let bench = Bench::new();
    for n in 0..5 {
        bench.record(CallRow {
            model: Some(label(&format!("stranger-{n}"))),
            ..bench.row(Outcome::Refused)
        });
    }
    let lines = bench.store.count_lines(0, u64::MAX).unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].model.as_deref(), lines[0].sums.calls), (None, 5));
}

#[test]
fn old_sums_grow_coarser_but_stay_exact() {
    let bench = Bench::new();
    for _ in 0..10 {
        bench.record(full(bench.clock.unix_millis()));
        bench.tick(20 * 60_000);
    }
    bench.store.flush().unwrap();
    let before = bench.store.counts();
    let spans = |bench: &Bench| -> Vec<u64> {
        bench
            .store
            .count_lines(0, u64::MAX)
            .unwrap()
            .iter()
            .map(|line| line.span)
            .collect()
    };
    assert_eq!(spans(&bench), [60; 10]);
    for (days, span) in [(4, 3_600), (91, 86_400)] {
        bench.tick(days * DAY);
        // Housekeeping goes in small steps, one after each flush at most.
        for _ in 0..20 {
            bench.tick(61_000);
            bench.store.flush().unwrap();
        }
        let spans = spans(&bench);
        assert!(spans.len() < 10 && spans.iter().all(|found| *found == span));
        let lines = bench.store.count_lines(0, u64::MAX).unwrap();
        assert_eq!(Counts::of_lines(&lines).total, before.total);
    }
    let bench = bench.reopened();
    assert_eq!(bench.store.counts(), before);
}

#[test]
fn hostile_usage_saturates_and_harms_nothing() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.stored(CallRow {
            usage: TokenUsage {
                input: Some(u64::MAX),
                ..TokenUsage::default()
            },
            cost: Some(NanoUsd::new(u64::MAX)),
            ..bench.row(Outcome::Ok)
        });
    }
    assert_eq!(bench.store.counts().total.input, u64::MAX);
    let bench = bench.reopened();
    assert_eq!(bench.store.counts().total.calls, 3);
    assert!(bench.store.counts().total.input >= u64::try_from(i64::MAX).unwrap());
}
