//! llama.cpp's errors: OpenAI's shape with type words of its own; `code` repeats the status.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By its own type words, then by the shared ones.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    match reading.kind() {
        "exceed_context_size_error" => Some(Code::ContextLengthExceeded),
        // The model is still being loaded, or every slot is taken and queueing is off.
        "unavailable_error" => Some(Code::ServiceUnavailable),
        "not_supported_error" => Some(Code::InvalidRequest),
        "not_found_error" => Some(Code::EndpointNotFound),
        _ => phrases::openai_shaped(reading),
    }
}
