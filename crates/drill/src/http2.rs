//! HTTP/2, on connections that begin with its preface: the same answers, and what goes wrong only there.
//!
//! Frames are the `h2` crate's, but for a GOAWAY that says less than is true: that one is written by hand.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::JoinSet;
use types::time::{Clock, SystemClock};

use crate::answer::{Answer, Body};
use crate::decide::{self, Chosen};
use crate::faults::{End, Fault, Http2Lie, Point};
use crate::http::{Head, MAX_BODY, Request};
use crate::server::Shared;
use crate::wire::Connection;

/// How every connection of HTTP/2 begins. Source: RFC 9113, section 3.4.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// As many streams at a time as most servers allow.
const STREAMS: u32 = 100;

/// A path below this is a gRPC method that answers what it was sent, with a status in its trailers.
const GRPC: &str = "/grpc/";

/// The connection, shared by the library and by who writes beside it.
#[derive(Clone)]
struct Wire(Arc<Mutex<Option<Connection>>>);

/// What becomes of the connection when one of its answers is done.
enum Afterwards {
    /// It lives on.
    Lives,
    /// It says goodbye in order, and ends when its other answers are done.
    Drains,
    /// GOAWAY with this last stream and reason, then the end.
    Leaves(u32, Reason),
    /// It ends.
    Ends(End),
}

/// Serves a connection to its end.
pub(crate) async fn serve(connection: Connection, n: u64, shared: Arc<Shared>) {
    let wire = Wire(Arc::new(Mutex::new(Some(connection))));
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(STREAMS);
    let Ok(mut requests) = builder.handshake::<_, Bytes>(wire.clone()).await else {
        return;
    };
    let mut answers = JoinSet::new();
    let mut nth = 0;
    loop {
        tokio::select! {
            // Ends first: a stream that was dropped would else be reset by the library in between.
            biased;
            Some(done) = answers.join_next() => match done {
                Ok(Afterwards::Lives) | Err(_) => {}
                Ok(Afterwards::Drains) => requests.graceful_shutdown(),
                Ok(Afterwards::Leaves(last, reason)) => {
                    wire.write(&goaway(last, reason)).await;
                    return wire.end(End::Close).await;
                }
                Ok(Afterwards::Ends(by)) => return wire.end(by).await,
            },
            next = requests.accept() => match next {
                Some(Ok((request, respond))) => {
                    nth += 1;
                    answers.spawn(answer(request, respond, n, nth, Arc::clone(&shared)));
                }
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// The frame. Source: RFC 9113, section 6.8.
fn goaway(last: u32, reason: Reason) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&u32::from(reason).to_be_bytes());
    frame
}

async fn answer(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    connection_n: u64,
    nth: u64,
    shared: Arc<Shared>,
) -> Afterwards {
    let (parts, mut body) = request.into_parts();
    let is_grpc = parts.uri.path().starts_with(GRPC);
    let head = head(&parts);
    let Some(body) = read(&mut body).await else {
        return Afterwards::Lives;
    };
    let request = Request { head, body };
    let n = shared.log.begin(&request, connection_n, nth);
    let now = SystemClock.unix_millis();
    let playing = Arc::clone(&shared.playing.read());
    let chosen = decide::choose(&request, &playing, shared.settings, n, now);
    shared.log.update(n, |seen| {
        seen.status = Some(chosen.answer.status);
        seen.fault.clone_from(&chosen.name);
        seen.model.clone_from(&chosen.model);
    });
    let id = respond.stream_id().as_u32();
    let lie = chosen.faults.iter().find_map(|fault| match fault {
        Fault::Http2 { lie } => Some(*lie),
        _ => None,
    });
    let done = match lie {
        Some(Http2Lie::Refuse) => reset(&mut respond, Reason::REFUSED_STREAM),
        Some(Http2Lie::Reset) => reset(&mut respond, Reason::INTERNAL_ERROR),
        Some(Http2Lie::Calm) => reset(&mut respond, Reason::ENHANCE_YOUR_CALM),
        Some(Http2Lie::Leave) => Afterwards::Leaves(id.saturating_sub(2), Reason::NO_ERROR),
        Some(Http2Lie::LeaveForCalm) => {
            Afterwards::Leaves(id.saturating_sub(2), Reason::ENHANCE_YOUR_CALM)
        }
        Some(Http2Lie::CutOff) => Afterwards::Leaves(id, Reason::INTERNAL_ERROR),
        Some(Http2Lie::ResetMidBody | Http2Lie::Drain) | None => {
            let trailers = is_grpc.then(|| grpc(&request.body));
            let ended = send(
                &chosen,
                trailers,
                &mut respond,
                request.head.method == "HEAD",
            )
            .await;
            match ended {
                Some(by) => Afterwards::Ends(by),
                None if lie == Some(Http2Lie::Drain) => Afterwards::Drains,
                None => Afterwards::Lives,
            }
        }
    };
    shared.log.end(n, |seen| seen.finished = true);
    done
}

fn reset(respond: &mut SendResponse<Bytes>, reason: Reason) -> Afterwards {
    respond.send_reset(reason);
    Afterwards::Lives
}

/// The head in the words of HTTP/1.1, which is what rules and styles look at.
fn head(parts: &http::request::Parts) -> Head {
    let mut headers: Vec<(String, String)> = Vec::new();
    if let Some(authority) = parts.uri.authority() {
        headers.push(("host".to_owned(), authority.to_string()));
    }
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.push((name.as_str().to_owned(), value));
    }
    let target = parts.uri.path_and_query();
    Head {
        method: parts.method.as_str().to_owned(),
        target: target.map_or_else(|| "/".to_owned(), ToString::to_string),
        minor_version: 1,
        headers,
    }
}

/// The whole body; none when the client gave it up, or it is too large.
async fn read(body: &mut RecvStream) -> Option<Bytes> {
    let mut all = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.ok()?;
        body.flow_control().release_capacity(piece.len()).ok()?;
        all.extend_from_slice(&piece);
        if all.len() as u64 > MAX_BODY {
            return None;
        }
    }
    Some(Bytes::from(all))
}

/// What a gRPC method answers: the message it was sent.
fn grpc(body: &Bytes) -> (Bytes, http::HeaderMap) {
    let mut trailers = http::HeaderMap::new();
    for (name, value) in [("grpc-status", "0"), ("grpc-message", "echoed")] {
        trailers.insert(name, http::HeaderValue::from_static(value));
    }
    (body.clone(), trailers)
}

/// Sends an answer; how its connection ends, where it does.
async fn send(
    chosen: &Chosen,
    grpc: Option<(Bytes, http::HeaderMap)>,
    respond: &mut SendResponse<Bytes>,
    head_only: bool,
) -> Option<End> {
    if let Some(by) = point(chosen, Point::BeforeHead).await {
        return Some(by);
    }
    let pieces = if head_only {
        Vec::new()
    } else {
        pieces(chosen, grpc.as_ref())
    };
    let response = response(&chosen.answer, grpc.is_some())?;
    let trailers = grpc.map(|(_, trailers)| trailers);
    let mut stream = respond.send_response(response, pieces.is_empty()).ok()?;
    if pieces.is_empty() {
        return None;
    }
    if let Some(by) = point(chosen, Point::AfterHead).await {
        return Some(by);
    }
    let middle = pieces.len() / 2;
    let last = pieces.len() - 1;
    for (place, piece) in pieces.into_iter().enumerate() {
        if place == middle {
            if is_reset_mid_body(chosen) {
                // What was sent must have left before the reset throws it away.
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                stream.send_reset(Reason::INTERNAL_ERROR);
                return None;
            }
            if let Some(by) = point(chosen, Point::MidBody).await {
                return Some(by);
            }
        }
        if let (true, Some(pace)) = (place > 0, chosen.pace) {
            tokio::time::sleep(pace).await;
        }
        if !write(&mut stream, piece, place == last && trailers.is_none()).await {
            return None;
        }
    }
    if let Some(trailers) = trailers {
        stream.send_trailers(trailers).ok()?;
    }
    None
}

fn response(answer: &Answer, is_grpc: bool) -> Option<http::Response<()>> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(answer.status).ok()?;
    for (name, value) in &answer.headers {
        if !name.eq_ignore_ascii_case("connection") {
            let name = http::HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = http::HeaderValue::from_bytes(value.as_bytes()).ok()?;
            response.headers_mut().append(name, value);
        }
    }
    if is_grpc {
        *response.status_mut() = http::StatusCode::OK;
        let kind = http::HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", kind);
    } else if let Body::Whole(bytes) = &answer.body {
        let length = http::HeaderValue::from(bytes.len());
        response.headers_mut().insert("content-length", length);
    }
    Some(response)
}

fn is_reset_mid_body(chosen: &Chosen) -> bool {
    let lie = Http2Lie::ResetMidBody;
    chosen.faults.contains(&Fault::Http2 { lie })
}

/// The body in pieces: events one by one, anything else in two halves at least, so that it has a middle.
fn pieces(chosen: &Chosen, grpc: Option<&(Bytes, http::HeaderMap)>) -> Vec<Bytes> {
    if let Some((message, _)) = grpc {
        return vec![message.clone()];
    }
    let Answer { body, .. } = &chosen.answer;
    match body {
        Body::Events(events) => events.iter().map(|event| event.bytes.clone()).collect(),
        Body::Whole(bytes) if bytes.is_empty() => Vec::new(),
        Body::Whole(bytes) => {
            let size = chosen
                .split
                .unwrap_or_else(|| bytes.len().div_ceil(2))
                .max(1);
            let starts = (0..bytes.len()).step_by(size);
            starts
                .map(|start| bytes.slice(start..(start + size).min(bytes.len())))
                .collect()
        }
    }
}

/// What the script does at a point of the answer: waits, or how it ends the connection.
async fn point(chosen: &Chosen, here: Point) -> Option<End> {
    for fault in &chosen.faults {
        match fault {
            Fault::Delay { at, ms } if *at == here => {
                tokio::time::sleep(std::time::Duration::from_millis(*ms)).await;
            }
            // Dropped with the connection, or with the drill.
            Fault::Stall { at } if *at == here => std::future::pending::<()>().await,
            Fault::Break { at, by } if *at == here => return Some(*by),
            _ => {}
        }
    }
    None
}

/// Writes a piece as the client's window takes it; false when the client has given up.
async fn write(stream: &mut SendStream<Bytes>, mut piece: Bytes, is_last: bool) -> bool {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return false;
        };
        let now = piece.split_to(room.min(piece.len()));
        if stream.send_data(now, is_last && piece.is_empty()).is_err() {
            return false;
        }
    }
    true
}

impl Wire {
    /// Writes beside the library, which has nothing to write at that moment.
    async fn write(&self, bytes: &[u8]) {
        let mut rest = bytes;
        poll_fn(|cx| {
            let mut this = self.clone();
            while !rest.is_empty() {
                match Pin::new(&mut this).poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) if count > 0 => rest = rest.get(count..).unwrap_or(&[]),
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            Pin::new(&mut this).poll_flush(cx).map(drop)
        })
        .await;
    }

    async fn end(&self, by: End) {
        let connection = self.0.lock().take();
        if let Some(connection) = connection {
            connection.end(by).await;
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            Some(connection) => connection.poll_read_raw(cx, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self.0.lock() {
            Some(connection) => connection.poll_write_raw(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self.0.lock() {
            Some(connection) => connection.poll_flush_raw(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
