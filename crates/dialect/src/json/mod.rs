//! A validating scanner over JSON text: finds where values begin and end without building any.
//!
//! It accepts what RFC 8259 accepts, up to 128 levels deep, and checks everything but UTF-8, which its callers check
//! once for a whole text. It never allocates. To read values, use `serde_json`.

mod escape;
mod node;
mod text;

pub(crate) use node::{Node, Object, Path};
pub use text::Span;
pub(crate) use text::{Bad, Shape, Text};

/// Levels of nesting below one value that are followed; `serde_json` stops there, too.
const MAX_DEPTH: u32 = 128;

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    /// At the start, past white space.
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        let mut cursor = Self { bytes, at: 0 };
        cursor.space();
        cursor
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Where a string that was read here begins, at its opening quote.
    pub(crate) fn start_of(&self, text: &Text<'b>) -> usize {
        let offset = text
            .raw()
            .as_ptr()
            .addr()
            .saturating_sub(self.bytes.as_ptr().addr());
        offset.saturating_sub(1)
    }

    /// The kind of the value that begins here.
    pub(crate) fn shape(&self) -> Result<Shape, Bad> {
        match self.peek() {
            Some(b'{') => Ok(Shape::Object),
            Some(b'[') => Ok(Shape::Array),
            Some(b'"') => Ok(Shape::Text),
            Some(b't') => Ok(Shape::True),
            Some(b'f') => Ok(Shape::False),
            Some(b'n') => Ok(Shape::Null),
            Some(b'-' | b'0'..=b'9') => Ok(Shape::Number),
            Some(_) => self.bad("expected a value"),
            None => self.bad("the text ends where a value should be"),
        }
    }

    /// Skips the value that begins here.
    pub(crate) fn skip(&mut self) -> Result<Shape, Bad> {
        let shape = self.shape()?;
        match shape {
            Shape::Object | Shape::Array => self.nested()?,
            Shape::Text => {
                self.text()?;
            }
            Shape::Number => self.number()?,
            Shape::True => self.word(b"true")?,
            Shape::False => self.word(b"false")?,
            Shape::Null => self.word(b"null")?,
        }
        Ok(shape)
    }

    /// Skips the value that begins here and tells where it stood.
    pub(crate) fn spanned(&mut self) -> Result<(Shape, Span), Bad> {
        let start = self.at;
        let shape = self.skip()?;
        Ok((
            shape,
            Span {
                start,
                end: self.at,
            },
        ))
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Result<(), Bad> {
        self.space();
        if self.at < self.bytes.len() {
            self.bad("something follows the value")
        } else {
            Ok(())
        }
    }

    /// Walks the object that begins here. `member` is called past each key's colon and must consume the value.
    pub(crate) fn object<E: From<Bad>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'b>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{', "expected an object")?;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            self.expect(b',', "expected a comma or the end of the object")?;
            self.space();
        }
    }

    /// Walks the array that begins here. `element` must consume the value.
    pub(crate) fn array<E: From<Bad>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[', "expected an array")?;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            self.expect(b',', "expected a comma or the end of the array")?;
            self.space();
        }
    }

    /// Reads the string that begins here.
    // Measured: returned through memory, the result costs as much as the scan of a short string.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'b>, Bad> {
        let start = self.at;
        self.expect(b'"', "expected a string")?;
        let mut escaped = false;
        loop {
            self.plain();
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.bad("a control character stands in a string"),
                None => return self.bad("the text ends inside a string"),
            }
        }
        let raw = self.bytes.get(start + 1..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    /// Reads a whole number that begins here; other values are skipped and give `None`.
    pub(crate) fn count(&mut self) -> Result<Option<u64>, Bad> {
        let (shape, span) = self.spanned()?;
        if shape != Shape::Number {
            return Ok(None);
        }
        let text = std::str::from_utf8(span.of(self.bytes)).unwrap_or_default();
        Ok(text.parse().ok().or_else(|| whole(text)))
    }

    fn nested(&mut self) -> Result<(), Bad> {
        // One bit a level, the innermost lowest: set for an object.
        let mut levels: u128 = 0;
        let mut depth = 0;
        loop {
            let opened = match self.shape()? {
                Shape::Object => Some(true),
                Shape::Array => Some(false),
                Shape::Text => {
                    self.text()?;
                    None
                }
                Shape::Number => {
                    self.number()?;
                    None
                }
                Shape::True | Shape::False | Shape::Null => {
                    self.skip_word()?;
                    None
                }
            };
            if let Some(object) = opened {
                if depth == MAX_DEPTH {
                    return self.bad("the values are nested too deeply");
                }
                depth += 1;
                levels = levels << 1 | u128::from(object);
                self.at += 1;
                self.space();
                if !self.closes(object) {
                    if object {
                        self.key()?;
                    }
                    continue;
                }
                depth -= 1;
                levels >>= 1;
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let object = levels & 1 == 1;
                self.space();
                if self.eat(b',') {
                    self.space();
                    if object {
                        self.key()?;
                    }
                    break;
                }
                if !self.closes(object) {
                    return self.bad("expected a comma or a closing bracket");
                }
                depth -= 1;
                levels >>= 1;
            }
        }
    }

    fn closes(&mut self, object: bool) -> bool {
        self.eat(if object { b'}' } else { b']' })
    }

    #[inline(always)]
    fn key(&mut self) -> Result<Text<'b>, Bad> {
        if self.peek() != Some(b'"') {
            return self.bad("expected a key in double quotes");
        }
        let key = self.text()?;
        self.space();
        self.expect(b':', "expected a colon after the key")?;
        self.space();
        Ok(key)
    }

    /// Moves over characters that need no thought: a few words first, since most strings are short, then wide blocks.
    #[inline]
    fn plain(&mut self) {
        const SHORT: usize = 4;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<8>();
        for bytes in words.iter().take(SHORT) {
            if let Some(at) = first_special(*bytes) {
                self.at += at;
                return;
            }
            self.at += 8;
        }
        self.plain_long();
    }

    fn plain_long(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (blocks, _) = rest.as_chunks::<64>();
        // Without an early exit inside a block the compiler checks it with vectors.
        let special = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
        let clean = blocks.iter().take_while(|block| {
            !block
                .iter()
                .fold(false, |found, byte| found | special(byte))
        });
        self.at += clean.count() * 64;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (words, _) = rest.as_chunks::<8>();
        for bytes in words {
            if let Some(at) = first_special(*bytes) {
                self.at += at;
                return;
            }
            self.at += 8;
        }
        while self.peek().is_some_and(|byte| !special(&byte)) {
            self.at += 1;
        }
    }

    fn escape(&mut self) -> Result<(), Bad> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return self.bad("expected four hexadecimal digits");
                    }
                    self.at += 1;
                }
            }
            Some(_) => return self.bad("an unknown escape"),
            None => return self.bad("the text ends inside a string"),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Bad> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Bad> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            self.bad("expected a digit")
        } else {
            Ok(())
        }
    }

    fn skip_word(&mut self) -> Result<(), Bad> {
        match self.peek() {
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            _ => self.word(b"null"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Bad> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return self.bad("expected a value");
        }
        self.at = end;
        Ok(())
    }

    #[inline]
    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let hit = self.peek() == Some(byte);
        self.at += usize::from(hit);
        hit
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), Bad> {
        if self.eat(byte) {
            Ok(())
        } else {
            self.bad(what)
        }
    }

    #[cold]
    fn bad<T>(&self, what: &'static str) -> Result<T, Bad> {
        let what = if self.at >= self.bytes.len() {
            "the text ends too early"
        } else {
            what
        };
        Err(Bad {
            at: self.at.min(self.bytes.len()),
            what,
        })
    }
}

/// Where in eight bytes the first quote, backslash or control character is.
#[inline]
fn first_special(bytes: [u8; 8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let word = u64::from_le_bytes(bytes);
    let quote = word ^ (ONES * 0x22);
    let backslash = word ^ (ONES * 0x5c);
    // The lowest bit set in each is exact: borrows only travel upwards from a true hit.
    let hits = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    let hits = hits & HIGHS;
    (hits != 0).then(|| usize::try_from(hits.trailing_zeros() / 8).unwrap_or(0))
}

/// A whole number written as a float, as some servers write token counts.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a whole number between 0 and 2^53"
)]
fn whole(text: &str) -> Option<u64> {
    let number: f64 = text.parse().ok()?;
    ((0.0..9_007_199_254_740_992.0).contains(&number) && number.fract() == 0.0)
        .then_some(number as u64)
}
