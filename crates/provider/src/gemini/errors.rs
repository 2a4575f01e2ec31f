//! Google's errors: `error.status` is the word, `error.details[]` tell quota from rate and a bad key from a bad field.

use diagnosis::Code;

use crate::kind::Reading;
use crate::phrases;

/// By the details' reason, then the status word, then the message.
pub(crate) fn explain(reading: &Reading<'_>) -> Option<Code> {
    let reason = reading.words.details_reason.as_deref().unwrap_or_default();
    let message = reading.message().to_lowercase();
    match reason {
        "API_KEY_INVALID" | "API_KEY_EXPIRED" | "ACCESS_TOKEN_EXPIRED" => {
            return Some(Code::CredentialsRejected);
        }
        "BILLING_DISABLED" => return Some(Code::QuotaExhausted),
        _ => {}
    }
    // The reader's word for `promptFeedback.blockReason`, which comes with a 200 and without an error.
    if reading.code() == "content_filter" {
        return Some(Code::ContentFiltered);
    }
    match reading.kind() {
        "RESOURCE_EXHAUSTED" => Some(exhausted(reading, &message)),
        "UNAVAILABLE" => Some(Code::UpstreamOverloaded),
        "UNAUTHENTICATED" => Some(Code::CredentialsRejected),
        "FAILED_PRECONDITION" if message.contains("location") => Some(Code::RegionBlocked),
        "FAILED_PRECONDITION" if message.contains("billing") => Some(Code::QuotaExhausted),
        "PERMISSION_DENIED" => Some(Code::PermissionDenied),
        "NOT_FOUND" if message.contains("models/") => Some(Code::ModelNotFound),
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => {
            phrases::by_message(reading).or(Some(Code::InvalidRequest))
        }
        "INTERNAL" => phrases::by_message(reading).or(Some(Code::InternalError)),
        "DEADLINE_EXCEEDED" => Some(Code::UpstreamGatewayTimeout),
        _ => phrases::by_message(reading),
    }
}

/// The same sentence ("You exceeded your current quota") stands over both: a time to retry makes it a rate.
fn exhausted(reading: &Reading<'_>, message: &str) -> Code {
    let is_money = ["prepayment credits", "spending cap", "spend cap"]
        .iter()
        .any(|words| message.contains(words));
    if !is_money && reading.words.retry_delay.is_some() {
        Code::RateLimited
    } else {
        Code::QuotaExhausted
    }
}
