//! `run -- CMD`: a program with the gateway in its environment, and nothing else changed.

use std::io::{ErrorKind, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

use clap::Args;
use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use types::{Clock, SystemClock};

use crate::running::{NotAsked, Running, Which};
use crate::started::{NotStarted, Settings, Started};
use crate::{env, exit, figures, output};

/// Calls that end with the program are counted a moment later.
const LATE: Duration = Duration::from_secs(1);

/// What `run` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    which: Which,
    /// The configuration file for a gateway that has to be started. Default: the one that `serve` would use.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print nothing of one's own.
    #[arg(short, long)]
    quiet: bool,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Why the program did not run.
#[derive(Debug, thiserror::Error)]
enum NotRun {
    #[error(transparent)]
    NotStarted(#[from] NotStarted),
    #[error(transparent)]
    NotAsked(#[from] NotAsked),
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
    #[error("{program} cannot be run: {source}")]
    Program {
        program: String,
        source: std::io::Error,
    },
}

impl NotRun {
    fn exit_code(&self) -> u8 {
        match self {
            Self::NotStarted(error) => error.exit_code(),
            Self::NotAsked(error) => error.exit_code(),
            Self::System(_) => exit::FAILURE,
            // What shells say.
            Self::Program { source, .. } if source.kind() == ErrorKind::NotFound => 127,
            Self::Program { .. } => 126,
        }
    }
}

/// Exact sums, as the admin API tells them.
#[derive(Debug, Default, Deserialize)]
struct Counts {
    calls: u64,
    by_outcome: Outcomes,
    cost_nano_usd: u64,
    demo: DemoCounts,
}

#[derive(Debug, Default, Deserialize)]
struct DemoCounts {
    calls: u64,
    by_outcome: Outcomes,
}

#[derive(Debug, Default, Deserialize)]
struct Outcomes {
    recovered: u64,
    failed: u64,
    refused: u64,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match ran(arguments) {
        Ok(status) => ExitCode::from(code_of(status)),
        Err(error) => {
            output::talk(&format!("goodgate: {error}\n"));
            ExitCode::from(error.exit_code())
        }
    }
}

/// The program's own code; 128 and the signal's number where one ended it, as shells have it.
fn code_of(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|number| 128 + number));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(exit::FAILURE)
}

fn ran(arguments: &Arguments) -> Result<ExitStatus, NotRun> {
    let gateway = Gateway::find_or_start(arguments)?;
    let running = gateway.running();
    let before: Counts = running.read("/api/v1/counts")?;
    let variables = env::variables(running)?;
    let (program, rest) = arguments
        .command
        .split_first()
        .map(|(program, rest)| (program.as_str(), rest))
        .unwrap_or_default();
    let mut command = Command::new(program);
    command.args(rest).envs(variables);
    let status = wait(command, program)?;
    if !arguments.quiet {
        output::talk(&format!("goodgate: {}\n", told(&gateway, &before)));
    }
    Ok(status)
}

/// The gateway that runs already, or one for this program alone.
enum Gateway {
    Found(Running),
    Started(Started, PathBuf),
}

impl Gateway {
    fn find_or_start(arguments: &Arguments) -> Result<Self, NotRun> {
        if let Ok(running) = Running::find(&arguments.which)
            && running.ask(&Method::GET, "/api/v1/status").is_ok()
        {
            return Ok(Self::Found(running));
        }
        let name = format!("goodgate-run-{}.log", std::process::id());
        let log = std::env::temp_dir().join(name);
        let settings = Settings::Own(arguments.config.as_deref());
        let started = Started::start(&arguments.which.folder(), settings, &log);
        // Its words are in the error; where it runs, they are removed with it.
        let started = started.inspect_err(|_| drop(std::fs::remove_file(&log)))?;
        Ok(Self::Started(started, log))
    }

    fn running(&self) -> &Running {
        match self {
            Self::Found(running) => running,
            Self::Started(started, _) => started.running(),
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Self::Started(_, log) = self {
            drop(std::fs::remove_file(log));
        }
    }
}

/// Runs the program; signals to us are signals to it.
fn wait(mut command: Command, program: &str) -> Result<ExitStatus, NotRun> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Listened to before the program begins, so that none is lost.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut child = command.spawn().map_err(|source| NotRun::Program {
            program: program.to_owned(),
            source,
        })?;
        let pid = i32::try_from(child.id()).map(Pid::from_raw);
        let mut ended = tokio::task::spawn_blocking(move || child.wait());
        let send = |signal: Signal| {
            // It may have ended a moment ago.
            pid.is_ok_and(|pid| kill(pid, signal).is_ok())
        };
        // A terminal sends what is typed to the program itself.
        let typed = std::io::stdin().is_terminal();
        loop {
            tokio::select! {
                ended = &mut ended => return Ok(ended.map_err(std::io::Error::other)??),
                _ = interrupt.recv() => if !typed { send(Signal::SIGINT); },
                _ = quit.recv() => if !typed { send(Signal::SIGQUIT); },
                _ = terminate.recv() => { send(Signal::SIGTERM); }
                _ = hangup.recv() => { send(Signal::SIGHUP); }
            }
        }
    })
}

/// `37 calls, 2 recovered, 0 failed, $0.04`
fn told(gateway: &Gateway, before: &Counts) -> String {
    let until = SystemClock.now() + LATE;
    let after = loop {
        let after: Result<(Counts, Status), NotAsked> = gateway
            .running()
            .read("/api/v1/counts")
            .and_then(|counts| Ok((counts, gateway.running().read("/api/v1/status")?)));
        match after {
            Ok((counts, status)) if status.in_flight == 0 || SystemClock.now() >= until => {
                break counts;
            }
            Ok(_) => std::thread::park_timeout(Duration::from_millis(50)),
            Err(error) => return format!("what was called is not known: {error}"),
        }
    };
    let text = difference(before, &after);
    match gateway {
        Gateway::Found(running) => format!(
            "{text} (of all callers of the gateway on {} meanwhile)",
            running.address()
        ),
        Gateway::Started(..) => text,
    }
}

#[derive(Debug, Deserialize)]
struct Status {
    in_flight: u64,
}

fn difference(before: &Counts, after: &Counts) -> String {
    let both = |of: &dyn Fn(&Counts) -> u64| of(after).saturating_sub(of(before));
    let calls = both(&|counts| counts.calls + counts.demo.calls);
    let recovered = both(&|counts| counts.by_outcome.recovered + counts.demo.by_outcome.recovered);
    let failed = both(&|counts| counts.by_outcome.failed + counts.demo.by_outcome.failed);
    let refused = both(&|counts| counts.by_outcome.refused + counts.demo.by_outcome.refused);
    let plural = if calls == 1 { "" } else { "s" };
    let cost = figures::money(both(&|counts| counts.cost_nano_usd));
    let refused = match refused {
        0 => String::new(),
        count => format!(", {count} refused"),
    };
    format!("{calls} call{plural}, {recovered} recovered, {failed} failed{refused}, {cost}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_is_told() {
        let counts = |calls, recovered, failed, cost| Counts {
            calls,
            by_outcome: Outcomes {
                recovered,
                failed,
                refused: 0,
            },
            cost_nano_usd: cost,
            demo: DemoCounts::default(),
        };
        assert_eq!(
            difference(&counts(10, 1, 1, 5), &counts(47, 3, 1, 40_000_005)),
            "37 calls, 2 recovered, 0 failed, $0.040"
        );
        assert_eq!(
            difference(&counts(0, 0, 0, 0), &counts(1, 0, 0, 0)),
            "1 call, 0 recovered, 0 failed, $0"
        );
    }

    #[test]
    fn a_program_that_was_killed_has_the_code_of_a_shell() {
        assert_eq!(code_of(ExitStatus::from_raw(3 << 8)), 3);
        assert_eq!(code_of(ExitStatus::from_raw(15)), 143);
    }
}
