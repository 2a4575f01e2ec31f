//! The socket of a connection with what has been read of it, shared by the conversation and the body that is being read.
//!
//! One task uses all of it, so the lock is never contended; it is there because a body may outlive the step that made it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http1::buffers::{self, READ_SIZE};
use http1::{BodyReader, Framing, Received, RequestFault, RequestReader, Step};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::facts::Facts;

/// While a call is answered so much may wait that the client has sent ahead; then its socket is read no further.
const AHEAD: usize = 64 * 1024;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection's socket and read buffer.
#[derive(Debug)]
pub(super) struct Line {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    stream: TcpStream,
    buffer: BytesMut,
    /// The body of the request that is being answered.
    body: BodyReader,
    /// What is left to be sent of `100 Continue`, which the client waits for before it sends the body.
    interim: &'static [u8],
    /// Counts requests, so that a body left behind cannot read into the next one.
    turn: u64,
}

/// What comes next on a connection.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A request's head, and its body still to be read.
    Head(Box<Received>, LineBody),
    /// Bytes that are no head.
    Unsound(RequestFault),
    /// Nothing more.
    End,
}

/// The body of the request of one turn.
#[derive(Debug)]
pub struct LineBody {
    line: Arc<Line>,
    turn: u64,
}

/// Why a body did not come whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Unread {
    /// Its framing is broken.
    #[error("its framing is broken: {0}")]
    Framing(&'static str),
    /// The client left in the middle of it.
    #[error("the connection ended in the middle of it")]
    Cut,
}

impl Line {
    pub(super) fn new(stream: TcpStream) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                stream,
                buffer: BytesMut::new(),
                body: BodyReader::new(Framing::Nothing),
                interim: b"",
                turn: 0,
            }),
        })
    }

    /// Reads once into the buffer; zero is the end. While nothing is there no memory is held.
    pub(super) fn poll_fill(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.inner.lock().poll_fill(cx)
    }

    /// What has been read and belongs to nobody yet.
    pub(super) fn with_buffer<T>(&self, look: impl FnOnce(&BytesMut) -> T) -> T {
        look(&self.inner.lock().buffer)
    }

    /// Reads until a head is whole, with which a new turn begins.
    pub(super) fn poll_head(
        self: &Arc<Self>,
        cx: &mut Context<'_>,
        reader: &mut RequestReader,
        facts: &Facts,
    ) -> Poll<Incoming> {
        let mut inner = self.inner.lock();
        loop {
            let has_begun = !inner.buffer.is_empty();
            if has_begun {
                match reader.advance(&mut inner.buffer) {
                    Ok(Some(received)) => {
                        let turn = inner.begin_turn(&received);
                        let line = Arc::clone(self);
                        return Poll::Ready(Incoming::Head(received, LineBody { line, turn }));
                    }
                    Ok(None) => facts.begin_head(),
                    Err(fault) => return Poll::Ready(Incoming::Unsound(fault)),
                }
            }
            match inner.poll_fill(cx) {
                Poll::Ready(Ok(count)) if count > 0 => facts.read(),
                Poll::Ready(_) => return Poll::Ready(Incoming::End),
                // Looked at last: what has come already is answered.
                Poll::Pending if facts.is_closing() && !has_begun => {
                    return Poll::Ready(Incoming::End);
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Whether the request's body is whole, what of it lies in the buffer skipped.
    pub(super) fn is_body_over(&self) -> bool {
        let mut inner = self.inner.lock();
        let Inner { body, buffer, .. } = &mut *inner;
        while let Ok(Step::Data(_)) = body.step(buffer) {}
        let over = body.is_done();
        if buffer.is_empty() {
            buffers::put_read(std::mem::take(buffer));
        }
        over
    }

    /// Whether the client has left, as far as it can be seen: while a body is due, its reader sees it.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        if !inner.body.is_done() {
            return Poll::Pending;
        }
        loop {
            if inner.buffer.len() >= AHEAD {
                return Poll::Pending;
            }
            match ready!(inner.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }

    /// Reads and forgets, once; zero is the end.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut inner = self.inner.lock();
        inner.buffer.clear();
        inner.poll_fill(cx)
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.inner.lock();
        let stream = Pin::new(&mut inner.stream);
        match slices {
            [only] => stream.poll_write(cx, only),
            _ => stream.poll_write_vectored(cx, slices),
        }
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner.lock().stream).poll_shutdown(cx)
    }

    /// Says a last word, as far as the socket takes it at once.
    pub(super) fn last_word(&self, bytes: &[u8]) {
        drop(self.inner.lock().stream.try_write(bytes));
    }

    /// Closing will look like an accident: where the end of the connection is the end of the body, nothing else tells
    /// that the body is not whole.
    pub(super) fn close_rudely(&self) {
        let inner = self.inner.lock();
        let socket = socket2::SockRef::from(&inner.stream);
        drop(socket.set_linger(Some(std::time::Duration::ZERO)));
    }
}

impl Inner {
    /// Makes ready for the body that follows a head; which turn that is.
    fn begin_turn(&mut self, received: &Received) -> u64 {
        self.turn += 1;
        self.body = BodyReader::new(received.framing);
        self.interim = if received.expects_continue {
            CONTINUE
        } else {
            b""
        };
        self.turn
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.buffer.capacity() == 0 {
            self.buffer = buffers::take_read();
        } else if self.buffer.capacity() - self.buffer.len() < 1024 {
            self.buffer.reserve(READ_SIZE);
        }
        let filled = pin!(self.stream.read_buf(&mut self.buffer)).poll(cx);
        if filled.is_pending() && self.buffer.is_empty() {
            buffers::put_read(std::mem::take(&mut self.buffer));
        }
        filled
    }

    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unread>> {
        while !self.interim.is_empty() && self.buffer.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, self.interim)) {
                Ok(count) if count > 0 => {
                    self.interim = self.interim.get(count..).unwrap_or_default();
                }
                _ => return Poll::Ready(Err(Unread::Cut)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl LineBody {
    /// The next piece of the body, never empty; none after the last.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Unread>>> {
        let mut inner = self.line.inner.lock();
        if inner.turn != self.turn {
            return Poll::Ready(Some(Err(Unread::Cut)));
        }
        loop {
            let Inner { body, buffer, .. } = &mut *inner;
            match body.step(buffer) {
                Ok(Step::Data(data)) => {
                    // Who has begun to send waits for no word.
                    inner.interim = b"";
                    return Poll::Ready(Some(Ok(data)));
                }
                Ok(Step::Done) => return Poll::Ready(None),
                Ok(Step::More) => {}
                Err(diagnosis::Fault::Framing { what, .. }) => {
                    return Poll::Ready(Some(Err(Unread::Framing(what))));
                }
                Err(_) => return Poll::Ready(Some(Err(Unread::Cut))),
            }
            if let Err(unread) = ready!(inner.poll_interim(cx)) {
                return Poll::Ready(Some(Err(unread)));
            }
            match ready!(inner.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Unread::Cut))),
                Ok(_) => {}
            }
        }
    }

    /// Bytes still due, where the framing tells.
    pub(super) fn left(&self) -> Option<u64> {
        self.line.inner.lock().body.left()
    }
}

/// The connection as a stream of bytes, for what speaks another protocol on it; what was read ahead comes first.
#[derive(Debug)]
pub struct Upgraded(Arc<Line>);

impl Upgraded {
    pub(super) fn new(line: &Arc<Line>) -> Self {
        Self(Arc::clone(line))
    }

    /// Closing it will look like the accident it is.
    pub(crate) fn abort(&self) {
        self.0.close_rudely();
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.inner.lock();
        if inner.buffer.is_empty() {
            return Pin::new(&mut inner.stream).poll_read(cx, space);
        }
        let count = inner.buffer.len().min(space.remaining());
        space.put_slice(inner.buffer.get(..count).unwrap_or_default());
        inner.buffer.advance(count);
        if inner.buffer.is_empty() {
            let buffer = std::mem::take(&mut inner.buffer);
            buffers::put_read(buffer);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.inner.lock().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0.inner.lock().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.inner.lock().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.inner.lock().stream).poll_shutdown(cx)
    }
}
