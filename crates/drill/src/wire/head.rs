//! The bytes of an answer's head, odd ones too.

use crate::answer::{Answer, reason_phrase};
use crate::faults::{Fault, HeadQuirk, LengthLie};

/// How the answer is framed, as its head says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framing {
    pub(crate) chunked: bool,
    pub(crate) length: Option<usize>,
    pub(crate) close: bool,
    pub(crate) http10: bool,
}

/// Builds a head.
pub(crate) fn build(answer: &Answer, faults: &[Fault], framing: &Framing) -> Vec<u8> {
    let quirks: Vec<HeadQuirk> = faults
        .iter()
        .filter_map(|fault| match fault {
            Fault::Head { quirk } => Some(*quirk),
            _ => None,
        })
        .collect();
    let has = |quirk| quirks.contains(&quirk);
    let status = if has(HeadQuirk::Status999) {
        999
    } else {
        answer.status
    };
    let reason = match answer.reason.as_str() {
        _ if has(HeadQuirk::NoReason) => "",
        "" => reason_phrase(status),
        given => given,
    };
    let version = if framing.http10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let mut lines = vec![format!("{version} {status} {reason}")];
    for (name, value) in &answer.headers {
        // Nothing that a script says may end a line early.
        lines.push(format!("{name}: {value}").replace(['\r', '\n'], " "));
    }
    let given = |name: &str| {
        answer
            .headers
            .iter()
            .any(|(n, _)| n.eq_ignore_ascii_case(name))
    };
    if !given("server") {
        lines.push("server: goodgate-drill".to_owned());
    }
    lines.extend(framing_lines(faults, framing));
    lines.extend(quirk_lines(&quirks));
    if framing.close && !given("connection") {
        lines.push("connection: close".to_owned());
    }
    let end = if has(HeadQuirk::BareLf) { "\n" } else { "\r\n" };
    let mut text = String::new();
    if has(HeadQuirk::ContinueFirst) {
        text.push_str("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if has(HeadQuirk::EarlyHints) {
        text.push_str("HTTP/1.1 103 Early Hints\r\nlink: </drill.css>; rel=preload\r\n\r\n");
    }
    for line in lines {
        text.push_str(&line);
        text.push_str(end);
    }
    text.push_str(end);
    text.into_bytes()
}

fn framing_lines(faults: &[Fault], framing: &Framing) -> Vec<String> {
    let lie = faults.iter().find_map(|fault| match fault {
        Fault::Length { lie } => Some(*lie),
        _ => None,
    });
    let length = framing.length.unwrap_or(0);
    let says = |text: String| format!("content-length: {text}");
    let mut lines = Vec::new();
    match lie {
        Some(LengthLie::TooLarge) => lines.push(says(length.saturating_add(64).to_string())),
        Some(LengthLie::TooSmall) => lines.push(says((length / 2).to_string())),
        Some(LengthLie::Differing) => {
            lines.push(says(length.to_string()));
            lines.push(says(length.saturating_add(7).to_string()));
        }
        Some(LengthLie::Twice) => {
            lines.push(says(length.to_string()));
            lines.push(says(length.to_string()));
        }
        Some(LengthLie::List) => lines.push(says(format!("{length}, {length}"))),
        Some(LengthLie::WithChunked) => lines.push(says("17".to_owned())),
        Some(LengthLie::Negative) => lines.push(says("-1".to_owned())),
        Some(LengthLie::NoNumber) => lines.push(says("many".to_owned())),
        Some(LengthLie::Overflow) => lines.push(says("99999999999999999999999".to_owned())),
        None => {
            if let Some(length) = framing.length {
                lines.push(says(length.to_string()));
            }
        }
    }
    if framing.chunked {
        lines.push("transfer-encoding: chunked".to_owned());
    }
    lines
}

fn quirk_lines(quirks: &[HeadQuirk]) -> Vec<String> {
    let mut lines = Vec::new();
    for quirk in quirks {
        match quirk {
            HeadQuirk::Huge => {
                lines.push(format!(
                    "content-security-policy: {}",
                    "x".repeat(128 * 1024)
                ));
            }
            HeadQuirk::Many => {
                lines.extend((0..500).map(|n| format!("x-drill-{n}: {n}")));
            }
            HeadQuirk::Folded => lines.push("x-drill: one\r\n two".to_owned()),
            HeadQuirk::ControlByte => lines.push("x-drill: a\u{1}b\u{0}c".to_owned()),
            HeadQuirk::SpaceBeforeColon => lines.push("x-drill : spaced".to_owned()),
            HeadQuirk::NoColon => lines.push("x-drill without a colon".to_owned()),
            _ => {}
        }
    }
    lines
}
