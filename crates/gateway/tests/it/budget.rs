//! A dead upstream is not also stormed.

use crate::rig::{Rig, USUAL, in_parallel, script, timed};

/// Without breakers: the budget by itself.
fn unguarded(yaml: &str) -> String {
    yaml.replace(
        "resilience:\n",
        "resilience:\n  circuit_breaker: { mode: off }\n",
    )
}

#[test]
fn a_dead_upstream_sees_at_most_a_fifth_more_attempts_than_calls() {
    const CALLS: usize = 300;
    let rig = Rig::with(
        &unguarded(USUAL),
        script(r#"{"rules":[{"fault":"html-502"}]}"#),
    );
    let (replies, took) = timed(|| in_parallel(&[(); CALLS], |()| rig.chat("p/a")));
    for reply in &replies {
        assert_eq!(
            (reply.status, reply.header("x-goodgate-code")),
            (502, Some("bad_gateway")),
            "{}",
            reply.body
        );
    }
    // The floor: one a second, ten at once.
    let floor = usize::try_from(took.as_secs()).unwrap() + 10;
    let seen = rig.seen().len();
    assert!(
        seen <= CALLS + CALLS / 5 + floor,
        "{seen} requests for {CALLS} calls in {took:?}"
    );
    let stopped = replies
        .iter()
        .filter(|reply| reply.goodgate()["stop_reason"] == "budget_exhausted")
        .count();
    assert!(stopped > CALLS / 2, "{stopped} stopped by the budget");
}

#[test]
fn a_first_visit_to_another_provider_is_free_even_when_the_budget_is_used_up() {
    let yaml = unguarded(&USUAL.replace("p/first", "p/a"));
    let rig = Rig::with(
        &yaml,
        script(r#"{"rules":[{"when":{"model":"a"},"fault":"html-502"}]}"#),
    );
    let replies = in_parallel(&[(); 200], |()| rig.chat("pair"));
    for reply in &replies {
        assert_eq!(
            (reply.status, reply.header("x-goodgate-outcome")),
            (200, Some("recovered")),
            "{}",
            reply.body
        );
    }
}

#[test]
fn calls_that_are_the_clients_own_retries_earn_no_repeats() {
    let rig = Rig::with(USUAL, script(r#"{"rules":[{"fault":"html-502"}]}"#));
    let calls = in_parallel(&[(); 100], |()| {
        rig.chat_request("p/a", "")
            .header("x-stainless-retry-count", "1")
            .send()
    });
    assert!(
        calls
            .iter()
            .all(|reply| reply.header("x-should-retry") == Some("false"))
    );
    let seen = rig.seen().len();
    assert!(
        seen <= 100 + 12,
        "{seen} requests: the floor alone allows repeats"
    );
}
