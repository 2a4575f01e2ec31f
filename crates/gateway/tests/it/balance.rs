//! Which target a call begins with: what is out of use, and what the strategies make of load, speed and price.

use gateway::journal::metrics::Format;
use store::DrainRow;
use types::{Clock, SystemClock};

use crate::client::Reply;
use crate::rig::{Rig, in_parallel, script, with_models};

fn mark(name: &str, minutes: Option<u64>, reason: Option<&str>) -> DrainRow {
    let now = SystemClock.unix_millis();
    DrainRow {
        name: name.to_owned(),
        since_millis: now,
        until_millis: minutes.map(|minutes| now + minutes * 60_000),
        reason: reason.map(str::to_owned),
    }
}

fn not_tried(rig: &Rig, reply: &Reply) -> Vec<(String, String)> {
    let details = rig.row(reply).call.details;
    let of = |one: store::NotTried| (one.target.to_string(), one.why.into_owned());
    details.not_tried.into_iter().map(of).collect()
}

fn pair(target: &str, why: &str) -> (String, String) {
    (target.to_owned(), why.to_owned())
}

#[test]
fn a_drained_provider_gets_no_new_calls_until_it_is_resumed() {
    let rig = Rig::usual();
    rig.shared.drained.replace(vec![mark("p", Some(30), None)]);
    let reply = rig.chat("pair");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("x-goodgate-served-by"), Some("q/echo"));
    assert_eq!(not_tried(&rig, &reply), [pair("p/first", "drained")]);
    rig.shared.drained.replace(Vec::new());
    let reply = rig.chat("pair");
    assert_eq!(reply.header("x-goodgate-served-by"), Some("p/first"));
    assert_eq!(not_tried(&rig, &reply), []);
}

#[test]
fn one_model_of_a_provider_can_be_drained_alone() {
    let rig = Rig::usual();
    rig.shared
        .drained
        .replace(vec![mark("p/first", None, None)]);
    assert_eq!(
        rig.chat("pair").header("x-goodgate-served-by"),
        Some("q/echo")
    );
    assert_eq!(rig.chat("p/other").status, 200);
    let reply = rig.chat("p/first");
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("x-goodgate-code"), Some("no_target_available"));
    assert_eq!(reply.header("retry-after"), None, "nobody knows when");
    assert!(reply.body.contains("goodgate providers resume p/first"));
}

#[test]
fn a_call_that_has_no_other_target_is_told_when_the_drain_ends() {
    let rig = Rig::usual();
    let marks = vec![
        mark("p", Some(30), Some("moving racks")),
        mark("q", Some(10), None),
    ];
    rig.shared.drained.replace(marks);
    let reply = rig.chat("pair");
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("x-goodgate-code"), Some("no_target_available"));
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((590..=600).contains(&after), "the smaller one: {after}");
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    let told = reply.goodgate();
    assert_eq!(told["not_tried"][0]["why"], "drained");
    assert_eq!(told["not_tried"][1]["target"], "q/echo");
    assert!(reply.body.contains("drained by hand (moving racks)"));
    assert_eq!(rig.seen(), [], "no upstream saw anything");
}

#[test]
fn a_mark_whose_time_is_over_keeps_nobody() {
    let rig = Rig::usual();
    let mut past = mark("p", Some(30), None);
    past.until_millis = Some(SystemClock.unix_millis());
    rig.shared.drained.replace(vec![past]);
    assert_eq!(
        rig.chat("pair").header("x-goodgate-served-by"),
        Some("p/first")
    );
}

#[test]
fn a_planned_window_is_passed_over_and_told_where_nothing_else_is_left() {
    let yaml = with_models("  pair: { targets: [p/first, q/echo] }").replace(
        "  q: {",
        "  planned: { type: openai-compatible, base_url: DRILL/v1, api_key: sk-upstream-secret, \
         maintenance: [{ start: 2020-01-01T00:00:00Z, end: 2090-01-01T00:00:00Z, reason: new driver }] }\n  q: {",
    );
    let yaml = yaml.replace("[p/first, q/echo]", "[planned/first, q/echo]");
    let rig = Rig::with(&yaml, script("{}"));
    let reply = rig.chat("pair");
    assert_eq!(reply.header("x-goodgate-served-by"), Some("q/echo"));
    assert_eq!(
        not_tried(&rig, &reply),
        [pair("planned/first", "maintenance")]
    );
    let reply = rig.stream("planned/first");
    assert_eq!(
        reply.status, 503,
        "a real status, although a stream was asked for"
    );
    assert_eq!(
        reply.header("x-goodgate-code"),
        Some("scheduled_maintenance")
    );
    assert_eq!(reply.header("x-goodgate-group"), Some("maintenance"));
    assert!(reply.header("retry-after").is_some());
    assert!(reply.body.contains("in planned maintenance (new driver)"));
}

#[test]
fn an_upstream_of_a_plain_route_can_be_drained_by_its_url() {
    let yaml = with_models("  pair: { targets: [p/first, q/echo] }")
        + "routes:\n  r: { match: { path: /r/** }, upstreams: [DRILL/a, DRILL/b] }\n";
    let rig = Rig::with(&yaml, script("{}"));
    let url = |path: &str| format!("http://{}/{path}", rig.drill.address());
    rig.shared
        .drained
        .replace(vec![mark(&url("a"), None, None)]);
    let reply = rig.request("GET", "/r/x").send();
    assert_eq!(not_tried(&rig, &reply), [pair(&url("a"), "drained")]);
    let paths: Vec<_> = rig.drill.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/b/x"]);
}

/// The usual configuration with longer timers and these models.
fn patient(models: &str) -> String {
    with_models(models)
        .replace("response_header: 700ms", "response_header: 8s")
        .replace("first_token: 700ms", "first_token: 8s")
}

fn served_by(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply
        .header("x-goodgate-served-by")
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn by_weight_every_target_gets_calls_but_a_spare() {
    let targets =
        "[{ target: p/a, weight: 2 }, { target: q/b, weight: 2 }, { target: q/spare, weight: 0 }]";
    let rig = Rig::with(
        &with_models(&format!(
            "  m: {{ strategy: weighted, targets: {targets} }}"
        )),
        script("{}"),
    );
    let replies = in_parallel(&[(); 64], |()| rig.chat("m"));
    let mut names: Vec<_> = replies.iter().map(served_by).collect();
    names.sort_unstable();
    names.dedup();
    // That one of two gets all of 64 happens once in 2^63 runs.
    assert_eq!(names, ["p/a", "q/b"]);
    let marks = vec![mark("p", None, None), mark("q/b", None, None)];
    rig.shared.drained.replace(marks);
    assert_eq!(served_by(&rig.chat("m")), "q/spare");
}

#[test]
fn what_fails_goes_on_to_another_target_whatever_the_strategy() {
    for strategy in ["weighted", "least_busy", "fastest", "cheapest"] {
        let rig = Rig::with(
            &with_models(&format!(
                "  m: {{ strategy: {strategy}, targets: [p/a, q/b] }}"
            )),
            script(r#"{"rules":[{"when":{"model":"a"},"fault":"html-502"}]}"#),
        );
        for _ in 0..6 {
            assert_eq!(served_by(&rig.chat("m")), "q/b", "{strategy}");
        }
    }
}

#[test]
fn the_least_busy_target_is_the_one_without_the_running_call() {
    let json = r#"{"rules":[{"when":{"contains":"take your time"},"fault":{"kind":"delay","at":"before-head","ms":2500}}]}"#;
    let rig = Rig::with(
        &patient("  m: { strategy: least_busy, targets: [p/a, q/b] }"),
        script(json),
    );
    let body = r#"{"model":"m","messages":[{"role":"user","content":"take your time"}]}"#;
    let slow = rig
        .request("POST", "/v1/chat/completions")
        .body(body)
        .start();
    let until = SystemClock.now() + std::time::Duration::from_secs(5);
    while rig.seen().is_empty() {
        assert!(SystemClock.now() < until, "the slow call never arrived");
        std::thread::yield_now();
    }
    let others: Vec<_> = (0..3).map(|_| served_by(&rig.chat("m"))).collect();
    let slow = served_by(&slow.finish());
    assert!(
        others.iter().all(|other| *other != slow),
        "{slow} was busy: {others:?}"
    );
}

#[test]
fn the_fastest_target_gets_the_calls_once_both_are_known() {
    let json = r#"{"rules":[{"when":{"model":"slow"},"fault":{"kind":"delay","at":"before-head","ms":900}}]}"#;
    let rig = Rig::with(
        &patient("  m: { strategy: fastest, targets: [p/slow, q/quick] }"),
        script(json),
    );
    let mut first: Vec<_> = (0..2).map(|_| served_by(&rig.stream("m"))).collect();
    first.sort_unstable();
    assert_eq!(
        first,
        ["p/slow", "q/quick"],
        "what is unknown is looked at first"
    );
    for _ in 0..8 {
        assert_eq!(served_by(&rig.stream("m")), "q/quick");
    }
}

#[test]
fn the_cheapest_target_is_first_and_an_unknown_price_last() {
    let yaml = with_models(
        "  m: { strategy: cheapest, targets: [p/unknown, p/dear, q/cheap] }",
    )
    .replace(
        "base_url: DRILL/v1, api_key: sk-upstream-secret }",
        "base_url: DRILL/v1, api_key: sk-upstream-secret, models: { unknown: {}, dear: { price: { input: 3, output: 9 } } } }",
    )
    .replace(
        "base_url: DRILL/openai/v1, api_key: sk-upstream-secret }",
        "base_url: DRILL/openai/v1, api_key: sk-upstream-secret, models: { cheap: { price: { input: 1, output: 2 } } } }",
    );
    let rig = Rig::with(&yaml, script("{}"));
    assert_eq!(served_by(&rig.chat("m")), "q/cheap");
    rig.shared.drained.replace(vec![mark("q", None, None)]);
    assert_eq!(served_by(&rig.chat("m")), "p/dear");
}

#[test]
fn a_conversation_stays_where_it_was_answered_last() {
    let yaml =
        with_models("  m: { strategy: weighted, sticky: conversation, targets: [p/a, q/b] }");
    let rig = Rig::with(&yaml, script("{}"));
    let turn = |rig: &Rig, user: &str, more: &str| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"system","content":"be brief"}},{{"role":"user","content":"{user}"}}{more}]}}"#
        );
        served_by(&rig.post("/v1/chat/completions", &body))
    };
    let more = r#",{"role":"assistant","content":"yes"},{"role":"user","content":"go on"}"#;
    let home = turn(&rig, "hello", "");
    for _ in 0..6 {
        assert_eq!(turn(&rig, "hello", more), home);
    }
    // A gateway that remembers nothing chooses alike.
    let other = Rig::with(&yaml, script("{}"));
    assert_eq!(turn(&other, "hello", more), home);
    // It moves when it must, and stays there when its first home is back.
    let provider = home.split('/').next().unwrap_or_default();
    rig.shared.drained.replace(vec![mark(provider, None, None)]);
    let away = turn(&rig, "hello", more);
    assert_ne!(away, home);
    rig.shared.drained.replace(Vec::new());
    assert_eq!(turn(&rig, "hello", more), away);
    // Other conversations are spread: all of 40 alike happens once in 2^39 configurations, and is the same in each run.
    let homes: Vec<_> = (0..40)
        .map(|n| turn(&rig, &format!("hello {n}"), ""))
        .collect();
    assert!(homes.contains(&"p/a".to_owned()) && homes.contains(&"q/b".to_owned()));
}

#[test]
fn a_call_waits_for_a_place_and_is_told_when_it_has_waited_too_long() {
    for (delay, second) in [(100, 200), (4_000, 503)] {
        let json = format!(
            r#"{{"rules":[{{"when":{{"nth":1}},"fault":{{"kind":"delay","at":"before-head","ms":{delay}}}}}]}}"#
        );
        let yaml = patient("  one: { targets: [p/a] }")
            .replace("total: 10s", "total: 60s")
            .replacen("DRILL/v1,", "DRILL/v1, concurrency: { max: 1 },", 1);
        let rig = Rig::with(&yaml, script(&json));
        let first = rig.chat_request("one", "").start();
        let until = SystemClock.now() + std::time::Duration::from_secs(5);
        while rig.seen().is_empty() {
            assert!(SystemClock.now() < until, "the first call never arrived");
            std::thread::yield_now();
        }
        let reply = rig.chat("one");
        assert_eq!(reply.status, second, "{}", reply.body);
        if second == 503 {
            assert_eq!(reply.header("x-goodgate-code"), Some("queue_timeout"));
            let after: u64 = reply.header("retry-after-ms").unwrap().parse().unwrap();
            assert!((1_000..=3_000).contains(&after), "{after}");
            let told = rig.metrics(Format::Prometheus);
            assert!(told.contains("goodgate_shed_total{priority=\"normal\"} 1"));
            assert!(told.contains("goodgate_queue_wait_seconds_count 1"));
        }
        assert_eq!(first.finish().status, 200);
        assert_eq!(rig.chat("one").status, 200, "the place is free again");
    }
}

#[test]
fn all_who_wait_in_a_line_have_their_turn() {
    let yaml = patient("  one: { targets: [p/a] }")
        .replace("total: 10s", "total: 60s")
        .replacen("DRILL/v1,", "DRILL/v1, concurrency: { max: 12 },", 1);
    let slow = r#"{"rules":[{"when":{},"fault":{"kind":"delay","at":"before-head","ms":150}}]}"#;
    let rig = Rig::with(&yaml, script(slow));
    // Twelve run and twelve wait: who looks for all hands that over with each turn.
    let statuses = in_parallel(&[(); 24], |()| rig.chat("one").status);
    assert_eq!(statuses, [200; 24]);
    assert!(rig.shared.lines.is_idle(), "nothing is left of the line");
}
