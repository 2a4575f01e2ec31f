//! Reads a server's whole answer.

use crate::canonical::{Block, Choice, Finish, Reply, Thinking, ToolUse};
use crate::fault::{ErrorWords, ReplyFault};
use crate::ids;
use crate::json::{Node, Object};
use crate::openai_chat::parts;
use crate::whole;

/// Reads an answer.
pub(crate) fn reply(body: &[u8]) -> Result<Reply, ReplyFault> {
    let mut members = whole::answer(body)?;
    let choices = members.take("choices").and_then(|node| node.elements());
    let Some(choices) = choices.filter(|choices| !choices.is_empty()) else {
        return Err(whole::no_answer(body, "there are no `choices`"));
    };
    let mut reply = Reply {
        id: members.string("id").filter(|id| !id.is_empty()),
        model: members.string("model"),
        usage: parts::usage(members.child("usage")),
        ..Reply::default()
    };
    let answer = reply.id.clone().unwrap_or_default();
    for (index, node) in (0..).zip(choices) {
        let choice = choice(node, index, &answer)?;
        reply.choices.push(choice);
    }
    for known in ["object", "created"] {
        members.take(known);
    }
    reply.extra = members.rest();
    Ok(reply)
}

fn choice(node: Node<'_>, index: u32, answer: &str) -> Result<Choice, ReplyFault> {
    let mut members = node
        .object()
        .ok_or_else(|| ReplyFault::shape("a choice is no object"))?;
    let message = members
        .child("message")
        .ok_or_else(|| ReplyFault::shape("a choice has no `message`"))?;
    let content = content(message, index, answer);
    let called = content
        .iter()
        .any(|block| matches!(block, Block::ToolUse(_)));
    let word = members
        .text("finish_reason")
        .unwrap_or_else(|| "stop".into());
    let finish = parts::finish(&word, called);
    if finish == Finish::Other("error".to_owned()) {
        let words = ErrorWords::of_kind("error");
        return Err(ReplyFault::ErrorObject(Box::new(words)));
    }
    members.take("index");
    Ok(Choice {
        content,
        finish,
        extra: members.rest(),
    })
}

fn content(mut message: Object<'_>, index: u32, answer: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    parts::thinking(&mut message, &mut blocks);
    if let Some(node) = message.take("content") {
        if let Some(text) = node.text().filter(|text| !text.is_empty()) {
            blocks.push(Block::text(text));
        }
        // Mistral, and some others, answer with parts.
        for part in node
            .elements()
            .into_iter()
            .flatten()
            .filter_map(|node| node.object())
        {
            blocks.extend(answer_part(part));
        }
    }
    blocks.extend(
        message
            .string("refusal")
            .filter(|text| !text.is_empty())
            .map(Block::Refusal),
    );
    let calls = message.list("tool_calls");
    let calls = (0..)
        .zip(calls)
        .filter_map(|(call, node)| tool_use(node, |name| ids::made_up(answer, index, call, name)));
    blocks.extend(calls.map(Block::ToolUse));
    blocks
}

/// Thoughts are kept apart from the answer.
fn answer_part(mut part: Object<'_>) -> Option<Block> {
    if part.get("thinking").is_none() {
        return part
            .string("text")
            .filter(|text| !text.is_empty())
            .map(Block::text);
    }
    let pieces = part
        .list("thinking")
        .into_iter()
        .filter_map(|piece| piece.object()?.string("text"));
    Some(Block::Thinking(Thinking {
        text: pieces.collect(),
        ..Thinking::default()
    }))
}

fn tool_use(node: Node<'_>, made_up: impl FnOnce(&str) -> String) -> Option<ToolUse> {
    let mut members = node.object()?;
    let mut function = members.child("function")?;
    let signature = parts::take_signature(&mut members);
    let name = function.string("name")?;
    let id = members
        .string("id")
        .filter(|id| !id.is_empty() && id != "null");
    Some(ToolUse {
        id: id.unwrap_or_else(|| made_up(&name)),
        name,
        arguments: parts::arguments(function.take("arguments")),
        signature,
        extra: Vec::new(),
    })
}
