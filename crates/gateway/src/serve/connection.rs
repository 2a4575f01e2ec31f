//! One client connection: which protocol it speaks, and a watchdog that ends it when the client is silent, slow or stuck.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http1::request::HTTP2_PREFACE;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::conversation::Conversation;
use super::drain::{Stage, reached};
use super::facts::{Facts, Look, Patience};
use super::http2;
use super::line::Line;
use super::workers::Accepted;
use crate::gate::Gate;

/// After it was asked to close a connection gets this long to end by itself.
const GRACE: Duration = Duration::from_millis(500);

const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 106\r\n\r\n{\"error\":{\"message\":\"The request's head did not arrive in time.\",\"type\":\"timeout\",\"code\":\"client_timeout\"}}";

/// Serves one connection to its end.
pub(super) async fn serve(gate: Arc<Gate>, accepted: Accepted) {
    let Accepted {
        socket,
        peer,
        visitor,
    } = accepted;
    let facts = Facts::new(Arc::clone(&gate.shared.clock), visitor);
    let Ok(stream) = TcpStream::from_std(socket) else {
        return;
    };
    // Without it small answers would wait for the client's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (patience, max_head) = {
        let policy = gate.policy();
        let server = &policy.snapshot.server;
        let patience = Patience {
            first_byte: server.first_byte,
            head: server.head_timeout,
        };
        (patience, server.max_head.max(8192))
    };
    let stage = gate.shared.drain.watch();
    let line = Line::new(stream);
    let talking = async {
        match protocol(&line, &facts).await {
            Some(Protocol::Http1) => {
                let conversation = Conversation {
                    gate,
                    line: Arc::clone(&line),
                    facts: Arc::clone(&facts),
                    peer,
                    max_head,
                };
                conversation.run().await;
            }
            Some(Protocol::Http2) => {
                Box::pin(http2::run(gate, &line, &facts, peer, max_head)).await;
            }
            None => {}
        }
    };
    guard(pin!(talking), &line, &facts, patience, stage).await;
}

enum Protocol {
    Http1,
    Http2,
}

/// Tells by its first bytes what a client speaks; none when it leaves before.
async fn protocol(line: &Line, facts: &Facts) -> Option<Protocol> {
    poll_fn(|cx| {
        loop {
            let (length, fits) = line.with_buffer(|buffer| {
                let known = buffer.len().min(HTTP2_PREFACE.len());
                (
                    buffer.len(),
                    buffer.get(..known) == HTTP2_PREFACE.get(..known),
                )
            });
            if !fits {
                return Poll::Ready(Some(Protocol::Http1));
            }
            if length >= HTTP2_PREFACE.len() {
                return Poll::Ready(Some(Protocol::Http2));
            }
            if length > 0 {
                facts.begin_head();
            }
            match ready!(line.poll_fill(cx)) {
                Ok(count) if count > 0 => facts.read(),
                _ => return Poll::Ready(None),
            }
        }
    })
    .await
}

/// Lets a client talk until it has ended, the watchdog ends it, or the gateway does.
async fn guard(
    mut talking: Pin<&mut impl Future<Output = ()>>,
    line: &Line,
    facts: &Facts,
    patience: Patience,
    stage: watch::Receiver<Stage>,
) {
    let mut watchdog = pin!(sleep(patience.first_byte.min(patience.head)));
    let mut next = Stage::Closing;
    let mut due = pin!(reached(stage.clone(), next));
    let mut seen = stage.clone();
    // The first look registers with all that may wake this task; later ones ask only who did.
    let mut watched = false;
    poll_fn(|cx| {
        if !watched || seen.has_changed().unwrap_or(true) {
            drop(seen.borrow_and_update());
            while due.as_mut().poll(cx).is_ready() {
                next = match next {
                    Stage::Ended => return Poll::Ready(()),
                    Stage::EndingStreams => {
                        facts.close();
                        Stage::Ended
                    }
                    // The calls look for themselves; here they are woken.
                    Stage::EndingCalls => Stage::EndingStreams,
                    Stage::Open | Stage::Leaving | Stage::Closing => {
                        facts.leave();
                        watchdog.as_mut().reset(Instant::now());
                        watched = false;
                        Stage::EndingCalls
                    }
                };
                due.set(reached(stage.clone(), next));
            }
        }
        if talking.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if facts.take_alarm() {
            let due = Instant::now() + patience.head;
            if due < watchdog.deadline() {
                watchdog.as_mut().reset(due);
                watched = false;
            }
        }
        while !watched || watchdog.is_elapsed() {
            watched = true;
            if watchdog.as_mut().poll(cx).is_pending() {
                break;
            }
            let again = match facts.look(patience) {
                Look::Again(after) => after,
                Look::Close if facts.is_closing() => return Poll::Ready(()),
                Look::Close => {
                    facts.close();
                    if talking.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    GRACE
                }
                Look::Warn => {
                    line.last_word(TOO_SLOW);
                    return Poll::Ready(());
                }
                Look::Drop => return Poll::Ready(()),
            };
            watchdog.as_mut().reset(Instant::now() + again);
            watched = false;
        }
        Poll::Pending
    })
    .await;
}
