//! Reads the escapes of a JSON string, gently: what is no character becomes U+FFFD.

/// The text with its escapes resolved. `held` carries a high surrogate from one part of a string to the next.
pub(super) fn read(text: &str, held: &mut Option<u16>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        plain_text(plain, held, &mut out);
        rest = one(escaped, held, &mut out);
    }
    plain_text(rest, held, &mut out);
    out
}

fn plain_text(text: &str, held: &mut Option<u16>, out: &mut String) {
    if !text.is_empty() {
        flush(held, out);
        out.push_str(text);
    }
}

/// Reads the escape that `text` begins with, past its backslash, and gives what follows.
fn one<'t>(text: &'t str, held: &mut Option<u16>, out: &mut String) -> &'t str {
    let mut characters = text.chars();
    let character = match characters.next() {
        Some('u') => {
            let (digits, rest) = text.split_at_checked(5).unwrap_or((text, ""));
            let unit = digits
                .get(1..)
                .and_then(|digits| u16::from_str_radix(digits, 16).ok());
            code_unit(unit.unwrap_or(0xFFFD), held, out);
            return rest;
        }
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(other) => other,
        None => return "",
    };
    flush(held, out);
    out.push(character);
    characters.as_str()
}

fn code_unit(unit: u16, held: &mut Option<u16>, out: &mut String) {
    if (0xDC00..0xE000).contains(&unit) {
        let pair = held
            .take()
            .map(|high| char::decode_utf16([high, unit]).next());
        out.push(
            pair.flatten()
                .and_then(Result::ok)
                .unwrap_or(char::REPLACEMENT_CHARACTER),
        );
        return;
    }
    flush(held, out);
    if (0xD800..0xDC00).contains(&unit) {
        *held = Some(unit);
    } else {
        out.push(char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER));
    }
}

/// A high surrogate whose other half did not come.
fn flush(held: &mut Option<u16>, out: &mut String) {
    if held.take().is_some() {
        out.push(char::REPLACEMENT_CHARACTER);
    }
}

/// Like [`read`] for a whole string: nothing is left waiting.
pub(super) fn read_whole(text: &str) -> String {
    let mut held = None;
    let mut out = read(text, &mut held);
    flush(&mut held, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(
            read_whole(r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00z"#),
            "a\"\\/\u{8}\u{c}\n\r\té😀z"
        );
    }

    /// Item 69: lone halves are replaced, halves split over two parts are joined.
    #[test]
    fn surrogates_are_joined_or_replaced() {
        assert_eq!(read_whole(r"\ud83d"), "\u{FFFD}");
        assert_eq!(read_whole(r"\ude00x\ud83dy"), "\u{FFFD}x\u{FFFD}y");
        assert_eq!(read_whole(r"\ud83d\ud83d\ude00"), "\u{FFFD}😀");
        let mut held = None;
        assert_eq!(read(r"a\ud83d", &mut held), "a");
        assert_eq!(read(r"\ude00b", &mut held), "😀b");
        assert_eq!(held, None);
    }
}
