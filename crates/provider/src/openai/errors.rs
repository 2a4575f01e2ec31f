//! OpenAI's own errors.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By words, and by the type that a 429 of OpenAI itself carries: the dimension that ran out.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    phrases::openai_shaped(reading).or_else(|| {
        let is_dimension = matches!(reading.kind(), "tokens" | "requests");
        (reading.status == 429 && is_dimension).then_some(Code::RateLimited)
    })
}
