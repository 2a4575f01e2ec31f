//! Marks of what is out of use outlive a restart, and end by themselves.

use std::time::Duration;

use store::DrainRow;
use types::Clock;

use crate::Bench;

fn mark(bench: &Bench, name: &str, minutes: Option<u64>) -> DrainRow {
    let now = bench.clock.unix_millis();
    DrainRow {
        name: name.to_owned(),
        since_millis: now,
        until_millis: minutes.map(|minutes| now + minutes * 60_000),
        reason: Some("new driver".to_owned()),
    }
}

#[test]
fn a_mark_outlives_the_store_until_it_is_taken_away() {
    let bench = Bench::new();
    let (openai, target) = (
        mark(&bench, "openai", Some(30)),
        mark(&bench, "backup/qwen3", None),
    );
    bench.store.drain(&openai).unwrap();
    bench.store.drain(&target).unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.store.drains().unwrap(), [target.clone(), openai]);
    assert!(bench.store.resume("openai").unwrap());
    assert!(!bench.store.resume("openai").unwrap());
    assert_eq!(bench.store.drains().unwrap(), [target]);
}

#[test]
fn the_later_mark_of_a_name_is_the_one_that_holds() {
    let bench = Bench::new();
    bench
        .store
        .drain(&mark(&bench, "openai", Some(30)))
        .unwrap();
    bench.store.drain(&mark(&bench, "openai", None)).unwrap();
    let marks = bench.store.drains().unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].until_millis, None);
}

#[test]
fn a_mark_ends_by_itself() {
    let bench = Bench::new();
    let thirty = mark(&bench, "openai", Some(30));
    bench.store.drain(&thirty).unwrap();
    bench.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert!(thirty.holds_at(bench.clock.unix_millis()));
    assert_eq!(bench.store.drains().unwrap().len(), 1);
    bench.clock.advance(Duration::from_secs(1));
    assert!(!thirty.holds_at(bench.clock.unix_millis()));
    assert_eq!(bench.store.drains().unwrap(), []);
}
