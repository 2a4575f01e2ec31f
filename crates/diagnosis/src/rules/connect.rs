//! The way to the upstream: its name and its address.

use crate::cause::Code;
use crate::evidence::{Evidence, Fault};

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    match evidence.fault.as_ref()? {
        Fault::DnsNotFound => Some(Code::DnsNameNotFound),
        Fault::DnsFailed { .. } | Fault::DnsTimeout => Some(Code::DnsFailure),
        Fault::Refused => Some(Code::ConnectionRefused),
        Fault::Unreachable { .. } => Some(Code::HostUnreachable),
        Fault::FamilyUnavailable => Some(Code::AddressFamilyUnavailable),
        Fault::ConnectTimeout => Some(Code::ConnectionTimeout),
        _ => None,
    }
}
