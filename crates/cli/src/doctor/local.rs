//! What can be told of this machine: configuration, port, storage, files, clock.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::{Diagnostic, Discovery, Environment, Loaded, Severity, Snapshot, Source};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{AccessFlags, access};

use super::report::{Finding, State};
use super::words;
use crate::{owner, spans};

/// Less free space than this is worth a warning: a busy gateway writes that in some days.
const LITTLE_SPACE: u64 = 1 << 30;

/// Fewer files than this are too few: each call has up to two connections.
const FEW_FILES: u64 = 1024;

/// Clocks that differ by more are worth a warning: signed requests and dated waits tolerate about so much.
const SKEW: i64 = 30;

/// The configuration, as far as there is one.
#[derive(Debug)]
pub(crate) struct Configured {
    /// What would run.
    pub(crate) snapshot: Option<Snapshot>,
    /// Servers that may run at their usual places.
    pub(crate) candidates: Vec<config::Candidate>,
    /// What there is to say of it.
    pub(crate) finding: Finding,
}

impl Configured {
    /// Whether there are errors in it.
    pub(crate) fn is_invalid(&self) -> bool {
        self.finding.state == State::Failed
    }
}

/// The gateway that runs, as its admin API tells it.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Status {
    pub(crate) pid: u32,
    pub(crate) started_ms: u64,
    pub(crate) now_ms: u64,
    pub(crate) config: ConfigStatus,
}

/// Its configuration.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct ConfigStatus {
    pub(crate) version: u64,
    pub(crate) file: Option<String>,
}

/// Reads the configuration that is named, that a running gateway uses, or that `serve` would use.
pub(crate) fn configuration(
    explicit: Option<&Path>,
    running: Option<&Status>,
    environment: &Environment,
) -> Configured {
    let used = running.and_then(|status| status.config.file.as_ref().map(PathBuf::from));
    let path = explicit
        .map(Path::to_owned)
        .or_else(|| used.filter(|path| path.is_file()));
    match Source::find(path.as_deref(), environment) {
        Ok(Some(source)) => of_file(&source, running, environment),
        Ok(None) => of_environment(environment),
        Err(error) => Configured {
            snapshot: None,
            candidates: Vec::new(),
            finding: Finding::trouble(
                "config",
                State::Failed,
                &words::CONFIG_INVALID,
                format!("{error}: {}", error.source),
            )
            .with_fix("Name a file that can be read with --config."),
        },
    }
}

fn of_file(source: &Source, running: Option<&Status>, environment: &Environment) -> Configured {
    let path = source.path.display();
    let version = running
        .filter(|status| status.config.file.as_deref() == source.path.to_str())
        .map(|status| format!(" v{}", status.config.version))
        .unwrap_or_default();
    let (snapshot, finding) = match config::load(source, environment) {
        Ok(Loaded { snapshot, warnings }) => (
            Some(snapshot),
            valid(format!("{path}{version} valid"), &warnings),
        ),
        Err(errors) => {
            // The secrets may be known to the gateway alone: whatever else is right can be examined.
            let lenient = environment.clone().allowing_missing();
            let snapshot = config::load(source, &lenient).ok();
            let only_missing = snapshot.is_some();
            let first = errors
                .iter()
                .find(|finding| finding.severity == Severity::Error);
            let said = first.map(|error| error.message.clone()).unwrap_or_default();
            let count = errors
                .iter()
                .filter(|finding| finding.severity == Severity::Error)
                .count();
            let text = if count == 1 {
                format!("{path}{version}: {said}")
            } else {
                format!("{path}{version} has {count} errors, the first: {said}")
            };
            let state = if only_missing && running.is_some() {
                State::Warning
            } else {
                State::Failed
            };
            let mut finding = Finding::trouble("config", state, &words::CONFIG_INVALID, text);
            if only_missing {
                finding = finding.with_fix(
                    "Set the variable here, too, or run doctor with the gateway's environment.",
                );
            }
            (snapshot.map(|loaded| loaded.snapshot), finding)
        }
    };
    Configured {
        snapshot,
        candidates: Vec::new(),
        finding,
    }
}

fn of_environment(environment: &Environment) -> Configured {
    let Discovery {
        snapshot,
        found,
        candidates,
        diagnostics,
        ..
    } = config::discover(environment, None);
    let errors = diagnostics
        .iter()
        .filter(|finding| finding.severity == Severity::Error);
    if let Some(error) = errors.clone().next() {
        let text = format!("the environment: {}", error.message);
        return Configured {
            snapshot: None,
            candidates: Vec::new(),
            finding: Finding::trouble("config", State::Failed, &words::CONFIG_INVALID, text)
                .with_fix("Correct the variable."),
        };
    }
    let count = found.len();
    let plural = if count == 1 { "" } else { "s" };
    let text = format!("no goodgate.yaml: the environment names {count} provider{plural}");
    Configured {
        snapshot: Some(snapshot),
        candidates,
        finding: valid(text, &diagnostics),
    }
}

fn valid(text: String, warnings: &[Diagnostic]) -> Finding {
    match warnings {
        [] => Finding::ok("config", text),
        [first, rest @ ..] => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!(" (and {} more)", rest.len())
            };
            Finding {
                check: "config",
                state: State::Warning,
                code: Some(first.code),
                text: format!("{text}, with a warning: {}{more}", first.message),
                fix: Some("Run goodgate check, which shows each with its line.".to_owned()),
            }
        }
    }
}

/// Who has the port, and what of the gateway that should be there.
pub(crate) fn port(listen: SocketAddr, running: Option<&Status>, silent: Option<&str>) -> Finding {
    if let Some(status) = running {
        let up = Duration::from_millis(status.now_ms.saturating_sub(status.started_ms));
        return Finding::ok(
            "port",
            format!(
                "the gateway answers (pid {}, up {})",
                status.pid,
                spans::rough(up)
            ),
        );
    }
    let port = listen.port();
    match owner::of_port(listen) {
        Some(other) => Finding::trouble(
            "port",
            State::Failed,
            &words::PORT_TAKEN,
            format!("port {port} is held by {other}, and no gateway of this state folder answers"),
        ),
        None => match silent {
            Some(line) => Finding::trouble("port", State::Warning, &words::GATEWAY_SILENT, line),
            None => Finding::ok("port", format!("no gateway runs; port {port} is free")),
        },
    }
}

/// Whether calls and keys can be stored.
pub(crate) fn storage(folder: &Path) -> Finding {
    // What does not exist yet is made by the gateway: its nearest parent decides.
    let nearest = folder.ancestors().find(|path| path.exists());
    let Some(nearest) = nearest else {
        return Finding::skipped("storage", format!("{} cannot be seen", folder.display()));
    };
    if let Err(errno) = access(nearest, AccessFlags::W_OK | AccessFlags::X_OK) {
        return Finding::trouble(
            "storage",
            State::Failed,
            &words::STORAGE_UNUSABLE,
            format!("{} cannot be written: {}", nearest.display(), errno.desc()),
        );
    }
    let Ok(facts) = statvfs(nearest) else {
        return Finding::ok("storage", format!("{} is writable", folder.display()));
    };
    #[expect(clippy::unnecessary_cast, reason = "the width differs between systems")]
    let free = (facts.blocks_available() as u64).saturating_mul(facts.fragment_size() as u64);
    let text = format!("{} is writable, {} free", folder.display(), size(free));
    if free < LITTLE_SPACE {
        return Finding::trouble("storage", State::Warning, &words::STORAGE_FULL, text);
    }
    Finding::ok("storage", text)
}

/// Open files of the gateway, or the limit that one started here would have.
pub(crate) fn files(running: Option<&Status>) -> Finding {
    let (used, limit) = match running {
        Some(status) => (open_files(status.pid), limit_of(status.pid)),
        None => (
            None,
            getrlimit(Resource::RLIMIT_NOFILE)
                .ok()
                .map(|(_, hard)| hard),
        ),
    };
    let Some(limit) = limit else {
        return Finding::skipped(
            "files",
            "the system does not tell how many files may be open",
        );
    };
    let text = match used {
        Some(used) => format!("files {used}/{limit}"),
        None => format!("up to {limit} files may be open"),
    };
    let is_short = limit < FEW_FILES || used.is_some_and(|used| used > limit / 10 * 8);
    if is_short {
        return Finding::trouble("files", State::Warning, &words::FILES_SHORT, text);
    }
    Finding::ok("files", text)
}

/// Source: proc(5), `/proc/PID/fd`.
fn open_files(pid: u32) -> Option<u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    u64::try_from(entries.count()).ok()
}

/// Source: proc(5), `/proc/PID/limits`: a name of 26 columns, the soft limit, the hard one.
fn limit_of(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = text
        .lines()
        .find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

/// Our clock against the upstreams': the median of what their answers say.
pub(crate) fn clock(mut offsets: Vec<i64>) -> Finding {
    offsets.sort_unstable();
    let Some(offset) = offsets.get(offsets.len() / 2).copied() else {
        return Finding::skipped(
            "clock",
            "the clock is not compared: no upstream has told its time",
        );
    };
    let count = offsets.len();
    let plural = if count == 1 { "" } else { "s" };
    let by = format!("by the time of {count} upstream{plural}");
    if offset.abs() <= SKEW {
        return Finding::ok("clock", format!("clock is right {by}"));
    }
    let (how, far) = if offset > 0 {
        ("behind", offset)
    } else {
        ("ahead", -offset)
    };
    Finding::trouble(
        "clock",
        State::Warning,
        &words::CLOCK_SKEW,
        format!("clock is {far} s {how} {by}: TLS and key expiry may fail"),
    )
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_by_the_median() {
        let check = |offsets: &[i64]| clock(offsets.to_vec());
        assert_eq!(check(&[]).state, State::Skipped);
        assert_eq!(check(&[0, -2, 4000]).state, State::Ok);
        let behind = check(&[41, 42, 40]);
        assert_eq!(behind.code, Some("clock_skew"));
        assert!(behind.text.contains("41 s behind"), "{}", behind.text);
        assert!(check(&[-90]).text.contains("90 s ahead"));
    }

    #[test]
    fn a_port_is_ours_free_or_somebody_elses() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let taken = port(address, None, None);
        assert_eq!(taken.code, Some("port_taken"));
        assert!(taken.text.contains("pid"), "{}", taken.text);
        drop(listener);
        assert_eq!(port(address, None, None).state, State::Ok);
        assert_eq!(
            port(address, None, Some("silent")).code,
            Some("gateway_silent")
        );
        let status = Status {
            pid: 7,
            started_ms: 0,
            now_ms: 3_600_000 * 5,
            config: ConfigStatus {
                version: 1,
                file: None,
            },
        };
        assert!(
            port(address, Some(&status), None)
                .text
                .contains("pid 7, up 5 h")
        );
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_as_writable_as_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let found = storage(&folder.path().join("a/b"));
        assert!(found.text.contains("writable"), "{}", found.text);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(storage(&file.join("x")).code, Some("storage_unusable"));
    }

    #[test]
    fn this_process_has_files_and_a_limit() {
        let status = Status {
            pid: std::process::id(),
            started_ms: 0,
            now_ms: 0,
            config: ConfigStatus {
                version: 1,
                file: None,
            },
        };
        assert!(files(Some(&status)).text.starts_with("files "));
        assert_ne!(files(None).state, State::Skipped);
    }
}
