//! One client connection: hyper reads and writes it, a watchdog ends it when the client is silent, slow or stuck.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use types::Clock;

use super::Stage;
use super::dispatch;
use super::door::Visitor;
use super::framings::Framings;
use super::workers::Accepted;
use crate::gate::Gate;

/// A client that takes none of its answer for this long is taken for gone. Source: failures, table of timers.
const STUCK_WRITE: Duration = Duration::from_secs(60);

/// How long an idle connection is kept for its next request. Longer than the idle limits of common client pools, so
/// that it is the client who closes.
const IDLE: Duration = Duration::from_secs(180);

/// How often a busy connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After its last warning a connection gets this long to end by itself.
const GRACE: Duration = Duration::from_millis(500);

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 106\r\n\r\n{\"error\":{\"message\":\"The request's head did not arrive in time.\",\"type\":\"timeout\",\"code\":\"client_timeout\"}}";

/// What is known of a connection; shared by its socket, its calls and its watchdog.
#[derive(Debug)]
pub(crate) struct Facts {
    opened: Instant,
    clock: Arc<dyn Clock>,
    /// Milliseconds since `opened`, plus one, of the first byte of a head that is still incomplete; zero: none.
    head_since: AtomicU64,
    /// The same for the last time the connection became idle.
    idle_since: AtomicU64,
    /// The same for a write that does not proceed.
    stuck_since: AtomicU64,
    calls: AtomicUsize,
    any_bytes: AtomicBool,
    expired: AtomicBool,
    framings: Mutex<Framings>,
    visitor: Visitor,
}

/// A call on a connection; the connection is idle again when the last one is dropped.
#[derive(Debug)]
pub(crate) struct CallOnConnection(Arc<Facts>);

impl Facts {
    fn new(clock: Arc<dyn Clock>, visitor: Visitor) -> Arc<Self> {
        Arc::new(Self {
            opened: clock.now(),
            clock,
            head_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(1),
            stuck_since: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            any_bytes: AtomicBool::new(false),
            expired: AtomicBool::new(false),
            framings: Mutex::default(),
            visitor,
        })
    }

    fn stamp(&self) -> u64 {
        let elapsed = self.clock.now().saturating_duration_since(self.opened);
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn since(&self, stamp: &AtomicU64) -> Option<Duration> {
        match stamp.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_millis(self.stamp().saturating_sub(at))),
        }
    }

    /// A head is complete and its call begins.
    pub(crate) fn begin_call(self: &Arc<Self>) -> CallOnConnection {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        CallOnConnection(Arc::clone(self))
    }

    /// The client has shown a valid key.
    pub(crate) fn is_known(&self) {
        self.visitor.is_known();
    }

    /// Whether the head that has just come announced its body in both ways.
    pub(crate) fn has_both_framings(&self) -> bool {
        self.framings.lock().are_both()
    }

    fn read_bytes(&self, bytes: &[u8]) {
        self.any_bytes.store(true, Ordering::Relaxed);
        if self.calls.load(Ordering::Relaxed) > 0 {
            return;
        }
        let mut framings = self.framings.lock();
        if self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(self.stamp(), Ordering::Relaxed);
            framings.reset();
        }
        framings.feed(bytes);
    }

    /// What the watchdog does, and when it looks again.
    fn look(&self, first_byte: Duration, head: Duration) -> Look {
        let over = |stamp: &AtomicU64, limit: Duration| {
            self.since(stamp).is_some_and(|since| since >= limit)
        };
        if over(&self.stuck_since, STUCK_WRITE) {
            return Look::Drop;
        }
        if self.calls.load(Ordering::Relaxed) > 0 {
            return Look::Again(LOOK_EVERY);
        }
        if !self.any_bytes.load(Ordering::Relaxed) {
            let open = self.clock.now().saturating_duration_since(self.opened);
            return first_byte
                .checked_sub(open)
                .filter(|rest| !rest.is_zero())
                .map_or(Look::Drop, Look::Again);
        }
        if let Some(since) = self.since(&self.head_since) {
            return head
                .checked_sub(since)
                .filter(|rest| !rest.is_zero())
                .map_or(Look::Warn, Look::Again);
        }
        if over(&self.idle_since, IDLE) {
            Look::Close
        } else {
            Look::Again(LOOK_EVERY)
        }
    }
}

impl Drop for CallOnConnection {
    fn drop(&mut self) {
        let facts = &self.0;
        if facts.calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            facts.idle_since.store(facts.stamp(), Ordering::Relaxed);
        }
    }
}

enum Look {
    Again(Duration),
    /// Say that the head was too slow, then close.
    Warn,
    /// Close when the running answer is done.
    Close,
    Drop,
}

/// Serves one connection to its end.
pub(super) async fn serve(gate: Arc<Gate>, accepted: Accepted, mut stage: watch::Receiver<Stage>) {
    let Accepted {
        socket,
        peer,
        visitor,
    } = accepted;
    let facts = Facts::new(Arc::clone(&gate.shared.clock), visitor);
    let Ok(stream) = TcpStream::from_std(socket) else {
        return;
    };
    // Without it small answers would wait for the client's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (first_byte, head, max_head) = {
        let policy = gate.policy();
        let server = &policy.snapshot.server;
        (server.first_byte, server.head_timeout, server.max_head)
    };
    let io = TokioIo::new(Watched {
        stream,
        facts: Arc::clone(&facts),
    });
    let builder = builder(max_head);
    let service = {
        let facts = Arc::clone(&facts);
        service_fn(move |request: Request<Incoming>| {
            dispatch::answer(Arc::clone(&gate), request, peer, Arc::clone(&facts))
        })
    };
    let connection = builder.serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    let mut watchdog = std::pin::pin!(tokio::time::sleep(first_byte.min(head)));
    let mut closing = false;
    let mut ended = stage.clone();
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = watchdog.as_mut() => {
                let again = match facts.look(first_byte, head) {
                    Look::Drop => return,
                    Look::Warn if facts.expired.swap(true, Ordering::Relaxed) => return,
                    Look::Warn => GRACE,
                    Look::Close => {
                        connection.as_mut().graceful_shutdown();
                        GRACE
                    }
                    Look::Again(after) => after,
                };
                watchdog.as_mut().reset(tokio::time::Instant::now() + again);
            }
            _ = ended.wait_for(|stage| *stage == Stage::Ended) => return,
            () = closed(&mut stage), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn closed(stage: &mut watch::Receiver<Stage>) {
    stage
        .wait_for(|stage| *stage >= Stage::Closing)
        .await
        .map(drop)
        .unwrap_or_default();
}

fn builder(max_head: usize) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The watchdog has its own clock for heads, which does not count idle time.
        .header_read_timeout(None)
        .max_buf_size(max_head.max(8192))
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_pending_accept_reset_streams(20)
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// The socket, with an eye on when bytes come and when they do not go.
struct Watched {
    stream: TcpStream,
    facts: Arc<Facts>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.facts.expired.load(Ordering::Relaxed) {
            // The head was too slow: say so as far as the socket takes it, then end of file.
            drop(self.stream.try_write(TOO_SLOW));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(bytes) = buffer
            .filled()
            .get(before..)
            .filter(|bytes| !bytes.is_empty())
        {
            self.facts.read_bytes(bytes);
        }
        read
    }
}

impl Watched {
    fn wrote<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Pending => {
                if self.facts.stuck_since.load(Ordering::Relaxed) == 0 {
                    self.facts
                        .stuck_since
                        .store(self.facts.stamp(), Ordering::Relaxed);
                }
            }
            Poll::Ready(_) => self.facts.stuck_since.store(0, Ordering::Relaxed),
        }
        written
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
