//! Which target a call begins with: what is out of use, and what the strategies make of load, speed and price.

use store::DrainRow;
use types::{Clock, SystemClock};

use crate::client::Reply;
use crate::rig::{Rig, script, with_models};

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
