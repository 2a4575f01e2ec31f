//! Reads what an upstream answers, just as far as it takes to know that it is an answer, or what is wrong with it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use diagnosis::{ContentFault, Evidence, Fault, Phase};
use dialect::{ReplyFault, ReplyFrame, StreamFault};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, StatusCode};
use provider::Kind;
use types::Deadline;

use super::once::{Success, Tried, Try};
use super::opening::Opening;
use super::translate_or_pass::{self, Flow, Piece};
use super::{Answer, AnswerBody, LiveStream, RawBody};
use crate::intake::{HttpCall, ModelCall, Upload};
use crate::lanes;
use crate::refusal::Verbatim;

/// The largest whole answer. Source: failures, section on bodies.
const MAX_WHOLE: u64 = 32 * 1024 * 1024;

/// An error body is read up to this.
const MAX_ERROR_BODY: u64 = 256 * 1024;

/// An error body must come within this: it is evidence, no answer.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How long a stream may last. Source: failures, table of timers.
const STREAM_TIME: Duration = Duration::from_secs(600);

impl Try<'_> {
    pub(super) async fn read_model(
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
        let is = |wanted: &str| content_type.eq_ignore_ascii_case(wanted);
        if is("text/html") {
            return self.not_an_answer(answer, ContentFault::Html).await;
        }
        if !call.stream {
            return self.read_whole(call, kind, answer).await;
        }
        if is("text/event-stream") {
            return self.read_stream(call, kind, answer, added_usage).await;
        }
        let is_text = content_type
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("text/"));
        if is_text && !is("text/plain") {
            let what = content_type.to_ascii_lowercase();
            return self
                .not_an_answer(answer, ContentFault::WrongShape { what })
                .await;
        }
        self.read_whole_for_stream(kind, answer).await
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
        let read = answer
            .body
            .read_all(MAX_WHOLE, idle, self.plan.deadline)
            .await;
        match &read {
            Ok(_) => count_bytes(&mut answer.evidence, &answer.body),
            Err(_) => self.note_head(&mut answer.evidence, answer.status, &answer.headers),
        }
        read
    }

    async fn read_whole(
        &self,
        call: &ModelCall,
        kind: &'static Kind,
        mut answer: upstream::Answer,
    ) -> Tried {
        let body = match self.whole_body(&mut answer, self.idle_limit(false)).await {
            Ok(body) => body,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let evidence = answer.evidence;
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
        let body = match self.whole_body(&mut answer, self.idle_limit(true)).await {
            Ok(body) => body,
            Err(fault) => return self.broken_body(answer.evidence, Phase::Body, fault),
        };
        let evidence = answer.evidence;
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
        self.note_head(&mut answer.evidence, answer.status, &answer.headers);
        let mut flow = Flow::new(kind.dialect, call.dialect, added_usage, || self.frame(call));
        let mut held = VecDeque::new();
        let mut opening = Opening::new(self, &answer.evidence);
        let mut pieces = Vec::new();
        let ended = loop {
            let deadline = opening.deadline(self.plan.answer_by());
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
                    let fault = opening.named(fault, self.plan.answer_by());
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

    pub(super) async fn read_plain(&self, call: &HttpCall, mut answer: upstream::Answer) -> Tried {
        let status = answer.status;
        let failed = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        let is_there = call.upload.as_ref().is_none_or(Upload::can_begin_again);
        if failed && call.may_repeat && is_there {
            return self.read_error(None, answer).await;
        }
        let is_stream = media_type(&answer.headers).eq_ignore_ascii_case("text/event-stream");
        let (idle, deadline) = (self.idle_limit(is_stream), self.plain_deadline(is_stream));
        // A body that breaks before its first byte is an ordinary failure. Only one of known length is waited for: a
        // stream may have nothing to say for long.
        let mut first = None;
        if answer.headers.contains_key(CONTENT_LENGTH) && !answer.body.is_finished() {
            match answer.body.next(idle, deadline).await {
                None => {}
                Some(Ok(bytes)) => first = Some(bytes),
                Some(Err(fault)) => {
                    self.note_head(&mut answer.evidence, status, &answer.headers);
                    return self.broken_body(answer.evidence, Phase::Body, fault);
                }
            }
        }
        let raw = RawBody {
            first,
            body: answer.body,
            idle,
            deadline,
        };
        let mut headers = lanes::without_hop(answer.headers);
        call.route.response_headers.apply(&mut headers);
        let evidence = answer.evidence;
        let answer = self.answer(status, headers, AnswerBody::Raw(Box::new(raw)));
        Tried::Answered(Box::new(Success {
            answer,
            evidence,
            losses: Vec::new(),
        }))
    }

    /// A stream of events may last longer than other answers, where nobody says how long.
    fn plain_deadline(&self, is_stream: bool) -> Deadline {
        let is_said = self.plan.resilience.timeout.total.is_some() || self.plan.deadline_is_callers;
        if !is_stream || is_said {
            return self.plan.deadline;
        }
        Deadline::after(self.started, STREAM_TIME.saturating_sub(self.call_age))
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
        // Its own words reach a caller who speaks its dialect; a page that something in front of it made does not.
        let speaks = model.is_some_and(|(call, kind)| {
            call.dialect == kind.dialect && dialect::read_error(kind.dialect, &body).is_some()
        });
        let verbatim = (speaks || model.is_none()).then(|| Verbatim {
            status: answer.status,
            content_type: answer.headers.get(CONTENT_TYPE).cloned(),
            body,
        });
        self.failure(evidence, verbatim)
    }

    /// What the head of an answer that began well showed: it is evidence as soon as the rest goes wrong.
    fn note_head(&self, evidence: &mut Evidence, status: StatusCode, headers: &HeaderMap) {
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
        headers: &HeaderMap,
        body: &[u8],
    ) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        evidence.hint = diagnosis::hint::retry_hint(text, Some(body), self.unix_seconds());
        self.note_head(evidence, status, headers);
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
        self.failure(evidence, None)
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
            ReplyFault::ErrorObject(words) => {
                // The dialect has read more than an error object: a blocked prompt has none.
                evidence.signal = Some(provider::signal_of(kind, 200, headers, *words));
                ContentFault::ErrorObject
            }
        }));
        self.failure(evidence, None)
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
        if fault.fault == Fault::Deadline {
            evidence.timer_from_caller = self.plan.is_callers_hurry();
        }
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

/// The media type without its parameters, as sent.
fn media_type(headers: &HeaderMap) -> &str {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// What of a model's answer head goes on: its own id, its limits under another name; nothing of this hop, no cookie.
fn forwarded(headers: &HeaderMap, kind: &'static Kind) -> HeaderMap {
    const UPSTREAM_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");
    // Room for what the answer's own head adds: growing would move everything.
    let mut on = HeaderMap::with_capacity(14);
    for (name, value) in headers {
        let text = name.as_str();
        if text == kind.request_id_header {
            on.insert(UPSTREAM_ID, value.clone());
        } else if text.starts_with("openai-") {
            on.insert(name.clone(), value.clone());
        } else if let Some(rest) = text.strip_prefix("x-ratelimit-")
            && let Ok(renamed) = HeaderName::try_from(format!("x-upstream-ratelimit-{rest}"))
        {
            on.insert(renamed, value.clone());
        }
    }
    on
}
