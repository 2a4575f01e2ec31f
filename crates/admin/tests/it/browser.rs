//! Pages of others reach nothing: host names, origins, fetch metadata.

use crate::{Bench, TOKEN};

#[tokio::test]
async fn only_our_own_names_are_answered_to() {
    let bench = Bench::new();
    for (host, allowed) in [
        ("127.0.0.1:4000", true),
        ("127.0.0.1", true),
        ("127.8.8.8:1", true),
        ("localhost:4000", true),
        ("LOCALHOST", true),
        ("goodgate.localhost:4000", true),
        ("localhost.:4000", true),
        ("[::1]:4000", true),
        ("gate.acme.example", true),
        ("GATE.acme.example:443", true),
        ("evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost.evil.example", false),
        ("notlocalhost", false),
        ("10.0.0.7:4000", false),
        ("[::ffff:10.0.0.7]", false),
        ("0.0.0.0:4000", false),
        ("gate.acme.example.evil.example", false),
    ] {
        for path in ["/ui", "/api/openapi.json", "/"] {
            let answer = bench.ask("GET", path, &[("host", host)]).await;
            let expected = if allowed {
                answer.status.as_u16() < 400
            } else {
                answer.status == 421
            };
            assert!(expected, "{host} {path}: {}", answer.status);
            if !allowed {
                assert_eq!(answer.problem(), "host_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn a_gateway_that_listens_everywhere_answers_to_addresses_but_not_to_strange_names() {
    let bench = Bench::listening("0.0.0.0:4000");
    for (host, status) in [("10.0.0.7:4000", 200), ("evil.example", 421)] {
        let answer = bench
            .ask("GET", "/api/openapi.json", &[("host", host)])
            .await;
        assert_eq!(answer.status, status, "{host}");
    }
    let bench = Bench::listening("10.0.0.7:4000");
    let answer = bench
        .ask("GET", "/api/openapi.json", &[("host", "10.0.0.7:4000")])
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_request_must_name_one_host() {
    let bench = Bench::new();
    for hosts in [
        &[("host", "")][..],
        &[("host", "localhost"), ("host", "localhost")],
        &[("host", "a@localhost")],
    ] {
        let answer = bench.ask("GET", "/ui", hosts).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.problem(), "host_missing");
    }
}

#[tokio::test]
async fn the_host_of_an_absolute_uri_counts_before_the_header() {
    let bench = Bench::new();
    let answer = bench.ask("GET", "http://evil.example/ui", &[]).await;
    assert_eq!(answer.status, 421);
    let answer = bench
        .ask("GET", "http://localhost/ui", &[("host", "evil.example")])
        .await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_reach_nothing_even_with_the_token() {
    let bench = Bench::new();
    let bearer = format!("Bearer {TOKEN}");
    let auth = ("authorization", &*bearer);
    let path = "/api/v1/status";
    for (header, status) in [
        (("origin", "http://127.0.0.1:4000"), 200),
        (("origin", "https://127.0.0.1:4000"), 200),
        (("origin", "http://127.0.0.1:4001"), 403),
        (("origin", "http://127.0.0.1"), 403),
        (("origin", "http://localhost:4000"), 403),
        (("origin", "http://evil.example"), 403),
        (("origin", "null"), 403),
        (("origin", ""), 403),
        (("origin", "chrome-extension://127.0.0.1:4000"), 403),
        (("sec-fetch-site", "same-origin"), 200),
        (("sec-fetch-site", "none"), 200),
        (("sec-fetch-site", "same-site"), 403),
        (("sec-fetch-site", "cross-site"), 403),
        (("sec-fetch-site", "something-new"), 403),
    ] {
        let answer = bench.ask("GET", path, &[auth, header]).await;
        assert_eq!(answer.status, status, "{header:?}");
        if status == 403 {
            assert_eq!(answer.problem(), "foreign_origin");
        }
    }
}

#[tokio::test]
async fn default_ports_may_be_written_or_not() {
    let bench = Bench::new();
    let host = ("host", "gate.acme.example");
    let origin = ("origin", "https://gate.acme.example:443");
    let answer = bench.ask("GET", "/api/openapi.json", &[host, origin]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_link_on_another_site_may_lead_to_the_ui_but_not_embed_it() {
    let bench = Bench::new();
    let cross = ("sec-fetch-site", "cross-site");
    for (path, mode, dest, status) in [
        ("/ui", "navigate", "document", 200),
        ("/ui/requests/req_1", "navigate", "document", 200),
        ("/ui", "navigate", "iframe", 403),
        ("/ui", "no-cors", "script", 403),
        ("/ui", "cors", "empty", 403),
        ("/api/v1/status", "navigate", "document", 403),
        ("/api/openapi.json", "no-cors", "image", 403),
    ] {
        let headers = [cross, ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
        let answer = bench.ask("GET", path, &headers).await;
        assert_eq!(answer.status, status, "{path} {mode} {dest}");
    }
}

#[tokio::test]
async fn a_change_with_a_cookie_needs_a_sign_that_the_page_is_ours() {
    let bench = Bench::new();
    let link = bench.app.sign_in_link();
    let path = link.strip_prefix("http://127.0.0.1:4000").unwrap();
    let answer = bench.ask("GET", path, &[]).await;
    let cookie = answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let change = "/api/v1/session/links";
    let cookie = ("cookie", &*cookie);
    let answer = bench.ask("POST", change, &[cookie]).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.problem()),
        (403, "origin_missing")
    );
    for sign in [
        ("origin", "http://127.0.0.1:4000"),
        ("sec-fetch-site", "same-origin"),
    ] {
        assert_eq!(bench.ask("POST", change, &[cookie, sign]).await.status, 201);
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_others_out() {
    let bench = Bench::new();
    for path in [
        "/ui",
        "/",
        "/api/openapi.json",
        "/api/v1/status",
        "/api/v1/nothing",
        "/elsewhere",
    ] {
        let answer = bench.get(path).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), value, "{path}");
        }
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}
