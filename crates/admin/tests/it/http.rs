//! The same over real sockets, as the gateway's door serves it.

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use store::Outcome;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{Bench, TOKEN};

/// Serves the app until the set is dropped.
async fn serve(bench: &Bench, tasks: &mut JoinSet<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = bench.app.clone();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, peer)) = listener.accept().await {
            let app = app.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let app = app.clone();
                    async move { Ok::<_, Infallible>(admin::answer(&app, request, peer).await) }
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                drop(served.await);
            });
        }
    });
    address
}

async fn connect(address: SocketAddr, path: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    BufReader::new(socket)
}

#[tokio::test]
async fn a_page_is_answered_over_http() {
    let bench = Bench::new();
    let id = bench.record(bench.failed());
    let mut tasks = JoinSet::new();
    let address = serve(&bench, &mut tasks).await;
    let mut socket = connect(address, &format!("/api/v1/requests/{id}")).await;
    let mut text = String::new();
    socket.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains(&format!("\"id\":\"{id}\"")), "{text}");
}

#[tokio::test]
async fn live_calls_arrive_while_the_answer_is_still_open() {
    let bench = Bench::new();
    let mut tasks = JoinSet::new();
    let address = serve(&bench, &mut tasks).await;
    let mut socket = connect(address, "/api/v1/requests/live").await;
    wait_for(&mut socket, "event: ready").await;
    let id = bench.record(bench.row(Outcome::Ok));
    wait_for(&mut socket, &id.to_string()).await;
}

/// Reads lines until one holds the text.
async fn wait_for(socket: &mut BufReader<TcpStream>, text: &str) {
    let mut line = String::new();
    while !line.contains(text) {
        line.clear();
        assert!(
            socket.read_line(&mut line).await.unwrap() > 0,
            "the stream ended"
        );
    }
}
