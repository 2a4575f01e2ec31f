//! What faults do to an answer before it is framed: another status, another body, a broken stream.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{BodyLie, EncodingLie, Fault, HeadQuirk, StreamLie};
use crate::answer::{Answer, Body, Event, EventKind};
use crate::json::{Json, object};
use crate::models::Style;

/// How much content a stream brings before it breaks.
const CONTENT_BEFORE: usize = 3;

/// Changes an answer as a fault says. What concerns framing alone is `wire`'s.
pub(crate) fn bend(fault: &Fault, answer: &mut Answer, style: Style) {
    match fault {
        Fault::Status {
            status,
            reason,
            headers,
            body,
        } => {
            *answer = substitute(*status, reason.as_deref(), headers, body);
        }
        Fault::Encoding { lie } => encode(*lie, answer),
        Fault::Body { lie } => bend_body(*lie, answer, style),
        Fault::Stream { lie } => bend_stream(*lie, answer, style),
        Fault::Head {
            quirk: HeadQuirk::NoContentWithBody,
        } => answer.status = 204,
        Fault::Head {
            quirk: HeadQuirk::NotModified,
        } => answer.status = 304,
        Fault::Head {
            quirk: HeadQuirk::SwitchingProtocols,
        } => {
            answer.status = 101;
            answer.set("upgrade", "drill");
            answer.set("connection", "upgrade");
        }
        _ => {}
    }
}

/// Another answer altogether.
fn substitute(
    status: u16,
    reason: Option<&str>,
    headers: &[(String, String)],
    body: &serde_json::Value,
) -> Answer {
    let (content_type, text) = match body {
        serde_json::Value::Null => ("text/plain", String::new()),
        serde_json::Value::String(text) if text.trim_start().starts_with('<') => {
            ("text/html; charset=utf-8", text.clone())
        }
        serde_json::Value::String(text) => ("text/plain; charset=utf-8", text.clone()),
        json => ("application/json", json.to_string()),
    };
    let mut answer = Answer::whole(status, content_type, text);
    reason.unwrap_or_default().clone_into(&mut answer.reason);
    for (name, value) in headers {
        answer.set(name, value);
    }
    answer
}

fn encode(lie: EncodingLie, answer: &mut Answer) {
    let plain = answer.body_bytes();
    let name = if lie == EncodingLie::Unknown {
        "drill"
    } else {
        "gzip"
    };
    let bytes = match lie {
        EncodingLie::NotGzip | EncodingLie::Unknown => plain,
        EncodingLie::Gzip => Bytes::from(gzip(&plain)),
        EncodingLie::TruncatedGzip => {
            let whole = gzip(&plain);
            Bytes::copy_from_slice(whole.get(..whole.len() / 2).unwrap_or_default())
        }
        EncodingLie::WrongChecksum => {
            let mut whole = gzip(&plain);
            // The checksum is the first four of the last eight bytes (RFC 1952, 2.3.1).
            let at = whole.len().saturating_sub(8);
            for byte in whole.iter_mut().skip(at).take(4) {
                *byte ^= 0xff;
            }
            Bytes::from(whole)
        }
    };
    answer.set("content-encoding", name);
    answer.body = match &answer.body {
        Body::Whole(_) => Body::Whole(bytes),
        Body::Events(_) => Body::Events(vec![Event::raw(EventKind::Content, bytes)]),
    };
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail; what could not be written would be an empty body.
    if encoder.write_all(bytes).is_err() {
        return Vec::new();
    }
    encoder.finish().unwrap_or_default()
}

fn bend_body(lie: BodyLie, answer: &mut Answer, style: Style) {
    let plain = answer.body_bytes();
    let page = "<!DOCTYPE html>\n<html>\n<head><title>Sign in</title></head>\n<body><form \
                action=\"/login\"><input name=\"user\"></form></body>\n</html>\n";
    let mut content_type = "application/json";
    let body = match lie {
        BodyLie::Empty => Bytes::new(),
        BodyLie::CutJson => plain.slice(..plain.len() / 2),
        BodyLie::Html => {
            content_type = "text/html; charset=utf-8";
            Bytes::from_static(page.as_bytes())
        }
        BodyLie::HtmlAsJson => Bytes::from_static(page.as_bytes()),
        BodyLie::WrongShape => Bytes::from_static(br#"{"status":"ok","items":[1,2,3]}"#),
        BodyLie::Null => Bytes::from_static(b"null"),
        BodyLie::ErrorObject => Bytes::from(error_object(style).to_string()),
        BodyLie::InvalidUtf8 => {
            // Inside the first string: still JSON to those who do not look.
            let mut bytes = plain.to_vec();
            let at = bytes.iter().rposition(|b| *b == b'"').unwrap_or(0);
            bytes.splice(at..at, [0xff, 0xfe]);
            Bytes::from(bytes)
        }
        BodyLie::LeadingSpace => Bytes::from([b"\n\n \t\n", &plain[..]].concat()),
        BodyLie::Twice => Bytes::from([&plain[..], &plain[..]].concat()),
        BodyLie::Oversized => {
            let text = "x".repeat(41 * 1024 * 1024);
            Bytes::from(object! { "padding" => text }.to_string())
        }
    };
    answer.status = 200;
    answer.set("content-type", content_type);
    answer.body = Body::Whole(body);
}

/// The error that a style reports from within an answer.
fn error_object(style: Style) -> Json {
    let message = "The server had an error while processing your request.";
    match style {
        Style::Anthropic => object! {
            "type" => "error",
            "error" => object! { "type" => "overloaded_error", "message" => "Overloaded" },
        },
        Style::Gemini => object! {
            "error" => object! {
                "code" => 503, "message" => "The model is overloaded. Please try again later.",
                "status" => "UNAVAILABLE",
            },
        },
        Style::Mistral => object! {
            "object" => "error", "message" => message, "type" => "internal_server_error",
            "param" => Json::null(), "code" => "1000",
        },
        Style::All | Style::OpenAi => plain_error(message),
    }
}

fn plain_error(message: &str) -> Json {
    object! {
        "error" => object! {
            "message" => message, "type" => "server_error", "param" => Json::null(),
            "code" => Json::null(),
        },
    }
}

/// The event by which a style reports an error.
fn error_event(style: Style) -> Event {
    let error = error_object(style);
    match style {
        Style::Anthropic => Event::named(EventKind::Terminal, "error", &error),
        _ => Event::data(EventKind::Terminal, &error),
    }
}

fn bend_stream(lie: StreamLie, answer: &mut Answer, style: Style) {
    let Body::Events(events) = &mut answer.body else {
        return;
    };
    let object = || {
        Event::data(
            EventKind::Terminal,
            &plain_error("The upstream provider returned an error."),
        )
    };
    match lie {
        StreamLie::NoTerminal => cut_after_content(events),
        StreamLie::NoDone => events.retain(|event| event.kind != EventKind::Terminal),
        StreamLie::Empty => events.clear(),
        StreamLie::CommentsOnly => {
            *events = vec![Event::raw(EventKind::Lifecycle, ": working\n\n"); 3];
        }
        StreamLie::TerminalOnly => events.retain(|event| event.kind == EventKind::Terminal),
        StreamLie::MalformedJson => {
            insert_mid(
                events,
                Event::raw(EventKind::Content, "data: {\"choices\":[{\"del\n\n"),
            );
        }
        StreamLie::InvalidUtf8 => {
            let bytes: &[u8] = b"data: {\"text\":\"\xff\xfe\xc3\x28\"}\n\n";
            insert_mid(events, Event::raw(EventKind::Content, bytes));
        }
        StreamLie::OversizedEvent => {
            let event = object! { "padding" => "x".repeat(9 * 1024 * 1024) };
            insert_mid(events, Event::data(EventKind::Content, &event));
        }
        StreamLie::ErrorFirst => *events = vec![error_event(style)],
        StreamLie::ErrorObjectFirst => *events = vec![object()],
        StreamLie::ErrorMid => {
            cut_after_content(events);
            events.push(error_event(style));
        }
        StreamLie::ErrorObject => {
            cut_after_content(events);
            events.push(object());
        }
        StreamLie::HtmlMid => {
            cut_after_content(events);
            let page = "<html><head><title>502 Bad Gateway</title></head></html>\n";
            events.push(Event::raw(EventKind::Terminal, page));
        }
        // The answer is made whole in the first place.
        StreamLie::WholeJson => {}
        StreamLie::Comments => {
            let comment = || Event::raw(EventKind::Lifecycle, ": keep-alive\n\n\n");
            *events = std::mem::take(events)
                .into_iter()
                .flat_map(|e| [comment(), e])
                .collect();
        }
        StreamLie::Crlf => events.iter_mut().for_each(with_crlf),
        StreamLie::NoBlankLine => {
            if let Some(last) = events.last_mut() {
                last.bytes.truncate(last.bytes.trim_ascii_end().len());
            }
        }
        StreamLie::AfterEnd => {
            let again = events
                .iter()
                .find(|event| event.kind == EventKind::Content)
                .cloned();
            events.extend(again);
        }
    }
}

fn with_crlf(event: &mut Event) {
    let text = String::from_utf8_lossy(&event.bytes).replace("\r\n", "\n");
    event.bytes = Bytes::from(text.replace('\n', "\r\n"));
}

fn cut_after_content(events: &mut Vec<Event>) {
    let mut content = 0_usize;
    let all = events
        .iter()
        .filter(|event| event.kind == EventKind::Content)
        .count();
    // Short answers break as well, but never before their first content.
    let wanted = CONTENT_BEFORE.min(all);
    events.retain(|event| {
        let keep = content < wanted && event.kind != EventKind::Terminal;
        content = content.saturating_add(usize::from(event.kind == EventKind::Content));
        keep
    });
}

fn insert_mid(events: &mut Vec<Event>, event: Event) {
    let content = events
        .iter()
        .enumerate()
        .filter(|(_, e)| e.kind == EventKind::Content);
    let at = content
        .map(|(n, _)| n.saturating_add(1))
        .take(2)
        .last()
        .unwrap_or(events.len());
    events.insert(at.min(events.len()), event);
}
