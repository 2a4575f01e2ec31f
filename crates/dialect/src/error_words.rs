//! Reads error bodies. The formats differ little enough that one reader serves them all, wrapped or bare.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::fault::ErrorWords;

/// The words of an error body, also of one that came with a 2xx; `None` where there is no error in it.
///
/// Known forms: `{"error":{..}}` (OpenAI, Google), `{"type":"error","error":{..}}` (Anthropic), `[{"error":{..}}]`
/// (Google without `alt=sse`), `{"error":"text"}` (Ollama), `{"object":"error",..}` (Mistral, vLLM), `{"detail":..}`
/// (`FastAPI`), `{"errors":[{..}]}` (Cloudflare's API), `{"promptFeedback":{"blockReason":..}}` without candidates
/// (Gemini), and an error inside an error, as gateways wrap those of others.
pub(crate) fn read(body: &[u8]) -> Option<Box<ErrorWords>> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let object = match &value {
        Value::Array(list) => list.first()?.as_object()?,
        other => other.as_object()?,
    };
    let words = match object.get("error") {
        Some(Value::Object(inner)) if inner.is_empty() => return None,
        Some(Value::String(text)) if text.is_empty() => return None,
        Some(Value::Object(inner)) => from_object(innermost(inner)),
        Some(Value::String(text)) => {
            let mut words = from_object(object);
            words.message = Some(text.clone());
            words
        }
        Some(Value::Null | Value::Bool(false)) | None if is_bare_error(object) => {
            from_object(object)
        }
        Some(Value::Null | Value::Bool(false)) | None => match first_of_list(object) {
            Some(first) => from_object(first),
            None => of_blocked_prompt(block_reason(object)?),
        },
        Some(_) => ErrorWords::default(),
    };
    Some(Box::new(words))
}

/// The deepest `error` of an error, within reason.
fn innermost(outer: &Map<String, Value>) -> &Map<String, Value> {
    let mut inner = outer;
    for _ in 0..4 {
        match inner.get("error") {
            Some(Value::Object(deeper)) if !deeper.is_empty() => inner = deeper,
            _ => break,
        }
    }
    inner
}

/// The first of a list of errors, where nothing but that list is said.
fn first_of_list(object: &Map<String, Value>) -> Option<&Map<String, Value>> {
    let answers = ["choices", "content", "candidates"];
    if answers.iter().any(|member| object.contains_key(*member)) {
        return None;
    }
    object.get("errors")?.as_array()?.first()?.as_object()
}

/// A blocked prompt is the refusal of a call, and told in the words that other providers have for it.
pub(crate) fn of_blocked_prompt(reason: &str) -> ErrorWords {
    ErrorWords {
        code: Some("content_filter".to_owned()),
        message: Some(format!("the prompt was blocked: {reason}")),
        ..ErrorWords::default()
    }
}

fn block_reason(object: &Map<String, Value>) -> Option<&str> {
    let answered = object.get("candidates").and_then(Value::as_array);
    if answered.is_some_and(|candidates| !candidates.is_empty()) {
        return None;
    }
    object.get("promptFeedback")?.get("blockReason")?.as_str()
}

/// An object that is itself the error: it says so, or has nothing but a complaint.
fn is_bare_error(object: &Map<String, Value>) -> bool {
    let says = |key: &str, word: &str| object.get(key).and_then(Value::as_str) == Some(word);
    says("object", "error")
        || says("type", "error")
        || (object.contains_key("detail") && object.len() == 1)
        || (object.contains_key("message")
            && !object.contains_key("choices")
            && !object.contains_key("content")
            && !object.contains_key("candidates"))
}

fn from_object(object: &Map<String, Value>) -> ErrorWords {
    let mut words = ErrorWords {
        kind: text(object.get("status").filter(|value| value.is_string()))
            .or_else(|| text(object.get("type"))),
        code: text(object.get("code")),
        param: text(object.get("param")),
        message: text(object.get("message"))
            .or_else(|| detail(object.get("detail")))
            // Mistral's 422 has the list inside the message.
            .or_else(|| detail(object.get("message")?.get("detail"))),
        ..ErrorWords::default()
    };
    let status = ["code", "status", "status_code", "raw_status_code"]
        .iter()
        .find_map(|key| status(object.get(*key)));
    words.status = status;
    for detail in object
        .get("details")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        google_detail(detail, &mut words);
    }
    words
}

fn google_detail(detail: &Value, words: &mut ErrorWords) {
    let kind = detail
        .get("@type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if kind.ends_with("google.rpc.RetryInfo") {
        words.retry_delay = detail
            .get("retryDelay")
            .and_then(Value::as_str)
            .and_then(delay);
    } else if kind.ends_with("google.rpc.ErrorInfo") {
        words.details_reason = text(detail.get("reason"));
    } else if kind.ends_with("google.rpc.QuotaFailure") {
        let violations = detail.get("violations").and_then(Value::as_array);
        let ids: Vec<&str> = violations
            .into_iter()
            .flatten()
            .filter_map(|violation| violation.get("quotaId").and_then(Value::as_str))
            .collect();
        words.quota = (!ids.is_empty()).then(|| ids.join(" "));
    }
}

/// Seconds as Google writes them: `43s`, `0.5s`.
fn delay(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `FastAPI`'s `detail`: a sentence, or a list of objects with `loc` and `msg`.
fn detail(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            let messages: Vec<&str> = list
                .iter()
                .filter_map(|item| item.get("msg").and_then(Value::as_str))
                .collect();
            (!messages.is_empty()).then(|| messages.join("; "))
        }
        Value::Object(inner) => text(inner.get("message")),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn status(value: Option<&Value>) -> Option<u16> {
    let number = match value? {
        Value::Number(number) => u16::try_from(number.as_u64()?).ok()?,
        Value::String(text) => text.parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (400..600).contains(&number).then_some(number)
}
