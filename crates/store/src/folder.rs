//! The state folder: made private, held by one gateway at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::error::StoreError;

/// Name of the file whose lock means "this folder is taken".
const LOCK: &str = "lock";

/// A state folder that this process holds until the value is dropped.
#[derive(Debug)]
pub struct StateFolder {
    path: PathBuf,
    lock: Mutex<File>,
}

impl StateFolder {
    /// Makes the folder (mode 0700) if need be, and takes it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] with the owner's process and address when another gateway holds it; [`StoreError::Io`].
    pub fn hold(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Io {
            path: path.to_owned(),
            source,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed)?;
        let name = path.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&name)
            .map_err(|source| StoreError::Io {
                path: name.clone(),
                source,
            })?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let read = (&mut file).take(200).read_to_string(&mut owner);
                let known = read.is_ok() && !owner.trim().is_empty();
                return Err(StoreError::InUse {
                    path: path.to_owned(),
                    owner: if known {
                        owner.trim().to_owned()
                    } else {
                        "another gateway".to_owned()
                    },
                });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { path: name, source });
            }
        }
        let folder = Self {
            path: path.to_owned(),
            lock: Mutex::new(file),
        };
        folder
            .write_owner(&format!("pid {}", std::process::id()))
            .map_err(failed)?;
        Ok(folder)
    }

    /// Takes the folder from the gateway that holds it and has handed its lock on: both hold it until that one ends, so
    /// that nobody else ever can.
    #[must_use]
    pub fn adopt(path: &Path, lock: OwnedFd) -> Self {
        Self {
            path: path.to_owned(),
            lock: Mutex::new(File::from(lock)),
        }
    }

    /// A duplicate of the lock, for a successor.
    ///
    /// # Errors
    /// [`StoreError::Io`]: no descriptor is left.
    pub fn lock_for_successor(&self) -> Result<OwnedFd, StoreError> {
        let duplicate = self.lock.lock().try_clone();
        duplicate
            .map(OwnedFd::from)
            .map_err(|source| StoreError::Io {
                path: self.path.join(LOCK),
                source,
            })
    }

    /// Tells whoever finds the folder taken where this gateway listens.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn announce(&self, address: &str) -> Result<(), StoreError> {
        self.write_owner(&format!(
            "pid {}, listening on {address}",
            std::process::id()
        ))
        .map_err(|source| StoreError::Io {
            path: self.path.join(LOCK),
            source,
        })
    }

    fn write_owner(&self, text: &str) -> io::Result<()> {
        let mut file = self.lock.lock();
        // One write over all that was there, so that whoever reads meanwhile finds one owner or the other.
        let before = file.metadata()?.len();
        let width = usize::try_from(before.saturating_sub(1)).unwrap_or_default();
        file.rewind()?;
        file.write_all(format!("{text:<width$}\n").as_bytes())
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a small text file of the folder; none if there is no such file.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn read_private(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// Writes a small text file that only its owner may read (mode 0600); replaces it in one step.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn write_private(&self, name: &str, text: &str) -> Result<(), StoreError> {
        let path = self.path.join(name);
        let fresh = self.path.join(format!(".{name}.new"));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            // The mode above holds for a new file only; a left-over one may have another.
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        };
        write().map_err(|source| StoreError::Io {
            path: path.clone(),
            source,
        })
    }
}
