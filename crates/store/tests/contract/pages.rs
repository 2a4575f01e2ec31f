//! Pages: order, filters, cursors, time.

use std::borrow::Cow;
use std::collections::HashSet;

use proptest::prelude::*;
use store::{AttemptRow, CallRow, Cursor, Filter, Outcome};
use types::{CallId, Clock, KeyId};

use crate::{Bench, failed_attempt, full, label, served_attempt};

/// All ids that match, page by page.
fn walk(bench: &Bench, filter: &Filter, limit: usize) -> Vec<CallId> {
    let mut ids = Vec::new();
    let mut before = None;
    loop {
        let page = bench.store.recent(filter, before, limit).unwrap();
        assert!(page.rows.len() <= limit);
        ids.extend(page.rows.iter().map(|row| row.call.id));
        let Some(next) = page.next else {
            return ids;
        };
        assert!(before.is_none_or(|before| next < before), "pages go on");
        before = Some(next);
    }
}

#[test]
fn a_list_has_attempts_but_leaves_out_what_only_one_calls_page_shows() {
    let bench = Bench::new();
    let row = full(bench.clock.unix_millis());
    bench.stored(row.clone());
    let page = bench.store.recent(&Filter::default(), None, 10).unwrap();
    let mut expected = row;
    expected.details = store::CallDetails::default();
    expected.error_json = None;
    for attempt in &mut expected.attempts {
        attempt.evidence_json = None;
    }
    assert_eq!(page.rows[0].call, expected);
    assert_eq!(page.next, None);
}

#[test]
fn pages_neither_repeat_nor_miss_a_call_while_others_arrive() {
    let bench = Bench::new();
    let old: Vec<CallId> = (0..25)
        .map(|_| bench.record(bench.row(Outcome::Ok)))
        .collect();
    bench.store.flush().unwrap();
    let first = bench.store.recent(&Filter::default(), None, 10).unwrap();
    bench.stored(bench.row(Outcome::Ok));
    let mut seen: Vec<CallId> = first.rows.iter().map(|row| row.call.id).collect();
    let mut before = first.next;
    while let Some(cursor) = before {
        let page = bench
            .store
            .recent(&Filter::default(), Some(cursor), 10)
            .unwrap();
        seen.extend(page.rows.iter().map(|row| row.call.id));
        before = page.next;
    }
    seen.reverse();
    assert_eq!(seen, old);
}

#[test]
fn a_cursor_reads_back_and_nonsense_is_none() {
    let cursor = Cursor::before(42);
    assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
    for text in ["", "-1", "0", "x", "99999999999999999999999"] {
        assert_eq!(Cursor::parse(text), None, "{text}");
    }
}

#[test]
fn an_empty_store_has_an_empty_page() {
    let bench = Bench::new();
    for filter in [
        Filter::default(),
        Filter {
            since: Some(1),
            until: Some(2),
            text: Some("req_".to_owned()),
            ..Filter::default()
        },
    ] {
        let page = bench.store.recent(&filter, None, 10).unwrap();
        assert_eq!((page.rows.len(), page.next), (0, None));
    }
}

/// Five calls that differ in all that can be asked for; their positions are the expected answers.
fn five(bench: &Bench) -> Vec<CallId> {
    let other = |outcome, key: &str, model: &str| CallRow {
        key: Some(KeyId::new(key)),
        model: Some(label(model)),
        ..bench.row(outcome)
    };
    vec![
        bench.record(full(bench.clock.unix_millis())),
        bench.record(CallRow {
            status: Some(429),
            code: Some(Cow::Borrowed("gateway_rate_limited")),
            ..other(Outcome::Refused, "web", "smart")
        }),
        bench.record(CallRow {
            status: Some(200),
            served_by: Some(label("openai/gpt-5-mini")),
            attempts: vec![served_attempt()],
            ..other(Outcome::Ok, "web", "fast")
        }),
        bench.record(CallRow {
            status: Some(504),
            code: Some(Cow::Borrowed("connection_timeout")),
            client_request_id: Some("trace-9".to_owned()),
            attempts: vec![
                AttemptRow {
                    upstream_request_id: Some("other-upstream".to_owned()),
                    ..failed_attempt()
                },
                AttemptRow {
                    code: Some(Cow::Borrowed("connection_timeout")),
                    status: None,
                    ..served_attempt()
                },
            ],
            ..other(Outcome::Failed, "ci-bot", "fast")
        }),
        bench.record(other(Outcome::Cancelled, "web", "smart")),
    ]
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn each_filter_finds_what_it_names() {
    let bench = Bench::new();
    let ids = five(&bench);
    bench.store.flush().unwrap();
    let text = |text: &str| Some(text.to_owned());
    let all = Filter::default;
    let cases = [
        ("all", all(), vec![4, 3, 2, 1, 0]),
        (
            "outcomes",
            Filter {
                outcomes: vec![Outcome::Failed, Outcome::Recovered],
                ..all()
            },
            vec![3, 0],
        ),
        (
            "ok is found too",
            Filter {
                outcomes: vec![Outcome::Ok, Outcome::Refused],
                ..all()
            },
            vec![2, 1],
        ),
        (
            "model",
            Filter {
                model: text("smart"),
                ..all()
            },
            vec![4, 1, 0],
        ),
        (
            "key",
            Filter {
                key: text("ci-bot"),
                ..all()
            },
            vec![3, 0],
        ),
        (
            "target that served or was tried",
            Filter {
                target: text("openai/gpt-5-mini"),
                ..all()
            },
            vec![3, 2, 0],
        ),
        (
            "code of the call",
            Filter {
                code: text("gateway_rate_limited"),
                ..all()
            },
            vec![1],
        ),
        (
            "code of an attempt",
            Filter {
                code: text("bad_gateway"),
                ..all()
            },
            vec![3, 0],
        ),
        (
            "status",
            Filter {
                status: Some(429),
                ..all()
            },
            vec![1],
        ),
        (
            "status of an attempt",
            Filter {
                status: Some(502),
                ..all()
            },
            vec![3, 0],
        ),
        (
            "own id, cut short, in lower case",
            Filter {
                text: Some(ids[2].to_string().to_lowercase().chars().take(29).collect()),
                ..all()
            },
            vec![2],
        ),
        (
            "client's id",
            Filter {
                text: text("trace-"),
                ..all()
            },
            vec![3],
        ),
        (
            "upstream's id",
            Filter {
                text: text("chatcmpl-upstream-1"),
                ..all()
            },
            vec![0],
        ),
        (
            "an id of nobody",
            Filter {
                text: text("nothing"),
                ..all()
            },
            vec![],
        ),
        (
            "hostile text",
            Filter {
                text: text("%' OR 1=1 --"),
                ..all()
            },
            vec![],
        ),
        (
            "all of it together",
            Filter {
                outcomes: vec![Outcome::Recovered],
                model: text("smart"),
                key: text("ci-bot"),
                target: text("azure-eu/gpt-5-mini"),
                code: text("bad_gateway"),
                status: Some(200),
                text: text("client-7"),
                since: Some(1),
                until: Some(u64::MAX),
            },
            vec![0],
        ),
    ];
    for (name, filter, expected) in cases {
        let expected: Vec<CallId> = expected.into_iter().map(|at: usize| ids[at]).collect();
        for limit in [1, 2, 200] {
            assert_eq!(
                walk(&bench, &filter, limit),
                expected,
                "{name}, {limit} a page"
            );
        }
    }
}

#[test]
fn a_span_of_time_holds_the_calls_that_ended_in_it() {
    let bench = Bench::new();
    let start = bench.clock.unix_millis();
    let ids: Vec<CallId> = (0..50)
        .map(|_| {
            bench.tick(1_000);
            bench.stored(bench.row(Outcome::Ok))
        })
        .collect();
    for (since, until) in [(1, 51), (10, 20), (50, 51), (0, 1), (51, 99), (20, 10)] {
        let filter = Filter {
            since: Some(start + since * 1_000),
            until: Some(start + until * 1_000),
            ..Filter::default()
        };
        let mut found = walk(&bench, &filter, 7);
        found.reverse();
        let expected: Vec<CallId> = (1..)
            .zip(&ids)
            .filter(|(second, _)| *second >= since && *second < until)
            .map(|(_, id)| *id)
            .collect();
        assert_eq!(found, expected, "{since}..{until}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_any_size_together_are_what_one_would_pick_by_hand(
        outcomes in prop::collection::vec(0_usize..6, 0..120),
        wanted in prop::collection::hash_set(0_usize..6, 0..4),
        limit in 1_usize..40,
    ) {
        let bench = Bench::new();
        let rows: Vec<CallRow> = outcomes.iter().map(|at| bench.row(Outcome::ALL[*at])).collect();
        for row in &rows {
            bench.record(row.clone());
        }
        bench.store.flush().unwrap();
        let wanted: HashSet<Outcome> = wanted.into_iter().map(|at| Outcome::ALL[at]).collect();
        let filter = Filter { outcomes: wanted.iter().copied().collect(), ..Filter::default() };
        let expected: Vec<CallId> = rows
            .iter()
            .rev()
            .filter(|row| wanted.is_empty() || wanted.contains(&row.outcome))
            .map(|row| row.id)
            .collect();
        prop_assert_eq!(walk(&bench, &filter, limit), expected);
    }
}
