//! The HTTP/1.1 codec of both sides: bytes in, heads and body pieces out. No sockets, no time.
//!
//! Towards upstreams [`encode`] writes requests and [`head`] reads answers; at the door [`request`] reads requests and
//! [`answer`] writes answers; [`body`] finds the end of a body on either side. Where the standard leaves a choice we do
//! as hyper does, or are stricter where two readers might see two messages; docs/http1-codec.md lists the verdicts on odd
//! answers beside hyper's.

pub mod answer;
pub mod body;
pub mod buffers;
pub mod decimal;
pub mod encode;
mod fields;
pub mod head;
pub mod headers;
pub mod request;
mod search;
pub mod turn;
#[doc(hidden)]
pub mod whole;

use bytes::BytesMut;
use diagnosis::Fault;

pub use body::{BodyReader, Framing, Step};
pub use head::{Asked, Head, HeadReader};
pub use headers::Headers;
pub use request::{Received, RequestFault, RequestReader};
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
