//! One stored call: what happened in order, whose fault, what to do.

use std::fmt::Write;

use serde::Deserialize;

use crate::output::{Reader, wrap};
use crate::spans;

/// What of the admin API's answer is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Detail {
    request: Call,
    error: Option<serde_json::Value>,
    #[serde(default)]
    not_tried: Vec<NotTried>,
    #[serde(default)]
    incident: Option<Incident>,
    #[serde(default)]
    losses: Vec<Loss>,
}

#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    started_ms: u64,
    outcome: String,
    status: Option<u16>,
    method: String,
    path: String,
    model: Option<String>,
    served_by: Option<String>,
    key: Option<String>,
    code: Option<String>,
    origin: Option<String>,
    stop_reason: Option<String>,
    total_ms: u64,
    client: Client,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Client {
    request_id: Option<String>,
    agent: Option<String>,
    retry_count: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    n: u32,
    target: String,
    at_ms: u64,
    ms: u64,
    status: Option<u16>,
    code: Option<String>,
    evidence: Option<String>,
    detail: Option<String>,
    next: String,
}

#[derive(Debug, Deserialize)]
struct NotTried {
    target: String,
    why: String,
    #[serde(default)]
    incident: Option<Incident>,
}

#[derive(Debug, Deserialize)]
struct Incident {
    id: String,
    target: String,
    code: String,
    started_ms: u64,
    ended_ms: Option<u64>,
    calls: u64,
    saved: u64,
    lost: u64,
}

#[derive(Debug, Deserialize)]
struct Loss {
    field: String,
    why: String,
}

/// Columns of the bars, on wide terminals and on narrow ones.
const BAR_WIDE: u64 = 36;
const BAR_NARROW: u64 = 20;

/// Fewer columns are too few for what happened: it goes below.
const FEWEST: usize = 44;

/// Columns of a label and its space.
const LABEL: usize = 9;

/// The explanation.
pub(super) fn explain(detail: &Detail, reader: &Reader) -> String {
    let mut page = Page {
        out: String::new(),
        width: reader.width,
    };
    let call = &detail.request;
    page.head(call);
    page.why(detail);
    page.timeline(call);
    for skipped in &detail.not_tried {
        page.line("Skipped", &passed_over(skipped));
    }
    if let Some(incident) = &detail.incident {
        page.line("Others", &others(incident));
    }
    for loss in &detail.losses {
        page.line("Lost", &format!("{}: {}", loss.field, loss.why));
    }
    page.client(&call.client);
    page.fixes(detail);
    page.out
}

/// `vllm-a/qwen3: circuit_open since 13:58:00Z (connection_refused, inc_0141)`
fn passed_over(
    NotTried {
        target,
        why,
        incident,
    }: &NotTried,
) -> String {
    match incident {
        None => format!("{target}: {why}"),
        Some(one) => format!(
            "{target}: {why} since {}Z ({}, {})",
            spans::clock(one.started_ms),
            one.code,
            one.id
        ),
    }
}

/// `312 calls, same cause (openai/gpt-5-mini bad_gateway), since 14:00:31Z (inc_0142); 96 % answered all the same`.
fn others(incident: &Incident) -> String {
    let Incident {
        id,
        target,
        code,
        started_ms,
        ended_ms,
        calls,
        saved,
        lost,
    } = incident;
    let began = spans::clock(*started_ms);
    let span = match ended_ms {
        None => format!("since {began}Z"),
        Some(ended) => format!("from {began}Z to {}Z", spans::clock(*ended)),
    };
    let calls = match calls {
        1 => "1 call".to_owned(),
        calls => format!("{calls} calls"),
    };
    let share = (saved * 100)
        .checked_div(saved + lost)
        .map(|percent| format!("; {percent} % answered all the same"))
        .unwrap_or_default();
    format!("{calls}, same cause ({target} {code}), {span} ({id}){share}")
}

/// The attempts alone.
pub(super) fn attempts(detail: &Detail, reader: &Reader) -> String {
    let mut page = Page {
        out: String::new(),
        width: reader.width,
    };
    page.timeline(&detail.request);
    page.out
}

/// What is written, and how many columns it may have.
struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn head(&mut self, call: &Call) {
        let mut parts = vec![format!(
            "{}{}{}",
            call.outcome.to_uppercase(),
            call.status
                .map(|status| format!(" {status}"))
                .unwrap_or_default(),
            call.code
                .as_ref()
                .map(|code| format!(" {code}"))
                .unwrap_or_default()
        )];
        parts.extend(
            call.origin
                .as_ref()
                .map(|origin| format!("origin {origin}")),
        );
        parts.push(format!("{} {}", call.method, call.path));
        parts.extend(call.model.as_ref().map(|model| format!("model {model}")));
        parts.extend(call.key.as_ref().map(|key| format!("key {key}")));
        parts.push(format!("{}Z", spans::clock(call.started_ms)));
        parts.push(spans::exact(call.total_ms));
        self.push(format_args!("{}\n", call.id));
        let text = parts.join(" · ");
        self.paragraph(0, &text);
    }

    fn why(&mut self, detail: &Detail) {
        let call = &detail.request;
        let message = detail.error.as_ref().and_then(|body| {
            let error = body.get("error").unwrap_or(body);
            error
                .get("message")
                .or_else(|| error.get("detail"))
                .and_then(serde_json::Value::as_str)
        });
        match (message, &call.served_by) {
            (Some(message), _) => self.line("Why", message),
            (None, Some(target)) if call.outcome == "recovered" => {
                let failed: Vec<_> = call
                    .attempts
                    .iter()
                    .filter(|attempt| attempt.code.is_some())
                    .collect();
                let told: Vec<_> = failed
                    .iter()
                    .map(|a| format!("{} {}", a.target, a.code.as_deref().unwrap_or("")))
                    .collect();
                self.line("Why", &format!("{}; {target} answered.", told.join(", ")));
            }
            (None, Some(target)) => self.line("Why", &format!("{target} answered.")),
            (None, None) => self.line("Why", "the client left before there was an answer."),
        }
        let whose = match call.origin.as_deref() {
            Some("client") => "the caller's: the request itself.",
            Some("gateway") => {
                "the gateway's settings or its account at the provider; the request is fine."
            }
            Some("network") => {
                "the network between the gateway and the provider; the request is fine."
            }
            Some("upstream") => "the provider's; the request and the caller's key are fine.",
            _ => return,
        };
        self.line("Whose", whose);
        if let Some(reason) = &call.stop_reason {
            self.line("Stopped", reason);
        }
    }

    fn timeline(&mut self, call: &Call) {
        if call.attempts.is_empty() {
            return;
        }
        let whole = call.total_ms.max(1);
        let bars = if self.width < 100 {
            BAR_NARROW
        } else {
            BAR_WIDE
        };
        let width = call
            .attempts
            .iter()
            .map(|attempt| attempt.target.chars().count())
            .max()
            .unwrap_or(0);
        for attempt in &call.attempts {
            let start = (attempt.at_ms * bars / whole).min(bars - 1);
            let length = (attempt.ms * bars / whole).clamp(1, bars - start);
            let bar = format!("{}{}", " ".repeat(index(start)), "█".repeat(index(length)));
            let rest = " ".repeat(index(bars - start - length));
            let shown = attempt.detail.as_ref().or(attempt.evidence.as_ref());
            let what = match (&attempt.code, attempt.status) {
                (Some(code), _) => format!("{code}: {}", shown.map_or("", String::as_str)),
                (None, Some(status)) => status.to_string(),
                (None, None) => String::new(),
            };
            let prefix = format!(
                "{:>2} {:<width$}  {bar}{rest} {:>6} ms",
                attempt.n, attempt.target, attempt.ms
            );
            let text = format!("{what} -> {}", attempt.next);
            let used = prefix.chars().count() + 2;
            self.push(format_args!("{prefix}"));
            if self.width.saturating_sub(used) >= text.chars().count().min(FEWEST) {
                self.out.push_str("  ");
                self.hanging(used, &text);
            } else {
                self.out.push('\n');
                self.paragraph(3, &text);
            }
        }
    }

    fn client(&mut self, client: &Client) {
        let mut parts: Vec<String> = client.agent.iter().cloned().collect();
        parts.extend(client.request_id.as_ref().map(|id| format!("its id {id}")));
        parts.extend(client.retry_count.map(|count| format!("its retry {count}")));
        if !parts.is_empty() {
            self.line("Client", &parts.join(", "));
        }
    }

    fn fixes(&mut self, detail: &Detail) {
        let fixes = detail.error.as_ref().and_then(|body| {
            let ours = body
                .get("error")
                .unwrap_or(body)
                .get("goodgate")
                .or_else(|| body.get("goodgate"))?;
            ours.get("fix")?.as_array()
        });
        for (number, fix) in fixes.into_iter().flatten().enumerate() {
            let fix = fix.as_str().unwrap_or_default();
            self.line(if number == 0 { "Fix" } else { "" }, fix);
        }
        if let Some(code) = &detail.request.code {
            self.line("More", &format!("goodgate explain {code}"));
        }
    }

    /// A label and a text, which is broken where the line is full.
    fn line(&mut self, label: &str, text: &str) {
        self.push(format_args!("{label:<8} "));
        self.hanging(LABEL, text);
    }

    /// A text in lines, the first of which has begun at that column.
    fn hanging(&mut self, indent: usize, text: &str) {
        let room = self.width.saturating_sub(indent);
        for (number, line) in wrap(text, room, room).iter().enumerate() {
            let gap = if number == 0 { 0 } else { indent };
            self.push(format_args!("{:gap$}{line}\n", ""));
        }
    }

    fn paragraph(&mut self, indent: usize, text: &str) {
        self.push(format_args!("{:indent$}", ""));
        self.hanging(indent, text);
    }

    /// Writing to a string cannot fail.
    fn push(&mut self, text: std::fmt::Arguments<'_>) {
        self.out.write_fmt(text).unwrap_or_default();
    }
}

fn index(count: u64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incident_tells_how_many_others_met_it_and_what_became_of_them() {
        let check = |ended: Option<u64>, saved: u64, lost: u64, wanted: &str| {
            let incident: Incident = serde_json::from_value(serde_json::json!({
                "id": "inc_0142", "target": "a/m", "code": "bad_gateway", "started_ms": 50_431_000_u64,
                "ended_ms": ended, "calls": 312, "saved": saved, "lost": lost,
            }))
            .unwrap();
            assert_eq!(others(&incident), wanted);
        };
        check(
            None,
            300,
            12,
            "312 calls, same cause (a/m bad_gateway), since 14:00:31Z (inc_0142); 96 % answered all the same",
        );
        check(
            Some(50_440_000),
            0,
            0,
            "312 calls, same cause (a/m bad_gateway), from 14:00:31Z to 14:00:40Z (inc_0142)",
        );
    }

    #[test]
    fn a_failed_call_shows_each_attempt_with_its_code_time_and_what_followed() {
        let call: Detail = serde_json::from_value(serde_json::json!({"request": {
            "id": "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP", "started_ms": 1_790_000_000_000_u64, "outcome": "failed",
            "status": 502, "method": "POST", "path": "/v1/chat/completions", "model": "smart", "served_by": null,
            "key": "dev", "code": "bad_gateway", "origin": "upstream", "stop_reason": "no_other_target",
            "total_ms": 2000, "client": {"request_id": null, "agent": "openai-python", "retry_count": 0},
            "attempts": [
                {"n": 1, "target": "a/m", "at_ms": 0, "ms": 800, "status": 502, "code": "bad_gateway",
                 "evidence": "text/html", "detail": null, "next": "next_target"},
                {"n": 2, "target": "b/m", "at_ms": 820, "ms": 1180, "status": null, "code": "connection_timeout",
                 "evidence": "no SYN-ACK", "detail": null, "next": "exhausted"}]},
            "error": {"error": {"message": "All failed.", "goodgate": {"fix": ["Wait.", "Add a target."]}}},
        }))
        .unwrap();
        let text = explain(&call, &Reader::plain(200));
        for part in [
            "FAILED 502 bad_gateway",
            "origin upstream",
            "model smart",
            "2.00 s",
            "Why      All failed.",
            "1 a/m",
            "800 ms  bad_gateway: text/html -> next_target",
            "1180 ms  connection_timeout: no SYN-ACK -> exhausted",
            "Fix      Wait.",
            "Add a target.",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
    }

    #[test]
    fn narrow_terminals_get_whole_words() {
        let call: Detail = serde_json::from_value(serde_json::json!({"request": {
            "id": "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP", "started_ms": 0, "outcome": "failed",
            "status": 502, "method": "POST", "path": "/v1/chat/completions", "model": "smart", "served_by": null,
            "key": "dev", "code": "bad_gateway", "origin": "upstream", "stop_reason": null, "total_ms": 2000,
            "client": {"request_id": null, "agent": null, "retry_count": null},
            "attempts": [{"n": 1, "target": "a-provider/a-model-with-a-long-name", "at_ms": 0, "ms": 800, "status": 502,
                "code": "bad_gateway", "evidence": "text/html, 153 bytes, server: cloudflare, cf-ray 8f4ab-AMS",
                "detail": null, "next": "next_target"}]},
            "error": {"error": {"message": "All of the attempts for this call failed, and this is a long text."}},
        }))
        .unwrap();
        for width in [80, 120] {
            let text = explain(&call, &Reader::plain(width));
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(text.contains("cf-ray 8f4ab-AMS"), "{text}");
        }
    }

    #[test]
    fn a_call_without_time_or_attempts_is_explained_all_the_same() {
        let call: Detail = serde_json::from_value(serde_json::json!({"request": {
            "id": "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP", "started_ms": 0, "outcome": "cancelled", "status": null,
            "method": "POST", "path": "/v1/chat/completions", "model": null, "served_by": null, "key": null,
            "code": null, "origin": null, "stop_reason": null, "total_ms": 0,
            "client": {"request_id": null, "agent": null, "retry_count": null}, "attempts": []}, "error": null,
        }))
        .unwrap();
        assert!(explain(&call, &Reader::plain(80)).contains("the client left"));
    }
}
