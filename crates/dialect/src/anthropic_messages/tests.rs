//! What is particular to Anthropic's messages.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::json;

use crate::tests::{Sent, answer, chunks, events, send, send_text, written};
use crate::{CallError, Dialect, Encoding, Event, ReplyFault, StreamFault, ThinkingStyle};

const TO: Dialect = Dialect::AnthropicMessages;

fn sent(members: serde_json::Value) -> Sent {
    send(TO, &members).unwrap()
}

fn with(encoding: Encoding<'_>, members: serde_json::Value) -> Sent {
    let mut call = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in members.as_object().unwrap() {
        call[key] = value.clone();
    }
    send_text(TO, &call.to_string(), &encoding).unwrap()
}

/// Item 1: the most tokens are always there, from the call, the model, or the stated default.
#[test]
fn max_tokens_is_always_written() {
    assert_eq!(sent(json!({})).body["max_tokens"], 4096);
    assert_eq!(sent(json!({"max_tokens": 5})).body["max_tokens"], 5);
    assert_eq!(
        sent(json!({"max_completion_tokens": 6, "max_tokens": 5})).body["max_tokens"],
        6
    );
    let encoding = Encoding {
        max_output_default: Some(64_000),
        ..Encoding::default()
    };
    assert_eq!(with(encoding, json!({})).body["max_tokens"], 64_000);
}

/// Item 2: temperature stays in 0..1, goes alone, and only with a version that takes it.
#[test]
fn temperature_is_clamped_and_goes_without_top_p() {
    let hot = sent(json!({"temperature": 1.7, "top_p": 0.5}));
    assert_eq!(
        (&hot.body["temperature"], hot.body.get("top_p")),
        (&json!(1.0), None)
    );
    assert_eq!(hot.lost(), ["temperature", "top_p"]);
    assert_eq!(sent(json!({"top_p": 0.5})).body["top_p"], 0.5);
    assert_eq!(
        sent(json!({"temperature": 0.3})).headers,
        [("anthropic-version", "2023-06-01".to_owned())]
    );
    let newer = Encoding {
        version_hint: Some("2026-10-21"),
        ..Encoding::default()
    };
    let newer = with(newer, json!({"temperature": 0.3}));
    assert_eq!(newer.body.get("temperature"), None);
    assert_eq!(newer.lost(), ["temperature"]);
}

/// Item 15: an effort becomes a budget with room for the answer above it, or an effort where the model is adaptive.
#[test]
fn reasoning_becomes_thinking_with_room_for_the_answer() {
    for (effort, budget) in [
        ("minimal", 1024),
        ("low", 2048),
        ("medium", 8192),
        ("high", 16384),
    ] {
        let body = sent(json!({"reasoning_effort": effort, "max_tokens": 10})).body;
        assert_eq!(
            body["thinking"],
            json!({"type": "enabled", "budget_tokens": budget})
        );
        assert!(body["max_tokens"].as_u64().unwrap() > budget);
    }
    let small = Encoding {
        max_output_default: Some(8_192),
        ..Encoding::default()
    };
    let body = with(small, json!({"reasoning_effort": "high"})).body;
    assert_eq!(
        (&body["thinking"]["budget_tokens"], &body["max_tokens"]),
        (&json!(4096), &json!(8192))
    );
    let adaptive = Encoding {
        thinking: ThinkingStyle::Adaptive,
        ..Encoding::default()
    };
    let body = with(adaptive, json!({"reasoning_effort": "high"})).body;
    assert_eq!(
        (&body["thinking"], &body["output_config"]),
        (&json!({"type": "adaptive"}), &json!({"effort": "high"}))
    );
    let body = with(adaptive, json!({"reasoning_effort": "none"})).body;
    assert_eq!(body["thinking"], json!({"type": "disabled"}));
    assert_eq!(
        sent(json!({"reasoning_effort": "none"}))
            .body
            .get("thinking"),
        None
    );
}

/// Items 2 and 15: newer models think adaptively, and take neither sampling parameters nor an order not to think.
#[test]
fn newer_models_are_asked_in_the_way_they_know() {
    let of = |thinking| Encoding {
        thinking,
        ..Encoding::default()
    };
    for (thinking, call, expected, lost) in [
        (
            ThinkingStyle::Adaptive,
            json!({"reasoning_effort": "xhigh"}),
            json!([{"type": "adaptive"}, {"effort": "high"}, null]),
            &["reasoning_effort"][..],
        ),
        (
            ThinkingStyle::AdaptiveOnly,
            json!({"reasoning_effort": "xhigh"}),
            json!([{"type": "adaptive"}, {"effort": "xhigh"}, null]),
            &[],
        ),
        (
            ThinkingStyle::Adaptive,
            json!({"temperature": 0.5}),
            json!([null, null, 0.5]),
            &[],
        ),
        (
            ThinkingStyle::AdaptiveOnly,
            json!({"temperature": 0.5}),
            json!([null, null, null]),
            &["temperature"],
        ),
        (
            ThinkingStyle::Always,
            json!({"temperature": 1, "reasoning_effort": "none"}),
            json!([null, null, null]),
            &["reasoning_effort"],
        ),
    ] {
        let sent = with(of(thinking), call.clone());
        let body = &sent.body;
        let found = json!([body["thinking"], body["output_config"], body["temperature"]]);
        assert_eq!(found, expected, "{thinking:?} {call}");
        assert_eq!(sent.lost(), lost, "{thinking:?} {call}");
    }
}

/// Item 9: the newer models do not go on with an answer that is begun for them, which is refused by name.
#[test]
fn an_answer_that_is_begun_is_for_the_older_models_alone() {
    let call = crate::decode_call(
        Dialect::OpenaiChat,
        br#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b "}]}"#,
    )
    .unwrap();
    let encode = |thinking| {
        let encoding = Encoding {
            thinking,
            ..Encoding::default()
        };
        crate::encode_call(Dialect::AnthropicMessages, &call, &encoding)
    };
    assert!(encode(ThinkingStyle::Budget).is_ok());
    let refused = encode(ThinkingStyle::Adaptive).unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("messages"));
}

/// Item 15: a tool that must be called and thinking exclude each other.
#[test]
fn thinking_gives_way_to_a_forced_tool() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let sent = sent(json!({"reasoning_effort": "low", "tools": tools, "tool_choice": "required"}));
    assert_eq!(sent.body.get("thinking"), None);
    assert_eq!(sent.lost(), ["reasoning_effort"]);
}

/// Item 13: thinking that does not come back with its signature is switched off for the call.
#[test]
fn thinking_is_off_after_tools_whose_thinking_is_gone() {
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "reasoning_content": "hm", "content": "", "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "t1", "content": "1"}
    ]);
    let sent = sent(json!({"reasoning_effort": "low", "messages": messages, "temperature": 0.5}));
    assert_eq!(sent.body.get("thinking"), None);
    assert_eq!(sent.body["temperature"], 0.5);
    assert_eq!(sent.lost(), ["reasoning_effort", "reasoning_content"]);
    assert_eq!(
        sent.body["messages"][1]["content"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Item 9: an answer begun for the model ends without white space and excludes thinking.
#[test]
fn a_prefill_is_trimmed() {
    let messages =
        json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Well, \n"}]);
    let sent = sent(json!({"messages": messages, "reasoning_effort": "low"}));
    assert_eq!(sent.body["messages"][1]["content"][0]["text"], "Well,");
    assert_eq!(sent.body.get("thinking"), None);
}

/// Items 6, 7, 8, 10: one user's message with all results first, ids in the right alphabet, nothing empty.
#[test]
fn results_of_tools_come_first_in_one_message() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": ""}});
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": null, "tool_calls": [call("a b"), call("ok_1")]},
        {"role": "tool", "tool_call_id": "a b", "content": "1"},
        {"role": "tool", "tool_call_id": "ok_1", "content": ""},
        {"role": "user", "content": "and?"}
    ]);
    let body = sent(json!({"messages": messages})).body;
    assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    let calls = &body["messages"][1]["content"];
    let id = &calls[0]["id"];
    assert_eq!(calls.as_array().unwrap().len(), 2, "no block of empty text");
    assert_eq!(
        calls[1],
        json!({"type": "tool_use", "id": "ok_1", "name": "f", "input": {}})
    );
    assert_eq!(
        body["messages"][2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": "1"}]},
            {"type": "tool_result", "tool_use_id": "ok_1"},
            {"type": "text", "text": "and?"}
        ])
    );
}

/// Item 5: instructions in the middle stay there, but never between calls and their results.
#[test]
fn instructions_do_not_part_calls_from_results() {
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "system", "content": "shout"},
        {"role": "tool", "tool_call_id": "t", "content": "1"}
    ]);
    let body = sent(json!({"messages": messages})).body;
    let roles: Vec<&str> = body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["role"].as_str().unwrap())
        .collect();
    assert_eq!(roles, ["user", "assistant", "user", "system"]);
}

/// Item 19: tools that only the history uses are declared and not called; item 18 for the choices.
#[test]
fn history_with_tools_brings_their_stubs() {
    let messages = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "t", "content": "1"}
    ]);
    let body = sent(json!({"messages": messages})).body;
    assert_eq!(
        body["tools"],
        json!([{"name": "f", "input_schema": {"type": "object"}}])
    );
    assert_eq!(body["tool_choice"], json!({"type": "none"}));
}

/// Item 18: each choice has its word, and one call at a time its mark.
#[test]
fn tool_choices_have_their_words() {
    let tools =
        json!([{"type": "function", "function": {"name": "f", "parameters": {"properties": {}}}}]);
    let named = json!({"type": "function", "function": {"name": "f"}});
    for (choice, expected) in [
        (json!("auto"), json!({"type": "auto"})),
        (json!("required"), json!({"type": "any"})),
        (json!("none"), json!({"type": "none"})),
        (named, json!({"type": "tool", "name": "f"})),
    ] {
        let body = sent(json!({"tools": tools, "tool_choice": choice})).body;
        assert_eq!(body["tool_choice"], expected);
        assert_eq!(
            body["tools"][0]["input_schema"],
            json!({"type": "object", "properties": {}})
        );
    }
    let body = sent(json!({"tools": tools, "parallel_tool_calls": false})).body;
    assert_eq!(
        body["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(
        sent(json!({"tool_choice": "required"}))
            .body
            .get("tool_choice"),
        None
    );
}

/// Items 20 and 68: arguments keep their order, their numbers and their spelling; what is no object is wrapped.
#[test]
fn arguments_are_kept_as_written() {
    let call = |arguments: &str| {
        let calls = json!([{"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}]);
        sent(
            json!({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": calls}]}),
        )
    };
    let odd = r#"{"z": 1e-7, "a":18446744073709551615, "z": 0.10}"#;
    assert!(
        call(odd).text.contains(&format!("\"input\":{odd}")),
        "{}",
        call(odd).text
    );
    assert!(call("").text.contains("\"input\":{}"));
    let broken = call("{\"a\":");
    assert!(
        broken
            .text
            .contains(r#""input":{"invalid_json":"{\"a\":"}"#),
        "{}",
        broken.text
    );
    assert_eq!(broken.lost(), ["tool_calls[].function.arguments"]);
}

/// Item 27: marks of caches stay where they were.
#[test]
fn cache_marks_are_never_stripped() {
    let mark = json!({"type": "ephemeral"});
    let messages = json!([
        {"role": "system", "content": [{"type": "text", "text": "long", "cache_control": mark}]},
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": mark}]}
    ]);
    let tools = json!([{"type": "function", "function": {"name": "f"}, "cache_control": mark}]);
    let sent = sent(json!({"messages": messages, "tools": tools}));
    assert_eq!(
        sent.body["system"],
        json!([{"type": "text", "text": "long", "cache_control": mark}])
    );
    assert_eq!(
        sent.body["messages"][0]["content"][0]["cache_control"],
        mark
    );
    assert_eq!(sent.body["tools"][0]["cache_control"], mark);
    assert!(sent.losses.is_empty());
}

/// Items 17 and 23: what cannot be done and changes the answer is refused by name.
#[test]
fn what_changes_the_answer_is_refused_by_name() {
    let param = |members| send(TO, &members).unwrap_err().param.unwrap();
    assert_eq!(param(json!({"n": 2})), "n");
    assert_eq!(param(json!({"logprobs": true})), "logprobs");
    assert_eq!(param(json!({"functions": [{"name": "f"}]})), "functions");
    let schema = json!({"type": "json_schema", "json_schema": {"name": "x"}});
    assert_eq!(
        param(json!({"response_format": schema})),
        "response_format.json_schema.schema"
    );
    let audio = json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}]);
    let CallError { message, .. } = send(TO, &json!({"messages": audio})).unwrap_err();
    assert!(
        message.contains("input_audio") && message.contains("Anthropic"),
        "{message}"
    );
    assert!(
        sent(json!({"logprobs": false, "n": 1, "store": false, "modalities": ["text"]}))
            .losses
            .is_empty()
    );
}

/// Items 21, 22, 28.
#[test]
fn images_stops_and_users_have_their_places() {
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]);
    let sent =
        sent(json!({"messages": image, "stop": ["END", " "], "user": "u", "metadata": {"a": "b"}}));
    let source = &sent.body["messages"][0]["content"][0]["source"];
    assert_eq!(*source, json!({"type": "url", "url": "https://x/y.png"}));
    assert_eq!(sent.body["stop_sequences"], json!(["END"]));
    assert_eq!(sent.body["metadata"], json!({"user_id": "u"}));
    assert_eq!(sent.lost(), ["metadata", "stop"]);
}

/// Item 32: every stop reason has its word.
#[test]
fn stop_reasons_have_their_words() {
    for (reason, expected) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "length"),
    ] {
        let body = json!({"content": [], "stop_reason": reason}).to_string();
        assert_eq!(
            answer(TO, &body).unwrap()["choices"][0]["finish_reason"],
            expected
        );
        let stream = format!(
            "data: {{\"type\":\"message_start\",\"message\":{{}}}}\n\n\
             data: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"{reason}\"}}}}\n\n\
             data: {{\"type\":\"message_stop\"}}\n\n"
        );
        let (events, result) = events(TO, &[stream.as_bytes()]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            chunks(&written(&events)).last().unwrap()["choices"][0]["finish_reason"],
            expected
        );
    }
}

/// Item 52: an error may be the very first event, or the whole body.
#[test]
fn an_error_is_an_error_wherever_it_comes() {
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}"#;
    let (_, result) = events(TO, &[format!("event: error\ndata: {error}\n\n").as_bytes()]);
    let Err(StreamFault::ErrorEvent(words)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(words.kind.as_deref(), Some("overloaded_error"));
    let Err(ReplyFault::ErrorObject(words)) = answer(TO, error) else {
        panic!()
    };
    assert_eq!(words.message.as_deref(), Some("Overloaded"));
}

/// Item 53: without `message_stop` the answer is not complete, and the client is told no reason for its end.
#[test]
fn an_end_before_message_stop_is_incomplete() {
    let stream = "data: {\"type\":\"message_start\",\"message\":{}}\n\n\
                  data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n";
    let (events, result) = events(TO, &[stream.as_bytes()]);
    assert_eq!(result, Err(StreamFault::Incomplete));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Finish { .. }))
    );
}

/// Item 51: pings are signs of life and nothing for the client.
#[test]
fn pings_are_swallowed() {
    let stream = b"event: ping\ndata: {\"type\":\"ping\"}\n\n: comment\n\n";
    assert_eq!(events(TO, &[stream]).0, [Event::Ping, Event::Ping]);
    assert_eq!(written(&[Event::Ping]), "");
}
