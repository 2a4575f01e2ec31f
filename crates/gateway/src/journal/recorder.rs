//! Where closed journals go: the metrics, the access log, the store's write-behind and the exact counts.

use std::sync::Arc;

use store::WriteBehind;
use types::Clock;

use super::access_log::AccessLog;
use super::in_flight::InFlight;
use super::incidents::Notes;
use super::metrics::Metrics;
use super::traces::Traces;
use super::{Closed, Summary, row};

/// What a worker needs to record its calls.
#[derive(Debug)]
pub struct Recorder {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This worker's running calls.
    pub in_flight: InFlight,
    /// This worker's numbers.
    pub metrics: Metrics,
    /// What this worker notes of failures.
    pub notes: Notes,
    /// Where spans go, where they are wanted.
    pub traces: Option<Traces>,
    /// The access log, where one is wanted.
    pub access_log: Option<AccessLog>,
    /// The store's queue; none in tests that look at answers only.
    pub rows: Option<WriteBehind>,
}

impl Recorder {
    /// Records a call that is over.
    pub(super) fn record(&self, closed: &Closed) {
        let summary = Summary::of(closed);
        self.metrics.count(closed, &summary);
        self.notes.note(closed, &summary);
        if let Some(traces) = &self.traces {
            traces.record(closed, &summary);
        }
        if let Some(access_log) = &self.access_log {
            access_log.append(closed, &summary);
        }
        if let Some(rows) = &self.rows {
            rows.record_with(&row::tally(closed, &summary), || {
                row::call_row(closed, &summary)
            });
        }
    }
}
