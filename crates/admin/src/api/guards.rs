//! Where breakers and limits stand: part of what is shown of providers.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// Where breaker and limit of a provider, a key or a target stand.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Guard {
    /// `provider`, `credential` or `target`.
    pub level: String,
    /// Its name; `provider/*` for all models of a provider that nobody has named.
    pub name: String,
    /// `closed` (it takes calls), `ramping` (it takes more and more), `open` or `half_open` (one call at a time tries).
    pub state: String,
    /// Since when it is not closed: milliseconds since 1970.
    pub open_since_ms: Option<u64>,
    /// The code of the failure that opened it.
    pub cause: Option<String>,
    /// What the upstream said last.
    pub excerpt: Option<String>,
    /// When the next call may try.
    pub next_probe_ms: Option<u64>,
    /// Until when it rests because it asked to be left alone.
    pub resting_until_ms: Option<u64>,
    /// Calls at a time that it takes; null where it has shown no limit.
    pub limit: Option<u32>,
    /// Its calls in flight, each until the last byte of its answer.
    pub in_flight: u32,
    /// Good answers since the start.
    pub answered: u64,
    /// Failures since the start.
    pub failed: u64,
    /// Good answers in the breaker's window.
    pub recently_answered: u32,
    /// Failures in the breaker's window.
    pub recently_failed: u32,
    /// Repeats that the provider's retry budget still allows; null for others.
    pub repeats_left: Option<f64>,
    /// What loops that do not act would have done: their names, and how often.
    pub shadow: BTreeMap<String, u64>,
}

/// Those of one provider, taken out of all.
#[derive(Debug, Default)]
pub(super) struct OfProvider {
    pub(super) own: Option<Guard>,
    pub(super) credentials: BTreeMap<String, Guard>,
    pub(super) targets: Vec<Guard>,
}

/// Takes out of `guards` what belongs to the provider of this name.
pub(super) fn take(guards: &mut Vec<Guard>, provider: &str) -> OfProvider {
    let mut taken = OfProvider::default();
    let mut rest = Vec::new();
    for guard in guards.drain(..) {
        let inner = guard
            .name
            .strip_prefix(provider)
            .and_then(|name| name.strip_prefix('/'));
        match (guard.level.as_str(), inner) {
            ("provider", None) if guard.name == provider => taken.own = Some(guard),
            ("credential", Some(key)) => {
                taken.credentials.insert(key.to_owned(), guard);
            }
            ("target", Some(_)) => taken.targets.push(guard),
            _ => rest.push(guard),
        }
    }
    *guards = rest;
    taken
}
