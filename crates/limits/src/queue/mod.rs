//! Who waits for a place at a target that has no room, who goes next, and who is left out.
//!
//! A pure machine: it is told the time, what runs and how much may run, and waits for nothing itself. Where there is room
//! nobody waits, whatever the class. Where there is none: higher classes first; within a class teams take turns, and the
//! keys of a team do; the oldest call first, or the newest once the oldest of its team has waited so long that its
//! caller is about to give up; and no team holds more than half of the places while another one waits.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use types::Priority;

/// No call waits for longer. Source: failures, section on shedding.
pub const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Nor for a larger part of what is left until its deadline.
const PART_OF_DEADLINE: u32 = 20;

/// Once the oldest call of a team has waited for so long, its newest goes first: all would come too late otherwise.
const STANDING: Duration = Duration::from_millis(200);

/// Room is kept free for a class when one of its calls came within this time. Without any, all room is for those who come.
const EXPECTED: Duration = Duration::from_secs(60);

/// Who wants a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    /// The class of the call.
    pub priority: Priority,
    /// The key's team; a key without one is a team of its own.
    pub team: u64,
    /// The key.
    pub key: u64,
}

/// Names a call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// What becomes of a call that wants a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entered {
    /// It goes at once.
    Goes,
    /// It waits, at most until then; another one may have to leave for it.
    Waits {
        /// Its ticket.
        ticket: Ticket,
        /// Until when.
        until: Instant,
        /// Who is left out instead.
        left_out: Option<Ticket>,
    },
    /// It is left out.
    LeftOut,
}

/// The queue of one target.
#[derive(Debug, Default)]
pub struct Queue {
    /// In the order in which they came. Bound: as many as may run.
    waiting: Vec<Waiting>,
    next_ticket: u64,
    /// Turns that teams and keys had since they began to wait.
    team_turns: HashMap<u64, u64>,
    key_turns: HashMap<u64, u64>,
    /// Calls that run, by team; only of those that came through here.
    running: HashMap<u64, u32>,
    /// When a call of each class came last, the lowest first.
    last: [Option<Instant>; Priority::ALL.len()],
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    caller: Caller,
    since: Instant,
}

/// How long a call may wait that must be answered within `left`.
#[must_use]
pub fn patience(left: Duration) -> Duration {
    LONGEST_WAIT.min(left / PART_OF_DEADLINE)
}

impl Queue {
    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether nobody waits and nobody runs who came through here.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A call wants a place beside `in_flight` others, of at most `limit`.
    pub fn enter(
        &mut self,
        caller: Caller,
        in_flight: u32,
        limit: u32,
        patience: Duration,
        now: Instant,
    ) -> Entered {
        if let Some(last) = self.last.get_mut(caller.priority as usize) {
            *last = Some(now);
        }
        // Who comes now does not overtake an equal who waits.
        let is_overtaking = self
            .waiting
            .iter()
            .any(|waiting| waiting.caller.priority >= caller.priority);
        if !is_overtaking && in_flight < self.room(caller.priority, limit, now) {
            self.goes(caller);
            return Entered::Goes;
        }
        let most = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        let left_out = if self.waiting.len() < most {
            None
        } else {
            match self.weakest(caller) {
                Some(weakest) => Some(weakest),
                None => return Entered::LeftOut,
            }
        };
        if let Some(ticket) = left_out {
            self.leaves(ticket);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let until = now + patience;
        self.begins_to_wait(caller);
        self.waiting.push(Waiting {
            ticket,
            caller,
            since: now,
        });
        Entered::Waits {
            ticket,
            until,
            left_out,
        }
    }

    /// Whose turn it is, if there is room for one more; who is named goes.
    pub fn next(&mut self, in_flight: u32, limit: u32, now: Instant) -> Option<Ticket> {
        for priority in Priority::ALL.into_iter().rev() {
            if in_flight >= self.room(priority, limit, now) {
                // Lower classes have no more room than this one.
                return None;
            }
            if let Some(chosen) = self.choose(priority, limit, now) {
                self.take_turn(chosen.caller);
                self.leaves(chosen.ticket);
                self.goes(chosen.caller);
                return Some(chosen.ticket);
            }
        }
        None
    }

    /// A call that waited is gone: its time was over, or its client left. False if it was no longer waiting.
    pub fn give_up(&mut self, ticket: Ticket) -> bool {
        self.leaves(ticket)
    }

    /// A call that went has ended.
    pub fn ended(&mut self, caller: Caller) {
        if let Some(count) = self.running.get_mut(&caller.team) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.running.remove(&caller.team);
            }
        }
    }

    /// How many places a class may fill: less than all where a higher class is to be expected.
    fn room(&self, priority: Priority, limit: u32, now: Instant) -> u32 {
        let percent: u32 = match priority {
            Priority::Critical => 100,
            Priority::High => 95,
            Priority::Normal => 85,
            Priority::Batch => 60,
        };
        let mut higher = Priority::ALL
            .into_iter()
            .zip(self.last)
            .filter(|(class, _)| *class > priority);
        let is_expected = higher.any(|(_, last)| {
            last.is_some_and(|last| now.saturating_duration_since(last) < EXPECTED)
        });
        if !is_expected {
            return limit;
        }
        // At least one place, or a class could never go.
        let places = (u64::from(limit) * u64::from(percent)).div_ceil(100);
        u32::try_from(places)
            .unwrap_or(limit)
            .clamp(1, limit.max(1))
    }

    fn choose(&self, priority: Priority, limit: u32, now: Instant) -> Option<Waiting> {
        let of_class = || {
            self.waiting
                .iter()
                .filter(move |waiting| waiting.caller.priority == priority)
        };
        let oldest = of_class().next()?;
        // Of each team by itself: the long queue of one does not turn round that of another.
        let mut first_of = HashMap::new();
        for waiting in of_class() {
            first_of.entry(waiting.caller.team).or_insert(waiting.since);
        }
        let is_standing = |of: &Waiting| {
            first_of
                .get(&of.caller.team)
                .is_some_and(|first| now.saturating_duration_since(*first) > STANDING)
        };
        let half = limit.div_ceil(2);
        let team_of = |waiting: &Waiting| waiting.caller.team;
        let has_others = of_class().any(|waiting| team_of(waiting) != oldest.caller.team);
        let may_go = |waiting: &&Waiting| {
            let runs = self.running.get(&waiting.caller.team).copied().unwrap_or(0);
            !has_others || runs < half
        };
        let turns = |waiting: &Waiting| {
            let of = |turns: &HashMap<u64, u64>, id: u64| turns.get(&id).copied().unwrap_or(0);
            (
                of(&self.team_turns, waiting.caller.team),
                of(&self.key_turns, waiting.caller.key),
            )
        };
        let age = |waiting: &Waiting| {
            if is_standing(waiting) {
                u64::MAX - waiting.ticket.0
            } else {
                waiting.ticket.0
            }
        };
        of_class()
            .filter(may_go)
            // All who wait belong to teams that have their half: then they may as well go.
            .min_by_key(|waiting| (turns(waiting), age(waiting)))
            .or_else(|| of_class().min_by_key(|waiting| (turns(waiting), age(waiting))))
            .copied()
    }

    /// Who leaves a full queue for this caller: of the lowest class, of the team with the most calls in it, the newest.
    /// None where the caller itself would be that one.
    fn weakest(&self, caller: Caller) -> Option<Ticket> {
        let mut counts: HashMap<(u64, Priority), usize> = HashMap::new();
        for waiting in &self.waiting {
            *counts
                .entry((waiting.caller.team, waiting.caller.priority))
                .or_default() += 1;
        }
        let in_queue = |of: &Caller| counts.get(&(of.team, of.priority)).copied().unwrap_or(0);
        let weakest = self.waiting.iter().max_by_key(|waiting| {
            (
                std::cmp::Reverse(waiting.caller.priority),
                in_queue(&waiting.caller),
                waiting.ticket,
            )
        })?;
        let is_lower = weakest.caller.priority < caller.priority;
        let is_greedier = weakest.caller.priority == caller.priority
            && in_queue(&weakest.caller) > in_queue(&caller) + 1;
        (is_lower || is_greedier).then_some(weakest.ticket)
    }

    /// Who begins to wait is neither owed the turns of the past nor punished for them.
    fn begins_to_wait(&mut self, caller: Caller) {
        let least = |turns: &HashMap<u64, u64>| turns.values().copied().min().unwrap_or(0);
        let (team, key) = (least(&self.team_turns), least(&self.key_turns));
        self.team_turns.entry(caller.team).or_insert(team);
        self.key_turns.entry(caller.key).or_insert(key);
    }

    fn take_turn(&mut self, caller: Caller) {
        for (turns, id) in [
            (&mut self.team_turns, caller.team),
            (&mut self.key_turns, caller.key),
        ] {
            if let Some(count) = turns.get_mut(&id) {
                *count += 1;
            }
        }
    }

    fn goes(&mut self, caller: Caller) {
        let count = self.running.entry(caller.team).or_default();
        *count = count.saturating_add(1);
    }

    fn leaves(&mut self, ticket: Ticket) -> bool {
        let Some(place) = self
            .waiting
            .iter()
            .position(|waiting| waiting.ticket == ticket)
        else {
            return false;
        };
        let gone = self.waiting.remove(place).caller;
        // Turns are counted while somebody waits, so that they are bounded by who waits.
        if !self.waiting.iter().any(|one| one.caller.team == gone.team) {
            self.team_turns.remove(&gone.team);
        }
        if !self.waiting.iter().any(|one| one.caller.key == gone.key) {
            self.key_turns.remove(&gone.key);
        }
        true
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
