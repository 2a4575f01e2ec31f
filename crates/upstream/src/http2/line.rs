//! One HTTP/2 connection to an upstream: the task that drives it, and what its calls share.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use types::Clock;

use super::frames::{FrameReader, Seen};
use crate::connection::Connection;

/// Most of our calls at a time on one connection. Source: architecture.md, B.
pub(crate) const STREAMS: usize = 100;

/// What one stream may send before we have read it. Source: architecture.md, B.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all streams together: as much as they may all send, so that one slow reader stalls none of the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 100;

/// No connection takes new calls when it is older. Source: failures.md 6.3.
const MAXIMUM_AGE: Duration = Duration::from_secs(300);

/// A peer that is silent for so long while calls run is asked whether it is there, as TCP keep-alive does.
const PING_AFTER: Duration = Duration::from_secs(15);

/// And must have answered by then. Source: architecture.md, B, `TCP_USER_TIMEOUT`.
const PONG_WITHIN: Duration = Duration::from_secs(20);

/// How often a connection is looked after.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An open connection, on which calls are begun.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) requests: SendRequest<Bytes>,
    pub(crate) facts: Arc<Facts>,
}

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) peer: SocketAddr,
    pub(crate) tls_version: Option<&'static str>,
    pub(crate) seen: Seen,
    opened: Instant,
    clock: Arc<dyn Clock>,
    calls: AtomicUsize,
    begun: AtomicU64,
    /// Milliseconds since it was opened.
    last_read: AtomicU64,
    idle_since: AtomicU64,
    is_closing: AtomicBool,
}

/// A call on a connection.
#[derive(Debug)]
pub(crate) struct OnLine(Arc<Facts>);

impl Drop for OnLine {
    fn drop(&mut self) {
        if self.0.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.stamp(&self.0.idle_since);
        }
    }
}

impl Facts {
    fn elapsed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.opened)
    }

    fn stamp(&self, place: &AtomicU64) {
        let millis = u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX);
        place.store(millis, Ordering::Relaxed);
    }

    fn since(&self, place: &AtomicU64) -> Duration {
        let at = Duration::from_millis(place.load(Ordering::Relaxed));
        self.elapsed().saturating_sub(at)
    }

    /// No further call begins on it; those that run go on.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed) || self.elapsed() >= MAXIMUM_AGE
    }
}

impl Line {
    /// Greets the peer and starts the task that drives the connection.
    pub(crate) async fn open(
        connection: Box<Connection>,
        clock: Arc<dyn Clock>,
        idle_limit: Duration,
        max_head: usize,
    ) -> Result<Self, h2::Error> {
        let facts = Arc::new(Facts {
            peer: connection.peer,
            tls_version: connection.tls_version,
            seen: Seen::default(),
            opened: clock.now(),
            clock,
            calls: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            last_read: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
        });
        let watched = Watched {
            connection,
            frames: FrameReader::new(facts.seen.clone()),
            facts: Arc::clone(&facts),
        };
        let (requests, mut connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
            .max_concurrent_streams(0)
            .initial_max_send_streams(STREAMS)
            .enable_push(false)
            .handshake(watched)
            .await?;
        let pings = connection.ping_pong();
        let driver = Driver {
            connection: Box::pin(connection),
            facts: Arc::clone(&facts),
            pings,
            asked: None,
            idle_limit,
            look: Box::pin(tokio::time::sleep(LOOK_EVERY)),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends by itself when its connection does, and with the worker's runtime at the latest"
        )]
        drop(tokio::spawn(driver));
        Ok(Self { requests, facts })
    }

    /// A place for one more call, if there is one.
    pub(crate) fn place(&self) -> Option<OnLine> {
        let most = STREAMS.min(self.requests.current_max_send_streams());
        let free = |calls: usize| (calls < most).then_some(calls + 1);
        let order = Ordering::Relaxed;
        if self.facts.is_closing() || self.facts.calls.fetch_update(order, order, free).is_err() {
            return None;
        }
        Some(OnLine(Arc::clone(&self.facts)))
    }

    /// Notes that a call begins; whether another did before.
    pub(crate) fn begin(&self) -> bool {
        self.facts.begun.fetch_add(1, Ordering::Relaxed) > 0
    }

    /// Whether no call will begin on it again.
    pub(crate) fn is_closing(&self) -> bool {
        self.facts.is_closing()
    }
}

/// Drives a connection to its end: reads and writes its frames, pings a silent peer, ends it when it is idle or old.
struct Driver<C> {
    connection: Pin<Box<C>>,
    facts: Arc<Facts>,
    pings: Option<PingPong>,
    /// When the ping was sent that is not answered yet.
    asked: Option<Instant>,
    idle_limit: Duration,
    look: Pin<Box<tokio::time::Sleep>>,
}

impl<C> Driver<C> {
    /// Whether the connection is to be ended.
    fn look(&mut self, cx: &mut Context<'_>) -> bool {
        let facts = &self.facts;
        let calls = facts.calls.load(Ordering::Relaxed);
        let is_idle =
            calls == 0 && (facts.is_closing() || facts.since(&facts.idle_since) >= self.idle_limit);
        if is_idle {
            facts.close();
            return true;
        }
        let now = facts.clock.now();
        if let Some(asked) = self.asked
            && now.saturating_duration_since(asked) >= PONG_WITHIN
        {
            facts.close();
            return true;
        }
        if let Some(pings) = &mut self.pings
            && self.asked.is_none()
            && calls > 0
            && facts.since(&facts.last_read) >= PING_AFTER
            && pings.send_ping(Ping::opaque()).is_ok()
        {
            self.asked = Some(now);
        }
        self.poll_pong(cx);
        false
    }

    fn poll_pong(&mut self, cx: &mut Context<'_>) {
        if let (Some(pings), Some(_)) = (&mut self.pings, self.asked)
            && pings.poll_pong(cx).is_ready()
        {
            self.asked = None;
        }
    }
}

impl<C: Future<Output = Result<(), h2::Error>>> Future for Driver<C> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // How it ends is told to its streams; nobody else asks.
        if self.connection.as_mut().poll(cx).is_ready() {
            self.facts.close();
            return Poll::Ready(());
        }
        self.poll_pong(cx);
        while self.look.as_mut().poll(cx).is_ready() {
            if self.look(cx) {
                return Poll::Ready(());
            }
            let next = tokio::time::Instant::now() + LOOK_EVERY;
            self.look.as_mut().reset(next);
        }
        Poll::Pending
    }
}

/// A connection with an eye on what the peer's frames say.
#[derive(Debug)]
struct Watched {
    connection: Box<Connection>,
    frames: FrameReader,
    facts: Arc<Facts>,
}

impl Watched {
    /// A peer that takes no more may have said why, which the library would not read any more.
    fn hear_out(&mut self, cx: &mut Context<'_>) {
        let mut space = [0_u8; 256];
        let mut buffer = ReadBuf::new(&mut space);
        if Pin::new(&mut *self.connection)
            .poll_read(cx, &mut buffer)
            .is_ready()
        {
            self.frames.feed(buffer.filled());
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut *self.connection).poll_read(cx, buffer);
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !new.is_empty() {
            self.facts.stamp(&self.facts.last_read);
            if self.frames.feed(new) {
                self.facts.close();
            }
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = AsyncWrite::poll_write(Pin::new(&mut *self.connection), cx, bytes);
        if matches!(written, Poll::Ready(Err(_))) {
            self.hear_out(cx);
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut *self.connection).poll_write_vectored(cx, slices);
        if matches!(written, Poll::Ready(Err(_))) {
            self.hear_out(cx);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut *self.connection), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut *self.connection), cx)
    }
}
