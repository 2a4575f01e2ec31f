//! The closed list of known small differences between a kind and the letter of its dialect.

/// One difference; encoders and the relay ask [`crate::Kind::has`] for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deviation {
    /// `stream_options` is not known there; usage comes in a last chunk by itself, or not at all.
    NoStreamOptions,
    /// Only `max_tokens` is known, not `max_completion_tokens`.
    MaxTokensOnly,
    /// Fields it does not know are a 400 or 422, not ignored.
    StrictFields,
    /// A member of a message that it does not know is a 400: what other providers put into an answer
    /// (`reasoning_content`, `extra_content`, `cache_control`) must be taken out of an echoed history.
    /// Source: OpenAI's "Unrecognized request argument" and Groq's "property '..' is unsupported", as public issue
    /// threads show them, seen 2026-11.
    RefusesExtensions,
    /// Errors may stand in answers with status 200 and in stream chunks.
    ErrorsInSuccess,
    /// `tool_choice` is taken and ignored.
    IgnoresToolChoice,
    /// Every call of a stream may carry index 0; a new id means a new call.
    RepeatedToolIndex,
    /// A refusal for too many requests carries no hint when to come back.
    NoRetryHint,
    /// Reasoning arrives as `reasoning_content` beside `content`.
    ReasoningContent,
    /// Reasoning arrives as `reasoning` beside `content`.
    ReasoningField,
    /// Prompts longer than the context are cut silently.
    TruncatesPrompt,
}
