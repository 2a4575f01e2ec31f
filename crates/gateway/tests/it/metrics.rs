//! What a scrape tells of calls over real sockets.

use gateway::journal::metrics::Format;

use crate::rig::{Rig, USUAL, script};

fn holds(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            text.lines().any(|one| one.starts_with(line)),
            "{line} is missing in\n{text}"
        );
    }
}

#[test]
fn a_scrape_tells_what_was_answered_saved_and_lost() {
    let rig = Rig::with(
        USUAL,
        script(r#"{"rules":[{"when":{"model":"first"},"fault":"html-502"}]}"#),
    );
    assert_eq!(rig.chat("q/echo").status, 200);
    let saved = rig.chat("pair");
    assert_eq!(saved.header("x-goodgate-outcome"), Some("recovered"));
    assert_eq!(rig.stream("q/echo").status, 200);
    assert_eq!(rig.chat("nowhere").status, 404);
    let text = rig.metrics(Format::OpenMetrics);
    let id = saved.header("x-request-id").unwrap();
    holds(
        &text,
        &[
            "goodgate_requests_total{outcome=\"ok\"} 2",
            "goodgate_requests_total{outcome=\"recovered\"} 1",
            "goodgate_requests_total{outcome=\"refused\"} 1",
            &format!(
                "goodgate_failures_total{{group=\"upstream\",code=\"bad_gateway\",target=\"p/first\",phase=\"headers\",visible=\"false\"}} 2 # {{request_id=\"{id}\"}}"
            ),
            "goodgate_failures_total{group=\"gateway\",code=\"no_route\",target=\"\"",
            "goodgate_attempts_total{target=\"q/echo\",outcome=\"answered\"} 3",
            "goodgate_first_token_seconds_count{target=\"q/echo\"} 1",
            "gen_ai_client_token_usage_count{gen_ai_operation_name=\"chat\",gen_ai_provider_name=\"openai-compatible\",gen_ai_request_model=\"echo\",goodgate_target=\"q/echo\",gen_ai_token_type=\"output\"} 3",
            "goodgate_inflight{phase=\"attempting\"} 0",
            "goodgate_connections ",
            "goodgate_loop_lag_seconds{worker=\"0\"}",
            "goodgate_store_writable 1",
            "process_open_fds ",
        ],
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn models_that_callers_make_up_are_no_labels() {
    let rig = Rig::with(USUAL, script(r#"{"rules":[{"fault":"html-502"}]}"#));
    for n in 0..3 {
        rig.chat(&format!("p/made-up-{n}"));
    }
    let text = rig.metrics(Format::Prometheus);
    assert!(!text.contains("made-up"), "{text}");
    holds(
        &text,
        &["goodgate_attempts_total{target=\"(others)\",outcome=\"failed\"} "],
    );
}
