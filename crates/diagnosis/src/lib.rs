//! Evidence in, verdict out: what an attempt showed is judged once, here, by pure rules.
//!
//! [`judge`] concludes a [`Code`] from an [`Evidence`]; [`Code::facts`] says what may be done about it; [`advice`] puts
//! it into words. Nothing here does IO, reads a clock or decides to retry. Start at `rules/mod.rs` for the order of rules.

pub mod advice;
pub mod cause;
pub mod evidence;
pub mod excerpt;
pub mod hint;
mod line;
mod rules;
mod serial;
mod signals;
pub mod verdict;
mod words;

pub use cause::{Code, Facts, Group, Origin, Other, Processed, Safe, Same};
pub use evidence::{
    AddressTried, AnswerHead, ByteCounts, CertificateFault, ContentFault, Evidence, Fault, Lane,
    LimitFired, Phase, PhaseTimes, Signal,
};
pub use verdict::{MadeBy, Surroundings, Verdict, judge, judge_among};

#[cfg(test)]
mod tests;
