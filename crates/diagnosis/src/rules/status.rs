//! The status, when nothing else tells more.

use std::time::Duration;

use crate::cause::Code;
use crate::evidence::{Evidence, Lane};
use crate::rules::edge::has_type;

/// A 503 that asks for more patience than this is planned.
const LONG_WAIT: Duration = Duration::from_secs(300);

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    let head = evidence.head.as_ref()?;
    match head.status {
        200..=299 => None,
        503 if head.maintenance_header || evidence.hint().is_some_and(|wait| wait >= LONG_WAIT) => {
            Some(Code::ScheduledMaintenance)
        }
        503 if head.connection_close => Some(Code::Draining),
        // A page that is gone is a wrong path; a model that is gone is retired.
        410 if evidence.lane != Lane::Model => Some(Code::EndpointNotFound),
        // No API of models answers in pages: what refused the call there is something else, and not for what the caller
        // asked.
        status
            if evidence.lane == Lane::Model
                && has_type(head, "html")
                && by_number(status) == Code::InvalidRequest =>
        {
            Some(Code::EndpointNotFound)
        }
        status => Some(by_number(status)),
    }
}

/// What a status alone means.
pub(super) fn by_number(status: u16) -> Code {
    match status {
        300..=399 => Code::UnexpectedRedirect,
        401 | 407 => Code::CredentialsRejected,
        402 => Code::QuotaExhausted,
        403 => Code::PermissionDenied,
        // 421: the host is not served here. 501: the method is not. The others refuse what we made of the call (its
        // headers, its protocol), none of which the caller can mend.
        404 | 405 | 406 | 411 | 412 | 415 | 417 | 421 | 426 | 428 | 501 | 505 => {
            Code::EndpointNotFound
        }
        408 | 504 | 524 => Code::UpstreamGatewayTimeout,
        // Something between us and the upstream gave up on it. Source: nginx, NGX_HTTP_CLIENT_CLOSED_REQUEST.
        499 => Code::InternalError,
        410 => Code::ModelRetired,
        413 | 414 | 431 => Code::RequestTooLarge,
        429 => Code::RateLimited,
        451 => Code::RegionBlocked,
        424 => Code::InternalError,
        // 425: the server does not want the call yet, which is no fault of the caller's. Source: RFC 8470, section 5.2.
        425 | 503 => Code::ServiceUnavailable,
        400..=499 => Code::InvalidRequest,
        502 => Code::BadGateway,
        // A network asks for a login first. Source: RFC 6585, section 6.
        511 => Code::UnexpectedContentType,
        529 => Code::UpstreamOverloaded,
        500..=599 => Code::InternalError,
        _ => Code::ProtocolError,
    }
}
