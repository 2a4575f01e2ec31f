//! The head: is it sound, which lane is it, which dialect, how patient is the client.

use std::sync::Arc;

use config::{Matched, Route};
use diagnosis::{Code, Lane};
use dialect::Dialect;
use http::{Method, StatusCode, Uri};
use http1::{Headers, Received};

use super::said::Said;
use super::{Head, HeadLane, Inbound};
use crate::boxed;
use crate::journal::{Asked, Event, Journal};
use crate::policy::Policy;
use crate::refusal::{Envelope, Refusal};

/// Reads a request's head; its body stays unread.
///
/// # Errors
/// An unsound head, a path that leads nowhere, a method that the path does not have.
pub fn head(
    policy: &Policy,
    inbound: Inbound,
    journal: &mut Journal,
) -> Result<Box<Head>, Refusal> {
    let Inbound {
        head: parts,
        body,
        peer,
    } = inbound;
    let path = parts.uri.path();
    if wants_openai_errors(path) {
        journal.envelope = Envelope::Openai;
    }
    let found = lane(policy, &parts);
    if matches!(found, Ok(HeadLane::Http(_))) {
        journal.envelope = Envelope::Problem;
    }
    let mut said = Said::read(&parts.headers);
    journal.add(Event::Asked(Box::new(Asked {
        lane: found.as_ref().map_or(Lane::Http, HeadLane::journal_lane),
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        client: std::mem::take(&mut said.client),
    })));
    said.is_sound(parts.version, parts.uri.authority().is_some())?;
    let lane = found?;
    Ok(boxed::made(|| Head {
        lane,
        method: parts.method,
        uri: parts.uri,
        version: parts.version,
        headers: parts.headers,
        body,
        peer,
        said,
    }))
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
fn lane(policy: &Policy, parts: &Received) -> Result<HeadLane, Refusal> {
    let (method, path) = (&parts.method, parts.uri.path());
    if let Some(route) = route_of_its_host(policy, &parts.uri, &parts.headers, method) {
        return on_route(route, path);
    }
    if let Some(lane) = own_path(method, path)? {
        return Ok(lane);
    }
    let host = host(&parts.uri, &parts.headers);
    match policy.snapshot.route(host, method, path) {
        Matched::Route(route) => return on_route(route, path),
        Matched::OtherMethods(methods) => return Err(other_methods(method, &methods)),
        Matched::Nothing => {}
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

/// The route that has a request to a host of its own, where even the models' paths are the route's.
pub(crate) fn route_of_its_host<'p>(
    policy: &'p Policy,
    uri: &Uri,
    headers: &Headers,
    method: &Method,
) -> Option<&'p Arc<Route>> {
    // The narrowest routes stand first: where that has no host, none has.
    policy
        .snapshot
        .routes
        .first()
        .filter(|first| !first.hosts.is_empty())?;
    match policy
        .snapshot
        .route(host(uri, headers), method, uri.path())
    {
        Matched::Route(route) if !route.hosts.is_empty() => Some(route),
        _ => None,
    }
}

/// The host a request is for, without a port and brackets; empty where none is named.
fn host<'r>(uri: &'r Uri, headers: &'r Headers) -> &'r str {
    let authority = uri.authority().map(http::uri::Authority::as_str);
    let named = || headers.text("host");
    let authority = authority.or_else(named).unwrap_or_default();
    let bare = authority
        .rsplit_once('@')
        .map_or(authority, |(_, rest)| rest);
    if let Some(rest) = bare.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    bare.split_once(':').map_or(bare, |(host, _)| host)
}

fn on_route(route: &Arc<Route>, path: &str) -> Result<HeadLane, Refusal> {
    if climbs(path) {
        let message =
            "The path has a segment '..', with which it could leave the route: write it out.";
        return Err(Refusal::invalid(None, message));
    }
    Ok(HeadLane::Http(Arc::clone(route)))
}

/// Whether a server could take a segment of the path for "one up", however it is escaped.
fn climbs(path: &str) -> bool {
    if !path.contains("..") && !path.contains('%') {
        return false;
    }
    let plain = percent_decoded(path);
    plain.split(['/', '\\']).any(|segment| segment == "..")
}

fn other_methods(method: &Method, methods: &[Method]) -> Refusal {
    let known: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let message = format!("This path takes {}, not {method}.", known.join(", "));
    Refusal::invalid(None, message).with_status(StatusCode::METHOD_NOT_ALLOWED)
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
        .map(|route| route.path.to_string())
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
    fn a_path_that_climbs_is_seen_however_it_is_escaped() {
        for path in [
            "/a/../b",
            "/..",
            "/a/%2e%2E/b",
            "/a/.%2e",
            "/a%2f..%2Fb",
            "/a%5C..\\b",
        ] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/a/b", "/a/...", "/a..b/c", "/%2F", "/a/%2e/b", "/a/..;x"] {
            assert!(!climbs(path), "{path}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_uri_or_the_header_without_its_port() {
        for (uri, header, expected) in [
            ("/x", "API.example:4000", "API.example"),
            ("/x", "[::1]:4000", "::1"),
            ("/x", "", ""),
            ("http://one.example:80/x", "two.example", "one.example"),
        ] {
            let mut headers = http::HeaderMap::new();
            headers.insert("host", header.parse().unwrap());
            let headers = Headers::from(&headers);
            assert_eq!(host(&uri.parse().unwrap(), &headers), expected);
        }
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(
            percent_decoded("openai%2Fgpt%252F5%zz"),
            "openai/gpt%2F5%zz"
        );
    }
}
