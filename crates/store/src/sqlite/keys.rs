//! Keys in the governance file.

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode, params};
use types::KeyId;

use super::columns::{Columns, int, opt};
use super::open::DatabaseFile;
use crate::error::StoreError;
use crate::keys::KeyRow;

/// The governance file; few ask it, so one connection serves all.
#[derive(Debug)]
pub(crate) struct Keys {
    connection: Mutex<Connection>,
}

impl Keys {
    pub(crate) fn open(file: &DatabaseFile) -> Result<Self, StoreError> {
        Ok(Self {
            connection: Mutex::new(file.open()?),
        })
    }

    pub(crate) fn list(&self) -> Result<Vec<KeyRow>, StoreError> {
        let connection = self.connection.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, hash, hint, created, expires, revoked FROM keys ORDER BY created, id",
        )?;
        let rows = statement
            .query_map([], |row| {
                let mut columns = Columns::of(row);
                Ok(KeyRow {
                    id: KeyId::new(&columns.take::<String>()?),
                    hash: columns.take()?,
                    hint: columns.take()?,
                    created_millis: columns.number()?,
                    expires_millis: columns.maybe()?,
                    revoked_millis: columns.maybe()?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    pub(crate) fn add(&self, key: &KeyRow) -> Result<(), StoreError> {
        let connection = self.connection.lock();
        let added = connection.execute(
            "INSERT INTO keys (id, hash, hint, created, expires, revoked) VALUES (?, ?, ?, ?, ?, ?)",
            params![
                key.id.as_str(),
                key.hash,
                key.hint,
                int(key.created_millis),
                opt(key.expires_millis),
                opt(key.revoked_millis),
            ],
        );
        match added {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(StoreError::DuplicateKey {
                    name: key.id.as_str().to_owned(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn revoke(&self, id: &KeyId, at_millis: u64) -> Result<bool, StoreError> {
        let connection = self.connection.lock();
        let changed = connection.execute(
            "UPDATE keys SET revoked = coalesce(revoked, ?) WHERE id = ?",
            params![int(at_millis), id.as_str()],
        )?;
        Ok(changed > 0)
    }
}
