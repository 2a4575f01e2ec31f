//! What calls, answers and chunks have in common: content, thinking, arguments, usage.

use types::TokenUsage;

use crate::Dialect;
use crate::canonical::{Arguments, Block, Finish, Image, ImageSource, Opaque, Text, Thinking};
use crate::fault::CallError;
use crate::json::{Node, Object, Path};

/// Reads `content` of a message: a string or a list of parts. An empty string is no block.
pub(crate) fn content(node: Node<'_>, at: Path<'_>) -> Result<Vec<Block>, CallError> {
    if let Some(text) = node.text() {
        return Ok(if text.is_empty() {
            Vec::new()
        } else {
            vec![Block::text(text)]
        });
    }
    let Some(elements) = node.elements() else {
        return Err(at.error("must be a string or an array of content parts"));
    };
    elements
        .into_iter()
        .enumerate()
        .map(|(index, node)| part(node, at.index(index)))
        .collect()
}

fn part(node: Node<'_>, at: Path<'_>) -> Result<Block, CallError> {
    let Some(mut members) = node.object() else {
        return Err(at.error("must be an object"));
    };
    let kind = members.need_string("type", at)?;
    match kind.as_str() {
        "text" => {
            let text = members.need_string("text", at)?;
            Ok(Block::Text(Text {
                text,
                extra: members.rest(),
            }))
        }
        "refusal" => Ok(Block::Refusal(members.need_string("refusal", at)?)),
        "image_url" => image(members, at),
        _ => Ok(Block::Opaque(Opaque {
            dialect: Dialect::OpenaiChat,
            kind,
            raw: node.raw(),
        })),
    }
}

fn image(mut members: Object<'_>, at: Path<'_>) -> Result<Block, CallError> {
    let Some(node) = members.take("image_url") else {
        return Err(at.key("image_url").error("is required"));
    };
    let (url, detail) = match (node.text(), node.object()) {
        (Some(url), _) => (url.into_owned(), None),
        (None, Some(mut object)) => {
            let inside = at.key("image_url");
            (
                object.need_string("url", inside)?,
                object.want_string("detail", inside)?,
            )
        }
        (None, None) => return Err(at.key("image_url").error("must be an object")),
    };
    let source = image_source(url, at)?;
    Ok(Block::Image(Image {
        source,
        detail,
        extra: members.rest(),
    }))
}

/// A data URL is taken apart, so that dialects with other forms can carry it.
fn image_source(url: String, at: Path<'_>) -> Result<ImageSource, CallError> {
    let Some(data) = url.strip_prefix("data:") else {
        return Ok(ImageSource::Url(url));
    };
    let wrong = || {
        at.key("image_url")
            .key("url")
            .error("must be an address or a base64 data URL")
    };
    let (media_type, base64) = data.split_once(',').ok_or_else(wrong)?;
    let media_type = media_type.strip_suffix(";base64").ok_or_else(wrong)?;
    Ok(ImageSource::Data {
        media_type: media_type.to_owned(),
        base64: base64.to_owned(),
    })
}

/// Takes the thinking that servers put beside content, under either of its two names.
pub(crate) fn thinking(members: &mut Object<'_>, blocks: &mut Vec<Block>) {
    let other = members.string("reasoning");
    if let Some(text) = members
        .string("reasoning_content")
        .or(other)
        .filter(|text| !text.is_empty())
    {
        blocks.push(Block::Thinking(Thinking {
            text,
            ..Thinking::default()
        }));
    }
}

/// A string that holds JSON; some servers send the object itself.
pub(crate) fn arguments(node: Option<Node<'_>>) -> Arguments {
    let Some(node) = node else {
        return Arguments::default();
    };
    Arguments(
        node.text()
            .map_or_else(|| node.as_str().to_owned(), String::from),
    )
}

/// Gemini's thought signature, where Google's own compatibility layer puts it.
pub(crate) fn take_signature(members: &mut Object<'_>) -> Option<String> {
    let mut google = members.get("extra_content")?.object()?.child("google")?;
    let signature = google.string("thought_signature")?;
    members.take("extra_content");
    Some(signature)
}

/// Why an answer ends. Servers say `stop` beside calls of tools, too.
pub(crate) fn finish(word: &str, called: bool) -> Finish {
    match word {
        "stop" if called => Finish::ToolCalls,
        "stop" => Finish::Stop,
        "length" | "model_length" => Finish::Length,
        "tool_calls" => Finish::ToolCalls,
        "content_filter" => Finish::ContentFilter(None),
        other => Finish::Other(other.to_owned()),
    }
}

/// Reads usage. Input and output include their parts already.
pub(crate) fn usage(members: Option<Object<'_>>) -> TokenUsage {
    let Some(mut members) = members else {
        return TokenUsage::default();
    };
    let mut prompt = members.child("prompt_tokens_details").unwrap_or_default();
    let mut completion = members
        .child("completion_tokens_details")
        .unwrap_or_default();
    TokenUsage {
        input: members.count("prompt_tokens"),
        output: members.count("completion_tokens"),
        cache_read: prompt
            .count("cached_tokens")
            .or_else(|| members.count("prompt_cache_hit_tokens")),
        cache_write: prompt.count("cache_write_tokens"),
        reasoning: completion.count("reasoning_tokens"),
    }
}
