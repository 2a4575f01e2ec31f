//! An answer as the door writes it.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http1::answer::Lines;
use hyper::ext::ReasonPhrase;

use super::ReplyBody;

/// An answer for the door to write.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// HTTP/1.1's reason phrase, where it is not the usual one.
    pub reason: Option<ReasonPhrase>,
    /// Headers that were made elsewhere.
    pub headers: HeaderMap,
    /// Headers of ours, before which those of the same name yield.
    pub lines: Lines,
    /// The body.
    pub body: ReplyBody,
}

impl Reply {
    /// An answer without headers.
    #[must_use]
    pub fn new(status: StatusCode, body: ReplyBody) -> Self {
        Self {
            status,
            reason: None,
            headers: HeaderMap::new(),
            lines: Lines::default(),
            body,
        }
    }

    /// The same as hyper takes it.
    #[must_use]
    pub fn into_response(self) -> Response<ReplyBody> {
        let mut headers = self.headers;
        for (name, value) in self.lines.iter() {
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
            {
                headers.insert(name, value);
            }
        }
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = headers;
        response
    }
}

/// Where headers of ours are put: into lines where nobody looks them up, else into a map.
pub trait OwnHeaders {
    /// Puts a header; a value that none may have is left out.
    fn put(&mut self, name: &'static str, value: &str);

    /// Puts a header whose value is a number.
    fn put_number(&mut self, name: &'static str, value: u64);
}

impl OwnHeaders for Lines {
    fn put(&mut self, name: &'static str, value: &str) {
        self.add(name, value.as_bytes());
    }

    fn put_number(&mut self, name: &'static str, value: u64) {
        self.add_number(name, value);
    }
}

impl OwnHeaders for HeaderMap {
    fn put(&mut self, name: &'static str, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.insert(HeaderName::from_static(name), value);
        }
    }

    fn put_number(&mut self, name: &'static str, value: u64) {
        self.insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}
