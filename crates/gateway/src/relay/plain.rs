//! Relays the answer of a plain HTTP call as it comes. One that breaks is broken off visibly, never closed cleanly.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Evidence, Phase};
use futures_util::stream::unfold;
use http::StatusCode;

use super::{Broken, ReplyBody};
use crate::attempt::RawBody;
use crate::gate::Gate;
use crate::journal::{Next, StopReason};
use crate::refusal::{self, Refusal};
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
    if raw.body.is_finished() {
        settlement.complete();
        return ReplyBody::whole(Bytes::new());
    }
    let relay = Box::new(Relay {
        gate,
        raw,
        settlement: Some(settlement),
        status,
    });
    ReplyBody::chunks(unfold(relay, |mut relay| async move {
        let next = relay.next().await?;
        Some((next, relay))
    }))
}

impl Relay {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        self.settlement.as_ref()?;
        match self.raw.body.next(self.raw.idle, self.raw.deadline).await {
            Some(Ok(bytes)) => Some(Ok(bytes)),
            None => {
                self.settlement.take()?.complete();
                None
            }
            Some(Err(fault)) => {
                self.break_off(fault);
                Some(Err(Broken))
            }
        }
    }

    fn break_off(&mut self, fault: upstream::BodyFault) {
        let Some(mut settlement) = self.settlement.take() else {
            return;
        };
        let Some(journal) = settlement.journal() else {
            return;
        };
        let mut evidence = journal
            .last_attempt_mut()
            .map_or_else(Evidence::default, |attempt| {
                Evidence::clone(&attempt.evidence)
            });
        evidence.phase = Phase::Body;
        fault.complete(&mut evidence);
        let verdict = diagnosis::judge(&evidence);
        let message = format!(
            "The answer broke off after it had begun: {}.",
            verdict.evidence_line
        );
        let mut refusal = Refusal::new(verdict.code, message);
        refusal.origin = verdict.origin;
        refusal.stop_reason = Some(StopReason::Committed);
        let took: Duration = journal.elapsed();
        if let Some(attempt) = journal.last_attempt_mut() {
            attempt.took = took.saturating_sub(attempt.at);
            attempt.verdict = Some(verdict);
            attempt.evidence = Box::new(evidence);
            attempt.next = Next::FailFast;
        }
        let (_, body) = refusal::midstream_event(&self.gate, &refusal, journal);
        settlement.broke(&refusal, self.status.as_u16(), body);
    }
}
