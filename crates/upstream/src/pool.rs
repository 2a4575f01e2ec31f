//! Idle connections, the most recently used first.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use types::ClockWatch;

use crate::connection::Connection;
use crate::destination::Destination;
use crate::identity::{ByIdentity, Identity};

/// No connection is older: addresses change, and so do the servers behind a balancer. Source: failures.md 6.3.
const MAXIMUM_AGE: Duration = Duration::from_secs(300);

/// How long a limit learnt from a peer that closed too early holds.
const LESSON: Duration = Duration::from_secs(600);

/// A close after less idle time than this is a restart, not an idle limit.
const SHORTEST_LESSON: Duration = Duration::from_secs(1);

/// How often all destinations are looked through for connections past their time.
const SWEEP: Duration = Duration::from_secs(5);

/// Bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) per_destination: usize,
    pub(crate) total: usize,
}

/// Whether the machine has slept, as far as its clocks tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slept {
    Yes,
    No,
}

/// The idle connections of one client.
#[derive(Debug)]
pub(crate) struct Pool {
    bounds: Bounds,
    places: ByIdentity<Place>,
    total: usize,
    swept: Option<Instant>,
    clocks: ClockWatch,
}

#[derive(Debug, Default)]
struct Place {
    /// Oldest first; taken from the back.
    idle: VecDeque<Idle>,
    /// An idle limit learnt from a close, and until when it holds.
    lesson: Option<(Duration, Instant)>,
    /// The shortest idle time after which the peer was found to have closed, and until when this counts.
    closes_after: Option<(Duration, Instant)>,
}

impl Place {
    fn closed(&mut self, idle_for: Duration, now: Instant) {
        let known = self.closes_after(now);
        let shortest = known.map_or(idle_for, |known| known.min(idle_for));
        self.closes_after = Some((shortest, now + LESSON));
    }

    fn closes_after(&self, now: Instant) -> Option<Duration> {
        self.closes_after
            .filter(|(_, until)| now < *until)
            .map(|(after, _)| after)
    }
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
    until: Instant,
}

impl Pool {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            places: ByIdentity::default(),
            total: 0,
            swept: None,
            clocks: ClockWatch::default(),
        }
    }

    /// A connection that is within its time and quiet; those found dead on the way are closed.
    ///
    /// A request that may not be sent again gets none that the peer could be closing at this very moment: one that has been
    /// idle for half as long as others were when they were found closed.
    pub(crate) fn take(
        &mut self,
        to: &Destination,
        now: Instant,
        may_repeat: bool,
    ) -> Option<Box<Connection>> {
        let place = self.places.get_mut(&to.identity)?;
        while let Some(mut idle) = place.idle.pop_back() {
            let idle_for = now.saturating_duration_since(idle.since);
            let is_in_time = now < idle.until;
            if is_in_time && idle.connection.is_quiet() {
                let closes_after = place.closes_after(now).filter(|_| !may_repeat);
                if closes_after.is_some_and(|after| idle_for >= after / 2) {
                    place.idle.push_back(idle);
                    return None;
                }
                self.total = self.total.saturating_sub(1);
                idle.connection.reused = true;
                idle.connection.idle_for = idle_for;
                return Some(idle.connection);
            }
            self.total = self.total.saturating_sub(1);
            if is_in_time {
                place.closed(idle_for, now);
            }
        }
        None
    }

    /// Keeps a connection for later, for as long as all concerned allow.
    pub(crate) fn put(
        &mut self,
        identity: &Identity,
        limit: Duration,
        connection: Box<Connection>,
        now: Instant,
    ) {
        let end_of_life = connection.opened + MAXIMUM_AGE;
        let known = self.places.get(identity);
        let lesson = known
            .and_then(|place| place.lesson)
            .filter(|(_, until)| now < *until);
        let mut limit = limit.min(connection.promised.unwrap_or(limit));
        if let Some((learnt, _)) = lesson {
            limit = limit.min(learnt);
        }
        let until = end_of_life.min(now + limit);
        if until <= now || self.bounds.per_destination == 0 {
            return;
        }
        if self.total >= self.bounds.total {
            self.drop_oldest();
        }
        let place = match self.places.get_mut(identity) {
            Some(place) => place,
            None => self.places.entry(identity.clone()).or_default(),
        };
        if place.idle.len() >= self.bounds.per_destination && place.idle.pop_front().is_some() {
            self.total = self.total.saturating_sub(1);
        }
        place.idle.push_back(Idle {
            connection,
            since: now,
            until,
        });
        self.total += 1;
    }

    /// A reused connection turned out to be closed: the peer's idle limit is shorter than ours.
    pub(crate) fn learn(&mut self, identity: &Identity, idle_for: Duration, now: Instant) {
        let place = self.places.entry(identity.clone()).or_default();
        place.closed(idle_for, now);
        if idle_for < SHORTEST_LESSON {
            return;
        }
        let known = place
            .lesson
            .filter(|(_, until)| now < *until)
            .map(|(limit, _)| limit);
        let lower = idle_for
            .saturating_sub(SHORTEST_LESSON)
            .max(SHORTEST_LESSON);
        place.lesson = Some((known.map_or(lower, |limit| limit.min(lower)), now + LESSON));
    }

    /// Whether it is time for [`Self::sweep`].
    pub(crate) fn is_sweep_due(&self, now: Instant) -> bool {
        self.swept
            .is_none_or(|last| now.saturating_duration_since(last) >= SWEEP)
    }

    /// Closes what is past its time or closed by the peer; everything when the clocks have parted, for then the machine
    /// has slept and peers have gone without a word.
    pub(crate) fn sweep(&mut self, now: Instant, unix_millis: u64) -> Slept {
        self.swept = Some(now);
        let parted = self.clocks.look(now, unix_millis).is_some();
        for place in self.places.values_mut() {
            let mut closed = None;
            place.idle.retain_mut(|idle| {
                let is_in_time = !parted && now < idle.until;
                let is_quiet = is_in_time && idle.connection.is_quiet();
                if is_in_time && !is_quiet {
                    let idle_for = now.saturating_duration_since(idle.since);
                    closed = Some(closed.map_or(idle_for, |known: Duration| known.min(idle_for)));
                }
                is_quiet
            });
            if let Some(idle_for) = closed {
                place.closed(idle_for, now);
            }
        }
        self.places.retain(|_, place| {
            !place.idle.is_empty()
                || place.lesson.is_some_and(|(_, until)| now < until)
                || place.closes_after(now).is_some()
        });
        self.total = self.places.values().map(|place| place.idle.len()).sum();
        if parted { Slept::Yes } else { Slept::No }
    }

    /// How many connections are idle, for tests and pages.
    pub(crate) fn len(&self) -> usize {
        self.total
    }

    fn drop_oldest(&mut self) {
        let oldest = self
            .places
            .values_mut()
            .filter(|place| !place.idle.is_empty())
            .min_by_key(|place| place.idle.front().map(|idle| idle.since));
        if let Some(place) = oldest
            && place.idle.pop_front().is_some()
        {
            self.total = self.total.saturating_sub(1);
        }
    }
}
