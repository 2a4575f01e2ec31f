//! The adaptive limit of calls at a time to one target: none until the target shows that it has one.
//!
//! A pure machine. It is told what was in flight and never waits; who is refused goes elsewhere or queues. Ordinary
//! traffic must not be refused, so a loss shows a limit only where it has to do with how many calls are under way: one
//! call in a hundred shows nothing, nor does a target that refuses as many when few are under way.

use std::time::{Duration, Instant};

/// What a loss leaves of the limit, and the first ones of what was in flight. Source: failures, section on concurrency.
const CUT: f64 = 0.9;
/// Losses cut at most this often. Source: the same.
const CUT_EVERY: Duration = Duration::from_millis(250);
/// So long without a loss, growth is fast again: what limited the target may be over.
const QUIET: Duration = Duration::from_secs(10);
/// So long without a loss and without a refusal, nothing shows a limit any more.
const CALM: Duration = Duration::from_secs(30);
/// Good answers that pay for the next loss at least: a limit below this grows as slowly as at it.
const SLOWEST: f64 = 12.0;
/// What was accepted and lost is remembered for one to two of these.
const PERIOD: Duration = Duration::from_secs(3);
/// Losses that show a limit where there is none: so many, and such a share of what was decided of late. Chosen by
/// simulation: stray failures stay below it, a flood is above it at once.
const FIRST_LOSSES: u32 = 3;
const FIRST_SHARE: f64 = 0.1;
/// The share that shows a limit which is too high, where there is one.
const SHARE: f64 = 0.05;
/// Losses that show that the last place of a limit is one too many.
const TOP_LOSSES: u32 = 2;
/// Places that turn out to be one too many again and again are tried this many times more seldom at most.
const MOST_CARE: f64 = 4.0;
/// Calls that went while at most half of the usual were under way: where they are lost half as often as all, or more, the
/// number under way is not why.
const UNRELATED_SHARE: f64 = 0.5;
/// As many calls at a time as were accepted a moment ago can be accepted again: a few losses leave all of them, a great
/// share of losses this part.
const FEW: f64 = 0.25;
const MANY_LEAVE: f64 = 0.95;

/// What was decided in one period.
#[derive(Clone, Copy, Debug, Default)]
struct Period {
    accepted: u32,
    lost: u32,
    /// The same of calls that went while few were under way.
    accepted_low: u32,
    lost_low: u32,
    /// The most calls at a time with which one was accepted.
    proven: u32,
    /// How long calls were under way only to be lost, all together.
    losing: Duration,
}

/// What became of calls in the last place that the limit has, since it has it.
#[derive(Clone, Copy, Debug, Default)]
struct Top {
    accepted: u32,
    lost: u32,
}

/// The limit of one target.
#[derive(Debug)]
pub struct Limiter {
    limit: Option<f64>,
    doubling: bool,
    last_cut: Option<Instant>,
    last_loss: Instant,
    last_refusal: Option<Instant>,
    good_since_loss: f64,
    top: Top,
    /// How many times slower it grows, since the last places that it grew to were too many.
    care: f64,
    /// This period and the last.
    periods: [Period; 2],
    period_since: Instant,
}

impl Limiter {
    /// No limit.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            limit: None,
            doubling: true,
            last_cut: None,
            last_loss: now,
            last_refusal: None,
            good_since_loss: 0.0,
            top: Top::default(),
            care: 1.0,
            periods: [Period::default(); 2],
            period_since: now,
        }
    }

    /// The limit in whole calls; none where there is none.
    #[must_use]
    pub fn limit(&self, now: Instant) -> Option<u32> {
        self.limit.filter(|_| !self.is_calm(now)).map(whole)
    }

    /// Whether one more call may go, beside so many in flight.
    #[must_use]
    pub fn allows(&self, in_flight: u32, now: Instant) -> bool {
        self.limit(now).is_none_or(|limit| in_flight < limit)
    }

    /// A call was refused: the limit is in use.
    pub fn refused(&mut self, now: Instant) {
        self.forget_if_calm(now);
        if self.limit.is_some() {
            self.last_refusal = Some(now);
        }
    }

    /// The target has begun to answer a call that made so many in flight when it went.
    pub fn accepted(&mut self, with: u32, now: Instant) {
        self.turn(now);
        let is_low = self.is_low(with);
        let [current, _] = &mut self.periods;
        current.accepted = current.accepted.saturating_add(1);
        current.accepted_low = current.accepted_low.saturating_add(u32::from(is_low));
        current.proven = current.proven.max(with);
        if self.limit.is_some_and(|limit| with >= whole(limit)) {
            self.top.accepted += 1;
            if self.top.accepted > self.top.lost + TOP_LOSSES {
                self.care = 1.0;
            }
        }
    }

    /// Such a call was answered to its end.
    pub fn answered(&mut self, with: u32, now: Instant) {
        self.forget_if_calm(now);
        let Some(limit) = &mut self.limit else {
            return;
        };
        self.good_since_loss += 1.0;
        // A limit that is not in use proves nothing by good answers.
        if f64::from(with) < *limit / 2.0 {
            return;
        }
        let quiet = now.saturating_duration_since(self.last_loss) >= QUIET
            && self.good_since_loss >= SLOWEST;
        let before = whole(*limit);
        *limit += if self.doubling || quiet {
            1.0
        } else {
            1.0 / (limit.max(SLOWEST) * self.care)
        };
        if whole(*limit) != before {
            self.top = Top::default();
        }
    }

    /// The target refused a call for having too many, or did not take its connection. The call made so many in flight
    /// when it went, took so long, and so many are now, itself counted.
    pub fn lost(&mut self, with: u32, in_flight: u32, took: Duration, now: Instant) {
        self.forget_if_calm(now);
        self.turn(now);
        let is_low = self.is_low(with);
        let [current, _] = &mut self.periods;
        current.lost = current.lost.saturating_add(1);
        current.lost_low = current.lost_low.saturating_add(u32::from(is_low));
        current.losing = current.losing.saturating_add(took);
        let seen = self.seen();
        let share = part(seen.lost, seen.accepted);
        let low = part(seen.lost_low, seen.accepted_low);
        if seen.lost_low >= FIRST_LOSSES && low >= share * UNRELATED_SHARE {
            self.forget();
            return;
        }
        if self.is_top_lost(with) {
            let below = f64::from(with.saturating_sub(1).max(1));
            self.limit = self.limit.map(|limit| limit.min(below));
            self.doubling = false;
            self.last_loss = now;
            self.good_since_loss = 0.0;
            self.top = Top::default();
            self.care = (self.care * 2.0).min(MOST_CARE);
            return;
        }
        let is_shown = match self.limit {
            None => seen.lost >= FIRST_LOSSES && share >= FIRST_SHARE,
            Some(_) => with > seen.proven || share >= SHARE,
        };
        if !is_shown {
            return;
        }
        self.last_loss = now;
        self.good_since_loss = 0.0;
        let used = f64::from(in_flight.max(with));
        let proven = f64::from(seen.proven) - self.being_lost(&seen, now);
        let from = match self.limit {
            None => used,
            Some(limit) => {
                self.doubling = false;
                limit.min(used.max(proven))
            }
        };
        let too_soon = |last| now.saturating_duration_since(last) < CUT_EVERY;
        if self.limit.is_some() && self.last_cut.is_some_and(too_soon) {
            return;
        }
        let least = if share < FEW {
            proven
        } else {
            proven * MANY_LEAVE
        };
        self.limit = Some((from * CUT).min(from - 1.0).max(least).max(1.0));
        self.last_cut = Some(now);
    }

    /// Whether the last place is one too many: more of those that took it were lost than accepted. It is given up at once,
    /// or it would be refilled and lost as often as the target can refuse.
    fn is_top_lost(&mut self, with: u32) -> bool {
        if self.limit.is_none_or(|limit| with < whole(limit)) {
            return false;
        }
        self.top.lost += 1;
        self.top.lost >= TOP_LOSSES && self.top.lost > self.top.accepted
    }

    fn turn(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.period_since);
        if since < PERIOD {
            return;
        }
        let [current, last] = &mut self.periods;
        *last = if since < PERIOD * 2 {
            *current
        } else {
            Period::default()
        };
        *current = Period::default();
        self.period_since = now;
    }

    fn is_calm(&self, now: Instant) -> bool {
        let past = |at| now.saturating_duration_since(at) >= CALM;
        past(self.last_loss) && self.last_refusal.is_none_or(past)
    }

    fn forget_if_calm(&mut self, now: Instant) {
        if self.limit.is_some() && self.is_calm(now) {
            self.forget();
        }
    }

    fn forget(&mut self) {
        self.limit = None;
        self.doubling = true;
        self.last_cut = None;
        self.care = 1.0;
    }

    /// Whether few calls were under way for what the target is used to.
    fn is_low(&self, with: u32) -> bool {
        let usual = self.limit.map_or_else(|| self.seen().proven, whole);
        with <= (usual / 2).max(1)
    }

    /// How many calls were under way at a time only to be lost: what was accepted beside them proves so many fewer. A tenth
    /// is left out: that is a target which refuses at once, or seldom.
    fn being_lost(&self, seen: &Period, now: Instant) -> f64 {
        let [_, last] = &self.periods;
        let before = if last.accepted + last.lost > 0 {
            PERIOD
        } else {
            Duration::ZERO
        };
        let span = now.saturating_duration_since(self.period_since) + before;
        let at_a_time = seen.losing.as_secs_f64() / span.as_secs_f64().max(0.1);
        (at_a_time - 0.1).ceil().max(0.0)
    }

    fn seen(&self) -> Period {
        let [current, last] = &self.periods;
        Period {
            accepted: current.accepted.saturating_add(last.accepted),
            lost: current.lost.saturating_add(last.lost),
            accepted_low: current.accepted_low.saturating_add(last.accepted_low),
            lost_low: current.lost_low.saturating_add(last.lost_low),
            proven: current.proven.max(last.proven),
            losing: current.losing.saturating_add(last.losing),
        }
    }
}

/// The share of the first among both.
fn part(one: u32, other: u32) -> f64 {
    f64::from(one) / f64::from(one.saturating_add(other).max(1))
}

/// A limit of 9.9 lets nine calls go.
fn whole(limit: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and a limit is at least one"
    )]
    let whole = limit as u32;
    whole.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::{Clock, ManualClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const AT_ONCE: Duration = Duration::from_millis(1);

    fn fresh() -> (ManualClock, Limiter) {
        let clock = ManualClock::default();
        let limiter = Limiter::new(clock.now());
        (clock, limiter)
    }

    /// As many losses as show a limit, of calls that made so many in flight.
    fn flood(limiter: &mut Limiter, with: u32, now: Instant) {
        (0..FIRST_LOSSES).for_each(|_| limiter.lost(with, with, AT_ONCE, now));
    }

    #[test]
    fn there_is_no_limit_before_a_loss() {
        let (clock, mut limiter) = fresh();
        for with in 1..=2000 {
            limiter.accepted(with, clock.now());
            limiter.answered(with, clock.now());
        }
        assert_eq!(limiter.limit(clock.now()), None);
        assert!(limiter.allows(u32::MAX, clock.now()));
    }

    #[test]
    fn first_losses_leave_nine_tenths_of_what_was_in_flight() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 100, clock.now());
        assert_eq!(limiter.limit(clock.now()), Some(90));
        assert!(limiter.allows(89, clock.now()) && !limiter.allows(90, clock.now()));
    }

    #[test]
    fn stray_losses_show_no_limit() {
        let (clock, mut limiter) = fresh();
        for n in 0..10_000 {
            clock.advance(Duration::from_millis(20));
            if n % 20 == 0 {
                limiter.lost(50, 50, AT_ONCE, clock.now());
            } else {
                limiter.accepted(50, clock.now());
            }
        }
        assert_eq!(limiter.limit(clock.now()), None);
    }

    #[test]
    fn calls_that_are_refused_one_by_one_show_no_limit() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 1, clock.now());
        assert_eq!(limiter.limit(clock.now()), None);
    }

    #[test]
    fn a_target_that_refuses_as_many_when_few_are_under_way_has_no_limit() {
        let (clock, mut limiter) = fresh();
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..3000 {
            clock.advance(Duration::from_millis(20));
            let with = random.u32(1..40);
            if random.f64() < 0.4 {
                limiter.lost(with, with, AT_ONCE, clock.now());
            } else {
                limiter.accepted(with, clock.now());
            }
        }
        assert_eq!(limiter.limit(clock.now()), None);
    }

    #[test]
    fn losses_cut_once_in_a_quarter_of_a_second() {
        let (clock, mut limiter) = fresh();
        (0..50).for_each(|_| limiter.lost(100, 100, AT_ONCE, clock.now()));
        assert_eq!(limiter.limit(clock.now()), Some(90));
        clock.advance(CUT_EVERY);
        limiter.lost(89, 90, AT_ONCE, clock.now());
        assert_eq!(limiter.limit(clock.now()), Some(81));
    }

    #[test]
    fn it_doubles_each_round_until_the_next_loss_and_then_grows_by_one() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 20, clock.now());
        (0..18).for_each(|_| limiter.answered(18, clock.now()));
        assert_eq!(limiter.limit(clock.now()), Some(36));
        clock.advance(SECOND);
        limiter.lost(36, 36, AT_ONCE, clock.now());
        assert_eq!(limiter.limit(clock.now()), Some(32));
        (0..33).for_each(|_| limiter.answered(32, clock.now()));
        assert_eq!(limiter.limit(clock.now()), Some(33));
    }

    #[test]
    fn what_was_accepted_a_moment_ago_is_not_cut_by_a_stray_failure() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 60, clock.now());
        for _ in 0..20 {
            clock.advance(CUT_EVERY);
            (0..10).for_each(|_| limiter.accepted(50, clock.now()));
            limiter.lost(50, 50, AT_ONCE, clock.now());
        }
        assert_eq!(limiter.limit(clock.now()), Some(50));
    }

    #[test]
    fn it_is_gone_half_a_minute_after_the_last_loss_and_refusal() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 10, clock.now());
        clock.advance(SECOND * 20);
        limiter.refused(clock.now());
        clock.advance(SECOND * 29);
        assert!(limiter.limit(clock.now()).is_some());
        clock.advance(SECOND);
        assert_eq!(limiter.limit(clock.now()), None);
    }

    #[test]
    fn a_limit_that_is_not_in_use_does_not_grow() {
        let (clock, mut limiter) = fresh();
        flood(&mut limiter, 100, clock.now());
        (0..1000).for_each(|_| limiter.answered(10, clock.now()));
        assert_eq!(limiter.limit(clock.now()), Some(90));
    }

    proptest! {
        #[test]
        fn it_never_falls_below_one_nor_over_admits(
            steps in prop::collection::vec((0_u8..3, 0_u64..2000), 1..300),
        ) {
            let (clock, mut limiter) = fresh();
            let mut in_flight = Vec::new();
            for (step, millis) in steps {
                clock.advance(Duration::from_millis(millis));
                let now = clock.now();
                let count = u32::try_from(in_flight.len()).expect("few");
                match step {
                    0 => {
                        let limit = limiter.limit(now);
                        prop_assert!(limit.is_none_or(|limit| limit >= 1));
                        if limiter.allows(count, now) {
                            in_flight.push(count + 1);
                            prop_assert!(limit.is_none_or(|limit| count < limit));
                        } else {
                            limiter.refused(now);
                        }
                    }
                    1 => if let Some(with) = in_flight.pop() {
                        limiter.accepted(with, now);
                        limiter.answered(with, now);
                    },
                    _ => if in_flight.pop().is_some() {
                        limiter.lost(count, count, AT_ONCE, now);
                    },
                }
            }
        }
    }
}
