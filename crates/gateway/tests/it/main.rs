//! The real gateway on real sockets, before a drill that resets, stalls, lies and overloads on script.
#![cfg(test)]

mod client;
mod rig;
mod sockets;

mod bad_input;
mod balance;
mod breaker;
mod budget;
mod callers;
mod causes;
mod deadline;
mod door;
mod drain;
mod failover;
mod http2;
mod idempotency;
mod incidents;
mod leaving;
mod metrics;
mod passthrough;
mod reloading;
mod reuse;
mod route_rules;
mod routes;
mod streams;
mod traces;
mod tunnels;
mod uploads;
