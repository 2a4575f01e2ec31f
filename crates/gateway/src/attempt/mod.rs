//! From a plan to an answer: [`first_success`] is the loop over targets, `once` one try at one of them.

mod conclude;

mod course;

mod first_success;

pub(crate) mod lesson;

pub mod line;

mod once;

mod opening;

mod read;

pub mod translate_or_pass;

mod ways;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http1::answer::Lines;
use provider::catalog::Price;
use resilience::Ticket;
use types::{Deadline, TokenUsage};

use crate::admission::Place;
use crate::bytes::HeldBytes;
use crate::lanes::idempotency::{self, Remembered};
use crate::routing::Visit;

pub use first_success::first_success;
pub(crate) use read::{END_WITHIN, stream_fault};
pub use translate_or_pass::Flow;

/// A call that is being answered.
#[derive(Debug)]
pub struct Answered {
    /// The caller's place, given back when the answer has ended.
    pub place: Place,
    /// The answer.
    pub answer: Box<Answer>,
}

impl Answered {
    /// Answered by the gateway itself.
    #[must_use]
    pub fn local(place: Place, json: Bytes) -> Self {
        Self {
            place,
            answer: Box::new(Answer::local(json)),
        }
    }

    /// Answered with what is remembered.
    #[must_use]
    pub(crate) fn again(place: Place, remembered: &Remembered) -> Self {
        Self {
            place,
            answer: Box::new(Answer::again(remembered)),
        }
    }

    /// Answered by an upstream.
    #[must_use]
    pub fn from_upstream(place: Place, answer: Box<Answer>) -> Self {
        Self { place, answer }
    }
}

/// An answer, its body perhaps still on the way.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// A plain answer's headers that go on.
    pub headers: HeaderMap,
    /// The same of a model's answer, renamed where they must be, as lines.
    pub lines: Lines,
    /// The body.
    pub body: AnswerBody,
    /// What the model's tokens cost, where known.
    pub price: Option<Price>,
    /// Whether a script inside the gateway answered.
    pub demo: bool,
    /// Whether the caller asked for the trail.
    pub trail: bool,
    /// The gateway itself answered: no attempt was made.
    pub local: bool,
    /// What the attempt holds of its target, where its body is still on the way.
    pub ticket: Option<Box<Ticket>>,
    /// What is learnt of the target when the answer has ended.
    pub visit: Option<Visit>,
}

/// Marks an answer that is given again. Source: the header of Stripe's API, which others took over.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

impl Answer {
    /// The answer that an earlier call with the same idempotency key got.
    fn again(remembered: &Remembered) -> Self {
        let mut headers = remembered.headers.clone();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        Self {
            status: remembered.status,
            headers,
            ..Self::local(remembered.body.clone())
        }
    }

    fn local(json: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            lines: Lines::new(),
            body: AnswerBody::Whole {
                bytes: json,
                usage: TokenUsage::default(),
            },
            price: None,
            demo: false,
            trail: false,
            local: true,
            ticket: None,
            visit: None,
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub enum AnswerBody {
    /// Whole, and seen to be sound.
    Whole {
        /// The bytes for the client.
        bytes: Bytes,
        /// What it used.
        usage: TokenUsage,
    },
    /// An LLM's stream whose first content is there.
    Stream(Box<LiveStream>),
    /// A plain answer, relayed as it comes.
    Raw(Box<RawBody>),
    /// No answer any more: both sides speak another protocol from now on.
    Tunnel(Box<RawTunnel>),
}

/// A stream in relay.
#[derive(Debug)]
pub struct LiveStream {
    /// What the upstream sends becomes what the client gets.
    pub flow: Flow,
    /// The upstream's body; none once it has ended.
    pub body: Option<upstream::Body>,
    /// What was held until the first content.
    pub held: VecDeque<Bytes>,
    /// What of the byte budget that takes, where much is held.
    pub reserved: HeldBytes,
    /// The longest silence.
    pub idle: Duration,
    /// After which silence the client gets a sign of life.
    pub ping_after: Duration,
    /// The call's end.
    pub deadline: Deadline,
    /// Who sends.
    pub kind: &'static provider::Kind,
}

/// A connection to an upstream that speaks another protocol.
#[derive(Debug)]
pub struct RawTunnel {
    /// It.
    pub upstream: upstream::Upgraded,
    /// The longest silence in both directions.
    pub idle: Duration,
    /// The call's end, where the configuration sets one.
    pub deadline: Option<Deadline>,
}

/// A plain body in relay.
#[derive(Debug)]
pub struct RawBody {
    /// The first piece, where it was waited for.
    pub first: Option<Bytes>,
    /// The upstream's body.
    pub body: upstream::Body,
    /// The longest silence.
    pub idle: Duration,
    /// The call's end.
    pub deadline: Deadline,
    /// Where the answer is remembered, with the head that is.
    pub remember: Option<(Arc<idempotency::Ticket>, HeaderMap)>,
}
