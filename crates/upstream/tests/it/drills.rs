//! The wire faults of the drill's catalogue, from its socket through ours to the code they are given.

use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Evidence, judge};
use drill::TlsScript;
use drill::{Drill, Keys, Options, Script};
use http::Method;
use std::sync::Arc;
use upstream::{Client, Destination, Outgoing, TlsPolicy, TlsSettings};

use crate::server::{client, deadline, timers};

const ASK: &[u8] = br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;

/// How an attempt ends: `ok` and the status, or the code of its verdict.
///
/// Only where a limit is to fire is it short: a busy machine must not make one of the others late.
async fn outcome(client: &Client, to: &Destination, body: Vec<Bytes>, wanted: &str) -> String {
    let limit = if wanted.ends_with("timeout") {
        300
    } else {
        9_000
    };
    let idle = Duration::from_millis(limit);
    let mut timers = timers();
    (timers.header, timers.tls, timers.write) = (idle, idle, idle);
    let request = Outgoing {
        fixed_headers: b"host: drill\r\ncontent-type: application/json\r\n",
        body: body.into(),
        decode: true,
        ..Outgoing::new(&Method::POST, "/v1/chat/completions")
    };
    let mut answer = match client.send(to, request, &timers).await {
        Ok(answer) => answer,
        Err(evidence) => return code(&evidence),
    };
    match answer.body.read_all(4 << 20, idle, deadline(10)).await {
        Ok(_) => format!("ok {}", answer.status.as_u16()),
        Err(fault) => {
            fault.complete(&mut answer.evidence);
            answer.evidence.head = Some(upstream::head_facts(answer.status, &answer.headers, 0));
            code(&answer.evidence)
        }
    }
}

fn code(evidence: &Evidence) -> String {
    judge(evidence).code.as_str().to_owned()
}

fn options() -> Options {
    Options {
        keys: Keys::Ignored,
        ..Options::default()
    }
}

#[tokio::test]
async fn each_wire_fault_of_the_catalogue_is_told_for_what_it_is() {
    let cases = [
        ("stall-before-head", "response_header_timeout"),
        ("stall-mid-head", "response_header_timeout"),
        ("drip-head", "response_header_timeout"),
        ("stall-after-head", "stream_idle_timeout"),
        ("stall-mid-body", "stream_idle_timeout"),
        ("drip-body", "ok 200"),
        ("reset-before-head", "connection_reset"),
        ("reset-after-head", "response_reset"),
        ("reset-mid-body", "response_reset"),
        ("close-before-head", "connection_closed"),
        ("close-mid-head", "response_truncated"),
        ("close-after-head", "response_truncated"),
        ("close-mid-body", "response_truncated"),
        ("close-before-end", "response_truncated"),
        ("length-too-large", "response_truncated"),
        ("length-too-small", "ok 200"),
        ("length-differing", "protocol_error"),
        ("length-twice", "ok 200"),
        ("length-list", "ok 200"),
        ("length-with-chunked", "protocol_error"),
        ("length-negative", "protocol_error"),
        ("length-no-number", "protocol_error"),
        ("length-overflow", "protocol_error"),
        ("chunk-bad-size", "protocol_error"),
        ("chunk-huge-size", "protocol_error"),
        ("chunk-short-chunk", "response_truncated"),
        ("chunk-no-end", "protocol_error"),
        ("chunk-no-last", "response_truncated"),
        ("chunk-extensions", "ok 200"),
        ("chunk-trailers", "ok 200"),
        ("ssh-banner", "not_http"),
        ("http2-settings", "not_http"),
        ("tls-alert", "plaintext_to_tls_port"),
        ("bad-status-line", "protocol_error"),
        ("bad-status", "protocol_error"),
        ("garbage", "not_http"),
        ("no-head", "not_http"),
        ("huge-header", "response_header_too_large"),
        ("many-headers", "response_header_too_large"),
        ("endless-interim", "response_header_timeout"),
        ("bare-lf", "ok 200"),
        ("continue-first", "ok 200"),
        ("early-hints", "ok 200"),
        ("folded-header", "protocol_error"),
        ("no-reason", "ok 200"),
        ("http10", "ok 200"),
        ("close-delimited", "ok 200"),
        ("control-byte", "protocol_error"),
        ("space-before-colon", "protocol_error"),
        ("no-colon", "protocol_error"),
        ("no-content", "ok 204"),
        ("not-modified", "ok 304"),
        ("switching-protocols", "protocol_error"),
        ("status-999", "ok 999"),
        ("gzip", "ok 200"),
        ("bad-gzip", "decode_error"),
        ("truncated-gzip", "decode_error"),
        ("gzip-wrong-checksum", "decode_error"),
        ("unknown-encoding", "decode_error"),
    ];
    let drill = Drill::start(options()).unwrap();
    let to = Destination::plain("127.0.0.1", drill.address().port());
    let mut wrong = Vec::new();
    for (fault, wanted) in cases {
        drill.play(Script::fault(fault).unwrap());
        let found = outcome(&client(), &to, vec![Bytes::from_static(ASK)], wanted).await;
        if found != wanted {
            wrong.push(format!("{fault}: wanted {wanted}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn answers_to_an_unread_body_are_read() {
    let large = || vec![Bytes::from(vec![b' '; 16 << 20])];
    for (fault, wanted) in [
        ("early-413", "ok 413"),
        ("early-413-reset", "ok 413"),
        ("no-read", "connection_write_timeout"),
    ] {
        let drill = Drill::start(Options {
            script: Script::fault(fault).unwrap(),
            ..options()
        })
        .unwrap();
        let to = Destination::plain("127.0.0.1", drill.address().port());
        assert_eq!(
            outcome(&client(), &to, large(), wanted).await,
            wanted,
            "{fault}"
        );
    }
}

#[tokio::test]
async fn connections_closed_between_calls_are_replaced_in_silence() {
    for fault in [
        "keep-alive-close-after",
        "keep-alive-close-on-next",
        "keep-alive-reset-on-next",
    ] {
        let drill = Drill::start(Options {
            script: Script::fault(fault).unwrap(),
            ..options()
        })
        .unwrap();
        let to = Destination::plain("127.0.0.1", drill.address().port());
        let client = client();
        for call in 0..4 {
            let found = outcome(&client, &to, vec![Bytes::from_static(ASK)], "ok 200").await;
            assert_eq!(found, "ok 200", "{fault}, call {call}");
        }
    }
}

#[tokio::test]
async fn each_handshake_of_the_drill_is_told_for_what_it_is() {
    let cases = [
        (TlsScript::Good, "ok 200"),
        (TlsScript::Tls12, "ok 200"),
        (TlsScript::Expired, "tls_cert_expired"),
        (TlsScript::NotYetValid, "tls_cert_expired"),
        (TlsScript::WrongName, "tls_cert_name_mismatch"),
        (TlsScript::SelfSigned, "tls_cert_untrusted"),
        (TlsScript::UnknownAuthority, "tls_cert_untrusted"),
        (TlsScript::MissingIntermediate, "tls_cert_untrusted"),
        (TlsScript::ClientCertificate, "tls_handshake_failure"),
        (TlsScript::HandshakeFailure, "tls_handshake_failure"),
        (TlsScript::ProtocolVersion, "tls_handshake_failure"),
        (TlsScript::InternalError, "tls_handshake_failure"),
        (TlsScript::UnrecognizedName, "tls_cert_name_mismatch"),
        (TlsScript::AlpnMismatch, "tls_alpn_mismatch"),
        (TlsScript::StallHandshake, "tls_handshake_timeout"),
        (TlsScript::CloseHandshake, "connection_closed"),
        (TlsScript::ResetHandshake, "connection_reset"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca.pem");
    let mut wrong = Vec::new();
    for (script, wanted) in cases {
        let name = format!("{script:?}");
        let drill = Drill::start(Options {
            tls: Some(script),
            ..options()
        })
        .unwrap();
        std::fs::write(&ca_file, drill.authority().unwrap()).unwrap();
        let settings = TlsSettings {
            ca_file: Some(ca_file.clone()),
            ..TlsSettings::default()
        };
        let policy = Arc::new(TlsPolicy::new(&settings).unwrap());
        let to = Destination::tls("localhost", drill.address().port(), policy);
        let found = outcome(&client(), &to, vec![Bytes::from_static(ASK)], wanted).await;
        if found != wanted {
            wrong.push(format!("{name}: wanted {wanted}, found {found}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
