//! The wire formats of language models: each read into one canonical form and written from it.
//!
//! No HTTP client, no provider: bytes in, bytes out. Where both sides speak the same format nothing is translated:
//! [`splice`] changes the model's name in a body and [`Tap`] reads along a stream. Start with [`Dialect`].

pub mod canonical;
pub mod splice;
pub mod sse;
mod tap;

mod anthropic_messages;
mod carry;
mod error_words;
mod fault;
mod gemini;
mod ids;
mod json;
mod mistral_chat;
mod openai_chat;
mod stream;
mod whole;

pub use canonical::{Call, Event, Loss, Reply};
pub use fault::{CallError, ErrorWords, ReplyFault, StreamFault};
pub use stream::{StreamDecoder, StreamEncoder};
pub use tap::{ReplyFacts, Tap, TapItem, inspect_reply};

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// OpenAI's chat completions.
    OpenaiChat,
    /// Anthropic's messages.
    AnthropicMessages,
    /// Google's generateContent.
    Gemini,
    /// Mistral's chat completions: OpenAI's in outline, stricter and different in the details.
    MistralChat,
}

impl Dialect {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::OpenaiChat,
        Self::AnthropicMessages,
        Self::Gemini,
        Self::MistralChat,
    ];

    /// Its name in configuration, logs and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenaiChat => "openai_chat",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
            Self::MistralChat => "mistral_chat",
        }
    }
}

/// What an encoder must know of the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Encoding<'a> {
    /// The model's name as the provider knows it.
    pub model: &'a str,
    /// The most tokens the model can answer with, for dialects that demand a number.
    pub max_output_default: Option<u64>,
    /// How the model is asked to think, where the dialect has more than one way.
    pub thinking: ThinkingStyle,
    /// The dialect's API version to send, instead of the encoder's own choice.
    pub version_hint: Option<&'a str>,
}

/// How an Anthropic model is asked to think. All but the first take no answer that is begun for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThinkingStyle {
    /// With a budget of tokens.
    #[default]
    Budget,
    /// Adaptively, with an effort; it takes sampling parameters while it does not think.
    Adaptive,
    /// Adaptively, with an effort; it refuses `temperature`, `top_p` and `top_k` as well.
    AdaptiveOnly,
    /// The same, and it cannot be told not to think.
    Always,
}

/// A call in the words of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoded {
    /// The body, as JSON.
    pub body: Vec<u8>,
    /// What could not be carried.
    pub losses: Vec<Loss>,
    /// Headers that belong to the body, such as a version.
    pub headers: Vec<(&'static str, String)>,
}

/// What an answer for the client is marked with: the same in a whole answer and in every chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyFrame {
    /// The answer's id.
    pub id: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// The model's name.
    pub model: String,
    /// Whether a stream ends with its usage.
    pub include_usage: bool,
}

/// Reads a client's call. Clients speak OpenAI's chat so far.
///
/// # Errors
/// The body is no call of this dialect.
pub fn decode_call(dialect: Dialect, body: &[u8]) -> Result<Call, CallError> {
    match dialect {
        Dialect::OpenaiChat => openai_chat::decode::call(body),
        Dialect::AnthropicMessages | Dialect::Gemini | Dialect::MistralChat => Err(CallError {
            param: None,
            message: format!(
                "calls in the format {} are not accepted: use OpenAI's chat completions",
                dialect.as_str()
            ),
        }),
    }
}

/// Writes a call for a target.
///
/// # Errors
/// The call asks for something that the dialect cannot do and that must not be dropped.
pub fn encode_call(
    dialect: Dialect,
    call: &Call,
    encoding: &Encoding<'_>,
) -> Result<Encoded, CallError> {
    match dialect {
        Dialect::OpenaiChat => openai_chat::encode::call(call, encoding),
        Dialect::AnthropicMessages => anthropic_messages::encode::call(call, encoding),
        Dialect::Gemini => gemini::encode::call(call, encoding),
        Dialect::MistralChat => mistral_chat::encode::call(call, encoding),
    }
}

/// Reads a whole answer.
///
/// # Errors
/// The body is no answer of this dialect.
pub fn decode_reply(dialect: Dialect, body: &[u8]) -> Result<Reply, ReplyFault> {
    match dialect {
        Dialect::OpenaiChat | Dialect::MistralChat => openai_chat::reply::reply(body),
        Dialect::AnthropicMessages => anthropic_messages::reply::reply(body),
        Dialect::Gemini => gemini::reply::reply(body),
    }
}

/// Writes a whole answer for a client. Clients speak OpenAI's chat so far: the calls of others are refused when read.
#[must_use]
pub fn encode_reply(dialect: Dialect, reply: &Reply, frame: &ReplyFrame) -> Vec<u8> {
    match dialect {
        Dialect::OpenaiChat
        | Dialect::AnthropicMessages
        | Dialect::Gemini
        | Dialect::MistralChat => openai_chat::encode::reply(reply, frame),
    }
}

/// A client's whole answer as the stream it asked for, to the event that ends it; `None` where it is no answer.
///
/// Clients speak OpenAI's chat so far.
#[must_use]
pub fn as_stream(body: &[u8], include_usage: bool) -> Option<Vec<u8>> {
    let mut stream = openai_chat::as_stream::chunks(body, include_usage)?;
    stream.extend_from_slice(tap::DONE);
    Some(stream)
}

/// The words of an error body, also of one that came with a 2xx.
#[must_use]
pub fn read_error(dialect: Dialect, body: &[u8]) -> Option<ErrorWords> {
    match dialect {
        // One reader knows the forms of all.
        Dialect::OpenaiChat
        | Dialect::AnthropicMessages
        | Dialect::Gemini
        | Dialect::MistralChat => error_words::read(body).map(|words| *words),
    }
}

#[cfg(test)]
mod tests;
