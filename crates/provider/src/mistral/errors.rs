//! Mistral's errors: OpenAI-like, with its own type words and numbers.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By Mistral's own words, then by the shared ones.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    let own = match reading.kind() {
        "invalid_model" => Some(Code::ModelNotFound),
        // Whose tier is full: the account's. Another account may still be served.
        "service_tier_capacity_exceeded" | "rate_limited" => Some(Code::RateLimited),
        _ => None,
    };
    own.or_else(|| phrases::openai_shaped(reading)).or_else(|| {
        let is_about_fields = reading.kind() == "invalid_request_error"
            || reading.kind().starts_with("invalid_request_");
        (is_about_fields || reading.status == 422).then_some(Code::InvalidRequest)
    })
}
