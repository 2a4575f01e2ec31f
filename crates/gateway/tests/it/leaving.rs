//! Clients that leave, and clients that do not read.

use std::time::Duration;

use drill::Seen;
use types::{Clock, SystemClock};

use crate::rig::{Rig, USUAL, script};
use crate::sockets::Firehose;

const SOON: Duration = Duration::from_secs(3);

/// Waits until the drill saw its client go; gives when that was.
fn seen_closed(rig: &Rig) -> u64 {
    let closed = |seen: &[Seen]| seen.iter().any(|seen| seen.client_closed_at.is_some());
    assert!(
        rig.drill.wait_for(closed, SOON),
        "the upstream call went on: {:?}",
        rig.drill.seen()
    );
    rig.drill
        .seen()
        .iter()
        .find_map(|seen| seen.client_closed_at)
        .unwrap()
}

const WORDS: &str = r#"{"pace_ms":40,"rules":[{"reply":{"text":"one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen","usage":{"input":21,"output":9}}}]}"#;

#[test]
fn a_client_that_leaves_in_mid_stream_ends_the_upstream_call_at_once_and_is_recorded() {
    let yaml = USUAL.replace(
        "providers:\n",
        "providers:\n  c: { type: anthropic, base_url: DRILL/anthropic, api_key: sk-x }\n",
    );
    for model in ["p/a", "c/claude"] {
        let rig = Rig::with(&yaml, script(WORDS));
        let mut live = rig.stream_request(model).start();
        live.until("two");
        let left = SystemClock.unix_millis();
        drop(live);
        let closed = seen_closed(&rig);
        assert!(
            closed.saturating_sub(left) <= 100,
            "{model}: seen after {} ms",
            closed.saturating_sub(left)
        );
        let row = rig
            .newest(|row| row.call.outcome.as_str() == "cancelled")
            .call;
        assert!(row.output_sent, "{model}: {row:?}");
        assert_eq!(row.attempts.len(), 1, "{model}");
        assert!(
            row.usage.output.is_some_and(|tokens| tokens > 0),
            "{model}: {:?}",
            row.usage
        );
        assert!(
            row.usage.input.is_some_and(|tokens| tokens > 0),
            "{model}: {:?}",
            row.usage
        );
        assert_ne!(
            row.certainty.as_str(),
            "exact",
            "{model}: what came is not all that was worked"
        );
    }
}

#[test]
fn a_client_that_leaves_while_it_waits_ends_the_upstream_call_at_once() {
    for fault in ["stall-before-head", "stall-after-head"] {
        let yaml = USUAL.replace(
            "response_header: 700ms, first_token: 700ms, idle: 700ms",
            "response_header: 9s, first_token: 9s, idle: 9s",
        );
        let rig = Rig::with(
            &yaml,
            script(&format!(r#"{{"rules":[{{"fault":"{fault}"}}]}}"#)),
        );
        let live = rig.chat_request("p/a", "").start();
        assert!(rig.drill.wait_for(|seen| !seen.is_empty(), SOON));
        let left = SystemClock.unix_millis();
        drop(live);
        let closed = seen_closed(&rig);
        assert!(
            closed.saturating_sub(left) <= 100,
            "{fault}: seen after {} ms",
            closed.saturating_sub(left)
        );
        let row = rig
            .newest(|row| row.call.outcome.as_str() == "cancelled")
            .call;
        assert_eq!(row.attempts.len(), 1, "{fault}: {row:?}");
        assert_eq!(
            row.attempts[0].code.as_deref(),
            Some("client_cancelled"),
            "{fault}: {row:?}"
        );
        assert_eq!(rig.drill.count(), 1, "{fault}: nobody is left to answer");
    }
}

#[test]
fn a_client_that_leaves_between_two_attempts_gets_no_second() {
    let json = r#"{"rules":[{"fault":{"kind":"status","status":429,"headers":[["retry-after-ms","1500"]],"body":{"error":{"message":"slow","code":"rate_limit_exceeded"}}}}]}"#;
    let rig = Rig::with(USUAL, script(json));
    let live = rig.chat_request("p/a", "").start();
    assert!(rig.drill.wait_for(
        |seen| seen.first().is_some_and(|seen| seen.ended_at.is_some()),
        SOON
    ));
    drop(live);
    let row = rig
        .newest(|row| row.call.outcome.as_str() == "cancelled")
        .call;
    assert_eq!(rig.drill.count(), 1);
    assert!(!row.output_sent);
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    const MOST: u64 = 512 << 20;
    let firehose = Firehose::open(MOST, Duration::from_millis(400));
    let yaml = USUAL
        .replace("DRILL/v1", &format!("http://{}/v1", firehose.address))
        .replace("idle: 700ms", "idle: 9s");
    let rig = Rig::with(&yaml, drill::Script::default());
    let live = rig.stream_request("p/a").start();
    let sent = firehose.sent();
    // Two pairs of socket buffers and one read of ours.
    assert!(sent < 64 << 20, "{sent} bytes went into nobody's hands");
    drop(live);
    rig.newest(|row| row.call.outcome.as_str() == "cancelled");
}
