//! Writes a call for a server, and a whole answer for a client.

use std::borrow::Cow;

use crate::canonical::{
    Block, Call, Choice, Finish, Image, ImageSource, OutputFormat, Reasoning, ReasoningEffort,
    Reply, Role, Tool, ToolChoice, ToolResult, ToolUse, Turn,
};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::openai_chat::wire::{self, Members};
use crate::{Dialect, Encoded, Encoding, ReplyFrame, ids};

/// Writes a call.
pub(crate) fn call(call: &Call, encoding: &Encoding<'_>) -> Result<Encoded, CallError> {
    let mut losses = Losses::default();
    let own = call.dialect == Dialect::OpenaiChat;
    if !own {
        carry::extras(call, Dialect::OpenaiChat, &[], &mut losses)?;
    }
    let mut messages = Vec::with_capacity(call.turns.len());
    for turn in &call.turns {
        message(turn, own, &mut messages, &mut losses)?;
    }
    let body = wire::Call {
        model: encoding.model,
        messages,
        stream: call.stream,
        stream_options: (call.stream && call.include_usage).then_some(wire::StreamOptions {
            include_usage: true,
        }),
        tools: call.tools.iter().map(|each| tool(each, own)).collect(),
        tool_choice: call.tool_choice.as_ref().map(tool_choice),
        parallel_tool_calls: call.parallel_tools,
        max_completion_tokens: call.max_output,
        temperature: call.sampling.temperature,
        top_p: call.sampling.top_p,
        top_k: call.sampling.top_k,
        frequency_penalty: call.sampling.frequency_penalty,
        presence_penalty: call.sampling.presence_penalty,
        seed: call.sampling.seed,
        stop: &call.stop,
        response_format: response_format(&call.output),
        reasoning_effort: call.reasoning.as_ref().map(effort),
        user: call.user.as_deref(),
        n: (call.choices != 1).then_some(call.choices),
        extra: members(&call.extra, own),
    };
    Ok(Encoded {
        body: carry::json(&body),
        losses: losses.into_vec(),
        headers: Vec::new(),
    })
}

const NOTHING: &crate::canonical::Extra = &Vec::new();

/// Unknown members return to their own dialect alone.
fn members(extra: &crate::canonical::Extra, own: bool) -> Members<'_> {
    Members(if own { extra } else { NOTHING })
}

fn message<'a>(
    turn: &'a Turn,
    own: bool,
    messages: &mut Vec<wire::Message<'a>>,
    losses: &mut Losses,
) -> Result<(), CallError> {
    let role = match turn.role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => {
            for block in &turn.content {
                if let Block::ToolResult(result) = block {
                    messages.push(tool_result(result, own, losses)?);
                }
            }
            return Ok(());
        }
    };
    let mut parts = Vec::new();
    let mut tool_calls = Vec::new();
    for block in &turn.content {
        match block {
            Block::Thinking(_) => losses.note("thinking", "OpenAI takes no thinking back"),
            Block::ToolUse(call) => tool_calls.push(tool_call(call)),
            Block::ToolResult(result) => messages.push(tool_result(result, own, losses)?),
            other => parts.push(part(other, own)?),
        }
    }
    let content = match (turn.role, parts.is_empty()) {
        // Tools' results stood alone in a user's turn.
        (Role::User, true) if !turn.content.is_empty() => return Ok(()),
        (Role::Assistant, true) if !tool_calls.is_empty() => None,
        _ => Some(content(parts)),
    };
    messages.push(wire::Message {
        role,
        content,
        name: turn.name.as_deref(),
        refusal: None,
        tool_calls,
        tool_call_id: None,
        extra: members(&turn.extra, own),
    });
    Ok(())
}

/// A single plain text is written as a string, which every server reads.
fn content(parts: Vec<wire::Part<'_>>) -> wire::Content<'_> {
    match parts.as_slice() {
        [] => wire::Content::Text(""),
        [wire::Part::Text { text, extra, .. }] if extra.0.is_empty() => wire::Content::Text(text),
        _ => wire::Content::Parts(parts),
    }
}

fn part(block: &Block, own: bool) -> Result<wire::Part<'_>, CallError> {
    match block {
        Block::Text(text) => Ok(wire::Part::Text {
            r#type: "text",
            text: &text.text,
            extra: members(&text.extra, own),
        }),
        Block::Image(image) => Ok(wire::Part::Image {
            r#type: "image_url",
            image_url: wire::ImageUrl {
                url: image_url(image),
                detail: image.detail.as_deref(),
            },
            extra: members(&image.extra, own),
        }),
        Block::Refusal(refusal) => Ok(wire::Part::Refusal {
            r#type: "refusal",
            refusal,
        }),
        Block::Opaque(opaque) if opaque.dialect == Dialect::OpenaiChat => {
            Ok(wire::Part::Opaque(&opaque.raw))
        }
        Block::Opaque(opaque) => Err(carry::no_such_content(&opaque.kind, "OpenAI")),
        Block::Thinking(_) | Block::ToolUse(_) | Block::ToolResult(_) => {
            Err(carry::no_such_content("a tool's call or result", "OpenAI"))
        }
    }
}

pub(crate) fn image_url(image: &Image) -> Cow<'_, str> {
    match &image.source {
        ImageSource::Url(url) => Cow::Borrowed(url),
        ImageSource::Data { media_type, base64 } => {
            Cow::Owned(format!("data:{media_type};base64,{base64}"))
        }
    }
}

fn tool_result<'a>(
    result: &'a ToolResult,
    own: bool,
    losses: &mut Losses,
) -> Result<wire::Message<'a>, CallError> {
    if result.is_error {
        losses.note("tool_result.is_error", "OpenAI has no mark for it");
    }
    let parts = result
        .content
        .iter()
        .map(|block| part(block, own))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(wire::Message {
        role: "tool",
        content: Some(content(parts)),
        name: None,
        refusal: None,
        tool_calls: Vec::new(),
        tool_call_id: Some(ids::for_openai(&result.id)),
        extra: members(&result.extra, own),
    })
}

/// Signatures stay behind: they belong to the provider that made them.
fn tool_call(call: &ToolUse) -> wire::ToolCall<'_> {
    wire::ToolCall {
        id: Some(ids::for_openai(&call.id)),
        r#type: Some("function"),
        function: wire::CalledFunction {
            name: Some(&call.name),
            arguments: text_of(call),
        },
        ..wire::ToolCall::default()
    }
}

/// Arguments are always a JSON text: nothing is the empty object.
fn text_of(call: &ToolUse) -> &str {
    if call.arguments.0.trim_ascii().is_empty() {
        "{}"
    } else {
        &call.arguments.0
    }
}

fn tool(tool: &Tool, own: bool) -> wire::Tool<'_> {
    wire::Tool {
        r#type: "function",
        function: wire::Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.schema.as_ref(),
            strict: tool.strict,
        },
        extra: members(&tool.extra, own),
    }
}

fn tool_choice(choice: &ToolChoice) -> wire::ToolChoice<'_> {
    match choice {
        ToolChoice::Auto => wire::ToolChoice::Word("auto"),
        ToolChoice::None => wire::ToolChoice::Word("none"),
        ToolChoice::Required => wire::ToolChoice::Word("required"),
        ToolChoice::Named(name) => wire::ToolChoice::Named {
            r#type: "function",
            function: wire::FunctionName { name },
        },
    }
}

pub(crate) fn response_format(output: &OutputFormat) -> Option<wire::ResponseFormat<'_>> {
    match output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => Some(wire::ResponseFormat {
            r#type: "json_object",
            json_schema: None,
        }),
        OutputFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => Some(wire::ResponseFormat {
            r#type: "json_schema",
            json_schema: Some(wire::JsonSchema {
                name,
                description: description.as_deref(),
                schema: schema.as_ref(),
                strict: *strict,
            }),
        }),
    }
}

fn effort(reasoning: &Reasoning) -> &'static str {
    match reasoning {
        Reasoning::Off => "none",
        Reasoning::Effort(effort) => effort.as_str(),
        Reasoning::Adaptive => ReasoningEffort::Medium.as_str(),
        Reasoning::Budget(tokens) => carry::effort_of_budget(*tokens).as_str(),
    }
}

/// Writes a whole answer.
pub(crate) fn reply(reply: &Reply, frame: &ReplyFrame) -> Vec<u8> {
    let choices = reply
        .choices
        .iter()
        .enumerate()
        .map(|(index, each)| choice(each, index))
        .collect();
    carry::json(&wire::Reply {
        id: &frame.id,
        object: "chat.completion",
        created: frame.created,
        model: &frame.model,
        choices,
        usage: wire::Usage::of(&reply.usage),
    })
}

fn choice(choice: &Choice, index: usize) -> wire::Choice<'_> {
    let mut content: Vec<&str> = Vec::new();
    let (mut thoughts, mut refusals) = (String::new(), String::new());
    let mut tool_calls = Vec::new();
    for block in &choice.content {
        match block {
            Block::Text(text) => content.push(&text.text),
            Block::Thinking(thinking) => thoughts.push_str(&thinking.text),
            Block::Refusal(refusal) => refusals.push_str(refusal),
            Block::ToolUse(call) => tool_calls.push(wire::ToolCall {
                id: Some(Cow::Borrowed(&call.id)),
                r#type: Some("function"),
                function: wire::CalledFunction {
                    name: Some(&call.name),
                    arguments: text_of(call),
                },
                extra_content: wire::ExtraContent::signed(call.signature.as_deref()),
                index: None,
            }),
            Block::Image(_) | Block::ToolResult(_) | Block::Opaque(_) => {}
        }
    }
    let content = match content.as_slice() {
        [] if !tool_calls.is_empty() || !refusals.is_empty() => None,
        [one] => Some(Cow::Borrowed(*one)),
        several => Some(Cow::Owned(several.concat())),
    };
    wire::Choice {
        index,
        message: wire::Answer {
            role: "assistant",
            content,
            reasoning_content: Some(thoughts).filter(|text| !text.is_empty()),
            refusal: Some(refusals).filter(|text| !text.is_empty()),
            tool_calls,
        },
        logprobs: None,
        finish_reason: finish(&choice.finish),
    }
}

/// OpenAI's words, of which clients know no others.
pub(crate) fn finish(finish: &Finish) -> &str {
    match finish {
        // It is no end: the model expects to go on, as after a limit.
        Finish::Pause => "length",
        Finish::Other(word) if word == "function_call" => "function_call",
        Finish::Other(_) => "stop",
        Finish::Stop
        | Finish::StopSequence(_)
        | Finish::Length
        | Finish::ToolCalls
        | Finish::ContentFilter(_) => finish.word(),
    }
}
