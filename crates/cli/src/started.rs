//! A gateway that a command starts for itself: this very program's `serve`, on a free port of loopback. It ends with the
//! command, however that ends: its standard input is a pipe from here.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use http::Method;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::running::{Running, Which};

/// How long it may take to answer: a cold start on a busy machine takes a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it may take to end once it was asked to.
const FAREWELL: Duration = Duration::from_secs(5);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStarted {
    #[error("the gateway cannot be started: {0}")]
    System(#[from] std::io::Error),
    #[error("the gateway did not start:\n{said}")]
    Ended {
        /// Its own exit code.
        code: u8,
        said: String,
    },
    #[error("the gateway did not answer within 30 s:\n{said}")]
    Silent { said: String },
}

impl NotStarted {
    /// A configuration that is invalid stays so.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Ended { code, .. } => *code,
            Self::System(_) | Self::Silent { .. } => crate::exit::FAILURE,
        }
    }
}

/// A gateway of one's own. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Started {
    child: Child,
    running: Running,
}

/// Which settings a gateway of one's own has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Settings<'a> {
    /// Those that `serve` would have, with this file where one is named.
    Own(Option<&'a Path>),
    /// This file and nothing of the environment.
    Only(&'a Path),
}

impl Started {
    /// Starts one on a state folder, and waits until it answers. What it says goes to the file `log`.
    pub(crate) fn start(
        state: &Path,
        settings: Settings<'_>,
        log: &Path,
    ) -> Result<Self, NotStarted> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([
            "serve",
            "--until-stdin-ends",
            "--listen",
            "127.0.0.1:0",
            "--state",
        ]);
        command.arg(state);
        match settings {
            Settings::Own(None) => {}
            Settings::Own(Some(file)) => {
                command.arg("--config").arg(file);
            }
            Settings::Only(file) => {
                command.env_clear().arg("--config").arg(file);
            }
        }
        let log_file = File::create(log)?;
        command
            .stdin(Stdio::piped())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            // Ctrl-C is for the command, which ends this one when it is done.
            .process_group(0);
        let child = command.spawn()?;
        Self::wait(child, state, log)
    }

    fn wait(mut child: Child, state: &Path, log: &Path) -> Result<Self, NotStarted> {
        let said = || std::fs::read_to_string(log).unwrap_or_default();
        let own = format!("pid {},", child.id());
        let looks = PATIENCE.as_millis() / PAUSE.as_millis();
        for _ in 0..looks {
            if let Some(status) = child.try_wait()? {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                return Err(NotStarted::Ended {
                    code: code.unwrap_or(crate::exit::FAILURE),
                    said: said(),
                });
            }
            // The folder may still name an earlier gateway.
            let lock = std::fs::read_to_string(state.join("lock")).unwrap_or_default();
            if lock.starts_with(&own)
                && let Ok(running) = Running::find(&Which::folder_at(state))
                && running.ask(&Method::GET, "/api/v1/status").is_ok()
            {
                return Ok(Self { child, running });
            }
            std::thread::park_timeout(PAUSE);
        }
        end(&mut child);
        Err(NotStarted::Silent { said: said() })
    }

    /// Where it is.
    pub(crate) fn running(&self) -> &Running {
        &self.running
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends it politely, then for good.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    let asked = pid.is_ok_and(|pid| kill(pid, Signal::SIGTERM).is_ok());
    let looks = FAREWELL.as_millis() / PAUSE.as_millis();
    for _ in 0..looks {
        if !asked || !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::park_timeout(PAUSE);
    }
    // Harmless where it has ended.
    drop(child.kill());
    drop(child.wait());
}
