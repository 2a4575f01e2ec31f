//! What is particular to OpenAI's chat: reading a client's call, and what a client sees.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::canonical::{Block, Finish, ImageSource, Role};
use crate::tests::{answer, chunks, events, frame, send, send_text, written};
use crate::{Dialect, Encoding, Event, ReplyFault, StreamEncoder, StreamFault, decode_call};

const CHAT: Dialect = Dialect::OpenaiChat;

fn stream(chunks: &[Value]) -> (Vec<Event>, Result<(), StreamFault>) {
    let text: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    events(CHAT, &[text.as_bytes()])
}

fn delta(delta: Value) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn end(reason: &str) -> Value {
    json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// The calls that a client puts together from a stream: id, name, arguments.
fn assembled(written: &str) -> Vec<(String, String, String)> {
    let mut calls: Vec<(String, String, String)> = Vec::new();
    for chunk in chunks(written) {
        for piece in chunk["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let at = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
            assert!(at <= calls.len(), "indexes are dense");
            if at == calls.len() {
                calls.push(<_>::default());
            } else {
                assert!(
                    piece.get("id").is_none() && piece["function"].get("name").is_none(),
                    "once"
                );
            }
            calls[at].0 += piece["id"].as_str().unwrap_or_default();
            calls[at].1 += piece["function"]["name"].as_str().unwrap_or_default();
            calls[at].2 += piece["function"]["arguments"].as_str().unwrap();
        }
    }
    calls
}

#[test]
fn a_bad_call_names_its_parameter() {
    let message = |members: Value| {
        let mut call = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        for (key, value) in members.as_object().unwrap() {
            call[key] = value.clone();
        }
        let error = decode_call(CHAT, call.to_string().as_bytes()).unwrap_err();
        (error.param.unwrap(), error.message)
    };
    for (members, param) in [
        (json!({"model": 3}), "model"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": null}), "messages"),
        (json!({"messages": [1]}), "messages[0]"),
        (json!({"messages": [{"content": "x"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "robot", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "function", "content": "x"}]}),
            "messages[0].role",
        ),
        (
            json!({"messages": [{"role": "user"}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": 4}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0].text",
        ),
        (
            json!({"messages": [{"role": "tool", "content": "x"}]}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "type": "custom"}]}]}),
            "messages[0].tool_calls[0].type",
        ),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "function", "function": {}}]}),
            "tools[0].function.name",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}),
            "tools[0].function.parameters",
        ),
        (json!({"tool_choice": "maybe"}), "tool_choice"),
        (json!({"stop": [1]}), "stop"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"n": 0}), "n"),
        (json!({"seed": 1.5}), "seed"),
        (
            json!({"response_format": {"type": "xml"}}),
            "response_format.type",
        ),
        (json!({"reasoning_effort": "huge"}), "reasoning_effort"),
        (
            json!({"stream_options": {"include_usage": 1}}),
            "stream_options.include_usage",
        ),
    ] {
        let (named, sentence) = message(members.clone());
        assert_eq!(named, param, "{members}");
        assert!(sentence.starts_with(&format!("`{param}` ")), "{sentence}");
    }
    let (_, sentence) = message(json!({"temperature": "hot"}));
    assert_eq!(sentence, "`temperature` must be a number, not a string");
}

#[test]
fn what_is_no_json_is_told_with_its_place() {
    let message = |body: &[u8]| decode_call(CHAT, body).unwrap_err().message;
    assert_eq!(
        message(b"{\"model\":}"),
        "the request body is not valid JSON: expected a value (at byte 9)"
    );
    assert_eq!(message(b"[]"), "the request body must be a JSON object");
    assert_eq!(message(b"\xff"), "the request body is no UTF-8 (at byte 0)");
}

#[test]
fn calls_in_other_formats_are_refused() {
    for dialect in [
        Dialect::AnthropicMessages,
        Dialect::Gemini,
        Dialect::MistralChat,
    ] {
        assert!(
            decode_call(dialect, b"{}")
                .unwrap_err()
                .message
                .contains(dialect.as_str())
        );
    }
}

/// Items 5, 7, 8, 21: what the turns of a call become.
#[test]
fn turns_are_read_with_their_blocks() {
    let call = json!({"model": "m", "messages": [
        {"role": "developer", "content": [{"type": "text", "text": "d"}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QQ=="}}, {"type": "file", "file": {}}]},
        {"role": "assistant", "content": "", "reasoning_content": "hm", "refusal": null, "tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{}"}, "extra_content": {"google": {"thought_signature": "s"}}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]}
    ]});
    let turns = decode_call(CHAT, call.to_string().as_bytes())
        .unwrap()
        .turns;
    let roles: Vec<Role> = turns.iter().map(|turn| turn.role).collect();
    assert_eq!(
        roles,
        [Role::Developer, Role::User, Role::Assistant, Role::Tool]
    );
    let Block::Image(image) = &turns[1].content[0] else {
        panic!()
    };
    assert_eq!(
        image.source,
        ImageSource::Data {
            media_type: "image/jpeg".into(),
            base64: "QQ==".into()
        }
    );
    let [Block::Thinking(_), Block::ToolUse(used)] = turns[2].content.as_slice() else {
        panic!("{:?}", turns[2])
    };
    assert_eq!(used.signature.as_deref(), Some("s"));
    assert_eq!(turns[3].content.len(), 2);
}

/// Items 3 and 14: what other providers gave is not sent to a server that refuses it; unknown members survive.
#[test]
fn extensions_are_stripped_and_unknown_members_survive() {
    let call = r#"{"model":"m","x":{"b":1e-7,"a":18446744073709551615},"messages":[{"role":"assistant","content":null,"y":1.0,"reasoning_content":"hm","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"s"}}}]}]}"#;
    let sent = send_text(
        CHAT,
        call,
        &Encoding {
            model: "m",
            ..Encoding::default()
        },
    )
    .unwrap();
    assert!(
        sent.text
            .contains(r#""x":{"b":1e-7,"a":18446744073709551615}"#),
        "{}",
        sent.text
    );
    assert!(sent.text.contains(r#""y":1.0"#), "{}", sent.text);
    assert!(!sent.text.contains("reasoning_content") && !sent.text.contains("extra_content"));
    assert_eq!(sent.lost(), ["thinking"]);
    // Item 20: no arguments are the empty object.
    assert_eq!(
        sent.body["messages"][0]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
    let long =
        json!({"messages": [{"role": "tool", "tool_call_id": "x".repeat(80), "content": "1"}]});
    assert!(
        send(CHAT, &long).unwrap().body["messages"][0]["tool_call_id"]
            .as_str()
            .unwrap()
            .len()
            <= 40
    );
}

/// Items 38, 49, 50: the same id throughout, the role first and once, the reason on a chunk of its own, usage last.
#[test]
fn a_written_stream_has_the_shape_that_clients_expect() {
    let (events, result) = stream(&[
        delta(json!({"role": "assistant", "content": null})),
        delta(json!({"content": "a"})),
        json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}),
        json!({"id": "c", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    ]);
    assert_eq!(
        result,
        Ok(()),
        "a missing [DONE] after the reason is accepted"
    );
    let written = written(&events);
    let chunks = chunks(&written);
    let shape: Vec<Value> = chunks
        .iter()
        .map(|c| json!([c["choices"][0]["delta"], c["choices"][0]["finish_reason"]]))
        .collect();
    assert_eq!(
        shape,
        [
            json!([{"role": "assistant", "content": ""}, null]),
            json!([{"content": "a"}, null]),
            json!([{"content": "b"}, null]),
            json!([{}, "stop"]),
            json!([null, null]),
        ]
    );
    for chunk in &chunks {
        assert_eq!(
            (&chunk["id"], &chunk["model"], &chunk["created"]),
            (
                &json!("chatcmpl-test"),
                &json!("asked"),
                &json!(1_790_000_000)
            )
        );
        assert_eq!(chunk["object"], "chat.completion.chunk");
        for choice in chunk["choices"].as_array().unwrap() {
            assert!(choice.as_object().unwrap().contains_key("finish_reason"));
        }
    }
    assert_eq!(chunks[4]["usage"]["total_tokens"], 3);
    assert!(written.ends_with("data: [DONE]\n\n"));
}

/// Item 4: usage is written only for a client that asked.
#[test]
fn usage_is_written_when_it_was_asked_for() {
    let mut encoder = StreamEncoder::new(
        CHAT,
        crate::ReplyFrame {
            include_usage: false,
            ..frame()
        },
    );
    let mut out = Vec::new();
    let usage = types::TokenUsage {
        input: Some(1),
        ..Default::default()
    };
    for event in [
        Event::Text {
            choice: 0,
            text: "x".into(),
        },
        Event::Usage(usage),
        Event::End,
    ] {
        encoder.encode(&event, &mut out);
    }
    encoder.finish(&mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains("usage"), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"));
}

/// Item 52: a stream that failed is never closed as complete.
#[test]
fn nothing_closes_a_stream_that_did_not_end() {
    let (events, result) = stream(&[
        delta(json!({"content": "a"})),
        json!({"error": {"message": "no", "code": 500}}),
    ]);
    assert!(matches!(result, Err(StreamFault::ErrorEvent(_))));
    assert!(!written(&events).contains("[DONE]"));
    assert_eq!(
        stream(&[delta(json!({"content": "a"}))]).1,
        Err(StreamFault::Incomplete)
    );
    assert_eq!(
        events_of("data: [DONE]\n\n").1,
        Err(StreamFault::Incomplete)
    );
}

fn events_of(text: &str) -> (Vec<Event>, Result<(), StreamFault>) {
    events(CHAT, &[text.as_bytes()])
}

/// Items 42, 43, 44: calls are told apart by id and name, whatever numbers they carry.
#[test]
fn calls_are_told_apart_and_numbered_anew() {
    let call = |index: Value, id: Value, name: Value, arguments: &str| {
        delta(
            json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]}),
        )
    };
    let weather = || {
        (
            "a".to_owned(),
            "get_weather".to_owned(),
            "{\"c\":1}".to_owned(),
        )
    };
    let time = || ("b".to_owned(), "get_time".to_owned(), "{}".to_owned());
    // The usual form, interleaved.
    let usual = [
        call(json!(0), json!("a"), json!("get_weather"), ""),
        call(json!(1), json!("b"), json!("get_time"), "{"),
        call(json!(0), Value::Null, Value::Null, "{\"c\":1}"),
        call(json!(1), Value::Null, Value::Null, "}"),
        end("tool_calls"),
    ];
    // Every call numbered 0.
    let zero = [
        call(json!(0), json!("a"), json!("get_weather"), "{\"c\":"),
        call(json!(0), json!("a"), json!("get_weather"), "1}"),
        call(json!(0), json!("b"), json!("get_time"), ""),
        end("stop"),
    ];
    // No numbers, the id before the name.
    let split = [
        call(Value::Null, json!("a"), Value::Null, ""),
        call(Value::Null, Value::Null, json!("get_weather"), "{\"c\":1}"),
        call(Value::Null, json!("b"), json!("get_time"), "{}"),
        end("tool_calls"),
    ];
    // Numbers from 1, and arguments as an object.
    let objects = [
        delta(
            json!({"tool_calls": [{"index": 1, "id": "a", "function": {"name": "get_weather", "arguments": {"c": 1}}}]}),
        ),
        call(json!(2), json!("b"), json!("get_time"), ""),
        end("stop"),
    ];
    for chunks in [usual.as_slice(), &zero, &split, &objects] {
        let (events, result) = stream(chunks);
        assert_eq!(result, Ok(()));
        assert_eq!(
            assembled(&written(&events)),
            [weather(), time()],
            "{chunks:?}"
        );
        let finish = Event::Finish {
            choice: 0,
            finish: Finish::ToolCalls,
        };
        assert!(events.contains(&finish), "item 31: {events:?}");
    }
}

/// Item 43: two calls of one function without ids are two.
#[test]
fn calls_without_ids_are_not_merged() {
    let call = |city: &str| {
        delta(
            json!({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": format!("{{\"c\":\"{city}\"}}")}}]}),
        )
    };
    let (events, _) = stream(&[call("x"), call("y"), end("stop")]);
    let calls = assembled(&written(&events));
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].0, calls[1].0);
    assert_eq!(calls[1].2, "{\"c\":\"y\"}");
}

/// Item 41: ends of lines that are none in JSON are escaped for clients that take them for such.
#[test]
fn line_separators_are_escaped_on_the_way_out() {
    let (events, _) = stream(&[
        delta(json!({"content": "a\u{2028}b\u{2029}c\u{85}d é€"})),
        end("stop"),
    ]);
    let written = written(&events);
    assert!(written.contains(r"a\u2028b\u2029c\u0085d é€"), "{written}");
    assert!(!written.contains(['\u{2028}', '\u{2029}', '\u{85}']));
}

/// Item 69: half characters are held until they are whole, or replaced.
#[test]
fn half_characters_are_joined_over_chunks() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\ude00\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\ud83d\"},\"finish_reason\":\"stop\"}]}\n\n";
    let (events, result) = events_of(text);
    assert_eq!(result, Ok(()));
    let texts: String = events
        .iter()
        .filter_map(|event| {
            if let Event::Text { text, .. } = event {
                Some(text.as_str())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(texts, "a😀\u{FFFD}");
}

/// Items 39 and 40: no empty list of calls, null content beside calls, and always a string otherwise.
#[test]
fn whole_answers_have_no_odd_members() {
    let answer = |message: Value| {
        let body = json!({"choices": [{"message": message, "finish_reason": "stop"}]}).to_string();
        answer(CHAT, &body).unwrap()["choices"][0].clone()
    };
    let plain = answer(json!({"content": null, "tool_calls": []}));
    assert_eq!(
        plain["message"],
        json!({"role": "assistant", "content": "", "refusal": null})
    );
    let called = answer(
        json!({"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}),
    );
    assert_eq!(called["message"]["content"], Value::Null);
    assert_eq!(called["finish_reason"], "tool_calls");
    assert_eq!(
        called["message"]["tool_calls"][0]["function"]["arguments"],
        "{\"a\": 1}".replace(' ', "")
    );
    let refused = answer(json!({"content": null, "refusal": "No."}));
    assert_eq!(
        (
            &refused["message"]["refusal"],
            &refused["message"]["content"]
        ),
        (&json!("No."), &Value::Null)
    );
}

/// Item 36: counts that were not given are not zeros.
#[test]
fn unknown_usage_is_left_out() {
    let body =
        json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}).to_string();
    assert_eq!(answer(CHAT, &body).unwrap().get("usage"), None);
}

#[test]
fn a_body_that_is_no_answer_says_what_it_is() {
    let fault = |body: &str| answer(CHAT, body).unwrap_err();
    assert_eq!(fault(""), ReplyFault::Empty);
    assert_eq!(fault("<html>"), ReplyFault::NotJson { at: 0 });
    assert!(matches!(
        fault("{\"choices\":[]}"),
        ReplyFault::WrongShape { .. }
    ));
    assert!(matches!(
        fault("{\"choices\":[{}]}"),
        ReplyFault::WrongShape { .. }
    ));
    assert!(matches!(
        fault("{\"error\":{\"code\":502}}"),
        ReplyFault::ErrorObject(_)
    ));
}

#[test]
fn a_malformed_event_is_told_with_its_number() {
    let good = delta(json!({"content": "a"}));
    for broken in ["{", "5", "\"x\"", "{\"choices\":{}}", "{\"choices\":[1]}"] {
        let (_, result) = events_of(&format!("data: {good}\n\ndata: {broken}\n\n"));
        assert!(
            matches!(result, Err(StreamFault::Malformed { event: 2, .. })),
            "{broken}: {result:?}"
        );
    }
}

/// Item 63: clients act on the words of an overflow; they are kept whole, whoever says them.
#[test]
fn the_words_of_an_overflow_are_kept() {
    for (dialect, body, code, message) in [
        (
            CHAT,
            r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            Some("context_length_exceeded"),
            "This model's maximum context length is 128000 tokens.",
        ),
        (
            Dialect::AnthropicMessages,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 200001 tokens > 200000 maximum"}}"#,
            None,
            "prompt is too long: 200001 tokens > 200000 maximum",
        ),
    ] {
        let words = crate::read_error(dialect, body.as_bytes()).unwrap();
        assert_eq!(words.kind.as_deref(), Some("invalid_request_error"));
        assert_eq!(
            (words.code.as_deref(), words.message.as_deref()),
            (code, Some(message))
        );
    }
    assert_eq!(crate::read_error(CHAT, b"{\"choices\":[]}"), None);
    assert_eq!(crate::read_error(CHAT, b"<html>502</html>"), None);
}
