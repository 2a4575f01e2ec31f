//! A few connections for readers; who finds none free waits for one.

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::open::DatabaseFile;
use crate::error::StoreError;

#[derive(Debug)]
pub(crate) struct Readers {
    // Bound: `Options::readers` connections; when all are out, readers wait for the next that comes back.
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    pub(crate) fn open(file: &DatabaseFile, count: usize) -> Result<Self, StoreError> {
        let idle = (0..count.max(1))
            .map(|_| file.open_reader())
            .collect::<Result<_, _>>()?;
        Ok(Self {
            idle: Mutex::new(idle),
            returned: Condvar::new(),
        })
    }

    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut idle = self.idle.lock();
        let connection = loop {
            if let Some(connection) = idle.pop() {
                break connection;
            }
            self.returned.wait(&mut idle);
        };
        drop(idle);
        // Given back even when `read` panics: a reader lost is lost for good.
        let lent = Lent {
            readers: self,
            connection: Some(connection),
        };
        match &lent.connection {
            Some(connection) => read(connection),
            None => Err(StoreError::Closed),
        }
    }
}

struct Lent<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.readers.idle.lock().push(connection);
            self.readers.returned.notify_one();
        }
    }
}
