//! What can be wrong with a call, an answer or a stream, as the formats show it.

use std::time::Duration;

use crate::json::Bad;

/// A call that cannot be read or carried over: the caller's 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CallError {
    /// The parameter's path in the caller's dialect, such as `messages[2].content`.
    pub param: Option<String>,
    /// One sentence that names the fix.
    pub message: String,
}

impl CallError {
    /// An error about one parameter.
    #[must_use]
    pub fn about(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            param: Some(param.into()),
            message: message.into(),
        }
    }
}

/// Why a 2xx body is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// No bytes, or white space only.
    #[error("the body is empty")]
    Empty,
    /// Not JSON, or cut short.
    #[error("the body is not JSON at byte {at}")]
    NotJson {
        /// Offset of the offending byte.
        at: usize,
    },
    /// JSON, but not an answer of this dialect.
    #[error("the body is no answer: {what}")]
    WrongShape {
        /// What is missing or wrong.
        what: String,
    },
    /// An error in the place of an answer.
    #[error("the body is an error object")]
    ErrorObject(Box<ErrorWords>),
}

impl ReplyFault {
    pub(crate) fn shape(what: impl Into<String>) -> Self {
        Self::WrongShape { what: what.into() }
    }
}

impl From<Bad> for ReplyFault {
    fn from(bad: Bad) -> Self {
        Self::NotJson { at: bad.at }
    }
}

/// What ended a stream before its terminal event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// An event that is no UTF-8, no JSON or of the wrong shape.
    #[error("event {event} is malformed: {what}")]
    Malformed {
        /// The event's number, from 1.
        event: u64,
        /// What is wrong.
        what: String,
    },
    /// An event over the bound.
    #[error("an event is larger than {limit} bytes")]
    TooLarge {
        /// The bound in bytes.
        limit: usize,
    },
    /// The provider said that it failed.
    #[error("the stream holds an error event")]
    ErrorEvent(Box<ErrorWords>),
    /// The bytes ended before the terminal event.
    #[error("the stream ended before its terminal event")]
    Incomplete,
}

/// What an error body says, in the words of its provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorWords {
    /// `error.type`, or Gemini's `error.status`.
    pub kind: Option<String>,
    /// `error.code`, as text.
    pub code: Option<String>,
    /// `error.param`.
    pub param: Option<String>,
    /// `error.message`, or what stands in its place.
    pub message: Option<String>,
    /// An HTTP status that stands in the body.
    pub status: Option<u16>,
    /// Google's `RetryInfo.retryDelay`.
    pub retry_delay: Option<Duration>,
    /// Google's `ErrorInfo.reason`.
    pub details_reason: Option<String>,
    /// Google's `QuotaFailure` quota ids, joined by spaces.
    pub quota: Option<String>,
}

impl ErrorWords {
    /// An error that is told by one word alone.
    pub(crate) fn of_kind(kind: &str) -> Self {
        Self {
            kind: Some(kind.to_owned()),
            ..Self::default()
        }
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
