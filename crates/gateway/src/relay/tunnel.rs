//! What a connection is after `101 Switching Protocols`: bytes both ways, until one side has enough.
//!
//! Nothing is read into the bytes. An orderly end of one direction is passed on and the other goes on; a break is passed on
//! as a break, never as an end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use diagnosis::{Fault, LimitFired, Phase};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, Sleep};
use types::Deadline;

use super::{ReplyBody, midstream};
use crate::attempt::RawTunnel;
use crate::gate::Gate;
use crate::journal::{ClosedBy, Event};
use crate::serve::Upgraded;
use crate::settlement::Settlement;

/// What one direction holds at most.
const ROOM: usize = 8 * 1024;

/// The tunnel between the client and the upstream.
pub(super) fn relay(gate: Arc<Gate>, raw: RawTunnel, settlement: Settlement) -> ReplyBody {
    ReplyBody::tunnel(Box::new(move |client| {
        Box::pin(async move {
            let mut tunnel = Tunnel::new(client, raw, settlement);
            let ended = tunnel.run().await;
            tunnel.settle(&gate, ended);
        })
    }))
}

/// How a tunnel ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Both directions in order; this side was the first.
    InOrder(ClosedBy),
    /// This side broke off.
    Broken(ClosedBy),
    /// Nothing passed for so long.
    Idle,
    /// The configured total time is over.
    Deadline,
}

struct Tunnel {
    client: Upgraded,
    upstream: upstream::Upgraded,
    up: Direction,
    down: Direction,
    idle: Duration,
    deadline: Option<Deadline>,
    timer: Pin<Box<Sleep>>,
    progress: Instant,
    settlement: Option<Settlement>,
}

impl Tunnel {
    fn new(client: Upgraded, raw: RawTunnel, settlement: Settlement) -> Self {
        let now = Instant::now();
        Self {
            client,
            upstream: raw.upstream,
            up: Direction::default(),
            down: Direction::default(),
            idle: raw.idle,
            deadline: raw.deadline,
            timer: Box::pin(tokio::time::sleep_until(now + raw.idle)),
            progress: now,
            settlement: Some(settlement),
        }
    }

    async fn run(&mut self) -> Ended {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let before = (self.up.moved, self.down.moved);
        let up = self.up.poll(cx, &mut self.client, &mut self.upstream);
        let down = self.down.poll(cx, &mut self.upstream, &mut self.client);
        if (self.up.moved, self.down.moved) != before {
            self.progress = Instant::now();
        }
        match (up, down) {
            (Poll::Ready(Err(side)), _) => return Poll::Ready(Ended::Broken(side.of_up())),
            (_, Poll::Ready(Err(side))) => return Poll::Ready(Ended::Broken(side.of_down())),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                let first = if self.up.ended_at <= self.down.ended_at {
                    ClosedBy::Client
                } else {
                    ClosedBy::Upstream
                };
                return Poll::Ready(Ended::InOrder(first));
            }
            _ => {}
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let deadline = self
                .deadline
                .map(|deadline| Instant::from_std(deadline.at()));
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(Ended::Deadline);
            }
            let until = self.progress + self.idle;
            if until <= now {
                return Poll::Ready(Ended::Idle);
            }
            // Moved once for each limit's length, not for each byte.
            let next = deadline.map_or(until, |deadline| deadline.min(until));
            self.timer.as_mut().reset(next);
        }
    }

    fn settle(mut self, gate: &Gate, ended: Ended) {
        let closed_by = match ended {
            Ended::InOrder(side) | Ended::Broken(side) => side,
            Ended::Idle | Ended::Deadline => ClosedBy::Gateway,
        };
        if !matches!(ended, Ended::InOrder(_)) {
            self.client.abort();
            self.upstream.abort();
        }
        let Some(mut settlement) = self.settlement.take() else {
            return;
        };
        self.note(&mut settlement, closed_by);
        let (fault, limit) = match ended {
            Ended::InOrder(_) => return settlement.complete(),
            // Dropping it says that the client left.
            Ended::Broken(ClosedBy::Client) => return,
            Ended::Broken(_) => (Fault::Reset, None),
            Ended::Idle => {
                let name = "idle";
                let value = self.idle;
                (Fault::IdleTimeout, Some(LimitFired { name, value }))
            }
            Ended::Deadline => (Fault::Deadline, None),
        };
        let mut evidence = midstream::evidence(Some(&mut settlement));
        evidence.phase = Phase::Stream;
        evidence.fault = Some(fault);
        evidence.limit = limit;
        evidence.bytes.received = evidence.bytes.received.saturating_add(self.down.moved);
        evidence.bytes.sent = evidence.bytes.sent.saturating_add(self.up.moved);
        midstream::break_off(gate, settlement, evidence, StatusCode::SWITCHING_PROTOCOLS);
    }

    fn note(&self, settlement: &mut Settlement, closed_by: ClosedBy) {
        settlement.sent(usize::try_from(self.down.moved).unwrap_or(usize::MAX));
        if let Some(journal) = settlement.journal() {
            journal.add(Event::Tunnelled {
                up: self.up.moved,
                down: self.down.moved,
                closed_by,
            });
        }
    }
}

impl Drop for Tunnel {
    /// The process ends, or the door was told to close: what passed is recorded all the same.
    fn drop(&mut self) {
        if let Some(mut settlement) = self.settlement.take() {
            self.note(&mut settlement, ClosedBy::Gateway);
        }
    }
}

/// Which end of a direction broke.
#[derive(Clone, Copy, Debug)]
enum Side {
    From,
    To,
}

impl Side {
    fn of_up(self) -> ClosedBy {
        match self {
            Self::From => ClosedBy::Client,
            Self::To => ClosedBy::Upstream,
        }
    }

    fn of_down(self) -> ClosedBy {
        match self {
            Self::From => ClosedBy::Upstream,
            Self::To => ClosedBy::Client,
        }
    }
}

/// One direction: reads, writes, and passes the end on.
#[derive(Debug, Default)]
struct Direction {
    buffer: BytesMut,
    is_over: bool,
    is_shut: bool,
    is_unflushed: bool,
    moved: u64,
    ended_at: Option<Instant>,
}

impl Direction {
    fn poll<F, T>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
        to: &mut T,
    ) -> Poll<Result<(), Side>>
    where
        F: AsyncRead + Unpin,
        T: AsyncWrite + Unpin,
    {
        loop {
            if self.is_shut {
                return Poll::Ready(Ok(()));
            }
            if !self.buffer.is_empty() {
                match ready!(Pin::new(&mut *to).poll_write(cx, &self.buffer)) {
                    Ok(count) if count > 0 => {
                        self.buffer.advance(count);
                        self.moved = self.moved.saturating_add(count as u64);
                        self.is_unflushed = true;
                    }
                    _ => return Poll::Ready(Err(Side::To)),
                }
                continue;
            }
            if self.is_over {
                if ready!(Pin::new(&mut *to).poll_shutdown(cx)).is_err() {
                    return Poll::Ready(Err(Side::To));
                }
                self.is_shut = true;
                continue;
            }
            match self.poll_read(cx, from) {
                Poll::Ready(Ok(0)) => {
                    self.is_over = true;
                    self.ended_at = Some(Instant::now());
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Side::From)),
                Poll::Pending => {
                    // Idle tunnels are many, and hold nothing.
                    self.buffer = BytesMut::new();
                    if self.is_unflushed {
                        if ready!(Pin::new(&mut *to).poll_flush(cx)).is_err() {
                            return Poll::Ready(Err(Side::To));
                        }
                        self.is_unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read<F: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut F,
    ) -> Poll<io::Result<usize>> {
        self.buffer.clear();
        self.buffer.reserve(ROOM);
        let read = pin!(from.read_buf(&mut self.buffer));
        read.poll(cx)
    }
}
