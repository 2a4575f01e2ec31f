//! What happened to one call, as typed events in order; the access log, the stored row and the counts are all read from it.
//!
//! Steps only append. Nothing is concluded here but the outcome, once, when the journal is closed.

pub mod access_log;

pub mod in_flight;

pub mod incidents;

pub mod metrics;

pub mod recorder;

pub mod row;

pub mod traces;

mod summary;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::{Code, Evidence, Lane, Verdict};
use types::{CallId, CredentialId, KeyId, NanoUsd, Priority, TokenUsage};

pub use recorder::Recorder;
pub use store::{Certainty, Outcome};
pub use summary::Summary;

use crate::refusal::Envelope;
use crate::relay::hold::HoldNotice;

/// What was done after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It answered the call.
    Served,
    /// The same target again.
    RetrySame,
    /// Another credential of the same provider.
    NextKey,
    /// Another target.
    NextTarget,
    /// Repeating cannot help.
    FailFast,
    /// Nothing is left to try.
    Exhausted,
    /// No time is left to try.
    Deadline,
}

impl Next {
    /// The word, as in the error body and the store.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Served => "served",
            Self::RetrySame => "retry_same",
            Self::NextKey => "next_key",
            Self::NextTarget => "next_target",
            Self::FailFast => "fail_fast",
            Self::Exhausted => "exhausted",
            Self::Deadline => "deadline",
        }
    }
}

/// Why no further attempt was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The configured number was made.
    AttemptsExhausted,
    /// The retry budget of the provider is used up.
    BudgetExhausted,
    /// The time is used up.
    Deadline,
    /// The failure is not of the kind that a repeat can mend.
    NotRetryable,
    /// Content had already reached the client.
    Committed,
    /// The body was too large to be kept.
    BodyNotReplayable,
    /// No target is left.
    NoOtherTarget,
}

impl StopReason {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::BudgetExhausted => "budget_exhausted",
            Self::Deadline => "deadline",
            Self::NotRetryable => "not_retryable",
            Self::Committed => "committed",
            Self::BodyNotReplayable => "body_not_replayable",
            Self::NoOtherTarget => "no_other_target",
        }
    }
}

/// One try at one target.
#[derive(Debug)]
pub struct Attempt {
    /// Counted from 1.
    pub n: u32,
    /// `provider/model`, or the upstream of a plain route.
    pub target: Arc<str>,
    /// The credential used.
    pub credential: Option<CredentialId>,
    /// When it began, since the call's start.
    pub at: Duration,
    /// How long it took to its verdict, or to the answer's last byte.
    pub took: Duration,
    /// The upstream's status.
    pub status: Option<u16>,
    /// What is concluded; none for an attempt that answered.
    pub verdict: Option<Verdict>,
    /// What the socket and the body showed.
    pub evidence: Box<Evidence>,
    /// What was done then.
    pub next: Next,
}

/// What a client says of itself, as sent.
#[derive(Clone, Debug, Default)]
pub struct ClientFacts {
    /// Its own id for the call: `x-request-id` or `x-client-request-id`.
    pub request_id: Option<http::HeaderValue>,
    /// `traceparent`.
    pub trace: Option<http::HeaderValue>,
    /// `user-agent`.
    pub agent: Option<http::HeaderValue>,
    /// Which of its own attempts this is, from `x-stainless-retry-count`.
    pub retry_count: Option<u32>,
}

/// What holds for a call: the policy's decisions.
#[derive(Debug)]
pub struct Bounds {
    /// The targets in order.
    pub targets: Vec<Arc<str>>,
    /// The configuration's version.
    pub config_version: u64,
    /// The most attempts.
    pub max_attempts: u32,
    /// All attempts together take at most this.
    pub total: Duration,
    /// Whether the caller set that.
    pub total_is_callers: bool,
    /// When a stream's head goes out: `first_content` or `whole`; none for what is no stream.
    pub hold: Option<&'static str>,
}

/// A target that was not tried.
#[derive(Clone, Debug)]
pub struct Skip {
    /// Its label.
    pub target: Arc<str>,
    /// A code of failures or a word.
    pub why: &'static str,
    /// What had closed it, where a breaker did.
    pub opened_by: Option<Box<OpenedBy>>,
}

/// What has opened a breaker.
#[derive(Clone, Debug)]
pub struct OpenedBy {
    /// What is closed: `target`, `credential` or `provider`.
    pub level: &'static str,
    /// The code of the failure.
    pub cause: &'static str,
    /// How long ago.
    pub since: Duration,
    /// When the next call may try, from then.
    pub next_probe: Option<Duration>,
    /// What the upstream said last.
    pub excerpt: Option<Arc<str>>,
}

/// Who ended a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedBy {
    /// The client.
    Client,
    /// The upstream.
    Upstream,
    /// The gateway: a limit, or its own end.
    Gateway,
}

impl ClosedBy {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

/// What a head told.
#[derive(Debug)]
pub struct Asked {
    /// The lane.
    pub lane: Lane,
    /// The method.
    pub method: http::Method,
    /// Where to; its query may hold a key and is kept nowhere.
    pub uri: http::Uri,
    /// What the client says of itself.
    pub client: ClientFacts,
}

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the head told.
    Asked(Box<Asked>),
    /// Who calls, and in which class.
    Identified(KeyId, Priority),
    /// What the body asks for.
    Wanted {
        /// The model or route as named by the caller.
        model: Arc<str>,
        /// Whether a stream is asked for.
        stream: bool,
        /// The client's dialect, on the model lane.
        dialect: Option<&'static str>,
        /// Bytes of the body.
        bytes: u64,
    },
    /// Where the call may go, and within which bounds.
    Planned(Box<Bounds>),
    /// It stood in line before a target for so long, whatever came of that.
    Waited(Duration),
    /// An attempt ended.
    Attempted(Box<Attempt>),
    /// A target that was not tried, and why.
    Skipped(Skip),
    /// Something the upstream's format could not carry.
    Lost {
        /// The field.
        field: String,
        /// Why.
        why: String,
    },
    /// A conversation left the target whose prompt cache was warm, for a faster, less busy or cheaper one.
    LeftCache {
        /// The warm one.
        from: Arc<str>,
        /// The other one.
        to: Arc<str>,
        /// What the prompt costs more there.
        loss: NanoUsd,
    },
    /// The first content was handed to the client.
    FirstContent(Duration),
    /// The answer's head.
    Answering {
        /// The status the client sees.
        status: u16,
    },
    /// The answer failed after content had been sent, or no answer could be given.
    Refused {
        /// The code the client sees.
        code: Code,
        /// The status the client sees, or saw before the answer broke.
        status: u16,
        /// Why nothing more was tried.
        stop_reason: Option<StopReason>,
        /// The body the client got.
        body: bytes::Bytes,
        /// Whether content had reached the client.
        output_sent: bool,
        /// When the client was told to come again.
        retry_after: Option<Duration>,
    },
    /// What it used.
    Used {
        /// Tokens.
        usage: TokenUsage,
        /// Money; none where no price is known.
        cost: Option<NanoUsd>,
        /// Whether the provider said so or we counted.
        certainty: Certainty,
    },
    /// Every target of the plan is a script inside the gateway: the call counts in no statistics.
    Demo,
    /// The answer's body went out: so many bytes of it.
    Sent(u64),
    /// After 101: bytes from the client, bytes to it, and who ended it.
    Tunnelled {
        /// From the client.
        up: u64,
        /// To the client.
        down: u64,
        /// Who ended it first.
        closed_by: ClosedBy,
    },
    /// A repeat may have been executed twice.
    PossibleDuplicate,
    /// A stream came to a good end without the event that ends it, which was then added.
    EndMissing,
}

/// The journal of one call. Dropping it unclosed means that the client left: it is then recorded as cancelled.
#[derive(Debug)]
pub struct Journal {
    /// The call's id.
    pub id: CallId,
    /// Where the call came from.
    pub peer: SocketAddr,
    /// In which form the client wants its errors.
    pub envelope: Envelope,
    /// How the door tells that the head went out ahead of the answer.
    pub hold: HoldNotice,
    started: Instant,
    events: Vec<Event>,
    under_way: Option<UnderWay>,
    recorder: Arc<Recorder>,
    in_flight: Option<in_flight::Entry>,
}

/// The attempt that runs at the moment.
#[derive(Debug)]
struct UnderWay {
    n: u32,
    target: Arc<str>,
    at: Duration,
}

/// So many events has a call that goes well at once.
const USUAL_EVENTS: usize = 8;

impl Journal {
    /// Opens the journal of a call that has just arrived.
    #[must_use]
    pub fn open(recorder: &Arc<Recorder>, peer: SocketAddr, hold: &HoldNotice) -> Self {
        let started = recorder.clock.now();
        let id = CallId::generate(recorder.clock.unix_millis());
        let in_flight = Some(recorder.in_flight.enter(id, started));
        Self {
            id,
            peer,
            envelope: Envelope::Problem,
            hold: hold.clone(),
            started,
            events: Vec::with_capacity(USUAL_EVENTS),
            under_way: None,
            recorder: Arc::clone(recorder),
            in_flight,
        }
    }

    /// When the call arrived.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// How long the call has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.recorder
            .clock
            .now()
            .saturating_duration_since(self.started)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.recorder.clock.now()
    }

    /// Appends an event.
    pub fn add(&mut self, event: Event) {
        if let Some(entry) = &self.in_flight {
            let table = &self.recorder.in_flight;
            match &event {
                Event::Identified(key, _) => table.identified(entry, key),
                Event::Wanted { model, .. } => table.wanted(entry, model),
                Event::FirstContent(_) => table.phase(entry, in_flight::CallPhase::Relaying),
                _ => {}
            }
        }
        self.events.push(event);
    }

    /// Notes that an attempt begins; it ends with [`Event::Attempted`], or with the client leaving.
    pub fn attempting(&mut self, n: u32, target: &Arc<str>, at: Instant) {
        if let Some(entry) = &self.in_flight {
            self.recorder.in_flight.attempting(entry, n, target);
        }
        self.under_way = Some(UnderWay {
            n,
            target: Arc::clone(target),
            at: at.saturating_duration_since(self.started),
        });
    }

    /// Appends the attempt that was under way.
    pub fn attempted(&mut self, attempt: Attempt) {
        self.under_way = None;
        self.events.push(Event::Attempted(Box::new(attempt)));
    }

    /// What was to follow the last attempt cannot: this follows instead.
    pub fn correct_next(&mut self, next: Next) {
        if let Some(attempt) = self.last_attempt_mut() {
            attempt.next = next;
        }
    }

    /// All events so far.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The attempts so far.
    pub fn attempts(&self) -> impl DoubleEndedIterator<Item = &Attempt> {
        self.events.iter().filter_map(|event| match event {
            Event::Attempted(attempt) => Some(&**attempt),
            _ => None,
        })
    }

    /// Bytes of the request's body.
    #[must_use]
    pub fn request_bytes(&self) -> u64 {
        let bytes = self.events.iter().find_map(|event| match event {
            Event::Wanted { bytes, .. } => Some(*bytes),
            _ => None,
        });
        bytes.unwrap_or(0)
    }

    /// The last attempt, to be completed when its answer's body has ended.
    pub fn last_attempt_mut(&mut self) -> Option<&mut Attempt> {
        self.events.iter_mut().rev().find_map(|event| match event {
            Event::Attempted(attempt) => Some(&mut **attempt),
            _ => None,
        })
    }

    /// Closes the journal: the call is over, and everything that is kept of it is read from here.
    pub fn close(mut self, outcome: Outcome) {
        let took = self.elapsed();
        self.finish(outcome, took);
    }

    /// The same, where it is known how long the call has taken.
    pub fn close_after(mut self, outcome: Outcome, took: Duration) {
        self.finish(outcome, took);
    }

    fn finish(&mut self, outcome: Outcome, whole: Duration) {
        let Some(entry) = self.in_flight.take() else {
            return;
        };
        self.recorder.in_flight.leave(entry);
        if let Some(UnderWay { n, target, at }) = self.under_way.take() {
            let took = whole.saturating_sub(at);
            self.events
                .push(Event::Attempted(Box::new(Attempt::abandoned(
                    n, target, at, took,
                ))));
        }
        let closed = Closed {
            id: self.id,
            peer: self.peer,
            took: whole,
            events: std::mem::take(&mut self.events),
            outcome,
        };
        self.recorder.record(&closed);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.in_flight.is_some() {
            let took = self.elapsed();
            self.finish(Outcome::Cancelled, took);
        }
    }
}

impl Attempt {
    /// An attempt that was given up because the client left.
    fn abandoned(n: u32, target: Arc<str>, at: Duration, took: Duration) -> Self {
        let evidence = Evidence {
            fault: Some(diagnosis::Fault::ClientGone),
            ..Evidence::default()
        };
        Self {
            n,
            target,
            credential: None,
            at,
            took,
            status: None,
            verdict: Some(diagnosis::judge(&evidence)),
            evidence: Box::new(evidence),
            next: Next::FailFast,
        }
    }
}

/// A journal to which nothing is added any more.
#[derive(Debug)]
pub struct Closed {
    /// The call's id.
    pub id: CallId,
    /// Where it came from.
    pub peer: SocketAddr,
    /// From the first byte to the last.
    pub took: Duration,
    /// What happened.
    pub events: Vec<Event>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Closed {
    /// When it ended, in milliseconds since 1970.
    #[must_use]
    pub fn ended_unix_millis(&self) -> u64 {
        let millis = access_log::millis(self.took);
        self.id.unix_millis().saturating_add(millis)
    }
}
