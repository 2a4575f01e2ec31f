//! `doctor`: what works and what does not, layer by layer, and the one thing to do about each trouble.
//!
//! Works without a running gateway; where one runs, its real traffic stands beside the measurements. `subjects` says what
//! is examined, `examine` does it, `report` holds what was found, `draw` shows it.

mod draw;
mod examine;
mod limits;
mod live;
mod local;
pub(crate) mod report;
mod subjects;
pub(crate) mod traffic;
pub(crate) mod words;

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use config::{Environment, Snapshot};
use http::Method;
use serde::Deserialize;
use tokio::task::JoinSet;
use types::{CallId, Clock, SystemClock};
use upstream::{Client, ClientOptions, Resolver, ResolverOptions};

use self::examine::Tools;
use self::local::{Configured, Status};
use self::report::{Finding, Report, State, Upstream};
use self::subjects::{Question, Subject};
use crate::output::{self, Reader};
use crate::running::{NotAsked, Running, Which};
use crate::{exit, figures, spans};

/// Between two looks of `--wait`.
const PAUSE: Duration = Duration::from_secs(1);

/// So many attempts make a p99 that means something.
const ENOUGH: u64 = 50;

/// What `doctor` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// What to examine: a provider, a model or a route of the configuration, a URL, or the id of a request that
    /// failed. Default: all that is configured, and this machine.
    #[arg(value_name = "UPSTREAM|URL|REQUEST_ID")]
    what: Vec<String>,
    /// The configuration file. Default: that of the running gateway, else the one that `serve` would use.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
    /// Print everything that was found as one JSON object.
    #[arg(long, conflicts_with = "short")]
    json: bool,
    /// Print one line for each upstream and nothing of this machine that is well.
    #[arg(long)]
    short: bool,
    /// Look again until nothing fails, for so long at most: 60s.
    #[arg(long, value_name = "TIME", value_parser = spans::read)]
    wait: Option<Duration>,
    /// Make one real call to each provider, of a few tokens; what it costs at most is said first.
    #[arg(long)]
    live: bool,
}

/// Why there is nothing to examine.
#[derive(Debug, thiserror::Error)]
enum NotExamined {
    #[error("{0}")]
    NotUnderstood(String),
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

impl NotExamined {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NotUnderstood(_) => exit::USAGE,
            Self::NotAsked(error) => error.exit_code(),
            Self::System(_) => exit::FAILURE,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match examined(arguments) {
        Ok(report) => {
            let reader = Reader::now();
            let text = if arguments.json {
                match serde_json::to_string_pretty(&report) {
                    Ok(text) => format!("{text}\n"),
                    Err(error) => {
                        output::talk(&format!("goodgate: {error}\n"));
                        return ExitCode::from(exit::FAILURE);
                    }
                }
            } else if arguments.short {
                draw::short(&report, &reader)
            } else {
                draw::whole(&report, &reader)
            };
            output::result(&text);
            ExitCode::from(report.exit)
        }
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn examined(arguments: &Arguments) -> Result<Report, NotExamined> {
    let environment = Environment::capture();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let place = Place::find(&arguments.which);
    let status = place.status();
    let configured = local::configuration(arguments.config.as_deref(), status, &environment);
    let subjects = subjects(arguments, &configured, &place, &environment)?;
    if arguments.live {
        say_price(&subjects);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let until = clock.now() + arguments.wait.unwrap_or_default();
    loop {
        let tools = tools(&clock, arguments.live);
        let mut upstreams = runtime.block_on(examine_all(&subjects, &tools));
        add_traffic(&mut upstreams, &subjects, &place, &*clock);
        tell_effects(&mut upstreams, &subjects);
        let local = if arguments.what.is_empty() {
            findings(arguments, &configured, &place, &upstreams)
        } else {
            Vec::new()
        };
        let invalid = arguments.what.is_empty() && configured.is_invalid();
        let report = Report::new(local, upstreams, invalid);
        if report.ok || clock.now() + PAUSE > until {
            return Ok(report);
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Each look has a memory of its own, so that a name that has come to life is asked for again.
fn tools(clock: &Arc<dyn Clock>, live: bool) -> Tools {
    let options = ResolverOptions::default();
    let resolver = Arc::new(Resolver::new(options, Arc::clone(clock)));
    Tools {
        client: Client::new(ClientOptions::new(Arc::clone(&resolver), Arc::clone(clock))),
        resolver,
        clock: Arc::clone(clock),
        live,
    }
}

/// The gateway of the state folder, if it answers.
struct Place {
    running: Option<Running>,
    status: Result<Status, Option<String>>,
}

impl Place {
    fn find(which: &Which) -> Self {
        let running = Running::find(which).ok();
        let status = match &running {
            None => Err(None),
            Some(running) => match running.ask(&Method::GET, "/api/v1/status") {
                Ok(body) => serde_json::from_slice(&body).map_err(|error| Some(error.to_string())),
                Err(error) => Err(Some(error.to_string())),
            },
        };
        Self { running, status }
    }

    fn status(&self) -> Option<&Status> {
        self.status.as_ref().ok()
    }

    /// Why it does not answer, where it should.
    fn silent(&self) -> Option<&str> {
        self.status.as_ref().err().and_then(Option::as_deref)
    }
}

fn subjects(
    arguments: &Arguments,
    configured: &Configured,
    place: &Place,
    environment: &Environment,
) -> Result<Vec<Arc<Subject>>, NotExamined> {
    let snapshot = configured.snapshot.as_ref();
    if arguments.what.is_empty() {
        let all = snapshot.map(subjects::all).unwrap_or_default();
        let candidates = configured.candidates.iter().map(subjects::of_candidate);
        return Ok(all.into_iter().chain(candidates).map(Arc::new).collect());
    }
    let mut found: Vec<Arc<Subject>> = Vec::new();
    for word in &arguments.what {
        let more = match CallId::parse(word) {
            Some(id) => of_request(id, arguments, place, snapshot, environment)?,
            None => {
                subjects::named(word, snapshot, environment).map_err(NotExamined::NotUnderstood)?
            }
        };
        for subject in more {
            if found.iter().all(|known| known.name != subject.name) {
                found.push(Arc::new(subject));
            }
        }
    }
    Ok(found)
}

/// The upstreams that one call went to.
fn of_request(
    id: CallId,
    arguments: &Arguments,
    place: &Place,
    snapshot: Option<&Snapshot>,
    environment: &Environment,
) -> Result<Vec<Subject>, NotExamined> {
    #[derive(Deserialize)]
    struct Detail {
        request: Call,
    }
    #[derive(Deserialize)]
    struct Call {
        attempts: Vec<Attempt>,
    }
    #[derive(Deserialize)]
    struct Attempt {
        target: String,
    }
    let found;
    let running = match &place.running {
        Some(running) => running,
        None => {
            found = Running::find(&arguments.which)?;
            &found
        }
    };
    let body = running.ask_for_call(&format!("/api/v1/requests/{id}"))?;
    let detail: Detail = serde_json::from_slice(&body).map_err(|error| {
        NotExamined::NotUnderstood(format!("the gateway's answer is not understood: {error}"))
    })?;
    let mut targets: Vec<String> = Vec::new();
    for attempt in detail.request.attempts {
        if !targets.contains(&attempt.target) {
            targets.push(attempt.target);
        }
    }
    if targets.is_empty() {
        let text = format!("{id} went to no upstream: goodgate explain {id} tells why");
        return Err(NotExamined::NotUnderstood(text));
    }
    let mut subjects = Vec::new();
    for target in targets {
        subjects.extend(
            subjects::named(&target, snapshot, environment).map_err(NotExamined::NotUnderstood)?,
        );
    }
    Ok(subjects)
}

/// What `--live` will cost at most, before anything is sent.
fn say_price(subjects: &[Arc<Subject>]) {
    let mut text = String::new();
    for subject in subjects {
        let Question::Models { kind, model, .. } = &subject.question else {
            continue;
        };
        let cost = match (model, kind.billing) {
            (_, provider::Billing::None) => "free".to_owned(),
            (Some(model), _) => match live::price(kind, model) {
                Some(price) => format!("{model}, {} at most", figures::money(price.as_nanos())),
                None => format!("{model}, price unknown: some tokens"),
            },
            (None, _) => "the cheapest model that it lists: some tokens".to_owned(),
        };
        // Writing to a string cannot fail.
        writeln!(text, "  {}: {cost}", subject.name).unwrap_or_default();
    }
    if !text.is_empty() {
        output::talk(&format!("--live makes one call each:\n{text}"));
    }
}

async fn examine_all(subjects: &[Arc<Subject>], tools: &Tools) -> Vec<Upstream> {
    let mut running = JoinSet::new();
    for (place, subject) in subjects.iter().enumerate() {
        let (subject, tools) = (Arc::clone(subject), tools.clone());
        running.spawn(async move {
            let upstream = examine::examine(&subject, &tools).await;
            // A server that only may run here, and does not, is no finding.
            let absent = subject.candidate && upstream.state == State::Failed;
            (place, (!absent).then_some(upstream))
        });
    }
    let mut found = Vec::with_capacity(subjects.len());
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok((place, upstream)) => found.extend(upstream.map(|upstream| (place, upstream))),
            Err(error) => tracing::error!(%error, "an examination ended badly"),
        }
    }
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, upstream)| upstream).collect()
}

fn findings(
    arguments: &Arguments,
    configured: &Configured,
    place: &Place,
    upstreams: &[Upstream],
) -> Vec<Finding> {
    let mut findings = vec![configured.finding.clone()];
    if let Some(snapshot) = &configured.snapshot {
        findings.push(local::port(
            snapshot.server.listen,
            place.status(),
            place.silent(),
        ));
    }
    findings.push(local::storage(&arguments.which.folder()));
    findings.push(local::files(place.status()));
    let offsets = upstreams
        .iter()
        .filter_map(|upstream| upstream.clock_offset);
    findings.push(local::clock(offsets.collect()));
    findings
}

/// Fewer failed attempts are no finding.
const FAILING: u64 = 3;

/// Real calls beside what was measured: where the provider's p99 is near our limit, that is a trouble to come.
fn add_traffic(
    upstreams: &mut [Upstream],
    subjects: &[Arc<Subject>],
    place: &Place,
    clock: &dyn Clock,
) {
    let (Some(running), Some(_)) = (&place.running, place.status()) else {
        return;
    };
    let mut traffic = traffic::of_last_hour(running, clock.unix_millis());
    for upstream in upstreams {
        let found = traffic
            .remove(&upstream.name)
            .or_else(|| traffic.remove(&upstream.url));
        let Some(found) = found else { continue };
        let subject = subjects
            .iter()
            .find(|subject| subject.name == upstream.name);
        let limit = subject.and_then(|subject| subject.timeouts.response_header);
        let limit = limit.unwrap_or(Duration::from_secs(60));
        let near = found
            .first_byte_p99_ms
            .filter(|_| found.attempts >= ENOUGH)
            .map(Duration::from_millis)
            .filter(|p99| *p99 * 10 >= limit * 8);
        if let Some(p99) = near {
            let text = format!(
                "first byte p99 {} of {} attempts, limit response_header {}",
                examine::shown(p99),
                found.attempts,
                examine::shown(limit)
            );
            let finding = Finding::trouble("http", State::Warning, &words::TIMEOUT_NEAR_P99, text);
            upstream.notes.push(finding);
            upstream.settle();
        }
        // Where a layer fails, that is the finding.
        let is_failing = upstream.failed().is_none()
            && found.failed >= FAILING
            && found.failed * 2 >= found.attempts;
        if let Some(code) = found.most_frequent.as_ref().filter(|_| is_failing) {
            let text = format!(
                "{} of {} attempts failed within the last hour, mostly {code}",
                found.failed, found.attempts
            );
            let finding = Finding::trouble("calls", State::Warning, &words::CALLS_FAILING, text);
            let fix =
                format!("goodgate explain {code}; goodgate logs --cause {code} has the calls");
            upstream.notes.push(finding.with_fix(fix));
            upstream.settle();
        }
        upstream.traffic = Some(found);
    }
}

/// What each failure does to the aliases that lead there.
fn tell_effects(upstreams: &mut [Upstream], subjects: &[Arc<Subject>]) {
    let failed: Vec<String> = upstreams
        .iter()
        .filter(|upstream| upstream.state == State::Failed)
        .map(|upstream| upstream.name.clone())
        .collect();
    for upstream in upstreams {
        if upstream.state != State::Failed {
            continue;
        }
        let Some(subject) = subjects
            .iter()
            .find(|subject| subject.name == upstream.name)
        else {
            continue;
        };
        let effects = subject.aliases.iter().map(|(alias, targets)| {
            let all = targets.len();
            let well = targets.iter().filter(|name| !failed.contains(name)).count();
            match well {
                0 => format!("model {alias} has no target left"),
                _ => format!("model {alias} runs on {well} of {all} targets"),
            }
        });
        let effects: Vec<String> = effects.collect();
        upstream.effect = (!effects.is_empty()).then(|| effects.join("; "));
    }
}
