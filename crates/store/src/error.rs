//! Why the store could not do what it was asked.

use std::io;
use std::path::PathBuf;

/// A failure of the store or of the state folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or a file in it cannot be made, read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another gateway runs on the folder.
    #[error("the state folder {} is in use by {owner}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it: `pid 4312, listening on 127.0.0.1:4000`.
        owner: String,
    },
    /// A newer goodgate wrote the file.
    #[error(
        "{} was written by a newer goodgate (schema {found}, this one knows {known}): start that version or choose another state folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema's version.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file's schema cannot be brought up to date.
    #[error("cannot bring the schema of {} up to date", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is no database, or what is in it cannot be read.
    #[error(
        "{} is damaged. Move it away and start again, without {holds}; `sqlite3 FILE .recover` may save some of it",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is lost with it.
        holds: &'static str,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// SQLite refused.
    #[error("the database refused")]
    Database(#[from] rusqlite::Error),
    /// A row holds what no goodgate writes.
    #[error("a stored row cannot be read: {what}")]
    Corrupt {
        /// Which part.
        what: String,
    },
    /// A key of this name exists.
    #[error("a key named {name} exists already")]
    DuplicateKey {
        /// The name.
        name: String,
    },
    /// What was recorded waits, because the disk does not take it now.
    #[error("calls cannot be stored at the moment: {why}")]
    Unwritten {
        /// What the database says.
        why: String,
    },
    /// The writer is gone: the store was closed.
    #[error("the store is closed")]
    Closed,
}
