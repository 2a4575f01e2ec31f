//! One request on a stream of HTTP/2, up to its answer's head.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use diagnosis::{Evidence, Fault, Phase};
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};

use super::body::Incoming;
use super::line::{Facts, Line, OnLine};
use crate::attempt::{Call, Shared};
use crate::connect::Failed;
use crate::faults;
use crate::timer::{self, Limit, Timer, Wait};
use crate::upload::{BrokenOff, Upload};

/// The body of a request on its way to a stream, as far as the peer's window takes it.
#[derive(Debug)]
pub(crate) struct Sender {
    stream: SendStream<Bytes>,
    whole: std::vec::IntoIter<Bytes>,
    upload: Option<Box<Upload>>,
    due: Bytes,
    sent: u64,
    is_waiting: bool,
}

/// Why sending stopped.
enum Stopped {
    /// The stream or its connection has ended; what is received tells more.
    Peer,
    /// The caller gives no more.
    BrokenOff,
}

impl Sender {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Stopped>> {
        loop {
            while !self.due.is_empty() {
                self.stream.reserve_capacity(self.due.len());
                let room = match ready!(self.stream.poll_capacity(cx)) {
                    Some(Ok(room)) => room.min(self.due.len()),
                    Some(Err(_)) | None => return Poll::Ready(Err(Stopped::Peer)),
                };
                let now = self.due.split_to(room);
                self.sent = self.sent.saturating_add(now.len() as u64);
                self.stream
                    .send_data(now, false)
                    .map_err(|_| Stopped::Peer)?;
            }
            if let Some(piece) = self.whole.next() {
                self.due = piece;
                continue;
            }
            let Some(upload) = &mut self.upload else {
                return Poll::Ready(self.end());
            };
            self.is_waiting = true;
            let piece = ready!(upload.source.poll_piece(cx));
            self.is_waiting = false;
            match piece {
                Some(Ok(piece)) => self.due = piece,
                Some(Err(BrokenOff)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Stopped::BrokenOff));
                }
                None => return Poll::Ready(self.end()),
            }
        }
    }

    fn end(&mut self) -> Result<(), Stopped> {
        self.stream
            .send_data(Bytes::new(), true)
            .map_err(|_| Stopped::Peer)
    }

    /// Sends on while the answer is read; true when nothing is left to be sent.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll(cx).map(drop)
    }
}

/// A head, and the body behind it.
#[derive(Debug)]
pub(crate) struct Began {
    pub(crate) response: Response<()>,
    pub(crate) body: Incoming,
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    shared: &'a Arc<Shared>,
    call: Call<'a>,
    line: Line,
    place: OnLine,
    sender: Option<Sender>,
    written: Option<Instant>,
    limit: Option<(Limit, (u64, bool))>,
}

impl<'a> Exchange<'a> {
    pub(crate) fn new(shared: &'a Arc<Shared>, call: Call<'a>, line: Line, place: OnLine) -> Self {
        Self {
            shared,
            call,
            line,
            place,
            sender: None,
            written: None,
            limit: None,
        }
    }

    /// Runs until the head is there.
    pub(crate) async fn run(
        mut self,
        request: Request<()>,
        upload: &mut Option<Box<Upload>>,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<Began, Failed> {
        evidence.phase = Phase::Send;
        let mut response = self.begin(request, upload, timer, evidence).await?;
        let id = response.stream_id().as_u32();
        let outcome = poll_fn(|cx| self.poll(cx, &mut response, id, timer, evidence)).await;
        if let Some(sender) = &mut self.sender {
            evidence.bytes.sent = evidence.bytes.sent.saturating_add(sender.sent);
        }
        match outcome {
            Ok(response) => Ok(self.began(response, id, evidence)),
            Err(failed) => {
                // What was not sent can be sent again.
                *upload = self.sender.take().and_then(|sender| sender.upload);
                Err(failed)
            }
        }
    }

    /// Opens the stream. An error here means that nothing was sent.
    async fn begin(
        &mut self,
        request: Request<()>,
        upload: &mut Option<Box<Upload>>,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Result<ResponseFuture, Failed> {
        let now = self.shared.clock.now();
        let limit = Limit::new(
            Wait::Write,
            self.call.timers.write,
            now,
            self.call.timers.deadline,
        );
        timer::arm(timer, limit.at);
        let requests = &mut self.line.requests;
        let ready = poll_fn(|cx| match requests.poll_ready(cx) {
            Poll::Ready(ready) => Poll::Ready(Some(ready)),
            Poll::Pending => timer::poll(timer, cx).map(|()| None),
        });
        match ready.await {
            None => return Err(limit.into()),
            Some(Err(error)) => return Err(self.not_begun(&error).into()),
            Some(Ok(())) => {}
        }
        let is_bodiless = self.call.request.body.is_empty() && upload.is_none();
        // Roughly what the head costs: frames hide the exact number.
        evidence.bytes.sent = 1;
        let (response, stream) = self
            .line
            .requests
            .send_request(request, is_bodiless)
            .map_err(|error| Failed::from(self.not_begun(&error)))?;
        if is_bodiless {
            self.written(evidence);
        } else {
            self.sender = Some(Sender {
                stream,
                whole: self.call.request.body.to_vec().into_iter(),
                upload: upload.take(),
                due: Bytes::new(),
                sent: 0,
                is_waiting: false,
            });
        }
        Ok(response)
    }

    /// The connection takes no more streams: whatever it says of itself, this one it has not processed.
    fn not_begun(&self, error: &h2::Error) -> Fault {
        self.line.facts.close();
        match fault(error, &self.line.facts, u32::MAX) {
            Fault::Http2GoAway { reason, .. } => Fault::Http2GoAway {
                reason,
                processed: false,
            },
            Fault::NotHttp { first_bytes } => Fault::NotHttp { first_bytes },
            _ => Fault::Http2GoAway {
                reason: error.reason().unwrap_or(Reason::NO_ERROR).into(),
                processed: false,
            },
        }
    }

    fn written(&mut self, evidence: &mut Evidence) {
        let now = self.shared.clock.now();
        self.written = Some(now);
        self.limit = None;
        evidence.phase = Phase::Headers;
        evidence.times.sent = Some(now.saturating_duration_since(self.call.start));
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        response: &mut ResponseFuture,
        id: u32,
        timer: &mut Timer,
        evidence: &mut Evidence,
    ) -> Poll<Result<Response<RecvStream>, Failed>> {
        if self.written.is_none()
            && let Some(sender) = &mut self.sender
        {
            match sender.poll(cx) {
                Poll::Ready(Ok(())) => self.written(evidence),
                Poll::Ready(Err(Stopped::BrokenOff)) => {
                    return Poll::Ready(Err(Fault::ClientGone.into()));
                }
                // The answer, or the error, says why.
                Poll::Ready(Err(Stopped::Peer)) | Poll::Pending => {}
            }
        }
        if let Poll::Ready(answered) = Pin::new(response).poll(cx) {
            let now = self.shared.clock.now();
            evidence.times.first_byte = Some(now.saturating_duration_since(self.call.start));
            return Poll::Ready(answered.map_err(|error| {
                evidence.times.first_byte = None;
                fault(&error, &self.line.facts, id).into()
            }));
        }
        ready!(self.poll_limit(cx, timer));
        Poll::Ready(Err(match self.limit {
            Some((limit, _)) => limit.into(),
            None => Fault::Deadline.into(),
        }))
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>, timer: &mut Timer) -> Poll<()> {
        let sender = self.sender.as_ref();
        let stand = sender.map_or((0, false), |sender| (sender.sent, sender.is_waiting));
        if self.limit.is_none_or(|(_, at)| at != stand) {
            let (timers, now) = (self.call.timers, self.shared.clock.now());
            let limit = match self.written {
                Some(since) => Limit::new(Wait::Head, timers.header, since, timers.deadline),
                None if stand.1 => Limit::of_the_call(now, timers.deadline),
                None => Limit::new(Wait::Write, timers.write, now, timers.deadline),
            };
            timer::arm(timer, limit.at);
            self.limit = Some((limit, stand));
        }
        timer::poll(timer, cx)
    }

    fn began(self, response: Response<RecvStream>, id: u32, evidence: &mut Evidence) -> Began {
        let (parts, stream) = response.into_parts();
        let head: usize = parts
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum();
        evidence.bytes.received = head as u64;
        let unsent = self.sender.filter(|_| self.written.is_none());
        Began {
            body: Incoming::new(stream, unsent, self.line.facts, self.place, id),
            response: Response::from_parts(parts, ()),
        }
    }
}

/// What the end of a stream shows.
pub(crate) fn fault(error: &h2::Error, facts: &Facts, id: u32) -> Fault {
    let goaway = facts.seen.goaway();
    if let Some(goaway) = goaway.filter(|goaway| id > goaway.last) {
        return Fault::Http2GoAway {
            reason: goaway.reason,
            processed: false,
        };
    }
    if error.is_reset() && error.is_remote() {
        return Fault::Http2Reset {
            reason: error.reason().unwrap_or(Reason::NO_ERROR).into(),
        };
    }
    if let Some(first_bytes) = facts.seen.other_protocol() {
        return Fault::NotHttp { first_bytes };
    }
    if let Some(goaway) = goaway {
        return Fault::Http2GoAway {
            reason: goaway.reason,
            processed: true,
        };
    }
    if error.is_io() {
        return io_fault(error);
    }
    // What is left is what the library found wrong with the peer's frames.
    Fault::Framing {
        what: "HTTP/2 frame",
        offending: error
            .reason()
            .map(|reason| reason.description().as_bytes().to_vec())
            .unwrap_or_default(),
    }
}

/// The end of the connection under a stream.
pub(crate) fn io_fault(error: &h2::Error) -> Fault {
    let Some(error) = error.get_io() else {
        return Fault::Closed;
    };
    // The library's own word for an end of file.
    let is_end = error.raw_os_error().is_none()
        && matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof
        );
    if is_end {
        return Fault::Closed;
    }
    match faults::alert(error) {
        Some(number) => Fault::TlsAlert { number },
        None => faults::socket_fault(error),
    }
}
