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
