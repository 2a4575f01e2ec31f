//! Demo models, paths, streams, the log, and where connections end.

use std::time::Duration;

use crate::raw::{self, chat, get, post, start};
use drill::{Drill, Options, Reply, Script};

#[test]
fn a_chat_is_answered_whole_and_streamed() {
    let drill = start(Script::default());
    let whole = post(
        &drill,
        "/v1/chat/completions",
        &chat("demo/echo", "hello", false),
    );
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("x-goodgate-demo"), Some("true"));
    let text = "[goodgate demo: scripted text, not an AI model] You said: hello";
    assert_eq!(whole.json()["choices"][0]["message"]["content"], text);
    assert_eq!(whole.json()["system_fingerprint"], "goodgate-demo");

    let stream = post(
        &drill,
        "/v1/chat/completions",
        &chat("demo/echo", "hello", true),
    );
    let events = stream.events();
    assert_eq!(events.last().map(String::as_str), Some("[DONE]"));
    let said: String = events
        .iter()
        .filter_map(|event| serde_json::from_str::<serde_json::Value>(event).ok())
        .filter_map(|v| {
            v["choices"][0]["delta"]["content"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    assert_eq!(said, text);
}

#[test]
fn the_flaky_model_fails_the_first_attempt_and_keeps_no_count() {
    let drill = start(Script::default());
    let body = chat("demo/flaky-502", "hello", false);
    for _ in 0..3 {
        let first = raw::send(
            &drill,
            "POST",
            "/v1/chat/completions",
            &[("x-goodgate-attempt", "1")],
            &body,
        );
        assert_eq!(first.status, 502);
        assert!(
            first.text().contains("<h1>502 Bad Gateway</h1>"),
            "{}",
            first.text()
        );
        let second = raw::send(
            &drill,
            "POST",
            "/v1/chat/completions",
            &[("x-goodgate-attempt", "2")],
            &body,
        );
        assert_eq!(second.status, 200);
    }
    let seen = drill.seen();
    assert_eq!(seen.len(), 6);
    assert_eq!(seen[0].fault.as_deref(), Some("html-502"));
    assert_eq!((seen[1].attempt, seen[1].status), (Some(2), Some(200)));
}

#[test]
fn demo_models_do_what_their_names_say() {
    let drill = start(Script::default());
    let ask = |model: &str, stream| {
        post(
            &drill,
            "/v1/chat/completions",
            &chat(model, "a b c d e", stream),
        )
    };
    let down = ask("demo/down", false);
    assert_eq!(
        (down.status, down.json()["error"]["code"].as_str()),
        (503, Some("service_unavailable"))
    );
    let limited = ask("demo/rate-limited", false);
    assert_eq!(
        (limited.status, limited.header("retry-after")),
        (429, Some("1"))
    );
    assert_eq!(ask("demo/html-502", false).status, 502);
    let cut = ask("demo/cut-stream", true);
    assert_eq!(cut.status, 200);
    assert!(cut.whole && !cut.text().contains("[DONE]") && !cut.text().contains("\"stop\""));
    assert!(cut.text().contains("goodgate"));
    let cut = ask("demo/cut-stream", false);
    assert!(serde_json::from_slice::<serde_json::Value>(&cut.body).is_err());
}

#[test]
fn generic_paths_answer_json_and_fail_as_often_as_they_say() {
    let drill = start(Script::default());
    assert_eq!(get(&drill, "/json/items?x=1").json()["query"], "x=1");
    let attempt = |n: &str| {
        raw::send(
            &drill,
            "GET",
            "/flaky/2/items",
            &[("x-goodgate-attempt", n)],
            "",
        )
    };
    assert_eq!(
        [
            attempt("1").status,
            attempt("2").status,
            attempt("3").status
        ],
        [502, 502, 200]
    );
    assert_eq!(get(&drill, "/nothing").status, 404);
}

#[test]
fn a_stream_can_be_cut_at_every_byte() {
    let script = Script {
        split: Some(1),
        ..Script::reply(Reply::text("h\u{e9}llo \u{1f600}"))
    };
    let drill = start(script);
    let stream = post(&drill, "/v1/chat/completions", &chat("gpt-4o", "hi", true));
    assert_eq!(stream.events().last().map(String::as_str), Some("[DONE]"));
    assert!(
        stream.chunks.iter().all(|size| *size == 1),
        "every chunk is one byte"
    );
}

#[test]
fn a_client_that_leaves_in_mid_stream_is_seen_at_once() {
    let drill = start(Script {
        pace_ms: Some(50),
        ..Script::reply(Reply::text(&"word ".repeat(1000)))
    });
    let mut client = raw::Client::connect(&drill);
    client.send(
        "POST",
        "/v1/chat/completions",
        &[],
        &chat("gpt-4o", "hi", true),
    );
    client.read_some();
    drop(client);
    let left = |seen: &[drill::Seen]| seen.iter().any(|s| s.client_closed_at.is_some());
    assert!(drill.wait_for(left, Duration::from_secs(5)));
    assert!(!drill.seen()[0].finished);
}

#[test]
fn the_log_has_a_line_for_each_request() {
    let path = std::env::temp_dir().join(format!("drill-log-{}.jsonl", std::process::id()));
    let drill = Drill::start(Options {
        log_file: Some(path.clone()),
        ..Options::default()
    })
    .expect("a drill");
    post(&drill, "/v1/chat/completions", &chat("echo", "one", false));
    raw::send(&drill, "GET", "/json", &[("x-request-id", "req_x")], "");
    drop(drill);
    let text = std::fs::read_to_string(&path).expect("the log");
    std::fs::remove_file(&path).expect("removable");
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (lines[0]["model"].as_str(), lines[1]["request_id"].as_str()),
        (Some("echo"), Some("req_x"))
    );
}

#[test]
fn connections_end_where_and_how_the_fault_says() {
    let drill = start(Script::default());
    let ask = |name: &str| {
        let mut client = raw::Client::connect(&drill).patience(Duration::from_millis(300));
        client.send(
            "POST",
            &format!("/fault/{name}/v1/chat/completions"),
            &[],
            &chat("gpt-4o", "a b c", true),
        );
        client.drain()
    };
    for (name, bytes, end) in [
        ("reset-before-head", 0, raw::End::Reset),
        ("close-before-head", 0, raw::End::Fin),
        ("stall-before-head", 0, raw::End::Silence),
        ("reset-mid-body", 1, raw::End::Reset),
        ("close-after-event", 1, raw::End::Fin),
        ("stall-after-head", 1, raw::End::Silence),
    ] {
        let (raw, ended) = ask(name);
        assert_eq!((raw.len().min(1), ended), (bytes, end), "{name}");
    }
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    let anthropic = r#"{"model":"c","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"h\u00e9llo \ud83d\ude00"}]}"#;
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"h\u00e9llo \ud83d\ude00"}]}]}"#;
    let headers = [
        ("x-api-key", "k"),
        ("anthropic-version", "2023-06-01"),
        ("x-goog-api-key", "k"),
    ];
    for (path, body) in [
        ("/v1/messages", anthropic),
        ("/v1beta/models/m:streamGenerateContent?alt=sse", gemini),
        ("/v1beta/models/m:streamGenerateContent", gemini),
    ] {
        let ask = |split| {
            let drill = start(Script {
                split,
                ..Script::default()
            });
            raw::send(&drill, "POST", path, &headers, body)
        };
        let (whole, bytes) = (ask(None), ask(Some(1)));
        assert!(whole.whole && bytes.whole && whole.text().contains("\u{1f600}"));
        assert_eq!(whole.body, bytes.body, "{path}");
        assert_eq!(bytes.chunks.len(), bytes.body.len(), "{path}");
    }
}

#[test]
fn head_requests_tell_the_length_and_send_no_body() {
    let drill = start(Script::default());
    let mut client = raw::Client::connect(&drill);
    client.send("HEAD", "/json", &[], "");
    let head = client.answer("HEAD");
    assert!(head.status == 200 && head.header("content-length").is_some_and(|n| n != "0"));
    client.send("GET", "/json", &[], "");
    assert_eq!(client.answer("GET").json()["method"], "GET");
    assert_eq!(drill.connections(), 1);
}

#[test]
fn a_script_can_be_changed_while_the_drill_runs() {
    let drill = start(Script::fault("html-502").expect("a fault"));
    assert_eq!(get(&drill, "/json").status, 502);
    drill.play(Script::default());
    assert_eq!(get(&drill, "/json").status, 200);
}
