//! Reads a server's whole answer.

use types::TokenUsage;

use crate::Dialect;
use crate::canonical::{
    Arguments, Block, Choice, Finish, Loss, Opaque, Reply, Text, Thinking, ToolUse,
};
use crate::fault::ReplyFault;
use crate::json::{Node, Object};
use crate::whole;

/// Reads an answer.
pub(crate) fn reply(body: &[u8]) -> Result<Reply, ReplyFault> {
    let mut members = whole::answer(body)?;
    let Some(blocks) = members.take("content").and_then(|node| node.elements()) else {
        return Err(whole::no_answer(body, "there is no `content`"));
    };
    let mut reply = Reply {
        id: members.string("id"),
        model: members.string("model"),
        ..Reply::default()
    };
    let mut counters = Counters::default();
    counters.take(members.child("usage"));
    reply.usage = counters.usage();
    let mut content = Vec::new();
    for node in blocks {
        content.extend(block(node, &mut reply.losses));
    }
    let word = members
        .text("stop_reason")
        .ok_or_else(|| ReplyFault::shape("there is no `stop_reason`"))?;
    let finish = finish(&word, &mut members);
    for known in [
        "type",
        "role",
        "stop_reason",
        "stop_sequence",
        "stop_details",
    ] {
        members.take(known);
    }
    reply.choices.push(Choice {
        content,
        finish,
        extra: Vec::new(),
    });
    reply.extra = members.rest();
    Ok(reply)
}

fn block(node: Node<'_>, losses: &mut Vec<Loss>) -> Option<Block> {
    let mut members = node.object()?;
    let kind = members.string("type").unwrap_or_default();
    match kind.as_str() {
        "text" => {
            let text = members.string("text").filter(|text| !text.is_empty())?;
            if members.take("citations").is_some() {
                losses.push(Loss::new(
                    "content[].citations",
                    "the client's format has no place for them",
                ));
            }
            Some(Block::Text(Text {
                text,
                extra: Vec::new(),
            }))
        }
        "thinking" => Some(Block::Thinking(Thinking {
            text: members.string("thinking").unwrap_or_default(),
            signature: members
                .string("signature")
                .filter(|signature| !signature.is_empty()),
            redacted: None,
        })),
        "redacted_thinking" => Some(Block::Thinking(Thinking {
            redacted: members.string("data"),
            ..Thinking::default()
        })),
        "tool_use" => Some(Block::ToolUse(ToolUse {
            id: members.string("id").unwrap_or_default(),
            name: members.string("name").unwrap_or_default(),
            arguments: Arguments(
                members
                    .take("input")
                    .map_or_else(|| "{}".into(), |input| input.as_str().into()),
            ),
            ..ToolUse::default()
        })),
        _ => {
            losses.push(Loss::new(
                format!("content.{kind}"),
                "the client's format has no place for it",
            ));
            Some(Block::Opaque(Opaque {
                dialect: Dialect::AnthropicMessages,
                kind,
                raw: node.raw(),
            }))
        }
    }
}

/// Why the answer ends; takes what belongs to the reason.
pub(crate) fn finish(word: &str, members: &mut Object<'_>) -> Finish {
    match word {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(members.string("stop_sequence")),
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "pause_turn" => Finish::Pause,
        "refusal" => {
            let details = members.child("stop_details");
            Finish::ContentFilter(details.and_then(|mut details| details.string("category")))
        }
        other => Finish::Other(other.to_owned()),
    }
}

/// Anthropic's counters, whose input excludes what went through the cache.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl Counters {
    /// Takes the last of each that is said: they are totals, and never added up.
    pub(crate) fn take(&mut self, usage: Option<Object<'_>>) {
        let Some(mut usage) = usage else { return };
        self.input = usage.count("input_tokens").or(self.input);
        self.cache_read = usage.count("cache_read_input_tokens").or(self.cache_read);
        self.cache_write = usage
            .count("cache_creation_input_tokens")
            .or(self.cache_write);
        self.output = usage.count("output_tokens").or(self.output);
        let details = usage.child("output_tokens_details");
        self.thinking = details
            .and_then(|mut details| details.count("thinking_tokens"))
            .or(self.thinking);
    }

    /// The canonical accounting: input includes the cache's parts; output includes thinking already.
    pub(crate) fn usage(&self) -> TokenUsage {
        let cached = self
            .cache_read
            .unwrap_or(0)
            .saturating_add(self.cache_write.unwrap_or(0));
        TokenUsage {
            input: self.input.map(|input| input.saturating_add(cached)),
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            reasoning: self.thinking,
        }
    }
}
