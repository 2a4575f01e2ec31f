//! When each host last answered well: what tells one that is being restarted from one that was never there.
//!
//! Nothing is decided by it but the name of a failure; the breakers keep their own counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::Surroundings;
use parking_lot::Mutex;

/// A host that answered well within this time is well.
const WELL_FOR: Duration = Duration::from_secs(60);

/// One host and port, however many providers and routes lead there.
#[derive(Debug, Default)]
pub struct Host {
    answered: Mutex<Option<Instant>>,
}

/// The hosts of one policy.
#[derive(Debug, Default)]
pub(crate) struct Hosts(BTreeMap<String, Arc<Host>>);

impl Host {
    /// It has answered well.
    pub(crate) fn answered(&self, now: Instant) {
        *self.answered.lock() = Some(now);
    }

    fn well_ago(&self, now: Instant) -> Option<Duration> {
        let answered = *self.answered.lock();
        answered.map(|then| now.saturating_duration_since(then))
    }
}

impl Hosts {
    /// The host of an authority; the same one for the same authority.
    pub(crate) fn at(&mut self, authority: String) -> Arc<Host> {
        Arc::clone(self.0.entry(authority).or_default())
    }

    /// What a failure at a host is seen among.
    pub(crate) fn around(&self, host: &Arc<Host>, now: Instant) -> Surroundings {
        let others = self.0.values().filter(|other| !Arc::ptr_eq(other, host));
        let well = others.filter(|other| other.well_ago(now).is_some_and(|ago| ago < WELL_FOR));
        Surroundings {
            healthy_ago: host.well_ago(now),
            other_hosts_healthy: u32::try_from(well.count()).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{Clock, ManualClock};

    use super::*;

    #[test]
    fn only_other_hosts_that_answered_within_a_minute_count() {
        let clock = ManualClock::default();
        let mut hosts = Hosts::default();
        let [a, b, c] = ["a:1", "b:1", "c:1"].map(|name| hosts.at(name.to_owned()));
        assert!(Arc::ptr_eq(&a, &hosts.at("a:1".to_owned())));
        assert_eq!(hosts.around(&a, clock.now()), Surroundings::default());
        b.answered(clock.now());
        clock.advance(Duration::from_secs(30));
        a.answered(clock.now());
        c.answered(clock.now());
        clock.advance(Duration::from_secs(29));
        let seen = |healthy_ago, other_hosts_healthy| Surroundings {
            healthy_ago: Some(Duration::from_secs(healthy_ago)),
            other_hosts_healthy,
        };
        assert_eq!(hosts.around(&a, clock.now()), seen(29, 2));
        clock.advance(Duration::from_secs(1));
        assert_eq!(hosts.around(&a, clock.now()), seen(30, 1));
    }
}
