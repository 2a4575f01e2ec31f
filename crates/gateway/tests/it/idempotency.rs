//! Idempotency keys on plain routes.

use crate::client::Reply;
use crate::rig::{Rig, USUAL};

fn rig(json: &str) -> Rig {
    let routes = "routes:
  a: { match: { path: /json/** }, upstreams: [DRILL], keep_prefix: true }
  kept: { match: { path: /kept/** }, upstreams: [DRILL], idempotency: { replay: 1h } }
";
    Rig::with(&format!("{USUAL}{routes}"), crate::rig::script(json))
}

fn post(rig: &Rig, path: &str, key: &str, body: &str) -> Reply {
    rig.request("POST", path)
        .header("idempotency-key", key)
        .body(body)
        .send()
}

#[test]
fn an_answer_is_given_again_where_the_route_wishes_it() {
    let rig = rig("{}");
    let first = post(&rig, "/kept/json/x", "one", "{\"a\":1}");
    let again = post(&rig, "/kept/json/x", "one", "{\"a\":1}");
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    assert_eq!(rig.drill.count(), 1);
    let other = post(&rig, "/kept/json/x", "one", "{\"a\":2}");
    assert_eq!(
        (other.status, other.goodgate()["code"].as_str()),
        (422, Some("invalid_request"))
    );
    assert!(other.body.contains("another request"), "{}", other.body);
    // Another key, another route and a safe method are calls of their own.
    post(&rig, "/kept/json/x", "two", "{\"a\":2}");
    post(&rig, "/json/x", "one", "{\"a\":1}");
    post(&rig, "/json/x", "one", "{\"a\":1}");
    let get = rig
        .request("GET", "/kept/json/x")
        .header("idempotency-key", "one")
        .send();
    assert_eq!(get.status, 200);
    assert_eq!(rig.drill.count(), 5);
    assert_eq!(rig.drill.seen()[0].header("idempotency-key"), Some("one"));
}

#[test]
fn a_failure_is_not_given_again() {
    let rig = rig(r#"{"rules": [{"when": {"nth": "1..4"}, "fault": "html-502"}]}"#);
    let failed = post(&rig, "/kept/json/x", "one", "{}");
    assert_eq!(failed.status, 502, "{}", failed.body);
    let again = post(&rig, "/kept/json/x", "one", "{}");
    assert_eq!(
        (again.status, again.header("idempotency-replayed")),
        (200, None)
    );
}

#[test]
fn a_key_is_in_use_until_its_call_has_gone() {
    let rig =
        rig(r#"{"rules": [{"when": {"nth": 1}, "fault": {"kind": "stall", "at": "mid-body"}}]}"#);
    let mut running = rig
        .request("POST", "/json/x")
        .header("idempotency-key", "one")
        .body("{}")
        .start();
    running.until("HTTP/1.1 200");
    let second = post(&rig, "/json/x", "one", "{}");
    assert_eq!(
        (second.status, second.header("retry-after")),
        (409, Some("1")),
        "{}",
        second.body
    );
    drop(running);
    rig.newest(|row| row.call.outcome.as_str() == "cancelled");
    assert_eq!(post(&rig, "/json/x", "one", "{}").status, 200);
}
