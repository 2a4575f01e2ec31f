//! The body of every answer: whole, or relayed as it comes.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use http_body::{Body, Frame, SizeHint};

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

enum Kind {
    Whole(Option<Bytes>),
    Chunks(Chunks),
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
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Chunks(_) => SizeHint::default(),
        }
    }
}
