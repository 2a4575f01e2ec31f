//! The signals that a running gateway obeys.

use gateway::journal::access_log::AccessLog;
use nix::sys::signal::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A file that may grow no further is a disk that is full, which calls survive; unheard, the signal would end the process.
const FILE_TOO_LARGE: i32 = Number::SIGXFSZ as i32;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// End, but let running calls finish; a second time: at once.
    Drain,
    /// Read the configuration again.
    Reload,
    /// Start the program anew, to take over from this one.
    Upgrade,
    /// End at once.
    Quit,
}

/// The signals, listened to.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    quit: Signal,
    reopen: Signal,
    access_log: AccessLog,
    upgrade: Signal,
    file_too_large: Signal,
}

impl Signals {
    /// Begins to listen; from here on these signals no longer kill the process.
    pub(crate) fn listen(access_log: AccessLog) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            reopen: signal(SignalKind::user_defined1())?,
            access_log,
            upgrade: signal(SignalKind::user_defined2())?,
            file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    /// The next wish.
    ///
    /// # Cancel safety
    /// No signal is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> Wish {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Wish::Drain,
                _ = self.interrupt.recv() => return Wish::Drain,
                _ = self.hangup.recv() => return Wish::Reload,
                _ = self.quit.recv() => return Wish::Quit,
                _ = self.reopen.recv() => self.access_log.reopen(),
                _ = self.upgrade.recv() => return Wish::Upgrade,
                // The write that went too far says so itself.
                _ = self.file_too_large.recv() => {}
            }
        }
    }
}
