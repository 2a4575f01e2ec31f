//! Ends the gateway when whoever started it is gone: standard input is a pipe from there, and the system closes it.

use std::io::{ErrorKind, Read};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Watches standard input from now on; its end is like a SIGTERM.
pub(crate) fn hold() {
    let watching = std::thread::Builder::new()
        .name("leash".to_owned())
        .spawn(|| {
            let mut nothing = [0; 64];
            let mut input = std::io::stdin().lock();
            loop {
                match input.read(&mut nothing) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => break,
                }
            }
            if let Err(errno) = kill(Pid::this(), Signal::SIGTERM) {
                tracing::error!(%errno, "the gateway cannot end itself");
            }
        });
    if let Err(error) = watching {
        tracing::error!(%error, "standard input is not watched");
    }
}
