//! Other providers' errors, as an OpenAI client gets them.

use serde_json::Value;

use crate::answer::ensure;
use crate::check::{CONFIGURATION, Form, ask};
use crate::client::Reply;
use crate::rig::{Rig, in_parallel};

/// What a fault becomes.
struct Row {
    fault: &'static str,
    provider: &'static str,
    status: u16,
    /// OpenAI's type and code.
    words: (&'static str, &'static str),
    /// Ours.
    code: &'static str,
    /// Seconds.
    after: Option<u64>,
}

const SERVER: &str = "server_error";

/// Items 60, 61, 62 and 63: the fault, the status, OpenAI's type and code, our code, and the seconds of `retry-after`.
const ERRORS: &str = "
anthropic-invalid-key        502 server_error           credentials_rejected      credentials_rejected      -
gemini-invalid-key           502 server_error           credentials_rejected      credentials_rejected      -
gemini-unauthenticated       502 server_error           credentials_rejected      credentials_rejected      -
mistral-invalid-key          502 server_error           credentials_rejected      credentials_rejected      -
anthropic-permission-denied  502 server_error           permission_denied         permission_denied         -
gemini-region-blocked        502 server_error           region_blocked            region_blocked            -
anthropic-overloaded         503 server_error           upstream_overloaded       upstream_overloaded       -
anthropic-overloaded-429     503 server_error           upstream_overloaded       upstream_overloaded       -
gemini-overloaded            503 server_error           upstream_overloaded       upstream_overloaded       -
mistral-overloaded           503 server_error           upstream_overloaded       upstream_overloaded       -
anthropic-rate-limited       429 rate_limit_error       rate_limit_exceeded       rate_limited              1
gemini-rate-limited          429 rate_limit_error       rate_limit_exceeded       rate_limited              2
mistral-rate-limited-hint    429 rate_limit_error       rate_limit_exceeded       rate_limited              1
anthropic-credit-balance     429 insufficient_quota     insufficient_quota        quota_exhausted           -
anthropic-billing            429 insufficient_quota     insufficient_quota        quota_exhausted           -
gemini-quota-exhausted       429 insufficient_quota     insufficient_quota        quota_exhausted           -
mistral-payment-required     429 insufficient_quota     insufficient_quota        quota_exhausted           -
anthropic-context-length     400 invalid_request_error  context_length_exceeded   context_length_exceeded   -
gemini-context-length        400 invalid_request_error  context_length_exceeded   context_length_exceeded   -
mistral-context-length       400 invalid_request_error  context_length_exceeded   context_length_exceeded   -
gemini-blocked               400 invalid_request_error  content_filter            content_filtered          -
anthropic-model-not-found    404 invalid_request_error  model_not_found           model_not_found           -
gemini-model-not-found       404 invalid_request_error  model_not_found           model_not_found           -
mistral-model-not-found      404 invalid_request_error  model_not_found           model_not_found           -
anthropic-invalid-request    400 invalid_request_error  invalid_request           invalid_request           -
gemini-invalid-request       400 invalid_request_error  invalid_request           invalid_request           -
anthropic-request-too-large  413 invalid_request_error  request_too_large         request_too_large         -
anthropic-internal-error     502 server_error           internal_error            internal_error            -
mistral-internal-error       502 server_error           internal_error            internal_error            -
gemini-timeout               504 server_error           upstream_gateway_timeout  upstream_gateway_timeout  -
";

fn rows() -> Vec<Row> {
    let row = |line: &'static str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let [fault, status, kind, word, code, after] = words.as_slice() else {
            panic!("{line}")
        };
        Row {
            fault,
            provider: fault.split('-').next().unwrap(),
            status: status.parse().unwrap(),
            words: (kind, word),
            code,
            after: after.parse().ok(),
        }
    };
    ERRORS.trim().lines().map(row).collect()
}

/// A provider of its own for each case, so that none meets another's cooldowns; the fault is in its path.
fn rig(faults: &[(&str, &str)]) -> Rig {
    let providers: String = faults
        .iter()
        .enumerate()
        .map(|(n, (fault, provider))| {
            format!("  r{n}: {{ type: {provider}, base_url: DRILL/fault/{fault}/{provider}, api_key: sk-x }}\n")
        })
        .collect();
    let yaml = CONFIGURATION.replace("providers:\n", &format!("providers:\n{providers}"));
    // Slow enough that content is on its way when a stream breaks.
    Rig::with(
        &yaml,
        drill::Script {
            pace_ms: Some(20),
            ..drill::Script::default()
        },
    )
}

fn none_wrong(wrong: Vec<Result<(), String>>) {
    let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn check(rig: &Rig, n: usize, row: &Row, form: Form) -> Result<(), String> {
    let reply = ask(rig, &format!("r{n}/any"), &serde_json::json!({}), form);
    let name = format!("{} {form:?}: {} {}", row.fault, reply.status, reply.body);
    ensure(reply.status == row.status, || name.clone())?;
    let kind = reply.header("content-type").unwrap_or_default();
    ensure(kind.starts_with("application/json"), || {
        format!("content-type: {name}")
    })?;
    let after = reply
        .header("retry-after")
        .and_then(|seconds| seconds.parse().ok());
    ensure(row.after.is_none() || after == row.after, || {
        format!("retry-after {after:?}: {name}")
    })?;
    envelope(&reply.json()["error"], row.words, row.code).map_err(|told| format!("{told}: {name}"))
}

/// OpenAI's members and nothing that its SDKs do not read, but for ours.
fn envelope(error: &Value, (kind, word): (&str, &str), code: &str) -> Result<(), String> {
    ensure(error["type"] == kind, || "type".to_owned())?;
    ensure(error["code"] == word, || "code".to_owned())?;
    ensure(error.get("param").is_some(), || "param".to_owned())?;
    ensure(
        error["message"]
            .as_str()
            .is_some_and(|message| !message.is_empty()),
        || "message".to_owned(),
    )?;
    ensure(error["goodgate"]["code"] == code, || "our code".to_owned())
}

#[test]
fn errors_come_in_openais_form_with_its_words() {
    let rows = rows();
    let cases: Vec<_> = [Form::Whole, Form::Stream]
        .into_iter()
        .flat_map(|form| rows.iter().map(move |row| (row, form)))
        .enumerate()
        .collect();
    let faults: Vec<_> = cases
        .iter()
        .map(|(_, (row, _))| (row.fault, row.provider))
        .collect();
    let rig = rig(&faults);
    none_wrong(in_parallel(&cases, |(n, (row, form))| {
        check(&rig, *n, row, *form)
    }));
}

/// Item 63: agents match on the words of an overflow.
#[test]
fn the_words_of_an_overflow_are_kept() {
    let words = [
        ("anthropic", "prompt is too long"),
        ("gemini", "exceeds the maximum number of tokens"),
        ("mistral", "maximum context length"),
    ];
    let faults = words.map(|(provider, _)| (format!("{provider}-context-length"), provider));
    let faults: Vec<_> = faults.iter().map(|(f, p)| (f.as_str(), *p)).collect();
    let rig = rig(&faults);
    for (n, (_, words)) in words.iter().enumerate() {
        let reply = ask(
            &rig,
            &format!("r{n}/any"),
            &serde_json::json!({}),
            Form::Whole,
        );
        let message = reply.json()["error"]["message"].to_string();
        assert!(message.contains(words), "{message}");
    }
}

/// Items 52 and 54: an error that comes before any content keeps a status of its own.
#[test]
fn an_error_before_any_content_has_its_status() {
    let cases = [
        ("anthropic", 503, "upstream_overloaded"),
        ("gemini", 503, "upstream_overloaded"),
        ("mistral", 502, "internal_error"),
    ];
    let rig = rig(&cases.map(|(provider, ..)| ("stream-error-first", provider)));
    let cases: Vec<_> = cases.into_iter().enumerate().collect();
    none_wrong(in_parallel(&cases, |(n, (provider, status, code))| {
        let reply = ask(
            &rig,
            &format!("r{n}/any"),
            &serde_json::json!({}),
            Form::Stream,
        );
        let told = || format!("{provider}: {} {}", reply.status, reply.body);
        ensure(reply.status == *status, told)?;
        envelope(&reply.json()["error"], (SERVER, code), code)
            .map_err(|word| format!("{word}: {}", told()))
    }));
}

/// Items 52 and 53: a stream that breaks says so, and never ends as if it were whole.
#[test]
fn a_broken_stream_never_ends_as_if_it_were_whole() {
    let breaks = [
        ("stream-error-mid", "stream_error_event"),
        ("stream-no-terminal", "stream_incomplete"),
        ("stream-malformed-json", "stream_malformed"),
        ("close-after-event", "response_truncated"),
        ("reset-after-event", "response_reset"),
        ("close-mid-body", "response_truncated"),
        ("stream-error-object", "stream_error_event"),
        ("stream-html-mid", "stream_malformed"),
    ];
    let all: Vec<_> = breaks
        .into_iter()
        .flat_map(|(fault, code)| {
            ["anthropic", "gemini", "mistral"].map(|provider| (fault, provider, code))
        })
        .collect();
    let rig = rig(&all
        .iter()
        .map(|(fault, provider, _)| (*fault, *provider))
        .collect::<Vec<_>>());
    let cases: Vec<_> = all.into_iter().enumerate().collect();
    none_wrong(in_parallel(&cases, |(n, (fault, provider, code))| {
        let reply = ask(
            &rig,
            &format!("r{n}/any"),
            &serde_json::json!({}),
            Form::Stream,
        );
        broken(&reply, code).map_err(|told| {
            format!(
                "{told}: {fault} {provider}: {} {}",
                reply.status, reply.body
            )
        })
    }));
}

fn broken(reply: &Reply, code: &str) -> Result<(), String> {
    ensure(!reply.body.contains("[DONE]"), || "[DONE]".to_owned())?;
    if reply.status != 200 {
        // On a busy machine the break may be read together with the first content: then nothing was sent yet.
        let error = &reply.json()["error"];
        ensure(reply.status >= 500, || "status".to_owned())?;
        return ensure(error["goodgate"]["output_sent"] == false, || {
            "output was sent".to_owned()
        });
    }
    let events = reply.events();
    let chunk = |event: &String| {
        serde_json::from_str::<Value>(event).map_err(|error| format!("{error}: {event}"))
    };
    let chunks = events.iter().map(chunk).collect::<Result<Vec<_>, _>>()?;
    let (last, before) = chunks.split_last().ok_or("no event")?;
    ensure(!before.is_empty(), || "no content".to_owned())?;
    for chunk in before {
        ensure(chunk["choices"][0]["finish_reason"].is_null(), || {
            format!("a finish: {chunk}")
        })?;
        ensure(chunk.get("error").is_none(), || {
            format!("two errors: {chunk}")
        })?;
    }
    ensure(last.get("choices").is_none(), || {
        format!("an error beside choices: {last}")
    })?;
    ensure(last["error"]["goodgate"]["code"] == *code, || {
        format!("not {code}")
    })?;
    ensure(
        last["error"]["message"].is_string() && last["error"]["type"].is_string(),
        || "no message".to_owned(),
    )
}

/// Items 32 and 33: a prompt that Gemini blocks in a stream, and a candidate that it blocks without a word.
#[test]
fn what_gemini_blocks_in_a_stream_is_filtered_content_and_no_failure() {
    for body in [
        r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#,
        r#"{"candidates":[{"finishReason":"SAFETY","index":0}],"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#,
    ] {
        let fault = serde_json::json!({"kind": "status", "status": 200,
            "headers": [["content-type", "text/event-stream"]], "body": format!("data: {body}\r\n\r\n")});
        let script =
            crate::rig::script(&serde_json::json!({"rules": [{"fault": fault}]}).to_string());
        let rig = Rig::with(CONFIGURATION, script);
        let reply = ask(
            &rig,
            "gemini/gemini-2.5-flash",
            &serde_json::json!({}),
            Form::Stream,
        );
        let told = format!("{} {}", reply.status, reply.body);
        if reply.status == 200 {
            let said = crate::check::read(&reply, Form::Stream)
                .unwrap_or_else(|wrong| panic!("{wrong}: {told}"))
                .said;
            assert_eq!(said["finish_reason"], "content_filter", "{told}");
            assert_eq!(said["usage"]["prompt_tokens"], 7, "{told}");
        } else {
            assert_eq!(
                (reply.status, &reply.json()["error"]["code"]),
                (400, &"content_filter".into()),
                "{told}"
            );
        }
    }
}
