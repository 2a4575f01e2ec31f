//! Writes an answer's head and the framing of its body into a buffer.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version};

use super::decimal::write_decimal;

/// How the client finds the end of the answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// There is no body, and no header speaks of one.
    Bodiless,
    /// There is no body, but this is the length it would have: an answer to HEAD, or 304.
    LengthAlone(u64),
    /// So many bytes follow.
    Length(u64),
    /// Chunk by chunk.
    Chunked,
    /// The connection ends with it.
    UntilClose,
}

/// What the answer says about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It stays, as HTTP/1.1 takes for granted.
    Stays,
    /// It stays, which an HTTP/1.0 client has to be told.
    StaysByWord,
    /// It closes.
    Closes,
    /// It becomes another protocol.
    Upgrades,
}

/// Headers as the lines that go on the wire: they are written once and never looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    bytes: Vec<u8>,
}

impl Lines {
    /// None yet, with room for those of a usual answer.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: Vec::with_capacity(512),
        }
    }

    /// Adds a line; a value that could end the line is left out with it.
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: &[u8]) {
        let name = name.as_ref();
        let odd = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
        if value.iter().fold(false, |found, byte| found | odd(*byte)) {
            return;
        }
        self.bytes.reserve(name.len() + value.len() + 4);
        line(name, value, &mut self.bytes);
    }

    /// Adds a line whose value is a number.
    pub fn add_number(&mut self, name: &str, value: u64) {
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b": ");
        write_decimal(value, &mut self.bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.bytes.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, rest) = line.split_at_checked(colon)?;
            let value = rest.strip_prefix(b": ")?.strip_suffix(b"\r")?;
            Some((name, value))
        })
    }

    fn names(&self, name: &str) -> bool {
        self.iter()
            .any(|(known, _)| known.eq_ignore_ascii_case(name.as_bytes()))
    }
}

/// An answer's head.
#[derive(Clone, Copy, Debug)]
pub struct AnswerHead<'a> {
    /// The version the client speaks.
    pub version: Version,
    /// The status.
    pub status: StatusCode,
    /// The reason phrase, where it is not the usual one.
    pub reason: Option<&'a [u8]>,
    /// The headers; those that frame the message are written from the fields below, whatever these say.
    pub headers: &'a HeaderMap,
    /// More of them, before which those of the same name yield.
    pub lines: &'a Lines,
    /// How the body ends.
    pub ending: Ending,
    /// What becomes of the connection.
    pub afterwards: Afterwards,
    /// The value of `Date`; an empty one writes none.
    pub date: &'a [u8],
}

/// Appends the head, blank line included.
pub fn write_answer_head(head: &AnswerHead<'_>, out: &mut Vec<u8>) {
    status_line(head, out);
    for (name, value) in head.headers {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING || *name == CONNECTION {
            continue;
        }
        if !head.lines.names(name.as_str()) {
            line(name.as_str().as_bytes(), value.as_bytes(), out);
        }
    }
    out.extend_from_slice(&head.lines.bytes);
    match head.ending {
        Ending::Bodiless | Ending::UntilClose => {}
        Ending::LengthAlone(length) | Ending::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Ending::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    match head.afterwards {
        Afterwards::Stays => {}
        Afterwards::StaysByWord => out.extend_from_slice(b"connection: keep-alive\r\n"),
        Afterwards::Closes => out.extend_from_slice(b"connection: close\r\n"),
        Afterwards::Upgrades => out.extend_from_slice(b"connection: upgrade\r\n"),
    }
    if !head.date.is_empty() && !head.headers.contains_key(DATE) {
        line(b"date", head.date, out);
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(head: &AnswerHead<'_>, out: &mut Vec<u8>) {
    if head.status == StatusCode::OK && head.reason.is_none() && head.version == Version::HTTP_11 {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(if head.version == Version::HTTP_10 {
        b"HTTP/1.0 "
    } else {
        b"HTTP/1.1 "
    });
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    let usual = || {
        head.status
            .canonical_reason()
            .unwrap_or("Unknown")
            .as_bytes()
    };
    let reason = head.reason.unwrap_or_else(usual);
    // Nothing in it may end the line.
    out.extend(
        reason
            .iter()
            .filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)),
    );
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// What comes before a chunk of so many bytes; `\r\n` comes after it.
pub fn write_chunk_size(size: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut shift = usize::BITS
        .saturating_sub(size.leading_zeros())
        .div_ceil(4)
        .max(1)
        * 4;
    while shift > 0 {
        shift -= 4;
        let digit = DIGITS.get((size >> shift) & 0xf).copied().unwrap_or(b'0');
        out.push(digit);
    }
    out.extend_from_slice(b"\r\n");
}

/// What ends a body of chunks.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn written(change: impl FnOnce(&mut AnswerHead<'_>)) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-a", HeaderValue::from_static("1"));
        headers.insert("x-b", HeaderValue::from_static("1"));
        headers.insert("content-length", HeaderValue::from_static("77"));
        headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
        headers.insert("connection", HeaderValue::from_static("keep-alive"));
        let mut lines = Lines::new();
        lines.add("x-b", b"2");
        lines.add("x-broken", b"2\r\nx-c: 3");
        lines.add_number("x-count", 10);
        let mut head = AnswerHead {
            version: Version::HTTP_11,
            status: StatusCode::OK,
            reason: None,
            headers: &headers,
            lines: &lines,
            ending: Ending::Length(12),
            afterwards: Afterwards::Stays,
            date: b"today",
        };
        change(&mut head);
        let mut out = Vec::new();
        write_answer_head(&head, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_framing_is_the_writers_whatever_the_headers_say() {
        assert_eq!(
            written(|_| {}),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: 2\r\nx-count: 10\r\ncontent-length: 12\r\ndate: today\r\n\r\n"
        );
        assert_eq!(
            written(|head| {
                head.ending = Ending::Chunked;
                head.afterwards = Afterwards::Closes;
                head.date = b"";
            }),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\nx-b: 2\r\nx-count: 10\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(
            written(|head| {
                head.version = Version::HTTP_10;
                head.status = StatusCode::NO_CONTENT;
                head.ending = Ending::Bodiless;
                head.afterwards = Afterwards::StaysByWord;
                head.date = b"";
            }),
            "HTTP/1.0 204 No Content\r\nx-a: 1\r\nx-b: 2\r\nx-count: 10\r\nconnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn a_reason_phrase_cannot_end_its_line() {
        let text = written(|head| {
            head.status = StatusCode::BAD_GATEWAY;
            head.reason = Some(b"goodgate\r\nset-cookie: a [req_1]");
        });
        assert!(
            text.starts_with("HTTP/1.1 502 goodgateset-cookie: a [req_1]\r\nx-a"),
            "{text}"
        );
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_without_leading_zeros() {
        for size in [1, 9, 10, 15, 16, 255, 256, 4096, 65_535, 65_536, usize::MAX] {
            let mut out = Vec::new();
            write_chunk_size(size, &mut out);
            assert_eq!(out, format!("{size:x}\r\n").as_bytes());
        }
    }

    #[test]
    fn lines_can_be_read_again() {
        let mut lines = Lines::new();
        lines.add("a", b"x: y");
        lines.add("empty", b"");
        lines.add_number("n", u64::MAX);
        let read: Vec<_> = lines.iter().collect();
        let wanted: [(&[u8], &[u8]); 3] = [
            (b"a", b"x: y"),
            (b"empty", b""),
            (b"n", b"18446744073709551615"),
        ];
        assert_eq!(read, wanted);
    }
}
