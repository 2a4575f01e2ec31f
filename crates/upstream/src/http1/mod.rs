//! The HTTP/1.1 client codec: bytes in, heads and body pieces out. No sockets, no time.
//!
//! Where the standard leaves a choice we do as hyper's client does, or are stricter where two readers might see two
//! messages; docs/http1-codec.md lists the verdicts on odd answers beside hyper's.

pub mod body;
pub mod encode;
pub mod head;
mod names;
#[doc(hidden)]
pub mod whole;

use bytes::BytesMut;
use diagnosis::Fault;

pub use body::{BodyReader, Framing, Step};
pub use head::{Asked, Head, HeadReader};
#[doc(hidden)]
pub use whole::{Parsed, parse_all};

/// How many offending bytes a fault carries at most.
const OFFENDING: usize = 64;

fn framing(what: &'static str, bytes: &[u8]) -> Fault {
    Fault::Framing {
        what,
        offending: excerpt(bytes),
    }
}

fn excerpt(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().take(OFFENDING).collect()
}

/// Drops the first `count` bytes; a count beyond the end drops all.
fn skip(buffer: &mut BytesMut, count: usize) {
    let count = count.min(buffer.len());
    bytes::Buf::advance(buffer, count);
}
