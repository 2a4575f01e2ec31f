//! HTTP/2 with one client: hyper reads and writes it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use http::request::Parts;
use http1::{Framing, Headers, Received};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::dispatch;
use super::drain::Stage;
use super::facts::Facts;
use super::line::{Line, Upgraded};
use super::request_body::RequestBody;
use crate::gate::Gate;
use crate::tasks::Tasks;

/// Serves a connection that has begun with the preface.
pub(super) async fn run(
    gate: Arc<Gate>,
    line: &Arc<Line>,
    facts: &Arc<Facts>,
    peer: SocketAddr,
    max_head: usize,
) {
    let streams = Streams {
        tasks: Tasks::default(),
        stage: gate.shared.drain.watch(),
    };
    let service = service_fn(|request: Request<Incoming>| {
        let (gate, facts) = (Arc::clone(&gate), Arc::clone(facts));
        async move {
            let call = Facts::begin_call(Arc::clone(&facts));
            let (parts, body) = request.into_parts();
            let body = RequestBody::Http2(Box::new(body));
            let mut reply = dispatch::answer(&gate, head(&parts), body, peer, &facts).await;
            reply.body.keep(call);
            Ok::<_, Infallible>(reply.into_response())
        }
    });
    let socket = Watched {
        stream: Upgraded::new(line),
        facts: Arc::clone(facts),
    };
    let connection = builder(streams, max_head).serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        if facts.is_leaving() && !told {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Where the streams of a connection run: counted, and polled again when a shutdown goes on, so that their calls look at
/// its stage.
#[derive(Clone)]
struct Streams {
    tasks: Tasks,
    stage: watch::Receiver<Stage>,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut stage = self.stage.clone();
        self.tasks.spawn("stream", async move {
            let mut stream = pin!(stream);
            loop {
                tokio::select! {
                    biased;
                    () = stream.as_mut() => return,
                    Ok(()) = stage.changed() => {}
                }
            }
        });
    }
}

/// The head as HTTP/1.1's are read, but for what only that protocol has to say.
fn head(parts: &Parts) -> Box<Received> {
    Box::new(Received {
        method: parts.method.clone(),
        uri: parts.uri.clone(),
        version: parts.version,
        headers: Headers::from(&parts.headers),
        framing: Framing::Nothing,
        keep_alive: true,
        expects_continue: false,
    })
}

fn builder(streams: Streams, max_head: usize) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_pending_accept_reset_streams(20)
        .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
        .keep_alive_interval(Some(Duration::from_secs(30)))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// The socket, with an eye on when bytes do not go.
struct Watched {
    stream: Upgraded,
    facts: Arc<Facts>,
}

impl Watched {
    fn wrote<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Pending => self.facts.stuck(),
            Poll::Ready(_) => self.facts.wrote(),
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, space)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
