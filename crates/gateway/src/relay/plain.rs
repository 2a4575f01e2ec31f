//! Relays the answer of a plain HTTP call as it comes. One that breaks is broken off visibly, never closed cleanly.

use std::sync::Arc;

use bytes::Bytes;
use diagnosis::Phase;
use futures_util::stream::unfold;
use http::StatusCode;

use super::{Broken, ReplyBody, midstream};
use crate::attempt::RawBody;
use crate::gate::Gate;
use crate::settlement::Settlement;

struct Relay {
    gate: Arc<Gate>,
    raw: RawBody,
    settlement: Option<Settlement>,
    status: StatusCode,
}

/// The body of a plain answer.
pub(super) fn relay(
    gate: Arc<Gate>,
    raw: RawBody,
    settlement: Settlement,
    status: StatusCode,
) -> ReplyBody {
    let mut relay = Box::new(Relay {
        gate,
        raw,
        settlement: Some(settlement),
        status,
    });
    if relay.raw.first.is_none() && relay.raw.body.is_finished() {
        relay.complete();
        return ReplyBody::whole(Bytes::new());
    }
    ReplyBody::chunks(unfold(relay, |mut relay| async move {
        let next = relay.next().await?;
        Some((next, relay))
    }))
}

impl Relay {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        self.settlement.as_ref()?;
        let next = match self.raw.first.take() {
            Some(first) => Some(Ok(first)),
            None => tokio::select! {
                biased;
                next = self.raw.body.next(self.raw.idle, self.raw.deadline) => next,
                () = self.gate.shared.drain.streams_end() => {
                    midstream::shut_down(&self.gate, self.settlement.take()?, self.status);
                    return Some(Err(Broken));
                }
            },
        };
        match next {
            Some(Ok(bytes)) => {
                if let Some((ticket, _)) = &self.raw.remember {
                    ticket.passed(&bytes);
                }
                if let Some(settlement) = &mut self.settlement {
                    settlement.sent(bytes.len());
                }
                // Of an answer of announced length nobody asks for more than its last byte.
                if self.raw.body.is_finished() {
                    self.complete();
                }
                Some(Ok(bytes))
            }
            None => {
                self.complete();
                None
            }
            Some(Err(fault)) => {
                self.break_off(fault);
                // What was written so far, the head at least, goes out before the connection breaks.
                tokio::task::yield_now().await;
                Some(Err(Broken))
            }
        }
    }

    /// The answer is whole: a later call with the same idempotency key gets it again, or may begin.
    fn complete(&mut self) {
        if let Some((ticket, headers)) = self.raw.remember.take() {
            ticket.answered(self.status, &headers);
        }
        if let Some(settlement) = self.settlement.take() {
            settlement.complete();
        }
    }

    fn break_off(&mut self, fault: upstream::BodyFault) {
        let Some(mut settlement) = self.settlement.take() else {
            return;
        };
        let mut evidence = midstream::evidence(Some(&mut settlement));
        evidence.phase = Phase::Body;
        fault.complete(&mut evidence);
        midstream::break_off(&self.gate, settlement, evidence, self.status);
    }
}
