//! Changes the few things of a body that must change, and leaves every other byte as the client wrote it.
//!
//! The scan validates the whole text and finds the top-level keys that matter; the edits are slices of the body around
//! new pieces, so that nothing is copied. It reads OpenAI's names, which other chat formats share.

mod extensions;
mod prefix;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

pub use self::extensions::without_extensions;
pub use self::prefix::stable_prefix;
pub use crate::json::Span;
use crate::json::{Bad, Cursor, Letters, Shape, Text};

/// What a scan found at the top level of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// The value of `model`, quotes included.
    pub model: Option<Span>,
    /// Whether `stream` is true.
    pub stream: bool,
    /// The value of `stream_options`, when it is an object or null.
    pub stream_options: Option<Span>,
    /// The value of `stream_options.include_usage`.
    pub include_usage: Option<Span>,
    /// Whether the client asked for the usage of a stream.
    pub wants_usage: bool,
    /// Whether the call asks for reasoning (`reasoning_effort`, `reasoning` or `thinking`, and not to switch it off).
    pub asks_reasoning: bool,
    /// The value of `messages`.
    pub messages: Option<Span>,
    /// The value of `max_completion_tokens`, else `max_tokens`.
    pub max_output: Option<u64>,
    /// The position after the object's opening brace.
    inside: usize,
    /// How many members the object has.
    members: usize,
    /// How many members `stream_options` has.
    option_members: usize,
}

impl Scan {
    /// The model's name, escapes resolved.
    #[must_use]
    pub fn model<'b>(&self, body: &'b [u8]) -> Option<Cow<'b, str>> {
        self.model_text(body)?.read()
    }

    fn model_text<'b>(&self, body: &'b [u8]) -> Option<Text<'b>> {
        Cursor::back_at(body, self.model?.start).text().ok()
    }
}

/// Why a body cannot be worked with; its `Display` is the sentence for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// No JSON at all, or cut short.
    #[error("the request body is not valid JSON: {what} (at byte {at})")]
    NotJson {
        /// Offset of the offending byte.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// JSON, but no object.
    #[error("the request body must be a JSON object")]
    NotObject,
    /// A key that decides where the call goes stands there twice.
    #[error("the request body has the key `{key}` more than once")]
    RepeatedKey {
        /// The key.
        key: &'static str,
    },
    /// A value of the wrong kind.
    #[error("`{param}` must be {expected}")]
    WrongType {
        /// The parameter's path.
        param: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl ScanError {
    /// The parameter it is about, for the error body's `param`.
    #[must_use]
    pub fn param(&self) -> Option<&'static str> {
        match self {
            Self::NotJson { .. } | Self::NotObject => None,
            Self::RepeatedKey { key } => Some(key),
            Self::WrongType { param, .. } => Some(param),
        }
    }
}

impl From<Bad> for ScanError {
    fn from(bad: Bad) -> Self {
        Self::NotJson {
            at: bad.at,
            what: bad.what,
        }
    }
}

/// Validates a body and finds what matters for routing.
///
/// # Errors
/// A body that is no JSON object, repeats a key that decides where the call goes, or has such a key with a value of
/// the wrong kind.
pub fn scan(body: &[u8]) -> Result<Scan, ScanError> {
    let mut cursor = Cursor::new(body);
    let found = members(&mut cursor);
    // Bytes that are no text are told before all else. A walk to the end that met only ASCII has seen that there are none.
    if (found.is_err() || cursor.letters() == Letters::Unknown)
        && let Err(bad) = std::str::from_utf8(body)
    {
        return Err(ScanError::NotJson {
            at: bad.valid_up_to(),
            what: "these bytes are no UTF-8",
        });
    }
    found
}

fn members(cursor: &mut Cursor<'_>) -> Result<Scan, ScanError> {
    if cursor.shape()? != Shape::Object {
        cursor.skip()?;
        cursor.end()?;
        return Err(ScanError::NotObject);
    }
    let mut found = Scan {
        inside: cursor.at() + 1,
        ..Scan::default()
    };
    let mut seen = Seen::default();
    cursor.object(|cursor, key| {
        found.members += 1;
        if key.is_escaped() {
            let name = key.read().unwrap_or_default();
            return member(cursor, name.as_bytes(), &mut found, &mut seen);
        }
        member(cursor, key.raw(), &mut found, &mut seen)
    })?;
    cursor.end()?;
    Ok(found)
}

/// Which of the deciding keys were met.
#[derive(Debug, Default)]
struct Seen(u8);

impl Seen {
    fn once(&mut self, bit: u8, key: &'static str) -> Result<(), ScanError> {
        let before = self.0;
        self.0 |= 1 << bit;
        if before == self.0 {
            Err(ScanError::RepeatedKey { key })
        } else {
            Ok(())
        }
    }
}

/// Reads the value of a key that matters, and skips those of others.
#[inline(always)]
fn member(
    cursor: &mut Cursor<'_>,
    key: &[u8],
    found: &mut Scan,
    seen: &mut Seen,
) -> Result<(), ScanError> {
    // Not by patterns: the compiler compares those byte by byte.
    let is = |word: &str| key == word.as_bytes();
    if is("model") {
        seen.once(0, "model")?;
        let model = value(cursor, Shape::Text, "model", "a string")?;
        found.model = Some(model);
    } else if is("stream") {
        seen.once(1, "stream")?;
        found.stream = boolean(cursor, "stream")?;
    } else if is("stream_options") {
        seen.once(2, "stream_options")?;
        options(cursor, found)?;
    } else if is("messages") {
        seen.once(3, "messages")?;
        let messages = value(cursor, Shape::Array, "messages", "an array")?;
        found.messages = Some(messages);
    } else if is("max_completion_tokens") {
        found.max_output = cursor.count()?.or(found.max_output);
    } else if is("max_tokens") {
        let count = cursor.count()?;
        found.max_output = found.max_output.or(count);
    } else if is("reasoning_effort") || is("reasoning") || is("thinking") {
        found.asks_reasoning |= asks_reasoning(cursor)?;
    } else {
        cursor.skip()?;
    }
    Ok(())
}

fn value(
    cursor: &mut Cursor<'_>,
    wanted: Shape,
    param: &'static str,
    expected: &'static str,
) -> Result<Span, ScanError> {
    let (shape, span) = cursor.spanned()?;
    if shape == wanted {
        Ok(span)
    } else {
        Err(ScanError::WrongType { param, expected })
    }
}

fn asks_reasoning(cursor: &mut Cursor<'_>) -> Result<bool, Bad> {
    let mut ahead = *cursor;
    let off = match cursor.skip()? {
        Shape::Null | Shape::False => true,
        Shape::Text => ahead.text()?.is("none"),
        Shape::True | Shape::Number | Shape::Array | Shape::Object => false,
    };
    Ok(!off)
}

fn boolean(cursor: &mut Cursor<'_>, param: &'static str) -> Result<bool, ScanError> {
    match cursor.skip()? {
        Shape::True => Ok(true),
        Shape::False | Shape::Null => Ok(false),
        Shape::Number | Shape::Text | Shape::Array | Shape::Object => Err(ScanError::WrongType {
            param,
            expected: "true or false",
        }),
    }
}

fn options(cursor: &mut Cursor<'_>, found: &mut Scan) -> Result<(), ScanError> {
    let start = cursor.at();
    match cursor.shape()? {
        Shape::Null => {
            cursor.skip()?;
        }
        Shape::Object => {
            let mut seen = Seen::default();
            cursor.object(|cursor, key| {
                found.option_members += 1;
                if !key.is("include_usage") {
                    return cursor.skip().map(drop).map_err(ScanError::from);
                }
                seen.once(0, "stream_options.include_usage")?;
                let start = cursor.at();
                found.wants_usage = boolean(cursor, "stream_options.include_usage")?;
                found.include_usage = Some(Span {
                    start,
                    end: cursor.at(),
                });
                Ok(())
            })?;
        }
        Shape::True | Shape::False | Shape::Number | Shape::Text | Shape::Array => {
            return Err(ScanError::WrongType {
                param: "stream_options",
                expected: "an object",
            });
        }
    }
    found.stream_options = Some(Span {
        start,
        end: cursor.at(),
    });
    Ok(())
}

/// One change of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// These bytes instead of those.
    Replace(Span, Bytes),
    /// These bytes before the one at `at`.
    Insert {
        /// Where.
        at: usize,
        /// What.
        bytes: Bytes,
    },
}

impl Edit {
    fn span(&self) -> Span {
        match self {
            Self::Replace(span, _) => *span,
            Self::Insert { at, .. } => Span {
                start: *at,
                end: *at,
            },
        }
    }

    fn bytes(self) -> Bytes {
        match self {
            Self::Replace(_, bytes) | Self::Insert { bytes, .. } => bytes,
        }
    }
}

/// The body with the edits made, as pieces in order. Edits may be in any order; one that overlaps another or lies
/// outside of the body is left out.
#[must_use]
pub fn apply(body: &Bytes, mut edits: Vec<Edit>) -> Vec<Bytes> {
    edits.sort_by_key(|edit| edit.span().start);
    let mut pieces = Vec::with_capacity(edits.len() * 2 + 1);
    let mut done = 0;
    for edit in edits {
        let Span { start, end } = edit.span();
        if start < done || end < start || end > body.len() {
            continue;
        }
        if start > done {
            pieces.push(body.slice(done..start));
        }
        let bytes = edit.bytes();
        if !bytes.is_empty() {
            pieces.push(bytes);
        }
        done = end;
    }
    if done < body.len() {
        pieces.push(body.slice(done..));
    }
    pieces
}

/// What is to change of a body.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// The model's name as the server knows it.
    pub model: &'a str,
    /// Whether a stream's usage is to be asked for.
    pub ask_for_usage: bool,
    /// Whether the server refuses what other providers put into messages.
    pub strip_extensions: bool,
}

/// The body with these changes. Nothing of it is copied, and what is already right is left alone.
#[must_use]
pub fn rewrite<'b>(body: &'b Bytes, scan: &Scan, wanted: &Rewrite<'_>) -> Cow<'b, [Bytes]> {
    let mut edits = Vec::new();
    let is_right = |text: Text<'_>| text.is(wanted.model);
    match scan.model {
        Some(_) if scan.model_text(body).is_some_and(is_right) => {}
        Some(span) => edits.push(Edit::Replace(span, quoted(wanted.model))),
        None => edits.push(first_member(
            scan,
            format_args!("\"model\":{}", Quoted(wanted.model)),
        )),
    }
    if wanted.ask_for_usage {
        edits.extend(usage_edit(body, scan));
    }
    if wanted.strip_extensions {
        edits.append(&mut without_extensions(body, scan));
    }
    if edits.is_empty() {
        return Cow::Borrowed(std::slice::from_ref(body));
    }
    Cow::Owned(apply(body, edits))
}

fn usage_edit(body: &Bytes, scan: &Scan) -> Option<Edit> {
    const OPTIONS: &[u8] = b"{\"include_usage\":true}";
    if scan.wants_usage {
        return None;
    }
    if let Some(span) = scan.include_usage {
        return Some(Edit::Replace(span, Bytes::from_static(b"true")));
    }
    let Some(options) = scan.stream_options else {
        // At the end: the model may be inserted at the start, and one place takes one insertion.
        let closing = body.iter().rposition(|byte| *byte == b'}')?;
        let member: &[u8] = if scan.members > 0 || scan.model.is_none() {
            b",\"stream_options\":{\"include_usage\":true}"
        } else {
            b"\"stream_options\":{\"include_usage\":true}"
        };
        return Some(Edit::Insert {
            at: closing,
            bytes: Bytes::from_static(member),
        });
    };
    if options.of(body).first() != Some(&b'{') || scan.option_members == 0 {
        return Some(Edit::Replace(options, Bytes::from_static(OPTIONS)));
    }
    let member = Bytes::from_static(b"\"include_usage\":true,");
    Some(Edit::Insert {
        at: options.start + 1,
        bytes: member,
    })
}

fn first_member(scan: &Scan, member: fmt::Arguments<'_>) -> Edit {
    let comma = if scan.members > 0 { "," } else { "" };
    Edit::Insert {
        at: scan.inside,
        bytes: Bytes::from(format!("{member}{comma}")),
    }
}

fn quoted(text: &str) -> Bytes {
    // Exactly the room of a name without escapes, which then stays where it is.
    let mut json = Vec::with_capacity(text.len() + 2);
    match serde_json::to_writer(&mut json, text) {
        Ok(()) => Bytes::from(json),
        Err(_) => Bytes::from_static(b"\"\""),
    }
}

/// A string as JSON.
struct Quoted<'t>(&'t str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests;
