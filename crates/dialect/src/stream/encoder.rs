//! Writes events for a client.

use crate::canonical::Event;
use crate::{Dialect, ReplyFrame, openai_chat};

/// Writes the events of one stream for a client.
#[derive(Debug)]
pub struct StreamEncoder {
    format: openai_chat::stream_encode::Encoder,
}

impl StreamEncoder {
    /// An encoder for one stream. Clients speak OpenAI's chat so far: the calls of others are refused when read.
    #[must_use]
    pub fn new(dialect: Dialect, frame: ReplyFrame) -> Self {
        match dialect {
            Dialect::OpenaiChat
            | Dialect::AnthropicMessages
            | Dialect::Gemini
            | Dialect::MistralChat => Self {
                format: openai_chat::stream_encode::Encoder::new(frame),
            },
        }
    }

    /// Appends what the event becomes, if anything.
    pub fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        self.format.encode(event, out);
    }

    /// Appends the closing, if the answer came to its end; nothing otherwise.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.format.finish(out);
    }
}
