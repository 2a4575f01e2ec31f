//! Verdicts in words: the client's message, the reason phrase, the fixes.

use std::time::Duration;

use crate::cause::Code;
use crate::verdict::Verdict;

/// What the words need of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct AttemptSummary<'a> {
    /// `provider/model`, or a route's upstream.
    pub target: &'a str,
    /// What was concluded.
    pub verdict: &'a Verdict,
    /// The status it answered with, if it answered.
    pub status: Option<u16>,
}

/// What the fixes need to know of the call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation<'a> {
    /// The name the caller asked for.
    pub alias: &'a str,
    /// How long to wait, where that is known.
    pub retry_after: Option<Duration>,
    /// How many targets stand behind the name.
    pub targets: usize,
    /// Where the name is configured: `goodgate.yaml:14`.
    pub place: Option<&'a str>,
}

/// The attempt that gives the call its code: the last one on the preferred target, which is the first that was tried.
#[must_use]
pub fn deciding<'s, 'a>(attempts: &'s [AttemptSummary<'a>]) -> Option<&'s AttemptSummary<'a>> {
    let preferred = attempts.first()?.target;
    attempts
        .iter()
        .rev()
        .find(|attempt| attempt.target == preferred)
}

/// The message.
#[must_use]
pub fn client_message(
    alias: &str,
    _attempts: &[AttemptSummary<'_>],
    _retry_after: Option<Duration>,
    request_id: &str,
    _max_attempts: usize,
) -> String {
    format!("{alias} {request_id}")
}

/// The reason phrase.
#[must_use]
pub fn reason_phrase(attempts: &[AttemptSummary<'_>], request_id: &str) -> String {
    format!("{} [{request_id}]", attempts.len())
}

/// What to do.
#[must_use]
pub fn fixes(code: Code, _situation: &Situation<'_>) -> Vec<String> {
    vec![code.facts().fix.to_owned()]
}
