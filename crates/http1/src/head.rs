//! Reads an answer's head: status line, headers, and what they say about the body.

use std::mem::MaybeUninit;
use std::time::Duration;

use super::body::Framing;
use super::fields::{decimal, tokens};
use super::headers::Headers;
use super::search::Search;
use super::{excerpt, framing, skip};
use bytes::{Bytes, BytesMut};
use diagnosis::Fault;
use http::HeaderName;
use http::{StatusCode, Version};

/// Most headers of one head. Source: failures.md, `response_header_too_large`.
pub const HEADERS: usize = 128;

/// What the request was, as far as it decides how the answer is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// HEAD: the answer has no body whatever its headers say.
    Head,
    /// Another protocol: the answer 101 is a final one, and what follows it is no body.
    Upgrade,
    /// Anything else.
    Other,
}

/// A final head.
#[derive(Debug)]
pub struct Head {
    /// Never 1xx, but for the 101 that was asked for.
    pub status: StatusCode,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The reason phrase, possibly empty.
    pub reason: Bytes,
    /// All headers in their order.
    pub headers: Headers,
    /// How the body's end is found.
    pub framing: Framing,
    /// Whether the connection may serve another request after the body.
    pub keep_alive: bool,
    /// `Keep-Alive: timeout=n`.
    pub keep_alive_timeout: Option<Duration>,
}

/// Finds and reads the head in a growing buffer; interim (1xx) heads are skipped.
#[derive(Debug)]
pub struct HeadReader {
    asked: Asked,
    search: Search,
}

impl HeadReader {
    /// `limit` is in bytes, for the whole head with its interim heads.
    #[must_use]
    pub fn new(asked: Asked, limit: usize) -> Self {
        Self {
            asked,
            search: Search::new(limit),
        }
    }

    /// Takes the head off the buffer's front once it is whole.
    ///
    /// # Errors
    /// When the bytes are no HTTP/1 head, break its grammar, contradict each other about the body, or exceed the limit.
    pub fn advance(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Fault> {
        loop {
            if !self.search.is_worth_a_look(buffer) {
                return self.within_limit(buffer);
            }
            match parse(buffer, self.asked)? {
                Found::Partial => return self.within_limit(buffer),
                Found::Interim { length } => {
                    skip(buffer, length);
                    if self.search.begin_again(length).is_err() {
                        return Err(self.too_large());
                    }
                }
                Found::Final { head, length } => {
                    if self.search.exceeds(length) {
                        return Err(self.too_large());
                    }
                    skip(buffer, length);
                    return Ok(Some(head));
                }
            }
        }
    }

    /// What is wrong with an incomplete head when no more will come; `None` when it is merely cut.
    #[must_use]
    pub fn conclude(&self, buffer: &BytesMut) -> Option<Fault> {
        if buffer.is_empty() {
            return None;
        }
        parse(buffer, self.asked).err()
    }

    fn within_limit(&self, buffer: &BytesMut) -> Result<Option<Head>, Fault> {
        if self.search.exceeds(buffer.len()) {
            Err(self.too_large())
        } else {
            Ok(None)
        }
    }

    fn too_large(&self) -> Fault {
        Fault::HeadTooLarge {
            limit: u64::try_from(self.search.limit()).unwrap_or(u64::MAX),
        }
    }
}

enum Found {
    Partial,
    Interim { length: usize },
    Final { head: Head, length: usize },
}

fn parse(buffer: &[u8], asked: Asked) -> Result<Found, Fault> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let length = match httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        buffer,
        &mut slots,
    ) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return starts_like_http(buffer).map(|()| Found::Partial),
        Err(error) => return Err(grammar(error, buffer)),
    };
    let code = response.code.unwrap_or(0);
    if (100..200).contains(&code) {
        if code != 101 {
            return Ok(Found::Interim { length });
        }
        if asked != Asked::Upgrade {
            return Err(framing(
                "101 Switching Protocols that was not asked for",
                buffer,
            ));
        }
    }
    let status = StatusCode::from_u16(code).map_err(|_| framing("status code", buffer))?;
    let version = if response.version == Some(0) {
        Version::HTTP_10
    } else {
        Version::HTTP_11
    };
    let mut claims = Claims::default();
    for header in response.headers.iter() {
        claims.take(header.name, header.value)?;
    }
    let bytes = buffer.get(..length).unwrap_or_default();
    // One copy of the head: the read buffer stays free for the body.
    let headers = Headers::of(bytes, response.headers);
    let reason = match (response.reason, status.canonical_reason()) {
        (None, _) => Bytes::new(),
        (Some(text), Some(usual)) if text == usual => Bytes::from_static(usual.as_bytes()),
        (Some(text), _) => headers.part(bytes, text.as_bytes()),
    };
    let body = if status == StatusCode::SWITCHING_PROTOCOLS {
        Framing::Nothing
    } else {
        claims
            .framing(version, status, asked)
            .map_err(|what| framing(what, bad_line(buffer, names_a_coding)))?
    };
    let head = Head {
        status,
        version,
        reason,
        headers,
        framing: body,
        keep_alive: claims.keeps_alive(version, body),
        keep_alive_timeout: claims.timeout,
    };
    Ok(Found::Final { head, length })
}

/// Tells garbage from a slow status line: an incomplete one must begin like one.
fn starts_like_http(buffer: &[u8]) -> Result<(), Fault> {
    let expected = b"HTTP/1.";
    if buffer
        .iter()
        .zip(expected)
        .all(|(found, wanted)| found == wanted)
    {
        return Ok(());
    }
    Err(Fault::NotHttp {
        first_bytes: excerpt(buffer),
    })
}

fn grammar(error: httparse::Error, buffer: &[u8]) -> Fault {
    if !buffer.starts_with(b"HTTP/") && !b"HTTP/".starts_with(buffer) {
        return Fault::NotHttp {
            first_bytes: excerpt(buffer),
        };
    }
    match error {
        httparse::Error::TooManyHeaders => Fault::HeadTooLarge {
            limit: HEADERS as u64,
        },
        httparse::Error::Version => framing("version", buffer),
        httparse::Error::Status => framing("status line", buffer),
        httparse::Error::HeaderName => framing("header name", bad_line(buffer, bad_name)),
        httparse::Error::HeaderValue => framing("header value", bad_line(buffer, bad_value)),
        httparse::Error::NewLine => framing("line ending", bad_line(buffer, lone_return)),
        httparse::Error::Token => framing("head", buffer),
    }
}

/// The first header line that is `bad`, for people to look at; the whole head where none is.
fn bad_line(buffer: &[u8], bad: fn(&[u8]) -> bool) -> &[u8] {
    buffer
        .split(|byte| *byte == b'\n')
        .skip(1)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .find(|line| bad(line))
        .unwrap_or(buffer)
}

fn bad_name(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    !line.is_empty() && (name.len() == line.len() || HeaderName::from_bytes(name).is_err())
}

fn bad_value(line: &[u8]) -> bool {
    line.iter()
        .any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f)
}

fn names_a_coding(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.eq_ignore_ascii_case(b"transfer-encoding")
}

fn lone_return(line: &[u8]) -> bool {
    line.contains(&b'\r')
}

/// What the headers claim about body and connection.
#[derive(Debug, Default)]
struct Claims {
    length: Option<u64>,
    codings: Codings,
    close: bool,
    stay: bool,
    timeout: Option<Duration>,
}

/// What `Transfer-Encoding` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Codings {
    /// Nothing.
    #[default]
    Absent,
    /// That there is none.
    Identity,
    /// Chunks.
    Chunked,
}

impl Claims {
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        // Lengths first: most headers are none of these.
        match name.len() {
            10 if name.eq_ignore_ascii_case("connection") => self.take_connection(value),
            10 if name.eq_ignore_ascii_case("keep-alive") => self.timeout = timeout(value),
            14 if name.eq_ignore_ascii_case("content-length") => self.take_length(value)?,
            17 if name.eq_ignore_ascii_case("transfer-encoding") => self.take_codings(value)?,
            _ => {}
        }
        Ok(())
    }

    fn take_connection(&mut self, value: &[u8]) {
        for token in tokens(value) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.stay |= token.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    fn take_length(&mut self, value: &[u8]) -> Result<(), Fault> {
        // A repeated equal length is one length. Source: RFC 9110, 8.6.
        for token in value.split(|byte| *byte == b',') {
            let length = decimal(token.trim_ascii())
                .ok_or_else(|| framing("Content-Length that is no number", value))?;
            if self.length.is_some_and(|known| known != length) {
                return Err(framing("differing Content-Lengths", value));
            }
            self.length = Some(length);
        }
        Ok(())
    }

    fn take_codings(&mut self, value: &[u8]) -> Result<(), Fault> {
        for token in tokens(value) {
            let chunked = self.codings == Codings::Chunked;
            if token.eq_ignore_ascii_case(b"chunked") && !chunked {
                self.codings = Codings::Chunked;
            } else if token.eq_ignore_ascii_case(b"identity") && !chunked {
                self.codings = Codings::Identity;
            } else {
                // Nobody asked for another coding, and one after `chunked` hides the body's end.
                return Err(framing("transfer coding", value));
            }
        }
        Ok(())
    }

    fn framing(
        &self,
        version: Version,
        status: StatusCode,
        asked: Asked,
    ) -> Result<Framing, &'static str> {
        // `identity` says that there is none, so the length holds. Source: RFC 2616, section 4.4.
        if self.codings == Codings::Chunked {
            if self.length.is_some() {
                return Err("both Content-Length and Transfer-Encoding");
            }
            if version == Version::HTTP_10 {
                return Err("Transfer-Encoding in an HTTP/1.0 answer");
            }
        }
        let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        if asked == Asked::Head || bodiless {
            return Ok(Framing::Nothing);
        }
        if self.codings == Codings::Chunked {
            return Ok(Framing::Chunked);
        }
        Ok(self.length.map_or(Framing::UntilClose, Framing::Length))
    }

    fn keeps_alive(&self, version: Version, body: Framing) -> bool {
        let wanted = if version == Version::HTTP_10 {
            self.stay && !self.close
        } else {
            !self.close
        };
        wanted && body != Framing::UntilClose
    }
}

fn timeout(value: &[u8]) -> Option<Duration> {
    let seconds = tokens(value).find_map(|token| {
        let (name, digits) = token.split_at_checked(8)?;
        name.eq_ignore_ascii_case(b"timeout=")
            .then(|| decimal(digits))?
    })?;
    Some(Duration::from_secs(seconds))
}
