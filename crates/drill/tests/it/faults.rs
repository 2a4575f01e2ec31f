//! Every fault of the catalogue, played over a real socket: it does what its entry says, and harms nothing else.

use std::time::Duration;

use drill::faults::catalogue;
use drill::{Drill, Fault, Reply, Script};

use crate::raw::{self, Client, End, chat, start};

/// What a fault does to one request, and how the connection ended.
fn play(drill: &Drill, name: &str, stream: bool, headers: &[(&str, &str)]) -> (String, End) {
    let mut client = Client::connect(drill).patience(Duration::from_millis(150));
    let path = format!("/fault/{name}/v1/chat/completions");
    let body = chat("gpt-4o", "one two three four", stream);
    client.send("POST", &path, headers, &body);
    let (raw, end) = client.drain();
    (String::from_utf8_lossy(&raw).into_owned(), end)
}

#[test]
fn every_fault_can_be_played_and_leaves_the_drill_unharmed() {
    let drill = start(Script::default());
    for entry in catalogue::all() {
        // Those that only wait or are large have tests of their own.
        let slow = matches!(&entry.fault, Fault::Delay { .. } | Fault::Drip { .. });
        let slow = slow || matches!(&entry.fault, Fault::Pings { .. });
        if slow || entry.name.contains("oversized") || entry.name.contains("endless") {
            continue;
        }
        let stream = matches!(entry.fault, Fault::Stream { .. } | Fault::Pings { .. });
        // Closed at once, where it is not the fault that decides.
        let (text, _) = play(&drill, &entry.name, stream, &[("connection", "close")]);
        match &entry.fault {
            Fault::Status { status, .. } => {
                let line = format!("HTTP/1.1 {status} ");
                assert!(text.starts_with(&line), "{}: {text}", entry.name);
            }
            Fault::Early { .. } | Fault::Stall { .. } | Fault::Break { .. } | Fault::Raw { .. } => {
            }
            _ => assert!(text.starts_with("HTTP/1."), "{}: {text}", entry.name),
        }
        let seen = drill.seen();
        let last = seen.last().expect("it was seen");
        assert_eq!(last.fault.as_deref(), Some(entry.name.as_str()));
    }
    assert_eq!(raw::get(&drill, "/health").status, 200);
}

/// A name, whether a stream is asked for, a text that comes, one that does not, and the end.
type Case = (&'static str, bool, &'static str, &'static str, End);

const CASES: &[Case] = &[
    (
        "html-502",
        false,
        "<h1>502 Bad Gateway</h1>",
        "{",
        End::Silence,
    ),
    (
        "cloudflare-522",
        false,
        "server: cloudflare",
        "goodgate-drill",
        End::Silence,
    ),
    (
        "openai-rate-limited",
        false,
        "retry-after-ms: 1000",
        "choices",
        End::Silence,
    ),
    (
        "draining-503",
        false,
        "connection: close",
        "keep-alive",
        End::Fin,
    ),
    (
        "redirect-login",
        false,
        "location: https://login.example.com",
        "choices",
        End::Silence,
    ),
    ("length-too-large", false, "choices", "chunked", End::Fin),
    ("length-differing", false, "choices", "chunked", End::Fin),
    (
        "length-with-chunked",
        false,
        "transfer-encoding: chunked",
        "HTTP/1.0",
        End::Fin,
    ),
    (
        "length-negative",
        false,
        "content-length: -1",
        "chunked",
        End::Fin,
    ),
    ("chunk-bad-size", true, "\r\nzz\r\n", "HTTP/1.0", End::Fin),
    ("chunk-no-last", true, "[DONE]", "\r\n0\r\n\r\n", End::Fin),
    (
        "chunk-trailers",
        true,
        "x-drill-trailer: 1",
        "connection: close",
        End::Silence,
    ),
    ("ssh-banner", false, "SSH-2.0", "HTTP", End::Fin),
    ("bad-status-line", false, "HTTP/1.1200", "choices", End::Fin),
    (
        "bare-lf",
        false,
        "200 OK\ncontent-type",
        "HTTP/1.0",
        End::Silence,
    ),
    (
        "continue-first",
        false,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK",
        "HTTP/1.0",
        End::Silence,
    ),
    (
        "http10",
        false,
        "HTTP/1.0 200 OK",
        "content-length",
        End::Fin,
    ),
    ("close-delimited", true, "[DONE]", "chunked", End::Fin),
    (
        "no-content",
        false,
        "HTTP/1.1 204 No Content",
        "HTTP/1.0",
        End::Fin,
    ),
    ("status-999", false, "HTTP/1.1 999 ", "HTTP/1.0", End::Fin),
    (
        "bad-gzip",
        false,
        "content-encoding: gzip",
        "chunked",
        End::Silence,
    ),
    (
        "cut-json",
        false,
        "chat.completion",
        "completion_tokens_details",
        End::Silence,
    ),
    (
        "html-200",
        false,
        "<!DOCTYPE html>",
        "choices",
        End::Silence,
    ),
    (
        "error-in-200",
        false,
        "HTTP/1.1 200 OK",
        "choices",
        End::Silence,
    ),
    (
        "empty-200",
        false,
        "content-length: 0",
        "choices",
        End::Silence,
    ),
    ("stream-no-terminal", true, "delta", "[DONE]", End::Silence),
    (
        "stream-no-done",
        true,
        "\"finish_reason\":\"stop\"",
        "[DONE]",
        End::Silence,
    ),
    (
        "stream-error-first",
        true,
        "data: {\"error\"",
        "delta",
        End::Silence,
    ),
    (
        "stream-error-mid",
        true,
        "data: {\"error\"",
        "[DONE]",
        End::Silence,
    ),
    (
        "stream-terminal-only",
        true,
        "[DONE]",
        "delta",
        End::Silence,
    ),
    (
        "stream-crlf",
        true,
        "[DONE]\r\n\r\n",
        "[DONE]\n\n",
        End::Silence,
    ),
    ("early-413", false, "HTTP/1.1 413 ", "choices", End::Fin),
    (
        "early-413-reset",
        false,
        "HTTP/1.1 413 ",
        "choices",
        End::Reset,
    ),
    (
        "keep-alive-close-after",
        false,
        "choices",
        "connection: close",
        End::Fin,
    ),
    (
        "reset-mid-head",
        false,
        "HTTP/1.1 200 OK",
        "choices",
        End::Reset,
    ),
    ("cut-mid-body", true, "data: ", "[DONE]", End::Fin),
    ("stall-after-event", true, "data: ", "[DONE]", End::Silence),
];

#[test]
fn faults_show_on_the_wire_what_their_names_say() {
    let drill = start(Script::default());
    for (name, stream, there, gone, wanted) in CASES {
        let (text, end) = play(&drill, name, *stream, &[]);
        assert!(text.contains(there), "{name}: {text}");
        assert!(!text.contains(gone), "{name}: {text}");
        assert_eq!(end, *wanted, "{name}: {text}");
    }
}

#[test]
fn an_error_event_is_told_in_the_dialect_of_the_style() {
    let drill = start(Script::default());
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    let body = serde_json::json!({"model": "fault:stream-error-mid", "max_tokens": 99, "stream": true,
        "messages": [{"role": "user", "content": "one two three four"}]});
    let answer = raw::send(&drill, "POST", "/v1/messages", &headers, &body.to_string());
    assert!(
        answer
            .text()
            .contains("event: error\ndata: {\"type\":\"error\""),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("text_delta") && !answer.text().contains("message_stop"));
}

#[test]
fn a_fault_by_the_models_name_works_behind_any_prefix_and_a_wrong_one_is_explained() {
    let drill = start(Script::default());
    let ask = |model| raw::post(&drill, "/v1/chat/completions", &chat(model, "hi", false));
    assert_eq!(ask("demo/fault:cloudflare-522").status, 522);
    let wrong = ask("fault:cloudflare-599");
    assert_eq!(wrong.status, 404);
    assert!(
        wrong.text().contains("Near names: cloudflare-"),
        "{}",
        wrong.text()
    );
    let early = ask("fault:early-413");
    assert!(
        early.text().contains("before the body is read"),
        "{}",
        early.text()
    );
}

#[test]
fn what_goes_on_for_ever_stops_when_the_client_leaves() {
    let drill = start(Script::default());
    for (name, text) in [
        ("pings-only", ": ping"),
        ("endless-interim", "HTTP/1.1 102 "),
        ("endless-head", "x-drill: xxx"),
    ] {
        let path = format!("/fault/{name}/v1/chat/completions");
        let mut client = Client::connect(&drill);
        client.send("POST", &path, &[], &chat("gpt-4o", "hi", true));
        let read = client.read_until(text);
        assert!(!read.contains("delta"), "{name}: {read}");
        drop(client);
        let left = |seen: &[drill::Seen]| seen.last().is_some_and(|s| s.client_closed_at.is_some());
        assert!(drill.wait_for(left, Duration::from_secs(5)), "{name}");
    }
}

#[test]
fn a_stale_connection_dies_when_the_next_request_arrives() {
    let drill = start(Script::default());
    for (name, wanted) in [
        ("keep-alive-close-on-next", End::Fin),
        ("keep-alive-reset-on-next", End::Reset),
    ] {
        let mut client = Client::connect(&drill);
        client.send("GET", &format!("/fault/{name}/json"), &[], "");
        assert_eq!(client.answer("GET").status, 200);
        client.send("GET", "/json", &[], "");
        let (bytes, end) = client.drain();
        assert_eq!((bytes.len(), end), (0, wanted), "{name}");
    }
}

#[test]
fn an_expected_continue_is_sent_unless_the_fault_withholds_it() {
    let drill = start(Script::default());
    let body = chat("gpt-4o", "hi", false);
    let expect = [("expect", "100-continue")];
    let answer = raw::send(&drill, "POST", "/v1/chat/completions", &expect, &body);
    assert_eq!(answer.status, 200);
    let path = "/fault/no-continue/v1/chat/completions";
    let mut client = Client::connect(&drill);
    client.send("POST", path, &expect, &body);
    let answer = client.answer("POST");
    assert_eq!(answer.status, 200);
    assert!(answer.raw.starts_with(b"HTTP/1.1 200"), "no interim answer");
    let path = "/fault/expectation-failed/v1/chat/completions";
    assert_eq!(raw::send(&drill, "POST", path, &expect, &body).status, 417);
}

#[test]
fn connections_are_spoilt_by_their_number() {
    let script = r#"{"connections":[{"nth":1,"what":"reset"},{"nth":2,"what":"ssh-banner"},{"nth":"3..3","what":"silent"}]}"#;
    let drill = start(Script::from_json(script).expect("a script"));
    let ask = || {
        let mut client = Client::connect(&drill).patience(Duration::from_millis(200));
        client.send("GET", "/json", &[], "");
        let (raw, end) = client.drain();
        (String::from_utf8_lossy(&raw).into_owned(), end)
    };
    assert_eq!(ask(), (String::new(), End::Reset));
    let (banner, end) = ask();
    assert!(banner.starts_with("SSH-2.0") && end == End::Silence);
    assert_eq!(ask(), (String::new(), End::Silence));
    assert!(ask().0.starts_with("HTTP/1.1 200"));
}

#[test]
fn delays_and_drips_take_their_time_and_lose_nothing() {
    let script = r#"{"rules":[
        {"when":{"path":"/json/late"},"fault":{"kind":"delay","at":"before-head","ms":80}},
        {"when":{"path":"/json/drip"},"fault":{"kind":"drip","bytes":16,"every_ms":1,"part":"all"}}]}"#;
    let drill = start(Script::from_json(script).expect("a script"));
    let late = raw::get(&drill, "/json/late");
    assert_eq!(late.json()["ok"], true);
    let seen = drill.seen();
    let ended = drill.wait_for(|seen| seen[0].ended_at.is_some(), Duration::from_secs(5));
    assert!(ended && drill.seen()[0].ended_at >= Some(seen[0].unix_millis + 80));
    assert_eq!(raw::get(&drill, "/json/drip").json()["ok"], true);
}

#[test]
fn large_bodies_are_large() {
    let drill = start(Script::default());
    for (name, stream, mebibytes) in [
        ("oversized-200", false, 41),
        ("stream-oversized-event", true, 9),
    ] {
        let mut client = Client::connect(&drill);
        let path = format!("/fault/{name}/v1/chat/completions");
        let close = [("connection", "close")];
        client.send("POST", &path, &close, &chat("gpt-4o", "hi", stream));
        let (bytes, end) = client.drain_up_to(64 * 1024 * 1024);
        assert!(
            bytes.len() > mebibytes * 1024 * 1024,
            "{name}: {}",
            bytes.len()
        );
        assert_eq!(end, End::Fin, "{name}");
    }
}

#[test]
fn requests_that_smuggle_or_overflow_are_refused() {
    let drill = start(Script::default());
    let both = [("transfer-encoding", "chunked"), ("content-length", "3")];
    assert_eq!(raw::send(&drill, "POST", "/json", &both, "abc").status, 400);
    let mut client = Client::connect(&drill);
    client.send("GET", "/json", &[("x-big", &"x".repeat(300_000))], "");
    assert_eq!(client.answer("GET").status, 400);
    let huge = [("content-length", "99999999999")];
    assert_eq!(raw::send(&drill, "POST", "/json", &huge, "abc").status, 413);
}

#[test]
fn four_hundred_silent_connections_do_not_harm_a_talking_one() {
    let drill = start(Script::reply(Reply::text("hi")));
    let silent: Vec<std::net::TcpStream> = (0..400)
        .map(|_| std::net::TcpStream::connect(drill.address()).expect("a connection"))
        .collect();
    let answer = raw::post(&drill, "/v1/chat/completions", &chat("m", "hi", false));
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "hi");
    drop(silent);
    drop(drill);
}
