//! Writes the conversation: one system field, alternating turns, results of tools before anything else.

use crate::anthropic_messages::sampling::Plan;
use crate::anthropic_messages::wire;
use crate::canonical::{
    Block, Call, Extra, Image, ImageSource, Raw, Role, Text, Thinking, ToolResult, Turn,
};
use crate::carry::{self, Losses};
use crate::fault::CallError;
use crate::ids;
use crate::{Encoding, ThinkingStyle};

/// What a call's turns become.
#[derive(Debug, Default)]
pub(crate) struct Conversation<'a> {
    pub(crate) system: Option<wire::System<'a>>,
    pub(crate) messages: Vec<wire::Message<'a>>,
}

/// Writes the turns.
pub(crate) fn conversation<'a>(
    call: &'a Call,
    encoding: &Encoding<'_>,
    plan: &Plan,
    losses: &mut Losses,
) -> Result<Conversation<'a>, CallError> {
    let is_system = |turn: &&Turn| matches!(turn.role, Role::System | Role::Developer);
    let leading = call.turns.iter().take_while(is_system).count();
    let (head, rest) = call
        .turns
        .split_at_checked(leading)
        .unwrap_or((&call.turns, &[]));
    let mut building = Building {
        messages: Vec::new(),
        deferred: Vec::new(),
        losses,
    };
    let system = building.system(head)?;
    for turn in rest {
        building.turn(turn, plan)?;
    }
    building.flush_deferred();
    let mut messages = building.messages;
    prefill(&mut messages, encoding)?;
    if messages.is_empty() {
        return Err(CallError::about(
            "messages",
            "`messages` has no content besides instructions: Anthropic needs some",
        ));
    }
    Ok(Conversation { system, messages })
}

struct Building<'a, 'l> {
    messages: Vec<wire::Message<'a>>,
    /// Instructions that stand between calls of tools and their results, which must not be parted.
    deferred: Vec<wire::Block<'a>>,
    losses: &'l mut Losses,
}

impl<'a> Building<'a, '_> {
    /// Instructions are joined by blank lines, or stay blocks where one of them marks a cache.
    fn system(&mut self, turns: &'a [Turn]) -> Result<Option<wire::System<'a>>, CallError> {
        let mut blocks = Vec::new();
        for turn in turns {
            self.blocks(turn, &mut blocks)?;
        }
        if blocks.is_empty() {
            return Ok(None);
        }
        if blocks.iter().any(|block| block.cache_control.is_some()) {
            return Ok(Some(wire::System::Blocks(blocks)));
        }
        let texts: Vec<&str> = blocks
            .iter()
            .filter_map(|block| match &block.kind {
                wire::Kind::Text { text } => Some(&**text),
                _ => None,
            })
            .collect();
        Ok(Some(wire::System::Text(texts.join("\n\n"))))
    }

    fn turn(&mut self, turn: &'a Turn, plan: &Plan) -> Result<(), CallError> {
        let mut blocks = Vec::new();
        self.blocks(turn, &mut blocks)?;
        if !plan.thinks() {
            blocks.retain(|block| {
                !matches!(
                    block.kind,
                    wire::Kind::Thinking { .. } | wire::Kind::RedactedThinking { .. }
                )
            });
        }
        match turn.role {
            Role::System | Role::Developer if self.awaits_results() => {
                self.deferred.append(&mut blocks)
            }
            Role::System | Role::Developer => self.push("system", blocks),
            Role::User => self.push("user", blocks),
            Role::Assistant => self.push("assistant", blocks),
            Role::Tool => {
                self.push("user", blocks);
                self.flush_deferred();
            }
        }
        Ok(())
    }

    fn awaits_results(&self) -> bool {
        let blocks = self
            .messages
            .last()
            .map(|message| message.content.as_slice())
            .unwrap_or_default();
        blocks
            .iter()
            .any(|block| matches!(block.kind, wire::Kind::ToolUse { .. }))
    }

    fn flush_deferred(&mut self) {
        let blocks = std::mem::take(&mut self.deferred);
        self.push("system", blocks);
    }

    /// Neighbours of one role become one message; in it, results of tools come first.
    fn push(&mut self, role: &'static str, blocks: Vec<wire::Block<'a>>) {
        if blocks.is_empty() {
            return;
        }
        if self
            .messages
            .last()
            .is_none_or(|message| message.role != role)
        {
            self.messages.push(wire::Message {
                role,
                content: Vec::new(),
            });
        }
        let Some(message) = self.messages.last_mut() else {
            return;
        };
        message.content.extend(blocks);
        // Stable: each kind keeps its order.
        message
            .content
            .sort_by_key(|block| !matches!(block.kind, wire::Kind::ToolResult { .. }));
    }

    fn blocks(
        &mut self,
        turn: &'a Turn,
        blocks: &mut Vec<wire::Block<'a>>,
    ) -> Result<(), CallError> {
        if turn.name.is_some() {
            self.losses
                .note("messages[].name", "Anthropic's messages have no names");
        }
        let before = blocks.len();
        for block in &turn.content {
            if let Some(block) = self.block(block)? {
                blocks.push(block);
            }
        }
        if let Some(mark) = cache_control(&turn.extra)
            && blocks.len() > before
            && let Some(last) = blocks.last_mut()
        {
            last.cache_control = Some(mark);
        }
        Ok(())
    }

    fn block(&mut self, block: &'a Block) -> Result<Option<wire::Block<'a>>, CallError> {
        Ok(match block {
            Block::Text(text) => self.text(text),
            Block::Refusal(text) if text.trim().is_empty() => None,
            Block::Refusal(text) => Some(wire::Block::text(text)),
            Block::Image(image) => Some(picture(image)),
            Block::Thinking(thinking) => self.thinking(thinking),
            Block::ToolUse(call) => {
                if call.arguments.as_object().is_none() {
                    self.losses.note(
                        "tool_calls[].function.arguments",
                        "they are no JSON object: they were wrapped in one",
                    );
                }
                Some(wire::Block::new(wire::Kind::ToolUse {
                    id: ids::for_anthropic(&call.id),
                    name: &call.name,
                    input: call.arguments.to_object(),
                }))
            }
            Block::ToolResult(result) => Some(self.result(result)?),
            Block::Opaque(opaque) => return Err(carry::no_such_content(&opaque.kind, "Anthropic")),
        })
    }

    /// Anthropic refuses texts of white space alone.
    fn text(&mut self, text: &'a Text) -> Option<wire::Block<'a>> {
        for (key, _) in text.extra.iter().filter(|(key, _)| key != "cache_control") {
            self.losses.note(
                format!("messages[].content[].{key}"),
                "Anthropic has no such field",
            );
        }
        if text.text.trim().is_empty() {
            if !text.text.is_empty() {
                self.losses.note(
                    "messages[].content",
                    "Anthropic takes no text of white space alone: it was left out",
                );
            }
            return None;
        }
        Some(wire::Block {
            cache_control: cache_control(&text.extra),
            ..wire::Block::text(&text.text)
        })
    }

    /// Only thinking with its seal may go back.
    fn thinking(&mut self, thinking: &'a Thinking) -> Option<wire::Block<'a>> {
        if let Some(data) = &thinking.redacted {
            return Some(wire::Block::new(wire::Kind::RedactedThinking { data }));
        }
        let Some(signature) = &thinking.signature else {
            self.losses.note(
                "reasoning_content",
                "Anthropic takes no thinking back without its signature",
            );
            return None;
        };
        Some(wire::Block::new(wire::Kind::Thinking {
            thinking: &thinking.text,
            signature,
        }))
    }

    fn result(&mut self, result: &'a ToolResult) -> Result<wire::Block<'a>, CallError> {
        let mut content = Vec::new();
        for block in &result.content {
            content.extend(self.block(block)?);
        }
        let kind = wire::Kind::ToolResult {
            tool_use_id: ids::for_anthropic(&result.id),
            content,
            is_error: result.is_error,
        };
        Ok(wire::Block {
            kind,
            cache_control: cache_control(&result.extra),
        })
    }
}

fn cache_control(extra: &Extra) -> Option<&Raw> {
    extra
        .iter()
        .find(|(key, _)| key == "cache_control")
        .map(|(_, value)| value)
}

fn picture(image: &Image) -> wire::Block<'_> {
    let source = match &image.source {
        ImageSource::Url(url) => wire::Source::Url { url },
        ImageSource::Data { media_type, base64 } => wire::Source::Base64 {
            media_type,
            data: base64,
        },
    };
    wire::Block {
        cache_control: cache_control(&image.extra),
        ..wire::Block::new(wire::Kind::Image { source })
    }
}

/// An answer that is begun for the model must not end in white space; newer models take none.
fn prefill(messages: &mut [wire::Message<'_>], encoding: &Encoding<'_>) -> Result<(), CallError> {
    let Some(last) = messages
        .last_mut()
        .filter(|message| message.role == "assistant")
    else {
        return Ok(());
    };
    if encoding.thinking != ThinkingStyle::Budget {
        let message = format!(
            "`messages` must not end with an assistant's message: {} does not go on with one",
            encoding.model
        );
        return Err(CallError::about("messages", message));
    }
    if let Some(wire::Block {
        kind: wire::Kind::Text { text },
        ..
    }) = last.content.last_mut()
    {
        *text = text.trim_end().to_owned().into();
    }
    Ok(())
}
