//! Writes a call for a server.

use std::borrow::Cow;

use crate::canonical::{
    Block, Call, OutputFormat, Raw, Role, Tool, ToolChoice, ToolResult, ToolUse, Turn,
};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::mistral_chat::wire::{self, Content, Part};
use crate::openai_chat::encode::{image_url, response_format};
use crate::openai_chat::wire as openai;
use crate::{Dialect, Encoded, Encoding, ids};

/// Source: mistral.openapi.yaml, `ChatCompletionRequest.temperature`, seen 2026-11.
const MOST_TEMPERATURE: f64 = 1.5;

/// Members of OpenAI's calls that Mistral knows under the same name.
const SHARED: &[&str] = &["prompt_cache_key"];

/// Writes a call.
pub(crate) fn call(call: &Call, encoding: &Encoding<'_>) -> Result<Encoded, CallError> {
    let mut losses = Losses::default();
    carry::extras(call, Dialect::MistralChat, SHARED, &mut losses)?;
    note_losses(call, &mut losses);
    if let OutputFormat::JsonSchema { schema: None, .. } = &call.output {
        let param = "response_format.json_schema.schema";
        return Err(CallError::about(param, format!("`{param}` is required")));
    }
    let shared = |name| {
        call.extra
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let body = wire::Call {
        model: encoding.model,
        messages: messages(call, &mut losses)?,
        stream: call.stream,
        tools: call
            .tools
            .iter()
            .map(|each| tool(each, &mut losses))
            .collect(),
        tool_choice: call
            .tool_choice
            .as_ref()
            .filter(|_| !call.tools.is_empty())
            .map(tool_choice),
        parallel_tool_calls: call.parallel_tools.filter(|_| !call.tools.is_empty()),
        max_tokens: call.max_output,
        temperature: call
            .sampling
            .temperature
            .map(|temperature| temperature.clamp(0.0, MOST_TEMPERATURE)),
        top_p: call.sampling.top_p.filter(|top_p| *top_p > 0.0),
        presence_penalty: call.sampling.presence_penalty,
        frequency_penalty: call.sampling.frequency_penalty,
        random_seed: call.sampling.seed.and_then(|seed| u64::try_from(seed).ok()),
        stop: &call.stop,
        response_format: response_format(&call.output),
        n: (call.choices > 1).then_some(call.choices),
        prompt_cache_key: shared("prompt_cache_key"),
    };
    Ok(Encoded {
        body: carry::json(&body),
        losses: losses.into_vec(),
        headers: Vec::new(),
    })
}

fn note_losses(call: &Call, losses: &mut Losses) {
    let sampling = &call.sampling;
    if sampling
        .temperature
        .is_some_and(|temperature| temperature > MOST_TEMPERATURE)
    {
        losses.note(
            "temperature",
            "Mistral's goes from 0 to 1.5: the nearest value was sent",
        );
    }
    for (field, lost, why) in [
        (
            "top_p",
            sampling.top_p.is_some_and(|top_p| top_p <= 0.0),
            "Mistral's must be above 0",
        ),
        (
            "top_k",
            sampling.top_k.is_some(),
            "Mistral has no such parameter",
        ),
        (
            "seed",
            sampling.seed.is_some_and(|seed| seed < 0),
            "Mistral's must not be negative",
        ),
        ("user", call.user.is_some(), "Mistral has no such parameter"),
        (
            "reasoning_effort",
            call.reasoning.is_some(),
            "it is not carried to Mistral yet: the model thinks as it sees fit",
        ),
    ] {
        if lost {
            losses.note(field, why);
        }
    }
}

fn messages<'a>(call: &'a Call, losses: &mut Losses) -> Result<Vec<wire::Message<'a>>, CallError> {
    let mut building = Building {
        messages: Vec::with_capacity(call.turns.len()),
        deferred: Vec::new(),
        open: 0,
        begun: false,
        losses,
    };
    for turn in &call.turns {
        building.turn(turn)?;
    }
    building.flush_deferred();
    let mut messages = building.messages;
    if let Some(last) = messages.last_mut() {
        last.prefix = last.role == "assistant";
    }
    Ok(messages)
}

struct Building<'a, 'l> {
    messages: Vec<wire::Message<'a>>,
    /// Instructions that stand between calls of tools and their results, which must not be parted.
    deferred: Vec<wire::Message<'a>>,
    /// How many calls have no result yet.
    open: usize,
    /// Whether the instructions at the start are over.
    begun: bool,
    losses: &'l mut Losses,
}

impl<'a> Building<'a, '_> {
    fn turn(&mut self, turn: &'a Turn) -> Result<(), CallError> {
        let role = match turn.role {
            Role::System | Role::Developer if self.begun => {
                self.losses.note(
                    "messages[].role",
                    "Mistral takes instructions at the start alone: later ones went as the user's",
                );
                let message = message(turn, "user", self.losses)?;
                if self.open > 0 {
                    self.deferred.push(message);
                } else {
                    self.push(message);
                }
                return Ok(());
            }
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => return self.results(turn),
        };
        self.begun |= role != "system";
        let message = message(turn, role, self.losses)?;
        if role == "assistant" {
            self.open = message.tool_calls.len();
            if self.open == 0 && message.content.is_empty() {
                return Ok(());
            }
        }
        self.push(message);
        Ok(())
    }

    fn results(&mut self, turn: &'a Turn) -> Result<(), CallError> {
        for block in &turn.content {
            if let Block::ToolResult(result) = block {
                self.messages.push(tool_result(result, self.losses)?);
                self.open = self.open.saturating_sub(1);
            }
        }
        if self.open == 0 {
            self.flush_deferred();
        }
        Ok(())
    }

    fn flush_deferred(&mut self) {
        for message in std::mem::take(&mut self.deferred) {
            self.push(message);
        }
    }

    fn push(&mut self, message: wire::Message<'a>) {
        let after_tool = self.messages.last().is_some_and(|last| last.role == "tool");
        if message.role == "user" && after_tool {
            self.losses.note("messages", "Mistral takes no user's message right after a tool's result: an assistant's `OK.` was put between");
            self.messages.push(wire::Message {
                role: "assistant",
                content: Content::Text(Cow::Borrowed("OK.")),
                ..wire::Message::default()
            });
        }
        self.messages.push(message);
    }
}

fn message<'a>(
    turn: &'a Turn,
    role: &'static str,
    losses: &mut Losses,
) -> Result<wire::Message<'a>, CallError> {
    if turn.name.is_some() {
        losses.note("messages[].name", "Mistral's messages have no names");
    }
    let mut parts = Vec::new();
    let mut message = wire::Message {
        role,
        ..wire::Message::default()
    };
    for block in &turn.content {
        match block {
            Block::Thinking(_) => losses.note(
                "reasoning_content",
                "Mistral takes no thinking of others back",
            ),
            Block::ToolUse(used) => message.tool_calls.push(tool_call(used)),
            other => parts.extend(part(other, losses)?),
        }
    }
    message.content = content(parts);
    Ok(message)
}

fn part<'a>(block: &'a Block, losses: &mut Losses) -> Result<Option<Part<'a>>, CallError> {
    match block {
        Block::Text(text) => {
            for (key, _) in &text.extra {
                losses.note(
                    format!("messages[].content[].{key}"),
                    "Mistral has no such field",
                );
            }
            Ok(Some(Part::Text { text: &text.text }))
        }
        Block::Refusal(text) => Ok(Some(Part::Text { text })),
        Block::Image(image) => Ok(Some(Part::ImageUrl {
            image_url: openai::ImageUrl {
                url: image_url(image),
                detail: image.detail.as_deref(),
            },
        })),
        Block::Opaque(opaque) => Err(carry::no_such_content(&opaque.kind, "Mistral")),
        Block::Thinking(_) | Block::ToolUse(_) | Block::ToolResult(_) => Ok(None),
    }
}

/// Plain text is a string: not every model takes parts.
fn content(parts: Vec<Part<'_>>) -> Content<'_> {
    match parts.as_slice() {
        [] => Content::default(),
        [Part::Text { text }] => Content::Text(Cow::Borrowed(text)),
        _ => Content::Parts(parts),
    }
}

fn tool_call(call: &ToolUse) -> wire::ToolCall<'_> {
    let arguments = if call.arguments.0.trim_ascii().is_empty() {
        "{}"
    } else {
        &call.arguments.0
    };
    wire::ToolCall {
        id: ids::for_mistral(&call.id),
        r#type: "function",
        function: wire::Called {
            name: &call.name,
            arguments,
        },
    }
}

fn tool_result<'a>(
    result: &'a ToolResult,
    losses: &mut Losses,
) -> Result<wire::Message<'a>, CallError> {
    if result.is_error {
        losses.note("tool_result.is_error", "Mistral has no mark for it");
    }
    let mut parts = Vec::new();
    for block in &result.content {
        parts.extend(part(block, losses)?);
    }
    Ok(wire::Message {
        role: "tool",
        content: content(parts),
        tool_call_id: Some(ids::for_mistral(&result.id)),
        ..wire::Message::default()
    })
}

fn tool<'a>(tool: &'a Tool, losses: &mut Losses) -> wire::Tool<'a> {
    for (key, _) in &tool.extra {
        losses.note(format!("tools[].{key}"), "Mistral has no such field");
    }
    let nothing = || Raw::parse(r#"{"type":"object","properties":{}}"#).unwrap_or_else(Raw::null);
    wire::Tool {
        r#type: "function",
        function: wire::Function {
            name: &tool.name,
            description: tool.description.as_deref(),
            strict: tool.strict,
            parameters: tool
                .schema
                .as_ref()
                .map_or_else(|| Cow::Owned(nothing()), Cow::Borrowed),
        },
    }
}

fn tool_choice(choice: &ToolChoice) -> openai::ToolChoice<'_> {
    match choice {
        ToolChoice::Auto => openai::ToolChoice::Word("auto"),
        ToolChoice::None => openai::ToolChoice::Word("none"),
        ToolChoice::Required => openai::ToolChoice::Word("any"),
        ToolChoice::Named(name) => openai::ToolChoice::Named {
            r#type: "function",
            function: openai::FunctionName { name },
        },
    }
}
