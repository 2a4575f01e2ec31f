//! Reads a client's call, and a server's whole answer.

use crate::Dialect;
use crate::canonical::{
    Block, Call, OutputFormat, Reasoning, ReasoningEffort, Role, Sampling, Tool, ToolChoice,
    ToolResult, ToolUse, Turn,
};
use crate::fault::CallError;
use crate::json::{Node, Object, Path, Shape};
use crate::openai_chat::parts;

/// Reads a call.
pub(crate) fn call(body: &[u8]) -> Result<Call, CallError> {
    let mut members = body_object(body)?;
    let at = Path::ROOT;
    let mut call = Call::new(Dialect::OpenaiChat, members.need_string("model", at)?);
    call.stream = members.want_boolean("stream", at)?.unwrap_or(false);
    if let Some(mut options) = members.want_object("stream_options", at)? {
        let usage = options.want_boolean("include_usage", at.key("stream_options"))?;
        call.include_usage = usage.unwrap_or(false);
    }
    let Some(messages) = members.want_list("messages", at)? else {
        return Err(at.key("messages").error("is required"));
    };
    if messages.is_empty() {
        return Err(at.key("messages").error("must have at least one message"));
    }
    for (index, node) in messages.into_iter().enumerate() {
        message(node, at.key("messages").index(index), &mut call.turns)?;
    }
    tools(&mut members, &mut call)?;
    // Both names are the same wish; the newer one wins.
    let older = members.want_count("max_tokens", at)?;
    call.max_output = members.want_count("max_completion_tokens", at)?.or(older);
    call.sampling = sampling(&mut members)?;
    call.stop = stop(&mut members)?;
    call.output = output(&mut members)?;
    call.reasoning = reasoning(&mut members)?;
    let older = members.want_string("user", at)?;
    call.user = members.want_string("safety_identifier", at)?.or(older);
    call.choices = match members.want_count("n", at)? {
        None => 1,
        Some(n) => u32::try_from(n)
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| at.key("n").error("must be at least 1"))?,
    };
    call.extra = members.rest();
    Ok(call)
}

fn body_object(body: &[u8]) -> Result<Object<'_>, CallError> {
    let invalid = |message: String| CallError {
        param: None,
        message,
    };
    let text = std::str::from_utf8(body).map_err(|bad| {
        invalid(format!(
            "the request body is no UTF-8 (at byte {})",
            bad.valid_up_to()
        ))
    })?;
    let node = Node::parse(text).map_err(|bad| {
        invalid(format!(
            "the request body is not valid JSON: {} (at byte {})",
            bad.what, bad.at
        ))
    })?;
    node.object()
        .ok_or_else(|| invalid("the request body must be a JSON object".to_owned()))
}

fn message(node: Node<'_>, at: Path<'_>, turns: &mut Vec<Turn>) -> Result<(), CallError> {
    let Some(mut members) = node.object() else {
        return Err(at.error("must be an object"));
    };
    let role = members.need_string("role", at)?;
    let role = match role.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => return tool_message(members, at, turns),
        "function" => {
            return Err(at
                .key("role")
                .error("`function` is no longer supported: use `tool` with `tool_call_id`"));
        }
        _ => {
            return Err(at
                .key("role")
                .error("must be one of system, developer, user, assistant, tool"));
        }
    };
    let mut turn = Turn::new(role, Vec::new());
    turn.name = members.want_string("name", at)?;
    if role == Role::Assistant {
        assistant(&mut members, at, &mut turn)?;
    } else {
        let Some(content) = members.take("content") else {
            return Err(at.key("content").error("is required"));
        };
        turn.content = parts::content(content, at.key("content"))?;
    }
    turn.extra = members.rest();
    turns.push(turn);
    Ok(())
}

/// Results of one step's calls stand in messages of their own and belong together.
fn tool_message(
    mut members: Object<'_>,
    at: Path<'_>,
    turns: &mut Vec<Turn>,
) -> Result<(), CallError> {
    let id = members.need_string("tool_call_id", at)?;
    let content = match members.take("content") {
        Some(node) => parts::content(node, at.key("content"))?,
        None => return Err(at.key("content").error("is required")),
    };
    let result = Block::ToolResult(ToolResult {
        id,
        content,
        is_error: false,
        extra: members.rest(),
    });
    match turns.last_mut() {
        Some(turn) if turn.role == Role::Tool => turn.content.push(result),
        _ => turns.push(Turn::new(Role::Tool, vec![result])),
    }
    Ok(())
}

fn assistant(members: &mut Object<'_>, at: Path<'_>, turn: &mut Turn) -> Result<(), CallError> {
    parts::thinking(members, &mut turn.content);
    if let Some(content) = members.take("content") {
        turn.content
            .extend(parts::content(content, at.key("content"))?);
    }
    if let Some(refusal) = members
        .want_string("refusal", at)?
        .filter(|refusal| !refusal.is_empty())
    {
        turn.content.push(Block::Refusal(refusal));
    }
    for (index, node) in members
        .want_list("tool_calls", at)?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        let list = at.key("tool_calls");
        turn.content
            .push(Block::ToolUse(tool_use(node, list.index(index))?));
    }
    Ok(())
}

fn tool_use(node: Node<'_>, at: Path<'_>) -> Result<ToolUse, CallError> {
    let Some(mut members) = node.object() else {
        return Err(at.error("must be an object"));
    };
    let kind = members.want_string("type", at)?;
    if kind.is_some_and(|kind| kind != "function") {
        return Err(at
            .key("type")
            .error("must be `function`: other kinds of calls are not supported here"));
    }
    let id = members.need_string("id", at)?;
    let Some(mut function) = members.want_object("function", at)? else {
        return Err(at.key("function").error("is required"));
    };
    let name = function.need_string("name", at.key("function"))?;
    let arguments = parts::arguments(function.take("arguments"));
    let signature = parts::take_signature(&mut members);
    Ok(ToolUse {
        id,
        name,
        arguments,
        signature,
        extra: members.rest(),
    })
}

fn tools(members: &mut Object<'_>, call: &mut Call) -> Result<(), CallError> {
    let at = Path::ROOT;
    for (index, node) in members
        .want_list("tools", at)?
        .unwrap_or_default()
        .into_iter()
        .enumerate()
    {
        call.tools.push(tool(node, at.key("tools").index(index))?);
    }
    call.parallel_tools = members.want_boolean("parallel_tool_calls", at)?;
    if let Some(node) = members.take("tool_choice") {
        call.tool_choice = Some(tool_choice(node)?);
    }
    Ok(())
}

fn tool(node: Node<'_>, at: Path<'_>) -> Result<Tool, CallError> {
    let Some(mut members) = node.object() else {
        return Err(at.error("must be an object"));
    };
    if members.need_string("type", at)? != "function" {
        return Err(at
            .key("type")
            .error("must be `function`: other kinds of tools are not supported here"));
    }
    let Some(mut function) = members.want_object("function", at)? else {
        return Err(at.key("function").error("is required"));
    };
    let inside = at.key("function");
    let name = function.need_string("name", inside)?;
    let description = function.want_string("description", inside)?;
    let strict = function.want_boolean("strict", inside)?;
    let schema = function.take("parameters");
    if schema.is_some_and(|node| node.shape() != Shape::Object) {
        return Err(inside.key("parameters").error("must be an object"));
    }
    Ok(Tool {
        name,
        description,
        schema: schema.map(|node| node.raw()),
        strict,
        extra: members.rest(),
    })
}

fn tool_choice(node: Node<'_>) -> Result<ToolChoice, CallError> {
    let at = Path::ROOT.key("tool_choice");
    if let Some(word) = node.text() {
        return match &*word {
            "auto" => Ok(ToolChoice::Auto),
            "none" => Ok(ToolChoice::None),
            "required" | "any" => Ok(ToolChoice::Required),
            _ => {
                Err(at
                    .error("must be `auto`, `none`, `required` or an object that names a function"))
            }
        };
    }
    let function = node
        .object()
        .and_then(|mut members| members.child("function"));
    match function.and_then(|mut function| function.string("name")) {
        Some(name) => Ok(ToolChoice::Named(name)),
        None => {
            Err(at.error("must be `auto`, `none`, `required` or an object that names a function"))
        }
    }
}

fn sampling(members: &mut Object<'_>) -> Result<Sampling, CallError> {
    let at = Path::ROOT;
    let seed = members.take("seed");
    Ok(Sampling {
        temperature: members.want_number("temperature", at)?,
        top_p: members.want_number("top_p", at)?,
        top_k: members.want_count("top_k", at)?,
        frequency_penalty: members.want_number("frequency_penalty", at)?,
        presence_penalty: members.want_number("presence_penalty", at)?,
        seed: match seed {
            None => None,
            Some(node) => match node.as_str().parse() {
                Ok(seed) => Some(seed),
                Err(_) => return Err(at.key("seed").error("must be a whole number")),
            },
        },
    })
}

fn stop(members: &mut Object<'_>) -> Result<Vec<String>, CallError> {
    let Some(node) = members.take("stop") else {
        return Ok(Vec::new());
    };
    if let Some(text) = node.text() {
        return Ok(vec![text.into_owned()]);
    }
    let wrong = || {
        Path::ROOT
            .key("stop")
            .error("must be a string or an array of strings")
    };
    let elements = node.elements().ok_or_else(wrong)?;
    elements
        .into_iter()
        .map(|node| node.text().map(String::from).ok_or_else(wrong))
        .collect()
}

fn output(members: &mut Object<'_>) -> Result<OutputFormat, CallError> {
    let at = Path::ROOT.key("response_format");
    let Some(mut format) = members.want_object("response_format", Path::ROOT)? else {
        return Ok(OutputFormat::Text);
    };
    match format.need_string("type", at)?.as_str() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => {
            let Some(mut schema) = format.want_object("json_schema", at)? else {
                return Err(at.key("json_schema").error("is required"));
            };
            let inside = at.key("json_schema");
            Ok(OutputFormat::JsonSchema {
                name: schema.need_string("name", inside)?,
                description: schema.want_string("description", inside)?,
                strict: schema.want_boolean("strict", inside)?,
                schema: schema.take("schema").map(|node| node.raw()),
            })
        }
        _ => Err(at
            .key("type")
            .error("must be one of text, json_object, json_schema")),
    }
}

fn reasoning(members: &mut Object<'_>) -> Result<Option<Reasoning>, CallError> {
    let Some(word) = members.want_string("reasoning_effort", Path::ROOT)? else {
        return Ok(None);
    };
    let effort = match word.as_str() {
        "none" => return Ok(Some(Reasoning::Off)),
        "minimal" => ReasoningEffort::Minimal,
        "low" => ReasoningEffort::Low,
        "medium" => ReasoningEffort::Medium,
        "high" => ReasoningEffort::High,
        "xhigh" => ReasoningEffort::Xhigh,
        "max" => ReasoningEffort::Max,
        _ => {
            let problem = "must be one of none, minimal, low, medium, high, xhigh, max";
            return Err(Path::ROOT.key("reasoning_effort").error(problem));
        }
    };
    Ok(Some(Reasoning::Effort(effort)))
}
