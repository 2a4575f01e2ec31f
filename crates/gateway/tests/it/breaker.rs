//! Breakers and limits over real sockets: what is left alone, for how long, and what is told of it. Times are short here;
//! the rules themselves are tested where they are, over simulated minutes.

use std::time::{Duration, Instant};

use gateway::reload;
use resilience::breaker::Position;
use resilience::registry::Reading;
use types::{Clock, SystemClock};

use crate::client::{Reply, Request};
use crate::rig::{Rig, USUAL, chat_body, in_parallel, script, snapshot};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A breaker that opens for 100 to 200 ms, whatever it has been through.
fn quick(yaml: &str) -> String {
    yaml.replace(
        "resilience:\n",
        "resilience:\n  circuit_breaker: { open: 200ms, max_open: 200ms }\n",
    )
    .replace("p/first", "p/a")
}

fn failing(model: &str) -> drill::Script {
    script(&format!(
        r#"{{"rules":[{{"when":{{"model":"{model}"}},"fault":"html-502"}}]}}"#
    ))
}

fn reading(rig: &Rig, name: &str) -> Reading {
    let readings = rig.shared.registry.readings(rig.shared.clock.now());
    let found = readings.into_iter().find(|one| one.name == name);
    found.unwrap_or_else(|| panic!("nothing is known of {name}"))
}

fn reached(rig: &Rig, model: &str) -> usize {
    rig.seen().iter().filter(|(seen, _)| seen == model).count()
}

/// Calls until one is as wished.
fn until(rig: &Rig, model: &str, wished: impl Fn(&Reply) -> bool) -> Reply {
    let end = rig.shared.clock.now() + PATIENCE;
    loop {
        let reply = rig.chat(model);
        if wished(&reply) {
            return reply;
        }
        let now: Instant = rig.shared.clock.now();
        assert!(now < end, "{}: {}", reply.status, reply.body);
    }
}

fn served_by(reply: &Reply, target: &str) -> bool {
    reply.header("x-goodgate-served-by") == Some(target)
}

#[test]
fn a_primary_that_fails_is_left_alone_and_used_again_when_it_answers() {
    let rig = Rig::with(&quick(USUAL), failing("a"));
    let first: Vec<Reply> = (0..6).map(|_| rig.chat("pair")).collect();
    assert!(first.iter().all(|reply| reply.status == 200));
    let late = until(&rig, "pair", |reply| {
        reply.header("x-goodgate-outcome") == Some("ok")
    });
    assert!(served_by(&late, "q/echo"));
    let told = rig.row(&late).call.details.not_tried;
    let told: Vec<_> = told.iter().map(|one| (&*one.target, &*one.why)).collect();
    assert_eq!(told, [("p/a", "circuit_open")], "why the second served");
    assert!(reached(&rig, "a") <= 7, "{:?}", rig.seen());

    rig.drill.play(script("{}"));
    let back = until(&rig, "pair", |reply| served_by(reply, "p/a"));
    assert_eq!(back.header("x-goodgate-outcome"), Some("ok"));
    until(&rig, "pair", |_| {
        let position = reading(&rig, "p/a").position;
        matches!(position, Position::Ramping | Position::Closed)
    });
}

#[test]
fn a_dead_lone_target_is_refused_at_once_and_the_error_says_why_and_until_when() {
    let yaml = USUAL.replace("p/first", "p/a");
    let rig = Rig::with(&yaml, failing("a"));
    let closed = |reply: &Reply| reply.header("x-goodgate-code") == Some("circuit_open");
    until(&rig, "p/a", closed);
    let before = reached(&rig, "a");
    let reply = until(&rig, "p/a", closed);
    assert_eq!(reached(&rig, "a"), before, "it is not asked");
    assert_eq!(reply.status, 503, "{}", reply.body);
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&after), "{after}");
    assert_eq!(reply.header("x-should-retry"), Some("true"));
    let told = reply.goodgate();
    let opened = &told["opened_by"];
    assert_eq!(opened["cause"], "bad_gateway", "{told}");
    assert_eq!(opened["target"], "p/a", "{told}");
    assert_eq!(opened["level"], "target", "{told}");
    assert_eq!(opened["excerpt"], "page by nginx", "{told}");
    assert!(opened["open_for_ms"].is_u64(), "{told}");
    assert!(opened["next_probe_ms"].as_u64().unwrap() <= 5_000, "{told}");
    let passed = &told["not_tried"][0];
    assert_eq!(passed["why"], "circuit_open", "{told}");
    assert_eq!(passed["opened_by"]["cause"], "bad_gateway", "{told}");
    assert!(reply.body.len() <= 2048);
}

#[test]
fn a_lone_target_that_answers_again_is_used_by_all_at_once() {
    let rig = Rig::with(&quick(USUAL), failing("a"));
    // It is open for so short a time that a call waits for the next probe.
    let tried = |reply: &Reply| reply.header("x-goodgate-attempts") == Some("1");
    until(&rig, "p/a", |reply| reply.status == 502 && tried(reply));
    rig.drill.play(script("{}"));
    until(&rig, "p/a", |reply| reply.status == 200);
    until(&rig, "p/a", |_| {
        matches!(
            reading(&rig, "p/a").position,
            Position::Ramping | Position::Closed
        )
    });
    let replies = in_parallel(&[(); 40], |()| rig.chat("p/a"));
    let refused = replies.iter().filter(|reply| reply.status != 200).count();
    assert_eq!(refused, 0);
}

#[test]
fn streams_that_break_off_and_errors_inside_a_200_count_as_the_failures_they_are() {
    let inside = r#"{"kind":"status","status":200,"body":{"error":{"message":"The server had an error","type":"server_error"}}}"#;
    for fault in [r#""cut-after-event""#, r#""stream-error-mid""#, inside] {
        let json =
            format!(r#"{{"pace_ms":15,"rules":[{{"when":{{"model":"a"}},"fault":{fault}}}]}}"#);
        let rig = Rig::with(&USUAL.replace("p/first", "p/a"), script(&json));
        for _ in 0..5 {
            let _reply = rig.stream("pair");
        }
        let reading = reading(&rig, "p/a");
        assert_eq!(reading.position, Position::Open, "{fault}");
        assert_eq!(reading.recent.0, 0, "{fault}: none was good");
        assert_eq!(reading.in_flight, 0, "{fault}");
        assert!(served_by(&rig.stream("pair"), "q/echo"), "{fault}");
    }
}

#[test]
fn a_probe_whose_client_leaves_keeps_nobody_from_trying() {
    let yaml = quick(USUAL).replace("700ms", "30s");
    let rig = Rig::with(&yaml, failing("a"));
    until(&rig, "pair", |reply| {
        reply.header("x-goodgate-outcome") == Some("ok")
    });
    rig.drill.play(script(
        r#"{"rules":[{"when":{"model":"a","nth":1},"fault":"stall-before-head"}]}"#,
    ));
    // The first to be let through hangs, and its client gives up: the place of the probe is free again.
    let (before, end) = (reached(&rig, "a"), SystemClock.now() + PATIENCE);
    let mut probes = Vec::new();
    while reached(&rig, "a") == before {
        assert!(SystemClock.now() < end, "no probe went");
        let call = rig.chat_request("pair", "").start();
        if rig
            .drill
            .wait_for(|seen| seen.len() > before, Duration::ZERO)
        {
            probes.push(call);
        }
        std::thread::yield_now();
    }
    drop(probes);
    let back = until(&rig, "pair", |reply| served_by(reply, "p/a"));
    assert_eq!(back.status, 200);
    assert_eq!(reading(&rig, "p/a").in_flight, 0);
}

#[test]
fn one_callers_poisoned_prompts_close_nothing_to_another() {
    let named = USUAL.replace(
        "api_key: sk-upstream-secret }\n  q:",
        "api_key: sk-upstream-secret, models: [a, first] }\n  q:",
    );
    let yaml = format!("{named}keys:\n  other: {{ secret: \"0123456789abcdef\" }}\n");
    let rig = Rig::with(
        &yaml,
        script(r#"{"rules":[{"when":{"contains":"poison"},"fault":"openai-internal-error"}]}"#),
    );
    let others = || {
        Request::new(rig.address, "POST", "/v1/chat/completions")
            .header("authorization", "Bearer 0123456789abcdef")
            .body(chat_body("p/a", ""))
            .send()
    };
    assert_eq!(others().status, 200);
    for _ in 0..8 {
        let reply = rig.chat_request("p/a", r#","user":"poison""#).send();
        assert_eq!(
            reply.header("x-goodgate-code"),
            Some("internal_error"),
            "{}",
            reply.body
        );
    }
    assert_eq!(others().header("x-goodgate-outcome"), Some("ok"));
}

#[test]
fn a_refused_key_closes_that_key_alone_and_a_new_one_is_tried_at_once() {
    let json = r#"{"rules":[{"when":{"header":["authorization","Bearer sk-upstream-secret"]},"fault":"openai-invalid-key"}]}"#;
    let rig = Rig::with(USUAL, script(json));
    let codes: Vec<_> = (0..4)
        .map(|_| rig.chat("p/a"))
        .map(|reply| reply.header("x-goodgate-code").unwrap().to_owned())
        .collect();
    // One more may try for each time that it is closed.
    assert_eq!(
        codes,
        [
            "credentials_rejected",
            "credentials_rejected",
            "no_target_available",
            "no_target_available"
        ]
    );
    let told = rig.chat("p/a").goodgate();
    assert_eq!(told["opened_by"]["level"], "credential", "{told}");
    assert_eq!(told["opened_by"]["cause"], "credentials_rejected", "{told}");
    let mended = USUAL
        .replace("DRILL", &rig.drill.url())
        .replace("sk-upstream-secret", "sk-new");
    reload::install(&rig.shared, snapshot(&mended), &rig.stored_keys).unwrap();
    let reply = rig.chat("p/a");
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn a_dead_model_leaves_its_siblings_their_repeats() {
    let yaml = USUAL.replace(
        "api_key: sk-upstream-secret }\n  q:",
        "api_key: sk-upstream-secret, models: [dead, flaky-502] }\n  q:",
    );
    let rig = Rig::with(&yaml.replace("p/first", "p/dead"), failing("dead"));
    until(&rig, "p/dead", |reply| {
        reply.header("x-goodgate-code") == Some("circuit_open")
    });
    for _ in 0..30 {
        for _ in 0..5 {
            let _dead = rig.chat("p/dead");
        }
        let reply = rig.chat("p/flaky-502");
        assert_eq!(
            reply.header("x-goodgate-outcome"),
            Some("recovered"),
            "{}",
            reply.body
        );
    }
}

#[test]
fn a_target_that_is_full_sends_calls_elsewhere_until_the_last_byte_has_come() {
    let yaml = USUAL.replace(
        "api_key: sk-upstream-secret }\n  q:",
        "api_key: sk-upstream-secret, models: { a: { max_concurrency: 1 } } }\n  q:",
    );
    let rig = Rig::with(
        &yaml.replace("p/first", "p/a").replace("700ms", "20s"),
        script(
            r#"{"rules":[{"when":{"model":"a"},"pace_ms":300,"reply":{"text":"one two three four five six seven eight nine ten"}}]}"#,
        ),
    );
    let mut live = rig.stream_request("pair").start();
    live.until("one");
    assert_eq!(reading(&rig, "p/a").in_flight, 1);
    assert!(served_by(&rig.chat("pair"), "q/echo"));
    let alone = rig.chat("p/a");
    assert_eq!(
        (alone.status, alone.header("x-goodgate-code")),
        (503, Some("queue_timeout")),
        "it waits for a place, and not for long: {}",
        alone.body
    );
    let after: u64 = alone.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3).contains(&after), "{after}");
    live.drain();
    assert_eq!(reading(&rig, "p/a").in_flight, 0);
    assert!(served_by(&rig.stream("pair"), "p/a"));
}

#[test]
fn in_shadow_it_only_counts_and_switched_off_it_does_not_even_that() {
    for (mode, counts) in [("shadow", true), ("off", false)] {
        let yaml = USUAL.replace(
            "resilience:\n",
            &format!("resilience:\n  circuit_breaker: {{ mode: {mode} }}\n"),
        );
        let rig = Rig::with(&yaml.replace("p/first", "p/a"), failing("a"));
        for _ in 0..12 {
            let reply = rig.chat("pair");
            assert_eq!(
                reply.header("x-goodgate-outcome"),
                Some("recovered"),
                "{mode}: the primary is always tried"
            );
        }
        assert_eq!(reading(&rig, "p/a").shadow.breaker > 0, counts, "{mode}");
    }
}
