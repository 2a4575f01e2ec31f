//! A stream's head is held until its first content; when that takes too long, the head goes out and pings keep the line open.
//!
//! The pipeline knows nothing of it but that it arms the notice: this wraps the whole of `answer`, so that attempts go
//! on, and fail over, behind a head that has already been sent.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::unfold;
use http::StatusCode;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::Sleep;
use types::CallId;

use super::reply::OwnHeaders;
use super::{Broken, Reply, ReplyBody, stream_head};
use crate::boxed;
use crate::gate::Gate;
use crate::intake::Inbound;
use crate::pipeline;

const PING: &[u8] = b": goodgate is waiting for the model\n\n";

/// How a step tells the door that, and when, the head may go out ahead of the answer.
#[derive(Clone, Debug, Default)]
pub struct HoldNotice(Arc<Notice>);

#[derive(Debug, Default)]
struct Notice {
    armed: OnceLock<Armed>,
    is_out: AtomicBool,
}

/// What is known of a call whose head may go out ahead of its answer, which will be a stream.
#[derive(Clone, Copy, Debug)]
pub struct Armed {
    /// From when on.
    pub due: Instant,
    /// The call.
    pub id: CallId,
    /// How often the line then shows that it is alive.
    pub ping_after: Duration,
}

impl HoldNotice {
    /// From now on the head may go out as 200, once it is due. What was said first holds.
    pub fn arm(&self, armed: Armed) {
        self.0.armed.get_or_init(|| armed);
    }

    /// Whether the head has gone out, as 200, ahead of the answer.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.0.is_out.load(Ordering::Relaxed)
    }

    /// Whether the answer will be a stream.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.armed().is_some()
    }

    fn armed(&self) -> Option<Armed> {
        self.0.armed.get().copied()
    }
}

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Answers a request, its head ahead of its answer where that takes too long.
pub async fn answer(gate: Arc<Gate>, inbound: Inbound) -> Reply {
    let notice = HoldNotice::default();
    let hold = notice.clone();
    let mut answering: Answering =
        boxed::pinned(|| async move { pipeline::answer(&gate, inbound, &hold).await });
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let answered = poll_fn(|context| {
        if let Poll::Ready(response) = answering.as_mut().poll(context) {
            return Poll::Ready(Some(response));
        }
        if timer.is_none()
            && let Some(Armed { due, .. }) = notice.armed()
        {
            timer = Some(Box::pin(tokio::time::sleep_until(due.into())));
        }
        match &mut timer {
            Some(timer) => timer.as_mut().poll(context).map(|()| None),
            None => Poll::Pending,
        }
    });
    match answered.await {
        Some(response) => response,
        None => ahead(&notice, answering),
    }
}

/// The head now; the body is pings until the answer is there, then the answer.
fn ahead(notice: &HoldNotice, answering: Answering) -> Reply {
    notice.0.is_out.store(true, Ordering::Relaxed);
    let state = Held {
        answering: Some(answering),
        body: None,
        said: false,
        ping_after: notice
            .armed()
            .map_or(Duration::from_secs(10), |armed| armed.ping_after),
    };
    let body = ReplyBody::chunks(unfold(Box::new(state), |mut held| async move {
        let next = held.next().await?;
        Some((next, held))
    }));
    let mut reply = Reply::new(StatusCode::OK, body);
    stream_head(&mut reply.lines);
    if let Some(armed) = notice.armed() {
        let id = armed.id.write();
        reply.lines.put("x-request-id", id.as_str());
        reply.lines.put("request-id", id.as_str());
    }
    reply
}

struct Held {
    answering: Option<Answering>,
    body: Option<ReplyBody>,
    said: bool,
    ping_after: Duration,
}

impl Held {
    async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        if let Some(answering) = &mut self.answering {
            if !self.said {
                self.said = true;
                return Some(Ok(Bytes::from_static(PING)));
            }
            match tokio::time::timeout(self.ping_after, answering).await {
                Err(_elapsed) => return Some(Ok(Bytes::from_static(PING))),
                Ok(response) => {
                    self.answering = None;
                    return self.begin(response).await;
                }
            }
        }
        let body = self.body.as_mut()?;
        let frame = body.frame().await?;
        Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    /// A stream goes on as it is; an answer that came too late to have a status of its own becomes an error event.
    async fn begin(&mut self, reply: Reply) -> Option<Result<Bytes, Broken>> {
        let is_stream = reply.status.is_success();
        let mut body = reply.body;
        if is_stream && !body.is_end_stream() {
            let first = body.frame().await?;
            self.body = Some(body);
            return Some(first.map(|frame| frame.into_data().unwrap_or_default()));
        }
        let json = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let mut event = Vec::with_capacity(json.len() + 8);
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(&json);
        event.extend_from_slice(b"\n\n");
        Some(Ok(Bytes::from(event)))
    }
}
