//! What is particular to Gemini.

#![expect(clippy::needless_pass_by_value, reason = "cases are written in place")]

use serde_json::{Value, json};

use crate::tests::{Sent, answer, chunks, events, send, send_text, written};
use crate::{Dialect, Encoding, ReplyFault, StreamFault};

const TO: Dialect = Dialect::Gemini;

fn sent(members: Value) -> Sent {
    send(TO, &members).unwrap()
}

fn history(results: Value) -> Value {
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}});
    let mut messages = vec![
        json!({"role": "user", "content": "hi"}),
        json!({"role": "assistant", "tool_calls": [call("c1", "f"), call("c2", "f"), call("c3", "g")]}),
    ];
    messages.extend(results.as_array().unwrap().clone());
    json!({"messages": messages})
}

fn result(id: &str, content: &str) -> Value {
    json!({"role": "tool", "tool_call_id": id, "content": content})
}

/// Items 7 and 11: names and order are those of the calls; plain text is wrapped, an object goes as it is.
#[test]
fn results_pair_with_their_calls_by_name_and_order() {
    let body = sent(history(json!([
        result("c3", "{\"b\": 1e-7}"),
        result("c1", "one"),
        result("c2", "[2]")
    ])))
    .body;
    let parts = body["contents"][2]["parts"].as_array().unwrap();
    let pairs: Vec<Value> = parts
        .iter()
        .map(|p| {
            json!([
                p["functionResponse"]["name"],
                p["functionResponse"]["response"]
            ])
        })
        .collect();
    assert_eq!(
        pairs,
        [
            json!(["f", {"result": "one"}]),
            json!(["f", {"result": "[2]"}]),
            json!(["g", {"b": 1e-7}])
        ]
    );
}

/// Item 11: the count must be equal, and a result without its call is refused by name.
#[test]
fn results_without_calls_and_calls_without_results_are_refused() {
    let missing = send(TO, &history(json!([result("c1", "1"), result("c2", "2")]))).unwrap_err();
    assert!(missing.message.contains("c3"), "{missing}");
    let foreign = send(TO, &history(json!([result("c9", "1")]))).unwrap_err();
    assert_eq!(foreign.param.as_deref(), Some("messages[].tool_call_id"));
}

/// Item 12: signatures go back; where the client dropped them the stand-in is on the first call of the step alone.
#[test]
fn thought_signatures_go_back_or_are_stood_in_for() {
    let all = json!([result("c1", "1"), result("c2", "2"), result("c3", "3")]);
    let mut call = history(all);
    let signatures = |body: &Value| -> Vec<Value> {
        let parts = body["contents"][1]["parts"].as_array().unwrap();
        parts
            .iter()
            .map(|part| part["thoughtSignature"].clone())
            .collect()
    };
    let body = sent(call.clone()).body;
    assert_eq!(
        signatures(&body),
        [
            json!("skip_thought_signature_validator"),
            Value::Null,
            Value::Null
        ]
    );
    call["messages"][1]["tool_calls"][0]["extra_content"] =
        json!({"google": {"thought_signature": "c2ln"}});
    assert_eq!(
        signatures(&sent(call.clone()).body),
        [json!("c2ln"), Value::Null, Value::Null]
    );
    call["model"] = json!("m");
    call["messages"][1]["tool_calls"][0]
        .as_object_mut()
        .unwrap()
        .remove("extra_content");
    let older = Encoding {
        model: "gemini-2.5-flash",
        ..Encoding::default()
    };
    let body = send_text(TO, &call.to_string(), &older).unwrap().body;
    assert_eq!(signatures(&body), [Value::Null, Value::Null, Value::Null]);
}

/// Item 16: schemas go as real JSON Schema, in their own spelling and order.
#[test]
fn schemas_are_kept_as_written() {
    let schema = r##"{"type":"object","$defs":{"u":{"const":1.0}},"properties":{"z":{"$ref":"#/$defs/u"},"a":{"type":["null","string"]}},"additionalProperties":false}"##;
    let call = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{schema}}}}}}}"#
    );
    let sent = send_text(TO, &call, &Encoding::default()).unwrap();
    assert!(
        sent.text
            .contains(&format!("\"parametersJsonSchema\":{schema}")),
        "{}",
        sent.text
    );
    assert!(
        sent.text
            .contains(&format!("\"responseJsonSchema\":{schema}")),
        "{}",
        sent.text
    );
    assert_eq!(
        sent.body["generationConfig"]["responseMimeType"],
        "application/json"
    );
}

/// Item 18.
#[test]
fn tool_choices_have_their_words() {
    let tools = json!([{"type": "function", "function": {"name": "f"}}]);
    let named = json!({"type": "function", "function": {"name": "f"}});
    for (choice, expected) in [
        (json!("auto"), json!({"mode": "AUTO"})),
        (json!("none"), json!({"mode": "NONE"})),
        (json!("required"), json!({"mode": "ANY"})),
        (named, json!({"mode": "ANY", "allowedFunctionNames": ["f"]})),
    ] {
        let body = sent(json!({"tools": tools, "tool_choice": choice})).body;
        assert_eq!(body["toolConfig"]["functionCallingConfig"], expected);
    }
}

/// Items 21, 22 and 23, and thinking, which is not carried yet: refused or noted, never silent.
#[test]
fn what_is_not_carried_is_refused_or_noted() {
    let image = json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]);
    assert!(
        send(TO, &json!({"messages": image}))
            .unwrap_err()
            .message
            .contains("data URL")
    );
    assert_eq!(
        send(TO, &json!({"stop": ["1", "2", "3", "4", "5", "6"]}))
            .unwrap_err()
            .param
            .as_deref(),
        Some("stop")
    );
    assert_eq!(
        send(TO, &json!({"logprobs": true}))
            .unwrap_err()
            .param
            .as_deref(),
        Some("logprobs")
    );
    let noted =
        sent(json!({"reasoning_effort": "high", "logit_bias": {"1": 2}, "n": 2, "seed": 3}));
    assert_eq!(noted.lost(), ["logit_bias", "reasoning_effort"]);
    assert_eq!(
        noted.body["generationConfig"],
        json!({"candidateCount": 2, "seed": 3})
    );
    assert_eq!(sent(json!({})).body.get("generationConfig"), None);
}

/// Item 8: a part without data is never written.
#[test]
fn empty_texts_are_left_out() {
    let messages = json!([
        {"role": "system", "content": ""},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "x"}]}
    ]);
    let body = sent(json!({"messages": messages})).body;
    assert_eq!(
        body,
        json!({"contents": [{"role": "user", "parts": [{"text": "hi"}, {"text": "x"}]}]})
    );
}

/// Items 31 and 32: the words of the API, whole and streamed.
#[test]
fn finish_reasons_have_their_words() {
    for (reason, expected) in [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("OTHER", "stop"),
    ] {
        let body = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}).to_string();
        assert_eq!(
            answer(TO, &body).unwrap()["choices"][0]["finish_reason"],
            expected,
            "{reason}"
        );
        let (events, result) = events(TO, &[format!("data: {body}\r\n\r\n").as_bytes()]);
        assert_eq!(result, Ok(()));
        assert_eq!(
            chunks(&written(&events)).last().unwrap()["choices"][0]["finish_reason"],
            expected,
            "{reason}"
        );
    }
}

/// Item 32: a call that the model spoilt is an error.
#[test]
fn a_malformed_call_is_an_error() {
    let body =
        r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"bad call"}]}"#;
    let Err(ReplyFault::ErrorObject(words)) = answer(TO, body) else {
        panic!()
    };
    assert_eq!(
        (words.kind.as_deref(), words.message.as_deref()),
        (Some("MALFORMED_FUNCTION_CALL"), Some("bad call"))
    );
    let (_, result) = events(TO, &[format!("data: {body}\n\n").as_bytes()]);
    assert!(matches!(result, Err(StreamFault::ErrorEvent(_))));
}

/// Item 33: a blocked prompt is a refusal of the call, in the word that other providers have for it.
#[test]
fn a_blocked_prompt_is_refused_as_filtered_content() {
    let body =
        r#"{"promptFeedback":{"blockReason":"OTHER"},"usageMetadata":{"promptTokenCount":8}}"#;
    let Err(ReplyFault::ErrorObject(words)) = answer(TO, body) else {
        panic!()
    };
    assert_eq!(words.code.as_deref(), Some("content_filter"));
    assert!(words.message.as_deref().unwrap().contains("OTHER"));
    let (events, result) = events(TO, &[format!("data: {body}\r\n\r\n").as_bytes()]);
    assert_eq!(result, Err(StreamFault::ErrorEvent(words)));
    assert_eq!(events, []);
}

/// Items 33 and 53: no candidates and no reason is no answer; an end without a reason is incomplete.
#[test]
fn nothing_is_no_answer() {
    assert!(matches!(
        answer(TO, "{\"usageMetadata\":{}}"),
        Err(ReplyFault::WrongShape { .. })
    ));
    let piece = b"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]}}]}\n\n";
    assert_eq!(events(TO, &[piece]).1, Err(StreamFault::Incomplete));
}

/// Item 40: an id that was made up is the same whenever the answer is read.
#[test]
fn made_up_ids_are_stable_and_differ() {
    let body = r#"{"responseId":"r","candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}},{"functionCall":{"name":"f"}}]},"finishReason":"STOP"}]}"#;
    let first = answer(TO, body).unwrap();
    assert_eq!(first, answer(TO, body).unwrap());
    let calls = &first["choices"][0]["message"]["tool_calls"];
    assert_ne!(calls[0]["id"], calls[1]["id"]);
    assert_eq!(calls[0]["function"]["arguments"], "{}");
}

/// Item 62: what stands in the details of an error.
#[test]
fn errors_are_read_with_their_details() {
    let body = br#"[{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]},
        {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED"},
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"43.5s"}]}}]"#;
    let words = crate::read_error(TO, body).unwrap();
    assert_eq!(words.kind.as_deref(), Some("RESOURCE_EXHAUSTED"));
    assert_eq!(words.status, Some(429));
    assert_eq!(
        words.retry_delay,
        Some(std::time::Duration::from_millis(43_500))
    );
    assert_eq!(words.details_reason.as_deref(), Some("RATE_LIMIT_EXCEEDED"));
    assert_eq!(
        words.quota.as_deref(),
        Some("GenerateRequestsPerDayPerProject")
    );
}
