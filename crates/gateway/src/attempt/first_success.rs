//! The loop: try a target, diagnose, next; until one answers or nothing is left that could help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::{Evidence, Processed, Verdict};
use resilience::admit::Lesson;
use types::CredentialId;

use super::Answer;
use super::conclude;
use super::course::{Course, Step};
use super::once::{Failure, Success, Tried, Try};
use crate::gate::Gate;
use crate::intake::Call;
use crate::journal::{Attempt, Event, Journal, Next};
use crate::refusal::{Refusal, Verbatim};
use crate::routing::{Leg, Plan};

/// A call waits at most this long for another call's repeat to give its token back.
const LONGEST_WAIT_FOR_A_TOKEN: Duration = Duration::from_secs(1);

/// How often it looks.
const LOOK_FOR_A_TOKEN: Duration = Duration::from_millis(10);

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
        .map_err(|rest| conclude::nothing_open(plan, &call, rest, now()))?;
    arm_hold(plan, &call, journal);
    loop {
        let Step::Try {
            leg: index,
            credential,
            wait,
            next: _,
        } = step
        else {
            return Err(conclude::exhausted(gate, plan, &call, step, journal, None));
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if let Err(instead) = pay(&mut course, index, gate, plan).await {
            journal.correct_next(instead.next());
            step = instead;
            continue;
        }
        let Some(leg) = plan.legs.get(index) else {
            return Err(conclude::exhausted(gate, plan, &call, step, journal, None));
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
            started,
            call_age: started.saturating_duration_since(journal.started()),
            leaves_room: !course.is_last() && course.has_other(index, started),
            is_last: course.is_last(),
        };
        let tried = Box::pin(attempt.run()).await?;
        let made = Made {
            n,
            leg,
            credential,
            started,
            ended: now(),
        };
        match tried {
            Tried::Answered(success) => {
                course.answered(made.ended);
                let state = gate.shared.registry.target(leg.label());
                state.learned(Lesson::Answered, made.ended);
                return Ok(served(*success, &made, journal));
            }
            Tried::Failed(failure) => {
                step = course.after(index, credential, &failure, made.ended);
                let verbatim = failed(*failure, &made, step, journal);
                if let Step::Stop { .. } = step {
                    return Err(conclude::exhausted(
                        gate, plan, &call, step, journal, verbatim,
                    ));
                }
            }
        }
    }
}

/// An attempt that was made.
struct Made<'a> {
    n: u32,
    leg: &'a Leg,
    credential: usize,
    started: Instant,
    ended: Instant,
}

impl Made<'_> {
    fn record(
        &self,
        journal: &Journal,
        verdict: Option<Verdict>,
        evidence: Box<Evidence>,
        next: Next,
    ) -> Attempt {
        Attempt {
            n: self.n,
            target: Arc::clone(self.leg.label()),
            credential: self.credential_id(),
            at: self.started.saturating_duration_since(journal.started()),
            took: self.ended.saturating_duration_since(self.started),
            status: evidence.status(),
            verdict,
            evidence,
            next,
        }
    }

    fn credential_id(&self) -> Option<CredentialId> {
        match self.leg {
            Leg::Model { target, .. } => {
                Some(target.provider.credentials.get(self.credential)?.id.clone())
            }
            Leg::Http { .. } => None,
        }
    }
}

/// Takes the token for a repeat. Where none is left but repeats are under way, one of them may give its token back: that
/// is waited for a little. A dead upstream gives none back.
async fn pay(course: &mut Course<'_>, leg: usize, gate: &Gate, plan: &Plan) -> Result<(), Step> {
    let clock = &gate.shared.clock;
    let patience = LONGEST_WAIT_FOR_A_TOKEN.min(plan.answer_by().left(clock.now()) / 10);
    let until = clock.now() + patience;
    loop {
        let paid = course.pay(leg, clock.now());
        let budget_is_empty = matches!(paid, Err(Step::Stop { .. }));
        if !budget_is_empty || !course.may_get_a_token(leg) || clock.now() >= until {
            return paid;
        }
        tokio::time::sleep(LOOK_FOR_A_TOKEN).await;
    }
}

/// From now on the door may send the head ahead of the answer, once the call has waited long enough.
fn arm_hold(plan: &Plan, call: &Call, journal: &Journal) {
    if let Call::Model(call) = call
        && call.stream
    {
        let due = journal.started() + plan.resilience.hold_for;
        journal.hold.arm(due, journal.id);
    }
}

fn served(success: Success, made: &Made<'_>, journal: &mut Journal) -> Answer {
    for loss in success.losses {
        journal.add(Event::Lost {
            field: loss.field.into_owned(),
            why: loss.why.into_owned(),
        });
    }
    let mut attempt = made.record(journal, None, success.evidence, Next::Served);
    attempt.status = Some(success.answer.status.as_u16());
    journal.attempted(attempt);
    success.answer
}

/// Notes a failed attempt; gives back the upstream's own words, in case they are the call's answer.
fn failed(
    failure: Failure,
    made: &Made<'_>,
    after: Step,
    journal: &mut Journal,
) -> Option<Verbatim> {
    let Failure {
        evidence,
        verdict,
        verbatim,
    } = failure;
    let (next, repeats) = (after.next(), matches!(after, Step::Try { .. }));
    if repeats && verdict.processed != Processed::No {
        journal.add(Event::PossibleDuplicate);
    }
    journal.attempted(made.record(journal, Some(verdict), evidence, next));
    verbatim
}
