//! Who stands between load and mock: nobody, nginx or goodgate. Each is started, made ready and addressed here.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::call::{Shape, get_request};
use crate::load;
use crate::process::{Group, Start};

/// How long a contender may take to answer for the first time.
const READY: Duration = Duration::from_secs(15);

/// How long the store may take to have counted every call.
const COUNTED: Duration = Duration::from_secs(5);

/// One of those that are measured.
#[derive(Debug)]
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) name: &'static str,
    /// Its processes; none for the direct way.
    pub(crate) group: Option<Group>,
    /// Where whole calls go.
    pub(crate) whole: SocketAddr,
    /// Where streamed calls go.
    pub(crate) stream: SocketAddr,
    /// What callers authenticate with.
    pub(crate) key: Option<String>,
    /// What is asked for exact counts.
    counts: Option<Counts>,
    /// Chat calls sent through it.
    pub(crate) sent: u64,
}

#[derive(Debug)]
struct Counts {
    token: String,
    /// What stood there before the first chat call.
    before: u64,
}

impl Contender {
    /// The mock itself.
    pub(crate) fn direct(mock: SocketAddr) -> Self {
        Self {
            name: "direct",
            group: None,
            whole: mock,
            stream: mock,
            key: None,
            counts: None,
            sent: 0,
        }
    }

    /// nginx with one worker in front of the mock.
    ///
    /// # Errors
    /// It cannot be started or does not answer.
    pub(crate) fn nginx(
        name: &'static str,
        program: &Path,
        folder: &Path,
        core: usize,
        mock: SocketAddr,
    ) -> Result<Self, String> {
        let folder = folder.join(name);
        fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let (whole, stream) = (free_address()?, free_address()?);
        let file = folder.join("nginx.conf");
        write(&file, &nginx_configuration(&folder, mock, whole, stream))?;
        let group = Group::start(Start {
            name,
            core,
            // The master passes a TERM on to its worker, which no signal of ours would reach.
            orphan_signal: Signal::SIGTERM,
            program,
            arguments: vec![
                "-e".into(),
                folder.join("error.log").display().to_string(),
                "-p".into(),
                folder.display().to_string(),
                "-c".into(),
                file.display().to_string(),
            ],
            environment: Vec::new(),
            log: folder.join("output.log"),
        })?;
        let mut contender = Self {
            name,
            group: Some(group),
            whole,
            stream,
            key: None,
            counts: None,
            sent: 0,
        };
        contender.wait_until_ready(whole)?;
        contender.wait_until_ready(stream)?;
        Ok(contender)
    }

    /// goodgate with one worker and everything on in front of the mock.
    ///
    /// # Errors
    /// It cannot be started, does not answer, or does not tell its counts.
    pub(crate) fn goodgate(
        program: &Path,
        folder: &Path,
        core: usize,
        mock: SocketAddr,
    ) -> Result<Self, String> {
        let state = folder.join("goodgate");
        fs::create_dir(&state).map_err(|error| format!("{}: {error}", state.display()))?;
        let file = state.join("goodgate.yaml");
        write(&file, &goodgate_configuration(mock))?;
        let address = free_address()?;
        let program = program
            .canonicalize()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let group = Group::start(Start {
            name: "goodgate",
            core,
            orphan_signal: Signal::SIGKILL,
            program: &program,
            arguments: vec![
                "serve".into(),
                "--listen".into(),
                address.to_string(),
                "--state".into(),
                state.display().to_string(),
                "--config".into(),
                file.display().to_string(),
            ],
            environment: vec![
                ("HOME", folder.display().to_string()),
                ("LOCAL_MODEL", "0".to_owned()),
            ],
            log: folder.join("goodgate.log"),
        })?;
        let mut contender = Self {
            name: "goodgate",
            group: Some(group),
            whole: address,
            stream: address,
            key: None,
            counts: None,
            sent: 0,
        };
        contender.key = Some(contender.wait_for_secret(&state.join("first-key"))?);
        contender.wait_until_ready(address)?;
        let token = contender.wait_for_secret(&state.join("admin-token"))?;
        let before = ask_counts(address, &token)?;
        contender.counts = Some(Counts { token, before });
        Ok(contender)
    }

    /// Where calls of this shape go.
    pub(crate) fn address(&self, shape: Shape) -> SocketAddr {
        match shape {
            Shape::Whole => self.whole,
            Shape::Stream => self.stream,
        }
    }

    /// Checks that the store has counted every call that was sent; says what it counted, if it counts.
    ///
    /// # Errors
    /// It has not, five seconds after the last call.
    pub(crate) fn check_counts(&self) -> Result<Option<u64>, String> {
        let Some(counts) = &self.counts else {
            return Ok(None);
        };
        let started = Instant::now();
        loop {
            let counted = ask_counts(self.whole, &counts.token)?.saturating_sub(counts.before);
            if counted == self.sent {
                return Ok(Some(counted));
            }
            if counted > self.sent || started.elapsed() > COUNTED {
                return Err(format!(
                    "the store counts {counted} calls, {} were sent",
                    self.sent
                ));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// An error with the end of this contender's log, where it has one.
    pub(crate) fn complaint(&self, what: &str) -> String {
        match &self.group {
            Some(group) => group.complaint(what),
            None => format!("{} {what}", self.name),
        }
    }

    /// Waits until the list of models comes through.
    fn wait_until_ready(&mut self, address: SocketAddr) -> Result<(), String> {
        let request = get_request(address, self.key.as_deref(), "/v1/models");
        let mut last = String::new();
        self.wait_for(|| {
            match load::ask(address, &request) {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => {
                    let body = String::from_utf8_lossy(&answer.body);
                    last = format!("GET /v1/models answers {} {body}", answer.status);
                }
                Err(error) => last = format!("{address}: {error}"),
            }
            Err(last.clone())
        })
    }

    fn wait_for_secret(&mut self, file: &Path) -> Result<String, String> {
        self.wait_for(|| match fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            Ok(_) => Err(format!("{} is empty", file.display())),
            Err(error) => Err(format!("{}: {error}", file.display())),
        })
    }

    fn wait_for<T>(&mut self, mut ask: impl FnMut() -> Result<T, String>) -> Result<T, String> {
        let started = Instant::now();
        loop {
            if let Some(group) = &mut self.group {
                group.expect_running()?;
            }
            match ask() {
                Ok(value) => return Ok(value),
                Err(what) if started.elapsed() > READY => {
                    return Err(self.complaint(&format!("is not ready after {READY:?}: {what}")));
                }
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}

/// Starts the mock and learns its address.
///
/// # Errors
/// It cannot be started.
pub(crate) fn start_mock(
    folder: &Path,
    core: usize,
    interval: Duration,
) -> Result<(Group, SocketAddr), String> {
    let program = std::env::current_exe().map_err(|error| format!("mock: {error}"))?;
    let mut group = Group::start(Start {
        name: "mock",
        core,
        orphan_signal: Signal::SIGKILL,
        program: &program,
        arguments: vec![
            "mock".into(),
            "--interval-us".into(),
            interval.as_micros().to_string(),
        ],
        environment: Vec::new(),
        log: folder.join("mock.log"),
    })?;
    let line = group.first_line()?;
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .and_then(|text| text.parse().ok());
    let address = address.ok_or_else(|| format!("mock said `{}`", line.trim()))?;
    Ok((group, address))
}

/// nginx, as given or as found where distributions put it.
///
/// # Errors
/// There is none.
pub(crate) fn find_nginx(given: Option<PathBuf>) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = match given {
        Some(file) => Some(file).filter(|file| file.is_file()),
        None => folders
            .map(|folder| folder.join("nginx"))
            .find(|file| file.is_file()),
    };
    found.ok_or_else(|| {
        "nginx is not installed, and the measurement is a comparison with it: \
         install it (Debian: apt-get install nginx-light) or name it with --nginx FILE"
            .to_owned()
    })
}

fn nginx_configuration(
    folder: &Path,
    mock: SocketAddr,
    whole: SocketAddr,
    stream: SocketAddr,
) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
{temporary}    access_log off;
    keepalive_requests 1000000000;
    upstream mock {{
        server {mock};
        keepalive 64;
        keepalive_requests 1000000000;
    }}
    proxy_http_version 1.1;
    proxy_set_header Connection \"\";
    server {{
        listen {whole};
        location / {{ proxy_pass http://mock; }}
    }}
    server {{
        listen {stream};
        location / {{ proxy_pass http://mock; proxy_buffering off; }}
    }}
}}
"
    )
}

fn goodgate_configuration(mock: SocketAddr) -> String {
    format!(
        "server: {{ workers: 1 }}
providers:
  mock: {{ type: openai-compatible, base_url: \"http://{mock}/v1\", api_key: \"sk-mock\" }}
models:
  bench: {{ targets: [mock/bench] }}
"
    )
}

fn ask_counts(address: SocketAddr, token: &str) -> Result<u64, String> {
    let what = "GET /api/v1/counts";
    let answer = load::ask(
        address,
        &get_request(address, Some(token), "/api/v1/counts"),
    )
    .map_err(|error| format!("{what}: {error}"))?;
    let body = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 {
        return Err(format!("{what} answers {} {body}", answer.status));
    }
    serde_json::from_slice::<serde_json::Value>(&answer.body)
        .ok()
        .and_then(|json| json.get("calls").and_then(serde_json::Value::as_u64))
        .ok_or_else(|| format!("{what} has no number `calls`: {body}"))
}

/// A loopback address that was free a moment ago.
fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map_err(|error| format!("no free port: {error}"))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::{Contender, find_nginx};
    use crate::call::get_request;
    use crate::load::ask;

    #[test]
    fn a_missing_nginx_is_said_clearly() {
        let what = find_nginx(Some("/nowhere/nginx".into())).unwrap_err();
        assert!(what.starts_with("nginx is not installed"), "{what}");
    }

    #[test]
    fn direct_calls_need_no_counts() {
        let contender = Contender::direct("127.0.0.1:1".parse().unwrap());
        assert_eq!(contender.check_counts(), Ok(None));
        ask(contender.whole, &get_request(contender.whole, None, "/")).unwrap_err();
    }
}
