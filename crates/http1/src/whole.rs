//! The codec on bytes at rest, for tests and fuzzing: what an answer is, whatever pieces it comes in.

use bytes::BytesMut;
use diagnosis::Fault;
use http::HeaderMap;

use super::body::{BodyReader, Step};
use super::head::{Asked, HeadReader};

/// What a connection that sends these bytes and ends is read as.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed {
    /// The final status, once a head was whole.
    pub status: Option<u16>,
    /// The headers of it.
    pub headers: HeaderMap,
    /// The body's bytes so far.
    pub body: Vec<u8>,
    /// The fields after the last chunk.
    pub trailers: Option<HeaderMap>,
    /// What is wrong, if anything is.
    pub fault: Option<Fault>,
    /// Bytes after the answer's end.
    pub surplus: usize,
    /// Whether the connection could serve another request.
    pub reusable: bool,
}

/// Reads an answer that arrives in the given pieces and then ends cleanly.
#[must_use]
pub fn parse_all<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    asked: Asked,
    max_head: usize,
) -> Parsed {
    let mut buffer = BytesMut::new();
    let mut heads = HeadReader::new(asked, max_head);
    let mut reader: Option<BodyReader> = None;
    let mut keep_alive = false;
    let mut parsed = Parsed {
        status: None,
        headers: HeaderMap::new(),
        body: Vec::new(),
        trailers: None,
        fault: None,
        surplus: 0,
        reusable: false,
    };
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if reader.is_none() {
            match heads.advance(&mut buffer) {
                Err(fault) => {
                    parsed.fault = Some(fault);
                    return parsed;
                }
                Ok(None) => continue,
                Ok(Some(head)) => {
                    parsed.status = Some(head.status.as_u16());
                    parsed.headers = head.headers.to_map();
                    keep_alive = head.keep_alive;
                    reader = Some(BodyReader::new(head.framing));
                }
            }
        }
        if let Some(reader) = reader.as_mut()
            && let Err(fault) = drain(reader, &mut buffer, &mut parsed.body)
        {
            parsed.fault = Some(fault);
            return parsed;
        }
    }
    match reader {
        None => parsed.fault = Some(heads.conclude(&buffer).unwrap_or(Fault::Closed)),
        Some(mut reader) => {
            if !reader.end() {
                parsed.fault = Some(Fault::BodyTruncated);
                return parsed;
            }
            parsed.trailers = reader.trailers();
            parsed.surplus = buffer.len();
            parsed.reusable = keep_alive && buffer.is_empty();
        }
    }
    parsed
}

fn drain(reader: &mut BodyReader, buffer: &mut BytesMut, body: &mut Vec<u8>) -> Result<(), Fault> {
    loop {
        match reader.step(buffer)? {
            Step::Data(data) => body.extend_from_slice(&data),
            Step::More | Step::Done => return Ok(()),
        }
    }
}
