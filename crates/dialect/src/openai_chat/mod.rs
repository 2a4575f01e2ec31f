//! OpenAI's chat completions, which most servers speak.
//!
//! Source: openai.openapi.yaml, `/chat/completions`, seen 2026-11.

pub(crate) mod as_stream;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod parts;
pub(crate) mod reply;
pub(crate) mod shallow;
pub(crate) mod stream;
pub(crate) mod stream_encode;
pub(crate) mod wire;

#[cfg(test)]
mod tests;
