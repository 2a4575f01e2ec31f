//! HTTP/2 towards upstreams, against a drill that speaks it: answers, and every way in which it breaks.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use diagnosis::{Code, Evidence, Fault, Lane, Phase, Processed, judge};
use drill::{Drill, Options, Script, TlsScript};
use http::{Method, Version};
use types::{Clock, Deadline, Jump, ManualClock};
use upstream::{
    Client, ClientOptions, Destination, HttpVersion, Outgoing, Resolver, ResolverOptions, Timers,
    TlsPolicy, TlsSettings,
};

use crate::server::{
    IDLE, Server, answer, client, deadline, read_request, text, timers, wait_for_close,
};

const PATH: &str = "/json/x";

fn drill(script: &str) -> Drill {
    let script = Script::from_json(script).unwrap();
    Drill::start(Options {
        script,
        ..Options::default()
    })
    .unwrap()
}

fn to(drill: &Drill) -> Destination {
    Destination::plain("127.0.0.1", drill.address().port()).with_http(HttpVersion::Two)
}

fn call<'a>(method: &'a Method, path: &'a str, body: &'static [u8]) -> Outgoing<'a> {
    Outgoing {
        fixed_headers: b"host: virtual.test\r\nx-fixed: 1\r\n",
        headers: &[("x-own", b"2")],
        body: if body.is_empty() {
            Vec::new().into()
        } else {
            vec![Bytes::from_static(body)].into()
        },
        lane: Lane::Http,
        ..Outgoing::new(method, path)
    }
}

async fn failed(drill: &Drill, method: &Method, path: &str) -> Evidence {
    match client()
        .send(&to(drill), call(method, path, b"{}"), &timers())
        .await
    {
        Err(evidence) => *evidence,
        Ok(answer) => panic!("an answer came: {}", answer.status),
    }
}

#[tokio::test]
async fn calls_share_one_connection_and_say_what_they_are() {
    let drill = drill("{}");
    let (client, to) = (client(), to(&drill));
    let calls = (0..50).map(|_| async {
        let mut answered = answer(&client, &to, call(&Method::POST, PATH, b"{\"a\":1}")).await;
        assert_eq!(answered.version, Version::HTTP_2);
        assert_eq!(answered.status, 200);
        text(&mut answered).await
    });
    for body in futures(calls).await {
        assert!(body.contains("\"body_length\":7"), "{body}");
    }
    assert_eq!(drill.connections(), 1, "a burst opens one connection");
    assert_eq!(client.http2_connections(), 1);
    let seen = drill.seen().remove(0);
    for (name, value) in [
        ("host", "virtual.test"),
        ("x-fixed", "1"),
        ("x-own", "2"),
        ("content-length", "7"),
    ] {
        assert_eq!(seen.header(name), Some(value), "{name}");
    }
}

/// Runs all at once and gives what they gave.
async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        let mut is_done = true;
        for (future, output) in &mut all {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(done) => *output = Some(done),
                    std::task::Poll::Pending => is_done = false,
                }
            }
        }
        if is_done {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn what_the_peer_did_not_process_goes_once_more_uncounted() {
    for fault in ["h2-refused-stream", "h2-goaway", "h2-goaway-calm"] {
        let drill = drill(&format!(
            r#"{{"rules": [{{"when": {{"nth": 1}}, "fault": "{fault}"}}]}}"#
        ));
        let mut answered = answer(&client(), &to(&drill), call(&Method::POST, PATH, b"{}")).await;
        assert!(text(&mut answered).await.contains("ok"), "{fault}");
        assert_eq!(drill.count(), 2, "{fault}");
    }
}

#[tokio::test]
async fn what_breaks_twice_is_told_with_its_reason() {
    for (fault, expected, code, processed) in [
        (
            "h2-refused-stream",
            Fault::Http2Reset { reason: 7 },
            Code::H2StreamReset,
            Processed::No,
        ),
        (
            "h2-reset",
            Fault::Http2Reset { reason: 2 },
            Code::H2StreamReset,
            Processed::Maybe,
        ),
        (
            "h2-calm",
            Fault::Http2Reset { reason: 11 },
            Code::H2StreamReset,
            Processed::Maybe,
        ),
        (
            "h2-goaway",
            Fault::Http2GoAway {
                reason: 0,
                processed: false,
            },
            Code::Draining,
            Processed::No,
        ),
        (
            "h2-goaway-calm",
            Fault::Http2GoAway {
                reason: 11,
                processed: false,
            },
            Code::H2StreamReset,
            Processed::No,
        ),
        (
            "h2-goaway-cut",
            Fault::Http2GoAway {
                reason: 2,
                processed: true,
            },
            Code::H2StreamReset,
            Processed::Maybe,
        ),
    ] {
        let drill = drill(&format!(r#"{{"rules": [{{"fault": "{fault}"}}]}}"#));
        let evidence = failed(&drill, &Method::POST, PATH).await;
        assert_eq!(evidence.fault, Some(expected), "{fault}");
        assert_eq!(evidence.phase, Phase::Headers, "{fault}");
        let verdict = judge(&evidence);
        assert_eq!(
            (verdict.code, verdict.processed),
            (code, processed),
            "{fault}"
        );
        let forgiven = u64::from(processed == Processed::No);
        assert_eq!(drill.count(), 1 + forgiven, "{fault}");
    }
}

#[tokio::test]
async fn a_body_that_is_reset_is_told_and_its_connection_lives_on() {
    let drill = drill(r#"{"rules": [{"when": {"nth": 1}, "fault": "h2-reset-mid-body"}]}"#);
    let (client, to) = (client(), to(&drill));
    let mut answered = answer(&client, &to, call(&Method::GET, PATH, b"")).await;
    let fault = answered
        .body
        .read_all(1 << 20, IDLE, deadline(10))
        .await
        .unwrap_err();
    assert_eq!(fault.fault, Fault::Http2Reset { reason: 2 });
    assert!(fault.received > 0);
    let mut evidence = *answered.evidence;
    evidence.head = Some(upstream::head_facts(answered.status, &answered.headers, 0));
    fault.complete(&mut evidence);
    assert_eq!(judge(&evidence).processed, Processed::Yes);
    text(&mut answer(&client, &to, call(&Method::GET, PATH, b"")).await).await;
    assert_eq!(drill.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_says_goodbye_takes_no_further_call() {
    let drill = drill(r#"{"rules": [{"when": {"nth": 1}, "fault": "h2-goaway-drain"}]}"#);
    let (client, to) = (client(), to(&drill));
    for _ in 0..3 {
        text(&mut answer(&client, &to, call(&Method::POST, PATH, b"{}")).await).await;
        // The goodbye comes behind the answer.
        while drill.connections() == 1 && client.http2_connections() > 0 {
            client.sweep();
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(drill.connections(), 2);
    assert_eq!(drill.count(), 3);
}

#[tokio::test]
async fn a_dropped_body_gives_up_its_stream_alone() {
    let drill =
        drill(r#"{"rules": [{"when": {"nth": 1}, "fault": {"kind": "stall", "at": "mid-body"}}]}"#);
    let (client, to) = (client(), to(&drill));
    let mut stalled = answer(&client, &to, call(&Method::GET, PATH, b"")).await;
    stalled
        .body
        .next(IDLE, deadline(10))
        .await
        .unwrap()
        .unwrap();
    let fault = stalled
        .body
        .next(Duration::from_millis(100), deadline(10))
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(fault.fault, Fault::IdleTimeout);
    drop(stalled);
    text(&mut answer(&client, &to, call(&Method::GET, PATH, b"")).await).await;
    assert_eq!(drill.connections(), 1);
}

#[tokio::test]
async fn a_slow_reader_does_not_stall_the_others() {
    let drill =
        drill(r#"{"rules": [{"when": {"path": "/json/large"}, "fault": "oversized-200"}]}"#);
    let (client, to) = (client(), to(&drill));
    let unread = answer(&client, &to, call(&Method::GET, "/json/large", b"")).await;
    for _ in 0..20 {
        text(&mut answer(&client, &to, call(&Method::GET, PATH, b"")).await).await;
    }
    assert_eq!(drill.connections(), 1);
    drop(unread);
}

#[tokio::test]
async fn trailers_come_after_the_body() {
    let drill = drill("{}");
    let request = Outgoing {
        headers: &[("content-type", b"application/grpc")],
        ..call(&Method::POST, "/grpc/echo.Echo/Say", b"\0\0\0\0\x02hi")
    };
    let mut answered = answer(&client(), &to(&drill), request).await;
    assert_eq!(text(&mut answered).await, "\0\0\0\0\x02hi");
    let trailers = answered.body.trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(drill.seen()[0].header("te"), Some("trailers"));
}

#[tokio::test]
async fn limits_hold_on_streams_as_on_connections() {
    let drill = drill(r#"{"rules": [{"fault": "stall-before-head"}]}"#);
    let mut short = timers();
    short.header = Duration::from_millis(100);
    let sent = client()
        .send(&to(&drill), call(&Method::GET, PATH, b""), &short)
        .await;
    assert_eq!(sent.unwrap_err().fault, Some(Fault::HeaderTimeout));
}

#[tokio::test]
async fn a_server_that_speaks_http_1_alone_is_told() {
    let server = Server::once(|mut stream| {
        read_request(&mut stream);
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        wait_for_close(&mut stream);
    });
    let to = server.destination().with_http(HttpVersion::Two);
    let sent = client()
        .send(&to, call(&Method::GET, PATH, b""), &timers())
        .await;
    let evidence = sent.unwrap_err();
    assert!(
        matches!(&evidence.fault, Some(Fault::NotHttp { first_bytes }) if first_bytes.starts_with(b"HTTP/1.1 400")),
        "{:?}",
        evidence.fault
    );
    assert_eq!(judge(&evidence).code, Code::NotHttp);
}

fn policy(drill: &Drill, folder: &tempfile::TempDir) -> Arc<TlsPolicy> {
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, drill.authority().unwrap()).unwrap();
    let settings = TlsSettings {
        ca_file: Some(path),
        ..TlsSettings::default()
    };
    Arc::new(TlsPolicy::new(&settings).unwrap())
}

#[tokio::test]
async fn a_tls_server_is_asked_which_version_it_speaks() {
    let drill = Drill::start(Options {
        tls: Some(TlsScript::Good),
        ..Options::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policy = policy(&drill, &folder);
    for (http, version) in [
        (HttpVersion::One, Version::HTTP_11),
        (HttpVersion::Two, Version::HTTP_2),
        (HttpVersion::Auto, Version::HTTP_2),
    ] {
        let to = Destination::tls("localhost", drill.address().port(), Arc::clone(&policy));
        let to = to.with_http(http);
        let client = client();
        for _ in 0..2 {
            let mut answered = answer(&client, &to, call(&Method::GET, PATH, b"")).await;
            assert_eq!(answered.version, version, "{http:?}");
            assert!(answered.evidence.tls_version.is_some());
            text(&mut answered).await;
        }
    }
    assert_eq!(drill.connections(), 3);
}

#[tokio::test]
async fn after_the_machine_has_slept_no_connection_is_trusted() {
    let drill = drill("{}");
    let clock = Arc::new(ManualClock::default());
    let shared: Arc<dyn Clock> = Arc::clone(&clock) as Arc<dyn Clock>;
    let resolver = Resolver::new(ResolverOptions::default(), Arc::clone(&shared));
    let client = Client::new(ClientOptions::new(Arc::new(resolver), shared));
    let to = to(&drill);
    let far = Timers::until(Deadline::after(clock.now(), Duration::from_secs(3600)));
    for connections in [1, 1, 2] {
        let sent = client.send(&to, call(&Method::GET, PATH, b""), &far);
        text(&mut sent.await.unwrap()).await;
        assert_eq!(drill.connections(), connections);
        client.sweep();
        if drill.count() == 2 {
            clock.jump(Jump::Ahead(Duration::from_secs(6)));
            client.sweep();
        }
    }
}
