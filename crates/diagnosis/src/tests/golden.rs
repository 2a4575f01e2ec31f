#![cfg(test)]
//! The golden table: everything one attempt can show, and the code it gets. Cases are data; `check` is the one door.

use std::collections::BTreeSet;
use std::time::Duration;

use super::judged;
use crate::cause::{Code, Origin, Processed};
use crate::evidence::{
    AnswerHead, CertificateFault, ContentFault, Evidence, Fault, Lane, LimitFired, Phase, Signal,
};
use crate::excerpt::scrub;
use crate::verdict::{MadeBy, judge};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain";

/// An attempt that the transport ended.
fn fault(phase: Phase, fault: Fault) -> Evidence {
    Evidence {
        phase,
        fault: Some(fault),
        ..Evidence::default()
    }
}

/// An attempt that was answered with this status and this body.
fn answer(status: u16, kind: &str, body: &str) -> Evidence {
    let (excerpt, page_title) = scrub(body.as_bytes(), Some(kind));
    let head = AnswerHead {
        status,
        content_type: Some(kind.to_owned()),
        ..AnswerHead::default()
    };
    let mut evidence = Evidence {
        phase: Phase::Body,
        head: Some(head),
        excerpt,
        page_title,
        ..Evidence::default()
    };
    evidence.times.sent = Some(Duration::from_millis(1));
    evidence
}

/// The same with an error object of these words.
fn said(status: u16, kind: &str, code: &str, message: &str) -> Evidence {
    let word = |word: &str| (!word.is_empty()).then(|| word.to_owned());
    let signal = Signal {
        kind: word(kind),
        code: word(code),
        message: word(message),
        ..Signal::default()
    };
    Evidence {
        signal: Some(signal),
        ..answer(status, JSON, "")
    }
}

/// A success whose content is wrong.
fn content(fault: ContentFault) -> Evidence {
    Evidence {
        fault: Some(Fault::Content(fault)),
        ..answer(200, JSON, "")
    }
}

fn from(server: &str, mut evidence: Evidence) -> Evidence {
    head(&mut evidence).server = Some(server.to_owned());
    evidence
}

fn head(evidence: &mut Evidence) -> &mut AnswerHead {
    evidence.head.get_or_insert_default()
}

fn with(mut evidence: Evidence, change: impl FnOnce(&mut Evidence)) -> Evidence {
    change(&mut evidence);
    evidence
}

fn check(cases: Vec<(Evidence, Code)>) -> BTreeSet<Code> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (evidence, expected) in cases {
        let verdict = judge(&evidence);
        seen.insert(verdict.code);
        if verdict.code != expected {
            wrong.push(format!(
                "expected {expected}, judged {}: {evidence:?}",
                verdict.code
            ));
        }
        assert!(!verdict.evidence_line.is_empty() && verdict.evidence_line.len() <= 200);
        assert!(verdict.full_line.starts_with(&verdict.evidence_line));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

#[rustfmt::skip]
fn tls() -> Vec<(Evidence, Code)> {
    let text = str::to_owned;
    let now = 1_790_000_000;
    let tls = |of: Fault| fault(Phase::Tls, of);
    let certificate = |of: CertificateFault| tls(Fault::TlsCertificate(of));
    let plain = |bytes: &[u8]| tls(Fault::TlsNotTls { first_bytes: bytes.to_vec() });
    let odd = |bytes: &[u8]| fault(Phase::Headers, Fault::NotHttp { first_bytes: bytes.to_vec() });
    let mut cases = vec![
        (tls(Fault::TlsTimeout), Code::TlsHandshakeTimeout),
        (tls(Fault::Closed), Code::ConnectionClosed),
        (tls(Fault::Reset), Code::ConnectionReset),
        (with(tls(Fault::Closed), |evidence| evidence.bytes.received = 90), Code::ConnectionClosed),
        (certificate(CertificateFault::Expired { not_after: Some(now - 86_400), now }), Code::TlsCertExpired),
        (certificate(CertificateFault::NotYetValid { not_before: None, now }), Code::TlsCertExpired),
        (certificate(CertificateFault::Name { wanted: text("a.example"), presented: vec![] }), Code::TlsCertNameMismatch),
        (certificate(CertificateFault::Untrusted { detail: text("UnknownIssuer") }), Code::TlsCertUntrusted),
        (certificate(CertificateFault::Other { detail: text("BadEncoding") }), Code::TlsCertUntrusted),
        (tls(Fault::TlsOther { detail: text("no cipher suites in common") }), Code::TlsHandshakeFailure),
        (tls(Fault::TlsOther { detail: text("no ALPN protocol of ours") }), Code::TlsAlpnMismatch),
        (plain(b"HTTP/1.1 400 Bad Request"), Code::TlsToPlaintextPort),
        (plain(b"<html>"), Code::TlsToPlaintextPort),
        (plain(b"SSH-2.0-OpenSSH"), Code::NotHttp),
        (plain(&[0, 1, 2, 3]), Code::NotHttp),
        (plain(&[]), Code::NotHttp),
        (odd(&[0x15, 3, 1, 0, 2]), Code::PlaintextToTlsPort),
        (odd(&[0, 0, 6, 4, 0]), Code::NotHttp),
        (odd(b"SSH-2.0"), Code::NotHttp),
    ];
    for (number, code) in [
        (40, Code::TlsHandshakeFailure), (47, Code::TlsHandshakeFailure), (70, Code::TlsHandshakeFailure),
        (71, Code::TlsHandshakeFailure), (80, Code::TlsHandshakeFailure), (116, Code::TlsHandshakeFailure),
        (42, Code::TlsHandshakeFailure), (48, Code::TlsHandshakeFailure), (112, Code::TlsCertNameMismatch),
        (120, Code::TlsAlpnMismatch),
    ] {
        cases.push((tls(Fault::TlsAlert { number }), code));
        cases.push((fault(Phase::Headers, Fault::TlsAlert { number }), code));
    }
    cases
}

#[rustfmt::skip]
fn transport() -> Vec<(Evidence, Code)> {
    let text = str::to_owned;
    let begun = |evidence| with(evidence, |evidence: &mut Evidence| evidence.bytes.received = 90);
    let lengths = Fault::Framing { what: "content-length", offending: b"5, 6".to_vec() };
    vec![
        (fault(Phase::Dns, Fault::DnsNotFound), Code::DnsNameNotFound),
        (fault(Phase::Dns, Fault::DnsFailed { detail: text("SERVFAIL") }), Code::DnsFailure),
        (fault(Phase::Dns, Fault::DnsTimeout), Code::DnsFailure),
        (fault(Phase::Connect, Fault::Refused), Code::ConnectionRefused),
        (fault(Phase::Connect, Fault::Unreachable { errno: 113 }), Code::HostUnreachable),
        (fault(Phase::Connect, Fault::Unreachable { errno: 99 }), Code::HostUnreachable),
        (fault(Phase::Connect, Fault::FamilyUnavailable), Code::AddressFamilyUnavailable),
        (fault(Phase::Connect, Fault::LocalResource { errno: 24 }), Code::ResourceExhausted),
        (fault(Phase::Connect, Fault::LocalResource { errno: 99 }), Code::ResourceExhausted),
        (fault(Phase::Connect, Fault::ConnectTimeout), Code::ConnectionTimeout),
        (fault(Phase::Connect, Fault::Reset), Code::ConnectionReset),
        (fault(Phase::Send, Fault::Closed), Code::ConnectionClosed),
        (fault(Phase::Send, Fault::Reset), Code::ConnectionReset),
        (fault(Phase::Send, Fault::WriteTimeout), Code::ConnectionWriteTimeout),
        (fault(Phase::Send, Fault::BodyNotReplayable), Code::ConnectionClosed),
        (fault(Phase::Headers, Fault::Closed), Code::ConnectionClosed),
        (fault(Phase::Headers, Fault::Reset), Code::ConnectionReset),
        (begun(fault(Phase::Headers, Fault::Closed)), Code::ResponseTruncated),
        (begun(fault(Phase::Headers, Fault::Reset)), Code::ResponseReset),
        (fault(Phase::Headers, Fault::HeaderTimeout), Code::ResponseHeaderTimeout),
        (fault(Phase::Headers, Fault::HeadTooLarge { limit: 65_536 }), Code::ResponseHeaderTooLarge),
        (fault(Phase::Headers, lengths), Code::ProtocolError),
        (fault(Phase::Headers, Fault::ClientGone), Code::ClientCancelled),
        (fault(Phase::Headers, Fault::Internal { detail: text("a bug") }), Code::GatewayInternalError),
        (Evidence::default(), Code::GatewayInternalError),
    ]
}

fn answers_cut_short() -> Vec<(Evidence, Code)> {
    let ends = |status: u16, phase: Phase, of: Fault| {
        with(answer(status, JSON, ""), |evidence| {
            evidence.phase = phase;
            evidence.fault = Some(of);
            evidence.bytes.received = 400;
        })
    };
    let early = |status: u16, of: Fault| {
        with(ends(status, Phase::Body, of), |evidence| {
            evidence.times.sent = None
        })
    };
    let decode = Fault::Decode {
        encoding: "gzip".to_owned(),
        detail: "bad checksum".to_owned(),
    };
    let chunk = Fault::Framing {
        what: "chunk size",
        offending: b"zz".to_vec(),
    };
    vec![
        (ends(200, Phase::Body, Fault::Reset), Code::ResponseReset),
        (ends(200, Phase::Stream, Fault::Reset), Code::ResponseReset),
        (
            ends(200, Phase::Body, Fault::Closed),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Body, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Stream, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (
            ends(200, Phase::Body, Fault::TlsAlert { number: 80 }),
            Code::ResponseReset,
        ),
        (
            ends(503, Phase::Body, Fault::BodyTruncated),
            Code::ResponseTruncated,
        ),
        (early(413, Fault::Reset), Code::RequestTooLarge),
        (early(413, Fault::Closed), Code::RequestTooLarge),
        (early(429, Fault::BodyTruncated), Code::RateLimited),
        (early(200, Fault::Reset), Code::ResponseReset),
        (ends(200, Phase::Body, chunk), Code::ProtocolError),
        (ends(200, Phase::Body, decode), Code::DecodeError),
        (
            ends(200, Phase::Body, Fault::BodyTooLarge { limit: 1 << 25 }),
            Code::InvalidBody,
        ),
        (
            ends(200, Phase::Body, Fault::IdleTimeout),
            Code::StreamIdleTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::IdleTimeout),
            Code::StreamIdleTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::FirstTokenTimeout),
            Code::FirstTokenTimeout,
        ),
        (
            ends(200, Phase::Stream, Fault::ClientGone),
            Code::ClientCancelled,
        ),
    ]
}

fn statuses() -> Vec<(Evidence, Code)> {
    let plain = |status: u16| answer(status, JSON, "{}");
    let mut cases: Vec<(Evidence, Code)> = [
        (101, Code::ProtocolError),
        (301, Code::UnexpectedRedirect),
        (302, Code::UnexpectedRedirect),
        (308, Code::UnexpectedRedirect),
        (400, Code::InvalidRequest),
        (401, Code::CredentialsRejected),
        (402, Code::QuotaExhausted),
        (403, Code::PermissionDenied),
        (404, Code::EndpointNotFound),
        (405, Code::EndpointNotFound),
        (408, Code::UpstreamGatewayTimeout),
        (409, Code::InvalidRequest),
        (410, Code::ModelRetired),
        (413, Code::RequestTooLarge),
        (414, Code::RequestTooLarge),
        (422, Code::InvalidRequest),
        (424, Code::InternalError),
        (429, Code::RateLimited),
        (431, Code::RequestTooLarge),
        (451, Code::RegionBlocked),
        (500, Code::InternalError),
        (501, Code::EndpointNotFound),
        (502, Code::BadGateway),
        (503, Code::ServiceUnavailable),
        (504, Code::UpstreamGatewayTimeout),
        (507, Code::InternalError),
        (511, Code::UnexpectedContentType),
        (524, Code::UpstreamGatewayTimeout),
        (529, Code::UpstreamOverloaded),
        (520, Code::InternalError),
        (599, Code::InternalError),
        (600, Code::ProtocolError),
        (0, Code::ProtocolError),
    ]
    .into_iter()
    .map(|(status, code)| (plain(status), code))
    .collect();
    let patient = |seconds| {
        with(plain(503), |evidence| {
            evidence.hint = Some(Duration::from_secs(seconds))
        })
    };
    cases.extend([
        (
            with(plain(410), |evidence| evidence.lane = Lane::Http),
            Code::EndpointNotFound,
        ),
        (patient(299), Code::ServiceUnavailable),
        (patient(300), Code::ScheduledMaintenance),
        (
            with(plain(503), |evidence| {
                head(evidence).maintenance_header = true
            }),
            Code::ScheduledMaintenance,
        ),
        (
            with(plain(503), |evidence| {
                head(evidence).connection_close = true
            }),
            Code::Draining,
        ),
        (
            with(plain(500), |evidence| {
                head(evidence).connection_close = true
            }),
            Code::InternalError,
        ),
        (
            with(plain(503), |evidence| {
                head(evidence).envoy_overloaded = true
            }),
            Code::UpstreamOverloaded,
        ),
    ]);
    cases
}

/// Status, server, content type, body, and what they mean.
#[rustfmt::skip]
const PAGES: [(u16, &str, &str, &str, Code); 23] = [
    (503, "awselb/2.0", HTML, "<html><title>503 Service Temporarily Unavailable</title></html>", Code::NoHealthyBackend),
    (502, "awselb/2.0", HTML, "<html><title>502 Bad Gateway</title></html>", Code::BadGateway),
    (504, "awselb/2.0", HTML, "<html><title>504 Gateway Time-out</title></html>", Code::UpstreamGatewayTimeout),
    (502, "nginx/1.27", HTML, "<html><title>502 Bad Gateway</title></html>", Code::BadGateway),
    (502, "", HTML, "<html><title>Error 502 (Server Error)!!1</title></html>", Code::BadGateway),
    (404, "", HTML, "<html><title>Error 404 (Not Found)!!1</title></html>", Code::EndpointNotFound),
    (400, "nginx", HTML, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", Code::PlaintextToTlsPort),
    (400, "", TEXT, "Client sent an HTTP request to an HTTPS server.\n", Code::PlaintextToTlsPort),
    (503, "envoy", TEXT, "no healthy upstream", Code::NoHealthyBackend),
    (503, "", TEXT, "no available server\n", Code::NoHealthyBackend),
    (503, "", HTML, "<html><h1>503</h1>\nNo server is available to handle this request.\n</html>", Code::NoHealthyBackend),
    (503, "envoy", TEXT, "upstream connect error or disconnect/reset before headers. reset reason: connection failure", Code::BadGateway),
    (503, "envoy", TEXT, "upstream connect error or disconnect/reset before headers. reset reason: overflow", Code::UpstreamOverloaded),
    (504, "envoy", TEXT, "upstream request timeout", Code::UpstreamGatewayTimeout),
    (503, "", HTML, "<html><title>Scheduled Maintenance</title></html>", Code::ScheduledMaintenance),
    (502, "", HTML, "<html><title>Down for maintenance</title></html>", Code::ScheduledMaintenance),
    (503, "", HTML, "<html><p>We&#39;ll be back soon. Scheduled downtime.</p></html>", Code::ScheduledMaintenance),
    (503, "", TEXT, "Temporarily offline for upgrades", Code::ScheduledMaintenance),
    (500, "", JSON, r#"{"error":{"message":"job maintenance"}}"#, Code::InternalError),
    (429, "cloudflare", TEXT, "error code: 1015", Code::RateLimited),
    (403, "cloudflare", TEXT, "error code: 1009", Code::RegionBlocked),
    (403, "cloudflare", HTML, "<html><title>Just a moment...</title></html>", Code::PermissionDenied),
    (524, "cloudflare", HTML, "<html><title>api.example.com | 524: A timeout occurred</title></html>", Code::UpstreamGatewayTimeout),
];

fn pages() -> Vec<(Evidence, Code)> {
    let page = |(status, server, kind, body, expected)| {
        (from(server, answer(status, kind, body)), expected)
    };
    let edges = [520, 521, 522, 523, 525, 526, 527, 530].map(|status| {
        let body = "<html><title>api.example.com | 52x</title></html>";
        (
            from("cloudflare", answer(status, HTML, body)),
            Code::EdgeOriginUnreachable,
        )
    });
    PAGES.into_iter().map(page).chain(edges).collect()
}

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

fn words() -> Vec<(Evidence, Code)> {
    let evidence =
        |(status, kind, code, message, expected)| (said(status, kind, code, message), expected);
    WORDS.into_iter().map(evidence).collect()
}

fn precedence() -> Vec<(Evidence, Code)> {
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

fn successes_that_are_none() -> Vec<(Evidence, Code)> {
    let inner = |kind: &str, code: &str, message: &str, fault: ContentFault| {
        with(said(200, kind, code, message), |evidence| {
            evidence.fault = Some(Fault::Content(fault))
        })
    };
    let in_body = |kind: &str, code: &str, message: &str| {
        inner(kind, code, message, ContentFault::ErrorObject)
    };
    let first = |kind: &str, code: &str, message: &str| {
        inner(kind, code, message, ContentFault::StreamError)
    };
    let later = |kind: &str| {
        with(first(kind, "", ""), |evidence| {
            evidence.times.first_token = Some(Duration::from_millis(300))
        })
    };
    vec![
        (
            with(content(ContentFault::Html), |evidence| {
                head(evidence).content_type = Some(HTML.into())
            }),
            Code::UnexpectedContentType,
        ),
        (
            with(content(ContentFault::Html), |evidence| {
                evidence.page_title = Some("Scheduled maintenance".into())
            }),
            Code::UnexpectedContentType,
        ),
        (content(ContentFault::Empty), Code::InvalidBody),
        (content(ContentFault::NotJson { at: 17 }), Code::InvalidBody),
        (
            content(ContentFault::WrongShape {
                what: "choices".into(),
            }),
            Code::InvalidBody,
        ),
        (content(ContentFault::ErrorObject), Code::ErrorInSuccess),
        (
            in_body("", "502", "Provider returned error"),
            Code::BadGateway,
        ),
        (in_body("", "429", ""), Code::RateLimited),
        (
            in_body("overloaded_error", "", ""),
            Code::UpstreamOverloaded,
        ),
        (in_body("", "", "something else"), Code::ErrorInSuccess),
        (in_body("server_error", "", ""), Code::InternalError),
        (
            in_body("invalid_request_error", "", ""),
            Code::InvalidRequest,
        ),
        (in_body("SAFETY", "", ""), Code::ContentFiltered),
        (content(ContentFault::StreamError), Code::StreamErrorEvent),
        (
            first("overloaded_error", "", "Overloaded"),
            Code::UpstreamOverloaded,
        ),
        (first("", "", "broken"), Code::StreamErrorEvent),
        (later("overloaded_error"), Code::StreamErrorEvent),
        (
            content(ContentFault::StreamIncomplete),
            Code::StreamIncomplete,
        ),
        (
            content(ContentFault::StreamMalformed {
                event: 3,
                what: "no JSON".into(),
            }),
            Code::StreamMalformed,
        ),
        (
            content(ContentFault::EventTooLarge { limit: 8 << 20 }),
            Code::StreamMalformed,
        ),
    ]
}

fn deadlines() -> Vec<(Evidence, Code)> {
    let millis = Duration::from_millis;
    // When the attempt began in the call, and when the request was sent and the deadline struck in the attempt.
    let reached = |phase: Phase, age: Option<u64>, sent: u64, end: u64| {
        with(fault(phase, Fault::Deadline), |evidence| {
            evidence.times.sent = Some(millis(sent));
            evidence.times.end = Some(millis(end));
            evidence.limit = Some(LimitFired {
                name: "total",
                value: millis(end - sent),
            });
            evidence.call_age = age.map(millis);
        })
    };
    let flowing = with(reached(Phase::Stream, Some(0), 1, 1000), |evidence| {
        evidence.times.first_byte = Some(Duration::from_millis(2));
        evidence.times.first_token = Some(Duration::from_millis(3));
    });
    vec![
        (
            reached(Phase::Headers, Some(0), 10, 1000),
            Code::ResponseHeaderTimeout,
        ),
        (
            reached(Phase::Headers, Some(0), 500, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Headers, None, 10, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Headers, Some(9000), 10, 1000),
            Code::DeadlineExceeded,
        ),
        (
            reached(Phase::Stream, Some(20), 10, 1000),
            Code::FirstTokenTimeout,
        ),
        (
            reached(Phase::Send, Some(0), 10, 1000),
            Code::ConnectionWriteTimeout,
        ),
        (
            reached(Phase::Connect, Some(0), 0, 1000),
            Code::ConnectionTimeout,
        ),
        (
            reached(Phase::Tls, Some(0), 0, 1000),
            Code::TlsHandshakeTimeout,
        ),
        (reached(Phase::Dns, Some(0), 0, 1000), Code::DnsFailure),
        (flowing, Code::DeadlineExceeded),
    ]
}

#[test]
fn what_the_transport_shows_gets_its_code() {
    check(transport());
    check(tls());
    check(answers_cut_short());
}

#[test]
fn what_the_answer_shows_gets_its_code() {
    check(statuses());
    check(pages());
    check(successes_that_are_none());
}

#[test]
fn what_the_provider_says_gets_its_code() {
    check(words());
    check(precedence());
}

#[test]
fn a_deadline_is_the_timeout_of_the_phase_that_took_nearly_all_of_it() {
    check(deadlines());
}

#[test]
fn every_code_that_an_attempt_can_show_is_in_the_table() {
    let groups = [
        transport(),
        tls(),
        answers_cut_short(),
        statuses(),
        pages(),
        words(),
        precedence(),
        successes_that_are_none(),
        deadlines(),
    ];
    let seen: BTreeSet<Code> = groups.into_iter().flat_map(check).collect();
    assert_eq!(seen, judged().collect());
}

#[test]
fn a_deadline_is_the_fault_of_its_longest_phase() {
    let at = |phase: Phase, connect: u64, sent: Option<u64>, end: u64| {
        let mut evidence = fault(phase, Fault::Deadline);
        evidence.times.connect = Some(Duration::from_millis(connect));
        evidence.times.sent = sent.map(Duration::from_millis);
        evidence.times.end = Some(Duration::from_millis(end));
        judge(&evidence).origin
    };
    assert_eq!(at(Phase::Headers, 700, Some(701), 1000), Origin::Network);
    assert_eq!(at(Phase::Headers, 300, Some(301), 1000), Origin::Upstream);
    assert_eq!(at(Phase::Connect, 0, None, 1000), Origin::Network);
}

#[test]
fn unread_requests_are_told_from_perhaps_executed_ones() {
    let after = |phase: Phase, of: Fault, acked: Option<u64>| {
        let mut evidence = fault(phase, of);
        evidence.bytes.acked = acked;
        judge(&evidence).processed
    };
    assert_eq!(after(Phase::Headers, Fault::Closed, Some(0)), Processed::No);
    assert_eq!(
        after(Phase::Headers, Fault::Closed, Some(10)),
        Processed::Maybe
    );
    assert_eq!(after(Phase::Headers, Fault::Closed, None), Processed::Maybe);
    // After a reset the count is zero even where the request was read.
    assert_eq!(
        after(Phase::Headers, Fault::Reset, Some(0)),
        Processed::Maybe
    );
    assert_eq!(after(Phase::Tls, Fault::Reset, None), Processed::No);
    assert_eq!(after(Phase::Dns, Fault::ClientGone, None), Processed::No);
    let streaming = with(answer(200, JSON, ""), |evidence| {
        evidence.phase = Phase::Stream;
        evidence.fault = Some(Fault::Deadline);
    });
    assert_eq!(judge(&streaming).processed, Processed::Yes);
}

#[test]
fn who_made_the_answer_is_recognised() {
    let page = |title: &str, foot: &str| format!("<html><title>{title}</title>{foot}</html>");
    let plain = page("502 Bad Gateway", "");
    let with_ray = |evidence| {
        with(evidence, |evidence| {
            head(evidence).cf_ray = Some("8f4a1c-AMS".into())
        })
    };
    for (evidence, expected) in [
        (
            from("cloudflare", answer(502, HTML, &plain)),
            MadeBy::Cloudflare,
        ),
        (with_ray(answer(502, HTML, &plain)), MadeBy::Cloudflare),
        (
            from("cloudflare", answer(502, TEXT, "error code: 502")),
            MadeBy::Cloudflare,
        ),
        (
            from("cloudflare", said(500, "server_error", "", "")),
            MadeBy::Origin,
        ),
        (from("cloudflare", answer(500, JSON, "{}")), MadeBy::Origin),
        (
            from(
                "cloudflare",
                answer(
                    502,
                    HTML,
                    &page("502 Bad Gateway", "<hr><center>nginx</center>"),
                ),
            ),
            MadeBy::Nginx,
        ),
        (
            from("awselb/2.0", answer(502, HTML, &plain)),
            MadeBy::AwsElb,
        ),
        (from("nginx", answer(502, HTML, &plain)), MadeBy::Nginx),
        (from("nginx", answer(500, JSON, "{}")), MadeBy::Origin),
        (answer(503, TEXT, "no healthy upstream"), MadeBy::Envoy),
        (
            answer(502, HTML, &page("Error 502 (Server Error)!!1", "")),
            MadeBy::Gfe,
        ),
        (answer(502, HTML, &plain), MadeBy::Unknown),
        (fault(Phase::Connect, Fault::Refused), MadeBy::Unknown),
    ] {
        assert_eq!(judge(&evidence).made_by, expected, "{evidence:?}");
    }
}
