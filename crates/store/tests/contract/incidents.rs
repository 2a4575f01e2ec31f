//! Incidents are kept as they last changed, found by what they are about, and forgotten with the calls around them.

use std::borrow::Cow;
use std::time::Duration;

use store::{IncidentFilter, IncidentId, IncidentRow, Options};
use types::{CallId, Clock};

use crate::{Bench, label};

fn incident(bench: &Bench, number: u64) -> IncidentRow {
    let now = bench.clock.unix_millis();
    IncidentRow {
        id: IncidentId(number),
        target: label("openai/gpt-5-mini"),
        code: Cow::Borrowed("bad_gateway"),
        group: Cow::Borrowed("upstream"),
        started_millis: now,
        latest_millis: now + 2_000,
        ended_millis: None,
        closed_by: None,
        attempts: 5,
        calls: 4,
        saved: 3,
        lost: 1,
        evidence: Some("text/html, 153 bytes, server: cloudflare".to_owned()),
        last_call: Some(CallId::generate(now)),
    }
}

fn closed(row: &IncidentRow) -> IncidentRow {
    IncidentRow {
        ended_millis: Some(row.latest_millis),
        closed_by: Some(Cow::Borrowed("quiet")),
        ..row.clone()
    }
}

fn keep(bench: &Bench, row: &IncidentRow) {
    bench.store.write_behind().incident(row.clone());
    bench.store.flush().unwrap();
}

#[test]
fn an_incident_outlives_the_store_as_it_last_was() {
    let bench = Bench::new();
    let first = incident(&bench, 1);
    keep(&bench, &first);
    let grown = IncidentRow {
        attempts: 9,
        calls: 7,
        ..first
    };
    keep(&bench, &grown);
    let bench = bench.reopened();
    assert_eq!(bench.store.incident(IncidentId(1)).unwrap(), Some(grown));
    assert_eq!(bench.store.last_incident().unwrap(), Some(IncidentId(1)));
    assert_eq!(bench.store.incident(IncidentId(2)).unwrap(), None);
}

#[test]
fn without_any_there_is_no_last_one() {
    assert_eq!(Bench::new().store.last_incident().unwrap(), None);
}

#[test]
fn the_latest_come_first_page_by_page_or_only_those_that_last() {
    let bench = Bench::new();
    for number in 1..=5 {
        let row = incident(&bench, number);
        keep(&bench, &if number % 2 == 0 { closed(&row) } else { row });
    }
    let numbers = |open, before: Option<u64>, limit| -> Vec<u64> {
        let filter = IncidentFilter {
            open,
            before: before.map(IncidentId),
        };
        let page = bench.store.incidents(filter, limit).unwrap();
        page.iter().map(|row| row.id.0).collect()
    };
    assert_eq!(numbers(false, None, 2), [5, 4]);
    assert_eq!(numbers(false, Some(4), 9), [3, 2, 1]);
    assert_eq!(numbers(true, None, 9), [5, 3, 1]);
}

#[test]
fn a_failure_belongs_to_the_incident_of_its_cause_and_time() {
    let bench = Bench::new();
    let row = incident(&bench, 1);
    let (began, ended) = (row.started_millis, row.latest_millis);
    keep(&bench, &closed(&row));
    let of = |target: &str, code: &str, at: u64| {
        let found = bench.store.incident_of(target, code, at).unwrap();
        found.map(|row| row.id.0)
    };
    let (target, code) = ("openai/gpt-5-mini", "bad_gateway");
    for (at, wanted) in [
        (began - 1, None),
        (began, Some(1)),
        (ended, Some(1)),
        (ended + 1, None),
    ] {
        assert_eq!(of(target, code, at), wanted, "{at}");
    }
    assert_eq!(of(target, "rate_limited", began), None);
    assert_eq!(of("openai/gpt-5", code, began), None);
    let later = incident(&bench, 2);
    keep(&bench, &later);
    assert_eq!(of(target, code, ended + 60_000), Some(2), "it lasts");
}

#[test]
fn a_target_is_left_alone_for_its_latest_incident_of_whatever_cause() {
    let bench = Bench::new();
    let row = incident(&bench, 1);
    let (began, ended) = (row.started_millis, row.latest_millis);
    keep(&bench, &closed(&row));
    let at = |target: &str, at: u64| {
        let found = bench.store.incident_at(target, at, 5_000).unwrap();
        found.map(|row| row.id.0)
    };
    let target = "openai/gpt-5-mini";
    for (time, wanted) in [
        (began - 1, None),
        (began, Some(1)),
        (ended + 5_000, Some(1)),
        (ended + 5_001, None),
    ] {
        assert_eq!(at(target, time), wanted, "{time}");
    }
    assert_eq!(at("openai/gpt-5", began), None);
}

#[test]
fn old_incidents_are_forgotten_but_for_the_last_number_and_what_lasts() {
    let bench = Bench::with(&Options {
        retain: Duration::from_secs(3_600),
        ..Options::default()
    });
    for number in 1..=3 {
        let row = incident(&bench, number);
        keep(&bench, &if number == 2 { row } else { closed(&row) });
    }
    bench.tick(2 * 3_600_000);
    // Housekeeping comes with what is written next.
    let until = types::SystemClock.now() + Duration::from_secs(10);
    while bench.store.incident(IncidentId(1)).unwrap().is_some() {
        bench.stored(bench.row(store::Outcome::Ok));
        bench.tick(60_000);
        assert!(types::SystemClock.now() < until, "the first is still there");
    }
    let filter = IncidentFilter::default();
    let left = bench.store.incidents(filter, 9).unwrap();
    let numbers: Vec<u64> = left.iter().map(|row| row.id.0).collect();
    assert_eq!(numbers, [3, 2]);
}
