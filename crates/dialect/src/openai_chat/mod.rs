//! OpenAI's chat completions, which most servers speak.
//!
//! Source: openai.openapi.yaml, `/chat/completions`, seen 2026-11.

pub(crate) mod shallow;
