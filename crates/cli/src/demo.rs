//! `demo`: an outage in half a minute, with figures that were measured. Two scripted providers and a gateway of its own
//! on free ports of loopback, all in a temporary folder: nothing of the user's is read or written.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use drill::{Drill, Keys, Options, Script};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use types::{Clock, SystemClock};
use upstream::{Client, ClientOptions, Resolver, ResolverOptions};

use crate::calling::{Caller, Ended};
use crate::explain;
use crate::output::{Reader, wrap};
use crate::running::{NotAsked, Running};
use crate::started::{NotStarted, Settings, Started};
use crate::{exit, figures, output};

/// Calls in all.
const CALLS: usize = 200;

/// The call before which the primary is killed, and the one before which it comes back.
const KILLED_AT: usize = 60;
const BACK_AT: usize = 150;

/// One call is begun so often.
const EVERY: Duration = Duration::from_millis(60);

/// One call in so many is a stream that lasts longer than a second: some of them are cut when the primary dies.
const STREAM_EVERY: usize = 10;

/// What one call may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `demo` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Print the figures as one JSON object.
    #[arg(long)]
    json: bool,
}

/// What was measured.
#[derive(Debug, Serialize)]
struct Figures {
    /// Calls that were made.
    calls: usize,
    /// Those that were answered whole.
    ok: usize,
    /// Those of them that needed another attempt.
    recovered: usize,
    /// Those of them that went to the backup at once, because the primary was known to be dead.
    rerouted: usize,
    /// Those that were not.
    lost: usize,
    /// Those of them whose stream had begun when the primary died.
    cut: usize,
    /// Calls without any gateway: what the same calls would have come to, by counting those begun while it was dead.
    dead: usize,
    /// Whole answers before the outage: 95 % took less, in milliseconds.
    p95_before_ms: Option<u64>,
    /// The same during the outage.
    p95_during_ms: Option<u64>,
    /// A call that was recovered, by its id.
    recovered_id: Option<String>,
    /// A call that was lost.
    lost_id: Option<String>,
}

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
enum NotShown {
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    #[error("interrupted")]
    Interrupted,
}

impl NotShown {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => exit::INTERRUPTED,
            Self::NotStarted(error) => error.exit_code(),
            Self::NotAsked(error) => error.exit_code(),
            Self::System(_) => exit::FAILURE,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match show(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

fn show(arguments: &Arguments) -> Result<(), NotShown> {
    let folder = Folder::new()?;
    let primary = provider(SocketAddr::from(([127, 0, 0, 1], 0)), "the primary")?;
    let backup = provider(SocketAddr::from(([127, 0, 0, 1], 0)), "the backup")?;
    let config = folder.path().join("goodgate.yaml");
    std::fs::write(&config, configuration(&primary, &backup))?;
    let log = folder.path().join("gateway.log");
    let state = folder.path().join("state");
    let gateway = Started::start(&state, Settings::Only(&config), &log)?;
    if !arguments.json {
        output::talk(&format!(
            "A gateway of its own on {}, two scripted providers behind it:\nnothing of yours is used, nothing is billed. \
             Model smart: primary/chat, then backup/chat. \n{CALLS} calls, one every {} ms; one in {STREAM_EVERY} is a stream.\n",
            gateway.running().address(),
            EVERY.as_millis()
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let show_strip = !arguments.json && std::io::stderr().is_terminal();
    let calls = runtime.block_on(async {
        tokio::select! {
            calls = outage(gateway.running(), primary, show_strip) => calls,
            _ = tokio::signal::ctrl_c() => Err(NotShown::Interrupted),
        }
    })?;
    let figures = figures(&calls);
    if arguments.json {
        output::result(&format!("{}\n", json!(figures)));
        return Ok(());
    }
    let width = Reader::now().width;
    for line in told(&figures).lines() {
        output::result(&format!("{}\n", wrap(line, width, width).join("\n")));
    }
    for (what, id) in [
        ("recovered", &figures.recovered_id),
        ("lost", &figures.lost_id),
    ] {
        match id {
            Some(id) => {
                let text = explain::of_request(gateway.running(), id)?;
                output::result(&format!(
                    "\none that was {what}: goodgate explain {id}\n{text}"
                ));
            }
            None => output::result(&format!("\nnone was {what}\n")),
        }
    }
    output::result(
        "\nThe demo's gateway, its records and its keys are gone. Yours: goodgate serve\n",
    );
    Ok(())
}

/// A scripted provider.
fn provider(listen: SocketAddr, name: &str) -> std::io::Result<Drill> {
    let words: Vec<String> = (1..=12).map(|number| format!("word {number} ")).collect();
    let text = format!(
        "[goodgate demo: scripted text, not an AI model] from {name}: {}",
        words.concat()
    );
    let script = json!({"rules": [
        {"when": {"contains": "\"stream\":true"}, "reply": {"pieces": words}, "pace_ms": 100},
        {"reply": {"text": text}, "fault": {"kind": "delay", "at": "before-head", "ms": 120}},
    ]});
    Drill::start(Options {
        listen,
        keys: Keys::Ignored,
        script: Script::from_json(&script.to_string()).map_err(std::io::Error::other)?,
        ..Options::default()
    })
}

fn configuration(primary: &Drill, backup: &Drill) -> String {
    let (one, other) = (primary.url(), backup.url());
    format!(
        "providers:\n  primary: {{ type: openai-compatible, base_url: \"{one}/v1\" }}\n  \
         backup: {{ type: openai-compatible, base_url: \"{other}/v1\" }}\nmodels:\n  \
         smart: {{ targets: [primary/chat, backup/chat] }}\n"
    )
}

/// One call of the demo.
#[derive(Debug)]
struct Call {
    number: usize,
    stream: bool,
    ended: Option<Ended>,
}

impl Call {
    fn is_ok(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.whole)
    }

    fn is_recovered(&self) -> bool {
        let outcome = self
            .ended
            .as_ref()
            .and_then(|ended| ended.outcome.as_deref());
        self.is_ok() && outcome == Some("recovered")
    }

    /// Whether the backup served it without an attempt at the primary.
    fn is_rerouted(&self) -> bool {
        let target = self
            .ended
            .as_ref()
            .and_then(|ended| ended.served_by.as_deref());
        let at_backup = target.is_some_and(|target| target.starts_with("backup"));
        self.is_ok() && !self.is_recovered() && at_backup
    }

    fn id(&self) -> Option<String> {
        self.ended.as_ref()?.id.clone()
    }
}

/// Makes the calls, kills the primary among them and brings it back.
async fn outage(
    running: &Running,
    primary: Drill,
    show_strip: bool,
) -> Result<Vec<Call>, NotShown> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let resolver = Arc::new(Resolver::new(
        ResolverOptions::default(),
        Arc::clone(&clock),
    ));
    let client = Client::new(ClientOptions::new(resolver, Arc::clone(&clock)));
    let caller = Caller::new(client, running.address(), &running.first_key()?);
    let address = primary.address();
    let mut primary = Some(primary);
    let mut calls = JoinSet::new();
    let mut done = Vec::with_capacity(CALLS);
    let mut pace = tokio::time::interval(EVERY);
    for number in 0..CALLS {
        pace.tick().await;
        if number == KILLED_AT
            && let Some(dying) = primary.take()
        {
            // Ending a drill waits for its thread; the calls go on meanwhile.
            drop(tokio::task::spawn_blocking(move || drop(dying)).await);
            strip(show_strip, "\n  primary killed ");
        } else if number == BACK_AT {
            primary = provider(address, "the primary").ok();
            strip(show_strip, "\n  primary back   ");
        } else if number == 0 {
            strip(show_strip, "  all well       ");
        }
        let (caller, clock) = (caller.clone(), Arc::clone(&clock));
        calls.spawn(async move {
            let stream = number.is_multiple_of(STREAM_EVERY);
            let body = json!({
                "model": "smart",
                "stream": stream,
                "messages": [{"role": "user", "content": format!("call {number}")}],
            });
            let ended = caller.chat(&*clock, &body, PATIENCE, |_| {}).await;
            Call {
                number,
                stream,
                ended: ended.ok(),
            }
        });
        while let Some(ended) = calls.try_join_next() {
            take(&mut done, ended.ok(), show_strip);
        }
    }
    while let Some(ended) = calls.join_next().await {
        take(&mut done, ended.ok(), show_strip);
    }
    strip(show_strip, "\n");
    done.sort_by_key(|call| call.number);
    Ok(done)
}

fn take(done: &mut Vec<Call>, call: Option<Call>, show_strip: bool) {
    let Some(call) = call else { return };
    let sign = if call.is_recovered() {
        "↻"
    } else if call.is_ok() {
        "·"
    } else {
        "✗"
    };
    strip(show_strip, sign);
    done.push(call);
}

fn strip(show: bool, text: &str) {
    if show {
        output::talk(text);
    }
}

fn figures(calls: &[Call]) -> Figures {
    let count = |which: &dyn Fn(&&Call) -> bool| calls.iter().filter(which).count();
    let begun = |call: &Call, from: usize, to: usize| (from..to).contains(&call.number);
    let p95 = |from, to| {
        let mut times: Vec<u64> = calls
            .iter()
            .filter(|call| call.is_ok() && !call.stream && begun(call, from, to))
            .filter_map(|call| call.ended.as_ref())
            .filter_map(|ended| u64::try_from(ended.took.as_millis()).ok())
            .collect();
        times.sort_unstable();
        figures::percentile(&times, 95)
    };
    let is_lost = |call: &&Call| !call.is_ok();
    let is_cut = |call: &&Call| {
        let began = call
            .ended
            .as_ref()
            .is_some_and(|ended| ended.status.is_success());
        !call.is_ok() && began
    };
    Figures {
        calls: calls.len(),
        ok: count(&|call| call.is_ok()),
        recovered: count(&|call| call.is_recovered()),
        rerouted: count(&|call| call.is_rerouted()),
        lost: count(&is_lost),
        cut: count(&is_cut),
        dead: count(&|call| begun(call, KILLED_AT, BACK_AT)),
        p95_before_ms: p95(0, KILLED_AT),
        p95_during_ms: p95(KILLED_AT, BACK_AT),
        recovered_id: calls
            .iter()
            .find(|call| call.is_recovered())
            .and_then(Call::id),
        lost_id: calls.iter().find(is_lost).and_then(Call::id),
    }
}

fn told(figures: &Figures) -> String {
    let slower = match (figures.p95_before_ms, figures.p95_during_ms) {
        (Some(before), Some(during)) if during > before => format!("p95 +{} ms", during - before),
        (Some(_), Some(_)) => "p95 as before".to_owned(),
        _ => "p95 unknown".to_owned(),
    };
    let mut text = format!(
        "{} of {} ok ({} of them recovered), {} lost, {slower}\n\
         {} calls were begun while the primary was dead; without a second target all of them fail.\n",
        figures.ok, figures.calls, figures.recovered, figures.lost, figures.dead
    );
    if figures.rerouted > 0 {
        let rerouted = format!(
            "{} went to the backup at once: the primary was known to be dead.\n",
            figures.rerouted
        );
        text.push_str(&rerouted);
    }
    if figures.cut > 0 {
        let cut = format!(
            "{} of the lost were streams whose first words were out when it died: they end with an error event, never \
             as if whole (hold: whole saves these, too).\n",
            figures.cut
        );
        text.push_str(&cut);
    }
    text
}

/// A temporary folder that goes with the value.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> std::io::Result<Self> {
        let name = format!(
            "goodgate-demo-{}-{}",
            std::process::id(),
            SystemClock.unix_millis()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn call(number: usize, status: u16, outcome: &str, whole: bool, millis: u64) -> Call {
        Call {
            number,
            stream: number.is_multiple_of(STREAM_EVERY),
            ended: Some(Ended {
                status: StatusCode::from_u16(status).unwrap(),
                id: Some(format!("req_{number}")),
                outcome: Some(outcome.to_owned()),
                served_by: Some(
                    if number == 62 {
                        "backup/chat"
                    } else {
                        "primary/chat"
                    }
                    .to_owned(),
                ),
                whole,
                body: bytes::Bytes::new(),
                head_after: Duration::ZERO,
                took: Duration::from_millis(millis),
            }),
        }
    }

    #[test]
    fn figures_are_those_of_the_calls() {
        let calls = [
            call(1, 200, "ok", true, 100),
            call(10, 200, "ok", false, 900),
            call(61, 200, "recovered", true, 400),
            call(62, 200, "ok", true, 300),
            call(64, 502, "failed", false, 300),
            Call {
                number: 63,
                stream: false,
                ended: None,
            },
            call(199, 200, "ok", true, 90),
        ];
        let seen = figures(&calls);
        assert_eq!(
            (seen.calls, seen.ok, seen.recovered, seen.lost),
            (7, 4, 1, 3)
        );
        assert_eq!((seen.cut, seen.dead, seen.rerouted), (1, 4, 1));
        assert_eq!(
            (seen.p95_before_ms, seen.p95_during_ms),
            (Some(100), Some(400))
        );
        assert_eq!(seen.recovered_id.as_deref(), Some("req_61"));
        assert_eq!(seen.lost_id.as_deref(), Some("req_10"));
        let text = told(&seen);
        assert!(
            text.starts_with("4 of 7 ok (1 of them recovered), 3 lost, p95 +300 ms\n"),
            "{text}"
        );
        assert!(text.contains("1 of the lost were streams"), "{text}");
    }
}
