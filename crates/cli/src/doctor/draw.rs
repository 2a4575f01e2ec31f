//! A report for people: a line for each upstream with its layers side by side, and below it what is wrong, what that
//! does to callers, and the one thing to do.

use std::fmt::Write;

use super::limits;
use super::report::{Counts, Finding, Layer, Report, State, Step, Traffic, Upstream};
use crate::output::{Ink, Reader, cut_middle, wrap};
use crate::spans;

/// Columns of a layer: `1234ms` and a space.
const LAYER: usize = 7;

/// The layers that have a column.
const COLUMNS: [Layer; 6] = [
    Layer::Dns,
    Layer::Tcp,
    Layer::Tls,
    Layer::Http,
    Layer::Auth,
    Layer::Models,
];

/// Nobody follows a line to a code beyond this column.
const WIDEST: usize = 120;

/// Columns of the real traffic, where there is any and room for it.
const TRAFFIC: &str = "first byte p50/p95 (1 h, real traffic)";

/// The whole report.
pub(super) fn whole(report: &Report, reader: &Reader) -> String {
    let mut out = String::new();
    if !report.local.is_empty() {
        local(&mut out, &report.local, reader);
    }
    if !report.upstreams.is_empty() {
        upstreams(&mut out, &report.upstreams, reader);
    } else if report.local.is_empty() {
        out.push_str("nothing to examine\n");
    } else {
        out.push_str("upstreams\n  none are configured\n");
    }
    out.push_str(&ending(report, reader));
    out
}

/// One line for each upstream, and what is wrong with this machine.
pub(super) fn short(report: &Report, reader: &Reader) -> String {
    let mut out = String::new();
    for finding in report
        .local
        .iter()
        .filter(|one| one.state >= State::Warning)
    {
        let line = format!(
            "{} {}: {} ({})",
            mark(reader, finding.state),
            finding.check,
            finding.text,
            finding.code.unwrap_or_default()
        );
        push(&mut out, format_args!("{line}\n"));
    }
    for upstream in &report.upstreams {
        let what = match (upstream.failed(), upstream.notes.first()) {
            (Some(step), _) => format!("{}: {}", step.step.as_str(), code_of(step)),
            (None, Some(note)) => format!("{}: {}", note.check, note.code.unwrap_or_default()),
            (None, None) => "ok".to_owned(),
        };
        push(
            &mut out,
            format_args!(
                "{} {}  {what}\n",
                mark(reader, upstream.state),
                upstream.name
            ),
        );
    }
    push(&mut out, format_args!("{}\n", counted(&report.counts)));
    out
}

fn local(out: &mut String, findings: &[Finding], reader: &Reader) {
    push(out, format_args!("{}\n", reader.paint(Ink::Bold, "local")));
    let calm: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.state == State::Ok)
        .map(|finding| finding.text.as_str())
        .collect();
    if !calm.is_empty() {
        let width = reader.width.saturating_sub(4);
        let lines = fill(&calm, width)
            .into_iter()
            .flat_map(|line| wrap(&line, width, width));
        for (number, line) in lines.enumerate() {
            let sign = if number == 0 {
                mark(reader, State::Ok)
            } else {
                " ".to_owned()
            };
            push(out, format_args!("  {sign} {line}\n"));
        }
    }
    for finding in findings.iter().filter(|finding| finding.state != State::Ok) {
        trouble(out, finding, reader, 2);
    }
}

/// Parts joined by dots, as many as fit on a line.
fn fill(parts: &[&str], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 3 + part.chars().count() <= width => {
                line.push_str(" · ");
                line.push_str(part);
            }
            _ => lines.push((*part).to_owned()),
        }
    }
    lines
}

fn upstreams(out: &mut String, upstreams: &[Upstream], reader: &Reader) {
    let layers = COLUMNS.len() * LAYER;
    let name = upstreams
        .iter()
        .map(|upstream| upstream.name.chars().count())
        .max()
        .unwrap_or(0)
        .clamp(6, 16);
    let room = reader.width.saturating_sub(4 + name + 2 + 2 + layers);
    let has_traffic = upstreams.iter().any(|upstream| upstream.traffic.is_some());
    let host = upstreams
        .iter()
        .map(|upstream| host_of(upstream).chars().count())
        .max()
        .unwrap_or(0)
        .clamp(8, room.clamp(8, 32));
    let shows_traffic = has_traffic && room >= host + TRAFFIC.len();
    let mut heading = format!("{:<width$}", "upstreams", width = 4 + name + 2 + host + 2);
    for layer in COLUMNS {
        push(&mut heading, format_args!("{:<LAYER$}", layer.as_str()));
    }
    if shows_traffic {
        heading.push_str(TRAFFIC);
    }
    push(
        out,
        format_args!("{}\n", reader.paint(Ink::Bold, heading.trim_end())),
    );
    for upstream in upstreams {
        let mut line = format!(
            "{:<name$}  {:<host$}  ",
            cut_middle(&upstream.name, name),
            cut_middle(host_of(upstream), host)
        );
        for layer in COLUMNS {
            let cell = upstream.step(layer).map_or("–", |step| step.cell.as_str());
            push(&mut line, format_args!("{cell:<LAYER$}"));
        }
        if shows_traffic {
            line.push_str(&upstream.traffic.as_ref().map(spread).unwrap_or_default());
        }
        push(
            out,
            format_args!("  {} {}\n", mark(reader, upstream.state), line.trim_end()),
        );
        details(out, upstream, reader);
    }
}

fn details(out: &mut String, upstream: &Upstream, reader: &Reader) {
    if let Some(step) = upstream.failed() {
        let text = format!("{}: {}", step.step.as_str(), step.text);
        paragraph(out, &text, reader, 6, Some(code_of(step)));
        // Who said what, where several were asked.
        let asked = match step.step {
            Layer::Dns => &upstream.name_servers,
            Layer::Tcp => &upstream.addresses,
            _ => &Vec::new(),
        };
        if asked.len() > 1 {
            paragraph(out, &asked.join(" · "), reader, 6, None);
        }
        let skipped: Vec<&str> = upstream
            .steps
            .iter()
            .filter(|other| other.state == State::Skipped && other.step > step.step)
            .map(|other| other.step.as_str())
            .collect();
        if !skipped.is_empty() {
            let text = format!(
                "– {} skipped ({} failed)",
                skipped.join(", "),
                step.step.as_str()
            );
            paragraph(out, &text, reader, 6, None);
        }
        if let Some(effect) = &upstream.effect {
            paragraph(out, &format!("effect: {effect}"), reader, 6, None);
        }
        if let Some(fix) = &step.fix {
            paragraph(out, &format!("fix: {fix}"), reader, 6, None);
        }
    } else {
        // Steps that were left out although nothing failed say why, but for those that plainly do not apply.
        let reasons = upstream
            .steps
            .iter()
            .filter(|step| step.state == State::Skipped && step.step >= Layer::Http)
            .filter(|step| step.cell != "n/a");
        let mut told: Vec<&str> = Vec::new();
        for step in reasons {
            if !told.contains(&step.text.as_str()) {
                told.push(&step.text);
                let text = format!("– {} skipped: {}", step.step.as_str(), step.text);
                paragraph(out, &text, reader, 6, None);
            }
        }
    }
    if let Some(step) = upstream
        .step(Layer::Live)
        .filter(|step| step.state == State::Ok)
    {
        paragraph(out, &format!("live: {}", step.text), reader, 6, None);
    }
    if let Some(text) = limits::told(&upstream.limits) {
        paragraph(out, &format!("limits: {text}"), reader, 6, None);
    }
    for note in &upstream.notes {
        trouble(out, note, reader, 6);
    }
}

fn trouble(out: &mut String, finding: &Finding, reader: &Reader, indent: usize) {
    let sign = mark(reader, finding.state);
    let lines = coded(&finding.text, finding.code, reader, indent + 2);
    for (number, line) in lines.iter().enumerate() {
        let start = if number == 0 { sign.as_str() } else { " " };
        push(out, format_args!("{:indent$}{start} {line}\n", ""));
    }
    if let Some(fix) = &finding.fix {
        paragraph(out, &format!("fix: {fix}"), reader, indent + 2, None);
    }
}

fn paragraph(out: &mut String, text: &str, reader: &Reader, indent: usize, code: Option<&str>) {
    for line in coded(text, code, reader, indent) {
        push(out, format_args!("{:indent$}{line}\n", ""));
    }
}

/// A text in lines, with its code at the right edge of the first.
fn coded(text: &str, code: Option<&str>, reader: &Reader, indent: usize) -> Vec<String> {
    let width = reader.width.min(WIDEST).saturating_sub(indent);
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return wrap(text, width, width);
    };
    let own = code.chars().count();
    let mut lines = wrap(text, width.saturating_sub(own + 2), width);
    if let Some(first) = lines.first_mut() {
        let gap = width.saturating_sub(first.chars().count() + own).max(2);
        first.push_str(&" ".repeat(gap));
        first.push_str(&reader.paint(Ink::Yellow, code));
    }
    lines
}

fn ending(report: &Report, reader: &Reader) -> String {
    let mut parts = vec![counted(&report.counts)];
    let failed = report
        .upstreams
        .iter()
        .find_map(Upstream::failed)
        .map(code_of);
    let noted = || {
        let notes = report.upstreams.iter().flat_map(|upstream| &upstream.notes);
        report.local.iter().chain(notes).find_map(|one| one.code)
    };
    if let Some(code) = failed.or_else(noted) {
        parts.push(format!("details: goodgate explain {code}"));
    }
    if report.exit != 0 {
        parts.push(format!("scripts: --json   (exit {})", report.exit));
    }
    let line = parts.join("        ");
    if line.chars().count() > reader.width {
        return format!("{}\n", parts.join("\n"));
    }
    format!("{line}\n")
}

fn counted(counts: &Counts) -> String {
    let plural = if counts.warnings == 1 { "" } else { "s" };
    format!(
        "{} failed · {} warning{plural} · {} ok · {} skipped",
        counts.failed, counts.warnings, counts.ok, counts.skipped
    )
}

fn mark(reader: &Reader, state: State) -> String {
    let (ink, sign) = match state {
        State::Ok => (Ink::Green, "✓"),
        State::Warning => (Ink::Yellow, "!"),
        State::Failed => (Ink::Red, "✗"),
        State::Skipped => (Ink::Dim, "○"),
    };
    reader.paint(ink, sign)
}

fn code_of(step: &Step) -> &'static str {
    step.code.map_or("", |code| code.as_str())
}

fn spread(traffic: &Traffic) -> String {
    match (traffic.first_byte_p50_ms, traffic.first_byte_p95_ms) {
        (Some(p50), Some(p95)) => format!("{} / {}", spans::exact(p50), spans::exact(p95)),
        _ => format!("none of {} attempts", traffic.attempts),
    }
}

/// Host and port of its URL.
fn host_of(upstream: &Upstream) -> &str {
    let url = upstream.url.as_str();
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or(rest)
}

/// Writing to a string cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).unwrap_or_default();
}
