//! Passes requests for the web UI and the admin API to the second runtime, so that no page can delay a call.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use http1::Received;
use tokio::sync::{mpsc, oneshot};

use super::request_body::RequestBody;
use crate::relay::{OwnHeaders, Reply, ReplyBody};

/// Requests that wait for the second runtime; full means 503. Pages ask for a few things at a time, scripts for a few
/// dozen: a hundred waiting means that it is stuck.
const QUEUE_BOUND: usize = 128;

/// The largest body of an admin request.
const MAX_BODY: usize = 1 << 20;

/// How long such a body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A request on its way to the admin API.
#[derive(Debug)]
pub struct AdminCall {
    /// The request, its body read.
    pub request: Request<Bytes>,
    /// Where it came from.
    pub peer: SocketAddr,
    /// Where the answer goes: its head, then its body piece by piece. The channel is bounded by whoever makes it.
    pub answer: oneshot::Sender<Response<mpsc::Receiver<Bytes>>>,
}

/// The sending side.
#[derive(Clone, Debug)]
pub struct AdminDoor(mpsc::Sender<AdminCall>);

/// A door and the end where its calls come out.
#[must_use]
pub fn admin_door() -> (AdminDoor, mpsc::Receiver<AdminCall>) {
    let (sender, receiver) = mpsc::channel(QUEUE_BOUND);
    (AdminDoor(sender), receiver)
}

impl AdminDoor {
    /// Passes a request over and waits for its answer.
    pub(super) async fn pass(&self, head: Received, body: RequestBody, peer: SocketAddr) -> Reply {
        let read = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY).collect()).await;
        let Ok(Ok(body)) = read else {
            return plain(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is larger than 1 MiB, or came too slowly.",
            );
        };
        let (answer, answered) = oneshot::channel();
        let call = AdminCall {
            request: request(head, body.to_bytes()),
            peer,
            answer,
        };
        if self.0.try_send(call).is_err() {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "The admin API has more to do than it can: try again.",
            );
        }
        let Ok(response) = answered.await else {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The admin API failed at this request.",
            );
        };
        let (parts, chunks) = response.into_parts();
        let body = ReplyBody::chunks(unfold(chunks, |mut chunks| async move {
            let bytes = chunks.recv().await?;
            Some((Ok(bytes), chunks))
        }));
        let mut reply = Reply::new(parts.status, body);
        reply.headers = parts.headers;
        reply
    }
}

fn request(head: Received, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.headers_mut() = head.headers.to_map();
    *request.method_mut() = head.method;
    *request.uri_mut() = head.uri;
    *request.version_mut() = head.version;
    request
}

fn plain(status: StatusCode, text: &'static str) -> Reply {
    let body = ReplyBody::whole(Bytes::from_static(text.as_bytes()));
    let mut reply = Reply::new(status, body);
    reply.lines.put("content-type", "text/plain; charset=utf-8");
    reply
}
