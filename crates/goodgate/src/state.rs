//! What lies in the state folder: the lock, the store, the first key, the admin token.

use std::sync::Arc;

use config::Snapshot;
use config::keys::{self, KeyHash, Purpose};
use gateway::keyring::HeaderRights;
use gateway::reload::StoredKey;
use store::{KeyRow, StateFolder, Store, StoreError};
use types::{Clock, KeyId, Secret};

use crate::error::ServeError;

/// The file of the state folder that holds the first key.
const FIRST_KEY_FILE: &str = "first-key";

/// What lies in the state folder.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) folder: Arc<StateFolder>,
    pub(crate) store: Arc<Store>,
    pub(crate) first_key: Secret,
    pub(crate) admin_token: Secret,
    pub(crate) stored: Vec<StoredKey>,
}

impl State {
    /// Opens what is in the folder, or makes it.
    pub(crate) fn open(
        folder: StateFolder,
        snapshot: &Snapshot,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ServeError> {
        let options = store::Options {
            file: snapshot.storage.path.clone(),
            retain: snapshot.storage.retain,
            ..store::Options::default()
        };
        let store = Arc::new(Store::open(&folder, &options, Arc::clone(clock))?);
        let first_key = first_key(&folder, &store, &**clock)?;
        let admin_token = admin::load_token(&folder)?;
        let stored = stored_keys(&store, snapshot.server.is_loopback())?;
        Ok(Self {
            folder: Arc::new(folder),
            store,
            first_key,
            admin_token,
            stored,
        })
    }
}

/// The first key: made at the first start, kept in a file that only its owner may read.
fn first_key(folder: &StateFolder, store: &Store, clock: &dyn Clock) -> Result<Secret, ServeError> {
    let written = folder
        .read_private(FIRST_KEY_FILE)?
        .map(|text| text.trim().to_owned());
    let secret = match written.filter(|text| keys::is_well_formed(text)) {
        Some(text) => Secret::new(text),
        None => {
            let secret = keys::generate(Purpose::Dev)?;
            folder.write_private(FIRST_KEY_FILE, secret.reveal())?;
            secret
        }
    };
    let hash = KeyHash::of(secret.reveal());
    let known = store.keys()?;
    if known.iter().any(|key| key.hash == *hash.as_bytes()) {
        return Ok(secret);
    }
    // A file from another store, or a store that was lost: the name must be free.
    let names = ["dev".to_owned(), format!("dev-{}", clock.unix_millis())];
    let name = names
        .into_iter()
        .find(|name| known.iter().all(|key| key.id.as_str() != name.as_str()));
    store.add_key(&KeyRow {
        id: KeyId::new(&name.unwrap_or_default()),
        hash: *hash.as_bytes(),
        hint: keys::display(secret.reveal()),
        created_millis: clock.unix_millis(),
        expires_millis: None,
        revoked_millis: None,
    })?;
    Ok(secret)
}

/// The store's keys. On loopback they may use every header: their holder is whoever runs the gateway.
fn stored_keys(store: &Store, loopback: bool) -> Result<Vec<StoredKey>, StoreError> {
    let rows = store.keys()?;
    let usable = rows.into_iter().filter(|row| row.revoked_millis.is_none());
    Ok(usable
        .map(|row| StoredKey {
            hash: KeyHash::from_bytes(row.hash),
            id: row.id,
            headers: if loopback {
                HeaderRights::All
            } else {
                HeaderRights::Ordinary
            },
        })
        .collect())
}
