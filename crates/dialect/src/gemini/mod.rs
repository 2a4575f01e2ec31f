//! Google's generateContent, as an upstream's format. The model's name and whether to stream stand in the URL.
//!
//! Source: descriptor of google.ai.generativelanguage.v1beta and the API's documentation, seen 2026-11.

pub(crate) mod contents;
pub(crate) mod encode;
pub(crate) mod reply;
pub(crate) mod stream;
pub(crate) mod wire;

#[cfg(test)]
mod tests;
