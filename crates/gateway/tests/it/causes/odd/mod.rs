//! Upstreams as the world has them, byte for byte: odd but sound ones, which must not be called broken, and broken ones
//! of every class; each for whole answers, streams and plain routes, alone and with a healthy target behind it.

pub(super) mod server;
pub(super) mod table;

use std::fmt::Write as _;

use super::{Case, Lane, check, comes, none_wrong};
use crate::rig::{Build, Rig, USUAL, in_parallel};
use server::{Act, RawServer, address_of};
use table::{Asked, Odd};

/// Cases of one kind.
pub(super) struct Section {
    /// The title under which the page has them.
    pub(super) title: &'static str,
    /// How the upstream is called.
    scheme: &'static str,
    pub(super) cases: &'static [Odd],
}

const fn plain(title: &'static str, cases: &'static [Odd]) -> Section {
    Section {
        title,
        scheme: "http",
        cases,
    }
}

/// All cases.
pub(super) const SECTIONS: [Section; 5] = [
    Section {
        title: "TLS",
        scheme: "https",
        cases: table::TLS,
    },
    plain("Ports of other protocols", table::PORTS),
    plain("Heads and framing", table::HEADS),
    plain("Bodies and statuses", table::BODIES),
    plain("Streams of events", table::STREAMS),
];

fn every_case() -> impl Iterator<Item = (&'static Section, &'static Odd)> {
    let of = |section: &'static Section| section.cases.iter().map(move |odd| (section, odd));
    SECTIONS.iter().flat_map(of)
}

struct Planned {
    act: Act,
    scheme: &'static str,
    case: Case,
}

/// Every call of the tables, solo and paired.
fn every_call() -> Vec<Planned> {
    let mut calls = Vec::new();
    for (section, odd) in every_case() {
        for (asked, lane, cell) in [
            (Asked::Whole, Lane::Whole, odd.whole),
            (Asked::Stream, Lane::Stream, odd.stream),
            (Asked::Plain, Lane::Plain, odd.plain),
        ] {
            let Some(expected) = comes(cell) else {
                continue;
            };
            for paired in [false, true] {
                let word = if paired { " paired" } else { "" };
                calls.push(Planned {
                    act: (odd.act)(asked),
                    scheme: section.scheme,
                    case: Case {
                        name: format!("{} {asked:?}{word}", odd.name),
                        model: String::new(),
                        more: String::new(),
                        lane,
                        paired,
                        expected,
                    },
                });
            }
        }
    }
    calls
}

/// A provider, a route and an address of its own for each call.
fn rig_for(calls: &mut [Planned]) -> Rig {
    let healthy = calls.len();
    let mut acts: Vec<Act> = calls.iter().map(|call| call.act.clone()).collect();
    for asked in [Asked::Whole, Asked::Stream, Asked::Plain] {
        acts.push(table::healthy(asked));
    }
    let port = RawServer::start(acts).port;
    let url = |number: usize| format!("http://{}:{port}", address_of(number));
    let (mut providers, mut models, mut routes) = (String::new(), String::new(), String::new());
    let healthy_whole = url(healthy);
    let healthy_stream = url(healthy + 1);
    let healthy_plain = url(healthy + 2);
    for (name, url) in [
        ("well-whole", healthy_whole),
        ("well-stream", healthy_stream),
    ] {
        writeln!(
            providers,
            "  {name}: {{ type: openai-compatible, base_url: {url}/v1, api_key: sk-x }}"
        )
        .unwrap();
    }
    for (n, Planned { case, scheme, .. }) in calls.iter_mut().enumerate() {
        let url = url(n).replacen("http", scheme, 1);
        case.model = format!("m{n}");
        if case.lane == Lane::Plain {
            let behind = if case.paired {
                format!(", \"{healthy_plain}\"")
            } else {
                String::new()
            };
            writeln!(
                routes,
                "  m{n}: {{ match: {{ path: /m{n}/** }}, upstreams: [\"{url}\"{behind}] }}"
            )
            .unwrap();
            continue;
        }
        let well = if case.lane == Lane::Stream {
            "well-stream"
        } else {
            "well-whole"
        };
        writeln!(
            providers,
            "  r{n}: {{ type: openai-compatible, base_url: {url}/v1, api_key: sk-x }}"
        )
        .unwrap();
        let behind = if case.paired {
            format!(", {well}/any")
        } else {
            String::new()
        };
        writeln!(models, "  m{n}: {{ targets: [r{n}/any{behind}] }}").unwrap();
    }
    let yaml = USUAL
        .replace("providers:\n", &format!("providers:\n{providers}"))
        .replace("models:\n", &format!("models:\n{models}"))
        .replace("700ms", "1200ms")
        .replace("total: 10s", "total: 4s");
    Rig::build(Build {
        yaml: &format!("{yaml}routes:\n{routes}"),
        ..Build::default()
    })
}

#[test]
fn odd_upstreams_are_served_and_broken_ones_told_apart() {
    let mut wrong = Vec::new();
    for calls in every_call().chunks_mut(240) {
        let rig = rig_for(calls);
        wrong.extend(in_parallel(calls, |call| check(&rig, &call.case)));
    }
    none_wrong(wrong);
}

#[test]
fn every_case_is_told_in_a_sentence_under_a_name_of_its_own() {
    let mut names = std::collections::BTreeSet::new();
    for (_, odd) in every_case() {
        assert!(names.insert(odd.name), "{} comes twice", odd.name);
        assert!(odd.about.ends_with('.'), "{}", odd.name);
    }
}
