//! Connections that serve more than one call, on both sides.

use crate::client::Live;
use crate::rig::{Rig, USUAL, chat_body, script};

#[test]
fn calls_one_after_another_share_a_connection_to_the_upstream() {
    let rig = Rig::usual();
    for _ in 0..10 {
        assert_eq!(rig.chat("p/echo").status, 200);
        assert_eq!(rig.stream("p/echo").status, 200);
    }
    assert_eq!(rig.drill.connections(), 1);
    let row = rig.row(&rig.chat("p/echo")).call;
    assert!(row.attempts[0].reused);
}

#[test]
fn a_connection_that_the_upstream_gave_up_meanwhile_costs_no_attempt() {
    for fault in [
        "keep-alive-close-after",
        "keep-alive-close-on-next",
        "keep-alive-reset-on-next",
    ] {
        let json = format!(r#"{{"rules":[{{"when":{{"nth":1}},"fault":"{fault}"}}]}}"#);
        let rig = Rig::with(USUAL, script(&json));
        for n in 0..3 {
            let reply = rig.chat("p/echo");
            assert_eq!(reply.status, 200, "{fault} {n}: {}", reply.body);
            assert_eq!(
                reply.header("x-goodgate-attempts"),
                Some("1"),
                "{fault} {n}"
            );
            assert_eq!(
                reply.header("x-goodgate-outcome"),
                Some("ok"),
                "{fault} {n}"
            );
        }
        assert_eq!(rig.drill.connections(), 2, "{fault}");
    }
}

fn request(rig: &Rig, version: &str, model: &str, more: &str) -> String {
    let body = chat_body(model, more);
    format!(
        "POST /v1/chat/completions HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n{body}",
        rig.key,
        body.len()
    )
}

#[test]
fn a_client_may_send_its_requests_one_behind_the_other_on_one_connection() {
    let rig = Rig::usual();
    let mut live = Live::connect(rig.address);
    let all = [
        request(&rig, "1.1", "p/echo", ""),
        request(&rig, "1.1", "pear", ""),
        request(&rig, "1.1", "p/flaky-502", r#","stream":true"#),
    ];
    live.write(all.concat().as_bytes());
    live.until("[DONE]");
    live.write(request(&rig, "1.0", "q/echo", "").as_bytes());
    live.drain();
    let text = live.text();
    let statuses: Vec<_> = text
        .match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12))
        .collect();
    assert_eq!(statuses, ["200", "404", "200", "200"], "{text}");
}

#[test]
fn a_client_of_http_1_0_gets_streams_without_chunks() {
    let rig = Rig::usual();
    let mut live = Live::connect(rig.address);
    live.write(request(&rig, "1.0", "p/echo", r#","stream":true"#).as_bytes());
    live.drain();
    let text = live.text();
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(
        !text.to_ascii_lowercase().contains("transfer-encoding"),
        "{text}"
    );
}
