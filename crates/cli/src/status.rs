//! `status`: one screen about the running gateway.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::condition::{Condition, Provider, Upstream};
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
struct Inventory {
    providers: Vec<Provider>,
    #[serde(default)]
    upstreams: Vec<Upstream>,
}

#[derive(Debug, Deserialize)]
struct Incident {
    id: String,
    target: String,
    code: String,
    started_ms: u64,
    calls: u64,
    saved: u64,
    lost: u64,
}

/// Open incidents that are shown; the web UI has all.
const INCIDENTS: usize = 5;

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
    let inventory: Value = running.read("/api/v1/providers")?;
    let incidents: Value = running
        .read("/api/v1/incidents?open=true")
        .unwrap_or_default();
    let incidents = incidents.get("incidents").cloned().unwrap_or_default();
    if arguments.json {
        let all = json!({"status": status, "summary": summary, "providers": inventory.get("providers"),
            "upstreams": inventory.get("upstreams"), "incidents": incidents});
        return Ok(format!("{all}\n"));
    }
    let understood = |value: Value| serde_json::from_value(value).map_err(NotAsked::NotUnderstood);
    let status: Status = understood(status)?;
    let summary: Option<Summary> = summary.and_then(|summary| serde_json::from_value(summary).ok());
    let inventory: Inventory =
        serde_json::from_value(inventory).map_err(NotAsked::NotUnderstood)?;
    let incidents: Vec<Incident> = serde_json::from_value(incidents).unwrap_or_default();
    Ok(screen(
        &status,
        summary.as_ref(),
        &inventory,
        &incidents,
        &Reader::now(),
    ))
}

fn screen(
    status: &Status,
    summary: Option<&Summary>,
    inventory: &Inventory,
    incidents: &[Incident],
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
    conditions(&mut out, reader, inventory, status.now_ms);
    open_incidents(&mut out, reader, incidents, status.now_ms);
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

/// `✓ openai · ✗ azure-us key refused (credentials_rejected)`: those that are well need no word.
fn conditions(out: &mut String, reader: &Reader, inventory: &Inventory, now_ms: u64) {
    let told = |name: &str, condition: &Condition| match condition.text.as_str() {
        "well" => format!("{} {name}", condition.sign),
        text => format!("{} {name} {text}", condition.sign),
    };
    let providers = inventory.providers.iter();
    let providers: Vec<String> = providers
        .map(|one| told(&one.id, &one.condition(now_ms)))
        .collect();
    if !providers.is_empty() {
        line(out, reader, "providers", &providers);
    }
    let upstreams = inventory.upstreams.iter();
    let upstreams: Vec<String> = upstreams
        .map(|one| told(&one.url, &one.condition(now_ms)))
        .collect();
    if !upstreams.is_empty() {
        line(out, reader, "upstreams", &upstreams);
    }
}

/// `! inc_0142 openai/gpt-5-mini bad_gateway since 4 min · 312 calls hit, 300 saved, 12 lost`
fn open_incidents(out: &mut String, reader: &Reader, incidents: &[Incident], now_ms: u64) {
    let shown = incidents.iter().take(INCIDENTS);
    let mut lines: Vec<Vec<String>> = shown
        .map(|one| {
            let since = Duration::from_millis(now_ms.saturating_sub(one.started_ms));
            let plural = if one.calls == 1 { "" } else { "s" };
            let (id, target, code) = (&one.id, &one.target, &one.code);
            let (calls, saved, lost) = (one.calls, one.saved, one.lost);
            vec![
                format!("! {id} {target} {code} since {}", spans::rough(since)),
                format!("{calls} call{plural} hit, {saved} saved, {lost} lost"),
            ]
        })
        .collect();
    if incidents.len() > INCIDENTS {
        lines.push(vec![format!("and {} more", incidents.len() - INCIDENTS)]);
    }
    if lines.is_empty() {
        lines.push(vec!["none open".to_owned()]);
    }
    let mut label = "incidents";
    for parts in lines {
        line(out, reader, label, &parts);
        label = "";
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
        let closed = json!({"state": "closed", "cause": null, "resting_until_ms": null});
        let open = json!({"state": "open", "cause": "bad_gateway", "resting_until_ms": null});
        let inventory: Inventory = serde_json::from_value(json!({"providers": [
            {"id": "openai", "guard": closed, "targets": [open]},
            {"id": "azure", "guard": null, "drained": [{"name": "azure", "until_ms": 10_800_000, "reason": "deploy"}]},
            {"id": "vllm", "guard": closed}],
            "upstreams": [{"url": "https://a", "routes": ["r"], "is_well": false, "drained": null, "guard": null}]}))
        .unwrap();
        let incidents: Vec<Incident> = serde_json::from_value(json!([{"id": "inc_0142", "target": "openai/gpt-5-mini",
            "code": "bad_gateway", "started_ms": 6_960_000, "calls": 312, "saved": 300, "lost": 12}]))
        .unwrap();
        let summary = serde_json::from_value(summary).ok();
        screen(
            &status,
            summary.as_ref(),
            &inventory,
            &incidents,
            &Reader::plain(width),
        )
    }

    #[test]
    fn a_screen_has_the_last_hour_who_is_not_well_and_open_incidents() {
        let summary = json!({"calls": 1000, "cost_nano_usd": 12_400_000_000_u64,
            "by_outcome": {"ok": 971, "recovered": 26, "cached": 0, "failed": 3, "refused": 0, "cancelled": 0},
            "ttft": {"p50_ms": 610, "p95_ms": 2900}, "total": {"p50_ms": null, "p95_ms": null}});
        let text = check(summary.clone(), 120);
        for part in [
            "up 2 h",
            "goodgate.yaml v3",
            "1000 calls · ok 97.1 % · recovered 2.6 % · lost 0.3 % · $12.40",
            "first content p50 610 ms, p95 2.90 s",
            "✗ openai failing (bad_gateway) · ⊘ azure drained until 03:00:00Z (deploy) · ✓ vllm\n",
            "! https://a unwell (its health check fails)",
            "incidents  ! inc_0142 openai/gpt-5-mini bad_gateway since 4 min · 312 calls hit, 300 saved, 12 lost",
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
