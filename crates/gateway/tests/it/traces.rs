//! Spans of real calls, as a collector of our own reads them: strictly, by the numbers of the protocol's files.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use config::TraceExport;
use gateway::journal::traces::Exporter;

use crate::rig::{Build, Rig, USUAL, script};

/// What a field may be. Source: opentelemetry-proto 1.7, `trace/v1/trace.proto`, `common/v1/common.proto`,
/// `resource/v1/resource.proto`, `collector/trace/v1/trace_service.proto`.
#[derive(Clone, Copy)]
enum Field {
    Bytes(usize),
    Text,
    Varint,
    Fixed64,
    Fixed32,
    Message(&'static [(u64, Field)]),
}

const ANY: &[(u64, Field)] = &[(1, Field::Text), (2, Field::Varint), (3, Field::Varint)];
const PAIR: &[(u64, Field)] = &[(1, Field::Text), (2, Field::Message(ANY))];
const EVENT: &[(u64, Field)] = &[
    (1, Field::Fixed64),
    (2, Field::Text),
    (3, Field::Message(PAIR)),
];
const STATUS: &[(u64, Field)] = &[(2, Field::Text), (3, Field::Varint)];
const SPAN: &[(u64, Field)] = &[
    (1, Field::Bytes(16)),
    (2, Field::Bytes(8)),
    (4, Field::Bytes(8)),
    (5, Field::Text),
    (6, Field::Varint),
    (7, Field::Fixed64),
    (8, Field::Fixed64),
    (9, Field::Message(PAIR)),
    (11, Field::Message(EVENT)),
    (15, Field::Message(STATUS)),
    (16, Field::Fixed32),
];
const SCOPE: &[(u64, Field)] = &[(1, Field::Text), (2, Field::Text)];
const SCOPE_SPANS: &[(u64, Field)] = &[(1, Field::Message(SCOPE)), (2, Field::Message(SPAN))];
const RESOURCE: &[(u64, Field)] = &[(1, Field::Message(PAIR))];
const RESOURCE_SPANS: &[(u64, Field)] = &[
    (1, Field::Message(RESOURCE)),
    (2, Field::Message(SCOPE_SPANS)),
];
const REQUEST: &[(u64, Field)] = &[(1, Field::Message(RESOURCE_SPANS))];

/// A field's value as it was read.
#[derive(Clone, Debug, PartialEq)]
enum Read_ {
    Bytes(Vec<u8>),
    Text(String),
    Number(u64),
    Message(Fields),
}

type Fields = Vec<(u64, Read_)>;

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a varint ends");
        *bytes = rest;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a varint is longer than 10 bytes");
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// Reads a message; fields that it does not have, or that are laid out in another way, fail.
fn decode(mut bytes: &[u8], schema: &'static [(u64, Field)]) -> Fields {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (number, layout) = (key >> 3, key & 7);
        let (_, field) = schema
            .iter()
            .find(|(known, _)| *known == number)
            .unwrap_or_else(|| panic!("no field {number} is known here"));
        let read = match (field, layout) {
            (Field::Varint, 0) => Read_::Number(varint(&mut bytes)),
            (Field::Fixed64, 1) => {
                Read_::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap()))
            }
            (Field::Fixed32, 5) => {
                let four = take(&mut bytes, 4).try_into().unwrap();
                Read_::Number(u64::from(u32::from_le_bytes(four)))
            }
            (Field::Bytes(_) | Field::Text | Field::Message(_), 2) => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let inner = take(&mut bytes, length);
                match field {
                    Field::Bytes(wanted) => {
                        assert_eq!(inner.len(), *wanted, "field {number}");
                        assert!(inner.iter().any(|byte| *byte != 0), "an id is not zero");
                        Read_::Bytes(inner.to_vec())
                    }
                    Field::Text => Read_::Text(String::from_utf8(inner.to_vec()).unwrap()),
                    Field::Message(schema) => Read_::Message(decode(inner, schema)),
                    _ => unreachable!(),
                }
            }
            (_, layout) => panic!("field {number} is laid out as {layout}"),
        };
        fields.push((number, read));
    }
    fields
}

fn all(fields: &Fields, number: u64) -> Vec<&Read_> {
    let of = fields.iter().filter(|(own, _)| *own == number);
    of.map(|(_, read)| read).collect()
}

fn inner(read: &Read_) -> &Fields {
    match read {
        Read_::Message(fields) => fields,
        other => panic!("{other:?} is no message"),
    }
}

fn attributes(fields: &Fields, number: u64) -> BTreeMap<String, String> {
    all(fields, number)
        .into_iter()
        .map(|pair| {
            let pair = inner(pair);
            let Read_::Text(name) = all(pair, 1)[0] else {
                panic!("an attribute has a name")
            };
            let value = &inner(all(pair, 2)[0])[0].1;
            let value = match value {
                Read_::Text(text) => text.clone(),
                Read_::Number(number) => number.to_string(),
                other => panic!("{other:?}"),
            };
            (name.clone(), value)
        })
        .collect()
}

/// A span, as far as tests look at it.
#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: Option<String>,
    name: String,
    kind: u64,
    times: (u64, u64),
    attributes: BTreeMap<String, String>,
    events: usize,
    status: Option<u64>,
    resource: BTreeMap<String, String>,
}

fn hex(read: &Read_) -> String {
    let Read_::Bytes(bytes) = read else {
        panic!("{read:?} is no id")
    };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(read: &Read_) -> u64 {
    let Read_::Number(number) = read else {
        panic!("{read:?} is no number")
    };
    *number
}

fn spans(body: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in all(&decode(body, REQUEST), 1) {
        let resource_spans = inner(resource_spans);
        let resource = attributes(inner(all(resource_spans, 1)[0]), 1);
        for scope_spans in all(resource_spans, 2) {
            for span in all(inner(scope_spans), 2) {
                let span = inner(span);
                let one = |number| all(span, number)[0];
                let Read_::Text(name) = one(5) else { panic!() };
                spans.push(Span {
                    trace: hex(one(1)),
                    id: hex(one(2)),
                    parent: all(span, 4).first().map(|parent| hex(parent)),
                    name: name.clone(),
                    kind: number(one(6)),
                    times: (number(one(7)), number(one(8))),
                    attributes: attributes(span, 9),
                    events: all(span, 11).len(),
                    status: all(span, 15)
                        .first()
                        .map(|status| number(all(inner(status), 3)[0])),
                    resource: resource.clone(),
                });
            }
        }
    }
    spans
}

/// A request that the collector got: its head and its body.
type Got = (String, Vec<u8>);

/// Answers each request with the next of the statuses, then with 200.
fn collector(statuses: &'static [u16]) -> (SocketAddr, Receiver<Got>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut statuses = statuses.iter();
        for socket in listener.incoming().flatten() {
            let mut reader = BufReader::new(socket);
            while let Some(got) = read_request(&mut reader) {
                let status = statuses.next().copied().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
                if Sender::send(&sender, got).is_err() {
                    return;
                }
            }
        }
    });
    (address, receiver)
}

fn read_request(reader: &mut impl BufRead) -> Option<Got> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    Read::read_exact(reader, &mut body).ok()?;
    Some((head, body))
}

fn settings(collector: SocketAddr, sample: f64) -> TraceExport {
    TraceExport {
        endpoint: provider::request::parse_url(&format!("http://{collector}")).unwrap(),
        path: "/v1/traces".to_owned(),
        headers: vec![(
            http::HeaderName::from_static("x-collector-key"),
            http::HeaderValue::from_static("secret"),
        )],
        service: "gate".to_owned(),
        resource: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        sample,
    }
}

/// A rig whose calls leave spans, and what sends them.
fn rig(collector: SocketAddr, sample: f64) -> (Rig, Arc<Exporter>) {
    let rig = Rig::build(Build {
        yaml: USUAL,
        script: script(r#"{"rules":[{"when":{"model":"first"},"fault":"html-502"}]}"#),
        traces: Some(settings(collector, sample)),
        ..Build::default()
    });
    let exporter = rig.exporter.clone().unwrap();
    (rig, exporter)
}

fn flush(exporter: &Exporter) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(exporter.flush());
}

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_recovered_call_is_a_span_with_one_below_it_for_each_attempt() {
    let (address, got) = collector(&[]);
    let (rig, exporter) = rig(address, 0.0);
    let reply = rig
        .chat_request("pair", "")
        .header("traceparent", TRACEPARENT)
        .send();
    assert_eq!(reply.header("x-goodgate-outcome"), Some("recovered"));
    flush(&exporter);
    let (head, body) = got.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(head.starts_with("POST /v1/traces HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf\r\n"),
        "{head}"
    );
    assert!(head.contains("x-collector-key: secret\r\n"), "{head}");
    let spans = spans(&body);
    let (call, attempts) = spans.split_first().unwrap();
    assert_eq!(call.trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(call.parent.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(
        (call.name.as_str(), call.kind),
        ("POST /v1/chat/completions", 2)
    );
    assert_eq!(
        call.attributes["goodgate.request_id"],
        reply.header("x-request-id").unwrap()
    );
    assert_eq!(call.attributes["goodgate.outcome"], "recovered");
    assert_eq!(call.attributes["gen_ai.request.model"], "pair");
    assert_eq!(call.status, None, "the client saw no failure");
    assert_eq!(call.resource["service.name"], "gate");
    assert_eq!(call.resource["deployment.environment.name"], "test");
    check_attempts(&rig, call, attempts);
}

fn check_attempts(rig: &Rig, call: &Span, attempts: &[Span]) {
    assert!(attempts.len() >= 2, "{attempts:?}");
    for attempt in attempts {
        assert_eq!((&attempt.trace, attempt.kind), (&call.trace, 3));
        assert_eq!(attempt.parent.as_ref(), Some(&call.id));
        assert!(attempt.times.0 >= call.times.0 && attempt.times.0 <= attempt.times.1);
    }
    let (served, failed) = attempts.split_last().unwrap();
    assert_eq!(served.name, "chat echo");
    assert_eq!(served.attributes["goodgate.target"], "q/echo");
    assert_eq!(
        served.attributes["gen_ai.provider.name"],
        "openai-compatible"
    );
    assert!(served.attributes.contains_key("gen_ai.usage.input_tokens"));
    assert_eq!(failed[0].attributes["error.type"], "bad_gateway");
    assert_eq!((failed[0].status, served.status), (Some(2), None));
    // Upstream was told the attempt's own span.
    let told: Vec<String> = rig
        .drill
        .seen()
        .iter()
        .filter_map(|seen| seen.header("traceparent").map(str::to_owned))
        .collect();
    let wanted: Vec<String> = attempts
        .iter()
        .map(|attempt| format!("00-{}-{}-01", attempt.trace, attempt.id))
        .collect();
    assert_eq!(told, wanted);
}

#[test]
fn a_failed_stream_and_a_refused_call_are_told_apart_and_no_prompt_is_in_any_span() {
    let (address, got) = collector(&[]);
    let (rig, exporter) = rig(address, 1.0);
    assert_eq!(rig.chat("p/first").status, 502);
    assert_eq!(rig.stream("q/echo").status, 200);
    rig.post(
        "/v1/chat/completions",
        r#"{"model":"q/echo","messages":"SECRET-PROMPT"}"#,
    );
    flush(&exporter);
    let (_, body) = got.recv_timeout(Duration::from_secs(10)).unwrap();
    let text = String::from_utf8_lossy(&body);
    for secret in [
        "SECRET-PROMPT",
        "sk-upstream-secret",
        &rig.key,
        "127.0.0.1",
        "\"hi\"",
    ] {
        assert!(!text.contains(secret), "{secret} is in a span");
    }
    let spans = spans(&body);
    let calls: Vec<&Span> = spans.iter().filter(|span| span.kind == 2).collect();
    let [failed, streamed, refused] = calls.as_slice() else {
        panic!("{calls:?}")
    };
    assert_eq!(
        (failed.status, &*failed.attributes["error.type"]),
        (Some(2), "bad_gateway")
    );
    assert_eq!((streamed.status, streamed.events), (None, 1));
    assert_eq!(
        (refused.status, &*refused.attributes["error.type"]),
        (None, "invalid_request")
    );
    // Without a caller's trace the call's id is the trace's.
    assert!(calls.iter().all(|call| call.parent.is_none()));
}

#[test]
fn an_unsampled_trace_goes_on_upstream_and_leaves_no_span() {
    let (address, got) = collector(&[]);
    let (rig, exporter) = rig(address, 1.0);
    let unsampled = TRACEPARENT.replace("-01", "-00");
    rig.chat_request("q/echo", "")
        .header("traceparent", &unsampled)
        .send();
    flush(&exporter);
    assert!(got.try_recv().is_err());
    let seen = rig.drill.seen();
    let told = seen[0].header("traceparent").unwrap();
    assert!(
        told.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && told.ends_with("-00"),
        "{told}"
    );
}

#[test]
fn a_batch_that_the_collector_cannot_take_is_sent_again_and_one_it_refuses_is_given_up() {
    let (address, got) = collector(&[503, 429, 200, 400]);
    let (rig, exporter) = rig(address, 1.0);
    let counts = || {
        let fates = exporter.fates();
        fates.counts().map(|(_, count)| count)
    };
    rig.chat("q/echo");
    flush(&exporter);
    let bodies: Vec<Vec<u8>> = got.try_iter().map(|(_, body)| body).collect();
    assert_eq!(bodies.len(), 3);
    assert!(bodies.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(counts(), [2, 0, 0]);
    rig.chat("q/echo");
    flush(&exporter);
    assert_eq!(counts(), [2, 0, 2]);
}

#[test]
fn without_a_collector_the_callers_traceparent_goes_on_as_it_is() {
    let rig = Rig::usual();
    rig.chat_request("q/echo", "")
        .header("traceparent", TRACEPARENT)
        .send();
    assert_eq!(rig.drill.seen()[0].header("traceparent"), Some(TRACEPARENT));
}
