//! Request out and head in, at once: an answer may come before the request is sent, and must be seen.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use diagnosis::{Evidence, Fault, Phase};
use types::Clock;

use crate::attempt::Timers;
use crate::connect::Failed;
use crate::connection::Connection;
use crate::faults;
use crate::timer::{self, Limit, Timer, Wait};
use crate::upload::{Sending, Stopped};
use http1::{Head, HeadReader, buffers};

/// How many pieces one call of the system writes at most.
const SLICES: usize = 16;

/// How far the request's parts have been written.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    part: usize,
    offset: usize,
    sent: u64,
}

impl Progress {
    /// Writes parts until all are with the system.
    fn poll<'p>(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        part: impl Fn(usize) -> Option<&'p [u8]>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut filled = 0;
            for slot in &mut slices {
                let Some(bytes) = part(self.part + filled) else {
                    break;
                };
                let from = if filled == 0 { self.offset } else { 0 };
                *slot = IoSlice::new(bytes.get(from..).unwrap_or_default());
                filled += 1;
            }
            if filled == 0 {
                return connection.poll_flush(cx);
            }
            let slices = slices.get(..filled).unwrap_or_default();
            let due: usize = slices.iter().map(|slice| slice.len()).sum();
            let count = if due == 0 {
                0
            } else {
                ready!(connection.poll_write(cx, slices))?
            };
            if count == 0 && due > 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count, slices);
        }
    }

    fn advance(&mut self, count: usize, slices: &[IoSlice<'_>]) {
        self.sent = self.sent.saturating_add(count as u64);
        let mut left = count;
        for slice in slices {
            if left < slice.len() {
                self.offset = if self.offset_applies(slices, slice) {
                    self.offset + left
                } else {
                    left
                };
                return;
            }
            left -= slice.len();
            self.part += 1;
            self.offset = 0;
        }
    }

    /// Only the first slice begins where the last write stopped.
    fn offset_applies(&self, slices: &[IoSlice<'_>], slice: &IoSlice<'_>) -> bool {
        slices
            .first()
            .is_some_and(|first| std::ptr::eq(first, slice))
    }
}

/// What of a request is still to be sent when its answer has begun.
#[derive(Debug)]
pub(crate) struct Unsent {
    parts: Vec<Bytes>,
    progress: Progress,
    upload: Option<Box<Sending>>,
}

impl Unsent {
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        let Self {
            parts,
            progress,
            upload,
        } = self;
        ready!(progress.poll(cx, connection, |place| parts.get(place).map(|part| &**part)))?;
        match upload {
            None => Poll::Ready(Ok(())),
            Some(upload) => upload
                .poll(cx, connection)
                .map_err(|stopped| match stopped {
                    Stopped::Io(error) => error,
                    Stopped::BrokenOff => io::ErrorKind::UnexpectedEof.into(),
                }),
        }
    }
}

/// One request on one connection, up to its answer's head.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) connection: &'a mut Connection,
    pub(crate) head: &'a [u8],
    pub(crate) body: &'a [Bytes],
    /// The body in its place, where it is still coming.
    pub(crate) upload: &'a mut Option<Box<Sending>>,
    pub(crate) heads: HeadReader,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) timers: &'a Timers,
    pub(crate) start: Instant,
    pub(crate) state: State,
}

/// What changes while an exchange goes on.
#[derive(Debug, Default)]
pub(crate) struct State {
    progress: Progress,
    written: Option<Instant>,
    broken: Option<Fault>,
    buffer: BytesMut,
    limit: Option<(Limit, Stand)>,
    /// When the last bytes came, where they were the first.
    came: Option<Instant>,
}

/// How far sending stands: bytes sent, and whether it is the caller who is waited for. A limit holds while it stays.
type Stand = (u64, bool);

/// A head, and what came or remained beside it.
#[derive(Debug)]
pub(crate) struct Began {
    pub(crate) head: Head,
    pub(crate) buffer: BytesMut,
    pub(crate) unsent: Option<Box<Unsent>>,
    /// Whether the request went out whole, or goes on going out.
    pub(crate) request_whole: bool,
    /// When it came, if it came at once.
    pub(crate) now: Option<Instant>,
}

impl Exchange<'_> {
    /// Runs until the head is whole.
    pub(crate) async fn run(
        mut self,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<Began, Failed> {
        http1::turn::after_others().await;
        evidence.phase = Phase::Send;
        let outcome = poll_fn(|cx| self.poll(cx, timer, evidence)).await;
        evidence.bytes.sent = self.stand().0;
        let buffer = std::mem::take(&mut self.state.buffer);
        match outcome {
            Ok(head) => Ok(self.began(head, buffer)),
            Err(failed) => {
                buffers::put_read(buffer);
                Err(failed)
            }
        }
    }

    fn began(self, head: Head, buffer: BytesMut) -> Began {
        let whole = self.state.written.is_some();
        // A refusal needs no more of the request. An early success may be an answer that is made while it reads.
        let goes_on = !whole && self.state.broken.is_none() && head.status.is_success();
        let unsent = goes_on.then(|| {
            let mut parts = Vec::with_capacity(self.body.len() + 1);
            parts.push(Bytes::copy_from_slice(self.head));
            parts.extend(self.body.iter().cloned());
            Box::new(Unsent {
                parts,
                progress: self.state.progress,
                upload: self.upload.take(),
            })
        });
        Began {
            head,
            buffer,
            request_whole: whole || unsent.is_some(),
            unsent,
            now: self.state.came,
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Poll<Result<Head, Failed>> {
        if self.state.written.is_none()
            && self.state.broken.is_none()
            && let Some(fault) = self.poll_write(cx, evidence)
        {
            return Poll::Ready(Err(fault.into()));
        }
        if let Poll::Ready(outcome) = self.poll_head(cx, evidence) {
            return Poll::Ready(outcome);
        }
        ready!(self.poll_limit(cx, timer));
        // What has come may be no head at all, which says more than that it took too long.
        let wrong = self
            .state
            .limit
            .and_then(|_| self.heads.conclude(&self.state.buffer));
        Poll::Ready(Err(match (wrong, self.state.limit) {
            (Some(fault), _) => fault.into(),
            (None, Some((limit, _))) => limit.into(),
            (None, None) => Fault::Deadline.into(),
        }))
    }

    fn stand(&self) -> Stand {
        let sent = self.state.progress.sent;
        match &*self.upload {
            Some(upload) => (sent.saturating_add(upload.sent()), upload.is_waiting()),
            None => (sent, false),
        }
    }

    /// Sends what can be sent; the fault with which the attempt ends, where it is the caller who broke off.
    fn poll_write(&mut self, cx: &mut Context<'_>, evidence: &mut Evidence) -> Option<Fault> {
        let (head, body) = (self.head, self.body);
        let mut written = self
            .state
            .progress
            .poll(cx, self.connection, |place| match place {
                0 => Some(head),
                _ => body.get(place - 1).map(|part| &**part),
            });
        if let (Poll::Ready(Ok(())), Some(upload)) = (&written, &mut *self.upload) {
            written = match upload.poll(cx, self.connection) {
                Poll::Ready(Err(Stopped::BrokenOff)) => return Some(Fault::ClientGone),
                Poll::Ready(Err(Stopped::Io(error))) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                Poll::Pending => Poll::Pending,
            };
        }
        match written {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => {
                let now = self.clock.now();
                self.state.written = Some(now);
                self.state.limit = None;
                evidence.phase = Phase::Headers;
                evidence.times.sent = Some(now.saturating_duration_since(self.start));
            }
            // The peer reads no more; what it has to say may already be on its way (an early 413).
            Poll::Ready(Err(error)) => {
                self.state.broken = Some(self.unsent_fault(&error));
                self.state.limit = None;
            }
        }
        None
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        evidence: &mut Evidence,
    ) -> Poll<Result<Head, Failed>> {
        loop {
            if self.state.buffer.capacity() == 0 {
                self.state.buffer = buffers::take_read();
            }
            match self.connection.poll_fill(cx, &mut self.state.buffer) {
                Poll::Pending => {
                    if self.state.buffer.is_empty() {
                        buffers::put_read(std::mem::take(&mut self.state.buffer));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => {
                    let fault = self.state.broken.take().unwrap_or(Fault::Closed);
                    return Poll::Ready(Err(self.ended(fault, evidence)));
                }
                Poll::Ready(Err(error)) => {
                    let fault = self.read_fault(&error, evidence);
                    return Poll::Ready(Err(self.ended(fault, evidence)));
                }
                Poll::Ready(Ok(count)) => {
                    self.state.came = None;
                    if evidence.bytes.received == 0 {
                        let now = self.clock.now();
                        self.state.came = Some(now);
                        evidence.times.first_byte = Some(now.saturating_duration_since(self.start));
                    }
                    evidence.bytes.received += count as u64;
                    match self.heads.advance(&mut self.state.buffer) {
                        Ok(Some(head)) => return Poll::Ready(Ok(head)),
                        Ok(None) => {}
                        Err(fault) => return Poll::Ready(Err(fault.into())),
                    }
                }
            }
        }
    }

    /// An end in the middle of a head: what came may be no head at all.
    fn ended(&self, fault: Fault, evidence: &mut Evidence) -> Failed {
        if self.state.buffer.is_empty() {
            // Interim heads are no part of the answer, which has not begun.
            evidence.bytes.received = 0;
            return fault.into();
        }
        self.heads
            .conclude(&self.state.buffer)
            .unwrap_or(fault)
            .into()
    }

    fn read_fault(&self, error: &io::Error, evidence: &mut Evidence) -> Fault {
        if faults::tls_error(error).is_none() {
            return self.unsent_fault(error);
        }
        if self.connection.reused && evidence.bytes.received == 0 {
            // The handshake is long done: this is how the peer gives up an idle connection.
            return Fault::Reset;
        }
        match faults::alert(error) {
            Some(_) if evidence.bytes.received > 0 => Fault::Reset,
            // Under TLS 1.3 a server refuses our certificate, or its absence, only after our handshake is done.
            Some(number) => {
                evidence.phase = Phase::Tls;
                Fault::TlsAlert { number }
            }
            // The request may be there and executed, and the head of its answer in the same segment as the broken record.
            None => Fault::Framing {
                what: "TLS record",
                offending: Vec::new(),
            },
        }
    }

    /// While the request is not out, a system that gave up sending met a peer that stopped reading.
    fn unsent_fault(&self, error: &io::Error) -> Fault {
        let gave_up = error.raw_os_error() == Some(nix::libc::ETIMEDOUT);
        if gave_up && self.state.written.is_none() {
            return Fault::WriteTimeout;
        }
        faults::socket_fault(error)
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<()> {
        let stand = self.stand();
        let current = self.state.limit.filter(|(_, at)| *at == stand);
        if current.is_none() {
            let (timers, deadline) = (self.timers, self.timers.deadline);
            let limit = match (self.state.written, &self.state.broken) {
                (Some(since), _) => Limit::new(Wait::Head, timers.header, since, deadline),
                (None, Some(_)) => {
                    Limit::new(Wait::Head, timers.header, self.clock.now(), deadline)
                }
                // The caller's own silence is for the body's owner to end.
                (None, None) if stand.1 => Limit::of_the_call(self.clock.now(), deadline),
                (None, None) => Limit::new(Wait::Write, timers.write, self.clock.now(), deadline),
            };
            timer::arm(timer, limit.at);
            self.state.limit = Some((limit, stand));
        }
        timer::poll(timer, cx)
    }
}
