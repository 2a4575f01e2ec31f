//! Together's errors: `credit_limit` is the type of an empty account and of a plain rate limit alike.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// The message tells the two apart; for the rest the shared words do.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    let message = phrases::by_message(reading);
    if reading.kind() == "credit_limit" && message == Some(Code::RateLimited) {
        return message;
    }
    phrases::openai_shaped(reading)
}
