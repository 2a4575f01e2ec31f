//! Verdicts in words: the message for the caller, the reason phrase, and what to do.
//!
//! The texts hold no address, no key and nothing an upstream wrote; only names of the configuration and our own words.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cause::{Code, Group, Origin};
use crate::verdict::Verdict;

/// The most bytes of a reason phrase.
pub const LONGEST_REASON: usize = 120;

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
    /// How many targets stand behind the name; 0 where that says nothing.
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

/// The message: what failed, whose fault, when to try again, where to read more.
///
/// `All 3 attempts for 'smart' failed: openai 502 x2 (HTML page), azure-eu connect timeout. Provider fault: not your
/// request, not your key. Retry in 20 s. Details: goodgate explain req_01K9ZQ7V3M8T2`
#[must_use]
pub fn client_message(
    alias: &str,
    attempts: &[AttemptSummary<'_>],
    retry_after: Option<Duration>,
    request_id: &str,
    max_attempts: usize,
) -> String {
    let Some(cause) = deciding(attempts) else {
        return format!(
            "No attempt was made for '{alias}'. Details: goodgate explain {request_id}"
        );
    };
    let count = attempts.len();
    let how_many = match count {
        1 if max_attempts <= 1 => "The only attempt".to_owned(),
        1 => "The first attempt".to_owned(),
        _ if count < max_attempts && attempts.iter().any(|one| stays_put(one.verdict.code)) => {
            format!("{count} of at most {max_attempts} attempts")
        }
        2 => "Both attempts".to_owned(),
        _ => format!("All {count} attempts"),
    };
    let mut message = format!(
        "{how_many} for '{alias}' failed: {}. ",
        runs(attempts, Detail::Notes)
    );
    message.push_str(whose(cause.verdict));
    if let Some(wait) = retry_after.filter(|_| cause.verdict.code.facts().later_may_help()) {
        append(
            &mut message,
            format_args!(" Retry in {} s.", whole_seconds(wait)),
        );
    }
    append(
        &mut message,
        format_args!(" Details: goodgate explain {request_id}"),
    );
    message
}

/// The reason phrase of an HTTP/1.1 answer: `openai 502 x2, azure-eu connect timeout [req_01K9ZQ7V3M8T2]`.
///
/// Printable ASCII, at most 120 bytes; the request id is never cut.
#[must_use]
pub fn reason_phrase(attempts: &[AttemptSummary<'_>], request_id: &str) -> String {
    with_id(&runs(attempts, Detail::Brief), request_id)
}

/// The same for a refusal of our own: `gateway's rate limit [req_01K9ZQ7V3M8T2]`.
#[must_use]
pub fn refusal_phrase(code: Code, request_id: &str) -> String {
    with_id(code.facts().short, request_id)
}

/// What to do, most urgent first: wait, repair what the code names, give the model another target.
#[must_use]
pub fn fixes(code: Code, situation: &Situation<'_>) -> Vec<String> {
    let facts = code.facts();
    let mut fixes = Vec::new();
    if let Some(wait) = situation.retry_after.filter(|_| facts.later_may_help()) {
        fixes.push(format!(
            "Retry after {} s; no code change needed.",
            whole_seconds(wait)
        ));
    }
    fixes.push(facts.fix.to_owned());
    let another_helps = !matches!(facts.group, Group::Client | Group::Gateway) && !stays_put(code);
    if another_helps && situation.targets == 1 {
        let place = situation
            .place
            .map(|place| format!(" ({place})"))
            .unwrap_or_default();
        fixes.push(format!(
            "Add a target to model '{}'{place}.",
            situation.alias
        ));
    }
    fixes
}

/// Whole seconds, rounded up, as `Retry-After` has them.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Whether nothing else is tried after this code.
fn stays_put(code: Code) -> bool {
    use crate::cause::{Other, Same};
    let facts = code.facts();
    facts.same == Same::No && facts.other == Other::No
}

/// Whose fault it is, and so whose it is not.
fn whose(verdict: &Verdict) -> &'static str {
    match (verdict.origin, verdict.code) {
        (Origin::Client, Code::ClientCancelled) => {
            "The caller left before the answer was complete."
        }
        (Origin::Client, _) => {
            "The request itself was refused: sending it again unchanged cannot help."
        }
        (Origin::Gateway, Code::QuotaExhausted) => {
            "The gateway's account at the provider has nothing left: not your request, not your key."
        }
        (Origin::Gateway, code) if code.facts().group == Group::Gateway => {
            "Gateway fault: not your request, not your key."
        }
        (Origin::Gateway, _) => {
            "Gateway settings: not your key; whoever runs the gateway must act."
        }
        (Origin::Network, _) => {
            "Network fault between gateway and provider: not your request, not your key."
        }
        (Origin::Upstream, _) => "Provider fault: not your request, not your key.",
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// Provider and what happened.
    Brief,
    /// The same with notes in brackets.
    Notes,
}

/// The attempts in order, equal neighbours counted: `openai 502 x2, azure-eu connect timeout`.
fn runs(attempts: &[AttemptSummary<'_>], detail: Detail) -> String {
    let mut text = String::new();
    let mut rest = attempts;
    while let Some(first) = rest.first() {
        let what = (provider(first.target), what_happened(first));
        let same = |one: &&AttemptSummary<'_>| (provider(one.target), what_happened(one)) == what;
        let count = rest.iter().take_while(same).count();
        if !text.is_empty() {
            text.push_str(", ");
        }
        append(&mut text, format_args!("{} {}", what.0, what.1));
        if count > 1 {
            append(&mut text, format_args!(" x{count}"));
        }
        if let Some(note) = note(first).filter(|_| detail == Detail::Notes) {
            append(&mut text, format_args!(" ({note})"));
        }
        rest = rest.get(count..).unwrap_or_default();
    }
    text
}

/// The provider's part of a target.
fn provider(target: &str) -> &str {
    target
        .split_once('/')
        .map_or(target, |(provider, _)| provider)
}

/// A status where the upstream answered with one of failure; else what happened in two words.
fn what_happened(attempt: &AttemptSummary<'_>) -> String {
    match attempt.status {
        Some(status) if !(200..300).contains(&status) => status.to_string(),
        _ => attempt.verdict.code.facts().short.to_owned(),
    }
}

/// What a status alone does not say.
fn note(attempt: &AttemptSummary<'_>) -> Option<&'static str> {
    let status = attempt
        .status
        .filter(|status| !(200..300).contains(status))?;
    let code = attempt.verdict.code;
    // 502 and 500 say themselves what "bad gateway" and "internal error" would.
    let plain = matches!(
        (status, code),
        (502, Code::BadGateway) | (500, Code::InternalError) | (503, Code::ServiceUnavailable)
    );
    attempt
        .verdict
        .note
        .or_else(|| (!plain).then_some(code.facts().short))
}

fn with_id(text: &str, request_id: &str) -> String {
    let ascii = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_graphic() || c == ' ' {
                    c
                } else {
                    '?'
                }
            })
            .collect()
    };
    let end = format!(" [{}]", ascii(request_id));
    let room = LONGEST_REASON.saturating_sub(end.len());
    let mut text = ascii(text);
    if text.len() > room {
        text.truncate(room.saturating_sub(3));
        text.push_str("...");
    }
    text + &end
}

/// Writing into a `String` cannot fail.
fn append(text: &mut String, what: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(what);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::{AnswerHead, Evidence, Fault, Phase};
    use crate::verdict::judge;

    const ID: &str = "req_01K9ZQ7V3M8T2";

    fn answer(status: u16, kind: &str) -> Evidence {
        let head = AnswerHead {
            status,
            content_type: Some(kind.to_owned()),
            ..AnswerHead::default()
        };
        Evidence {
            phase: Phase::Body,
            head: Some(head),
            ..Evidence::default()
        }
    }

    fn fault(fault: Fault, phase: Phase) -> Evidence {
        Evidence {
            phase,
            fault: Some(fault),
            ..Evidence::default()
        }
    }

    struct Said {
        message: String,
        reason: String,
        fixes: Vec<String>,
    }

    fn check(attempts: &[(&str, Evidence)], retry_after: Option<u64>, most: usize) -> Said {
        let verdicts: Vec<Verdict> = attempts
            .iter()
            .map(|(_, evidence)| judge(evidence))
            .collect();
        let summaries: Vec<AttemptSummary<'_>> = attempts
            .iter()
            .zip(&verdicts)
            .map(|((target, evidence), verdict)| AttemptSummary {
                target,
                verdict,
                status: evidence.status(),
            })
            .collect();
        let wait = retry_after.map(Duration::from_millis);
        let cause = deciding(&summaries).map_or(Code::NoTargetAvailable, |one| one.verdict.code);
        let situation = Situation {
            alias: "smart",
            retry_after: wait,
            targets: 1,
            place: Some("goodgate.yaml:14"),
        };
        Said {
            message: client_message("smart", &summaries, wait, ID, most),
            reason: reason_phrase(&summaries, ID),
            fixes: fixes(cause, &situation),
        }
    }

    #[test]
    fn two_bad_gateways_and_a_timeout_read_as_in_the_design() {
        let said = check(
            &[
                ("openai/gpt-5-mini", answer(502, "text/html")),
                ("openai/gpt-5-mini", answer(502, "text/html")),
                (
                    "azure-eu/gpt-5-mini",
                    fault(Fault::ConnectTimeout, Phase::Connect),
                ),
            ],
            Some(19_200),
            3,
        );
        assert_eq!(
            said.message,
            "All 3 attempts for 'smart' failed: openai 502 x2 (HTML page), azure-eu connect timeout. Provider fault: \
             not your request, not your key. Retry in 20 s. Details: goodgate explain req_01K9ZQ7V3M8T2"
        );
        assert_eq!(
            said.reason,
            "openai 502 x2, azure-eu connect timeout [req_01K9ZQ7V3M8T2]"
        );
        assert_eq!(
            said.fixes,
            [
                "Retry after 20 s; no code change needed.",
                Code::BadGateway.facts().fix,
                "Add a target to model 'smart' (goodgate.yaml:14).",
            ]
        );
    }

    #[test]
    fn the_message_says_whose_fault_it_is_and_whose_not() {
        for (evidence, expected) in [
            (
                answer(401, "application/json"),
                "openai 401 (key refused). Gateway settings: not your key",
            ),
            (
                answer(402, "application/json"),
                "openai 402 (quota exhausted). The gateway's account at the provider",
            ),
            (
                answer(400, "application/json"),
                "openai 400 (invalid request). The request itself was refused",
            ),
            (
                answer(429, "application/json"),
                "openai 429 (rate limited). Provider fault: not your request",
            ),
            (
                answer(500, "application/json"),
                "openai 500. Provider fault: not your request, not your key.",
            ),
            (
                fault(Fault::Unreachable { errno: 113 }, Phase::Connect),
                "openai host unreachable. Network fault",
            ),
            (
                fault(Fault::LocalResource { errno: 24 }, Phase::Connect),
                "openai gateway out of resources. Gateway fault",
            ),
        ] {
            let said = check(&[("openai/gpt-5-mini", evidence)], None, 4);
            assert!(said.message.contains(expected), "{}", said.message);
            assert!(
                said.message
                    .starts_with("The first attempt for 'smart' failed: "),
                "{}",
                said.message
            );
        }
    }

    #[test]
    fn a_request_that_is_wrong_gets_no_advice_to_wait_or_to_add_a_target() {
        let said = check(
            &[("openai/gpt-5-mini", answer(400, "application/json"))],
            Some(1000),
            4,
        );
        assert_eq!(said.fixes, [Code::InvalidRequest.facts().fix]);
        assert!(!said.message.contains("Retry in"), "{}", said.message);
    }

    #[test]
    fn the_code_is_that_of_the_last_attempt_on_the_preferred_target() {
        let verdicts = [
            judge(&answer(502, "text/html")),
            judge(&answer(503, "text/html")),
            judge(&answer(429, "")),
        ];
        let targets = ["a/m", "a/m", "b/m"];
        let attempts: Vec<AttemptSummary<'_>> = targets
            .iter()
            .zip(&verdicts)
            .map(|(target, verdict)| AttemptSummary {
                target,
                verdict,
                status: None,
            })
            .collect();
        assert_eq!(
            deciding(&attempts).map(|one| one.verdict.code),
            Some(Code::ServiceUnavailable)
        );
        assert_eq!(deciding(&[]).map(|one| one.verdict.code), None);
    }

    #[test]
    fn a_refusal_has_a_reason_phrase_of_its_own() {
        assert_eq!(
            refusal_phrase(Code::Unauthenticated, ID),
            "no valid key [req_01K9ZQ7V3M8T2]"
        );
    }

    proptest! {
        #[test]
        fn a_reason_phrase_is_short_printable_ascii_and_keeps_the_id(
            targets in prop::collection::vec("\\PC{0,60}", 0..6), status in prop::option::of(0_u16..700),
        ) {
            let verdict = judge(&fault(Fault::Refused, Phase::Connect));
            let attempts: Vec<AttemptSummary<'_>> =
                targets.iter().map(|target| AttemptSummary { target, verdict: &verdict, status }).collect();
            let phrase = reason_phrase(&attempts, ID);
            prop_assert!(phrase.len() <= LONGEST_REASON && phrase.ends_with("[req_01K9ZQ7V3M8T2]"));
            prop_assert!(phrase.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
}
