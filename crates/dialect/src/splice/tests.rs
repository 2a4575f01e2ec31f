//! Tests of the scan and the edits, held against `serde_json`.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn with_model(body: &Bytes, scan: &Scan, model: &str, ask_for_usage: bool) -> Vec<Bytes> {
    let wanted = Rewrite {
        model,
        ask_for_usage,
        strip_extensions: false,
    };
    rewrite(body, scan, &wanted).into_owned()
}

fn spliced(body: &str, model: &str, ask_for_usage: bool) -> String {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let found = scan(&bytes).unwrap();
    let pieces = with_model(&bytes, &found, model, ask_for_usage);
    String::from_utf8(pieces.concat()).unwrap()
}

fn message(body: &str) -> String {
    scan(body.as_bytes()).unwrap_err().to_string()
}

#[test]
fn only_the_model_changes_and_every_other_byte_stays() {
    let body = "{ \"messages\":[{\"role\":\"user\",\"content\":\"hi \\u2028 {\\\"model\\\":1}\"}],\n \"model\" : \"a/b\" , \"x\":1e-7}";
    assert_eq!(
        spliced(body, "gpt-5", false),
        body.replace("\"a/b\"", "\"gpt-5\"")
    );
}

#[test]
fn the_right_model_costs_no_edit() {
    let body = Bytes::from_static(b"{\"model\":\"m\",\"messages\":[]}");
    let found = scan(&body).unwrap();
    assert_eq!(with_model(&body, &found, "m", false), [body]);
}

#[test]
fn a_model_with_quotes_is_written_as_json() {
    assert_eq!(
        spliced(r#"{"model":"a"}"#, "a\"b\n", false),
        r#"{"model":"a\"b\n"}"#
    );
}

#[test]
fn usage_is_asked_for_wherever_stream_options_stand() {
    for (body, expected) in [
        (
            r#"{"model":"m","stream":true}"#,
            json!({"include_usage":true}),
        ),
        (
            r#"{"model":"m","stream_options":null}"#,
            json!({"include_usage":true}),
        ),
        (
            r#"{"model":"m","stream_options":{}}"#,
            json!({"include_usage":true}),
        ),
        (
            r#"{"model":"m","stream_options":{ "x":1}}"#,
            json!({"include_usage":true,"x":1}),
        ),
        (
            r#"{"model":"m","stream_options":{"include_usage":false}}"#,
            json!({"include_usage":true}),
        ),
        (
            r#"{"model":"m","stream_options":{"include_usage":null,"x":1}}"#,
            json!({"include_usage":true,"x":1}),
        ),
        (r#"{}"#, json!({"include_usage":true})),
    ] {
        let value: Value = serde_json::from_str(&spliced(body, "other", true)).unwrap();
        assert_eq!(value["stream_options"], expected, "{body}");
        assert_eq!(value["model"], "other", "{body}");
    }
}

#[test]
fn a_client_that_asked_for_usage_keeps_its_body() {
    let body = r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#;
    assert_eq!(spliced(body, "m", true), body);
    assert!(scan(body.as_bytes()).unwrap().wants_usage);
}

#[test]
fn reasoning_is_asked_for_unless_it_is_switched_off() {
    for (body, expected) in [
        (r#"{"reasoning_effort":"low"}"#, true),
        (r#"{"reasoning_effort":"none"}"#, false),
        (r#"{"reasoning_effort":null}"#, false),
        (r#"{"reasoning":{"effort":"high"}}"#, true),
        (r#"{"messages":[]}"#, false),
    ] {
        assert_eq!(
            scan(body.as_bytes()).unwrap().asks_reasoning,
            expected,
            "{body}"
        );
    }
}

#[test]
fn a_key_that_decides_the_way_may_stand_once_also_in_disguise() {
    for body in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"stream":true,"stream":false}"#,
    ] {
        assert!(
            matches!(scan(body.as_bytes()), Err(ScanError::RepeatedKey { .. })),
            "{body}"
        );
    }
    assert_eq!(
        message(r#"{"model":"a","model":"b"}"#),
        "the request body has the key `model` more than once"
    );
}

#[test]
fn wrong_types_name_the_parameter() {
    for (body, param) in [
        (r#"{"model":3}"#, "model"),
        (r#"{"model":null}"#, "model"),
        (r#"{"stream":"yes"}"#, "stream"),
        (r#"{"stream_options":[]}"#, "stream_options"),
        (
            r#"{"stream_options":{"include_usage":1}}"#,
            "stream_options.include_usage",
        ),
        (r#"{"messages":"hi"}"#, "messages"),
    ] {
        let error = scan(body.as_bytes()).unwrap_err();
        assert_eq!(error.param(), Some(param), "{body}: {error}");
    }
}

#[test]
fn what_is_no_json_object_is_told_apart() {
    assert_eq!(scan(b"[1]").unwrap_err(), ScanError::NotObject);
    assert_eq!(scan(b"3").unwrap_err(), ScanError::NotObject);
    for body in [
        "",
        " ",
        "{",
        "{\"a\":1,}",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":1} x",
        "{\"a\":\"\n\"}",
        "nul",
    ] {
        assert!(
            matches!(scan(body.as_bytes()), Err(ScanError::NotJson { .. })),
            "{body}"
        );
    }
    assert!(message("{\"a\":1,}").ends_with("(at byte 7)"));
    assert!(matches!(
        scan(b"{\"a\":\"\xff\"}"),
        Err(ScanError::NotJson { at: 6, .. })
    ));
}

#[test]
fn deep_nesting_ends_in_an_error_and_not_in_the_stack() {
    let body = format!("{{\"a\":{}", "[".repeat(1_000_000));
    assert!(message(&body).contains("too deeply"));
}

/// Item 66: names hold slashes, colons and at signs.
#[test]
fn a_model_name_is_read_with_its_escapes() {
    let body = br#"{"model":"models\/a:b@20250219\u0021"}"#;
    assert_eq!(
        scan(body).unwrap().model(body).as_deref(),
        Some("models/a:b@20250219!")
    );
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("model".to_owned()),
        Just("stream".to_owned()),
        Just("stream_options".to_owned()),
        Just("include_usage".to_owned()),
        Just("messages".to_owned()),
    ]
}

/// Whether our scanner takes a whole text.
fn accepts(text: &[u8]) -> bool {
    let mut cursor = Cursor::new(text);
    std::str::from_utf8(text).is_ok() && cursor.skip().is_ok() && cursor.end().is_ok()
}

/// The judge: like us, it does not look at surrogates in what it skips.
fn serde_accepts(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok()
}

proptest! {
    #[test]
    fn the_scanner_takes_what_serde_writes(value in json_value()) {
        prop_assert!(accepts(value.to_string().as_bytes()));
        prop_assert!(accepts(serde_json::to_string_pretty(&value).unwrap().as_bytes()));
    }

    #[test]
    fn the_scanner_and_serde_agree_on_broken_texts(
        value in json_value(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        prop_assert_eq!(accepts(&text), serde_accepts(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn the_scanner_and_serde_agree_on_soup(text in "[\\[\\]{}:,\"\\\\tfnrue0-9.eE+ -]{0,24}") {
        prop_assert_eq!(accepts(text.as_bytes()), serde_accepts(text.as_bytes()));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(scan(&bytes));
    }

    #[test]
    fn a_spliced_body_differs_in_the_model_and_usage_alone(
        map in prop::collection::btree_map(key(), json_value(), 0..8), model in any::<String>(), ask in any::<bool>()
    ) {
        let body = Bytes::from(Value::Object(map.into_iter().collect()).to_string());
        let mut expected: Value = serde_json::from_slice(&body).unwrap();
        if let Ok(found) = scan(&body) {
            let read = found.model(&body).map(Cow::into_owned);
            prop_assert_eq!(read.as_deref(), expected["model"].as_str());
            let pieces = with_model(&body, &found, &model, ask).concat();
            let got: Value = serde_json::from_slice(&pieces).unwrap();
            expected["model"] = model.into();
            if ask {
                if !expected["stream_options"].is_object() { expected["stream_options"] = json!({}); }
                expected["stream_options"]["include_usage"] = true.into();
            }
            prop_assert_eq!(got, expected);
        }
    }
}
