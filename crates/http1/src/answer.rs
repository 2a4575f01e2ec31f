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
        line(name.as_str().as_bytes(), value.as_bytes(), out);
    }
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
        headers.insert("content-length", HeaderValue::from_static("77"));
        headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
        headers.insert("connection", HeaderValue::from_static("keep-alive"));
        let mut head = AnswerHead {
            version: Version::HTTP_11,
            status: StatusCode::OK,
            reason: None,
            headers: &headers,
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
            "HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 12\r\ndate: today\r\n\r\n"
        );
        assert_eq!(
            written(|head| {
                head.ending = Ending::Chunked;
                head.afterwards = Afterwards::Closes;
                head.date = b"";
            }),
            "HTTP/1.1 200 OK\r\nx-a: 1\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        assert_eq!(
            written(|head| {
                head.version = Version::HTTP_10;
                head.status = StatusCode::NO_CONTENT;
                head.ending = Ending::Bodiless;
                head.afterwards = Afterwards::StaysByWord;
                head.date = b"";
            }),
            "HTTP/1.0 204 No Content\r\nx-a: 1\r\nconnection: keep-alive\r\n\r\n"
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
}
