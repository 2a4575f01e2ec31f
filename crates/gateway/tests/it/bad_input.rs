//! Whatever a client sends: a clear error in its own dialect, no panic, no hang, and nothing read for strangers.

use std::fmt::Write as _;
use std::time::Duration;

use config::Snapshot;

use crate::client::{Live, Reply, Request, raw};
use crate::rig::{Build, Rig, USUAL, timed};

/// One body, sent with a good key.
struct Case {
    name: &'static str,
    body: &'static [u8],
    status: u16,
    code: &'static str,
    param: Option<&'static str>,
    /// What the message says.
    says: &'static str,
}

fn check(rig: &Rig, case: &Case) {
    let reply = rig
        .request("POST", "/v1/chat/completions")
        .body(case.body)
        .send();
    let told = format!("{}: {} {}", case.name, reply.status, reply.body);
    is_error(&reply, case.status, case.code, &told);
    let error = &reply.json()["error"];
    assert_eq!(error["param"].as_str(), case.param, "{told}");
    assert!(
        error["message"].as_str().unwrap().contains(case.says),
        "{told}"
    );
    assert_eq!(
        reply.header("x-goodgate-outcome"),
        Some("refused"),
        "{told}"
    );
    assert_eq!(
        error["goodgate"]["attempts"].as_array().map(Vec::len),
        Some(0),
        "{told}"
    );
}

fn is_error(reply: &Reply, status: u16, code: &str, told: &str) {
    assert_eq!(
        (reply.status, reply.header("x-goodgate-code")),
        (status, Some(code)),
        "{told}"
    );
    assert_eq!(reply.goodgate()["code"], code, "{told}");
    assert!(
        reply.header("x-request-id").unwrap().starts_with("req_"),
        "{told}"
    );
    assert!(reply.whole, "{told}");
}

const PLAIN: Case = Case {
    name: "",
    body: b"",
    status: 400,
    code: "invalid_request",
    param: None,
    says: "",
};
const OPEN: Case = Case {
    param: Some("model"),
    ..PLAIN
};
const NO_CALLS: [Case; 17] = [
    Case {
        name: "no JSON",
        body: b"model=p/echo",
        ..PLAIN
    },
    Case {
        name: "cut",
        body: br#"{"model":"p/echo","messages":["#,
        ..PLAIN
    },
    Case {
        name: "a list",
        body: b"[1,2]",
        ..PLAIN
    },
    Case {
        name: "a text",
        body: br#""hello""#,
        ..PLAIN
    },
    Case {
        name: "null",
        body: b"null",
        ..PLAIN
    },
    Case {
        name: "something behind",
        body: br#"{"model":"p/echo","messages":[]} {}"#,
        ..PLAIN
    },
    Case {
        name: "a stray comma",
        body: br#"{"model":"p/echo",}"#,
        ..PLAIN
    },
    Case {
        name: "not UTF-8",
        body: b"{\"model\":\"p/echo\",\"messages\":[\"\xff\xfe\"]}",
        ..PLAIN
    },
    Case {
        name: "a byte of zero",
        body: b"{\"model\":\"p/echo\0\"}",
        ..PLAIN
    },
    Case {
        name: "no model",
        body: br#"{"messages":[]}"#,
        says: "model",
        ..OPEN
    },
    Case {
        name: "an empty model",
        body: br#"{"model":"","messages":[]}"#,
        says: "model",
        ..OPEN
    },
    Case {
        name: "a number for a model",
        body: br#"{"model":5,"messages":[]}"#,
        says: "model",
        ..OPEN
    },
    Case {
        name: "two models",
        body: br#"{"model":"p/echo","model":"q/echo","messages":[]}"#,
        says: "model",
        ..OPEN
    },
    Case {
        name: "two models, one escaped",
        body: br#"{"model":"p/echo","m\u006fdel":"q/echo","messages":[]}"#,
        says: "model",
        ..OPEN
    },
    Case {
        name: "a word for stream",
        body: br#"{"model":"p/echo","stream":"yes","messages":[]}"#,
        param: Some("stream"),
        says: "stream",
        ..PLAIN
    },
    Case {
        name: "an unknown model",
        body: br#"{"model":"pear","messages":[]}"#,
        status: 404,
        code: "no_route",
        says: "pair",
        ..OPEN
    },
    Case {
        name: "an unknown provider",
        body: br#"{"model":"nobody/echo","messages":[]}"#,
        status: 404,
        code: "no_route",
        says: "nobody/echo",
        ..OPEN
    },
];

#[test]
fn a_body_that_is_no_call_is_told_so_and_goes_nowhere() {
    let rig = Rig::usual();
    for case in &NO_CALLS {
        check(&rig, case);
    }
    let deep = [
        b"{\"model\":\"p/echo\",\"messages\":".as_slice(),
        &[b'['; 100_000],
        b"}",
    ]
    .concat();
    let reply = rig
        .request("POST", "/v1/chat/completions")
        .body(deep)
        .send();
    is_error(&reply, 400, "invalid_request", &reply.body);
    let empty = rig.request("POST", "/v1/chat/completions").send();
    is_error(&empty, 400, "invalid_request", &empty.body);
    assert_eq!(rig.drill.count(), 0, "nothing of this goes upstream");
}

#[test]
fn openai_clients_get_the_words_they_know() {
    let rig = Rig::usual();
    let unknown = rig.chat("pear").json();
    assert_eq!(unknown["error"]["code"], "model_not_found", "{unknown}");
    assert_eq!(
        unknown["error"]["type"], "invalid_request_error",
        "{unknown}"
    );
    let stranger = Request::new(rig.address, "POST", "/v1/chat/completions")
        .body("{}")
        .send()
        .json();
    assert_eq!(stranger["error"]["code"], "invalid_api_key", "{stranger}");
}

#[test]
fn a_key_is_asked_for_and_the_refusal_tells_what_is_wrong_with_the_one_sent() {
    let rig = Rig::usual();
    // Another last character than the key's own, which is a random one.
    let other = if rig.key.ends_with('x') { 'y' } else { 'x' };
    let mistyped = format!(
        "Bearer {}{other}",
        rig.key.strip_suffix(|_: char| true).unwrap()
    );
    let good = format!("Bearer {}", rig.key);
    let body = crate::rig::chat_body("p/echo", "");
    for (name, value, status, says) in [
        ("x-nothing", "", 401, "No key"),
        (
            "authorization",
            "Bearer sk-openai-key",
            401,
            "not one of this gateway's",
        ),
        ("authorization", mistyped.as_str(), 401, "checksum"),
        ("authorization", good.as_str(), 200, ""),
        ("x-api-key", rig.key.as_str(), 200, ""),
        ("api-key", rig.key.as_str(), 200, ""),
        ("x-goog-api-key", rig.key.as_str(), 200, ""),
    ] {
        let reply = Request::new(rig.address, "POST", "/v1/chat/completions")
            .header(name, value)
            .body(body.as_str())
            .send();
        assert_eq!(reply.status, status, "{name}: {value}: {}", reply.body);
        assert!(reply.body.contains(says), "{name}: {}", reply.body);
        if status == 401 {
            is_error(&reply, 401, "unauthenticated", &reply.body);
            assert!(
                !reply.body.contains(rig.key.get(8..).unwrap()),
                "{}",
                reply.body
            );
        }
    }
    for seen in rig.drill.seen() {
        assert!(
            !format!("{:?}", seen.headers).contains(&rig.key),
            "the caller's key never goes upstream"
        );
    }
}

#[test]
fn no_body_is_asked_for_or_waited_for_when_the_caller_is_unknown() {
    let rig = Rig::usual();
    let head = |key: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: 15000000\r\nexpect: 100-continue\r\n\r\n"
        )
    };
    let mut live = Live::connect(rig.address);
    live.write(head("sk-wrong").as_bytes());
    let ((), took) = timed(|| live.drain());
    assert!(took < Duration::from_secs(2), "{took:?}");
    let text = live.text();
    assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
    assert!(!text.contains("100 Continue"), "{text}");

    let mut live = Live::connect(rig.address);
    let body = crate::rig::chat_body("p/echo", "");
    live.write(
        head(&rig.key)
            .replace("15000000", &body.len().to_string())
            .as_bytes(),
    );
    live.until("100 Continue");
    live.write(body.as_bytes());
    live.until("chat.completion");
}

/// Small limits and short patience.
fn strict(snapshot: &mut Snapshot) {
    snapshot.server.max_body = 1000;
    snapshot.server.first_byte = Duration::from_millis(400);
    snapshot.server.head_timeout = Duration::from_millis(400);
}

fn strict_rig() -> Rig {
    Rig::build(Build {
        yaml: USUAL,
        tune: Some(strict),
        ..Build::default()
    })
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_announcement_or_when_it_gets_there() {
    let rig = strict_rig();
    let large = crate::rig::chat_body("p/echo", &format!(r#","user":"{}""#, "x".repeat(1000)));
    let reply = rig.post("/v1/chat/completions", &large);
    is_error(&reply, 413, "request_too_large", &reply.body);
    assert!(reply.body.contains("1000 bytes"), "{}", reply.body);
    let chunked = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        rig.key,
        large.len()
    );
    let reply = raw(rig.address, chunked.as_bytes());
    is_error(&reply, 413, "request_too_large", &reply.body);
    assert_eq!(rig.drill.count(), 0);
}

#[test]
fn heads_that_two_readers_could_understand_differently_are_refused() {
    let rig = Rig::usual();
    let body = crate::rig::chat_body("p/echo", "");
    let length = format!("content-length: {}", body.len());
    let longer = format!("{length}\r\ncontent-length: {}", body.len() + 1);
    let negative = "content-length: -1".to_owned();
    for (name, host, framing, body) in [
        ("two lengths", "host: x", longer.as_str(), body.as_str()),
        (
            "a negative length",
            "host: x",
            negative.as_str(),
            body.as_str(),
        ),
        (
            "two hosts",
            "host: x\r\nhost: y",
            length.as_str(),
            body.as_str(),
        ),
        ("no host", "x-nothing: 1", length.as_str(), body.as_str()),
        (
            "a coding nobody knows",
            "host: x",
            "transfer-encoding: drill",
            body.as_str(),
        ),
        (
            "white space before a colon",
            "host: x\r\nx-a : 1",
            length.as_str(),
            body.as_str(),
        ),
        (
            "a broken chunk",
            "host: x",
            "transfer-encoding: chunked",
            "zz\r\n{}\r\n0\r\n\r\n",
        ),
    ] {
        let text = format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{host}\r\nauthorization: Bearer {}\r\n{framing}\r\nconnection: close\r\n\r\n{body}",
            rig.key
        );
        let reply = raw(rig.address, text.as_bytes());
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
    }
    assert_eq!(rig.drill.count(), 0);
    for (name, bytes) in [
        ("no HTTP", b"hello\r\n\r\n".as_slice()),
        ("TLS", b"\x16\x03\x01\x00\x05hello\r\n\r\n"),
        (
            "a version of the future",
            b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
        ),
    ] {
        let mut live = Live::connect(rig.address);
        live.write(bytes);
        let ((), took) = timed(|| live.drain());
        assert!(took < Duration::from_secs(2), "{name}: {took:?}");
        assert!(!live.text().contains(" 200 "), "{name}: {}", live.text());
    }
}

#[test]
fn a_head_without_end_is_cut_off() {
    let rig = Rig::usual();
    let mut text = "GET /v1/models HTTP/1.1\r\nhost: x\r\n".to_owned();
    for n in 0..400 {
        write!(text, "x-{n}: {}\r\n", "y".repeat(200)).unwrap();
    }
    text.push_str("\r\n");
    let reply = raw(rig.address, text.as_bytes());
    assert!((400..500).contains(&reply.status), "{reply:?}");
}

#[test]
fn paths_and_methods_that_lead_nowhere_say_where_to_go() {
    let rig = Rig::usual();
    for (method, path, status, says) in [
        ("GET", "/v1/chat/completions", 405, "POST"),
        ("POST", "/v1/models", 405, "GET"),
        ("POST", "/v1/nothing", 404, "/v1/chat/completions"),
        ("POST", "/v1/v1/chat/completions", 404, "twice"),
        ("GET", "/nowhere", 404, "/v1/chat/completions"),
    ] {
        let reply = rig.request(method, path).send();
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.body);
        assert!(reply.body.contains(says), "{method} {path}: {}", reply.body);
    }
}

#[test]
fn a_wish_that_is_none_is_named() {
    let rig = Rig::usual();
    for (name, value) in [
        ("x-goodgate-max-attempts", "0"),
        ("x-goodgate-max-attempts", "many"),
        ("x-goodgate-hold", "on"),
        ("x-goodgate-unheard-of", "1"),
    ] {
        let reply = rig.chat_request("p/echo", "").header(name, value).send();
        is_error(&reply, 400, "invalid_request", &reply.body);
        assert!(reply.body.contains(name), "{}", reply.body);
    }
}

#[test]
fn a_body_for_which_there_is_no_memory_is_refused_with_a_time_to_come_again() {
    let rig = Rig::build(Build {
        yaml: USUAL,
        memory: Some(1 << 20),
        ..Build::default()
    });
    let large = format!(r#","user":"{}""#, "x".repeat(900_000));
    let reply = rig.chat_request("p/echo", &large).send();
    is_error(&reply, 503, "resource_exhausted", &reply.body);
    assert_eq!(reply.header("retry-after"), Some("1"), "{}", reply.body);
    assert_eq!(rig.chat("p/echo").status, 200);
}

#[test]
fn a_slow_head_gets_408_and_a_silent_connection_is_closed_by_the_deadline() {
    let rig = strict_rig();
    let mut slow = Live::connect(rig.address);
    slow.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n");
    let ((), took) = timed(|| slow.drain());
    assert!(
        slow.text().starts_with("HTTP/1.1 408 "),
        "{:?}",
        slow.text()
    );
    assert!(
        slow.text().contains("\"client_timeout\""),
        "{}",
        slow.text()
    );
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(2),
        "{took:?}"
    );
    let mut silent = Live::connect(rig.address);
    let ((), took) = timed(|| silent.drain());
    assert_eq!(silent.text(), "");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn two_thousand_silent_connections_are_closed_by_the_deadline_beside_a_healthy_client() {
    let rig = Rig::build(Build {
        yaml: USUAL,
        tune: Some(strict),
        ..Build::default()
    });
    let mut silent: Vec<_> = (0..2000).map(|_| Live::connect(rig.address)).collect();
    for _ in 0..20 {
        assert_eq!(rig.chat("p/echo").status, 200);
    }
    let ((), took) = timed(|| silent.iter_mut().for_each(Live::drain));
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(silent.iter().all(|live| live.text().is_empty()));
    assert_eq!(rig.chat("p/echo").status, 200);
}

#[test]
fn a_request_with_both_framings_is_refused() {
    let rig = Rig::usual();
    let body = crate::rig::chat_body("p/echo", "");
    for order in [
        "content-length: LEN\r\ntransfer-encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: LEN",
    ] {
        let framing = order.replace("LEN", &body.len().to_string());
        let text = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n{framing}\r\nconnection: close\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            rig.key,
            body.len()
        );
        let reply = raw(rig.address, text.as_bytes());
        assert_eq!(
            (reply.status, reply.header("x-goodgate-code")),
            (400, Some("invalid_request")),
            "{reply:?}"
        );
        assert_eq!(rig.drill.count(), 0);
    }
}
