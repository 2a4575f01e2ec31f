//! Incidents: failures of one cause at one target, grouped while they last. Workers note failures as calls end; once a
//! second a task adds up what they noted and asks the `book` what it means. Nothing on a call's way waits for it.

mod book;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diagnosis::Code;
use parking_lot::Mutex;
use store::{IncidentId, IncidentRow, WriteBehind};
use tokio::time::{MissedTickBehavior, interval};

use super::access_log::millis;
use super::metrics::{Labels, Metrics};
use super::{Closed, Outcome, Summary};
use crate::gate::Shared;
use crate::serve::drain::Stage;
pub use book::MOST_OPEN;
use book::{Book, Change, Trouble, Troubles, What, is_of_the_target};

/// How often what was noted is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Causes that a worker notes between two looks; what is more is not grouped.
const MOST_NOTED: usize = 1_024;

/// What one worker notes. Clones share it.
#[derive(Clone, Debug)]
pub struct Notes {
    labels: Arc<Labels>,
    troubles: Arc<Mutex<Troubles>>,
}

impl Notes {
    /// Nothing noted yet.
    #[must_use]
    pub fn new(labels: Arc<Labels>) -> Self {
        Self {
            labels,
            troubles: Arc::default(),
        }
    }

    /// Notes what failed in a call that is over. Calls to demo models and names that callers made up are not noted.
    pub(super) fn note(&self, closed: &Closed, summary: &Summary<'_>) {
        if closed.outcome == Outcome::Ok || summary.demo {
            return;
        }
        let mut troubles = self.troubles.lock();
        let mut met: Vec<(&Arc<str>, Code)> = Vec::new();
        for attempt in &summary.attempts {
            let Some(verdict) = &attempt.verdict else {
                continue;
            };
            let is_noted = is_of_the_target(verdict.code)
                && !attempt.evidence.timer_from_caller
                && self.labels.is_own(&attempt.target);
            if !is_noted {
                continue;
            }
            let first = !met.contains(&(&attempt.target, verdict.code));
            met.push((&attempt.target, verdict.code));
            let count = |holds: bool| u64::from(first && holds);
            let at = closed.id.unix_millis() + millis(attempt.at + attempt.took);
            let trouble = Trouble {
                attempts: 1,
                calls: count(true),
                saved: count(closed.outcome == Outcome::Recovered),
                lost: count(closed.outcome == Outcome::Failed),
                first_millis: at,
                latest_millis: at,
                evidence: verdict.evidence_line.clone(),
                last_call: closed.id,
            };
            let cause = (Arc::clone(&attempt.target), verdict.code);
            troubles.add(cause, trouble, MOST_NOTED);
        }
        let was_turned_away = matches!(
            summary.code,
            Some(Code::CircuitOpen | Code::NoTargetAvailable)
        );
        for (target, why) in summary.skipped.iter().filter(|_| was_turned_away) {
            let rests = matches!(*why, "circuit_open" | "cooldown");
            if rests && self.labels.is_own(target) {
                let calls = troubles.turned_away.entry(Arc::clone(target)).or_default();
                *calls += 1;
            }
        }
    }

    fn take(&self) -> Troubles {
        std::mem::take(&mut *self.troubles.lock())
    }
}

/// How many incidents there are, for a gauge.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    shared: Arc<(AtomicU64, AtomicU64)>,
}

impl Tally {
    /// How many last.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.shared.0.load(Ordering::Relaxed)
    }

    /// How many there ever were.
    #[must_use]
    pub fn ever(&self) -> u64 {
        self.shared.1.load(Ordering::Relaxed)
    }

    fn set(&self, book: &Book) {
        let open = u64::try_from(book.open()).unwrap_or(u64::MAX);
        self.shared.0.store(open, Ordering::Relaxed);
        self.shared.1.store(book.last(), Ordering::Relaxed);
    }
}

/// Keeps the book of incidents.
#[derive(Debug)]
pub struct Keeper {
    book: Book,
    workers: Vec<(Metrics, Notes)>,
    rows: WriteBehind,
    tally: Tally,
    shared: Arc<Shared>,
}

impl Keeper {
    /// Goes on where the process before ended: its last number, and what lasted then.
    #[must_use]
    pub fn new(
        workers: Vec<(Metrics, Notes)>,
        rows: WriteBehind,
        tally: Tally,
        shared: Arc<Shared>,
        (last, open): (Option<IncidentId>, Vec<IncidentRow>),
    ) -> Self {
        let book = Book::new(last, open);
        tally.set(&book);
        Self {
            book,
            workers,
            rows,
            tally,
            shared,
        }
    }

    /// Looks once a second until the gateway leaves: a successor goes on with what lasts, under numbers of its own.
    ///
    /// # Cancel safety
    /// What was noted since the last look is lost with it.
    pub async fn keep(mut self) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.look();
            if self.shared.drain.is_at(Stage::Leaving) {
                return;
            }
        }
    }

    /// Takes in what the workers noted, and tells what it means.
    pub fn look(&mut self) {
        let mut troubles = Troubles::default();
        let mut answered: HashMap<Arc<str>, u64> = HashMap::new();
        for (metrics, notes) in &self.workers {
            metrics.each_answered(|target, count| {
                *answered.entry(Arc::clone(target)).or_default() += count;
            });
            let noted = notes.take();
            for (cause, trouble) in noted.failed {
                troubles.add(cause, trouble, usize::MAX);
            }
            for (target, calls) in noted.turned_away {
                *troubles.turned_away.entry(target).or_default() += calls;
            }
        }
        let now = self.shared.clock.unix_millis();
        for change in self.book.advance(now, troubles, &answered) {
            tell(&change);
            self.rows.incident(change.row);
        }
        self.tally.set(&self.book);
    }
}

fn tell(Change { row, what }: &Change) {
    let (incident, target, code) = (row.id, &*row.target, &*row.code);
    let evidence = row.evidence.as_deref().unwrap_or_default();
    match what {
        What::Opened => {
            tracing::warn!(%incident, target, code, evidence, "incident: {target} fails with {code}");
        }
        What::Grew => {}
        What::Closed => {
            let seconds = row.latest_millis.saturating_sub(row.started_millis) / 1_000;
            let closed_by = row.closed_by.as_deref().unwrap_or_default();
            tracing::info!(
                %incident, target, code, closed_by, row.calls, row.saved, row.lost,
                "incident over after {seconds} s: {target} failed with {code}"
            );
        }
    }
}
