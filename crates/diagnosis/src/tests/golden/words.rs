//! What the provider says, and who wins where several rules fit.

use std::time::Duration;

use super::{said, with};
use crate::cause::Code;
use crate::evidence::{Evidence, Fault};

/// Status, type or status word, code, message, and what they mean.
#[rustfmt::skip]
const WORDS: [(u16, &str, &str, &str, Code); 58] = [
        // OpenAI and those who speak like it.
        (429, "requests", "rate_limit_exceeded", "Rate limit reached for gpt-4o", Code::RateLimited),
        (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota", Code::QuotaExhausted),
        (429, "rate_limit_error", "", "You exceeded your current quota, please check", Code::QuotaExhausted),
        (429, "", "billing_hard_limit_reached", "", Code::QuotaExhausted),
        (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided: sk-x.", Code::CredentialsRejected),
        (400, "invalid_request_error", "organization_restricted", "", Code::CredentialsRejected),
        (404, "invalid_request_error", "model_not_found", "The model `x` does not exist", Code::ModelNotFound),
        (403, "invalid_request_error", "model_not_found", "", Code::ModelNotFound),
        (400, "invalid_request_error", "model_decommissioned", "", Code::ModelRetired),
        (404, "invalid_request_error", "", "The model `x` has been deprecated, learn more here", Code::ModelRetired),
        (404, "invalid_request_error", "", "Invalid URL (POST /v1/chat)", Code::EndpointNotFound),
        (400, "invalid_request_error", "context_length_exceeded", "", Code::ContextLengthExceeded),
        (400, "invalid_request_error", "", "This model's maximum context length is 8192 tokens", Code::ContextLengthExceeded),
        (400, "invalid_request_error", "content_policy_violation", "", Code::ContentFiltered),
        (400, "invalid_request_error", "", "Invalid type for 'temperature'", Code::InvalidRequest),
        (403, "request_forbidden", "unsupported_country_region_territory", "", Code::RegionBlocked),
        (503, "server_error", "", "The engine is currently overloaded", Code::UpstreamOverloaded),
        (503, "server_error", "", "The server had an error", Code::ServiceUnavailable),
        (500, "server_error", "", "The server had an error", Code::InternalError),
        (502, "server_error", "", "", Code::BadGateway),
        // Anthropic.
        (529, "overloaded_error", "", "Overloaded", Code::UpstreamOverloaded),
        (429, "overloaded_error", "", "Overloaded", Code::UpstreamOverloaded),
        (429, "rate_limit_error", "", "This request would exceed your rate limit", Code::RateLimited),
        (429, "rate_limit_error", "enforced_spend_limit", "", Code::QuotaExhausted),
        (402, "billing_error", "", "", Code::QuotaExhausted),
        (400, "invalid_request_error", "", "Your credit balance is too low to access", Code::QuotaExhausted),
        (400, "invalid_request_error", "", "prompt is too long: 210000 tokens > 200000", Code::ContextLengthExceeded),
        (401, "authentication_error", "", "invalid x-api-key", Code::CredentialsRejected),
        (403, "permission_error", "", "", Code::PermissionDenied),
        (404, "not_found_error", "", "model: claude-x", Code::ModelNotFound),
        (404, "not_found_error", "", "Not found", Code::EndpointNotFound),
        (413, "request_too_large", "", "", Code::RequestTooLarge),
        (500, "api_error", "", "Internal server error", Code::InternalError),
        (504, "timeout_error", "", "", Code::UpstreamGatewayTimeout),
        // Gemini and Vertex.
        (503, "UNAVAILABLE", "503", "The model is overloaded.", Code::UpstreamOverloaded),
        (429, "RESOURCE_EXHAUSTED", "429", "Resource has been exhausted", Code::RateLimited),
        (429, "RESOURCE_EXHAUSTED", "429", "You exceeded your current quota, please check", Code::QuotaExhausted),
        (400, "INVALID_ARGUMENT", "API_KEY_INVALID", "API key not valid.", Code::CredentialsRejected),
        (400, "INVALID_ARGUMENT", "400", "API key not valid. Please pass a valid API key.", Code::CredentialsRejected),
        (401, "UNAUTHENTICATED", "401", "", Code::CredentialsRejected),
        (404, "NOT_FOUND", "404", "models/x is not found for API version v1beta", Code::ModelNotFound),
        (400, "FAILED_PRECONDITION", "400", "User location is not supported for the API use.", Code::RegionBlocked),
        (403, "PERMISSION_DENIED", "403", "", Code::PermissionDenied),
        (400, "INVALID_ARGUMENT", "400", "The input token count (5) exceeds the maximum", Code::ContextLengthExceeded),
        (504, "DEADLINE_EXCEEDED", "504", "", Code::UpstreamGatewayTimeout),
        // Azure.
        (404, "", "DeploymentNotFound", "The API deployment for this resource does not exist", Code::ModelNotFound),
        (400, "", "content_filter", "The response was filtered", Code::ContentFiltered),
        (403, "", "", "Out of call volume quota. Quota will be replenished", Code::QuotaExhausted),
        // Bedrock.
        (429, "ThrottlingException", "", "Too many tokens", Code::RateLimited),
        (400, "ServiceQuotaExceededException", "", "", Code::QuotaExhausted),
        (403, "UnrecognizedClientException", "", "", Code::CredentialsRejected),
        (403, "AccessDeniedException", "", "", Code::PermissionDenied),
        (424, "ModelErrorException", "", "", Code::InternalError),
        (408, "ModelTimeoutException", "", "", Code::UpstreamGatewayTimeout),
        // Others.
        (402, "unknown_error", "invalid_request_error", "Insufficient Balance", Code::QuotaExhausted),
        (413, "tokens", "rate_limit_exceeded", "Request too large for model", Code::RequestTooLarge),
        (404, "", "", "model 'x' not found, try pulling it first", Code::ModelNotFound),
        (400, "exceed_context_size_error", "400", "", Code::ContextLengthExceeded),
    ];

pub(super) fn words() -> Vec<(Evidence, Code)> {
    let evidence =
        |(status, kind, code, message, expected)| (said(status, kind, code, message), expected);
    WORDS.into_iter().map(evidence).collect()
}

pub(super) fn precedence() -> Vec<(Evidence, Code)> {
    let concluded = |evidence: Evidence, code: Code| {
        with(evidence, |evidence| {
            evidence.signal.get_or_insert_default().concluded = Some(code)
        })
    };
    let hinted = |evidence: Evidence| {
        with(evidence, |evidence| {
            evidence.hint = Some(Duration::from_secs(34))
        })
    };
    let googles = |message: &str| said(429, "RESOURCE_EXHAUSTED", "429", message);
    vec![
        // The provider's own reading wins over the words all share,
        (
            concluded(
                said(400, "invalid_request_error", "", "spend limit"),
                Code::InvalidRequest,
            ),
            Code::InvalidRequest,
        ),
        // but quota stands before rate limit, whoever said the latter,
        (
            concluded(
                said(429, "", "", "Your credit balance is too low"),
                Code::RateLimited,
            ),
            Code::QuotaExhausted,
        ),
        (
            concluded(said(429, "insufficient_quota", "", ""), Code::RateLimited),
            Code::QuotaExhausted,
        ),
        // save Google's limits per minute, which speak of quota and name a delay.
        (
            hinted(googles("You exceeded your current quota")),
            Code::RateLimited,
        ),
        (
            hinted(concluded(
                googles("You exceeded your current quota"),
                Code::RateLimited,
            )),
            Code::RateLimited,
        ),
        (
            hinted(googles("Your prepayment credits are depleted")),
            Code::QuotaExhausted,
        ),
        // Region before permission, maintenance before overload.
        (
            said(
                403,
                "PERMISSION_DENIED",
                "",
                "This is not available in your country",
            ),
            Code::RegionBlocked,
        ),
        (
            said(503, "UNAVAILABLE", "", "Scheduled maintenance"),
            Code::ScheduledMaintenance,
        ),
        // Transport before everything the answer says.
        (
            with(said(429, "rate_limit_error", "", ""), |evidence| {
                evidence.fault = Some(Fault::Reset)
            }),
            Code::ResponseReset,
        ),
        // A message that repeats what a caller wrote does not decide under another status.
        (
            said(
                400,
                "invalid_request_error",
                "",
                "'please describe our maintenance plan'",
            ),
            Code::InvalidRequest,
        ),
        (
            said(500, "server_error", "", "insufficient credits"),
            Code::InternalError,
        ),
    ]
}
