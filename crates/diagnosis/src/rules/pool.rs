//! The connection in use: how it ended and what had passed over it by then.
//!
//! A stale reused connection is tried once more on a fresh one before anything is judged, so what comes here is real.

use crate::cause::Code;
use crate::evidence::{Evidence, Fault, Phase};

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    let begun = evidence.head.is_some()
        || (evidence.bytes.received > 0 && !matches!(evidence.phase, Phase::Connect | Phase::Tls));
    match evidence.fault.as_ref()? {
        _ if is_early_refusal(evidence) => None,
        Fault::Closed if begun => Some(Code::ResponseTruncated),
        Fault::Closed | Fault::BodyNotReplayable => Some(Code::ConnectionClosed),
        Fault::Reset if begun => Some(Code::ResponseReset),
        Fault::Reset => Some(Code::ConnectionReset),
        Fault::BodyTruncated => Some(Code::ResponseTruncated),
        // A peer that leaves in peace and has not begun our stream is being restarted or replaced.
        Fault::Http2GoAway {
            reason: 0,
            processed: false,
        } => Some(Code::Draining),
        Fault::Http2GoAway { .. } | Fault::Http2Reset { .. } => Some(Code::H2StreamReset),
        Fault::WriteTimeout => Some(Code::ConnectionWriteTimeout),
        Fault::HeaderTimeout => Some(Code::ResponseHeaderTimeout),
        _ => None,
    }
}

/// A server that refuses a request before it has read it whole must close the connection, and the bytes still under way
/// then reset it. Its status is the answer; the reset is only how such an answer ends.
///
/// Source: RFC 9112, section 9.6.
pub(crate) fn is_early_refusal(evidence: &Evidence) -> bool {
    evidence.times.sent.is_none()
        && evidence.status().is_some_and(|status| status >= 400)
        && matches!(
            evidence.fault,
            Some(Fault::Closed | Fault::Reset | Fault::BodyTruncated)
        )
}
