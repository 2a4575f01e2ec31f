//! Read and head buffers, lent only while bytes are due.
//!
//! Each thread keeps its own, so that nothing is locked: a call borrows and returns ten of them.

use std::cell::RefCell;

use bytes::BytesMut;

/// Room of a read buffer: one read of a usual message, and the size above which pages are touched for nothing.
pub const READ_SIZE: usize = 16 * 1024;

/// How many idle buffers of each kind a thread keeps; above it they are freed.
const KEPT: usize = 32;

/// A head larger than this gives its memory back instead of being kept for the next call.
const LARGEST_HEAD: usize = 8 * 1024;

thread_local! {
    static READ: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static HEAD: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer for reading.
#[must_use]
pub fn take_read() -> BytesMut {
    // A thread that is ending keeps none.
    let kept = READ.try_with(|kept| kept.borrow_mut().pop());
    let kept = kept.ok().flatten();
    kept.unwrap_or_else(|| BytesMut::with_capacity(READ_SIZE))
}

/// Takes a buffer back. What was split off and is still in someone's hands takes the memory with it.
pub fn put_read(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.capacity() < READ_SIZE && !buffer.try_reclaim(READ_SIZE) {
        return;
    }
    if buffer.capacity() > 2 * READ_SIZE {
        return;
    }
    READ.try_with(|kept| keep(&mut kept.borrow_mut(), buffer))
        .unwrap_or_default();
}

/// An empty buffer for a head.
#[must_use]
pub fn take_head() -> Vec<u8> {
    let kept = HEAD.try_with(|kept| kept.borrow_mut().pop());
    let kept = kept.ok().flatten();
    kept.unwrap_or_else(|| Vec::with_capacity(1024))
}

/// Takes a head's buffer back.
pub fn put_head(mut head: Vec<u8>) {
    if head.capacity() > LARGEST_HEAD {
        return;
    }
    head.clear();
    HEAD.try_with(|kept| keep(&mut kept.borrow_mut(), head))
        .unwrap_or_default();
}

fn keep<T>(kept: &mut Vec<T>, one: T) {
    if kept.len() < KEPT {
        kept.push(one);
    }
}
