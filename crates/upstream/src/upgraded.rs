//! A connection that speaks another protocol from now on: what came with the head first, then the socket.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::Connection;

/// A connection after `101 Switching Protocols`; it closes when it is dropped.
#[derive(Debug)]
pub struct Upgraded {
    connection: Box<Connection>,
    ahead: BytesMut,
}

impl Upgraded {
    pub(crate) fn new(connection: Box<Connection>, ahead: BytesMut) -> Self {
        Self { connection, ahead }
    }

    /// Closing it will look like the accident it is: with a reset.
    pub fn abort(&self) {
        self.connection.set_linger(Duration::ZERO);
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut *self.connection).poll_read(cx, space);
        }
        let count = self.ahead.len().min(space.remaining());
        space.put_slice(self.ahead.get(..count).unwrap_or_default());
        self.ahead.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut *self.connection), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut *self.connection), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut *self.connection), cx)
    }
}
