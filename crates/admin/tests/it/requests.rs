//! Calls as the API shows them.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use store::{CallRow, Outcome};
use types::CallId;

use crate::Bench;

#[tokio::test]
async fn one_request_gives_all_that_a_list_needs() {
    let bench = Bench::new();
    let id = bench.record(bench.failed()).to_string();
    let page = bench.read("/api/v1/requests").await;
    assert_eq!(page["next"], Value::Null);
    assert_eq!(page["not_kept"], json!([]));
    let request = &page["requests"][0];
    assert_eq!(request["id"], id);
    assert_eq!(request["outcome"], "failed");
    assert_eq!(request["key"], "ci-bot");
    assert_eq!(request["total_ms"], 4_812);
    assert_eq!(request["usage"]["input"], 1_312);
    assert_eq!(request["usage"]["output"], Value::Null);
    assert_eq!(request["attempts"][0]["ms"], 812);
    assert_eq!(request["attempts"][0]["next"], "retry_same");
    assert_eq!(request["attempts"][0]["full_evidence"], Value::Null);
    assert!(
        request.get("ttft_ms").is_some(),
        "null is written, never left out"
    );
}

#[tokio::test]
async fn a_call_is_shown_whole_and_its_attempts_are_those_that_the_client_was_told() {
    let bench = Bench::new();
    let id = bench.record(bench.failed());
    let shown = bench.read(&format!("/api/v1/requests/{id}")).await;
    let told = shown["error"]["error"]["goodgate"]["attempts"]
        .as_array()
        .unwrap();
    let stored = shown["request"]["attempts"].as_array().unwrap();
    assert_eq!(told.len(), stored.len());
    for (told, stored) in told.iter().zip(stored) {
        for (name, value) in told.as_object().unwrap() {
            assert_eq!(&stored[name], value, "{name}");
        }
    }
    assert_eq!(
        stored[0]["full_evidence"],
        json!({"lane": "model", "phase": "headers"})
    );
    assert_eq!(
        stored[0]["detail"],
        "text/html, 153 bytes from 104.18.6.192:443"
    );
    assert_eq!(shown["code_facts"]["code"], "bad_gateway");
    assert!(!shown["code_facts"]["fix"].as_str().unwrap().is_empty());
    assert_eq!(
        shown["policy"]["plan"],
        json!(["openai/gpt-5-mini", "backup/qwen3"])
    );
    assert_eq!(shown["policy"]["max_attempts"], 4);
    assert_eq!(
        shown["not_tried"],
        json!([{"target": "backup/qwen3", "why": "cooldown", "incident": null}])
    );
    assert_eq!(shown["losses"][0]["field"], "logit_bias");
    assert_eq!(
        shown["client"],
        json!([{"name": "runtime", "value": "CPython 3.11"}])
    );
}

#[tokio::test]
async fn stored_text_that_is_no_json_harms_no_answer() {
    let bench = Bench::new();
    let id = bench.record(CallRow {
        error_json: Some("<html>".to_owned()),
        code: Some(Cow::Borrowed("not_a_code")),
        ..bench.row(Outcome::Failed)
    });
    let shown = bench.read(&format!("/api/v1/requests/{id}")).await;
    assert_eq!(shown["error"], Value::Null);
    assert_eq!(shown["code_facts"], Value::Null);
    assert_eq!(shown["request"]["code"], "not_a_code");
}

#[tokio::test]
async fn ids_that_are_none_and_ids_of_nobody_are_told_apart() {
    let bench = Bench::new();
    let unknown = CallId::generate(5);
    for (id, code) in [
        (unknown.to_string(), "request_not_found"),
        ("req_1".to_owned(), "invalid_request_id"),
        ("%00".to_owned(), "invalid_request_id"),
    ] {
        let answer = bench.get(&format!("/api/v1/requests/{id}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (404, code));
    }
}

#[tokio::test]
async fn pages_follow_each_other_to_the_end() {
    let bench = Bench::new();
    let mut ids: Vec<String> = (0..7)
        .map(|_| bench.record(bench.row(Outcome::Ok)).to_string())
        .collect();
    ids.reverse();
    let mut seen = Vec::new();
    let mut path = "/api/v1/requests?limit=3".to_owned();
    loop {
        let page = bench.read(&path).await;
        let rows = page["requests"].as_array().unwrap();
        seen.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/v1/requests?limit=3&cursor={next}");
    }
    assert_eq!(seen, ids);
}

#[tokio::test]
async fn each_filter_reaches_the_store() {
    let bench = Bench::new();
    let failed = bench.record(bench.failed());
    bench.record(CallRow {
        model: Some(Arc::from("fast")),
        ..bench.row(Outcome::Ok)
    });
    for query in [
        "outcome=failed,recovered",
        "outcome=failed%2C",
        "model=smart",
        "key=ci-bot",
        "target=openai%2Fgpt-5-mini",
        "code=connection_refused",
        "status=502",
        "q=up-1",
        "q=client-",
        &format!("q={}", failed.to_string().to_lowercase()),
        "model=smart&key=ci-bot&q=&code=",
    ] {
        let page = bench.read(&format!("/api/v1/requests?{query}")).await;
        let rows = page["requests"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{query}");
        assert_eq!(rows[0]["id"], failed.to_string(), "{query}");
    }
    let none = bench.read("/api/v1/requests?until=5").await;
    assert_eq!(none["requests"], json!([]));
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_an_error_that_names_the_parameter() {
    let bench = Bench::new();
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=abc", "cursor"),
        ("outcome=good", "outcome"),
        ("status=99999", "status"),
        ("since=-1", "since"),
        ("colour=red", "colour"),
    ] {
        let answer = bench.get(&format!("/api/v1/requests?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.problem(), "invalid_query");
        assert!(answer.text.contains(named), "{query}: {}", answer.text);
    }
}

#[tokio::test]
async fn calls_in_flight_are_listed_the_oldest_first() {
    let bench = Bench::new();
    let list = bench.read("/api/v1/in-flight").await;
    assert_eq!(list["total"], 3);
    let ages: Vec<u64> = list["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["age_ms"].as_u64().unwrap())
        .collect();
    assert_eq!(ages, [900, 70, 5]);
}
