//! Read and head buffers of one worker, lent only while bytes are due.

use bytes::BytesMut;
use parking_lot::Mutex;

/// Room of a read buffer: one read of a usual message, and the size above which pages are touched for nothing.
pub const READ_SIZE: usize = 16 * 1024;

/// How many idle buffers of each kind are kept; above it they are freed.
const KEPT: usize = 32;

/// A head larger than this gives its memory back instead of being kept for the next call.
const LARGEST_HEAD: usize = 8 * 1024;

/// Idle buffers. The lock is uncontended: they belong to one worker.
#[derive(Debug, Default)]
pub struct Buffers {
    read: Mutex<Vec<BytesMut>>,
    head: Mutex<Vec<Vec<u8>>>,
}

impl Buffers {
    /// An empty buffer for reading.
    #[must_use]
    pub fn take_read(&self) -> BytesMut {
        let kept = self.read.lock().pop();
        kept.unwrap_or_else(|| BytesMut::with_capacity(READ_SIZE))
    }

    /// Takes a buffer back. What was split off and is still in someone's hands takes the memory with it.
    pub fn put_read(&self, mut buffer: BytesMut) {
        buffer.clear();
        if buffer.capacity() < READ_SIZE && !buffer.try_reclaim(READ_SIZE) {
            return;
        }
        if buffer.capacity() > 2 * READ_SIZE {
            return;
        }
        let mut kept = self.read.lock();
        if kept.len() < KEPT {
            kept.push(buffer);
        }
    }

    /// An empty buffer for a head.
    #[must_use]
    pub fn take_head(&self) -> Vec<u8> {
        let kept = self.head.lock().pop();
        kept.unwrap_or_else(|| Vec::with_capacity(1024))
    }

    /// Takes a head's buffer back.
    pub fn put_head(&self, mut head: Vec<u8>) {
        if head.capacity() > LARGEST_HEAD {
            return;
        }
        head.clear();
        let mut kept = self.head.lock();
        if kept.len() < KEPT {
            kept.push(head);
        }
    }
}
