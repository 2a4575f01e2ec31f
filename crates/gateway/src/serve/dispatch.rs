//! Which of the door's few answers a request gets: health, the web UI, or the pipeline.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use diagnosis::Code;
use http::{Method, StatusCode};
use http1::{Received, RequestFault};

use super::drain::Stage;
use super::facts::Facts;
use super::request_body::RequestBody;
use crate::gate::Gate;
use crate::intake::{self, Inbound};
use crate::journal::Journal;
use crate::refusal::{self, Envelope, Refusal};
use crate::relay::{OwnHeaders, Reply, ReplyBody, hold};

/// Answers one request of a connection.
pub(super) async fn answer(
    gate: &Arc<Gate>,
    head: Box<Received>,
    body: RequestBody,
    peer: SocketAddr,
    facts: &Facts,
) -> Reply {
    match place(gate, &head.method, head.uri.path()) {
        Place::Alive => health(StatusCode::OK, "alive"),
        Place::Ready if gate.shared.drain.is_at(Stage::Leaving) => {
            health(StatusCode::SERVICE_UNAVAILABLE, "draining")
        }
        Place::Ready => health(StatusCode::OK, "ready"),
        Place::Front | Place::Metrics if is_of_a_route(gate, &head) => {
            pipeline(gate, head, body, peer, facts).await
        }
        Place::Front => to_ui(),
        Place::Admin | Place::Metrics => match &gate.shared.admin {
            Some(admin) => admin.pass(*head, body, peer).await,
            None => elsewhere(),
        },
        Place::Pipeline => pipeline(gate, head, body, peer, facts).await,
    }
}

/// What bytes get that are no request, or one that two readers could understand differently.
pub(super) fn refuse(gate: &Gate, peer: SocketAddr, fault: RequestFault, path: &str) -> Reply {
    let status = match fault {
        RequestFault::TooLarge { .. } | RequestFault::TooMany => {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
        }
        RequestFault::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        _ => StatusCode::BAD_REQUEST,
    };
    let message = format!("The head of the request is refused: {fault}.");
    let mut refusal = Refusal::invalid(None, message).with_status(status);
    refusal.closes = true;
    let mut journal = Journal::open(&gate.recorder, peer, &hold::HoldNotice::default());
    if intake::wants_openai_errors(path) {
        journal.envelope = Envelope::Openai;
    }
    refusal::reply(gate, &refusal, journal)
}

/// The path in bytes that could not be read as a request; empty where there is none.
pub(super) fn path_of(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    String::from_utf8_lossy(target.get(..100).unwrap_or(target)).into_owned()
}

enum Place {
    Alive,
    Ready,
    Front,
    Admin,
    Metrics,
    Pipeline,
}

fn place(gate: &Gate, method: &Method, path: &str) -> Place {
    match path {
        "/livez" | "/health" | "/healthz" | "/health/liveness" | "/health/liveliness"
        | "/-/healthy" => Place::Alive,
        "/readyz" | "/health/readiness" | "/-/ready" => Place::Ready,
        "/" if method == Method::GET => Place::Front,
        "/ui" | "/api" => Place::Admin,
        _ if path.starts_with("/ui/") || path.starts_with("/api/") => Place::Admin,
        // Calls are seldom GET: they do not look at the policy here.
        _ if method == Method::GET && is_metrics(gate, path) => Place::Metrics,
        _ => Place::Pipeline,
    }
}

/// Whether a route has the host of its own that the request is for.
fn is_of_a_route(gate: &Gate, head: &Received) -> bool {
    let policy = gate.policy();
    intake::route_of_its_host(&policy, &head.uri, &head.headers, &head.method).is_some()
}

/// Where the admin API has a listener of its own, the metrics are there, and this is a path like any other.
fn is_metrics(gate: &Gate, path: &str) -> bool {
    let here = gate.shared.admin.is_some();
    here && gate.policy().snapshot.telemetry.metrics.as_deref() == Some(path)
}

/// A bug in a step must cost one call, never the connection or the process.
async fn pipeline(
    gate: &Arc<Gate>,
    head: Box<Received>,
    body: RequestBody,
    peer: SocketAddr,
    facts: &Facts,
) -> Reply {
    let openai = intake::wants_openai_errors(head.uri.path());
    let inbound = Inbound { head, body, peer };
    let mut answering = pin!(hold::answer(Arc::clone(gate), inbound));
    // Polled where it is: `FutureExt::catch_unwind` would move it about.
    let answered =
        poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Some),
                Err(_panic) => Poll::Ready(None),
            },
        );
    let Some(reply) = answered.await else {
        tracing::error!("a call panicked");
        let refusal = Refusal::new(
            Code::GatewayInternalError,
            "The gateway failed at this call: this one is ours.",
        );
        let mut journal = Journal::open(&gate.recorder, peer, &hold::HoldNotice::default());
        if openai {
            journal.envelope = Envelope::Openai;
        }
        return refusal::reply(gate, &refusal, journal);
    };
    if reply.status != StatusCode::UNAUTHORIZED {
        facts.is_known();
    }
    reply
}

fn health(status: StatusCode, word: &'static str) -> Reply {
    let body = ReplyBody::whole(Bytes::from_static(word.as_bytes()));
    let mut reply = Reply::new(status, body);
    reply.lines.put("content-type", "text/plain");
    reply
}

fn to_ui() -> Reply {
    let mut reply = Reply::new(StatusCode::SEE_OTHER, ReplyBody::whole(Bytes::new()));
    reply.lines.put("location", "/ui");
    reply
}

fn elsewhere() -> Reply {
    let text = "The web UI and the admin API have a listener of their own: see admin.listen.";
    health(StatusCode::NOT_FOUND, text)
}
