//! Whole gateways before whole upstreams, in simulated time: what breakers, limits and budgets do together over minutes.
#![cfg(test)]

mod world;

mod breakers;
mod limits;
mod ordinary;
