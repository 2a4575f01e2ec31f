//! The gateway that runs on a state folder, and its admin API.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use diagnosis::Evidence;
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::Runtime;
use types::{Clock, Deadline, SystemClock};
use upstream::{
    Answer, BodyFault, Client, ClientOptions, Destination, Outgoing, Resolver, ResolverOptions,
    Timers,
};

use crate::exit;

/// How long the admin API may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A live stream says something every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// No live stream lasts longer than a year.
const FOREVER: Duration = Duration::from_secs(365 * 86_400);

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
    /// The gateway of this folder.
    pub(crate) fn folder_at(folder: &Path) -> Self {
        Self {
            state: Some(folder.to_owned()),
        }
    }

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
    #[error("the gateway's answer is not understood: {0}")]
    NotUnderstood(serde_json::Error),
    #[error("no gateway answers on {address}: {line}; start one with `goodgate serve`")]
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
            Self::NotUnderstood(_) => exit::FAILURE,
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
    admin: String,
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
        // Off loopback the admin API listens elsewhere than the gateway.
        let (address, admin) = address
            .split_once(", admin on ")
            .unwrap_or((address, address));
        Ok(Self {
            folder,
            address: reachable(address),
            admin: reachable(admin),
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
        self.ask_with(method, path, None)
    }

    /// Asks the admin API with a body of JSON.
    pub(crate) fn ask_with(
        &self,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Bytes, NotAsked> {
        self.runtime()?.block_on(self.answer(method, path, body))
    }

    /// Reads from the admin API what it answers in this shape.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, NotAsked> {
        let body = self.ask(&Method::GET, path)?;
        serde_json::from_slice(&body).map_err(NotAsked::NotUnderstood)
    }

    /// Opens a stream of events of the admin API.
    pub(crate) fn follow(&self, path: &str) -> Result<Events<'_>, NotAsked> {
        let runtime = self.runtime()?;
        let deadline = Deadline::after(SystemClock.now(), FOREVER);
        let answer = runtime.block_on(async {
            let mut answer = self.open(&Method::GET, path, None, deadline).await?;
            if answer.status.is_success() {
                return Ok(answer);
            }
            let body = answer.body.read_all(MAX_ANSWER, PATIENCE, deadline).await;
            Err(self.refused(answer.status, &body.unwrap_or_default()))
        })?;
        Ok(Events {
            running: self,
            runtime,
            answer: *answer,
            deadline,
            kept: Vec::new(),
        })
    }

    fn runtime(&self) -> Result<Runtime, NotAsked> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| self.unreachable(error.to_string()))
    }

    fn unreachable(&self, line: String) -> NotAsked {
        NotAsked::Unreachable {
            address: self.admin.clone(),
            line,
        }
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

    async fn answer(
        &self,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Bytes, NotAsked> {
        let deadline = Deadline::after(SystemClock.now(), PATIENCE);
        let mut answer = self.open(method, path, body, deadline).await?;
        let body = answer
            .body
            .read_all(MAX_ANSWER, PATIENCE, deadline)
            .await
            .map_err(|fault| self.broken(fault, &answer.evidence))?;
        if answer.status.is_success() {
            return Ok(body);
        }
        Err(self.refused(answer.status, &body))
    }

    /// What a problem's body says.
    fn refused(&self, status: StatusCode, body: &[u8]) -> NotAsked {
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let said = problem
            .get("detail")
            .or_else(|| problem.get("title"))
            .and_then(serde_json::Value::as_str);
        NotAsked::Refused {
            address: self.admin.clone(),
            status,
            said: match (said, problem.get("fix").and_then(serde_json::Value::as_str)) {
                (Some(said), Some(fix)) => format!("{said} {fix}"),
                (Some(said), None) => said.to_owned(),
                (None, _) => status.to_string(),
            },
        }
    }

    async fn open(
        &self,
        method: &Method,
        path: &str,
        body: Option<&serde_json::Value>,
        deadline: Deadline,
    ) -> Result<Box<Answer>, NotAsked> {
        let token = read(&self.folder.join("admin-token"))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let (host, port) = self.admin.rsplit_once(':').unwrap_or((&self.admin, "4000"));
        let destination = Destination::plain(host, port.parse().unwrap_or(4000));
        let resolver = Arc::new(Resolver::new(
            ResolverOptions::default(),
            Arc::clone(&clock),
        ));
        let client = Client::new(ClientOptions::new(resolver, Arc::clone(&clock)));
        let mut block = format!("host: {}\r\nauthorization: Bearer {token}\r\n", self.admin);
        if body.is_some() {
            block.push_str("content-type: application/json\r\n");
        }
        let outgoing = Outgoing {
            fixed_headers: block.as_bytes(),
            body: body
                .map(|body| Bytes::from(body.to_string()))
                .into_iter()
                .collect(),
            ..Outgoing::new(method, path)
        };
        let timers = Timers {
            header: PATIENCE,
            ..Timers::until(deadline)
        };
        client
            .send(&destination, outgoing, &timers)
            .await
            .map_err(|evidence| self.unreachable(diagnosis::judge(&evidence).full_line))
    }

    fn broken(&self, fault: BodyFault, so_far: &Evidence) -> NotAsked {
        let mut evidence = so_far.clone();
        fault.complete(&mut evidence);
        self.unreachable(diagnosis::judge(&evidence).evidence_line)
    }
}

/// A stream of events.
pub(crate) struct Events<'a> {
    running: &'a Running,
    runtime: Runtime,
    answer: Answer,
    deadline: Deadline,
    kept: Vec<u8>,
}

impl Events<'_> {
    /// The next event's name and data; both are empty for a comment.
    ///
    /// # Errors
    /// The gateway has ended the stream, or is gone.
    pub(crate) fn next(&mut self) -> Result<(String, String), NotAsked> {
        loop {
            let end = self.kept.windows(2).position(|pair| pair == b"\n\n");
            if let Some(end) = end {
                let event: Vec<u8> = self.kept.drain(..end + 2).collect();
                return Ok(event_of(&String::from_utf8_lossy(&event)));
            }
            let next = self.answer.body.next(SILENCE, self.deadline);
            match self.runtime.block_on(next) {
                Some(Ok(piece)) => self.kept.extend_from_slice(&piece),
                Some(Err(fault)) => return Err(self.running.broken(fault, &self.answer.evidence)),
                None => {
                    let line = "it has ended the stream".to_owned();
                    return Err(self.running.unreachable(line));
                }
            }
        }
    }
}

/// An event's name and data; a comment has neither.
fn event_of(text: &str) -> (String, String) {
    let field = |name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        lines.map(str::trim_start).collect::<Vec<_>>().join("\n")
    };
    (field("event:"), field("data:"))
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
    fn an_admin_api_with_a_listener_of_its_own_is_asked_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("lock"),
            "pid 7, listening on 0.0.0.0:4123, admin on 127.0.0.1:4124\n",
        )
        .unwrap();
        let running = Running::find(&which(folder.path())).unwrap();
        assert_eq!(running.address(), "127.0.0.1:4123");
        assert_eq!(running.admin, "127.0.0.1:4124");
    }

    #[test]
    fn events_have_a_name_and_data_and_comments_have_none() {
        let pair = |name: &str, data: &str| (name.to_owned(), data.to_owned());
        let event = event_of("event: request\nid: 7\ndata: {\"a\":1}\n\n");
        assert_eq!(event, pair("request", "{\"a\":1}"));
        assert_eq!(event_of(": ping\n\n"), pair("", ""));
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
