//! Ten thousand POSTs to a server that closes idle connections whenever it likes: none fails, none is executed twice.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use diagnosis::Lane;
use http::Method;
use parking_lot::Mutex;
use upstream::{Destination, Outgoing};

use crate::server::{client, text, timers};

const CALLS: u64 = 10_000;
const AT_A_TIME: u64 = 4;

/// What the server has executed, by the number in the body, and how many connections it has closed.
#[derive(Default)]
struct Ledger {
    executed: Mutex<HashMap<u64, u64>>,
    closed: AtomicU64,
    connections: AtomicU64,
}

/// A small generator of numbers that look random: the same in every run.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn serve(mut stream: TcpStream, mut seed: u64, ledger: &Ledger) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = Vec::new();
    loop {
        // Some have less patience than the next call takes to come, most have more.
        let patience = Duration::from_millis(8 + next(&mut seed) % 8);
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut piece = [0; 1024];
        match stream.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => buffer.extend_from_slice(&piece[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // A last look, as event loops have it: what came in the moment of waking is still served. Who closes upon
                // bytes that its system has acknowledged looks like one that has read them: no client can tell.
                stream.set_nonblocking(true).unwrap();
                let late = stream.read(&mut piece);
                stream.set_nonblocking(false).unwrap();
                match late {
                    Ok(count) if count > 0 => buffer.extend_from_slice(&piece[..count]),
                    _ if buffer.is_empty() => {
                        ledger.closed.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    _ => continue,
                }
            }
            Err(_) => return,
        }
        let text = String::from_utf8_lossy(&buffer).into_owned();
        let Some((_, body)) = text
            .split_once("\r\n\r\n")
            .filter(|(_, body)| body.len() == 8)
        else {
            continue;
        };
        let number: u64 = body.trim_start_matches('0').parse().unwrap_or(0);
        *ledger.executed.lock().entry(number).or_default() += 1;
        buffer.clear();
        if stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .is_err()
        {
            return;
        }
    }
}

fn start(ledger: &Arc<Ledger>) -> Destination {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let ledger = Arc::clone(ledger);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let ledger = Arc::clone(&ledger);
            let n = ledger.connections.fetch_add(1, Ordering::Relaxed) + 1;
            std::thread::spawn(move || {
                serve(stream, n.wrapping_mul(0x9e37_79b9_7f4a_7c15), &ledger)
            });
        }
    });
    Destination::plain("127.0.0.1", port)
}

/// The numbers of the calls that failed.
async fn calls(to: Destination, lane: Lane, first: u64) -> Vec<u64> {
    let client = client();
    let mut failed = Vec::new();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64.wrapping_mul(first + 1);
    for number in (first..CALLS).step_by(usize::try_from(AT_A_TIME).unwrap()) {
        let request = Outgoing {
            fixed_headers: b"host: test\r\n",
            body: vec![Bytes::from(format!("{number:08}"))].into(),
            lane,
            ..Outgoing::new(&Method::POST, "/")
        };
        match client.send(&to, request, &timers()).await {
            Ok(mut answered) => assert_eq!(text(&mut answered).await, "ok"),
            Err(_) => failed.push(number),
        }
        // Calls that come one upon the other leave no connection idle.
        if next(&mut seed).is_multiple_of(4) {
            tokio::time::sleep(Duration::from_millis(next(&mut seed) % 16)).await;
        }
    }
    failed
}

fn run(lane: Lane) {
    let ledger = Arc::new(Ledger::default());
    let to = start(&ledger);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for first in 0..AT_A_TIME {
            let (to, failed) = (to.clone(), &failed);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                let mine = runtime.block_on(calls(to, lane, first));
                failed.lock().extend(mine);
            });
        }
    });
    let failed = failed.into_inner();
    let executed = ledger.executed.lock();
    let twice = executed.values().filter(|times| **times > 1).count();
    let (closed, connections) = (
        ledger.closed.load(Ordering::Relaxed),
        ledger.connections.load(Ordering::Relaxed),
    );
    assert!(
        connections > 20 && closed > 10,
        "{connections} connections, {closed} closed"
    );
    assert_eq!(
        (failed.len(), twice, executed.len() as u64),
        (0, 0, CALLS),
        "{connections} connections, {closed} closed while idle"
    );
}

#[test]
fn ten_thousand_calls_to_models_survive_random_idle_closes_and_none_is_executed_twice() {
    run(Lane::Model);
}

#[test]
fn ten_thousand_posts_that_may_not_be_repeated_survive_them_too() {
    run(Lane::Http);
}
