//! Everything one worker answers calls with.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use resilience::balance::Loads;
use resilience::registry::Registry;
use types::Clock;

use crate::attempt::line::Lines;
use crate::bytes::ByteBudget;
use crate::journal::Recorder;
use crate::journal::metrics::Labels;
use crate::keyring::Keyring;
use crate::lanes::idempotency;
use crate::policy::Policy;
use crate::resources::Resources;
use crate::routing::{Conversations, Drained};
use crate::serve::Dates;
use crate::serve::admin_door::AdminDoor;
use crate::serve::drain::Drain;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// The policy in force.
    pub policy: ArcSwap<Policy>,
    /// Who may call.
    pub keyring: Keyring,
    /// The sum of all buffers.
    pub bytes: Arc<ByteBudget>,
    /// What is remembered of providers, credentials and targets.
    pub registry: Registry,
    /// What is remembered of callers' idempotency keys.
    pub idempotency: Arc<idempotency::Keys>,
    /// What was taken out of use by hand.
    pub drained: Drained,
    /// How busy and how fast targets are, where that decides between them.
    pub loads: Loads,
    /// The lines before targets that have no room.
    pub lines: Arc<Lines>,
    /// Where conversations were answered.
    pub conversations: Arc<Conversations>,
    /// What the process has left.
    pub resources: Resources,
    /// Which targets get a label of their own in metrics.
    pub labels: Arc<Labels>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How far a shutdown is.
    pub drain: Drain,
    /// Where requests for the web UI and the admin API go; none where it has a listener of its own.
    pub admin: Option<AdminDoor>,
}

/// Everything one worker answers calls with. A step gets the part that it uses.
#[derive(Debug)]
pub struct Gate {
    /// What all workers share.
    pub shared: Arc<Shared>,
    /// This worker's client and pool.
    pub client: upstream::Client,
    /// Where this worker's calls are recorded.
    pub recorder: Arc<Recorder>,
    /// The value of `Date`.
    pub dates: Dates,
}

impl Gate {
    /// The policy in force at this moment; hold it for the whole of a call.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Policy> {
        self.shared.policy.load_full()
    }

    /// The same, for a look that does not outlive a step.
    #[must_use]
    pub fn policy(&self) -> Guard<Arc<Policy>> {
        self.shared.policy.load()
    }
}
