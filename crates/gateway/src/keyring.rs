//! Who may call: every virtual key by the hash of its secret. No secret is kept here.
//!
//! Keys are no part of the snapshot: they change one by one, at any time, and a revoked key must stop at once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use config::Hold;
use config::keys::KeyHash;
use limits::concurrency::ConcurrencyLimit;
use limits::rate::RateLimit;
use types::{KeyId, Priority, TeamId};

use crate::bytes::CallerBytes;

/// A caller: what is known of a key.
#[derive(Debug)]
pub struct Caller {
    /// The key's name.
    pub key: KeyId,
    /// Calls a minute; none means no limit.
    pub rate: Option<(u32, Arc<RateLimit>)>,
    /// Calls at the same time; none means no limit.
    pub concurrency: Option<Arc<ConcurrencyLimit>>,
    /// The models it may use, by alias or `provider/model`; none means all.
    pub models: Option<Vec<String>>,
    /// When its streams' heads go out; none leaves that to the model.
    pub hold: Option<Hold>,
    /// Which `x-goodgate-*` request headers it may use.
    pub headers: HeaderRights,
    /// Whose calls come first where there is no room for all.
    pub priority: Priority,
    /// Whom it belongs to; none: to itself.
    pub team: Option<TeamId>,
    /// What its calls hold of the byte budget.
    pub bytes: CallerBytes,
    /// Its place among others, once it has been asked for.
    pub(crate) rank: OnceLock<limits::queue::Caller>,
}

/// Which `x-goodgate-*` request headers a key may use; a caller must not be able to switch off policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderRights {
    /// Tags and a shorter timeout.
    Ordinary,
    /// Those and the named ones.
    Named(Vec<String>),
    /// All: the first key on loopback.
    All,
}

impl HeaderRights {
    /// Whether the header may be used.
    #[must_use]
    pub fn allow(&self, header: &str) -> bool {
        match self {
            Self::Ordinary => matches!(header, "x-goodgate-tags" | "x-request-timeout-ms"),
            Self::Named(names) => Self::Ordinary.allow(header) || names.iter().any(|n| n == header),
            Self::All => true,
        }
    }
}

impl Caller {
    /// Whether the key may use a model, by the name that is asked for; `*` at the end of an entry matches any rest.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        config::keys::may_use(self.models.as_deref(), model)
    }

    /// What tells the key from others where its name is of no interest: its name's FNV-1a hash.
    #[must_use]
    pub fn mark(&self) -> u64 {
        let bytes = self.key.as_str().bytes();
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }

    /// Its place among others where there is no room for all.
    pub(crate) fn rank(&self) -> limits::queue::Caller {
        *self.rank.get_or_init(|| self.ranked())
    }

    fn ranked(&self) -> limits::queue::Caller {
        let mut hasher = DefaultHasher::new();
        match &self.team {
            Some(team) => ("team", team.as_str()).hash(&mut hasher),
            None => ("key", self.key.as_str()).hash(&mut hasher),
        }
        limits::queue::Caller {
            priority: self.priority,
            team: hasher.finish(),
            key: self.mark(),
        }
    }

    /// Keeps what the key has running and used, so that a reload is no way round a limit.
    fn go_on_from(&mut self, before: &Self) {
        self.bytes = Arc::clone(&before.bytes);
        if let (Some((rpm, rate)), Some((old_rpm, old))) = (&mut self.rate, &before.rate)
            && rpm == old_rpm
        {
            *rate = Arc::clone(old);
        }
        if let (Some(now), Some(old)) = (&mut self.concurrency, &before.concurrency)
            && now.limit() == old.limit()
        {
            *now = Arc::clone(old);
        }
    }

    /// A key without limits of its own.
    #[must_use]
    pub fn unlimited(key: KeyId, headers: HeaderRights) -> Self {
        Self {
            key,
            rate: None,
            concurrency: None,
            models: None,
            hold: None,
            headers,
            priority: Priority::default(),
            team: None,
            bytes: CallerBytes::default(),
            rank: OnceLock::new(),
        }
    }
}

/// All keys that may call.
#[derive(Debug, Default)]
pub struct Keyring {
    callers: ArcSwap<HashMap<KeyHash, Arc<Caller>, BuildHasherDefault<OfDigest>>>,
}

/// Takes the first bytes of a digest for its hash: who wants many of them to be alike would have to break SHA-256.
#[derive(Debug, Default)]
struct OfDigest(u64);

impl Hasher for OfDigest {
    fn write(&mut self, digest: &[u8]) {
        if let Some(first) = digest.first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// How long a digest is tells nothing.
    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Keyring {
    /// Finds the caller whose secret hashes to `hash`.
    #[must_use]
    pub fn find(&self, hash: &KeyHash) -> Option<Arc<Caller>> {
        self.callers.load().get(hash).map(Arc::clone)
    }

    /// Replaces all keys at once; callers that stay keep their running counters.
    pub fn replace(&self, mut callers: HashMap<KeyHash, Caller>) {
        let old = self.callers.load();
        let next = callers
            .drain()
            .map(|(hash, mut caller)| {
                if let Some(before) = old.get(&hash) {
                    caller.go_on_from(before);
                }
                (hash, Arc::new(caller))
            })
            .collect();
        self.callers.store(Arc::new(next));
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.callers.load().len()
    }

    /// Whether nobody may call.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(rpm: u32, most: u32) -> HashMap<KeyHash, Caller> {
        let mut caller = Caller::unlimited(KeyId::new("k"), HeaderRights::Ordinary);
        caller.rate = Some((rpm, Arc::new(RateLimit::new(rpm))));
        caller.concurrency = Some(Arc::new(ConcurrencyLimit::new(most)));
        HashMap::from([(KeyHash::of("secret"), caller)])
    }

    fn slot_after(ring: &Keyring) -> bool {
        let caller = ring.find(&KeyHash::of("secret")).unwrap();
        caller.concurrency.as_ref().unwrap().take().is_some()
    }

    #[test]
    fn a_reload_with_the_same_limits_forgets_no_running_call() {
        let ring = Keyring::default();
        ring.replace(keys(10, 1));
        let caller = ring.find(&KeyHash::of("secret")).unwrap();
        let _running = caller.concurrency.as_ref().unwrap().take().unwrap();
        ring.replace(keys(10, 1));
        assert!(!slot_after(&ring));
        ring.replace(keys(10, 2));
        assert!(slot_after(&ring), "a changed limit begins anew");
    }

    #[test]
    fn a_key_that_is_gone_finds_nobody() {
        let ring = Keyring::default();
        ring.replace(keys(10, 1));
        ring.replace(HashMap::new());
        assert!(ring.find(&KeyHash::of("secret")).is_none() && ring.is_empty());
    }

    #[test]
    fn headers_that_change_policy_are_a_right() {
        assert!(HeaderRights::Ordinary.allow("x-goodgate-tags"));
        assert!(!HeaderRights::Ordinary.allow("x-goodgate-hold"));
        assert!(HeaderRights::Named(vec!["x-goodgate-hold".into()]).allow("x-goodgate-hold"));
        assert!(HeaderRights::All.allow("x-goodgate-max-attempts"));
    }
}
