//! The same dialect on both sides: nothing changes but what must.

use crate::client::Request;
use crate::rig::{Rig, chat_body};

#[test]
fn a_whole_answer_passes_byte_for_byte() {
    let rig = Rig::usual();
    let through = rig.chat("p/echo");
    let direct = Request::new(rig.drill.address(), "POST", "/v1/chat/completions")
        .header("authorization", "Bearer sk-x")
        .body(chat_body("echo", ""))
        .send();
    assert_eq!(through.status, 200);
    // The drill numbers its answers: the number is all that may differ.
    assert_eq!(
        through.body.replace("000001\"", "N\""),
        direct.body.replace("000002\"", "N\"")
    );
    assert_eq!(through.header("x-goodgate-outcome"), Some("ok"));
    assert_eq!(through.header("x-goodgate-served-by"), Some("p/echo"));
    assert_eq!(through.header("x-goodgate-attempts"), Some("1"));
}

#[test]
fn a_stream_passes_event_for_event_and_ends_with_done() {
    let rig = Rig::usual();
    let through = rig.stream("p/echo");
    let direct = Request::new(rig.drill.address(), "POST", "/v1/chat/completions")
        .header("authorization", "Bearer sk-x")
        .body(chat_body("echo", r#","stream":true"#))
        .send();
    assert!(through.whole);
    assert_eq!(through.events().last().map(String::as_str), Some("[DONE]"));
    assert_eq!(
        through.events().len(),
        direct.events().len(),
        "a usage chunk that only we asked for stays with us"
    );
    assert_eq!(through.text(), direct.text());
}

#[test]
fn what_goes_upstream_is_the_callers_body_with_the_model_changed_and_no_key_of_ours() {
    let rig = Rig::usual();
    let body = r#"{"messages":[{"role":"user","content":"h\u00e9"}], "model" : "p/echo" ,"temperature":1e-1}"#;
    assert_eq!(rig.post("/v1/chat/completions", body).status, 200);
    let seen = rig.drill.seen().remove(0);
    assert_eq!(
        std::str::from_utf8(&seen.body).unwrap(),
        r#"{"messages":[{"role":"user","content":"h\u00e9"}], "model" : "echo" ,"temperature":1e-1}"#
    );
    let sent = format!("{:?}", seen.headers);
    assert!(!sent.contains("sk-gg-"), "{sent}");
    assert!(sent.contains("Bearer sk-upstream-secret"), "{sent}");
    assert_eq!(seen.attempt, Some(1));
    assert!(seen.request_id.unwrap().starts_with("req_"));
}

#[test]
fn usage_is_stored_for_whole_answers_and_for_streams_that_did_not_ask_for_it() {
    let rig = Rig::usual();
    for reply in [rig.chat("p/echo"), rig.stream("p/echo")] {
        let row = rig.row(&reply);
        assert!(row.call.usage.input.unwrap() > 0, "{row:?}");
        assert!(row.call.usage.output.unwrap() > 0, "{row:?}");
    }
}

#[test]
fn models_are_listed_with_their_aliases_and_one_can_be_asked_for() {
    let rig = Rig::usual();
    let list = rig.request("GET", "/v1/models").send().json();
    let names: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"pair"), "{names:?}");
    assert_eq!(
        rig.request("GET", "/v1/models/pair").send().json()["id"],
        "pair"
    );
    assert_eq!(rig.request("GET", "/v1/models/pear").send().status, 404);
}

#[test]
fn every_call_is_counted_exactly() {
    let rig = Rig::usual();
    for _ in 0..20 {
        rig.chat("p/echo");
    }
    rig.chat("p/fault:openai-invalid-request");
    rig.store.flush().unwrap();
    assert_eq!(rig.store.counts().total.calls, 21);
}
