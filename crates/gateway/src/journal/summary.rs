//! One pass over a closed journal: what log and store both need.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Code, Lane};
use types::{KeyId, NanoUsd, Priority, TokenUsage};

use super::{Attempt, Bounds, Certainty, ClientFacts, Closed, ClosedBy, Event, StopReason};

/// What a closed journal says, by reference where it can.
#[derive(Debug, Default)]
pub struct Summary<'a> {
    /// The lane.
    pub lane: Option<Lane>,
    /// The method.
    pub method: &'a str,
    /// The path.
    pub path: &'a str,
    /// What the client says of itself.
    pub client: Option<&'a ClientFacts>,
    /// Who called.
    pub key: Option<&'a KeyId>,
    /// The class of the call.
    pub priority: Priority,
    /// How long it stood in line before targets, each time.
    pub waits: Vec<Duration>,
    /// What was asked for.
    pub model: Option<&'a Arc<str>>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// The client's dialect, on the model lane.
    pub dialect: Option<&'static str>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Where the call could go, and within which bounds.
    pub bounds: Option<&'a Bounds>,
    /// The attempts in order.
    pub attempts: Vec<&'a Attempt>,
    /// The targets that were not tried.
    pub skipped: Vec<(&'a Arc<str>, &'static str)>,
    /// What could not be carried.
    pub losses: Vec<(&'a str, &'a str)>,
    /// The status the client saw.
    pub status: Option<u16>,
    /// Time to the first content.
    pub first_content: Option<Duration>,
    /// The failure the client saw.
    pub code: Option<Code>,
    /// Why nothing more was tried.
    pub stop_reason: Option<StopReason>,
    /// The error body the client got.
    pub body: Option<&'a Bytes>,
    /// When the client was told to come again.
    pub retry_after: Option<Duration>,
    /// Whether content had reached the client when the answer broke.
    pub output_sent: bool,
    /// Tokens.
    pub usage: TokenUsage,
    /// Money.
    pub cost: Option<NanoUsd>,
    /// Repeats of attempts that the upstream may have executed.
    pub repeats_at_risk: u32,
    /// Who ended the tunnel, where the call became one.
    pub closed_by: Option<ClosedBy>,
    /// Streams (one at most) that lacked the event that ends them, though the answer was whole.
    pub ends_missing: u32,
    /// The warm prompt cache that was left, for which target, and what that costs.
    pub left_cache: Option<(&'a Arc<str>, &'a Arc<str>, NanoUsd)>,
    /// How well tokens and money are known.
    pub certainty: Option<Certainty>,
    /// Whether a demo target answered.
    pub demo: bool,
}

impl<'a> Summary<'a> {
    /// Reads a closed journal.
    #[must_use]
    pub fn of(closed: &'a Closed) -> Self {
        let mut summary = Self::default();
        for event in &closed.events {
            summary.take(event);
        }
        summary
    }

    fn take(&mut self, event: &'a Event) {
        match event {
            Event::Asked(asked) => {
                self.lane = Some(asked.lane);
                self.method = asked.method.as_str();
                self.path = asked.uri.path();
                self.client = Some(&asked.client);
            }
            Event::Identified(key, priority) => {
                self.key = Some(key);
                self.priority = *priority;
            }
            Event::Waited(waited) => self.waits.push(*waited),
            Event::Wanted {
                model,
                stream,
                dialect,
                bytes,
            } => {
                self.model = Some(model);
                self.stream = *stream;
                self.dialect = *dialect;
                self.request_bytes = *bytes;
            }
            Event::Planned(bounds) => self.bounds = Some(bounds),
            Event::Attempted(attempt) => self.attempts.push(attempt),
            Event::Skipped(skip) => self.skipped.push((&skip.target, skip.why)),
            Event::LeftCache { from, to, loss } => self.left_cache = Some((from, to, *loss)),
            Event::Lost { field, why } => self.losses.push((field, why)),
            Event::FirstContent(after) => self.first_content = Some(*after),
            Event::Answering { status } => self.status = Some(*status),
            Event::Refused {
                code,
                status,
                stop_reason,
                body,
                output_sent,
                retry_after,
            } => {
                self.code = Some(*code);
                self.status = Some(*status);
                self.stop_reason = *stop_reason;
                self.body = Some(body);
                self.response_bytes = body.len() as u64;
                self.output_sent = *output_sent;
                self.retry_after = *retry_after;
            }
            Event::Used {
                usage,
                cost,
                certainty,
            } => {
                self.certainty = Some(*certainty);
                self.usage = *usage;
                self.cost = *cost;
            }
            Event::Demo => self.demo = true,
            Event::Sent(bytes) => self.response_bytes = *bytes,
            Event::Tunnelled {
                up,
                down: _,
                closed_by,
            } => {
                self.request_bytes = *up;
                self.closed_by = Some(*closed_by);
            }
            Event::PossibleDuplicate => self.repeats_at_risk += 1,
            Event::EndMissing => self.ends_missing += 1,
        }
    }

    /// The target that answered.
    #[must_use]
    pub fn served_by(&self) -> Option<&'a Arc<str>> {
        let attempt: &'a Attempt = self.attempts.last()?;
        (attempt.next == super::Next::Served).then_some(&attempt.target)
    }
}
