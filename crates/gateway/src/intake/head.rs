//! The head: is it sound, which lane is it, which dialect, how patient is the client.

use std::sync::Arc;

use diagnosis::{Code, Lane};
use dialect::Dialect;
use http::{Method, StatusCode};

use super::said::Said;
use super::{Head, HeadLane, Inbound};
use crate::journal::{Event, Journal};
use crate::policy::Policy;
use crate::refusal::{Envelope, Refusal};

/// Reads a request's head; its body stays unread.
///
/// # Errors
/// An unsound head, a path that leads nowhere, a method that the path does not have.
pub fn head(policy: &Policy, inbound: Inbound, journal: &mut Journal) -> Result<Head, Refusal> {
    let Inbound {
        request,
        peer,
        both_framings,
        hold: _,
    } = inbound;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if wants_openai_errors(path) {
        journal.envelope = Envelope::Openai;
    }
    let found = lane(policy, &parts.method, path);
    let mut said = Said::read(&parts.headers);
    journal.add(Event::Asked {
        lane: found.as_ref().map_or(Lane::Http, HeadLane::journal_lane),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        client: std::mem::take(&mut said.client),
    });
    said.has_both_framings(both_framings);
    said.is_sound(parts.version, parts.uri.authority().is_some())?;
    let lane = found?;
    Ok(Head {
        lane,
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
        peer,
        said,
    })
}

impl HeadLane {
    fn journal_lane(&self) -> Lane {
        match self {
            Self::Chat(_) | Self::Models(_) => Lane::Model,
            Self::Http(_) => Lane::Http,
        }
    }
}

/// Whether a path belongs to the OpenAI dialect, so that its errors are written as OpenAI's SDKs read them.
#[must_use]
pub fn wants_openai_errors(path: &str) -> bool {
    let rest = path.strip_prefix("/openai").unwrap_or(path);
    rest.starts_with("/v1/")
        || rest == "/v1"
        || rest.starts_with("/chat/")
        || rest.starts_with("/models")
}

/// Finds the lane by path and method.
fn lane(policy: &Policy, method: &Method, path: &str) -> Result<HeadLane, Refusal> {
    if let Some(lane) = own_path(method, path)? {
        return Ok(lane);
    }
    if let Some(route) = policy.snapshot.route(path) {
        return Ok(HeadLane::Http(Arc::clone(route)));
    }
    if path.starts_with("/v1/v1/") {
        return Err(Refusal::new(
            Code::NoRoute,
            "base_url already ends with /v1: the path has it twice.",
        )
        .with_fix("Remove one /v1 from the client's base_url."));
    }
    Err(no_route(policy, path))
}

fn own_path(method: &Method, path: &str) -> Result<Option<HeadLane>, Refusal> {
    let rest = path.strip_prefix("/openai").unwrap_or(path);
    let rest = rest.strip_prefix("/v1").unwrap_or(rest);
    if rest == "/chat/completions" {
        return only(method, &Method::POST, HeadLane::Chat(Dialect::OpenaiChat)).map(Some);
    }
    if rest == "/models" {
        return only(method, &Method::GET, HeadLane::Models(None)).map(Some);
    }
    if let Some(name) = rest
        .strip_prefix("/models/")
        .filter(|name| !name.is_empty())
    {
        return only(
            method,
            &Method::GET,
            HeadLane::Models(Some(percent_decoded(name))),
        )
        .map(Some);
    }
    Ok(None)
}

fn only(method: &Method, wanted: &Method, lane: HeadLane) -> Result<HeadLane, Refusal> {
    if method == wanted {
        return Ok(lane);
    }
    let message = format!("This path takes {wanted}, not {method}.");
    Err(Refusal::invalid(None, message).with_status(StatusCode::METHOD_NOT_ALLOWED))
}

fn no_route(policy: &Policy, path: &str) -> Refusal {
    let prefixes: Vec<_> = policy
        .snapshot
        .routes
        .iter()
        .map(|route| route.prefix.clone())
        .collect();
    let known = if prefixes.is_empty() {
        String::new()
    } else {
        format!(", {}", prefixes.join(", "))
    };
    let shown: String = path.chars().take(100).collect();
    Refusal::new(
        Code::NoRoute,
        format!("Nothing here answers {shown}. There are /v1/chat/completions, /v1/models{known}."),
    )
}

/// Decodes `%2F` and the like once; what is no escape stays.
fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let digits =
            (byte == b'%').then(|| (ahead.next().and_then(hex), ahead.next().and_then(hex)));
        if let Some((Some(high), Some(low))) = digits {
            out.push(high << 4 | low);
            bytes = ahead;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(
            percent_decoded("openai%2Fgpt%252F5%zz"),
            "openai/gpt%2F5%zz"
        );
    }
}
