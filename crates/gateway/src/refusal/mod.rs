//! A call that is not answered: a stable code, a sentence that names the fix, and every attempt's verdict.
//!
//! [`Refusal`] is made by the steps; `render` writes it in the client's own form.

mod render;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Code, Group, Origin};
use http::{HeaderValue, StatusCode};

use crate::gate::Gate;
use crate::journal::{Event, Journal, Outcome, Skip, StopReason};
use crate::relay::{Reply, ReplyBody};

pub use render::midstream_event;

/// In which form a client wants its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// `{"error": {...}}` as OpenAI's SDKs read it.
    Openai,
    /// `application/problem+json` (RFC 9457) for plain HTTP.
    Problem,
}

/// An upstream's own answer, passed on as it is: the request itself was wrong, and its SDK knows these words.
#[derive(Clone, Debug)]
pub struct Verbatim {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: Option<HeaderValue>,
    /// The body.
    pub body: Bytes,
}

/// A limit of the caller's that was reached.
#[derive(Clone, Debug)]
pub struct LimitReached {
    /// `key`.
    pub scope: &'static str,
    /// The key's name.
    pub name: String,
    /// `rpm` or `concurrency`.
    pub kind: &'static str,
    /// The configured number.
    pub limit: u64,
    /// How much is used.
    pub used: u64,
    /// When it frees, from now.
    pub resets_in: Option<Duration>,
}

/// Why a call is not answered. Boxed, since it travels as the error of every step.
#[derive(Clone, Debug)]
pub struct Refusal(Box<Reason>);

/// What a [`Refusal`] says.
#[derive(Clone, Debug)]
pub struct Reason {
    /// The code.
    pub code: Code,
    /// Whose fault.
    pub origin: Origin,
    /// The sentence for the client; without the request id, which is added when it is written.
    pub message: String,
    /// The status; that of the code unless a step knows better (405, 415).
    pub status: StatusCode,
    /// The request's field at fault.
    pub param: Option<String>,
    /// When to come again.
    pub retry_after: Option<Duration>,
    /// Why nothing more was tried.
    pub stop_reason: Option<StopReason>,
    /// The upstream's own answer, where it is passed on.
    pub verbatim: Option<Verbatim>,
    /// The limit that was reached.
    pub limit: Option<LimitReached>,
    /// What to do; the code's own where empty.
    pub fix: Vec<String>,
    /// The reason phrase of HTTP/1.1.
    pub reason_phrase: Option<String>,
    /// The connection is closed after it: what follows on it cannot be trusted.
    pub closes: bool,
    /// Which breaker keeps the call from being tried at all.
    pub opened_by: Option<Skip>,
    /// The client's own retry count was above zero, or it was told to wait long: no `x-should-retry: true`.
    pub client_retries: u32,
}

impl Deref for Refusal {
    type Target = Reason;

    fn deref(&self) -> &Reason {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Reason {
        &mut self.0
    }
}

impl Refusal {
    /// A refusal with this code and sentence, and the code's own status.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let facts = code.facts();
        Self(Box::new(Reason {
            code,
            origin: facts.origin,
            message: message.into(),
            status: StatusCode::from_u16(facts.http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            param: None,
            retry_after: None,
            stop_reason: None,
            verbatim: None,
            limit: None,
            fix: Vec::new(),
            reason_phrase: None,
            closes: false,
            opened_by: None,
            client_retries: 0,
        }))
    }

    /// The caller's request is wrong.
    #[must_use]
    pub fn invalid(param: Option<&str>, message: impl Into<String>) -> Self {
        let mut refusal = Self::new(Code::InvalidRequest, message);
        refusal.param = param.map(str::to_owned);
        refusal
    }

    /// The process ends before the call does: another one will answer it.
    #[must_use]
    pub fn shutting_down() -> Self {
        Self::new(Code::ShuttingDown, "The gateway is shutting down.").after(Duration::from_secs(1))
    }

    /// With another status than the code's own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With something to do about it.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix.push(fix.into());
        self
    }

    /// With a time to come again.
    #[must_use]
    pub fn after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    /// Whether a later call may succeed without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self.code.facts().group {
            Group::Overload
            | Group::Network
            | Group::Timeout
            | Group::Maintenance
            | Group::Upstream => true,
            Group::Configuration | Group::Policy | Group::Client => false,
            Group::Gateway => matches!(
                self.code,
                Code::LoadShed
                    | Code::QueueTimeout
                    | Code::ShuttingDown
                    | Code::CircuitOpen
                    | Code::NoTargetAvailable
                    | Code::ResourceExhausted
                    | Code::GatewayRateLimited
            ),
        }
    }

    fn outcome(&self, attempts: usize) -> Outcome {
        if self.code == Code::ClientCancelled {
            return Outcome::Cancelled;
        }
        let others_fault = matches!(self.origin, Origin::Network | Origin::Upstream);
        if others_fault || (attempts > 0 && self.origin != Origin::Client) {
            Outcome::Failed
        } else {
            Outcome::Refused
        }
    }
}

/// Answers with a refusal and closes the journal.
#[must_use]
pub fn reply(gate: &Gate, refusal: &Refusal, mut journal: Journal) -> Reply {
    let attempts = journal.attempts().count();
    let outcome = refusal.outcome(attempts);
    let written = render::write(gate, refusal, &journal, outcome, attempts);
    let mut reply = Reply::new(written.status, ReplyBody::whole(written.body.clone()));
    reply.headers = written.headers;
    reply.reason = written.reason_phrase;
    journal.add(Event::Refused {
        code: refusal.code,
        // A head that went out ahead said 200; the client reads the refusal as an event.
        status: if journal.hold.is_out() {
            200
        } else {
            written.status.as_u16()
        },
        stop_reason: refusal.stop_reason,
        body: written.body,
        output_sent: false,
        retry_after: refusal.retry_after,
    });
    journal.close(outcome);
    reply
}

/// The labels of targets, for a sentence.
#[must_use]
pub fn listed(names: &[String]) -> String {
    names
        .iter()
        .map(|name| format!("'{name}'"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Shared texts for the two ways in which a name leads nowhere.
#[must_use]
pub fn unknown_model(name: &str, near: &[String], candidates: &[String]) -> Refusal {
    let mut message = format!("No model '{name}' here.");
    if !candidates.is_empty() {
        message = format!(
            "'{name}' is offered by several providers: say which one: {}.",
            listed(candidates)
        );
    } else if !near.is_empty() {
        message = format!("{message} Did you mean {}?", listed(near));
    }
    message.push_str(" GET /v1/models lists what this key may use.");
    let mut refusal = Refusal::new(Code::NoRoute, message);
    refusal.param = Some("model".to_owned());
    refusal
}
