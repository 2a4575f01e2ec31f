//! So many calls a minute, as a token bucket: a burst of at most a minute's worth, then a steady rate.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The length of what "per minute" means, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// A call was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Calls a minute.
    pub limit: u32,
    /// Calls that would be admitted right now.
    pub remaining: u32,
    /// Until the bucket is full again.
    pub resets_in: Duration,
}

/// A call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} calls a minute are used up; the next is possible in {} ms", .resets_in.as_millis())]
pub struct Exceeded {
    /// Calls a minute.
    pub limit: u32,
    /// Until the next call is admitted.
    pub resets_in: Duration,
}

/// The bucket. It holds at most a minute's worth, starts full, and never admits more in any span of time than a full
/// bucket and what flows in meanwhile.
///
/// One number says it all (the "generic cell rate algorithm"): the moment at which the bucket will be full again.
#[derive(Debug)]
pub struct RateLimit {
    limit: u32,
    start: OnceLock<Instant>,
    full_at: AtomicU64,
}

impl RateLimit {
    /// So many calls a minute; none at all refuses everything.
    #[must_use]
    pub fn new(rpm: u32) -> Self {
        Self {
            limit: rpm,
            start: OnceLock::new(),
            full_at: AtomicU64::new(0),
        }
    }

    /// Takes a token for one call.
    ///
    /// # Errors
    /// [`Exceeded`] when the bucket is empty; nothing is taken then.
    pub fn take(&self, now: Instant) -> Result<Remaining, Exceeded> {
        let Some(interval) = self.interval() else {
            return Err(Exceeded {
                limit: 0,
                resets_in: Duration::from_nanos(MINUTE),
            });
        };
        let now = nanos_since(*self.start.get_or_init(|| now), now);
        let whole = interval.saturating_mul(u64::from(self.limit));
        let advance = |full_at: u64| {
            let next = full_at.max(now).saturating_add(interval);
            (next - now <= whole).then_some(next)
        };
        match self
            .full_at
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, advance)
        {
            Ok(before) => {
                let owed = before.max(now).saturating_add(interval) - now;
                Ok(Remaining {
                    limit: self.limit,
                    remaining: u32::try_from((whole - owed) / interval).unwrap_or(u32::MAX),
                    resets_in: Duration::from_nanos(owed),
                })
            }
            Err(full_at) => {
                let wait = full_at.max(now).saturating_add(interval) - now;
                Err(Exceeded {
                    limit: self.limit,
                    resets_in: Duration::from_nanos(wait.saturating_sub(whole)),
                })
            }
        }
    }

    /// The time in which one token flows in, rounded up so that rounding never admits a call too many.
    fn interval(&self) -> Option<u64> {
        (self.limit > 0).then(|| MINUTE.div_ceil(u64::from(self.limit)))
    }
}

fn nanos_since(start: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(start).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::{Clock, ManualClock};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_full_bucket_holds_a_minutes_worth() {
        let clock = ManualClock::default();
        let limit = RateLimit::new(60);
        for left in (0..60).rev() {
            let taken = limit.take(clock.now()).expect("a token");
            assert_eq!((taken.limit, taken.remaining), (60, left));
        }
        assert_eq!(
            limit.take(clock.now()),
            Err(Exceeded {
                limit: 60,
                resets_in: SECOND
            })
        );
    }

    #[test]
    fn tokens_flow_in_evenly() {
        let clock = ManualClock::default();
        let limit = RateLimit::new(60);
        while limit.take(clock.now()).is_ok() {}
        clock.advance(SECOND / 4);
        assert_eq!(
            limit.take(clock.now()).map_err(|refused| refused.resets_in),
            Err(SECOND * 3 / 4)
        );
        clock.advance(SECOND * 3 / 4);
        let taken = limit.take(clock.now()).expect("the next token");
        assert_eq!((taken.remaining, taken.resets_in), (0, SECOND * 60));
        assert!(limit.take(clock.now()).is_err());
        clock.advance(SECOND * 600);
        assert_eq!(limit.take(clock.now()).map(|taken| taken.remaining), Ok(59));
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        let clock = ManualClock::default();
        let limit = RateLimit::new(7);
        for _ in 0..100 {
            if let Err(refused) = limit.take(clock.now()) {
                clock.advance(refused.resets_in);
                assert!(limit.take(clock.now()).is_ok());
            }
        }
    }

    #[test]
    fn a_limit_of_nothing_refuses_everything() {
        let refused = RateLimit::new(0).take(ManualClock::default().now());
        assert_eq!(
            refused,
            Err(Exceeded {
                limit: 0,
                resets_in: SECOND * 60
            })
        );
    }

    #[test]
    fn threads_together_get_no_more_than_the_bucket_holds() {
        let now = ManualClock::default().now();
        let limit = RateLimit::new(100);
        let taken = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..200).filter(|_| limit.take(now).is_ok()).count()))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .sum::<usize>()
        });
        assert_eq!(taken, 100);
    }

    proptest! {
        #[test]
        fn no_span_of_time_admits_more_than_a_bucket_and_what_flows_in(
            rpm in 0_u32..400, gaps in prop::collection::vec(0_u64..3_000, 1..300),
        ) {
            let clock = ManualClock::default();
            let limit = RateLimit::new(rpm);
            let mut admitted: Vec<Instant> = Vec::new();
            for gap in gaps {
                clock.advance(Duration::from_millis(gap));
                if limit.take(clock.now()).is_ok() {
                    admitted.push(clock.now());
                }
            }
            for (index, start) in admitted.iter().enumerate() {
                for (count, end) in (1_u32..).zip(admitted.iter().skip(index)) {
                    let flowed = f64::from(rpm) * end.duration_since(*start).as_secs_f64() / 60.0;
                    prop_assert!(f64::from(count) <= f64::from(rpm) + flowed + 1e-6);
                }
            }
        }

        #[test]
        fn any_limit_and_any_time_is_taken_without_overflow(rpm in any::<u32>(), ahead in 0_u64..1 << 34) {
            let clock = ManualClock::default();
            let limit = RateLimit::new(rpm);
            let _first = limit.take(clock.now());
            clock.advance(Duration::from_secs(ahead >> 4));
            let taken = limit.take(clock.now());
            prop_assert_eq!(taken.is_ok(), rpm > 0);
        }
    }
}
