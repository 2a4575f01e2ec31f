//! Every way in which an upstream can fail or be odd, over real sockets: the client gets the right code, status and
//! words, never a hang and never a truncated answer as a success; with a second target it gets its answer.

mod complete;
mod connections;
mod odd;
mod page;
mod restart;

use std::fmt::Write as _;
use std::time::Duration;

use diagnosis::{Code, Group};
use drill::faults::catalogue;

use crate::client::Reply;
use crate::rig::{Build, Rig, USUAL, in_parallel, script, timed};

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// The answer, whole.
    Whole,
    /// A status and a code.
    Refused(u16, Code),
    /// The beginning of an answer, then an error event.
    Broken(Code),
    /// The upstream's own answer with this status, as it came (plain routes).
    Passes(u16),
    /// A status of success and a body that is visibly broken off (plain routes).
    Cut,
}

/// What kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// A model's answer as one JSON text.
    Whole,
    /// A model's answer as a stream.
    Stream,
    /// A GET on a route.
    Plain,
}

/// One line of `causes.txt`.
struct Row {
    fault: &'static str,
    kind: &'static str,
    whole: Option<Comes>,
    stream: Option<Comes>,
    plain: Option<Comes>,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("causes.txt").lines();
    let rows = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [fault, kind, whole, stream, ref plain @ ..] = cells[..] else {
            panic!("four or five cells: {line}")
        };
        let plain = plain.first().copied().unwrap_or("-");
        let stream = if stream == "=" { whole } else { stream };
        Row {
            fault,
            kind,
            whole: comes(whole),
            stream: comes(stream),
            plain: comes(plain),
        }
    })
    .collect()
}

fn comes(cell: &str) -> Option<Comes> {
    let code = |word: &str| Code::parse(word).unwrap_or_else(|| panic!("no code {word}"));
    match cell.split(' ').collect::<Vec<_>>()[..] {
        ["-"] => None,
        _ if cell.starts_with('?') => None,
        ["ok"] => Some(Comes::Whole),
        ["cut"] => Some(Comes::Cut),
        ["passes", status] => Some(Comes::Passes(status.parse().unwrap())),
        ["200", "then", word] => Some(Comes::Broken(code(word))),
        [status, word] => Some(Comes::Refused(status.parse().unwrap(), code(word))),
        _ => panic!("not understood: {cell}"),
    }
}

/// One call to be made.
struct Case {
    name: String,
    /// The model, or the route.
    model: String,
    /// More members of the body.
    more: String,
    lane: Lane,
    /// Whether a healthy target stands behind the faulty one.
    paired: bool,
    expected: Comes,
}

/// The one door: makes the call and tells what is wrong with what comes.
fn check(rig: &Rig, case: &Case) -> Option<String> {
    let request = match case.lane {
        Lane::Whole => rig.chat_request(&case.model, &case.more),
        Lane::Stream => rig.chat_request(&case.model, &format!(r#","stream":true{}"#, case.more)),
        Lane::Plain => rig.request("GET", &format!("/{}/json/x", case.model)),
    };
    let request = if case.paired {
        request
    } else {
        request.header("x-goodgate-max-attempts", "1")
    };
    let (reply, took) = timed(|| request.send());
    let told = match case.expected {
        Comes::Whole => is_answer(&reply, case.lane, case.paired.then_some("ok")),
        Comes::Refused(_, code) if case.paired && recovers(code) => {
            is_answer(&reply, case.lane, Some("recovered"))
        }
        Comes::Refused(status, code) => is_refusal(&reply, case.lane, status, code),
        Comes::Broken(code) => is_break(&reply, code),
        Comes::Passes(status) => is_passed_on(&reply, status),
        Comes::Cut => is_cut(&reply),
    };
    let told = told
        .err()
        .or_else(|| (took > Duration::from_secs(8)).then(|| format!("took {took:?}")));
    told.map(|told| format!("{}: expected {:?}: {told}", case.name, case.expected))
}

/// Whether another target may answer in place of one that failed so.
fn recovers(code: Code) -> bool {
    code == Code::ContextLengthExceeded
        || (code.facts().group != Group::Client && code != Code::ContentFiltered)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

fn is_answer(reply: &Reply, lane: Lane, outcome: Option<&str>) -> Result<(), String> {
    ensure(reply.status == 200 && reply.whole, || told(reply))?;
    match lane {
        Lane::Whole => ensure(reply.text().contains("hi"), || told(reply))?,
        Lane::Stream => {
            ensure(reply.text().contains("hi"), || told(reply))?;
            ensure(reply.events().pop().as_deref() == Some("[DONE]"), || {
                format!("no [DONE]: {}", told(reply))
            })?;
            ensure(!reply.body.contains('\u{feff}'), || told(reply))?;
        }
        // Of the drill, or of a raw server.
        Lane::Plain => ensure(
            reply.body.contains("\"ok\": true")
                || reply.body.contains("\"ok\":true")
                || reply.text().contains("hi"),
            || told(reply),
        )?,
    }
    ensure(!reply.body.contains("\"goodgate\":"), || {
        format!("an error beside the answer: {}", reply.body)
    })?;
    ensure(
        outcome.is_none_or(|outcome| reply.header("x-goodgate-outcome") == Some(outcome)),
        || {
            format!(
                "outcome {:?}, trail {:?}",
                reply.header("x-goodgate-outcome"),
                reply.header("x-goodgate-trail")
            )
        },
    )
}

fn told(reply: &Reply) -> String {
    let body: String = reply.body.chars().take(600).collect();
    format!(
        "{} whole: {} {:?} {body}",
        reply.status,
        reply.whole,
        reply.header("x-goodgate-code")
    )
}

/// The upstream's own answer; nothing of ours is in its body.
fn is_passed_on(reply: &Reply, status: u16) -> Result<(), String> {
    ensure(reply.status == status && reply.whole, || told(reply))?;
    ensure(reply.header("x-goodgate-code").is_none(), || told(reply))?;
    ensure(!reply.body.contains("goodgate"), || told(reply))
}

/// Nobody can take the part for the whole.
fn is_cut(reply: &Reply) -> Result<(), String> {
    ensure(reply.status == 200 && !reply.whole, || told(reply))
}

/// An error as OpenAI's SDKs read it, with all of ours in it; the caller's own fault may be told in the upstream's words.
/// On a plain route it is a problem of RFC 9457.
fn is_refusal(reply: &Reply, lane: Lane, status: u16, code: Code) -> Result<(), String> {
    ensure(reply.status == status && reply.whole, || told(reply))?;
    ensure(
        reply.header("x-goodgate-code") == Some(code.as_str()),
        || told(reply),
    )?;
    ensure(
        reply.header("x-goodgate-group") == Some(code.facts().group.as_str()),
        || told(reply),
    )?;
    let Ok(json) = serde_json::from_str::<serde_json::Value>(&reply.body) else {
        return Err(format!("no JSON: {}", told(reply)));
    };
    let (message, ours, kind) = match lane {
        Lane::Plain => (
            &json["detail"],
            &json["goodgate"],
            "application/problem+json",
        ),
        Lane::Whole | Lane::Stream => (
            &json["error"]["message"],
            &json["error"]["goodgate"],
            "application/json",
        ),
    };
    ensure(
        message.as_str().is_some_and(|text| !text.is_empty())
            || (ours.is_null() && reply.body.contains("message")),
        || told(reply),
    )?;
    ensure(
        ours.is_null() || reply.header("content-type") == Some(kind),
        || format!("{:?}: {}", reply.header("content-type"), told(reply)),
    )?;
    if ours.is_null() && matches!(code.facts().group, Group::Client | Group::Policy) {
        return Ok(());
    }
    ensure(reply.body.len() <= 2048, || {
        format!("{} bytes", reply.body.len())
    })?;
    is_told_by_goodgate(ours, code).map_err(|wrong| format!("{wrong}: {}", told(reply)))?;
    ensure(ours["attempts"][0]["code"] == code.as_str(), || {
        format!("the first attempt's code is another: {}", told(reply))
    })?;
    ensure(ours["output_sent"] == false, || told(reply))?;
    ensure(reply.reason.contains("req_"), || {
        format!("reason phrase {:?}", reply.reason)
    })
}

fn is_told_by_goodgate(ours: &serde_json::Value, code: Code) -> Result<(), String> {
    let facts = code.facts();
    for (member, wanted) in [
        ("code", code.as_str()),
        ("group", facts.group.as_str()),
        ("origin", facts.origin.as_str()),
    ] {
        ensure(ours[member] == wanted, || {
            format!("{member} is {}", ours[member])
        })?;
    }
    ensure(
        ours["fix"][0].as_str().is_some_and(|fix| !fix.is_empty()),
        || "no fix".to_owned(),
    )
}

fn is_break(reply: &Reply, code: Code) -> Result<(), String> {
    ensure(reply.status == 200 && reply.whole, || told(reply))?;
    let events = reply.events();
    ensure(!events.iter().any(|event| event == "[DONE]"), || {
        format!("[DONE] after a break: {}", told(reply))
    })?;
    for event in &events {
        ensure(
            serde_json::from_str::<serde_json::Value>(event).is_ok(),
            || format!("passed on: {event}"),
        )?;
    }
    let last = reply.last_event();
    ensure(last["error"]["message"].is_string(), || told(reply))?;
    let ours = &last["error"]["goodgate"];
    is_told_by_goodgate(ours, code).map_err(|wrong| format!("{wrong}: {last}"))?;
    // What came before it was mended before a byte had gone out.
    let broke = ours["attempts"]
        .as_array()
        .and_then(|attempts| attempts.last());
    ensure(
        broke.is_some_and(|attempt| attempt["code"] == code.as_str()),
        || format!("the last attempt's code is another: {last}"),
    )?;
    ensure(last["error"]["goodgate"]["output_sent"] == true, || {
        last.to_string()
    })
}

fn none_wrong(wrong: Vec<Option<String>>) {
    let cases = wrong.len();
    let wrong: Vec<_> = wrong.into_iter().flatten().collect();
    assert!(
        wrong.is_empty(),
        "{} of {cases} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Every call of the table, solo and paired.
fn every_call(rows: &[Row]) -> Vec<(&Row, Case)> {
    let mut calls = Vec::new();
    for row in rows {
        for (form, lane, expected) in [
            ("whole", Lane::Whole, row.whole),
            ("stream", Lane::Stream, row.stream),
            ("plain", Lane::Plain, row.plain),
        ] {
            let Some(expected) = expected else { continue };
            for (paired, word) in [(false, ""), (true, " paired")] {
                let name = format!("{} {} {form}{word}", row.fault, row.kind);
                calls.push((
                    row,
                    Case {
                        name,
                        model: String::new(),
                        more: String::new(),
                        lane,
                        paired,
                        expected,
                    },
                ));
            }
        }
    }
    calls
}

/// A provider and an address of its own for each call, so that none meets another's cooldowns, budgets and connections;
/// the fault is in its path.
fn configuration(calls: &mut [(&Row, Case)]) -> String {
    let (mut providers, mut models, mut routes) = (String::new(), String::new(), String::new());
    for (n, (Row { fault, kind, .. }, case)) in calls.iter_mut().enumerate() {
        case.model = format!("m{n}");
        if case.lane == Lane::Plain {
            let host = format!("http://127.1.{}.{}:ANYWHERE", n / 250, n % 250 + 1);
            let behind = if case.paired { ", \"DRILL\"" } else { "" };
            writeln!(
                routes,
                "  m{n}: {{ match: {{ path: /m{n}/** }}, upstreams: [\"{host}/fault/{fault}\"{behind}] }}"
            )
            .unwrap();
            continue;
        }
        let style = match *kind {
            "anthropic" | "gemini" | "mistral" => kind,
            _ => "openai",
        };
        let url = format!(
            "http://127.1.{}.{}:ANYWHERE/fault/{fault}/{style}",
            n / 250,
            n % 250 + 1
        );
        writeln!(
            providers,
            "  r{n}: {{ type: {kind}, base_url: {url}, api_key: sk-x }}"
        )
        .unwrap();
        let behind = if case.paired { ", q/echo" } else { "" };
        writeln!(models, "  m{n}: {{ targets: [r{n}/any{behind}] }}").unwrap();
    }
    // Long enough for a busy machine, short enough for many stalls.
    let heavy = calls.iter().any(|(row, _)| is_heavy(row));
    let yaml = USUAL
        .replace("700ms", if heavy { "5s" } else { "1200ms" })
        .replace("providers:\n", &format!("providers:\n{providers}"))
        .replace("models:\n", &format!("models:\n{models}"));
    format!("{yaml}routes:\n{routes}")
}

fn is_heavy(row: &Row) -> bool {
    row.fault.contains("oversized") || row.fault == "drip-body"
}

fn rig_for(calls: &mut [(&Row, Case)]) -> Rig {
    Rig::build(Build {
        yaml: &configuration(calls),
        // A pause between events: what comes in one piece with its own end is no stream that began.
        script: script(r#"{"pace_ms":15}"#),
        everywhere: true,
        ..Build::default()
    })
}

#[test]
fn every_fault_of_the_catalogue_gets_its_code_and_a_second_target_hides_it() {
    let rows = rows();
    let mut wrong = Vec::new();
    // Megabytes keep the drill's one thread busy, and drops need it in time: those come by themselves.
    let (mut heavy, mut calls): (Vec<_>, Vec<_>) = every_call(&rows)
        .into_iter()
        .partition(|(row, _)| is_heavy(row));
    // A configuration has a bound of its own.
    for calls in calls.chunks_mut(250) {
        let rig = rig_for(calls);
        wrong.extend(in_parallel(calls, |(_, case)| check(&rig, case)));
    }
    let rig = rig_for(&mut heavy);
    wrong.extend(heavy.iter().map(|(_, case)| check(&rig, case)));
    none_wrong(wrong);
}

#[test]
fn every_fault_of_the_catalogue_has_a_line_in_the_table() {
    let rows = rows();
    let missing: Vec<_> = catalogue::all()
        .iter()
        .map(|entry| &entry.name)
        .filter(|name| !rows.iter().any(|r| r.fault == **name))
        .collect();
    assert!(missing.is_empty(), "causes.txt lacks {missing:?}");
}
