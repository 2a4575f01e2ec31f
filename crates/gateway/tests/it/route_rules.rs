//! Which route takes a request, which upstream gets it, and how it is rewritten on the way.

use std::time::Duration;

use drill::{Drill, Options, Script};
use types::{Clock, SystemClock};

use crate::client::Request;
use crate::rig::{Rig, USUAL, script};
use crate::sockets::refusing;

fn rig(routes: &str) -> Rig {
    Rig::with(&format!("{USUAL}routes:\n{routes}"), Script::default())
}

fn second_drill(json: &str) -> Drill {
    Drill::start(Options {
        script: script(json),
        ..Options::default()
    })
    .unwrap()
}

#[test]
fn a_route_is_found_by_host_path_and_method() {
    let rig = rig("
  reads: { match: { path: /json/**, method: GET }, upstreams: [DRILL], keep_prefix: true }
  api: { match: { path: /**, host: api.example }, upstreams: [DRILL], replace_prefix: /json/of-host }
");
    let ask = |method: &str, host: &str, path: &str| {
        Request::new(rig.address, method, path)
            .header("authorization", &format!("Bearer {}", rig.key))
            .header("host", host)
            .send()
    };
    assert_eq!(ask("GET", "any", "/json/x").json()["path"], "/json/x");
    let wrong = ask("POST", "any", "/json/x");
    assert_eq!(
        (wrong.status, wrong.header("content-type")),
        (405, Some("application/problem+json"))
    );
    assert!(
        wrong.body.contains("This path takes GET, not POST."),
        "{}",
        wrong.body
    );
    // On a host of its own even the models' paths, and the front door, are the route's.
    for (host, path, expected) in [
        (
            "api.example",
            "/v1/chat/completions",
            "/json/of-host/v1/chat/completions",
        ),
        ("API.example:4000", "/", "/json/of-host/"),
        ("api.example", "/json/x", "/json/of-host/json/x"),
    ] {
        let reply = ask("GET", host, path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert_eq!(reply.json()["path"], expected, "{path}");
    }
    assert_eq!(ask("GET", "any", "/v1/models").status, 200);
    assert_eq!(ask("GET", "any", "/").status, 303);
}

#[test]
fn a_path_that_could_leave_its_route_is_refused() {
    let rig = rig("  a: { match: { path: /a/** }, upstreams: [DRILL/json] }\n");
    for path in ["/a/../flaky", "/a/%2e%2E/flaky", "/a/x/..%2f..%2fflaky"] {
        let reply = rig.request("GET", path).send();
        assert_eq!(reply.status, 400, "{path}");
        assert_eq!(reply.goodgate()["code"], "invalid_request", "{path}");
    }
    assert!(rig.drill.seen().is_empty());
    assert_eq!(rig.request("GET", "/a/b..c/...").send().status, 200);
}

#[test]
fn headers_are_removed_set_and_added_in_both_directions() {
    let rig = rig("
  a:
    match: { path: /a/** }
    upstreams: [DRILL/json]
    auth: { bearer: \"sk-of-the-upstream\" }
    request_headers:
      set: { x-team: search, host: virtual.example, content-type: application/x-own }
      add: { x-tag: two }
      remove: [cookie]
    response_headers:
      set: { content-type: text/own, x-frame-options: DENY }
      add: { x-seen: by-us }
      remove: [server]
");
    let reply = rig
        .request("POST", "/a/x")
        .headers(&[
            ("cookie", "a=b"),
            ("x-team", "other"),
            ("x-tag", "one"),
            ("content-type", "text/plain"),
        ])
        .body("{}")
        .send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let seen = rig.drill.seen().remove(0);
    let all = |name: &str| -> Vec<String> {
        let of_name = seen
            .headers
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.clone()).collect()
    };
    assert_eq!(all("authorization"), ["Bearer sk-of-the-upstream"]);
    assert_eq!(all("x-team"), ["search"]);
    assert_eq!(all("x-tag"), ["two", "one"]);
    assert_eq!(all("host"), ["virtual.example"]);
    assert_eq!(all("content-type"), ["application/x-own"]);
    assert!(all("cookie").is_empty());
    for (name, value) in [
        ("content-type", Some("text/own")),
        ("x-frame-options", Some("DENY")),
        ("x-seen", Some("by-us")),
        ("server", None),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
    }
}

#[test]
fn a_callers_own_credential_gives_way_to_the_routes() {
    let rig = rig("
  a: { match: { path: /a/** }, upstreams: [DRILL/json], access: open, auth: { basic: \"me:secret\" } }
");
    let reply = Request::new(rig.address, "GET", "/a/x")
        .header("authorization", "Bearer of-the-caller")
        .send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let seen = rig.drill.seen().remove(0);
    let credentials: Vec<_> = seen
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(credentials, ["Basic bWU6c2VjcmV0"]);
}

#[test]
fn calls_are_spread_by_weight_and_a_weight_of_zero_takes_what_others_cannot() {
    let other = second_drill("{}");
    let spread = format!(
        "  a: {{ match: {{ path: /json/** }}, keep_prefix: true, strategy: weighted, upstreams: [{{ url: DRILL, weight: 3 }}, {{ url: \"{}\" }}] }}\n  \
         b: {{ match: {{ path: /b/** }}, strategy: weighted, upstreams: [{{ url: \"http://{}\", weight: 5 }}, {{ url: DRILL, weight: 0 }}] }}\n",
        other.url(),
        refusing()
    );
    let rig = rig(&spread);
    for _ in 0..100 {
        assert_eq!(rig.request("GET", "/json/x").send().status, 200);
    }
    // Three in four: 75 of 100, with a deviation of 4.3.
    let (ours, theirs) = (rig.drill.count(), other.count());
    assert_eq!(ours + theirs, 100);
    assert!((55..=95).contains(&ours), "{ours} to {theirs}");
    let reply = rig.request("GET", "/b/json/x").send();
    assert_eq!(
        (reply.status, reply.header("x-goodgate-outcome")),
        (200, Some("recovered"))
    );
}

#[test]
fn an_upstream_that_says_it_is_unwell_is_asked_last_and_still_asked() {
    let sick = second_drill(
        r#"{"rules": [{"when": {"path": "/health"}, "fault": "service-unavailable"}]}"#,
    );
    let health = "health: { path: /health, interval: 1s, unhealthy_after: 1 }";
    let routes = format!(
        "  a: {{ match: {{ path: /a/** }}, upstreams: [{{ url: \"{0}/json\", {health} }}, DRILL/json] }}\n  \
         alone: {{ match: {{ path: /alone/** }}, upstreams: [{{ url: \"{0}/json\", {health} }}] }}\n",
        sick.url()
    );
    let rig = rig(&routes);
    let asked = sick.wait_for(
        |seen| seen.iter().any(|seen| seen.path == "/health"),
        Duration::from_secs(10),
    );
    assert!(asked);
    let served_by = |url: &str| {
        let until = SystemClock.now() + Duration::from_secs(10);
        loop {
            let reply = rig.request("GET", "/a/x").send();
            assert_eq!(reply.status, 200, "{}", reply.body);
            let by = reply.header("x-goodgate-served-by").unwrap().to_owned();
            if by.starts_with(url) {
                return;
            }
            assert!(SystemClock.now() < until, "still served by {by}");
        }
    };
    served_by(&rig.drill.url());
    // It is all there is: a check that is wrong itself must cost no call.
    assert_eq!(rig.request("GET", "/alone/x").send().status, 200);
    sick.play(Script::default());
    served_by(&sick.url());
}
