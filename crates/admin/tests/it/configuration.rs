//! Models, providers, codes, the gateway itself, and what to paste.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use store::{AttemptRow, CallRow, KeyRow, Outcome, Phases};
use types::KeyId;

use crate::Bench;

#[tokio::test]
async fn models_and_routes_are_shown_as_configured() {
    let bench = Bench::new();
    let models = bench.read("/api/v1/models").await;
    let smart = &models["aliases"][0];
    assert_eq!(smart["name"], "smart");
    assert_eq!(smart["targets"][1]["label"], "backup/qwen3");
    assert_eq!(smart["retry"]["max_attempts"], 4);
    assert_eq!(smart["retry"]["hold"], "first_content");
    assert_eq!(models["routes"][0]["path"], "/weather/**");
    assert_eq!(models["routes"][0]["access"], "open");
    assert_eq!(
        models["routes"][0]["upstreams"],
        json!(["https://api.weather.example"])
    );
}

#[tokio::test]
async fn providers_are_shown_without_their_secrets() {
    let bench = Bench::new();
    let answer = bench.get("/api/v1/providers").await;
    let providers = answer.json();
    assert_eq!(providers["providers"][0]["id"], "openai");
    assert_eq!(
        providers["providers"][1]["base_url"],
        "http://10.2.0.7:8000/v1"
    );
    assert_eq!(providers["providers"][0]["credentials"][0]["hint"], "…1234");
    assert!(!answer.text.contains("not-for-anyone"));
    assert!(!answer.text.contains("other-secret"));
}

#[tokio::test]
async fn every_code_has_its_facts() {
    let bench = Bench::new();
    let codes = bench.read("/api/v1/codes").await;
    let codes = codes["codes"].as_array().unwrap();
    assert_eq!(codes.len(), diagnosis::Code::ALL.len());
    for code in codes {
        for field in ["meaning", "fix", "group", "origin"] {
            assert!(!code[field].as_str().unwrap().is_empty(), "{code}");
        }
    }
    let page = bench.read("/api/v1/codes/bad_gateway").await;
    assert_eq!(page["facts"]["http"], 502);
    assert!(page["page"].as_str().unwrap().starts_with("# "));
    let word = bench.read("/api/v1/codes/unknown_key").await;
    assert_eq!(word["facts"], Value::Null, "no answer carries it");
    assert!(word["page"].as_str().unwrap().len() > 40);
}

#[tokio::test]
async fn words_that_are_no_codes_are_not_found_and_read_no_file() {
    let bench = Bench::new();
    for word in ["nothing", "..%2F..%2FCargo", "BAD_GATEWAY", "%2e%2e"] {
        let answer = bench.get(&format!("/api/v1/codes/{word}")).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.problem()),
            (404, "code_not_found"),
            "{word}"
        );
    }
}

#[tokio::test]
async fn the_status_says_what_runs_from_which_file() {
    let bench = Bench::new();
    let status = bench.read("/api/v1/status").await;
    assert_eq!(status["version"], "0.1.0");
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["config"]["file"], "/etc/goodgate/goodgate.yaml");
    assert_eq!(status["demo"], false);
    assert_eq!(status["in_flight"], 3);
    assert_eq!(status["storage"], json!({"queued": 0, "trouble": null}));
}

#[tokio::test]
async fn snippets_name_this_gateway_and_a_model_but_no_key() {
    let bench = Bench::new();
    let key = |name: &str, fill: u8, revoked_millis| KeyRow {
        id: KeyId::new(name),
        hash: [fill; 32],
        hint: format!("sk-gg-dev-{name}…e2Lp"),
        created_millis: u64::from(fill),
        expires_millis: None,
        revoked_millis,
    };
    assert_eq!(
        bench.read("/api/v1/snippets").await["key_hint"],
        Value::Null
    );
    bench.store.add_key(&key("old", 1, Some(5))).unwrap();
    bench.store.add_key(&key("first", 2, None)).unwrap();
    let answer = bench.read("/api/v1/snippets").await;
    assert_eq!(answer["openai_base_url"], "http://127.0.0.1:4000/v1");
    assert_eq!(answer["model"], "smart");
    assert_eq!(answer["key_hint"], "sk-gg-dev-first…e2Lp");
    for snippet in answer["snippets"].as_array().unwrap() {
        let code = snippet["code"].as_str().unwrap();
        assert!(code.contains("http://127.0.0.1:4000/v1"), "{code}");
        assert!(code.contains("\"smart\""), "{code}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_allowed_are_told_apart() {
    let bench = Bench::new();
    let token = format!("Bearer {}", crate::TOKEN);
    for (method, path, status, code) in [
        ("GET", "/api/v1/nothing", 404, "no_such_path"),
        ("GET", "/api/v2/requests", 404, "no_such_path"),
        ("GET", "/elsewhere", 404, "no_such_path"),
        ("GET", "/uix", 404, "no_such_path"),
        ("POST", "/api/v1/requests", 405, "method_not_allowed"),
        ("POST", "/ui", 405, "method_not_allowed"),
    ] {
        let headers = [("authorization", &*token)];
        let answer = bench.ask(method, path, &headers).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.problem()),
            (status, code),
            "{path}"
        );
    }
}

#[tokio::test]
async fn where_breakers_and_limits_stand_is_shown_with_what_they_guard() {
    let bench = Bench::new();
    let shown = bench.read("/api/v1/providers").await;
    let openai = &shown["providers"][0];
    assert_eq!(openai["guard"]["state"], "closed");
    assert_eq!(openai["credentials"][0]["guard"]["state"], "open");
    assert_eq!(openai["targets"][0]["name"], "openai/gpt-5-mini");
    assert_eq!(openai["targets"][0]["state"], "half_open");
    assert_eq!(openai["targets"][0]["cause"], "bad_gateway");
    assert_eq!(openai["targets"][0]["limit"], 7);
    assert_eq!(openai["targets"][0]["shadow"]["latency"], 3);
    // A provider that had no call yet has nothing to show.
    assert_eq!(shown["providers"][1]["guard"], Value::Null);
    assert_eq!(shown["providers"][1]["targets"], json!([]));
    let weather = &shown["upstreams"][0];
    assert_eq!(weather["url"], "https://api.weather.example");
    assert_eq!(weather["routes"], json!(["weather"]));
    assert_eq!(weather["is_well"], false);
    assert_eq!(weather["guard"]["state"], "ramping");
    assert_eq!(shown["upstreams"].as_array().map(Vec::len), Some(1));
    assert_eq!(openai["aliases"], json!(["smart"]));
}

#[tokio::test]
async fn what_the_last_hour_showed_of_a_target_is_told_with_its_causes() {
    let bench = Bench::new();
    let failed = bench.failed();
    let (id, began) = (failed.id.to_string(), failed.unix_millis);
    bench.record(failed);
    bench.record(CallRow {
        attempts: vec![AttemptRow {
            phases: Phases {
                first_token: Some(Duration::from_millis(640)),
                ..Phases::default()
            },
            ..AttemptRow::new(1, Arc::from("openai/gpt-5-mini"))
        }],
        ..bench.row(Outcome::Ok)
    });
    let shown = bench.read("/api/v1/providers").await;
    let seen = &shown["seen"]["openai/gpt-5-mini"];
    assert_eq!(seen["sample"], 3);
    assert_eq!(
        (&seen["failed"], &seen["recovered"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(
        seen["causes"],
        json!([{"code": "bad_gateway", "attempts": 1}, {"code": "connection_refused", "attempts": 1}])
    );
    let last = json!({"at_ms": began + 1_810, "code": "connection_refused", "evidence": "connection refused", "request": id});
    assert_eq!(seen["last_failure"], last);
    assert_eq!(
        seen["ttft"],
        json!({"sample": 1, "p50_ms": 640, "p95_ms": 640})
    );
}

#[tokio::test]
async fn minutes_of_targets_are_kept_for_an_hour() {
    let bench = Bench::new();
    bench.around.answered.store(3, Ordering::Relaxed);
    bench.app.look_at_guards();
    bench.tick(Duration::from_secs(60));
    bench.around.answered.store(5, Ordering::Relaxed);
    let shown = bench.read("/api/v1/providers").await;
    let history = &shown["seen"]["openai/gpt-5-mini"]["history"];
    let answered: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["answered"])
        .collect();
    assert_eq!(answered, [3, 2]);
    bench.tick(Duration::from_secs(3_600));
    let shown = bench.read("/api/v1/providers").await;
    assert_eq!(shown["seen"]["openai/gpt-5-mini"], Value::Null);
}
