//! A request's body that is still coming while it is sent: pulled piece by piece from its owner, never held here.

use std::fmt;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};

use crate::connection::Connection;

/// The caller's body has broken off; its owner knows why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenOff;

/// Where the pieces come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// The next piece, never empty; `None` after the last.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BrokenOff>>>;

    /// Begins again from the first piece, where that is still there.
    fn rewind(&mut self) -> bool;
}

/// A request's body that is still coming.
#[derive(Debug)]
pub struct Upload {
    /// How long it will be, where that is known; it is sent in chunks else.
    pub length: Option<u64>,
    /// Where its pieces come from.
    pub source: Box<dyn Source>,
}

/// Why sending stopped.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The peer takes no more.
    Io(io::Error),
    /// The caller gives no more.
    BrokenOff,
}

/// An upload on its way to an HTTP/1.1 peer.
#[derive(Debug)]
pub(crate) struct Sending {
    upload: Box<Upload>,
    /// What is to be written before the next piece is asked for: a chunk's size, its bytes, its end.
    due: [Bytes; 3],
    sent: u64,
    left: Option<u64>,
    is_at_end: bool,
    is_waiting: bool,
}

impl Sending {
    pub(crate) fn new(upload: Box<Upload>) -> Self {
        Self {
            left: upload.length,
            upload,
            due: Default::default(),
            sent: 0,
            is_at_end: false,
            is_waiting: false,
        }
    }

    /// Bytes of the body that are with the system.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether it is the caller who is waited for, not the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Begins again on another connection, where that can be.
    pub(crate) fn rewind(&mut self) -> bool {
        if !self.upload.source.rewind() {
            return false;
        }
        self.left = self.upload.length;
        self.due = Default::default();
        (self.is_at_end, self.is_waiting) = (false, false);
        true
    }

    /// Sends until all is with the system.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Result<(), Stopped>> {
        loop {
            ready!(self.poll_due(cx, connection)).map_err(Stopped::Io)?;
            if self.is_at_end {
                return connection.poll_flush(cx).map_err(Stopped::Io);
            }
            self.is_waiting = true;
            let Poll::Ready(piece) = self.upload.source.poll_piece(cx) else {
                // What is there should not wait for what is not.
                ready!(connection.poll_flush(cx)).map_err(Stopped::Io)?;
                return Poll::Pending;
            };
            self.is_waiting = false;
            match piece {
                Some(Ok(piece)) => self.begin(piece)?,
                None => self.end()?,
                Some(Err(BrokenOff)) => return Poll::Ready(Err(Stopped::BrokenOff)),
            }
        }
    }

    fn begin(&mut self, piece: Bytes) -> Result<(), Stopped> {
        match &mut self.left {
            None => {
                let mut size = BytesMut::with_capacity(18);
                put_hexadecimal(piece.len(), &mut size);
                size.put_slice(b"\r\n");
                self.due = [size.freeze(), piece, Bytes::from_static(b"\r\n")];
            }
            Some(left) => {
                // More than was announced would be read as the next request.
                *left = left
                    .checked_sub(piece.len() as u64)
                    .ok_or(Stopped::BrokenOff)?;
                self.due = [piece, Bytes::new(), Bytes::new()];
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        self.is_at_end = true;
        match self.left {
            None => self.due = [Bytes::from_static(b"0\r\n\r\n"), Bytes::new(), Bytes::new()],
            Some(0) => {}
            Some(_) => return Err(Stopped::BrokenOff),
        }
        Ok(())
    }

    fn poll_due(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        while self.due.iter().any(|part| !part.is_empty()) {
            let slices = self.due.each_ref().map(|part| IoSlice::new(part));
            let mut count = ready!(connection.poll_write(cx, &slices))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(count as u64);
            for part in &mut self.due {
                let taken = count.min(part.len());
                drop(part.split_to(taken));
                count -= taken;
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn put_hexadecimal(number: usize, out: &mut BytesMut) {
    let digits = (usize::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        let digit = u32::try_from((number >> (place * 4)) & 0xf).unwrap_or(0);
        let letter = char::from_digit(digit, 16).unwrap_or('0');
        out.put_u8(u8::try_from(letter).unwrap_or(b'0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_in_hexadecimal_digits() {
        for number in [0, 1, 15, 16, 255, 4096, 65_536, usize::MAX] {
            let mut out = BytesMut::new();
            put_hexadecimal(number, &mut out);
            assert_eq!(out, format!("{number:x}"));
        }
    }
}
