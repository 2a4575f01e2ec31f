//! `providers` and `models`: what there is, and taking a provider out of use by hand.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use types::{Clock, SystemClock};

use crate::condition::{self, Condition};
use crate::doctor::report::Traffic;
use crate::doctor::{self, traffic};
use crate::output::{self, Reader};
use crate::running::{NotAsked, Running, Which};
use crate::{figures, spans};

/// The verbs of `providers`.
#[derive(Debug, Subcommand)]
pub enum Providers {
    /// List the providers with their state and what the last hour's calls showed.
    List(Listing),
    /// Examine providers layer by layer, like doctor.
    Test(doctor::Arguments),
    /// Take a provider, one of its models (provider/model) or a route's upstream out of use: running calls end as they are.
    Drain(Drain),
    /// Put back into use what was drained.
    Resume(Resume),
}

/// The verbs of `models`.
#[derive(Debug, Subcommand)]
pub enum Models {
    /// List aliases with their targets, models that providers' entries name, and routes.
    List(Listing),
}

/// What a listing takes.
#[derive(Debug, Args)]
pub struct Listing {
    #[command(flatten)]
    which: Which,
    /// Print what the admin API answers, as JSON.
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Print the names alone, one a line.
    #[arg(short, long)]
    quiet: bool,
}

/// What `providers drain` takes.
#[derive(Debug, Args)]
pub struct Drain {
    /// A provider, a provider/model, or the URL of a route's upstream.
    name: String,
    /// For how long: 30m, 2h, 7d. Default: until it is resumed.
    #[arg(long = "for", value_name = "TIME", value_parser = spans::read)]
    length: Option<Duration>,
    /// Why, for whoever looks later.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Print what the admin API answers, as JSON.
    #[arg(long)]
    json: bool,
}

/// What `providers resume` takes.
#[derive(Debug, Args)]
pub struct Resume {
    /// What was drained.
    name: String,
    #[command(flatten)]
    which: Which,
    /// Print what the admin API answers, as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Deserialize)]
struct Provider {
    id: String,
    kind: String,
    base_url: String,
    credentials: Vec<Credential>,
    line: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Credential {
    hint: Option<String>,
    source: String,
}

#[derive(Debug, Deserialize)]
struct Everything {
    aliases: Vec<Alias>,
    direct: Vec<String>,
    routes: Vec<Route>,
}

#[derive(Debug, Deserialize)]
struct Alias {
    name: String,
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    label: String,
}

#[derive(Debug, Deserialize)]
struct Route {
    name: String,
    path: String,
    upstreams: Vec<String>,
}

pub(crate) fn providers(verb: &Providers) -> ExitCode {
    match verb {
        Providers::List(listing) => finish(list_providers(listing)),
        Providers::Test(arguments) => doctor::run(arguments),
        Providers::Drain(arguments) => finish(drain(arguments)),
        Providers::Resume(arguments) => finish(resume(arguments)),
    }
}

pub(crate) fn models(verb: &Models) -> ExitCode {
    match verb {
        Models::List(listing) => finish(list_models(listing)),
    }
}

fn finish(done: Result<String, NotAsked>) -> ExitCode {
    match done {
        Ok(text) => {
            output::result(&text);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn list_providers(listing: &Listing) -> Result<String, NotAsked> {
    #[derive(Deserialize)]
    struct All {
        providers: Vec<Provider>,
    }
    #[derive(Deserialize)]
    struct Conditions {
        providers: Vec<condition::Provider>,
        upstreams: Vec<condition::Upstream>,
    }
    let running = Running::find(&listing.which)?;
    let answer: Value = running.read("/api/v1/providers")?;
    if listing.json {
        return Ok(format!("{answer}\n"));
    }
    let conditions = serde_json::from_value(answer.clone()).map_err(NotAsked::NotUnderstood)?;
    let All { providers } = serde_json::from_value(answer).map_err(NotAsked::NotUnderstood)?;
    if listing.quiet {
        return Ok(providers
            .iter()
            .map(|one| format!("{}\n", one.id))
            .collect());
    }
    let Conditions {
        providers: states,
        upstreams,
    } = conditions;
    let now = SystemClock.unix_millis();
    let traffic = traffic::of_last_hour(&running, now);
    let reader = Reader::now();
    let name = |name: &str| match reader.terminal {
        true => output::cut_middle(name, LONGEST_NAME),
        false => name.to_owned(),
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (provider, state) in providers.iter().zip(&states) {
        let mut row = vec![
            name(&provider.id),
            told(&state.condition(now)),
            provider.kind.clone(),
        ];
        row.extend(figures(traffic.get(&provider.id)));
        row.extend([keys(provider), place(provider)]);
        rows.push(row);
    }
    for upstream in &upstreams {
        let what = format!("route {}", upstream.routes.join(", "));
        let mut row = vec![name(&upstream.url), told(&upstream.condition(now)), what];
        row.extend(figures(traffic.get(&upstream.url)));
        row.extend(["-".to_owned(), upstream.url.clone()]);
        rows.push(row);
    }
    let heading = [
        "NAME", "STATE", "TYPE", "TRIED 1H", "OK%", "P95", "KEY", "WHERE",
    ];
    Ok(output::table(&reader, &heading, &rows))
}

/// Columns of a name on a terminal; programs get it whole.
const LONGEST_NAME: usize = 28;

fn told(condition: &Condition) -> String {
    format!("{} {}", condition.sign, condition.text)
}

/// Attempts of the last hour, how many of them were answered, and how soon.
fn figures(seen: Option<&Traffic>) -> [String; 3] {
    let none = || "-".to_owned();
    [
        seen.map_or(0, |seen| seen.attempts).to_string(),
        seen.map_or_else(none, |seen| {
            figures::percent(seen.attempts - seen.failed, seen.attempts)
        }),
        seen.and_then(|seen| seen.first_byte_p95_ms)
            .map_or_else(none, spans::exact),
    ]
}

fn keys(provider: &Provider) -> String {
    let keys: Vec<String> = provider
        .credentials
        .iter()
        .filter_map(|credential| {
            let hint = credential.hint.as_ref()?;
            // Where in the file it stands the last column tells.
            match credential.source.as_str() {
                "in the configuration" => Some(hint.clone()),
                source => Some(format!("{source} {hint}")),
            }
        })
        .collect();
    if keys.is_empty() {
        return "-".to_owned();
    }
    keys.join(", ")
}

fn place(provider: &Provider) -> String {
    match provider.line {
        Some(line) => format!("{} (line {line})", provider.base_url),
        None => provider.base_url.clone(),
    }
}

fn list_models(listing: &Listing) -> Result<String, NotAsked> {
    let running = Running::find(&listing.which)?;
    let answer: Value = running.read("/api/v1/models")?;
    if listing.json {
        return Ok(format!("{answer}\n"));
    }
    let all: Everything = serde_json::from_value(answer).map_err(NotAsked::NotUnderstood)?;
    let aliases = all.aliases.iter().map(|alias| {
        let targets: Vec<&str> = alias
            .targets
            .iter()
            .map(|target| target.label.as_str())
            .collect();
        vec![alias.name.clone(), "alias".to_owned(), targets.join(", ")]
    });
    let direct = all
        .direct
        .iter()
        .map(|name| vec![name.clone(), "model".to_owned(), String::new()]);
    let routes = all.routes.iter().map(|route| {
        let leads = format!("{} -> {}", route.path, route.upstreams.join(", "));
        vec![route.name.clone(), "route".to_owned(), leads]
    });
    let rows: Vec<Vec<String>> = aliases.chain(direct).chain(routes).collect();
    if listing.quiet {
        return Ok(rows
            .iter()
            .filter_map(|row| row.first())
            .map(|name| format!("{name}\n"))
            .collect());
    }
    Ok(output::table(
        &Reader::now(),
        &["NAME", "WHAT", "LEADS TO"],
        &rows,
    ))
}

fn drain(arguments: &Drain) -> Result<String, NotAsked> {
    let running = Running::find(&arguments.which)?;
    let length = arguments
        .length
        .map(|length| u64::try_from(length.as_millis()).unwrap_or(u64::MAX));
    let path = format!("/api/v1/providers/{}/drain", segment(&arguments.name));
    let wish = json!({"for_ms": length, "reason": arguments.reason});
    let answer = running.ask_with(&Method::POST, &path, Some(&wish))?;
    if arguments.json {
        return Ok(format!("{}\n", String::from_utf8_lossy(&answer)));
    }
    let until = arguments
        .length
        .map(|length| format!(" for {}", spans::rough(length)))
        .unwrap_or_default();
    let name = &arguments.name;
    Ok(format!(
        "{name} is out of use{until}; back into use: goodgate providers resume {name}\n"
    ))
}

fn resume(arguments: &Resume) -> Result<String, NotAsked> {
    #[derive(Deserialize)]
    struct Resumed {
        was_drained: bool,
    }
    let running = Running::find(&arguments.which)?;
    let path = format!("/api/v1/providers/{}/resume", segment(&arguments.name));
    let answer = running.ask(&Method::POST, &path)?;
    if arguments.json {
        return Ok(format!("{}\n", String::from_utf8_lossy(&answer)));
    }
    let Resumed { was_drained } =
        serde_json::from_slice(&answer).map_err(NotAsked::NotUnderstood)?;
    let name = &arguments.name;
    Ok(if was_drained {
        format!("{name} is in use again\n")
    } else {
        format!("{name} was in use already\n")
    })
}

fn segment(name: &str) -> String {
    provider::request::encode_segment(name)
}
