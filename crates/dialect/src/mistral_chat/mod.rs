//! Mistral's chat completions, as an upstream's format: OpenAI's in outline, stricter and different in the details.
//! Its answers are read by the readers of OpenAI's format, which know the differences.
//!
//! Source: mistral.openapi.yaml, `ChatCompletionRequest` (no additional properties), seen 2026-11.

pub(crate) mod encode;
pub(crate) mod wire;

#[cfg(test)]
mod tests;
