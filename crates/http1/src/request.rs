//! Reads a request's head: request line, headers, and what they say about the body and the connection.
//!
//! Stricter than the reader of answers: a client's bytes may have come through another proxy, and whatever two readers
//! could take for two different requests is refused (RFC 9112, 11.2).

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::{Method, Uri, Version};
use memchr::memchr_iter;

use super::body::Framing;
use super::fields::{decimal, tokens};
use super::headers::Headers;
use super::search::Search;
use super::skip;

/// Most headers of one head. Source: failures.md, the door's limits.
const HEADERS: usize = 128;

/// How every connection that speaks HTTP/2 without having asked begins. Source: RFC 9113, 3.4.
pub const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A request's head.
#[derive(Debug)]
pub struct Received {
    /// The method.
    pub method: Method,
    /// The target as sent: a path, an absolute URL, an authority or `*`.
    pub uri: Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// All headers in their order.
    pub headers: Headers,
    /// How the body's end is found; never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the client would send another request on this connection.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The first line is none of HTTP/1.
    #[error("the request line is not METHOD TARGET HTTP/1.1")]
    Line,
    /// A version that is not 1.0 or 1.1.
    #[error("the version of HTTP is neither 1.0 nor 1.1")]
    Version,
    /// The target is no URL.
    #[error("the target of the request is no path and no URL")]
    Target,
    /// A header's name holds what none may hold; blanks before the colon belong here.
    #[error("the name of a header holds a blank or another character that it must not")]
    HeaderName,
    /// A header's value holds control characters.
    #[error("the value of a header holds a control character")]
    HeaderValue,
    /// A line that does not end with CR LF.
    #[error("a line of the head does not end with CR LF")]
    LineEnding,
    /// More headers than anybody sends in earnest.
    #[error("there are more than {HEADERS} headers")]
    TooMany,
    /// A head that does not end within its limit.
    #[error("the head is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A length that is no number.
    #[error("Content-Length is no number")]
    Length,
    /// Two lengths.
    #[error("there are two Content-Lengths, and they differ")]
    Lengths,
    /// A transfer coding other than `chunked`.
    #[error("Transfer-Encoding says something else than chunked")]
    Coding,
    /// Chunks in HTTP/1.0, which does not know them.
    #[error("HTTP/1.0 has no Transfer-Encoding")]
    CodingInOld,
    /// Both ways at once.
    #[error("the request has both Content-Length and Transfer-Encoding: send one of them")]
    BothFramings,
    /// Two hosts.
    #[error("the request has more than one Host header: send one")]
    Hosts,
    /// No host.
    #[error("the request has no Host header: HTTP/1.1 requires one")]
    NoHost,
}

/// Finds and reads the head in a growing buffer.
#[derive(Debug)]
pub struct RequestReader {
    search: Search,
}

impl RequestReader {
    /// `limit` is in bytes, for the whole head.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            search: Search::new(limit),
        }
    }

    /// Takes the head off the buffer's front once it is whole.
    ///
    /// # Errors
    /// When the bytes are no head, could be read in two ways, or exceed the limit. The buffer is then left as it is.
    pub fn advance(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Result<Option<Box<Received>>, RequestFault> {
        let limit = self.search.limit();
        if self.search.is_worth_a_look(buffer)
            && let Some((received, length)) = parse(buffer)?
        {
            if self.search.exceeds(length) {
                return Err(RequestFault::TooLarge { limit });
            }
            skip(buffer, length);
            return Ok(Some(received));
        }
        if self.search.exceeds(buffer.len()) {
            return Err(RequestFault::TooLarge { limit });
        }
        Ok(None)
    }
}

fn parse(buffer: &[u8]) -> Result<Option<(Box<Received>, usize)>, RequestFault> {
    let mut slots = [const { MaybeUninit::uninit() }; HEADERS];
    let mut request = httparse::Request::new(&mut []);
    let length = match request.parse_with_uninit_headers(buffer, &mut slots) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(grammar(error)),
    };
    let bytes = buffer.get(..length).unwrap_or_default();
    if !ends_lines_soundly(bytes) {
        return Err(RequestFault::LineEnding);
    }
    let mut claims = Claims::default();
    for header in request.headers.iter() {
        claims.take(header.name, header.value)?;
    }
    let method = request.method.unwrap_or_default().as_bytes();
    let method = Method::from_bytes(method).map_err(|_| RequestFault::Line)?;
    let headers = Headers::of(bytes, request.headers);
    let target = headers.part(bytes, request.path.unwrap_or_default().as_bytes());
    let uri = Uri::from_maybe_shared(target).map_err(|_| RequestFault::Target)?;
    let version = match request.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    let framing = claims.framing(version)?;
    claims.check_hosts(version, uri.authority().is_some())?;
    let received = Box::new(Received {
        keep_alive: claims.keeps_alive(version),
        expects_continue: claims.expects_continue && version == Version::HTTP_11,
        method,
        uri,
        version,
        headers,
        framing,
    });
    Ok(Some((received, length)))
}

fn grammar(error: httparse::Error) -> RequestFault {
    match error {
        httparse::Error::TooManyHeaders => RequestFault::TooMany,
        httparse::Error::Version => RequestFault::Version,
        httparse::Error::HeaderName => RequestFault::HeaderName,
        httparse::Error::HeaderValue => RequestFault::HeaderValue,
        httparse::Error::NewLine => RequestFault::LineEnding,
        httparse::Error::Token | httparse::Error::Status => RequestFault::Line,
    }
}

/// Whether every line feed follows a carriage return: some readers end a line at a bare one, others do not.
fn ends_lines_soundly(head: &[u8]) -> bool {
    memchr_iter(b'\n', head).all(|feed| {
        let before = feed.checked_sub(1).and_then(|place| head.get(place));
        before == Some(&b'\r')
    })
}

/// What the headers claim about body and connection.
#[derive(Debug, Default)]
struct Claims {
    length: Option<u64>,
    is_chunked: bool,
    hosts: u32,
    afterwards: Afterwards,
    expects_continue: bool,
}

/// What `Connection` says; a close counts wherever it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Afterwards {
    #[default]
    Unsaid,
    Stay,
    Close,
}

impl Claims {
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), RequestFault> {
        // Lengths first: most headers are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => self.hosts += 1,
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expects_continue |= value.trim_ascii().eq_ignore_ascii_case(b"100-continue");
            }
            10 if name.eq_ignore_ascii_case("connection") => {
                for token in tokens(value) {
                    if token.eq_ignore_ascii_case(b"close") {
                        self.afterwards = Afterwards::Close;
                    } else if token.eq_ignore_ascii_case(b"keep-alive")
                        && self.afterwards == Afterwards::Unsaid
                    {
                        self.afterwards = Afterwards::Stay;
                    }
                }
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                let length = decimal(value).ok_or(RequestFault::Length)?;
                if self.length.is_some_and(|known| known != length) {
                    return Err(RequestFault::Lengths);
                }
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.is_chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                    return Err(RequestFault::Coding);
                }
                self.is_chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, version: Version) -> Result<Framing, RequestFault> {
        match (self.is_chunked, self.length) {
            (true, Some(_)) => Err(RequestFault::BothFramings),
            (true, None) if version == Version::HTTP_10 => Err(RequestFault::CodingInOld),
            (true, None) => Ok(Framing::Chunked),
            (false, Some(length)) => Ok(Framing::Length(length)),
            (false, None) => Ok(Framing::Nothing),
        }
    }

    fn check_hosts(&self, version: Version, has_authority: bool) -> Result<(), RequestFault> {
        match self.hosts {
            0 if version == Version::HTTP_11 && !has_authority => Err(RequestFault::NoHost),
            0 | 1 => Ok(()),
            _ => Err(RequestFault::Hosts),
        }
    }

    fn keeps_alive(&self, version: Version) -> bool {
        match self.afterwards {
            Afterwards::Close => false,
            Afterwards::Stay => true,
            Afterwards::Unsaid => version == Version::HTTP_11,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Box<Received>>, RequestFault> {
        let mut buffer = BytesMut::from(bytes);
        RequestReader::new(1024).advance(&mut buffer)
    }

    fn fault(head: &str) -> Option<RequestFault> {
        read(head.as_bytes()).err()
    }

    #[test]
    fn a_head_is_read_whole_in_whatever_pieces_it_comes() {
        let text = b"\r\nPOST /v1/x?y=1 HTTP/1.1\r\nHost: a\r\nX-Odd-Name:  some value \r\nContent-Length: 3\r\n\r\nabc";
        for cut in 0..text.len() {
            let mut buffer = BytesMut::new();
            let mut reader = RequestReader::new(1024);
            let mut found = None;
            for piece in [&text[..cut], &text[cut..]] {
                buffer.extend_from_slice(piece);
                if found.is_none() {
                    found = reader.advance(&mut buffer).unwrap();
                }
            }
            let head = found.unwrap();
            assert_eq!(head.method, Method::POST);
            assert_eq!(head.uri, "/v1/x?y=1");
            assert_eq!(head.framing, Framing::Length(3));
            assert_eq!(head.headers.text("x-odd-name"), Some("some value"));
            assert!(head.keep_alive && !head.expects_continue);
            assert_eq!(&*buffer, b"abc", "cut at {cut}");
        }
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused() {
        use RequestFault as F;
        for (lines, wanted) in [
            (
                "content-length: 3\r\ntransfer-encoding: chunked",
                F::BothFramings,
            ),
            (
                "transfer-encoding: chunked\r\ncontent-length: 3",
                F::BothFramings,
            ),
            ("content-length: 3\r\ncontent-length: 4", F::Lengths),
            ("content-length: 3, 3", F::Length),
            ("content-length: +3", F::Length),
            ("content-length: 0x3", F::Length),
            ("content-length: -1", F::Length),
            ("content-length:", F::Length),
            ("content-length: 99999999999999999999", F::Length),
            ("transfer-encoding: gzip, chunked", F::Coding),
            ("transfer-encoding: chunked, chunked", F::Coding),
            (
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
                F::Coding,
            ),
            ("transfer-encoding: identity", F::Coding),
            ("transfer-encoding: \x0bchunked", F::HeaderValue),
            ("transfer-encoding : chunked", F::HeaderName),
            ("content length: 3", F::HeaderName),
            ("host: b", F::Hosts),
            ("x: 1\ncontent-length: 3", F::LineEnding),
            ("x: 1\r\n folded", F::HeaderName),
        ] {
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n");
            assert_eq!(fault(&head), Some(wanted), "{lines:?}");
        }
        assert_eq!(fault("GET / HTTP/1.1\r\nhost: a\n\n"), Some(F::LineEnding));
        assert_eq!(fault("GET / HTTP/1.1\r\nx: a\r\n\r\n"), Some(F::NoHost));
        assert_eq!(
            fault("GET / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n"),
            Some(F::CodingInOld)
        );
    }

    #[test]
    fn what_is_no_head_is_told_before_it_ends() {
        use RequestFault as F;
        for (text, wanted) in [
            ("hello\r\n", F::Line),
            ("\x16\x03\x01\0\x05hello", F::Line),
            ("GET  / HTTP/1.1\r\n", F::Line),
            ("GET / HTTP/9.9\r\n", F::Version),
            ("GET /\r\n", F::Line),
        ] {
            assert_eq!(fault(text), Some(wanted), "{text:?}");
        }
        let endless = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1100));
        assert_eq!(fault(&endless), Some(F::TooLarge { limit: 1024 }));
        let many = format!("GET / HTTP/1.1\r\n{}", "x:\r\n".repeat(129));
        assert_eq!(fault(&many), Some(F::TooMany));
    }

    #[test]
    fn connections_stay_and_close_as_version_and_headers_say() {
        let stays = |head: &str| read(head.as_bytes()).unwrap().unwrap().keep_alive;
        assert!(stays("GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(!stays(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: Close\r\n\r\n"
        ));
        assert!(!stays(
            "GET / HTTP/1.1\r\nhost: a\r\nconnection: te, close, keep-alive\r\n\r\n"
        ));
        assert!(!stays("GET / HTTP/1.0\r\n\r\n"));
        assert!(stays("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"));
    }

    #[test]
    fn every_form_of_target_and_the_same_length_twice_are_read() {
        let target = |head: &str| read(head.as_bytes()).unwrap().unwrap().uri.to_string();
        assert_eq!(target("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"), "*");
        assert_eq!(
            target("GET http://b/c?d HTTP/1.1\r\nhost: a\r\n\r\n"),
            "http://b/c?d"
        );
        assert_eq!(target("CONNECT b:443 HTTP/1.1\r\nhost: a\r\n\r\n"), "b:443");
        let twice =
            read(b"PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n");
        assert_eq!(twice.unwrap().unwrap().framing, Framing::Length(3));
        let expects = read(b"PUT / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\n\r\n");
        assert!(expects.unwrap().unwrap().expects_continue);
    }
}
