//! The shallow check of pass-through answers: validity, class, usage and finish reason in one pass without allocating.
//!
//! Mistral's chunks and answers have the same outline and are read here, too.

use types::TokenUsage;

use crate::json::{Bad, Cursor, Shape, Text};

/// What one chunk, or one whole answer, holds.
#[derive(Debug, Default)]
pub(crate) struct Outline<'b> {
    /// Whether there is an `error` that is not null.
    pub(crate) error: bool,
    /// How many choices there are; `None` without the key.
    pub(crate) choices: Option<usize>,
    /// Whether each choice has an object `message`.
    pub(crate) messages: bool,
    /// Whether any delta has more than a role.
    pub(crate) content: bool,
    /// The last finish reason that is not null.
    pub(crate) finish: Option<Text<'b>>,
    /// The usage, if it is an object.
    pub(crate) usage: Option<TokenUsage>,
    /// The model's name.
    pub(crate) model: Option<Text<'b>>,
}

impl Outline<'_> {
    /// Whether an answer ends because the server failed.
    pub(crate) fn failed(&self) -> bool {
        self.finish.is_some_and(|reason| reason.raw() == b"error")
    }
}

/// Reads the outline. The text must be UTF-8.
pub(crate) fn outline(text: &[u8]) -> Result<Outline<'_>, Bad> {
    let mut cursor = Cursor::new(text);
    let mut found = Outline {
        messages: true,
        ..Outline::default()
    };
    cursor.object(|cursor, key| match key.raw() {
        b"choices" => choices(cursor, &mut found),
        b"usage" => {
            let usage = usage(cursor)?;
            found.usage = usage.or(found.usage);
            Ok(())
        }
        b"error" => {
            found.error = !matches!(cursor.skip()?, Shape::Null | Shape::False);
            Ok(())
        }
        b"model" => {
            found.model = text_or_skip(cursor)?;
            Ok(())
        }
        _ => cursor.skip().map(drop),
    })?;
    cursor.end()?;
    Ok(found)
}

fn choices<'b>(cursor: &mut Cursor<'b>, found: &mut Outline<'b>) -> Result<(), Bad> {
    if cursor.shape()? != Shape::Array {
        return cursor.skip().map(drop);
    }
    let mut count = 0;
    cursor.array(|cursor| {
        count += 1;
        choice(cursor, found)
    })?;
    found.choices = Some(count);
    Ok(())
}

fn choice<'b>(cursor: &mut Cursor<'b>, found: &mut Outline<'b>) -> Result<(), Bad> {
    if cursor.shape()? != Shape::Object {
        found.messages = false;
        return cursor.skip().map(drop);
    }
    let mut message = false;
    cursor.object(|cursor, key| match key.raw() {
        b"delta" => delta(cursor, found),
        b"message" => {
            message = cursor.skip()? == Shape::Object;
            Ok(())
        }
        b"finish_reason" => {
            found.finish = text_or_skip(cursor)?
                .filter(|text| !text.is_empty())
                .or(found.finish);
            Ok(())
        }
        _ => cursor.skip().map(drop),
    })?;
    found.messages &= message;
    Ok(())
}

/// A delta is content if it has anything besides a role.
fn delta(cursor: &mut Cursor<'_>, found: &mut Outline<'_>) -> Result<(), Bad> {
    if cursor.shape()? != Shape::Object {
        return cursor.skip().map(drop);
    }
    cursor.object(|cursor, key| {
        let (shape, span) = cursor.spanned()?;
        // Two bytes hold an empty string, list or object.
        let empty = match shape {
            Shape::Null | Shape::False => true,
            Shape::Text | Shape::Array | Shape::Object => span.end - span.start <= 2,
            Shape::True | Shape::Number => false,
        };
        found.content |= !empty && key.raw() != b"role";
        Ok(())
    })
}

fn text_or_skip<'b>(cursor: &mut Cursor<'b>) -> Result<Option<Text<'b>>, Bad> {
    if cursor.shape()? == Shape::Text {
        cursor.text().map(Some)
    } else {
        cursor.skip().map(|_| None)
    }
}

/// Reads OpenAI's usage object. Source: openai.openapi.yaml, `CompletionUsage`, seen 2026-11; `DeepSeek` says
/// `prompt_cache_hit_tokens`.
fn usage(cursor: &mut Cursor<'_>) -> Result<Option<TokenUsage>, Bad> {
    if cursor.shape()? != Shape::Object {
        cursor.skip()?;
        return Ok(None);
    }
    let mut usage = TokenUsage::default();
    let mut cache_hit = None;
    cursor.object(|cursor, key| {
        match key.raw() {
            b"prompt_tokens" => usage.input = cursor.count()?,
            b"completion_tokens" => usage.output = cursor.count()?,
            b"prompt_cache_hit_tokens" => cache_hit = cursor.count()?,
            b"prompt_tokens_details" => counts(cursor, |key, count| match key {
                b"cached_tokens" => usage.cache_read = count,
                b"cache_write_tokens" => usage.cache_write = count,
                _ => {}
            })?,
            b"completion_tokens_details" => counts(cursor, |key, count| {
                if key == b"reasoning_tokens" {
                    usage.reasoning = count;
                }
            })?,
            _ => {
                cursor.skip()?;
            }
        }
        Ok::<(), Bad>(())
    })?;
    usage.cache_read = usage.cache_read.or(cache_hit);
    Ok((!usage.is_unknown()).then_some(usage))
}

fn counts(cursor: &mut Cursor<'_>, mut each: impl FnMut(&[u8], Option<u64>)) -> Result<(), Bad> {
    if cursor.shape()? != Shape::Object {
        return cursor.skip().map(drop);
    }
    cursor.object(|cursor, key| {
        each(key.raw(), cursor.count()?);
        Ok(())
    })
}
