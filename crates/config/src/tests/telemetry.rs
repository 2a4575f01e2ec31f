//! Where spans go: what is written, else what OpenTelemetry's variables say, else nowhere.

use crate::environment::Environment;
use crate::{Severity, Source, TraceExport, load};

fn check(yaml: &str, variables: &[(&str, &str)]) -> Result<Option<TraceExport>, String> {
    let source = Source {
        text: format!("providers: {{ openai: {{ api_key: sk-x }} }}\n{yaml}"),
        path: "goodgate.yaml".into(),
    };
    match load(&source, &Environment::from_pairs(variables.iter().copied())) {
        Ok(loaded) => Ok(loaded.snapshot.telemetry.traces),
        Err(found) => Err(found[0].message.clone()),
    }
}

fn sent_to(yaml: &str, variables: &[(&str, &str)]) -> Option<String> {
    let traces = check(yaml, variables).unwrap()?;
    Some(format!("{}{}", traces.endpoint.authority(), traces.path))
}

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");

#[test]
fn nothing_is_sent_unless_somebody_says_where_to() {
    assert_eq!(sent_to("", &[]), None);
    assert_eq!(
        sent_to("telemetry: { otlp: \"\" }", &[ENDPOINT]),
        None,
        "the file wins"
    );
    assert_eq!(
        sent_to("", &[ENDPOINT, ("OTEL_SDK_DISABLED", "true")]),
        None
    );
    assert_eq!(
        sent_to("", &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]),
        None
    );
}

#[test]
fn a_base_url_gets_the_path_of_traces_and_the_url_of_traces_is_taken_whole() {
    let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://other:9/x");
    for (yaml, variables, wanted) in [
        ("", vec![ENDPOINT], "collector:4318/v1/traces"),
        ("", vec![ENDPOINT, whole], "other:9/x"),
        (
            "telemetry: { otlp: http://c:4318/otlp }",
            vec![ENDPOINT],
            "c:4318/otlp/v1/traces",
        ),
        (
            "telemetry: { otlp: http://c:4318/v1/traces }",
            vec![],
            "c:4318/v1/traces",
        ),
    ] {
        assert_eq!(
            sent_to(yaml, &variables).as_deref(),
            Some(wanted),
            "{yaml} {variables:?}"
        );
    }
}

#[test]
fn headers_names_and_the_share_of_traces_come_from_the_variables() {
    let traces = check(
        "",
        &[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, X-Tenant=7"),
            ("OTEL_SERVICE_NAME", "gate"),
            (
                "OTEL_RESOURCE_ATTRIBUTES",
                "service.name=other,host.name=h1",
            ),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ],
    )
    .unwrap()
    .unwrap();
    let headers: Vec<_> = traces
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("api-key", "a b"), ("x-tenant", "7")]);
    assert!(
        !format!("{traces:?}").contains("a b"),
        "a header may be a key"
    );
    assert_eq!(traces.service, "gate");
    assert_eq!(traces.resource, [("host.name".to_owned(), "h1".to_owned())]);
    assert!((traces.sample - 0.25).abs() < f64::EPSILON);
}

#[test]
fn what_cannot_be_used_is_told_and_another_protocol_is_no_reason_not_to_start() {
    for (yaml, variables, wanted) in [
        (
            "telemetry: { otlp: collector }",
            vec![],
            "this is no collector's address",
        ),
        (
            "",
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://c")],
            "this is no collector's address",
        ),
        (
            "",
            vec![ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "secret")],
            "these are no headers",
        ),
        (
            "",
            vec![
                ENDPOINT,
                ("OTEL_TRACES_SAMPLER", "traceidratio"),
                ("OTEL_TRACES_SAMPLER_ARG", "7"),
            ],
            "this is no share",
        ),
    ] {
        assert_eq!(
            check(yaml, &variables).unwrap_err(),
            wanted,
            "{yaml} {variables:?}"
        );
    }
    let source = Source {
        text: "providers: { openai: { api_key: sk-x } }".to_owned(),
        path: "goodgate.yaml".into(),
    };
    let variables = [ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
    let loaded = load(&source, &Environment::from_pairs(variables)).unwrap();
    assert_eq!(loaded.warnings[0].severity, Severity::Warning);
    assert!(loaded.warnings[0].message.contains("http/protobuf"));
}
