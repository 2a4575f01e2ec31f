//! Relays an LLM's stream event by event. A stream that breaks ends with an error event in the client's dialect, never
//! with silence and never with a terminal event that the upstream did not send.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use diagnosis::{Evidence, Phase};
use futures_util::stream::unfold;
use http::StatusCode;
use tokio::time::Sleep;

use super::{Broken, ReplyBody, midstream};
use crate::attempt::translate_or_pass::Piece;
use crate::attempt::{END_WITHIN, LiveStream, stream_fault};
use crate::gate::Gate;
use crate::journal::Event;
use crate::settlement::Settlement;

/// How long an upstream may take to end its framing after the terminal event.
const FRAMING_ENDS: Duration = Duration::from_millis(100);

/// A comment that every reader of server-sent events skips.
const PING: &[u8] = b": keep-alive\n\n";

struct Relay {
    gate: Arc<Gate>,
    live: LiveStream,
    settlement: Option<Settlement>,
    pieces: Vec<Piece>,
    status: StatusCode,
    last_bytes: Instant,
    ping: Pin<Box<Sleep>>,
    /// Whether the closing of the answer was written.
    closed: bool,
}

/// The body for a stream whose first content is there.
pub(super) fn relay(
    gate: Arc<Gate>,
    live: LiveStream,
    settlement: Settlement,
    status: StatusCode,
) -> ReplyBody {
    let last_bytes = gate.shared.clock.now();
    let ping = Box::pin(tokio::time::sleep(live.ping_after));
    let mut relay = Box::new(Relay {
        gate,
        live,
        settlement: Some(settlement),
        pieces: Vec::new(),
        status,
        last_bytes,
        ping,
        closed: false,
    });
    // What was held counts even if the client leaves before it reads any of it.
    relay.note_usage();
    ReplyBody::chunks(unfold(relay, |mut relay| async move {
        let bytes = relay.next().await?;
        Some((Ok::<_, Broken>(bytes), relay))
    }))
}

impl Relay {
    /// The next bytes for the client.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.live.held.pop_front() {
                if let Some(settlement) = &mut self.settlement {
                    settlement.sent(bytes.len());
                }
                return Some(bytes);
            }
            if self.live.body.is_none() {
                self.note_usage();
                let mut settlement = self.settlement.take()?;
                self.note_losses(&mut settlement);
                if self.live.flow.lacks_end()
                    && let Some(journal) = settlement.journal()
                {
                    journal.add(Event::EndMissing);
                }
                settlement.complete();
                return None;
            }
            if self.live.flow.is_over() {
                self.wind_up().await;
                continue;
            }
            match self.read().await {
                Read::Bytes(bytes) => self.take(bytes),
                Read::End => self.end(),
                Read::Silent => return Some(Bytes::from_static(PING)),
                Read::ShutDown => self.shut_down(),
                // The answer is whole; how its connection ends does not matter.
                Read::Fault(_) if self.live.flow.is_complete() => self.end(),
                Read::Fault(fault) => {
                    let evidence = self.evidence(|evidence| fault.complete(evidence));
                    self.break_off(evidence);
                }
            }
        }
    }

    /// The answer is whole: its closing goes out, then its framing gets a moment to end, so that the connection can be
    /// used again.
    async fn wind_up(&mut self) {
        if !self.closed {
            self.closed = true;
            self.end_flow();
            return;
        }
        if let Some(mut body) = self.live.body.take() {
            let end = body.next(FRAMING_ENDS, self.live.deadline);
            if tokio::time::timeout(FRAMING_ENDS, end).await.is_err() {
                tracing::debug!("an upstream left its stream open after the terminal event");
            }
        }
    }

    async fn read(&mut self) -> Read {
        let idle = if self.live.flow.is_complete() {
            self.live.idle.min(END_WITHIN)
        } else {
            self.live.idle
        };
        let Some(body) = &mut self.live.body else {
            return Read::End;
        };
        tokio::select! {
            biased;
            next = body.next(idle, self.live.deadline) => match next {
                None => Read::End,
                Some(Ok(bytes)) => Read::Bytes(bytes),
                Some(Err(fault)) => Read::Fault(fault),
            },
            () = &mut self.ping => {
                // The timer is re-armed here alone, not for each chunk.
                let now = self.gate.shared.clock.now();
                let silent = now.saturating_duration_since(self.last_bytes);
                let after = self.live.ping_after;
                let rest = after.checked_sub(silent).filter(|rest| !rest.is_zero());
                let due = tokio::time::Instant::now() + rest.unwrap_or(after);
                self.ping.as_mut().reset(due);
                if rest.is_some() { Read::Bytes(Bytes::new()) } else { Read::Silent }
            }
            () = self.gate.shared.drain.streams_end() => Read::ShutDown,
        }
    }

    fn take(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.last_bytes = self.gate.shared.clock.now();
        let pushed = self.live.flow.push(bytes, &mut self.pieces);
        self.hand_over();
        if let Err(fault) = pushed {
            let kind = self.live.kind;
            let evidence = self.evidence(|evidence| stream_fault(evidence, kind, fault));
            self.break_off(evidence);
        }
    }

    fn end(&mut self) {
        if self.end_flow() {
            self.live.body = None;
        }
    }

    /// Lets the flow write its closing; false when the answer was not at its end.
    fn end_flow(&mut self) -> bool {
        let finished = self.live.flow.finish(&mut self.pieces);
        self.hand_over();
        let Err(fault) = finished else { return true };
        let kind = self.live.kind;
        let evidence = self.evidence(|evidence| stream_fault(evidence, kind, fault));
        self.break_off(evidence);
        false
    }

    fn hand_over(&mut self) {
        let pieces = self.pieces.drain(..).map(|piece| piece.bytes);
        self.live
            .held
            .extend(pieces.filter(|bytes| !bytes.is_empty()));
        self.note_usage();
    }

    fn note_usage(&mut self) {
        let usage = self.live.flow.usage();
        if let Some(settlement) = &mut self.settlement {
            settlement.passed(self.live.flow.content_events());
            settlement.used(&usage);
        }
    }

    fn evidence(&mut self, seen: impl FnOnce(&mut Evidence)) -> Evidence {
        let mut evidence = midstream::evidence(self.settlement.as_mut());
        evidence.phase = Phase::Stream;
        seen(&mut evidence);
        evidence
    }

    /// What of the answer could not be carried goes into the journal.
    fn note_losses(&mut self, settlement: &mut Settlement) {
        let Some(journal) = settlement.journal() else {
            return;
        };
        for loss in self.live.flow.take_losses() {
            journal.add(Event::Lost {
                field: loss.field.into_owned(),
                why: loss.why.into_owned(),
            });
        }
    }

    /// Ends the stream with an error event; the upstream's connection is closed at once.
    fn break_off(&mut self, evidence: Evidence) {
        self.live.body = None;
        let Some(mut settlement) = self.settlement.take() else {
            return;
        };
        self.note_losses(&mut settlement);
        let event = midstream::break_off(&self.gate, settlement, evidence, self.status);
        self.live.held.push_back(event);
    }

    /// The process ends before the stream does.
    fn shut_down(&mut self) {
        self.live.body = None;
        let Some(mut settlement) = self.settlement.take() else {
            return;
        };
        self.note_losses(&mut settlement);
        let event = midstream::shut_down(&self.gate, settlement, self.status);
        self.live.held.push_back(event);
    }
}

enum Read {
    Bytes(Bytes),
    End,
    Silent,
    ShutDown,
    Fault(upstream::BodyFault),
}
