//! Asks an upstream one small question, as a call would go: for its list of models, or just for an answer.
//!
//! The start screen, `doctor` and `providers test` all ask here; nothing is decided here but whether it is an answer.

use std::time::Duration;

use bytes::Bytes;
use config::TlsSettings;
use diagnosis::{ContentFault, Evidence, Fault, Lane, Phase};
use dialect::Dialect;
use http::header::{CONTENT_TYPE, DATE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use provider::{Endpoint, Kind, Operation};
use types::{Clock, Deadline, Secret};
use upstream::{Answer, Client, Destination, Outgoing, Timers, TlsPolicy, TlsPolicyError};

/// A list of models is read up to this.
const MAX_LIST: u64 = 8 << 20;

/// Limits that providers tell in headers, by what their names begin with.
const LIMIT_HEADERS: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-"];

/// What was heard.
#[derive(Debug)]
pub struct Heard {
    /// The status, where a head came.
    pub status: Option<u16>,
    /// Until the answer was whole, or until there was none.
    pub took: Duration,
    /// The models, where they were asked for and told.
    pub models: Option<Vec<String>>,
    /// The upstream's own time, seconds since 1970.
    pub date: Option<i64>,
    /// Headers that tell a limit, by name and value.
    pub limits: Vec<(String, String)>,
    /// What went wrong.
    pub failure: Option<Box<Evidence>>,
}

/// Where to ask, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The base URL.
    pub endpoint: &'a Endpoint,
    /// The same to connect to.
    pub destination: &'a Destination,
    /// Headers besides the key.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// How long each phase may take.
    pub timers: &'a Timers,
}

/// Where to connect for a base URL.
///
/// # Errors
/// When a TLS file cannot be read or understood.
pub fn destination(endpoint: &Endpoint, tls: &TlsSettings) -> Result<Destination, TlsPolicyError> {
    Ok(match endpoint.scheme {
        provider::Scheme::Http => Destination::plain(&endpoint.host, endpoint.port),
        provider::Scheme::Https => {
            let policy = TlsPolicy::new(&upstream::TlsSettings {
                ca_file: tls.ca_file.clone(),
                server_name: tls.server_name.clone(),
                client_certificate: tls.client_cert.clone().zip(tls.client_key.clone()),
                minimum: match tls.min_version {
                    config::TlsVersion::Tls12 => upstream::MinimumTls::V12,
                    config::TlsVersion::Tls13 => upstream::MinimumTls::V13,
                },
            })?;
            Destination::tls(&endpoint.host, endpoint.port, policy.into())
        }
    })
}

/// Asks a provider for its models with one of its keys.
///
/// # Cancel safety
/// Dropping it closes the connection.
pub async fn models(
    client: &Client,
    clock: &dyn Clock,
    place: Place<'_>,
    kind: &'static Kind,
    secret: Option<&Secret>,
) -> Heard {
    let path = provider::request::path(kind, place.endpoint, "", Operation::Models);
    let key = kind_headers(kind, secret);
    let (mut heard, answer) = get(client, clock, place, &path, &key, Lane::Model).await;
    let Some(Whole {
        status,
        headers,
        body,
    }) = answer
    else {
        return heard;
    };
    let Some(failure) = &mut heard.failure else {
        return heard;
    };
    heard.models = provider::list_models(kind, &body).filter(|_| status.is_success());
    if heard.models.is_some() {
        heard.failure = None;
        return heard;
    }
    failure.signal = provider::signal(kind, kind.dialect, status.as_u16(), &headers, &body);
    if status.is_success() {
        failure.fault = Some(Fault::Content(not_a_list(&headers, &body)));
    }
    heard
}

/// Asks for a path and takes any answer that is no failure of the server or of something in front of it.
///
/// # Cancel safety
/// Dropping it closes the connection.
pub async fn any_answer(client: &Client, clock: &dyn Clock, place: Place<'_>, path: &str) -> Heard {
    let (mut heard, answer) = get(client, clock, place, path, &[], Lane::Http).await;
    if answer.is_some_and(|answer| !answer.status.is_server_error()) {
        heard.failure = None;
    }
    heard
}

/// An answer that came whole.
struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// The answer, and what it would be evidence of if it were a failure.
async fn get(
    client: &Client,
    clock: &dyn Clock,
    place: Place<'_>,
    path: &str,
    key: &[(HeaderName, HeaderValue)],
    lane: Lane,
) -> (Heard, Option<Whole>) {
    let started = clock.now();
    let block = header_block(place.endpoint, key.iter().chain(place.headers));
    let outgoing = Outgoing {
        fixed_headers: &block,
        decode: true,
        lane,
        ..Outgoing::new(&Method::GET, path)
    };
    let mut heard = Heard {
        status: None,
        took: Duration::ZERO,
        models: None,
        date: None,
        limits: Vec::new(),
        failure: None,
    };
    let took = || clock.now().saturating_duration_since(started);
    let answer = match client.send(place.destination, outgoing, place.timers).await {
        Ok(answer) => answer,
        Err(evidence) => {
            heard.status = evidence.status();
            heard.took = took();
            heard.failure = Some(evidence);
            return (heard, None);
        }
    };
    let Answer {
        status,
        headers: fields,
        mut body,
        mut evidence,
        ..
    } = *answer;
    let headers = fields.to_map();
    heard.status = Some(status.as_u16());
    heard.date = text(&headers, &DATE).and_then(diagnosis::hint::http_date);
    heard.limits = limits(&headers);
    let read = body
        .read_all(MAX_LIST, place.timers.header, place.timers.deadline)
        .await;
    heard.took = took();
    if evidence.head.is_none() {
        let unix = i64::try_from(clock.unix_millis() / 1000).unwrap_or(i64::MAX);
        evidence.head = Some(upstream::head_facts(status, &fields, unix));
    }
    let body = match read {
        Ok(body) => body,
        Err(fault) => {
            fault.complete(&mut evidence);
            heard.failure = Some(evidence);
            return (heard, None);
        }
    };
    evidence.phase = Phase::Headers;
    evidence.bytes.received = evidence.bytes.received.saturating_add(body.len() as u64);
    (evidence.excerpt, evidence.page_title) =
        diagnosis::excerpt::scrub(&body, text(&headers, &CONTENT_TYPE));
    heard.failure = Some(evidence);
    let whole = Whole {
        status,
        headers,
        body,
    };
    (heard, Some(whole))
}

/// Head lines as they go on the wire.
pub(crate) fn header_block<'a>(
    endpoint: &Endpoint,
    more: impl Iterator<Item = &'a (HeaderName, HeaderValue)>,
) -> Vec<u8> {
    let mut block = format!(
        "host: {}\r\nuser-agent: goodgate\r\naccept-encoding: identity\r\n",
        endpoint.authority()
    )
    .into_bytes();
    for (name, value) in more {
        block.extend_from_slice(name.as_str().as_bytes());
        block.extend_from_slice(b": ");
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    block
}

/// The headers that a kind's servers want: the key, and Anthropic's version of its API.
///
/// Source: Anthropic, API overview, Versions, seen 2026-11: without the header every path answers 400.
pub(crate) fn kind_headers(kind: &Kind, secret: Option<&Secret>) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = provider::request::headers(kind, secret);
    if kind.dialect == Dialect::AnthropicMessages {
        headers.push((
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static("2023-06-01"),
        ));
    }
    headers
}

fn not_a_list(headers: &HeaderMap, body: &[u8]) -> ContentFault {
    let content_type = text(headers, &CONTENT_TYPE).unwrap_or_default();
    if content_type.starts_with("text/html") || body.trim_ascii_start().starts_with(b"<") {
        return ContentFault::Html;
    }
    if body.trim_ascii().is_empty() {
        return ContentFault::Empty;
    }
    ContentFault::WrongShape {
        what: "no list of models".to_owned(),
    }
}

/// The headers of an answer that tell a limit.
pub(crate) fn limits(headers: &HeaderMap) -> Vec<(String, String)> {
    let told = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let is_limit = LIMIT_HEADERS.iter().any(|start| name.starts_with(start));
        let value = value.to_str().ok().filter(|_| is_limit)?;
        Some((name.to_owned(), value.to_owned()))
    });
    told.collect()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The data path's timers, with a deadline that holds for one question.
#[must_use]
pub fn timers(clock: &dyn Clock, written: &config::Timeouts, longest: Duration) -> Timers {
    let header = written
        .response_header
        .map_or(longest, |own| own.min(longest));
    let all = written.dns + written.connect + written.tls + header + longest;
    Timers {
        dns: written.dns,
        connect: written.connect,
        tls: written.tls,
        write: written.write,
        header,
        ..Timers::until(Deadline::after(clock.now(), all))
    }
}
