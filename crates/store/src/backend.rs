//! The store's one door, in front of its backends.

use std::sync::Arc;

use tokio::sync::broadcast;
use types::{CallId, Clock, KeyId};

use crate::counts::{CountLine, Counts};
use crate::error::StoreError;
use crate::filter::{Cursor, Filter, Page};
use crate::folder::StateFolder;
use crate::keys::KeyRow;
use crate::options::Options;
use crate::row::{Kept, News, NotKept};
use crate::write_behind::WriteBehind;

/// An open store. All methods but [`Store::write_behind`], [`Store::subscribe`] and [`Store::counts`] wait for
/// the disk: call them where blocking is allowed.
#[derive(Debug)]
pub struct Store {
    write_behind: WriteBehind,
    news: broadcast::Sender<News>,
}

impl Store {
    /// Opens or makes the files in the folder, brings their schema up to date and starts the writer.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Migration`], [`StoreError::Io`], [`StoreError::Database`].
    pub fn open(
        _folder: &StateFolder,
        options: &Options,
        _clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            write_behind: WriteBehind::new(options),
            news: broadcast::channel(1_024).0,
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

    /// A page of calls, newest first; at most 200.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn recent(
        &self,
        _filter: &Filter,
        _before: Option<Cursor>,
        _limit: usize,
    ) -> Result<Page, StoreError> {
        Err(StoreError::Closed)
    }

    /// One call, whole.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn get(&self, _id: CallId) -> Result<Option<Kept>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Exact sums of all calls there ever were, those that still wait for the disk included.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts::default()
    }

    /// Exact sums by minute, outcome, model and key of the buckets that begin in the span (milliseconds since 1970),
    /// those that still wait for the disk included.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn count_lines(&self, _since: u64, _until: u64) -> Result<Vec<CountLine>, StoreError> {
        Err(StoreError::Closed)
    }

    /// How many calls of the span (milliseconds since 1970) have no row, by class and second, newest first.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn not_kept(&self, _since: u64, _until: u64) -> Result<Vec<NotKept>, StoreError> {
        Err(StoreError::Closed)
    }

    /// All keys, revoked ones too.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        Err(StoreError::Closed)
    }

    /// Stores a new key; on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::DuplicateKey`], [`StoreError::Database`].
    pub fn add_key(&self, _key: &KeyRow) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Marks a key as revoked; false if there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub fn revoke_key(&self, _id: &KeyId, _at_millis: u64) -> Result<bool, StoreError> {
        Err(StoreError::Closed)
    }

    /// Returns once all that was recorded before is stored.
    ///
    /// # Errors
    /// [`StoreError::Closed`].
    pub fn flush(&self) -> Result<(), StoreError> {
        Err(StoreError::Closed)
    }

    /// Stores what waits and ends the writer; dropping the store does the same.
    pub fn close(&self) {}
}
