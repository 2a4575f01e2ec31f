//! One try at one target: send, read as much as it takes to know that it is an answer, or say what went wrong.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::Hold;
use diagnosis::{ContentFault, Evidence, Fault, Lane, LimitFired, Phase, Verdict};
use dialect::{ReplyFault, ReplyFrame, StreamFault};
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use provider::Kind;
use types::{CallId, Deadline};
use upstream::{Outgoing, Timers};

use super::translate_or_pass::{self, Flow, Piece};
use super::{Answer, AnswerBody, LiveStream, RawBody};
use crate::gate::Gate;
use crate::intake::{Call, HttpCall, ModelCall};
use crate::refusal::{Refusal, Verbatim};
use crate::routing::{Leg, Plan};

/// The largest whole answer. Source: failures, section on bodies.
const MAX_WHOLE: u64 = 32 * 1024 * 1024;

/// An error body is read up to this.
const MAX_ERROR_BODY: u64 = 256 * 1024;

/// Lifecycle events before the first content are held up to this.
const MAX_LIFECYCLE: usize = 64 * 1024;

/// A stream that is held whole is held up to this, then it commits.
const MAX_HELD: usize = 8 * 1024 * 1024;

/// An error body must come within this: it is evidence, no answer.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// What one try came to.
#[derive(Debug)]
pub(super) enum Tried {
    /// An answer, at least its beginning.
    Answered(Box<Success>),
    /// None, and why.
    Failed(Box<Failure>),
}

/// An answer and what was seen of it.
#[derive(Debug)]
pub(super) struct Success {
    pub(super) answer: Answer,
    pub(super) evidence: Box<Evidence>,
    pub(super) losses: Vec<dialect::Loss>,
}

/// A failure, diagnosed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) evidence: Box<Evidence>,
    pub(super) verdict: Verdict,
    /// The upstream's own error answer, for callers who speak its dialect.
    pub(super) verbatim: Option<Verbatim>,
}

impl Failure {
    fn of(evidence: Box<Evidence>, verbatim: Option<Verbatim>) -> Tried {
        let verdict = diagnosis::judge(&evidence);
        Tried::Failed(Box::new(Self {
            evidence,
            verdict,
            verbatim,
        }))
    }
}

/// What one try needs.
#[derive(Debug)]
pub(super) struct Try<'a> {
    pub(super) gate: &'a Gate,
    pub(super) plan: &'a Plan,
    pub(super) call: &'a Call,
    pub(super) leg: &'a Leg,
    pub(super) credential: usize,
    pub(super) id: CallId,
    pub(super) n: u32,
    /// Whether another target could still follow: then this one may not use up all the time.
    pub(super) leaves_room: bool,
    /// Whether nothing can follow: then limits nobody configured are lifted.
    pub(super) is_last: bool,
}

impl Try<'_> {
    /// Makes the attempt.
    ///
    /// # Errors
    /// The call cannot be put into the target's dialect at all: the caller's fault, no attempt.
    pub(super) async fn run(&self) -> Result<Tried, Refusal> {
        match (self.call, self.leg) {
            (Call::Model(call), Leg::Model { target, ready }) => {
                let prepared = translate_or_pass::prepare(call, self.leg)?;
                let block = ready
                    .header_blocks
                    .get(self.credential)
                    .map_or(&[][..], Vec::as_slice);
                let kind = target.provider.kind;
                let operation = provider::Operation::Chat {
                    stream: call.stream,
                };
                let path = provider::request::path(
                    kind,
                    &target.provider.endpoint,
                    target.model.as_str(),
                    operation,
                );
                let number = self.number();
                let id = self.id.write();
                let mut headers: Vec<(&str, &[u8])> = vec![
                    ("x-request-id", id.as_bytes()),
                    ("x-goodgate-attempt", number.as_bytes()),
                ];
                headers.extend(
                    prepared
                        .headers
                        .iter()
                        .map(|(name, value)| (*name, value.as_bytes())),
                );
                self.passed_on(&mut headers);
                let outgoing = Outgoing {
                    method: &Method::POST,
                    path: &path,
                    fixed_headers: block,
                    headers: &headers,
                    body: prepared.body,
                    lane: Lane::Model,
                    idempotent: true,
                    max_head: upstream::MAXIMUM_HEAD,
                    decode: true,
                };
                let sent = self
                    .gate
                    .client
                    .send(&ready.destination, outgoing, &self.timers(call.stream))
                    .await;
                let mut tried = match sent {
                    Err(evidence) => Failure::of(evidence, None),
                    Ok(answer) => {
                        self.read_model(call, kind, answer, prepared.added_usage)
                            .await
                    }
                };
                if let Tried::Answered(success) = &mut tried {
                    success.losses.splice(0..0, prepared.losses);
                    success.answer.price = target.price;
                    success.answer.demo = kind.place == provider::Place::Inside;
                }
                Ok(tried)
            }
            (Call::Http(call), Leg::Http { ready, path, .. }) => {
                let number = self.number();
                let id = self.id.write();
                let mut headers: Vec<(&str, &[u8])> = vec![
                    ("x-request-id", id.as_bytes()),
                    ("x-goodgate-attempt", number.as_bytes()),
                ];
                headers.extend(
                    call.headers
                        .iter()
                        .map(|(name, value)| (name.as_str(), value.as_bytes())),
                );
                let body = if call.raw.is_empty() {
                    Vec::new()
                } else {
                    vec![call.raw.clone()]
                };
                let outgoing = Outgoing {
                    method: &call.method,
                    path,
                    fixed_headers: &ready.header_block,
                    headers: &headers,
                    body,
                    lane: Lane::Http,
                    idempotent: call.route.may_repeat(&call.method),
                    max_head: upstream::MAXIMUM_HEAD,
                    decode: false,
                };
                match self
                    .gate
                    .client
                    .send(&ready.destination, outgoing, &self.timers(false))
                    .await
                {
                    Err(evidence) => Ok(Failure::of(evidence, None)),
                    Ok(answer) => Ok(self.read_plain(call, answer).await),
                }
            }
            _ => Err(Refusal::new(
                diagnosis::Code::GatewayInternalError,
                "A call and its target are of two lanes.",
            )),
        }
    }

    fn number(&self) -> String {
        self.n.to_string()
    }

    fn passed_on<'h>(&'h self, headers: &mut Vec<(&'h str, &'h [u8])>) {
        let terms = self.call.terms();
        if let Some(key) = &terms.idempotency_key {
            headers.push(("idempotency-key", key.as_bytes()));
        }
        if let Some(trace) = &terms.trace {
            headers.push(("traceparent", trace.as_bytes()));
        }
    }

    fn now(&self) -> Instant {
        self.gate.shared.clock.now()
    }

    fn timers(&self, stream: bool) -> Timers {
        let timeout = &self.plan.resilience.timeout;
        let header = if stream {
            let head = timeout.response_header.unwrap_or(Duration::from_secs(60));
            head.min(self.first_token_limit())
        } else {
            let model = matches!(self.call, Call::Model(_));
            let unset = if model {
                Duration::from_secs(300)
            } else {
                Duration::from_secs(60)
            };
            self.lifted(timeout.response_header, unset)
        };
        let (header, shortened) = self.within_room(header);
        Timers {
            dns: timeout.dns,
            connect: timeout.connect,
            tls: timeout.tls,
            write: timeout.write,
            header,
            deadline: self.plan.deadline,
            header_from_caller: shortened && self.plan.deadline_is_callers,
        }
    }

    /// A limit as configured, or the usual one; on the last attempt the usual one gives way to the deadline.
    fn lifted(&self, configured: Option<Duration>, usual: Duration) -> Duration {
        match configured {
            Some(limit) => limit,
            None if self.is_last => self.plan.deadline.left(self.now()),
            None => usual,
        }
    }

    /// While another target is left, one attempt may wait for at most 60 % of what remains.
    fn within_room(&self, limit: Duration) -> (Duration, bool) {
        if !self.leaves_room {
            return (limit, false);
        }
        let share = self.plan.deadline.left(self.now()).mul_f64(0.6);
        (limit.min(share), share < limit)
    }

    fn first_token_limit(&self) -> Duration {
        let reasoning = matches!(self.call, Call::Model(call) if call.reasoning);
        let usual = Duration::from_secs(if reasoning { 60 } else { 30 });
        self.lifted(self.plan.resilience.timeout.first_token, usual)
    }

    fn idle_limit(&self, stream: bool) -> Duration {
        let usual = Duration::from_secs(if stream { 60 } else { 30 });
        self.plan.resilience.timeout.idle.unwrap_or(usual)
    }

    async fn read_model(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        answer: upstream::Answer,
        added_usage: bool,
    ) -> Tried {
        if !answer.status.is_success() {
            return self.read_error(Some((call, kind)), answer).await;
        }
        let content_type = media_type(&answer.headers);
        if content_type == "text/html" {
            return self.not_an_answer(answer, ContentFault::Html).await;
        }
        match (call.stream, content_type == "text/event-stream") {
            (true, true) => self.read_stream(call, kind, answer, added_usage).await,
            (true, false) if content_type.starts_with("text/") && content_type != "text/plain" => {
                self.not_an_answer(answer, ContentFault::WrongShape { what: content_type })
                    .await
            }
            (true, false) => self.read_whole_for_stream(kind, answer).await,
            (false, _) => self.read_whole(call, kind, answer).await,
        }
    }

    fn frame(&self, call: &ModelCall) -> ReplyFrame {
        let created = self.gate.shared.clock.unix_millis() / 1000;
        ReplyFrame {
            id: format!("chatcmpl-{}", self.id),
            created: i64::try_from(created).unwrap_or(i64::MAX),
            model: call.model.to_string(),
            include_usage: call.scan.wants_usage,
        }
    }

    async fn read_whole(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: upstream::Answer,
    ) -> Tried {
        let read = answer
            .body
            .read_all(MAX_WHOLE, self.idle_limit(false), self.plan.deadline)
            .await;
        let body = match read {
            Ok(body) => body,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let mut evidence = answer.evidence;
        count_bytes(&mut evidence, &answer.body);
        match translate_or_pass::whole(kind.dialect, call.dialect, body.clone(), || {
            self.frame(call)
        }) {
            Ok(whole) => {
                let headers = forwarded(&answer.headers, kind);
                let body = AnswerBody::Whole {
                    bytes: whole.bytes,
                    usage: whole.usage,
                };
                let answer = self.answer(answer.status, headers, body);
                Tried::Answered(Box::new(Success {
                    answer,
                    evidence,
                    losses: whole.losses,
                }))
            }
            Err(fault) => self.bad_reply(evidence, kind, &answer.headers, &body, fault),
        }
    }

    /// A stream was asked for and one JSON text came: an error in the guise of success, or a server that does not stream.
    async fn read_whole_for_stream(
        &self,
        kind: &'static Kind,
        mut answer: upstream::Answer,
    ) -> Tried {
        let read = answer
            .body
            .read_all(MAX_WHOLE, self.idle_limit(true), self.plan.deadline)
            .await;
        let body = match read {
            Ok(body) => body,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let mut evidence = answer.evidence;
        count_bytes(&mut evidence, &answer.body);
        let fault = match dialect::inspect_reply(kind.dialect, &body) {
            Ok(_) => ReplyFault::WrongShape {
                what: "a whole answer where a stream was asked for".to_owned(),
            },
            Err(fault) => fault,
        };
        self.bad_reply(evidence, kind, &answer.headers, &body, fault)
    }

    async fn read_stream(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: upstream::Answer,
        added_usage: bool,
    ) -> Tried {
        let mut flow = Flow::new(kind.dialect, call.dialect, added_usage, || self.frame(call));
        let mut held = VecDeque::new();
        let mut opening = Opening::new(self, &answer.evidence);
        let mut pieces = Vec::new();
        let ended = loop {
            let deadline = opening.deadline(self.plan.deadline);
            let Some(next) = answer.body.next(opening.idle, deadline).await else {
                if let Err(fault) = flow.finish(&mut pieces) {
                    return self.bad_stream(answer, kind, fault);
                }
                take_pieces(&mut pieces, &mut held, &mut opening, self.now());
                break true;
            };
            let bytes = match next {
                Ok(bytes) => bytes,
                Err(fault) => {
                    let fault = opening.named(fault, self.plan.deadline);
                    return self.broken_body(answer.evidence, Phase::Stream, fault);
                }
            };
            let pushed = flow.push(bytes, &mut pieces);
            take_pieces(&mut pieces, &mut held, &mut opening, self.now());
            if let Err(fault) = pushed {
                return self.bad_stream(answer, kind, fault);
            }
            if opening.may_commit() {
                break false;
            }
        };
        if ended && opening.first_content.is_none() {
            return self.bad_stream(answer, kind, StreamFault::Incomplete);
        }
        let mut evidence = answer.evidence;
        evidence.phase = Phase::Stream;
        evidence.times.first_token = opening.first_content;
        let live = LiveStream {
            flow,
            body: (!ended).then_some(answer.body),
            held,
            idle: self.idle_limit(true),
            deadline: self.plan.deadline,
            kind,
        };
        let headers = forwarded(&answer.headers, kind);
        let answer = self.answer(answer.status, headers, AnswerBody::Stream(Box::new(live)));
        Tried::Answered(Box::new(Success {
            answer,
            evidence,
            losses: Vec::new(),
        }))
    }

    async fn read_plain(&self, call: &HttpCall, answer: upstream::Answer) -> Tried {
        let status = answer.status;
        let failed = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let may_repeat =
            call.terms.idempotency_key.is_some() || call.route.may_repeat(&call.method);
        if failed && may_repeat {
            return self.read_error(None, answer).await;
        }
        let evidence = answer.evidence;
        let raw = RawBody {
            body: answer.body,
            idle: self.idle_limit(false),
            deadline: self.plan.deadline,
        };
        let headers = end_to_end(answer.headers);
        let answer = self.answer(status, headers, AnswerBody::Raw(Box::new(raw)));
        Tried::Answered(Box::new(Success {
            answer,
            evidence,
            losses: Vec::new(),
        }))
    }

    fn answer(&self, status: StatusCode, headers: HeaderMap, body: AnswerBody) -> Answer {
        let trail = self.call.terms().wishes.trail;
        Answer {
            status,
            headers,
            body,
            price: None,
            demo: false,
            trail,
            local: false,
        }
    }

    /// An answer with a status of failure: its body is evidence.
    async fn read_error(
        &self,
        model: Option<(&ModelCall, &'static Kind)>,
        mut answer: upstream::Answer,
    ) -> Tried {
        let deadline = self.plan.deadline.capped(self.now(), ERROR_BODY_TIME);
        let body = answer
            .body
            .read_all(MAX_ERROR_BODY, ERROR_BODY_TIME, deadline)
            .await
            .unwrap_or_default();
        let mut evidence = answer.evidence;
        evidence.phase = Phase::Headers;
        count_bytes(&mut evidence, &answer.body);
        self.read_words(
            &mut evidence,
            model.map(|(_, kind)| kind),
            answer.status,
            &answer.headers,
            &body,
        );
        let verbatim = Verbatim {
            status: answer.status,
            content_type: answer.headers.get(CONTENT_TYPE).cloned(),
            body,
        };
        let same_dialect = model.is_none_or(|(call, kind)| call.dialect == kind.dialect);
        Failure::of(evidence, same_dialect.then_some(verbatim))
    }

    /// Reads hint, words, page title and excerpt of an error body.
    fn read_words(
        &self,
        evidence: &mut Evidence,
        kind: Option<&'static Kind>,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let now = i64::try_from(self.gate.shared.clock.unix_millis() / 1000).unwrap_or(i64::MAX);
        evidence.hint = diagnosis::hint::retry_hint(text, Some(body), now);
        if let Some(kind) = kind {
            evidence.signal = provider::signal(kind, kind.dialect, status.as_u16(), headers, body);
        }
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok());
        (evidence.excerpt, evidence.page_title) = diagnosis::excerpt::scrub(body, content_type);
    }

    async fn not_an_answer(&self, mut answer: upstream::Answer, fault: ContentFault) -> Tried {
        let deadline = self.plan.deadline.capped(self.now(), ERROR_BODY_TIME);
        let body = answer
            .body
            .read_all(MAX_ERROR_BODY, ERROR_BODY_TIME, deadline)
            .await
            .unwrap_or_default();
        let mut evidence = answer.evidence;
        evidence.phase = Phase::Body;
        count_bytes(&mut evidence, &answer.body);
        self.read_words(&mut evidence, None, answer.status, &answer.headers, &body);
        evidence.fault = Some(Fault::Content(fault));
        Failure::of(evidence, None)
    }

    fn bad_reply(
        &self,
        mut evidence: Box<Evidence>,
        kind: &'static Kind,
        headers: &HeaderMap,
        body: &[u8],
        fault: ReplyFault,
    ) -> Tried {
        evidence.phase = Phase::Body;
        self.read_words(&mut evidence, Some(kind), StatusCode::OK, headers, body);
        let html = body.trim_ascii_start().first() == Some(&b'<');
        evidence.fault = Some(Fault::Content(match fault {
            _ if html => ContentFault::Html,
            ReplyFault::Empty => ContentFault::Empty,
            ReplyFault::NotJson { at } => ContentFault::NotJson { at },
            ReplyFault::WrongShape { what } => ContentFault::WrongShape { what },
            ReplyFault::ErrorObject(_) => ContentFault::ErrorObject,
        }));
        Failure::of(evidence, None)
    }

    fn bad_stream(
        &self,
        answer: upstream::Answer,
        kind: &'static Kind,
        fault: StreamFault,
    ) -> Tried {
        let mut evidence = answer.evidence;
        count_bytes(&mut evidence, &answer.body);
        stream_fault(&mut evidence, kind, fault);
        Failure::of(evidence, None)
    }

    /// The body broke off before the answer was one.
    fn broken_body(
        &self,
        mut evidence: Box<Evidence>,
        phase: Phase,
        fault: upstream::BodyFault,
    ) -> Tried {
        evidence.phase = phase;
        if fault.fault == Fault::Deadline {
            evidence.timer_from_caller = self.plan.deadline_is_callers;
        }
        fault.complete(&mut evidence);
        Failure::of(evidence, None)
    }
}

/// What a broken stream shows.
pub(crate) fn stream_fault(evidence: &mut Evidence, kind: &'static Kind, fault: StreamFault) {
    evidence.phase = Phase::Stream;
    evidence.fault = Some(Fault::Content(match fault {
        StreamFault::Malformed { event, what } => ContentFault::StreamMalformed { event, what },
        StreamFault::TooLarge { limit } => ContentFault::EventTooLarge {
            limit: u64::try_from(limit).unwrap_or(u64::MAX),
        },
        StreamFault::Incomplete => ContentFault::StreamIncomplete,
        StreamFault::ErrorEvent(words) => {
            evidence.signal = Some(provider::signal_of(kind, 200, &HeaderMap::new(), *words));
            ContentFault::StreamError
        }
    }));
}

fn take_pieces(
    pieces: &mut Vec<Piece>,
    held: &mut VecDeque<Bytes>,
    opening: &mut Opening,
    now: Instant,
) {
    for piece in pieces.drain(..) {
        opening.saw(&piece, now);
        if !piece.bytes.is_empty() {
            held.push_back(piece.bytes);
        }
    }
}

/// The time until a stream's first content, and what was held meanwhile.
#[derive(Debug)]
struct Opening {
    attempt_start: Instant,
    limit: Duration,
    until: Instant,
    reasoning_until: Option<Instant>,
    whole: bool,
    idle: Duration,
    bytes: usize,
    first_content: Option<Duration>,
}

/// A model that thinks may take this long while its lifecycle events or pings flow. Source: failures, table of timers.
const REASONING_WITH_SIGNS: Duration = Duration::from_secs(300);

impl Opening {
    fn new(attempt: &Try<'_>, evidence: &Evidence) -> Self {
        let now = attempt.now();
        let spent = evidence.times.first_byte.unwrap_or_default();
        let sent = evidence.times.sent.unwrap_or_default();
        let attempt_start = now.checked_sub(spent).unwrap_or(now);
        let (limit, _) = attempt.within_room(attempt.first_token_limit());
        let reasoning = matches!(attempt.call, Call::Model(call) if call.reasoning);
        let configured = attempt.plan.resilience.timeout.first_token.is_some();
        let sent_at = attempt_start + sent;
        Self {
            attempt_start,
            limit,
            until: sent_at + limit,
            reasoning_until: (reasoning && !configured).then(|| sent_at + REASONING_WITH_SIGNS),
            whole: attempt.plan.resilience.hold == Hold::Whole,
            idle: attempt.idle_limit(true),
            bytes: 0,
            first_content: None,
        }
    }

    /// When the next bytes must be there: before the first content its own limit holds as well.
    fn deadline(&self, whole: Deadline) -> Deadline {
        match self.first_content {
            Some(_) => whole,
            None => whole.min(Deadline::after(self.until, Duration::ZERO)),
        }
    }

    /// The limit for the first content is told to the body as a deadline; its fault gets its own name here.
    fn named(&self, mut fault: upstream::BodyFault, whole: Deadline) -> upstream::BodyFault {
        if self.first_content.is_none() && fault.fault == Fault::Deadline && self.until < whole.at()
        {
            fault.fault = Fault::FirstTokenTimeout;
            fault.limit = Some(LimitFired {
                name: "first_token",
                value: self.limit,
            });
        }
        fault
    }

    fn saw(&mut self, piece: &Piece, now: Instant) {
        self.bytes = self.bytes.saturating_add(piece.bytes.len());
        if piece.content && self.first_content.is_none() {
            self.first_content = Some(now.saturating_duration_since(self.attempt_start));
        } else if let Some(until) = self.reasoning_until.take() {
            self.until = self.until.max(until);
        }
    }

    /// Whether the head may go out: content is there (or the whole answer, where that is wanted), or too much is held.
    fn may_commit(&self) -> bool {
        if self.whole {
            return self.bytes > MAX_HELD;
        }
        self.first_content.is_some() || self.bytes > MAX_LIFECYCLE
    }
}

fn count_bytes(evidence: &mut Evidence, body: &upstream::Body) {
    evidence.bytes.received = evidence.bytes.received.max(body.received());
}

/// The media type without its parameters, lower case.
fn media_type(headers: &HeaderMap) -> String {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

/// What of a model's answer head goes on: its own id, its limits under another name; nothing of this hop, no cookie.
fn forwarded(headers: &HeaderMap, kind: &'static Kind) -> HeaderMap {
    let mut on = HeaderMap::with_capacity(12);
    let upstream_id = headers.get(kind.request_id_header);
    if let Some(id) = upstream_id {
        on.insert(HeaderName::from_static("x-upstream-request-id"), id.clone());
    }
    for (name, value) in headers {
        let text = name.as_str();
        if text.starts_with("openai-") {
            on.insert(name.clone(), value.clone());
        } else if let Some(rest) = text.strip_prefix("x-ratelimit-")
            && let Ok(renamed) = HeaderName::try_from(format!("x-upstream-ratelimit-{rest}"))
        {
            on.insert(renamed, value.clone());
        }
    }
    on
}

/// The headers of a plain answer without those of the hop.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
    ] {
        headers.remove(name);
    }
    headers
}
