//! What Mistral refuses beyond its schema: the order of roles, ids of calls, empty turns.

use serde_json::Value;

use super::Refusal;
use crate::models::ask::{list_member, text_member};

pub(super) fn check(body: &Value) -> Result<(), Refusal> {
    check_order(list_member(body, "messages"))?;
    check_functions(body)
}

fn wrong_order(message: String) -> Refusal {
    Refusal::new(400, "invalid_request_message_order", "3230", message)
}

fn check_order(messages: &[Value]) -> Result<(), Refusal> {
    let mut before = "";
    let mut open = 0_usize;
    for (n, message) in messages.iter().enumerate() {
        let role = text_member(message, "role");
        let follows = match role {
            "system" => matches!(before, "" | "system"),
            "tool" => matches!(before, "assistant" | "tool"),
            "user" => before != "tool",
            _ => !before.is_empty(),
        };
        if !follows && n > 0 {
            let message = format!("Unexpected role '{role}' after role '{before}'");
            return Err(wrong_order(message));
        }
        if role == "tool" {
            check_id(text_member(message, "tool_call_id"))?;
            open = open.checked_sub(1).ok_or_else(unequal)?;
        } else if open > 0 {
            return Err(unequal());
        }
        if role == "assistant" {
            let calls = list_member(message, "tool_calls");
            calls
                .iter()
                .try_for_each(|call| check_id(text_member(call, "id")))?;
            open = calls.len();
            check_content(message)?;
        }
        before = role;
    }
    if open > 0 {
        return Err(unequal());
    }
    check_last(messages)
}

fn unequal() -> Refusal {
    wrong_order("Not the same number of function calls and responses".to_owned())
}

fn check_last(messages: &[Value]) -> Result<(), Refusal> {
    let Some(last) = messages.last() else {
        return Err(wrong_order(
            "Conversation must have at least one message".to_owned(),
        ));
    };
    let role = text_member(last, "role");
    let prefix = last.get("prefix") == Some(&Value::Bool(true));
    if matches!(role, "user" | "tool") || (role == "assistant" && prefix) {
        return Ok(());
    }
    Err(wrong_order(format!(
        "Expected last role User or Tool (or Assistant with prefix True) for serving but got {role}"
    )))
}

fn check_content(message: &Value) -> Result<(), Refusal> {
    let empty = match message.get("content") {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    if empty && list_member(message, "tool_calls").is_empty() {
        let text = "Assistant message must have either content or tool_calls, but not none.";
        return Err(Refusal::new(
            400,
            "invalid_request_assistant_message",
            "3240",
            text,
        ));
    }
    Ok(())
}

fn check_id(id: &str) -> Result<(), Refusal> {
    if id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Ok(());
    }
    let text = format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.");
    Err(Refusal::new(400, "invalid_function_call", "3280", text))
}

fn check_functions(body: &Value) -> Result<(), Refusal> {
    for tool in list_member(body, "tools") {
        let Some(name) = tool.pointer("/function/name").and_then(Value::as_str) else {
            continue;
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
            let text = format!(
                "Function name was {name} but must be a-z, A-Z, 0-9, or contain underscores and dashes, with a \
                 maximum length of 64."
            );
            return Err(Refusal::new(400, "invalid_request_function", "3220", text));
        }
    }
    Ok(())
}
