//! Incidents as the API shows them, and the way from a call to its incident.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Value, json};
use store::{IncidentId, IncidentRow, NotTried, Outcome};
use types::Clock;

use crate::Bench;

impl Bench {
    fn incident(&self, number: u64, ended: bool) -> IncidentRow {
        let now = self.clock.unix_millis();
        let row = IncidentRow {
            id: IncidentId(number),
            target: Arc::from("openai/gpt-5-mini"),
            code: Cow::Borrowed("bad_gateway"),
            group: Cow::Borrowed("upstream"),
            started_millis: now,
            latest_millis: now + 60_000,
            ended_millis: ended.then_some(now + 60_000),
            closed_by: ended.then_some(Cow::Borrowed("health")),
            attempts: 340,
            calls: 312,
            saved: 300,
            lost: 12,
            evidence: Some("text/html, 153 bytes".to_owned()),
            last_call: None,
        };
        self.store.write_behind().incident(row.clone());
        self.store.flush().unwrap();
        row
    }
}

#[tokio::test]
async fn incidents_come_page_by_page_the_latest_first() {
    let bench = Bench::new();
    for number in 1..=3 {
        bench.incident(number, number != 2);
    }
    let ids = |page: &Value| -> Vec<String> {
        let rows = page["incidents"].as_array().unwrap();
        rows.iter()
            .map(|row| row["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = bench.read("/api/v1/incidents?limit=2").await;
    assert_eq!(ids(&first), ["inc_0003", "inc_0002"]);
    let next = first["next"].as_str().unwrap();
    let second = bench
        .read(&format!("/api/v1/incidents?limit=2&cursor={next}"))
        .await;
    assert_eq!(
        (ids(&second), &second["next"]),
        (vec!["inc_0001".to_owned()], &Value::Null)
    );
    let open = bench.read("/api/v1/incidents?open=true").await;
    assert_eq!(ids(&open), ["inc_0002"]);
    assert_eq!(open["incidents"][0]["ended_ms"], Value::Null);
    assert_eq!(open["incidents"][0]["saved"], 300);
}

#[tokio::test]
async fn one_incident_comes_with_what_its_code_means() {
    let bench = Bench::new();
    bench.incident(142, true);
    let shown = bench.read("/api/v1/incidents/inc_0142").await;
    assert_eq!(shown["incident"]["closed_by"], "health");
    assert_eq!(shown["code_facts"]["code"], "bad_gateway");
    for (path, problem) in [
        ("/api/v1/incidents/142", "invalid_incident_id"),
        ("/api/v1/incidents/inc_7", "no_such_incident"),
        ("/api/v1/incidents?cursor=7", "invalid_query"),
        ("/api/v1/incidents?limit=0", "invalid_query"),
        ("/api/v1/incidents?closed=true", "invalid_query"),
    ] {
        assert_eq!(bench.get(path).await.problem(), problem, "{path}");
    }
}

#[tokio::test]
async fn a_call_leads_to_the_incident_that_it_met_and_to_no_other() {
    let bench = Bench::new();
    bench.incident(7, false);
    let met = bench.record(bench.failed());
    let shown = bench.read(&format!("/api/v1/requests/{met}")).await;
    assert_eq!(shown["incident"]["id"], "inc_0007");
    assert_eq!(shown["incident"]["calls"], 312);
    let other = bench.record(bench.row(Outcome::Ok));
    let shown = bench.read(&format!("/api/v1/requests/{other}")).await;
    assert_eq!(shown["incident"], json!(null));
}

#[tokio::test]
async fn a_target_that_was_left_alone_comes_with_the_incident_for_which() {
    let bench = Bench::new();
    bench.incident(142, false);
    let skipped = |target: &str, why| NotTried {
        target: Arc::from(target),
        why: Cow::Borrowed(why),
    };
    let mut call = bench.row(Outcome::Ok);
    call.details.not_tried = vec![
        skipped("openai/gpt-5-mini", "circuit_open"),
        skipped("openai/gpt-5-mini", "drained"),
        skipped("backup/qwen3", "circuit_open"),
    ];
    let id = bench.record(call);
    let shown = bench.read(&format!("/api/v1/requests/{id}")).await;
    let told: Vec<&Value> = shown["not_tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["incident"]["id"])
        .collect();
    assert_eq!(
        told,
        [&json!("inc_0142"), &Value::Null, &Value::Null],
        "not where a hand or nothing was the reason"
    );
}
