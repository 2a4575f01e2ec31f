//! Sends spans in batches, and again where the collector could not take them. One task for the process; no call waits.
//!
//! Source: opentelemetry.io, "OTLP Specification 1.7", OTLP/HTTP, seen 2026-11: which statuses are retried.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use config::TraceExport;
use diagnosis::Lane;
use http::Method;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};
use types::{Clock, Deadline};
use upstream::{Client, Destination, Outgoing, Timers, TlsPolicyError};

use super::context::Sample;
use super::wire::{Message, Value};
use super::{Fates, Traces, add};
use crate::journal::metrics::Labels;
use crate::policy;

/// How long spans are gathered. Source: `OTEL_BSP_SCHEDULE_DELAY` is 5 s; people who look for a trace are impatient.
const GATHER: Duration = Duration::from_secs(1);

/// Spans in a request, as many as `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` has.
const BATCH: usize = 512;

/// A request may take so long. Source: `OTEL_EXPORTER_OTLP_TIMEOUT`.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The pauses before a batch is sent again; after the last it is given up.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// How often a collector that refuses is told of in the log.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The sending side.
#[derive(Debug)]
pub struct Exporter {
    client: Client,
    clock: Arc<dyn Clock>,
    destination: Destination,
    path: String,
    header_block: Vec<u8>,
    resource: Message,
    sample: Sample,
    labels: Arc<Labels>,
    queues: Mutex<Vec<Arc<Mutex<Vec<Message>>>>>,
    fates: Arc<Fates>,
    logged: Mutex<Option<Instant>>,
    pauses: [Duration; 3],
}

/// Why a batch was not taken.
enum Refused {
    /// Again later, perhaps after a hint.
    Later(String, Option<Duration>),
    /// Never.
    Never(String),
}

impl Exporter {
    /// Makes a collector ready.
    ///
    /// # Errors
    /// The system's roots of trust cannot be read.
    pub fn new(
        settings: &TraceExport,
        client: Client,
        clock: Arc<dyn Clock>,
        labels: Arc<Labels>,
    ) -> Result<Self, TlsPolicyError> {
        let mut header_block = Vec::with_capacity(256);
        let mut line = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                header_block.extend_from_slice(part);
            }
        };
        line("host", settings.endpoint.authority().as_bytes());
        line(
            "user-agent",
            concat!("goodgate/", env!("CARGO_PKG_VERSION")).as_bytes(),
        );
        line("content-type", b"application/x-protobuf");
        for (name, value) in &settings.headers {
            line(name.as_str(), value.as_bytes());
        }
        let mut resource = Message::default();
        let mut attribute = |name: &str, value: &str| {
            resource.attribute(1, name, Value::Text(value));
        };
        attribute("service.name", &settings.service);
        attribute("service.version", env!("CARGO_PKG_VERSION"));
        for (name, value) in &settings.resource {
            attribute(name, value);
        }
        Ok(Self {
            client,
            clock,
            destination: policy::destination(&settings.endpoint, &config::TlsSettings::default())?,
            path: settings.path.clone(),
            header_block,
            resource,
            sample: Sample::new(settings.sample),
            labels,
            queues: Mutex::default(),
            fates: Arc::default(),
            logged: Mutex::default(),
            pauses: PAUSES,
        })
    }

    /// With other pauses before a batch is sent again: for who knows the collector.
    #[must_use]
    pub fn with_pauses(mut self, pauses: [Duration; 3]) -> Self {
        self.pauses = pauses;
        self
    }

    /// Where one more worker leaves its spans.
    #[must_use]
    pub fn traces(&self) -> Traces {
        let queue = Arc::default();
        self.queues.lock().push(Arc::clone(&queue));
        Traces {
            sample: self.sample,
            labels: Arc::clone(&self.labels),
            queue,
            fates: Arc::clone(&self.fates),
        }
    }

    /// What became of spans.
    #[must_use]
    pub fn fates(&self) -> Arc<Fates> {
        Arc::clone(&self.fates)
    }

    /// Sends what there is once a second, until it is dropped.
    ///
    /// # Cancel safety
    /// A batch that is being sent is lost.
    pub async fn keep(self: Arc<Self>) {
        let mut tick = interval(GATHER);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.flush().await;
        }
    }

    /// Sends what there is.
    ///
    /// # Cancel safety
    /// A batch that is being sent is lost.
    pub async fn flush(&self) {
        let queues: Vec<_> = self.queues.lock().clone();
        for queue in queues {
            let spans = std::mem::take(&mut *queue.lock());
            for batch in spans.chunks(BATCH) {
                self.send(batch).await;
            }
        }
    }

    async fn send(&self, batch: &[Message]) {
        let body = Bytes::from(self.request(batch));
        let mut pauses = self.pauses.into_iter();
        loop {
            let refused = match self.post(body.clone()).await {
                Ok(()) => return add(&self.fates.exported, batch.len()),
                Err(refused) => refused,
            };
            let why = match (refused, pauses.next()) {
                (Refused::Later(_, hint), Some(pause)) => {
                    let longest = self.pauses.into_iter().sum::<Duration>();
                    let pause = hint.map_or(pause, |hint| hint.clamp(pause, longest));
                    tokio::time::sleep(pause).await;
                    continue;
                }
                (Refused::Later(why, _), None) | (Refused::Never(why), _) => why,
            };
            add(&self.fates.failed, batch.len());
            return self.complain(&why, batch.len());
        }
    }

    fn request(&self, batch: &[Message]) -> Vec<u8> {
        let mut request = Message::default();
        request.message(1, |resource_spans| {
            resource_spans.embed(1, &self.resource);
            resource_spans.message(2, |scope_spans| {
                scope_spans.message(1, |scope| {
                    scope.text(1, "goodgate").text(2, env!("CARGO_PKG_VERSION"));
                });
                for span in batch {
                    scope_spans.embed(2, span);
                }
            });
        });
        request.into_bytes()
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let deadline = Deadline::after(self.clock.now(), TIMEOUT);
        let outgoing = Outgoing {
            fixed_headers: &self.header_block,
            body: vec![body].into(),
            lane: Lane::Http,
            idempotent: true,
            ..Outgoing::new(&Method::POST, &self.path)
        };
        let sent = self
            .client
            .send(&self.destination, outgoing, &Timers::until(deadline))
            .await;
        let mut answer = sent
            .map_err(|evidence| Refused::Later(diagnosis::judge(&evidence).evidence_line, None))?;
        let status = answer.status;
        // Read to its end, so that the connection can be used again.
        while let Some(Ok(_)) = answer.body.next(TIMEOUT, deadline).await {}
        if status.is_success() {
            return Ok(());
        }
        let why = format!("it answered {}", status.as_u16());
        match status.as_u16() {
            429 | 502 | 503 | 504 => Err(Refused::Later(why, answer.evidence.hint())),
            _ => Err(Refused::Never(why)),
        }
    }

    fn complain(&self, why: &str, spans: usize) {
        let now = self.clock.now();
        let mut logged = self.logged.lock();
        if logged.is_none_or(|last| now.saturating_duration_since(last) >= LOG_EVERY) {
            *logged = Some(now);
            drop(logged);
            tracing::warn!(
                spans,
                why,
                "spans were given up: the collector at {} does not take them",
                self.path
            );
        }
    }
}
