//! The evidence in one line.

use crate::cause::Code;
use crate::evidence::Evidence;

/// For the caller.
pub(crate) fn short(code: Code, _evidence: &Evidence) -> String {
    code.facts().short.to_owned()
}

/// For the operator.
pub(crate) fn full(code: Code, evidence: &Evidence) -> String {
    short(code, evidence)
}

/// What a list of attempts adds in brackets.
pub(crate) fn note(_evidence: &Evidence) -> Option<&'static str> {
    None
}
