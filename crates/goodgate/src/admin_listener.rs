//! The admin API's own listener: where the gateway does not listen on loopback, or where the configuration wants it.

use std::net::SocketAddr;

use admin::App;
use gateway::tasks::Tasks;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};

/// Connections at a time; pages and scripts of a few people need a few dozen.
const MOST_CONNECTIONS: usize = 256;

/// Where it listens when nobody says otherwise.
pub(crate) const DEFAULT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4001);

/// Serves pages until the runtime ends.
pub(crate) async fn serve(listener: std::net::TcpListener, app: App, tasks: Tasks) {
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
    loop {
        match listener.accept().await {
            Ok((socket, peer)) if tasks.running() < MOST_CONNECTIONS => {
                tasks.spawn("admin connection", connection(socket, peer, app.clone()));
            }
            Ok(_) => tracing::warn!("an admin connection was closed: {MOST_CONNECTIONS} are open"),
            Err(error) => {
                tracing::warn!(%error, "an admin connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
}

async fn connection(socket: TcpStream, peer: SocketAddr, app: App) {
    let service = service_fn(move |request: http::Request<Incoming>| {
        let app = app.clone();
        async move { Ok::<_, std::convert::Infallible>(admin::answer(&app, request, peer).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    if let Err(error) = builder
        .serve_connection(TokioIo::new(socket), service)
        .await
    {
        tracing::debug!(
            error = &*error as &dyn std::error::Error,
            "an admin connection broke"
        );
    }
}
