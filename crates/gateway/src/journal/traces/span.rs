//! The spans of one call: one for the call, one for each attempt, in the words of OpenTelemetry's conventions for HTTP and
//! GenAI. Never a prompt, an answer, a key or an address.

use std::time::Duration;

use diagnosis::Lane;

use super::super::metrics::Labels;
use super::super::{Attempt, Closed, Outcome, Summary};
use super::context::Context;
use super::wire::{Message, Value};

/// Field numbers. Source: opentelemetry-proto 1.7, `trace/v1/trace.proto`.
const ATTRIBUTES: u64 = 9;

const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const ERROR: u64 = 2;

/// Bit 8: whether the parent is elsewhere is known; bit 9: it is.
const PARENT_IS_HERE: u32 = 0x100;
const PARENT_IS_ELSEWHERE: u32 = 0x300;

/// The spans of a call that is over, each as it goes on the wire.
pub(super) fn spans(
    closed: &Closed,
    summary: &Summary<'_>,
    context: &Context,
    labels: &Labels,
) -> Vec<Message> {
    let mut spans = Vec::with_capacity(1 + summary.attempts.len());
    spans.push(call(closed, summary, context));
    for attempt in &summary.attempts {
        spans.push(of_attempt(closed, summary, attempt, context, labels));
    }
    spans
}

fn nanos(closed: &Closed, since_start: Duration) -> u64 {
    let start = closed.id.unix_millis().saturating_mul(1_000_000);
    start.saturating_add(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
}

/// Ids, times and kind of a span.
fn begin(
    context: &Context,
    attempt: u32,
    parent: Option<(u64, u32)>,
    (kind, name): (u64, &str),
    (start, end): (u64, u64),
) -> Message {
    let mut span = Message::default();
    span.bytes(1, &context.trace.to_be_bytes())
        .bytes(2, &context.span(attempt).to_be_bytes());
    if let Some((parent, _)) = parent {
        span.bytes(4, &parent.to_be_bytes());
    }
    span.text(5, name)
        .varint(6, kind)
        .fixed64(7, start)
        .fixed64(8, end);
    let flags = u32::from(context.sampled) | parent.map_or(0, |(_, whose)| whose);
    span.fixed32(16, flags);
    span
}

fn call(closed: &Closed, summary: &Summary<'_>, context: &Context) -> Message {
    let parent = context.parent.map(|parent| (parent, PARENT_IS_ELSEWHERE));
    // A plain route's paths are without number, and a span's name must not be.
    let name = match (summary.lane, summary.model) {
        (Some(Lane::Http), Some(route)) => format!("{} {route}", summary.method),
        _ => format!("{} {}", summary.method, summary.path),
    };
    let times = (nanos(closed, Duration::ZERO), nanos(closed, closed.took));
    let mut span = begin(context, 0, parent, (SERVER, &name), times);
    let id = closed.id.write();
    text(&mut span, "goodgate.request_id", Some(id.as_str()));
    text(&mut span, "goodgate.outcome", Some(closed.outcome.as_str()));
    text(&mut span, "http.request.method", Some(summary.method));
    text(&mut span, "url.path", Some(summary.path));
    whole(
        &mut span,
        "http.response.status_code",
        summary.status.map(u64::from),
    );
    text(
        &mut span,
        "goodgate.key",
        summary.key.map(types::KeyId::as_str),
    );
    if summary.lane == Some(Lane::Model) {
        text(&mut span, "gen_ai.operation.name", Some("chat"));
        text(
            &mut span,
            "gen_ai.request.model",
            summary.model.map(|model| &**model),
        );
        span.attribute(
            ATTRIBUTES,
            "gen_ai.request.stream",
            Value::Flag(summary.stream),
        );
    }
    let served_by = summary.served_by().map(|target| &**target);
    text(&mut span, "goodgate.served_by", served_by);
    whole(
        &mut span,
        "goodgate.attempts",
        Some(summary.attempts.len() as u64),
    );
    let reason = summary.stop_reason.map(super::super::StopReason::as_str);
    text(&mut span, "goodgate.stop_reason", reason);
    whole(&mut span, "gen_ai.usage.input_tokens", summary.usage.input);
    whole(
        &mut span,
        "gen_ai.usage.output_tokens",
        summary.usage.output,
    );
    if let Some(after) = summary.first_content {
        first_content(&mut span, nanos(closed, after));
    }
    if let Some(code) = summary.code {
        text(&mut span, "error.type", Some(code.as_str()));
    }
    // What the caller did wrong is no error of the server's. Source: OpenTelemetry's conventions for HTTP spans.
    if closed.outcome == Outcome::Failed {
        failed(&mut span, summary.code.map_or("", diagnosis::Code::as_str));
    }
    span
}

fn of_attempt(
    closed: &Closed,
    summary: &Summary<'_>,
    attempt: &Attempt,
    context: &Context,
    labels: &Labels,
) -> Message {
    let provider = labels.provider(&attempt.target);
    let model = attempt
        .target
        .split_once('/')
        .map(|(_, model)| model)
        .filter(|_| provider.is_some());
    let name = match model {
        Some(model) => format!("chat {model}"),
        None => summary.method.to_owned(),
    };
    let end = attempt.at.saturating_add(attempt.took);
    let times = (nanos(closed, attempt.at), nanos(closed, end));
    let parent = Some((context.span(0), PARENT_IS_HERE));
    let mut span = begin(context, attempt.n, parent, (CLIENT, &name), times);
    if let Some(provider) = provider {
        text(&mut span, "gen_ai.operation.name", Some("chat"));
        text(&mut span, "gen_ai.provider.name", Some(provider));
        text(&mut span, "gen_ai.request.model", model);
    }
    text(&mut span, "goodgate.target", Some(&attempt.target));
    whole(&mut span, "goodgate.attempt", Some(u64::from(attempt.n)));
    text(&mut span, "goodgate.next", Some(attempt.next.as_str()));
    let credential = attempt.credential.as_ref().map(types::CredentialId::as_str);
    text(&mut span, "goodgate.credential", credential);
    text(
        &mut span,
        "goodgate.phase",
        Some(attempt.evidence.phase.as_str()),
    );
    span.attribute(
        ATTRIBUTES,
        "goodgate.connection_reused",
        Value::Flag(attempt.evidence.reused),
    );
    whole(
        &mut span,
        "http.response.status_code",
        attempt.status.map(u64::from),
    );
    if let Some(after) = attempt.evidence.times.first_token {
        first_content(&mut span, nanos(closed, attempt.at.saturating_add(after)));
    }
    match &attempt.verdict {
        None => {
            whole(&mut span, "gen_ai.usage.input_tokens", summary.usage.input);
            whole(
                &mut span,
                "gen_ai.usage.output_tokens",
                summary.usage.output,
            );
        }
        Some(verdict) => {
            text(&mut span, "error.type", Some(verdict.code.as_str()));
            failed(&mut span, &verdict.evidence_line);
        }
    }
    span
}

fn text(span: &mut Message, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        span.attribute(ATTRIBUTES, name, Value::Text(value));
    }
}

fn whole(span: &mut Message, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        span.attribute(ATTRIBUTES, name, Value::Whole(value));
    }
}

fn first_content(span: &mut Message, at: u64) {
    span.message(11, |event| {
        event.fixed64(1, at).text(2, "first_content");
    });
}

fn failed(span: &mut Message, message: &str) {
    span.message(15, |status| {
        status.text(2, message).varint(3, ERROR);
    });
}
