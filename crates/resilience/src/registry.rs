//! The states of all providers, credentials and targets by name: bounded, shared, readable.
//!
//! A state belongs to a configuration, told by its fingerprint: under another one the same name begins afresh, so that
//! what was mended is tried at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::RwLock;

use crate::breaker::{Breaker, Guards, OpenedBy, Position};
use crate::lesson::Level;
use crate::state::{CredentialState, ProviderState, Shadow, TargetState};

/// The most states of one level. What comes later shares one: names come from callers, too.
pub const MOST_STATES: usize = 4_096;

/// One state, for people to read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it belongs to.
    pub level: Level,
    /// Its name; `provider/*` for all models of a provider that nobody has named.
    pub name: String,
    /// Until when it rests, where it does.
    pub cooldown_until: Option<Instant>,
    /// Where its breaker stands.
    pub position: Position,
    /// Why its breaker is not closed.
    pub opened_by: Option<OpenedBy>,
    /// When the next call may try, where its breaker is not closed.
    pub next_probe: Option<Instant>,
    /// Good answers so far (targets only).
    pub answered: u64,
    /// Failures so far (targets only).
    pub failed: u64,
    /// Good answers and failures in the breaker's window (targets only).
    pub recent: (u32, u32),
    /// Calls in flight, each until the last byte of its answer (targets only).
    pub in_flight: u32,
    /// The adaptive limit of calls at a time, where there is one (targets only).
    pub limit: Option<u32>,
    /// Repeats left in the retry budget (providers only).
    pub budget_left: Option<f64>,
    /// What loops in shadow would have done.
    pub shadow: Shadow,
}

/// All states.
#[derive(Debug)]
pub struct Registry {
    start: Instant,
    marks: AtomicU64,
    targets: RwLock<HashMap<String, Arc<TargetState>>>,
    credentials: RwLock<HashMap<String, Arc<CredentialState>>>,
    providers: RwLock<HashMap<String, Arc<ProviderState>>>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            start: now,
            marks: AtomicU64::new(0),
            targets: RwLock::default(),
            credentials: RwLock::default(),
            providers: RwLock::default(),
        }
    }

    /// The state of a target that the configuration or the catalogue names, or that has answered well.
    ///
    /// Past the bound it is the one that all models of the provider share.
    #[must_use]
    pub fn target(&self, name: &str, provider: &ProviderState) -> Arc<TargetState> {
        let fingerprint = provider.fingerprint;
        let fresh = || Arc::new(TargetState::new(Guards::Target, fingerprint, self.start));
        get(
            &self.targets,
            name,
            |state| state.fingerprint == fingerprint,
            fresh,
        )
        .unwrap_or_else(|| Arc::clone(&provider.unnamed))
    }

    /// The state of a target that a caller named: its own if it has one, else the one that all such share at their
    /// provider.
    #[must_use]
    pub fn target_if_known(&self, name: &str, provider: &ProviderState) -> Arc<TargetState> {
        let found = self.targets.read().get(name).map(Arc::clone);
        found
            .filter(|state| state.fingerprint == provider.fingerprint)
            .unwrap_or_else(|| Arc::clone(&provider.unnamed))
    }

    /// The state of a credential.
    #[must_use]
    pub fn credential(&self, name: &str, fingerprint: u64) -> Arc<CredentialState> {
        let fresh = || {
            let mark = self.marks.fetch_add(1, Ordering::Relaxed);
            Arc::new(CredentialState::new(mark, fingerprint, self.start))
        };
        let is_same = |state: &CredentialState| state.fingerprint == fingerprint;
        // Credentials are named by the configuration alone; past the bound they get a state that nobody shares.
        get(&self.credentials, name, is_same, fresh).unwrap_or_else(fresh)
    }

    /// The state of a provider; its retry budget begins with this `ratio`.
    #[must_use]
    pub fn provider(&self, name: &str, fingerprint: u64, ratio: f64) -> Arc<ProviderState> {
        let fresh = || Arc::new(ProviderState::new(ratio, fingerprint, self.start));
        let is_same = |state: &ProviderState| state.fingerprint == fingerprint;
        // So are providers.
        get(&self.providers, name, is_same, fresh).unwrap_or_else(fresh)
    }

    /// All states as they are now: providers, credentials, targets, each in the order of their names.
    #[must_use]
    pub fn readings(&self, now: Instant) -> Vec<Reading> {
        let mut readings = Vec::new();
        for (name, provider) in self.providers.read().iter() {
            readings.push(Reading {
                budget_left: Some(provider.budget.left(now)),
                shadow: provider.shadow(),
                ..provider
                    .breaker
                    .read(|breaker| reading(Level::Provider, name, breaker, now))
            });
            let (answered, failed) = provider.unnamed.counts();
            if answered + failed > 0 {
                readings.push(of_target(&format!("{name}/*"), &provider.unnamed, now));
            }
        }
        for (name, credential) in self.credentials.read().iter() {
            readings.push(Reading {
                cooldown_until: credential.cooldown.until(now),
                ..credential
                    .breaker
                    .read(|breaker| reading(Level::Credential, name, breaker, now))
            });
        }
        for (name, target) in self.targets.read().iter() {
            readings.push(of_target(name, target, now));
        }
        readings.sort_by(|a, b| (a.level, &a.name).cmp(&(b.level, &b.name)));
        readings
    }
}

/// The state of this name if it is still the same one's, else a fresh one; none past the bound.
fn get<T>(
    states: &RwLock<HashMap<String, Arc<T>>>,
    name: &str,
    is_same: impl Fn(&T) -> bool,
    fresh: impl FnOnce() -> Arc<T>,
) -> Option<Arc<T>> {
    if let Some(found) = states.read().get(name)
        && is_same(found)
    {
        return Some(Arc::clone(found));
    }
    let mut states = states.write();
    let is_full = states.len() >= MOST_STATES;
    match states.get_mut(name) {
        Some(found) => {
            if !is_same(found) {
                *found = fresh();
            }
            Some(Arc::clone(found))
        }
        None if is_full => None,
        None => Some(Arc::clone(
            states.entry(name.to_owned()).or_insert_with(fresh),
        )),
    }
}

fn of_target(name: &str, target: &TargetState, now: Instant) -> Reading {
    let (answered, failed) = target.counts();
    target.read(|breaker, limiter, shadow| Reading {
        cooldown_until: target.cooldown.until(now),
        answered,
        failed,
        recent: breaker.recent(now),
        in_flight: target.in_flight(),
        limit: limiter.limit(now),
        shadow: *shadow,
        ..reading(Level::Target, name, breaker, now)
    })
}

fn reading(level: Level, name: &str, breaker: &Breaker, now: Instant) -> Reading {
    Reading {
        level,
        name: name.to_owned(),
        cooldown_until: None,
        position: breaker.position(now),
        opened_by: breaker.opened_by().cloned(),
        next_probe: breaker.next_probe(now),
        answered: 0,
        failed: 0,
        recent: (0, 0),
        in_flight: 0,
        limit: None,
        budget_left: None,
        shadow: Shadow::default(),
    }
}

#[cfg(test)]
mod tests {
    use types::{Clock, ManualClock};

    use super::*;

    fn fresh() -> (ManualClock, Registry) {
        let clock = ManualClock::default();
        let registry = Registry::new(clock.now());
        (clock, registry)
    }

    #[test]
    fn one_name_has_one_state_at_each_level() {
        let (_, registry) = fresh();
        let provider = registry.provider("a", 0, 0.2);
        let twice = (
            registry.target("a/m", &provider),
            registry.target("a/m", &provider),
        );
        assert!(Arc::ptr_eq(&twice.0, &twice.1));
        assert!(!Arc::ptr_eq(&registry.target("a/n", &provider), &twice.0));
        assert!(Arc::ptr_eq(
            &registry.provider("a", 0, 0.2),
            &registry.provider("a", 0, 0.2)
        ));
        assert!(Arc::ptr_eq(
            &registry.credential("a/k", 0),
            &registry.credential("a/k", 0)
        ));
    }

    #[test]
    fn another_configuration_under_the_same_name_begins_afresh() {
        let (_, registry) = fresh();
        let before = registry.provider("a", 1, 0.2);
        let target = registry.target("a/m", &before);
        let after = registry.provider("a", 2, 0.2);
        assert!(!Arc::ptr_eq(&before, &after));
        assert!(Arc::ptr_eq(
            &registry.target_if_known("a/m", &after),
            &after.unnamed
        ));
        assert!(!Arc::ptr_eq(&registry.target("a/m", &after), &target));
        assert!(!Arc::ptr_eq(
            &registry.credential("a/k", 1),
            &registry.credential("a/k", 2)
        ));
    }

    #[test]
    fn models_that_nobody_knows_share_one_state_at_their_provider() {
        let (_, registry) = fresh();
        let (a, b) = (
            registry.provider("a", 0, 0.2),
            registry.provider("b", 0, 0.2),
        );
        let one = registry.target_if_known("a/one", &a);
        assert!(Arc::ptr_eq(&one, &registry.target_if_known("a/two", &a)));
        assert!(!Arc::ptr_eq(&one, &registry.target_if_known("b/one", &b)));
        let own = registry.target("a/one", &a);
        assert!(Arc::ptr_eq(&own, &registry.target_if_known("a/one", &a)));
        assert!(!Arc::ptr_eq(&own, &one));
    }

    #[test]
    fn the_number_of_states_is_bounded() {
        let (_, registry) = fresh();
        let provider = registry.provider("a", 0, 0.2);
        for number in 0..MOST_STATES + 100 {
            let _state = registry.target(&format!("a/{number}"), &provider);
        }
        assert_eq!(registry.targets.read().len(), MOST_STATES);
        assert!(Arc::ptr_eq(
            &registry.target("a/more", &provider),
            &provider.unnamed
        ));
    }

    #[test]
    fn states_can_be_read_in_the_order_of_their_names() {
        let (clock, registry) = fresh();
        let provider = registry.provider("a", 0, 0.2);
        let _target = registry.target("a/n", &provider);
        let resting = registry.target("a/m", &provider);
        let until = clock.now() + std::time::Duration::from_secs(5);
        resting.cooldown.rest_until(until);
        provider.budget.deposit(clock.now());
        let readings = registry.readings(clock.now());
        let seen: Vec<_> = readings
            .iter()
            .map(|one| (one.level, one.name.as_str(), one.cooldown_until.is_some()))
            .collect();
        assert_eq!(
            seen,
            [
                (Level::Provider, "a", false),
                (Level::Target, "a/m", true),
                (Level::Target, "a/n", false),
            ]
        );
        let left = readings.first().and_then(|one| one.budget_left);
        assert!(left.is_some_and(|left| left >= 10.0), "{left:?}");
    }
}
