//! What a key may do, and how much of a failure its owner is told.

use std::time::Duration;

use config::keys::{self, Purpose};
use gateway::reload;
use gateway::resources::Share;
use types::{Clock, SystemClock};

use crate::client::{Reply, Request};
use crate::rig::{Rig, USUAL, chat_body, script, snapshot, timed};

/// A rig with a key of these terms, and that key.
fn with_key(terms: &str) -> (Rig, String) {
    let secret = keys::generate(Purpose::Dev).unwrap();
    let yaml = format!(
        "{USUAL}keys:\n  web: {{ secret: {}{terms} }}\n",
        secret.reveal()
    );
    let rig = Rig::with(&yaml, script(r#"{"pace_ms":20}"#));
    (rig, secret.reveal().to_owned())
}

fn ask(rig: &Rig, key: &str, model: &str, more: &str) -> Request {
    Request::new(rig.address, "POST", "/v1/chat/completions")
        .header("authorization", &format!("Bearer {key}"))
        .body(chat_body(model, more))
}

fn code(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.header("x-goodgate-code"))
}

#[test]
fn a_key_that_has_used_its_calls_is_told_its_limit_and_when_to_come_again() {
    let (rig, key) = with_key(", rpm: 3");
    let replies: Vec<_> = (0..4)
        .map(|_| ask(&rig, &key, "p/echo", "").send())
        .collect();
    let allowed = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(allowed, 3);
    let refused = replies.last().unwrap();
    assert_eq!(
        code(refused),
        (429, Some("gateway_rate_limited")),
        "{}",
        refused.body
    );
    assert!(refused.header("retry-after").is_some());
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "rate_limit_exceeded");
    let limit = &error["goodgate"]["limit"];
    assert_eq!(
        (&limit["scope"], &limit["name"]),
        (&"key".into(), &"web".into()),
        "{limit}"
    );
    assert_eq!(
        (&limit["kind"], &limit["limit"]),
        (&"rpm".into(), &3.into()),
        "{limit}"
    );
    assert_eq!(
        rig.chat("p/echo").status,
        200,
        "another key is not concerned"
    );
}

#[test]
fn a_keys_place_is_taken_until_its_stream_ends() {
    let (rig, key) = with_key(", concurrency: 1");
    let mut live = ask(&rig, &key, "p/echo", r#","stream":true"#).start();
    live.until("demo:");
    let refused = ask(&rig, &key, "p/echo", "").send();
    assert_eq!(
        code(&refused),
        (429, Some("gateway_rate_limited")),
        "{}",
        refused.body
    );
    assert_eq!(refused.goodgate()["limit"]["kind"], "concurrency");
    live.until("[DONE]");
    live.finish();
    assert_eq!(ask(&rig, &key, "p/echo", "").send().status, 200);
}

#[test]
fn a_key_uses_its_models_alone_and_sees_no_others() {
    let (rig, key) = with_key(", models: [pair, q/*]");
    assert_eq!(ask(&rig, &key, "q/anything", "").send().status, 200);
    let refused = ask(&rig, &key, "p/echo", "").send();
    assert_eq!(
        code(&refused),
        (403, Some("model_not_allowed")),
        "{}",
        refused.body
    );
    assert!(refused.body.contains("pair"), "{}", refused.body);
    let list = Request::new(rig.address, "GET", "/v1/models")
        .header("authorization", &format!("Bearer {key}"))
        .send();
    assert_eq!(
        list.json()["data"].as_array().map(Vec::len),
        Some(1),
        "{}",
        list.body
    );
}

#[test]
fn a_key_may_not_switch_off_policy_by_a_header_that_it_was_not_given() {
    let (rig, key) = with_key(", allow_headers: [x-goodgate-max-attempts]");
    let with = |name: &str, value: &str| ask(&rig, &key, "p/echo", "").header(name, value).send();
    assert_eq!(with("x-goodgate-max-attempts", "1").status, 200);
    assert_eq!(with("x-goodgate-tags", "a").status, 200);
    let refused = with("x-goodgate-hold", "whole");
    assert_eq!(
        code(&refused),
        (403, Some("model_not_allowed")),
        "{}",
        refused.body
    );
    assert!(refused.body.contains("x-goodgate-hold"), "{}", refused.body);
}

#[test]
fn how_much_is_told_is_the_operators_choice() {
    let failing = || script(r#"{"rules":[{"fault":"html-502"}]}"#);
    let told = |detail: &str| {
        let yaml = USUAL.replace("detail: full", &format!("detail: {detail}"));
        let rig = Rig::with(&yaml, failing());
        rig.chat_request("p/a", "")
            .header("x-goodgate-max-attempts", "1")
            .send()
    };
    let full = told("full");
    assert!(full.body.contains("127.0.0.1:"), "{}", full.body);
    let summary = told("summary");
    let ours = summary.goodgate();
    assert_eq!(ours["attempts"][0]["code"], "bad_gateway");
    assert!(
        !ours["attempts"].to_string().contains("127.0.0.1"),
        "{}",
        summary.body
    );
    let none = told("none");
    let ours = none.goodgate();
    assert_eq!(
        (&ours["group"], &ours["code"]),
        (&"upstream".into(), &"bad_gateway".into())
    );
    assert!(
        ours["fix"][0].is_string() && ours["request_id"].is_string(),
        "{}",
        none.body
    );
    assert_eq!(
        ours["attempts"].as_array().map_or(0, Vec::len),
        0,
        "{}",
        none.body
    );
    assert_eq!(none.reason, "Bad Gateway");
    assert!(!none.body.contains("nginx"), "{}", none.body);
}

#[test]
fn an_error_is_never_longer_than_2_kb_whatever_the_upstream_says() {
    let words = "blah ".repeat(2000);
    let json = format!(
        r#"{{"rules":[{{"fault":{{"kind":"status","status":500,"body":{{"error":{{"message":"{words}","type":"{words}"}}}}}}}}]}}"#
    );
    let rig = Rig::scripted(&json);
    let reply = rig.chat("p/a");
    assert_eq!(code(&reply), (502, Some("internal_error")));
    assert!(reply.body.len() <= 2048, "{}", reply.body.len());
    assert_eq!(
        reply.goodgate()["attempts"].as_array().map(Vec::len),
        Some(4),
        "{}",
        reply.body
    );
}

#[test]
fn a_gateway_that_is_its_own_upstream_notices() {
    let rig = Rig::usual();
    let route = format!(
        "routes:\n  loop: {{ match: {{ path: /loop/** }}, upstreams: [\"http://{}\"], keep_prefix: true, access: open }}\n",
        rig.address
    );
    let yaml = format!("{USUAL}{route}").replace("DRILL", &rig.drill.url());
    reload::install(&rig.shared, snapshot(&yaml), &rig.stored_keys).unwrap();
    let request = Request::new(rig.address, "POST", "/loop/round").body("{}");
    let (reply, took) = timed(|| request.send());
    assert_eq!(
        code(&reply),
        (508, Some("proxy_loop_detected")),
        "{}",
        reply.body
    );
    assert!(took.as_secs() < 2, "{took:?}");
}

#[test]
fn the_trail_is_there_for_those_who_ask() {
    let rig = Rig::usual();
    let plain = rig.chat("p/echo");
    assert_eq!(plain.header("x-goodgate-trail"), None);
    let asked = rig
        .chat_request("p/echo", "")
        .header("x-goodgate-include", "trail")
        .send();
    assert!(
        asked.header("x-goodgate-trail").unwrap().starts_with("p"),
        "{asked:?}"
    );
}

#[test]
fn who_is_to_be_told_nothing_is_told_nothing() {
    let yaml = USUAL.replace("detail: full", "detail: none");
    let rig = Rig::with(&yaml, script(r#"{"rules":[{"fault":"html-502"}]}"#));
    let none = rig
        .chat_request("p/a", "")
        .header("x-goodgate-max-attempts", "1")
        .send();
    assert!(
        !none.body.contains("HTML page") && !none.body.contains("goodgate.yaml"),
        "{}",
        none.body
    );
    assert_eq!(none.header("x-goodgate-trail"), None);
}

#[test]
fn a_long_upstream_id_does_not_push_the_attempts_out() {
    let json = format!(
        r#"{{"rules":[{{"fault":{{"kind":"status","status":500,"headers":[["x-request-id","{}"]],"body":{{}}}}}}]}}"#,
        "i".repeat(900)
    );
    let reply = Rig::scripted(&json).chat("p/a");
    assert_eq!(
        reply.goodgate()["attempts"].as_array().map(Vec::len),
        Some(4),
        "{}",
        reply.body
    );
}

#[test]
fn a_gateway_that_runs_short_leaves_out_batch_calls_then_normal_ones_before_their_body() {
    let yaml = format!(
        "{}keys:\n  jobs: {{ secret: {JOBS}, priority: batch }}\n  people: {{ secret: {PEOPLE}, priority: high }}\n",
        USUAL
    );
    let rig = Rig::with(&yaml, script("{}"));
    let call = |key: &str| {
        Request::new(rig.address, "POST", "/v1/chat/completions")
            .header("authorization", &format!("Bearer {key}"))
            .body(chat_body("p/a", ""))
            .send()
    };
    let statuses = || [JOBS, &rig.key, PEOPLE].map(|key| call(key).status);
    let resources = &rig.shared.resources;
    let now = || SystemClock.now();
    let used = |used| Share { used, limit: 100 };
    assert_eq!(statuses(), [200, 200, 200]);
    resources.set(used(95), used(10));
    resources.judge(now());
    assert_eq!(statuses(), [503, 200, 200]);
    resources.set(used(99), used(10));
    resources.judge(now());
    assert_eq!(statuses(), [503, 503, 200]);
    let reply = call(JOBS);
    assert_eq!(reply.header("x-goodgate-code"), Some("load_shed"));
    assert_eq!(reply.header("x-should-retry"), Some("true"));
    let after: u64 = reply.header("retry-after-ms").unwrap().parse().unwrap();
    assert!((1_000..3_000).contains(&after), "{after}");
    assert_eq!(
        rig.request("GET", "/livez").send().status,
        200,
        "never left out"
    );
    resources.set(used(10), used(10));
    // A busy machine may be late by itself: relief comes as soon as it is not.
    let until = now() + Duration::from_secs(10);
    loop {
        resources.judge(now());
        if statuses() == [200, 200, 200] {
            return;
        }
        assert!(now() < until, "calls are still left out");
    }
}

const JOBS: &str = "sk-jobs-0123456789abcdef";
const PEOPLE: &str = "sk-people-0123456789abcdef";
