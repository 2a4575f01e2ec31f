//! The body of a request, unread until somebody asks for it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::line::{LineBody, Unread};

/// The body of a request.
#[derive(Debug)]
pub enum RequestBody {
    /// Off an HTTP/1.1 connection.
    Http1(LineBody),
    /// Off a stream of HTTP/2. In a box: it is ten times as large as the other.
    Http2(Box<Incoming>),
}

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// HTTP/1.1.
    #[error(transparent)]
    Http1(Unread),
    /// HTTP/2.
    #[error(transparent)]
    Http2(hyper::Error),
}

impl BodyError {
    /// Whether the client has left, or given up its stream, in the middle of it.
    #[must_use]
    pub fn is_client_gone(&self) -> bool {
        match self {
            Self::Http1(unread) => matches!(unread, Unread::Cut),
            Self::Http2(_) => true,
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Http1(body) => body
                .poll_piece(cx)
                .map_ok(Frame::data)
                .map_err(BodyError::Http1),
            Self::Http2(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.left() == Some(0),
            Self::Http2(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body
                .left()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Http2(body) => body.size_hint(),
        }
    }
}
