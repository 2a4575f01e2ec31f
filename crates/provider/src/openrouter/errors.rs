//! `OpenRouter`'s errors: `error.code` is an HTTP status, also inside a 200, and speaks for the provider behind it.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the message, then by the status that stands in the body.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    if let Some(code) = phrases::by_word(reading) {
        return Some(code);
    }
    let inner = reading
        .code()
        .parse()
        .ok()
        .or(reading.words.status)
        .unwrap_or(reading.status);
    let as_inner = Reading {
        status: inner,
        ..*reading
    };
    phrases::by_message(&as_inner).or_else(|| match inner {
        401 => Some(Code::CredentialsRejected),
        402 => Some(Code::QuotaExhausted),
        403 if reading.message().contains("moderation") => Some(Code::ContentFiltered),
        408 => Some(Code::UpstreamGatewayTimeout),
        429 => Some(Code::RateLimited),
        500 => Some(Code::InternalError),
        502 => Some(Code::BadGateway),
        503 => Some(Code::ServiceUnavailable),
        504 => Some(Code::UpstreamGatewayTimeout),
        _ => None,
    })
}
