//! Callers' keys as they are kept: hashed.

use types::KeyId;

/// One virtual key; the key itself is known to its holder alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name, unique.
    pub id: KeyId,
    /// SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// What may be shown: `sk-gg-dev-7Kq3…e2Lp`.
    pub hint: String,
    /// When it was made: milliseconds since 1970.
    pub created_millis: u64,
    /// From when it is refused.
    pub expires_millis: Option<u64>,
    /// Since when it is refused.
    pub revoked_millis: Option<u64>,
}
