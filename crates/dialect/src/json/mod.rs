//! A validating scanner over JSON text: finds where values begin and end without building any.
//!
//! It accepts what RFC 8259 accepts, up to 128 levels deep, and checks everything but UTF-8: its callers do that for a
//! whole text that is not ASCII. It never allocates. To read values, use `serde_json`.

mod escape;
mod node;
mod scan;
mod text;

pub(crate) use node::{Node, Object, Path};
pub use text::Span;
pub(crate) use text::{Bad, Letters, Shape, Text};

/// Levels of nesting below one value that are followed; `serde_json` stops there, too.
const MAX_DEPTH: u32 = 128;

/// A position in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Whether a string that was passed holds more than ASCII.
    wide: bool,
}

impl<'b> Cursor<'b> {
    /// At the start, past white space.
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        let mut cursor = Self {
            bytes,
            at: 0,
            wide: false,
        };
        cursor.space();
        cursor
    }

    /// At a place that is known from an earlier walk.
    pub(crate) fn back_at(bytes: &'b [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            wide: false,
        }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// What the letters of all that was passed are.
    pub(crate) fn letters(&self) -> Letters {
        if self.wide {
            Letters::Unknown
        } else {
            Letters::Ascii
        }
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

    /// Whether this is the next byte.
    #[inline(always)]
    pub(crate) fn is_before(&self, byte: u8) -> bool {
        self.peek() == Some(byte)
    }

    /// Skips the value that begins here.
    pub(crate) fn skip(&mut self) -> Result<Shape, Bad> {
        match self.peek() {
            Some(b'"') => self.text().map(|_| Shape::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(|()| Shape::Number),
            Some(b'{') => self.nested().map(|()| Shape::Object),
            Some(b'[') => self.nested().map(|()| Shape::Array),
            _ => self.named(),
        }
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
    #[inline]
    pub(crate) fn object<E: From<Bad>>(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'b>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{', "expected an object")?;
        if self.token() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            member(self, key)?;
            match self.token() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => self.bad("expected a comma or the end of the object")?,
            }
            self.space();
        }
        self.at += 1;
        Ok(())
    }

    /// Walks the array that begins here. `element` must consume the value.
    #[inline]
    pub(crate) fn array<E: From<Bad>>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'[', "expected an array")?;
        if self.token() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            element(self)?;
            match self.token() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => self.bad("expected a comma or the end of the array")?,
            }
            self.space();
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the string that begins here.
    // Measured: returned through memory, the result costs as much as the scan of a short string.
    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<Text<'b>, Bad> {
        let start = self.at + 1;
        self.expect(b'"', "expected a string")?;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = scan::short(rest);
        self.at = start + length;
        if rest.get(length) != Some(&b'"') {
            return self.long_text(start);
        }
        self.at += 1;
        Ok(Text::new(rest.get(..length).unwrap_or_default(), false))
    }

    /// Reads on in the string that began before `start`.
    #[inline(never)]
    fn long_text(&mut self, start: usize) -> Result<Text<'b>, Bad> {
        let mut escaped = false;
        self.at += scan::long_run::<false>(self.bytes.get(self.at..).unwrap_or_default());
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0x80..) => self.wide = true,
                Some(_) => return self.bad("a control character stands in a string"),
                None => return self.bad("the text ends inside a string"),
            }
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            self.at += if self.wide {
                scan::plain::<true>(rest)
            } else {
                scan::plain::<false>(rest)
            };
        }
        let raw = self.bytes.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    /// Reads a whole number that begins here; other values are skipped and give `None`.
    pub(crate) fn count(&mut self) -> Result<Option<u64>, Bad> {
        /// So many digits always fit.
        const DIGITS: usize = 19;
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut value = 0u64;
        let mut length = 0;
        for byte in rest.iter().take(DIGITS) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value * 10 + u64::from(digit);
            length += 1;
        }
        // A zero at the start, a fraction or a longer number take the long way.
        let goes_on = matches!(rest.get(length), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
        if !goes_on && length > 0 && (length == 1 || rest.first() != Some(&b'0')) {
            self.at += length;
            return Ok(Some(value));
        }
        self.odd_count()
    }

    #[inline(never)]
    fn odd_count(&mut self) -> Result<Option<u64>, Bad> {
        let (shape, span) = self.spanned()?;
        if shape != Shape::Number {
            return Ok(None);
        }
        let text = std::str::from_utf8(span.of(self.bytes)).unwrap_or_default();
        Ok(text.parse().ok().or_else(|| whole(text)))
    }

    fn nested(&mut self) -> Result<(), Bad> {
        // One bit for each level around the innermost, the nearest lowest: set for an object.
        let mut around: u128 = 0;
        let mut object = false;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.text()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(bracket @ (b'{' | b'[')) => {
                    if depth == MAX_DEPTH {
                        return self.bad("the values are nested too deeply");
                    }
                    depth += 1;
                    around = around << 1 | u128::from(object);
                    object = bracket == b'{';
                    self.at += 1;
                    self.space();
                    if !self.closes(object) {
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                    depth -= 1;
                    object = around & 1 == 1;
                    around >>= 1;
                }
                _ => {
                    self.named()?;
                }
            }
            loop {
                if depth == 0 {
                    return Ok(());
                }
                let closing = if object { b'}' } else { b']' };
                match self.token() {
                    Some(b',') => {
                        self.at += 1;
                        self.space();
                        if object {
                            self.key()?;
                        }
                        break;
                    }
                    Some(byte) if byte == closing => self.at += 1,
                    _ => return self.bad("expected a comma or a closing bracket"),
                }
                depth -= 1;
                object = around & 1 == 1;
                around >>= 1;
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
        if self.token() != Some(b':') {
            return self.bad("expected a colon after the key");
        }
        self.at += 1;
        self.space();
        Ok(key)
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
        if let Some(b'.' | b'e' | b'E') = self.peek() {
            return self.fraction();
        }
        Ok(())
    }

    fn fraction(&mut self) -> Result<(), Bad> {
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
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        if digits == 0 {
            self.bad("expected a digit")
        } else {
            Ok(())
        }
    }

    /// Skips one of the three values with a name.
    fn named(&mut self) -> Result<Shape, Bad> {
        let shape = self.shape()?;
        self.word(match shape {
            Shape::True => b"true",
            Shape::False => b"false",
            _ => b"null",
        })?;
        Ok(shape)
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Bad> {
        let end = self.at + word.len();
        if self.bytes.get(self.at..end) != Some(word) {
            return self.bad("expected a value");
        }
        self.at = end;
        Ok(())
    }

    /// The next byte past white space.
    #[inline(always)]
    fn token(&mut self) -> Option<u8> {
        self.space();
        self.peek()
    }

    // Between most tokens there is none, which one comparison tells.
    #[inline(always)]
    fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.some_space();
        }
    }

    #[inline(never)]
    fn some_space(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let space = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += rest.iter().take_while(space).count();
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline(always)]
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
