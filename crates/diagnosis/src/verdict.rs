//! The conclusion from an attempt's evidence: which code, whose fault, what the upstream may have done, who answered.

use serde::Serialize;

use crate::cause::{Code, Origin, Processed};
use crate::evidence::Evidence;
use crate::words::words;
use crate::{line, rules};

words! {
    /// Who made an answer: the upstream itself or something in front of it.
    #[derive(Default)]
    MadeBy, "a maker of answers" {
        /// The upstream itself.
        Origin = "origin",
        /// Cloudflare's edge.
        Cloudflare = "cloudflare",
        /// A load balancer of AWS.
        AwsElb = "awselb",
        /// nginx.
        Nginx = "nginx",
        /// Envoy, or a mesh made of it.
        Envoy = "envoy",
        /// Google's front end.
        Gfe = "gfe",
        /// Nothing tells.
        #[default]
        Unknown = "unknown",
    }
}

/// What is concluded from an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The code.
    pub code: Code,
    /// Whose fault it is; for `deadline_exceeded` that of its longest phase.
    pub origin: Origin,
    /// Whether the upstream may have executed the request.
    pub processed: Processed,
    /// Who made the answer.
    pub made_by: MadeBy,
    /// One short line for the caller: no address, no secret, no text that may repeat a prompt.
    pub evidence_line: String,
    /// The same with addresses and times, for the operator.
    pub full_line: String,
    /// What a list of attempts adds to the status in brackets: `HTML page`.
    pub note: Option<&'static str>,
}

/// Judges an attempt that failed. Pure: the same evidence always gives the same verdict.
///
/// A success is never judged; evidence in which nothing went wrong is taken for a bug of ours.
#[must_use]
pub fn judge(evidence: &Evidence) -> Verdict {
    let code = rules::code(evidence);
    let made_by = rules::edge::made_by(evidence);
    Verdict {
        code,
        origin: rules::origin(code, evidence),
        processed: rules::processed(code, evidence),
        made_by,
        evidence_line: line::short(code, evidence),
        full_line: line::full(code, evidence),
        note: line::note(evidence),
    }
}
