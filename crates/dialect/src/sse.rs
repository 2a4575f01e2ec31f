//! Server-sent events: finds whole events in bytes that may be cut anywhere, and reads their fields.
//!
//! Lines end with `\n`, `\r\n` or `\r` and with nothing else: U+2028, U+2029 and U+0085 are legal inside JSON.
//! Source: HTML Living Standard, section 9.2 "Server-sent events", seen 2026-11.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memchr2;

/// The greatest event that is accepted, in bytes. Source: failures.md's `max_event_bytes`, chosen above any known image.
pub const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// Finds the ends of events. It keeps only the state of the line it is in, never bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Boundary {
    /// Whether the line so far has bytes.
    in_line: bool,
    /// Whether the last byte was `\r`, so that a `\n` now belongs to it.
    after_return: bool,
    /// Whether a line has ended in `\r` alone.
    lone_return: bool,
}

impl Boundary {
    /// The position after the first blank line, if `bytes` holds its end.
    #[inline]
    fn find(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        if self.after_return && !bytes.is_empty() {
            self.after_return = false;
            at = usize::from(bytes.first() == Some(&b'\n'));
            self.lone_return |= at == 0;
        }
        loop {
            let rest = bytes.get(at..)?;
            let Some(length) = memchr2(b'\n', b'\r', rest) else {
                self.in_line |= !rest.is_empty();
                return None;
            };
            let blank = length == 0 && !self.in_line;
            self.in_line = false;
            let ending = at + length;
            at = ending + 1;
            if bytes.get(ending) == Some(&b'\r') {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => self.lone_return = true,
                    None => self.after_return = true,
                }
            }
            if blank {
                return Some(at);
            }
        }
    }
}

/// An event grew over [`MAX_EVENT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// Cuts a stream of bytes into whole events, as slices where a chunk holds the event whole.
#[derive(Debug, Default)]
pub struct Framer {
    boundary: Boundary,
    /// The start of an event whose end has not come.
    held: Vec<u8>,
    /// What was pushed and not yet cut.
    pending: Bytes,
    limit: Option<usize>,
}

impl Framer {
    /// A framer with another bound than [`MAX_EVENT_BYTES`].
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self {
            limit: Some(limit),
            ..Self::default()
        }
    }

    /// The bound of one event.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.unwrap_or(MAX_EVENT_BYTES)
    }

    /// Takes the next bytes. Call [`Framer::next`] until it gives `None` before pushing again.
    pub fn push(&mut self, bytes: Bytes) {
        if self.pending.is_empty() {
            self.pending = bytes;
        } else {
            let mut joined = Vec::with_capacity(self.pending.len() + bytes.len());
            joined.extend_from_slice(&self.pending);
            joined.extend_from_slice(&bytes);
            self.pending = Bytes::from(joined);
        }
    }

    /// The next whole event, its blank line included, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// The event is larger than the bound.
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator would have to end for good"
    )]
    pub fn next(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        let end = self.boundary.find(&self.pending);
        let length = end.unwrap_or(self.pending.len());
        if self.held.len().saturating_add(length) > self.limit() {
            return Err(TooLarge);
        }
        let Some(end) = end else {
            self.held.extend_from_slice(&self.pending);
            self.pending = Bytes::new();
            return Ok(None);
        };
        let event = self.pending.split_to(end.min(self.pending.len()));
        if self.held.is_empty() {
            return Ok(Some(event));
        }
        self.held.extend_from_slice(&event);
        Ok(Some(Bytes::from(std::mem::take(&mut self.held))))
    }

    /// Whether lines of this stream end in `\r` alone: legal, but more than many readers know.
    #[must_use]
    pub fn has_lone_returns(&self) -> bool {
        self.boundary.lone_return
    }

    /// At the end of the stream: an event that lacks its blank line.
    pub fn rest(&mut self) -> Option<Bytes> {
        let pending = std::mem::take(&mut self.pending);
        self.held.extend_from_slice(&pending);
        self.boundary = Boundary {
            lone_return: self.boundary.lone_return,
            ..Boundary::default()
        };
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| Bytes::from(held))
    }
}

/// The byte order mark that may stand before a stream's first line.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// The same event with lines that end in `\n`.
pub(crate) fn with_line_feeds(event: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.len());
    let mut bytes = event.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            bytes.next_if_eq(&b'\n');
            out.push(b'\n');
        } else {
            out.push(byte);
        }
    }
    out
}

/// Whether an event consists of comments only, or of nothing.
pub(crate) fn is_comment(event: &[u8]) -> bool {
    event
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .all(|line| matches!(line.first(), None | Some(b':')))
}

/// The fields of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'b> {
    /// The value of `event`, if there is one.
    pub name: Option<&'b [u8]>,
    /// The values of `data`, joined by newlines; `None` where there is no such line.
    pub data: Option<Cow<'b, [u8]>>,
    /// The event's bytes from its first line that is no field at all but looks like a JSON or HTML body, or is none of
    /// text: what a NUL hides must not pass for left out.
    pub stray: Option<&'b [u8]>,
}

impl<'b> Fields<'b> {
    /// Reads the lines of one event. Comments and unknown fields are skipped.
    #[must_use]
    pub fn read(event: &'b [u8]) -> Self {
        let mut fields = Self::default();
        // The second half of a cut line ending may stand before everything else.
        let start = event
            .iter()
            .position(|byte| !matches!(byte, b'\n' | b'\r'))
            .unwrap_or(event.len());
        let rest = event.get(start..).unwrap_or_default();
        let mut rest = rest.strip_prefix(MARK).unwrap_or(rest);
        while !rest.is_empty() {
            let whole = rest;
            let length = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = after.get(1..).unwrap_or_default();
            if let Some(value) = line.strip_prefix(b"data:") {
                fields.add(value.strip_prefix(b" ").unwrap_or(value));
            } else if let Some(value) = line.strip_prefix(b"event:") {
                fields.name = Some(value.strip_prefix(b" ").unwrap_or(value));
            } else if line == b"data" {
                fields.add(b"");
            } else if matches!(line.first(), Some(b'{' | b'[' | b'<' | 0)) {
                fields.stray = Some(whole);
                break;
            }
        }
        fields
    }

    fn add(&mut self, value: &'b [u8]) {
        self.data = Some(match self.data.take() {
            None => Cow::Borrowed(value),
            Some(before) => {
                let mut joined = before.into_owned();
                joined.push(b'\n');
                joined.extend_from_slice(value);
                Cow::Owned(joined)
            }
        });
    }
}
