//! Attempts over real loopback sockets against servers that do as a script of a few lines says.
#![cfg(test)]

mod bodies;
mod faults;
mod reuse;
mod server;
