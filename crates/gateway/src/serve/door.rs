//! Who may connect: so many at all, so many from one address that has shown no valid key.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use types::Clock;

use crate::gate::Shared;

/// The door's counts.
#[derive(Debug)]
pub(super) struct Door {
    shared: Arc<Shared>,
    inside: Arc<AtomicUsize>,
    unknown: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection, counted until it is dropped.
#[derive(Debug)]
pub(super) struct Visitor {
    door: Arc<Door>,
    /// The address under which it is counted as unknown, until it shows a valid key.
    unknown: Mutex<Option<IpAddr>>,
    /// Whether it is: most are not, and no call locks for them.
    counts: AtomicBool,
}

impl Door {
    pub(super) fn new(shared: Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared,
            inside: Arc::default(),
            unknown: Mutex::default(),
        })
    }

    /// How many are inside, to be read at any time.
    pub(super) fn inside(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.inside)
    }

    /// The time.
    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    /// Lets a connection in, or not.
    pub(super) fn enter(self: &Arc<Self>, peer: SocketAddr) -> Option<Visitor> {
        let policy = self.shared.policy.load();
        let server = &policy.snapshot.server;
        if self.inside.fetch_add(1, Ordering::Relaxed) >= server.max_connections {
            self.inside.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let visitor = Visitor {
            door: Arc::clone(self),
            unknown: Mutex::new(None),
            counts: AtomicBool::new(false),
        };
        let address = peer.ip().to_canonical();
        let trusted = server
            .trusted_proxies
            .iter()
            .any(|network| network.contains(address));
        if !address.is_loopback() && !trusted {
            let mut unknown = self.unknown.lock();
            let count = unknown.entry(address).or_default();
            if *count >= server.max_connections_per_address {
                return None;
            }
            *count += 1;
            *visitor.unknown.lock() = Some(address);
            visitor.counts.store(true, Ordering::Relaxed);
        }
        Some(visitor)
    }

    fn forget(&self, address: IpAddr) {
        let mut unknown = self.unknown.lock();
        if let Some(count) = unknown.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                unknown.remove(&address);
            }
        }
    }
}

impl Visitor {
    /// It has shown a valid key: it no longer counts against its address.
    pub(super) fn is_known(&self) {
        if !self.counts.load(Ordering::Relaxed) {
            return;
        }
        self.counts.store(false, Ordering::Relaxed);
        if let Some(address) = self.unknown.lock().take() {
            self.door.forget(address);
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.is_known();
        self.door.inside.fetch_sub(1, Ordering::Relaxed);
    }
}
