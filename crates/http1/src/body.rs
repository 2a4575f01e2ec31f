//! Reads an answer's body: finds its end and hands out its bytes, copying only small pieces.

use bytes::{Bytes, BytesMut};
use diagnosis::Fault;
use http::HeaderMap;

use super::{framing, skip};

/// Pieces up to here are copied, so that the read buffer can be used again; larger ones are split off it.
const COPIED: usize = 4 * 1024;

/// Chunk extensions and trailers: nobody sends so much in earnest.
const EXTENSIONS: usize = 16 * 1024;

/// Most trailer fields.
const TRAILERS: usize = 32;

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    Nothing,
    /// So many bytes.
    Length(u64),
    /// Chunk by chunk.
    Chunked,
    /// Whatever comes until the connection ends.
    UntilClose,
}

/// What a look at the buffer gave.
#[derive(Debug)]
pub enum Step {
    /// Bytes of the body, never empty.
    Data(Bytes),
    /// Read more.
    More,
    /// The body is whole; what the buffer still holds is not ours.
    Done,
}

/// Where in the body we are.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    /// Bytes of extensions and trailers so far.
    overhead: usize,
    trailer: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Length {
        left: u64,
    },
    UntilClose,
    /// In a chunk's size; `digits` counts them, and a size needs one.
    Size {
        value: u64,
        digits: u8,
    },
    /// Blanks between size and extension.
    AfterSize {
        value: u64,
    },
    Extension {
        value: u64,
    },
    SizeFeed {
        value: u64,
    },
    Data {
        left: u64,
    },
    DataReturn,
    DataFeed,
    Trailer,
    Done,
}

/// Data of one step: a single piece stays one allocation of exact size, several are gathered.
enum Gathered {
    Nothing,
    One(Bytes),
    Many(Vec<u8>),
}

impl BodyReader {
    /// At the body's first byte.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Nothing | Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::Size {
                value: 0,
                digits: 0,
            },
            Framing::UntilClose => State::UntilClose,
        };
        Self {
            state,
            overhead: 0,
            trailer: Vec::new(),
        }
    }

    /// Whether the body is whole.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// The bytes still due, where the framing tells.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        match self.state {
            State::Length { left } => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// Takes a clean end of file; whether it ends the body as it should.
    pub fn end(&mut self) -> bool {
        if self.state == State::UntilClose {
            self.state = State::Done;
        }
        self.is_done()
    }

    /// The fields after the last chunk, where there are any.
    ///
    /// # Errors
    /// When they are no header fields; [`Self::step`] has then already said so.
    pub fn trailers(&self) -> Option<HeaderMap> {
        if !self.is_done() || self.trailer.len() <= 2 {
            return None;
        }
        read_trailers(&self.trailer).ok()
    }

    /// Takes what it can from the buffer's front. After [`Step::More`] the buffer is empty.
    ///
    /// # Errors
    /// When the framing is broken.
    pub fn step(&mut self, buffer: &mut BytesMut) -> Result<Step, Fault> {
        match self.state {
            State::Done => Ok(Step::Done),
            _ if buffer.is_empty() => Ok(Step::More),
            State::UntilClose => Ok(Step::Data(take(buffer, buffer.len()))),
            State::Length { left } => {
                let count = at_most(left, buffer.len());
                let data = take(buffer, count);
                self.state = match left.saturating_sub(count as u64) {
                    0 => State::Done,
                    left => State::Length { left },
                };
                Ok(Step::Data(data))
            }
            _ => self.chunks(buffer),
        }
    }

    fn chunks(&mut self, buffer: &mut BytesMut) -> Result<Step, Fault> {
        let mut gathered = Gathered::Nothing;
        while !buffer.is_empty() && !self.is_done() {
            if let State::Data { left } = self.state {
                let count = at_most(left, buffer.len());
                if count > COPIED {
                    // A large piece goes out as it lies in the buffer, after what was gathered before it.
                    if let Some(data) = gathered.finish() {
                        return Ok(Step::Data(data));
                    }
                    self.took(left, count);
                    return Ok(Step::Data(buffer.split_to(count).freeze()));
                }
                gathered.add(buffer.get(..count).unwrap_or_default());
                skip(buffer, count);
                self.took(left, count);
                continue;
            }
            // What was gathered before a broken place is delivered first; the next step meets the place again.
            match self.frame(buffer) {
                Ok(()) => {}
                Err(fault) => return gathered.finish().map(Step::Data).ok_or(fault),
            }
        }
        Ok(match gathered.finish() {
            Some(data) => Step::Data(data),
            None if self.is_done() => Step::Done,
            None => Step::More,
        })
    }

    fn took(&mut self, left: u64, count: usize) {
        self.state = match left.saturating_sub(count as u64) {
            0 => State::DataReturn,
            left => State::Data { left },
        };
    }

    /// Takes one byte of framing; leaves the buffer alone when it is wrong.
    fn frame(&mut self, buffer: &mut BytesMut) -> Result<(), Fault> {
        let byte = buffer.first().copied().unwrap_or_default();
        let next = match (self.state, byte) {
            (State::Size { value, digits }, _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                let value = value
                    .checked_mul(16)
                    .and_then(|v| v.checked_add(u64::from(digit)));
                match value {
                    Some(value) if digits < 32 => State::Size {
                        value,
                        digits: digits + 1,
                    },
                    _ => return Err(framing("chunk size out of range", buffer)),
                }
            }
            (State::Size { digits: 0, .. }, _) => return Err(framing("chunk size", buffer)),
            (State::Size { value, .. } | State::AfterSize { value }, b' ' | b'\t') => {
                self.spend(buffer)?;
                State::AfterSize { value }
            }
            (State::Size { value, .. } | State::AfterSize { value }, b';') => {
                State::Extension { value }
            }
            (
                State::Size { value, .. } | State::AfterSize { value } | State::Extension { value },
                b'\r',
            ) => State::SizeFeed { value },
            (State::Extension { .. }, b'\n') => {
                return Err(framing("bare line feed after a chunk size", buffer));
            }
            (State::Extension { value }, _) => {
                self.spend(buffer)?;
                State::Extension { value }
            }
            (State::SizeFeed { value: 0 }, b'\n') => State::Trailer,
            (State::SizeFeed { value }, b'\n') => State::Data { left: value },
            (State::DataReturn, b'\r') => State::DataFeed,
            (State::DataFeed, b'\n') => State::Size {
                value: 0,
                digits: 0,
            },
            (State::Trailer, _) => self.trailer_byte(byte, buffer)?,
            (State::DataReturn | State::DataFeed, _) => {
                return Err(framing("chunk longer than its size", buffer));
            }
            _ => return Err(framing("chunk size", buffer)),
        };
        self.state = next;
        skip(buffer, 1);
        Ok(())
    }

    fn trailer_byte(&mut self, byte: u8, buffer: &[u8]) -> Result<State, Fault> {
        self.spend(buffer)?;
        let at_line_start = self.trailer.is_empty() || self.trailer.ends_with(b"\n");
        if byte == b'\n' && at_line_start {
            return Err(framing("bare line feed after the trailer", buffer));
        }
        self.trailer.push(byte);
        if self.trailer == b"\r\n" {
            return Ok(State::Done);
        }
        if self.trailer.ends_with(b"\n\r\n") {
            if let Err(fault) = read_trailers(&self.trailer) {
                // The byte comes again, as the caller expects of a fault.
                self.trailer.pop();
                return Err(fault);
            }
            return Ok(State::Done);
        }
        Ok(State::Trailer)
    }

    fn spend(&mut self, buffer: &[u8]) -> Result<(), Fault> {
        self.overhead += 1;
        if self.overhead > EXTENSIONS {
            return Err(framing("chunk extensions and trailers without end", buffer));
        }
        Ok(())
    }
}

impl Gathered {
    fn add(&mut self, piece: &[u8]) {
        *self = match std::mem::replace(self, Self::Nothing) {
            Self::Nothing => Self::One(Bytes::copy_from_slice(piece)),
            Self::One(first) => {
                let mut all = Vec::with_capacity(2 * COPIED);
                all.extend_from_slice(&first);
                all.extend_from_slice(piece);
                Self::Many(all)
            }
            Self::Many(mut all) => {
                all.extend_from_slice(piece);
                Self::Many(all)
            }
        };
    }

    fn finish(self) -> Option<Bytes> {
        match self {
            Self::Nothing => None,
            Self::One(piece) => Some(piece),
            Self::Many(all) => Some(Bytes::from(all)),
        }
    }
}

fn take(buffer: &mut BytesMut, count: usize) -> Bytes {
    if count <= COPIED {
        let data = Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default());
        skip(buffer, count);
        return data;
    }
    buffer.split_to(count.min(buffer.len())).freeze()
}

fn at_most(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

fn read_trailers(block: &[u8]) -> Result<HeaderMap, Fault> {
    let mut slots = [httparse::EMPTY_HEADER; TRAILERS];
    let broken = || framing("trailer", block);
    let Ok(httparse::Status::Complete((_, fields))) = httparse::parse_headers(block, &mut slots)
    else {
        return Err(broken());
    };
    let mut map = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = http::HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| broken())?;
        let value = http::HeaderValue::from_bytes(field.value).map_err(|_| broken())?;
        map.append(name, value);
    }
    Ok(map)
}
