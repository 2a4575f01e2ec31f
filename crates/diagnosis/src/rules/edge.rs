//! What stands before the upstream and answers for it: Cloudflare, AWS's balancers, nginx, Envoy, Google's front end.

use crate::cause::Code;
use crate::evidence::{AnswerHead, Evidence};
use crate::verdict::MadeBy;

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    let head = evidence.head.as_ref()?;
    match (made_by(evidence), head.status) {
        (MadeBy::Cloudflare, 520..=523 | 525..=527 | 530) => Some(Code::EdgeOriginUnreachable),
        (MadeBy::Cloudflare, 524) => Some(Code::UpstreamGatewayTimeout),
        (MadeBy::AwsElb, 503) => Some(Code::NoHealthyBackend),
        (MadeBy::AwsElb, 504) => Some(Code::UpstreamGatewayTimeout),
        (_, 502 | 503) if has_no_backend(head) => Some(Code::NoHealthyBackend),
        (_, 500..=599) if head.envoy_overloaded => Some(Code::UpstreamOverloaded),
        _ => None,
    }
}

/// Google's load balancer says so in `Proxy-Status`. Source: Cloud Load Balancing, proxyStatus, seen 2026-11.
fn has_no_backend(head: &AnswerHead) -> bool {
    let said = head.proxy_status.as_deref();
    said.is_some_and(|said| said.contains("failed_to_pick_backend"))
}

/// Who made the answer. A `Server` header alone does not tell: edges put theirs on what they pass on, too.
pub(crate) fn made_by(evidence: &Evidence) -> MadeBy {
    let Some(head) = evidence.head.as_ref() else {
        return MadeBy::Unknown;
    };
    let title = evidence.page_title.as_deref().unwrap_or_default();
    let excerpt = evidence.excerpt.as_deref().unwrap_or_default();
    if evidence.signal.is_some() || is_success(head.status) {
        return MadeBy::Origin;
    }
    if title.contains("(Server Error)!!1")
        || title.contains("(Not Found)!!1")
        || server_is(head, "gfe")
    {
        return MadeBy::Gfe;
    }
    if excerpt.contains("page by nginx") {
        return MadeBy::Nginx;
    }
    if is_cloudflare(head, title, excerpt) {
        return MadeBy::Cloudflare;
    }
    if server_is(head, "awselb") {
        return MadeBy::AwsElb;
    }
    let envoys = [
        "upstream connect error",
        "no healthy upstream",
        "upstream request timeout",
    ];
    if head.envoy_overloaded || envoys.iter().any(|words| excerpt.contains(words)) {
        return MadeBy::Envoy;
    }
    if has_type(head, "html") && (server_is(head, "nginx") || server_is(head, "openresty")) {
        return MadeBy::Nginx;
    }
    if has_type(head, "json") || has_type(head, "event-stream") {
        return MadeBy::Origin;
    }
    MadeBy::Unknown
}

/// Statuses that only Cloudflare gives, its numbered plain errors, or a page under its name.
fn is_cloudflare(head: &AnswerHead, title: &str, excerpt: &str) -> bool {
    let at_cloudflare = server_is(head, "cloudflare") || head.cf_ray.is_some();
    let own_status = matches!(head.status, 520..=527 | 530);
    let own_text =
        excerpt.starts_with("error code: ") || title.to_ascii_lowercase().contains("cloudflare");
    at_cloudflare && (own_status || own_text || has_type(head, "html"))
}

fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}

fn server_is(head: &AnswerHead, name: &str) -> bool {
    let server = head
        .server
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    server.starts_with(name)
}

pub(crate) fn has_type(head: &AnswerHead, part: &str) -> bool {
    let kind = head
        .content_type
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    kind.contains(part)
}
