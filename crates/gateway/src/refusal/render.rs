//! Writes a refusal in the client's own form: status, headers, reason phrase and body.
//!
//! Everything of ours lives in the member `goodgate`; the rest is what the client's SDK reads anyway.

use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Code, Origin};
use http::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::{Envelope, Refusal};
use crate::gate::Gate;
use crate::journal::access_log::millis;
use crate::journal::{Attempt, Event, Journal, Outcome, Skip};
use crate::relay::head;

/// A body has at most this many bytes; evidence is shortened, then left out, to keep it.
const BODY_BOUND: usize = 2048;

/// The longest hint at which a client is told to try again by itself.
const RETRY_ITSELF: Duration = Duration::from_secs(20);

/// A refusal as it goes out.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) reason_phrase: Option<hyper::ext::ReasonPhrase>,
    pub(super) body: Bytes,
}

/// OpenAI's envelope. Source: OpenAI API reference, section Errors, seen 2026-11.
#[derive(Serialize)]
struct OpenaiBody<'a> {
    error: OpenaiError<'a>,
}

#[derive(Serialize)]
struct OpenaiError<'a> {
    message: String,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'a str>,
    code: &'static str,
    goodgate: Ours<'a>,
}

/// The envelope of RFC 9457.
#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    goodgate: Ours<'a>,
}

/// The member `goodgate` of every error body.
#[derive(Serialize)]
struct Ours<'a> {
    v: u8,
    request_id: types::CallId,
    origin: &'static str,
    group: &'static str,
    code: &'static str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed: Option<&'static str>,
    output_sent: bool,
    elapsed_ms: u64,
    attempts: Vec<OurAttempt<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_tried: Vec<NotTriedLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<OurOpenedBy<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<OurLimit<'a>>,
    fix: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_url: Option<String>,
}

#[derive(Serialize)]
struct OurAttempt<'a> {
    n: u32,
    target: &'a str,
    at_ms: u64,
    ms: u64,
    status: Option<u16>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_request_id: Option<&'a str>,
    next: &'static str,
}

#[derive(Serialize)]
struct NotTriedLine<'a> {
    target: &'a str,
    why: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<OurOpenedBy<'a>>,
}

/// Why a breaker is open.
#[derive(Serialize)]
struct OurOpenedBy<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    level: &'static str,
    cause: &'static str,
    open_for_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_probe_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excerpt: Option<&'a str>,
}

#[derive(Serialize)]
struct OurLimit<'a> {
    scope: &'static str,
    name: &'a str,
    kind: &'static str,
    limit: u64,
    used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    resets_in_ms: Option<u64>,
}

/// How much of an attempt's evidence is written, the most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    Full,
    Summary,
    Short,
    Bare,
}

/// Writes the whole answer.
pub(super) fn write(
    gate: &Gate,
    refusal: &Refusal,
    journal: &Journal,
    outcome: Outcome,
    attempts: usize,
) -> Written {
    let mut headers = HeaderMap::with_capacity(16);
    head::ids(&mut headers, journal);
    head::outcome(&mut headers, outcome, attempts);
    let facts = refusal.code.facts();
    headers.insert(
        HeaderName::from_static("x-goodgate-group"),
        HeaderValue::from_static(facts.group.as_str()),
    );
    headers.insert(
        HeaderName::from_static("x-goodgate-code"),
        HeaderValue::from_static(refusal.code.as_str()),
    );
    if !is_terse(gate, journal) {
        head::proxy_status(&mut headers, journal, Some(refusal.code));
        head::trail(&mut headers, journal);
    }
    hints(&mut headers, refusal, attempts);
    if refusal.closes {
        headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(verbatim) = &refusal.verbatim {
        if let Some(content_type) = &verbatim.content_type {
            headers.insert(CONTENT_TYPE, content_type.clone());
        }
        return Written {
            status: verbatim.status,
            headers,
            reason_phrase: None,
            body: verbatim.body.clone(),
        };
    }
    let content_type = match journal.envelope {
        Envelope::Openai => "application/json",
        Envelope::Problem => "application/problem+json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if refusal.status == StatusCode::UNAUTHORIZED {
        headers.insert(
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"goodgate\""),
        );
    }
    let body = bounded_body(gate, refusal, journal, false);
    Written {
        status: refusal.status,
        headers,
        reason_phrase: phrase(gate, refusal, journal),
        body,
    }
}

/// The event that ends a broken stream, in the client's dialect; never followed by `[DONE]`.
#[must_use]
pub fn midstream_event(gate: &Gate, refusal: &Refusal, journal: &Journal) -> (Bytes, Bytes) {
    let body = bounded_body(gate, refusal, journal, true);
    let mut event = Vec::with_capacity(body.len() + 8);
    event.extend_from_slice(b"data: ");
    event.extend_from_slice(&body);
    event.extend_from_slice(b"\n\n");
    (Bytes::from(event), body)
}

fn bounded_body(gate: &Gate, refusal: &Refusal, journal: &Journal, output_sent: bool) -> Bytes {
    let first = match gate.policy().snapshot.errors {
        config::ErrorDetail::Full => Detail::Full,
        config::ErrorDetail::Summary => Detail::Summary,
        config::ErrorDetail::None => Detail::Bare,
    };
    let mut body = Vec::new();
    let less = [Detail::Full, Detail::Summary, Detail::Short, Detail::Bare];
    for detail in less.into_iter().filter(|detail| *detail >= first) {
        body = whole_body(gate, refusal, journal, output_sent, detail);
        if body.len() <= BODY_BOUND {
            break;
        }
    }
    Bytes::from(body)
}

fn whole_body(
    gate: &Gate,
    refusal: &Refusal,
    journal: &Journal,
    output_sent: bool,
    detail: Detail,
) -> Vec<u8> {
    let ours = ours(gate, refusal, journal, output_sent, detail);
    let message = message(gate, refusal, journal);
    let body = match journal.envelope {
        Envelope::Openai => {
            let (kind, code) = openai_words(refusal);
            let param = refusal.param.as_deref();
            serde_json::to_vec(&OpenaiBody {
                error: OpenaiError {
                    message,
                    kind,
                    param,
                    code,
                    goodgate: ours,
                },
            })
        }
        Envelope::Problem => serde_json::to_vec(&ProblemBody {
            kind: ours
                .doc_url
                .clone()
                .unwrap_or_else(|| "about:blank".to_owned()),
            title: refusal.code.facts().meaning,
            status: refusal.status.as_u16(),
            detail: message,
            goodgate: ours,
        }),
    };
    body.unwrap_or_default()
}

/// Whether nothing may be told of upstreams: the configuration wishes it so, and there is something to tell.
fn is_terse(gate: &Gate, journal: &Journal) -> bool {
    gate.policy().snapshot.errors == config::ErrorDetail::None && journal.attempts().count() > 0
}

fn message(gate: &Gate, refusal: &Refusal, journal: &Journal) -> String {
    let id = journal.id.write();
    if is_terse(gate, journal) {
        return format!("{} [{}]", refusal.code.facts().meaning, id.as_str());
    }
    if refusal.message.contains(id.as_str()) {
        return refusal.message.clone();
    }
    format!("{} [{}]", refusal.message, id.as_str())
}

fn ours<'a>(
    gate: &Gate,
    refusal: &'a Refusal,
    journal: &'a Journal,
    output_sent: bool,
    detail: Detail,
) -> Ours<'a> {
    let facts = refusal.code.facts();
    let attempts: Vec<_> = match detail {
        Detail::Bare => Vec::new(),
        Detail::Full | Detail::Summary | Detail::Short => journal
            .attempts()
            .map(|attempt| our_attempt(attempt, detail))
            .collect(),
    };
    let tried = journal.attempts().count() > 0;
    let policy = gate.policy();
    let base = policy.explain_base();
    Ours {
        v: 1,
        request_id: journal.id,
        origin: refusal.origin.as_str(),
        group: facts.group.as_str(),
        code: refusal.code.as_str(),
        retryable: refusal.is_retryable(),
        retry_after_ms: refusal.retry_after.map(millis),
        stop_reason: refusal.stop_reason.map(crate::journal::StopReason::as_str),
        billed: tried.then(|| billed(journal)),
        output_sent,
        elapsed_ms: millis(journal.elapsed()),
        attempts,
        not_tried: not_tried(journal, detail),
        opened_by: refusal
            .opened_by
            .as_ref()
            .filter(|_| detail < Detail::Bare)
            .and_then(|skip| {
                let target = Some(&*skip.target);
                let opened = opened_by(skip, detail)?;
                Some(OurOpenedBy { target, ..opened })
            }),
        limit: refusal.limit.as_ref().map(|limit| OurLimit {
            scope: limit.scope,
            name: &limit.name,
            kind: limit.kind,
            limit: limit.limit,
            used: limit.used,
            resets_in_ms: limit.resets_in.map(millis),
        }),
        fix: if refusal.fix.is_empty() || is_terse(gate, journal) {
            vec![facts.fix.to_owned()]
        } else {
            refusal.fix.clone()
        },
        explain_url: base
            .as_ref()
            .map(|base| format!("{base}/ui/requests/{}", journal.id)),
        doc_url: base
            .as_ref()
            .map(|base| format!("{base}/ui/errors/{}", refusal.code.as_str())),
    }
}

fn our_attempt(attempt: &Attempt, detail: Detail) -> OurAttempt<'_> {
    let verdict = attempt.verdict.as_ref();
    let evidence = verdict.map(|verdict| match detail {
        Detail::Full => verdict.full_line.clone(),
        Detail::Summary => verdict.evidence_line.clone(),
        Detail::Short | Detail::Bare => verdict.evidence_line.chars().take(60).collect(),
    });
    OurAttempt {
        n: attempt.n,
        target: &attempt.target,
        at_ms: millis(attempt.at),
        ms: millis(attempt.took),
        status: attempt.status,
        code: verdict.map_or("ok", |verdict| verdict.code.as_str()),
        evidence: evidence.filter(|line| !line.is_empty()),
        upstream_request_id: upstream_request_id(attempt),
        next: attempt.next.as_str(),
    }
}

/// The upstream's id of an attempt, unless it is too long to be one.
fn upstream_request_id(attempt: &Attempt) -> Option<&str> {
    let id = attempt
        .evidence
        .head
        .as_ref()?
        .upstream_request_id
        .as_deref()?;
    (id.len() <= 128).then_some(id)
}

fn not_tried(journal: &Journal, detail: Detail) -> Vec<NotTriedLine<'_>> {
    let skipped = journal.events().iter().filter_map(|event| match event {
        Event::Skipped(skip) => Some(NotTriedLine {
            target: &skip.target,
            why: skip.why,
            opened_by: opened_by(skip, detail.max(Detail::Summary)),
        }),
        _ => None,
    });
    skipped.collect()
}

/// The cause that had closed a target; what the upstream said of it only where all is told.
fn opened_by(skip: &Skip, detail: Detail) -> Option<OurOpenedBy<'_>> {
    let opened = skip
        .opened_by
        .as_deref()
        .filter(|_| detail < Detail::Bare)?;
    Some(OurOpenedBy {
        target: None,
        level: opened.level,
        cause: opened.cause,
        open_for_ms: millis(opened.since),
        next_probe_ms: opened.next_probe.map(millis),
        excerpt: opened.excerpt.as_deref().filter(|_| detail == Detail::Full),
    })
}

/// Whether the providers may have charged for what failed.
fn billed(journal: &Journal) -> &'static str {
    let certain = journal.attempts().all(|attempt| {
        attempt
            .verdict
            .as_ref()
            .is_some_and(|v| v.processed == diagnosis::Processed::No)
    });
    if certain { "no" } else { "unknown" }
}

/// The words that OpenAI's SDKs and the agents built on them know, where such a word exists; else ours.
fn openai_words(refusal: &Refusal) -> (&'static str, &'static str) {
    let code = match refusal.code {
        Code::RateLimited | Code::GatewayRateLimited => "rate_limit_exceeded",
        Code::QuotaExhausted | Code::GatewayBudgetExceeded => "insufficient_quota",
        Code::Unauthenticated => "invalid_api_key",
        Code::NoRoute if refusal.param.as_deref() == Some("model") => "model_not_found",
        Code::ContentFiltered => "content_filter",
        other => other.as_str(),
    };
    let kind = match refusal.status.as_u16() {
        401 => "authentication_error",
        403 => "permission_error",
        429 if code == "insufficient_quota" => "insufficient_quota",
        429 => "rate_limit_error",
        status if status < 500 => "invalid_request_error",
        _ => "server_error",
    };
    (kind, code)
}

/// `retry-after`, `retry-after-ms` and `x-should-retry`.
fn hints(headers: &mut HeaderMap, refusal: &Refusal, attempts: usize) {
    if let Some(after) = refusal.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        headers.insert(
            HeaderName::from_static("retry-after-ms"),
            HeaderValue::from(millis(after)),
        );
    }
    let short = refusal
        .retry_after
        .is_none_or(|after| after <= RETRY_ITSELF);
    let itself = attempts == 0 && refusal.is_retryable() && short && refusal.client_retries == 0;
    let value = if itself { "true" } else { "false" };
    headers.insert(
        HeaderName::from_static("x-should-retry"),
        HeaderValue::from_static(value),
    );
}

/// HTTP/1.1's reason phrase: what `raise_for_status()` of Python's requests prints.
fn phrase(gate: &Gate, refusal: &Refusal, journal: &Journal) -> Option<hyper::ext::ReasonPhrase> {
    if gate.policy().snapshot.errors == config::ErrorDetail::None {
        return None;
    }
    let id = journal.id.write();
    let text = match &refusal.reason_phrase {
        Some(text) => text.clone(),
        None if refusal.origin == Origin::Client => {
            format!("{} [{}]", refusal.code.as_str(), id.as_str())
        }
        None => format!("goodgate {} [{}]", refusal.code.as_str(), id.as_str()),
    };
    let plain: String = text
        .chars()
        .filter(|c| matches!(c, ' '..='~'))
        .take(120)
        .collect();
    hyper::ext::ReasonPhrase::try_from(plain.into_bytes()).ok()
}
