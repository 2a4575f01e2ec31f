//! What Anthropic refuses beyond its schema: the order of turns and blocks, ids, thinking, sampling by version.

use serde_json::Value;

use super::{Refusal, VERSION_WITHOUT_SAMPLING};
use crate::models::ask::{list_member, text_member};

pub(super) fn check(body: &Value, version: &str) -> Result<(), Refusal> {
    check_sampling(body, version)?;
    check_turns(body, version)?;
    check_pairs(list_member(body, "messages"))?;
    check_tools(body)?;
    check_thinking(body)?;
    check_prefill(body)?;
    for stop in list_member(body, "stop_sequences")
        .iter()
        .filter_map(Value::as_str)
    {
        if stop.trim().is_empty() {
            let text = "stop_sequences: each stop sequence must contain non-whitespace";
            return Err(Refusal::new(text));
        }
    }
    Ok(())
}

/// Claude 4.5 and later.
fn is_late(model: &str) -> bool {
    let late = ["-4-5", "-4-6", "-4-7", "-4-8", "-5"];
    model.contains("claude-") && late.iter().any(|version| model.contains(version))
}

/// Claude 4.6 and later.
fn refuses_prefill(model: &str) -> bool {
    is_late(model) && !model.contains("-4-5")
}

fn check_sampling(body: &Value, version: &str) -> Result<(), Refusal> {
    for name in ["temperature", "top_p", "top_k"] {
        if version == VERSION_WITHOUT_SAMPLING && body.get(name).is_some() {
            return Err(Refusal::new(format!(
                "{name}: Extra inputs are not permitted"
            )));
        }
    }
    let both = body.get("temperature").is_some() && body.get("top_p").is_some();
    if both && is_late(text_member(body, "model")) {
        let text = "`temperature` and `top_p` cannot both be specified for this model. Please use only one.";
        return Err(Refusal::new(text));
    }
    Ok(())
}

fn check_turns(body: &Value, version: &str) -> Result<(), Refusal> {
    let messages = list_member(body, "messages");
    let Some(first) = messages.first() else {
        return Err(Refusal::new("messages: at least one message is required"));
    };
    if text_member(first, "role") == "assistant" {
        return Err(Refusal::new(
            "messages: first message must use the \"user\" role",
        ));
    }
    for (n, message) in messages.iter().enumerate() {
        let last = n.saturating_add(1) == messages.len();
        let role = text_member(message, "role");
        let empty = match message.get("content") {
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(blocks)) => blocks.is_empty(),
            _ => false,
        };
        if empty && !(last && role == "assistant") {
            let text = format!(
                "messages.{n}: all messages must have non-empty content except for the optional final \
                 assistant message"
            );
            return Err(Refusal::new(text));
        }
        for (at, block) in list_member(message, "content").iter().enumerate() {
            check_block(block, role, version, &format!("messages.{n}.content.{at}"))?;
        }
    }
    for block in list_member(body, "system") {
        if text_member(block, "text").is_empty() {
            return Err(Refusal::new(
                "system: text content blocks must be non-empty",
            ));
        }
    }
    Ok(())
}

fn check_block(block: &Value, role: &str, version: &str, at: &str) -> Result<(), Refusal> {
    let kind = text_member(block, "type");
    let only = |wanted: &str| {
        let text = format!("{at}: `{kind}` blocks can only be in `{wanted}` messages");
        if role == wanted {
            Ok(())
        } else {
            Err(Refusal::new(text))
        }
    };
    match kind {
        "text" if text_member(block, "text").is_empty() => Err(Refusal::new(
            "messages: text content blocks must be non-empty",
        )),
        "text" => {
            let cites = !list_member(block, "citations").is_empty();
            if cites && role == "user" && version == VERSION_WITHOUT_SAMPLING {
                let text = format!("{at}.citations: Extra inputs are not permitted");
                return Err(Refusal::new(text));
            }
            Ok(())
        }
        "document" if role == "assistant" && version == VERSION_WITHOUT_SAMPLING => {
            Err(Refusal::new(format!(
                "{at}: `document` blocks cannot be in `assistant` messages"
            )))
        }
        "tool_use" => {
            only("assistant")?;
            check_id(text_member(block, "id"), &format!("{at}.tool_use.id"))
        }
        "tool_result" => {
            only("user")?;
            check_id(
                text_member(block, "tool_use_id"),
                &format!("{at}.tool_result.tool_use_id"),
            )
        }
        "thinking" => {
            only("assistant")?;
            use base64::Engine;
            let signature = text_member(block, "signature");
            let decoded = base64::engine::general_purpose::STANDARD.decode(signature);
            if signature.is_empty() || decoded.is_err() {
                let text = format!("{at}: Invalid `signature` in `thinking` block");
                return Err(Refusal::new(text));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn check_id(id: &str, at: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(());
    }
    Err(Refusal::new(format!(
        "{at}: String should match pattern '^[a-zA-Z0-9_-]+$'"
    )))
}

fn ids<'a>(message: &'a Value, kind: &str, member: &str) -> Vec<&'a str> {
    let blocks = list_member(message, "content").iter();
    blocks
        .filter(|b| text_member(b, "type") == kind)
        .map(|b| text_member(b, member))
        .collect()
}

/// Each `tool_use` has its result in the next turn, and the results come first there.
fn check_pairs(messages: &[Value]) -> Result<(), Refusal> {
    let mut open: Vec<&str> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let results = ids(message, "tool_result", "tool_use_id");
        for (at, id) in results.iter().enumerate() {
            if !open.contains(id) {
                return Err(Refusal::new(format!(
                    "messages.{n}.content.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. \
                     Each `tool_result` block must have a corresponding `tool_use` block in the previous message."
                )));
            }
        }
        let leading = list_member(message, "content")
            .iter()
            .take_while(|block| text_member(block, "type") == "tool_result")
            .count();
        let missing: Vec<&str> = open
            .iter()
            .copied()
            .filter(|id| !results.iter().take(leading).any(|r| r == id))
            .collect();
        if !missing.is_empty() {
            return Err(unanswered(n.saturating_sub(1), &missing));
        }
        open = ids(message, "tool_use", "id");
    }
    if open.is_empty() {
        Ok(())
    } else {
        Err(unanswered(messages.len().saturating_sub(1), &open))
    }
}

fn unanswered(n: usize, ids: &[&str]) -> Refusal {
    Refusal::new(format!(
        "messages.{n}: `tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message.",
        ids.join(", ")
    ))
}

fn check_tools(body: &Value) -> Result<(), Refusal> {
    let tools = list_member(body, "tools");
    let mut names: Vec<&str> = Vec::new();
    for (n, tool) in tools.iter().enumerate() {
        let name = text_member(tool, "name");
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(fits) {
            return Err(Refusal::new(format!(
                "tools.{n}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if names.contains(&name) {
            return Err(Refusal::new("tools: Tool names must be unique."));
        }
        names.push(name);
        if tool
            .get("input_schema")
            .is_some_and(|s| s.get("type").is_none())
        {
            return Err(Refusal::new(format!(
                "tools.{n}.custom.input_schema.type: Field required"
            )));
        }
    }
    let used = list_member(body, "messages").iter().any(|message| {
        let has = |kind, member| !ids(message, kind, member).is_empty();
        has("tool_use", "id") || has("tool_result", "tool_use_id")
    });
    if used && tools.is_empty() {
        let text = "Requests which include `tool_use` or `tool_result` blocks must define tools.";
        return Err(Refusal::new(text));
    }
    let choice = body.get("tool_choice");
    if choice.is_some() && tools.is_empty() {
        let text = "tool_choice may only be specified while providing tools.";
        return Err(Refusal::new(text));
    }
    let named = choice
        .map(|choice| text_member(choice, "name"))
        .unwrap_or_default();
    if !named.is_empty() && !names.contains(&named) {
        return Err(Refusal::new(format!(
            "Tool '{named}' not found in provided tools"
        )));
    }
    Ok(())
}

fn check_thinking(body: &Value) -> Result<(), Refusal> {
    let kind = body
        .pointer("/thinking/type")
        .and_then(Value::as_str)
        .unwrap_or("disabled");
    if kind == "disabled" {
        return Ok(());
    }
    if let Some(budget) = body
        .pointer("/thinking/budget_tokens")
        .and_then(Value::as_i64)
    {
        if budget < 1024 {
            let text =
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024";
            return Err(Refusal::new(text));
        }
        if body
            .get("max_tokens")
            .and_then(Value::as_i64)
            .is_some_and(|most| most <= budget)
        {
            let text = "`max_tokens` must be greater than `thinking.budget_tokens`.";
            return Err(Refusal::new(text));
        }
    }
    let temperature = body.get("temperature").and_then(Value::as_f64);
    if temperature.is_some_and(|t| (t - 1.0).abs() > 1e-9) {
        let text = "`temperature` may only be set to 1 when thinking is enabled.";
        return Err(Refusal::new(text));
    }
    if body.get("top_k").is_some() {
        return Err(Refusal::new(
            "`top_k` must be unset when thinking is enabled.",
        ));
    }
    let forced = body.pointer("/tool_choice/type").and_then(Value::as_str);
    if matches!(forced, Some("any" | "tool")) {
        let text = "Thinking may not be enabled when tool_choice forces tool use.";
        return Err(Refusal::new(text));
    }
    if kind == "enabled" {
        check_thinking_turn(list_member(body, "messages"))
    } else {
        Ok(())
    }
}

/// The turn whose tools were just answered begins with its thinking.
fn check_thinking_turn(messages: &[Value]) -> Result<(), Refusal> {
    let answered = messages
        .last()
        .is_some_and(|m| !ids(m, "tool_result", "tool_use_id").is_empty());
    let turn = messages.len().saturating_sub(2);
    let Some(message) = messages.get(turn).filter(|_| answered) else {
        return Ok(());
    };
    let first = list_member(message, "content")
        .first()
        .map(|b| text_member(b, "type"));
    match first {
        Some("thinking" | "redacted_thinking") | None => Ok(()),
        Some(found) => Err(Refusal::new(format!(
            "messages.{turn}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{found}`. \
             When `thinking` is enabled, a final `assistant` message must start with a thinking block \
             (preceeding the lastmost set of `tool_use` and `tool_result` blocks)."
        ))),
    }
}

fn check_prefill(body: &Value) -> Result<(), Refusal> {
    let messages = list_member(body, "messages");
    let Some(last) = messages
        .last()
        .filter(|m| text_member(m, "role") == "assistant")
    else {
        return Ok(());
    };
    let thinks = body
        .pointer("/thinking/type")
        .and_then(Value::as_str)
        .is_some_and(|kind| kind != "disabled");
    if thinks || refuses_prefill(text_member(body, "model")) {
        let text = "This model does not support assistant message prefill. The conversation must end with a \
                    user message.";
        return Err(Refusal::new(text));
    }
    let text = match last.get("content") {
        Some(Value::String(text)) => text.as_str(),
        Some(Value::Array(blocks)) => blocks.last().map_or("", |b| text_member(b, "text")),
        _ => "",
    };
    if text.ends_with(char::is_whitespace) {
        let text = "messages: final assistant content cannot end with trailing whitespace";
        return Err(Refusal::new(text));
    }
    Ok(())
}
