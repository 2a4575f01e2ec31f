//! What the answer shows: its status, pages of those who stand before the upstream, successes that are none.

use std::time::Duration;

use super::{HTML, JSON, TEXT, answer, content, from, head, said, with};
use crate::cause::Code;
use crate::evidence::{ContentFault, Evidence, Fault, Lane};

pub(super) fn statuses() -> Vec<(Evidence, Code)> {
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
        (425, Code::ServiceUnavailable),
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
    ]);
    cases.extend(told_by_proxies());
    cases
}

/// What proxies in front of the upstream say in headers of theirs.
fn told_by_proxies() -> [(Evidence, Code); 2] {
    let plain = |status: u16| answer(status, JSON, "{}");
    [
        (
            with(plain(502), |evidence| {
                head(evidence).proxy_status =
                    Some("Google; details=\"failed_to_pick_backend\"".to_owned())
            }),
            Code::NoHealthyBackend,
        ),
        (
            with(plain(503), |evidence| {
                head(evidence).envoy_overloaded = true
            }),
            Code::UpstreamOverloaded,
        ),
    ]
}

/// Status, server, content type, body, and what they mean.
#[rustfmt::skip]
const PAGES: [(u16, &str, &str, &str, Code); 28] = [
    (503, "awselb/2.0", HTML, "<html><title>503 Service Temporarily Unavailable</title></html>", Code::NoHealthyBackend),
    (502, "awselb/2.0", HTML, "<html><title>502 Bad Gateway</title></html>", Code::BadGateway),
    (504, "awselb/2.0", HTML, "<html><title>504 Gateway Time-out</title></html>", Code::UpstreamGatewayTimeout),
    (502, "nginx/1.27", HTML, "<html><title>502 Bad Gateway</title></html>", Code::BadGateway),
    (502, "", HTML, "<html><title>Error 502 (Server Error)!!1</title></html>", Code::BadGateway),
    (404, "", HTML, "<html><title>Error 404 (Not Found)!!1</title></html>", Code::EndpointNotFound),
    (400, "nginx", HTML, "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", Code::PlaintextToTlsPort),
    (400, "", TEXT, "Client sent an HTTP request to an HTTPS server.\n", Code::PlaintextToTlsPort),
    (400, "", TEXT, "Bad Request\nThis combination of host and port requires TLS.\n", Code::PlaintextToTlsPort),
    (400, "nginx", HTML, "<html><title>400 Bad Request</title></html>", Code::EndpointNotFound),
    (418, "", HTML, "<html><title>Not here</title></html>", Code::EndpointNotFound),
    (422, "", HTML, "<h1>Unprocessable Entity</h1>", Code::EndpointNotFound),
    (400, "", TEXT, "max_tokens must be positive", Code::InvalidRequest),
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

pub(super) fn pages() -> Vec<(Evidence, Code)> {
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

pub(super) fn successes_that_are_none() -> Vec<(Evidence, Code)> {
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
