//! Reads what a client got, whole or streamed, and is strict about its form.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::client::Reply;

/// An answer in one form: content, `reasoning_content`, refusal, `tool_calls`, `finish_reason`, usage, and the chunks.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) said: Value,
    /// The chunks of a stream without what differs from call to call.
    pub(crate) chunks: Vec<Value>,
}

/// Says what is wrong unless it holds.
pub(crate) fn ensure(holds: bool, told: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(told()) }
}

/// A whole answer.
pub(crate) fn whole(reply: &Reply) -> Result<Answer, String> {
    let body: Value =
        serde_json::from_str(&reply.body).map_err(|e| format!("{e}: {}", reply.body))?;
    ensure(body["object"] == "chat.completion", || {
        format!("object: {body}")
    })?;
    for member in ["id", "created", "model"] {
        ensure(!body[member].is_null(), || format!("no {member}: {body}"))?;
    }
    let choice = &body["choices"][0];
    let message = &choice["message"];
    ensure(message["role"] == "assistant", || format!("role: {body}"))?;
    ensure(message.get("content").is_some(), || {
        format!("no content: {body}")
    })?;
    ensure(message["tool_calls"] != json!([]), || {
        format!("empty tool_calls: {body}")
    })?;
    let mut said = message.clone();
    said["finish_reason"] = choice["finish_reason"].clone();
    said["usage"] = body["usage"].clone();
    said["choices"] = json!(body["choices"].as_array().map(Vec::len));
    Ok(Answer {
        said,
        chunks: Vec::new(),
    })
}

/// A stream, put together as clients do it. Items 38, 44, 48, 49 and 50.
pub(crate) fn stream(reply: &Reply, with_usage: bool) -> Result<Answer, String> {
    ensure(reply.whole, || {
        format!("the stream was cut: {}", reply.body)
    })?;
    for odd in ['\u{2028}', '\u{2029}', '\u{85}'] {
        ensure(!reply.body.contains(odd), || {
            format!("{odd:?} is not escaped: {}", reply.body)
        })?;
    }
    let mut events = reply.events();
    ensure(events.pop().as_deref() == Some("[DONE]"), || {
        format!("no [DONE]: {}", reply.body)
    })?;
    let mut joined = Joined::default();
    let mut frames = BTreeSet::new();
    let mut chunks = Vec::new();
    for event in &events {
        let mut chunk: Value = serde_json::from_str(event).map_err(|e| format!("{e}: {event}"))?;
        joined.chunk(&chunk, with_usage)?;
        let members = chunk.as_object_mut().ok_or("no object")?;
        let of = |members: &mut Map<String, Value>, name| members.remove(name).unwrap_or_default();
        frames.insert(
            [
                of(members, "id"),
                of(members, "created"),
                of(members, "object"),
                of(members, "model"),
            ]
            .map(|v| v.to_string()),
        );
        chunks.push(chunk);
    }
    ensure(frames.len() == 1, || {
        format!("the frame is not one: {frames:?}")
    })?;
    ensure(!with_usage || !joined.usage.is_null(), || {
        format!("no usage: {}", reply.body)
    })?;
    let said = joined.said()?;
    anonymous(&mut chunks);
    Ok(Answer { said, chunks })
}

/// Ids of calls, which providers make up anew each time, become their order; the drill counts the model's name as well,
/// so that usage is compared where it is scripted.
fn anonymous(chunks: &mut [Value]) {
    for chunk in chunks.iter_mut().filter(|chunk| chunk["usage"].is_object()) {
        chunk["usage"] = json!("told");
    }
    let calls = chunks
        .iter_mut()
        .filter_map(|chunk| chunk.pointer_mut("/choices/0/delta/tool_calls/0"));
    for (n, call) in calls.filter(|call| call.get("id").is_some()).enumerate() {
        call["id"] = json!(n);
    }
}

#[derive(Default)]
struct Joined {
    begun: BTreeSet<u64>,
    content: String,
    reasoning: String,
    refusal: String,
    calls: Vec<Value>,
    finish: Value,
    usage: Value,
    finished: BTreeSet<u64>,
    over: bool,
}

impl Joined {
    fn chunk(&mut self, chunk: &Value, with_usage: bool) -> Result<(), String> {
        let told = || chunk.to_string();
        ensure(!self.over, || format!("after the usage: {chunk}"))?;
        // Unasked it may be null, never more: OpenAI's own chunks pass as they are.
        let usage = chunk.get("usage");
        ensure(
            if with_usage {
                usage.is_some()
            } else {
                usage.is_none_or(Value::is_null)
            },
            || format!("usage key: {chunk}"),
        )?;
        let choices = chunk["choices"].as_array().ok_or_else(told)?;
        let Some(choice) = choices.first() else {
            ensure(!chunk["usage"].is_null(), told)?;
            self.usage = chunk["usage"].clone();
            self.over = true;
            return Ok(());
        };
        ensure(choices.len() == 1 && chunk["usage"].is_null(), told)?;
        let index = choice["index"].as_u64().ok_or_else(told)?;
        ensure(!self.finished.contains(&index), || {
            format!("after the finish: {chunk}")
        })?;
        let delta = choice["delta"].as_object().ok_or_else(told)?;
        ensure(
            delta.contains_key("role") == self.begun.insert(index),
            || format!("role: {chunk}"),
        )?;
        let finish = choice.get("finish_reason").ok_or_else(told)?;
        if !finish.is_null() {
            ensure(delta.is_empty(), || {
                format!("a finish beside content: {chunk}")
            })?;
            self.finished.insert(index);
        }
        if index > 0 {
            return Ok(());
        }
        self.finish = finish.clone();
        let text = |member: &str| {
            delta
                .get(member)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        self.content.push_str(text("content"));
        self.reasoning.push_str(text("reasoning_content"));
        self.refusal.push_str(text("refusal"));
        for piece in delta
            .get("tool_calls")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.call(piece)?;
        }
        Ok(())
    }

    fn call(&mut self, piece: &Value) -> Result<(), String> {
        let told = || format!("a piece of a call: {piece}");
        let at = usize::try_from(piece["index"].as_u64().ok_or_else(told)?).map_err(|_| told())?;
        let fragment = piece["function"]["arguments"].as_str().ok_or_else(told)?;
        let first = piece.get("id").is_some();
        ensure(first == piece["function"].get("name").is_some(), told)?;
        ensure(
            first == (at == self.calls.len()) && at <= self.calls.len(),
            told,
        )?;
        if first {
            ensure(piece["type"] == "function", told)?;
            let mut call = piece.clone();
            call.as_object_mut().unwrap().remove("index");
            self.calls.push(call);
            return Ok(());
        }
        let arguments = &mut self.calls[at]["function"]["arguments"];
        *arguments = json!(format!(
            "{}{fragment}",
            arguments.as_str().unwrap_or_default()
        ));
        Ok(())
    }

    fn said(self) -> Result<Value, String> {
        ensure(
            self.finished == self.begun && !self.begun.is_empty(),
            || format!("no finish: {:?}", self.begun),
        )?;
        let or_null = |text: String| {
            if text.is_empty() {
                Value::Null
            } else {
                json!(text)
            }
        };
        let calls = !self.calls.is_empty();
        Ok(json!({
            "role": "assistant",
            "content": if calls { or_null(self.content) } else { json!(self.content) },
            "reasoning_content": or_null(self.reasoning),
            "refusal": or_null(self.refusal),
            "tool_calls": if calls { json!(self.calls) } else { Value::Null },
            "finish_reason": self.finish,
            "usage": self.usage,
            "choices": self.begun.len(),
        }))
    }
}

/// Whether a value is as expected: of objects and lists only what is named counts, and null stands for absence.
pub(crate) fn fits(found: &Value, expected: &Value) -> bool {
    match expected {
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| fits(found.get(name).unwrap_or(&Value::Null), value)),
        Value::Array(items) => found.as_array().is_some_and(|found| {
            found.len() == items.len()
                && found
                    .iter()
                    .zip(items)
                    .all(|(found, item)| fits(found, item))
        }),
        // 1 and 1.0 are one number.
        Value::Number(number) => found.as_f64().is_some() && found.as_f64() == number.as_f64(),
        other => found == other,
    }
}
