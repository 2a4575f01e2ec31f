//! The one thread that writes calls: empties the shards, commits in batches, tells subscribers, keeps house.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::broadcast;
use types::{Clock, KeyId};

use super::open::DatabaseFile;
use super::{calls, counts, housekeeping, incidents};
use crate::counts::{Bucket, Counts};
use crate::error::StoreError;
use crate::options::Options;
use crate::row::{Kept, News, NotKept};
use crate::write_behind::{QueuedRow, Shared, weight};

/// Rows committed at once: what a disk takes in a few tens of milliseconds.
const BATCH: usize = 2_000;
/// Buckets of one minute; calls of further models and keys are counted together under this name.
const MOST_BUCKETS: usize = 1_000;
const OTHERS: &str = "(others)";
/// How often it is looked whether anything is old, when nothing was.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// The pause between two steps of housekeeping, so that rows come first.
const BETWEEN_STEPS: Duration = Duration::from_millis(20);
/// How often a disk that refused is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often its refusal is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The calls' file, open for writing, before its thread runs.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    next_seq: i64,
    last_stored: u64,
    /// Differs once another process has written: the one that this one takes over from, or its successor.
    data_version: i64,
}

impl Writer {
    pub(crate) fn open(file: &DatabaseFile) -> Result<Self, StoreError> {
        let connection = file.open()?;
        let (seq, last_stored) = last_row(&connection)?;
        let data_version = data_version(&connection)?;
        Ok(Self {
            connection,
            next_seq: seq + 1,
            last_stored,
            data_version,
        })
    }

    /// What was counted before.
    pub(crate) fn load_counts(&self) -> Result<Counts, StoreError> {
        counts::load(&self.connection)
    }

    /// Starts the thread; it ends when told to by the bell.
    pub(crate) fn start(
        self,
        shared: Arc<Shared>,
        options: Options,
        news: broadcast::Sender<News>,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || {
                let guard = Ended(Arc::clone(&shared));
                Writing {
                    writer: self,
                    shared,
                    options,
                    news,
                    clock,
                    backlog: VecDeque::new(),
                    minute: 0,
                    buckets: HashSet::new(),
                    logged: None,
                    house_due: None,
                }
                .run();
                drop(guard);
            })
    }
}

/// Frees whoever waits for the writer, however it ends.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.bell.state.lock().stopped = true;
        self.0.bell.flushed.notify_all();
    }
}

struct Writing {
    writer: Writer,
    shared: Arc<Shared>,
    options: Options,
    news: broadcast::Sender<News>,
    clock: Arc<dyn Clock>,
    /// Drained but not yet stored. Bound: `Options::queue_rows`, since rows count as queued until they are stored.
    backlog: VecDeque<QueuedRow>,
    minute: u64,
    buckets: HashSet<Bucket>,
    logged: Option<Instant>,
    /// When housekeeping is next due; none: at once.
    house_due: Option<Instant>,
}

impl Writing {
    fn run(mut self) {
        let mut patience = Duration::ZERO;
        let mut was_failing = false;
        loop {
            let (wanted, stop) = self.wait(patience);
            let stored = self.store().and_then(|()| self.notice_others());
            let failure = stored.err().map(|error| self.report(&error));
            self.shared.trouble.lock().clone_from(&failure);
            let failed = failure.is_some();
            if was_failing && !failed {
                tracing::info!("calls are stored again");
            }
            was_failing = failed;
            {
                let mut state = self.shared.bell.state.lock();
                state.flush_done = wanted;
                state.failure = failure;
            }
            self.shared.bell.flushed.notify_all();
            if stop {
                return;
            }
            patience = if failed { RETRY } else { self.keep_house() };
        }
    }

    /// Waits for something to do, then a little longer for more of it.
    fn wait(&self, patience: Duration) -> (u64, bool) {
        let bell = &self.shared.bell;
        let mut state = bell.state.lock();
        bell.writer.wait_while_for(
            &mut state,
            |state| !state.work && !state.is_urgent(),
            patience,
        );
        if state.work {
            bell.writer.wait_while_for(
                &mut state,
                |state| !state.is_urgent(),
                self.options.commit_every,
            );
        }
        state.work = false;
        (state.flush_wanted, state.stop)
    }

    fn store(&mut self) -> Result<(), StoreError> {
        let (minute, buckets) = (&mut self.minute, &mut self.buckets);
        let rows = self
            .shared
            .drain(&mut |bucket| bounded(minute, buckets, bucket));
        self.backlog.extend(rows);
        loop {
            let count = self.backlog.len().min(BATCH);
            match self.commit(count) {
                Ok(stored) => self.publish(count, stored),
                Err(error) if blames_the_disk(&error) => return Err(error),
                Err(error) => {
                    // A row that no disk will ever take must not stand in the way of all that follow.
                    self.give_up(count);
                    return Err(error);
                }
            }
            if self.backlog.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes the first rows of the backlog and all sums in one transaction; says when that was.
    fn commit(&mut self, count: usize) -> Result<u64, StoreError> {
        let changed = self.shared.incidents.lock().clone();
        let mut transit = self.shared.transit.lock();
        let nothing = transit.sums.is_empty() && transit.not_kept.is_empty();
        if count == 0 && nothing && changed.is_empty() {
            return Ok(self.writer.last_stored);
        }
        let transaction = self
            .writer
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // While one gateway hands over to the next, both write: the number is settled under the lock.
        let (seq, last_stored) = last_row(&transaction)?;
        self.writer.next_seq = self.writer.next_seq.max(seq + 1);
        let last_stored = self.writer.last_stored.max(last_stored);
        let stored = last_stored.max(self.clock.unix_millis());
        let mut inserts = calls::Inserts::prepare(&transaction)?;
        for (seq, row) in (self.writer.next_seq..).zip(self.backlog.iter().take(count)) {
            inserts.insert(seq, stored, row)?;
        }
        drop(inserts);
        counts::store(&transaction, &transit)?;
        incidents::store(&transaction, &changed)?;
        transaction.commit()?;
        // What has changed again meanwhile is written again.
        let mut unwritten = self.shared.incidents.lock();
        unwritten.retain(|id, row| changed.get(id) != Some(row));
        drop(unwritten);
        self.writer.last_stored = stored;
        transit.sums.clear();
        for ((second, class), count) in std::mem::take(&mut transit.not_kept) {
            // Nobody listening is no fault.
            drop(self.news.send(News::NotKept(NotKept {
                second,
                class,
                count,
            })));
        }
        Ok(stored)
    }

    /// Takes over the sums that another process has added to.
    fn notice_others(&mut self) -> Result<(), StoreError> {
        let found = data_version(&self.writer.connection)?;
        if found == self.writer.data_version {
            return Ok(());
        }
        // Held while it is read, so that nothing is stored meanwhile and counted twice.
        let transit = self.shared.transit.lock();
        self.shared.recount(&transit, self.writer.load_counts()?);
        self.writer.data_version = found;
        Ok(())
    }

    fn publish(&mut self, count: usize, stored_millis: u64) {
        let mut bytes = 0;
        let listened = self.news.receiver_count() > 0;
        for call in self.backlog.drain(..count) {
            bytes += weight(&call);
            let seq = self.writer.next_seq;
            self.writer.next_seq += 1;
            if listened {
                drop(self.news.send(News::Call(Arc::new(Kept {
                    seq,
                    stored_millis,
                    call: *call,
                }))));
            }
        }
        self.shared.written(count, bytes);
    }

    fn give_up(&mut self, count: usize) {
        let mut transit = self.shared.transit.lock();
        let mut bytes = 0;
        for call in self.backlog.drain(..count) {
            bytes += weight(&call);
            let second = call.unix_millis.saturating_add(call.total_ms) / 1_000;
            *transit
                .not_kept
                .entry((second, call.outcome.class()))
                .or_default() += 1;
        }
        self.shared.written(count, bytes);
    }

    /// Logs a failure, at most once a minute; returns it in one line.
    fn report(&mut self, error: &StoreError) -> String {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        let now = self.clock.now();
        if self
            .logged
            .is_none_or(|last| now.saturating_duration_since(last) >= LOG_EVERY)
        {
            self.logged = Some(now);
            tracing::warn!(
                waiting = self.backlog.len(),
                error = text,
                "calls cannot be stored; they are served and counted all the same"
            );
        }
        text
    }

    /// One step of housekeeping, if it is due; says how long to wait for the next.
    fn keep_house(&mut self) -> Duration {
        let now = self.clock.now();
        if let Some(due) = self.house_due
            && due > now
        {
            return due - now;
        }
        let millis = self.clock.unix_millis();
        let step = housekeeping::step(&mut self.writer.connection, &self.options, millis);
        let pause = match step {
            Ok(true) => BETWEEN_STEPS,
            Ok(false) => HOUSEKEEPING,
            Err(error) => {
                self.report(&error);
                HOUSEKEEPING
            }
        };
        self.house_due = now.checked_add(pause);
        pause
    }
}

/// Number and time of the row that was stored last; zeros where there is none.
fn last_row(connection: &Connection) -> Result<(i64, u64), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, stored FROM calls ORDER BY seq DESC LIMIT 1")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else {
        return Ok((0, 0));
    };
    let stored: i64 = row.get(1)?;
    Ok((row.get(0)?, u64::try_from(stored).unwrap_or(0)))
}

/// Differs from the last one when another connection has written. Source: sqlite.org, `PRAGMA data_version`.
fn data_version(connection: &Connection) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("PRAGMA data_version")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Holds the buckets of one minute within their bound.
fn bounded(minute: &mut u64, buckets: &mut HashSet<Bucket>, mut bucket: Bucket) -> Bucket {
    if bucket.minute > *minute {
        *minute = bucket.minute;
        buckets.clear();
    }
    if bucket.minute < *minute || buckets.contains(&bucket) {
        return bucket;
    }
    if buckets.len() >= MOST_BUCKETS {
        bucket.model = Some(Arc::from(OTHERS));
        bucket.key = Some(KeyId::new(OTHERS));
        return bucket;
    }
    buckets.insert(bucket.clone());
    bucket
}

/// Whether it is the disk, or somebody else's lock, and may pass.
fn blames_the_disk(error: &StoreError) -> bool {
    let StoreError::Database(error) = error else {
        return false;
    };
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
        )
    )
}
