//! Out of use by hand, and back.

use std::time::Duration;

use ::http::Request;
use admin::Body;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use types::Clock;

use crate::{Bench, HOST, TOKEN};

impl Bench {
    /// A POST with the token: its status and its answer.
    async fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let request = Request::post(path)
            .header("host", HOST)
            .header("authorization", format!("Bearer {TOKEN}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    /// What is in force in the gateway.
    fn in_force(&self) -> Vec<String> {
        let marks = self.around.drained.lock();
        marks.iter().map(|mark| mark.name.clone()).collect()
    }
}

#[tokio::test]
async fn a_provider_is_drained_for_a_time_and_shown_so() {
    let bench = Bench::new();
    let now = bench.clock.unix_millis();
    let wish = r#"{"for_ms": 1800000, "reason": "new contract"}"#;
    let (status, mark) = bench.post("/api/v1/providers/openai/drain", wish).await;
    let shown = json!({"name": "openai", "since_ms": now, "until_ms": now + 1_800_000, "reason": "new contract"});
    assert_eq!((status, &mark), (200, &shown));
    assert_eq!(bench.in_force(), ["openai"]);
    let providers = bench.read("/api/v1/providers").await;
    assert_eq!(providers["providers"][0]["drained"], json!([shown]));
    assert_eq!(providers["providers"][1]["drained"], json!([]));
    bench.tick(Duration::from_secs(1_800));
    let providers = bench.read("/api/v1/providers").await;
    assert_eq!(providers["providers"][0]["drained"], json!([]));
}

#[tokio::test]
async fn models_and_upstreams_are_drained_by_their_names() {
    let bench = Bench::new();
    for name in ["backup%2Fqwen3", "https%3A%2F%2Fapi.weather.example"] {
        let (status, mark) = bench
            .post(&format!("/api/v1/providers/{name}/drain"), "")
            .await;
        assert_eq!(status, 200, "{mark}");
        assert_eq!(mark["until_ms"], Value::Null);
    }
    assert_eq!(
        bench.in_force(),
        ["backup/qwen3", "https://api.weather.example"]
    );
    let providers = bench.read("/api/v1/providers").await;
    assert_eq!(
        providers["providers"][1]["drained"][0]["name"],
        "backup/qwen3"
    );
    let (status, resumed) = bench
        .post("/api/v1/providers/backup%2Fqwen3/resume", "")
        .await;
    let was = json!({"name": "backup/qwen3", "was_drained": true});
    assert_eq!((status, resumed), (200, was));
    assert_eq!(bench.in_force(), ["https://api.weather.example"]);
}

#[tokio::test]
async fn a_mark_outlives_a_restart() {
    let mut bench = Bench::new();
    bench.post("/api/v1/providers/openai/drain", "").await;
    bench.restart(TOKEN, HOST);
    let (_, resumed) = bench.post("/api/v1/providers/openai/resume", "").await;
    assert_eq!(resumed["was_drained"], true);
    let (_, again) = bench.post("/api/v1/providers/openai/resume", "").await;
    assert_eq!(again["was_drained"], false);
    assert_eq!(bench.in_force(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_drained_is_told_with_the_fix() {
    let bench = Bench::new();
    for (path, body, status, code) in [
        ("opneai/drain", "", 404, "no_such_provider"),
        ("opneai/resume", "", 404, "no_such_provider"),
        ("nobody%2Fgpt-5/drain", "", 404, "no_such_provider"),
        ("openai/drain", r#"{"for": "30m"}"#, 400, "invalid_body"),
        ("openai/drain", r#"{"for_ms": 5}"#, 400, "invalid_body"),
        ("openai/drain", r#"{"for_ms": -5}"#, 400, "invalid_body"),
        ("openai/drain", "{", 400, "invalid_body"),
    ] {
        let (found, problem) = bench.post(&format!("/api/v1/providers/{path}"), body).await;
        assert_eq!(
            (found, problem["code"].as_str()),
            (status, Some(code)),
            "{path} {body}"
        );
        assert!(!problem["fix"].as_str().unwrap().is_empty());
    }
    let long = format!(r#"{{"reason": "{}"}}"#, "x".repeat(201));
    let (status, _) = bench.post("/api/v1/providers/openai/drain", &long).await;
    assert_eq!(status, 400);
    assert_eq!(bench.in_force(), [""; 0]);
}

#[tokio::test]
async fn planned_windows_are_shown_with_the_present_or_next_occurrence() {
    let bench = Bench::new();
    let providers = bench.read("/api/v1/providers").await;
    let windows = providers["providers"][1]["maintenance"].as_array().unwrap();
    assert_eq!(windows.len(), 2, "what is over is not shown: {windows:?}");
    let now = bench.clock.unix_millis();
    assert_eq!(windows[0]["reason"], "new driver");
    assert_eq!(
        (&windows[0]["is_now"], &windows[0]["recurs"]),
        (&json!(true), &json!(false))
    );
    let next = windows[1]["start_ms"].as_u64().unwrap();
    assert!(next > now && next - now <= 7 * 86_400_000);
    assert_eq!(windows[1]["end_ms"].as_u64(), Some(next + 7_200_000));
    assert_eq!(windows[1]["recurs"], true);
}
