//! Writes a stream of chunks for a client.

use std::borrow::Cow;

use types::TokenUsage;

use crate::ReplyFrame;
use crate::canonical::Event;
use crate::carry;
use crate::openai_chat::encode;
use crate::openai_chat::wire::{
    CalledFunction, Chunk, ChunkChoice, Delta, ExtraContent, ToolCall, Usage,
};

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Encoder {
    frame: ReplyFrame,
    /// The answers whose role went out.
    opened: Vec<u32>,
    usage: TokenUsage,
    ended: bool,
    closed: bool,
}

impl Encoder {
    pub(crate) fn new(frame: ReplyFrame) -> Self {
        Self {
            frame,
            opened: Vec::new(),
            usage: TokenUsage::default(),
            ended: false,
            closed: false,
        }
    }

    pub(crate) fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::Begin { .. } => self.open(0, out),
            Event::Finish { choice, finish } => {
                self.open(*choice, out);
                self.choice(*choice, Delta::default(), Some(encode::finish(finish)), out);
            }
            Event::Usage(usage) => self.usage.replace_with(usage),
            Event::End => self.ended = true,
            other => {
                if let Some((choice, delta)) = delta(other) {
                    self.open(choice, out);
                    self.choice(choice, delta, None, out);
                }
            }
        }
    }

    /// Only a stream that came to its own end is closed as complete.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.ended || self.closed {
            return;
        }
        self.closed = true;
        if self.frame.include_usage
            && let Some(usage) = Usage::of(&self.usage)
        {
            self.chunk(&[], Some(usage), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn open(&mut self, choice: u32, out: &mut Vec<u8>) {
        if !self.opened.contains(&choice) {
            self.opened.push(choice);
            let delta = Delta {
                role: Some("assistant"),
                content: Some(""),
                ..Delta::default()
            };
            self.choice(choice, delta, None, out);
        }
    }

    fn choice(&self, index: u32, delta: Delta<'_>, finish_reason: Option<&str>, out: &mut Vec<u8>) {
        self.chunk(
            &[ChunkChoice {
                index,
                delta,
                logprobs: None,
                finish_reason,
            }],
            None,
            out,
        );
    }

    fn chunk(&self, choices: &[ChunkChoice<'_>], usage: Option<Usage>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: &self.frame.id,
            object: "chat.completion.chunk",
            created: self.frame.created,
            model: &self.frame.model,
            choices,
            usage: self.frame.include_usage.then_some(usage),
        };
        out.extend_from_slice(b"data: ");
        carry::escape_line_ends(&carry::json(&chunk), out);
        out.extend_from_slice(b"\n\n");
    }
}

/// What a piece of an answer becomes, and of which answer it is.
fn delta(event: &Event) -> Option<(u32, Delta<'_>)> {
    let empty = Delta::default();
    Some(match event {
        Event::Text { choice, text } => (
            *choice,
            Delta {
                content: Some(text),
                ..empty
            },
        ),
        Event::Thinking { choice, text } => (
            *choice,
            Delta {
                reasoning_content: Some(text),
                ..empty
            },
        ),
        Event::Refusal { choice, text } => (
            *choice,
            Delta {
                refusal: Some(text),
                ..empty
            },
        ),
        Event::ToolStart {
            choice,
            call,
            id,
            name,
            signature,
        } => {
            let start = ToolCall {
                index: Some(*call),
                id: Some(Cow::Borrowed(id)),
                r#type: Some("function"),
                function: CalledFunction {
                    name: Some(name),
                    arguments: "",
                },
                extra_content: ExtraContent::signed(signature.as_deref()),
            };
            (
                *choice,
                Delta {
                    tool_calls: Some([start]),
                    ..empty
                },
            )
        }
        Event::ToolArguments {
            choice,
            call,
            fragment,
        } => {
            let function = CalledFunction {
                name: None,
                arguments: fragment,
            };
            let piece = ToolCall {
                index: Some(*call),
                function,
                ..ToolCall::default()
            };
            (
                *choice,
                Delta {
                    tool_calls: Some([piece]),
                    ..empty
                },
            )
        }
        // Seals belong to their provider's format, and nothing else here is for the client.
        Event::ThinkingSignature { .. }
        | Event::RedactedThinking { .. }
        | Event::BlockEnd { .. }
        | Event::Lost(_)
        | Event::Ping
        | Event::Begin { .. }
        | Event::Finish { .. }
        | Event::Usage(_)
        | Event::End => return None,
    })
}
