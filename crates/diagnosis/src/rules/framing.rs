//! The form of the answer: its head, its framing, its encoding.

use crate::cause::Code;
use crate::evidence::{Evidence, Fault};

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    match evidence.fault.as_ref()? {
        Fault::HeadTooLarge { .. } => Some(Code::ResponseHeaderTooLarge),
        Fault::Framing { .. } => Some(Code::ProtocolError),
        Fault::Decode { .. } => Some(Code::DecodeError),
        _ => None,
    }
}
