//! `DeepSeek`'s errors: an empty balance is a 402, a bad key a 401 with `authentication_error`.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the shared words; its 503 means that its machines are busy, whatever the words.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    phrases::openai_shaped(reading).or_else(|| match reading.kind() {
        "unknown_error" if reading.status == 402 => Some(Code::QuotaExhausted),
        "service_unavailable_error" => Some(Code::UpstreamOverloaded),
        _ => None,
    })
}
