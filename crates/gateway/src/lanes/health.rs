//! Asks the upstreams of routes whether they are well, where the configuration wishes it.
//!
//! One task of one worker asks for all. What it learns changes the order in which upstreams are tried, never whether
//! they are: a health check that is wrong itself costs no call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use diagnosis::Lane;
use futures_util::future::join_all;
use http::Method;
use parking_lot::Mutex;
use resilience::health::{Health, Seen};
use types::Deadline;
use upstream::{Outgoing, Timers};

use crate::gate::Gate;
use crate::policy::ReadyUpstream;

/// How often is looked whether a check is due. Checks are a second apart at the least.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A health check and what it has shown.
#[derive(Debug)]
pub struct Checked {
    check: config::HealthCheck,
    health: Health,
    next: Mutex<Option<Instant>>,
}

impl Checked {
    /// A check that has shown nothing yet: well.
    #[must_use]
    pub fn new(check: config::HealthCheck) -> Self {
        let health = Health::new(check.unhealthy_after, check.healthy_after);
        Self {
            check,
            health,
            next: Mutex::new(None),
        }
    }

    /// Whether the upstream is well, as far as is known.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.health.is_well()
    }

    /// Whether it is time; if so, the next time is set.
    fn is_due(&self, now: Instant) -> bool {
        let mut next = self.next.lock();
        let is_due = next.is_none_or(|next| next <= now);
        if is_due {
            *next = Some(now + self.check.interval);
        }
        is_due
    }
}

/// Asks for as long as the worker runs.
///
/// # Cancel safety
/// Dropping it gives up the questions under way.
pub(crate) async fn watch(gate: Arc<Gate>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let policy = gate.snapshot();
        let now = gate.shared.clock.now();
        let due = policy.upstreams().filter_map(|upstream| {
            let checked = upstream.checked.as_ref()?;
            checked.is_due(now).then(|| ask(&gate, upstream, checked))
        });
        join_all(due).await;
    }
}

async fn ask(gate: &Gate, upstream: &ReadyUpstream, checked: &Checked) {
    let mut outgoing = Outgoing::new(&Method::GET, &checked.check.path);
    outgoing.fixed_headers = &upstream.header_block;
    outgoing.lane = Lane::Http;
    let timers = Timers::until(Deadline::after(
        gate.shared.clock.now(),
        checked.check.timeout,
    ));
    let sent = gate
        .client
        .send(&upstream.destination, outgoing, &timers)
        .await;
    let (seen, what) = match &sent {
        Ok(answer) if answer.status.as_u16() < 400 => (Seen::Good, answer.status.to_string()),
        Ok(answer) => (Seen::Bad, answer.status.to_string()),
        Err(evidence) => (
            Seen::Bad,
            diagnosis::judge(evidence).code.as_str().to_owned(),
        ),
    };
    if checked.health.saw(seen) {
        let upstream = upstream.destination.to_string();
        if seen == Seen::Good {
            tracing::info!(%upstream, %what, "an upstream is well again");
        } else {
            tracing::warn!(%upstream, %what, "an upstream is not well: others are tried before it");
        }
    }
}

#[cfg(test)]
mod tests {
    use types::{Clock, ManualClock};

    use super::*;

    #[test]
    fn a_check_is_due_at_once_and_then_after_each_interval() {
        let clock = ManualClock::default();
        let checked = Checked::new(config::HealthCheck {
            path: "/".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(2),
            unhealthy_after: 1,
            healthy_after: 1,
        });
        assert!(checked.is_due(clock.now()) && !checked.is_due(clock.now()));
        clock.advance(Duration::from_millis(9_999));
        assert!(!checked.is_due(clock.now()));
        clock.advance(Duration::from_millis(1));
        assert!(checked.is_due(clock.now()) && !checked.is_due(clock.now()));
    }
}
