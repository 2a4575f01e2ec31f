//! Writes the conversation: instructions apart, turns merged, and results of tools paired with their calls by name and
//! order.

use crate::canonical::{Block, Call, Image, ImageSource, Role, ToolResult, ToolUse, Turn};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::gemini::wire::{self, Part};

/// What stands in for a signature that the client did not bring back.
/// Source: Gemini API, "Thought signatures", the documented way to go on with foreign history, seen 2026-11.
const SKIP_SIGNATURE: &str = "skip_thought_signature_validator";

/// What a call's turns become.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    pub(crate) system: Option<wire::System<'a>>,
    pub(crate) contents: Vec<wire::Content<'a>>,
}

/// Writes the turns.
pub(crate) fn conversation<'a>(
    call: &'a Call,
    model: &str,
    losses: &mut Losses,
) -> Result<Conversation<'a>, CallError> {
    let is_system = |turn: &&Turn| matches!(turn.role, Role::System | Role::Developer);
    let leading = call.turns.iter().take_while(is_system).count();
    let (head, rest) = call
        .turns
        .split_at_checked(leading)
        .unwrap_or((&call.turns, &[]));
    // Generations before 3 neither give nor want signatures on calls.
    let needs_signatures = !["gemini-1", "gemini-2"]
        .iter()
        .any(|old| model.contains(old));
    let mut building = Building {
        contents: Vec::new(),
        open: Vec::new(),
        needs_signatures,
        losses,
    };
    let mut parts = Vec::new();
    for turn in head {
        building.parts(turn, &mut parts)?;
    }
    for turn in rest {
        building.turn(turn)?;
    }
    building.all_answered()?;
    let contents = building.contents;
    if contents.is_empty() {
        return Err(CallError::about(
            "messages",
            "`messages` has no content besides instructions: Gemini needs some",
        ));
    }
    let system = (!parts.is_empty()).then_some(wire::System { parts });
    Ok(Conversation { system, contents })
}

struct Building<'a, 'l> {
    contents: Vec<wire::Content<'a>>,
    /// The calls of the last step that have no result yet, in order.
    open: Vec<&'a ToolUse>,
    needs_signatures: bool,
    losses: &'l mut Losses,
}

impl<'a> Building<'a, '_> {
    fn turn(&mut self, turn: &'a Turn) -> Result<(), CallError> {
        let mut parts = Vec::new();
        match turn.role {
            Role::Tool => return self.results(turn),
            Role::System | Role::Developer => {
                self.losses.note(
                    "messages[].role",
                    "Gemini takes instructions at the start alone: later ones went as the user's",
                );
                self.parts(turn, &mut parts)?;
                self.push("user", parts);
            }
            Role::User => {
                self.all_answered()?;
                self.parts(turn, &mut parts)?;
                self.push("user", parts);
            }
            Role::Assistant => {
                self.all_answered()?;
                self.parts(turn, &mut parts)?;
                self.push("model", parts);
            }
        }
        Ok(())
    }

    /// Neighbours of one role become one content.
    fn push(&mut self, role: &'static str, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(content) if content.role == role => content.parts.extend(parts),
            _ => self.contents.push(wire::Content { role, parts }),
        }
        if let Some(content) = self
            .contents
            .last_mut()
            .filter(|content| content.role == "user")
        {
            // Responses come right after their calls; the rest keeps its order.
            content
                .parts
                .sort_by_key(|part| part.function_response.is_none());
        }
    }

    fn parts(&mut self, turn: &'a Turn, parts: &mut Vec<Part<'a>>) -> Result<(), CallError> {
        if turn.name.is_some() {
            self.losses
                .note("messages[].name", "Gemini's contents have no names");
        }
        // The first call of a step carries the signature for all of it.
        let mut first = true;
        for block in &turn.content {
            match block {
                Block::Text(text) => {
                    for (key, _) in &text.extra {
                        self.losses.note(
                            format!("messages[].content[].{key}"),
                            "Gemini has no such field",
                        );
                    }
                    parts.extend(words(&text.text));
                }
                Block::Refusal(text) => parts.extend(words(text)),
                Block::Image(image) => parts.push(picture(image)?),
                Block::Thinking(_) => self.losses.note(
                    "reasoning_content",
                    "Gemini takes no thinking of others back",
                ),
                Block::ToolUse(call) => {
                    parts.push(self.call(call, first));
                    first = false;
                }
                Block::ToolResult(result) => parts.extend(self.result(result)?),
                Block::Opaque(opaque) => {
                    return Err(carry::no_such_content(&opaque.kind, "Gemini"));
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, call: &'a ToolUse, first: bool) -> Part<'a> {
        if call.arguments.as_object().is_none() {
            self.losses.note(
                "tool_calls[].function.arguments",
                "they are no JSON object: they were wrapped in one",
            );
        }
        self.open.push(call);
        let stand_in = (first && self.needs_signatures).then_some(SKIP_SIGNATURE);
        Part {
            function_call: Some(wire::FunctionCall {
                id: &call.id,
                name: &call.name,
                args: call.arguments.to_object(),
            }),
            thought_signature: call.signature.as_deref().or(stand_in),
            ..Part::default()
        }
    }

    /// The results of one step, in the order of its calls.
    fn results(&mut self, turn: &'a Turn) -> Result<(), CallError> {
        let mut results: Vec<&ToolResult> = Vec::new();
        for block in &turn.content {
            if let Block::ToolResult(result) = block {
                results.push(result);
            }
        }
        results.sort_by_key(|result| self.open.iter().position(|call| call.id == result.id));
        let (mut responses, mut pictures) = (Vec::new(), Vec::new());
        for result in results {
            let mut parts = self.result(result)?.into_iter();
            responses.extend(parts.next());
            pictures.extend(parts);
        }
        responses.extend(pictures);
        self.push("user", responses);
        Ok(())
    }

    /// The response, and then the pictures in it.
    fn result(&mut self, result: &'a ToolResult) -> Result<Vec<Part<'a>>, CallError> {
        let Some(at) = self.open.iter().position(|call| call.id == result.id) else {
            let message = format!(
                "`tool_call_id` {:?} answers no call of the turn before it",
                result.id
            );
            return Err(CallError::about("messages[].tool_call_id", message));
        };
        let call = self.open.remove(at);
        let mut texts = Vec::new();
        let mut parts = vec![Part::default()];
        for block in &result.content {
            match block {
                Block::Text(text) => texts.push(text.text.as_str()),
                Block::Image(image) => parts.push(picture(image)?),
                _ => {
                    return Err(carry::no_such_content(
                        "a part of a tool's result",
                        "Gemini",
                    ));
                }
            }
        }
        let response = response(texts.concat(), result.is_error);
        if let Some(first) = parts.first_mut() {
            first.function_response = Some(wire::FunctionResponse {
                id: &call.id,
                name: &call.name,
                response,
            });
        }
        Ok(parts)
    }

    /// Gemini refuses a step with fewer results than calls.
    fn all_answered(&mut self) -> Result<(), CallError> {
        let Some(call) = self.open.first() else {
            return Ok(());
        };
        let message = format!("the tool call {:?} has no message with its result", call.id);
        Err(CallError::about("messages", message))
    }
}

fn words(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Part {
        text: Some(text),
        ..Part::default()
    })
}

/// An object goes as it is written, other text as the member `result`.
fn response(text: String, is_error: bool) -> wire::Response {
    if is_error {
        return wire::Response::Error { error: text };
    }
    let object = text
        .trim_ascii_start()
        .starts_with('{')
        .then(|| serde_json::from_str(&text).ok())
        .flatten();
    object.map_or(
        wire::Response::Result { result: text },
        wire::Response::Object,
    )
}

fn picture(image: &Image) -> Result<Part<'_>, CallError> {
    match &image.source {
        ImageSource::Data { media_type, base64 } => Ok(Part {
            inline_data: Some(wire::Blob {
                mime_type: media_type,
                data: base64,
            }),
            ..Part::default()
        }),
        // Files that Google keeps itself.
        ImageSource::Url(url)
            if url.starts_with("gs://") || url.contains("generativelanguage.googleapis.com/") =>
        {
            Ok(Part {
                file_data: Some(wire::FileData { file_uri: url }),
                ..Part::default()
            })
        }
        ImageSource::Url(_) => {
            let message =
                "an image at an address cannot be carried to Gemini: send it as a data URL";
            Err(CallError::about(
                "messages[].content[].image_url.url",
                message,
            ))
        }
    }
}
