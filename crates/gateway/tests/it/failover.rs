//! Repeats and other targets: how many, where, in which order, after what wait, and what is told of them.

use std::time::Duration;

use serde_json::Value;

use crate::client::Reply;
use crate::rig::{Rig, USUAL, in_parallel, script, timed, with_models};
use crate::sockets::refusing;

/// One call on a gateway of its own.
struct Case {
    name: &'static str,
    /// The targets of `m`, as in the configuration.
    targets: &'static str,
    script: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// The client's status, and the code where it is no success.
    status: u16,
    code: Option<&'static str>,
    stop_reason: Option<&'static str>,
    /// Which models were asked for, in order; the attempts are numbered through.
    seen: &'static [&'static str],
}

const PLAIN: Case = Case {
    name: "",
    targets: "p/a, q/b",
    script: "{}",
    headers: &[],
    status: 200,
    code: None,
    stop_reason: None,
    seen: &["a"],
};

fn check(case: &Case) {
    let yaml = with_models(&format!("  m: {{ targets: [{}] }}", case.targets));
    let yaml = yaml.replace("models:\n", &format!("  dead: {{ type: openai-compatible, base_url: http://{}/v1, api_key: sk-x }}\nmodels:\n", refusing()));
    let rig = Rig::with(&yaml, script(case.script));
    let reply = rig.chat_request("m", "").headers(case.headers).send();
    let told = format!(
        "{}: {} {:?} {}",
        case.name,
        reply.status,
        rig.seen(),
        reply.body
    );
    assert_eq!(reply.status, case.status, "{told}");
    assert_eq!(reply.header("x-goodgate-code"), case.code, "{told}");
    let models: Vec<_> = rig.seen().into_iter().map(|(model, _)| model).collect();
    assert_eq!(models, case.seen, "{told}");
    let row = rig.row(&reply);
    let attempts = row.call.attempts.len();
    assert_eq!(
        reply.header("x-goodgate-attempts"),
        Some(attempts.to_string().as_str()),
        "{told}"
    );
    // Attempts that never reached a server have numbers, too.
    let unseen = row
        .call
        .attempts
        .iter()
        .filter(|attempt| attempt.target.starts_with("dead/"))
        .count();
    assert_eq!(attempts, models.len() + unseen, "{told}");
    let outcome = reply.header("x-goodgate-outcome").unwrap();
    assert_eq!(outcome, row.call.outcome.as_str(), "{told}");
    if case.status == 200 {
        assert_eq!(
            outcome,
            if attempts > 1 { "recovered" } else { "ok" },
            "{told}"
        );
    }
    if case.stop_reason.is_some() {
        assert_eq!(
            reply.goodgate()["stop_reason"].as_str(),
            case.stop_reason,
            "{told}"
        );
    }
}

const FAIL_A: &str = r#"{"rules":[{"when":{"model":"a"},"fault":"openai-internal-error"}]}"#;
const ALL_502: &str = r#"{"rules":[{"fault":"html-502"}]}"#;
const CASES: [Case; 14] = [
    Case {
        name: "one failure is survived",
        targets: "p/flaky-502",
        seen: &["flaky-502", "flaky-502"],
        ..PLAIN
    },
    Case {
        name: "the first target that answers is the only one",
        ..PLAIN
    },
    Case {
        name: "two tries, then the next target",
        script: FAIL_A,
        seen: &["a", "a", "b"],
        ..PLAIN
    },
    Case {
        name: "four attempts at most, two on each while another is left",
        targets: "p/a, q/b, p/c",
        script: ALL_502,
        status: 502,
        code: Some("bad_gateway"),
        stop_reason: Some("attempts_exhausted"),
        seen: &["a", "a", "b", "b"],
        ..PLAIN
    },
    Case {
        name: "a lone target gets all four",
        targets: "p/a",
        script: ALL_502,
        status: 502,
        code: Some("bad_gateway"),
        stop_reason: Some("attempts_exhausted"),
        seen: &["a", "a", "a", "a"],
        ..PLAIN
    },
    Case {
        name: "what never was sent moves on at once",
        targets: "dead/a, q/b",
        seen: &["b"],
        ..PLAIN
    },
    Case {
        name: "an overloaded target is left at once",
        script: r#"{"rules":[{"when":{"model":"a"},"fault":"openai-overloaded"}]}"#,
        seen: &["a", "b"],
        ..PLAIN
    },
    Case {
        name: "a model that does not exist there may exist elsewhere",
        script: r#"{"rules":[{"when":{"model":"a"},"fault":"openai-model-not-found"}]}"#,
        seen: &["a", "b"],
        ..PLAIN
    },
    Case {
        name: "a prompt too long for one model may fit another",
        script: r#"{"rules":[{"when":{"model":"a"},"fault":"openai-context-length"}]}"#,
        seen: &["a", "b"],
        ..PLAIN
    },
    Case {
        name: "a wrong request is wrong everywhere",
        script: r#"{"rules":[{"fault":"openai-invalid-request"}]}"#,
        status: 400,
        code: Some("invalid_request"),
        ..PLAIN
    },
    Case {
        name: "a filtered prompt is not tried elsewhere",
        script: r#"{"rules":[{"fault":"openai-content-policy"}]}"#,
        status: 400,
        code: Some("content_filtered"),
        ..PLAIN
    },
    Case {
        name: "the cause is the preferred target's",
        script: r#"{"rules":[{"when":{"model":"a"},"fault":"openai-internal-error"},{"when":{"model":"b"},"fault":"html-502"}]}"#,
        status: 502,
        code: Some("internal_error"),
        stop_reason: Some("attempts_exhausted"),
        seen: &["a", "a", "b", "b"],
        ..PLAIN
    },
    Case {
        name: "the caller may ask for fewer attempts",
        headers: &[("x-goodgate-max-attempts", "2")],
        script: ALL_502,
        status: 502,
        code: Some("bad_gateway"),
        stop_reason: Some("attempts_exhausted"),
        seen: &["a", "a"],
        ..PLAIN
    },
    Case {
        name: "the caller may ask for one attempt",
        headers: &[("x-goodgate-max-attempts", "1")],
        script: ALL_502,
        status: 502,
        code: Some("bad_gateway"),
        stop_reason: Some("attempts_exhausted"),
        ..PLAIN
    },
];

#[test]
fn attempts_are_as_many_and_in_the_order_that_the_failure_calls_for() {
    CASES.iter().for_each(check);
}

#[test]
fn each_of_many_calls_to_a_flaky_model_costs_exactly_two_requests() {
    let rig = Rig::usual();
    let replies: Vec<_> = (0..20).map(|_| rig.chat("p/flaky-502")).collect();
    told_apart(&rig, &replies);
}

/// Every call was answered by its second attempt, and no request was made besides.
fn told_apart(rig: &Rig, replies: &[Reply]) {
    for reply in replies {
        assert_eq!(
            (reply.status, reply.header("x-goodgate-outcome")),
            (200, Some("recovered")),
            "{}",
            reply.body
        );
    }
    let seen = rig.drill.seen();
    assert_eq!(seen.len(), 2 * replies.len());
    for reply in replies {
        let id = reply.header("x-request-id");
        let mut attempts: Vec<_> = seen
            .iter()
            .filter(|seen| seen.request_id.as_deref() == id)
            .map(|seen| seen.attempt)
            .collect();
        attempts.sort_unstable();
        assert_eq!(attempts, [Some(1), Some(2)]);
    }
}

#[test]
fn a_target_that_asks_for_rest_is_left_alone_by_later_calls() {
    let faults = [
        r#""maintenance-json""#,
        r#"{"kind":"status","status":503,"headers":[["retry-after","30"]],"body":{}}"#,
    ];
    for fault in faults {
        let json = format!(r#"{{"rules":[{{"when":{{"model":"a"}},"fault":{fault}}}]}}"#);
        let rig = Rig::with(&with_models("  m: { targets: [p/a, q/b] }"), script(&json));
        assert_eq!(
            rig.chat("m").header("x-goodgate-outcome"),
            Some("recovered")
        );
        let second = rig.chat("m");
        assert_eq!(second.header("x-goodgate-outcome"), Some("ok"));
        assert_eq!(second.header("x-goodgate-served-by"), Some("q/b"));
        assert_eq!(
            rig.seen(),
            [("a".into(), 1), ("b".into(), 2), ("b".into(), 1)]
        );
    }
}

const TWO_KEYS: &str = "
  p: { type: openai-compatible, base_url: DRILL/v1, credentials: [{ name: one, api_key: sk-one }, { name: two, api_key: sk-two }] }";

fn with_two_keys(fault: &str) -> Rig {
    let line =
        "\n  p: { type: openai-compatible, base_url: DRILL/v1, api_key: sk-upstream-secret }";
    let yaml = USUAL.replace(line, TWO_KEYS);
    assert!(yaml.contains("sk-two"));
    let json = format!(
        r#"{{"rules":[{{"when":{{"header":["authorization","Bearer sk-one"]}},"fault":"{fault}"}}]}}"#
    );
    Rig::with(&yaml, script(&json))
}

#[test]
fn a_refused_key_gives_way_to_the_next_and_one_at_its_limit_rests() {
    for (fault, rests) in [
        ("openai-invalid-key", false),
        ("openai-permission-denied", false),
        ("openai-insufficient-quota", false),
        ("openai-rate-limited", true),
    ] {
        let rig = with_two_keys(fault);
        let keys = |rig: &Rig| -> Vec<_> {
            rig.drill
                .seen()
                .iter()
                .map(|seen| seen.header("authorization").unwrap().to_owned())
                .collect()
        };
        let reply = rig.chat("p/echo");
        assert_eq!(
            (reply.status, reply.header("x-goodgate-outcome")),
            (200, Some("recovered")),
            "{fault} {}",
            reply.body
        );
        assert_eq!(keys(&rig), ["Bearer sk-one", "Bearer sk-two"], "{fault}");
        let row = rig.row(&reply);
        assert_eq!(row.call.attempts[0].next, "next_key", "{fault}");
        assert_eq!(
            row.call.attempts[1].credential.as_ref().unwrap().as_str(),
            "two",
            "{fault}"
        );
        if rests {
            assert_eq!(
                rig.chat("p/echo").header("x-goodgate-outcome"),
                Some("ok"),
                "{fault}"
            );
            assert_eq!(keys(&rig)[2..], ["Bearer sk-two"], "{fault}");
        }
    }
}

#[test]
fn a_short_hint_is_waited_out_and_a_long_one_is_handed_on() {
    let rate = |after: &str| {
        let fault = format!(
            r#"{{"kind":"status","status":429,"headers":[{after}],"body":{{"error":{{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}}}}}"#
        );
        Rig::scripted(&format!(
            r#"{{"rules":[{{"when":{{"attempt":1}},"fault":{fault}}}]}}"#
        ))
    };
    let rig = rate(r#"["retry-after-ms","300"]"#);
    let (reply, took) = timed(|| rig.chat("p/echo"));
    assert_eq!(
        reply.header("x-goodgate-outcome"),
        Some("recovered"),
        "{}",
        reply.body
    );
    assert!(took >= Duration::from_millis(300), "{took:?}");

    let rig = rate(r#"["retry-after","60"]"#);
    let (reply, took) = timed(|| rig.chat("p/echo"));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (429, Some("rate_limited")),
        "{}",
        reply.body
    );
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(reply.header("x-should-retry"), Some("false"));
    assert_eq!(reply.json()["error"]["code"], "rate_limit_exceeded");
    assert_eq!(reply.json()["error"]["type"], "rate_limit_error");

    // The next call does not reach the resting key at all, and learns the same.
    let reply = rig.chat("p/echo");
    assert_eq!(rig.seen().len(), 1);
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (429, Some("rate_limited")),
        "{}",
        reply.body
    );
    let after: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((55..=66).contains(&after), "{after}");
}

#[test]
fn hints_are_not_obeyed_where_the_configuration_says_so() {
    let yaml = USUAL.replace(
        "max_attempts: 4,",
        "max_attempts: 4, respect_retry_after: false,",
    );
    let json = r#"{"rules":[{"when":{"attempt":1},"fault":{"kind":"status","status":503,"headers":[["retry-after","60"]],"body":{}}}]}"#;
    let rig = Rig::with(&yaml, script(json));
    let (reply, took) = timed(|| rig.chat("p/echo"));
    assert_eq!(
        reply.header("x-goodgate-outcome"),
        Some("recovered"),
        "{}",
        reply.body
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn what_the_configuration_excepts_is_not_tried_again() {
    for (exception, attempts) in [
        ("bad_gateway", 1),
        ("upstream", 1),
        ("internal_error", 4),
        ("timeout", 4),
    ] {
        let yaml = format!("{USUAL}\n").replace(
            "resilience:\n",
            &format!("resilience:\n  retry_except: [{exception}]\n"),
        );
        let rig = Rig::with(&yaml, script(r#"{"rules":[{"fault":"html-502"}]}"#));
        let reply = rig.chat("p/a");
        assert_eq!(reply.header("x-goodgate-code"), Some("bad_gateway"));
        assert_eq!(rig.seen().len(), attempts, "{exception}");
    }
}

#[test]
fn a_wrong_request_comes_back_in_the_upstreams_own_words() {
    let rig = Rig::scripted(r#"{"rules":[{"fault":"openai-invalid-request"}]}"#);
    let direct = crate::client::Request::new(rig.drill.address(), "POST", "/v1/chat/completions")
        .header("authorization", "Bearer sk-x")
        .body(crate::rig::chat_body("a", ""))
        .send();
    let reply = rig.chat("p/a");
    assert_eq!((reply.status, &reply.body), (direct.status, &direct.body));
    assert_eq!(reply.header("x-goodgate-outcome"), Some("refused"));
    assert_eq!(reply.header("x-should-retry"), Some("false"));

    let rig = Rig::scripted(
        r#"{"rules":[{"fault":{"kind":"status","status":422,"body":{"error":{"message":"no","type":"invalid_request_error"}}}}]}"#,
    );
    let reply = rig.chat("p/a");
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (400, Some("invalid_request")),
        "{}",
        reply.body
    );
}

#[test]
fn a_wrong_request_at_an_upstream_of_another_dialect_is_told_in_the_clients() {
    let yaml = USUAL.replace(
        "  q:",
        "  c: { type: anthropic, base_url: DRILL/anthropic, api_key: sk-x }\n  q:",
    );
    let rig = Rig::with(
        &yaml,
        script(r#"{"rules":[{"fault":"anthropic-invalid-request"}]}"#),
    );
    let reply = rig.chat("c/claude");
    assert_eq!(reply.status, 400);
    let error = &reply.json()["error"];
    assert_eq!(error["type"], "invalid_request_error", "{error}");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("Input should be 'user' or 'assistant'"),
        "{error}"
    );
    assert_eq!(error["goodgate"]["code"], "invalid_request", "{error}");
    assert_eq!(error["goodgate"]["origin"], "client", "{error}");
    assert_eq!(rig.seen().len(), 1);
}

/// What body and row tell of the same attempts.
fn same_attempts(rig: &Rig, reply: &Reply) {
    let told = reply.goodgate()["attempts"].as_array().unwrap().clone();
    let row = rig.row(reply).call;
    assert_eq!(told.len(), row.attempts.len());
    for (told, kept) in told.iter().zip(&row.attempts) {
        let kept = serde_json::json!({
            "n": kept.n, "target": &*kept.target, "at_ms": kept.at_ms, "ms": kept.ms, "status": kept.status,
            "code": kept.code, "next": kept.next,
        });
        for (member, value) in kept.as_object().unwrap() {
            assert_eq!(&told[member], value, "{member} of {told}");
        }
    }
    let kept: Value = serde_json::from_str(row.error_json.as_deref().unwrap()).unwrap();
    assert_eq!(kept, reply.json());
    assert_eq!(row.status, Some(reply.status));
    assert_eq!(row.code.as_deref(), reply.header("x-goodgate-code"));
}

#[test]
fn the_bodys_attempts_are_those_of_the_stored_row() {
    for (targets, json) in [
        ("p/a, q/b", r#"{"rules":[{"fault":"html-502"}]}"#),
        (
            "p/a, q/b",
            r#"{"rules":[{"when":{"model":"a"},"fault":"stall-before-head"},{"fault":"reset-before-head"}]}"#,
        ),
        ("p/a", r#"{"rules":[{"fault":"openai-invalid-key"}]}"#),
        ("p/a", r#"{"rules":[{"fault":"cut-json"}]}"#),
    ] {
        let rig = Rig::with(
            &with_models(&format!("  m: {{ targets: [{targets}] }}")),
            script(json),
        );
        let reply = rig.chat("m");
        assert!(reply.status >= 500, "{}", reply.body);
        same_attempts(&rig, &reply);
    }
}

#[test]
fn a_recovered_call_tells_how_in_its_headers() {
    let rig = Rig::usual();
    let reply = rig.chat("p/flaky-502");
    let header = |name: &str| reply.header(name).unwrap_or_default();
    assert_eq!(header("x-goodgate-attempts"), "2");
    assert_eq!(header("x-goodgate-served-by"), "p/flaky-502");
    assert!(
        header("x-goodgate-trail").contains(";502;"),
        "{}",
        header("x-goodgate-trail")
    );
    assert!(
        header("x-goodgate-trail").contains(";200;"),
        "{}",
        header("x-goodgate-trail")
    );
    assert!(
        header("server-timing").starts_with("gw;dur="),
        "{}",
        header("server-timing")
    );
    assert!(
        header("proxy-status").contains("received-status=200"),
        "{}",
        header("proxy-status")
    );
    assert!(header("x-request-id").starts_with("req_"));
    assert_eq!(header("x-request-id"), header("request-id"));
    assert_eq!(reply.header("x-goodgate-code"), None);
}

#[test]
fn the_callers_idempotency_key_goes_along_on_every_attempt() {
    let rig = Rig::usual();
    rig.chat_request("p/flaky-502", "")
        .header("idempotency-key", "once")
        .send();
    let keys: Vec<_> = rig
        .drill
        .seen()
        .iter()
        .map(|seen| seen.header("idempotency-key").map(str::to_owned))
        .collect();
    assert_eq!(keys, [Some("once".to_owned()), Some("once".to_owned())]);
}

#[test]
fn no_error_holds_a_key_or_a_prompt() {
    let rig = Rig::scripted(r#"{"rules":[{"fault":"openai-invalid-key"}]}"#);
    let body = r#"{"model":"p/a","messages":[{"role":"user","content":"my darkest secret"}]}"#;
    let reply = rig.post("/v1/chat/completions", body);
    assert_eq!(reply.status, 502);
    for secret in [
        "my darkest secret",
        "sk-upstream-secret",
        rig.key.as_str(),
        "sk-drill",
    ] {
        assert!(!reply.body.contains(secret), "{}", reply.body);
    }
}

#[test]
fn a_hundred_parallel_calls_to_a_flaky_model_are_all_answered_with_two_requests_each() {
    let rig = Rig::usual();
    let replies = in_parallel(&[(); 100], |()| rig.chat("p/flaky-502"));
    told_apart(&rig, &replies);
}

#[test]
fn a_repeat_that_may_have_been_executed_twice_is_recorded_as_such() {
    for (fault, at_risk) in [("html-502", true), ("openai-overloaded", false)] {
        let json = format!(r#"{{"rules":[{{"when":{{"attempt":1}},"fault":"{fault}"}}]}}"#);
        let rig = Rig::scripted(&json);
        let reply = rig.chat("p/a");
        assert_eq!(
            reply.header("x-goodgate-outcome"),
            Some("recovered"),
            "{fault}"
        );
        let policy = rig.row(&reply).call.details.policy;
        let told = policy
            .iter()
            .any(|(name, value)| name == "possible_duplicate" && value == "true");
        assert_eq!(told, at_risk, "{fault}: {policy:?}");
    }
}
