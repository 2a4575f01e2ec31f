//! What OpenAI refuses beyond its schema: the order of messages, ids, parameters that need or exclude others.

use serde_json::Value;

use super::Refusal;
use crate::models::ask::{list_member, text_member, text_of};

/// The longest id of a tool call.
const MAX_CALL_ID: usize = 40;

pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    check_order(list_member(body, "messages"))?;
    check_tools(body)?;
    check_parameters(body)?;
    check_format(body)
}

/// Tool messages answer the calls of the assistant message before them, all of them.
fn check_order(messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<String> = Vec::new();
    let mut in_answers = false;
    for (n, message) in messages.iter().enumerate() {
        let role = text_member(message, "role");
        if role == "tool" {
            let id = text_member(message, "tool_call_id");
            check_id(id, &format!("messages[{n}].tool_call_id"))?;
            let Some(at) = open
                .iter()
                .position(|open| open == id)
                .filter(|_| in_answers)
            else {
                return Err(Refusal::new(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message \
                     with 'tool_calls'.",
                )
                .param(format!("messages.[{n}].role")));
            };
            open.swap_remove(at);
            continue;
        }
        unanswered(&open, n)?;
        in_answers = false;
        if role == "assistant" {
            let calls = list_member(message, "tool_calls");
            for (at, call) in calls.iter().enumerate() {
                let id = text_member(call, "id");
                check_id(id, &format!("messages[{n}].tool_calls[{at}].id"))?;
                open.push(id.to_owned());
            }
            in_answers = !calls.is_empty();
            check_assistant(message, n)?;
        }
    }
    unanswered(&open, messages.len())
}

fn unanswered(open: &[String], n: usize) -> Result<(), Refusal> {
    if open.is_empty() {
        return Ok(());
    }
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Err(Refusal::new(message).param(format!("messages.[{n}].role")))
}

fn check_assistant(message: &Value, n: usize) -> Result<(), Refusal> {
    if message
        .get("tool_calls")
        .is_some_and(|c| c.as_array().is_some_and(Vec::is_empty))
    {
        let message = format!(
            "Invalid 'messages[{n}].tool_calls': empty array. Expected an array with minimum length 1, but \
             got an empty array instead."
        );
        return Err(Refusal::new(message)
            .param(format!("messages[{n}].tool_calls"))
            .code("empty_array"));
    }
    let says = ["tool_calls", "function_call", "refusal", "audio"];
    let has_other = says
        .iter()
        .any(|name| message.get(*name).is_some_and(|v| !v.is_null()));
    if !has_other && message.get("content").is_none_or(Value::is_null) {
        let message = "Invalid value for 'content': expected a string, got null.";
        return Err(Refusal::new(message).param(format!("messages.[{n}].content")));
    }
    Ok(())
}

fn check_id(id: &str, at: &str) -> Result<(), Refusal> {
    let length = id.chars().count();
    if length <= MAX_CALL_ID {
        return Ok(());
    }
    let message = format!(
        "Invalid '{at}': string too long. Expected a string with maximum length {MAX_CALL_ID}, but got a \
         string with length {length} instead."
    );
    Err(Refusal::new(message)
        .param(at)
        .code("string_above_max_length"))
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let tools = list_member(body, "tools");
    for (n, tool) in tools.iter().enumerate() {
        let Some(name) = tool.pointer("/function/name").and_then(Value::as_str) else {
            continue;
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let at = format!("tools[{n}].function.name");
        if name.is_empty() || !name.chars().all(fits) {
            let message = format!(
                "Invalid '{at}': string does not match pattern. Expected a string that matches the pattern \
                 '^[a-zA-Z0-9_-]+$'."
            );
            return Err(Refusal::new(message).param(at).code("invalid_value"));
        }
        if name.len() > 64 {
            let message = format!(
                "Invalid '{at}': string too long. Expected a string with maximum length 64, but got a string \
                 with length {} instead.",
                name.len()
            );
            return Err(Refusal::new(message)
                .param(at)
                .code("string_above_max_length"));
        }
    }
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if tools.is_empty() {
        if has("tools") {
            let message = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an \
                           empty array instead.";
            return Err(Refusal::new(message).param("tools").code("empty_array"));
        }
        for name in ["tool_choice", "parallel_tool_calls"] {
            if has(name) && body.get(name) != Some(&Value::from("none")) {
                let message = format!("'{name}' is only allowed when 'tools' are specified.");
                return Err(Refusal::new(message).param(name));
            }
        }
    }
    check_choice(body, tools)
}

fn check_choice(body: &Value, tools: &[Value]) -> Result<(), Refusal> {
    let Some(name) = body
        .pointer("/tool_choice/function/name")
        .and_then(Value::as_str)
    else {
        return Ok(());
    };
    let declared = |tool: &Value| tool.pointer("/function/name") == Some(&Value::from(name));
    if tools.iter().any(declared) {
        return Ok(());
    }
    let message = format!("Tool choice '{name}' not found in 'tools' parameter.");
    Err(Refusal::new(message).param("tool_choice"))
}

/// Models that reason refuse the older names and any sampling.
fn reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5"]
        .iter()
        .any(|start| name.starts_with(start))
        && !name.contains("chat")
}

fn check_parameters(body: &Value) -> Result<(), Refusal> {
    let has = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if has("stream_options") && body.get("stream") != Some(&Value::Bool(true)) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::new(message).param("stream_options"));
    }
    if has("max_tokens") && has("max_completion_tokens") {
        let message =
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Refusal::new(message)
            .param("max_tokens")
            .code("invalid_parameter_combination"));
    }
    if has("top_logprobs") && body.get("logprobs") != Some(&Value::Bool(true)) {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return Err(Refusal::new(message).param("top_logprobs"));
    }
    if !reasons(text_member(body, "model")) {
        return Ok(());
    }
    if has("max_tokens") {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use \
                       'max_completion_tokens' instead.";
        return Err(Refusal::new(message)
            .param("max_tokens")
            .code("unsupported_parameter"));
    }
    for name in ["temperature", "top_p"] {
        let value = body.get(name).and_then(Value::as_f64);
        if let Some(value) = value.filter(|value| (value - 1.0).abs() > 1e-9) {
            let message = format!(
                "Unsupported value: '{name}' does not support {value} with this model. Only the default (1) \
                 value is supported."
            );
            return Err(Refusal::new(message).param(name).code("unsupported_value"));
        }
    }
    Ok(())
}

fn check_format(body: &Value) -> Result<(), Refusal> {
    let Some(format) = body.get("response_format") else {
        return Ok(());
    };
    match text_member(format, "type") {
        "json_object" => {
            let mut texts = list_member(body, "messages")
                .iter()
                .map(|m| text_of(m.get("content")));
            if texts.any(|text| text.to_lowercase().contains("json")) {
                return Ok(());
            }
            let message = "'messages' must contain the word 'json' in some form, to use 'response_format' of \
                           type 'json_object'.";
            Err(Refusal::new(message).param("messages"))
        }
        "json_schema" if format.pointer("/json_schema/strict") == Some(&Value::Bool(true)) => {
            let schema = format.pointer("/json_schema/schema");
            let closed = schema.is_none_or(|schema| {
                schema.get("type") != Some(&Value::from("object"))
                    || schema.get("additionalProperties") == Some(&Value::Bool(false))
            });
            if closed {
                return Ok(());
            }
            let name = format.pointer("/json_schema/name").and_then(Value::as_str);
            let message = format!(
                "Invalid schema for response_format '{}': In context=(), 'additionalProperties' is required \
                 to be supplied and to be false.",
                name.unwrap_or_default()
            );
            Err(Refusal::new(message).param("response_format"))
        }
        _ => Ok(()),
    }
}
