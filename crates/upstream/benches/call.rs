//! What one call costs in processor time, beside hyper's client on the same wire: `cargo bench -p goodgate-upstream`.
//!
//! The server's threads are not counted; both clients run 16 calls at a time on one thread, each under a deadline.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a measurement, not the product"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::task::JoinSet;
use types::{Clock, Deadline, SystemClock};
use upstream::{Client, ClientOptions, Destination, Outgoing, Resolver, ResolverOptions, Timers};

const CONCURRENCY: u64 = 16;
const CALLS: u64 = 4_000;
const ROUNDS: usize = 7;

const HEADERS: [(&str, &str); 6] = [
    ("host", "127.0.0.1"),
    (
        "authorization",
        "Bearer sk-0123456789abcdef0123456789abcdef",
    ),
    ("content-type", "application/json"),
    ("user-agent", "goodgate/0.1"),
    ("x-request-id", "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP"),
    ("x-goodgate-attempt", "1"),
];

fn main() {
    let address = serve(answer());
    let request = Bytes::from(vec![b'x'; 1000]);
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..ROUNDS {
        ours.push(measure(call_ours(address, request.clone())));
        theirs.push(measure(call_theirs(address, request.clone())));
    }
    println!("ours   {:.2} us a call", median(&mut ours));
    println!("hyper  {:.2} us a call", median(&mut theirs));
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Processor time of this thread per call, in microseconds.
fn measure(run: impl Future<Output = ()>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_THREAD).unwrap();
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    let before = spent();
    runtime.block_on(run);
    (spent() - before) as f64 / (CALLS * CONCURRENCY) as f64
}

async fn call_ours(address: SocketAddr, body: Bytes) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Arc::new(Resolver::new(
        ResolverOptions::default(),
        Arc::clone(&clock),
    ));
    let client = Client::new(ClientOptions::new(resolver, clock));
    let to = Arc::new(Destination::plain("127.0.0.1", address.port()));
    let block: Arc<[u8]> = HEADERS
        .iter()
        .take(4)
        .flat_map(|(name, value)| format!("{name}: {value}\r\n").into_bytes())
        .collect();
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, to, body, block) = (
            client.clone(),
            Arc::clone(&to),
            body.clone(),
            Arc::clone(&block),
        );
        tasks.spawn(async move {
            for _ in 0..CALLS {
                let deadline = Deadline::after(SystemClock.now(), Duration::from_secs(60));
                let request = Outgoing {
                    fixed_headers: &block,
                    headers: &[
                        (HEADERS[4].0, HEADERS[4].1.as_bytes()),
                        (HEADERS[5].0, HEADERS[5].1.as_bytes()),
                    ],
                    body: vec![body.clone()].into(),
                    ..Outgoing::new(&Method::POST, "/v1/chat/completions")
                };
                let mut answer = client
                    .send(&to, request, &Timers::until(deadline))
                    .await
                    .unwrap();
                let body = answer
                    .body
                    .read_all(1 << 20, Duration::from_secs(30), deadline)
                    .await;
                assert_eq!(body.unwrap().len(), 1024);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn call_theirs(address: SocketAddr, body: Bytes) {
    let mut tasks = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tasks.spawn(async move { connection.await.unwrap() });
        let body = body.clone();
        tasks.spawn(async move {
            for _ in 0..CALLS {
                let mut request = http::Request::builder()
                    .method("POST")
                    .uri("/v1/chat/completions");
                for (name, value) in HEADERS {
                    request = request.header(name, value);
                }
                let request = request.body(Full::new(body.clone())).unwrap();
                let limit = Duration::from_secs(60);
                let answer = tokio::time::timeout(limit, sender.send_request(request));
                let answer = answer.await.unwrap().unwrap();
                let body = answer.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body.len(), 1024);
                sender.ready().await.unwrap();
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

fn answer() -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 10:00:00 GMT\r\nContent-Type: application/json\r\n\
        Connection: keep-alive\r\naccess-control-expose-headers: X-Request-ID\r\nopenai-organization: org-1\r\n\
        openai-processing-ms: 412\r\nopenai-version: 2020-10-01\r\nx-ratelimit-limit-requests: 10000\r\n\
        x-ratelimit-remaining-requests: 9999\r\nx-ratelimit-reset-requests: 6ms\r\nx-request-id: req_abc\r\n\
        Server: cloudflare\r\nCF-RAY: 8f0000000000-FRA\r\nContent-Length: 1024\r\n\r\n"
        .to_vec();
    bytes.extend([b'y'; 1024]);
    bytes
}

fn serve(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Arc<[u8]> = Arc::from(answer);
    let threads = || std::thread::Builder::new().name("server".to_owned());
    let accept = move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            threads()
                .spawn(move || serve_one(stream.unwrap(), &answer))
                .unwrap();
        }
    };
    threads().spawn(accept).unwrap();
    address
}

/// Every request has 1,000 bytes of body; whatever its head's size, it comes in one write.
fn serve_one(mut stream: TcpStream, answer: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0u8; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(count) if count > 1000 => stream.write_all(answer).unwrap(),
            _ => return,
        }
    }
}
