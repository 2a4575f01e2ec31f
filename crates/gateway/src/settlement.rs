//! What an answer that was relayed came to: usage, cost, outcome. Settles however the relay ends, also when the client left.

use std::time::Duration;

use bytes::Bytes;
use provider::catalog::Price;
use resilience::{Lesson, Ticket};
use types::TokenUsage;

use crate::admission::Place;
use crate::journal::{Certainty, Event, Journal, Outcome};
use crate::refusal::Refusal;
use crate::routing::Visit;

/// The guard of one relayed answer. Dropping it unsettled means that the client left.
#[derive(Debug)]
pub struct Settlement {
    journal: Option<Journal>,
    price: Option<Price>,
    usage: TokenUsage,
    sent: u64,
    content_events: u64,
    visit: Option<Visit>,
    _place: Place,
    /// What the attempt that answers holds of its target; dropped unsettled, it teaches nothing.
    ticket: Option<Box<Ticket>>,
}

impl Settlement {
    /// Guards the answer of this journal's call; the visit ends with it.
    #[must_use]
    pub fn new(
        journal: Journal,
        place: Place,
        price: Option<Price>,
        ticket: Option<Box<Ticket>>,
        visit: Option<Visit>,
    ) -> Self {
        Self {
            journal: Some(journal),
            price,
            usage: TokenUsage::default(),
            sent: 0,
            content_events: 0,
            visit,
            _place: place,
            ticket,
        }
    }

    /// The journal, while the answer runs.
    pub fn journal(&mut self) -> Option<&mut Journal> {
        self.journal.as_mut()
    }

    /// Takes note of the running totals.
    pub fn used(&mut self, usage: &TokenUsage) {
        self.usage.replace_with(usage);
    }

    /// Takes note of how many events of content have passed: an estimate of tokens where no total ever comes.
    pub fn passed(&mut self, content_events: u64) {
        self.content_events = content_events;
    }

    /// Takes note of bytes handed to the client.
    pub fn sent(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// The answer reached its end.
    pub fn complete(mut self) {
        if let (Some(ticket), Some(journal)) = (self.ticket.take(), &self.journal) {
            ticket.ended(journal.now());
        }
        let outcome = self.journal.as_ref().map_or(Outcome::Ok, answered_outcome);
        if let (Some(visit), Some(journal)) = (self.visit.take(), &self.journal) {
            let now = journal.started() + journal.elapsed();
            visit.answered(self.price, &self.usage, now);
        }
        self.settle(outcome);
    }

    /// The answer broke after content had gone out.
    pub fn broke(mut self, refusal: &Refusal, status: u16, body: Bytes) {
        if let Some(journal) = &mut self.journal {
            journal.add(Event::Refused {
                code: refusal.code,
                status,
                stop_reason: refusal.stop_reason,
                body,
                output_sent: true,
                retry_after: None,
            });
        }
        self.settle(Outcome::Failed);
    }

    /// What the break of the answer teaches of its target.
    pub(crate) fn learn(&mut self, lesson: &Lesson) {
        if let (Some(ticket), Some(journal), Lesson::Failed(fault)) =
            (self.ticket.take(), &self.journal, lesson)
        {
            ticket.failed(fault, fastrand::f64(), journal.now());
        }
    }

    fn settle(&mut self, outcome: Outcome) {
        let Some(mut journal) = self.journal.take() else {
            return;
        };
        let elapsed = journal.elapsed();
        if let Some(attempt) = journal.last_attempt_mut() {
            attempt.took = elapsed.saturating_sub(attempt.at).max(Duration::ZERO);
            attempt.evidence.times.end = Some(attempt.took);
        }
        journal.add(Event::Sent(self.sent));
        // A stream that was left or broke never told its totals, at most its beginnings.
        let unfinished = !matches!(outcome, Outcome::Ok | Outcome::Recovered);
        let estimated = self.content_events > 0 && (unfinished || self.usage.output.is_none());
        if estimated {
            // An event is about a token, a token of a prompt about four bytes.
            self.usage.output = self.usage.output.max(Some(self.content_events));
            self.usage.input = self
                .usage
                .input
                .or_else(|| Some(journal.request_bytes() / 4));
        }
        if !self.usage.is_unknown() {
            let cost = self
                .price
                .map(|price| provider::catalog::cost(&price, &self.usage));
            let certainty = if estimated {
                Certainty::Estimated
            } else {
                Certainty::Exact
            };
            journal.add(Event::Used {
                usage: self.usage,
                cost,
                certainty,
            });
        }
        journal.close_after(outcome, elapsed);
    }
}

/// Answered at the first attempt, or only after a failed one.
#[must_use]
pub fn answered_outcome(journal: &Journal) -> Outcome {
    if journal.attempts().count() > 1 {
        Outcome::Recovered
    } else {
        Outcome::Ok
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        self.settle(Outcome::Cancelled);
    }
}
