//! Puts a new policy and its keys in force at once; calls that run keep the one they began with.

use std::collections::HashMap;
use std::sync::Arc;

use config::Snapshot;
use config::keys::KeyHash;
use limits::concurrency::ConcurrencyLimit;
use limits::rate::RateLimit;

use crate::gate::Shared;
use crate::keyring::{Caller, HeaderRights};
use crate::policy::{NotReady, Policy};

/// A key that the store owns, besides those that the configuration declares.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// SHA-256 of its secret.
    pub hash: KeyHash,
    /// Its name.
    pub id: types::KeyId,
    /// What it may ask for by header.
    pub headers: HeaderRights,
}

/// Puts a snapshot in force.
///
/// # Errors
/// It cannot be made ready; the old policy stays.
pub fn install(
    shared: &Arc<Shared>,
    snapshot: Snapshot,
    stored: &[StoredKey],
) -> Result<(), NotReady> {
    let policy = Policy::prepare(snapshot)?;
    shared.labels.know(&policy.snapshot);
    shared.keyring.replace(callers(&policy.snapshot, stored));
    shared.policy.store(Arc::new(policy));
    Ok(())
}

/// The callers of a snapshot and of the store.
#[must_use]
pub fn callers(snapshot: &Snapshot, stored: &[StoredKey]) -> HashMap<KeyHash, Caller> {
    let declared = snapshot.keys.iter().map(|key| {
        let headers = if key.allow_headers.is_empty() {
            HeaderRights::Ordinary
        } else {
            HeaderRights::Named(key.allow_headers.clone())
        };
        let caller = Caller {
            rate: key.rpm.map(|rpm| (rpm, Arc::new(RateLimit::new(rpm)))),
            concurrency: key
                .concurrency
                .map(|most| Arc::new(ConcurrencyLimit::new(most))),
            models: key.models.clone(),
            hold: key.hold,
            priority: key.priority,
            team: key.team.clone(),
            ..Caller::unlimited(key.id.clone(), headers)
        };
        (key.hash, caller)
    });
    let stored = stored.iter().map(|key| {
        (
            key.hash,
            Caller::unlimited(key.id.clone(), key.headers.clone()),
        )
    });
    stored.chain(declared).collect()
}
