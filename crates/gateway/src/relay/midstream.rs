//! An answer that breaks after its first byte: what is recorded, and what the client is told.

use bytes::Bytes;
use diagnosis::Evidence;
use http::StatusCode;

use crate::attempt::lesson::{self, Hints};
use crate::gate::Gate;
use crate::journal::{Next, StopReason};
use crate::refusal::{self, Refusal};
use crate::settlement::Settlement;

/// The evidence of the attempt that answers, to be completed with what has just been seen.
pub(super) fn evidence(settlement: Option<&mut Settlement>) -> Evidence {
    let journal = settlement.and_then(Settlement::journal);
    match journal.and_then(|journal| journal.last_attempt_mut()) {
        Some(attempt) => Evidence::clone(&attempt.evidence),
        None => Evidence::default(),
    }
}

/// Judges the break, settles the call as failed, and gives the event that ends a stream.
pub(super) fn break_off(
    gate: &Gate,
    mut settlement: Settlement,
    evidence: Evidence,
    status: StatusCode,
) -> Bytes {
    let verdict = diagnosis::judge(&evidence);
    settlement.learn(&lesson::of(&verdict, &evidence, Hints::TooLate));
    let Some(journal) = settlement.journal() else {
        return Bytes::new();
    };
    let target = journal
        .attempts()
        .next_back()
        .map(|attempt| attempt.target.to_string())
        .unwrap_or_default();
    let message = format!(
        "The answer of {target} broke off after it had begun: {}. What you have is not the whole answer.",
        verdict.evidence_line
    );
    let mut refusal = Refusal::new(verdict.code, message);
    refusal.origin = verdict.origin;
    refusal.stop_reason = Some(StopReason::Committed);
    let elapsed = journal.elapsed();
    if let Some(attempt) = journal.last_attempt_mut() {
        attempt.took = elapsed.saturating_sub(attempt.at);
        attempt.verdict = Some(verdict);
        *attempt.evidence = evidence;
        attempt.next = Next::FailFast;
    }
    let (event, body) = refusal::midstream_event(gate, &refusal, journal);
    settlement.broke(&refusal, status.as_u16(), body);
    event
}

/// Settles an answer that the end of the process cuts off, and gives the event that ends a stream.
pub(super) fn shut_down(gate: &Gate, mut settlement: Settlement, status: StatusCode) -> Bytes {
    let Some(journal) = settlement.journal() else {
        return Bytes::new();
    };
    let mut refusal = Refusal::shutting_down();
    "The gateway is shutting down. What you have is not the whole answer."
        .clone_into(&mut refusal.message);
    refusal.stop_reason = Some(StopReason::Committed);
    let (event, body) = refusal::midstream_event(gate, &refusal, journal);
    settlement.broke(&refusal, status.as_u16(), body);
    event
}
