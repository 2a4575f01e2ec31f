//! What the drill was asked: a bounded ring of requests, and a file of JSON lines when one is wanted.
//!
//! In memory everything is kept as sent, since tests look for leaked keys; in the file credentials are masked.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use types::time::{Clock, SystemClock};

use crate::http::Request;
use crate::json::{Json, object};

/// The most requests that are remembered; older ones are forgotten first.
pub const MAX_SEEN: usize = 100_000;
/// The most of one body that is kept, in bytes.
pub const MAX_BODY_KEPT: usize = 1024 * 1024;
/// The most of all bodies together that is kept, in bytes; older bodies are forgotten first.
pub const MAX_BODIES_KEPT: usize = 256 * 1024 * 1024;

/// One request as it arrived, and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its number, from 1, in the order in which requests were read.
    pub n: u64,
    /// When it was read, in milliseconds since 1970.
    pub unix_millis: u64,
    /// The connection it came by, numbered from 1 in the order of their accepting.
    pub connection: u64,
    /// Which request of its connection it was, from 1.
    pub nth_on_connection: u64,
    /// The method.
    pub method: String,
    /// The request target as sent, with its query.
    pub path: String,
    /// The headers as sent, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`MAX_BODY_KEPT`] of it; empty when it was never read.
    pub body: Bytes,
    /// The length of what was read of the body, in bytes.
    pub body_length: usize,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The number in `x-goodgate-attempt`.
    pub attempt: Option<u32>,
    /// The text of `x-request-id`.
    pub request_id: Option<String>,
    /// The status that was answered; `None` while nothing was, or where the answer was no HTTP.
    pub status: Option<u16>,
    /// The name of the fault that was played, if any.
    pub fault: Option<String>,
    /// Whether the answer was written to the end of its script.
    pub finished: bool,
    /// When the answer's script ended, however it did, in milliseconds since 1970.
    pub ended_at: Option<u64>,
    /// When the client was seen to have closed before the answer had ended, in milliseconds since 1970.
    pub client_closed_at: Option<u64>,
}

impl Seen {
    /// The first header of that name, in any case of letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }

    /// The body as JSON, `null` when it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn line(&self) -> String {
        let headers = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), masked(name, value).into()))
            .collect();
        let body = self
            .body
            .get(..self.body.len().min(16 * 1024))
            .unwrap_or_default();
        object! {
            "n" => self.n,
            "unix_millis" => self.unix_millis,
            "connection" => self.connection,
            "nth_on_connection" => self.nth_on_connection,
            "method" => &self.method,
            "path" => masked_path(&self.path),
            "model" => Json::or_null(self.model.as_ref()),
            "attempt" => Json::or_null(self.attempt.map(u64::from)),
            "request_id" => Json::or_null(self.request_id.as_ref()),
            "status" => Json::or_null(self.status),
            "fault" => Json::or_null(self.fault.as_ref()),
            "finished" => self.finished,
            "ended_at" => Json::or_null(self.ended_at),
            "client_closed_at" => Json::or_null(self.client_closed_at),
            "headers" => Json::Object(headers),
            "body_length" => self.body_length,
            "body" => String::from_utf8_lossy(body).into_owned(),
        }
        .to_string()
    }
}

fn masked(name: &str, value: &str) -> String {
    let secret = [
        "authorization",
        "x-api-key",
        "x-goog-api-key",
        "api-key",
        "cookie",
    ];
    if secret.iter().any(|s| name.eq_ignore_ascii_case(s)) {
        format!("({} characters)", value.chars().count())
    } else {
        value.to_owned()
    }
}

fn masked_path(path: &str) -> String {
    let Some((before, query)) = path.split_once('?') else {
        return path.to_owned();
    };
    let pairs: Vec<_> = query
        .split('&')
        .map(|p| {
            if p.starts_with("key=") {
                "key=(masked)"
            } else {
                p
            }
        })
        .collect();
    format!("{before}?{}", pairs.join("&"))
}

/// The ring, and the file beside it.
#[derive(Debug, Default)]
pub(crate) struct SeenLog {
    ring: Mutex<Ring>,
    changed: Condvar,
    file: Option<Mutex<File>>,
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Seen>,
    last: u64,
    bodies: usize,
    /// Entries before this number have no body any more.
    bodies_from: u64,
}

impl SeenLog {
    pub(crate) fn new(path: Option<&Path>) -> io::Result<Self> {
        let file = match path {
            Some(path) => {
                let file = std::fs::OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)?;
                Some(Mutex::new(file))
            }
            None => None,
        };
        Ok(Self {
            file,
            ..Self::default()
        })
    }

    /// Remembers a request; its number comes back.
    pub(crate) fn begin(&self, request: &Request, connection: u64, nth: u64) -> u64 {
        let head = &request.head;
        let kept = request.body.slice(..request.body.len().min(MAX_BODY_KEPT));
        let mut ring = self.ring.lock();
        ring.last = ring.last.saturating_add(1);
        let n = ring.last;
        ring.bodies = ring.bodies.saturating_add(kept.len());
        ring.entries.push_back(Seen {
            n,
            unix_millis: SystemClock.unix_millis(),
            connection,
            nth_on_connection: nth,
            method: head.method.clone(),
            path: head.target.clone(),
            headers: head.headers.clone(),
            // A copy: a slice would keep the whole body alive.
            body: Bytes::copy_from_slice(&kept),
            body_length: request.body.len(),
            attempt: head.attempt(),
            request_id: head.header("x-request-id").map(str::to_owned),
            ..Seen::default()
        });
        ring.forget();
        drop(ring);
        self.changed.notify_all();
        n
    }

    /// Changes an entry that is still remembered.
    pub(crate) fn update(&self, n: u64, change: impl FnOnce(&mut Seen)) {
        if let Some(entry) = self.ring.lock().get(n) {
            change(entry);
        }
        self.changed.notify_all();
    }

    /// Notes that the answer's script has ended, and writes the line.
    pub(crate) fn end(&self, n: u64, change: impl FnOnce(&mut Seen)) {
        let line = {
            let mut ring = self.ring.lock();
            let Some(entry) = ring.get(n) else { return };
            entry.ended_at = Some(SystemClock.unix_millis());
            change(entry);
            self.file.is_some().then(|| entry.line())
        };
        if let (Some(file), Some(line)) = (&self.file, line)
            && let Err(error) = writeln!(file.lock(), "{line}")
        {
            tracing::warn!(%error, "the drill's log could not be written");
        }
        self.changed.notify_all();
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.ring.lock().entries.iter().cloned().collect()
    }

    pub(crate) fn count(&self) -> u64 {
        self.ring.lock().last
    }

    pub(crate) fn clear(&self) {
        let mut ring = self.ring.lock();
        ring.entries.clear();
        ring.bodies = 0;
    }

    /// Waits until `done` says so of all that is remembered, at most `timeout`.
    pub(crate) fn wait_for(&self, done: impl Fn(&[Seen]) -> bool, timeout: Duration) -> bool {
        let end = SystemClock.now().checked_add(timeout);
        let mut ring = self.ring.lock();
        loop {
            if done(ring.entries.make_contiguous()) {
                return true;
            }
            let now = SystemClock.now();
            let left = end.map_or(Duration::from_secs(60), |end| {
                end.saturating_duration_since(now)
            });
            if left.is_zero() {
                return false;
            }
            self.changed.wait_for(&mut ring, left);
        }
    }
}

impl Ring {
    fn get(&mut self, n: u64) -> Option<&mut Seen> {
        let first = self.entries.front()?.n;
        let index = usize::try_from(n.checked_sub(first)?).ok()?;
        self.entries.get_mut(index)
    }

    fn forget(&mut self) {
        while self.entries.len() > MAX_SEEN {
            if let Some(gone) = self.entries.pop_front() {
                self.bodies = self.bodies.saturating_sub(gone.body.len());
            }
        }
        while self.bodies > MAX_BODIES_KEPT && self.bodies_from <= self.last {
            let n = self.bodies_from;
            self.bodies_from = n.saturating_add(1);
            let freed = self
                .get(n)
                .map_or(0, |entry| std::mem::take(&mut entry.body).len());
            self.bodies = self.bodies.saturating_sub(freed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Head;

    fn request(body: &[u8]) -> Request {
        let headers = vec![("Authorization".to_owned(), "Bearer sk-secret".to_owned())];
        let (method, target) = ("POST".to_owned(), "/x?key=secret&alt=sse".to_owned());
        let head = Head {
            method,
            target,
            minor_version: 1,
            headers,
        };
        Request {
            head,
            body: Bytes::copy_from_slice(body),
        }
    }

    #[test]
    fn the_ring_forgets_the_oldest_request_and_the_oldest_bodies() {
        let log = SeenLog::default();
        let body = vec![b'x'; 2 * MAX_BODY_KEPT];
        for _ in 0..300 {
            log.begin(&request(&body), 1, 1);
        }
        let all = log.all();
        assert_eq!(all.len(), 300);
        assert!(all[0].body.is_empty() && all[0].body_length == 2 * MAX_BODY_KEPT);
        assert_eq!(all[299].body.len(), MAX_BODY_KEPT);
        for _ in 0..MAX_SEEN {
            log.begin(&request(b""), 1, 1);
        }
        assert_eq!(log.all().len(), MAX_SEEN);
        assert_eq!(log.all()[0].n, 301);
    }

    #[test]
    fn the_file_masks_credentials() {
        let folder = std::env::temp_dir().join(format!("drill-seen-{}", std::process::id()));
        let log = SeenLog::new(Some(&folder)).expect("a writable folder");
        let n = log.begin(&request(b"{}"), 1, 1);
        log.end(n, |seen| seen.status = Some(200));
        let text = std::fs::read_to_string(&folder).expect("the log");
        std::fs::remove_file(&folder).expect("removable");
        assert!(!text.contains("secret"), "{text}");
        let line: serde_json::Value = serde_json::from_str(text.trim()).expect("JSON");
        assert_eq!(line["status"], 200);
        assert_eq!(line["path"], "/x?key=(masked)&alt=sse");
    }

    #[test]
    fn waiting_ends_when_the_request_is_there_or_the_time_is_over() {
        let log = SeenLog::default();
        assert!(!log.wait_for(|seen| !seen.is_empty(), Duration::from_millis(1)));
        log.begin(&request(b"{}"), 1, 1);
        assert!(log.wait_for(|seen| seen.len() == 1, Duration::from_secs(5)));
    }
}
