//! Examinations over real sockets: the right layer fails with the right code, and what lies above it is skipped.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use config::{Environment, Source};
use drill::{Drill, Keys, Options, Script, TlsScript};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, listen,
    socket,
};
use types::{Clock, SystemClock};

use super::report::{Layer, Report, State, Upstream};
use super::{draw, examine_all, subjects, tell_effects, tools};
use crate::output::Reader;

fn load(yaml: &str) -> config::Snapshot {
    let source = Source {
        text: yaml.to_owned(),
        path: "goodgate.yaml".into(),
    };
    let environment = Environment::from_pairs([]);
    config::load(&source, &environment).unwrap().snapshot
}

fn examined(subjects: Vec<subjects::Subject>, live: bool) -> Vec<Upstream> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let subjects: Vec<_> = subjects.into_iter().map(Arc::new).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut upstreams = runtime.block_on(examine_all(&subjects, &tools(&clock, live)));
    tell_effects(&mut upstreams, &subjects);
    upstreams
}

/// One provider with these members, examined.
fn provider(members: &str) -> Upstream {
    let yaml = format!("providers:\n  it: {{ {members} }}\n");
    examined(subjects::all(&load(&yaml)), false).remove(0)
}

/// The layer that fails, its code, and that all above it is skipped while all below is not.
fn check(found: &Upstream, layer: Layer, code: &str) {
    let failed = found.failed().unwrap_or_else(|| panic!("{found:?}"));
    let seen = (failed.step, failed.code.map(|code| code.as_str()));
    assert_eq!(seen, (layer, Some(code)), "{found:?}");
    assert_eq!(found.state, State::Failed);
    assert!(failed.fix.as_ref().is_some_and(|fix| !fix.is_empty()));
    for other in Layer::ALL.into_iter().filter(|one| *one != Layer::Live) {
        let step = found
            .step(other)
            .unwrap_or_else(|| panic!("{other:?}: {found:?}"));
        if other > layer {
            assert_eq!(step.state, State::Skipped, "{step:?}");
            assert!(step.text.contains("failed"), "{step:?}");
        } else if other < layer {
            assert_ne!(step.state, State::Failed, "{step:?}");
        }
    }
}

fn drill(fault: Option<&str>, tls: Option<TlsScript>) -> Drill {
    let script = fault.map(|name| Script::fault(name).unwrap());
    let options = Options {
        keys: Keys::Ignored,
        script: script.unwrap_or_default(),
        tls,
        ..Options::default()
    };
    Drill::start(options).unwrap()
}

fn ca_file(folder: &Path, drill: &Drill) -> String {
    let path = folder.join("ca.pem");
    std::fs::write(&path, drill.authority().unwrap()).unwrap();
    path.display().to_string()
}

#[test]
fn what_goes_wrong_in_http_or_above_is_told_with_its_layer() {
    for (fault, layer, code) in [
        ("openai-invalid-key", Layer::Auth, "credentials_rejected"),
        ("openai-permission-denied", Layer::Auth, "permission_denied"),
        ("openai-insufficient-quota", Layer::Auth, "quota_exhausted"),
        ("openai-region-blocked", Layer::Auth, "region_blocked"),
        ("nginx-404", Layer::Http, "endpoint_not_found"),
        ("html-200", Layer::Http, "unexpected_content_type"),
        ("html-502", Layer::Http, "bad_gateway"),
        ("cloudflare-522", Layer::Http, "edge_origin_unreachable"),
        ("redirect-login", Layer::Http, "unexpected_redirect"),
        ("empty-200", Layer::Http, "invalid_body"),
        ("wrong-shape-200", Layer::Http, "invalid_body"),
        ("ssh-banner", Layer::Http, "not_http"),
        ("close-before-head", Layer::Http, "connection_closed"),
        ("reset-before-head", Layer::Http, "connection_reset"),
        ("stall-before-head", Layer::Http, "response_header_timeout"),
        ("bad-gzip", Layer::Http, "decode_error"),
        ("length-differing", Layer::Http, "protocol_error"),
        ("huge-header", Layer::Http, "response_header_too_large"),
        ("cut-mid-body", Layer::Http, "response_truncated"),
    ] {
        let drill = drill(Some(fault), None);
        let members = format!(
            "type: openai, base_url: \"{}/v1\", api_key: sk-0123456789abcdef, timeout: {{ response_header: {} }}",
            drill.url(),
            if fault.starts_with("stall") {
                "300ms"
            } else {
                "9s"
            }
        );
        check(&provider(&members), layer, code);
    }
}

#[test]
fn what_goes_wrong_in_tls_is_told_there() {
    for (script, code) in [
        (TlsScript::Expired, "tls_cert_expired"),
        (TlsScript::NotYetValid, "tls_cert_expired"),
        (TlsScript::WrongName, "tls_cert_name_mismatch"),
        (TlsScript::SelfSigned, "tls_cert_untrusted"),
        (TlsScript::UnknownAuthority, "tls_cert_untrusted"),
        (TlsScript::MissingIntermediate, "tls_cert_untrusted"),
        (TlsScript::HandshakeFailure, "tls_handshake_failure"),
        (TlsScript::StallHandshake, "tls_handshake_timeout"),
    ] {
        let drill = drill(None, Some(script));
        let folder = tempfile::tempdir().unwrap();
        let limit = if script == TlsScript::StallHandshake {
            "300ms"
        } else {
            "9s"
        };
        let members = format!(
            "type: openai-compatible, base_url: \"{}/v1\", tls: {{ ca_file: \"{}\" }}, timeout: {{ tls: {limit} }}",
            drill.url(),
            ca_file(folder.path(), &drill)
        );
        check(&provider(&members), Layer::Tls, code);
    }
}

#[test]
fn a_port_that_speaks_something_else_is_told_from_a_broken_one() {
    let plain = drill(None, None);
    let tls = drill(None, Some(TlsScript::Good));
    let at = |scheme: &str, drill: &Drill| {
        let address = drill.address();
        provider(&format!(
            "type: openai-compatible, base_url: \"{scheme}://{address}/v1\""
        ))
    };
    check(&at("https", &plain), Layer::Tls, "tls_to_plaintext_port");
    check(&at("http", &tls), Layer::Http, "plaintext_to_tls_port");
}

/// A port whose queue of waiting connections is full, so that the kernel drops every further one.
fn black_hole() -> (SocketAddr, Vec<OwnedFd>) {
    let open = |flags| socket(AddressFamily::Inet, SockType::Stream, flags, None).unwrap();
    let listener = open(SockFlag::empty());
    bind(listener.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address: SockaddrIn = getsockname(listener.as_raw_fd()).unwrap();
    let mut held = vec![listener];
    for _ in 0..4 {
        let waiting = open(SockFlag::SOCK_NONBLOCK);
        // Either it stands at once, or it waits for ever: both fill the queue.
        let connected = connect(waiting.as_raw_fd(), &address);
        assert!(
            matches!(connected, Ok(()) | Err(Errno::EINPROGRESS)),
            "{connected:?}"
        );
        held.push(waiting);
    }
    (SocketAddr::from((address.ip(), address.port())), held)
}

#[test]
fn a_connection_that_does_not_come_about_is_told_from_one_that_is_refused() {
    let (silent, _held) = black_hole();
    let refusing = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let at = |address: SocketAddr| {
        provider(&format!(
            "type: openai-compatible, base_url: \"http://{address}/v1\", timeout: {{ connect: 300ms }}"
        ))
    };
    check(&at(silent), Layer::Tcp, "connection_timeout");
    let refused = at(refusing);
    check(&refused, Layer::Tcp, "connection_refused");
    let fix = refused.failed().unwrap().fix.clone().unwrap();
    assert!(fix.contains(&refusing.to_string()), "{fix}");
}

#[test]
fn an_unknown_name_fails_in_dns() {
    let found = provider("type: openai-compatible, base_url: \"http://no-such-host.invalid/v1\"");
    let failed = found.failed().unwrap();
    // Without any name server here the answer is "cannot say" instead of "does not exist".
    assert_eq!(failed.step, Layer::Dns, "{found:?}");
    let code = failed.code.unwrap().as_str();
    assert!(
        ["dns_name_not_found", "dns_failure"].contains(&code),
        "{code}"
    );
}

#[test]
fn a_server_on_ipv6_alone_is_well() {
    let Ok(drill) = Drill::start(Options {
        listen: "[::1]:0".parse().unwrap(),
        keys: Keys::Ignored,
        ..Options::default()
    }) else {
        // This machine has no IPv6 at all.
        return;
    };
    let found = provider(&format!(
        "type: openai-compatible, base_url: \"{}/v1\"",
        drill.url()
    ));
    assert_eq!(found.state, State::Ok, "{found:?}");
}

#[test]
fn healthy_but_odd_servers_are_well() {
    for fault in [
        "delay",
        "drip-body",
        "http10",
        "close-delimited",
        "bare-lf",
        "no-reason",
        "early-hints",
        "continue-first",
        "chunk-extensions",
        "chunk-trailers",
        "leading-space",
        "gzip",
    ] {
        let drill = drill(Some(fault), None);
        let found = provider(&format!(
            "type: openai-compatible, base_url: \"{}/v1\"",
            drill.url()
        ));
        assert_eq!(found.state, State::Ok, "{fault}: {found:?}");
        assert!(!found.models.is_empty(), "{fault}");
    }
}

#[test]
fn a_used_up_rate_is_a_warning_and_no_failure() {
    let drill = drill(Some("openai-rate-limited"), None);
    let found = provider(&format!(
        "type: openai, base_url: \"{}/v1\", api_key: sk-0123456789abcdef",
        drill.url()
    ));
    assert_eq!(found.state, State::Warning, "{found:?}");
    assert_eq!(found.notes[0].code, Some("rate_limited"));
    assert!(!found.limits.is_empty() || found.notes[0].text.contains("rate"));
}

#[test]
fn one_bad_key_of_two_is_a_warning_that_names_it() {
    let script = r#"{"rules": [{"when": {"header": ["authorization", "Bearer sk-bad*"]}, "fault": "openai-invalid-key"}]}"#;
    let drill = Drill::start(Options {
        script: Script::from_json(script).unwrap(),
        ..Options::default()
    })
    .unwrap();
    let yaml = format!(
        "providers:\n  it:\n    type: openai\n    base_url: \"{}/v1\"\n    credentials:\n      - {{ name: old, api_key: sk-bad-0123456789 }}\n      - {{ name: new, api_key: sk-good-0123456789 }}\n",
        drill.url()
    );
    let found = examined(subjects::all(&load(&yaml)), false).remove(0);
    assert_eq!(found.state, State::Warning, "{found:?}");
    let note = &found.notes[0];
    assert_eq!(note.code, Some("credentials_rejected"));
    assert!(
        note.text.contains("…6789") && !note.text.contains("sk-bad-0123456789"),
        "{note:?}"
    );
}

#[test]
fn live_makes_one_call_in_each_dialect_and_tells_its_times() {
    let drill = drill(None, None);
    for (kind, path) in [
        ("openai", "/v1"),
        ("anthropic", "/v1"),
        ("gemini", "/v1beta"),
        ("mistral", "/mistral/v1"),
    ] {
        let yaml = format!(
            "providers:\n  it: {{ type: {kind}, base_url: \"{}{path}\", api_key: sk-0123456789abcdef }}\nmodels:\n  smart: {{ targets: [it/some-model] }}\n",
            drill.url()
        );
        let found = examined(subjects::all(&load(&yaml)), true).remove(0);
        let live = found
            .step(Layer::Live)
            .unwrap_or_else(|| panic!("{found:?}"));
        assert_eq!(live.state, State::Ok, "{kind}: {live:?}");
        assert!(live.text.contains("some-model: first token in"), "{live:?}");
    }
}

#[test]
fn live_fails_by_the_streams_own_fault() {
    for (fault, code) in [
        ("stream-no-terminal", "stream_incomplete"),
        ("stream-malformed-json", "stream_malformed"),
        ("stream-error-mid", "internal_error"),
        ("reset-after-event", "response_reset"),
    ] {
        let script =
            format!(r#"{{"rules": [{{"when": {{"method": "POST"}}, "fault": "{fault}"}}]}}"#);
        let drill = Drill::start(Options {
            keys: Keys::Ignored,
            script: Script::from_json(&script).unwrap(),
            ..Options::default()
        })
        .unwrap();
        let yaml = format!(
            "providers:\n  it: {{ type: openai-compatible, base_url: \"{}/v1\" }}\nmodels:\n  smart: {{ targets: [it/m] }}\n",
            drill.url()
        );
        let found = examined(subjects::all(&load(&yaml)), true).remove(0);
        let live = found.step(Layer::Live).unwrap();
        assert_eq!(
            live.code.map(|code| code.as_str()),
            Some(code),
            "{fault}: {live:?}"
        );
    }
}

#[test]
fn a_route_wants_an_answer_of_http_and_no_more() {
    let drill = drill(None, None);
    let failing = self::drill(Some("html-502"), None);
    let yaml = format!(
        "routes:\n  weather: {{ match: {{ path: /weather/** }}, upstreams: [\"{}/nothing-here\", \"{}\"] }}\n",
        drill.url(),
        failing.url()
    );
    let found = examined(subjects::all(&load(&yaml)), false);
    assert_eq!(found[0].name, "weather#1");
    assert_eq!(
        found[0].failed().map(|step| step.step),
        None,
        "{:?}",
        found[0]
    );
    assert_eq!(found[0].step(Layer::Http).unwrap().cell, "404");
    check(&found[1], Layer::Http, "bad_gateway");
}

#[test]
fn a_failure_tells_which_models_it_hits() {
    let drill = drill(None, None);
    let refusing = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let yaml = format!(
        "providers:\n  good: {{ type: openai-compatible, base_url: \"{}/v1\" }}\n  gone: {{ type: openai-compatible, base_url: \"http://{refusing}/v1\" }}\nmodels:\n  both: {{ targets: [good/m, gone/m] }}\n  lone: {{ targets: [gone/m] }}\n",
        drill.url()
    );
    let snapshot = load(&yaml);
    let found = examined(subjects::all(&snapshot), false);
    assert_eq!(
        found[1].effect.as_deref(),
        Some("model both runs on 1 of 2 targets; model lone has no target left")
    );
    let environment = Environment::from_pairs([]);
    let named = |word| {
        let found = subjects::named(word, Some(&snapshot), &environment).unwrap();
        found.into_iter().map(|one| one.name).collect::<Vec<_>>()
    };
    assert_eq!(named("both"), ["good", "gone"]);
    assert_eq!(named("gone/any/model"), ["gone"]);
    let error = subjects::named("bot", Some(&snapshot), &environment).unwrap_err();
    assert!(error.contains("both, gone, good, lone"), "{error}");
}

#[test]
fn a_bare_url_is_a_provider_where_its_path_names_a_version() {
    let drill = drill(Some("openai-invalid-key"), None);
    let environment = Environment::from_pairs([]);
    let named = |url: &str| subjects::named(url, None, &environment).unwrap();
    // It wants a key, and none is sent to an unknown place.
    let found = examined(named(&format!("{}/v1", drill.url())), false).remove(0);
    assert_eq!(found.failed().map(|step| step.step), None, "{found:?}");
    assert!(
        found
            .step(Layer::Auth)
            .unwrap()
            .text
            .contains("wants a key")
    );
    let found = examined(named(&drill.url()), false).remove(0);
    assert_eq!(found.step(Layer::Http).unwrap().cell, "401", "{found:?}");
    assert_eq!(found.state, State::Ok);
    for bad in ["http://", "ftp://x", "http://a:b@c/"] {
        assert!(subjects::named(bad, None, &environment).is_err(), "{bad}");
    }
}

#[test]
fn a_report_fits_its_columns_and_has_one_fix_for_each_trouble() {
    let refusing = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let drill = drill(Some("openai-invalid-key"), None);
    let yaml = format!(
        "providers:\n  a-provider-with-a-long-name: {{ type: openai, base_url: \"{}/v1\", api_key: sk-0123456789abcdef }}\n  gone: {{ type: openai-compatible, base_url: \"http://{refusing}/v1\" }}\n",
        drill.url()
    );
    let upstreams = examined(subjects::all(&load(&yaml)), false);
    let report = Report::new(Vec::new(), upstreams, false);
    assert_eq!((report.ok, report.exit), (false, 1));
    for width in [80, 120] {
        let text = draw::whole(&report, &Reader::plain(width));
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        assert_eq!(text.matches("fix: ").count(), 2, "{text}");
        assert!(text.contains("2 failed"), "{text}");
        assert!(!text.contains("sk-0123456789abcdef"));
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(
        json["upstreams"][1]["steps"][1]["code"],
        "connection_refused"
    );
    assert_eq!(json["counts"]["failed"], 2);
}
