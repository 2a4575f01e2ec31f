//! The life of one request, top to bottom. Each step is one folder of the same name.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::attempt::Answered;
use crate::gate::Gate;
use crate::intake::Inbound;
use crate::journal::Journal;
use crate::refusal::Refusal;
use crate::relay::Reply;
use crate::relay::hold::HoldNotice;
use crate::{admission, attempt, intake, lanes, refusal, relay, routing};

/// Answers one request. Dropping this future is the client hanging up: every guard settles itself.
pub async fn answer(gate: &Arc<Gate>, inbound: Inbound, hold: &HoldNotice) -> Reply {
    let mut journal = Journal::open(&gate.recorder, inbound.peer, hold);
    let served = {
        let mut serving = pin!(serve(gate, inbound, &mut journal));
        poll_fn(|context| match serving.as_mut().poll(context) {
            Poll::Pending if gate.shared.drain.gives_up(hold) => {
                Poll::Ready(Err(Refusal::shutting_down()))
            }
            polled => polled,
        })
        .await
    };
    match served {
        Ok(answered) => relay::reply(gate, answered, journal), // streams; settles when the body ends
        Err(refusal) => refusal::reply(gate, &refusal, journal), // in the client's own dialect
    }
}

async fn serve(gate: &Gate, inbound: Inbound, journal: &mut Journal) -> Result<Answered, Refusal> {
    let policy = gate.snapshot(); // one policy, start to end
    let mut head = intake::head(&policy, inbound, journal)?; // which lane, which dialect
    let caller = admission::identify(&gate.shared.keyring, &mut head, journal)?; // who asks; no body byte read
    let place = admission::admit(gate, &caller, &head)?; // draining, rate, concurrency
    if let Some(listing) = lanes::listing(&policy, &caller, &head)? {
        return Ok(Answered::local(place, listing)); // GET /v1/models needs no upstream
    }
    let mut call = intake::body(&gate.shared.bytes, &policy, &caller, head, journal).await?; // out of one byte budget
    if let Some(answer) = lanes::answered_before(&gate.shared, &caller, &mut call)? {
        return Ok(Answered::again(place, &answer)); // asked for under the same idempotency key
    }
    let plan = routing::plan(&gate.shared, &policy, &caller, &call, journal)?; // targets, in order
    let answer = attempt::first_success(gate, &plan, call, journal).await?; // try, diagnose, next
    Ok(Answered::from_upstream(place, answer)) // the body's bytes are gone by now
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    /// Compiled, never run: the worker model stays one file that can change.
    #[expect(dead_code, reason = "it only has to compile")]
    fn the_future_of_answer_is_send(gate: &Arc<Gate>, inbound: Inbound, hold: &HoldNotice) {
        let answering = answer(gate, inbound, hold);
        is_send(&answering);
    }
}
