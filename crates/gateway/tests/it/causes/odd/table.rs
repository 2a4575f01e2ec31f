//! The cases: what an upstream sends, byte for byte, and what is to come of it.
//!
//! `whole` and `stream` are calls of a model, `plain` is a GET on a route. The words are those of `causes.txt`, and for
//! plain routes `passes 404` (the upstream's own answer) and `cut` (a status of success whose body is broken off).

use std::io::Write as _;

use super::server::Step::{Drip, Flood, Hold, Pause, Reset, Say};
use super::server::{Act, Step};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Whole,
    Stream,
    Plain,
}

/// One case.
pub(crate) struct Odd {
    pub(crate) name: &'static str,
    /// What happens, in a sentence.
    pub(crate) about: &'static str,
    pub(crate) act: fn(Asked) -> Act,
    pub(crate) whole: &'static str,
    pub(crate) stream: &'static str,
    pub(crate) plain: &'static str,
}

/// A good answer of a model that does not stream.
pub(crate) const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"You said: hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#;

/// The chunks of a good stream.
const CHUNKS: [&str; 4] = [
    r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
    r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"You said: "},"finish_reason":null}]}"#,
    r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#,
    r#"{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
];

/// How a body's end is told.
#[derive(Clone, Copy)]
enum End {
    Length,
    Chunked,
    Close,
}

fn sse(events: &[&str]) -> String {
    let mut text = String::new();
    for event in events {
        text.push_str("data: ");
        text.push_str(event);
        text.push_str("\n\n");
    }
    text
}

/// The chunks, then `[DONE]`.
fn good_stream() -> String {
    sse(&[CHUNKS[0], CHUNKS[1], CHUNKS[2], CHUNKS[3], "[DONE]"])
}

fn content_type(asked: Asked) -> &'static str {
    match asked {
        Asked::Stream => "text/event-stream",
        Asked::Whole | Asked::Plain => "application/json",
    }
}

fn good_body(asked: Asked) -> String {
    match asked {
        Asked::Stream => good_stream(),
        Asked::Whole | Asked::Plain => ANSWER.to_owned(),
    }
}

/// A whole answer: status line and headers as given, then the body under the given framing.
fn message(head: &str, body: &[u8], end: End) -> Vec<u8> {
    let mut bytes = head.as_bytes().to_vec();
    match end {
        End::Length => {
            write!(bytes, "content-length: {}\r\n\r\n", body.len()).unwrap();
            bytes.extend_from_slice(body);
        }
        End::Close => {
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(body);
        }
        End::Chunked => {
            write!(
                bytes,
                "transfer-encoding: chunked\r\n\r\n{:x}\r\n",
                body.len()
            )
            .unwrap();
            bytes.extend_from_slice(body);
            bytes.extend_from_slice(b"\r\n0\r\n\r\n");
        }
    }
    bytes
}

fn acts(steps: Vec<Step>) -> Act {
    Act { reads: true, steps }
}

/// Says this and ends.
fn say(bytes: impl Into<Vec<u8>>) -> Act {
    acts(vec![Say(bytes.into())])
}

/// Says this at once, before anything is read, as a server of another protocol greets.
fn greet(bytes: &[u8]) -> Act {
    Act {
        reads: false,
        steps: vec![Say(bytes.to_vec()), Hold],
    }
}

/// A good answer under an odd head; the head's lines end in CR LF.
fn good(asked: Asked, head: &str, end: End) -> Act {
    say(message(head, good_body(asked).as_bytes(), end))
}

/// A good answer with more headers.
fn with(asked: Asked, more: &str) -> Act {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n{more}",
        content_type(asked)
    );
    good(asked, &head, End::Length)
}

/// A 200 of a content type with a body.
fn ok_of(content_type: &str, body: &[u8]) -> Act {
    status_of("200 OK", content_type, body)
}

fn status_of(status: &str, content_type: &str, body: &[u8]) -> Act {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\n");
    say(message(&head, body, End::Length))
}

/// JSON under a status.
fn json(status: &str, body: &str) -> Act {
    status_of(status, "application/json", body.as_bytes())
}

/// A stream of events, as it stands.
fn stream(text: impl AsRef<[u8]>) -> Act {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    say(message(head, text.as_ref(), End::Chunked))
}

/// A stream whose text comes in two pieces, so that its content has gone out before the second.
fn stream_then(first: &str, second: impl AsRef<[u8]>) -> Act {
    let second = second.as_ref();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut rest = format!("{:x}\r\n", second.len()).into_bytes();
    rest.extend_from_slice(second);
    rest.extend_from_slice(b"\r\n0\r\n\r\n");
    let first = format!("{head}{:x}\r\n{first}\r\n", first.len());
    acts(vec![Say(first.into_bytes()), Pause(60), Say(rest)])
}

fn begun() -> String {
    sse(&CHUNKS[..3])
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, 5, 20);
    encoder.write_all(text.as_bytes()).unwrap();
    drop(encoder);
    packed
}

/// A good answer, packed by a coding.
fn packed(asked: Asked, coding: &str, pack: fn(&str) -> Vec<u8>) -> Act {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-encoding: {coding}\r\n",
        content_type(asked)
    );
    say(message(&head, &pack(&good_body(asked)), End::Length))
}

/// A 200 that is cut after so many bytes of its packed body, in good framing.
fn packed_and_cut(asked: Asked, coding: &str, pack: fn(&str) -> Vec<u8>) -> Act {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-encoding: {coding}\r\n",
        content_type(asked)
    );
    let whole = pack(&good_body(asked));
    say(message(&head, &whole[..whole.len() / 2], End::Length))
}

const HTML: &str =
    "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please sign in.</body></html>";

/// Zstandard of the two bytes `{}`. Source: RFC 8878, section 3.1.1 (a raw block).
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd\x20\x02\x11\x00\x00\x7b\x7d";

/// What the second target says.
pub(crate) fn healthy(asked: Asked) -> Act {
    with(asked, "")
}

/// An alert in answer to the first message of a handshake.
const fn alert(
    name: &'static str,
    about: &'static str,
    act: fn(Asked) -> Act,
    comes: &'static str,
) -> Odd {
    Odd {
        name,
        about,
        act,
        whole: comes,
        stream: comes,
        plain: comes,
    }
}

/// A fatal alert and the end.
fn fatal(number: u8) -> Act {
    Act {
        reads: false,
        steps: vec![Say(vec![0x15, 3, 3, 0, 2, 2, number])],
    }
}

/// What a TLS client meets before there is a session; no certificate is needed for it.
pub(crate) const TLS: &[Odd] = &[
    alert(
        "tls-alert-10",
        "Alert 10, unexpected_message.",
        |_| fatal(10),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-20",
        "Alert 20, bad_record_mac.",
        |_| fatal(20),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-22",
        "Alert 22, record_overflow.",
        |_| fatal(22),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-40",
        "Alert 40, handshake_failure.",
        |_| fatal(40),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-42",
        "Alert 42, bad_certificate.",
        |_| fatal(42),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-43",
        "Alert 43, unsupported_certificate.",
        |_| fatal(43),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-44",
        "Alert 44, certificate_revoked.",
        |_| fatal(44),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-45",
        "Alert 45, certificate_expired.",
        |_| fatal(45),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-46",
        "Alert 46, certificate_unknown.",
        |_| fatal(46),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-47",
        "Alert 47, illegal_parameter.",
        |_| fatal(47),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-48",
        "Alert 48, unknown_ca.",
        |_| fatal(48),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-49",
        "Alert 49, access_denied.",
        |_| fatal(49),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-50",
        "Alert 50, decode_error.",
        |_| fatal(50),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-51",
        "Alert 51, decrypt_error.",
        |_| fatal(51),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-70",
        "Alert 70, protocol_version.",
        |_| fatal(70),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-71",
        "Alert 71, insufficient_security.",
        |_| fatal(71),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-80",
        "Alert 80, internal_error.",
        |_| fatal(80),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-86",
        "Alert 86, inappropriate_fallback.",
        |_| fatal(86),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-109",
        "Alert 109, missing_extension.",
        |_| fatal(109),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-110",
        "Alert 110, unsupported_extension.",
        |_| fatal(110),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-112",
        "Alert 112, unrecognized_name.",
        |_| fatal(112),
        "502 tls_cert_name_mismatch",
    ),
    alert(
        "tls-alert-113",
        "Alert 113, bad_certificate_status_response.",
        |_| fatal(113),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-115",
        "Alert 115, unknown_psk_identity.",
        |_| fatal(115),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-116",
        "Alert 116, certificate_required.",
        |_| fatal(116),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-120",
        "Alert 120, no_application_protocol.",
        |_| fatal(120),
        "502 tls_alpn_mismatch",
    ),
    alert(
        "tls-alert-255",
        "Alert 255, which nothing defines.",
        |_| fatal(255),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-alert-cut",
        "Half of an alert, then the end.",
        |_| Act {
            reads: false,
            steps: vec![Say(vec![0x15, 3, 3, 0, 2, 2])],
        },
        "502 connection_closed",
    ),
    alert(
        "tls-close-notify",
        "Alert 0, close_notify, before a session.",
        |_| Act {
            reads: false,
            steps: vec![Say(vec![0x15, 3, 3, 0, 2, 1, 0])],
        },
        "502 connection_closed",
    ),
    alert(
        "tls-warning",
        "A warning (unrecognized_name), then the end.",
        |_| Act {
            reads: false,
            steps: vec![Say(vec![0x15, 3, 3, 0, 2, 1, 112])],
        },
        "502 connection_closed",
    ),
    alert(
        "tls-half-a-record",
        "The beginning of a handshake record, then the end.",
        |_| Act {
            reads: false,
            steps: vec![Say(vec![0x16, 3, 3, 0, 90, 2, 0, 0])],
        },
        "502 connection_closed",
    ),
    alert(
        "tls-record-and-silence",
        "The beginning of a handshake record, then silence.",
        |_| greet(&[0x16, 3, 3, 0, 90, 2, 0, 0]),
        "504 tls_handshake_timeout",
    ),
    alert(
        "tls-record-and-reset",
        "The beginning of a handshake record, then a reset.",
        |_| Act {
            reads: false,
            steps: vec![Say(vec![0x16, 3, 3, 0, 90, 2, 0, 0]), Pause(60), Reset],
        },
        "502 connection_reset",
    ),
    alert(
        "tls-garbage-handshake",
        "A handshake record of nonsense.",
        |_| greet(&[0x16, 3, 3, 0, 6, 9, 0, 0, 2, 1, 1]),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-huge-record",
        "A record larger than TLS allows.",
        |_| greet(&[0x16, 3, 3, 0xff, 0xff, 2, 0, 0]),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-application-data-first",
        "Application data in place of a handshake.",
        |_| greet(&[0x17, 3, 3, 0, 3, 1, 2, 3]),
        "502 tls_handshake_failure",
    ),
    alert(
        "tls-to-http",
        "A plain HTTP server: 400 Bad Request.",
        |_| greet(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n"),
        "502 tls_to_plaintext_port",
    ),
    alert(
        "tls-to-html",
        "A plain page, as of HTTP/0.9.",
        |_| greet(b"<html><body>bad request</body></html>"),
        "502 tls_to_plaintext_port",
    ),
    alert(
        "tls-to-http2",
        "A plain HTTP/2 server begins with its settings.",
        |_| greet(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80"),
        "502 not_http",
    ),
    alert(
        "tls-to-smtp",
        "An SMTP server greets.",
        |_| greet(b"220 mail.example.com ESMTP\r\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-ssh",
        "An SSH server greets.",
        |_| greet(b"SSH-2.0-OpenSSH_9.6\r\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-imap",
        "An IMAP server greets.",
        |_| greet(b"* OK IMAP4rev1 ready\r\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-pop3",
        "A POP3 server greets.",
        |_| greet(b"+OK ready\r\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-redis",
        "A Redis server complains.",
        |_| greet(b"-ERR Protocol error\r\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-vnc",
        "A VNC server greets.",
        |_| greet(b"RFB 003.008\n"),
        "502 not_http",
    ),
    alert(
        "tls-to-mysql",
        "A MySQL server greets.",
        |_| greet(b"\x4a\0\0\0\x0a8.0.36\0"),
        "502 not_http",
    ),
    alert(
        "tls-to-postgres",
        "A PostgreSQL server declines: N.",
        |_| Act {
            reads: false,
            steps: vec![Say(b"N".to_vec())],
        },
        "502 not_http",
    ),
    alert(
        "tls-closes-at-once",
        "The connection is closed at once.",
        |_| Act {
            reads: false,
            steps: vec![],
        },
        "502 connection_closed",
    ),
    alert(
        "tls-silence",
        "Nothing is said.",
        |_| Act {
            reads: false,
            steps: vec![Hold],
        },
        "504 tls_handshake_timeout",
    ),
];

/// Heads, and how bodies are framed.
pub(crate) const HEADS: &[Odd] = &[
    Odd {
        name: "lower-case-headers",
        about: "Names of headers in lower case.",
        act: |asked| with(asked, "server: x\r\nx-request-id: abc\r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "odd-case-headers",
        about: "Names of headers in odd case.",
        act: |asked| {
            let body = good_body(asked);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncOnTeNt-TyPe: {}\r\nCONTENT-LENGTH: {}\r\n",
                content_type(asked),
                body.len()
            );
            good(asked, &head, End::Close)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "no-content-type",
        about: "No Content-Type.",
        act: |asked| good(asked, "HTTP/1.1 200 OK\r\n", End::Length),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "text-plain",
        about: "Content-Type: text/plain.",
        act: |asked| {
            good(
                asked,
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n",
                End::Length,
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "problem-json",
        about: "200 with Content-Type: application/problem+json.",
        act: |asked| {
            good(
                asked,
                "HTTP/1.1 200 OK\r\ncontent-type: application/problem+json\r\n",
                End::Length,
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "octet-stream",
        about: "Content-Type: application/octet-stream.",
        act: |asked| {
            good(
                asked,
                "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n",
                End::Length,
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "json-type-for-all",
        about: "Content-Type: application/json, for streams too.",
        act: |asked| {
            good(
                asked,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n",
                End::Chunked,
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "event-stream-for-all",
        about: "Content-Type: text/event-stream, for whole answers too.",
        act: |asked| {
            good(
                asked,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n",
                End::Length,
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "wrong-charset",
        about: "A charset of the Content-Type that the bytes do not have.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}; charset=utf-16\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Length)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "content-type-twice",
        about: "Content-Type twice.",
        act: |asked| with(asked, "content-type: application/json\r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "status-201",
        about: "201 with the answer.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 201 Created\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Length)
        },
        whole: "ok",
        stream: "ok",
        plain: "passes 201",
    },
    Odd {
        name: "blank-lines-first",
        about: "Empty lines before the status line.",
        act: |asked| {
            let head = format!(
                "\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Length)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "http10-keep-alive",
        about: "HTTP/1.0 with Connection: keep-alive and a length.",
        act: |asked| {
            let head = format!(
                "HTTP/1.0 200 OK\r\ncontent-type: {}\r\nconnection: keep-alive\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Length)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "http10-close",
        about: "HTTP/1.0, delimited by the end of the connection.",
        act: |asked| {
            let head = format!(
                "HTTP/1.0 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Close)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "identity-close",
        about: "Transfer-Encoding: identity, delimited by the end of the connection.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: identity\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Close)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "identity-length",
        about: "Transfer-Encoding: identity together with Content-Length.",
        act: |asked| with(asked, "transfer-encoding: identity\r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "spaces-around-values",
        about: "Blanks and tabs around the values of headers.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type:\t {} \t\r\nx-empty:\r\n",
                content_type(asked)
            );
            let body = good_body(asked);
            say(format!(
                "{head}content-length: \t{} \t\r\n\r\n{body}",
                body.len()
            ))
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "chunk-forms",
        about: "Chunk sizes with leading zeros, capitals, extensions and blanks; trailers at the end.",
        act: |asked| {
            let body = good_body(asked);
            let (first, second) = body.split_at(body.len() / 2);
            say(format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\nTransfer-Encoding: Chunked\r\n\r\n0000{:X};a=\"b c\";d\r\n{first}\r\n{:X}  \r\n{second}\r\n000\r\nx-sum: 1\r\n\r\n",
                content_type(asked),
                first.len(),
                second.len()
            ))
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "one-byte-chunks",
        about: "A chunk for each byte.",
        act: |asked| {
            let mut text = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ntransfer-encoding: chunked\r\n\r\n",
                content_type(asked)
            );
            for byte in good_body(asked).chars() {
                text.extend(["1\r\n", byte.encode_utf8(&mut [0; 4]), "\r\n"]);
            }
            text.push_str("0\r\n\r\n");
            say(text)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "byte-by-byte",
        about: "Head and body byte by byte, half a millisecond apart or more.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            let bytes = message(&head, good_body(asked).as_bytes(), End::Length);
            acts(vec![
                Drip(bytes[..60].to_vec(), 1, 1),
                Say(bytes[60..].to_vec()),
            ])
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "hints-and-late-continue",
        about: "102, 103 with links, then an unasked 100 after the whole request, then the answer.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            good(asked, &head, End::Length)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "keep-alive-oddities",
        about: "Connection: close, Keep-Alive with odd parameters, and the end right after the body.",
        act: |asked| {
            with(
                asked,
                "connection: Keep-Alive, close\r\nkeep-alive: timeout=, max=x, timeout=5\r\n",
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "latin-1-in-a-header",
        about: "Bytes over 127 in a header's value.",
        act: |asked| {
            let body = good_body(asked);
            let mut bytes = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\nx-name: caf",
                content_type(asked),
                body.len()
            )
            .into_bytes();
            bytes.extend_from_slice(b"\xe9\r\n\r\n");
            bytes.extend_from_slice(body.as_bytes());
            say(bytes)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "bytes-after-the-length",
        about: "More bytes than Content-Length says, after a good body.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            let mut bytes = message(&head, good_body(asked).as_bytes(), End::Length);
            bytes.extend_from_slice(b"\r\n\r\ngarbage");
            say(bytes)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "bytes-after-the-last-chunk",
        about: "Bytes after the last chunk of a good body.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            let mut bytes = message(&head, good_body(asked).as_bytes(), End::Chunked);
            bytes.extend_from_slice(b"HTTP/1.1 500 Oops\r\n\r\n");
            say(bytes)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "two-answers",
        about: "The same answer twice, unasked.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            let mut bytes = message(&head, good_body(asked).as_bytes(), End::Length);
            bytes.extend_from_within(..);
            say(bytes)
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "answer-before-the-request",
        about: "The answer comes as soon as the connection stands.",
        act: |asked| {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\n",
                content_type(asked)
            );
            Act {
                reads: false,
                steps: vec![
                    Say(message(&head, good_body(asked).as_bytes(), End::Length)),
                    Hold,
                ],
            }
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "lengths-that-differ-by-list",
        about: "Content-Length: 12, 13.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12, 13\r\n\r\n{}",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "length-in-hex",
        about: "Content-Length: 0x10.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 0x10\r\n\r\n{}",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "length-with-plus",
        about: "Content-Length: +2.",
        act: |_| {
            say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: +2\r\n\r\n{}")
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "length-empty",
        about: "Content-Length without a number.",
        act: |_| {
            say("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:\r\n\r\n{}")
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "coding-unknown",
        about: "Transfer-Encoding: gzip, chunked, which nobody asked for.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "chunk-size-negative",
        about: "A chunk's size is negative.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n{}\r\n0\r\n\r\n",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "chunk-size-prefixed",
        about: "A chunk's size begins with 0x.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "chunk-size-overflows",
        about: "A chunk's size is larger than 2^64.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "chunk-size-huge",
        about: "A chunk's size is 2^63 - 1; a few bytes come, then the end.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n7fffffffffffffff\r\n{}",
            )
        },
        whole: "502 response_truncated",
        stream: "502 response_truncated",
        plain: "cut",
    },
    Odd {
        name: "chunk-lengths-only",
        about: "A promise of chunks, and JSON without any.",
        act: |_| {
            say(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{\"a\":1}",
            )
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "endless-trailers",
        about: "Trailers without end.",
        act: |_| {
            acts(vec![
            Say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n".to_vec()),
            Flood(b"x-a: b\r\n".to_vec()),
        ])
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "cut",
    },
    Odd {
        name: "endless-extension",
        about: "A chunk extension without end.",
        act: |_| {
            acts(vec![
            Say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2;".to_vec()),
            Pause(60),
                Flood(b"aaaaaaaa".to_vec()),
        ])
        },
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "-",
    },
    Odd {
        name: "empty-header-name",
        about: "A header without a name.",
        act: |_| say("HTTP/1.1 200 OK\r\n: x\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "nul-in-a-header",
        about: "A NUL byte in a header's value.",
        act: |_| say("HTTP/1.1 200 OK\r\nx-a: a\0b\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "return-in-a-header",
        about: "A bare CR in a header's value.",
        act: |_| say("HTTP/1.1 200 OK\r\nx-a: a\rb\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "version-2-as-text",
        about: "A status line that says HTTP/2.",
        act: |_| say("HTTP/2 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "status-of-two-digits",
        about: "A status of two digits.",
        act: |_| say("HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "status-000",
        about: "Status 000.",
        act: |_| say("HTTP/1.1 000 None\r\ncontent-length: 2\r\n\r\n{}"),
        whole: "502 protocol_error",
        stream: "502 protocol_error",
        plain: "502 protocol_error",
    },
    Odd {
        name: "flood-of-interim",
        about: "100 Continue, thousands of times.",
        act: |_| acts(vec![Flood(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec())]),
        whole: "502 response_header_too_large",
        stream: "502 response_header_too_large",
        plain: "502 response_header_too_large",
    },
    Odd {
        name: "endless-header-line",
        about: "A header line without end.",
        act: |_| {
            acts(vec![
                Say(b"HTTP/1.1 200 OK\r\nx-a: ".to_vec()),
                Flood(b"aaaaaaaaaaaaaaaa".to_vec()),
            ])
        },
        whole: "502 response_header_too_large",
        stream: "502 response_header_too_large",
        plain: "502 response_header_too_large",
    },
    Odd {
        name: "head-drips",
        about: "The head comes byte by byte, too slowly to end in time.",
        act: |_| {
            acts(vec![Drip(
                format!("HTTP/1.1 200 OK\r\nx-a: {}\r\n\r\n", "a".repeat(4000)).into_bytes(),
                1,
                20,
            )])
        },
        whole: "504 response_header_timeout",
        stream: "504 response_header_timeout",
        plain: "504 response_header_timeout",
    },
    Odd {
        name: "end-after-interim",
        about: "100 Continue, then the end.",
        act: |_| say("HTTP/1.1 100 Continue\r\n\r\n"),
        whole: "502 connection_closed",
        stream: "502 connection_closed",
        plain: "502 connection_closed",
    },
    Odd {
        name: "reset-after-interim",
        about: "100 Continue, then a reset.",
        act: |_| {
            acts(vec![
                Say(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
                Pause(60),
                Reset,
            ])
        },
        whole: "502 connection_reset",
        stream: "502 connection_reset",
        plain: "502 connection_reset",
    },
    Odd {
        name: "silence-after-interim",
        about: "100 Continue, then silence.",
        act: |_| acts(vec![Say(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()), Hold]),
        whole: "504 response_header_timeout",
        stream: "504 response_header_timeout",
        plain: "504 response_header_timeout",
    },
];

/// Ports of other protocols.
pub(crate) const PORTS: &[Odd] = &[
    Odd {
        name: "port-smtp",
        about: "An SMTP server greets.",
        act: |_| greet(b"220 mail.example.com ESMTP Postfix\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-ssh",
        about: "An SSH server greets.",
        act: |_| greet(b"SSH-2.0-OpenSSH_9.6\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-ftp",
        about: "An FTP server greets.",
        act: |_| greet(b"220 (vsFTPd 3.0.5)\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-imap",
        about: "An IMAP server greets.",
        act: |_| greet(b"* OK [CAPABILITY IMAP4rev1] ready.\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-redis",
        about: "A Redis server complains of the request.",
        act: |_| say("-ERR wrong number of arguments for 'post' command\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-redis-closes",
        about: "A Redis server takes the request for an attack and closes.",
        act: |_| acts(vec![]),
        whole: "502 connection_closed",
        stream: "502 connection_closed",
        plain: "502 connection_closed",
    },
    Odd {
        name: "port-postgres",
        about: "A PostgreSQL server answers with an error message of its own protocol.",
        act: |_| {
            say(b"E\0\0\0\x60SFATAL\0VFATAL\0C0A000\0Munsupported frontend protocol\0\0".to_vec())
        },
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-mysql",
        about: "A MySQL server greets.",
        act: |_| greet(b"\x4a\0\0\0\x0a8.0.36\0\x0b\0\0\0"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-memcached",
        about: "A memcached server says ERROR.",
        act: |_| say("ERROR\r\nERROR\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-http2",
        about: "An HTTP/2 server begins with its settings.",
        act: |_| {
            greet(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x80\0\x04\0\x01\0\0\0\x05\0\xff\xff\xff")
        },
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-http2-preface",
        about: "Something sends the preface of an HTTP/2 client.",
        act: |_| greet(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-tls",
        about: "A TLS port sends an alert.",
        act: |_| say(b"\x15\x03\x03\0\x02\x02\x32".to_vec()),
        whole: "502 plaintext_to_tls_port",
        stream: "502 plaintext_to_tls_port",
        plain: "502 plaintext_to_tls_port",
    },
    Odd {
        name: "port-tls-in-words",
        about: "A TLS port that knows HTTP says so.",
        act: |_| {
            say("HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
        },
        whole: "502 plaintext_to_tls_port",
        stream: "502 plaintext_to_tls_port",
        plain: "passes 400",
    },
    Odd {
        name: "port-http-client",
        about: "Something sends a request instead of an answer.",
        act: |_| say("GET / HTTP/1.1\r\nhost: x\r\n\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-icecast",
        about: "A server of another dialect of HTTP: ICY 200 OK.",
        act: |_| say("ICY 200 OK\r\n\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
    Odd {
        name: "port-rtsp",
        about: "An RTSP server answers.",
        act: |_| say("RTSP/1.0 400 Bad Request\r\n\r\n"),
        whole: "502 not_http",
        stream: "502 not_http",
        plain: "502 not_http",
    },
];

/// Bodies.
pub(crate) const BODIES: &[Odd] = &[
    Odd {
        name: "byte-order-mark",
        about: "A byte order mark before the JSON, or before the first event.",
        act: |asked| {
            let body = format!("\u{feff}{}", good_body(asked));
            ok_of(content_type(asked), body.as_bytes())
        },
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "white-space-around",
        about: "Line feeds and blanks around the JSON.",
        act: |asked| {
            ok_of(
                content_type(asked),
                format!("\n\n  {}\r\n\t ", good_body(asked)).as_bytes(),
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "pretty-printed",
        about: "JSON over many lines.",
        act: |_| ok_of("application/json", ANSWER.replace(',', ",\n  ").as_bytes()),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "whole-for-a-stream",
        about: "One whole JSON answer, whatever was asked for.",
        act: |_| json("200 OK", ANSWER),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "whole-in-chunks-for-a-stream",
        about: "One whole JSON answer in chunks and pieces, whatever was asked for.",
        act: |_| {
            let (first, second) = ANSWER.split_at(100);
            acts(vec![
                Say(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n64\r\n{first}\r\n").into_bytes()),
                Pause(50),
                Say(format!("{:x}\r\n{second}\r\n0\r\n\r\n", second.len()).into_bytes()),
            ])
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "whole-as-event-stream",
        about: "One whole JSON answer that is called an event stream.",
        act: |_| ok_of("text/event-stream", ANSWER.as_bytes()),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "whole-cut-for-a-stream",
        about: "Half of a whole JSON answer, well framed.",
        act: |_| json("200 OK", ANSWER.split_at(120).0),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "deflate",
        about: "Content-Encoding: deflate, the bare stream that some servers send.",
        act: |asked| packed(asked, "deflate", deflate),
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "zlib",
        about: "Content-Encoding: deflate, with zlib's wrapping.",
        act: |asked| packed(asked, "deflate", zlib),
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "brotli",
        about: "Content-Encoding: br.",
        act: |asked| packed(asked, "br", brotli),
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "padded-gzip",
        about: "Gzip with zeros after its end, which gzip itself passes over.",
        act: |asked| packed(asked, "gzip", |text| [gzip(text), vec![0; 32]].concat()),
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "x-gzip",
        about: "Content-Encoding: X-GZIP.",
        act: |asked| packed(asked, "X-GZIP", gzip),
        whole: "ok",
        stream: "ok",
        plain: "passes 200",
    },
    Odd {
        name: "encoding-identity",
        about: "Content-Encoding: identity.",
        act: |asked| with(asked, "content-encoding: identity\r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "encoding-utf-8",
        about: "Content-Encoding: utf-8, which is a charset.",
        act: |asked| with(asked, "content-encoding: utf-8\r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "encoding-empty",
        about: "Content-Encoding without a word.",
        act: |asked| with(asked, "content-encoding: \r\n"),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "brotli-cut",
        about: "Brotli that ends early.",
        act: |asked| packed_and_cut(asked, "br", brotli),
        whole: "502 decode_error",
        stream: "502 decode_error",
        plain: "passes 200",
    },
    Odd {
        name: "brotli-broken",
        about: "Says br, is plain text.",
        act: |asked| with(asked, "content-encoding: br\r\n"),
        whole: "502 decode_error",
        stream: "502 decode_error",
        plain: "passes 200",
    },
    Odd {
        name: "deflate-broken",
        about: "Says deflate, is plain text.",
        act: |asked| with(asked, "content-encoding: deflate\r\n"),
        whole: "502 decode_error",
        stream: "502 decode_error",
        plain: "passes 200",
    },
    Odd {
        name: "gzip-unannounced",
        about: "Gzip without a word of it.",
        act: |asked| ok_of(content_type(asked), &gzip(&good_body(asked))),
        whole: "502 invalid_body",
        stream: "502 stream_incomplete",
        plain: "passes 200",
    },
    Odd {
        name: "zstd-unasked",
        about: "Content-Encoding: zstd, which nobody asked for.",
        act: |_| {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: zstd\r\n";
            say(message(head, ZSTD, End::Length))
        },
        whole: "502 decode_error",
        stream: "502 decode_error",
        plain: "passes 200",
    },
    Odd {
        name: "two-encodings",
        about: "Content-Encoding: gzip, br.",
        act: |_| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip, br\r\n";
            say(message(head, &gzip("{}"), End::Length))
        },
        whole: "502 decode_error",
        stream: "502 decode_error",
        plain: "passes 200",
    },
    Odd {
        name: "zstd-503",
        about: "A 503 in a coding that nobody asked for.",
        act: |_| {
            let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-encoding: zstd\r\n";
            say(message(head, ZSTD, End::Length))
        },
        whole: "503 service_unavailable",
        stream: "503 service_unavailable",
        plain: "503 service_unavailable",
    },
    Odd {
        name: "gzip-429",
        about: "A 429 about money, packed.",
        act: |_| {
            let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n";
            let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#;
            say(message(head, &gzip(body), End::Length))
        },
        whole: "429 quota_exhausted",
        stream: "429 quota_exhausted",
        plain: "429 quota_exhausted",
    },
    Odd {
        name: "gzip-503-maintenance",
        about: "A packed page about maintenance.",
        act: |_| {
            let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n";
            say(message(
                head,
                &gzip("<html><head><title>Down for maintenance</title></head></html>"),
                End::Length,
            ))
        },
        whole: "503 scheduled_maintenance",
        stream: "503 scheduled_maintenance",
        plain: "503 scheduled_maintenance",
    },
    Odd {
        name: "gzip-502-broken",
        about: "A 502 that says gzip and is plain text.",
        act: |_| {
            let head =
                "HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-encoding: gzip\r\n";
            say(message(head, HTML.as_bytes(), End::Length))
        },
        whole: "502 bad_gateway",
        stream: "502 bad_gateway",
        plain: "502 bad_gateway",
    },
    Odd {
        name: "utf-16",
        about: "JSON in UTF-16.",
        act: |_| {
            let body: Vec<u8> = ANSWER.encode_utf16().flat_map(u16::to_le_bytes).collect();
            ok_of("application/json", &body)
        },
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "nothing",
        about: "200 and no byte of a body.",
        act: |_| say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "white-space-only",
        about: "200 and line feeds only.",
        act: |_| ok_of("application/json", b"\r\n\r\n"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "status-204",
        about: "204 to a call that asks for an answer.",
        act: |_| say("HTTP/1.1 204 No Content\r\n\r\n"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 204",
    },
    Odd {
        name: "status-205",
        about: "205 to a call that asks for an answer.",
        act: |_| say("HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 205",
    },
    Odd {
        name: "status-304",
        about: "304 to a call without a condition.",
        act: |_| say("HTTP/1.1 304 Not Modified\r\n\r\n"),
        whole: "502 unexpected_redirect",
        stream: "502 unexpected_redirect",
        plain: "passes 304",
    },
    Odd {
        name: "redirect-to-itself",
        about: "A redirect to where the call went.",
        act: |_| {
            say(
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: /v1/chat/completions\r\ncontent-length: 0\r\n\r\n",
            )
        },
        whole: "502 unexpected_redirect",
        stream: "502 unexpected_redirect",
        plain: "passes 307",
    },
    Odd {
        name: "captive-portal-511",
        about: "511: the network asks for a login.",
        act: |_| {
            status_of(
                "511 Network Authentication Required",
                "text/html",
                HTML.as_bytes(),
            )
        },
        whole: "502 unexpected_content_type",
        stream: "502 unexpected_content_type",
        plain: "502 unexpected_content_type",
    },
    Odd {
        name: "answer-called-a-page",
        about: "A good answer that is called text/html.",
        act: |asked| ok_of("text/html; charset=utf-8", good_body(asked).as_bytes()),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "error-called-a-page",
        about: "200 with an error object that is called text/html.",
        act: |_| {
            let error = r#"{"error":{"message":"Slow down","type":"rate_limit_error"}}"#;
            ok_of("text/html", error.as_bytes())
        },
        whole: "429 rate_limited",
        stream: "429 rate_limited",
        plain: "passes 200",
    },
    Odd {
        name: "words-called-a-page",
        about: "200 with a few words that are called text/html.",
        act: |_| ok_of("text/html", b"It works!"),
        whole: "502 unexpected_content_type",
        stream: "502 unexpected_content_type",
        plain: "passes 200",
    },
    Odd {
        name: "page-of-a-400",
        about: "400 with a web page, as proxies make it.",
        act: |_| status_of("400 Bad Request", "text/html", HTML.as_bytes()),
        whole: "502 endpoint_not_found",
        stream: "502 endpoint_not_found",
        plain: "passes 400",
    },
    Odd {
        name: "page-without-a-type",
        about: "A web page without a Content-Type.",
        act: |_| say(message("HTTP/1.1 200 OK\r\n", HTML.as_bytes(), End::Close)),
        whole: "502 unexpected_content_type",
        stream: "502 unexpected_content_type",
        plain: "passes 200",
    },
    Odd {
        name: "page-as-event-stream",
        about: "A web page that is called an event stream.",
        act: |_| ok_of("text/event-stream", HTML.as_bytes()),
        whole: "502 unexpected_content_type",
        stream: "502 unexpected_content_type",
        plain: "passes 200",
    },
    Odd {
        name: "words",
        about: "200 with the word OK.",
        act: |_| ok_of("text/plain", b"OK"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "empty-object",
        about: "200 with {}.",
        act: |_| json("200 OK", "{}"),
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "no-choices",
        about: "200 with an answer that has no choices.",
        act: |_| {
            json(
                "200 OK",
                r#"{"id":"c","object":"chat.completion","choices":[]}"#,
            )
        },
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "null-choices",
        about: "200 with choices that are null.",
        act: |_| {
            json(
                "200 OK",
                r#"{"id":"c","object":"chat.completion","choices":null}"#,
            )
        },
        whole: "502 invalid_body",
        stream: "502 invalid_body",
        plain: "passes 200",
    },
    Odd {
        name: "empty-error-member",
        about: "A good answer with empty error members beside it.",
        act: |_| {
            json(
                "200 OK",
                &ANSWER.replacen('{', r#"{"error":"","warnings":[],"#, 1),
            )
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "empty-error-object",
        about: "A good answer with an empty error object beside it.",
        act: |_| json("200 OK", &ANSWER.replacen('{', r#"{"error":{},"#, 1)),
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "error-as-text",
        about: "200 with an error that is a text.",
        act: |_| json("200 OK", r#"{"error":"the model is overloaded"}"#),
        whole: "503 upstream_overloaded",
        stream: "503 upstream_overloaded",
        plain: "passes 200",
    },
    Odd {
        name: "error-in-a-list",
        about: "200 with a list that holds an error, as Gemini writes it.",
        act: |_| {
            json(
                "200 OK",
                r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
            )
        },
        whole: "503 upstream_overloaded",
        stream: "503 upstream_overloaded",
        plain: "passes 200",
    },
    Odd {
        name: "error-code-as-text",
        about: "200 with an error whose status is a text.",
        act: |_| {
            json(
                "200 OK",
                r#"{"error":{"code":"429","message":"slow down"}}"#,
            )
        },
        whole: "429 rate_limited",
        stream: "429 rate_limited",
        plain: "passes 200",
    },
    Odd {
        name: "error-status-member",
        about: "200 with an error that has its status in a member of that name.",
        act: |_| {
            json(
                "200 OK",
                r#"{"error":{"message":"upstream failed","status":502}}"#,
            )
        },
        whole: "502 bad_gateway",
        stream: "502 bad_gateway",
        plain: "passes 200",
    },
    Odd {
        name: "error-in-an-error",
        about: "200 with an error inside an error.",
        act: |_| {
            json(
                "200 OK",
                r#"{"error":{"error":{"type":"overloaded_error","message":"Overloaded"}}}"#,
            )
        },
        whole: "503 upstream_overloaded",
        stream: "503 upstream_overloaded",
        plain: "passes 200",
    },
    Odd {
        name: "list-of-errors",
        about: "200 with a list of errors, as Cloudflare's API writes it.",
        act: |_| {
            json(
                "200 OK",
                r#"{"success":false,"result":null,"errors":[{"code":10000,"message":"Authentication error"}]}"#,
            )
        },
        whole: "502 error_in_success",
        stream: "502 error_in_success",
        plain: "passes 200",
    },
    Odd {
        name: "error-unknown",
        about: "200 with an error of which nothing is known.",
        act: |_| json("200 OK", r#"{"error":{"message":"something odd"}}"#),
        whole: "502 error_in_success",
        stream: "502 error_in_success",
        plain: "passes 200",
    },
    Odd {
        name: "error-in-success-status-member",
        about: "200 with `status: error` and a message.",
        act: |_| json("200 OK", r#"{"status":"error","message":"something odd"}"#),
        whole: "502 error_in_success",
        stream: "502 error_in_success",
        plain: "passes 200",
    },
    Odd {
        name: "error-429-in-words",
        about: "429 with a text only.",
        act: |_| status_of("429 Too Many Requests", "text/plain", b"Too many requests"),
        whole: "429 rate_limited",
        stream: "429 rate_limited",
        plain: "429 rate_limited",
    },
    Odd {
        name: "error-500-empty",
        about: "500 without a body.",
        act: |_| say("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 internal_error",
        stream: "502 internal_error",
        plain: "502 internal_error",
    },
    Odd {
        name: "error-503-cut",
        about: "503 whose body is cut.",
        act: |_| say("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 500\r\n\r\nunavail"),
        whole: "503 service_unavailable",
        stream: "503 service_unavailable",
        plain: "503 service_unavailable",
    },
    Odd {
        name: "error-500-drips",
        about: "500 whose body drips without end.",
        act: |_| {
            acts(vec![
                Say(
                    b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 100000\r\n\r\n"
                        .to_vec(),
                ),
                Drip(vec![b'x'; 100_000], 1, 50),
            ])
        },
        whole: "502 internal_error",
        stream: "502 internal_error",
        plain: "502 internal_error",
    },
    Odd {
        name: "error-200-of-html-drips",
        about: "A web page that drips without end.",
        act: |_| {
            acts(vec![
            Say(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 100000\r\n\r\n<html>".to_vec()),
            Drip(vec![b'x'; 100_000], 1, 50),
        ])
        },
        whole: "502 unexpected_content_type",
        stream: "502 unexpected_content_type",
        plain: "-",
    },
    Odd {
        name: "status-599",
        about: "Status 599, which nothing defines.",
        act: |_| say("HTTP/1.1 599 Network Connect Timeout\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 internal_error",
        stream: "502 internal_error",
        plain: "502 internal_error",
    },
    Odd {
        name: "status-499",
        about: "Status 499: something in front of the upstream gave up.",
        act: |_| say("HTTP/1.1 499 Client Closed Request\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 internal_error",
        stream: "502 internal_error",
        plain: "passes 499",
    },
    Odd {
        name: "status-426",
        about: "Status 426: the server wants another protocol.",
        act: |_| say("HTTP/1.1 426 Upgrade Required\r\nupgrade: h2c\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 endpoint_not_found",
        stream: "502 endpoint_not_found",
        plain: "passes 426",
    },
    Odd {
        name: "status-505",
        about: "Status 505: HTTP version not supported.",
        act: |_| say("HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 endpoint_not_found",
        stream: "502 endpoint_not_found",
        plain: "502 endpoint_not_found",
    },
    Odd {
        name: "status-415",
        about: "Status 415: the server takes no JSON there.",
        act: |_| say("HTTP/1.1 415 Unsupported Media Type\r\ncontent-length: 0\r\n\r\n"),
        whole: "502 endpoint_not_found",
        stream: "502 endpoint_not_found",
        plain: "passes 415",
    },
    Odd {
        name: "slow-body",
        about: "A body that comes slowly but steadily.",
        act: |asked| {
            let body = good_body(asked);
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {}\r\ncontent-length: {}\r\n\r\n",
                content_type(asked),
                body.len()
            );
            acts(vec![
                Say(head.into_bytes()),
                Drip(body.into_bytes(), 16, 20),
            ])
        },
        whole: "ok",
        stream: "ok",
        plain: "ok",
    },
    Odd {
        name: "drip-without-end",
        about: "White space that drips for ever in place of an answer.",
        act: |_| {
            acts(vec![
            Say(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
            Drip(b"1\r\n \r\n".repeat(2000), 6, 50),
        ])
        },
        whole: "504 deadline_exceeded",
        stream: "504 first_token_timeout",
        plain: "-",
    },
];

/// Streams of events.
pub(crate) const STREAMS: &[Odd] = &[
    Odd {
        name: "lines-end-in-return",
        about: "Lines end in CR only.",
        act: |_| stream(good_stream().replace('\n', "\r")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "lines-end-mixed",
        about: "Lines end in CR LF, LF and CR by turns.",
        act: |_| {
            stream(format!(
                "data: {}\r\n\ndata: {}\r\rdata: {}\n\r\ndata: {}\n\ndata: [DONE]\r\n\r\n",
                CHUNKS[0], CHUNKS[1], CHUNKS[2], CHUNKS[3]
            ))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "no-blank-after-data",
        about: "No blank after the colon.",
        act: |_| stream(good_stream().replace("data: ", "data:")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "data-over-lines",
        about: "The JSON of an event over several data lines.",
        act: |_| stream(good_stream().replace(",\"model\"", ",\ndata: \"model\"")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "ids-and-retry",
        about: "id and retry fields, and fields that nobody knows.",
        act: |_| {
            stream(format!(
                "retry: 3000\n\n{}",
                good_stream().replace("data: {", "id: 7\nfoo: bar\nbaz\ndata: {")
            ))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "named-events",
        about: "Events with a name.",
        act: |_| stream(good_stream().replace("data: ", "event: message\ndata: ")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "ping-events",
        about: "Pings of several forms between the chunks.",
        act: |_| {
            stream(good_stream().replace("data: {", "event: ping\ndata: {}\n\nevent: ping\ndata: ping\n\n: ping\n\n:\n\ndata:\n\ndata:  \n\ndata\n\ndata: {"))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "done-in-odd-spacing",
        about: "[DONE] without a blank before it and with some after it.",
        act: |_| stream(good_stream().replace("data: [DONE]", "data:[DONE]  ")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "done-in-lower-case",
        about: "[done].",
        act: |_| stream(good_stream().replace("[DONE]", "[done]")),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "no-final-blank-line",
        about: "No blank line after [DONE], not even a line feed.",
        act: |_| stream(good_stream().trim_end()),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "done-missing",
        about: "No [DONE] after the finish reason.",
        act: |_| stream(sse(&CHUNKS)),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "done-missing-and-reset",
        about: "A reset in place of [DONE] after the finish reason.",
        act: |_| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let text = sse(&CHUNKS);
            acts(vec![
                Say(format!("{head}{:x}\r\n{text}\r\n", text.len()).into_bytes()),
                Pause(60),
                Reset,
            ])
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "done-missing-and-silence",
        about: "Silence in place of [DONE] after the finish reason.",
        act: |_| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
            let text = sse(&CHUNKS);
            acts(vec![
                Say(format!("{head}{:x}\r\n{text}\r\n", text.len()).into_bytes()),
                Hold,
            ])
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "null-deltas",
        about: "Deltas, contents and choices that are null, and usage with empty choices.",
        act: |_| {
            stream(sse(&[
                r#"{"choices":[],"prompt_filter_results":[]}"#,
                r#"{"choices":null}"#,
                r#"{"choices":[{"index":0,"delta":null,"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":null,"tool_calls":null},"finish_reason":""}]}"#,
                CHUNKS[1],
                CHUNKS[2],
                CHUNKS[3],
                r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
                "[DONE]",
            ]))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "usage-in-each-chunk",
        about: "The running usage in each chunk, an error member that is null.",
        act: |_| {
            stream(good_stream().replace("\"choices\"", "\"error\":null,\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4},\"choices\""))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "message-for-delta",
        about: "A stream of one event that holds the whole answer.",
        act: |_| stream(sse(&[ANSWER, "[DONE]"])),
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "cut-by-length-in-a-tool-call",
        about: "The tokens run out in the middle of a tool call's arguments.",
        act: |_| {
            stream(sse(&[
                CHUNKS[0],
                CHUNKS[1],
                CHUNKS[2],
                r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":\"b"}}]},"finish_reason":null}]}"#,
                r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#,
                "[DONE]",
            ]))
        },
        whole: "-",
        stream: "ok",
        plain: "-",
    },
    Odd {
        name: "bare-error-first",
        about: "The first event is an error that is not wrapped, as Mistral writes it.",
        act: |_| {
            stream(sse(&[
                r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","param":null,"code":"3505"}"#,
            ]))
        },
        whole: "-",
        stream: "429 rate_limited",
        plain: "-",
    },
    Odd {
        name: "bare-error-later",
        about: "After content an error that is not wrapped, as Mistral writes it.",
        act: |_| {
            stream_then(
                &begun(),
                sse(&[
                    r#"{"object":"error","message":"Internal error","type":"internal_server_error","param":null,"code":"3800"}"#,
                ]),
            )
        },
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "bare-message-later",
        about: "After content an object with nothing but a message and a status.",
        act: |_| {
            stream_then(
                &begun(),
                sse(&[r#"{"message":"Internal error","code":500}"#]),
            )
        },
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "detail-later",
        about: "After content FastAPI's `detail`.",
        act: |_| stream_then(&begun(), sse(&[r#"{"detail":"Internal Server Error"}"#])),
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "error-event-in-words",
        about: "After content an event named error whose data is no JSON.",
        act: |_| stream_then(&begun(), "event: error\ndata: Internal Server Error\n\n"),
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "error-event-first-in-words",
        about: "The first event is named error, and its data is no JSON.",
        act: |_| stream("event: error\ndata: The model is overloaded, try again later\n\n"),
        whole: "-",
        stream: "503 upstream_overloaded",
        plain: "-",
    },
    Odd {
        name: "error-list-first",
        about: "The first event is a list that holds an error.",
        act: |_| {
            stream(sse(&[
                r#"[{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}]"#,
            ]))
        },
        whole: "-",
        stream: "429 rate_limited",
        plain: "-",
    },
    Odd {
        name: "error-line-later",
        about: "After content a line of JSON without data: an error.",
        act: |_| {
            stream_then(
                &begun(),
                "{\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n",
            )
        },
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "error-then-done",
        about: "After content an error, and [DONE] all the same.",
        act: |_| {
            stream_then(
                &begun(),
                format!(
                    "{}data: [DONE]\n\n",
                    sse(&[r#"{"error":{"message":"boom","type":"server_error","code":500}}"#])
                ),
            )
        },
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "finish-reason-error",
        about: "After content the finish reason is error.",
        act: |_| {
            stream_then(
                &begun(),
                sse(&[
                    r#"{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
                    "[DONE]",
                ]),
            )
        },
        whole: "-",
        stream: "200 then stream_error_event",
        plain: "-",
    },
    Odd {
        name: "nul-in-data",
        about: "After content a NUL byte in an event.",
        act: |_| stream_then(&begun(), "data: {\"choices\":\0[]}\n\n"),
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
    Odd {
        name: "nul-before-a-field",
        about: "After content NUL bytes before an event, which would hide what it says.",
        act: |_| stream_then(&begun(), format!("\0\0data: {}\n\n", CHUNKS[2])),
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
    Odd {
        name: "cut-event",
        about: "After content an event that is cut, well framed.",
        act: |_| stream_then(&begun(), "data: {\"choices\":[{\"index\":0,\"del"),
        whole: "-",
        stream: "200 then stream_incomplete",
        plain: "-",
    },
    Odd {
        name: "two-objects-in-an-event",
        about: "After content two objects in one event.",
        act: |_| stream_then(&begun(), format!("data: {}{}\n\n", CHUNKS[1], CHUNKS[2])),
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
    Odd {
        name: "words-as-data",
        about: "After content an event whose data is a word.",
        act: |_| stream_then(&begun(), "data: oops\n\n"),
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
    Odd {
        name: "page-after-content",
        about: "After content a web page.",
        act: |_| stream_then(&begun(), HTML),
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
    Odd {
        name: "end-after-content",
        about: "After content the end, well framed.",
        act: |_| stream_then(&begun(), ": bye\n\n"),
        whole: "-",
        stream: "200 then stream_incomplete",
        plain: "-",
    },
    Odd {
        name: "comments-then-reset",
        about: "Comments only, then a reset.",
        act: |_| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: wait\n\n";
            acts(vec![Say(head.into()), Pause(60), Reset])
        },
        whole: "-",
        stream: "502 response_reset",
        plain: "-",
    },
    Odd {
        name: "chunks-without-data",
        about: "Chunks as lines of JSON, without events.",
        act: |_| stream(CHUNKS.join("\n")),
        whole: "-",
        stream: "502 invalid_body",
        plain: "-",
    },
    Odd {
        name: "roles-only",
        about: "Chunks without content, for ever.",
        act: |_| {
            let event = sse(&CHUNKS[..1]);
            let chunk = format!("{:x}\r\n{event}\r\n", event.len());
            acts(vec![
                Say(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
                Drip(chunk.repeat(200).into_bytes(), chunk.len(), 50),
            ])
        },
        whole: "-",
        stream: "504 first_token_timeout",
        plain: "-",
    },
    Odd {
        name: "one-line-without-end",
        about: "After content an event that never ends.",
        act: |_| {
            let first = begun();
            acts(vec![
                Say(format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n{first}data: "
                )
                .into_bytes()),
                Pause(60),
                Flood(vec![b'a'; 65_536]),
            ])
        },
        whole: "-",
        stream: "200 then stream_malformed",
        plain: "-",
    },
];
