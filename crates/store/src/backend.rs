//! The store's one door, in front of its backend.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::broadcast;
use types::{CallId, Clock, KeyId};

use crate::counts::{CountLine, Counts};
use crate::drains::DrainRow;
use crate::error::StoreError;
use crate::filter::{Cursor, Filter, Page};
use crate::folder::StateFolder;
use crate::incident::{IncidentFilter, IncidentId, IncidentRow};
use crate::keys::KeyRow;
use crate::options::Options;
use crate::row::{Kept, News, NotKept};
use crate::sqlite::{self, Drains, Keys, Readers, Writer, incidents};
use crate::write_behind::WriteBehind;

/// News that a slow subscriber may be behind; more and it skips, and is told how many it missed.
const NEWS: usize = 1_024;
/// How long one page may be searched for.
const PATIENCE: Duration = Duration::from_millis(250);

/// An open store. All methods but [`Store::write_behind`], [`Store::subscribe`], [`Store::counts`] and
/// [`Store::trouble`] wait for the disk: call them where blocking is allowed.
pub struct Store {
    write_behind: WriteBehind,
    news: broadcast::Sender<News>,
    readers: Readers,
    keys: Keys,
    drains: Drains,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or makes the files in the folder, brings their schema up to date and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Newer`], [`StoreError::Migration`], [`StoreError::Io`],
    /// [`StoreError::Database`].
    pub fn open(
        folder: &StateFolder,
        options: &Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let named = options
            .file
            .clone()
            .unwrap_or_else(|| folder.path().join("goodgate.db"));
        let governance = sqlite::governance_file(&named);
        let in_governance = |error| governance.blame(error);
        let keys = Keys::open(&governance).map_err(in_governance)?;
        // All of it is read, so that damage is found now and not by the first caller.
        keys.list().map_err(in_governance)?;
        let drains = Drains::open(&governance).map_err(in_governance)?;
        let file = sqlite::calls_file(&named);
        let in_calls = |error| file.blame(error);
        let writer = Writer::open(&file).map_err(in_calls)?;
        let counts = writer.load_counts().map_err(in_calls)?;
        let write_behind = WriteBehind::new(options, counts);
        let readers = Readers::open(&file, options.readers)?;
        let (news, _) = broadcast::channel(NEWS);
        let thread = writer
            .start(
                Arc::clone(write_behind.shared()),
                options.clone(),
                news.clone(),
                Arc::clone(&clock),
            )
            .map_err(|source| StoreError::Io {
                path: folder.path().to_owned(),
                source,
            })?;
        Ok(Self {
            write_behind,
            news,
            readers,
            keys,
            drains,
            clock,
            writer: Mutex::new(Some(thread)),
        })
    }

    /// Where calls leave their rows.
    #[must_use]
    pub fn write_behind(&self) -> &WriteBehind {
        &self.write_behind
    }

    /// What is stored from now on. Bounded at 1,024: who lags is told how much was missed, and skips it.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Why nothing can be stored at the moment, if so; calls go on, counts stay exact.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.write_behind.trouble()
    }

    /// A page of calls, newest first; at most 200.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn recent(
        &self,
        filter: &Filter,
        before: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let start = self.clock.now();
        let out_of_time = || self.clock.now().saturating_duration_since(start) >= PATIENCE;
        let search = sqlite::Search {
            filter,
            before,
            limit,
            out_of_time: &out_of_time,
        };
        self.readers
            .with(|connection| sqlite::recent(connection, &search))
    }

    /// One call, whole.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Corrupt`].
    pub fn get(&self, id: CallId) -> Result<Option<Kept>, StoreError> {
        self.readers.with(|connection| sqlite::get(connection, id))
    }

    /// Exact sums of all calls there ever were, those that still wait for the disk included.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.write_behind.shared().counts()
    }

    /// Exact sums by time, outcome, model and key of the buckets that begin in the span (milliseconds since 1970),
    /// those that still wait for the disk included; oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn count_lines(&self, since: u64, until: u64) -> Result<Vec<CountLine>, StoreError> {
        self.readers
            .with(|connection| sqlite::lines(connection, self.write_behind.shared(), since, until))
    }

    /// How many calls of the span (milliseconds since 1970) have no row, by class and second; newest first, at most
    /// `limit` lines.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn not_kept(
        &self,
        since: u64,
        until: u64,
        limit: usize,
    ) -> Result<Vec<NotKept>, StoreError> {
        self.readers.with(|connection| {
            sqlite::not_kept(connection, since / 1_000, until.div_ceil(1_000), limit)
        })
    }

    /// Incidents, the latest first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn incidents(
        &self,
        filter: IncidentFilter,
        limit: usize,
    ) -> Result<Vec<IncidentRow>, StoreError> {
        self.readers
            .with(|connection| incidents::list(connection, filter, limit))
    }

    /// One incident.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn incident(&self, id: IncidentId) -> Result<Option<IncidentRow>, StoreError> {
        self.readers
            .with(|connection| incidents::get(connection, id))
    }

    /// The incident to which a failure at a target belongs: one of its code that lasted at that time.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn incident_of(
        &self,
        target: &str,
        code: &str,
        at_millis: u64,
    ) -> Result<Option<IncidentRow>, StoreError> {
        self.readers
            .with(|connection| incidents::of_failure(connection, target, code, at_millis))
    }

    /// Why a target was left alone at a time: its latest incident that lasted then, or had ended no longer than
    /// `since_end` milliseconds before.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn incident_at(
        &self,
        target: &str,
        at_millis: u64,
        since_end: u64,
    ) -> Result<Option<IncidentRow>, StoreError> {
        self.readers
            .with(|connection| incidents::at_target(connection, target, at_millis, since_end))
    }

    /// The last incident's number; none where there never was one.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn last_incident(&self) -> Result<Option<IncidentId>, StoreError> {
        self.readers.with(incidents::last)
    }

    /// All keys, revoked ones too, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        self.keys.list()
    }

    /// Stores a new key; on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::DuplicateKey`], [`StoreError::Database`].
    pub fn add_key(&self, key: &KeyRow) -> Result<(), StoreError> {
        self.keys.add(key)
    }

    /// Marks a key as revoked; false if there is none of that name. The first time counts.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn revoke_key(&self, id: &KeyId, at_millis: u64) -> Result<bool, StoreError> {
        self.keys.revoke(id, at_millis)
    }

    /// The marks that hold now, by name; those whose time is over are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn drains(&self) -> Result<Vec<DrainRow>, StoreError> {
        self.drains.list(self.clock.unix_millis())
    }

    /// Marks something as out of use, in place of an older mark of that name; on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn drain(&self, mark: &DrainRow) -> Result<(), StoreError> {
        self.drains.put(mark)
    }

    /// Takes a mark away; false if there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn resume(&self, name: &str) -> Result<bool, StoreError> {
        self.drains.remove(name)
    }

    /// Returns once all that was recorded before is stored.
    ///
    /// # Errors
    /// [`StoreError::Unwritten`] while the disk refuses, [`StoreError::Closed`].
    pub fn flush(&self) -> Result<(), StoreError> {
        self.write_behind.shared().bell.flush()
    }

    /// Stores what waits and ends the writer; dropping the store does the same.
    pub fn close(&self) {
        self.write_behind.shared().bell.stop();
        if let Some(thread) = self.writer.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer had panicked");
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("queued", &self.write_behind.queued())
            .finish_non_exhaustive()
    }
}
