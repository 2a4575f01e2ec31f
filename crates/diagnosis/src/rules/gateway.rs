//! What is ours or the caller's: limits of this host, bugs, a caller who left, the call's own deadline.

use crate::cause::Code;
use crate::evidence::{Evidence, Fault, Phase};
use crate::rules::phase_lengths;

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    match evidence.fault.as_ref()? {
        Fault::LocalResource { .. } => Some(Code::ResourceExhausted),
        Fault::ClientGone => Some(Code::ClientCancelled),
        Fault::Internal { .. } => Some(Code::GatewayInternalError),
        Fault::Deadline => Some(deadline(evidence)),
        _ => None,
    }
}

/// Where one phase took more than four fifths of the call's time, that phase's timeout is the cause; the deadline is then
/// only why the call stopped.
fn deadline(evidence: &Evidence) -> Code {
    let (Some(before), Some(end)) = (evidence.call_age, evidence.times.end) else {
        return Code::DeadlineExceeded;
    };
    let total = before.saturating_add(end);
    let waited = phase_lengths(evidence).into_iter().find(|(phase, length)| {
        *phase == evidence.phase && length.saturating_mul(5) > total.saturating_mul(4)
    });
    match waited {
        Some((Phase::Dns, _)) => Code::DnsFailure,
        Some((Phase::Connect, _)) => Code::ConnectionTimeout,
        Some((Phase::Tls, _)) => Code::TlsHandshakeTimeout,
        Some((Phase::Send, _)) => Code::ConnectionWriteTimeout,
        Some((Phase::Headers, _)) => Code::ResponseHeaderTimeout,
        Some((Phase::Stream, _)) if evidence.times.first_token.is_none() => Code::FirstTokenTimeout,
        // Bytes were flowing: a long answer is not a stall.
        Some((Phase::Body | Phase::Stream, _)) | None => Code::DeadlineExceeded,
    }
}
