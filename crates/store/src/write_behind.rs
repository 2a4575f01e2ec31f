//! The side of the store that calls touch: counts exactly, keeps rows within bounds, waits for nothing.
//!
//! Workers write into a shard of their own (a lock that nobody else wants); the writer thread empties all shards
//! every [`Options::commit_every`]. It is woken once per such span, not per row: waking a thread costs more than
//! all the rest.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::counts::{Bucket, Sums, Tally};
use crate::options::Options;
use crate::row::{CallRow, Class};

/// Shards; more than any sensible number of workers.
const SHARDS: usize = 16;

/// Takes rows from calls. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct WriteBehind {
    shared: Arc<Shared>,
}

impl WriteBehind {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
                budgets: std::array::from_fn(|_| Budget::new(options.rows_per_second)),
                queued: AtomicUsize::new(0),
                queued_bytes: AtomicUsize::new(0),
                most_rows: options.queue_rows,
                most_bytes: options.queue_bytes,
                rung: AtomicBool::new(false),
                bell: Bell::default(),
            }),
        }
    }

    /// Counts an ended call and keeps its row if its class's budget and the queue allow.
    pub fn record(&self, row: CallRow) {
        let tally = Tally::of(&row);
        if self.shared.count(&tally) {
            self.shared.push(row);
        }
    }

    /// The same, but the row is only made if it will be kept: what a busy gateway calls.
    pub fn record_with(&self, tally: &Tally<'_>, build: impl FnOnce() -> CallRow) {
        if self.shared.count(tally) {
            self.shared.push(build());
        }
    }

    /// Rows that wait for the writer.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// What workers and the writer share.
#[derive(Debug)]
pub(crate) struct Shared {
    shards: Box<[Mutex<Shard>]>,
    budgets: [Budget; Class::ALL.len()],
    queued: AtomicUsize,
    queued_bytes: AtomicUsize,
    most_rows: usize,
    most_bytes: usize,
    rung: AtomicBool,
    pub(crate) bell: Bell,
}

/// Wakes the writer.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    pub(crate) state: Mutex<Signals>,
    pub(crate) writer: Condvar,
    pub(crate) flushed: Condvar,
}

/// What the writer is asked.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Something was recorded since the last drain.
    pub(crate) work: bool,
    /// Do not wait for more: commit now. Counts requests.
    pub(crate) flush_wanted: u64,
    /// The last request that was served.
    pub(crate) flush_done: u64,
    /// Commit what there is and end.
    pub(crate) stop: bool,
    /// The writer has ended.
    pub(crate) stopped: bool,
}

/// What one worker recorded since the writer last came by.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    pub(crate) rows: Vec<Box<CallRow>>,
    pub(crate) sums: HashMap<Bucket, Sums>,
    pub(crate) not_kept: HashMap<(u64, Class), u64>,
}

thread_local! {
    static SHARD: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The next thread's shard: threads take turns.
static NEXT_SHARD: AtomicUsize = AtomicUsize::new(0);

impl Shared {
    fn shard(&self) -> Option<&Mutex<Shard>> {
        let index = SHARD.get().unwrap_or_else(|| {
            let next = NEXT_SHARD.fetch_add(1, Ordering::Relaxed) % SHARDS;
            SHARD.set(Some(next));
            next
        });
        self.shards.get(index)
    }

    /// Counts the call; says whether its row is to be kept.
    fn count(&self, tally: &Tally<'_>) -> bool {
        let class = tally.outcome.class();
        let keep = self.queued.load(Ordering::Relaxed) < self.most_rows
            && self.queued_bytes.load(Ordering::Relaxed) < self.most_bytes
            && self
                .budgets
                .get(class as usize)
                .is_some_and(|budget| budget.take(tally.ended_millis));
        if let Some(shard) = self.shard() {
            let mut shard = shard.lock();
            shard
                .sums
                .entry(Bucket::of(tally))
                .or_default()
                .count(tally);
            if !keep {
                let second = tally.ended_millis / 1_000;
                *shard.not_kept.entry((second, class)).or_default() += 1;
            }
        }
        if !keep {
            self.ring();
        }
        keep
    }

    fn push(&self, row: CallRow) {
        let row = Box::new(row);
        let weight = weight(&row);
        let queued = self.queued.fetch_add(1, Ordering::Relaxed);
        self.queued_bytes.fetch_add(weight, Ordering::Relaxed);
        if let Some(shard) = self.shard() {
            shard.lock().rows.push(row);
        }
        if queued == self.most_rows / 4 {
            // Far more than a span's worth: the writer should not wait for the rest of the span.
            self.bell.state.lock().flush_wanted += 1;
            self.bell.writer.notify_one();
        }
        self.ring();
    }

    fn ring(&self) {
        if !self.rung.load(Ordering::Relaxed) && !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.state.lock().work = true;
            self.bell.writer.notify_one();
        }
    }

    /// Takes all that was recorded. Rows still count as queued until [`Shared::written`].
    pub(crate) fn drain(&self) -> Vec<Shard> {
        // Lowered before the shards are read: what comes later rings again.
        self.rung.store(false, Ordering::Release);
        self.shards
            .iter()
            .map(|shard| std::mem::take(&mut *shard.lock()))
            .collect()
    }

    /// Looks at all sums that wait, without taking them.
    pub(crate) fn each_waiting(&self, mut look: impl FnMut(&Shard)) {
        for shard in &self.shards {
            look(&shard.lock());
        }
    }

    /// Makes room for the rows that are stored or given up.
    pub(crate) fn written(&self, rows: usize, bytes: usize) {
        self.queued.fetch_sub(rows, Ordering::Relaxed);
        self.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Roughly the memory a row holds.
pub(crate) fn weight(row: &CallRow) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let attempts: usize = row
        .attempts
        .iter()
        .map(|attempt| {
            size_of_val(attempt)
                + text(&attempt.evidence)
                + text(&attempt.full_line)
                + text(&attempt.evidence_json)
        })
        .sum();
    size_of_val(row) + row.path.len() + text(&row.error_json) + attempts
}

/// A rate with a second's worth at once (GCRA): above it, rows are kept evenly spread, not only each second's first.
#[derive(Debug)]
struct Budget {
    /// Microseconds per row; none: everything is kept.
    every: u64,
    /// When the budget would be whole again, in microseconds since 1970.
    paid_until: AtomicU64,
}

/// A second's worth may be taken at once.
const BURST_MICROS: u64 = 1_000_000;

impl Budget {
    fn new(rows_per_second: u32) -> Self {
        Self {
            every: 1_000_000 / u64::from(rows_per_second.max(1)),
            paid_until: AtomicU64::new(0),
        }
    }

    fn take(&self, now_millis: u64) -> bool {
        let now = now_millis.saturating_mul(1_000);
        let taken = self
            .paid_until
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| {
                // A wall clock that was set back must not silence the store until it has caught up.
                let paid = if paid > now + 2 * BURST_MICROS {
                    now
                } else {
                    paid.max(now)
                };
                (paid + self.every <= now + BURST_MICROS).then_some(paid + self.every)
            });
        taken.is_ok()
    }
}
