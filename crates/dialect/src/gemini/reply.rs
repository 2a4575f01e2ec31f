//! Reads a server's whole answer.

use types::TokenUsage;

use crate::canonical::{Arguments, Block, Choice, Finish, Loss, Reply, Thinking, ToolUse};
use crate::fault::{ErrorWords, ReplyFault};
use crate::ids;
use crate::json::{Node, Object};
use crate::whole;

/// Reads an answer.
pub(crate) fn reply(body: &[u8]) -> Result<Reply, ReplyFault> {
    let mut members = whole::answer(body)?;
    let mut reply = Reply {
        id: members.string("responseId"),
        model: members.string("modelVersion"),
        usage: usage(members.child("usageMetadata")),
        ..Reply::default()
    };
    let candidates = members.list("candidates");
    if candidates.is_empty() {
        // A blocked prompt, if it says so.
        return Err(whole::no_answer(body, "there are no `candidates`"));
    }
    let answer = reply.id.clone().unwrap_or_default();
    for (index, node) in (0..).zip(candidates) {
        let choice = candidate(node, index, &answer, &mut reply.losses)?;
        reply.choices.push(choice);
    }
    reply.extra = members.rest();
    Ok(reply)
}

/// Why the prompt was blocked, if it was.
pub(crate) fn block_reason(members: &mut Object<'_>) -> Option<String> {
    members.child("promptFeedback")?.string("blockReason")
}

fn candidate(
    node: Node<'_>,
    index: u32,
    answer: &str,
    losses: &mut Vec<Loss>,
) -> Result<Choice, ReplyFault> {
    let mut members = node
        .object()
        .ok_or_else(|| ReplyFault::shape("a candidate is no object"))?;
    let mut content = Vec::new();
    let parts = members
        .child("content")
        .map(|mut inner| inner.list("parts"));
    let mut calls = 0;
    for node in parts.iter().flatten() {
        let Some(part) = node.object() else { continue };
        match Part::read(part) {
            Part::Text(text) => push_text(&mut content, text),
            Part::Thought(text) => content.push(Block::Thinking(Thinking {
                text,
                ..Thinking::default()
            })),
            Part::Call(call) => {
                content.push(Block::ToolUse(call.with_id(answer, index, calls)));
                calls = calls.saturating_add(1);
            }
            Part::Other(kind) => losses.push(Loss::new(
                format!("parts.{kind}"),
                "the client's format has no place for it",
            )),
            Part::Empty => {}
        }
    }
    let word = members.string("finishReason");
    let finish = match word {
        Some(word) => finish(&word, calls > 0).map_err(|word| {
            let message = members.string("finishMessage");
            ReplyFault::ErrorObject(Box::new(ErrorWords {
                kind: Some(word),
                message,
                ..ErrorWords::default()
            }))
        })?,
        None if content.is_empty() => Finish::ContentFilter(None),
        None if calls > 0 => Finish::ToolCalls,
        None => Finish::Stop,
    };
    let finish = match finish {
        // Nothing was said, and for no reason that has a name.
        Finish::Other(word) if content.is_empty() => Finish::ContentFilter(Some(word)),
        other => other,
    };
    Ok(Choice {
        content,
        finish,
        extra: Vec::new(),
    })
}

/// Neighbouring texts are one.
fn push_text(content: &mut Vec<Block>, text: String) {
    match content.last_mut() {
        Some(Block::Text(before)) => before.text.push_str(&text),
        _ => content.push(Block::text(text)),
    }
}

/// A part of a content.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Thought(String),
    Call(ToolUse),
    Other(String),
    Empty,
}

impl Part {
    /// Reads a part.
    pub(crate) fn read(mut members: Object<'_>) -> Self {
        let thought = members
            .take("thought")
            .and_then(|node| node.boolean())
            .unwrap_or(false);
        let signature = members.string("thoughtSignature");
        if let Some(text) = members.string("text") {
            return match (text.is_empty(), thought) {
                (true, _) => Self::Empty,
                (false, true) => Self::Thought(text),
                (false, false) => Self::Text(text),
            };
        }
        if let Some(mut call) = members.child("functionCall") {
            let arguments = call
                .take("args")
                .map_or_else(|| "{}".to_owned(), |args| args.as_str().to_owned());
            return Self::Call(ToolUse {
                id: call.string("id").unwrap_or_default(),
                name: call.string("name").unwrap_or_default(),
                arguments: Arguments(arguments),
                signature,
                extra: Vec::new(),
            });
        }
        members
            .rest()
            .into_iter()
            .next()
            .map_or(Self::Empty, |(kind, _)| Self::Other(kind))
    }
}

impl ToolUse {
    /// Calls without an id get one that is the same each time the answer is read.
    fn with_id(mut self, answer: &str, choice: u32, call: u32) -> Self {
        if self.id.is_empty() {
            self.id = ids::made_up(answer, choice, call, &self.name);
        }
        self
    }
}

/// Why the answer ends; `Err` with the word for a reason that is a failure.
pub(crate) fn finish(word: &str, called: bool) -> Result<Finish, String> {
    Ok(match word {
        "STOP" if called => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter(Some(word.to_owned())),
        "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            return Err(word.to_owned());
        }
        other => Finish::Other(other.to_ascii_lowercase()),
    })
}

/// Reads usage: thoughts stand beside the candidates' tokens, tools' prompts beside the prompt's.
pub(crate) fn usage(members: Option<Object<'_>>) -> TokenUsage {
    let Some(mut members) = members else {
        return TokenUsage::default();
    };
    let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    };
    let reasoning = members.count("thoughtsTokenCount");
    TokenUsage {
        input: sum(
            members.count("promptTokenCount"),
            members.count("toolUsePromptTokenCount"),
        ),
        output: sum(members.count("candidatesTokenCount"), reasoning),
        cache_read: members.count("cachedContentTokenCount"),
        cache_write: None,
        reasoning,
    }
}
