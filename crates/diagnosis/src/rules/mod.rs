//! The rules, in the order in which they are asked; the first that knows the answer wins.
//!
//! The order is that of failures.md, 5.1: what is ours, then transport and TLS, framing, the provider's words, message
//! patterns, pages of edges, the status, and last what the content lacks.

mod connect;
pub(crate) mod edge;
mod framing;
mod gateway;
pub(crate) mod pool;
mod provider;
mod status;
mod stream;
mod tls;

use std::time::Duration;

use crate::cause::{Code, Origin, Processed};
use crate::evidence::{Evidence, Fault, Phase};

/// A rule: the code, if this rule knows it.
type Rule = fn(&Evidence) -> Option<Code>;

const ORDER: [Rule; 9] = [
    gateway::code,
    connect::code,
    tls::code,
    pool::code,
    framing::code,
    provider::code,
    edge::code,
    status::code,
    stream::code,
];

/// The code for this evidence.
pub(crate) fn code(evidence: &Evidence) -> Code {
    ORDER
        .iter()
        .find_map(|rule| rule(evidence))
        .unwrap_or(Code::GatewayInternalError)
}

/// Whose fault it is: the table's word, but for a deadline that of the phase in which most of the time went by.
pub(crate) fn origin(code: Code, evidence: &Evidence) -> Origin {
    if code != Code::DeadlineExceeded {
        return code.facts().origin;
    }
    let longest = phase_lengths(evidence)
        .into_iter()
        .max_by_key(|(_, length)| *length);
    match longest.map_or(evidence.phase, |(phase, _)| phase) {
        Phase::Dns | Phase::Connect => Origin::Network,
        Phase::Tls | Phase::Send | Phase::Headers | Phase::Body | Phase::Stream => Origin::Upstream,
    }
}

/// Whether the upstream may have executed the request: the table's word, made sharper by phase and bytes.
pub(crate) fn processed(code: Code, evidence: &Evidence) -> Processed {
    let said = code.facts().processed;
    if is_untouched(evidence) {
        return Processed::No;
    }
    let before_sending = matches!(evidence.phase, Phase::Dns | Phase::Connect | Phase::Tls);
    match said {
        Processed::Maybe if evidence.head.is_none() && before_sending => Processed::No,
        // Bytes that were never acknowledged mean "not read" only with an orderly end: after a reset the count is
        // zero even where the request was read.
        Processed::Maybe
            if evidence.fault == Some(Fault::Closed) && evidence.bytes.acked == Some(0) =>
        {
            Processed::No
        }
        Processed::Maybe
            if evidence.head.is_some()
                && matches!(evidence.phase, Phase::Body | Phase::Stream)
                && matches!(
                    evidence.fault,
                    Some(
                        Fault::Deadline
                            | Fault::ClientGone
                            | Fault::Http2Reset { .. }
                            | Fault::Http2GoAway { .. }
                    )
                ) =>
        {
            Processed::Yes
        }
        Processed::No | Processed::Maybe | Processed::Yes => said,
    }
}

/// Whether an HTTP/2 peer says itself that it has not processed the stream. Source: RFC 9113, section 8.7.
fn is_untouched(evidence: &Evidence) -> bool {
    const REFUSED_STREAM: u32 = 7;
    matches!(
        evidence.fault,
        Some(
            Fault::Http2Reset {
                reason: REFUSED_STREAM
            } | Fault::Http2GoAway {
                processed: false,
                ..
            }
        )
    )
}

/// How long each phase took that was reached, the last one included.
pub(crate) fn phase_lengths(evidence: &Evidence) -> Vec<(Phase, Duration)> {
    let times = &evidence.times;
    let mut before = Duration::ZERO;
    let mut lengths = Vec::new();
    for (phase, done) in [
        (Phase::Dns, times.dns),
        (Phase::Connect, times.connect),
        (Phase::Tls, times.tls),
        (Phase::Send, times.sent),
        (Phase::Headers, times.first_byte),
    ] {
        if phase == evidence.phase {
            break;
        }
        if let Some(done) = done {
            lengths.push((phase, done.saturating_sub(before)));
            before = done.max(before);
        }
    }
    if let Some(end) = times.end {
        lengths.push((evidence.phase, end.saturating_sub(before)));
    }
    lengths
}
