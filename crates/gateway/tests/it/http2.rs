//! HTTP/2 towards upstreams: calls and streams as over HTTP/1.1, and what breaks only there.

use drill::Script;

use crate::rig::{Rig, USUAL, script};

/// The usual configuration with HTTP/2 towards both providers and a route.
fn rig(json: &str) -> Rig {
    let yaml = USUAL.replace(
        "api_key: sk-upstream-secret",
        "api_key: sk-upstream-secret, http_version: 2",
    );
    let routes =
        "routes:\n  a: { match: { path: /a/** }, upstreams: [{ url: DRILL, http_version: 2 }] }\n";
    Rig::with(&format!("{yaml}{routes}"), script(json))
}

#[test]
fn calls_streams_and_routes_go_over_one_connection() {
    let rig = rig("{}");
    for _ in 0..3 {
        let whole = rig.chat("q/echo");
        assert_eq!(whole.status, 200, "{}", whole.body);
        let stream = rig.stream("q/echo");
        assert!(stream.body.ends_with("data: [DONE]\n\n"), "{}", stream.body);
        let plain = rig.request("POST", "/a/json/x").body("{}").send();
        assert_eq!(plain.status, 200, "{}", plain.body);
        assert_eq!(plain.json()["body_length"], 2);
    }
    assert_eq!(rig.drill.connections(), 1);
}

#[test]
fn what_was_not_processed_is_not_even_noticed() {
    for fault in ["h2-refused-stream", "h2-goaway", "h2-goaway-calm"] {
        let rig = rig(&format!(
            r#"{{"rules": [{{"when": {{"nth": 1}}, "fault": "{fault}"}}]}}"#
        ));
        let reply = rig.request("POST", "/a/json/x").body("{}").send();
        assert_eq!(
            (reply.status, reply.header("x-goodgate-outcome")),
            (200, Some("ok")),
            "{fault}: {}",
            reply.body
        );
        assert_eq!(rig.seen().len(), 2, "{fault}");
    }
}

#[test]
fn what_breaks_is_named_and_a_pair_survives_it() {
    for (fault, code) in [
        ("h2-refused-stream", "h2_stream_reset"),
        ("h2-reset", "h2_stream_reset"),
        ("h2-calm", "h2_stream_reset"),
        ("h2-goaway", "draining"),
        ("h2-goaway-calm", "h2_stream_reset"),
        ("h2-goaway-cut", "h2_stream_reset"),
        ("h2-reset-mid-body", "h2_stream_reset"),
    ] {
        let rig = rig(&format!(
            r#"{{"rules": [{{"when": {{"model": "first"}}, "fault": "{fault}"}}]}}"#
        ));
        let solo = rig.chat("p/first");
        assert_eq!(solo.goodgate()["code"], code, "{fault}: {}", solo.body);
        let pair = rig.chat("pair");
        assert_eq!(
            (pair.status, pair.header("x-goodgate-outcome")),
            (200, Some("recovered")),
            "{fault}: {}",
            pair.body
        );
    }
}

#[test]
fn a_stream_that_is_cut_off_ends_with_an_error_and_not_with_silence() {
    let rig = rig(r#"{"rules": [{"fault": "h2-reset-mid-body"}]}"#);
    let reply = rig.stream("q/echo");
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(!reply.body.contains("[DONE]"), "{}", reply.body);
    assert!(reply.body.contains("h2_stream_reset"), "{}", reply.body);
    let row = rig.newest(|row| row.call.outcome.as_str() == "failed");
    assert_eq!(row.call.code.as_deref(), Some("h2_stream_reset"));
}

#[test]
fn large_bodies_go_over_streams_too() {
    let rig = Rig::with(
        &format!(
            "{USUAL}routes:\n  a: {{ match: {{ path: /a/** }}, upstreams: [{{ url: DRILL, http_version: 2 }}] }}\n"
        ),
        Script::default(),
    );
    let body = vec![b'x'; 5 << 20];
    let reply = rig.request("POST", "/a/json/x").body(body).send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.json()["body_length"], 5 << 20);
}
