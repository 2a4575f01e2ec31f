//! Words and phrases of errors that mean the same wherever the OpenAI shape is spoken.
//!
//! The order is that of failures: type and code first, message second; quota before rate limit, since both come
//! as 429 and only one may be tried again; region before permission. The status alone is left to `diagnosis`.

use diagnosis::Code;

use crate::kind::Reading;

/// Types and codes that say it all.
const WORDS: &[(&str, Code)] = &[
    ("insufficient_quota", Code::QuotaExhausted),
    ("billing_hard_limit_reached", Code::QuotaExhausted),
    ("billing_not_active", Code::QuotaExhausted),
    ("billing_error", Code::QuotaExhausted),
    ("insufficient_balance", Code::QuotaExhausted),
    ("blocked_api_access", Code::QuotaExhausted),
    ("enforced_spend_limit", Code::QuotaExhausted),
    ("credit_limit", Code::QuotaExhausted),
    ("unsupported_country_region_territory", Code::RegionBlocked),
    ("invalid_api_key", Code::CredentialsRejected),
    ("authentication_error", Code::CredentialsRejected),
    ("account_deactivated", Code::CredentialsRejected),
    ("organization_restricted", Code::CredentialsRejected),
    ("unauthenticated", Code::CredentialsRejected),
    ("model_decommissioned", Code::ModelRetired),
    ("model_deprecated", Code::ModelRetired),
    ("model_not_found", Code::ModelNotFound),
    ("DeploymentNotFound", Code::ModelNotFound),
    ("unknown_model", Code::ModelNotFound),
    ("invalid_model", Code::ModelNotFound),
    ("model_not_available", Code::ModelNotFound),
    ("context_length_exceeded", Code::ContextLengthExceeded),
    ("exceed_context_size_error", Code::ContextLengthExceeded),
    ("content_policy_violation", Code::ContentFiltered),
    ("content_filter", Code::ContentFiltered),
    ("request_too_large", Code::RequestTooLarge),
    ("overloaded_error", Code::UpstreamOverloaded),
    ("server_overloaded", Code::UpstreamOverloaded),
    ("engine_overloaded", Code::UpstreamOverloaded),
    ("slow_down", Code::UpstreamOverloaded),
    ("rate_limit_exceeded", Code::RateLimited),
    ("rate_limit_error", Code::RateLimited),
    ("rate_limited", Code::RateLimited),
    ("too_many_requests", Code::RateLimited),
    ("permission_error", Code::PermissionDenied),
    ("permission_denied", Code::PermissionDenied),
    ("timeout_error", Code::UpstreamGatewayTimeout),
];

/// A phrase of a message, in lower case, and the statuses under which it may be believed.
struct Phrase(&'static str, &'static [u16], Code);

const ACCOUNT: &[u16] = &[200, 400, 402, 403, 429];
const KEY: &[u16] = &[200, 400, 401, 403];
const MODEL: &[u16] = &[200, 400, 403, 404, 410, 422];
const SIZE: &[u16] = &[200, 400, 413, 422, 500];
const LOAD: &[u16] = &[200, 429, 500, 502, 503, 529];
const RATE: &[u16] = &[200, 403, 429, 503];
const POLICY: &[u16] = &[200, 400, 403, 451];
const PATH: &[u16] = &[404, 405];

const PHRASES: &[Phrase] = &[
    Phrase("exceeded your current quota", ACCOUNT, Code::QuotaExhausted),
    Phrase("insufficient balance", ACCOUNT, Code::QuotaExhausted),
    Phrase("insufficient credits", ACCOUNT, Code::QuotaExhausted),
    Phrase("insufficient funds", ACCOUNT, Code::QuotaExhausted),
    Phrase("requires more credits", ACCOUNT, Code::QuotaExhausted),
    Phrase("out of credits", ACCOUNT, Code::QuotaExhausted),
    Phrase("credit balance is too low", ACCOUNT, Code::QuotaExhausted),
    Phrase("credit limit exceeded", ACCOUNT, Code::QuotaExhausted),
    Phrase("used all available credits", ACCOUNT, Code::QuotaExhausted),
    Phrase("prepayment credits", ACCOUNT, Code::QuotaExhausted),
    Phrase("spend limit", ACCOUNT, Code::QuotaExhausted),
    Phrase("spending limit", ACCOUNT, Code::QuotaExhausted),
    Phrase("spending cap", ACCOUNT, Code::QuotaExhausted),
    Phrase("key limit exceeded", ACCOUNT, Code::QuotaExhausted),
    Phrase("payment required", ACCOUNT, Code::QuotaExhausted),
    Phrase("balance is insufficient", ACCOUNT, Code::QuotaExhausted),
    Phrase(
        "country, region, or territory not supported",
        POLICY,
        Code::RegionBlocked,
    ),
    Phrase("location is not supported", POLICY, Code::RegionBlocked),
    Phrase("not available in your region", POLICY, Code::RegionBlocked),
    Phrase("incorrect api key", KEY, Code::CredentialsRejected),
    Phrase("invalid api key", KEY, Code::CredentialsRejected),
    Phrase("api key not valid", KEY, Code::CredentialsRejected),
    Phrase("api key expired", KEY, Code::CredentialsRejected),
    Phrase("no auth credentials found", KEY, Code::CredentialsRejected),
    Phrase("no cookie auth credentials", KEY, Code::CredentialsRejected),
    Phrase("has been decommissioned", MODEL, Code::ModelRetired),
    Phrase("has been deprecated", MODEL, Code::ModelRetired),
    Phrase("has been retired", MODEL, Code::ModelRetired),
    Phrase("no endpoints found", MODEL, Code::ModelNotFound),
    Phrase("not a valid model", MODEL, Code::ModelNotFound),
    Phrase("invalid model", MODEL, Code::ModelNotFound),
    Phrase("unknown model", MODEL, Code::ModelNotFound),
    Phrase("model not found", MODEL, Code::ModelNotFound),
    Phrase("unable to access model", MODEL, Code::ModelNotFound),
    Phrase("maximum context length", SIZE, Code::ContextLengthExceeded),
    Phrase("available context size", SIZE, Code::ContextLengthExceeded),
    Phrase("context window", SIZE, Code::ContextLengthExceeded),
    Phrase("maximum prompt length", SIZE, Code::ContextLengthExceeded),
    Phrase("prompt is too long", SIZE, Code::ContextLengthExceeded),
    Phrase("input token count", SIZE, Code::ContextLengthExceeded),
    Phrase("invalid url", PATH, Code::EndpointNotFound),
    Phrase("unknown request url", PATH, Code::EndpointNotFound),
    Phrase("overloaded", LOAD, Code::UpstreamOverloaded),
    Phrase("high demand", LOAD, Code::UpstreamOverloaded),
    Phrase("at capacity", LOAD, Code::UpstreamOverloaded),
    Phrase("over capacity", LOAD, Code::UpstreamOverloaded),
    Phrase("tier capacity exceeded", RATE, Code::RateLimited),
    Phrase("too busy", LOAD, Code::UpstreamOverloaded),
    Phrase("currently scaling", LOAD, Code::ServiceUnavailable),
    Phrase("server is busy", LOAD, Code::UpstreamOverloaded),
    Phrase("server busy", LOAD, Code::UpstreamOverloaded),
    Phrase("loading model", LOAD, Code::ServiceUnavailable),
    Phrase("rate limit", RATE, Code::RateLimited),
    Phrase("rate limited", RATE, Code::RateLimited),
    Phrase("rate-limited", RATE, Code::RateLimited),
    Phrase("too many requests", RATE, Code::RateLimited),
];

/// What an error in the OpenAI shape means; `None` leaves it to the status.
pub(crate) fn openai_shaped(reading: &Reading<'_>) -> Option<Code> {
    let by_message = by_message(reading);
    let by_word = by_word(reading);
    // An empty account hides behind words that stand for rates and permissions.
    if by_message == Some(Code::QuotaExhausted) && by_word != Some(Code::CredentialsRejected) {
        return by_message;
    }
    // A model that is gone for good is often "not found", too.
    if by_message == Some(Code::ModelRetired) && by_word.is_none_or(is_about_model) {
        return by_message;
    }
    by_word.or(by_message).or_else(|| by_weak_word(reading))
}

fn is_about_model(code: Code) -> bool {
    matches!(code, Code::ModelNotFound | Code::ModelRetired)
}

/// By type and code. The code is the finer of the two, but quota in either wins.
pub(crate) fn by_word(reading: &Reading<'_>) -> Option<Code> {
    let of = |word: &str| {
        WORDS
            .iter()
            .find(|(known, _)| word.eq_ignore_ascii_case(known))
            .map(|(_, code)| *code)
    };
    let (code, kind) = (of(reading.code()), of(reading.kind()));
    [code, kind]
        .into_iter()
        .flatten()
        .find(|found| *found == Code::QuotaExhausted)
        .or(code)
        .or(kind)
}

/// By the message, where the status does not contradict it.
pub(crate) fn by_message(reading: &Reading<'_>) -> Option<Code> {
    let message = reading.message().to_lowercase();
    let known = PHRASES
        .iter()
        .find(|Phrase(text, statuses, _)| {
            statuses.contains(&reading.status) && message.contains(text)
        })
        .map(|Phrase(_, _, code)| *code);
    known.or_else(|| {
        let names_model = message.contains("model")
            && (message.contains("does not exist") || message.contains("not found"));
        (names_model && reading.status == 404).then_some(Code::ModelNotFound)
    })
}

/// Words that say little: believed last, and only under a status that fits.
fn by_weak_word(reading: &Reading<'_>) -> Option<Code> {
    let says = |words: &[&str]| words.contains(&reading.kind()) || words.contains(&reading.code());
    match reading.status {
        401 => Some(Code::CredentialsRejected),
        402 => Some(Code::QuotaExhausted),
        200 | 400 | 422 if says(&["invalid_request_error", "BadRequestError", "bad_request"]) => {
            Some(Code::InvalidRequest)
        }
        200 | 500 if says(&["server_error", "api_error", "internal_server_error"]) => {
            Some(Code::InternalError)
        }
        _ => None,
    }
}
