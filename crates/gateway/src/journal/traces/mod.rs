//! Traces: a span for each call and each attempt, made from closed journals and sent over OTLP/HTTP. Off unless
//! configured; nothing is sent anywhere else.
//!
//! Workers leave encoded spans in queues of their own; one task on the side runtime sends them in batches ([`export`]).
//! What a span says is in `span`, how the trace goes on upstream in `context`.

mod context;

pub mod export;

mod span;

mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use parking_lot::Mutex;
use types::CallId;

pub use context::Traceparent;
pub use export::Exporter;

use super::metrics::Labels;
use super::{Closed, Summary};
use context::{Context, Sample};
use wire::Message;

/// The trace that a `traceparent` names, in its own form.
pub(super) fn trace_id(traceparent: &HeaderValue) -> Option<String> {
    let (trace, _, _) = context::parse(traceparent.as_bytes())?;
    Some(format!("{trace:032x}"))
}

/// Spans of one worker that wait to be sent; what is more is dropped and counted. Some 600 bytes each: a collector that
/// is away must not fill the memory.
const QUEUE_BOUND: usize = 8_192;

/// What became of spans, for metrics.
#[derive(Debug, Default)]
pub struct Fates {
    exported: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl Fates {
    /// Each fate and how many spans met it.
    #[must_use]
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("exported", read(&self.exported)),
            ("dropped", read(&self.dropped)),
            ("failed", read(&self.failed)),
        ]
    }
}

fn add(count: &AtomicU64, spans: usize) {
    count.fetch_add(u64::try_from(spans).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Where one worker's calls leave their spans. Clones share it.
#[derive(Clone, Debug)]
pub struct Traces {
    sample: Sample,
    labels: Arc<Labels>,
    // Bound: QUEUE_BOUND.
    queue: Arc<Mutex<Vec<Message>>>,
    fates: Arc<Fates>,
}

impl Traces {
    /// What an attempt tells upstream: the caller's trace, with the attempt as parent.
    #[must_use]
    pub fn traceparent(
        &self,
        id: CallId,
        caller: Option<&HeaderValue>,
        attempt: u32,
    ) -> Traceparent {
        Context::of(id, caller, self.sample).traceparent(attempt)
    }

    /// Leaves the spans of a call that is over, if its trace is sampled.
    pub(super) fn record(&self, closed: &Closed, summary: &Summary<'_>) {
        let caller = summary.client.and_then(|client| client.trace.as_ref());
        let context = Context::of(closed.id, caller, self.sample);
        if !context.sampled {
            return;
        }
        let spans = span::spans(closed, summary, &context, &self.labels);
        let mut queue = self.queue.lock();
        if queue.len() + spans.len() > QUEUE_BOUND {
            drop(queue);
            return add(&self.fates.dropped, spans.len());
        }
        queue.extend(spans);
    }
}
