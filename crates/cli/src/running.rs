//! The gateway that runs on a state folder, and its admin API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use types::{Clock, Deadline, SystemClock};
use upstream::{Client, ClientOptions, Destination, Outgoing, Resolver, ResolverOptions, Timers};

use crate::exit;

/// How long the admin API may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Its largest answer.
const MAX_ANSWER: u64 = 16 << 20;

/// Which gateway is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The gateway's state folder. Default: ~/.local/state/goodgate or /var/lib/goodgate.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
}

impl Which {
    /// The state folder that is meant.
    pub(crate) fn folder(&self) -> PathBuf {
        self.state
            .clone()
            .unwrap_or_else(|| config::Environment::capture().state_folder())
    }
}

/// Why the gateway cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAsked {
    #[error("no gateway has run on {} yet: start one with `goodgate serve`, or name its state folder with --state", folder.display())]
    NeverRan { folder: PathBuf },
    #[error("{} cannot be read: {source}", path.display())]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("no gateway answers on {address}: {line}")]
    Unreachable { address: String, line: String },
    #[error("the gateway on {address} refused: {said}")]
    Refused {
        address: String,
        status: StatusCode,
        said: String,
    },
}

impl NotAsked {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NeverRan { .. } | Self::Unreachable { .. } => exit::UNREACHABLE,
            Self::Unreadable { .. } => exit::NOT_AUTHORISED,
            Self::Refused { status, .. } => match *status {
                StatusCode::NOT_FOUND => exit::NOT_FOUND,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => exit::NOT_AUTHORISED,
                _ => exit::FAILURE,
            },
        }
    }
}

/// A gateway's whereabouts, from its state folder.
#[derive(Debug)]
pub(crate) struct Running {
    folder: PathBuf,
    address: String,
}

impl Running {
    pub(crate) fn find(which: &Which) -> Result<Self, NotAsked> {
        let folder = which.folder();
        let lock = folder.join("lock");
        let text = match std::fs::read_to_string(&lock) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(NotAsked::NeverRan { folder });
            }
            Err(source) => return Err(NotAsked::Unreadable { path: lock, source }),
        };
        let Some((_, address)) = text.trim().rsplit_once("listening on ") else {
            return Err(NotAsked::NeverRan { folder });
        };
        Ok(Self {
            folder,
            address: reachable(address),
        })
    }

    /// `127.0.0.1:4000`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The first key.
    pub(crate) fn first_key(&self) -> Result<String, NotAsked> {
        read(&self.folder.join("first-key"))
    }

    /// Asks the admin API.
    pub(crate) fn ask(&self, method: &Method, path: &str) -> Result<Bytes, NotAsked> {
        let token = read(&self.folder.join("admin-token"))?;
        let unreachable = |line: String| NotAsked::Unreachable {
            address: self.address.clone(),
            line,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        runtime.block_on(self.send(method, path, &token))
    }

    /// The same for a call that may have ended a moment ago: its row is stored within a second.
    pub(crate) fn ask_for_call(&self, path: &str) -> Result<Bytes, NotAsked> {
        const LOOKS: u32 = 6;
        for _ in 1..LOOKS {
            match self.ask(&Method::GET, path) {
                Err(NotAsked::Refused {
                    status: StatusCode::NOT_FOUND,
                    ..
                }) => {
                    std::thread::park_timeout(Duration::from_millis(200));
                }
                asked => return asked,
            }
        }
        self.ask(&Method::GET, path)
    }

    async fn send(&self, method: &Method, path: &str, token: &str) -> Result<Bytes, NotAsked> {
        let unreachable = |line: String| NotAsked::Unreachable {
            address: self.address.clone(),
            line,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (host, port) = self
            .address
            .rsplit_once(':')
            .unwrap_or((&self.address, "4000"));
        let destination = Destination::plain(host, port.parse().unwrap_or(4000));
        let resolver = Arc::new(Resolver::new(
            ResolverOptions::default(),
            Arc::clone(&clock),
        ));
        let client = Client::new(ClientOptions::new(resolver, Arc::clone(&clock)));
        let block = format!(
            "host: {}\r\nauthorization: Bearer {token}\r\n",
            self.address
        );
        let deadline = Deadline::after(clock.now(), PATIENCE);
        let outgoing = Outgoing {
            fixed_headers: block.as_bytes(),
            ..Outgoing::new(method, path)
        };
        let mut answer = client
            .send(&destination, outgoing, &Timers::until(deadline))
            .await
            .map_err(|evidence| unreachable(diagnosis::judge(&evidence).full_line))?;
        let body = answer
            .body
            .read_all(MAX_ANSWER, PATIENCE, deadline)
            .await
            .map_err(|fault| unreachable(format!("{:?}", fault.fault)))?;
        if answer.status.is_success() {
            return Ok(body);
        }
        let problem: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let said = problem
            .get("detail")
            .or_else(|| problem.get("title"))
            .and_then(serde_json::Value::as_str);
        Err(NotAsked::Refused {
            address: self.address.clone(),
            status: answer.status,
            said: said.map_or_else(|| answer.status.to_string(), str::to_owned),
        })
    }
}

/// A gateway that listens on every address is reached on loopback.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("127.0.0.1:{port}"),
        _ => address.to_owned(),
    }
}

fn read(path: &Path) -> Result<String, NotAsked> {
    let text = std::fs::read_to_string(path).map_err(|source| NotAsked::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn which(folder: &Path) -> Which {
        Which {
            state: Some(folder.to_owned()),
        }
    }

    #[test]
    fn a_folder_without_a_gateway_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let error = Running::find(&which(folder.path())).unwrap_err();
        assert_eq!(error.exit_code(), exit::UNREACHABLE);
        assert!(error.to_string().contains("goodgate serve"), "{error}");
    }

    #[test]
    fn a_gateway_on_every_address_is_reached_on_loopback() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("lock"),
            "pid 7, listening on 0.0.0.0:4123\n",
        )
        .unwrap();
        assert_eq!(
            Running::find(&which(folder.path())).unwrap().address(),
            "127.0.0.1:4123"
        );
    }

    #[test]
    fn a_dead_gateway_is_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("lock"),
            "pid 7, listening on 127.0.0.1:1\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("admin-token"), "gga-x").unwrap();
        let running = Running::find(&which(folder.path())).unwrap();
        let error = running.ask(&Method::GET, "/api/v1/status").unwrap_err();
        assert_eq!(error.exit_code(), exit::UNREACHABLE);
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
