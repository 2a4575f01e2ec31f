//! An answer before it is put on the wire: a status, headers and a body, whole or as a stream of events.

use bytes::Bytes;

use crate::json::Json;

/// The header that says that answers come from a script.
pub(crate) const DEMO_HEADER: (&str, &str) = ("x-goodgate-demo", "true");

/// What would be answered if nothing went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The reason phrase; empty for the usual one.
    pub(crate) reason: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// A body.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Whole(Bytes),
    /// Server-sent events (or the parts of Gemini's array), each whole.
    Events(Vec<Event>),
}

/// One piece of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    pub(crate) kind: EventKind,
}

/// What an event is to the one who reads the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    /// Says nothing of the answer itself: role chunk, `message_start`, ping.
    Lifecycle,
    /// Carries a part of the answer.
    Content,
    /// Carries the reason of the end, or usage.
    Finish,
    /// The end of the stream: `[DONE]`, `message_stop`.
    Terminal,
}

impl Event {
    /// An event with only `data:`.
    pub(crate) fn data(kind: EventKind, data: &Json) -> Self {
        Self {
            bytes: Bytes::from(format!("data: {data}\n\n")),
            kind,
        }
    }

    /// An event with a name.
    pub(crate) fn named(kind: EventKind, name: &str, data: &Json) -> Self {
        Self {
            bytes: Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
            kind,
        }
    }

    /// Bytes as they are.
    pub(crate) fn raw(kind: EventKind, bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            kind,
        }
    }
}

impl Answer {
    /// A whole answer of a content type.
    pub(crate) fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            reason: String::new(),
            headers: vec![("content-type".to_owned(), content_type.to_owned())],
            body: Body::Whole(body.into()),
        }
    }

    /// A JSON answer.
    pub(crate) fn json(status: u16, body: &Json) -> Self {
        Self::whole(status, "application/json", body.to_string())
    }

    /// A stream of server-sent events.
    pub(crate) fn events(events: Vec<Event>) -> Self {
        Self {
            status: 200,
            reason: String::new(),
            headers: vec![
                (
                    "content-type".to_owned(),
                    "text/event-stream; charset=utf-8".to_owned(),
                ),
                ("cache-control".to_owned(), "no-cache".to_owned()),
            ],
            body: Body::Events(events),
        }
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a header, in place of what it was.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
    }

    /// Whether the body is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.body, Body::Events(_))
    }

    /// The body in one piece.
    pub(crate) fn body_bytes(&self) -> Bytes {
        match &self.body {
            Body::Whole(bytes) => bytes.clone(),
            Body::Events(events) => Bytes::from(
                events
                    .iter()
                    .flat_map(|e| e.bytes.iter().copied())
                    .collect::<Vec<_>>(),
            ),
        }
    }
}

/// The usual reason phrase of a status.
pub(crate) fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        413 => "Payload Too Large",
        417 => "Expectation Failed",
        422 => "Unprocessable Entity",
        424 => "Failed Dependency",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        529 => "Site Overloaded",
        _ => "Unknown",
    }
}
