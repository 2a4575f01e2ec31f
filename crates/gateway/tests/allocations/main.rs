//! What a call may cost in allocations: a ceiling for a plain pass-through call and for a relayed piece of a stream.
//!
//! A test binary of its own, since it counts what all threads of the process allocate: client and upstream are written
//! so that they allocate nothing once they run. Rows and log lines, which other threads write, are left out.
#![cfg(test)]

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use config::keys::{self, Purpose};
use config::{Environment, Source};
use gateway::gate::Shared;
use gateway::keyring::{HeaderRights, Keyring};
use gateway::policy::Policy;
use gateway::reload::{self, StoredKey};
use gateway::serve::{self, Parts, Server};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use types::{Clock, KeyId, SystemClock};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations of one plain call. Measured: 40.
const CALL: usize = 44;

/// Allocations of one relayed piece of a stream. Measured: 2.
const PIECE: usize = 3;

const CALLS: usize = 200;

const ANSWER: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

const EVENT: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":null}]}\n\n";

const LAST: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// How many pieces the client has read: the upstream writes the next one only then, so that none share a write.
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Reads until the buffer's filled part ends a message as `is_end` sees it.
fn read_until(socket: &mut TcpStream, buffer: &mut [u8], is_end: impl Fn(&[u8]) -> bool) -> usize {
    let mut filled = 0;
    while !is_end(&buffer[..filled]) {
        let count = socket.read(&mut buffer[filled..]).unwrap();
        assert!(count > 0, "{}", String::from_utf8_lossy(&buffer[..filled]));
        filled += count;
    }
    filled
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Answers on one connection after another, each in a thread: a plain call whole, a stream piece by piece.
fn upstream(listener: &TcpListener) {
    std::thread::scope(|scope| {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            scope.spawn(move || answer_all(&mut socket));
        }
    });
}

fn answer_all(socket: &mut TcpStream) {
    socket.set_nodelay(true).unwrap();
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
    let last = format!("{:x}\r\n{LAST}\r\n0\r\n\r\n", LAST.len());
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let mut filled = 0;
        while !contains(&buffer[..filled], b"\"hi\"}]") {
            match socket.read(&mut buffer[filled..]) {
                Ok(count) if count > 0 => filled += count,
                _ => return,
            }
        }
        let asked = &buffer[..filled];
        if !contains(asked, b"\"stream\":true") {
            socket.write_all(whole.as_bytes()).unwrap();
            continue;
        }
        let pieces = if contains(asked, b"long") { 300 } else { 100 };
        socket.write_all(head.as_bytes()).unwrap();
        for piece in 0..pieces {
            while SEEN.load(Ordering::Acquire) < piece {
                std::thread::yield_now();
            }
            socket.write_all(event.as_bytes()).unwrap();
        }
        socket.write_all(last.as_bytes()).unwrap();
    }
}

fn gateway_before(upstream: SocketAddr) -> (Server, String) {
    let source = Source {
        text: format!(
            "server: {{ workers: 1 }}\nproviders:\n  p: {{ type: openai-compatible, base_url: \"http://{upstream}/v1\", api_key: k }}\n"
        ),
        path: "goodgate.yaml".into(),
    };
    let snapshot = config::load(&source, &Environment::from_pairs([]))
        .unwrap()
        .snapshot;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let secret = keys::generate(Purpose::Dev).unwrap();
    let stored = StoredKey {
        hash: keys::KeyHash::of(secret.reveal()),
        id: KeyId::new("dev"),
        headers: HeaderRights::All,
    };
    let policy = Policy::prepare(snapshot).unwrap();
    let keyring = Keyring::default();
    keyring.replace(reload::callers(&policy.snapshot, &[stored]));
    let shared = Arc::new(Shared {
        labels: gateway::journal::metrics::Labels::knowing(&policy.snapshot),
        keyring,
        policy: ArcSwap::from_pointee(policy),
        bytes: gateway::bytes::ByteBudget::new(256 << 20),
        registry: resilience::Registry::new(clock.now()),
        drained: gateway::routing::Drained::default(),
        resources: gateway::resources::Resources::default(),
        clock: Arc::clone(&clock),
        drain: serve::drain::Drain::default(),
        admin: None,
        loads: resilience::balance::Loads::default(),
        conversations: Arc::default(),
        lines: Arc::default(),
        idempotency: Arc::default(),
    });
    let parts = Parts {
        shared,
        resolver: Arc::new(upstream::Resolver::new(
            upstream::ResolverOptions::default(),
            clock,
        )),
        traces: None,
        access_log: None,
        rows: None,
        workers: 1,
    };
    let listener = serve::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    (
        serve::start(listener, parts).unwrap(),
        secret.reveal().to_owned(),
    )
}

fn request(key: &str, more: &str) -> String {
    let body = format!(r#"{{"model":"p/m"{more},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// Reads a stream to its end, telling the upstream of each piece.
fn read_stream(socket: &mut TcpStream, buffer: &mut [u8]) {
    SEEN.store(0, Ordering::Release);
    let mut pieces = 0;
    loop {
        let end = |bytes: &[u8]| contains(bytes, b"hello") || contains(bytes, b"0\r\n\r\n");
        let filled = read_until(socket, buffer, end);
        if contains(&buffer[..filled], b"0\r\n\r\n") {
            return;
        }
        pieces += 1;
        SEEN.store(pieces, Ordering::Release);
    }
}

#[test]
fn calls_and_pieces_stay_within_their_ceilings() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || upstream(&listener));
    let (server, key) = gateway_before(address);
    let (plain, short, long) = (
        request(&key, ""),
        request(&key, r#","stream":true"#),
        request(&key, r#","stream":true,"user":"long""#),
    );
    let mut socket = TcpStream::connect(server.address()).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    let mut call = |text: &str| {
        socket.write_all(text.as_bytes()).unwrap();
        if text.contains("stream") {
            read_stream(&mut socket, &mut buffer);
        } else {
            let filled = read_until(&mut socket, &mut buffer, |bytes| bytes.ends_with(b"5}}"));
            assert!(buffer[..filled].starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
    };
    // Connections, buffers and tables are made by the first calls.
    for text in [&plain, &plain, &short, &long, &short] {
        call(text);
    }
    let before = allocations();
    (0..CALLS).for_each(|_| call(&plain));
    let each = (allocations() - before).div_ceil(CALLS);
    let before = allocations();
    call(&short);
    let of_short = allocations() - before;
    let before = allocations();
    call(&long);
    let piece = (allocations() - before).saturating_sub(of_short) / 200;
    println!("{each} allocations a call, {piece} a piece");
    assert!(each <= CALL, "{each} allocations a call");
    assert!(piece <= PIECE, "{piece} allocations a relayed piece");
    assert!(each > 0, "the counter counts");
    server.stop();
}
