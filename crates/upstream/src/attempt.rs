//! One attempt: request in; head, body and evidence out.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use diagnosis::{Evidence, Fault, Lane, Phase};
use http::{Method, StatusCode, Version};
use parking_lot::Mutex;
use types::{Clock, Deadline};

use crate::body::{Beginning, Body};
use crate::connect::{Failed, Opener};
use crate::connection::Connection;
use crate::decode::Decoder;
use crate::destination::{Destination, HttpVersion};
use crate::dns::Resolver;
use crate::exchange::{Began, Exchange, State};
use crate::faults::head_facts;
use crate::http2::{self, Lines, Sent};
use crate::identity::Identity;
use crate::pool::{Bounds, Pool, Slept};
use crate::timer::Timer;
use crate::upgraded::Upgraded;
use crate::upload::{Sending, Upload};
use http1::encode::{RequestHead, write_head};
use http1::{Asked, Framing, HeadReader, Headers, buffers};

/// Default limit of an answer's head in bytes. Source: failures.md, `response_header_too_large`.
pub const MAXIMUM_HEAD: usize = 64 * 1024;

/// The protocol's name in TLS. Source: RFC 7301, section 6.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A body up to here is copied behind its head: the system takes one piece faster than two.
const COPIED: u64 = 4 * 1024;

/// A promise of `Keep-Alive: timeout=n` is used less this, for the way the request has to go.
const PROMISE_MARGIN: Duration = Duration::from_secs(1);

/// How long each phase may take. All are capped by the deadline.
#[derive(Clone, Debug)]
pub struct Timers {
    /// Looking up the name. Default 2 s.
    pub dns: Duration,
    /// Opening the TCP connection, all addresses together. Default 3 s.
    pub connect: Duration,
    /// The TLS handshake. Default 5 s.
    pub tls: Duration,
    /// Sending without progress. Default 30 s.
    pub write: Duration,
    /// From the request's last byte to the whole head. Default 60 s.
    pub header: Duration,
    /// The call's deadline.
    pub deadline: Deadline,
    /// Whether the caller has shortened the header limit; such a timeout teaches nothing about the target.
    pub header_from_caller: bool,
}

impl Timers {
    /// The defaults of failures.md 6.3 under a deadline.
    #[must_use]
    pub fn until(deadline: Deadline) -> Self {
        Self {
            dns: Duration::from_secs(2),
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            write: Duration::from_secs(30),
            header: Duration::from_secs(60),
            deadline,
            header_from_caller: false,
        }
    }
}

/// A request to be sent once.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, already escaped.
    pub path: &'a str,
    /// A prepared block of whole lines (host, authorization, user-agent), each ending with CR LF.
    /// It holds no `content-length`, `transfer-encoding` or `connection`.
    pub fixed_headers: &'a [u8],
    /// Headers of this call, of which the same holds.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body in pieces, sent with its length; none for no body. Nothing of it is copied.
    pub body: Cow<'a, [Bytes]>,
    /// A body that is still coming, in place of a whole one.
    pub upload: Option<Box<Upload>>,
    /// Whether another protocol is asked for (`Upgrade`), which HTTP/1.1 alone can be.
    pub upgrade: bool,
    /// When the attempt began, where the caller has looked; otherwise when it is sent.
    pub started: Option<Instant>,
    /// What the call is.
    pub lane: Lane,
    /// Whether the request may be sent again although the upstream may have acted on it.
    pub idempotent: bool,
    /// The limit of the answer's head in bytes; 64 KiB by default ([`MAXIMUM_HEAD`]).
    pub max_head: usize,
    /// Whether to undo `Content-Encoding` (gzip, deflate, br); the header then goes, and `Content-Length` with it.
    pub decode: bool,
}

impl<'a> Outgoing<'a> {
    /// A request without a body or headers of its own, on the model lane.
    #[must_use]
    pub fn new(method: &'a Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            fixed_headers: b"",
            headers: &[],
            body: Cow::Borrowed(&[]),
            upload: None,
            upgrade: false,
            started: None,
            lane: Lane::Model,
            idempotent: method.is_idempotent(),
            max_head: MAXIMUM_HEAD,
            decode: false,
        }
    }

    fn length(&self) -> Option<u64> {
        match &self.upload {
            Some(upload) => upload.length,
            None => Some(self.body.iter().map(|part| part.len() as u64).sum()),
        }
    }

    /// Whether it may be sent again when it is not known to have been received.
    pub(crate) fn may_repeat(&self) -> bool {
        self.idempotent || self.lane == Lane::Model
    }
}

/// What one call of [`Client::send`] is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) to: &'a Destination,
    pub(crate) request: &'a Outgoing<'a>,
    pub(crate) length: Option<u64>,
    pub(crate) timers: &'a Timers,
    pub(crate) start: Instant,
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer {
    /// The status; 1xx only as the 101 that was asked for.
    pub status: StatusCode,
    /// HTTP/1.0, HTTP/1.1 or HTTP/2.
    pub version: Version,
    /// The reason phrase, possibly empty; HTTP/2 has none.
    pub reason: Bytes,
    /// The headers.
    pub headers: Headers,
    /// The body, still coming.
    pub body: Body,
    /// What the connection has become, after 101.
    pub upgraded: Option<Upgraded>,
    /// What the attempt has shown so far. `head` is filled in for statuses other than 2xx;
    /// for a 2xx that turns out bad, [`crate::head_facts`] makes it.
    pub evidence: Box<Evidence>,
}

/// What a client is made from.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Looks names up; shared by all clients of the process.
    pub resolver: Arc<Resolver>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Most idle connections to one destination. Default 512.
    pub idle_per_destination: usize,
    /// Most idle connections in all. Default 4,096.
    pub idle_total: usize,
}

impl ClientOptions {
    /// The defaults.
    #[must_use]
    pub fn new(resolver: Arc<Resolver>, clock: Arc<dyn Clock>) -> Self {
        Self {
            resolver,
            clock,
            idle_per_destination: 512,
            idle_total: 4096,
        }
    }
}

/// Makes attempts; one per worker thread, since its sockets belong to that worker's runtime. Clones share everything.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

/// What bodies need of their client.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) lines: Lines,
    pool: Mutex<Pool>,
}

impl Shared {
    /// An idle HTTP/1.1 connection that is still good.
    pub(crate) fn take_idle(&self, to: &Destination, may_repeat: bool) -> Option<Box<Connection>> {
        self.pool.lock().take(to, self.clock.now(), may_repeat)
    }

    /// Closes what is past its time; everything after the machine has slept.
    fn sweep(&self, now: Instant) {
        let slept = self.pool.lock().sweep(now, self.clock.unix_millis());
        match slept {
            Slept::Yes => self.lines.close_all(),
            Slept::No => self.lines.sweep(),
        }
    }

    pub(crate) fn put_back(
        &self,
        identity: &Identity,
        limit: Duration,
        connection: Box<Connection>,
        now: Instant,
    ) {
        let mut pool = self.pool.lock();
        pool.put(identity, limit, connection, now);
        let is_due = pool.is_sweep_due(now);
        drop(pool);
        if is_due {
            self.sweep(now);
        }
    }
}

impl Client {
    /// A client without connections.
    #[must_use]
    pub fn new(options: ClientOptions) -> Self {
        let bounds = Bounds {
            per_destination: options.idle_per_destination,
            total: options.idle_total,
        };
        Self {
            shared: Arc::new(Shared {
                clock: options.clock,
                resolver: options.resolver,
                lines: Lines::default(),
                pool: Mutex::new(Pool::new(bounds)),
            }),
        }
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// A reused connection that turns out closed before any byte of an answer is replaced once by a fresh one, without
    /// a word: that is no attempt of its own.
    ///
    /// # Errors
    /// The evidence, when there is no usable head; any status is an answer.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection, so that the upstream stops.
    pub async fn send(
        &self,
        to: &Destination,
        mut request: Outgoing<'_>,
        timers: &Timers,
    ) -> Result<Box<Answer>, Box<Evidence>> {
        let start = request.started.unwrap_or_else(|| self.shared.clock.now());
        let mut evidence = Box::<Evidence>::default();
        evidence.lane = request.lane;
        let length = request.length();
        let mut upload = request.upload.take();
        let call = Call {
            to,
            request: &request,
            length,
            timers,
            start,
        };
        let mut ready = None;
        if to.http != HttpVersion::One {
            // Boxed: rare, and it would make every call's future larger.
            match Box::pin(self.try_http2(call, &mut upload, &mut evidence)).await {
                Ok(Sent::Http2(began)) => return self.answer_http2(&request, *began, evidence),
                Ok(Sent::Http1(connection)) => ready = Some(connection),
                Err(failed) => return Err(self.failed(failed, timers, start, evidence)),
            }
        }
        let mut upload = upload.map(|upload| Box::new(Sending::new(upload)));
        let mut head = buffers::take_head();
        let sent = self
            .try_send(call, ready, &mut upload, &mut head, &mut evidence)
            .await;
        buffers::put_head(head);
        match sent {
            Ok((connection, began)) => self.answer(to, &request, connection, began, evidence),
            Err(failed) => Err(self.failed(failed, timers, start, evidence)),
        }
    }

    /// Closes idle connections whose time is over. Called by itself every few seconds while there are calls;
    /// call it now and then where there may be none.
    pub fn sweep(&self) {
        self.shared.sweep(self.shared.clock.now());
    }

    /// How many HTTP/1.1 connections are idle.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        self.shared.pool.lock().len()
    }

    /// How many HTTP/2 connections take calls.
    #[must_use]
    pub fn http2_connections(&self) -> usize {
        self.shared.lines.len()
    }

    async fn try_http2(
        &self,
        call: Call<'_>,
        upload: &mut Option<Box<Upload>>,
        evidence: &mut Evidence,
    ) -> Result<Sent, Failed> {
        if call.timers.deadline.has_passed(call.start) {
            return Err(Fault::Deadline.into());
        }
        http2::send(&self.shared, call, upload, &mut Timer::default(), evidence).await
    }

    async fn try_send(
        &self,
        call: Call<'_>,
        ready: Option<Box<Connection>>,
        upload: &mut Option<Box<Sending>>,
        head: &mut Vec<u8>,
        evidence: &mut Evidence,
    ) -> Result<(Box<Connection>, Began), Failed> {
        let Call {
            to,
            request,
            length,
            timers,
            start,
        } = call;
        write_head(
            &RequestHead {
                method: request.method,
                path: request.path,
                fixed_headers: request.fixed_headers,
                headers: request.headers,
                length,
            },
            head,
        )?;
        if timers.deadline.has_passed(start) {
            return Err(Fault::Deadline.into());
        }
        let mut body = &*request.body;
        if length.is_some_and(|length| length <= COPIED) {
            body.iter().for_each(|part| head.extend_from_slice(part));
            body = &[];
        }
        let mut timer = Timer::default();
        let may_repeat = request.may_repeat();
        let mut pooled = ready.or_else(|| self.shared.pool.lock().take(to, start, may_repeat));
        loop {
            let mut connection = match pooled.take() {
                Some(mut connection) => {
                    timer = std::mem::take(&mut connection.timer);
                    evidence.peer = Some(connection.peer);
                    connection
                }
                // Boxed: rare, and it would make every call's future as large as a handshake.
                None => Box::pin(self.opener(call).open(&mut timer, evidence)).await?,
            };
            if connection.alpn().is_some_and(|chosen| chosen != HTTP_1_1) {
                return Err(http2::other_protocol(&connection, "http/1.1").into());
            }
            evidence.reused = connection.reused;
            evidence.tls_version = connection.tls_version.map(str::to_owned);
            connection.begin_call();
            let exchange = Exchange {
                connection: &mut connection,
                head,
                body,
                upload,
                heads: HeadReader::new(asked(request), request.max_head),
                clock: &*self.shared.clock,
                timers,
                start,
                state: State::default(),
            };
            match exchange.run(&mut timer, evidence).await {
                Ok(began) => {
                    connection.timer = timer;
                    return Ok((connection, began));
                }
                Err(failed) => {
                    evidence.bytes.acked = connection.acked();
                    let is_stale = is_stale(&connection, &failed.fault, request, evidence);
                    if !is_stale || !upload.as_mut().is_none_or(|upload| upload.rewind()) {
                        return Err(failed);
                    }
                    let now = self.shared.clock.now();
                    self.shared
                        .pool
                        .lock()
                        .learn(&to.identity, connection.idle_for, now);
                    *evidence = Evidence {
                        lane: request.lane,
                        ..Evidence::default()
                    };
                }
            }
        }
    }

    fn opener<'a>(&'a self, call: Call<'a>) -> Opener<'a> {
        Opener {
            resolver: &self.shared.resolver,
            clock: &*self.shared.clock,
            start: call.start,
            to: call.to,
            timers: call.timers,
        }
    }

    fn answer(
        &self,
        to: &Destination,
        request: &Outgoing<'_>,
        mut connection: Box<Connection>,
        began: Began,
        mut evidence: Box<Evidence>,
    ) -> Result<Box<Answer>, Box<Evidence>> {
        let Began {
            mut head,
            buffer,
            unsent,
            request_whole,
            now,
        } = began;
        evidence.phase = Phase::Body;
        // What came of the body with the head is counted by the body.
        evidence.bytes.received = evidence.bytes.received.saturating_sub(buffer.len() as u64);
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Box::new(Answer {
                status: head.status,
                version: head.version,
                reason: head.reason,
                headers: head.headers,
                body: Body::nothing(Arc::clone(&self.shared)),
                upgraded: Some(Upgraded::new(connection, buffer)),
                evidence,
            }));
        }
        if !head.status.is_success() {
            evidence.head = Some(head_facts(head.status, &head.headers, self.unix()));
        }
        let mut decoder = None;
        if request.decode && head.framing != Framing::Nothing {
            match decoder_for(&mut head.headers) {
                Ok(found) => decoder = found,
                // The status says more than a body that cannot be read; its coding stays told.
                Err(_) if !head.status.is_success() => {}
                Err(fault) => {
                    evidence.head = Some(head_facts(head.status, &head.headers, self.unix()));
                    evidence.fault = Some(fault);
                    return Err(evidence);
                }
            }
        }
        connection.promised = head
            .keep_alive_timeout
            .map(|promised| promised.saturating_sub(PROMISE_MARGIN))
            .or(connection.promised);
        // Made in its box, since it is large.
        let answer = Box::new_uninit();
        let body = Body::new(
            Arc::clone(&self.shared),
            Beginning {
                connection,
                identity: to.identity.clone(),
                idle_limit: to.idle_limit,
                keep_alive: head.keep_alive && request_whole,
                framing: head.framing,
                buffer,
                unsent,
                decoder,
                now,
            },
        );
        let answered = Answer {
            status: head.status,
            version: head.version,
            reason: head.reason,
            headers: head.headers,
            body,
            upgraded: None,
            evidence,
        };
        Ok(Box::write(answer, answered))
    }

    fn answer_http2(
        &self,
        request: &Outgoing<'_>,
        began: http2::Began,
        mut evidence: Box<Evidence>,
    ) -> Result<Box<Answer>, Box<Evidence>> {
        let (parts, ()) = began.response.into_parts();
        let (status, mut headers) = (parts.status, Headers::from(&parts.headers));
        evidence.phase = Phase::Body;
        if !status.is_success() {
            evidence.head = Some(head_facts(status, &headers, self.unix()));
        }
        let mut decoder = None;
        if request.decode && !began.body.is_empty() {
            match decoder_for(&mut headers) {
                Ok(found) => decoder = found,
                Err(_) if !status.is_success() => {}
                Err(fault) => {
                    evidence.head = Some(head_facts(status, &headers, self.unix()));
                    evidence.fault = Some(fault);
                    return Err(evidence);
                }
            }
        }
        Ok(Box::new(Answer {
            status,
            version: Version::HTTP_2,
            reason: Bytes::new(),
            headers,
            body: Body::of_http2(Arc::clone(&self.shared), began.body, decoder),
            upgraded: None,
            evidence,
        }))
    }

    fn failed(
        &self,
        failed: Failed,
        timers: &Timers,
        start: Instant,
        mut evidence: Box<Evidence>,
    ) -> Box<Evidence> {
        evidence.timer_from_caller =
            timers.header_from_caller && failed.fault == Fault::HeaderTimeout;
        evidence.fault = Some(failed.fault);
        evidence.limit = failed.limit;
        evidence.times.end = Some(self.shared.clock.now().saturating_duration_since(start));
        evidence
    }

    fn unix(&self) -> i64 {
        i64::try_from(self.shared.clock.unix_millis() / 1000).unwrap_or(i64::MAX)
    }
}

/// The decoder for what is encoded; the headers then say what comes out of it.
fn decoder_for(headers: &mut Headers) -> Result<Option<Box<Decoder>>, Fault> {
    let decoder = Decoder::for_headers(headers)?;
    if decoder.is_some() {
        headers.remove("content-encoding");
        headers.remove("content-length");
    }
    Ok(decoder.map(Box::new))
}

fn asked(request: &Outgoing<'_>) -> Asked {
    if *request.method == Method::HEAD {
        Asked::Head
    } else if request.upgrade {
        Asked::Upgrade
    } else {
        Asked::Other
    }
}

/// Whether a reused connection was closed by the peer before it saw the request, as far as we may assume so.
fn is_stale(
    connection: &Connection,
    fault: &Fault,
    request: &Outgoing<'_>,
    evidence: &Evidence,
) -> bool {
    let gone = matches!(fault, Fault::Closed | Fault::Reset);
    if !connection.reused || !gone || evidence.bytes.received > 0 {
        return false;
    }
    // Nothing acknowledged proves that nothing was read only together with a clean end of file.
    let unread = *fault == Fault::Closed && evidence.bytes.acked == Some(0);
    request.may_repeat() || evidence.bytes.sent == 0 || unread
}
