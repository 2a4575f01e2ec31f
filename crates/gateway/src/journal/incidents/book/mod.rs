//! When failures become an incident, and when it is over. Pure: it is told the time and what has happened since.
//!
//! An incident **opens** with the third failure of one code at one target within 60 s, if these are at least 2 % of the
//! attempts there; with the first where it is one that nobody heals by trying, such as a refused key or an expired
//! certificate, since the breaker lets none but a probe a minute follow. It **closes** by health: 60 s without that failure and at least 5 answers since, or the failures have
//! fallen below 1 % of at least 300 attempts within 60 s; or by quiet: 5 minutes without that failure. It ended when it
//! failed for the last time.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use diagnosis::{Code, Group};
use store::{IncidentId, IncidentRow};
use types::CallId;

/// What is looked at when an incident opens.
const WINDOW_MILLIS: u64 = 60_000;

/// Failures within the window that open it.
const OPENING: u64 = 3;

/// So many failures of this code within the window open an incident.
fn opening(code: Code) -> u64 {
    // What a single caller may bring about by a model's name alone waits for company.
    let is_callers = matches!(
        code,
        Code::ModelNotFound | Code::ModelRetired | Code::EndpointNotFound | Code::PermissionDenied
    );
    match code.facts().group {
        Group::Configuration if !is_callers => 1,
        _ => OPENING,
    }
}

/// They must be so many of a hundred attempts: a target that answers thousands of calls loses one now and then.
const OPENING_PERCENT: u64 = 2;

/// Fewer than this of a hundred are no longer an incident, where there were enough to tell.
const CLOSING_PERCENT: u64 = 1;

/// So many attempts within the window are enough to tell.
const ENOUGH: u64 = 300;

/// Answers since the last failure that show health.
const ANSWERS_OF_HEALTH: u64 = 5;

/// As long as the longest rest of a breaker: a target at rest is asked by its probes at least this often.
const QUIET_MILLIS: u64 = 300_000;

/// Incidents at a time. A configuration with more sick targets than this has one cause elsewhere; what comes later is
/// not grouped.
pub const MOST_OPEN: usize = 256;

/// Causes that are watched at a time.
const MOST_WATCHED: usize = 4_096;

/// What an incident is about.
pub(super) type Cause = (Arc<str>, Code);

/// Failures of one cause since the last look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) attempts: u64,
    pub(super) calls: u64,
    pub(super) saved: u64,
    pub(super) lost: u64,
    pub(super) first_millis: u64,
    pub(super) latest_millis: u64,
    /// What may be shown to a client.
    pub(super) evidence: String,
    pub(super) last_call: CallId,
}

impl Trouble {
    pub(super) fn absorb(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.calls += other.calls;
        self.saved += other.saved;
        self.lost += other.lost;
        self.first_millis = self.first_millis.min(other.first_millis);
        if other.latest_millis >= self.latest_millis {
            self.latest_millis = other.latest_millis;
            self.evidence = other.evidence;
            self.last_call = other.last_call;
        }
    }
}

/// All that went wrong since the last look.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles {
    pub(super) failed: HashMap<Cause, Trouble>,
    /// Calls that got no answer because these targets were not asked.
    pub(super) turned_away: HashMap<Arc<str>, u64>,
}

impl Troubles {
    /// Adds failures of a cause; those of one cause more than `most` are left out.
    pub(super) fn add(&mut self, cause: Cause, trouble: Trouble, most: usize) {
        let has_room = self.failed.len() < most;
        match self.failed.get_mut(&cause) {
            Some(known) => known.absorb(trouble),
            None if has_room => drop(self.failed.insert(cause, trouble)),
            None => {}
        }
    }
}

/// An incident that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) row: IncidentRow,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Opened,
    Grew,
    Closed,
}

#[derive(Debug)]
struct Open {
    row: IncidentRow,
    answers_since: u64,
    changed: Option<What>,
}

/// The incidents that last, and what may become one.
#[derive(Debug)]
pub(super) struct Book {
    last: u64,
    open: BTreeMap<Cause, Open>,
    recent: HashMap<Cause, VecDeque<Trouble>>,
    /// Answers of each target within the window, and all of them so far.
    answers: HashMap<Arc<str>, Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    total: u64,
    recent: VecDeque<(u64, u64)>,
}

impl Answers {
    fn within(&self) -> u64 {
        self.recent.iter().map(|(_, count)| count).sum()
    }
}

impl Book {
    /// Goes on where another process ended: its last number, and what lasted then.
    pub(super) fn new(last: Option<IncidentId>, open: Vec<IncidentRow>) -> Self {
        let open = open.into_iter().filter_map(|row| {
            let cause = (Arc::clone(&row.target), Code::parse(&row.code)?);
            let open = Open {
                row,
                answers_since: 0,
                changed: None,
            };
            Some((cause, open))
        });
        Self {
            last: last.map_or(0, |id| id.0),
            open: open.collect(),
            recent: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    /// How many last.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many there ever were.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Takes in what has happened since the last look: failures, and how often each target has answered so far.
    pub(super) fn advance(
        &mut self,
        now_millis: u64,
        troubles: Troubles,
        answered: &HashMap<Arc<str>, u64>,
    ) -> Vec<Change> {
        self.forget(now_millis);
        for (target, total) in answered {
            self.answered(target, *total, now_millis);
        }
        for (cause, trouble) in troubles.failed {
            self.failed(cause, trouble);
        }
        for (target, calls) in troubles.turned_away {
            self.turned_away(&target, calls);
        }
        self.close(now_millis);
        self.changes()
    }

    fn answered(&mut self, target: &Arc<str>, total: u64, now_millis: u64) {
        let answers = self.answers.entry(Arc::clone(target)).or_default();
        let fresh = total.saturating_sub(answers.total);
        answers.total = total;
        if fresh == 0 {
            return;
        }
        answers.recent.push_back((now_millis, fresh));
        for (_, open) in self.open.iter_mut().filter(|((at, _), _)| at == target) {
            open.answers_since += fresh;
        }
    }

    fn failed(&mut self, cause: Cause, trouble: Trouble) {
        if !self.recent.contains_key(&cause) && self.recent.len() >= MOST_WATCHED {
            return;
        }
        if let Some(open) = self.open.get_mut(&cause) {
            open.grow(&trouble);
            self.recent.entry(cause).or_default().push_back(trouble);
            return;
        }
        self.recent
            .entry(cause.clone())
            .or_default()
            .push_back(trouble);
        let (failures, attempts) = self.share(&cause);
        let opens = failures >= opening(cause.1) && failures * 100 >= OPENING_PERCENT * attempts;
        if opens && self.open.len() < MOST_OPEN {
            self.begin(cause);
        }
    }

    /// Failures of this cause within the window, and all attempts at its target.
    fn share(&self, cause: &Cause) -> (u64, u64) {
        let of =
            |troubles: &VecDeque<Trouble>| troubles.iter().map(|one| one.attempts).sum::<u64>();
        let own = self.recent.get(cause).map_or(0, of);
        let at_target = self.recent.iter().filter(|((at, _), _)| *at == cause.0);
        let failures: u64 = at_target.map(|(_, troubles)| of(troubles)).sum();
        let answers = self.answers.get(&cause.0).map_or(0, Answers::within);
        (own, failures + answers)
    }

    fn begin(&mut self, cause: Cause) {
        let mut troubles = self.recent.get(&cause).into_iter().flatten().cloned();
        let Some(mut all) = troubles.next() else {
            return;
        };
        troubles.for_each(|trouble| all.absorb(trouble));
        self.last += 1;
        let (target, code) = &cause;
        let row = IncidentRow {
            id: IncidentId(self.last),
            target: Arc::clone(target),
            code: Cow::Borrowed(code.as_str()),
            group: Cow::Borrowed(code.facts().group.as_str()),
            started_millis: all.first_millis,
            latest_millis: all.latest_millis,
            ended_millis: None,
            closed_by: None,
            attempts: all.attempts,
            calls: all.calls,
            saved: all.saved,
            lost: all.lost,
            evidence: Some(all.evidence),
            last_call: Some(all.last_call),
        };
        self.open.insert(
            cause,
            Open {
                row,
                answers_since: 0,
                changed: Some(What::Opened),
            },
        );
    }

    /// Calls that were not even tried belong to the latest incident there.
    fn turned_away(&mut self, target: &Arc<str>, calls: u64) {
        let at_target = self.open.iter_mut().filter(|((at, _), _)| at == target);
        if let Some((_, open)) = at_target.max_by_key(|(_, open)| open.row.latest_millis) {
            open.row.calls += calls;
            open.row.lost += calls;
            open.changed.get_or_insert(What::Grew);
        }
    }

    fn close(&mut self, now_millis: u64) {
        let over: Vec<(Cause, &'static str)> = self
            .open
            .iter()
            .filter_map(|(cause, open)| {
                let silent = now_millis.saturating_sub(open.row.latest_millis);
                let (failures, attempts) = self.share(cause);
                let answers = silent >= WINDOW_MILLIS && open.answers_since >= ANSWERS_OF_HEALTH;
                let rare = attempts >= ENOUGH && failures * 100 < CLOSING_PERCENT * attempts;
                if answers || rare {
                    Some((cause.clone(), "health"))
                } else {
                    (silent >= QUIET_MILLIS).then(|| (cause.clone(), "quiet"))
                }
            })
            .collect();
        for (cause, why) in over {
            if let Some(open) = self.open.get_mut(&cause) {
                open.row.ended_millis = Some(open.row.latest_millis);
                open.row.closed_by = Some(Cow::Borrowed(why));
                open.changed = Some(What::Closed);
            }
        }
    }

    /// What has changed; closed ones leave.
    fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        self.open.retain(|_, open| {
            if let Some(what) = open.changed.take() {
                changes.push(Change {
                    row: open.row.clone(),
                    what,
                });
            }
            open.row.is_open()
        });
        changes.sort_by_key(|change| change.row.id);
        changes
    }

    fn forget(&mut self, now_millis: u64) {
        let oldest = now_millis.saturating_sub(WINDOW_MILLIS);
        self.recent.retain(|_, troubles| {
            troubles.retain(|trouble| trouble.latest_millis > oldest);
            !troubles.is_empty()
        });
        for answers in self.answers.values_mut() {
            answers.recent.retain(|(at, _)| *at > oldest);
        }
    }
}

impl Open {
    fn grow(&mut self, trouble: &Trouble) {
        let row = &mut self.row;
        row.attempts += trouble.attempts;
        row.calls += trouble.calls;
        row.saved += trouble.saved;
        row.lost += trouble.lost;
        row.latest_millis = row.latest_millis.max(trouble.latest_millis);
        row.evidence = Some(trouble.evidence.clone());
        row.last_call = Some(trouble.last_call);
        self.answers_since = 0;
        self.changed.get_or_insert(What::Grew);
    }
}

/// Whether failures of this code tell something of the target. What the caller asked for, and what the gateway itself
/// decided, does not.
pub(super) fn is_of_the_target(code: Code) -> bool {
    match code.facts().group {
        Group::Client | Group::Gateway => false,
        Group::Policy => code != Code::ContentFiltered,
        Group::Overload
        | Group::Network
        | Group::Configuration
        | Group::Timeout
        | Group::Maintenance
        | Group::Upstream => true,
    }
}

#[cfg(test)]
mod tests;
