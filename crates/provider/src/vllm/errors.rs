//! vLLM's errors: `{"object":"error",...}` in old versions, `{"error":{...}}` in newer ones; class names as types.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the shared words and phrases, then by the Python class that stands as the type.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    phrases::openai_shaped(reading).or_else(|| match reading.kind() {
        "NotFoundError" => Some(Code::ModelNotFound),
        "BadRequestError" | "VLLMValidationError" => Some(Code::InvalidRequest),
        "InternalServerError" => Some(Code::InternalError),
        "ServiceUnavailableError" => Some(Code::ServiceUnavailable),
        _ => None,
    })
}
