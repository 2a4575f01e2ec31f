//! One attempt on the wire, and the evidence of how it went.
//!
//! DNS, TCP, TLS, connection pools and an HTTP/1.1 codec of our own, all driven in the call's own task.
//! Nothing here reads a body's meaning, decides to retry or names a cause: that is `diagnosis` and the pipeline.
//! Start at [`Client::send`].

pub mod address;
mod attempt;
mod body;
mod connect;
mod connection;
mod decode;
mod destination;
pub mod dns;
mod exchange;
mod faults;
mod http2;
mod identity;
mod pool;
pub mod probe;
mod timer;
pub mod tls;
mod upgraded;
mod upload;

pub use address::Reach;
pub use attempt::{Answer, Client, ClientOptions, MAXIMUM_HEAD, Outgoing, Timers};
pub use body::{Body, BodyFault};
pub use destination::{Destination, HttpVersion, Scheme};
pub use dns::{Resolver, ResolverOptions};
pub use faults::head_facts;
pub use http1;
pub use tls::{MinimumTls, TlsPolicy, TlsPolicyError, TlsSettings};
pub use upgraded::Upgraded;
pub use upload::{BrokenOff, Source, Upload};
