//! Tells systemd how the gateway is. Source: `sd_notify(3)`, `sd_watchdog_enabled(3)`.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::time::Duration;

use config::Environment;
use gateway::gate::Shared;

/// The supervisor, where there is one.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    socket: Option<Arc<UnixDatagram>>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that the environment names.
    pub(crate) fn of(environment: &Environment) -> Self {
        let socket = environment.get("NOTIFY_SOCKET").and_then(|address| {
            connect(address)
                .inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET cannot be used"))
                .ok()
        });
        let meant = environment
            .get("WATCHDOG_PID")
            .is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = environment
            .get("WATCHDOG_USEC")
            .filter(|_| meant)
            .and_then(|micros| micros.parse().ok())
            .map(Duration::from_micros)
            .filter(|span| !span.is_zero());
        Self {
            socket: socket.map(Arc::new),
            watchdog,
        }
    }

    /// All is up.
    pub(crate) fn ready(&self) {
        self.say("READY=1");
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// From now on that process is the service.
    pub(crate) fn succeeded_by(&self, pid: u32) {
        self.say(&format!("MAINPID={pid}"));
    }

    fn say(&self, words: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(words.as_bytes()) {
            tracing::debug!(%error, "systemd was not told {words}");
        }
    }

    /// Feeds the watchdog for as long as every worker comes by: one that hangs starves it, and systemd restarts the
    /// gateway.
    pub(crate) async fn keep_fed(self, shared: Arc<Shared>) {
        let Some(span) = self.watchdog else { return };
        let mut tick = tokio::time::interval(span / 3);
        loop {
            tick.tick().await;
            if shared.resources.worst_loop_lag(shared.clock.now()) < span / 2 {
                self.say("WATCHDOG=1");
            }
        }
    }
}

/// An address that begins with `@` is of no file.
fn connect(address: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    match address.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
            socket.connect_addr(&address)?;
        }
        _ => socket.connect(address)?,
    }
    // A supervisor that does not read must not hold the gateway up.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor(address: &str, watchdog: &[(&str, &str)]) -> Supervisor {
        let pairs = [&[("NOTIFY_SOCKET", address)], watchdog].concat();
        Supervisor::of(&Environment::from_pairs(pairs))
    }

    #[test]
    fn systemd_is_told_at_either_kind_of_address() {
        use std::os::linux::net::SocketAddrExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("goodgate-test-{}", std::process::id());
        let nameless = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
        let cases = [
            (
                path.to_str().unwrap().to_owned(),
                UnixDatagram::bind(&path).unwrap(),
            ),
            (
                format!("@{name}"),
                UnixDatagram::bind_addr(&nameless).unwrap(),
            ),
        ];
        for (address, systemd) in cases {
            let supervisor = supervisor(&address, &[]);
            supervisor.ready();
            supervisor.succeeded_by(42);
            supervisor.stopping();
            let mut heard = [0; 100];
            for words in ["READY=1", "MAINPID=42", "STOPPING=1"] {
                let length = systemd.recv(&mut heard).unwrap();
                assert_eq!(std::str::from_utf8(&heard[..length]).unwrap(), words);
            }
        }
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        let own = std::process::id().to_string();
        let usec = ("WATCHDOG_USEC", "20000000");
        let cases: [(&[(&str, &str)], _); 5] = [
            (&[usec, ("WATCHDOG_PID", own.as_str())], Some(20)),
            (&[usec], Some(20)),
            (&[usec, ("WATCHDOG_PID", "1")], None),
            (&[("WATCHDOG_USEC", "soon")], None),
            (&[], None),
        ];
        for (variables, seconds) in cases {
            let found = supervisor("/nowhere", variables).watchdog;
            assert_eq!(found, seconds.map(Duration::from_secs), "{variables:?}");
        }
    }
}
