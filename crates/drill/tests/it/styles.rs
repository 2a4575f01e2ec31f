//! Each style accepts what the real server accepts, refuses what it refuses, and answers in its form.

use crate::raw::{self, Answer, start};
use drill::{Drill, Reply, Script, Usage};
use serde_json::{Value, json};

const OPENAI: &str = "/v1/chat/completions";
const MISTRAL: &str = "/mistral/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/gemini-3-flash:generateContent";
const GEMINI_STREAM: &str = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse";

fn ask(drill: &Drill, path: &str, body: &Value) -> Answer {
    let headers: &[(&str, &str)] = match path {
        ANTHROPIC => &[("x-api-key", "k"), ("anthropic-version", "2023-06-01")],
        _ if path.starts_with("/v1beta") => &[("x-goog-api-key", "k")],
        _ => &[],
    };
    raw::send(drill, "POST", path, headers, &body.to_string())
}

#[test]
fn each_style_refuses_what_its_server_refuses_and_says_so_in_its_words() {
    let table: Value = serde_json::from_str(include_str!("refusals.json")).expect("the table");
    for (style, of) in table.as_object().expect("styles") {
        let drill = start(Script::default());
        let (path, good) = (of["path"].as_str().expect("a path"), &of["good"]);
        assert_eq!(ask(&drill, path, good).status, 200, "{style}");
        for case in of["cases"].as_array().expect("cases") {
            let mut body = good.clone();
            for (name, member) in case[0].as_object().expect("a change") {
                body[name] = member.clone();
            }
            body.as_object_mut()
                .expect("a body")
                .retain(|_, member| *member != "(remove)");
            let answer = ask(&drill, path, &body);
            assert_eq!(case[1], answer.status, "{style} {case}: {}", answer.text());
            let text = case[2].as_str().expect("a text");
            assert!(
                answer.text().contains(text),
                "{style} {case}: {}",
                answer.text()
            );
        }
    }
}

fn tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

#[test]
fn anthropic_wants_a_key_and_a_version_and_its_new_version_refuses_sampling() {
    let drill = start(Script::default());
    let body = json!({"model": "claude-opus-5", "max_tokens": 99, "temperature": 1,
        "messages": [{"role": "user", "content": "hi"}]})
    .to_string();
    let ask = |headers: &[(&str, &str)]| {
        let answer = raw::send(&drill, "POST", ANTHROPIC, headers, &body);
        (answer.status, answer.text())
    };
    let old = ("anthropic-version", "2023-06-01");
    assert_eq!(ask(&[("x-no-key", "1"), old]).0, 401);
    assert_eq!(ask(&[("x-api-key", "invalid"), old]).0, 401);
    assert!(
        ask(&[("x-api-key", "k")])
            .1
            .contains("anthropic-version: header is required")
    );
    assert_eq!(ask(&[("x-api-key", "k"), old]).0, 200);
    assert_eq!(ask(&[("authorization", "Bearer k"), old]).0, 200);
    let new = ask(&[
        ("authorization", "Bearer k"),
        ("anthropic-version", "2026-10-21"),
    ]);
    assert!(
        new.0 == 400
            && new
                .1
                .contains("temperature: Extra inputs are not permitted"),
        "{}",
        new.1
    );
}

#[test]
fn gemini_takes_its_key_by_header_or_query() {
    let drill = start(Script::default());
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}).to_string();
    let ask = |path: &str, header| raw::send(&drill, "POST", path, &[header], &body);
    assert_eq!(ask(GEMINI, ("x-no-key", "1")).status, 403);
    assert_eq!(
        ask(&format!("{GEMINI}?key=k"), ("x-no-key", "1")).status,
        200
    );
    let invalid = ask(GEMINI, ("x-goog-api-key", "invalid"));
    let reason = invalid.json()["error"]["details"][0]["reason"].clone();
    assert_eq!(
        (invalid.status, reason.as_str()),
        (400, Some("API_KEY_INVALID"))
    );
}

#[test]
fn two_tools_are_called_in_parallel_in_every_style() {
    let drill = start(Script::default());
    let text = "please call tools";
    let openai = json!({"model": "m", "messages": [{"role": "user", "content": text}], "tools": [tool("f"), tool("g")]});
    let answer = ask(&drill, OPENAI, &openai).json();
    let calls = answer["choices"][0]["message"]["tool_calls"]
        .as_array()
        .expect("calls")
        .clone();
    assert_eq!(
        (calls.len(), answer["choices"][0]["finish_reason"].as_str()),
        (2, Some("tool_calls"))
    );
    assert_eq!(
        calls[1]["function"]["arguments"],
        r#"{"city":"goodgate demo"}"#
    );

    let answer = ask(&drill, MISTRAL, &openai).json();
    let ids: Vec<_> = answer["choices"][0]["message"]["tool_calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|c| c["id"].clone())
        .collect();
    assert!(
        ids.len() == 2
            && ids[0] != ids[1]
            && ids
                .iter()
                .all(|id| id.as_str().is_some_and(|id| id.len() == 9))
    );

    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let anthropic = json!({"model": "c", "max_tokens": 99, "messages": [{"role": "user", "content": text}],
        "tools": [{"name": "f", "input_schema": schema}, {"name": "g", "input_schema": schema}]});
    let answer = ask(&drill, ANTHROPIC, &anthropic).json();
    assert_eq!(
        (
            answer["content"][1]["name"].as_str(),
            answer["stop_reason"].as_str()
        ),
        (Some("g"), Some("tool_use"))
    );

    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": text}]}], "tools": [{"functionDeclarations": [
        {"name": "f", "parameters": schema}, {"name": "g", "parametersJsonSchema": schema}]}]});
    let answer = ask(&drill, GEMINI, &gemini).json();
    let parts = &answer["candidates"][0]["content"]["parts"];
    assert_eq!(parts[1]["functionCall"]["args"]["city"], "goodgate demo");
    assert!(parts[0]["thoughtSignature"].is_string() && parts[1]["thoughtSignature"].is_null());
}

fn scripted() -> Script {
    Script::reply(Reply {
        text: "two words".to_owned(),
        reasoning: Some("hm".to_owned()),
        tool_calls: Reply::calls(&[("f", r#"{"z":1e-7,"a":"\u00e9"}"#), ("g", "{}")]).tool_calls,
        usage: Some(Usage {
            input: 100,
            output: 50,
            cached: 30,
            cache_written: 10,
            reasoning: 20,
        }),
        ..Reply::default()
    })
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

#[test]
fn a_scripted_reply_is_told_truthfully_in_every_style() {
    let drill = start(scripted());
    let chat = json!({"model": "m", "messages": user("hi")});
    let openai = ask(&drill, OPENAI, &chat).json();
    assert_eq!(
        openai["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"],
        r#"{"z":1e-7,"a":"\u00e9"}"#
    );
    assert_eq!(openai["usage"]["prompt_tokens"], 100);
    assert_eq!(
        openai["usage"]["prompt_tokens_details"]["cached_tokens"],
        30
    );
    assert_eq!(
        openai["usage"]["completion_tokens_details"]["reasoning_tokens"],
        20
    );

    let mistral = ask(&drill, MISTRAL, &chat).json();
    assert_eq!(
        mistral["choices"][0]["message"]["content"][0]["thinking"][0]["text"],
        "hm"
    );

    let body = json!({"model": "c", "max_tokens": 9, "messages": user("hi")});
    let answer = ask(&drill, ANTHROPIC, &body);
    assert!(
        answer.text().contains(r#""input":{"z":1e-7,"a":"\u00e9"}"#),
        "{}",
        answer.text()
    );
    let usage = answer.json()["usage"].clone();
    assert_eq!(
        (
            usage["input_tokens"].as_u64(),
            usage["output_tokens"].as_u64()
        ),
        (Some(60), Some(50))
    );
    assert_eq!(
        (
            usage["cache_read_input_tokens"].as_u64(),
            usage["cache_creation_input_tokens"].as_u64()
        ),
        (Some(30), Some(10))
    );

    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let usage = ask(&drill, GEMINI, &body).json()["usageMetadata"].clone();
    assert_eq!(
        (
            usage["candidatesTokenCount"].as_u64(),
            usage["thoughtsTokenCount"].as_u64()
        ),
        (Some(30), Some(20))
    );
    assert_eq!(usage["totalTokenCount"], 150);
}

#[test]
fn streams_have_the_events_of_their_style_in_order() {
    let drill = start(scripted());
    let chat = json!({"model": "m", "messages": user("hi"), "stream": true});
    let openai = ask(&drill, OPENAI, &chat).events();
    assert!(
        !openai.iter().any(|event| event.contains("\"usage\"")),
        "usage was not asked for"
    );
    let with_usage = json!({"model": "m", "messages": user("hi"), "stream": true, "stream_options": {"include_usage": true}});
    let openai = ask(&drill, OPENAI, &with_usage).events();
    let usage: Value = serde_json::from_str(&openai[openai.len() - 2]).expect("JSON");
    assert_eq!(
        (
            usage["choices"].as_array().map(Vec::len),
            usage["usage"]["total_tokens"].as_u64()
        ),
        (Some(0), Some(150))
    );

    let mistral = ask(&drill, MISTRAL, &chat).events();
    let last: Value = serde_json::from_str(&mistral[mistral.len() - 2]).expect("JSON");
    assert_eq!(
        last["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert_eq!(
        (
            last["choices"][0]["finish_reason"].as_str(),
            last["usage"]["prompt_tokens"].as_u64()
        ),
        (Some("tool_calls"), Some(100))
    );

    let body = json!({"model": "c", "max_tokens": 9, "messages": user("hi"), "stream": true});
    let answer = ask(&drill, ANTHROPIC, &body);
    let text = answer.text();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let mut short = names.clone();
    short.dedup();
    assert_eq!(short[..3], ["message_start", "content_block_start", "ping"]);
    assert_eq!(
        short[short.len() - 3..],
        ["content_block_stop", "message_delta", "message_stop"]
    );
    assert_eq!(
        names
            .iter()
            .filter(|name| **name == "content_block_start")
            .count(),
        4
    );
    let partial: String = answer
        .events()
        .iter()
        .filter_map(|event| serde_json::from_str::<Value>(event).ok())
        .filter(|event| event["index"] == 2)
        .filter_map(|event| event["delta"]["partial_json"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(partial, r#"{"z":1e-7,"a":"\u00e9"}"#);

    let body = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let answer = ask(&drill, GEMINI_STREAM, &body);
    assert!(answer.text().contains("\r\n\r\n"));
    let last = answer
        .text()
        .trim()
        .rsplit("data: ")
        .next()
        .map(str::to_owned)
        .expect("an event");
    let last: Value = serde_json::from_str(&last).expect("JSON");
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    let array = ask(&drill, GEMINI_STREAM.trim_end_matches("?alt=sse"), &body).json();
    assert!(array.as_array().is_some_and(|chunks| chunks.len() > 3));
}

#[test]
fn models_are_listed_in_the_dialect_of_the_one_who_asks() {
    let drill = start(Script::default());
    assert_eq!(
        raw::get(&drill, "/v1/models").json()["data"][0]["owned_by"],
        "goodgate-demo"
    );
    let anthropic = raw::send(
        &drill,
        "GET",
        "/v1/models",
        &[("x-api-key", "k"), ("anthropic-version", "2023-06-01")],
        "",
    );
    assert_eq!(anthropic.json()["data"][0]["type"], "model");
    let gemini = raw::send(
        &drill,
        "GET",
        "/v1beta/models",
        &[("x-goog-api-key", "k")],
        "",
    );
    assert_eq!(gemini.json()["models"][0]["name"], "models/echo");
}

#[test]
fn embeddings_come_as_floats_or_as_base64_as_asked() {
    let drill = start(Script::default());
    let body =
        json!({"model": "e", "input": ["a", "b"], "dimensions": 4, "encoding_format": "base64"});
    let answer = ask(&drill, "/v1/embeddings", &body).json();
    assert_eq!(
        answer["data"][1]["embedding"].as_str().map(str::len),
        Some(24)
    );
    let body = json!({"model": "e", "input": "a", "dimensions": 4});
    let answer = ask(&drill, "/v1/embeddings", &body).json();
    assert_eq!(
        answer["data"][0]["embedding"].as_array().map(Vec::len),
        Some(4)
    );
}

#[test]
fn whatever_json_arrives_nothing_panics() {
    let drill = start(Script::default());
    let odd = [
        "",
        "null",
        "[]",
        "7",
        "{",
        "\"x\"",
        "{\"model\":5}",
        "{\"messages\":{}}",
        "{\"messages\":[null,5,[],{}]}",
        "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":{}}],\"tools\":5,\"stop\":{},\"n\":-1}",
        "{\"contents\":[null],\"tools\":[null],\"generationConfig\":[]}",
        "{\"contents\":\"x\"}",
    ];
    for path in [
        OPENAI,
        MISTRAL,
        ANTHROPIC,
        GEMINI,
        GEMINI_STREAM,
        "/v1/embeddings",
        "/v1/messages/count_tokens",
    ] {
        for body in odd {
            let headers = [
                ("x-api-key", "k"),
                ("anthropic-version", "2023-06-01"),
                ("x-goog-api-key", "k"),
                ("authorization", "Bearer k"),
            ];
            let answer = raw::send(&drill, "POST", path, &headers, body);
            assert!(
                (400..500).contains(&answer.status),
                "{path} {body}: {} {}",
                answer.status,
                answer.text()
            );
        }
    }
}
