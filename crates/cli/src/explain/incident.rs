//! What an incident was: since when, at which target, with which cause, and what became of the calls that met it.

use std::fmt::Write;

use serde::Deserialize;

use crate::output::{self, Ink, Reader};
use crate::{figures, spans};

/// An incident and what its code means, as the admin API tells them.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    incident: Incident,
    code_facts: Option<Facts>,
}

#[derive(Debug, Deserialize)]
struct Incident {
    id: String,
    target: String,
    code: String,
    group: String,
    started_ms: u64,
    latest_ms: u64,
    ended_ms: Option<u64>,
    closed_by: Option<String>,
    attempts: u64,
    calls: u64,
    saved: u64,
    lost: u64,
    evidence: Option<String>,
    last_request: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Facts {
    meaning: String,
    fix: String,
}

/// Whether a text is meant as an incident's name.
pub(super) fn is_one(what: &str) -> bool {
    let number = what.strip_prefix("inc_");
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// The page of an incident.
pub(super) fn explain(detail: &Detail, reader: &Reader) -> String {
    const LABEL: usize = 9;
    let one = &detail.incident;
    let (began, latest) = (spans::clock(one.started_ms), spans::clock(one.latest_ms));
    let (ink, state) = match (&one.ended_ms, one.closed_by.as_deref()) {
        (None, _) => (Ink::Red, "OPEN"),
        (Some(_), Some("quiet")) => (Ink::Dim, "QUIET"),
        (Some(_), _) => (Ink::Green, "OVER"),
    };
    let mut out = format!(
        "{}\n{} {} · group {} · {}\n",
        one.id,
        reader.paint(ink, state),
        one.code,
        one.group,
        one.target
    );
    let mut line = |label: &str, text: &str| {
        let room = reader.width.saturating_sub(LABEL);
        for (number, part) in output::wrap(text, room, room).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let label = reader.paint(Ink::Bold, &format!("{label:<LABEL$}"));
            // Writing to a string cannot fail.
            writeln!(out, "{label}{part}").unwrap_or_default();
        }
    };
    let when = match (&one.ended_ms, one.closed_by.as_deref()) {
        (None, _) => format!("since {began}Z; it failed last at {latest}Z"),
        (Some(_), Some("quiet")) => {
            format!("{began}Z to {latest}Z; then nobody met it for five minutes")
        }
        (Some(_), _) => format!("{began}Z to {latest}Z; then the target answered again"),
    };
    line("When", &when);
    if let Some(facts) = &detail.code_facts {
        line("What", &facts.meaning);
    }
    if let Some(evidence) = &one.evidence {
        line("Evidence", evidence);
    }
    let plural = |count: u64, what: &str| {
        let s = if count == 1 { "" } else { "s" };
        format!("{count} {what}{s}")
    };
    let share = match one.saved + one.lost {
        0 => String::new(),
        ended => format!(" ({} %)", figures::percent(one.saved, ended)),
    };
    let toll = format!(
        "{} hit, {}: {} answered all the same{share}, {} lost",
        plural(one.calls, "call"),
        plural(one.attempts, "failed attempt"),
        one.saved,
        one.lost
    );
    line("Calls", &toll);
    if let Some(facts) = &detail.code_facts {
        line("Fix", &facts.fix);
    }
    let more = match &one.last_request {
        Some(request) => format!("goodgate explain {request} (the last call that met it)"),
        None => format!("goodgate explain {}", one.code),
    };
    line("More", &more);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(change: &Value) -> String {
        let mut detail = json!({"code_facts": {"meaning": "A proxy could not.", "fix": "Look at it."}, "incident": {
            "id": "inc_0142", "target": "openai/gpt-5-mini", "code": "bad_gateway", "group": "upstream",
            "started_ms": 7_200_000, "latest_ms": 7_260_000, "ended_ms": null, "closed_by": null, "attempts": 340,
            "calls": 312, "saved": 300, "lost": 12, "evidence": "text/html, 153 bytes", "last_request": "req_1"}});
        for (name, value) in change.as_object().unwrap() {
            detail["incident"][name] = value.clone();
        }
        let detail: Detail = serde_json::from_value(detail).unwrap();
        explain(&detail, &Reader::plain(100))
    }

    #[test]
    fn an_open_one_tells_since_when_what_and_what_became_of_the_calls() {
        assert_eq!(
            check(&json!({})),
            "inc_0142\nOPEN bad_gateway · group upstream · openai/gpt-5-mini\n\
             When     since 02:00:00Z; it failed last at 02:01:00Z\n\
             What     A proxy could not.\n\
             Evidence text/html, 153 bytes\n\
             Calls    312 calls hit, 340 failed attempts: 300 answered all the same (96.1 %), 12 lost\n\
             Fix      Look at it.\n\
             More     goodgate explain req_1 (the last call that met it)\n"
        );
    }

    #[test]
    fn one_that_is_over_tells_how_it_ended() {
        let healed = check(
            &json!({"ended_ms": 7_260_000, "closed_by": "health", "calls": 1, "attempts": 1}),
        );
        assert!(healed.contains("OVER bad_gateway"), "{healed}");
        assert!(
            healed.contains("02:00:00Z to 02:01:00Z; then the target answered again"),
            "{healed}"
        );
        assert!(healed.contains("1 call hit, 1 failed attempt:"), "{healed}");
        let quiet = check(
            &json!({"ended_ms": 7_260_000, "closed_by": "quiet", "saved": 0, "lost": 0, "last_request": null}),
        );
        assert!(
            quiet.contains("QUIET") && quiet.contains("nobody met it"),
            "{quiet}"
        );
        assert!(quiet.contains("0 answered all the same, 0 lost"), "{quiet}");
        assert!(
            quiet.contains("More     goodgate explain bad_gateway\n"),
            "{quiet}"
        );
    }

    #[test]
    fn names_of_incidents_are_told_from_everything_else() {
        assert!(is_one("inc_0142") && is_one("inc_1"));
        for other in ["inc_", "inc_x", "incident_reported", "req_1"] {
            assert!(!is_one(other), "{other}");
        }
    }
}
