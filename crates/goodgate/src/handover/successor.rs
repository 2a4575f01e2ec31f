//! Starts the program that lies at this one's place now, which may be a newer version, to take over.

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

/// The flag that makes an ordinary start a takeover.
const TAKEOVER: &str = "--takeover";

/// Starts it with this program's own arguments; says so, as it says how it ended if it did not come up.
pub(crate) fn start() -> io::Result<()> {
    let mut arguments = std::env::args_os();
    // As it was called, not what it was: a link or the search path may lead to the new version by now.
    let program = arguments
        .next()
        .unwrap_or_else(|| OsString::from("goodgate"));
    let arguments: Vec<_> = arguments.collect();
    let mut command = Command::new(&program);
    command.args(&arguments);
    if !arguments.iter().any(|argument| argument == TAKEOVER) {
        command.arg(TAKEOVER);
    }
    // Meant for this process alone; the watchdog is the successor's from the moment it is the main process.
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
        command.env_remove(name);
    }
    let mut child = command.stdin(Stdio::null()).spawn()?;
    tracing::info!(
        "started {} (pid {}) to take over",
        program.display(),
        child.id()
    );
    std::thread::Builder::new()
        .name("successor".into())
        .spawn(move || match child.wait() {
            Ok(status) => tracing::warn!("the program that was to take over ended: {status}"),
            Err(error) => tracing::debug!(%error, "nobody tells how the other program ended"),
        })?;
    Ok(())
}
