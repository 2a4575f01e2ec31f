//! The body of an answer on a stream of HTTP/2.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use diagnosis::Fault;
use h2::RecvStream;
use http::HeaderMap;

use super::exchange::{Sender, fault};
use super::line::{Facts, OnLine};

/// An answer's body, its stream and its place on the connection; dropped unfinished, its stream is cancelled.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: RecvStream,
    /// What is yet to be sent of the request.
    unsent: Option<Sender>,
    facts: Arc<Facts>,
    _place: OnLine,
    id: u32,
    /// Bytes handed out whose room the peer does not know of yet: given back when the next are asked for, so that a
    /// slow reader slows its peer.
    taken: usize,
    is_over: bool,
    trailers: Option<HeaderMap>,
}

impl Incoming {
    pub(crate) fn new(
        stream: RecvStream,
        unsent: Option<Sender>,
        facts: Arc<Facts>,
        place: OnLine,
        id: u32,
    ) -> Self {
        Self {
            stream,
            unsent,
            facts,
            _place: place,
            id,
            taken: 0,
            is_over: false,
            trailers: None,
        }
    }

    /// Whether there is no body at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.stream.is_end_stream() && self.unsent.is_none()
    }

    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// The next piece, never empty; none after the last.
    pub(crate) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(unsent) = &mut self.unsent
            && unsent.poll_rest(cx).is_ready()
        {
            self.unsent = None;
        }
        if self.taken > 0 {
            let taken = std::mem::take(&mut self.taken);
            // It fails only where the stream has ended, and then no room is wanted.
            drop(self.stream.flow_control().release_capacity(taken));
        }
        while !self.is_over {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) if piece.is_empty() => {}
                Some(Ok(piece)) => {
                    self.taken = piece.len();
                    return Poll::Ready(Some(Ok(piece)));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.broken(&error)))),
                None => self.is_over = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => {
                self.trailers = trailers;
                Poll::Ready(None)
            }
            Err(error) => Poll::Ready(Some(Err(self.broken(&error)))),
        }
    }

    fn broken(&self, error: &h2::Error) -> Fault {
        match fault(error, &self.facts, self.id) {
            Fault::Closed => Fault::BodyTruncated,
            fault => fault,
        }
    }
}
