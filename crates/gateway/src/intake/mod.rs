//! From an HTTP request to a call: first the head (which lane, which dialect), much later the body.

mod body;

mod head;

mod said;

mod upload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::Route;
use dialect::Dialect;
use dialect::splice::Scan;
use http::{HeaderMap, HeaderValue, Method, Uri, Version};
use http1::{Headers, Received};
use types::Deadline;

use crate::bytes::HeldBytes;
use crate::lanes::idempotency::Ticket;
use crate::serve::RequestBody;

use said::Said;

pub use body::body;
pub(crate) use head::route_of_its_host;
pub use head::{head, wants_openai_errors};
pub use upload::Upload;

/// A request as it came off the socket, nothing of its body read.
#[derive(Debug)]
pub struct Inbound {
    /// The head.
    pub head: Box<Received>,
    /// The body, unread.
    pub body: RequestBody,
    /// Where it came from.
    pub peer: SocketAddr,
}

/// What a head says.
#[derive(Debug)]
pub struct Head {
    /// What is asked for.
    pub lane: HeadLane,
    /// The method.
    pub method: Method,
    /// Path and query as sent.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// All headers.
    pub headers: Headers,
    /// The body, unread.
    pub body: RequestBody,
    /// Where it came from.
    pub peer: SocketAddr,
    /// What the headers say.
    said: Said,
}

/// How long a client waits, as far as it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// For the whole answer: `x-request-timeout-ms`, `grpc-timeout`.
    pub whole: Option<Duration>,
    /// Between two bytes of it: `x-stainless-timeout`, `x-stainless-read-timeout`.
    pub between_bytes: Option<Duration>,
}

/// What a head asks for.
#[derive(Clone, Debug)]
pub enum HeadLane {
    /// A chat completion.
    Chat(Dialect),
    /// The list of models, or one of them.
    Models(Option<String>),
    /// A plain HTTP call on a route.
    Http(Arc<Route>),
}

/// A call, read whole.
#[derive(Debug)]
pub enum Call {
    /// An LLM call.
    Model(Box<ModelCall>),
    /// A plain HTTP call.
    Http(Box<HttpCall>),
}

/// An LLM call.
#[derive(Debug)]
pub struct ModelCall {
    /// The client's dialect.
    pub dialect: Dialect,
    /// The body as sent.
    pub raw: Bytes,
    /// Where its top-level keys are.
    pub scan: Scan,
    /// The model as named by the caller.
    pub model: Arc<str>,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Whether reasoning is asked for: the model may think long before its first token.
    pub reasoning: bool,
    /// What both lanes have.
    pub terms: Terms,
}

/// A plain HTTP call.
#[derive(Debug)]
pub struct HttpCall {
    /// Its route.
    pub route: Arc<Route>,
    /// The method.
    pub method: Method,
    /// Path and query as sent, without a key of ours.
    pub path_and_query: String,
    /// The headers that go on: no hop-by-hop ones, no key of ours.
    pub headers: HeaderMap,
    /// Whether it may be sent again although an upstream may have acted on it.
    pub may_repeat: bool,
    /// The body, where it was read.
    pub raw: Bytes,
    /// The body, where it goes on as it comes.
    pub upload: Option<Upload>,
    /// The protocol that its connection is to speak from then on, where one is asked for.
    pub upgrade: Option<HeaderValue>,
    /// Its hold on its idempotency key, where it has one.
    pub ticket: Option<Arc<Ticket>>,
    /// What both lanes have.
    pub terms: Terms,
}

/// What holds for a call whatever its lane.
#[derive(Debug)]
pub struct Terms {
    /// The body's bytes out of the budget; given back when no attempt can follow.
    pub held: HeldBytes,
    /// When the client arrived.
    pub patience: Patience,
    /// The whole call's end by the client's wish; the policy's comes with the plan.
    pub client_deadline: Option<Deadline>,
    /// Which of the client's own attempts this is.
    pub client_retries: u32,
    /// The client's `idempotency-key`.
    pub idempotency_key: Option<HeaderValue>,
    /// `traceparent` and its kin, passed on.
    pub trace: Option<HeaderValue>,
    /// Limits wished for by `x-goodgate-*` headers that the key may use.
    pub wishes: Wishes,
}

/// What a caller may ask for by header, where its key allows it.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// `x-goodgate-max-attempts`.
    pub max_attempts: Option<u32>,
    /// `x-goodgate-hold: whole`.
    pub hold_whole: bool,
    /// `x-goodgate-include: trail`.
    pub trail: bool,
}

impl Head {
    /// Which of the client's own attempts this is.
    #[must_use]
    pub fn client_retries(&self) -> u32 {
        self.said.client_retries
    }
}

impl Call {
    /// What holds whatever the lane.
    #[must_use]
    pub fn terms(&self) -> &Terms {
        match self {
            Self::Model(call) => &call.terms,
            Self::Http(call) => &call.terms,
        }
    }
}
