//! What the content lacks: tokens in time, JSON, an end.

use crate::cause::Code;
use crate::evidence::{ContentFault, Evidence, Fault};

pub(super) fn code(evidence: &Evidence) -> Option<Code> {
    match evidence.fault.as_ref()? {
        Fault::FirstTokenTimeout => Some(Code::FirstTokenTimeout),
        Fault::IdleTimeout => Some(Code::StreamIdleTimeout),
        Fault::BodyTooLarge { .. } => Some(Code::InvalidBody),
        Fault::Content(fault) => Some(content(fault)),
        _ => None,
    }
}

fn content(fault: &ContentFault) -> Code {
    match fault {
        ContentFault::Html => Code::UnexpectedContentType,
        ContentFault::Empty | ContentFault::NotJson { .. } | ContentFault::WrongShape { .. } => {
            Code::InvalidBody
        }
        ContentFault::ErrorObject => Code::ErrorInSuccess,
        ContentFault::StreamError => Code::StreamErrorEvent,
        ContentFault::StreamIncomplete => Code::StreamIncomplete,
        ContentFault::StreamMalformed { .. } | ContentFault::EventTooLarge { .. } => {
            Code::StreamMalformed
        }
    }
}
