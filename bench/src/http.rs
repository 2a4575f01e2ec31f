//! Just enough HTTP/1.1 for both ends of a measurement: heads through httparse, and a body reader that takes
//! any split of the bytes. No pipelining, no upgrades; foreign input is loopback's own.

/// Head fields beyond this many are refused.
const MAX_FIELDS: usize = 64;

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// After this many bytes.
    Length(usize),
    /// After the last chunk and its trailer.
    Chunked,
}

/// What both kinds of head have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the head, its empty line included.
    pub(crate) length: usize,
    /// The answer's status; 0 in a request.
    pub(crate) status: u16,
    /// How the body ends.
    pub(crate) framing: Framing,
    /// The sender closes the connection after this message.
    pub(crate) close: bool,
    /// What a request asks for.
    pub(crate) route: Route,
}

/// The requests that the mock upstream knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `POST /v1/chat/completions`.
    Chat,
    /// `GET /v1/models`.
    Models,
    /// Anything else, and every answer.
    Other,
}

/// Reads an answer's head; `None` while it is incomplete.
///
/// # Errors
/// A malformed head, or one without a length: a keep-alive measurement cannot use an answer that ends by closing.
pub(crate) fn answer_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("malformed head: {error}")),
    };
    let (framing, close) = framing(parsed.headers)?;
    let status = parsed.code.unwrap_or_default();
    let framing = match framing {
        Some(framing) => framing,
        None if status == 204 || status == 304 => Framing::Length(0),
        None => return Err(format!("answer {status} has neither a length nor chunks")),
    };
    Ok(Some(Head {
        length,
        status,
        framing,
        close,
        route: Route::Other,
    }))
}

/// Reads a request's head; `None` while it is incomplete.
///
/// # Errors
/// A malformed head.
pub(crate) fn request_head(bytes: &[u8]) -> Result<Option<Head>, String> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("malformed head: {error}")),
    };
    let (framing, close) = framing(parsed.headers)?;
    let route = match (parsed.method, parsed.path) {
        (Some("POST"), Some("/v1/chat/completions")) => Route::Chat,
        (Some("GET"), Some("/v1/models")) => Route::Models,
        _ => Route::Other,
    };
    let framing = framing.unwrap_or(Framing::Length(0));
    Ok(Some(Head {
        length,
        status: 0,
        framing,
        close,
        route,
    }))
}

fn framing(fields: &[httparse::Header<'_>]) -> Result<(Option<Framing>, bool), String> {
    let mut framing = None;
    let mut close = false;
    for field in fields {
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = std::str::from_utf8(field.value)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .ok_or("content-length is not a number")?;
            framing = Some(Framing::Length(length));
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if !field.value.eq_ignore_ascii_case(b"chunked") {
                return Err("an unknown transfer-encoding".to_owned());
            }
            framing = Some(Framing::Chunked);
        } else if field.name.eq_ignore_ascii_case("connection") {
            close = field.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok((framing, close))
}

/// Takes a body out of its framing, whatever the split of the bytes.
#[derive(Debug)]
pub(crate) struct BodyReader {
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A known number of bytes is due.
    Counted(usize),
    /// In the digits of a chunk's size.
    Size(usize),
    /// In a chunk's extension, up to the end of the line.
    Extension(usize),
    /// In a chunk, with bytes due.
    Chunk(usize),
    /// After a chunk, before its line feed.
    ChunkEnd,
    /// In the trailer; true at the start of a line.
    Trailer(bool),
    Done,
}

impl BodyReader {
    /// A reader at the start of a body.
    pub(crate) fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Counted(length),
            Framing::Chunked => State::Size(0),
        };
        Self { state }
    }

    /// Whether the body is complete.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes what belongs to the body, hands its content on in pieces and says how many bytes it took.
    ///
    /// # Errors
    /// Bytes that are no chunk framing.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        mut piece: impl FnMut(&[u8]),
    ) -> Result<usize, &'static str> {
        let mut rest = input;
        while !self.is_done() {
            if let State::Counted(due) | State::Chunk(due) = self.state {
                let (content, after) = rest.split_at(due.min(rest.len()));
                if content.is_empty() {
                    break;
                }
                piece(content);
                rest = after;
                self.state = match (self.state, due - content.len()) {
                    (State::Counted(_), 0) => State::Done,
                    (State::Counted(_), due) => State::Counted(due),
                    (_, 0) => State::ChunkEnd,
                    (_, due) => State::Chunk(due),
                };
                continue;
            }
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            self.state = self.step(byte)?;
        }
        Ok(input.len() - rest.len())
    }

    /// One byte of chunk framing.
    fn step(&self, byte: u8) -> Result<State, &'static str> {
        let after_size = |size| {
            if size == 0 {
                State::Trailer(true)
            } else {
                State::Chunk(size)
            }
        };
        Ok(match (self.state, byte) {
            (State::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default() as usize;
                State::Size(size.checked_mul(16).ok_or("a chunk's size is too large")? + digit)
            }
            (State::Size(size), b'\r' | b';' | b' ') => State::Extension(size),
            (State::Extension(size), b'\n') => after_size(size),
            (State::Extension(size), _) => State::Extension(size),
            (State::ChunkEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => State::Size(0),
            (State::Trailer(true), b'\n') => State::Done,
            (State::Trailer(_), b'\n') => State::Trailer(true),
            (State::Trailer(start), b'\r') => State::Trailer(start),
            (State::Trailer(_), _) => State::Trailer(false),
            (state @ (State::Counted(_) | State::Chunk(_) | State::Done), _) => state,
            (State::Size(_), _) => return Err("a chunk's size is not a number"),
            (State::ChunkEnd, _) => return Err("a chunk is longer than its size"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyReader, Framing, Route, answer_head, request_head};

    fn read(framing: Framing, wire: &[u8], step: usize) -> Result<(Vec<u8>, usize, bool), String> {
        let mut reader = BodyReader::new(framing);
        let (mut content, mut taken) = (Vec::new(), 0);
        for part in wire.chunks(step) {
            taken += reader.feed(part, |piece| content.extend_from_slice(piece))?;
        }
        Ok((content, taken, reader.is_done()))
    }

    #[test]
    fn a_chunked_body_reads_the_same_at_every_split() {
        let wire = b"5\r\nhello\r\n1;x=y\r\n,\r\nA\r\n0123456789\r\n0\r\nx-t: 1\r\n\r\nNEXT";
        for step in 1..wire.len() {
            let (content, taken, done) = read(Framing::Chunked, wire, step).unwrap();
            assert_eq!(content, b"hello,0123456789", "split by {step}");
            assert!(done);
            assert_eq!(taken, wire.len() - 4, "split by {step}");
        }
    }

    #[test]
    fn a_counted_body_ends_at_its_length_and_a_short_one_does_not() {
        assert_eq!(
            read(Framing::Length(3), b"abcd", 2).unwrap(),
            (b"abc".to_vec(), 3, true)
        );
        assert_eq!(
            read(Framing::Length(5), b"abcd", 3).unwrap(),
            (b"abcd".to_vec(), 4, false)
        );
    }

    #[test]
    fn broken_chunk_framing_is_an_error() {
        for wire in [&b"x\r\n"[..], b"2\r\nabc\r\n", b"fffffffffffffffff\r\n"] {
            read(Framing::Chunked, wire, 1).unwrap_err();
        }
    }

    #[test]
    fn heads_give_their_length_framing_and_route() {
        let wire = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n{";
        let head = request_head(wire).unwrap().unwrap();
        assert_eq!(head.route, Route::Chat);
        assert_eq!(head.framing, Framing::Length(7));
        assert_eq!(head.length, wire.len() - 1);
        assert_eq!(request_head(&wire[..20]).unwrap(), None);

        let wire =
            b"HTTP/1.1 502 Bad Gateway\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        let head = answer_head(wire).unwrap().unwrap();
        assert_eq!(
            (head.status, head.framing, head.close),
            (502, Framing::Chunked, true)
        );
        answer_head(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err();
    }
}
