//! Undoes `Content-Encoding`, in pieces of bounded size: a small body that unpacks to gigabytes stays small in memory.

use std::fmt;
use std::io::{self, Write};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use bytes::{Buf, Bytes};
use diagnosis::Fault;
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http1::Headers;

/// How much one piece may hold; the decoders of flate2 overshoot it by at most their own 32 KiB.
const PIECE: usize = 64 * 1024;

/// What says that there is no coding, the charsets included that some servers write in its place.
const NO_CODING: [&[u8]; 5] = [b"", b"identity", b"none", b"utf-8", b"utf8"];

/// One content coding being undone.
pub(crate) struct Decoder {
    encoding: &'static str,
    state: State,
    fed: bool,
}

enum State {
    Gzip(Box<Gzip>),
    /// `deflate` before its first two bytes have told which of its two forms it is.
    Deflate(Vec<u8>),
    Zlib(Box<ZlibDecoder<Vec<u8>>>),
    Raw(Box<DeflateDecoder<Vec<u8>>>),
    Brotli(Box<Brotli>),
}

struct Gzip {
    member: GzDecoder<Vec<u8>>,
    padded: bool,
}

type BrotliStream = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

struct Brotli {
    state: BrotliStream,
    finished: bool,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("encoding", &self.encoding)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// The decoder the headers ask for; `None` for a body that is not encoded.
    pub(crate) fn for_headers(headers: &Headers) -> Result<Option<Self>, Fault> {
        let mut wanted = None;
        let codings = headers
            .iter()
            .filter(|(name, _)| *name == b"content-encoding");
        for (_, value) in codings {
            for token in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if NO_CODING
                    .iter()
                    .any(|word| token.eq_ignore_ascii_case(word))
                {
                    continue;
                }
                if wanted.is_some() {
                    return Err(unknown(value, "more than one coding at once"));
                }
                wanted = Some(token);
            }
        }
        let Some(token) = wanted else { return Ok(None) };
        let named = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
        let (encoding, state) = if named("gzip") || named("x-gzip") {
            ("gzip", State::Gzip(Box::new(Gzip::new())))
        } else if named("deflate") {
            ("deflate", State::Deflate(Vec::new()))
        } else if named("br") {
            ("br", State::Brotli(Box::new(Brotli::new())))
        } else {
            return Err(unknown(token, "a coding that was not asked for"));
        };
        Ok(Some(Self {
            encoding,
            state,
            fed: false,
        }))
    }

    /// Decodes from the front of `input`; an empty piece means that more input is needed.
    pub(crate) fn piece(&mut self, input: &mut Bytes) -> Result<Bytes, Fault> {
        self.fed |= !input.is_empty();
        self.tell_deflates_apart(input);
        let mut out = Vec::new();
        let outcome = match &mut self.state {
            State::Gzip(gzip) => {
                let outcome = feed(gzip.as_mut(), |g| g.member.get_ref().len(), input);
                out.append(gzip.member.get_mut());
                outcome
            }
            State::Zlib(decoder) => {
                let outcome = feed(decoder.as_mut(), |d| d.get_ref().len(), input);
                out.append(decoder.get_mut());
                outcome
            }
            State::Raw(decoder) => {
                let outcome = feed(decoder.as_mut(), |d| d.get_ref().len(), input);
                out.append(decoder.get_mut());
                outcome
            }
            State::Brotli(brotli) => brotli.feed(input, &mut out),
            State::Deflate(_) => Ok(()),
        };
        outcome.map_err(|error| self.fault(&error))?;
        Ok(Bytes::from(out))
    }

    /// The rest, once all input is in; checks that the encoded body was whole.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Fault> {
        if !self.fed {
            // An empty body under a coding is an empty body.
            return Ok(Bytes::new());
        }
        let outcome = match &mut self.state {
            State::Gzip(gzip) => gzip
                .member
                .try_finish()
                .map(|()| std::mem::take(gzip.member.get_mut())),
            State::Zlib(decoder) => decoder
                .try_finish()
                .map(|()| std::mem::take(decoder.get_mut())),
            State::Raw(decoder) => decoder
                .try_finish()
                .map(|()| std::mem::take(decoder.get_mut())),
            State::Brotli(brotli) if brotli.finished => Ok(Vec::new()),
            State::Brotli(_) | State::Deflate(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        outcome.map(Bytes::from).map_err(|error| self.fault(&error))
    }

    /// Some servers send zlib under `deflate`, as the standard says, some the bare stream. Source: RFC 9110, 8.4.1.2.
    fn tell_deflates_apart(&mut self, input: &mut Bytes) {
        let State::Deflate(begun) = &mut self.state else {
            return;
        };
        begun.extend_from_slice(input);
        input.clear();
        let [first, second, ..] = begun.as_slice() else {
            return;
        };
        let zlib = first & 0x0f == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0;
        *input = Bytes::from(std::mem::take(begun));
        self.state = if zlib {
            State::Zlib(Box::new(ZlibDecoder::new(Vec::new())))
        } else {
            State::Raw(Box::new(DeflateDecoder::new(Vec::new())))
        };
    }

    fn fault(&self, error: &io::Error) -> Fault {
        let detail = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it ends too early".to_owned(),
            _ => error.to_string(),
        };
        Fault::Decode {
            encoding: self.encoding.to_owned(),
            detail,
        }
    }
}

/// Writes input into a decoder until it is used up or a piece is full.
fn feed<W: Write>(decoder: &mut W, held: fn(&W) -> usize, input: &mut Bytes) -> io::Result<()> {
    while !input.is_empty() && held(decoder) < PIECE {
        let count = decoder.write(input)?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes after its end",
            ));
        }
        input.advance(count.min(input.len()));
    }
    // A decoder keeps what it has unpacked last; an event of a stream must not wait for the next one.
    decoder.flush()
}

impl Gzip {
    fn new() -> Self {
        Self {
            member: GzDecoder::new(Vec::new()),
            padded: false,
        }
    }
}

impl Write for Gzip {
    /// Takes member after member, and zeros after the last one: padding, which gzip itself passes over as well.
    fn write(&mut self, input: &[u8]) -> io::Result<usize> {
        if !self.padded {
            let taken = self.member.write(input)?;
            if taken > 0 || input.is_empty() {
                return Ok(taken);
            }
            self.member.try_finish()?;
        }
        let zeros = input.iter().take_while(|byte| **byte == 0).count();
        self.padded |= zeros > 0;
        if self.padded {
            return Ok(zeros);
        }
        let unpacked = std::mem::take(self.member.get_mut());
        self.member = GzDecoder::new(unpacked);
        self.member.write(input)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.member.flush()
    }
}

impl Brotli {
    fn new() -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: BrotliState::new(alloc(), alloc(), alloc()),
            finished: false,
        }
    }

    fn feed(&mut self, input: &mut Bytes, out: &mut Vec<u8>) -> io::Result<()> {
        if self.finished && !input.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes after its end",
            ));
        }
        if self.finished {
            return Ok(());
        }
        out.resize(PIECE, 0);
        let (mut available_in, mut offset_in) = (input.len(), 0);
        let (mut available_out, mut offset_out, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut offset_in,
            input,
            &mut available_out,
            &mut offset_out,
            out,
            &mut total,
            &mut self.state,
        );
        out.truncate(offset_out);
        input.advance(offset_in.min(input.len()));
        match result {
            BrotliResult::ResultSuccess => self.finished = true,
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultFailure => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "corrupt brotli stream",
                ));
            }
        }
        if self.finished && !input.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "bytes after its end",
            ));
        }
        Ok(())
    }
}

fn unknown(token: &[u8], detail: &str) -> Fault {
    let encoding = String::from_utf8_lossy(token).chars().take(40).collect();
    Fault::Decode {
        encoding,
        detail: detail.to_owned(),
    }
}
