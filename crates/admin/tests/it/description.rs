//! The description says what is there, and its golden copy is fresh.

use serde_json::Value;
use std::collections::BTreeSet;

use crate::{Bench, TOKEN};

fn description() -> Value {
    serde_json::from_str(&admin::openapi_json()).unwrap()
}

#[test]
fn the_golden_copy_is_fresh() {
    let golden = include_str!("../../openapi.json");
    assert!(
        golden == admin::openapi_json(),
        "openapi.json is stale: cargo run -p goodgate-admin --example openapi > crates/admin/openapi.json, \
         then make the web UI's types from it"
    );
}

#[tokio::test]
async fn every_path_of_the_description_is_there() {
    let bench = Bench::new();
    let bearer = format!("Bearer {TOKEN}");
    for (path, operations) in description()["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if path.ends_with("/live") {
                continue;
            }
            let path = path
                .replace("incidents/{id}", "incidents/inc_x")
                .replace("{id}", "req_1")
                .replace("{code}", "bad_gateway")
                .replace("{name}", "openai");
            let answer = bench
                .ask(&method.to_uppercase(), &path, &[("authorization", &bearer)])
                .await;
            assert!(
                answer.status.is_success()
                    || matches!(
                        &*answer.problem(),
                        "invalid_request_id" | "invalid_incident_id"
                    ),
                "{method} {path}: {}",
                answer.status
            );
        }
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let description = description();
    let mut names = BTreeSet::new();
    for operations in description["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()));
        }
    }
    let text = description.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(
            description["components"]["schemas"][name].is_object(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_description_is_served_to_everyone_on_this_machine() {
    let bench = Bench::new();
    let answer = bench.ask("GET", "/api/openapi.json", &[]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), description());
}
