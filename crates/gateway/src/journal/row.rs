//! A closed journal as the row that the store keeps.

use std::borrow::Cow;
use std::sync::Arc;

use diagnosis::Code;
use store::{AttemptRow, CallDetails, CallRow, Certainty, NotTried, Phases, Tally};

use super::access_log::millis;
use super::{Attempt, Closed, Summary, traces};

/// What is counted of a closed journal, whether its row is kept or not. A refused call's model counts only where
/// something was planned for it: strangers must not add names.
#[must_use]
pub fn tally<'a>(closed: &Closed, summary: &Summary<'a>) -> Tally<'a> {
    let meant = closed.outcome != super::Outcome::Refused || summary.bounds.is_some();
    Tally {
        ended_millis: closed.ended_unix_millis(),
        outcome: closed.outcome,
        model: summary.model.filter(|_| meant),
        key: summary.key,
        usage: summary.usage,
        cost: summary.cost.unwrap_or_default(),
        attempts: summary.attempts.len().try_into().unwrap_or(u64::MAX),
        demo: summary.demo,
    }
}

/// The row of a closed journal.
#[must_use]
pub fn call_row(closed: &Closed, summary: &Summary<'_>) -> CallRow {
    let failed = summary
        .attempts
        .iter()
        .rev()
        .find_map(|attempt| attempt.verdict.as_ref());
    let code = summary.code.or_else(|| failed.map(|verdict| verdict.code));
    let origin = match (summary.code, failed) {
        (Some(code), Some(verdict)) if code == verdict.code => Some(verdict.origin),
        (Some(code), _) => Some(code.facts().origin),
        (None, verdict) => verdict.map(|verdict| verdict.origin),
    };
    let client = summary.client;
    CallRow {
        key: summary.key.cloned(),
        lane: Cow::Borrowed(summary.lane.map_or("http", diagnosis::Lane::as_str)),
        method: Cow::Owned(summary.method.to_owned()),
        path: summary.path.to_owned(),
        model: summary.model.map(Arc::clone),
        served_by: summary.served_by().map(Arc::clone),
        status: summary.status,
        code: code.map(|code| Cow::Borrowed(code.as_str())),
        group: code.map(group),
        origin: origin.map(|origin| Cow::Borrowed(origin.as_str())),
        stop_reason: summary
            .stop_reason
            .map(|reason| Cow::Borrowed(reason.as_str())),
        stream: summary.stream,
        output_sent: summary.output_sent || summary.first_content.is_some(),
        ttft_ms: summary.first_content.map(millis),
        total_ms: millis(closed.took),
        dialect: summary.dialect.map(Cow::Borrowed),
        request_bytes: summary.request_bytes,
        response_bytes: summary.response_bytes,
        gateway_us: own_time(closed, summary),
        usage: summary.usage,
        cost: summary.cost,
        certainty: certainty(summary),
        client_request_id: client.and_then(|client| shown(client.request_id.as_ref())),
        client_agent: client.and_then(|client| shown(client.agent.as_ref())),
        client_retry_count: client.and_then(|client| client.retry_count),
        demo: summary.demo,
        details: details(summary),
        error_json: summary
            .body
            .map(|body| String::from_utf8_lossy(body).into_owned()),
        attempts: summary
            .attempts
            .iter()
            .map(|attempt| attempt_row(attempt))
            .collect(),
        ..CallRow::new(closed.id, closed.id.unix_millis(), closed.outcome)
    }
}

/// What a client said, as far as it is text: at most 128 characters of it.
fn shown(value: Option<&http::HeaderValue>) -> Option<String> {
    let text = value?.to_str().ok()?;
    Some(text.get(..128).unwrap_or(text).to_owned())
}

/// The gateway's own part of a call's time: what is left when its attempts are taken off. Waits between attempts are
/// the gateway's own, too.
fn own_time(closed: &Closed, summary: &Summary<'_>) -> Option<u64> {
    let spent = summary.attempts.iter().map(|attempt| attempt.took).sum();
    u64::try_from(closed.took.saturating_sub(spent).as_micros()).ok()
}

fn group(code: Code) -> Cow<'static, str> {
    Cow::Borrowed(code.facts().group.as_str())
}

/// The provider's own count is exact; where it may have worked and said nothing, nobody knows.
fn certainty(summary: &Summary<'_>) -> Certainty {
    if summary.certainty == Some(Certainty::Estimated) {
        return Certainty::Estimated;
    }
    let silent = summary.usage.is_unknown();
    let worked = summary
        .attempts
        .iter()
        .any(|attempt| match &attempt.verdict {
            Some(verdict) => verdict.processed != diagnosis::Processed::No,
            None => silent,
        });
    if worked {
        Certainty::Unknown
    } else {
        Certainty::Exact
    }
}

fn details(summary: &Summary<'_>) -> CallDetails {
    let bounds = summary.bounds;
    CallDetails {
        plan: bounds
            .map(|bounds| bounds.targets.clone())
            .unwrap_or_default(),
        config_version: bounds.map(|bounds| bounds.config_version),
        max_attempts: bounds.map(|bounds| bounds.max_attempts),
        deadline_ms: bounds.map(|bounds| millis(bounds.total)),
        deadline_from_client: bounds.is_some_and(|bounds| bounds.total_is_callers),
        trace_id: summary
            .client
            .and_then(|client| traces::trace_id(client.trace.as_ref()?)),
        hold: bounds.and_then(|bounds| bounds.hold).map(Cow::Borrowed),
        retry_after_ms: summary.retry_after.map(millis),
        policy: marks(summary),
        not_tried: summary
            .skipped
            .iter()
            .map(|(target, why)| NotTried {
                target: Arc::clone(target),
                why: Cow::Borrowed(why),
            })
            .collect(),
        losses: summary
            .losses
            .iter()
            .map(|(field, why)| store::Loss {
                field: (*field).to_owned(),
                why: (*why).to_owned(),
            })
            .collect(),
        ..CallDetails::default()
    }
}

/// Told where the same call may have been executed more than once, where a stream lacked the event that ends it, who ended a
/// tunnel, and where a warm cache was left.
fn marks(summary: &Summary<'_>) -> Vec<(Cow<'static, str>, String)> {
    let left = summary.left_cache.map(|(from, to, loss)| {
        let told = format!("{from} for {to}, at most {loss} more");
        (Cow::Borrowed("left_cache"), told)
    });
    [
        (summary.repeats_at_risk > 0, "possible_duplicate"),
        (summary.ends_missing > 0, "end_missing"),
    ]
    .into_iter()
    .filter(|(holds, _)| *holds)
    .map(|(_, mark)| (Cow::Borrowed(mark), "true".to_owned()))
    .chain(
        summary
            .closed_by
            .map(|side| (Cow::Borrowed("closed_by"), side.as_str().to_owned())),
    )
    .chain(left)
    .collect()
}

fn attempt_row(attempt: &Attempt) -> AttemptRow {
    let evidence = &attempt.evidence;
    let verdict = attempt.verdict.as_ref();
    let times = &evidence.times;
    AttemptRow {
        credential: attempt.credential.clone(),
        at_ms: millis(attempt.at),
        ms: millis(attempt.took),
        status: attempt.status,
        code: verdict.map(|verdict| Cow::Borrowed(verdict.code.as_str())),
        group: verdict.map(|verdict| group(verdict.code)),
        origin: verdict.map(|verdict| Cow::Borrowed(verdict.origin.as_str())),
        evidence: verdict.map(|verdict| verdict.evidence_line.clone()),
        full_line: verdict.map(|verdict| verdict.full_line.clone()),
        // A good answer at the first attempt needs no evidence: its times and bytes have columns of their own.
        evidence_json: verdict.and_then(|_| serde_json::to_string(&**evidence).ok()),
        phases: Phases {
            dns: times.dns,
            connect: times.connect,
            tls: times.tls,
            sent: times.sent,
            first_byte: times.first_byte,
            first_token: times.first_token,
            end: times.end.or(Some(attempt.took)),
        },
        next: Cow::Borrowed(attempt.next.as_str()),
        upstream_request_id: evidence
            .head
            .as_ref()
            .and_then(|head| head.upstream_request_id.clone()),
        made_by: verdict.map(|verdict| Cow::Borrowed(verdict.made_by.as_str())),
        processed: verdict.map(|verdict| Cow::Borrowed(verdict.processed.as_str())),
        bytes_sent: evidence.bytes.sent,
        bytes_received: evidence.bytes.received,
        reused: evidence.reused,
        peer: evidence.peer,
        ..AttemptRow::new(attempt.n, Arc::clone(&attempt.target))
    }
}
