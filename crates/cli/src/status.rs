//! `status`: one screen about the running gateway.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::output::{self, Ink, Reader};
use crate::running::{NotAsked, Running, Which};
use crate::{figures, spans};

/// What `status` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Print nothing: the exit code tells (0 it answers, 6 it does not).
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Print what the admin API answers, as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is shown of the admin API's answers.
#[derive(Debug, Deserialize)]
struct Status {
    version: String,
    pid: u32,
    started_ms: u64,
    now_ms: u64,
    base_url: String,
    config: Config,
    demo: bool,
    in_flight: u64,
    storage: Storage,
}

#[derive(Debug, Deserialize)]
struct Config {
    version: u64,
    file: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Storage {
    queued: u64,
    trouble: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Summary {
    calls: u64,
    by_outcome: Outcomes,
    cost_nano_usd: u64,
    ttft: Spread,
    total: Spread,
}

#[derive(Debug, Deserialize)]
struct Outcomes {
    ok: u64,
    recovered: u64,
    cached: u64,
    failed: u64,
    refused: u64,
    cancelled: u64,
}

#[derive(Debug, Deserialize)]
struct Spread {
    p50_ms: Option<u64>,
    p95_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Providers {
    providers: Vec<Provider>,
}

#[derive(Debug, Deserialize)]
struct Provider {
    id: String,
    #[serde(default)]
    drained: Vec<Drain>,
    #[serde(default)]
    maintenance: Vec<Window>,
}

#[derive(Debug, Deserialize)]
struct Drain {
    name: String,
    until_ms: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Window {
    end_ms: u64,
    is_now: bool,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match shown(arguments) {
        Ok(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            if !arguments.quiet {
                output::talk(&format!("goodgate: {error}\n"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn shown(arguments: &Arguments) -> Result<String, NotAsked> {
    let running = Running::find(&arguments.which)?;
    let status: Value = running.read("/api/v1/status")?;
    if arguments.quiet {
        return Ok(String::new());
    }
    // Where the store cannot be read, the rest is told all the same.
    let summary: Option<Value> = running.read("/api/v1/summary?minutes=60&demo=include").ok();
    let providers: Value = running.read("/api/v1/providers")?;
    if arguments.json {
        let all =
            json!({"status": status, "summary": summary, "providers": providers.get("providers")});
        return Ok(format!("{all}\n"));
    }
    let understood = |value: Value| serde_json::from_value(value).map_err(NotAsked::NotUnderstood);
    let status: Status = understood(status)?;
    let summary: Option<Summary> = summary.and_then(|summary| serde_json::from_value(summary).ok());
    let providers: Providers =
        serde_json::from_value(providers).map_err(NotAsked::NotUnderstood)?;
    Ok(screen(
        &status,
        summary.as_ref(),
        &providers.providers,
        &Reader::now(),
    ))
}

fn screen(
    status: &Status,
    summary: Option<&Summary>,
    providers: &[Provider],
    reader: &Reader,
) -> String {
    let mut out = String::new();
    let up = spans::rough(Duration::from_millis(
        status.now_ms.saturating_sub(status.started_ms),
    ));
    let config = match &status.config.file {
        Some(file) => format!("{file} v{}", status.config.version),
        None => format!("from the environment, v{}", status.config.version),
    };
    let demo = if status.demo { " · DEMO MODE" } else { "" };
    line(
        &mut out,
        reader,
        "gateway",
        &[
            format!("goodgate {}", status.version),
            status.base_url.clone(),
            format!("pid {}", status.pid),
            format!("up {up}{demo}"),
        ],
    );
    line(&mut out, reader, "config", &[config]);
    match summary {
        Some(summary) => last_hour(&mut out, reader, summary),
        None => line(
            &mut out,
            reader,
            "last hour",
            &["the store cannot be read".to_owned()],
        ),
    }
    line(
        &mut out,
        reader,
        "running",
        &[format!(
            "{} call{}",
            status.in_flight,
            if status.in_flight == 1 { "" } else { "s" }
        )],
    );
    let states: Vec<String> = providers
        .iter()
        .map(|one| state(one, status.now_ms))
        .collect();
    if !states.is_empty() {
        line(&mut out, reader, "providers", &states);
    }
    let storage = match &status.storage.trouble {
        Some(trouble) => reader.paint(Ink::Red, &format!("✗ {trouble}")),
        None => format!("✓ {} rows wait to be written", status.storage.queued),
    };
    line(&mut out, reader, "storage", &[storage]);
    out
}

fn last_hour(out: &mut String, reader: &Reader, summary: &Summary) {
    let by = &summary.by_outcome;
    if summary.calls == 0 {
        return line(out, reader, "last hour", &["no calls".to_owned()]);
    }
    let share =
        |name: &str, part: u64| format!("{name} {} %", figures::percent(part, summary.calls));
    let mut parts = vec![
        format!(
            "{} call{}",
            summary.calls,
            if summary.calls == 1 { "" } else { "s" }
        ),
        share("ok", by.ok + by.cached),
        share("recovered", by.recovered),
        share("lost", by.failed),
    ];
    for (name, count) in [
        ("refused", by.refused),
        ("left by the client", by.cancelled),
    ] {
        if count > 0 {
            parts.push(format!("{name} {count}"));
        }
    }
    parts.push(figures::money(summary.cost_nano_usd));
    line(out, reader, "last hour", &parts);
    let spread = |name: &str, spread: &Spread| {
        let (p50, p95) = (spread.p50_ms?, spread.p95_ms?);
        Some(format!(
            "{name} p50 {}, p95 {}",
            spans::exact(p50),
            spans::exact(p95)
        ))
    };
    let times = [
        spread("first content", &summary.ttft),
        spread("whole", &summary.total),
    ];
    let times: Vec<String> = times.into_iter().flatten().collect();
    if !times.is_empty() {
        line(out, reader, "", &times);
    }
}

/// `openai`, `azure-us ⊘ drained until 15:04Z (deploy)`.
fn state(provider: &Provider, now_ms: u64) -> String {
    let until = |until_ms: Option<u64>| match until_ms {
        Some(until) => format!(" until {}Z", spans::clock(until)),
        None => String::new(),
    };
    let whole = provider
        .drained
        .iter()
        .find(|drain| drain.name == provider.id);
    if let Some(drain) = whole.filter(|drain| drain.until_ms.is_none_or(|until| until > now_ms)) {
        let why = drain
            .reason
            .as_ref()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        return format!("{} ⊘ drained{}{why}", provider.id, until(drain.until_ms));
    }
    if let Some(window) = provider.maintenance.iter().find(|window| window.is_now) {
        return format!(
            "{} ⊘ maintenance{}",
            provider.id,
            until(Some(window.end_ms))
        );
    }
    match provider.drained.len() {
        0 => provider.id.clone(),
        1 => format!("{} (1 model drained)", provider.id),
        count => format!("{} ({count} models drained)", provider.id),
    }
}

/// A label and parts, broken where the line is full.
fn line(out: &mut String, reader: &Reader, label: &str, parts: &[String]) {
    const LABEL: usize = 11;
    let mut lines = vec![String::new()];
    for part in parts {
        let Some(last) = lines.last_mut() else { break };
        let room = LABEL + last.chars().count() + 3 + part.chars().count();
        if last.is_empty() {
            last.push_str(part);
        } else if room <= reader.width {
            last.push_str(" · ");
            last.push_str(part);
        } else {
            lines.push(part.clone());
        }
    }
    for (number, text) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let label = reader.paint(Ink::Bold, &format!("{label:<LABEL$}"));
        // Writing to a string cannot fail.
        writeln!(out, "{label}{text}").unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(summary: Value, width: usize) -> String {
        let status: Status = serde_json::from_value(json!({
            "version": "0.1.0", "pid": 7, "started_ms": 0, "now_ms": 7_200_000, "demo": false, "in_flight": 1,
            "base_url": "http://127.0.0.1:4000", "config": {"version": 3, "file": "/etc/goodgate/goodgate.yaml"},
            "storage": {"queued": 0, "trouble": null}}))
        .unwrap();
        let providers: Providers = serde_json::from_value(json!({"providers": [
            {"id": "openai", "drained": [], "maintenance": []},
            {"id": "azure", "drained": [{"name": "azure", "until_ms": 10_800_000, "reason": "deploy"}]},
            {"id": "old", "drained": [{"name": "old", "until_ms": 1, "reason": null}],
             "maintenance": [{"end_ms": 9_000_000, "is_now": true}]}]}))
        .unwrap();
        let summary = serde_json::from_value(summary).ok();
        screen(
            &status,
            summary.as_ref(),
            &providers.providers,
            &Reader::plain(width),
        )
    }

    #[test]
    fn a_screen_has_the_last_hour_and_what_is_out_of_use() {
        let summary = json!({"calls": 1000, "cost_nano_usd": 12_400_000_000_u64,
            "by_outcome": {"ok": 971, "recovered": 26, "cached": 0, "failed": 3, "refused": 0, "cancelled": 0},
            "ttft": {"p50_ms": 610, "p95_ms": 2900}, "total": {"p50_ms": null, "p95_ms": null}});
        let text = check(summary.clone(), 120);
        for part in [
            "up 2 h",
            "goodgate.yaml v3",
            "1000 calls · ok 97.1 % · recovered 2.6 % · lost 0.3 % · $12.40",
            "first content p50 610 ms, p95 2.90 s",
            "azure ⊘ drained until 03:00:00Z (deploy)",
            "old ⊘ maintenance until 02:30:00Z",
        ] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        for line in check(summary, 80).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn an_idle_gateway_and_an_unreadable_store_are_told() {
        let none = json!({"calls": 0, "cost_nano_usd": 0,
            "by_outcome": {"ok": 0, "recovered": 0, "cached": 0, "failed": 0, "refused": 0, "cancelled": 0},
            "ttft": {"p50_ms": null, "p95_ms": null}, "total": {"p50_ms": null, "p95_ms": null}});
        assert!(check(none, 120).contains("no calls"));
        assert!(check(Value::Null, 120).contains("the store cannot be read"));
    }
}
