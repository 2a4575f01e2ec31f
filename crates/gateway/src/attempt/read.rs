//! Reads what an upstream answers, just as far as it takes to know that it is an answer, or what is wrong with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use diagnosis::{ContentFault, Evidence, Fault, LimitFired, Phase, Signal};
use dialect::{ReplyFault, ReplyFrame, StreamFault};
use http::header::UPGRADE;
use http::{HeaderMap, StatusCode};
use http1::Headers;
use http1::answer::Lines;
use provider::Kind;
use types::Deadline;

use super::once::{Success, Tried, Try};
use super::opening::Opening;
use super::translate_or_pass::{self, Flow, Piece};
use super::{Answer, AnswerBody, LiveStream, RawBody, RawTunnel};
use crate::boxed;
use crate::intake::{HttpCall, ModelCall, Upload};
use crate::lanes;
use crate::refusal::Verbatim;

/// The largest whole answer. Source: failures, section on bodies.
const MAX_WHOLE: u64 = 32 * 1024 * 1024;

/// An error body is read up to this.
const MAX_ERROR_BODY: usize = 256 * 1024;

/// An error body must come within this: it is evidence, no answer.
const ERROR_BODY_TIME: Duration = Duration::from_secs(1);

/// Once an answer is whole but for the event that ends it, silence lasts no longer than this.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(5);

/// JSON may begin with it, and most readers stumble over it. Source: RFC 8259, section 8.1.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How long a stream may last. Source: failures, table of timers.
const STREAM_TIME: Duration = Duration::from_secs(600);

impl Try<'_> {
    pub(super) async fn read_model(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        answer: Box<upstream::Answer>,
        added_usage: bool,
    ) -> Tried {
        if !answer.status.is_success() {
            return self.read_error(Some((call, kind)), answer).await;
        }
        if call.stream {
            return self.read_stream(call, kind, answer, added_usage).await;
        }
        if is_called_page(&answer.headers) {
            return self.read_called_page(call, kind, answer).await;
        }
        self.read_whole(call, kind, answer, &[]).await
    }

    /// Mostly a page, as it says; but some servers call all that they send so.
    async fn read_called_page(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: Box<upstream::Answer>,
    ) -> Tried {
        let (time, _) = self.within_room(self.idle_limit(false));
        let deadline = self.plan.deadline.capped(self.now(), time);
        let mut begun = Vec::new();
        while Form::of(&begun, false).is_none() && begun.len() <= MAX_BLANKS {
            match answer.body.next(time, deadline).await {
                Some(Ok(bytes)) => begun.extend_from_slice(&bytes),
                Some(Err(_)) | None => break,
            }
        }
        match Form::of(&begun, false) {
            Some(Form::Json) => self.read_whole(call, kind, answer, &begun).await,
            Some(Form::Page | Form::Events) | None => self.page(answer, &begun).await,
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

    /// The whole body; what it showed is in the answer's evidence, whether it came or broke.
    async fn whole_body(
        &self,
        answer: &mut upstream::Answer,
        idle: Duration,
    ) -> Result<Bytes, upstream::BodyFault> {
        // A body that drips must not use up the time in which another target could answer.
        let (mut deadline, mut share) = (self.plan.deadline, None);
        if self.leaves_room {
            let now = self.now();
            let (time, is_shortened) = self.within_room(deadline.left(now));
            deadline = deadline.capped(now, time);
            share = is_shortened.then_some(time);
        }
        let mut read = answer.body.read_all(MAX_WHOLE, idle, deadline).await;
        match &mut read {
            Ok(body) => {
                count_bytes(&mut answer.evidence, &answer.body);
                if body.starts_with(BYTE_ORDER_MARK) {
                    *body = body.slice(BYTE_ORDER_MARK.len()..);
                }
            }
            Err(fault) => {
                self.note_head(&mut answer.evidence, answer.status, &answer.headers);
                if let Some(value) = share
                    && fault.fault == Fault::Deadline
                {
                    fault.fault = Fault::FirstTokenTimeout;
                    fault.limit = Some(LimitFired {
                        name: "first_token",
                        value,
                    });
                }
            }
        }
        read
    }

    async fn read_whole(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: Box<upstream::Answer>,
        begun: &[u8],
    ) -> Tried {
        let rest = match self.whole_body(&mut answer, self.idle_limit(false)).await {
            Ok(rest) => rest,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let body = with_beginning(begun, rest);
        let evidence = answer.evidence;
        match translate_or_pass::whole(kind.dialect, call.dialect, &body, || self.frame(call)) {
            Ok(whole) => {
                let lines = forwarded(&answer.headers, kind);
                let body = AnswerBody::Whole {
                    bytes: whole.bytes.unwrap_or(body),
                    usage: whole.usage,
                };
                let answer = self.answer(StatusCode::OK, lines, body);
                Tried::Answered(Success {
                    answer,
                    evidence,
                    losses: whole.losses,
                })
            }
            Err(fault) => self.bad_reply(evidence, kind, &answer.headers, &body, fault),
        }
    }

    /// A stream was asked for and one JSON text comes: a server that does not stream, or an error in the guise of success.
    async fn read_whole_for_stream(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: Box<upstream::Answer>,
        begun: &[u8],
    ) -> Tried {
        let rest = match self.whole_body(&mut answer, self.idle_limit(true)).await {
            Ok(rest) => rest,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let body = with_beginning(begun, rest);
        let evidence = answer.evidence;
        let read = translate_or_pass::whole(kind.dialect, call.dialect, &body, || self.frame(call));
        let told = read.and_then(|whole| {
            let stream =
                dialect::as_stream(whole.bytes.as_ref().unwrap_or(&body), call.scan.wants_usage);
            let what = "an answer that cannot be told as a stream".to_owned();
            let stream = stream.ok_or(ReplyFault::WrongShape { what })?;
            Ok((whole, stream))
        });
        let (whole, stream) = match told {
            Ok(told) => told,
            Err(fault) => return self.bad_reply(evidence, kind, &answer.headers, &body, fault),
        };
        let live = LiveStream {
            flow: Flow::Told(whole.usage),
            body: None,
            held: VecDeque::from([Bytes::from(stream)]),
            reserved: self.call.terms().held.beside(),
            idle: self.idle_limit(true),
            ping_after: self.plan.ping_after,
            deadline: self.plan.deadline,
            kind,
        };
        let lines = forwarded(&answer.headers, kind);
        let answer = self.answer(StatusCode::OK, lines, AnswerBody::Stream(Box::new(live)));
        Tried::Answered(Success {
            answer,
            evidence,
            losses: whole.losses,
        })
    }

    /// The answer to a call that asks for a stream: mostly one, whatever its media type says.
    async fn read_stream(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: Box<upstream::Answer>,
        added_usage: bool,
    ) -> Tried {
        self.note_head(&mut answer.evidence, answer.status, &answer.headers);
        let declared = media_type(&answer.headers).eq_ignore_ascii_case("text/event-stream");
        let opening = Opening::new(self, &answer.evidence);
        let mut begun = Vec::new();
        loop {
            let deadline = opening.deadline(self.plan.answer_by());
            match answer.body.next(opening.idle, deadline).await {
                None => break,
                Some(Ok(bytes)) => begun.extend_from_slice(&bytes),
                Some(Err(fault)) => {
                    let fault = opening.named(fault, self.plan.answer_by());
                    if fault.fault == Fault::FirstTokenTimeout {
                        answer.evidence.timer_from_caller = opening.is_callers();
                    }
                    return self.broken_body(answer.evidence, Phase::Stream, fault);
                }
            }
            if Form::of(&begun, declared).is_some() || begun.len() > MAX_BLANKS {
                break;
            }
        }
        match Form::of(&begun, declared) {
            Some(Form::Page) => self.page(answer, &begun).await,
            Some(Form::Json) => self.read_whole_for_stream(call, kind, answer, &begun).await,
            None if !declared => self.read_whole_for_stream(call, kind, answer, &begun).await,
            Some(Form::Events) | None => {
                let flow = Flow::new(kind.dialect, call.dialect, added_usage, || self.frame(call));
                self.follow_stream(kind, answer, flow, opening, begun).await
            }
        }
    }

    async fn follow_stream(
        &self,
        kind: &'static Kind,
        mut answer: Box<upstream::Answer>,
        mut flow: Flow,
        mut opening: Opening,
        begun: Vec<u8>,
    ) -> Tried {
        let mut held = VecDeque::new();
        let mut pieces = Vec::new();
        let mut next = (!begun.is_empty()).then(|| Ok(Bytes::from(begun)));
        let ended = loop {
            if next.is_none() {
                let deadline = opening.deadline(self.plan.answer_by());
                let idle = if flow.is_complete() {
                    opening.idle.min(END_WITHIN)
                } else {
                    opening.idle
                };
                next = answer.body.next(idle, deadline).await;
            }
            let bytes = match next.take() {
                Some(Ok(bytes)) => bytes,
                // The answer is whole; how its connection ends does not matter.
                Some(Err(fault)) if !flow.is_complete() => {
                    let fault = opening.named(fault, self.plan.answer_by());
                    return self.broken_body(answer.evidence, Phase::Stream, fault);
                }
                None | Some(Err(_)) => {
                    if let Err(fault) = flow.finish(&mut pieces) {
                        return self.bad_stream(answer, kind, fault);
                    }
                    take_pieces(&mut pieces, &mut held, &mut opening, self.now());
                    break true;
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
            reserved: opening.reserved,
            idle: self.idle_limit(true),
            ping_after: self.plan.ping_after,
            deadline: self.plan.deadline,
            kind,
        };
        let lines = forwarded(&answer.headers, kind);
        let answer = self.answer(StatusCode::OK, lines, AnswerBody::Stream(Box::new(live)));
        Tried::Answered(Success {
            answer,
            evidence,
            losses: Vec::new(),
        })
    }

    pub(super) async fn read_plain(
        &self,
        call: &HttpCall,
        mut answer: Box<upstream::Answer>,
    ) -> Tried {
        let status = answer.status;
        if let Some(upgraded) = answer.upgraded.take() {
            return self.tunnel(upgraded, answer);
        }
        let failed = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let is_there = call.upload.as_ref().is_none_or(Upload::can_begin_again);
        if failed && call.may_repeat && is_there {
            return self.read_error(None, answer).await;
        }
        if failed {
            // It is passed on, and yet the upstream's failure.
            self.note_head(&mut answer.evidence, status, &answer.headers);
        }
        let is_stream = media_type(&answer.headers).eq_ignore_ascii_case("text/event-stream");
        let (idle, deadline) = (self.idle_limit(is_stream), self.plain_deadline(is_stream));
        // A body that breaks before its first byte is an ordinary failure. One of unknown length is waited for a moment
        // only: a stream may have nothing to say for long.
        let mut first = None;
        if !answer.body.is_finished() {
            let begins = answer.body.next(idle, deadline);
            let begun = if answer.headers.contains("content-length") {
                Some(begins.await)
            } else {
                tokio::time::timeout(BEGINS_WITHIN, begins).await.ok()
            };
            match begun.flatten() {
                None => {}
                Some(Ok(bytes)) => first = Some(bytes),
                Some(Err(fault)) => {
                    self.note_head(&mut answer.evidence, status, &answer.headers);
                    return self.broken_body(answer.evidence, Phase::Body, fault);
                }
            }
        }
        let mut headers = lanes::without_hop(answer.headers.to_map());
        call.route.response_headers.apply(&mut headers);
        let ticket = call.ticket.as_ref();
        let remember = ticket.map(|ticket| (Arc::clone(ticket), headers.clone()));
        let raw = RawBody {
            first,
            body: answer.body,
            idle,
            deadline,
            remember,
        };
        let evidence = answer.evidence;
        let mut answer = self.answer(status, Lines::new(), AnswerBody::Raw(Box::new(raw)));
        answer.headers = headers;
        Tried::Answered(Success {
            answer,
            evidence,
            losses: Vec::new(),
        })
    }

    /// Both sides agree on another protocol: the call's total time holds no more, unless it is configured.
    fn tunnel(&self, upstream: upstream::Upgraded, answer: Box<upstream::Answer>) -> Tried {
        let headers = answer.headers.to_map();
        let protocol = headers.get(UPGRADE).cloned();
        let mut headers = lanes::without_hop(headers);
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
        let total = self.plan.resilience.timeout.total;
        let tunnel = RawTunnel {
            upstream,
            idle: self.idle_limit(true),
            deadline: total.map(|_| self.plan.deadline),
        };
        let evidence = answer.evidence;
        let body = AnswerBody::Tunnel(Box::new(tunnel));
        let mut answer = self.answer(answer.status, Lines::new(), body);
        answer.headers = headers;
        Tried::Answered(Success {
            answer,
            evidence,
            losses: Vec::new(),
        })
    }

    /// A stream of events may last longer than other answers, where nobody says how long.
    fn plain_deadline(&self, is_stream: bool) -> Deadline {
        let is_said = self.plan.resilience.timeout.total.is_some() || self.plan.deadline_is_callers;
        if !is_stream || is_said {
            return self.plan.deadline;
        }
        Deadline::after(self.started, STREAM_TIME.saturating_sub(self.call_age))
    }

    fn answer(&self, status: StatusCode, lines: Lines, body: AnswerBody) -> Box<Answer> {
        let trail = self.call.terms().wishes.trail;
        boxed::made(|| Answer {
            status,
            headers: HeaderMap::new(),
            lines,
            body,
            price: None,
            demo: false,
            trail,
            local: false,
            ticket: None,
            visit: None,
        })
    }

    /// An answer with a status of failure: its body is evidence.
    async fn read_error(
        &self,
        model: Option<(&ModelCall, &'static Kind)>,
        mut answer: Box<upstream::Answer>,
    ) -> Tried {
        let body = self.error_body(&mut answer).await;
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
        // Its own words reach a caller who speaks its dialect; a page that something in front of it made does not.
        let speaks = model.is_some_and(|(call, kind)| {
            call.dialect == kind.dialect && dialect::read_error(kind.dialect, &body).is_some()
        });
        let verbatim = (speaks || model.is_none()).then(|| Verbatim {
            status: answer.status,
            content_type: answer
                .headers
                .get("content-type")
                .and_then(|value| answer.headers.kept(value)),
            body,
        });
        self.failure(evidence, verbatim)
    }

    /// What the head of an answer that began well showed: it is evidence as soon as the rest goes wrong.
    fn note_head(&self, evidence: &mut Evidence, status: StatusCode, headers: &Headers) {
        let now = self.unix_seconds();
        evidence
            .head
            .get_or_insert_with(|| upstream::head_facts(status, headers, now));
    }

    fn unix_seconds(&self) -> i64 {
        i64::try_from(self.gate.shared.clock.unix_millis() / 1000).unwrap_or(i64::MAX)
    }

    /// Reads hint, words, page title and excerpt of an error body.
    fn read_words(
        &self,
        evidence: &mut Evidence,
        kind: Option<&'static Kind>,
        status: StatusCode,
        headers: &Headers,
        body: &[u8],
    ) {
        let text = |name: &str| headers.text(name);
        evidence.hint = diagnosis::hint::retry_hint(text, Some(body), self.unix_seconds());
        self.note_head(evidence, status, headers);
        evidence.signal = match kind {
            Some(kind) => {
                provider::signal(kind, kind.dialect, status.as_u16(), &headers.to_map(), body)
            }
            // Many an API has taken over the form of OpenAI's errors, or Google's.
            None => dialect::read_error(dialect::Dialect::OpenaiChat, body).map(|words| Signal {
                kind: words.kind,
                code: words.code,
                param: words.param,
                message: words.message,
                concluded: None,
            }),
        };
        let content_type = headers.text("content-type");
        (evidence.excerpt, evidence.page_title) = diagnosis::excerpt::scrub(body, content_type);
    }

    /// A page whose beginning is there.
    async fn page(&self, mut answer: Box<upstream::Answer>, begun: &[u8]) -> Tried {
        let rest = self.error_body(&mut answer).await;
        let body = [begun, &*rest].concat();
        let mut evidence = answer.evidence;
        evidence.phase = Phase::Body;
        count_bytes(&mut evidence, &answer.body);
        self.read_words(&mut evidence, None, answer.status, &answer.headers, &body);
        evidence.fault = Some(Fault::Content(ContentFault::Html));
        self.failure(evidence, None)
    }

    /// A body that is no answer but evidence: whatever of it comes within a short time. In a coding that nobody asked for
    /// it tells nothing, and its status still does.
    async fn error_body(&self, answer: &mut upstream::Answer) -> Bytes {
        if answer.headers.contains("content-encoding")
            && answer.body.decode(&mut answer.headers).is_err()
        {
            return Bytes::new();
        }
        let (time, _) = self.within_room(ERROR_BODY_TIME);
        let deadline = self.plan.deadline.capped(self.now(), time);
        let mut body = Vec::new();
        while body.len() < MAX_ERROR_BODY
            && let Some(Ok(piece)) = answer.body.next(time, deadline).await
        {
            body.extend_from_slice(&piece);
        }
        Bytes::from(body)
    }

    fn bad_reply(
        &self,
        mut evidence: Box<Evidence>,
        kind: &'static Kind,
        headers: &Headers,
        body: &[u8],
        fault: ReplyFault,
    ) -> Tried {
        evidence.phase = Phase::Body;
        self.read_words(&mut evidence, Some(kind), StatusCode::OK, headers, body);
        let page = is_called_page(headers) || body.trim_ascii_start().first() == Some(&b'<');
        evidence.fault = Some(Fault::Content(match fault {
            ReplyFault::ErrorObject(words) => {
                // The dialect has read more than an error object: a blocked prompt has none.
                evidence.signal = Some(provider::signal_of(kind, 200, &headers.to_map(), *words));
                ContentFault::ErrorObject
            }
            _ if page => ContentFault::Html,
            ReplyFault::Empty => ContentFault::Empty,
            ReplyFault::NotJson { at } => ContentFault::NotJson { at },
            ReplyFault::WrongShape { what } => ContentFault::WrongShape { what },
        }));
        self.failure(evidence, None)
    }

    fn bad_stream(
        &self,
        answer: Box<upstream::Answer>,
        kind: &'static Kind,
        fault: StreamFault,
    ) -> Tried {
        let mut evidence = answer.evidence;
        count_bytes(&mut evidence, &answer.body);
        stream_fault(&mut evidence, kind, fault);
        self.failure(evidence, None)
    }

    /// The body broke off before the answer was one.
    fn broken_body(
        &self,
        mut evidence: Box<Evidence>,
        phase: Phase,
        fault: upstream::BodyFault,
    ) -> Tried {
        evidence.phase = phase;
        fault.complete(&mut evidence);
        self.failure(evidence, None)
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

fn count_bytes(evidence: &mut Evidence, body: &upstream::Body) {
    evidence.bytes.received = evidence.bytes.received.max(body.received());
}

/// Most upstreams that die with their head's last byte are found out within this; it delays no head whose body has come.
const BEGINS_WITHIN: Duration = Duration::from_millis(50);

/// White space before the first byte that tells what a body is.
const MAX_BLANKS: usize = 64 * 1024;

/// What the body of an answer is that was to be a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Server-sent events.
    Events,
    /// One JSON text.
    Json,
    /// A web page.
    Page,
}

impl Form {
    /// What the first bytes tell; none as long as they could be more than one thing. What is declared a stream of events
    /// is none only where it begins as none can.
    fn of(begun: &[u8], declared: bool) -> Option<Self> {
        let begun = begun.strip_prefix(BYTE_ORDER_MARK).unwrap_or(begun);
        let text = begun.trim_ascii_start();
        let fields: [&[u8]; 5] = [b":", b"data", b"event", b"id", b"retry"];
        match text.first()? {
            b'{' | b'[' => Some(Self::Json),
            b'<' => Some(Self::Page),
            _ if declared || fields.iter().any(|field| text.starts_with(field)) => {
                Some(Self::Events)
            }
            // A field's name that is not all there yet.
            _ if fields.iter().any(|field| field.starts_with(text)) => None,
            _ => Some(Self::Json),
        }
    }
}

fn is_called_page(headers: &Headers) -> bool {
    media_type(headers).eq_ignore_ascii_case("text/html")
}

/// A whole body of which the beginning was read before.
fn with_beginning(begun: &[u8], rest: Bytes) -> Bytes {
    if begun.is_empty() {
        return rest;
    }
    let begun = begun.strip_prefix(BYTE_ORDER_MARK).unwrap_or(begun);
    Bytes::from([begun, &*rest].concat())
}

/// The media type without its parameters, as sent.
fn media_type(headers: &Headers) -> &str {
    let text = headers.text("content-type").unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// What of a model's answer head goes on: its own id, its limits under another name; nothing of this hop, no cookie.
fn forwarded(headers: &Headers, kind: &'static Kind) -> Lines {
    let mut on = Lines::new();
    for (name, value) in headers.iter() {
        if name == kind.request_id_header.as_bytes() {
            on.add("x-upstream-request-id", value);
        } else if name.starts_with(b"openai-") {
            on.add(name, value);
        } else if let Some(rest) = name.strip_prefix(b"x-ratelimit-") {
            on.add([b"x-upstream-ratelimit-", rest].concat(), value);
        }
    }
    on
}
