//! HTTP/2 towards upstreams, where a provider's record or the configuration asks for it.
//!
//! The frames are the `h2` crate's. Here are the connections of a worker and one call on a stream of one of them, with
//! the evidence that an HTTP/1.1 attempt would give. Why not hyper's client: docs/decisions.

mod body;
mod exchange;
mod frames;
mod line;

use std::sync::Arc;

use diagnosis::{Evidence, Fault};
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme as UriScheme};
use http::{Request, Uri, Version};
use parking_lot::Mutex;

use crate::attempt::{Call, Shared};
use crate::connect::{Failed, Opener};
use crate::connection::Connection;
use crate::destination::{HttpVersion, Scheme};
use crate::identity::{ByIdentity, Identity};
use crate::timer::{Limit, Timer, Wait, within};
use crate::upload::Upload;

pub(crate) use body::Incoming;
pub(crate) use exchange::Began;
use exchange::Exchange;
use line::{Line, OnLine};

/// The protocol's name in TLS. Source: RFC 9113, section 3.1.
const ALPN: &[u8] = b"h2";

/// A peer whose GOAWAY, refusal or silent close a call meets before it was processed: so many kinds, each forgiven once.
const FORGIVEN: usize = 3;

/// The HTTP/2 connections of a client.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    places: Mutex<ByIdentity<Place>>,
}

#[derive(Debug, Default)]
struct Place {
    open: Vec<Line>,
    /// Held by who opens a connection, so that a burst of calls opens one, not one each.
    opening: Arc<tokio::sync::Mutex<()>>,
}

impl Lines {
    /// A connection that takes a call, and the call's place on it. Those that take none any more are let go.
    fn take(&self, identity: &Identity) -> Option<(Line, OnLine)> {
        let mut places = self.places.lock();
        let place = places.get_mut(identity)?;
        place.open.retain(|line| !line.is_closing());
        place
            .open
            .iter()
            .find_map(|line| Some((line.clone(), line.place()?)))
    }

    fn opening(&self, identity: &Identity) -> Arc<tokio::sync::Mutex<()>> {
        let mut places = self.places.lock();
        Arc::clone(&places.entry(identity.clone()).or_default().opening)
    }

    fn put(&self, identity: &Identity, line: Line) {
        let mut places = self.places.lock();
        places.entry(identity.clone()).or_default().open.push(line);
    }

    /// No call begins on any of them again: the machine has slept, and peers may be gone without a word.
    pub(crate) fn close_all(&self) {
        for place in self.places.lock().values_mut() {
            place.open.drain(..).for_each(|line| line.facts.close());
        }
    }

    /// Lets go of what takes no calls any more.
    pub(crate) fn sweep(&self) {
        self.places.lock().retain(|_, place| {
            place.open.retain(|line| !line.is_closing());
            !place.open.is_empty() || Arc::strong_count(&place.opening) > 1
        });
    }

    /// How many connections take calls.
    pub(crate) fn len(&self) -> usize {
        let places = self.places.lock();
        places.values().map(|place| place.open.len()).sum()
    }
}

/// Where a call goes on.
pub(crate) enum Way {
    /// On a stream of this connection.
    Http2(Line, OnLine),
    /// The peer speaks HTTP/1.1 alone, and the destination allows it.
    Http1(Box<Connection>),
}

/// What may yet be forgiven in one call.
#[derive(Debug, Default)]
struct Forgiven {
    refused: bool,
    left: bool,
    stale: bool,
}

/// Sends a call on a stream, and waits for its answer's head.
pub(crate) async fn send(
    shared: &Arc<Shared>,
    call: Call<'_>,
    upload: &mut Option<Box<Upload>>,
    timer: &mut Timer,
    evidence: &mut Evidence,
) -> Result<Sent, Failed> {
    let request = request(&call)?;
    let mut forgiven = Forgiven::default();
    for _ in 0..=FORGIVEN {
        let (line, place) = match way(shared, call, timer, evidence).await? {
            Way::Http2(line, place) => (line, place),
            Way::Http1(connection) => return Ok(Sent::Http1(connection)),
        };
        evidence.peer = Some(line.facts.peer);
        evidence.tls_version = line.facts.tls_version.map(str::to_owned);
        evidence.reused = line.begin();
        let exchange = Exchange::new(shared, call, line, place);
        match Box::pin(exchange.run(request.clone(), upload, timer, evidence)).await {
            Ok(began) => return Ok(Sent::Http2(Box::new(began))),
            Err(failed) => {
                let again = forgiven.forgives(&failed.fault, call, evidence)
                    && upload.as_mut().is_none_or(|upload| upload.source.rewind());
                if !again {
                    return Err(failed);
                }
                *evidence = Evidence {
                    lane: call.request.lane,
                    ..Evidence::default()
                };
            }
        }
    }
    Err(Fault::Closed.into())
}

/// An answer's beginning, or the connection on which HTTP/1.1 is to be spoken.
pub(crate) enum Sent {
    Http2(Box<Began>),
    Http1(Box<Connection>),
}

impl Forgiven {
    /// Whether a call goes once more, uncounted: it was not processed, or its connection was stale.
    /// Source: failures.md 6.1.
    fn forgives(&mut self, fault: &Fault, call: Call<'_>, evidence: &Evidence) -> bool {
        let once = match fault {
            Fault::Http2Reset { reason } if *reason == u32::from(h2::Reason::REFUSED_STREAM) => {
                &mut self.refused
            }
            Fault::Http2GoAway {
                processed: false, ..
            } => &mut self.left,
            Fault::Closed | Fault::Reset if evidence.reused && evidence.bytes.received == 0 => {
                if !call.request.may_repeat() && evidence.bytes.sent > 0 {
                    return false;
                }
                &mut self.stale
            }
            _ => return false,
        };
        !std::mem::replace(once, true)
    }
}

/// A connection with room for the call: an open one, or a new one.
async fn way(
    shared: &Arc<Shared>,
    call: Call<'_>,
    timer: &mut Timer,
    evidence: &mut Evidence,
) -> Result<Way, Failed> {
    let identity = &call.to.identity;
    if let Some((line, place)) = shared.lines.take(identity) {
        return Ok(Way::Http2(line, place));
    }
    if call.to.http == HttpVersion::Auto
        && let Some(connection) = shared.take_idle(call.to, call.request.may_repeat())
    {
        return Ok(Way::Http1(connection));
    }
    let opening = shared.lines.opening(identity);
    let limit = Limit::new(
        Wait::Connect,
        call.timers.connect + call.timers.tls,
        shared.clock.now(),
        call.timers.deadline,
    );
    let Some(_turn) = within(timer, limit.at, opening.lock()).await else {
        return Err(limit.into());
    };
    if let Some((line, place)) = shared.lines.take(identity) {
        return Ok(Way::Http2(line, place));
    }
    open(shared, call, timer, evidence).await
}

async fn open(
    shared: &Arc<Shared>,
    call: Call<'_>,
    timer: &mut Timer,
    evidence: &mut Evidence,
) -> Result<Way, Failed> {
    let opener = Opener {
        resolver: &shared.resolver,
        clock: &*shared.clock,
        start: call.start,
        to: call.to,
        timers: call.timers,
    };
    let connection = Box::pin(opener.open(timer, evidence)).await?;
    if call.to.scheme == Scheme::Https && connection.alpn() != Some(ALPN) {
        if call.to.http == HttpVersion::Auto {
            return Ok(Way::Http1(connection));
        }
        return Err(other_protocol(&connection, "h2").into());
    }
    let opened = Line::open(
        connection,
        Arc::clone(&shared.clock),
        call.to.idle_limit,
        call.request.max_head,
    );
    // The greeting is written, not answered: it waits for nobody.
    let line = opened.await.map_err(|error| exchange::io_fault(&error))?;
    let place = line.place().ok_or(Fault::Closed)?;
    shared.lines.put(&call.to.identity, line.clone());
    Ok(Way::Http2(line, place))
}

/// The peer has chosen another protocol than we offered, or none.
pub(crate) fn other_protocol(connection: &Connection, offered: &'static str) -> Fault {
    Fault::AlpnMismatch {
        offered,
        chosen: connection
            .alpn()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
    }
}

/// The request as HTTP/2 has it: no `Host`, nothing of one connection, names in lower case.
fn request(call: &Call<'_>) -> Result<Request<()>, Fault> {
    let outgoing = call.request;
    let refused = |what: &str| Fault::Internal {
        detail: format!("refused to send {what}"),
    };
    let mut request = Request::new(());
    *request.method_mut() = outgoing.method.clone();
    *request.version_mut() = Version::HTTP_2;
    let mut authority = None;
    let headers = request.headers_mut();
    for line in outgoing.fixed_headers.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"host") {
            authority = Authority::try_from(value).ok();
            continue;
        }
        let name = HeaderName::from_bytes(name).map_err(|_| refused("a header's name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| refused("a header's value"))?;
        headers.append(name, value);
    }
    for (name, value) in outgoing.headers {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused("a header's name"))?;
        let value = HeaderValue::from_bytes(value).map_err(|_| refused("a header's value"))?;
        headers.append(name, value);
    }
    if let Some(length) = call.length.filter(|length| *length > 0) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    let is_grpc = headers
        .get(http::header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        // Without it a gRPC server takes us for a proxy that would lose its trailers.
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    let mut uri = http::uri::Parts::default();
    uri.scheme = Some(match call.to.scheme {
        Scheme::Http => UriScheme::HTTP,
        Scheme::Https => UriScheme::HTTPS,
    });
    let whole = || Authority::try_from(format!("{}:{}", call.to.host, call.to.port)).ok();
    uri.authority = authority.or_else(whole);
    uri.path_and_query =
        Some(PathAndQuery::try_from(outgoing.path).map_err(|_| refused("a path that is none"))?);
    *request.uri_mut() = Uri::from_parts(uri).map_err(|_| refused("an address that is none"))?;
    Ok(request)
}
