//! Small blocking servers, one thread per connection, and the client side every test uses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Evidence, Lane};
use http::Method;
use socket2::SockRef;
use types::{Clock, Deadline, SystemClock};
use upstream::{
    Answer, Client, ClientOptions, Destination, Outgoing, Resolver, ResolverOptions, Timers,
};

/// What is done to one connection.
pub(crate) type Act = Box<dyn FnOnce(TcpStream) + Send>;

/// A server that treats its connections as told, one after the other, and then refuses.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<usize>,
}

impl Server {
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut running = Vec::new();
            for act in acts {
                let (stream, _) = listener.accept().unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(10)))
                    .unwrap();
                running.push(std::thread::spawn(move || act(stream)));
            }
            drop(listener);
            let count = running.len();
            for thread in running {
                thread.join().unwrap();
            }
            count
        });
        Self { address, thread }
    }

    /// A server of one connection.
    pub(crate) fn once(act: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        Self::start(vec![Box::new(act)])
    }

    /// A server that reads one request and answers these bytes, then closes.
    pub(crate) fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::once(move |mut stream| {
            read_request(&mut stream);
            stream.write_all(&bytes).unwrap();
        })
    }

    pub(crate) fn destination(&self) -> Destination {
        Destination::plain("127.0.0.1", self.address.port())
    }

    /// Waits for all connections to be done with; a panic in one of them is this test's.
    pub(crate) fn finish(self) {
        self.thread.join().unwrap();
    }
}

/// Reads a whole request; empty at the end of file.
pub(crate) fn read_request(stream: &mut impl Read) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut byte = [0u8; 1];
    while !seen.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => seen.push(byte[0]),
            _ => return Vec::new(),
        }
    }
    let head = String::from_utf8_lossy(&seen).to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |digits| digits.parse::<usize>().unwrap());
    let mut body = vec![0u8; length];
    stream.read_exact(&mut body).unwrap();
    seen.extend_from_slice(&body);
    seen
}

/// Closes with a reset instead of an end of file.
pub(crate) fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(stream);
}

/// Waits until the peer has closed.
pub(crate) fn wait_for_close(stream: &mut impl Read) {
    let mut rest = Vec::new();
    // A reset is a close, too.
    drop(stream.read_to_end(&mut rest));
}

pub(crate) fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub(crate) fn client() -> Client {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(&clock));
    Client::new(ClientOptions::new(Arc::new(resolver), clock))
}

pub(crate) fn deadline(seconds: u64) -> Deadline {
    Deadline::after(SystemClock.now(), Duration::from_secs(seconds))
}

pub(crate) fn timers() -> Timers {
    Timers::until(deadline(10))
}

pub(crate) const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn post(body: &'static [u8]) -> Outgoing<'static> {
    Outgoing {
        fixed_headers: b"host: test\r\n",
        body: vec![Bytes::from_static(body)].into(),
        ..Outgoing::new(&Method::POST, "/v1/chat/completions")
    }
}

pub(crate) fn get() -> Outgoing<'static> {
    Outgoing {
        fixed_headers: b"host: test\r\n",
        lane: Lane::Http,
        ..Outgoing::new(&Method::GET, "/")
    }
}

/// Sends and expects an answer.
pub(crate) async fn answer(client: &Client, to: &Destination, request: Outgoing<'_>) -> Answer {
    *client.send(to, request, &timers()).await.unwrap()
}

/// Sends and expects none.
pub(crate) async fn failure(to: &Destination, request: Outgoing<'_>, timers: &Timers) -> Evidence {
    match client().send(to, request, timers).await {
        Err(evidence) => *evidence,
        Ok(answer) => panic!("an answer came: {}", answer.status),
    }
}

/// The whole body as text.
pub(crate) async fn text(answer: &mut Answer) -> String {
    let body = answer
        .body
        .read_all(1 << 20, IDLE, deadline(10))
        .await
        .unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
