//! The loop: try a target, diagnose, next; until one answers or nothing is left that could help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::Processed;
use resilience::admit::Lesson;

use super::Answer;
use super::conclude;
use super::course::{Course, Step};
use super::once::{Failure, Success, Tried, Try};
use crate::gate::Gate;
use crate::intake::Call;
use crate::journal::{Attempt, Event, Journal, Next};
use crate::refusal::Refusal;
use crate::routing::{Leg, Plan};

/// The first good answer of the plan's targets.
///
/// # Errors
/// No target answered; the refusal carries the preferred target's last verdict.
///
/// # Cancel safety
/// Dropping it closes the attempt's connection at once; the journal notes the attempt as given up.
pub async fn first_success(
    gate: &Gate,
    plan: &Plan,
    call: Call,
    journal: &mut Journal,
) -> Result<Answer, Refusal> {
    let now = || gate.shared.clock.now();
    let mut course = Course::new(&gate.shared.registry, plan, &call);
    let mut step = course
        .begin(now())
        .map_err(|until| conclude::nothing_open(plan, &call, until, now()))?;
    arm_hold(plan, &call, journal);
    loop {
        let Step::Try {
            leg: index,
            credential,
            wait,
            next: _,
        } = step
        else {
            return Err(conclude::exhausted(plan, &call, step, journal, None));
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let Some(leg) = plan.legs.get(index) else {
            return Err(conclude::exhausted(plan, &call, step, journal, None));
        };
        let started = now();
        course.started(index, started);
        let n = course.attempts();
        journal.attempting(n, leg.label());
        let attempt = Try {
            gate,
            plan,
            call: &call,
            leg,
            credential,
            id: journal.id,
            n,
            leaves_room: !course.is_last() && course.has_other(index, started),
            is_last: course.is_last(),
        };
        match Box::pin(attempt.run()).await? {
            Tried::Answered(success) => {
                gate.shared
                    .registry
                    .target(leg.label())
                    .learned(Lesson::Answered, now());
                return Ok(served(
                    *success,
                    n,
                    leg,
                    credential,
                    (started, now()),
                    journal,
                ));
            }
            Tried::Failed(failure) => {
                let after = course.after(index, credential, &failure, now());
                let verbatim = failure.verbatim.clone();
                failed(
                    *failure,
                    n,
                    leg,
                    credential,
                    (started, now()),
                    after,
                    journal,
                );
                if let Step::Stop { .. } = after {
                    return Err(conclude::exhausted(plan, &call, after, journal, verbatim));
                }
                step = after;
            }
        }
    }
}

/// From now on the door may send the head ahead of the answer, once the call has waited long enough.
fn arm_hold(plan: &Plan, call: &Call, journal: &Journal) {
    if let Call::Model(call) = call
        && call.stream
    {
        let due = journal.started() + plan.resilience.hold_for;
        call.terms.hold.arm(due, journal.id);
    }
}

fn served(
    success: Success,
    n: u32,
    leg: &Leg,
    credential: usize,
    (started, now): (Instant, Instant),
    journal: &mut Journal,
) -> Answer {
    for loss in success.losses {
        journal.add(Event::Lost {
            field: loss.field.into_owned(),
            why: loss.why.into_owned(),
        });
    }
    if success.answer.demo {
        journal.add(Event::Demo);
    }
    let status = success.answer.status.as_u16();
    journal.attempted(Attempt {
        n,
        target: Arc::clone(leg.label()),
        credential: credential_id(leg, credential),
        at: since(journal, started),
        took: now.saturating_duration_since(started),
        status: Some(status),
        verdict: None,
        evidence: success.evidence,
        next: Next::Served,
    });
    success.answer
}

fn failed(
    failure: Failure,
    n: u32,
    leg: &Leg,
    credential: usize,
    (started, now): (Instant, Instant),
    after: Step,
    journal: &mut Journal,
) {
    let next = match after {
        Step::Try { next, .. } | Step::Stop { next, .. } => next,
    };
    let repeats = matches!(after, Step::Try { .. });
    if repeats && failure.verdict.processed != Processed::No {
        journal.add(Event::PossibleDuplicate);
    }
    journal.attempted(Attempt {
        n,
        target: Arc::clone(leg.label()),
        credential: credential_id(leg, credential),
        at: since(journal, started),
        took: now.saturating_duration_since(started),
        status: failure.evidence.status(),
        verdict: Some(failure.verdict),
        evidence: failure.evidence,
        next,
    });
}

fn since(journal: &Journal, moment: Instant) -> Duration {
    moment.saturating_duration_since(journal.started())
}

fn credential_id(leg: &Leg, credential: usize) -> Option<types::CredentialId> {
    match leg {
        Leg::Model { target, .. } => target
            .provider
            .credentials
            .get(credential)
            .map(|found| found.id.clone()),
        Leg::Http { .. } => None,
    }
}
