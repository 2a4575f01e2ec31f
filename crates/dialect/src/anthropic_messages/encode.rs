//! Writes a call for a server.

use std::borrow::Cow;

use crate::anthropic_messages::sampling::{self, Plan};
use crate::anthropic_messages::{turns, wire};
use crate::canonical::{Block, Call, OutputFormat, Raw, Tool, ToolChoice};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::json::Node;
use crate::{Dialect, Encoded, Encoding};

/// The version that takes every parameter that is written here, with every model.
/// Source: Anthropic's migration guide: 2026-10-21 refuses `temperature`, `top_p` and `top_k`, seen 2026-11.
const VERSION: &str = "2023-06-01";

/// Writes a call.
pub(crate) fn call(call: &Call, encoding: &Encoding<'_>) -> Result<Encoded, CallError> {
    let mut losses = Losses::default();
    carry::extras(call, Dialect::AnthropicMessages, &[], &mut losses)?;
    if call.choices > 1 {
        return Err(CallError::about(
            "n",
            "`n` must be 1: Anthropic gives one answer to a call",
        ));
    }
    let version = encoding.version_hint.unwrap_or(VERSION);
    let plan = sampling::plan(call, encoding, version, &mut losses);
    let conversation = turns::conversation(call, encoding, &plan, &mut losses)?;
    let body = wire::Call {
        model: encoding.model,
        max_tokens: plan.max_tokens,
        system: conversation.system,
        messages: conversation.messages,
        stream: call.stream,
        temperature: plan.temperature,
        top_p: plan.top_p,
        top_k: plan.top_k,
        stop_sequences: stop_sequences(call, &mut losses),
        tools: tools(call, &mut losses),
        tool_choice: tool_choice(call),
        thinking: plan.thinking,
        output_config: output_config(call, &plan, &mut losses)?,
        metadata: call
            .user
            .as_deref()
            .map(|user_id| wire::Metadata { user_id }),
    };
    let headers = vec![("anthropic-version", version.to_owned())];
    Ok(Encoded {
        body: carry::json(&body),
        losses: losses.into_vec(),
        headers,
    })
}

fn stop_sequences<'a>(call: &'a Call, losses: &mut Losses) -> Vec<&'a str> {
    let good = |stop: &&String| !stop.trim().is_empty();
    if !call.stop.iter().all(|stop| good(&stop)) {
        losses.note("stop", "Anthropic takes no stop text of white space alone");
    }
    call.stop.iter().filter(good).map(String::as_str).collect()
}

/// The tools, or stubs where the history uses tools that this call does not declare.
fn tools<'a>(call: &'a Call, losses: &mut Losses) -> Vec<wire::Tool<'a>> {
    if !call.tools.is_empty() {
        return call.tools.iter().map(|each| tool(each, losses)).collect();
    }
    let mut stubs: Vec<wire::Tool<'_>> = Vec::new();
    for name in called(call) {
        if !stubs.iter().any(|stub| stub.name == name) {
            stubs.push(wire::Tool {
                name,
                description: None,
                input_schema: Cow::Owned(object_schema("")),
                strict: false,
                cache_control: None,
            });
        }
    }
    stubs
}

fn called(call: &Call) -> impl Iterator<Item = &str> {
    call.turns
        .iter()
        .flat_map(|turn| &turn.content)
        .filter_map(|block| match block {
            Block::ToolUse(used) => Some(used.name.as_str()),
            Block::Text(_)
            | Block::Image(_)
            | Block::Thinking(_)
            | Block::ToolResult(_)
            | Block::Refusal(_)
            | Block::Opaque(_) => None,
        })
}

fn tool<'a>(tool: &'a Tool, losses: &mut Losses) -> wire::Tool<'a> {
    let mut cache_control = None;
    for (key, value) in &tool.extra {
        if key == "cache_control" {
            cache_control = Some(value);
        } else {
            losses.note(format!("tools[].{key}"), "Anthropic has no such field");
        }
    }
    wire::Tool {
        name: &tool.name,
        description: tool.description.as_deref().filter(|text| !text.is_empty()),
        input_schema: schema(tool.schema.as_ref()),
        strict: tool.strict == Some(true),
        cache_control,
    }
}

/// The schema as written, but that it must say that it is one of an object.
fn schema(schema: Option<&Raw>) -> Cow<'_, Raw> {
    let Some(schema) = schema else {
        return Cow::Owned(object_schema(""));
    };
    let members = Node::parse(schema.as_str())
        .ok()
        .and_then(|node| node.object());
    match members {
        Some(members) if members.get("type").is_none() => {
            let inside = schema
                .as_str()
                .trim_ascii()
                .trim_start_matches('{')
                .trim_ascii_start();
            let inside = inside.strip_suffix('}').unwrap_or(inside);
            Cow::Owned(object_schema(inside))
        }
        _ => Cow::Borrowed(schema),
    }
}

fn object_schema(members: &str) -> Raw {
    let comma = if members.trim_ascii().is_empty() {
        ""
    } else {
        ","
    };
    Raw::parse(&format!("{{\"type\":\"object\"{comma}{members}}}")).unwrap_or_else(Raw::null)
}

fn tool_choice(call: &Call) -> Option<wire::ToolChoice<'_>> {
    let one_at_a_time = call.parallel_tools == Some(false);
    let choice = |r#type, name| wire::ToolChoice {
        r#type,
        name,
        disable_parallel_tool_use: one_at_a_time,
    };
    if call.tools.is_empty() {
        // Stubs stand in for tools that must not be called now.
        let none = wire::ToolChoice {
            r#type: "none",
            name: None,
            disable_parallel_tool_use: false,
        };
        return called(call).next().map(|_| none);
    }
    match &call.tool_choice {
        None if one_at_a_time => Some(choice("auto", None)),
        None => None,
        Some(ToolChoice::Auto) => Some(choice("auto", None)),
        Some(ToolChoice::Required) => Some(choice("any", None)),
        Some(ToolChoice::Named(name)) => Some(choice("tool", Some(name))),
        Some(ToolChoice::None) => Some(wire::ToolChoice {
            r#type: "none",
            name: None,
            disable_parallel_tool_use: false,
        }),
    }
}

fn output_config<'a>(
    call: &'a Call,
    plan: &Plan,
    losses: &mut Losses,
) -> Result<Option<wire::OutputConfig<'a>>, CallError> {
    let format = match &call.output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => {
            losses.note(
                "response_format",
                "Anthropic has no JSON mode without a schema: the prompt alone asks for it",
            );
            None
        }
        OutputFormat::JsonSchema {
            schema: Some(schema),
            ..
        } => Some(wire::Format {
            r#type: "json_schema",
            schema,
        }),
        OutputFormat::JsonSchema { schema: None, .. } => {
            let param = "response_format.json_schema.schema";
            return Err(CallError::about(param, format!("`{param}` is required")));
        }
    };
    let config = wire::OutputConfig {
        effort: plan.effort,
        format,
    };
    Ok((config.effort.is_some() || config.format.is_some()).then_some(config))
}
