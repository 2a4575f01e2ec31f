//! The states of all providers, credentials and targets by name: bounded, shared, readable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use crate::admit::TargetState;
use crate::retry_budget::RetryBudget;

/// The most states of one level. What comes later shares one: names come from callers, too.
pub const MOST_STATES: usize = 4_096;

/// What a provider has of its own.
#[derive(Debug)]
pub struct ProviderState {
    /// Its retry budget.
    pub budget: RetryBudget,
    /// Whether it takes calls.
    pub state: TargetState,
}

/// What a state belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// One of a provider's keys.
    Credential,
    /// A provider and a model there.
    Target,
    /// A provider.
    Provider,
}

/// One state, for people to read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it belongs to.
    pub level: Level,
    /// Its name.
    pub name: String,
    /// Until when it rests, where it does.
    pub cooldown_until: Option<Instant>,
    /// Good answers so far.
    pub answered: u64,
    /// Failures so far.
    pub failed: u64,
    /// Repeats left in the retry budget (providers only).
    pub budget_left: Option<f64>,
}

/// All states.
#[derive(Debug)]
pub struct Registry {
    start: Instant,
    shared: Arc<TargetState>,
    targets: RwLock<HashMap<String, Arc<TargetState>>>,
    credentials: RwLock<HashMap<String, Arc<TargetState>>>,
    providers: RwLock<HashMap<String, Arc<ProviderState>>>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            shared: Arc::new(TargetState::new(now)),
            targets: RwLock::default(),
            credentials: RwLock::default(),
            providers: RwLock::default(),
        }
    }

    /// The state of a target that the configuration or the catalogue names, or that has answered well.
    #[must_use]
    pub fn target(&self, name: &str) -> Arc<TargetState> {
        self.state_in(&self.targets, name)
    }

    /// The state of a target that a caller named and nobody knows yet: its own if it has one, else the shared one.
    #[must_use]
    pub fn target_if_known(&self, name: &str) -> Arc<TargetState> {
        let found = self.targets.read().get(name).map(Arc::clone);
        found.unwrap_or_else(|| Arc::clone(&self.shared))
    }

    /// The state of a credential.
    #[must_use]
    pub fn credential(&self, name: &str) -> Arc<TargetState> {
        self.state_in(&self.credentials, name)
    }

    /// The state of a provider; `ratio` is that of its retry budget and counts when the state is made.
    #[must_use]
    pub fn provider(&self, name: &str, ratio: f64) -> Arc<ProviderState> {
        if let Some(found) = self.providers.read().get(name) {
            return Arc::clone(found);
        }
        let fresh = || {
            Arc::new(ProviderState {
                budget: RetryBudget::new(ratio, self.start),
                state: TargetState::new(self.start),
            })
        };
        let mut providers = self.providers.write();
        // Providers are named by the configuration alone; past the bound they get a state that nobody shares.
        if providers.len() >= MOST_STATES && !providers.contains_key(name) {
            return fresh();
        }
        Arc::clone(providers.entry(name.to_owned()).or_insert_with(fresh))
    }

    fn state_in(
        &self,
        states: &RwLock<HashMap<String, Arc<TargetState>>>,
        name: &str,
    ) -> Arc<TargetState> {
        if let Some(found) = states.read().get(name) {
            return Arc::clone(found);
        }
        let mut states = states.write();
        if states.len() >= MOST_STATES && !states.contains_key(name) {
            return Arc::clone(&self.shared);
        }
        let fresh = || Arc::new(TargetState::new(self.start));
        Arc::clone(states.entry(name.to_owned()).or_insert_with(fresh))
    }
}
