//! Opens the two files and brings their schema up to date.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use refinery::{Migration, Runner};
use rusqlite::{Connection, ErrorCode};

use crate::error::StoreError;

/// How long SQLite waits for somebody else's lock (a backup, a curious `sqlite3`) before it says so.
const BUSY: Duration = Duration::from_millis(250);

const GOVERNANCE: &[(&str, &str)] = &[
    (
        "V1__keys",
        include_str!("../migrations/sqlite/governance/V1__keys.sql"),
    ),
    (
        "V2__drains",
        include_str!("../migrations/sqlite/governance/V2__drains.sql"),
    ),
];

const CALLS: &[(&str, &str)] = &[
    (
        "V1__calls",
        include_str!("../migrations/sqlite/calls/V1__calls.sql"),
    ),
    (
        "V2__incidents",
        include_str!("../migrations/sqlite/calls/V2__incidents.sql"),
    ),
];

/// One database file.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseFile {
    path: PathBuf,
    holds: &'static str,
    pragmas: &'static str,
    migrations: &'static [(&'static str, &'static str)],
}

/// Keys and marks of what is out of use: a commit is on the disk.
pub(crate) fn governance_file(file: &Path) -> DatabaseFile {
    DatabaseFile {
        path: file.to_owned(),
        holds: "the keys that were made",
        pragmas: "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;",
        migrations: GOVERNANCE,
    }
}

/// Calls: a commit is with the system, so it outlives the process but perhaps not the machine's power.
pub(crate) fn calls_file(file: &Path) -> DatabaseFile {
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push("-calls.db");
    DatabaseFile {
        path: file.with_file_name(name),
        holds: "the calls up to now (keys are in another file)",
        pragmas: "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                  PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = 4000; \
                  PRAGMA temp_store = MEMORY;",
        migrations: CALLS,
    }
}

impl DatabaseFile {
    /// Opens for writing; makes the file (mode 0600) and its tables where they are missing.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.path)
            .map_err(|source| StoreError::Io {
                path: self.path.clone(),
                source,
            })?;
        let mut connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY)?;
        // Has an effect only before the first table: what retention frees can be given back in small steps.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
        connection.execute_batch(self.pragmas)?;
        self.migrate(&mut connection)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// Opens for reading only.
    pub(crate) fn open_reader(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    }

    /// The same error, or what to do if it says that this file is damaged.
    pub(crate) fn blame(&self, error: StoreError) -> StoreError {
        if is_damage(&error) {
            StoreError::Damaged {
                path: self.path.clone(),
                holds: self.holds,
                source: Box::new(error),
            }
        } else {
            error
        }
    }

    fn migrate(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let failed = |source: refinery::Error| StoreError::Migration {
            path: self.path.clone(),
            source: Box::new(source),
        };
        let known = i64::try_from(self.migrations.len()).unwrap_or(i64::MAX);
        let found = applied(connection)?;
        if found > known {
            return Err(StoreError::Newer {
                path: self.path.clone(),
                found,
                known,
            });
        }
        let migrations = self
            .migrations
            .iter()
            .map(|(name, sql)| Migration::unapplied(name, sql))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        Runner::new(&migrations).run(connection).map_err(failed)?;
        Ok(())
    }
}

/// Whether SQLite cannot make sense of the file; migrations wrap what it says.
fn is_damage(error: &StoreError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let code = error
            .downcast_ref::<rusqlite::Error>()
            .and_then(rusqlite::Error::sqlite_error_code);
        if matches!(
            code,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)
        ) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The schema's version; 0 for a new file.
fn applied(connection: &Connection) -> Result<i64, StoreError> {
    let exists = connection.table_exists(None, "refinery_schema_history")?;
    if !exists {
        return Ok(0);
    }
    let version = connection.query_row(
        "SELECT coalesce(max(version), 0) FROM refinery_schema_history",
        [],
        |row| row.get(0),
    )?;
    Ok(version)
}
