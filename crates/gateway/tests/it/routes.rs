//! Any HTTP API behind the gateway: survived where that is safe, passed on as it is where not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client::{Reply, Request};
use crate::rig::{Rig, USUAL};
use crate::sockets::refusing;

fn rig() -> Rig {
    let routes = format!(
        "
routes:
  weather: {{ match: {{ path: /weather/** }}, upstreams: [DRILL], auth: {{ header: \"x-upstream-key: sk-route-secret\" }} }}
  public: {{ match: {{ path: /public/** }}, upstreams: [DRILL], access: open }}
  kept: {{ match: {{ path: /json/** }}, upstreams: [DRILL], keep_prefix: true }}
  two: {{ match: {{ path: /two/** }}, upstreams: [\"http://{}\", DRILL] }}
",
        refusing()
    );
    Rig::with(&format!("{USUAL}{routes}"), drill::Script::default())
}

struct Case {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
    outcome: &'static str,
    /// Requests that reached the upstream.
    requests: usize,
}

const PLAIN: Case = Case {
    method: "GET",
    path: "",
    headers: &[],
    body: "",
    status: 200,
    outcome: "recovered",
    requests: 3,
};

fn check(case: &Case) -> Reply {
    let rig = rig();
    let reply = rig
        .request(case.method, case.path)
        .headers(case.headers)
        .body(case.body)
        .send();
    let told = format!(
        "{} {}: {} {:?} {}",
        case.method,
        case.path,
        reply.status,
        rig.seen(),
        reply.body
    );
    assert_eq!(reply.status, case.status, "{told}");
    assert!(reply.whole, "{told}");
    assert_eq!(
        reply.header("x-goodgate-outcome"),
        Some(case.outcome),
        "{told}"
    );
    assert_eq!(rig.seen().len(), case.requests, "{told}");
    assert_eq!(rig.row(&reply).call.lane, "http", "{told}");
    reply
}

#[test]
fn what_may_be_sent_again_is_and_what_may_not_is_passed_on_as_it_is() {
    let key = &[("idempotency-key", "once")];
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        check(&Case {
            method,
            path: "/weather/flaky/2/oslo",
            ..PLAIN
        });
    }
    let got = check(&Case {
        path: "/weather/flaky/2/oslo",
        ..PLAIN
    })
    .json();
    assert_eq!(
        (&got["path"], &got["attempt"]),
        (&"/flaky/2/oslo".into(), &3.into())
    );
    check(&Case {
        method: "POST",
        path: "/weather/flaky/2/oslo",
        headers: key,
        body: "{}",
        ..PLAIN
    });
    for method in ["POST", "PATCH"] {
        let passed = check(&Case {
            method,
            path: "/weather/flaky/2/oslo",
            body: "{}",
            status: 502,
            outcome: "ok",
            requests: 1,
            ..PLAIN
        });
        assert!(
            passed.body.contains("<center>nginx/1.24.0</center>"),
            "{}",
            passed.body
        );
        assert!(
            passed
                .header("content-type")
                .unwrap()
                .starts_with("text/html")
        );
    }
    check(&Case {
        path: "/two/json/x",
        requests: 1,
        ..PLAIN
    });
}

#[test]
fn answers_that_are_the_callers_business_pass_as_they_are() {
    let rig = rig();
    let missing = rig.request("GET", "/weather/nothing/here").send();
    assert_eq!(
        (missing.status, missing.header("x-goodgate-code")),
        (404, None),
        "{}",
        missing.body
    );
    assert!(missing.body.contains("Invalid URL"), "{}", missing.body);
    let moved = rig
        .request("GET", "/weather/fault/redirect-login/json")
        .send();
    assert_eq!(moved.status, 302);
    assert!(
        moved
            .header("location")
            .unwrap()
            .starts_with("https://login.example.com/")
    );
    let bad = rig
        .request("GET", "/weather/fault/openai-invalid-request/json")
        .send();
    assert_eq!(bad.status, 400);
    assert_eq!(bad.json()["error"]["code"], "invalid_value");
    assert_eq!(rig.drill.count(), 3);
}

#[test]
fn a_dead_upstream_is_a_problem_whose_reason_phrase_names_the_cause_and_the_call() {
    for (fault, status, code) in [
        ("html-502", 502, "bad_gateway"),
        ("service-unavailable", 503, "service_unavailable"),
        ("close-before-head", 502, "connection_closed"),
        ("stall-before-head", 504, "response_header_timeout"),
        ("ssh-banner", 502, "not_http"),
    ] {
        let rig = rig();
        let request = rig.request("GET", &format!("/weather/fault/{fault}/json"));
        let reply = request.header("x-goodgate-max-attempts", "2").send();
        let told = format!("{fault}: {} {} {}", reply.status, reply.reason, reply.body);
        assert_eq!(
            (reply.status, reply.header("x-goodgate-code")),
            (status, Some(code)),
            "{told}"
        );
        assert_eq!(
            reply.header("content-type"),
            Some("application/problem+json"),
            "{told}"
        );
        let problem = reply.json();
        assert_eq!(problem["status"], status, "{told}");
        assert!(
            problem["title"].is_string()
                && problem["detail"].is_string()
                && problem["type"].is_string(),
            "{told}"
        );
        assert_eq!(problem["goodgate"]["code"], code, "{told}");
        let id = reply.header("x-request-id").unwrap();
        assert!(
            reply.reason.contains(id) && reply.reason.is_ascii() && reply.reason.len() <= 120,
            "{told}"
        );
        assert!(reply.reason.len() > id.len() + 8, "{told}");
    }
}

#[test]
fn an_open_route_needs_no_key_but_takes_no_page_of_another_site() {
    let rig = rig();
    let ask = |path: &str, headers: &[(&str, &str)]| {
        Request::new(rig.address, "GET", path)
            .headers(headers)
            .send()
    };
    assert_eq!(ask("/public/json/x", &[]).status, 200);
    assert_eq!(
        ask("/public/json/x", &[("sec-fetch-site", "none")]).status,
        200
    );
    for headers in [
        [("origin", "https://evil.example")],
        [("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(ask("/public/json/x", &headers).status, 401, "{headers:?}");
    }
    // Credentials that are the upstream's own go along.
    assert_eq!(
        ask(
            "/public/json/x",
            &[("authorization", "Bearer of-the-upstream")]
        )
        .status,
        200
    );
    let seen = rig.drill.seen();
    assert_eq!(
        seen.last().unwrap().header("authorization"),
        Some("Bearer of-the-upstream")
    );
    let closed = ask("/weather/json/x", &[]);
    assert_eq!(
        (closed.status, closed.header("content-type")),
        (401, Some("application/problem+json"))
    );
    assert_eq!(closed.goodgate()["code"], "unauthenticated");
}

#[test]
fn the_key_may_stand_in_the_urls_user_or_query_and_never_goes_on() {
    let rig = rig();
    let (user, password) = (format!("{}:", rig.key), format!("me:{}", rig.key));
    for pair in [user, password] {
        let value = format!("Basic {}", STANDARD.encode(pair));
        let reply = Request::new(rig.address, "GET", "/weather/json/x")
            .header("authorization", &value)
            .send();
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    let path = format!("/weather/json/x?a=1&key={}&b=2", rig.key);
    assert_eq!(
        Request::new(rig.address, "GET", &path).send().json()["query"],
        "a=1&b=2"
    );
    for seen in rig.drill.seen() {
        let text = format!("{} {:?}", seen.path, seen.headers);
        assert!(
            !text.contains("sk-gg-") && !text.contains("authorization"),
            "{text}"
        );
    }
}

#[test]
fn path_and_query_go_on_byte_for_byte_with_the_prefix_stripped_or_kept() {
    let rig = rig();
    for (asked, goes) in [
        (
            "/weather/json/a%20b/%2F?x=1&y=%2F&z",
            "/json/a%20b/%2F?x=1&y=%2F&z",
        ),
        ("/weather/json//double/", "/json//double/"),
        ("/weather/json?", "/json?"),
        ("/json/x?y", "/json/x?y"),
        ("/weather", "/"),
    ] {
        let reply = rig.request("GET", asked).send();
        assert_eq!(reply.status, 200, "{asked}: {}", reply.body);
        assert_eq!(rig.drill.seen().last().unwrap().path, goes, "{asked}");
    }
    assert_eq!(rig.request("GET", "/weatherman").send().status, 404);
}

#[test]
fn headers_of_the_hop_and_of_ours_stay_here_all_others_go_on() {
    let rig = rig();
    let reply = rig
        .request("POST", "/weather/json/x")
        .headers(&[
            ("connection", "x-hop, keep-alive"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic eA=="),
            ("cookie", "a=b"),
            ("accept-language", "nb"),
            ("user-agent", "script/1"),
            ("x-request-id", "mine"),
        ])
        .body("{\"x\":1}")
        .send();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let seen = rig.drill.seen().remove(0);
    for name in [
        "x-hop",
        "keep-alive",
        "te",
        "proxy-authorization",
        "authorization",
        "transfer-encoding",
    ] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    for (name, value) in [
        ("cookie", "a=b"),
        ("accept-language", "nb"),
        ("user-agent", "script/1"),
        ("x-upstream-key", "sk-route-secret"),
        ("content-type", "application/json"),
        ("content-length", "7"),
        ("x-goodgate-attempt", "1"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
    assert_eq!(seen.header("x-request-id"), reply.header("x-request-id"));
    assert_eq!(
        seen.headers
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
            .count(),
        1
    );
    assert_eq!(&seen.body[..], b"{\"x\":1}");
    assert_eq!(
        rig.row(&reply).call.client_request_id.as_deref(),
        Some("mine")
    );
    assert!(!reply.body.contains("sk-route-secret"));
}

#[test]
fn a_body_that_breaks_is_broken_off_visibly_and_recorded_as_failed() {
    for (fault, code) in [
        ("reset-mid-body", "response_reset"),
        ("close-mid-body", "response_truncated"),
        ("stall-mid-body", "stream_idle_timeout"),
        ("chunk-bad-size", "protocol_error"),
    ] {
        let rig = rig();
        let mut live = rig
            .request("GET", &format!("/weather/fault/{fault}/json/x"))
            .start();
        live.drain();
        // Nothing at all is a break that everybody sees; a beginning must not look whole.
        if !live.text().is_empty() {
            let reply = live.finish();
            let refused = reply.header("x-goodgate-code") == Some(code);
            assert!(
                refused || (reply.status == 200 && !reply.whole),
                "{fault}: {reply:?}"
            );
        }
        let row = rig.newest(|row| row.call.outcome.as_str() == "failed").call;
        assert_eq!(row.code.as_deref(), Some(code), "{fault}");
    }
}
