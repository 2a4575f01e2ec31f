//! The same dialect on both sides: the model's name is spliced and bytes pass. Different ones: through the canonical form.

use std::borrow::Cow;

use bytes::Bytes;
use dialect::splice::Rewrite;
use dialect::{
    Dialect, Encoding, Event, ReplyFault, ReplyFrame, StreamDecoder, StreamEncoder, StreamFault,
    Tap, TapItem,
};
use provider::Deviation;
use types::TokenUsage;

use crate::intake::ModelCall;
use crate::refusal::Refusal;
use crate::routing::Leg;

/// A request's body for one target.
#[derive(Debug)]
pub(super) struct Prepared<'c> {
    /// The body, in pieces.
    pub(super) body: Cow<'c, [Bytes]>,
    /// Headers that the dialect wants beside it.
    pub(super) headers: Vec<(&'static str, String)>,
    /// What could not be carried.
    pub(super) losses: Vec<dialect::Loss>,
    /// Whether the stream's usage was asked for by us, not by the client.
    pub(super) added_usage: bool,
}

/// The body for a target.
///
/// # Errors
/// The call asks for something that the target's dialect cannot carry and that must not be dropped silently.
pub(super) fn prepare<'c>(call: &'c ModelCall, leg: &Leg) -> Result<Prepared<'c>, Refusal> {
    let Leg::Model { target, .. } = leg else {
        return Err(Refusal::new(
            diagnosis::Code::GatewayInternalError,
            "An LLM call was planned for a plain route.",
        ));
    };
    let kind = target.provider.kind;
    if kind.dialect == call.dialect {
        let added_usage =
            call.stream && !call.scan.wants_usage && !kind.has(Deviation::NoStreamOptions);
        let rewrite = Rewrite {
            model: target.model.as_str(),
            ask_for_usage: added_usage,
            strip_extensions: kind.has(Deviation::RefusesExtensions),
        };
        let body = dialect::splice::rewrite(&call.raw, &call.scan, &rewrite);
        return Ok(Prepared {
            body,
            headers: Vec::new(),
            losses: Vec::new(),
            added_usage,
        });
    }
    let wrong = |error: dialect::CallError| Refusal::invalid(error.param.as_deref(), error.message);
    let canonical = dialect::decode_call(call.dialect, &call.raw).map_err(wrong)?;
    let encoding = Encoding {
        model: target.model.as_str(),
        max_output_default: target.max_output,
        thinking: provider::catalog::thinking(kind, target.model.as_str()),
        ..Encoding::default()
    };
    let encoded = dialect::encode_call(kind.dialect, &canonical, &encoding).map_err(wrong)?;
    let body = Cow::Owned(vec![Bytes::from(encoded.body)]);
    Ok(Prepared {
        body,
        headers: encoded.headers,
        losses: encoded.losses,
        added_usage: false,
    })
}

/// A whole answer for the client.
#[derive(Debug)]
pub(super) struct WholeAnswer {
    /// None where it is the upstream's as it came.
    pub(super) bytes: Option<Bytes>,
    pub(super) usage: TokenUsage,
    pub(super) losses: Vec<dialect::Loss>,
}

/// Reads a whole answer of `from` for a client of `to`.
///
/// # Errors
/// It is no answer.
pub(super) fn whole(
    from: Dialect,
    to: Dialect,
    body: &[u8],
    frame: impl FnOnce() -> ReplyFrame,
) -> Result<WholeAnswer, ReplyFault> {
    if from == to {
        let usage = dialect::inspect_reply(from, body)?.usage;
        return Ok(WholeAnswer {
            bytes: None,
            usage,
            losses: Vec::new(),
        });
    }
    let reply = dialect::decode_reply(from, body)?;
    let bytes = Bytes::from(dialect::encode_reply(to, &reply, &frame()));
    Ok(WholeAnswer {
        bytes: Some(bytes),
        usage: reply.usage,
        losses: reply.losses,
    })
}

/// What an upstream's stream becomes on its way to the client.
#[derive(Debug)]
pub enum Flow {
    /// The same dialect: whole events pass as they are.
    Pass {
        /// Reads along.
        tap: Box<Tap>,
        /// Reused between pushes.
        items: Vec<TapItem>,
    },
    /// Another dialect.
    Translate(Box<Translation>),
    /// A whole answer that is told as the stream its caller asked for: nothing more comes.
    Told(TokenUsage),
}

/// A stream between two dialects.
#[derive(Debug)]
pub struct Translation {
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    events: Vec<Event>,
    usage: TokenUsage,
    content_events: u64,
    losses: Vec<dialect::Loss>,
}

/// Bytes for the client.
#[derive(Debug)]
pub struct Piece {
    /// Whole events.
    pub bytes: Bytes,
    /// Whether content is among them.
    pub content: bool,
}

impl Flow {
    /// The flow for a stream of `from` to a client of `to`.
    #[must_use]
    pub fn new(
        from: Dialect,
        to: Dialect,
        drop_usage: bool,
        frame: impl FnOnce() -> ReplyFrame,
    ) -> Self {
        if from == to {
            return Self::Pass {
                tap: Box::new(Tap::new(from, drop_usage)),
                items: Vec::new(),
            };
        }
        Self::Translate(Box::new(Translation {
            decoder: StreamDecoder::new(from),
            encoder: StreamEncoder::new(to, frame()),
            events: Vec::new(),
            usage: TokenUsage::default(),
            content_events: 0,
            losses: Vec::new(),
        }))
    }

    /// Takes bytes of the upstream and gives what may go out.
    ///
    /// # Errors
    /// The stream is broken from here on; what is in `out` was still sound.
    pub fn push(&mut self, bytes: Bytes, out: &mut Vec<Piece>) -> Result<(), StreamFault> {
        match self {
            Self::Pass { tap, items } => {
                let result = tap.push(bytes, items);
                out.extend(items.drain(..).map(|item| Piece {
                    bytes: item.bytes,
                    content: item.content,
                }));
                result
            }
            Self::Translate(translation) => {
                let result = translation.decoder.push(&bytes, &mut translation.events);
                translation.encode(out);
                result
            }
            Self::Told(_) => Ok(()),
        }
    }

    /// The upstream's bytes have ended.
    ///
    /// # Errors
    /// They ended before the answer did.
    pub fn finish(&mut self, out: &mut Vec<Piece>) -> Result<(), StreamFault> {
        match self {
            Self::Pass { tap, items } => {
                let result = tap.finish(items);
                out.extend(items.drain(..).map(|item| Piece {
                    bytes: item.bytes,
                    content: item.content,
                }));
                result
            }
            Self::Translate(translation) => {
                let result = translation.decoder.finish(&mut translation.events);
                translation.encode(out);
                if result.is_ok() {
                    let mut closing = Vec::new();
                    translation.encoder.finish(&mut closing);
                    push_piece(closing, false, out);
                }
                result
            }
            Self::Told(_) => Ok(()),
        }
    }

    /// What was used, as far as the stream has told.
    #[must_use]
    pub fn usage(&self) -> TokenUsage {
        match self {
            Self::Pass { tap, .. } => tap.usage(),
            Self::Translate(translation) => translation.usage,
            Self::Told(usage) => *usage,
        }
    }

    /// Events of content so far: about as many tokens, where the stream has not told its usage.
    #[must_use]
    pub fn content_events(&self) -> u64 {
        match self {
            Self::Pass { tap, .. } => tap.events(),
            Self::Translate(translation) => translation.content_events,
            Self::Told(_) => 0,
        }
    }

    /// Whether the terminal event has passed: what may still come is framing.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match self {
            Self::Pass { tap, .. } => tap.is_over(),
            Self::Translate(translation) => translation.decoder.has_ended(),
            Self::Told(_) => true,
        }
    }

    /// Whether the answer is whole, even if the event that ends it has not come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Pass { tap, .. } => tap.saw_terminal(),
            Self::Translate(translation) => translation.decoder.is_complete(),
            Self::Told(_) => true,
        }
    }

    /// Whether the event that ends such a stream never came, though the answer was whole.
    #[must_use]
    pub fn lacks_end(&self) -> bool {
        match self {
            Self::Pass { tap, .. } => tap.lacks_end(),
            Self::Translate(translation) => translation.decoder.lacks_end(),
            Self::Told(_) => false,
        }
    }

    /// What of the answer could not be carried.
    pub fn take_losses(&mut self) -> Vec<dialect::Loss> {
        match self {
            Self::Pass { .. } | Self::Told(_) => Vec::new(),
            Self::Translate(translation) => std::mem::take(&mut translation.losses),
        }
    }
}

impl Translation {
    fn encode(&mut self, out: &mut Vec<Piece>) {
        let mut bytes = Vec::new();
        let mut content = false;
        for event in self.events.drain(..) {
            match &event {
                Event::Usage(usage) => self.usage.replace_with(usage),
                Event::Lost(loss) => self.losses.push(loss.clone()),
                _ => {}
            }
            content |= event.is_content();
            self.content_events += u64::from(event.is_content());
            self.encoder.encode(&event, &mut bytes);
        }
        push_piece(bytes, content, out);
    }
}

fn push_piece(bytes: Vec<u8>, content: bool, out: &mut Vec<Piece>) {
    if !bytes.is_empty() || content {
        out.push(Piece {
            bytes: Bytes::from(bytes),
            content,
        });
    }
}
