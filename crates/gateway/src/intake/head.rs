//! The head: is it sound, which lane is it, which dialect, how patient is the client.

use std::sync::Arc;
use std::time::Duration;

use diagnosis::{Code, Lane};
use dialect::Dialect;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::{Head, HeadLane, Inbound, Patience, client_facts};
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
        hold,
    } = inbound;
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if wants_openai_errors(&path) {
        journal.envelope = Envelope::Openai;
    }
    let facts = client_facts(&parts.headers);
    let client_retries = facts.retry_count.unwrap_or(0);
    let found = lane(policy, &parts.method, &path);
    journal.add(Event::Asked {
        lane: found.as_ref().map_or(Lane::Http, HeadLane::journal_lane),
        method: parts.method.clone(),
        path: path.clone(),
        client: Box::new(facts),
    });
    sound(
        parts.version,
        &parts.headers,
        parts.uri.authority().is_some(),
    )?;
    let lane = found?;
    Ok(Head {
        lane,
        method: parts.method,
        path,
        query: parts.uri.query().map(str::to_owned),
        patience: patience(&parts.headers),
        headers: parts.headers,
        body,
        peer,
        client_retries,
        hold,
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

/// A head that two readers could understand in two ways is refused: it is how requests are smuggled.
fn sound(version: Version, headers: &HeaderMap, has_authority: bool) -> Result<(), Refusal> {
    if headers.contains_key(CONTENT_LENGTH) && headers.contains_key(TRANSFER_ENCODING) {
        let message =
            "The request has both Content-Length and Transfer-Encoding: send one of them.";
        return Err(Refusal::invalid(None, message));
    }
    let hosts = headers.get_all(HOST).iter().count();
    if hosts > 1 {
        return Err(Refusal::invalid(
            None,
            "The request has more than one Host header: send one.",
        ));
    }
    if hosts == 0 && version == Version::HTTP_11 && !has_authority {
        return Err(Refusal::invalid(
            None,
            "The request has no Host header: HTTP/1.1 requires one.",
        ));
    }
    Ok(())
}

/// How long the client waits, from what it says.
fn patience(headers: &HeaderMap) -> Patience {
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|n| n.is_finite() && *n > 0.0 && *n < 1e7)
    };
    let whole = number("x-request-timeout-ms").map(|ms| Duration::from_secs_f64(ms / 1000.0));
    let grpc = headers
        .get("grpc-timeout")
        .and_then(|value| grpc_timeout(value.to_str().ok()?));
    let reads = [
        number("x-stainless-timeout"),
        number("x-stainless-read-timeout"),
    ];
    let between_bytes = reads
        .into_iter()
        .flatten()
        .reduce(f64::min)
        .map(Duration::from_secs_f64);
    let whole = match (whole, grpc) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Patience {
        whole,
        between_bytes,
    }
}

/// `1H`, `30S`, `500m`: digits and a unit. Source: gRPC over HTTP2, section Requests, seen 2026-11.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number.checked_mul(3600)?)),
        'M' => Some(Duration::from_secs(number.checked_mul(60)?)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
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

    fn with(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| {
                (
                    http::HeaderName::from_static(n),
                    http::HeaderValue::from_static(v),
                )
            })
            .collect()
    }

    #[test]
    fn the_shorter_of_two_timeouts_counts_and_nonsense_does_not() {
        let patience_of = |pairs| patience(&with(pairs));
        let whole = |ms| Patience {
            whole: Some(Duration::from_millis(ms)),
            between_bytes: None,
        };
        assert_eq!(
            patience_of(&[("x-request-timeout-ms", "1500"), ("grpc-timeout", "1S")]),
            whole(1000)
        );
        assert_eq!(
            patience_of(&[("x-request-timeout-ms", "-1")]),
            Patience::default()
        );
        assert_eq!(
            patience_of(&[("x-request-timeout-ms", "NaN")]),
            Patience::default()
        );
        assert_eq!(patience_of(&[("grpc-timeout", "")]), Patience::default());
        let reads = patience_of(&[
            ("x-stainless-timeout", "600"),
            ("x-stainless-read-timeout", "30.5"),
        ]);
        assert_eq!(
            reads,
            Patience {
                whole: None,
                between_bytes: Some(Duration::from_millis(30_500))
            }
        );
    }

    #[test]
    fn heads_that_two_readers_could_read_differently_are_refused() {
        let both = with(&[
            ("host", "a"),
            ("content-length", "1"),
            ("transfer-encoding", "chunked"),
        ]);
        assert!(sound(Version::HTTP_11, &both, false).is_err());
        let mut two = with(&[("host", "a")]);
        two.append("host", http::HeaderValue::from_static("b"));
        assert!(sound(Version::HTTP_11, &two, false).is_err());
        assert!(sound(Version::HTTP_11, &HeaderMap::new(), false).is_err());
        assert!(sound(Version::HTTP_10, &HeaderMap::new(), false).is_ok());
        assert!(sound(Version::HTTP_11, &with(&[("host", "a")]), false).is_ok());
    }

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(
            percent_decoded("openai%2Fgpt%252F5%zz"),
            "openai/gpt%2F5%zz"
        );
    }
}
