//! One connection: a socket, perhaps TLS on it, and what is known of it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use nix::libc;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::timer::Timer;

/// How many of the peer's first bytes are kept: enough for a greeting or a status line.
const OPENING: usize = 48;

sockopt_impl!(
    /// What the kernel knows of a TCP connection. Source: tcp(7), TCP_INFO.
    TcpInfo, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, libc::tcp_info
);

/// A connection to an upstream, fresh or reused.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) opened: Instant,
    pub(crate) tls_version: Option<&'static str>,
    /// Whether it has served an earlier call.
    pub(crate) reused: bool,
    /// How long it had been idle when it was taken from the pool.
    pub(crate) idle_for: Duration,
    /// What the peer's `Keep-Alive` promised.
    pub(crate) promised: Option<Duration>,
    /// What its calls are limited by, one after the other.
    pub(crate) timer: Timer,
    /// Bytes given to the socket before this call's first one.
    written_before: u64,
}

#[derive(Debug)]
enum Stream {
    Plain(Counted),
    Tls(Box<TlsStream<Counted>>),
}

/// A socket that counts, and lets a handshake's owner see how the peer began.
#[derive(Debug)]
pub(crate) struct Counted {
    tcp: TcpStream,
    written: u64,
    read: u64,
    /// Only while shaking hands: a failed handshake takes the socket with it.
    seen: Option<Arc<Mutex<Seen>>>,
}

/// What a handshake has shown so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) written: u64,
    pub(crate) read: u64,
    opening: [u8; OPENING],
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            written: 0,
            read: 0,
            opening: [0; OPENING],
        }
    }
}

impl Seen {
    pub(crate) fn opening(&self) -> Opening<'_> {
        let known = usize::try_from(self.read).unwrap_or(OPENING).min(OPENING);
        Opening(self.opening.get(..known).unwrap_or_default())
    }

    fn note_read(&mut self, bytes: &[u8]) {
        let known = usize::try_from(self.read).unwrap_or(OPENING);
        for (slot, byte) in self.opening.iter_mut().skip(known).zip(bytes) {
            *slot = *byte;
        }
        self.read = self.read.saturating_add(bytes.len() as u64);
    }
}

/// The peer's first bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening<'a>(pub(crate) &'a [u8]);

impl Opening<'_> {
    /// Whether they could be a TLS record: a content type of 20 to 24 and major version 3. No byte at all could be.
    pub(crate) fn looks_like_tls(self) -> bool {
        match self.0 {
            [] => true,
            [kind] => (20..=24).contains(kind),
            [kind, major, ..] => (20..=24).contains(kind) && *major == 3,
        }
    }
}

impl Counted {
    pub(crate) fn new(tcp: TcpStream) -> Self {
        Self {
            tcp,
            written: 0,
            read: 0,
            seen: None,
        }
    }

    /// What is shared with the handshake's owner.
    pub(crate) fn watched(mut self) -> (Self, Arc<Mutex<Seen>>) {
        let seen = Arc::new(Mutex::new(Seen::default()));
        self.seen = Some(Arc::clone(&seen));
        (self, seen)
    }

    fn note_written(&mut self, count: usize) {
        self.written = self.written.saturating_add(count as u64);
        if let Some(seen) = &self.seen {
            seen.lock().written = self.written;
        }
    }
}

impl Connection {
    pub(crate) fn plain(socket: Counted, peer: SocketAddr, opened: Instant) -> Self {
        Self::new(Stream::Plain(socket), peer, opened, None)
    }

    pub(crate) fn tls(mut stream: TlsStream<Counted>, peer: SocketAddr, opened: Instant) -> Self {
        stream.get_mut().0.seen = None;
        let version = version_name(stream.get_ref().1.protocol_version());
        Self::new(Stream::Tls(Box::new(stream)), peer, opened, version)
    }

    fn new(
        stream: Stream,
        peer: SocketAddr,
        opened: Instant,
        tls_version: Option<&'static str>,
    ) -> Self {
        Self {
            stream,
            peer,
            opened,
            tls_version,
            reused: false,
            idle_for: Duration::ZERO,
            promised: None,
            timer: Timer::default(),
            written_before: 0,
        }
    }

    /// How long closing waits for what is unsent; zero closes with a reset.
    pub(crate) fn set_linger(&self, linger: Duration) {
        let socket = socket2::SockRef::from(&self.counted().tcp);
        if let Err(error) = socket.set_linger(Some(linger)) {
            tracing::debug!(%error, "a connection will be closed in order after a break");
        }
    }

    /// The protocol that the peer chose in its TLS handshake.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.get_ref().1.alpn_protocol(),
        }
    }

    /// Marks the place in the byte stream from which acknowledgements are this call's.
    pub(crate) fn begin_call(&mut self) {
        self.written_before = self.counted().written;
    }

    /// How many bytes of this call (ciphertext under TLS) the peer's system has acknowledged.
    ///
    /// Only together with a clean end of file does 0 prove that the peer has read nothing.
    pub(crate) fn acked(&self) -> Option<u64> {
        let info = getsockopt(&self.counted().tcp, TcpInfo).ok()?;
        // The kernel counts the SYN as one byte. What earlier calls sent comes before ours in the sequence.
        let earlier = self.written_before.saturating_add(1);
        Some(info.tcpi_bytes_acked.saturating_sub(earlier))
    }

    /// Reads what has come into the buffer's free room, which is made if there is little.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if buffer.capacity() - buffer.len() < 1024 {
            buffer.reserve(http1::buffers::READ_SIZE);
        }
        match &mut self.stream {
            Stream::Plain(socket) => {
                let count = ready!(poll_read_into(&mut socket.tcp, cx, buffer))?;
                socket.read = socket.read.saturating_add(count as u64);
                Poll::Ready(Ok(count))
            }
            Stream::Tls(stream) => poll_read_into(stream.as_mut(), cx, buffer),
        }
    }

    /// Writes from several places in one call of the system.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(socket) => match slices {
                [only] => Pin::new(socket).poll_write(cx, only),
                _ => Pin::new(socket).poll_write_vectored(cx, slices),
            },
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, slices),
        }
    }

    /// Pushes out what TLS still holds.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    /// Whether an idle connection is still quiet: neither ended nor talking out of turn.
    ///
    /// For plain sockets this costs no call of the system unless the reactor has seen something.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut byte = [0u8; 1];
        let mut space = ReadBuf::new(&mut byte);
        let mut cx = Context::from_waker(Waker::noop());
        let polled = match &mut self.stream {
            Stream::Plain(socket) => Pin::new(&mut socket.tcp).poll_read(&mut cx, &mut space),
            // A session ticket may have come; rustls takes it in and finds no data.
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(&mut cx, &mut space),
        };
        polled.is_pending()
    }

    fn counted(&self) -> &Counted {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// A version of TLS as people write it.
pub(crate) fn version_name(version: Option<rustls::ProtocolVersion>) -> Option<&'static str> {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
        Some(rustls::ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
        _ => None,
    }
}

fn poll_read_into<S: AsyncRead + Unpin>(
    stream: &mut S,
    cx: &mut Context<'_>,
    buffer: &mut impl BufMut,
) -> Poll<io::Result<usize>> {
    let read = pin!(stream.read_buf(buffer));
    read.poll(cx)
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let count = new.len() as u64;
        if let Some(seen) = &self.seen {
            seen.lock().note_read(new);
        }
        self.read = self.read.saturating_add(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.tcp).poll_write(cx, bytes))?;
        self.note_written(count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.tcp).poll_write_vectored(cx, slices))?;
        self.note_written(count);
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// The connection as a stream of bytes, for what is not HTTP/1.1.
impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buffer),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Self::poll_write(self.get_mut(), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(self.get_mut(), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
