//! The rules, in the order in which they are asked; the first that knows the answer wins.

pub(crate) mod edge;

use crate::cause::{Code, Origin, Processed};
use crate::evidence::Evidence;

/// The code for this evidence.
pub(crate) fn code(evidence: &Evidence) -> Code {
    match evidence.status() {
        Some(502) => Code::BadGateway,
        Some(_) => Code::InternalError,
        None => Code::ConnectionClosed,
    }
}

/// Whose fault it is.
pub(crate) fn origin(code: Code, _evidence: &Evidence) -> Origin {
    code.facts().origin
}

/// Whether the upstream may have executed the request.
pub(crate) fn processed(code: Code, _evidence: &Evidence) -> Processed {
    code.facts().processed
}
