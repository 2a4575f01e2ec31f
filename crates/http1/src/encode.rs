//! Writes a request's head into a kept buffer.

use diagnosis::Fault;
use http::Method;

use super::decimal::write_decimal;

/// What is written before the body.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, already escaped.
    pub path: &'a str,
    /// A prepared block of whole lines, each ending with CR LF.
    pub fixed_headers: &'a [u8],
    /// Headers of this call.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The body's length in bytes; none for a body that is sent in chunks.
    pub length: Option<u64>,
}

/// Appends the head, blank line included.
///
/// # Errors
/// When path or headers hold bytes that would change the message's framing: a bug of the caller, never sent.
pub fn write_head(head: &RequestHead<'_>, out: &mut Vec<u8>) -> Result<(), Fault> {
    if head.path.is_empty() || any(head.path.as_bytes(), |byte| byte <= b' ' || byte == 0x7f) {
        return Err(refused(
            "a path that is empty or holds blanks or control characters",
        ));
    }
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    out.extend_from_slice(head.fixed_headers);
    if !head.fixed_headers.is_empty() && !head.fixed_headers.ends_with(b"\r\n") {
        return Err(refused(
            "a block of headers that does not end its last line",
        ));
    }
    for (name, value) in head.headers {
        let odd_name = |byte| matches!(byte, b'\r' | b'\n' | b':' | b' ');
        let odd_value = |byte| matches!(byte, b'\r' | b'\n' | 0);
        if name.is_empty() || any(name.as_bytes(), odd_name) || any(value, odd_value) {
            return Err(refused("a header that holds a line break"));
        }
        if is_ours(name) {
            return Err(refused("a header that is the codec's own"));
        }
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    match head.length {
        Some(length) if length > 0 || expects_body(head.method) => {
            out.extend_from_slice(b"content-length: ");
            write_decimal(length, out);
            out.extend_from_slice(b"\r\n");
        }
        Some(_) => {}
        None => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether a byte is odd. Without an early exit the compiler looks at many at a time.
#[inline(always)]
fn any(bytes: &[u8], odd: impl Fn(u8) -> bool) -> bool {
    bytes.iter().fold(false, |found, byte| found | odd(*byte))
}

/// Methods whose empty body is announced. Source: RFC 9110, 8.6.
fn expects_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Headers that say how the message is framed: a second one could say otherwise.
fn is_ours(name: &str) -> bool {
    match name.len() {
        14 => name.eq_ignore_ascii_case("content-length"),
        17 => name.eq_ignore_ascii_case("transfer-encoding"),
        _ => false,
    }
}

fn refused(what: &str) -> Fault {
    Fault::Internal {
        detail: format!("refused to send {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(head: &RequestHead<'_>) -> Result<String, Fault> {
        let mut out = Vec::new();
        write_head(head, &mut out)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    const CALL: RequestHead<'static> = RequestHead {
        method: &Method::POST,
        path: "/v1/chat/completions",
        fixed_headers: b"host: a.example\r\n",
        headers: &[("x-request-id", b"req_1")],
        length: Some(1234567890),
    };

    #[test]
    fn a_head_is_written_line_by_line() {
        assert_eq!(
            written(&CALL).unwrap(),
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a.example\r\nx-request-id: req_1\r\n\
             content-length: 1234567890\r\n\r\n"
        );
    }

    #[test]
    fn an_empty_body_is_announced_only_where_one_is_expected() {
        let empty = RequestHead {
            length: Some(0),
            ..CALL
        };
        assert!(written(&empty).unwrap().contains("content-length: 0\r\n"));
        let get = RequestHead {
            method: &Method::GET,
            ..empty
        };
        assert!(!written(&get).unwrap().contains("content-length"));
        assert!(
            written(&RequestHead {
                length: Some(u64::MAX),
                ..CALL
            })
            .unwrap()
            .contains("18446744073709551615")
        );
        let chunked = RequestHead {
            length: None,
            ..CALL
        };
        assert!(
            written(&chunked)
                .unwrap()
                .ends_with("transfer-encoding: chunked\r\n\r\n")
        );
    }

    #[test]
    fn nothing_that_would_break_the_framing_is_sent() {
        let cases: [RequestHead<'_>; 6] = [
            RequestHead {
                headers: &[("Content-Length", b"1")],
                ..CALL
            },
            RequestHead {
                path: "/a b",
                ..CALL
            },
            RequestHead {
                path: "/a\r\nx: y",
                ..CALL
            },
            RequestHead {
                headers: &[("x", b"1\r\ny: 2")],
                ..CALL
            },
            RequestHead {
                headers: &[("x: y\r\n", b"1")],
                ..CALL
            },
            RequestHead {
                fixed_headers: b"host: a",
                ..CALL
            },
        ];
        for case in cases {
            assert!(
                matches!(written(&case), Err(Fault::Internal { .. })),
                "{case:?}"
            );
        }
    }
}
