//! Anthropic's messages, as an upstream's format.
//!
//! Source: Anthropic's message types (API version 2026-10-21) and its migration guide, seen 2026-11.

pub(crate) mod encode;
pub(crate) mod reply;
pub(crate) mod sampling;
pub(crate) mod stream;
pub(crate) mod turns;
pub(crate) mod wire;

#[cfg(test)]
mod tests;
