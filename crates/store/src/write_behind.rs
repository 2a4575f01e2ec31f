//! The side of the store that calls touch: counts exactly, keeps rows within bounds, waits for nothing.
//!
//! Workers write into a shard of their own (a lock that nobody else wants); the writer thread empties all shards
//! every [`Options::commit_every`]. It is woken once per such span, not per row: waking a thread costs more than
//! all the rest.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::counts::{Bucket, Counts, Sums, Tally};
use crate::error::StoreError;
use crate::incident::{IncidentId, IncidentRow};
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
    pub(crate) fn new(options: &Options, totals: Counts) -> Self {
        Self {
            shared: Arc::new(Shared {
                shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
                budgets: std::array::from_fn(|_| Budget::new(options.rows_per_second)),
                queued: AtomicUsize::new(0),
                queued_bytes: AtomicUsize::new(0),
                most_rows: options.queue_rows,
                most_bytes: options.queue_bytes,
                rung: AtomicBool::new(false),
                totals: Mutex::new(totals),
                transit: Mutex::default(),
                incidents: Mutex::default(),
                trouble: Mutex::default(),
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

    /// Keeps an incident as it is now.
    pub fn incident(&self, row: IncidentRow) {
        self.shared.incidents.lock().insert(row.id, row);
        self.shared.ring();
    }

    /// Why nothing can be stored at the moment, if so; calls go on, counts stay exact.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().clone()
    }

    /// Rows that wait for the writer.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Calls that were counted but of which no row was kept, ever.
    #[must_use]
    pub fn not_kept(&self) -> u64 {
        self.shared.counts().not_kept
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
    /// All that was ever counted and drained, stored or not.
    totals: Mutex<Counts>,
    /// What is drained but not yet stored. Held while it is being stored, so that who adds it to what is stored
    /// counts nothing twice. Taken before `totals`, and that before a shard.
    pub(crate) transit: Mutex<Transit>,
    /// Incidents that have changed since they were stored. Bound: those that are open at a time, and what was closed
    /// while the disk refused; whoever keeps them bounds the former.
    pub(crate) incidents: Mutex<BTreeMap<IncidentId, IncidentRow>>,
    /// Why the disk takes nothing at the moment.
    pub(crate) trouble: Mutex<Option<String>>,
    pub(crate) bell: Bell,
}

/// Sums on their way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Transit {
    pub(crate) sums: HashMap<Bucket, Sums>,
    pub(crate) not_kept: BTreeMap<(u64, Class), u64>,
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
    /// What kept the last commit from succeeding.
    pub(crate) failure: Option<String>,
    /// Commit what there is and end.
    pub(crate) stop: bool,
    /// The writer has ended.
    pub(crate) stopped: bool,
}

/// A row that waits. Boxed, so that handing it on moves a pointer.
pub(crate) type QueuedRow = Box<CallRow>;

/// What one worker recorded since the writer last came by.
#[derive(Debug, Default)]
struct Shard {
    rows: Vec<QueuedRow>,
    /// The bucket of the latest call, which is mostly that of the next as well: no hashing, no clone.
    latest: Option<(Bucket, Sums)>,
    sums: HashMap<Bucket, Sums>,
    not_kept: HashMap<(u64, Class), u64>,
}

impl Shard {
    fn count(&mut self, tally: &Tally<'_>) {
        if let Some((bucket, sums)) = &mut self.latest
            && bucket.holds(tally)
        {
            sums.count(tally);
            return;
        }
        self.settle();
        let mut sums = Sums::default();
        sums.count(tally);
        self.latest = Some((Bucket::of(tally), sums));
    }

    /// Puts the latest bucket to the others.
    fn settle(&mut self) {
        if let Some((bucket, sums)) = self.latest.take() {
            self.sums.entry(bucket).or_default().add(&sums);
        }
    }
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
            shard.count(tally);
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

    /// Takes all that was recorded: sums into `transit`, rows to the caller. Rows still count as queued until
    /// [`Shared::written`].
    pub(crate) fn drain(&self, rename: &mut impl FnMut(Bucket) -> Bucket) -> Vec<QueuedRow> {
        // Lowered before the shards are read: what comes later rings again.
        self.rung.store(false, Ordering::Release);
        let mut rows = Vec::new();
        let mut transit = self.transit.lock();
        let mut totals = self.totals.lock();
        for shard in &self.shards {
            let mut taken = std::mem::take(&mut *shard.lock());
            taken.settle();
            rows.extend(taken.rows);
            for (bucket, sums) in taken.sums {
                totals.add(bucket.outcome, bucket.demo, &sums);
                transit.sums.entry(rename(bucket)).or_default().add(&sums);
            }
            for (place, count) in taken.not_kept {
                totals.not_kept = totals.not_kept.saturating_add(count);
                *transit.not_kept.entry(place).or_default() += count;
            }
        }
        rows
    }

    /// Replaces all that was drained and stored by what the file says now, with `transit` held by the caller.
    pub(crate) fn recount(&self, transit: &Transit, mut stored: Counts) {
        for (bucket, sums) in &transit.sums {
            stored.add(bucket.outcome, bucket.demo, sums);
        }
        for count in transit.not_kept.values() {
            stored.not_kept = stored.not_kept.saturating_add(*count);
        }
        *self.totals.lock() = stored;
    }

    /// All that was ever counted, to the last call.
    pub(crate) fn counts(&self) -> Counts {
        let totals = self.totals.lock();
        let mut counts = totals.clone();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.settle();
            for (bucket, sums) in &shard.sums {
                counts.add(bucket.outcome, bucket.demo, sums);
            }
            counts.not_kept = shard
                .not_kept
                .values()
                .fold(counts.not_kept, |sum, count| sum.saturating_add(*count));
        }
        counts
    }

    /// Looks at all sums that are not stored yet, with `transit` held by the caller.
    pub(crate) fn each_unstored(&self, transit: &Transit, mut look: impl FnMut(&Bucket, &Sums)) {
        for (bucket, sums) in &transit.sums {
            look(bucket, sums);
        }
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.settle();
            for (bucket, sums) in &shard.sums {
                look(bucket, sums);
            }
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
/// Beyond that, a time further ahead than the budget allows can only come from another clock.
const SLACK_MICROS: u64 = 500_000;

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
                // A wall clock that was set back must not silence the store until it has caught up. Workers' times
                // differ by less than the slack.
                let paid = if paid > now + BURST_MICROS + SLACK_MICROS {
                    now
                } else {
                    paid.max(now)
                };
                (paid + self.every <= now + BURST_MICROS).then_some(paid + self.every)
            });
        taken.is_ok()
    }
}

impl Signals {
    /// Whether the writer must not wait for more.
    pub(crate) fn is_urgent(&self) -> bool {
        self.stop || self.flush_wanted > self.flush_done
    }
}

impl Bell {
    /// Has all that was recorded before stored; waits for it.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        state.flush_wanted += 1;
        let mine = state.flush_wanted;
        self.writer.notify_one();
        self.flushed.wait_while(&mut state, |state| {
            state.flush_done < mine && !state.stopped
        });
        if state.flush_done < mine {
            return Err(StoreError::Closed);
        }
        match &state.failure {
            Some(why) => Err(StoreError::Unwritten { why: why.clone() }),
            None => Ok(()),
        }
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.writer.notify_one();
    }
}
