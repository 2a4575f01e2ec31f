//! Anthropic's errors: a short list of types; an empty balance hides in a 400.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By message where a type says too little, else by type.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    let by_message = phrases::by_message(reading);
    match (reading.kind(), by_message) {
        // Quota before rate limit and before "your request is wrong".
        (_, Some(Code::QuotaExhausted)) => by_message,
        ("not_found_error", _) if reading.message().trim_start().starts_with("model:") => {
            Some(Code::ModelNotFound)
        }
        ("not_found_error", _) => by_message.or(Some(Code::EndpointNotFound)),
        ("invalid_request_error", _) => by_message
            .or_else(|| matches!(reading.status, 200 | 400 | 422).then_some(Code::InvalidRequest)),
        ("api_error", _) => by_message
            .or_else(|| matches!(reading.status, 200 | 500).then_some(Code::InternalError)),
        _ => phrases::by_word(reading).or(by_message),
    }
}
