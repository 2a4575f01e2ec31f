//! The body of a plain call that is too large, or of unknown length, to be read before it is sent: it goes on as it comes.
//!
//! The first MiB is kept, so that another attempt can begin again; past it a call goes once. What is kept comes out of the
//! byte budget, and where that has nothing left nothing is kept.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use diagnosis::Code;
use http_body::Body;
use parking_lot::Mutex;
use tokio::time::Sleep;
use upstream::{BrokenOff, Source};

use crate::bytes::HeldBytes;
use crate::refusal::Refusal;
use crate::serve::RequestBody;

/// So much of a body is kept for further attempts. Source: failures, section on attempts.
pub(crate) const KEPT: u64 = 1024 * 1024;

/// What is kept is kept in pieces of this size: a body that comes byte by byte must not cost more than its bytes.
const PIECE: usize = 64 * 1024;

/// A body on its way; its attempts read it one after the other.
#[derive(Clone, Debug)]
pub struct Upload(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    body: RequestBody,
    length: Option<u64>,
    limit: u64,
    silence: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    received: u64,
    kept: Kept,
    held: HeldBytes,
    ended: bool,
    failure: Option<Refusal>,
}

/// The beginning of a body, whole pieces and the one that grows.
#[derive(Debug, Default)]
struct Kept {
    pieces: Vec<Bytes>,
    growing: BytesMut,
    length: u64,
    /// More has come than is kept.
    is_over: bool,
}

impl Kept {
    fn keep(&mut self, mut bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        while !bytes.is_empty() {
            let room = PIECE - self.growing.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.growing.extend_from_slice(now);
            if self.growing.len() == PIECE {
                self.pieces.push(self.growing.split().freeze());
            }
            bytes = later;
        }
    }

    /// What is kept from here on, as far as one piece goes; none when nothing is.
    fn from(&self, at: u64) -> Option<Bytes> {
        let at = usize::try_from(at).ok()?;
        let (piece, within) = (at / PIECE, at % PIECE);
        if let Some(whole) = self.pieces.get(piece) {
            return Some(whole.slice(within..));
        }
        let rest = self.growing.get(within..)?;
        (piece == self.pieces.len() && !rest.is_empty()).then(|| Bytes::copy_from_slice(rest))
    }

    fn give_up(&mut self) {
        *self = Self {
            length: self.length,
            is_over: true,
            ..Self::default()
        };
    }
}

impl Upload {
    /// A body of at most `limit` bytes; a client that is silent for `silence` is given up.
    pub(crate) fn new(body: RequestBody, limit: u64, silence: Duration, held: HeldBytes) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            length: body.size_hint().exact(),
            body,
            limit,
            silence,
            timer: None,
            received: 0,
            kept: Kept::default(),
            held,
            ended: false,
            failure: None,
        })))
    }

    /// How long it will be, where its client says so.
    pub(crate) fn length(&self) -> Option<u64> {
        self.0.lock().length
    }

    /// Whether another attempt can send it.
    pub(crate) fn can_begin_again(&self) -> bool {
        !self.0.lock().kept.is_over
    }

    /// Why the caller's side of it broke off, where it did.
    pub(crate) fn failure(&self) -> Option<Refusal> {
        self.0.lock().failure.clone()
    }

    /// What an attempt sends.
    pub(crate) fn for_attempt(&self) -> Box<upstream::Upload> {
        Box::new(upstream::Upload {
            length: self.length(),
            source: Box::new(Reader {
                upload: self.clone(),
                at: 0,
            }),
        })
    }
}

/// One attempt's way through the body.
#[derive(Debug)]
struct Reader {
    upload: Upload,
    at: u64,
}

impl Source for Reader {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        let mut shared = self.upload.0.lock();
        if let Some(kept) = shared.kept.from(self.at).filter(|_| !shared.kept.is_over) {
            self.at = self.at.saturating_add(kept.len() as u64);
            return Poll::Ready(Some(Ok(kept)));
        }
        let next = shared.poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.at = self.at.saturating_add(bytes.len() as u64);
        }
        next
    }

    fn rewind(&mut self) -> bool {
        if self.at > 0 && !self.upload.can_begin_again() {
            return false;
        }
        self.at = 0;
        true
    }
}

impl Shared {
    /// What has not been seen before.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>> {
        loop {
            if self.failure.is_some() {
                return Poll::Ready(Some(Err(BrokenOff)));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    if self.poll_silence(cx).is_pending() {
                        return Poll::Pending;
                    }
                    let message = format!(
                        "The body stopped arriving for {} s.",
                        self.silence.as_secs()
                    );
                    self.failure = Some(Refusal::new(Code::ClientTimeout, message));
                    continue;
                }
                Poll::Ready(None) => {
                    self.ended = true;
                    continue;
                }
                Poll::Ready(Some(frame)) => frame,
            };
            self.timer = None;
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if !data.is_empty() => {
                    if let Some(data) = self.take(data) {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Ok(_) => {} // An empty piece, or trailers, which nothing here passes on.
                Err(error) => {
                    self.failure = Some(super::body::unread(&error));
                }
            }
        }
    }

    fn take(&mut self, data: Bytes) -> Option<Bytes> {
        let length = data.len() as u64;
        self.received = self.received.saturating_add(length);
        if self.received > self.limit {
            self.failure = Some(super::body::too_large(self.limit));
            return None;
        }
        if !self.kept.is_over {
            if self.received <= KEPT && self.held.grow(length) {
                self.kept.keep(&data);
            } else {
                self.kept.give_up();
                self.held.release();
            }
        }
        Some(data)
    }

    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let silence = self.silence;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(silence)));
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the bytes come and from wherever they are read again, they are the same.
        #[test]
        fn what_is_kept_is_what_came(
            lengths in proptest::collection::vec(0_usize..70_000, 0..12),
            from in 0_u64..200_000,
        ) {
            let all: Vec<u8> = (0..lengths.iter().sum::<usize>()).filter_map(|n| u8::try_from(n % 251).ok()).collect();
            let mut kept = Kept::default();
            let mut rest = all.as_slice();
            for length in lengths {
                let (now, later) = rest.split_at(length);
                kept.keep(now);
                rest = later;
            }
            prop_assert!(kept.pieces.iter().all(|piece| piece.len() == PIECE));
            let mut read = Vec::new();
            let mut at = from;
            while let Some(piece) = kept.from(at) {
                at += piece.len() as u64;
                read.extend_from_slice(&piece);
            }
            let expected = all.get(usize::try_from(from).unwrap()..).unwrap_or_default();
            prop_assert_eq!(read, expected);
        }
    }
}
