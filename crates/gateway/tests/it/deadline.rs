//! Every wait ends, each with its own name.

use std::time::Duration;

use crate::rig::{Rig, USUAL, script, timed};

/// Timers so long that only the one under test can fire.
fn patient(more: &str) -> String {
    let timers = "connect: 500ms, tls: 1s, response_header: 700ms, first_token: 700ms, idle: 700ms, total: 10s";
    let yaml = USUAL.replace(timers, more);
    assert!(yaml != USUAL);
    yaml
}

const LONG: &str = "response_header: 9s, first_token: 9s, idle: 9s, total: 15s";

struct Case {
    name: &'static str,
    timeout: &'static str,
    fault: &'static str,
    stream: bool,
    headers: &'static [(&'static str, &'static str)],
    code: &'static str,
    stop_reason: &'static str,
}

/// The one door: the call is answered with 504 between 250 ms and 1.5 s.
fn check(case: &Case) {
    let json = format!(r#"{{"rules":[{{"fault":{}}}]}}"#, case.fault);
    let rig = Rig::with(&patient(case.timeout), script(&json));
    let more = if case.stream { r#","stream":true"# } else { "" };
    let request = rig.chat_request("p/a", more).headers(case.headers);
    let (reply, took) = timed(|| request.send());
    let told = format!("{}: {took:?} {} {}", case.name, reply.status, reply.body);
    assert!(
        took >= Duration::from_millis(250) && took < Duration::from_millis(1500),
        "{told}"
    );
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (504, Some(case.code)),
        "{told}"
    );
    assert_eq!(reply.goodgate()["stop_reason"], case.stop_reason, "{told}");
    assert_eq!(rig.seen().len(), 1, "{told}");
}

const PLAIN: Case = Case {
    name: "",
    timeout: LONG,
    fault: r#""stall-before-head""#,
    stream: false,
    headers: &[],
    code: "response_header_timeout",
    stop_reason: "deadline",
};

#[test]
fn each_limit_ends_a_wait_in_its_own_name() {
    for case in [
        Case {
            name: "the caller's own limit",
            headers: &[("x-request-timeout-ms", "300")],
            ..PLAIN
        },
        Case {
            name: "gRPC's word for it",
            headers: &[("grpc-timeout", "300m")],
            ..PLAIN
        },
        Case {
            name: "the shorter of two",
            headers: &[("x-request-timeout-ms", "9000"), ("grpc-timeout", "300m")],
            ..PLAIN
        },
        Case {
            name: "what an SDK waits",
            headers: &[("x-stainless-timeout", "0.3")],
            ..PLAIN
        },
        Case {
            name: "what an SDK waits between bytes",
            headers: &[("x-stainless-read-timeout", "0.3")],
            ..PLAIN
        },
        Case {
            name: "a stream's first byte for an SDK",
            stream: true,
            headers: &[("x-stainless-timeout", "0.3")],
            ..PLAIN
        },
        Case {
            name: "a stream's first content for an SDK",
            fault: r#""stall-before-content""#,
            stream: true,
            headers: &[("x-stainless-timeout", "0.3")],
            code: "first_token_timeout",
            ..PLAIN
        },
        Case {
            name: "the total while pings flow",
            timeout: "response_header: 9s, first_token: 9s, idle: 9s, total: 400ms",
            fault: r#""pings-only""#,
            stream: true,
            code: "first_token_timeout",
            ..PLAIN
        },
        Case {
            name: "nonsense is no limit",
            timeout: "response_header: 9s, total: 300ms",
            headers: &[("x-request-timeout-ms", "-5"), ("grpc-timeout", "soon")],
            ..PLAIN
        },
        Case {
            name: "the configured total",
            timeout: "response_header: 9s, total: 300ms",
            ..PLAIN
        },
        Case {
            name: "the head as a whole, not byte by byte",
            timeout: "response_header: 300ms, total: 1200ms",
            fault: r#""drip-head""#,
            stop_reason: "no_other_target",
            ..PLAIN
        },
    ] {
        check(&case);
    }
}

#[test]
fn a_stream_that_has_begun_may_outlast_what_an_sdk_waits_between_bytes() {
    let rig = Rig::with(
        &patient(LONG),
        script(r#"{"pace_ms":100,"rules":[{"reply":{"text":"one two three four five six"}}]}"#),
    );
    let reply = rig
        .stream_request("p/a")
        .header("x-stainless-timeout", "0.4")
        .send();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.text(), "one two three four five six");
    assert_eq!(reply.events().pop().as_deref(), Some("[DONE]"));
}

#[test]
fn bytes_that_come_slowly_but_steadily_trip_no_idle_limit() {
    let yaml = patient("response_header: 5s, first_token: 5s, idle: 300ms, total: 15s");
    let rig = Rig::with(
        &yaml,
        script(r#"{"pace_ms":100,"rules":[{"reply":{"text":"one two three four five six"}}]}"#),
    );
    assert_eq!(rig.stream("p/a").text(), "one two three four five six");
}

#[test]
fn while_another_target_is_left_one_attempt_may_not_use_up_the_callers_time() {
    let yaml = patient(LONG).replace("p/first", "p/a");
    let rig = Rig::with(
        &yaml,
        script(r#"{"rules":[{"when":{"model":"a"},"fault":"stall-before-head"}]}"#),
    );
    let (reply, took) = timed(|| {
        rig.chat_request("pair", "")
            .header("x-request-timeout-ms", "2800")
            .send()
    });
    assert_eq!(
        (reply.status, reply.header("x-goodgate-outcome")),
        (200, Some("recovered")),
        "{}",
        reply.body
    );
    assert!(took < Duration::from_millis(2800), "{took:?}");
}

#[test]
fn an_attempt_that_could_not_end_in_time_is_not_begun() {
    let rig = Rig::with(
        &patient(LONG),
        script(r#"{"rules":[{"fault":"html-502"}]}"#),
    );
    let reply = rig
        .chat_request("p/a", "")
        .header("x-request-timeout-ms", "900")
        .send();
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (502, Some("bad_gateway")),
        "{}",
        reply.body
    );
    assert_eq!(reply.goodgate()["stop_reason"], "deadline");
    assert_eq!(rig.seen().len(), 1);
}

#[test]
fn a_callers_tiny_limit_leaves_no_mark_on_the_target() {
    let rig = Rig::with(
        &patient(LONG),
        script(r#"{"rules":[{"when":{"nth":"1..6"},"fault":"delay"}]}"#),
    );
    for _ in 0..6 {
        let reply = rig
            .chat_request("p/a", "")
            .header("x-request-timeout-ms", "60")
            .send();
        assert_eq!(reply.status, 504);
    }
    let reply = rig.chat("p/a");
    assert_eq!(
        reply.header("x-goodgate-outcome"),
        Some("ok"),
        "{}",
        reply.body
    );
}
