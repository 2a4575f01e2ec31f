//! Streams, read into events and written from them. What the formats share is here: framing, UTF-8, JSON, errors.

mod calls;
mod encoder;

use bytes::Bytes;

pub use encoder::StreamEncoder;

pub(crate) use calls::{Calls, Piece};

use crate::canonical::Event;
use crate::fault::{ErrorWords, StreamFault};
use crate::json::{Node, Object};
use crate::sse::{Fields, Framer};
use crate::{Dialect, anthropic_messages, error_words, gemini, openai_chat, tap};

/// Why an event cannot be read.
#[derive(Debug)]
pub(crate) enum Odd {
    /// It is not what it should be.
    Shape(String),
    /// It says that the provider failed.
    Error(Box<ErrorWords>),
}

impl Odd {
    pub(crate) fn shape(what: impl Into<String>) -> Self {
        Self::Shape(what.into())
    }

    /// An error that is told by one word alone.
    pub(crate) fn error(kind: &str, message: Option<String>) -> Self {
        Self::Error(Box::new(ErrorWords {
            kind: Some(kind.to_owned()),
            message,
            ..ErrorWords::default()
        }))
    }
}

#[derive(Debug)]
enum Format {
    Choices(openai_chat::stream::Decoder),
    Anthropic(anthropic_messages::stream::Decoder),
    Gemini(gemini::stream::Decoder),
}

/// Reads a streamed answer, cut anywhere, into events.
#[derive(Debug)]
pub struct StreamDecoder {
    framer: Framer,
    format: Format,
    events: u64,
    /// Whether [`Event::End`] was given.
    ended: bool,
    /// Whether it was given for want of the event that ends the stream.
    lacks_end: bool,
    /// What ended the stream before that.
    failed: Option<StreamFault>,
}

impl StreamDecoder {
    /// A decoder for one stream.
    #[must_use]
    pub fn new(dialect: Dialect) -> Self {
        let format = match dialect {
            Dialect::OpenaiChat | Dialect::MistralChat => {
                Format::Choices(openai_chat::stream::Decoder::default())
            }
            Dialect::AnthropicMessages => {
                Format::Anthropic(anthropic_messages::stream::Decoder::default())
            }
            Dialect::Gemini => Format::Gemini(gemini::stream::Decoder::default()),
        };
        Self {
            framer: Framer::default(),
            format,
            events: 0,
            ended: false,
            lacks_end: false,
            failed: None,
        }
    }

    /// Takes the next bytes. What stands in `out` when this fails was still good.
    ///
    /// # Errors
    /// An event that is malformed, too large, or an error of the provider. The stream is over then.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), StreamFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        // After the end nothing counts.
        if self.ended {
            return Ok(());
        }
        self.framer.push(Bytes::copy_from_slice(bytes));
        loop {
            let Ok(next) = self.framer.next() else {
                let limit = self.framer.limit();
                return self.fail(StreamFault::TooLarge { limit });
            };
            let Some(event) = next else { return Ok(()) };
            if let Err(fault) = self.event(&event, out) {
                return self.fail(fault);
            }
        }
    }

    /// The bytes have ended.
    ///
    /// # Errors
    /// The end came before the terminal event, or the last event was malformed or an error.
    pub fn finish(&mut self, out: &mut Vec<Event>) -> Result<(), StreamFault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        if self.ended {
            return Ok(());
        }
        if let Some(event) = self.framer.rest()
            && let Err(fault) = self.event(&event, out)
        {
            let fault = tap::cut_short(fault, &event);
            // A whole answer may be followed by the start of an event that was cut.
            if fault != StreamFault::Incomplete {
                return self.fail(fault);
            }
        }
        if !self.ended {
            let complete = match &mut self.format {
                Format::Choices(decoder) => decoder.is_complete(),
                Format::Gemini(decoder) => decoder.finish(out),
                // Its terminal event is never left out.
                Format::Anthropic(_) => false,
            };
            if !complete {
                return self.fail(StreamFault::Incomplete);
            }
            self.ended = true;
            // Gemini's streams end with their last chunk.
            self.lacks_end = matches!(self.format, Format::Choices(_));
            out.push(Event::End);
        }
        Ok(())
    }

    /// Whether the answer is whole, its terminal event seen or not.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended || matches!(&self.format, Format::Choices(decoder) if decoder.is_complete())
    }

    /// Whether it came to a good end without the event that ends it.
    #[must_use]
    pub fn lacks_end(&self) -> bool {
        self.lacks_end
    }

    /// Whether the terminal event was seen.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn fail(&mut self, fault: StreamFault) -> Result<(), StreamFault> {
        self.failed = Some(fault.clone());
        Err(fault)
    }

    fn event(&mut self, event: &[u8], out: &mut Vec<Event>) -> Result<(), StreamFault> {
        let fields = Fields::read(event);
        // After the end nothing counts.
        if self.ended {
            return Ok(());
        }
        if let Some(stray) = fields.stray {
            self.events += 1;
            return Err(tap::stray_fault(stray, self.events));
        }
        let Some(data) = fields.data else {
            if !event.trim_ascii().is_empty() {
                out.push(Event::Ping);
            }
            return Ok(());
        };
        self.events += 1;
        let text = data.trim_ascii();
        if text.is_empty() {
            return Ok(());
        }
        if text.eq_ignore_ascii_case(b"[DONE]") {
            return self.done(out);
        }
        if tap::is_sign_of_life(fields.name, text) {
            out.push(Event::Ping);
            return Ok(());
        }
        if fields.name == Some(b"error") {
            return Err(StreamFault::ErrorEvent(tap::error_event(text)));
        }
        let result = self.read(&data, out);
        result.map_err(|odd| match odd {
            Odd::Shape(what) => StreamFault::Malformed {
                event: self.events,
                what,
            },
            Odd::Error(words) => StreamFault::ErrorEvent(words),
        })
    }

    fn done(&mut self, out: &mut Vec<Event>) -> Result<(), StreamFault> {
        let answered = match &self.format {
            Format::Choices(decoder) => decoder.has_begun(),
            // Not theirs, but some proxies add it.
            Format::Anthropic(_) | Format::Gemini(_) => return Ok(()),
        };
        if !answered {
            return Err(StreamFault::Incomplete);
        }
        self.ended = true;
        out.push(Event::End);
        Ok(())
    }

    fn read(&mut self, data: &[u8], out: &mut Vec<Event>) -> Result<(), Odd> {
        let text = std::str::from_utf8(data).map_err(|_| Odd::shape("it is no UTF-8"))?;
        let node = Node::parse(text)
            .map_err(|bad| Odd::shape(format!("{} (at byte {})", bad.what, bad.at)))?;
        let Some(members) = node.object() else {
            let words = error_words::read(data);
            return Err(words.map_or_else(
                || Odd::shape(format!("it is {}", node.shape().name())),
                Odd::Error,
            ));
        };
        if is_error(&members) {
            return Err(Odd::Error(error_words::read(data).unwrap_or_default()));
        }
        match &mut self.format {
            Format::Choices(decoder) => {
                // Mistral's errors, and older vLLM's, are not wrapped.
                if members.get("choices").is_none()
                    && let Some(words) = error_words::read(data)
                {
                    return Err(Odd::Error(words));
                }
                decoder.chunk(members, out)
            }
            Format::Anthropic(decoder) => {
                if decoder.event(members, out)? {
                    self.ended = true;
                    out.push(Event::End);
                }
                Ok(())
            }
            Format::Gemini(decoder) => decoder.chunk(members, out),
        }
    }
}

fn is_error(members: &Object<'_>) -> bool {
    members.get("error").is_some_and(|node| !node.is_nothing())
        || members
            .get("type")
            .and_then(|node| node.text())
            .is_some_and(|kind| kind == "error")
}
