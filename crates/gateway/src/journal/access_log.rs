//! One line for each call on standard output or in a file, written by a thread of its own so that no call waits for a
//! terminal or a disk.
//!
//! Lines are gathered for 10 ms: waking another thread costs a call more than writing its line does.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http1::decimal::write_decimal;
use parking_lot::{Condvar, Mutex};

use serde::{Serialize, Serializer};

use super::{Attempt, Closed, Outcome, Summary};

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Lines that wait to be written: at most this many, above it lines are dropped and counted. 65,536 lines are about
/// 10 MB and a second of what one machine answers; a terminal that is stopped must not fill the memory.
const QUEUE_BOUND: usize = 65_536;

/// How long lines are gathered before they are written.
const GATHER: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Queue {
    text: Vec<u8>,
    lines: usize,
    closed: bool,
}

/// The access log.
#[derive(Clone, Debug)]
pub struct AccessLog {
    shared: Arc<Shared>,
    format: LogFormat,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    filled: Condvar,
    dropped: AtomicU64,
    reopen: AtomicBool,
}

/// Where lines go.
#[derive(Debug)]
enum Sink {
    Standard,
    File { path: PathBuf, file: File },
}

impl Sink {
    fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Standard);
        };
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).mode(0o640).open(path)?;
        Ok(Self::File {
            path: path.to_owned(),
            file,
        })
    }

    /// Opens the file of that name again: the old one was moved away, or removed.
    fn reopen(&mut self) {
        let Self::File { path, .. } = self else {
            return;
        };
        match Self::open(Some(path)) {
            Ok(sink) => *self = sink,
            Err(error) => tracing::warn!(
                %error,
                "{} cannot be opened again: lines go on into the old file",
                path.display()
            ),
        }
    }

    fn write(&mut self, text: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Standard => {
                let mut out = std::io::stdout().lock();
                out.write_all(text).and_then(|()| out.flush())
            }
            Self::File { file, .. } => file.write_all(text),
        }
    }
}

impl AccessLog {
    /// Starts the writing thread; without a file, lines go to standard output.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn start(format: LogFormat, file: Option<&Path>) -> std::io::Result<Self> {
        let sink = Sink::open(file)?;
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&writer, sink))?;
        Ok(Self { shared, format })
    }

    /// Appends the call's line.
    pub fn append(&self, closed: &Closed, summary: &Summary<'_>) {
        let unix_millis = closed.ended_unix_millis();
        let mut queue = self.shared.queue.lock();
        if queue.lines >= QUEUE_BOUND {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = queue.lines == 0;
        queue.lines += 1;
        let written = match self.format {
            LogFormat::Pretty => pretty(&mut queue.text, closed, summary, unix_millis),
            LogFormat::Json => json(&mut queue.text, closed, summary, unix_millis),
        };
        drop(queue);
        if written.is_ok() && was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// Ends the writing thread once everything is written.
    pub fn close(&self) {
        self.shared.queue.lock().closed = true;
        self.shared.filled.notify_one();
    }

    /// Has the file opened again before the next line: whoever rotates it has moved it away.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Lines that were dropped because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

fn write_all(shared: &Shared, mut sink: Sink) {
    let mut text = Vec::new();
    loop {
        let mut queue = shared.queue.lock();
        while queue.lines == 0 && !queue.closed {
            shared.filled.wait(&mut queue);
        }
        let closed = queue.closed;
        if !closed {
            let _timed_out = shared.filled.wait_for(&mut queue, GATHER);
        }
        text.clear();
        std::mem::swap(&mut text, &mut queue.text);
        let lines = std::mem::take(&mut queue.lines);
        drop(queue);
        if shared.reopen.swap(false, Ordering::AcqRel) {
            sink.reopen();
        }
        let written = sink.write(&text);
        if written.is_err() {
            let lines = u64::try_from(lines).unwrap_or(u64::MAX);
            shared.dropped.fetch_add(lines, Ordering::Relaxed);
        }
        // A closed standard output ends the log, not the gateway; a disk may have room again.
        let gone = written.is_err() && matches!(sink, Sink::Standard);
        if closed || gone {
            return;
        }
    }
}

/// `14:02:11  req_01K9…  200  recovered 2/2  smart -> azure-eu/gpt-5-mini  1.3 s  $0.0002  key dev  bad_gateway`.
fn pretty(
    out: &mut Vec<u8>,
    closed: &Closed,
    summary: &Summary<'_>,
    unix_millis: u64,
) -> std::io::Result<()> {
    let seconds = unix_millis / 1000 % 86_400;
    write!(
        out,
        "{:02}:{:02}:{:02}  {}  {}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        closed.id.write().as_str(),
        summary.status.unwrap_or(499)
    )?;
    if closed.outcome != Outcome::Ok {
        write!(out, "  {}", closed.outcome.as_str())?;
    }
    if summary.attempts.len() > 1 {
        write!(out, " after {} attempts", summary.attempts.len())?;
    }
    match (summary.model, summary.served_by()) {
        (Some(model), Some(target)) if model != target => write!(out, "  {model} -> {target}")?,
        (Some(model), _) => write!(out, "  {model}")?,
        (None, _) => write!(out, "  {} {}", summary.method, summary.path)?,
    }
    duration(out, closed.took)?;
    if let Some(cost) = summary.cost.filter(|cost| cost.as_nanos() > 0) {
        write!(out, "  {cost}")?;
    }
    if let Some(key) = summary.key {
        write!(out, "  key {key}")?;
    }
    let code = summary.code.or_else(|| first_failure(summary));
    if let Some(code) = code {
        write!(out, "  {}", code.as_str())?;
    }
    out.write_all(b"\n")
}

fn first_failure(summary: &Summary<'_>) -> Option<diagnosis::Code> {
    summary
        .attempts
        .iter()
        .find_map(|attempt| attempt.verdict.as_ref())
        .map(|verdict| verdict.code)
}

fn duration(out: &mut Vec<u8>, took: Duration) -> std::io::Result<()> {
    if took < Duration::from_secs(1) {
        write!(out, "  {} ms", took.as_millis())
    } else {
        write!(out, "  {:.1} s", took.as_secs_f64())
    }
}

/// A member's name with all that stands around it, put together by the compiler.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// One JSON object and a line break. Written member by member: this is on the way of every call, and a line through a
/// serialiser of structs costs three times as many instructions.
fn json(
    out: &mut Vec<u8>,
    closed: &Closed,
    summary: &Summary<'_>,
    unix_millis: u64,
) -> std::io::Result<()> {
    out.reserve(512);
    out.extend_from_slice(b"{\"time_unix_ms\":");
    write_decimal(unix_millis, out);
    let level = match closed.outcome {
        Outcome::Failed => "error",
        Outcome::Recovered | Outcome::Refused => "warn",
        Outcome::Ok | Outcome::Cached | Outcome::Cancelled => "info",
    };
    word(out, key!("level"), level);
    word(out, key!("request_id"), closed.id.write().as_str());
    word(out, key!("outcome"), closed.outcome.as_str());
    member(out, key!("status"), summary.status.map(u64::from));
    if let Some(code) = summary.code {
        word(out, key!("code"), code.as_str());
        word(out, key!("group"), code.facts().group.as_str());
    }
    if let Some(reason) = summary.stop_reason {
        word(out, key!("stop_reason"), reason.as_str());
    }
    text(out, key!("method"), Some(summary.method))?;
    text(out, key!("path"), Some(summary.path))?;
    text(out, key!("model"), summary.model.map(|model| &**model))?;
    let served_by = summary.served_by().map(|target| &**target);
    text(out, key!("served_by"), served_by)?;
    text(out, key!("key"), summary.key.map(types::KeyId::as_str))?;
    member(out, key!("ms"), Some(millis(closed.took)));
    member(
        out,
        key!("first_content_ms"),
        summary.first_content.map(millis),
    );
    member(out, key!("input_tokens"), summary.usage.input);
    member(out, key!("output_tokens"), summary.usage.output);
    let cost = summary.cost.map(types::NanoUsd::as_nanos);
    member(out, key!("cost_nano_usd"), cost);
    if let Some(closed_by) = summary.closed_by {
        text(out, key!("closed_by"), Some(closed_by.as_str()))?;
        member(out, key!("bytes_up"), Some(summary.request_bytes));
        member(out, key!("bytes_down"), Some(summary.response_bytes));
    }
    if summary.repeats_at_risk > 0 {
        out.extend_from_slice(b",\"possible_duplicate\":true");
    }
    if summary.ends_missing > 0 {
        out.extend_from_slice(b",\"end_missing\":true");
    }
    // The attempts are told where there is more to tell than that the first one answered.
    if !matches!(
        summary.attempts.as_slice(),
        [] | [Attempt { verdict: None, .. }]
    ) {
        out.extend_from_slice(b",\"attempts\":");
        serde_json::to_writer(&mut *out, &Attempts(&summary.attempts))?;
    }
    out.extend_from_slice(b"}\n");
    Ok(())
}

/// A member that is a text; nothing where there is none.
fn text(out: &mut Vec<u8>, key: &str, value: Option<&str>) -> std::io::Result<()> {
    let Some(value) = value else { return Ok(()) };
    // Without an early exit the compiler looks at many bytes at a time.
    let odd = |byte: u8| !matches!(byte, b' '..=b'~') || matches!(byte, b'"' | b'\\');
    if value.bytes().fold(false, |found, byte| found | odd(byte)) {
        out.extend_from_slice(key.as_bytes());
        return Ok(serde_json::to_writer(out, value)?);
    }
    word(out, key, value);
    Ok(())
}

/// A member whose text needs no escapes: one of our own words.
fn word(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

/// A member that is a number; nothing where there is none.
fn member(out: &mut Vec<u8>, key: &str, value: Option<u64>) {
    if let Some(value) = value {
        out.extend_from_slice(key.as_bytes());
        write_decimal(value, out);
    }
}

/// The attempts of a line, written without being gathered first.
struct Attempts<'a>(&'a [&'a Attempt]);

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|attempt| {
            let (verdict, evidence) = (attempt.verdict.as_ref(), &attempt.evidence);
            AttemptLine {
                n: attempt.n,
                target: &attempt.target,
                at_ms: millis(attempt.at),
                ms: millis(attempt.took),
                phase: evidence.phase.as_str(),
                status: attempt.status,
                code: verdict.map(|verdict| verdict.code.as_str()),
                origin: verdict.map(|verdict| verdict.origin.as_str()),
                evidence: verdict.map(|verdict| verdict.evidence_line.as_str()),
                made_by: verdict.map(|verdict| verdict.made_by.as_str()),
                bytes_sent: evidence.bytes.sent,
                bytes_received: evidence.bytes.received,
                reused: evidence.reused,
                next: attempt.next.as_str(),
            }
        }))
    }
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    n: u32,
    target: &'a str,
    at_ms: u64,
    ms: u64,
    phase: &'static str,
    status: Option<u16>,
    code: Option<&'static str>,
    origin: Option<&'static str>,
    /// What a client may see, never an address.
    evidence: Option<&'a str>,
    made_by: Option<&'static str>,
    bytes_sent: u64,
    bytes_received: u64,
    reused: bool,
    next: &'static str,
}

/// Whole milliseconds, as everywhere a duration of a call is shown.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Event, Next};
    use diagnosis::{Evidence, Fault, Lane};
    use types::{CallId, TokenUsage};

    fn attempt(fault: Option<Fault>) -> Attempt {
        let evidence = Evidence {
            fault,
            ..Evidence::default()
        };
        Attempt {
            n: 1,
            target: Arc::from("p/m"),
            credential: None,
            at: Duration::ZERO,
            took: Duration::from_millis(7),
            status: None,
            verdict: evidence
                .fault
                .is_some()
                .then(|| diagnosis::judge(&evidence)),
            evidence: Box::new(evidence),
            next: Next::Served,
        }
    }

    fn closed(outcome: Outcome, attempts: Vec<Attempt>) -> Closed {
        let mut events = vec![
            Event::Asked(Box::new(crate::journal::Asked {
                lane: Lane::Model,
                method: http::Method::POST,
                uri: "/v1/chat/completions?key=secret".parse().unwrap(),
                client: crate::journal::ClientFacts::default(),
            })),
            Event::Wanted {
                model: Arc::from("say \"hi\" \u{e9}"),
                stream: false,
                dialect: None,
                bytes: 3,
            },
            Event::Answering { status: 200 },
            Event::Used {
                usage: TokenUsage {
                    input: Some(5),
                    ..TokenUsage::default()
                },
                cost: None,
                certainty: crate::journal::Certainty::Exact,
            },
        ];
        events.extend(
            attempts
                .into_iter()
                .map(|attempt| Event::Attempted(Box::new(attempt))),
        );
        Closed {
            id: CallId::generate(1),
            peer: "127.0.0.1:1".parse().unwrap(),
            took: Duration::from_millis(1234),
            events,
            outcome,
        }
    }

    fn line(closed: &Closed) -> serde_json::Value {
        let mut out = Vec::new();
        json(&mut out, closed, &Summary::of(closed), 99).unwrap();
        assert_eq!(out.last(), Some(&b'\n'));
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_line_is_json_whatever_a_caller_calls_a_model_and_holds_no_query() {
        let line = line(&closed(Outcome::Ok, vec![attempt(None)]));
        assert_eq!(line["model"], "say \"hi\" \u{e9}");
        assert_eq!(line["path"], "/v1/chat/completions");
        assert_eq!(
            (&line["ms"], &line["status"], &line["input_tokens"]),
            (&1234.into(), &200.into(), &5.into())
        );
        assert_eq!(line["served_by"], "p/m");
        assert!(line.get("attempts").is_none() && line.get("code").is_none());
    }

    #[test]
    fn failed_attempts_are_told_with_code_time_and_what_followed() {
        let line = line(&closed(
            Outcome::Recovered,
            vec![attempt(Some(Fault::Refused)), attempt(None)],
        ));
        assert_eq!(line["level"], "warn");
        assert_eq!(line["attempts"][0]["code"], "connection_refused");
        assert_eq!(line["attempts"][1]["next"], "served");
        let first = &line["attempts"][0];
        assert_eq!(
            (&first["phase"], &first["origin"]),
            (&"dns".into(), &"upstream".into())
        );
    }

    #[test]
    fn a_file_that_was_moved_away_is_opened_again_and_no_line_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (
            folder.path().join("calls.log"),
            folder.path().join("calls.log.1"),
        );
        let ids = |path: &Path| -> Vec<String> {
            let text = std::fs::read_to_string(path).unwrap();
            let lines = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            lines
                .map(|line| line["request_id"].as_str().unwrap().to_owned())
                .collect()
        };
        let clock = types::SystemClock;
        let wait_for = |path: &Path| {
            let until = types::Clock::now(&clock) + Duration::from_secs(10);
            while !path.exists() || std::fs::read(path).unwrap().is_empty() {
                assert!(
                    types::Clock::now(&clock) < until,
                    "nothing is written to {}",
                    path.display()
                );
                std::thread::yield_now();
            }
        };
        let log = AccessLog::start(LogFormat::Json, Some(&path)).unwrap();
        let calls = [(); 2].map(|()| closed(Outcome::Ok, vec![attempt(None)]));
        log.append(&calls[0], &Summary::of(&calls[0]));
        wait_for(&path);
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.append(&calls[1], &Summary::of(&calls[1]));
        wait_for(&path);
        assert_eq!(ids(&moved), [calls[0].id.to_string()]);
        assert_eq!(ids(&path), [calls[1].id.to_string()]);
        assert_eq!(log.dropped(), 0);
        assert!(
            AccessLog::start(LogFormat::Json, Some(folder.path())).is_err(),
            "a folder is no file"
        );
    }

    #[test]
    fn the_pretty_line_names_model_target_time_and_the_first_failure() {
        let closed = closed(
            Outcome::Recovered,
            vec![attempt(Some(Fault::Refused)), attempt(None)],
        );
        let mut out = Vec::new();
        pretty(&mut out, &closed, &Summary::of(&closed), 3_600_000).unwrap();
        let text = String::from_utf8(out).unwrap();
        for part in [
            "01:00:00  req_",
            "  200  recovered after 2 attempts",
            " -> p/m",
            "1.2 s",
            "connection_refused\n",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
