//! A whole answer as the stream that its caller asked for: some servers do not stream, whatever they are asked.

use serde_json::{Map, Value, json};

/// The chunks of a whole answer, without the event that ends a stream; `None` where it is no answer.
pub(crate) fn chunks(body: &[u8], include_usage: bool) -> Option<Vec<u8>> {
    let mut answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(Value::Array(choices)) = answer.remove("choices") else {
        return None;
    };
    let usage = answer.remove("usage").filter(Value::is_object);
    answer.insert("object".to_owned(), json!("chat.completion.chunk"));
    let mut out = Vec::new();
    for (place, choice) in choices.into_iter().enumerate() {
        let Value::Object(mut choice) = choice else {
            return None;
        };
        let Some(Value::Object(message)) = choice.remove("message") else {
            return None;
        };
        let finish = choice.remove("finish_reason").filter(Value::is_string);
        choice.entry("index").or_insert_with(|| json!(place));
        let mut last = choice.clone();
        last.remove("logprobs");
        choice.insert("delta".to_owned(), Value::Object(delta(message)));
        choice.insert("finish_reason".to_owned(), Value::Null);
        last.insert("delta".to_owned(), json!({}));
        let finish = finish.unwrap_or_else(|| json!("stop"));
        last.insert("finish_reason".to_owned(), finish);
        for choice in [choice, last] {
            event(&answer, json!([choice]), None, &mut out);
        }
    }
    if include_usage && usage.is_some() {
        event(&answer, json!([]), usage, &mut out);
    }
    Some(out)
}

/// A message as the one piece of it that there is: calls are counted, nulls say nothing.
fn delta(message: Map<String, Value>) -> Map<String, Value> {
    let mut delta: Map<String, Value> = message
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .collect();
    if let Some(Value::Array(calls)) = delta.get_mut("tool_calls") {
        for (place, call) in calls.iter_mut().enumerate() {
            if let Value::Object(call) = call {
                call.entry("index").or_insert_with(|| json!(place));
            }
        }
    }
    delta
}

fn event(answer: &Map<String, Value>, choices: Value, usage: Option<Value>, out: &mut Vec<u8>) {
    let mut chunk = answer.clone();
    chunk.insert("choices".to_owned(), choices);
    if let Some(usage) = usage {
        chunk.insert("usage".to_owned(), usage);
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(Value::Object(chunk).to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}
