//! What became of attempts at each target in the last hour, minute by minute. It is read from the counters of guards now
//! and then, so that no call counts anything for it, and is forgotten at a restart like they are.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::api::Guard;
use crate::api::seen::Slice;

const MINUTE_MS: u64 = 60_000;
/// Minutes that are kept, the running one counted.
const MINUTES: u64 = 60;

/// The last hour of all targets. Bounded by the number of guards.
#[derive(Debug, Default)]
pub(crate) struct History {
    tracks: Mutex<HashMap<String, Track>>,
}

/// The last hour of one target.
#[derive(Debug, Default)]
struct Track {
    answered: u64,
    failed: u64,
    slices: VecDeque<Slice>,
}

impl History {
    /// Notes what the counters of targets show since they were looked at before.
    pub(crate) fn look(&self, guards: &[Guard], now_ms: u64) {
        let mut tracks = self.tracks.lock();
        for guard in guards.iter().filter(|guard| guard.level == "target") {
            if let Some(track) = tracks.get_mut(&guard.name) {
                track.look(guard, now_ms);
            } else {
                let mut track = Track::default();
                track.look(guard, now_ms);
                tracks.insert(guard.name.clone(), track);
            }
        }
        let first = first_minute(now_ms);
        for track in tracks.values_mut() {
            while track.slices.front().is_some_and(|old| old.start_ms < first) {
                track.slices.pop_front();
            }
        }
        let is_there = |name: &str| guards.iter().any(|guard| guard.name == name);
        tracks.retain(|name, track| !track.slices.is_empty() || is_there(name));
    }

    /// The minutes of each target in which something was seen, oldest first.
    pub(crate) fn read(&self) -> Vec<(String, Vec<Slice>)> {
        let tracks = self.tracks.lock();
        let seen = tracks.iter().filter(|(_, track)| !track.slices.is_empty());
        seen.map(|(name, track)| (name.clone(), track.slices.iter().copied().collect()))
            .collect()
    }
}

impl Track {
    fn look(&mut self, guard: &Guard, now_ms: u64) {
        // Under a new configuration a target of the same name counts from nothing.
        let since = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        let answered = since(guard.answered, self.answered);
        let failed = since(guard.failed, self.failed);
        (self.answered, self.failed) = (guard.answered, guard.failed);
        if answered == 0 && failed == 0 {
            return;
        }
        let start_ms = now_ms / MINUTE_MS * MINUTE_MS;
        // A clock that was set back adds to the latest minute until it has caught up.
        match self.slices.back_mut() {
            Some(last) if last.start_ms >= start_ms => {
                last.answered += answered;
                last.failed += failed;
            }
            _ => self.slices.push_back(Slice {
                start_ms,
                answered,
                failed,
            }),
        }
    }
}

/// The beginning of the oldest minute that is shown.
pub(crate) fn first_minute(now_ms: u64) -> u64 {
    (now_ms / MINUTE_MS * MINUTE_MS).saturating_sub((MINUTES - 1) * MINUTE_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 29_000_000 * MINUTE_MS;

    /// Looks at one target's counters at these seconds; its slices as (minute, answered, failed).
    fn check(looks: &[(u64, u64, u64)]) -> Vec<(u64, u64, u64)> {
        let history = History::default();
        for (second, answered, failed) in looks {
            let guard = Guard {
                level: "target".to_owned(),
                name: "openai/gpt".to_owned(),
                answered: *answered,
                failed: *failed,
                ..Guard::default()
            };
            history.look(&[guard], START + second * 1_000);
        }
        let read = history.read();
        let slices = read.into_iter().flat_map(|(_, slices)| slices);
        slices
            .map(|slice| {
                let minute = (slice.start_ms - START) / MINUTE_MS;
                (minute, slice.answered, slice.failed)
            })
            .collect()
    }

    #[test]
    fn what_comes_between_two_looks_counts_for_the_minute_of_the_second() {
        let looks = [(1, 3, 1), (50, 5, 1), (70, 5, 9), (200, 5, 9), (250, 6, 9)];
        assert_eq!(check(&looks), [(0, 5, 1), (1, 0, 8), (4, 1, 0)]);
    }

    #[test]
    fn counters_that_begin_anew_count_from_nothing() {
        assert_eq!(check(&[(1, 30, 10), (70, 2, 0)]), [(0, 30, 10), (1, 2, 0)]);
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let looks = [(0, 1, 0), (60, 2, 0), (3_600, 3, 0)];
        assert_eq!(check(&looks), [(1, 1, 0), (60, 1, 0)]);
        assert_eq!(check(&[(0, 1, 0), (9_000, 1, 0)]), []);
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing() {
        assert_eq!(check(&[(120, 1, 0), (30, 2, 0)]), [(2, 2, 0)]);
    }

    #[test]
    fn a_target_that_is_gone_is_kept_as_long_as_it_has_something_to_show() {
        let history = History::default();
        let guard = Guard {
            level: "target".to_owned(),
            name: "gone".to_owned(),
            answered: 1,
            ..Guard::default()
        };
        history.look(&[guard], START);
        history.look(&[], START + MINUTE_MS);
        assert_eq!(history.read().len(), 1);
        history.look(&[], START + 60 * MINUTE_MS);
        assert!(history.tracks.lock().is_empty());
    }
}
