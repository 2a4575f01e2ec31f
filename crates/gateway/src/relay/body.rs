//! The body of every answer: whole, or relayed as it comes.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

use crate::serve::Upgraded;

/// The body of an answer. What is kept with it is dropped with it, whether it was sent or the client left.
pub struct ReplyBody {
    kind: Kind,
    kept: Option<Box<dyn Any + Send>>,
}

/// A body that cannot be brought to a clean end: the connection is closed, so that nobody takes the part for the whole.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub struct Broken;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Broken>> + Send>>;

/// What a connection is used for after the answer 101: it lasts as long as this does.
pub type Tunnel = Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

enum Kind {
    Whole(Option<Bytes>),
    Chunks(Chunks),
    Tunnel(Option<Tunnel>),
}

impl ReplyBody {
    /// A body that is there.
    #[must_use]
    pub fn whole(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Whole((!bytes.is_empty()).then_some(bytes)),
            kept: None,
        }
    }

    /// No body: after its head the connection speaks another protocol. Only HTTP/1.1 has such answers.
    #[must_use]
    pub fn tunnel(tunnel: Tunnel) -> Self {
        Self {
            kind: Kind::Tunnel(Some(tunnel)),
            kept: None,
        }
    }

    /// Takes a body that is there; none where it comes piece by piece.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        match &mut self.kind {
            Kind::Whole(bytes) => Some(bytes.take().unwrap_or_default()),
            Kind::Chunks(_) | Kind::Tunnel(_) => None,
        }
    }

    /// Takes what the connection is to become.
    pub(crate) fn take_tunnel(&mut self) -> Option<Tunnel> {
        match &mut self.kind {
            Kind::Tunnel(tunnel) => tunnel.take(),
            Kind::Whole(_) | Kind::Chunks(_) => None,
        }
    }

    /// Keeps a guard until the body is over.
    pub fn keep(&mut self, guard: impl Any + Send) {
        self.kept = Some(Box::new(guard));
    }

    /// A body that comes piece by piece.
    #[must_use]
    pub fn chunks(chunks: impl Stream<Item = Result<Bytes, Broken>> + Send + 'static) -> Self {
        Self {
            kind: Kind::Chunks(Box::pin(chunks)),
            kept: None,
        }
    }
}

impl fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Whole(bytes) => write!(
                f,
                "ReplyBody({} bytes)",
                bytes.as_ref().map_or(0, Bytes::len)
            ),
            Kind::Chunks(_) => f.write_str("ReplyBody(chunks)"),
            Kind::Tunnel(_) => f.write_str("ReplyBody(tunnel)"),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Chunks(chunks) => chunks.as_mut().poll_next(context).map_ok(Frame::data),
            Kind::Tunnel(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Whole(None) | Kind::Tunnel(_))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Chunks(_) => SizeHint::default(),
            Kind::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}
