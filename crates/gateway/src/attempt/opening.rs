//! The time until a stream's first content: what is waited for, how long, and when the head may go out.

use std::time::{Duration, Instant};

use config::Hold;
use diagnosis::{Evidence, Fault, LimitFired};
use types::Deadline;

use super::once::Try;
use super::translate_or_pass::Piece;
use crate::bytes::HeldBytes;
use crate::intake::Call;

/// Lifecycle events before the first content are held up to this.
const MAX_LIFECYCLE: usize = 64 * 1024;

/// A stream that is held whole is held up to this, then it commits.
const MAX_HELD: usize = 8 * 1024 * 1024;

/// The time until a stream's first content, and what was held meanwhile.
#[derive(Debug)]
pub(super) struct Opening {
    attempt_start: Instant,
    limit: Duration,
    /// Whether the caller's own hurry made the limit.
    is_callers: bool,
    until: Instant,
    reasoning_until: Option<Instant>,
    whole: bool,
    pub(super) idle: Duration,
    bytes: usize,
    /// What of the byte budget is taken by an answer that is held whole.
    pub(super) reserved: HeldBytes,
    /// Whether the budget has no more.
    full: bool,
    pub(super) first_content: Option<Duration>,
}

/// A model that thinks may take this long while its lifecycle events or pings flow. Source: failures, table of timers.
const REASONING_WITH_SIGNS: Duration = Duration::from_secs(300);

impl Opening {
    pub(super) fn new(attempt: &Try<'_>, evidence: &Evidence) -> Self {
        let now = attempt.now();
        let spent = evidence.times.first_byte.unwrap_or_default();
        let sent = evidence.times.sent.unwrap_or_default();
        let attempt_start = now.checked_sub(spent).unwrap_or(now);
        let (limit, shortened) = attempt.within_room(attempt.first_token_limit());
        let reasoning = matches!(attempt.call, Call::Model(call) if call.reasoning);
        let configured = attempt.plan.resilience.timeout.first_token.is_some();
        let sent_at = attempt_start + sent;
        Self {
            attempt_start,
            limit,
            is_callers: shortened && attempt.plan.is_callers_hurry(),
            until: sent_at + limit,
            reasoning_until: (reasoning && !configured).then(|| sent_at + REASONING_WITH_SIGNS),
            whole: attempt.plan.resilience.hold == Hold::Whole,
            idle: attempt.idle_limit(true),
            bytes: 0,
            reserved: attempt.call.terms().held.beside(),
            full: false,
            first_content: None,
        }
    }

    /// When the next bytes must be there: before the first content its own limit holds as well.
    pub(super) fn deadline(&self, whole: Deadline) -> Deadline {
        match self.first_content {
            Some(_) => whole,
            None => whole.min(Deadline::after(self.until, Duration::ZERO)),
        }
    }

    /// The limit for the first content is told to the body as a deadline; its fault gets its own name here.
    pub(super) fn named(
        &self,
        mut fault: upstream::BodyFault,
        whole: Deadline,
    ) -> upstream::BodyFault {
        if self.first_content.is_none() && fault.fault == Fault::Deadline && self.until < whole.at()
        {
            fault.fault = Fault::FirstTokenTimeout;
            fault.limit = Some(LimitFired {
                name: "first_token",
                value: self.limit,
            });
        }
        fault
    }

    /// Whether a first token that did not come in time says nothing of the model.
    pub(super) fn is_callers(&self) -> bool {
        self.is_callers
    }

    pub(super) fn saw(&mut self, piece: &Piece, now: Instant) {
        self.bytes = self.bytes.saturating_add(piece.bytes.len());
        if self.whole {
            let more = u64::try_from(piece.bytes.len()).unwrap_or(u64::MAX);
            self.full |= !self.reserved.grow(more);
        }
        if piece.content && self.first_content.is_none() {
            self.first_content = Some(now.saturating_duration_since(self.attempt_start));
        } else if let Some(until) = self.reasoning_until.take() {
            self.until = self.until.max(until);
        }
    }

    /// Whether the head may go out: content is there (or the whole answer, where that is wanted), or too much is held.
    pub(super) fn may_commit(&self) -> bool {
        if self.whole {
            return self.bytes > MAX_HELD || self.full;
        }
        self.first_content.is_some() || self.bytes > MAX_LIFECYCLE
    }
}
