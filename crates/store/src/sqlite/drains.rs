//! Marks of what is out of use, in the governance file.

use parking_lot::Mutex;
use rusqlite::{Connection, params};

use super::columns::{Columns, int, opt};
use super::open::DatabaseFile;
use crate::drains::DrainRow;
use crate::error::StoreError;

/// The marks in the governance file; few ask for them, so one connection serves all.
#[derive(Debug)]
pub(crate) struct Drains {
    connection: Mutex<Connection>,
}

impl Drains {
    pub(crate) fn open(file: &DatabaseFile) -> Result<Self, StoreError> {
        Ok(Self {
            connection: Mutex::new(file.open()?),
        })
    }

    /// The marks that hold; those whose time is over are forgotten.
    pub(crate) fn list(&self, now_millis: u64) -> Result<Vec<DrainRow>, StoreError> {
        let connection = self.connection.lock();
        connection.execute(
            "DELETE FROM drains WHERE until <= ?",
            params![int(now_millis)],
        )?;
        let mut statement = connection
            .prepare_cached("SELECT name, since, until, reason FROM drains ORDER BY name")?;
        let rows = statement
            .query_map([], |row| {
                let mut columns = Columns::of(row);
                Ok(DrainRow {
                    name: columns.take()?,
                    since_millis: columns.number()?,
                    until_millis: columns.maybe()?,
                    reason: columns.take()?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    pub(crate) fn put(&self, mark: &DrainRow) -> Result<(), StoreError> {
        let connection = self.connection.lock();
        connection.execute(
            "INSERT OR REPLACE INTO drains (name, since, until, reason) VALUES (?, ?, ?, ?)",
            params![
                mark.name,
                int(mark.since_millis),
                opt(mark.until_millis),
                mark.reason,
            ],
        )?;
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let connection = self.connection.lock();
        let changed = connection.execute("DELETE FROM drains WHERE name = ?", params![name])?;
        Ok(changed > 0)
    }
}
