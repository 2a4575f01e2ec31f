//! The small words of the scanner: places, kinds, strings, and what is wrong.

use std::borrow::Cow;

use super::escape;

/// A half-open range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first byte's position.
    pub start: usize,
    /// The position after the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes it marks; empty where `body` is shorter than the one it was made for.
    #[must_use]
    pub fn of<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        body.get(self.start..self.end).unwrap_or_default()
    }
}

/// Where a text stops being JSON, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Offset of the offending byte.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: &'static str,
}

/// The kind of a value, as its first byte tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Null,
    True,
    False,
    Number,
    Text,
    Array,
    Object,
}

impl Shape {
    /// The name for an error message.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::True | Self::False => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// What the letters of a text are, as far as a walk over it has told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Letters {
    /// ASCII, and therefore UTF-8.
    Ascii,
    /// Still to be seen.
    #[default]
    Unknown,
}

/// A string in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'b> {
    raw: &'b [u8],
    escaped: bool,
}

impl<'b> Text<'b> {
    #[inline]
    pub(super) fn new(raw: &'b [u8], escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// Whether it reads as `word`, escapes resolved.
    pub(crate) fn is(&self, word: &str) -> bool {
        if self.escaped {
            self.read().as_deref() == Some(word)
        } else {
            self.raw == word.as_bytes()
        }
    }

    /// Whether it is written as `word`, letter by letter.
    // Not by a pattern: the compiler compares those byte by byte.
    #[inline(always)]
    pub(crate) fn is_written(&self, word: &str) -> bool {
        self.raw == word.as_bytes()
    }

    /// Whether it is written with escapes.
    #[inline]
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// Between the quotes, as written.
    #[inline]
    pub(crate) fn raw(&self) -> &'b [u8] {
        self.raw
    }

    /// Whether it has no characters.
    pub(crate) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The string itself; `None` for bytes that are no UTF-8. A lone surrogate becomes U+FFFD.
    pub(crate) fn read(&self) -> Option<Cow<'b, str>> {
        let text = std::str::from_utf8(self.raw).ok()?;
        Some(if self.escaped {
            Cow::Owned(escape::read_whole(text))
        } else {
            Cow::Borrowed(text)
        })
    }

    /// The string as part of a longer one: a high surrogate at its end waits in `held` for the low one that may begin
    /// the next part.
    pub(crate) fn read_part(&self, held: &mut Option<u16>) -> Option<String> {
        Some(escape::read(std::str::from_utf8(self.raw).ok()?, held))
    }
}
