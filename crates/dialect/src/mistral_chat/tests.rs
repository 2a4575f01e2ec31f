//! What is particular to Mistral.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::tests::{Sent, answer, events, send};
use crate::{Dialect, ReplyFault, StreamFault};

const TO: Dialect = Dialect::MistralChat;

fn sent(members: Value) -> Sent {
    send(TO, &members).unwrap()
}

/// Items 1, 3, 4, 23 and 24: Mistral's own names, and none that it does not know.
#[test]
fn only_known_members_are_written() {
    let sent = sent(json!({
        "max_completion_tokens": 9, "seed": 4, "stream": true, "stream_options": {"include_usage": true},
        "user": "u", "store": true, "top_k": 3, "reasoning_effort": "low", "n": 2, "temperature": 1.9
    }));
    assert_eq!(
        sent.body,
        json!({
            "model": "served", "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "max_tokens": 9, "random_seed": 4, "n": 2, "temperature": 1.5
        })
    );
    assert_eq!(
        sent.lost(),
        ["store", "temperature", "top_k", "user", "reasoning_effort"]
    );
}

/// Item 10: ids of nine letters and digits, the same in the call and its result.
#[test]
fn ids_are_mapped_alike_in_call_and_result() {
    let call = json!({"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": ""}});
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0123456789", "content": "1"}
    ]);
    let body = sent(json!({"messages": messages})).body;
    let id = body["messages"][1]["tool_calls"][0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 9);
    assert_eq!(body["messages"][2]["tool_call_id"], id);
    assert_eq!(
        body["messages"][1]["tool_calls"][0]["function"]["arguments"],
        "{}"
    );
}

/// Items 5, 29 and the order of roles: instructions at the start alone, no user right after a tool.
#[test]
fn roles_stand_in_the_order_that_is_taken() {
    let call = json!({"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([
        {"role": "developer", "content": "a"},
        {"role": "user", "name": "ana", "content": "x"},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "abcdefghi", "content": "1"},
        {"role": "user", "content": "and?"},
        {"role": "system", "content": "shout"},
        {"role": "assistant", "content": "Well"}
    ]);
    let sent = sent(json!({"messages": messages}));
    let messages = sent.body["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages
        .iter()
        .map(|message| message["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        [
            "system",
            "user",
            "assistant",
            "tool",
            "assistant",
            "user",
            "user",
            "assistant"
        ]
    );
    // Item 9: the model goes on with its last message.
    assert_eq!(messages.last().unwrap()["prefix"], true);
    assert_eq!(
        sent.lost(),
        ["messages[].name", "messages", "messages[].role"]
    );
}

/// Items 17 and 18.
#[test]
fn schemas_and_choices_have_their_words() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let body = sent(json!({"tools": tools, "tool_choice": "required", "response_format": {"type": "json_object"}})).body;
    assert_eq!(body["tool_choice"], "any");
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert_eq!(
        body["tools"][0]["function"]["parameters"],
        json!({"type": "object", "properties": {}})
    );
    let nameless = json!({"type": "json_schema", "json_schema": {"name": "n"}});
    assert!(send(TO, &json!({"response_format": nameless})).is_err());
}

/// Item 32: `error` is an error and not an end.
#[test]
fn the_finish_reason_error_is_an_error() {
    let body = r#"{"choices":[{"index":0,"message":{"content":"x"},"finish_reason":"error"}]}"#;
    assert!(matches!(answer(TO, body), Err(ReplyFault::ErrorObject(_))));
    let chunk = r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"error"}]}"#;
    let (_, result) = events(TO, &[format!("data: {chunk}\n\n").as_bytes()]);
    assert!(matches!(result, Err(StreamFault::ErrorEvent(_))));
}

/// Item 52: an error in a stream is not wrapped here, and is an error all the same.
#[test]
fn a_bare_error_in_a_stream_is_an_error() {
    let bare = r#"{"object":"error","message":"gone","type":"internal_server_error","param":null,"code":"1000"}"#;
    let begun =
        r#"{"id":"a","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;
    for before in ["", begun] {
        let text = format!("data: {before}\n\ndata: {bare}\n\n");
        let (_, result) = events(TO, &[text.as_bytes()]);
        let Err(StreamFault::ErrorEvent(words)) = result else {
            panic!("{result:?}")
        };
        assert_eq!(words.kind.as_deref(), Some("internal_server_error"));
    }
}

/// Items 5 and 7: an instruction between calls and their results goes behind them.
#[test]
fn an_instruction_does_not_part_calls_from_their_results() {
    let call =
        |id| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let messages = json!([
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": null, "tool_calls": [call("aaaaaaaaa"), call("bbbbbbbbb")]},
        {"role": "tool", "tool_call_id": "aaaaaaaaa", "content": "1"},
        {"role": "system", "content": "S"},
        {"role": "tool", "tool_call_id": "bbbbbbbbb", "content": "2"},
    ]);
    let body = sent(json!({"messages": messages})).body;
    let order: Vec<_> = body["messages"].as_array().unwrap().iter().collect();
    let roles: Vec<_> = order
        .iter()
        .map(|one| one["role"].as_str().unwrap())
        .collect();
    assert_eq!(
        roles,
        ["user", "assistant", "tool", "tool", "assistant", "user"]
    );
    assert_eq!(order[5]["content"], "S");
}

/// Item 61's source: the words of a 422.
#[test]
fn errors_of_both_forms_are_read() {
    let plain = br#"{"object":"error","message":"Invalid model","type":"invalid_model","param":null,"code":"1500","raw_status_code":400}"#;
    let words = crate::read_error(TO, plain).unwrap();
    assert_eq!(
        (words.kind.as_deref(), words.code.as_deref(), words.status),
        (Some("invalid_model"), Some("1500"), Some(400))
    );
    let within = br#"{"object":"error","message":{"detail":[{"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error"}"#;
    let words = crate::read_error(TO, within).unwrap();
    assert_eq!(
        words.message.as_deref(),
        Some("Extra inputs are not permitted")
    );
    let listed = br#"{"detail":[{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted"}]}"#;
    let words = crate::read_error(TO, listed).unwrap();
    assert_eq!(
        words.message.as_deref(),
        Some("Extra inputs are not permitted")
    );
}
