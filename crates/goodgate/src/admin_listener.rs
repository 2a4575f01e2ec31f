//! The admin API's own listener: where the gateway does not listen on loopback, or where the configuration wants it.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use admin::App;
use gateway::serve::drain::{Stage, reached};
use gateway::tasks::Tasks;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Connections at a time; pages and scripts of a few people need a few dozen.
const MOST_CONNECTIONS: usize = 256;

/// Where it listens when nobody says otherwise.
pub(crate) const DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4001);

/// A page that is still on its way when the gateway closes gets this long.
const LAST_PAGE: Duration = Duration::from_secs(1);

/// Serves pages until the gateway closes; whoever asks then asks the one that accepts.
pub(crate) async fn serve(
    listener: std::net::TcpListener,
    app: App,
    tasks: Tasks,
    stage: watch::Receiver<Stage>,
) {
    let listener = match listener
        .set_nonblocking(true)
        .and_then(|()| TcpListener::from_std(listener))
    {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the admin API cannot listen");
            return;
        }
    };
    let mut closing = pin!(reached(stage.clone(), Stage::Closing));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = closing.as_mut() => return,
        };
        match accepted {
            Ok((socket, peer)) if tasks.running() < MOST_CONNECTIONS => {
                let closing = reached(stage.clone(), Stage::Closing);
                tasks.spawn(
                    "admin connection",
                    connection(socket, peer, app.clone(), closing),
                );
            }
            Ok(_) => tracing::warn!("an admin connection was closed: {MOST_CONNECTIONS} are open"),
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    app: App,
    closing: impl Future<Output = ()>,
) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, std::convert::Infallible>(admin::answer(&app, request, peer).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(socket), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = closing => {
            connection.as_mut().graceful_shutdown();
            timeout(LAST_PAGE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(
            error = &*error as &dyn std::error::Error,
            "an admin connection broke"
        );
    }
}
