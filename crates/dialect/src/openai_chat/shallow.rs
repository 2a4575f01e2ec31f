//! The shallow check of pass-through answers: validity, class, usage and finish reason in one pass without allocating.
//!
//! Mistral's chunks and answers have the same outline and are read here, too.

use types::TokenUsage;

use crate::json::{Bad, Cursor, Letters, Shape, Span, Text};

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
    /// The choices that are spoken of, a bit for each index; those above 63 share the last.
    pub(crate) spoken: u64,
    /// Those of them that end here.
    pub(crate) ended: u64,
    /// The usage, if it is an object.
    pub(crate) usage: Option<TokenUsage>,
    /// The model's name.
    pub(crate) model: Option<Text<'b>>,
    /// Whether it is still to be seen that the text is UTF-8.
    pub(crate) letters: Letters,
}

impl Outline<'_> {
    /// Whether an answer ends because the server failed.
    pub(crate) fn failed(&self) -> bool {
        self.finish.is_some_and(|reason| reason.raw() == b"error")
    }
}

/// Reads the outline. That the text is UTF-8 is known only where its letters are ASCII.
pub(crate) fn outline(text: &[u8]) -> Result<Outline<'_>, Bad> {
    let mut cursor = Cursor::new(text);
    let mut found = Outline {
        messages: true,
        ..Outline::default()
    };
    cursor.object(|cursor, key| {
        if key.is_written("choices") {
            choices(cursor, &mut found)?;
        } else if key.is_written("usage") {
            let usage = usage(cursor)?;
            found.usage = usage.or(found.usage);
        } else if key.is_written("error") {
            let (shape, span) = cursor.spanned()?;
            found.error = !is_nothing(shape, &span);
        } else if key.is_written("model") {
            found.model = text_or_skip(cursor)?;
        } else {
            cursor.skip()?;
        }
        Ok::<(), Bad>(())
    })?;
    cursor.end()?;
    found.letters = cursor.letters();
    Ok(found)
}

fn choices<'b>(cursor: &mut Cursor<'b>, found: &mut Outline<'b>) -> Result<(), Bad> {
    if !cursor.is_before(b'[') {
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
    if !cursor.is_before(b'{') {
        found.messages = false;
        return cursor.skip().map(drop);
    }
    let mut message = false;
    let mut bit = 1;
    let mut ends = false;
    cursor.object(|cursor, key| {
        if key.is_written("index") {
            bit = 1u64 << cursor.count()?.unwrap_or(0).min(63);
        } else if key.is_written("delta") {
            delta(cursor, found)?;
        } else if key.is_written("message") {
            message = cursor.skip()? == Shape::Object;
        } else if key.is_written("finish_reason") {
            let finish = text_or_skip(cursor)?.filter(|text| !text.is_empty());
            ends = finish.is_some();
            found.finish = finish.or(found.finish);
        } else {
            cursor.skip()?;
        }
        Ok::<(), Bad>(())
    })?;
    found.messages &= message;
    found.spoken |= bit;
    found.ended |= if ends { bit } else { 0 };
    Ok(())
}

/// A delta is content if it has anything besides a role.
fn delta(cursor: &mut Cursor<'_>, found: &mut Outline<'_>) -> Result<(), Bad> {
    if !cursor.is_before(b'{') {
        return cursor.skip().map(drop);
    }
    cursor.object(|cursor, key| {
        let (shape, span) = cursor.spanned()?;
        found.content |= !is_nothing(shape, &span) && !key.is_written("role");
        Ok(())
    })
}

/// Null, false, or empty. Two bytes hold an empty string, list or object.
fn is_nothing(shape: Shape, span: &Span) -> bool {
    match shape {
        Shape::Null | Shape::False => true,
        Shape::Text | Shape::Array | Shape::Object => span.end - span.start <= 2,
        Shape::True | Shape::Number => false,
    }
}

fn text_or_skip<'b>(cursor: &mut Cursor<'b>) -> Result<Option<Text<'b>>, Bad> {
    if cursor.is_before(b'"') {
        cursor.text().map(Some)
    } else {
        cursor.skip().map(|_| None)
    }
}

/// Reads OpenAI's usage object. Source: openai.openapi.yaml, `CompletionUsage`, seen 2026-11; `DeepSeek` says
/// `prompt_cache_hit_tokens`.
fn usage(cursor: &mut Cursor<'_>) -> Result<Option<TokenUsage>, Bad> {
    if !cursor.is_before(b'{') {
        cursor.skip()?;
        return Ok(None);
    }
    let mut usage = TokenUsage::default();
    let mut cache_hit = None;
    cursor.object(|cursor, key| {
        if key.is_written("prompt_tokens") {
            usage.input = cursor.count()?;
        } else if key.is_written("completion_tokens") {
            usage.output = cursor.count()?;
        } else if key.is_written("prompt_cache_hit_tokens") {
            cache_hit = cursor.count()?;
        } else if key.is_written("prompt_tokens_details") {
            counts(cursor, |key, count| {
                if key.is_written("cached_tokens") {
                    usage.cache_read = count;
                } else if key.is_written("cache_write_tokens") {
                    usage.cache_write = count;
                }
            })?;
        } else if key.is_written("completion_tokens_details") {
            counts(cursor, |key, count| {
                if key.is_written("reasoning_tokens") {
                    usage.reasoning = count;
                }
            })?;
        } else {
            cursor.skip()?;
        }
        Ok::<(), Bad>(())
    })?;
    usage.cache_read = usage.cache_read.or(cache_hit);
    Ok((!usage.is_unknown()).then_some(usage))
}

fn counts(cursor: &mut Cursor<'_>, mut each: impl FnMut(Text<'_>, Option<u64>)) -> Result<(), Bad> {
    if !cursor.is_before(b'{') {
        return cursor.skip().map(drop);
    }
    cursor.object(|cursor, key| {
        each(key, cursor.count()?);
        Ok(())
    })
}
