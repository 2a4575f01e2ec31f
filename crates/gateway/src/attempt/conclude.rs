//! From a call's failed attempts to the one refusal that the client gets.

use std::time::{Duration, Instant};

use diagnosis::advice::{self, AttemptSummary, Situation};
use diagnosis::{Code, Group, Origin, Verdict};
use http::StatusCode;
use resilience::{Level, Why};

use super::course::Step;
use super::ways::Closed;
use crate::gate::Gate;
use crate::intake::Call;
use crate::journal::{Attempt, Event, Journal, StopReason};
use crate::refusal::{Refusal, Verbatim};
use crate::routing::Plan;

/// Everything that could be tried failed.
pub(super) fn exhausted(
    gate: &Gate,
    plan: &Plan,
    call: &Call,
    stop: Option<Step>,
    journal: &Journal,
    verbatim: Option<Verbatim>,
) -> Refusal {
    let reason = match stop {
        Some(Step::Stop { reason, .. }) => reason,
        Some(Step::Try { .. }) | None => StopReason::NoOtherTarget,
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

/// A shed call comes again within one to three seconds, each at its own time. Source: failures, section on shedding.
const SHED: (u64, u64) = (1_000, 3_000);

/// Others come first: the call is left out, at once or after it has waited.
pub(super) fn left_out(plan: &Plan, call: &Call, waited: Option<Duration>) -> Refusal {
    let asked = &plan.asked;
    let (code, message) = match waited {
        None => (
            Code::LoadShed,
            format!(
                "Every target of '{asked}' has as many calls as it can take, and others come first."
            ),
        ),
        Some(waited) => (
            Code::QueueTimeout,
            format!(
                "Every target of '{asked}' has as many calls as it can take; none had a place within {} ms.",
                waited.as_millis()
            ),
        ),
    };
    let after = Duration::from_millis(fastrand::u64(SHED.0..=SHED.1));
    let mut refusal = Refusal::new(code, message).after(after);
    refusal.client_retries = call.terms().client_retries;
    refusal
}

/// No target takes the call, for longer than it may wait: says why, and when to come again.
pub(super) fn nothing_open(
    plan: &Plan,
    call: &Call,
    closed: Closed,
    journal: &mut Journal,
    now: Instant,
) -> Refusal {
    let Closed { denied, skips } = closed;
    let all = |is: fn(Why) -> bool| denied.iter().all(|one| is(one.why));
    let asked = &plan.asked;
    let soonest = denied.iter().filter_map(|one| one.until).min();
    let after = soonest.map(|until| until.saturating_duration_since(now));
    let seconds = after.map_or(1, advice::whole_seconds);
    let (code, message) = if all(|why| why == Why::Resting(Level::Credential)) {
        let message = format!(
            "Every target of '{asked}' has refused our rate; the first takes calls again in {seconds} s."
        );
        (Code::RateLimited, message)
    } else if all(|why| matches!(why, Why::Open(Level::Target | Level::Provider))) {
        let cause = skips.iter().find_map(|skip| skip.opened_by.as_deref());
        let cause = cause.map_or("failures", |opened| opened.cause);
        let message = format!(
            "Every target of '{asked}' is closed after failures ({cause}); the next call may try in {seconds} s."
        );
        (Code::CircuitOpen, message)
    } else if denied
        .iter()
        .any(|one| matches!(one.why, Why::Full | Why::Throttled))
    {
        let message = format!("Every target of '{asked}' has as many calls as it can take.");
        (Code::LoadShed, message)
    } else {
        let message =
            format!("No target of '{asked}' takes calls now; the first will in {seconds} s.");
        (Code::NoTargetAvailable, message)
    };
    let after = match code {
        Code::LoadShed => Duration::from_millis(fastrand::u64(SHED.0..=SHED.1)),
        _ => after.unwrap_or(Duration::from_secs(1)),
    };
    let mut refusal = Refusal::new(code, message).after(after);
    refusal.opened_by = skips.iter().find(|skip| skip.opened_by.is_some()).cloned();
    refusal.client_retries = call.terms().client_retries;
    for skip in skips {
        journal.add(Event::Skipped(skip));
    }
    refusal
}
