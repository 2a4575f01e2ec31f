//! `logs`: calls that ended, one line each, the stored ones and then, with `-f`, each as it ends.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use types::{Clock, SystemClock};

use crate::output::{self, Ink, Reader};
use crate::running::{NotAsked, Running, Which};
use crate::{exit, spans};

/// Rows on a page of the admin API.
const PAGE: usize = 200;

/// What `logs` takes.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Go on with each call as it ends, until interrupted.
    #[arg(short, long)]
    follow: bool,
    /// Only calls that no attempt served.
    #[arg(long)]
    failed: bool,
    /// Only calls that a later attempt saved; together with --failed both.
    #[arg(long)]
    recovered: bool,
    /// Only calls with this key, by its name.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Only calls to this model or route.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Only calls of which this went wrong, in the end or in an attempt: `bad_gateway`, `rate_limited`.
    #[arg(long, value_name = "CODE")]
    cause: Option<String>,
    /// Only calls that ended within this time: 10m, 2h, 7d.
    #[arg(long, value_name = "TIME", value_parser = spans::read)]
    since: Option<Duration>,
    /// How many stored calls are shown at most.
    #[arg(short = 'n', long, default_value_t = 50, value_name = "COUNT")]
    lines: usize,
    /// Print each call as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// What a line shows of a call.
#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    ended_ms: u64,
    outcome: String,
    status: Option<u16>,
    model: Option<String>,
    served_by: Option<String>,
    key: Option<String>,
    code: Option<String>,
    total_ms: u64,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Deserialize)]
struct Attempt {
    target: String,
    status: Option<u16>,
    code: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Page {
    requests: Vec<Value>,
    next: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    if let Some(cause) = &arguments.cause
        && diagnosis::Code::parse(cause).is_none()
    {
        let text =
            format!("'{cause}' is no code: goodgate explain 502 lists the codes of a status");
        output::talk(&format!("goodgate: {text}\n"));
        return ExitCode::from(exit::USAGE);
    }
    match show(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn show(arguments: &Arguments) -> Result<(), NotAsked> {
    let running = Running::find(&arguments.which)?;
    let printer = Printer {
        reader: Reader::now(),
        json: arguments.json,
    };
    if !arguments.follow {
        let stored = stored(&running, arguments)?;
        if stored.is_empty() && !arguments.json {
            output::talk("no calls match\n");
        }
        for call in &stored {
            if printer.print(call).is_break() {
                break;
            }
        }
        return Ok(());
    }
    // The stream is open before the stored calls are read, so that nothing falls between the stored calls and the live ones.
    let mut events = running.follow(&live_path(arguments))?;
    let mut last = i64::MIN;
    loop {
        let (name, data) = events.next()?;
        let calls = match name.as_str() {
            "ready" => stored(&running, arguments)?,
            "request" => serde_json::from_str(&data).into_iter().collect(),
            "lagged" => {
                output::talk("some calls were skipped: too many at once\n");
                continue;
            }
            _ => continue,
        };
        for call in calls {
            let seq = seq(&call).unwrap_or(i64::MAX);
            if seq <= last {
                continue;
            }
            last = seq;
            if printer.print(&call).is_break() {
                return Ok(());
            }
        }
    }
}

/// The stored calls that match, the oldest first.
fn stored(running: &Running, arguments: &Arguments) -> Result<Vec<Value>, NotAsked> {
    let since = arguments.since.map(|span| {
        let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        format!("&since={}", SystemClock.unix_millis().saturating_sub(span))
    });
    let mut calls: Vec<Value> = Vec::new();
    let mut cursor = String::new();
    while calls.len() < arguments.lines {
        let limit = (arguments.lines - calls.len()).min(PAGE);
        let path = format!(
            "/api/v1/requests?limit={limit}{}{}{cursor}",
            conditions(arguments),
            since.as_deref().unwrap_or_default()
        );
        let page: Page = running.read(&path)?;
        calls.extend(page.requests);
        match page.next {
            Some(next) => cursor = format!("&cursor={}", escaped(&next)),
            None => break,
        }
    }
    calls.reverse();
    Ok(calls)
}

fn live_path(arguments: &Arguments) -> String {
    let conditions = conditions(arguments).replacen('&', "?", 1);
    format!("/api/v1/requests/live{conditions}")
}

/// The conditions that list and stream have in common.
fn conditions(arguments: &Arguments) -> String {
    let mut query = String::new();
    let outcomes = match (arguments.failed, arguments.recovered) {
        (true, true) => "failed,recovered",
        (true, false) => "failed",
        (false, true) => "recovered",
        (false, false) => "",
    };
    for (name, value) in [
        ("outcome", (!outcomes.is_empty()).then_some(outcomes)),
        ("key", arguments.key.as_deref()),
        ("model", arguments.model.as_deref()),
        ("code", arguments.cause.as_deref()),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            write!(query, "&{name}={}", escaped(value)).unwrap_or_default();
        }
    }
    query
}

fn escaped(text: &str) -> String {
    provider::request::encode_segment(text)
}

fn seq(call: &Value) -> Option<i64> {
    call.get("seq")?.as_i64()
}

struct Printer {
    reader: Reader,
    json: bool,
}

impl Printer {
    /// Prints a call; breaks off where nobody reads any more.
    fn print(&self, call: &Value) -> ControlFlow<()> {
        let line = if self.json {
            format!("{call}\n")
        } else {
            match serde_json::from_value::<Call>(call.clone()) {
                Ok(call) => format!("{}\n", line(&call, &self.reader)),
                Err(_) => return ControlFlow::Continue(()),
            }
        };
        if output::piece(&line) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }
}

/// `14:05:09 req_01K9C… 200 recovered 2/4 smart->azure-eu/m  1.9 s  key web  openai 502 bad_gateway`
fn line(call: &Call, reader: &Reader) -> String {
    let ink = match call.outcome.as_str() {
        "failed" => Ink::Red,
        "recovered" | "refused" => Ink::Yellow,
        "cancelled" => Ink::Dim,
        _ => Ink::Plain,
    };
    let status = call
        .status
        .map_or_else(|| "  -".to_owned(), |status| status.to_string());
    let served = match (&call.model, &call.served_by) {
        (Some(model), Some(target)) if model != target => format!("{model}->{target}"),
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => "-".to_owned(),
    };
    let mut parts = vec![
        spans::clock(call.ended_ms),
        call.id.clone(),
        format!(
            "{status} {}",
            reader.paint(ink, &format!("{:<9}", call.outcome))
        ),
        format!("{:>2}x", call.attempts.len()),
        served,
        spans::exact(call.total_ms),
    ];
    parts.extend(call.key.as_ref().map(|key| format!("key {key}")));
    let causes = causes(&call.attempts);
    match (causes.is_empty(), &call.code) {
        (false, _) => parts.push(causes.join(", ")),
        (true, Some(code)) => parts.push(code.clone()),
        (true, None) => {}
    }
    parts.join("  ")
}

/// `openai 502 bad_gateway x2`: what failed, in order; the same again is counted.
fn causes(attempts: &[Attempt]) -> Vec<String> {
    let mut causes: Vec<(String, u32)> = Vec::new();
    for attempt in attempts {
        let Some(code) = &attempt.code else { continue };
        let name = match attempt.target.contains("://") {
            true => attempt.target.as_str(),
            false => attempt.target.split('/').next().unwrap_or_default(),
        };
        let status = attempt.status.map(|status| format!(" {status}"));
        let cause = format!("{name}{} {code}", status.unwrap_or_default());
        match causes.last_mut() {
            Some((last, times)) if *last == cause => *times += 1,
            _ => causes.push((cause, 1)),
        }
    }
    let told = causes.into_iter().map(|(cause, times)| match times {
        1 => cause,
        _ => format!("{cause} x{times}"),
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Whole {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn arguments(words: &[&str]) -> Arguments {
        let words = std::iter::once("logs").chain(words.iter().copied());
        Whole::try_parse_from(words).unwrap().arguments
    }

    #[test]
    fn conditions_become_a_query() {
        let asked = arguments(&[
            "--failed",
            "--recovered",
            "--model",
            "a b/c",
            "--cause",
            "bad_gateway",
        ]);
        assert_eq!(
            conditions(&asked),
            "&outcome=failed%2Crecovered&model=a%20b%2Fc&code=bad_gateway"
        );
        assert_eq!(
            live_path(&asked),
            "/api/v1/requests/live?outcome=failed%2Crecovered&model=a%20b%2Fc&code=bad_gateway"
        );
        assert_eq!(live_path(&arguments(&[])), "/api/v1/requests/live");
    }

    #[test]
    fn a_line_tells_who_served_and_what_failed_before() {
        let call: Call = serde_json::from_value(serde_json::json!({
            "id": "req_01K9ZQ7V3M8T2ABCDEFGHJKMNP", "ended_ms": 50_709_000_u64, "outcome": "recovered",
            "status": 200, "model": "smart", "served_by": "azure-eu/m", "key": "web", "code": "bad_gateway",
            "total_ms": 1900, "attempts": [
                {"target": "openai/m", "status": 502, "code": "bad_gateway"},
                {"target": "azure-eu/m", "status": 200, "code": null}]}))
        .unwrap();
        assert_eq!(
            line(&call, &Reader::plain(120)),
            "14:05:09  req_01K9ZQ7V3M8T2ABCDEFGHJKMNP  200 recovered   2x  smart->azure-eu/m  1.90 s  key web  openai 502 bad_gateway"
        );
        let refused = Call {
            outcome: "refused".to_owned(),
            served_by: None,
            code: Some("gateway_rate_limited".to_owned()),
            attempts: Vec::new(),
            ..call
        };
        assert!(line(&refused, &Reader::plain(120)).ends_with("key web  gateway_rate_limited"));
    }
}
