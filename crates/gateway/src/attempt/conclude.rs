//! From a call's failed attempts to the one refusal that the client gets.

use std::time::{Duration, Instant};

use diagnosis::advice::{self, AttemptSummary, Situation};
use diagnosis::{Code, Group, Origin, Verdict};
use http::StatusCode;

use super::course::{Rest, Step};
use crate::gate::Gate;
use crate::intake::Call;
use crate::journal::{Attempt, Journal, StopReason};
use crate::refusal::{Refusal, Verbatim};
use crate::routing::Plan;

/// Everything that could be tried failed.
pub(super) fn exhausted(
    gate: &Gate,
    plan: &Plan,
    call: &Call,
    stop: Step,
    journal: &Journal,
    verbatim: Option<Verbatim>,
) -> Refusal {
    let reason = match stop {
        Step::Stop { reason, .. } => reason,
        Step::Try { .. } => StopReason::NoOtherTarget,
    };
    let attempts: Vec<&Attempt> = journal.attempts().collect();
    let summaries: Vec<_> = attempts
        .iter()
        .filter_map(|attempt| summary(attempt))
        .collect();
    let Some(deciding) = deciding(&attempts, reason) else {
        return Refusal::new(
            Code::NoTargetAvailable,
            format!("'{}' has no target that takes calls.", plan.asked),
        );
    };
    let (attempt, verdict) = deciding;
    let code = verdict.code;
    if verdict.code.facts().group == Group::Client {
        return clients_own(attempt, verdict, reason, verbatim, call);
    }
    let retry_after = hint(&attempts);
    let id = journal.id.write();
    let most = usize::try_from(plan.resilience.max_attempts).unwrap_or(usize::MAX);
    let message = advice::client_message(&plan.asked, &summaries, retry_after, id.as_str(), most);
    let mut refusal = Refusal::new(code, message);
    refusal.origin = verdict.origin;
    refusal.retry_after = retry_after;
    refusal.stop_reason = Some(reason);
    refusal.client_retries = call.terms().client_retries;
    let place = gate.policy().place(plan.line);
    refusal.fix = advice::fixes(
        code,
        &Situation {
            alias: &plan.asked,
            retry_after,
            targets: plan.legs.len(),
            place: place.as_deref(),
        },
    );
    refusal.reason_phrase = Some(advice::reason_phrase(&summaries, id.as_str()));
    refusal
}

fn summary(attempt: &Attempt) -> Option<AttemptSummary<'_>> {
    let verdict = attempt.verdict.as_ref()?;
    Some(AttemptSummary {
        target: &attempt.target,
        verdict,
        status: attempt.status,
    })
}

/// The attempt whose verdict is the call's: the last on the preferred target; a fault of the caller's own decides wherever it shows.
fn deciding<'a>(
    attempts: &[&'a Attempt],
    reason: StopReason,
) -> Option<(&'a Attempt, &'a Verdict)> {
    let judged = |attempt: &'a Attempt| Some((attempt, attempt.verdict.as_ref()?));
    let last = attempts.last().and_then(|attempt| judged(attempt))?;
    if reason == StopReason::NotRetryable && last.1.code.facts().group == Group::Client {
        return Some(last);
    }
    let preferred = &attempts.first()?.target;
    attempts
        .iter()
        .rev()
        .find(|attempt| attempt.target == *preferred)
        .and_then(|attempt| judged(attempt))
}

/// The request itself is wrong: the upstream's own words, where the client speaks its dialect.
fn clients_own(
    attempt: &Attempt,
    verdict: &Verdict,
    reason: StopReason,
    verbatim: Option<Verbatim>,
    call: &Call,
) -> Refusal {
    let signal = attempt.evidence.signal.as_ref();
    let said = signal.and_then(|signal| signal.message.clone());
    let message = said.unwrap_or_else(|| {
        format!(
            "{} refused the request: {}.",
            attempt.target, verdict.evidence_line
        )
    });
    let mut refusal = Refusal::new(verdict.code, message);
    refusal.origin = Origin::Client;
    refusal.stop_reason = Some(reason);
    refusal.param = signal.and_then(|signal| signal.param.clone());
    refusal.client_retries = call.terms().client_retries;
    // OpenAI's SDKs know 400 for what other providers call 422.
    refusal.verbatim = verbatim.map(|mut verbatim| {
        if verbatim.status == StatusCode::UNPROCESSABLE_ENTITY && matches!(call, Call::Model(_)) {
            verbatim.status = StatusCode::BAD_REQUEST;
        }
        verbatim
    });
    refusal
}

/// The shortest wait that any target asked for.
fn hint(attempts: &[&Attempt]) -> Option<Duration> {
    attempts
        .iter()
        .filter_map(|attempt| attempt.evidence.hint())
        .filter(|hint| !hint.is_zero())
        .min()
}

/// All targets rest, longer than a call may wait.
pub(super) fn nothing_open(plan: &Plan, call: &Call, rest: Rest, now: Instant) -> Refusal {
    let after = rest.until.saturating_duration_since(now);
    let (code, why) = if rest.rate_limited {
        (Code::RateLimited, "has refused our rate")
    } else {
        (Code::NoTargetAvailable, "asked to be left alone for now")
    };
    let message = format!(
        "Every target of '{}' {why}; the first takes calls again in {} s.",
        plan.asked,
        advice::whole_seconds(after)
    );
    let mut refusal = Refusal::new(code, message).after(after);
    refusal.client_retries = call.terms().client_retries;
    refusal
}
