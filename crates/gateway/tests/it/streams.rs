//! Streams: held until there is content, ended honestly, passed on unharmed.

use std::time::Duration;

use crate::client::Reply;
use crate::rig::{Rig, USUAL, script, timed, with_models};

/// How a stream that began is to end.
#[derive(Debug)]
enum Ends {
    /// With `[DONE]`.
    Done,
    /// With an error event of this code.
    Error(&'static str),
}

struct Case {
    name: &'static str,
    /// What the first target does.
    fault: &'static str,
    /// Whether a second, healthy one is there.
    paired: bool,
    hold: &'static str,
    headers: &'static [(&'static str, &'static str)],
    outcome: &'static str,
    ends: Ends,
}

const PLAIN: Case = Case {
    name: "",
    fault: "",
    paired: false,
    hold: "hold_for: 20s",
    headers: &[],
    outcome: "ok",
    ends: Ends::Done,
};

const TEXT: &str = r#"{"text":"one two three four five"}"#;

fn rig_of(case: &Case) -> Rig {
    let targets = if case.paired { "p/a, q/b" } else { "p/a" };
    let yaml = with_models(&format!("  m: {{ targets: [{targets}] }}"))
        .replace("resilience:\n", &format!("resilience:\n  {}\n", case.hold));
    let rule = match case.fault {
        "" => String::new(),
        fault => format!(r#"{{"when":{{"model":"a"}},"fault":{fault},"reply":{TEXT}}},"#),
    };
    Rig::with(
        &yaml,
        script(&format!(
            r#"{{"pace_ms":10,"rules":[{rule}{{"reply":{TEXT}}}]}}"#
        )),
    )
}

fn check(case: &Case) {
    let rig = rig_of(case);
    let reply = rig.stream_request("m").headers(case.headers).send();
    let told = format!("{}: {} {}", case.name, reply.status, reply.body);
    assert_eq!((reply.status, reply.whole), (200, true), "{told}");
    assert_eq!(
        reply.header("content-type"),
        Some("text/event-stream; charset=utf-8"),
        "{told}"
    );
    let row = rig.row(&reply).call;
    assert_eq!(row.outcome.as_str(), case.outcome, "{told}");
    let last = reply.events().pop().unwrap_or_default();
    match case.ends {
        Ends::Done => {
            assert_eq!(last, "[DONE]", "{told}");
            assert_eq!(reply.text(), "one two three four five", "{told}");
        }
        Ends::Error(code) => {
            let error = &reply.last_event()["error"];
            assert_eq!(error["goodgate"]["code"], code, "{told}");
            assert!(!reply.body.contains("[DONE]"), "{told}");
            assert!(!reply.body.contains("finish_reason\":\"stop"), "{told}");
            assert_eq!(row.code.as_deref(), Some(code), "{told}");
            // openai-python shows no id of a broken stream but the message's.
            assert!(
                error["message"].as_str().unwrap().contains("req_"),
                "{told}"
            );
        }
    }
}

#[test]
fn a_stream_that_breaks_after_content_says_how_and_is_never_shown_as_complete() {
    for (fault, code) in [
        (r#""stall-after-event""#, "stream_idle_timeout"),
        (r#""stream-malformed-json""#, "stream_malformed"),
        (r#""reset-after-event""#, "response_reset"),
        (r#""close-after-event""#, "response_truncated"),
        (r#""stream-no-terminal""#, "stream_incomplete"),
        (r#""stream-error-mid""#, "stream_error_event"),
        (r#""chunk-bad-size""#, "protocol_error"),
    ] {
        check(&Case {
            name: fault,
            fault,
            outcome: "failed",
            ends: Ends::Error(code),
            ..PLAIN
        });
        // What has been said cannot be taken back: a second target does not help.
        check(&Case {
            name: fault,
            fault,
            paired: true,
            outcome: "failed",
            ends: Ends::Error(code),
            ..PLAIN
        });
    }
}

#[test]
fn an_answer_held_whole_fails_over_to_the_end() {
    for fault in [
        r#""stall-after-event""#,
        r#""stream-malformed-json""#,
        r#""reset-after-event""#,
        r#""stream-no-terminal""#,
        r#""stream-error-mid""#,
    ] {
        check(&Case {
            name: fault,
            fault,
            paired: true,
            hold: "hold: whole",
            outcome: "recovered",
            ..PLAIN
        });
        let headers = &[("x-goodgate-hold", "whole")];
        check(&Case {
            name: fault,
            fault,
            paired: true,
            headers,
            outcome: "recovered",
            ..PLAIN
        });
    }
}

/// Sixty words: the drill tells each in an event of its own.
fn sixty() -> String {
    let words: Vec<_> = (1..=60).map(|n| format!("word{n}")).collect();
    words.join(" ")
}

/// How the first target ends after forty of them.
const CUTS: [&str; 4] = [
    r#"{"kind":"break","at":{"after-events":40},"by":"reset"}"#,
    r#"{"kind":"break","at":{"after-events":40},"by":"close"}"#,
    r#"{"kind":"break","at":{"after-events":40},"by":"cut"}"#,
    r#"{"kind":"stall","at":{"after-events":40}}"#,
];

#[test]
fn a_stream_cut_after_forty_of_sixty_tokens_reaches_a_caller_who_wants_it_whole() {
    for cut in CUTS {
        for (yaml, header, asks) in [
            ("  m: { targets: [p/a, q/b], hold: whole }", None, ""),
            ("  m: { targets: [p/a, q/b] }", Some("x-goodgate-hold"), ""),
            (
                "  m: { targets: [p/a, q/b] }",
                None,
                "keys:\n  agent: { secret: sk-agent-0123456789, hold: whole }\n",
            ),
        ] {
            let json = format!(
                r#"{{"pace_ms":1,"rules":[{{"when":{{"model":"a"}},"fault":{cut},"reply":{{"text":"{0}"}}}},{{"reply":{{"text":"{0}"}}}}]}}"#,
                sixty()
            );
            let yaml = format!("{}{asks}", with_models(yaml));
            let rig = Rig::with(&yaml, script(&json));
            let mut request = rig.stream_request("m");
            if let Some(header) = header {
                request = request.header(header, "whole");
            }
            if !asks.is_empty() {
                request = request.authorized("Bearer sk-agent-0123456789");
            }
            let reply = request.send();
            let told = format!("{cut} {header:?} {asks}: {} {}", reply.status, reply.body);
            assert_eq!((reply.status, reply.whole), (200, true), "{told}");
            assert_eq!(reply.text(), sixty(), "{told}");
            assert_eq!(reply.events().pop().as_deref(), Some("[DONE]"), "{told}");
            assert!(!reply.body.contains("goodgate\":"), "{told}");
            assert_eq!(rig.row(&reply).call.outcome.as_str(), "recovered", "{told}");
            assert_eq!(rig.seen().len(), 2, "{told}");
        }
        // Without that wish what was said stands, and the break is told.
        let json = format!(
            r#"{{"pace_ms":1,"rules":[{{"when":{{"model":"a"}},"fault":{cut},"reply":{{"text":"{}"}}}}]}}"#,
            sixty()
        );
        let yaml = with_models("  m: { targets: [p/a, q/b] }");
        let reply = Rig::with(&yaml, script(&json)).stream("m");
        assert!(reply.text().starts_with("word1 word2"), "{}", reply.body);
        assert!(!reply.text().contains("word60"), "{}", reply.body);
        assert_eq!(reply.last_event()["error"]["goodgate"]["output_sent"], true);
    }
}

#[test]
fn a_client_that_waits_little_between_bytes_gets_its_pings_sooner() {
    let json = r#"{"rules":[{"fault":{"kind":"delay","at":{"after-events":2},"ms":900},"reply":{"text":"one two three"}}]}"#;
    let yaml = USUAL.replace("idle: 700ms", "idle: 5s");
    let rig = Rig::with(&yaml, script(json));
    let reply = rig
        .stream_request("p/a")
        .header("x-stainless-timeout", "0.6")
        .send();
    let pings = reply.body.matches(": keep-alive").count();
    assert!((2..=3).contains(&pings), "{pings}: {}", reply.body);
    assert_eq!(reply.text(), "one two three", "{}", reply.body);
    assert!(
        !Rig::with(&yaml, script(json))
            .stream("p/a")
            .body
            .contains(": keep-alive")
    );
}

#[test]
fn a_stream_that_lacks_its_last_event_is_whole_and_marked() {
    let rig = Rig::scripted(r#"{"rules":[{"fault":"stream-no-done"}]}"#);
    let reply = rig.stream("p/a");
    assert_eq!(reply.events().pop().as_deref(), Some("[DONE]"));
    let row = rig.row(&reply);
    assert_eq!(row.call.outcome.as_str(), "ok");
    let marks: Vec<_> = row
        .call
        .details
        .policy
        .iter()
        .map(|(mark, _)| mark.as_ref())
        .collect();
    assert_eq!(marks, ["end_missing"]);
}

#[test]
fn a_whole_answer_for_a_stream_keeps_its_usage() {
    let json = r#"{"rules":[{"fault":"stream-whole-json","reply":{"text":"hi","usage":{"input":11,"output":7,"cached":5}}}]}"#;
    for (more, chunks) in [
        (r#","stream":true"#, 0),
        (
            r#","stream":true,"stream_options":{"include_usage":true}"#,
            1,
        ),
    ] {
        let rig = Rig::scripted(json);
        let reply = rig.chat_request("p/a", more).send();
        assert_eq!(reply.text(), "hi", "{}", reply.body);
        assert_eq!(usage_chunks(&reply), chunks, "{}", reply.body);
        let usage = rig.row(&reply).call.usage;
        assert_eq!((usage.output, usage.cache_read), (Some(7), Some(5)));
    }
}

#[test]
fn odd_but_sound_streams_pass() {
    for fault in [
        r#""stream-comments""#,
        r#""stream-crlf""#,
        r#""stream-no-blank-line""#,
        r#""chunk-extensions""#,
        r#""chunk-trailers""#,
        r#""close-delimited""#,
        r#""http10""#,
        r#""gzip""#,
        r#""stream-no-done""#,
        r#""stream-whole-json""#,
    ] {
        check(&Case {
            name: fault,
            fault,
            ..PLAIN
        });
    }
}

#[test]
fn a_start_that_fails_is_a_real_status() {
    for (fault, status, code) in [
        ("stream-error-first", 502, None),
        ("stall-before-content", 504, Some("first_token_timeout")),
        ("pings-only", 504, Some("first_token_timeout")),
        ("stream-empty", 502, Some("stream_incomplete")),
        ("html-502", 502, Some("bad_gateway")),
    ] {
        let rig = Rig::scripted(&format!(r#"{{"rules":[{{"fault":"{fault}"}}]}}"#));
        let reply = rig
            .stream_request("p/a")
            .header("x-goodgate-max-attempts", "1")
            .send();
        assert_eq!(reply.status, status, "{fault}: {}", reply.body);
        assert_eq!(
            reply.header("content-type"),
            Some("application/json"),
            "{fault}"
        );
        if code.is_some() {
            assert_eq!(
                reply.header("x-goodgate-code"),
                code,
                "{fault}: {}",
                reply.body
            );
        }
    }
}

/// With a hold of 100 ms and a first token that may take long.
fn held_shortly(targets: &str, json: &str, first_token: &str) -> Rig {
    let yaml = with_models(&format!("  m: {{ targets: [{targets}] }}"))
        .replace("resilience:\n", "resilience:\n  hold_for: 100ms\n")
        .replace("first_token: 700ms", first_token);
    Rig::with(&yaml, script(json))
}

#[test]
fn after_hold_for_the_head_and_a_ping_go_out_and_the_answer_follows() {
    let delayed = r#"{"rules":[{"fault":{"kind":"delay","at":"after-head","ms":600}}]}"#;
    let rig = held_shortly("p/a", delayed, "first_token: 5s");
    let mut live = rig.stream_request("m").start();
    let ((), took) = timed(|| live.until("\n: goodgate"));
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert!(!live.text().contains("data:"), "{}", live.text());
    let reply = live.finish();
    assert_eq!((reply.status, reply.whole), (200, true));
    assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
    assert!(reply.text().ends_with("You said: hi"), "{}", reply.body);
    assert_eq!(reply.events().pop().as_deref(), Some("[DONE]"));
    assert_eq!(rig.row(&reply).call.outcome.as_str(), "ok");
}

#[test]
fn behind_a_head_that_went_ahead_a_call_still_fails_over() {
    let rig = held_shortly(
        "p/a, q/b",
        r#"{"rules":[{"when":{"model":"a"},"fault":"stall-before-content"}]}"#,
        "first_token: 400ms",
    );
    let reply = rig.stream("m");
    assert_eq!((reply.status, reply.whole), (200, true));
    assert!(reply.body.starts_with(": goodgate"), "{}", reply.body);
    assert!(reply.text().ends_with("You said: hi"), "{}", reply.body);
    assert_eq!(rig.row(&reply).call.outcome.as_str(), "recovered");
}

#[test]
fn behind_a_head_that_went_ahead_a_failure_is_an_error_event() {
    let rig = held_shortly(
        "p/a",
        r#"{"rules":[{"fault":"stall-before-content"}]}"#,
        "first_token: 300ms",
    );
    let reply = rig
        .stream_request("m")
        .header("x-goodgate-max-attempts", "1")
        .send();
    assert_eq!((reply.status, reply.whole), (200, true), "{}", reply.body);
    let ours = &reply.last_event()["error"]["goodgate"];
    assert_eq!(ours["code"], "first_token_timeout", "{}", reply.body);
    assert_eq!(ours["output_sent"], false);
    assert!(!reply.body.contains("[DONE]"));
    let row = rig.row(&reply).call;
    assert_eq!(
        (row.outcome.as_str(), row.code.as_deref()),
        ("failed", Some("first_token_timeout"))
    );
    assert_eq!(row.status, Some(200), "what the client saw");
}

fn usage_chunks(reply: &Reply) -> usize {
    reply
        .events()
        .iter()
        .filter(|event| event.contains(r#""usage":{"#))
        .count()
}

#[test]
fn the_usage_chunk_reaches_those_who_asked_and_the_store_in_any_case() {
    let json = r#"{"rules":[{"reply":{"text":"hi","usage":{"input":11,"output":7,"cached":5}}}]}"#;
    for (more, chunks) in [
        (r#","stream":true"#, 0),
        (
            r#","stream":true,"stream_options":{"include_usage":false}"#,
            0,
        ),
        (
            r#","stream":true,"stream_options":{"include_usage":true}"#,
            1,
        ),
    ] {
        let rig = Rig::scripted(json);
        let reply = rig.chat_request("p/a", more).send();
        assert_eq!(usage_chunks(&reply), chunks, "{more}: {}", reply.body);
        let usage = rig.row(&reply).call.usage;
        assert_eq!(
            (usage.output, usage.cache_read),
            (Some(7), Some(5)),
            "{more}"
        );
        assert!(usage.input.is_some(), "{more}");
    }
}

/// Text that trips readers who split lines or bytes wrongly.
const TRICKY: &str =
    "line\u{2028}separator \u{1F469}\u{200D}\u{1F4BB} é\u{85}next data: [DONE] end";

#[test]
fn a_stream_cut_at_every_byte_is_the_same_stream_from_every_kind_of_provider() {
    let text = serde_json::to_string(TRICKY).unwrap();
    for (name, style) in [
        ("openai-compatible", "openai"),
        ("anthropic", "anthropic"),
        ("gemini", "gemini"),
        ("mistral", "mistral"),
    ] {
        let yaml = USUAL.replace(
            "providers:\n",
            &format!(
                "providers:\n  s: {{ type: {name}, base_url: DRILL/{style}, api_key: sk-x }}\n"
            ),
        );
        let json = |split: &str| format!(r#"{{{split}"rules":[{{"reply":{{"text":{text}}}}}]}}"#);
        let whole = Rig::with(&yaml, script(&json(""))).stream("s/a");
        let split = Rig::with(&yaml, script(&json(r#""split":1,"#))).stream("s/a");
        for reply in [&whole, &split] {
            assert_eq!(reply.text(), TRICKY, "{name}: {}", reply.body);
            assert_eq!(reply.events().pop().as_deref(), Some("[DONE]"), "{name}");
        }
        assert_eq!(whole.events().len(), split.events().len(), "{name}");
    }
}

#[test]
fn an_answer_is_over_with_its_terminal_event_whatever_the_framing_does() {
    for fault in [
        "stall-before-end",
        "close-before-end",
        "reset-before-end",
        "stream-after-end",
    ] {
        let rig = Rig::scripted(&format!(
            r#"{{"pace_ms":10,"rules":[{{"fault":"{fault}"}}]}}"#
        ));
        let (reply, took) = timed(|| rig.stream("p/a"));
        assert_eq!(
            reply.events().pop().as_deref(),
            Some("[DONE]"),
            "{fault}: {}",
            reply.body
        );
        assert!(took < Duration::from_millis(600), "{fault}: {took:?}");
        assert_eq!(rig.row(&reply).call.outcome.as_str(), "ok", "{fault}");
    }
}
