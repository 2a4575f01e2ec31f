//! The states of all providers, credentials and targets by name: bounded, shared, readable.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::RwLock;

use crate::admit::{Admission, TargetState};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A provider.
    Provider,
    /// One of a provider's keys.
    Credential,
    /// A provider and a model there.
    Target,
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

    /// The state of a provider; its retry budget goes on with this `ratio`, which may have changed with a reload.
    #[must_use]
    pub fn provider(&self, name: &str, ratio: f64) -> Arc<ProviderState> {
        if let Some(found) = self.providers.read().get(name) {
            found.budget.set_ratio(ratio);
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

    /// All states as they are now: providers, credentials, targets, each in the order of their names.
    #[must_use]
    pub fn readings(&self, now: Instant) -> Vec<Reading> {
        let mut readings: Vec<Reading> = self
            .providers
            .read()
            .iter()
            .map(|(name, provider)| Reading {
                budget_left: Some(provider.budget.left(now)),
                ..reading(Level::Provider, name, &provider.state, now)
            })
            .collect();
        for (level, states) in [
            (Level::Credential, &self.credentials),
            (Level::Target, &self.targets),
        ] {
            let states = states.read();
            readings.extend(
                states
                    .iter()
                    .map(|(name, state)| reading(level, name, state, now)),
            );
        }
        readings.sort_by(|a, b| (a.level, &a.name).cmp(&(b.level, &b.name)));
        readings
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

fn reading(level: Level, name: &str, state: &TargetState, now: Instant) -> Reading {
    let (answered, failed) = state.counts();
    let cooldown_until = match state.admits(now) {
        Admission::Yes => None,
        Admission::CooldownUntil(until) => Some(until),
    };
    Reading {
        level,
        name: name.to_owned(),
        cooldown_until,
        answered,
        failed,
        budget_left: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use types::{Clock, ManualClock};

    use super::*;
    use crate::admit::Lesson;

    #[test]
    fn a_name_has_one_state_at_each_level() {
        let clock = ManualClock::default();
        let registry = Registry::new(clock.now());
        registry
            .target("openai/gpt-5-mini")
            .cooldown_for(Duration::from_secs(5), clock.now(), 0.0);
        assert_ne!(
            registry.target("openai/gpt-5-mini").admits(clock.now()),
            Admission::Yes
        );
        assert_eq!(
            registry.target("openai/gpt-5").admits(clock.now()),
            Admission::Yes
        );
        assert_eq!(
            registry.credential("openai/gpt-5-mini").admits(clock.now()),
            Admission::Yes
        );
        assert_eq!(
            registry.provider("openai", 0.2).state.admits(clock.now()),
            Admission::Yes
        );
        assert!(Arc::ptr_eq(
            &registry.provider("openai", 0.2),
            &registry.provider("openai", 0.5)
        ));
    }

    #[test]
    fn models_that_nobody_knows_share_a_state_until_they_are_known() {
        let registry = Registry::new(ManualClock::default().now());
        let (one, two) = (
            registry.target_if_known("a/x"),
            registry.target_if_known("a/y"),
        );
        assert!(Arc::ptr_eq(&one, &two));
        let known = registry.target("a/x");
        assert!(
            Arc::ptr_eq(&known, &registry.target_if_known("a/x")) && !Arc::ptr_eq(&known, &two)
        );
        assert_eq!(registry.readings(ManualClock::default().now()).len(), 1);
    }

    #[test]
    fn the_number_of_states_is_bounded() {
        let registry = Registry::new(ManualClock::default().now());
        for number in 0..MOST_STATES + 100 {
            let _state = registry.target(&format!("a/{number}"));
        }
        assert_eq!(registry.targets.read().len(), MOST_STATES);
        let overflow = (registry.target("b/1"), registry.target("b/2"));
        assert!(Arc::ptr_eq(&overflow.0, &overflow.1));
    }

    #[test]
    fn states_can_be_read_in_the_order_of_their_names() {
        let clock = ManualClock::default();
        let registry = Registry::new(clock.now());
        registry
            .target("b/m")
            .learned(Lesson::Answered, clock.now());
        registry
            .target("a/m")
            .cooldown_for(Duration::from_secs(5), clock.now(), 0.0);
        registry.provider("a", 0.2).budget.deposit(clock.now());
        let readings = registry.readings(clock.now());
        let seen: Vec<(Level, &str, bool, u64)> = readings
            .iter()
            .map(|one| {
                (
                    one.level,
                    one.name.as_str(),
                    one.cooldown_until.is_some(),
                    one.answered,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (Level::Provider, "a", false, 0),
                (Level::Target, "a/m", true, 0),
                (Level::Target, "b/m", false, 1),
            ]
        );
        let left = readings.first().and_then(|one| one.budget_left);
        assert!(left.is_some_and(|left| left >= 10.0), "{left:?}");
    }
}
