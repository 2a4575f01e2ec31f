//! Reads along a stream that is relayed as it is: usage, finish reason, errors, and whether it came to its end.
//!
//! Whole events go out as slices of what came in, after a check of frame, UTF-8 and JSON. For whole answers there is
//! [`inspect_reply`].

mod whole_answer;

use std::borrow::Cow;

use bytes::Bytes;
use types::TokenUsage;

use crate::fault::{ErrorWords, StreamFault};
use crate::json::Letters;
use crate::openai_chat::shallow::{self, Outline};
use crate::sse::{self, Fields, Framer};
use crate::{Dialect, Event, StreamDecoder, error_words, openai_chat};

pub use whole_answer::{ReplyFacts, inspect_reply};

/// The event that ends a stream of OpenAI's.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// One or more whole events, ready to relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapItem {
    /// The bytes as they came.
    pub bytes: Bytes,
    /// Whether a content event is among them.
    pub content: bool,
}

/// What an event means for its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Relayed, and no reason to commit.
    Lifecycle,
    /// Relayed; the answer has begun.
    Content,
    /// Not relayed: the client did not ask for it.
    Dropped,
    /// The last one.
    Terminal,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Before its first event, where a byte order mark may stand.
    New,
    /// Events have passed.
    Begun,
    /// There were choices among them.
    Answered,
    /// The terminal event has passed.
    Done,
    /// It has ended well without that event, which was added.
    EndMissing,
}

/// Watches one pass-through stream.
#[derive(Debug)]
pub struct Tap {
    framer: Framer,
    drop_usage_chunk: bool,
    usage: TokenUsage,
    finish: Option<Cow<'static, str>>,
    /// The choices that have begun and not ended, a bit for each.
    open: u64,
    stage: Stage,
    events: u64,
    /// What goes out in place of the event that was judged last: the same, in the usual form.
    instead: Option<Bytes>,
    /// Reads the dialects that have no shallow reader of their own.
    decoder: Option<Box<StreamDecoder>>,
}

impl Tap {
    /// A tap for one stream. `drop_usage_chunk`: we asked for usage and the client did not.
    #[must_use]
    pub fn new(dialect: Dialect, drop_usage_chunk: bool) -> Self {
        let decoder = match dialect {
            Dialect::OpenaiChat | Dialect::MistralChat => None,
            Dialect::AnthropicMessages | Dialect::Gemini => {
                Some(Box::new(StreamDecoder::new(dialect)))
            }
        };
        Self {
            framer: Framer::default(),
            drop_usage_chunk,
            usage: TokenUsage::default(),
            finish: None,
            open: 0,
            stage: Stage::New,
            events: 0,
            instead: None,
            decoder,
        }
    }

    /// Takes the next bytes and gives what may be relayed. What stands in `out` when this fails was still good.
    ///
    /// # Errors
    /// An event that is malformed, too large, or an error of the provider. The stream is over then.
    pub fn push(&mut self, bytes: Bytes, out: &mut Vec<TapItem>) -> Result<(), StreamFault> {
        self.framer.push(bytes.clone());
        let mut run = Run {
            whole: bytes,
            from: 0,
            to: 0,
            content: false,
        };
        let result = self.drain(&mut run, out);
        run.flush(out);
        result
    }

    fn drain(&mut self, run: &mut Run, out: &mut Vec<TapItem>) -> Result<(), StreamFault> {
        loop {
            let next = self.framer.next();
            let Some(event) = next.map_err(|_| StreamFault::TooLarge {
                limit: self.framer.limit(),
            })?
            else {
                return Ok(());
            };
            // After the end nothing counts.
            if self.is_over() {
                run.flush(out);
                continue;
            }
            let event = self.without_mark(event);
            let class = self.judge(&event)?;
            let content = class == Class::Content;
            match self.usual_form(&event) {
                _ if class == Class::Dropped => run.flush(out),
                None => run.add(event, content, out),
                Some(bytes) => {
                    run.flush(out);
                    out.push(TapItem { bytes, content });
                }
            }
        }
    }

    /// Many readers take a byte order mark for a part of the first field's name.
    fn without_mark(&mut self, event: Bytes) -> Bytes {
        if self.stage > Stage::New || event.is_empty() {
            return event;
        }
        self.stage = Stage::Begun;
        if event.starts_with(sse::MARK) {
            event.slice(sse::MARK.len()..)
        } else {
            event
        }
    }

    /// What the event is written as where it came in a form that not every reader knows.
    fn usual_form(&mut self, event: &[u8]) -> Option<Bytes> {
        if self.instead.is_some() {
            return self.instead.take();
        }
        self.framer
            .has_lone_returns()
            .then(|| Bytes::from(sse::with_line_feeds(event)))
    }

    /// The upstream's bytes have ended.
    ///
    /// # Errors
    /// The end came before the terminal event, or what was left over is malformed or an error.
    pub fn finish(&mut self, out: &mut Vec<TapItem>) -> Result<(), StreamFault> {
        if let Some(event) = self.framer.rest() {
            self.last(&event, out)?;
        }
        if let Some(mut decoder) = self.decoder.take() {
            let mut events = Vec::new();
            let result = decoder.finish(&mut events);
            self.learn(&events);
            return result;
        }
        if self.is_over() {
            return Ok(());
        }
        if !self.saw_terminal() {
            return Err(StreamFault::Incomplete);
        }
        // The answer is whole; only its closing mark is missing, and some clients wait for that.
        self.stage = Stage::EndMissing;
        out.push(TapItem {
            bytes: Bytes::from_static(DONE),
            content: false,
        });
        Ok(())
    }

    /// What stands after the last blank line: a whole event without one, or the start of one that was cut.
    fn last(&mut self, event: &Bytes, out: &mut Vec<TapItem>) -> Result<(), StreamFault> {
        let event = &self.without_mark(event.clone());
        let class = match self.judge(event).map_err(|fault| cut_short(fault, event)) {
            // The answer was whole before it.
            Err(StreamFault::Incomplete) if self.saw_terminal() => return Ok(()),
            judged => judged?,
        };
        let bytes = if let Some(usual) = self.instead.take() {
            usual
        } else if event.trim_ascii().is_empty() {
            event.clone()
        } else if Fields::read(event).data.is_some() {
            Bytes::from([&sse::with_line_feeds(event), b"\n\n".as_slice()].concat())
        } else {
            return Ok(());
        };
        if class != Class::Dropped {
            out.push(TapItem {
                bytes,
                content: class == Class::Content,
            });
        }
        Ok(())
    }

    /// The running totals so far.
    #[must_use]
    pub fn usage(&self) -> TokenUsage {
        self.usage
    }

    /// Why the model stopped, in the dialect's word.
    #[must_use]
    pub fn finish_reason(&self) -> Option<&str> {
        self.finish.as_deref()
    }

    /// Whether the terminal event, or what may stand for it, has passed: a finish reason of each choice.
    #[must_use]
    pub fn saw_terminal(&self) -> bool {
        // A decoder knows its dialect's terminal event; no finish reason stands for that.
        self.is_over() || (self.decoder.is_none() && self.finish.is_some() && self.open == 0)
    }

    /// Whether the terminal event itself has passed: nothing of the answer can follow it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage >= Stage::Done
    }

    /// Whether it came to a good end without the event that ends it, which was then added.
    #[must_use]
    pub fn lacks_end(&self) -> bool {
        self.stage == Stage::EndMissing
    }

    /// How many events with data have passed.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    fn malformed(&self, what: impl Into<String>) -> StreamFault {
        StreamFault::Malformed {
            event: self.events,
            what: what.into(),
        }
    }

    fn judge(&mut self, event: &[u8]) -> Result<Class, StreamFault> {
        let fields = Fields::read(event);
        if let Some(stray) = fields.stray {
            self.events += 1;
            return Err(stray_fault(stray, self.events));
        }
        let Some(data) = fields.data else {
            return self.without_data(event);
        };
        self.events += 1;
        if self.decoder.is_some() {
            return self.decode(event);
        }
        let text = data.trim_ascii();
        if text.eq_ignore_ascii_case(b"[DONE]") {
            if self.stage < Stage::Answered {
                return Err(StreamFault::Incomplete);
            }
            self.stage = Stage::Done;
            if *data != *b"[DONE]" {
                self.instead = Some(Bytes::from_static(DONE));
            }
            return Ok(Class::Terminal);
        }
        // A sign of life. Readers that expect JSON in each event would stumble over it.
        if text.is_empty() || is_sign_of_life(fields.name, text) {
            return Ok(Class::Dropped);
        }
        if fields.name == Some(b"error") {
            return Err(StreamFault::ErrorEvent(error_event(text)));
        }
        let outline = shallow::outline(&data);
        // Bytes that are no text are told before all else.
        let letters = outline
            .as_ref()
            .map_or_else(|_| Letters::Unknown, |outline| outline.letters);
        if letters == Letters::Unknown && std::str::from_utf8(&data).is_err() {
            return Err(self.malformed("it is no UTF-8"));
        }
        match outline {
            Ok(outline) => self.outlined(&outline, &data),
            // Gemini's errors stand in a list.
            Err(_) if text.first() == Some(&b'[') && error_words::read(text).is_some() => {
                Err(StreamFault::ErrorEvent(error_event(text)))
            }
            Err(bad) => Err(self.malformed(format!("{} (at byte {})", bad.what, bad.at))),
        }
    }

    /// An event of which the outline is known.
    fn outlined(&mut self, outline: &Outline<'_>, data: &[u8]) -> Result<Class, StreamFault> {
        if outline.error {
            return Err(StreamFault::ErrorEvent(
                error_words::read(data).unwrap_or_default(),
            ));
        }
        if outline.failed() {
            return Err(StreamFault::ErrorEvent(Box::new(ErrorWords::of_kind(
                "error",
            ))));
        }
        // Mistral's errors, and older vLLM's, are not wrapped.
        if outline.choices.is_none()
            && outline.usage.is_none()
            && let Some(words) = error_words::read(data)
        {
            return Err(StreamFault::ErrorEvent(words));
        }
        if outline.choices.is_some_and(|count| count > 0) && outline.messages {
            // A whole answer in one event: what it says stands where no reader of streams looks.
            self.instead = openai_chat::as_stream::chunks(data, true).map(Bytes::from);
        }
        Ok(self.chunk(outline))
    }

    /// An event without data: a comment, or fields that mean nothing alone.
    fn without_data(&self, event: &[u8]) -> Result<Class, StreamFault> {
        if sse::is_comment(event) {
            return Ok(Class::Lifecycle);
        }
        if std::str::from_utf8(event).is_err() {
            return Err(self.malformed("it is no UTF-8"));
        }
        // Readers that expect JSON in each event would stumble over a name or a number alone.
        Ok(if self.decoder.is_some() {
            Class::Lifecycle
        } else {
            Class::Dropped
        })
    }

    fn chunk(&mut self, outline: &Outline<'_>) -> Class {
        if let Some(usage) = &outline.usage {
            self.usage.replace_with(usage);
        }
        if let Some(finish) = outline.finish {
            self.finish = Some(reason(finish.raw()));
        }
        self.open = (self.open | outline.spoken) & !outline.ended;
        if outline.choices.is_some() {
            self.stage = self.stage.max(Stage::Answered);
        }
        let only_usage = outline.usage.is_some() && outline.choices == Some(0);
        if only_usage && self.drop_usage_chunk {
            Class::Dropped
        } else if outline.content || outline.finish.is_some() {
            Class::Content
        } else {
            Class::Lifecycle
        }
    }

    fn decode(&mut self, event: &[u8]) -> Result<Class, StreamFault> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(Class::Lifecycle);
        };
        let mut events = Vec::new();
        decoder.push(event, &mut events)?;
        self.learn(&events);
        let content = events.iter().any(Event::is_content);
        Ok(if content {
            Class::Content
        } else {
            Class::Lifecycle
        })
    }

    fn learn(&mut self, events: &[Event]) {
        for event in events {
            match event {
                Event::Usage(usage) => self.usage.replace_with(usage),
                Event::Finish { finish, .. } => {
                    self.finish = Some(Cow::Owned(finish.word().to_owned()))
                }
                Event::End => self.stage = Stage::Done,
                _ => {}
            }
        }
    }
}

/// Events that go out together: a range of the chunk they came in.
struct Run {
    whole: Bytes,
    from: usize,
    to: usize,
    content: bool,
}

impl Run {
    fn add(&mut self, event: Bytes, content: bool, out: &mut Vec<TapItem>) {
        match self.place(&event) {
            Some(start) => {
                if start != self.to {
                    self.flush(out);
                    self.from = start;
                }
                self.to = start + event.len();
                self.content |= content;
            }
            // It began in an earlier chunk and was put together.
            None => {
                self.flush(out);
                out.push(TapItem {
                    bytes: event,
                    content,
                });
            }
        }
    }

    /// Where in the chunk an event lies, if it is a slice of it.
    fn place(&self, event: &Bytes) -> Option<usize> {
        let start = event
            .as_ptr()
            .addr()
            .checked_sub(self.whole.as_ptr().addr())?;
        (start.checked_add(event.len())? <= self.whole.len()).then_some(start)
    }

    fn flush(&mut self, out: &mut Vec<TapItem>) {
        if self.to > self.from && self.to <= self.whole.len() {
            out.push(TapItem {
                bytes: self.whole.slice(self.from..self.to),
                content: self.content,
            });
        }
        self.from = self.to;
        self.content = false;
    }
}

/// What is wrong with an event that the end of the bytes cut short is that it was cut short.
pub(crate) fn cut_short(fault: StreamFault, event: &[u8]) -> StreamFault {
    match fault {
        StreamFault::Malformed { .. } if Fields::read(event).stray.is_none() => {
            StreamFault::Incomplete
        }
        other => other,
    }
}

/// An event with a name of its own whose text does not even try to be JSON: `event: ping`, `data: ping`.
pub(crate) fn is_sign_of_life(name: Option<&[u8]>, text: &[u8]) -> bool {
    let own = name.is_some_and(|name| !matches!(name, b"" | b"message" | b"error"));
    own && !matches!(text.first(), Some(b'{' | b'['))
}

/// The words of an event that says it is an error, JSON or not.
pub(crate) fn error_event(text: &[u8]) -> Box<ErrorWords> {
    error_words::read(text).unwrap_or_else(|| {
        let said = String::from_utf8_lossy(text);
        Box::new(ErrorWords {
            message: Some(said.trim_matches('"').to_owned()),
            ..ErrorWords::default()
        })
    })
}

/// A line that is no field but looks like a body: often the provider's error, sent as if there were no stream.
pub(crate) fn stray_fault(stray: &[u8], event: u64) -> StreamFault {
    match error_words::read(stray.trim_ascii()) {
        Some(words) => StreamFault::ErrorEvent(words),
        None => StreamFault::Malformed {
            event,
            what: "a line is no field of an event".to_owned(),
        },
    }
}

/// The usual words without an allocation.
fn reason(raw: &[u8]) -> Cow<'static, str> {
    match raw {
        b"stop" => Cow::Borrowed("stop"),
        b"length" => Cow::Borrowed("length"),
        b"tool_calls" => Cow::Borrowed("tool_calls"),
        b"content_filter" => Cow::Borrowed("content_filter"),
        other => Cow::Owned(String::from_utf8_lossy(other).into_owned()),
    }
}

#[cfg(test)]
mod tests;
