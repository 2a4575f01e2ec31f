//! Attempts over real loopback sockets against servers that do as a script of a few lines says.
#![cfg(test)]

mod bodies;
mod codec;
mod corpus;
mod drills;
mod faults;
mod http2;
mod idle_closes;
mod layers;
mod names;
mod reuse;
mod server;
mod tls;
