//! Who may read the metrics.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;

use crate::{Bench, HOST, TOKEN};

async fn check(bench: &Bench, peer: &str, headers: &[(&str, &str)], wanted: StatusCode) -> String {
    let mut request = Request::builder().uri("/metrics");
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", HOST);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = bench
        .send_from(peer, request.body(Body::empty()).unwrap())
        .await;
    assert_eq!(response.status(), wanted, "{peer} {headers:?}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn this_machine_reads_the_metrics_without_a_word_and_gets_the_format_it_asks_for() {
    let bench = Bench::new();
    let accept = ("accept", "application/openmetrics-text");
    let text = check(&bench, "127.0.0.1:9", &[accept], StatusCode::OK).await;
    assert_eq!(
        text,
        "asked_for{accept=\"application/openmetrics-text\"} 1\n"
    );
    check(&bench, "[::ffff:127.0.0.1]:9", &[], StatusCode::OK).await;
}

#[tokio::test]
async fn others_show_the_admin_token_also_those_behind_a_proxy_on_this_machine() {
    let bench = Bench::new();
    let token = format!("Bearer {TOKEN}");
    let token = ("authorization", token.as_str());
    let proxied = ("x-forwarded-for", "203.0.113.9");
    for (peer, headers) in [
        ("10.0.0.9:9", vec![]),
        ("127.0.0.1:9", vec![proxied]),
        ("127.0.0.1:9", vec![("forwarded", "for=203.0.113.9")]),
        ("10.0.0.9:9", vec![("authorization", "Bearer gga-wrong")]),
    ] {
        let told = check(&bench, peer, &headers, StatusCode::UNAUTHORIZED).await;
        assert!(!told.contains("asked_for"), "{told}");
    }
    check(&bench, "10.0.0.9:9", &[token], StatusCode::OK).await;
    check(&bench, "127.0.0.1:9", &[proxied, token], StatusCode::OK).await;
}

#[tokio::test]
async fn a_page_of_another_name_or_origin_reads_nothing() {
    let bench = Bench::new();
    let rebound = [("host", "evil.example")];
    check(
        &bench,
        "127.0.0.1:9",
        &rebound,
        StatusCode::MISDIRECTED_REQUEST,
    )
    .await;
    let foreign = [("sec-fetch-site", "cross-site")];
    check(&bench, "127.0.0.1:9", &foreign, StatusCode::FORBIDDEN).await;
}
