//! xAI's errors: `{"code": "<a sentence>", "error": "<a sentence>"}` beside the OpenAI shape; a bad key is a 400.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the shared words and phrases, then by the sentence in `code`.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    phrases::openai_shaped(reading).or_else(|| {
        let code = reading.code().to_lowercase();
        [
            ("resource has been exhausted", Code::RateLimited),
            ("permission-denied", Code::PermissionDenied),
            ("permission to execute", Code::PermissionDenied),
            ("specified argument was invalid", Code::InvalidRequest),
            ("invalid argument", Code::InvalidRequest),
            ("currently unavailable", Code::ServiceUnavailable),
        ]
        .into_iter()
        .find(|(words, _)| code.contains(words))
        .map(|(_, found)| found)
    })
}
