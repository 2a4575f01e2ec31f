//! Ollama's errors: OpenAI's shape with the status' own type, or `{"error": "text"}` from its native side.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the shared words; a full queue says "server busy" under 503, a model not pulled is a 404 that names it.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    phrases::openai_shaped(reading).or_else(|| {
        let message = reading.message().to_lowercase();
        if message.contains("try pulling it first") {
            Some(Code::ModelNotFound)
        } else if message.contains("maximum pending requests exceeded") {
            Some(Code::UpstreamOverloaded)
        } else {
            None
        }
    })
}
