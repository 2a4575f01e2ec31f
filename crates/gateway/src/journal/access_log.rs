//! One line for each call on standard output, written by a thread of its own so that no call waits for a terminal.
//!
//! Lines are gathered for 10 ms: waking another thread costs a call more than writing its line does.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use serde::{Serialize, Serializer};
use types::{CallId, NanoUsd};

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
}

impl AccessLog {
    /// Starts the writing thread.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(format: LogFormat) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".into())
            .spawn(move || write_all(&writer))?;
        Ok(Self { shared, format })
    }

    /// Appends the call's line.
    pub fn append(&self, closed: &Closed, summary: &Summary<'_>, unix_millis: u64) {
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

    /// Lines that were dropped because nobody took them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

fn write_all(shared: &Shared) {
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
        queue.lines = 0;
        drop(queue);
        // A closed standard output ends the log, not the gateway.
        let mut out = std::io::stdout().lock();
        let gone = out.write_all(&text).and_then(|()| out.flush()).is_err();
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

/// One line of the JSON log.
#[derive(Serialize)]
struct Line<'a> {
    time_unix_ms: u64,
    level: &'static str,
    request_id: CallId,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_reason: Option<&'static str>,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    served_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_content_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_nano_usd: Option<NanoUsd>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    possible_duplicate: bool,
    /// Told where there is more to tell than that the first one answered.
    #[serde(skip_serializing_if = "Attempts::are_plain")]
    attempts: Attempts<'a>,
}

/// The attempts of a line, written without being gathered first.
struct Attempts<'a>(&'a [&'a Attempt]);

impl Attempts<'_> {
    fn are_plain(&self) -> bool {
        matches!(self.0, [] | [Attempt { verdict: None, .. }])
    }
}

impl Serialize for Attempts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|attempt| {
            AttemptLine {
                n: attempt.n,
                target: &attempt.target,
                ms: millis(attempt.took),
                status: attempt.status,
                code: attempt
                    .verdict
                    .as_ref()
                    .map(|verdict| verdict.code.as_str()),
                next: attempt.next.as_str(),
            }
        }))
    }
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    n: u32,
    target: &'a str,
    ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    next: &'static str,
}

fn json(
    out: &mut Vec<u8>,
    closed: &Closed,
    summary: &Summary<'_>,
    unix_millis: u64,
) -> std::io::Result<()> {
    let line = Line {
        time_unix_ms: unix_millis,
        level: match closed.outcome {
            Outcome::Failed => "error",
            Outcome::Recovered | Outcome::Refused => "warn",
            Outcome::Ok | Outcome::Cached | Outcome::Cancelled => "info",
        },
        request_id: closed.id,
        outcome: closed.outcome.as_str(),
        status: summary.status,
        code: summary.code.map(diagnosis::Code::as_str),
        group: summary.code.map(|code| code.facts().group.as_str()),
        stop_reason: summary.stop_reason.map(super::StopReason::as_str),
        method: summary.method,
        path: summary.path,
        model: summary.model.map(|model| &**model),
        served_by: summary.served_by().map(|target| &**target),
        key: summary.key.map(types::KeyId::as_str),
        ms: millis(closed.took),
        first_content_ms: summary.first_content.map(millis),
        input_tokens: summary.usage.input,
        output_tokens: summary.usage.output,
        cost_nano_usd: summary.cost,
        possible_duplicate: summary.repeats_at_risk > 0,
        attempts: Attempts(&summary.attempts),
    };
    serde_json::to_writer(&mut *out, &line)?;
    out.write_all(b"\n")
}

/// Whole milliseconds, as everywhere a duration of a call is shown.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
