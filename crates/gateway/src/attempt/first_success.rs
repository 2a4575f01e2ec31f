//! The loop: try a target, diagnose, next; until one answers or nothing is left that could help.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::{Evidence, Processed, Verdict};
use resilience::{Lesson, Ticket};
use types::CredentialId;

use super::conclude;
use super::course::{Course, Step};
use super::lesson::{self, Hints};
use super::line::{Place, Turn};
use super::once::{Failure, Success, Tried, Try};
use super::ways::Going;
use super::{Answer, AnswerBody};
use crate::boxed;
use crate::gate::Gate;
use crate::intake::Call;
use crate::journal::{Attempt, Event, Journal, Next};
use crate::refusal::{Refusal, Verbatim};
use crate::relay::hold::Armed;
use crate::routing::{Leg, Plan, Visit};

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
) -> Result<Box<Answer>, Refusal> {
    let now = || gate.shared.clock.now();
    let since = now();
    let mut course = Course::new(&gate.shared.registry, plan, &call, since);
    let (mut going, mut place, mut started) =
        begin(&mut course, gate, plan, &call, journal, since).await?;
    arm_hold(plan, &call, journal);
    loop {
        let Going {
            leg: index,
            credential,
            ticket,
            ..
        } = going;
        let Some(leg) = plan.legs.get(index) else {
            return Err(conclude::exhausted(gate, plan, &call, None, journal, None));
        };
        course.started(index, started);
        let n = course.attempts();
        journal.attempting(n, leg.label(), started);
        let visit = Visit::begin(&gate.shared, plan, &call, leg, place.take(), started);
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
        let tried = boxed::pinned(|| attempt.run()).await?;
        let made = Made {
            n,
            leg,
            credential,
            started,
            ended: now(),
        };
        match tried {
            Tried::Answered(mut success) => {
                course.answered(made.ended);
                success.answer.ticket = answered(ticket, &success, &call, made.ended);
                course.has_answered(index);
                leg.host().answered(made.ended);
                return Ok(served(success, visit, &made, journal));
            }
            Tried::Failed(failure) => {
                if teach(ticket, &failure, plan, made.ended)
                    && let Some(visit) = visit
                {
                    visit.failed(made.ended);
                }
                let step = course.after(index, credential, &failure, made.ended);
                let verbatim = failed(*failure, &made, step, journal);
                match next(step, &mut course, gate, plan, journal).await {
                    Ok(next) => (going, started) = (next, now()),
                    Err(stop) => {
                        return Err(conclude::exhausted(
                            gate,
                            plan,
                            &call,
                            Some(stop),
                            journal,
                            verbatim,
                        ));
                    }
                }
            }
        }
    }
}

/// Goes to the first target that takes the call, and when; where none does, and one will soon, waits for it.
async fn begin(
    course: &mut Course<'_>,
    gate: &Gate,
    plan: &Plan,
    call: &Call,
    journal: &mut Journal,
    since: Instant,
) -> Result<(Going, Option<Place>, Instant), Refusal> {
    let clock = &gate.shared.clock;
    let mut now = since;
    // Who comes while others wait before its first target does not overtake them.
    let first = plan
        .legs
        .first()
        .filter(|leg| gate.shared.lines.is_waited_for(leg.label()));
    let mut place = match first {
        Some(_) => {
            let place = stand_in_line(course, gate, plan, call, 0).await?;
            now = clock.now();
            Some(place)
        }
        None => None,
    };
    loop {
        match course.begin(now) {
            Ok(mut going) => {
                note_skips(&mut going, journal);
                return Ok((going, place, now));
            }
            Err(closed) => {
                let full = closed.full_leg(plan).filter(|_| place.is_none());
                if let Some(full) = full {
                    arm_hold(plan, call, journal);
                    let turn = stand_in_line(course, gate, plan, call, full).await;
                    let came = clock.now();
                    journal.add(Event::Waited(came.saturating_duration_since(now)));
                    place = Some(turn?);
                    now = came;
                    continue;
                }
                let Some(wait) = course.wait(&closed, since, now) else {
                    return Err(conclude::nothing_open(plan, call, closed, journal, now));
                };
                arm_hold(plan, call, journal);
                tokio::time::sleep(wait).await;
                now = clock.now();
            }
        }
    }
}

/// Waits for a place at a target that has as many calls as it can take.
async fn stand_in_line(
    course: &mut Course<'_>,
    gate: &Gate,
    plan: &Plan,
    call: &Call,
    leg: usize,
) -> Result<Place, Refusal> {
    let target = plan.legs.get(leg).map(Leg::label);
    let Some(target) = target else {
        return Err(conclude::left_out(plan, call, None));
    };
    let (lines, clock) = (&gate.shared.lines, &*gate.shared.clock);
    let turn = lines.join(plan, target, clock, move |now| course.room(leg, now));
    match turn.await {
        Turn::Comes(place) => Ok(place),
        Turn::LeftOut => Err(conclude::left_out(plan, call, None)),
        Turn::TooLong(waited) => Err(conclude::left_out(plan, call, Some(waited))),
    }
}

/// Follows the step to the next attempt; where its target takes the call no more, another one that does.
async fn next(
    mut step: Step,
    course: &mut Course<'_>,
    gate: &Gate,
    plan: &Plan,
    journal: &mut Journal,
) -> Result<Going, Step> {
    let clock = &gate.shared.clock;
    loop {
        let Step::Try {
            leg,
            credential,
            wait,
            ..
        } = step
        else {
            return Err(step);
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if let Err(instead) = pay(course, leg, gate, plan).await {
            journal.correct_next(instead.next());
            step = instead;
            continue;
        }
        let since = clock.now();
        loop {
            let now = clock.now();
            match course.enter(leg, credential, now) {
                Ok(mut going) => {
                    if going.leg != leg {
                        course.refund(now);
                        journal.correct_next(Next::NextTarget);
                        note_skips(&mut going, journal);
                    }
                    return Ok(going);
                }
                Err(closed) => match course.wait(&closed, since, now) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => {
                        course.refund(now);
                        for skip in closed.skips {
                            journal.add(Event::Skipped(skip));
                        }
                        let stop = Step::CLOSED;
                        journal.correct_next(stop.next());
                        return Err(stop);
                    }
                },
            }
        }
    }
}

fn note_skips(going: &mut Going, journal: &mut Journal) {
    for skip in going.passed_over.drain(..) {
        journal.add(Event::Skipped(skip));
    }
}

/// A good answer, as far as it is seen: what is held of the target goes along with a body that is still on the way.
fn answered(
    mut ticket: Box<Ticket>,
    success: &Success,
    call: &Call,
    now: Instant,
) -> Option<Box<Ticket>> {
    if let AnswerBody::Whole { .. } = success.answer.body {
        ticket.ended(now);
        return None;
    }
    // A failure that is passed on as it is, since the call may not be repeated, is one all the same.
    let status = success.answer.status;
    if status.is_server_error() || status.as_u16() == 429 {
        let verdict = diagnosis::judge(&success.evidence);
        if let Lesson::Failed(fault) = lesson::of(&verdict, &success.evidence, Hints::Obeyed) {
            ticket.failed(&fault, fastrand::f64(), now);
        }
        return None;
    }
    let first_token = match call {
        Call::Model(call) => {
            let after = success.evidence.times.first_token;
            after.map(|after| (after, call.raw.len() as u64))
        }
        Call::Http(_) => None,
    };
    ticket.begun(first_token, now);
    Some(ticket)
}

/// What a failed attempt teaches; one that says nothing gives back what it held. Whether it said anything of the target.
fn teach(ticket: Box<Ticket>, failure: &Failure, plan: &Plan, now: Instant) -> bool {
    let hints = Hints::when(plan.resilience.respect_retry_after);
    match lesson::of(&failure.verdict, &failure.evidence, hints) {
        Lesson::Failed(fault) => {
            ticket.failed(&fault, fastrand::f64(), now);
            true
        }
        Lesson::Answered | Lesson::Nothing => false,
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
        let armed = Armed {
            due,
            id: journal.id,
            ping_after: plan.ping_after,
        };
        journal.hold.arm(armed);
    }
}

fn served(
    mut success: Success,
    mut visit: Option<Visit>,
    made: &Made<'_>,
    journal: &mut Journal,
) -> Box<Answer> {
    if let Some(visit) = &mut visit {
        let times = &success.evidence.times;
        let began = times.first_token.or(times.first_byte);
        visit.began(began.map_or(made.ended, |began| made.started + began));
    }
    success.answer.visit = visit;
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
