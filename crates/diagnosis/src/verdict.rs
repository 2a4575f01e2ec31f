//! The conclusion from an attempt's evidence: which code, whose fault, what the upstream may have done, who answered.

use std::time::Duration;

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

/// A host that answered well this recently is restarting rather than gone.
const RESTART_WINDOW: Duration = Duration::from_secs(60);

/// So many other hosts must be well before one host's silence is its own.
const OTHERS_WELL: u32 = 2;

/// What is known beside the attempt itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How long ago the same host answered well, if it ever did.
    pub healthy_ago: Option<Duration>,
    /// How many other hosts have answered well within the last minute.
    pub other_hosts_healthy: u32,
}

/// Judges an attempt in its surroundings: a host that was well a moment ago and now refuses or closes, while others are
/// well, is being restarted.
#[must_use]
pub fn judge_among(evidence: &Evidence, surroundings: &Surroundings) -> Verdict {
    let verdict = judge(evidence);
    let gone = matches!(
        verdict.code,
        Code::ConnectionRefused | Code::ConnectionClosed
    );
    let was_well = surroundings
        .healthy_ago
        .is_some_and(|ago| ago < RESTART_WINDOW);
    if gone && was_well && surroundings.other_hosts_healthy >= OTHERS_WELL {
        // What the connection showed stays true: `processed` is that of the attempt.
        return Verdict {
            code: Code::Draining,
            origin: Code::Draining.facts().origin,
            ..verdict
        };
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Fault, Phase};

    #[test]
    fn a_host_that_was_well_a_moment_ago_is_restarting_if_others_are_well() {
        let check = |fault: Fault, ago: Option<u64>, others: u32| {
            let evidence = Evidence {
                phase: Phase::Headers,
                fault: Some(fault),
                ..Evidence::default()
            };
            let healthy_ago = ago.map(Duration::from_secs);
            judge_among(
                &evidence,
                &Surroundings {
                    healthy_ago,
                    other_hosts_healthy: others,
                },
            )
            .code
        };
        assert_eq!(check(Fault::Refused, Some(59), 2), Code::Draining);
        assert_eq!(check(Fault::Closed, Some(1), 5), Code::Draining);
        assert_eq!(check(Fault::Refused, Some(60), 2), Code::ConnectionRefused);
        assert_eq!(check(Fault::Refused, Some(1), 1), Code::ConnectionRefused);
        assert_eq!(check(Fault::Refused, None, 9), Code::ConnectionRefused);
        assert_eq!(check(Fault::Reset, Some(1), 9), Code::ConnectionReset);
    }
}
