//! Cerebras' errors: flat bodies whose code tells a used-up rate from a full queue.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// The code first; `too_many_requests_error` is the type of both.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    match reading.code() {
        "queue_exceeded" => Some(Code::UpstreamOverloaded),
        "request_quota_exceeded" | "token_quota_exceeded" => Some(Code::RateLimited),
        "payment_required" => Some(Code::QuotaExhausted),
        "wrong_api_key" => Some(Code::CredentialsRejected),
        _ => phrases::openai_shaped(reading),
    }
}
