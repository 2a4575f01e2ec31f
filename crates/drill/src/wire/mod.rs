//! How answers are put on sockets, and how that goes wrong: steps, and the one who runs them.
//!
//! Framing and its lies are in [`frame`]; what an answer says is decided before, in `models` and `faults::bend`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::faults::{End, KeepAliveLie};

pub(crate) mod frame;
pub(crate) mod head;

/// How long a stalled connection is held for a client that does not leave.
const HOLD: Duration = Duration::from_secs(600);
/// How much of a client's further requests is taken in while an answer is written; then they wait in the kernel.
const MAX_AHEAD: usize = 256 * 1024;

/// One thing that is done to a socket.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Writes, in one write if the socket takes it.
    Write(Bytes),
    /// Waits.
    Pause(Duration),
    /// Writes the same again and again until the client leaves.
    Repeat(Bytes, Duration),
    /// Waits until the client leaves.
    Stall,
    /// Ends the connection.
    End(End),
}

/// What is done for one request.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<Step>,
    /// Whether the connection takes another request afterwards.
    pub(crate) keep: bool,
    /// What then becomes of it all the same.
    pub(crate) after: Option<KeepAliveLie>,
}

/// How a plan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All of it was done, and the connection lives.
    Whole,
    /// All of it was done, and the connection is to be closed.
    Closed,
    /// The client left before.
    ClientLeft,
}

/// A byte stream over TCP.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// The TCP connection below.
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for tokio_rustls::server::TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection and what has been read of it ahead.
pub(crate) struct Connection {
    socket: Box<dyn Socket>,
    pub(crate) input: BytesMut,
    ended: bool,
}

impl Connection {
    pub(crate) fn new(socket: Box<dyn Socket>) -> Self {
        Self {
            socket,
            input: BytesMut::with_capacity(4096),
            ended: false,
        }
    }

    /// Reads more; `false` at the end of the stream.
    ///
    /// # Errors
    /// The connection was reset.
    pub(crate) async fn read(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.input.reserve(4096);
        let count = self.socket.read_buf(&mut self.input).await?;
        self.ended = count == 0;
        Ok(count > 0)
    }

    /// Reads for someone else, what was read ahead first.
    pub(crate) fn poll_read_raw(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        }
        let count = self.input.len().min(buffer.remaining());
        buffer.put_slice(&self.input.split_to(count));
        Poll::Ready(Ok(()))
    }

    /// Writes for someone else.
    pub(crate) fn poll_write_raw(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    /// Flushes for someone else.
    pub(crate) fn poll_flush_raw(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    /// Looks for more of the client's bytes, or its end, without waiting.
    fn watch(&mut self, context: &mut Context<'_>) {
        let mut space = [0_u8; 4096];
        while !self.ended && self.input.len() < MAX_AHEAD {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.input.extend_from_slice(buffer.filled());
                }
                Poll::Ready(_) => self.ended = true,
                Poll::Pending => return,
            }
        }
    }

    /// Writes all; `false` when the client has left.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        let written = poll_fn(|context| {
            while !rest.is_empty() {
                match Pin::new(&mut self.socket).poll_write(context, rest) {
                    Poll::Ready(Ok(count)) if count > 0 => rest = rest.get(count..).unwrap_or(&[]),
                    Poll::Ready(_) => return Poll::Ready(false),
                    Poll::Pending => {
                        self.watch(context);
                        return if self.ended {
                            Poll::Ready(false)
                        } else {
                            Poll::Pending
                        };
                    }
                }
            }
            Pin::new(&mut self.socket)
                .poll_flush(context)
                .map(|flushed| flushed.is_ok())
        });
        written.await
    }

    /// Waits; `false` when the client leaves meanwhile.
    async fn pause(&mut self, time: Duration) -> bool {
        let mut sleep = std::pin::pin!(tokio::time::sleep(time));
        let slept = poll_fn(|context| {
            self.watch(context);
            if self.ended {
                return Poll::Ready(false);
            }
            sleep.as_mut().poll(context).map(|()| true)
        });
        slept.await
    }

    /// Waits, reading, until the client leaves or the time is over.
    pub(crate) async fn stall(&mut self, time: Duration) {
        if self.pause(time).await {
            tracing::debug!("a client outlived a stalled connection");
        }
    }

    /// Waits, without reading a byte, until the client leaves.
    pub(crate) async fn hold_unread(&mut self) {
        let end = tokio::time::sleep(HOLD);
        let gone = async {
            loop {
                match self.socket.tcp().ready(tokio::io::Interest::READABLE).await {
                    Ok(ready) if !ready.is_read_closed() => {}
                    _ => return,
                }
                // Unread bytes keep the socket readable, so its closing is looked for now and then.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = gone => {}
            () = end => {}
        }
    }

    /// Ends the connection.
    pub(crate) async fn end(mut self, by: End) {
        match by {
            End::Reset => {
                let socket = socket2::SockRef::from(self.socket.tcp());
                if let Err(error) = socket.set_linger(Some(Duration::ZERO)) {
                    tracing::debug!(%error, "a reset became an orderly end");
                }
            }
            End::Cut => {
                let socket = socket2::SockRef::from(self.socket.tcp());
                if socket.shutdown(std::net::Shutdown::Write).is_ok() {
                    self.drain().await;
                }
            }
            End::Close => {
                let closed = poll_fn(|context| Pin::new(&mut self.socket).poll_shutdown(context));
                if closed.await.is_ok() {
                    self.drain().await;
                }
            }
        }
    }

    /// Closing with unread bytes would make a reset of it: they are read first, for a moment.
    async fn drain(&mut self) {
        let mut space = [0_u8; 4096];
        let reading = async {
            while !self.ended {
                match self.socket.read(&mut space).await {
                    Ok(count) if count > 0 => {}
                    _ => return,
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(2), reading)
            .await
            .is_err()
        {
            tracing::debug!("a client went on sending after its answer had ended");
        }
    }

    /// Does all steps of a plan. The connection comes back when it lives on.
    pub(crate) async fn run(mut self, plan: &Plan) -> (Ended, Option<Self>) {
        for (n, step) in plan.steps.iter().enumerate() {
            if n > 0 {
                // Gives the reader a chance to see each piece alone.
                tokio::task::yield_now().await;
            }
            let there = match step {
                Step::Write(bytes) => self.write(bytes).await,
                Step::Pause(time) => self.pause(*time).await,
                Step::Repeat(bytes, every) => {
                    while self.write(bytes).await && self.pause(*every).await {}
                    false
                }
                Step::Stall => self.pause(HOLD).await,
                Step::End(by) => {
                    self.end(*by).await;
                    return (Ended::Closed, None);
                }
            };
            if !there {
                return (Ended::ClientLeft, None);
            }
        }
        if plan.keep {
            return (Ended::Whole, Some(self));
        }
        self.end(End::Close).await;
        (Ended::Closed, None)
    }
}
