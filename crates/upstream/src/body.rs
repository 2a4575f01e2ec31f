//! An answer's body as it comes: pulled by its reader, given up by dropping it.

use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use diagnosis::{Evidence, Fault, LimitFired, Phase};
use http::HeaderMap;
use types::Deadline;

use crate::attempt::Shared;
use crate::connection::Connection;
use crate::decode::Decoder;
use crate::exchange::Unsent;
use crate::faults;
use crate::http2::Incoming;
use crate::identity::Identity;
use crate::timer::{self, Limit, Timer, Wait};
use http1::{BodyReader, Framing, Headers, Step, buffers};

/// The most that is set aside at once for an announced length; more is made room for as it comes.
const LARGEST_ROOM: usize = 1024 * 1024;

/// Why a body did not come whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyFault {
    /// What happened.
    pub fault: Fault,
    /// Bytes of the body that had come, before decoding.
    pub received: u64,
    /// The limit that fired, if one did.
    pub limit: Option<LimitFired>,
}

impl BodyFault {
    /// Completes the evidence that came with the answer's head.
    pub fn complete(self, evidence: &mut Evidence) {
        evidence.bytes.received = evidence.bytes.received.saturating_add(self.received);
        if evidence.phase != Phase::Stream {
            evidence.phase = Phase::Body;
        }
        evidence.fault = Some(self.fault);
        evidence.limit = self.limit;
    }
}

/// A body being received. Dropping an unfinished one closes its connection at once, so that the upstream stops;
/// a finished one's connection has already gone back to the pool.
#[derive(Debug)]
pub struct Body {
    shared: Arc<Shared>,
    connection: Option<Box<Connection>>,
    /// The stream of HTTP/2 in place of a connection, until it has ended.
    http2: Option<Box<Incoming>>,
    identity: Identity,
    idle_limit: Duration,
    keep_alive: bool,
    reader: BodyReader,
    /// A piece that came with the head.
    ready: Bytes,
    buffer: BytesMut,
    unsent: Option<Box<Unsent>>,
    decoder: Option<Box<Decoder>>,
    encoded: Bytes,
    received: u64,
    fault: Option<Fault>,
    ended: bool,
    bulk: bool,
    timer: Timer,
    waiting: Option<Waiting>,
    trailers: Option<HeaderMap>,
}

/// A wait under way; it outlives a `next` that was dropped, so that idle time adds up.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    since: Instant,
    idle: Duration,
    limit: Limit,
}

/// What a body is made from.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) connection: Box<Connection>,
    pub(crate) identity: Identity,
    pub(crate) idle_limit: Duration,
    pub(crate) keep_alive: bool,
    pub(crate) framing: Framing,
    pub(crate) buffer: BytesMut,
    pub(crate) unsent: Option<Box<Unsent>>,
    pub(crate) decoder: Option<Box<Decoder>>,
    /// The time, where it is known from the moment before.
    pub(crate) now: Option<Instant>,
}

impl Body {
    /// Takes what came with the head; a body that is whole already gives its connection back here.
    pub(crate) fn new(shared: Arc<Shared>, mut beginning: Beginning) -> Self {
        let timer = mem::take(&mut beginning.connection.timer);
        let mut body = Self {
            shared,
            connection: Some(beginning.connection),
            http2: None,
            identity: beginning.identity,
            idle_limit: beginning.idle_limit,
            keep_alive: beginning.keep_alive,
            reader: BodyReader::new(beginning.framing),
            ready: Bytes::new(),
            buffer: beginning.buffer,
            unsent: beginning.unsent,
            decoder: beginning.decoder,
            encoded: Bytes::new(),
            received: 0,
            fault: None,
            ended: false,
            bulk: false,
            timer,
            waiting: None,
            trailers: None,
        };
        match body.reader.step(&mut body.buffer) {
            Ok(Step::Data(data)) => {
                body.received = data.len() as u64;
                body.ready = data;
            }
            Ok(Step::More | Step::Done) => {}
            Err(fault) => body.fault = Some(fault),
        }
        body.settle(beginning.now);
        body
    }

    /// The body of an answer on a stream of HTTP/2.
    pub(crate) fn of_http2(
        shared: Arc<Shared>,
        incoming: Incoming,
        decoder: Option<Box<Decoder>>,
    ) -> Self {
        if incoming.is_empty() {
            return Self::nothing(shared);
        }
        Self {
            http2: Some(Box::new(incoming)),
            reader: BodyReader::new(Framing::UntilClose),
            decoder,
            ..Self::nothing(shared)
        }
    }

    /// No body.
    pub(crate) fn nothing(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connection: None,
            http2: None,
            identity: Identity::new(""),
            idle_limit: Duration::ZERO,
            keep_alive: false,
            reader: BodyReader::new(Framing::Nothing),
            ready: Bytes::new(),
            buffer: BytesMut::new(),
            unsent: None,
            decoder: None,
            encoded: Bytes::new(),
            received: 0,
            fault: None,
            ended: false,
            bulk: false,
            timer: Timer::default(),
            waiting: None,
            trailers: None,
        }
    }

    /// The next piece, never empty; `None` after the last. An error is the last thing that comes.
    ///
    /// `idle` limits the silence since the last byte, `deadline` everything.
    ///
    /// # Errors
    /// When the body breaks off, breaks its framing or coding, or a limit fires.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped, and silence goes on counting.
    pub async fn next(
        &mut self,
        idle: Duration,
        deadline: Deadline,
    ) -> Option<Result<Bytes, BodyFault>> {
        poll_fn(|cx| self.poll_next(cx, idle, deadline)).await
    }

    /// All of it, if it is at most `limit` bytes (decoded).
    ///
    /// # Errors
    /// As [`Self::next`], and when it is larger than `limit`.
    ///
    /// # Cancel safety
    /// What has been read is lost when it is dropped.
    pub async fn read_all(
        &mut self,
        limit: u64,
        idle: Duration,
        deadline: Deadline,
    ) -> Result<Bytes, BodyFault> {
        let mut room = 0;
        if self.decoder.is_none() {
            let announced = self
                .reader
                .left()
                .unwrap_or(0)
                .saturating_add(self.ready.len() as u64);
            if announced > limit {
                return Err(self.fail(Fault::BodyTooLarge { limit }, None));
            }
            self.bulk = true;
            room = usize::try_from(announced).unwrap_or(0);
        }
        let mut first = Bytes::new();
        let mut all = Vec::new();
        let mut size = 0u64;
        while let Some(piece) = self.next(idle, deadline).await {
            let piece = piece?;
            size = size.saturating_add(piece.len() as u64);
            if size > limit {
                return Err(self.fail(Fault::BodyTooLarge { limit }, None));
            }
            if first.is_empty() {
                first = piece;
                continue;
            }
            if all.is_empty() {
                all.reserve(room.min(LARGEST_ROOM));
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&piece);
        }
        Ok(if all.is_empty() {
            first
        } else {
            Bytes::from(all)
        })
    }

    /// Undoes a coding that the request did not ask to be undone, before anything was read: for bodies that turn out to
    /// be errors. The headers that tell of it go.
    ///
    /// # Errors
    /// The coding is not known.
    pub fn decode(&mut self, headers: &mut Headers) -> Result<(), Fault> {
        if let Some(decoder) = Decoder::for_headers(headers)? {
            self.decoder = Some(Box::new(decoder));
            headers.remove("content-encoding");
            headers.remove("content-length");
        }
        Ok(())
    }

    /// Whether all of it was handed out.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.ended || (self.reader.is_done() && self.ready.is_empty() && self.decoder.is_none())
    }

    /// Bytes of the body that have come, before decoding.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The fields after the last chunk, once the body is finished.
    #[must_use]
    pub fn trailers(&self) -> Option<HeaderMap> {
        self.trailers.clone().or_else(|| self.reader.trailers())
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        idle: Duration,
        deadline: Deadline,
    ) -> Poll<Option<Result<Bytes, BodyFault>>> {
        loop {
            if self.ended {
                return Poll::Ready(None);
            }
            if let Some(decoder) = &mut self.decoder {
                let drained = self.reader.is_done() && self.ready.is_empty();
                let piece = match decoder.piece(&mut self.encoded) {
                    Ok(piece) if piece.is_empty() && drained => {
                        let rest = decoder.finish();
                        self.decoder = None;
                        rest
                    }
                    piece => piece,
                };
                match piece {
                    Ok(piece) if piece.is_empty() => {}
                    Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                    Err(fault) => return Poll::Ready(Some(Err(self.fail(fault, None)))),
                }
            }
            match ready!(self.poll_wire(cx, idle, deadline)) {
                Some(Ok(data)) if self.decoder.is_some() => self.encoded = data,
                None if self.decoder.is_some() => {}
                None => {
                    self.ended = true;
                    return Poll::Ready(None);
                }
                piece => return Poll::Ready(piece),
            }
        }
    }

    /// The next piece as it was sent.
    fn poll_wire(
        &mut self,
        cx: &mut Context<'_>,
        idle: Duration,
        deadline: Deadline,
    ) -> Poll<Option<Result<Bytes, BodyFault>>> {
        if !self.ready.is_empty() {
            return Poll::Ready(Some(Ok(mem::take(&mut self.ready))));
        }
        if let Some(fault) = self.fault.take() {
            return Poll::Ready(Some(Err(self.fail(fault, None))));
        }
        if self.http2.is_some() {
            return self.poll_http2(cx, idle, deadline);
        }
        loop {
            if !self.waits_for_bulk() {
                match self.reader.step(&mut self.buffer) {
                    Ok(Step::Data(data)) => {
                        self.received = self.received.saturating_add(data.len() as u64);
                        self.settle(None);
                        return Poll::Ready(Some(Ok(data)));
                    }
                    Ok(Step::Done) => {
                        self.settle(None);
                        return Poll::Ready(None);
                    }
                    Ok(Step::More) => {}
                    Err(fault) => return Poll::Ready(Some(Err(self.fail(fault, None)))),
                }
            }
            match self.poll_more(cx) {
                Poll::Ready(Ok(true)) => self.waiting = None,
                Poll::Ready(Ok(false)) => {
                    self.keep_alive = false;
                    if !self.reader.end() {
                        return Poll::Ready(Some(Err(self.fail(Fault::BodyTruncated, None))));
                    }
                    self.settle(None);
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(fault)) => return Poll::Ready(Some(Err(self.fail(fault, None)))),
                Poll::Pending => {
                    let limit = ready!(self.poll_limit(cx, idle, deadline));
                    let (fault, fired) = limit.fired();
                    return Poll::Ready(Some(Err(self.fail(fault, Some(fired)))));
                }
            }
        }
    }

    fn poll_http2(
        &mut self,
        cx: &mut Context<'_>,
        idle: Duration,
        deadline: Deadline,
    ) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let Some(incoming) = &mut self.http2 else {
            return Poll::Ready(None);
        };
        match incoming.poll_piece(cx) {
            Poll::Ready(Some(Ok(piece))) => {
                self.waiting = None;
                self.received = self.received.saturating_add(piece.len() as u64);
                Poll::Ready(Some(Ok(piece)))
            }
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(self.fail(fault, None)))),
            Poll::Ready(None) => {
                self.trailers = incoming.take_trailers();
                self.http2 = None;
                self.reader.end();
                self.settle(None);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let limit = ready!(self.poll_limit(cx, idle, deadline));
                let (fault, fired) = limit.fired();
                Poll::Ready(Some(Err(self.fail(fault, Some(fired)))))
            }
        }
    }

    /// Reads once: whether anything came, or the end of file did.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Fault>> {
        let Some(connection) = self.connection.as_mut() else {
            return Poll::Ready(Ok(false));
        };
        if let Some(unsent) = &mut self.unsent {
            match unsent.poll(cx, connection) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.unsent = None,
                Poll::Ready(Err(_)) => {
                    // The answer goes on; only the connection is of no more use.
                    self.unsent = None;
                    self.keep_alive = false;
                }
            }
        }
        if self.buffer.capacity() == 0 {
            self.buffer = buffers::take_read();
        }
        let filled = connection.poll_fill(cx, &mut self.buffer);
        match filled {
            Poll::Pending => {
                if self.buffer.is_empty() {
                    buffers::put_read(mem::take(&mut self.buffer));
                }
                Poll::Pending
            }
            Poll::Ready(Ok(count)) => Poll::Ready(Ok(count > 0)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(match faults::socket_fault(&error) {
                // TLS ended without close_notify: whether that matters depends on how the body ends.
                Fault::Closed => Fault::BodyTruncated,
                _ if faults::alert(&error).is_some() => Fault::Reset,
                _ if faults::tls_error(&error).is_some() => Fault::Framing {
                    what: "TLS record",
                    offending: Vec::new(),
                },
                fault => fault,
            })),
        }
    }

    /// When the whole body is wanted and its length known, bytes stay in one buffer until they are all there.
    fn waits_for_bulk(&mut self) -> bool {
        let Some(left) = self.reader.left().filter(|_| self.bulk) else {
            return false;
        };
        if self.buffer.len() as u64 >= left {
            return false;
        }
        let wanted = usize::try_from(left)
            .unwrap_or(LARGEST_ROOM)
            .min(LARGEST_ROOM);
        if self.buffer.capacity() < wanted {
            let mut room = BytesMut::with_capacity(wanted + 1024);
            room.extend_from_slice(&self.buffer);
            let small = mem::replace(&mut self.buffer, room);
            buffers::put_read(small);
        }
        true
    }

    fn poll_limit(
        &mut self,
        cx: &mut Context<'_>,
        idle: Duration,
        deadline: Deadline,
    ) -> Poll<Limit> {
        let limit = match self.waiting {
            Some(waiting) if waiting.idle == idle => waiting.limit,
            _ => {
                let since = self
                    .waiting
                    .map_or_else(|| self.shared.clock.now(), |w| w.since);
                let limit = Limit::new(Wait::Idle, idle, since, deadline);
                self.waiting = Some(Waiting { since, idle, limit });
                timer::arm(&mut self.timer, limit.at);
                limit
            }
        };
        timer::poll(&mut self.timer, cx).map(|()| limit)
    }

    /// Once the body is whole: its connection goes back to the pool, or closes where it must.
    fn settle(&mut self, now: Option<Instant>) {
        if !self.reader.is_done() {
            return;
        }
        let clean = self.keep_alive && self.buffer.is_empty() && self.unsent.is_none();
        if let Some(mut connection) = self.connection.take()
            && clean
        {
            connection.timer = mem::take(&mut self.timer);
            let now = now.unwrap_or_else(|| self.shared.clock.now());
            self.shared
                .put_back(&self.identity, self.idle_limit, connection, now);
        }
        buffers::put_read(mem::take(&mut self.buffer));
        self.timer = Timer::default();
        self.waiting = None;
    }

    fn fail(&mut self, fault: Fault, limit: Option<LimitFired>) -> BodyFault {
        self.connection = None;
        self.http2 = None;
        self.decoder = None;
        self.ready = Bytes::new();
        self.ended = true;
        BodyFault {
            fault,
            received: self.received,
            limit,
        }
    }
}
