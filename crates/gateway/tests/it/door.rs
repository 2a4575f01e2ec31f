//! HTTP/1.1 at the door: connections that stay and close, bodies in every framing, and what is no request at all.

use std::time::Duration;

use crate::client::{Live, raw};
use crate::rig::{Build, Rig, USUAL, chat_body, script, timed};
use gateway::serve::drain::Stage;

fn chat(rig: &Rig, more_headers: &str) -> String {
    let body = chat_body("p/echo", "");
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n{more_headers}\r\n{body}",
        rig.key,
        body.len()
    )
}

const ALIVE: &str = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
const LAST: &str = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Sends everything at once and gives all that comes until the gateway closes.
fn exchange(rig: &Rig, text: &str) -> String {
    let mut live = Live::connect(rig.address);
    live.write(text.as_bytes());
    live.drain();
    live.text()
}

fn answers(text: &str) -> usize {
    text.matches("HTTP/1.1 ").count()
}

#[test]
fn requests_sent_ahead_are_answered_in_their_order() {
    let rig = Rig::usual();
    let text = exchange(
        &rig,
        &[ALIVE, &chat(&rig, ""), &chat(&rig, ""), LAST].concat(),
    );
    assert_eq!(
        (answers(&text), text.matches("HTTP/1.1 200 OK").count()),
        (4, 4),
        "{text}"
    );
    let place = |words: &str| text.find(words).unwrap();
    assert!(place("alive") < place("chat.completion"), "{text}");
    assert!(text.ends_with("alive"), "{text}");
}

#[test]
fn a_connection_stays_or_closes_as_its_client_says() {
    let rig = Rig::usual();
    let old = "GET /livez HTTP/1.0\r\n\r\n";
    let text = exchange(&rig, &[old, old].concat());
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert_eq!(text.matches("alive").count(), 1, "{text}");
    assert!(text.contains("connection: close\r\n"), "{text}");
    let stays = "GET /livez HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";
    let text = exchange(&rig, &[stays, old].concat());
    assert_eq!(text.matches("alive").count(), 3, "one in a header: {text}");
    assert!(text.contains("connection: keep-alive\r\n"), "{text}");
    let text = exchange(&rig, &[LAST, ALIVE].concat());
    assert_eq!(text.matches("alive").count(), 1, "{text}");
}

#[test]
fn a_body_in_chunks_is_read_whatever_pieces_it_comes_in() {
    let rig = Rig::usual();
    let body = chat_body("p/echo", "");
    let (one, two) = body.split_at(7);
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        rig.key
    );
    let framed = format!(
        "{:x};name=\"value\"\r\n{one}\r\n{:X}\r\n{two}\r\n0\r\nx-trailer: 1\r\n\r\n",
        one.len(),
        two.len()
    );
    let mut live = Live::connect(rig.address);
    for (n, cut) in (0..framed.len()).step_by(9).enumerate() {
        let (first, rest) = framed.split_at(cut);
        live.write(head.as_bytes());
        live.write(first.as_bytes());
        std::thread::yield_now();
        live.write(rest.as_bytes());
        while live.text().matches("\"chat.completion\"").count() <= n {
            assert!(live.more(), "{}", live.text());
        }
    }
    live.write(LAST.as_bytes());
    live.drain();
    assert!(live.text().ends_with("alive"), "{}", live.text());
}

#[test]
fn what_looks_like_a_request_in_a_body_is_none() {
    let rig = Rig::usual();
    let hidden = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    for (name, framing) in [
        (
            "chunks and length",
            format!(
                "content-length: {}\r\ntransfer-encoding: chunked",
                5 + hidden.len()
            ),
        ),
        (
            "two lengths",
            format!("content-length: 5\r\ncontent-length: {}", 5 + hidden.len()),
        ),
        (
            "a list of lengths",
            format!("content-length: 5, {}", 5 + hidden.len()),
        ),
        (
            "a coding before chunked",
            "transfer-encoding: x, chunked".to_owned(),
        ),
        (
            "chunks by another name",
            "transfer-encoding: xchunked".to_owned(),
        ),
        (
            "a line that others do not end",
            "x: y\ntransfer-encoding: chunked".to_owned(),
        ),
        (
            "a blank before the colon",
            "transfer-encoding : chunked".to_owned(),
        ),
    ] {
        for path in ["/v1/chat/completions", "/livez", "/nowhere"] {
            let text = format!(
                "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{framing}\r\n\r\n0\r\n\r\n{hidden}",
                rig.key
            );
            let reply = raw(rig.address, text.as_bytes());
            assert_eq!(
                (
                    reply.status,
                    reply.header("x-goodgate-code"),
                    reply.header("connection")
                ),
                (400, Some("invalid_request"), Some("close")),
                "{name} at {path}: {reply:?}"
            );
            assert!(
                reply.whole && !reply.body.contains("alive"),
                "{name} at {path}: {reply:?}"
            );
        }
    }
    assert_eq!(rig.drill.count(), 0);
}

#[test]
fn a_head_that_is_refused_is_told_why_in_the_clients_own_form() {
    let rig = Rig::usual();
    for (bytes, status, says) in [
        (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
            "they differ",
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 1\r\n\r\n",
            400,
            "no Host",
        ),
        (
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            400,
            "more than one Host",
        ),
        (
            "GET /nowhere HTTP/1.1\r\nhost: x\r\nx\r\n\r\n",
            400,
            "name of a header",
        ),
        (
            "GET / HTTP/3.0\r\nhost: x\r\n\r\n",
            505,
            "neither 1.0 nor 1.1",
        ),
        ("hello\r\n\r\n", 400, "request line"),
    ] {
        let reply = raw(rig.address, bytes.as_bytes());
        assert_eq!(
            (reply.status, reply.header("x-goodgate-code")),
            (status, Some("invalid_request")),
            "{bytes}: {reply:?}"
        );
        assert!(
            reply.whole && reply.body.contains(says),
            "{bytes}: {}",
            reply.body
        );
        let is_openai = reply.json().get("error").is_some();
        assert_eq!(is_openai, bytes.contains("/v1/"), "{}", reply.body);
    }
    let mut long = "GET /v1/models HTTP/1.1\r\nhost: x\r\nx: ".to_owned();
    long.push_str(&"y".repeat(40_000));
    let reply = raw(rig.address, long.as_bytes());
    assert_eq!(reply.status, 431, "{reply:?}");
    assert!(
        reply.body.contains("larger than 32768 bytes"),
        "{}",
        reply.body
    );
}

#[test]
fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let rig = Rig::usual();
    let body = "x".repeat(700_000);
    let text = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-wrong\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for _ in 0..10 {
        let reply = raw(rig.address, text.as_bytes());
        assert_eq!(reply.status, 401, "{reply:?}");
        assert!(
            reply.whole && reply.header("connection") == Some("close"),
            "{reply:?}"
        );
    }
}

#[test]
fn a_refused_call_whose_body_has_come_leaves_the_connection_usable() {
    let rig = Rig::usual();
    let wrong = chat(&rig, "").replace(&rig.key, "sk-wrong");
    let text = exchange(&rig, &[&wrong, LAST].concat());
    assert!(
        text.starts_with("HTTP/1.1 401 ") && text.ends_with("alive"),
        "{text}"
    );
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let rig = Rig::usual();
    let head = ALIVE.replace("GET", "HEAD");
    let text = exchange(&rig, &[&head, LAST].concat());
    assert_eq!(text.matches("content-length: 5\r\n").count(), 2, "{text}");
    assert_eq!(text.matches("\r\n\r\nalive").count(), 1, "{text}");
    assert_eq!(text.matches("\r\ndate: ").count(), 2, "{text}");
}

#[test]
fn an_old_client_gets_a_stream_that_ends_with_the_connection() {
    let rig = Rig::scripted(r#"{"rules":[{"reply":{"text":"one two three"}}]}"#);
    let body = chat_body("p/a", r#","stream":true"#);
    let text = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        rig.key,
        body.len()
    );
    let text = exchange(&rig, &text);
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n"), "{text}");
    assert!(
        !text.contains("transfer-encoding") && text.ends_with("data: [DONE]\n\n"),
        "{text}"
    );
}

#[test]
fn the_second_head_on_a_connection_has_its_deadline_as_the_first() {
    let rig = Rig::build(Build {
        yaml: USUAL,
        tune: Some(|snapshot| snapshot.server.head_timeout = Duration::from_millis(400)),
        ..Build::default()
    });
    let mut live = Live::connect(rig.address);
    live.write(ALIVE.as_bytes());
    live.until("alive");
    live.write(b"GET /livez HT");
    let ((), took) = timed(|| live.drain());
    assert!(live.text().contains("HTTP/1.1 408 "), "{}", live.text());
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[test]
fn a_gateway_that_closes_tells_busy_connections_and_lets_idle_ones_be_used_once_more() {
    let rig = Rig::with(
        USUAL,
        script(
            r#"{"rules":[{"reply":{"text":"one two"},"fault":{"kind":"delay","at":"before-head","ms":300}}]}"#,
        ),
    );
    let mut idle = Live::connect(rig.address);
    idle.write(ALIVE.as_bytes());
    idle.until("alive");
    let mut busy = Live::connect(rig.address);
    busy.write(chat(&rig, "").as_bytes());
    while rig.drill.count() == 0 {
        std::thread::yield_now();
    }
    rig.shared.drain.advance(Stage::Closing);
    idle.write(ALIVE.as_bytes());
    idle.drain();
    let text = idle.text();
    assert_eq!(text.matches("alive").count(), 2, "{text}");
    assert_eq!(text.matches("connection: close").count(), 1, "{text}");
    busy.drain();
    assert!(
        busy.text().contains("connection: close\r\n"),
        "{}",
        busy.text()
    );
    assert!(busy.text().contains("one two"), "{}", busy.text());
}

/// A frame of HTTP/2. Source: RFC 9113, 4.1.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[test]
fn http2_is_known_by_its_preface_also_when_it_comes_in_pieces() {
    const SETTINGS: u8 = 4;
    const HEADERS: u8 = 1;
    let rig = Rig::usual();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // GET, http, a path and an authority without indexing. Source: RFC 7541, 6.2.2 and appendix A.
    let fields = [
        &[0x82, 0x86, 0x04, 6],
        b"/livez".as_slice(),
        &[0x01, 1],
        b"x",
    ]
    .concat();
    let rest = [frame(SETTINGS, 0, 0, &[]), frame(HEADERS, 5, 1, &fields)].concat();
    for cut in [0, 1, 3, 14, 24] {
        let mut live = Live::connect(rig.address);
        let (first, second) = preface.split_at(cut);
        live.write(first);
        std::thread::yield_now();
        live.write(second);
        live.write(&rest);
        live.until("alive");
    }
}
