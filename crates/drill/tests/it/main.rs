#![cfg(test)]
//! The drill over real sockets, asked by a client that knows nothing but bytes.

mod docs;
mod faults;
mod raw;
mod styles;
mod tls;
mod wire;
