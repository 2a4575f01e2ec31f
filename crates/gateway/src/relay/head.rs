//! The headers that every answer carries, and those that tell how it was won.

use std::fmt::Write;

use diagnosis::Code;

use super::reply::OwnHeaders;
use crate::journal::access_log::millis;
use crate::journal::{Attempt, Event, Journal, Outcome};

/// At most this many attempts or fields are told in a header.
const MOST_TOLD: usize = 10;

/// `x-request-id` and `request-id`.
pub fn ids(headers: &mut impl OwnHeaders, journal: &Journal) {
    let id = journal.id.write();
    headers.put("x-request-id", id.as_str());
    headers.put("request-id", id.as_str());
}

/// `x-goodgate-outcome` and `x-goodgate-attempts`.
pub fn outcome(headers: &mut impl OwnHeaders, outcome: Outcome, attempts: usize) {
    headers.put("x-goodgate-outcome", outcome.as_str());
    headers.put_number("x-goodgate-attempts", attempts as u64);
}

/// `x-goodgate-served-by`.
pub fn served_by(headers: &mut impl OwnHeaders, journal: &Journal) {
    if let Some(attempt) = journal.attempts().next_back() {
        headers.put("x-goodgate-served-by", &attempt.target);
    }
}

/// `x-goodgate-lost`: the fields of the request that the target's format could not carry, where there are any.
pub fn lost(headers: &mut impl OwnHeaders, journal: &Journal) {
    let mut fields: Vec<&str> = Vec::new();
    for event in journal.events() {
        if let Event::Lost { field, .. } = event
            && !fields.contains(&field.as_str())
            && fields.len() < MOST_TOLD
        {
            fields.push(field);
        }
    }
    if !fields.is_empty() {
        headers.put("x-goodgate-lost", &fields.join(", "));
    }
}

/// `x-goodgate-trail` and `Server-Timing`: each attempt with its status or code, and its time.
pub fn trail(headers: &mut impl OwnHeaders, journal: &Journal) {
    if journal.attempts().next().is_none() {
        return;
    }
    let mut trail = String::new();
    let mut timing = String::new();
    let spent: u64 = journal.attempts().map(|attempt| millis(attempt.took)).sum();
    let own = millis(journal.elapsed()).saturating_sub(spent);
    write_to(&mut timing, format_args!("gw;dur={own}"));
    for attempt in journal.attempts().take(MOST_TOLD) {
        let separator = if trail.is_empty() { "" } else { ", " };
        let (word, ms) = (word(attempt), millis(attempt.took));
        write_to(
            &mut trail,
            format_args!("{separator}{};{word};{ms}", attempt.target),
        );
        write_to(
            &mut timing,
            format_args!(
                ", a{};desc=\"{} {word}\";dur={ms}",
                attempt.n,
                quoted(&attempt.target)
            ),
        );
    }
    headers.put("x-goodgate-trail", &trail);
    headers.put("server-timing", &timing);
}

/// `Proxy-Status` (RFC 9209).
pub fn proxy_status(headers: &mut impl OwnHeaders, journal: &Journal, failure: Option<Code>) {
    let last = journal.attempts().next_back();
    let mut value = String::from("goodgate");
    if let Some(code) = failure {
        let kind = code.facts().proxy_status;
        if !kind.is_empty() {
            write_to(&mut value, format_args!("; error={kind}"));
        }
    }
    if let Some(status) = last.and_then(|attempt| attempt.status) {
        write_to(&mut value, format_args!("; received-status={status}"));
    }
    if let Some(attempt) = last {
        write_to(
            &mut value,
            format_args!("; next-hop=\"{}\"", quoted(&attempt.target)),
        );
    }
    match (failure, last) {
        (Some(code), _) => write_to(&mut value, format_args!("; details=\"{}\"", code.as_str())),
        (None, Some(attempt)) => write_to(
            &mut value,
            format_args!("; details=\"attempt {}\"", attempt.n),
        ),
        (None, None) => {}
    }
    headers.put("proxy-status", &value);
}

/// The status of an attempt, or its code where no status came.
fn word(attempt: &Attempt) -> String {
    match (attempt.status, &attempt.verdict) {
        (Some(status), None) => status.to_string(),
        // A status of success does not tell what was wrong with it.
        (Some(status), Some(_)) if status >= 300 => status.to_string(),
        (_, Some(verdict)) => verdict.code.as_str().to_owned(),
        (None, None) => "unknown".to_owned(),
    }
}

/// Text for a quoted string: what would end it is left out.
fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '"' | '\\') && c.is_ascii() && !c.is_ascii_control())
        .collect()
}

/// Writing to a string cannot fail.
fn write_to(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}
