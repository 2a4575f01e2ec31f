//! HTTP/1.1 with one client: request by request, each answered before the next is read.
//!
//! Why not hyper's server: docs/decisions/0004-the-door-reads-http1-itself.md. What is on the wire is the `http1` crate's
//! business; here is what is done when.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{Method, StatusCode, Version};
use http_body::Body;
use http1::answer::{
    Afterwards, AnswerHead, Ending, LAST_CHUNK, write_answer_head, write_chunk_size,
};
use http1::{Received, RequestFault, RequestReader, buffers};

use super::dispatch;
use super::facts::Facts;
use super::line::{Incoming, Line, LineBody, Upgraded};
use super::request_body::RequestBody;
use crate::gate::Gate;
use crate::relay::{Reply, ReplyBody};

/// Pieces of a body up to here are copied behind what is to be written before them; larger ones go out as they are.
const COPIED: usize = 4 * 1024;

/// So much of a stream is gathered for one write.
const GATHERED: usize = 16 * 1024;

/// After an answer that leaves a body unread its client gets so long to read it, and so much is taken from it meanwhile:
/// closing at once would have the client's system throw the answer away.
const LINGER: Duration = Duration::from_secs(1);

/// The most that is read and forgotten then.
const LINGER_BYTES: usize = 1024 * 1024;

/// One client's conversation.
pub(super) struct Conversation {
    pub(super) gate: Arc<Gate>,
    pub(super) line: Arc<Line>,
    pub(super) facts: Arc<Facts>,
    pub(super) peer: SocketAddr,
    pub(super) max_head: usize,
}

/// What of a request decides how its answer is written.
#[derive(Clone, Copy)]
struct Asked {
    is_head: bool,
    version: Version,
    keep_alive: bool,
}

/// The client has left, or was told that the answer is not whole.
struct Gone;

impl Conversation {
    /// Talks until one of both has enough.
    pub(super) async fn run(self) {
        loop {
            let stays = match self.next().await {
                Incoming::End => return,
                Incoming::Head(received, body) => self.answer(received, body).await,
                Incoming::Unsound(fault) => self.refuse(fault).await,
            };
            match stays {
                Ok(true) => {}
                Ok(false) => return self.hang_up().await,
                Err(Gone) => return,
            }
        }
    }

    async fn next(&self) -> Incoming {
        let mut reader = RequestReader::new(self.max_head);
        std::future::poll_fn(|cx| self.line.poll_head(cx, &mut reader, &self.facts)).await
    }

    /// Answers a request; whether the connection stays.
    async fn answer(&self, received: Box<Received>, body: LineBody) -> Result<bool, Gone> {
        let _call = Facts::begin_call(&*self.facts);
        let asked = Asked {
            is_head: received.method == Method::HEAD,
            version: received.version,
            keep_alive: received.keep_alive,
        };
        let mut answering = pin!(dispatch::answer(
            &self.gate,
            received,
            RequestBody::Http1(body),
            self.peer,
            &self.facts
        ));
        let reply = std::future::poll_fn(|cx| {
            match http1::turn::poll(|| answering.as_mut().poll(cx)) {
                (Poll::Ready(reply), _) => Poll::Ready(Ok(reply)),
                (Poll::Pending, true) => Poll::Pending,
                // A client that leaves takes its call with it, also while nothing is expected of it.
                (Poll::Pending, false) => self.line.poll_gone(cx).map(|()| Err(Gone)),
            }
        });
        let reply = reply.await?;
        self.write(asked, reply).await
    }

    /// Bytes that are no request get an answer as well, the last one on their connection.
    async fn refuse(&self, fault: RequestFault) -> Result<bool, Gone> {
        let _call = Facts::begin_call(&*self.facts);
        let path = self.line.with_buffer(|buffer| dispatch::path_of(buffer));
        let reply = dispatch::refuse(&self.gate, self.peer, fault, &path);
        let asked = Asked {
            is_head: false,
            version: Version::HTTP_11,
            keep_alive: false,
        };
        self.write(asked, reply).await.map(|_| false)
    }

    async fn write(&self, asked: Asked, mut reply: Reply) -> Result<bool, Gone> {
        if let Some(tunnel) = reply.body.take_tunnel() {
            return self.hand_over(asked, reply, tunnel).await;
        }
        let ending = ending(asked, &reply);
        let closes = reply.headers.get(CONNECTION).is_some_and(is_close);
        let stays = asked.keep_alive
            && !closes
            && ending != Ending::UntilClose
            && !self.facts.is_leaving()
            && self.line.is_body_over();
        let afterwards = match (stays, asked.version) {
            (true, Version::HTTP_10) => Afterwards::StaysByWord,
            (true, _) => Afterwards::Stays,
            (false, _) => Afterwards::Closes,
        };
        let mut out = Outbox::new(buffers::take_head());
        self.head(asked, &reply, ending, afterwards, &mut out);
        let mut body = reply.body;
        let sent = match ending {
            Ending::Bodiless | Ending::LengthAlone(_) => self.flush(&mut out).await,
            Ending::Length(_) | Ending::Chunked | Ending::UntilClose => match body.take_whole() {
                Some(bytes) => {
                    out.push(bytes);
                    http1::turn::after_others().await;
                    self.flush(&mut out).await
                }
                None => self.stream(&mut body, &mut out, ending).await,
            },
        };
        buffers::put_head(out.bytes);
        sent.map(|()| stays)
    }

    fn head(
        &self,
        asked: Asked,
        reply: &Reply,
        ending: Ending,
        afterwards: Afterwards,
        out: &mut Outbox,
    ) {
        let date = self.gate.dates.now();
        let head = AnswerHead {
            version: asked.version,
            status: reply.status,
            reason: reply.reason.as_ref().map(|reason| reason.as_bytes()),
            headers: &reply.headers,
            lines: &reply.lines,
            ending,
            afterwards,
            date: &date,
        };
        write_answer_head(&head, &mut out.bytes);
    }

    /// The connection becomes another protocol's, until that has ended.
    async fn hand_over(
        &self,
        asked: Asked,
        reply: Reply,
        tunnel: crate::relay::Tunnel,
    ) -> Result<bool, Gone> {
        let mut out = Outbox::new(buffers::take_head());
        self.head(
            asked,
            &reply,
            Ending::Bodiless,
            Afterwards::Upgrades,
            &mut out,
        );
        self.flush(&mut out).await?;
        buffers::put_head(out.bytes);
        tunnel(Upgraded::new(&self.line)).await;
        Err(Gone)
    }

    async fn flush(&self, out: &mut Outbox) -> Result<(), Gone> {
        std::future::poll_fn(|cx| self.poll_flush(cx, out)).await
    }

    fn poll_flush(&self, cx: &mut Context<'_>, out: &mut Outbox) -> Poll<Result<(), Gone>> {
        while !out.is_empty() {
            let slices = [
                IoSlice::new(out.bytes.get(out.at..).unwrap_or_default()),
                IoSlice::new(&out.large),
                IoSlice::new(out.after),
            ];
            let used = if out.large.is_empty() { 1 } else { 3 };
            match self
                .line
                .poll_write(cx, slices.get(..used).unwrap_or_default())
            {
                Poll::Ready(Ok(count)) if count > 0 => {
                    out.advance(count);
                    self.facts.wrote();
                }
                Poll::Ready(_) => return Poll::Ready(Err(Gone)),
                Poll::Pending => {
                    self.facts.stuck();
                    return self.line.poll_gone(cx).map(|()| Err(Gone));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes a body as it comes: what is there goes out in one write, and nothing waits for more.
    async fn stream(
        &self,
        body: &mut ReplyBody,
        out: &mut Outbox,
        ending: Ending,
    ) -> Result<(), Gone> {
        let mut left = match ending {
            Ending::Length(length) => Some(length),
            _ => None,
        };
        let mut over = None;
        std::future::poll_fn(|cx| {
            loop {
                while over.is_none() && out.has_room() {
                    let Poll::Ready(piece) = Pin::new(&mut *body).poll_frame(cx) else {
                        break;
                    };
                    let piece = piece.map(|piece| piece.map(|frame| frame.into_data()));
                    match piece {
                        Some(Ok(Ok(piece))) if !piece.is_empty() => {
                            over = put_piece(piece, ending, &mut left, out);
                        }
                        Some(Ok(_)) => {}
                        None => over = Some(put_end(ending, left, out)),
                        Some(Err(_)) => over = Some(Err(Gone)),
                    }
                }
                if !out.is_empty() {
                    ready!(self.poll_flush(cx, out))?;
                    continue;
                }
                match over.take() {
                    Some(Ok(())) => return Poll::Ready(Ok(())),
                    Some(Err(Gone)) => {
                        if ending == Ending::UntilClose {
                            self.line.close_rudely();
                        }
                        return Poll::Ready(Err(Gone));
                    }
                    None => return self.line.poll_gone(cx).map(|()| Err(Gone)),
                }
            }
        })
        .await
    }

    /// Closes so that the client can read what it was told, though it may still be sending.
    async fn hang_up(&self) {
        if self.line.is_body_over() && self.line.with_buffer(|buffer| buffer.is_empty()) {
            return;
        }
        let mut left = LINGER_BYTES;
        let drained = std::future::poll_fn(|cx| {
            if ready!(self.line.poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            loop {
                match ready!(self.line.poll_drain(cx)) {
                    Ok(count) if count > 0 && count < left => left -= count,
                    _ => return Poll::Ready(()),
                }
            }
        });
        drop(tokio::time::timeout(LINGER, drained).await);
    }
}

/// Puts a piece of a body into the outbox; an end where the announced length is reached.
fn put_piece(
    mut piece: Bytes,
    ending: Ending,
    left: &mut Option<u64>,
    out: &mut Outbox,
) -> Option<Result<(), Gone>> {
    if ending == Ending::Chunked {
        write_chunk_size(piece.len(), &mut out.bytes);
        out.push_chunk(piece);
        return None;
    }
    if let Some(left) = left {
        // What is more than was announced is not sent: it would be read as the next answer.
        piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
        *left -= piece.len() as u64;
        let whole = (*left == 0).then_some(Ok(()));
        out.push(piece);
        return whole;
    }
    out.push(piece);
    None
}

fn put_end(ending: Ending, left: Option<u64>, out: &mut Outbox) -> Result<(), Gone> {
    if ending == Ending::Chunked {
        out.bytes.extend_from_slice(LAST_CHUNK);
    }
    match left {
        Some(left) if left > 0 => Err(Gone),
        _ => Ok(()),
    }
}

/// How the client finds the end of an answer's body.
fn ending(asked: Asked, reply: &Reply) -> Ending {
    let length = reply.headers.get(CONTENT_LENGTH);
    let declared = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let known = reply.body.size_hint().exact();
    match reply.status {
        status if status.is_informational() => Ending::Bodiless,
        StatusCode::NO_CONTENT => Ending::Bodiless,
        StatusCode::NOT_MODIFIED => declared.map_or(Ending::Bodiless, Ending::LengthAlone),
        _ if asked.is_head => {
            let length = declared.or_else(|| known.filter(|length| *length > 0));
            length.map_or(Ending::Bodiless, Ending::LengthAlone)
        }
        _ => match (known, declared, asked.version) {
            (Some(length), _, _) | (None, Some(length), _) => Ending::Length(length),
            (None, None, Version::HTTP_10) => Ending::UntilClose,
            (None, None, _) => Ending::Chunked,
        },
    }
}

fn is_close(value: &http::HeaderValue) -> bool {
    value.as_bytes().eq_ignore_ascii_case(b"close")
}

/// What is to be written: small things gathered, at most one large piece as it is, and what comes after that.
struct Outbox {
    bytes: Vec<u8>,
    /// How much of `bytes` has been written.
    at: usize,
    large: Bytes,
    after: &'static [u8],
}

impl Outbox {
    fn new(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            at: 0,
            large: Bytes::new(),
            after: b"",
        }
    }

    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len() && self.large.is_empty() && self.after.is_empty()
    }

    fn has_room(&self) -> bool {
        self.large.is_empty() && self.after.is_empty() && self.bytes.len() < GATHERED
    }

    fn push(&mut self, piece: Bytes) {
        if piece.len() <= COPIED {
            self.bytes.extend_from_slice(&piece);
        } else {
            self.large = piece;
        }
    }

    fn push_chunk(&mut self, piece: Bytes) {
        if piece.len() <= COPIED {
            self.bytes.extend_from_slice(&piece);
            self.bytes.extend_from_slice(b"\r\n");
        } else {
            self.large = piece;
            self.after = b"\r\n";
        }
    }

    fn advance(&mut self, mut count: usize) {
        let small = count.min(self.bytes.len() - self.at);
        self.at += small;
        count -= small;
        let large = count.min(self.large.len());
        self.large.advance(large);
        count -= large;
        self.after = self.after.get(count..).unwrap_or_default();
        if self.at == self.bytes.len() {
            self.bytes.clear();
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_gives_its_bytes_in_order_however_little_is_taken_at_a_time() {
        for (size, step) in [
            (10, 1),
            (10, 100),
            (5000, 1),
            (5000, 7),
            (5000, 4999),
            (5000, 9000),
        ] {
            let mut out = Outbox::new(b"head".to_vec());
            out.push_chunk(Bytes::from(vec![b'x'; size]));
            let mut written = Vec::new();
            while !out.is_empty() {
                let all = [&out.bytes[out.at..], &out.large, out.after].concat();
                let count = step.min(all.len());
                written.extend_from_slice(&all[..count]);
                out.advance(count);
            }
            let wanted = [b"head".to_vec(), vec![b'x'; size], b"\r\n".to_vec()].concat();
            assert_eq!(written, wanted, "{size} by {step}");
        }
    }
}
