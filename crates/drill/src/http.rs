//! A minimal reader of HTTP/1.1 requests: heads with `httparse`, bodies by length or in chunks.
//!
//! It is strict about framing, so that a client that smuggles is refused. Answers are built in `answer` and `wire`.

use bytes::{Buf, Bytes, BytesMut};

/// The largest head that is read, in bytes.
pub(crate) const MAX_HEAD: usize = 256 * 1024;
/// The most header lines that are read.
const MAX_HEADERS: usize = 256;
/// The largest body that is read, in bytes; a larger one is answered with 413.
pub(crate) const MAX_BODY: u64 = 64 * 1024 * 1024;

/// A request's head.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    /// The request target as sent, with its query.
    pub(crate) target: String,
    pub(crate) minor_version: u8,
    pub(crate) headers: Vec<(String, String)>,
}

/// A whole request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Bytes,
}

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
}

/// What a buffer holds.
pub(crate) enum Parsed {
    /// Not yet a whole head.
    Partial,
    /// A head and its length in bytes.
    Whole(Box<Head>, usize),
    /// No head: why.
    Bad(&'static str),
}

/// Reads a head from the start of a buffer.
pub(crate) fn parse_head(buffer: &[u8]) -> Parsed {
    let mut slots = vec![httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut slots);
    match request.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => {
            let headers = request
                .headers
                .iter()
                .map(|h| {
                    (
                        h.name.to_owned(),
                        String::from_utf8_lossy(h.value).into_owned(),
                    )
                })
                .collect();
            let head = Head {
                method: request.method.unwrap_or_default().to_owned(),
                target: request.path.unwrap_or_default().to_owned(),
                minor_version: request.version.unwrap_or(1),
                headers,
            };
            Parsed::Whole(Box::new(head), length)
        }
        Ok(httparse::Status::Partial) if buffer.len() > MAX_HEAD => Parsed::Bad("head too large"),
        Ok(httparse::Status::Partial) => Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => Parsed::Bad("too many header lines"),
        Err(_) => Parsed::Bad("not an HTTP/1.1 request"),
    }
}

impl Head {
    /// The first header of that name, in any case of letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The target without its query; of an absolute target, the path.
    pub(crate) fn path(&self) -> &str {
        let target = self.target.as_str();
        let after = target
            .find("://")
            .and_then(|at| target.get(at.saturating_add(3)..));
        let origin = match after {
            Some(rest) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
            None => target,
        };
        origin.split('?').next().unwrap_or(origin)
    }

    /// A member of the query, not decoded.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    /// The number in `x-goodgate-attempt`.
    pub(crate) fn attempt(&self) -> Option<u32> {
        self.header("x-goodgate-attempt")
            .and_then(|text| text.trim().parse().ok())
    }

    /// Whether the client waits for `100 Continue`.
    pub(crate) fn expects_continue(&self) -> bool {
        self.header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    }

    /// Whether the client lets the connection live on.
    pub(crate) fn keeps_alive(&self) -> bool {
        let tokens = self
            .header("connection")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let says = |word| tokens.split(',').any(|token| token.trim() == word);
        if self.minor_version == 0 {
            says("keep-alive")
        } else {
            !says("close")
        }
    }

    /// How the body is delimited.
    ///
    /// # Errors
    /// Both framings, differing lengths, a length that is no number, a coding other than chunked.
    pub(crate) fn framing(&self) -> Result<Framing, &'static str> {
        let all = |name: &'static str| {
            self.headers
                .iter()
                .filter(move |(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v.as_str())
        };
        let mut length = None;
        for text in all("content-length") {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let value: u64 = match text.parse() {
                Ok(value) if digits => value,
                _ => return Err("Content-Length is no number"),
            };
            if length.is_some_and(|earlier| earlier != value) {
                return Err("differing Content-Length headers");
            }
            length = Some(value);
        }
        let mut codings = all("transfer-encoding").peekable();
        if codings.peek().is_none() {
            return Ok(Framing::Length(length.unwrap_or(0)));
        }
        if length.is_some() {
            return Err("both Content-Length and Transfer-Encoding");
        }
        if codings.all(|coding| coding.trim().eq_ignore_ascii_case("chunked")) {
            Ok(Framing::Chunked)
        } else {
            Err("unknown transfer coding")
        }
    }

    /// What else is wrong with the head, if anything.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let hosts = self
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case("host"))
            .count();
        match hosts {
            0 if self.minor_version > 0 => Some("no Host header"),
            0 | 1 => None,
            _ => Some("more than one Host header"),
        }
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyError {
    TooLarge,
    BadChunk,
}

/// Reads one body out of a buffer that grows.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: State,
    body: BytesMut,
}

#[derive(Debug)]
enum State {
    Length(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Done,
}

impl BodyReader {
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::ChunkSize,
        };
        Self {
            state,
            body: BytesMut::new(),
        }
    }

    /// Takes what belongs to the body; `true` when it is whole.
    ///
    /// # Errors
    /// The body is too large, or its chunks are malformed.
    pub(crate) fn feed(&mut self, input: &mut BytesMut) -> Result<bool, BodyError> {
        loop {
            match self.state {
                State::Done => return Ok(true),
                State::Length(0) => self.state = State::Done,
                State::ChunkData(0) => self.state = State::ChunkEnd,
                State::Length(left) => match self.take(left, input)? {
                    Some(left) => self.state = State::Length(left),
                    None => return Ok(false),
                },
                State::ChunkData(left) => match self.take(left, input)? {
                    Some(left) => self.state = State::ChunkData(left),
                    None => return Ok(false),
                },
                State::ChunkSize => {
                    let Some(line) = take_line(input)? else {
                        return Ok(false);
                    };
                    let text = std::str::from_utf8(&line).unwrap_or_default();
                    let text = text.split(';').next().unwrap_or_default().trim();
                    let size = u64::from_str_radix(text, 16).map_err(|_| BodyError::BadChunk)?;
                    self.state = if size == 0 {
                        State::Trailers
                    } else {
                        State::ChunkData(size)
                    };
                }
                State::ChunkEnd => {
                    let Some(line) = take_line(input)? else {
                        return Ok(false);
                    };
                    if !line.is_empty() {
                        return Err(BodyError::BadChunk);
                    }
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(line) = take_line(input)? else {
                        return Ok(false);
                    };
                    if line.is_empty() {
                        self.state = State::Done;
                    }
                }
            }
        }
    }

    fn take(&mut self, left: u64, input: &mut BytesMut) -> Result<Option<u64>, BodyError> {
        let held = u64::try_from(self.body.len()).unwrap_or(u64::MAX);
        if held.saturating_add(left) > MAX_BODY {
            return Err(BodyError::TooLarge);
        }
        if input.is_empty() {
            return Ok(None);
        }
        let count = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.body.extend_from_slice(&input.split_to(count));
        Ok(Some(
            left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)),
        ))
    }

    pub(crate) fn into_body(self) -> Bytes {
        self.body.freeze()
    }
}

/// One line without its CRLF; `None` when it is not whole yet.
fn take_line(input: &mut BytesMut) -> Result<Option<BytesMut>, BodyError> {
    let Some(at) = input.iter().position(|b| *b == b'\n') else {
        return if input.len() > 8192 {
            Err(BodyError::BadChunk)
        } else {
            Ok(None)
        };
    };
    let mut line = input.split_to(at);
    input.advance(1);
    if line.last() == Some(&b'\r') {
        line.truncate(line.len().saturating_sub(1));
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        match parse_head(text.as_bytes()) {
            Parsed::Whole(head, length) if length == text.len() => *head,
            _ => panic!("not a whole head: {text}"),
        }
    }

    #[test]
    fn framing_that_smuggles_is_refused() {
        let post = |headers: &str| head(&format!("POST / HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
        assert_eq!(
            post("Content-Length: 5\r\n").framing(),
            Ok(Framing::Length(5))
        );
        assert_eq!(post("").framing(), Ok(Framing::Length(0)));
        assert_eq!(
            post("Transfer-Encoding: chunked\r\n").framing(),
            Ok(Framing::Chunked)
        );
        for bad in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
            "Content-Length: -5\r\n",
            "Content-Length: +5\r\n",
            "Transfer-Encoding: gzip\r\n",
        ] {
            assert!(post(bad).framing().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_chunked_body_reads_the_same_however_it_is_cut() {
        let wire = b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\nrest";
        for cut in 1..wire.len() {
            let mut reader = BodyReader::new(Framing::Chunked);
            let mut input = BytesMut::from(&wire[..cut]);
            let done = reader.feed(&mut input).expect("well-formed");
            input.extend_from_slice(&wire[cut..]);
            if !done {
                assert_eq!(reader.feed(&mut input), Ok(true));
            }
            assert_eq!(&reader.into_body()[..], b"hello world");
            assert_eq!(&input[..], b"rest");
        }
    }

    #[test]
    fn paths_and_queries_are_told_apart() {
        let head = head("GET http://h:1/a/b?key=k&alt=sse HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(head.path(), "/a/b");
        assert_eq!(head.query("alt"), Some("sse"));
        assert_eq!(head.query("none"), None);
    }
}
