//! The end of a gateway, stage by stage: what is due of whom, and what its clients see.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use gateway::serve::drain::Stage;
use types::{Clock, SystemClock};

use crate::client::{Live, Request};
use crate::rig::{Rig, USUAL, chat_body, script};

/// Six words, 60 ms apart.
const WORDS: &str = r#"{"pace_ms":60,"rules":[{"reply":{"text":"one two three four five six"}}]}"#;

/// A word, then silence.
const SLOW: &str = r#"{"rules":[{"fault":"stall-after-event","reply":{"text":"one two three"}}]}"#;

fn patient(yaml: &str) -> String {
    yaml.replace(
        "response_header: 700ms, first_token: 700ms, idle: 700ms, total: 10s",
        "total: 60s",
    )
}

fn advance(rig: &Rig, stage: Stage) {
    rig.shared.drain.advance(stage);
}

/// Waits until something is so; the gateway's own threads make it so.
fn until(what: &str, so: impl Fn() -> bool) {
    let end = SystemClock.now() + Duration::from_secs(10);
    while !so() {
        assert!(SystemClock.now() < end, "not within 10 s: {what}");
        std::thread::yield_now();
    }
}

/// A chat call on a connection that could be used again.
fn kept_alive(rig: &Rig, live: &mut Live) {
    let body = chat_body("p/a", "");
    live.write(
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            rig.address,
            rig.key,
            body.len()
        )
        .as_bytes(),
    );
}

#[test]
fn a_gateway_that_leaves_is_not_ready_but_serves_as_ever() {
    let rig = Rig::usual();
    let ready = || Request::new(rig.address, "GET", "/readyz").send().status;
    assert_eq!(ready(), 200);
    advance(&rig, Stage::Leaving);
    assert_eq!(ready(), 503);
    assert_eq!(
        Request::new(rig.address, "GET", "/livez").send().status,
        200
    );
    assert_eq!(rig.chat("p/a").status, 200);
    let mut live = Live::connect(rig.address);
    kept_alive(&rig, &mut live);
    live.until("\"choices\"");
    assert!(
        !live.text().contains("connection: close"),
        "{}",
        live.text()
    );
}

#[test]
fn a_gateway_that_closes_answers_what_is_open_and_takes_nothing_new() {
    let rig = Rig::with(USUAL, script(WORDS));
    let mut stream = rig.stream_request("p/a").start();
    stream.until("one");
    let mut kept = Live::connect(rig.address);
    kept_alive(&rig, &mut kept);
    kept.until("\"usage\"");
    let at_once = kept.text().len();
    let mut idle = Live::connect(rig.address);
    idle.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    idle.until("alive");
    advance(&rig, Stage::Closing);
    until("the listener is closed", || {
        TcpStream::connect(rig.address).is_err()
    });
    kept_alive(&rig, &mut kept);
    kept.drain();
    let second = kept.text().split_off(at_once);
    assert!(second.starts_with("HTTP/1.1 200 OK"), "{second}");
    assert!(second.contains("connection: close"), "{second}");
    let reply = stream.finish();
    assert_eq!(
        (reply.text().as_str(), reply.whole),
        ("one two three four five six", true)
    );
    until("all calls have ended", || rig.server().running_calls() == 0);
    until("the idle connection is closed as well", || {
        rig.server().connections() == 0
    });
    idle.drain();
}

#[test]
fn a_call_without_an_answer_is_told_when_its_time_is_over() {
    let rig = Rig::with(
        &patient(USUAL),
        script(r#"{"rules":[{"when":{"model":"never"},"fault":"stall-before-head"}]}"#),
    );
    let waiting = rig.chat_request("p/never", "").start();
    until("the call has reached the drill", || !rig.seen().is_empty());
    let mut kept = Live::connect(rig.address);
    kept.write(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
    kept.until("alive");
    advance(&rig, Stage::EndingCalls);
    let told = waiting.finish();
    assert_eq!(
        (told.status, told.header("x-goodgate-code")),
        (503, Some("shutting_down")),
        "{}",
        told.body
    );
    assert!(told.header("retry-after").is_some());
    assert_eq!(told.header("x-should-retry"), Some("true"));
    let row = rig.row(&told);
    assert_eq!(row.call.code.as_deref(), Some("shutting_down"));
    // A request that comes now, on a connection that is open still, does not reach an upstream.
    let before = rig.seen().len();
    kept_alive(&rig, &mut kept);
    kept.drain();
    let text = kept.text();
    assert!(
        text.contains("HTTP/1.1 503") && text.contains("shutting_down"),
        "{text}"
    );
    assert_eq!(rig.seen().len(), before);
}

#[test]
fn a_stream_outlives_other_calls_and_ends_with_an_error_event() {
    let rig = Rig::with(&patient(USUAL), script(SLOW));
    let mut stream = rig.stream_request("p/a").start();
    stream.until("one");
    advance(&rig, Stage::EndingCalls);
    assert_eq!(rig.server().running_calls(), 1);
    advance(&rig, Stage::EndingStreams);
    let reply = stream.finish();
    assert!(reply.whole, "the framing ends as it should: {}", reply.body);
    assert_eq!(reply.text(), "one");
    let event = reply.last_event();
    assert_eq!(
        event["error"]["goodgate"]["code"], "shutting_down",
        "{event}"
    );
    assert!(!reply.body.contains("[DONE]"), "{}", reply.body);
    until("the connection is closed", || {
        rig.server().connections() == 0
    });
    let row = rig.row(&reply);
    assert_eq!(
        (row.call.outcome.as_str(), row.call.code.as_deref()),
        ("failed", Some("shutting_down"))
    );
}

#[test]
fn a_stream_of_which_nothing_has_come_counts_as_a_stream() {
    let rig = Rig::with(
        &patient(USUAL),
        script(r#"{"rules":[{"when":{"model":"never"},"fault":"stall-before-head"}]}"#),
    );
    let waiting = rig.stream_request("p/never").start();
    let other = rig.chat_request("p/never", "").start();
    until("both have reached the drill", || rig.seen().len() == 2);
    advance(&rig, Stage::EndingCalls);
    // A call that is no stream, on the same worker, has been told: so has looked who had to.
    let told = other.finish();
    assert_eq!(told.status, 503);
    assert_eq!(rig.server().running_calls(), 1);
    advance(&rig, Stage::EndingStreams);
    let told = waiting.finish();
    assert_eq!(
        (told.status, told.header("x-goodgate-code")),
        (503, Some("shutting_down"))
    );
}

/// A literal header field without indexing, no Huffman coding. Source: RFC 7541, 6.2.2.
fn field(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        // Lengths from 127 on take a second byte.
        match u8::try_from(text.len()) {
            Ok(length) if length < 127 => block.push(length),
            _ => block.extend([127, u8::try_from(text.len() - 127).unwrap()]),
        }
        block.extend(text.as_bytes());
    }
}

/// One frame. Source: RFC 9113, 4.1.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags, 0, 0, 0, stream]);
    bytes.extend(payload);
    bytes
}

/// The next frame: its kind, flags, stream and payload; none at the end of the connection. A ping is answered: with it
/// the gateway learns that its GOAWAY has arrived.
fn next_frame(socket: &mut TcpStream) -> Option<(u8, u8, u8, Vec<u8>)> {
    let mut head = [0; 9];
    socket.read_exact(&mut head).ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    socket.read_exact(&mut payload).unwrap();
    let (kind, flags) = (head[3], head[4]);
    if kind == 6 && flags == 0 {
        socket.write_all(&frame(6, 1, 0, &payload)).unwrap();
    }
    Some((kind, flags, head[8], payload))
}

#[test]
fn over_http2_a_client_is_told_to_go_away_and_its_stream_to_end() {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const GOAWAY: u8 = 7;
    let rig = Rig::with(&patient(USUAL), script(SLOW));
    let mut socket = TcpStream::connect(rig.address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let body = chat_body("p/a", r#","stream":true"#);
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1/chat/completions"),
        (":authority", "localhost"),
        ("authorization", &format!("Bearer {}", rig.key)),
        ("content-type", "application/json"),
    ] {
        field(&mut block, name, value);
    }
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, 0x4, 1, &block));
    bytes.extend(frame(DATA, 0x1, 1, body.as_bytes()));
    socket.write_all(&bytes).unwrap();
    let mut text = String::new();
    while !text.contains("one") {
        let (kind, _, _, payload) = next_frame(&mut socket).unwrap();
        if kind == DATA {
            text.push_str(&String::from_utf8_lossy(&payload));
        }
    }
    advance(&rig, Stage::Closing);
    loop {
        let (kind, ..) = next_frame(&mut socket).unwrap();
        if kind == GOAWAY {
            break;
        }
    }
    assert_eq!(rig.server().running_calls(), 1, "its stream goes on");
    advance(&rig, Stage::EndingStreams);
    let mut ended = false;
    while let Some((kind, flags, stream, payload)) = next_frame(&mut socket) {
        if kind == DATA && stream == 1 {
            text.push_str(&String::from_utf8_lossy(&payload));
            ended |= flags & 0x1 > 0;
        }
    }
    assert!(text.contains("shutting_down") && ended, "{text}");
    assert!(!text.contains("[DONE]"), "{text}");
}
