//! Bodies that are too large, or of unknown length, to be read before they are sent.

use crate::client::{Live, Reply};
use crate::rig::{Rig, USUAL};

const ROUTES: &str = "
routes:
  a: { match: { path: /json/** }, upstreams: [DRILL], keep_prefix: true }
  small: { match: { path: /small/** }, upstreams: [DRILL], max_body: 2MB }
  two: { match: { path: /two/** }, upstreams: [DRILL, DRILL/json] }
";

fn rig() -> Rig {
    Rig::with(&format!("{USUAL}{ROUTES}"), drill::Script::default())
}

/// A request whose head is written; what follows is the test's.
fn begin(rig: &Rig, method: &str, path: &str, more: &str) -> Live {
    let mut live = Live::connect(rig.address);
    live.write(
        format!(
            "{method} {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\nconnection: close\r\n{more}\r\n\r\n",
            rig.key
        )
        .as_bytes(),
    );
    live
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk
}

/// Sends `length` bytes in chunks.
fn chunked(rig: &Rig, method: &str, path: &str, length: usize) -> Reply {
    let mut live = begin(rig, method, path, "transfer-encoding: chunked");
    let mut left = length;
    let mut is_taken = true;
    while left > 0 && is_taken {
        let now = left.min(50_000);
        is_taken = live.try_write(&chunk(&vec![b'x'; now]));
        left -= now;
    }
    if is_taken {
        live.try_write(b"0\r\n\r\n");
    }
    live.finish()
}

#[test]
fn a_large_body_goes_on_as_it_comes_and_is_not_held() {
    let rig = rig();
    let length = 12 << 20;
    let mut live = begin(
        &rig,
        "POST",
        "/json/x",
        &format!("content-length: {length}"),
    );
    let piece = vec![b'x'; 1 << 20];
    let mut most = 0;
    for _ in 0..12 {
        live.write(&piece);
        most = most.max(rig.shared.bytes.held());
    }
    let reply = live.finish();
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["body_length"], length);
    // The first MiB may be kept for another attempt; never more.
    assert!(most <= 1 << 20, "{most}");
    assert_eq!(rig.shared.bytes.held(), 0);
    let seen = rig.drill.seen().remove(0);
    assert_eq!(
        seen.header("content-length"),
        Some(length.to_string().as_str())
    );
}

#[test]
fn a_body_of_unknown_length_is_sent_in_chunks() {
    let rig = rig();
    for length in [0, 1, 300_000, 3 << 20] {
        let reply = chunked(&rig, "POST", "/json/x", length);
        assert_eq!(reply.status, 200, "{length}: {}", reply.body);
        assert_eq!(reply.json()["body_length"], length);
    }
    let seen = rig.drill.seen();
    assert_eq!(seen[2].header("transfer-encoding"), Some("chunked"));
}

#[test]
fn the_first_mebibyte_can_be_sent_again_and_more_cannot() {
    let rig = rig();
    let again = chunked(&rig, "PUT", "/two/flaky/1/x", 700_000);
    assert_eq!(
        (again.status, again.header("x-goodgate-outcome")),
        (200, Some("recovered")),
        "{}",
        again.body
    );
    assert_eq!(again.json()["body_length"], 700_000);
    // Past it the upstream's own answer is passed on, and a break is explained by what can no longer be done.
    let once = chunked(&rig, "PUT", "/two/flaky/1/x", 3 << 20);
    assert_eq!(
        (once.status, once.header("x-goodgate-attempts")),
        (502, Some("1"))
    );
    let broken = chunked(&rig, "PUT", "/two/fault/close-before-head/x", 3 << 20);
    assert_eq!(broken.status, 502, "{}", broken.body);
    assert_eq!(broken.goodgate()["code"], "connection_closed");
    let row = rig.row(&broken);
    assert_eq!(row.call.stop_reason.as_deref(), Some("body_not_replayable"));
}

#[test]
fn a_body_over_its_limit_is_refused_before_and_while_it_comes() {
    let rig = rig();
    let before = begin(&rig, "POST", "/small/json", "content-length: 3000000").finish();
    assert_eq!(before.goodgate()["code"], "request_too_large");
    assert_eq!(rig.drill.count(), 0);
    // The connection is closed while the client still sends, so the answer may be lost to it; the record is not.
    let mut live = begin(&rig, "POST", "/small/json", "transfer-encoding: chunked");
    while live.try_write(&chunk(&[b'x'; 50_000])) {}
    let row = rig.newest(|row| row.call.code.as_deref() == Some("request_too_large"));
    assert_eq!(
        (row.call.status, row.call.outcome.as_str()),
        (Some(413), "refused")
    );
}

#[test]
fn a_client_that_leaves_in_its_body_leaves_no_whole_request_behind() {
    let rig = rig();
    let mut live = begin(&rig, "POST", "/json/x", "content-length: 5000000");
    live.write(&vec![b'x'; 2 << 20]);
    drop(live);
    let row = rig.newest(|row| row.call.outcome.as_str() == "cancelled");
    assert_eq!(row.call.lane, "http");
    assert!(
        rig.drill
            .seen()
            .iter()
            .all(|seen| seen.body.len() < 5_000_000)
    );
    assert_eq!(rig.shared.bytes.held(), 0);
}

#[test]
fn a_refusal_that_comes_before_the_body_is_sent_is_the_answer() {
    let rig = rig();
    let mut live = begin(
        &rig,
        "POST",
        "/two/fault/early-413/json",
        "content-length: 30000000",
    );
    // The answer comes while the client still sends; it need not take all.
    for _ in 0..8 {
        live.try_write(&[b'x'; 65_536]);
    }
    live.until("413");
}
