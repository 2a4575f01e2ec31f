//! How long to wait before an attempt: full jitter, so that callers who failed together do not return together.

use std::time::Duration;

/// The most that a call waits before it goes to another target.
const OTHER_TARGET_MOST: Duration = Duration::from_millis(50);

/// The waits between attempts at one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The most that the first repeat waits. Default 200 ms.
    pub initial: Duration,
    /// The most that any repeat waits, hints apart. Default 5 s.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            initial: Duration::from_millis(200),
            max: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The wait before the repeat of this number (1 is the first) at the same target: anything between nothing and
    /// `initial` × 2^(n-1), at most `max`, but never less than the upstream asked for.
    ///
    /// `random` is between 0 and 1; other numbers count as the nearer of the two.
    #[must_use]
    pub fn same_target(&self, repeat: u32, hint: Option<Duration>, random: f64) -> Duration {
        let doublings = repeat.saturating_sub(1).min(31);
        let most = self.initial.saturating_mul(1 << doublings).min(self.max);
        share(most, random).max(hint.unwrap_or_default())
    }

    /// The wait before another target: up to 50 ms.
    #[must_use]
    pub fn other_target(random: f64) -> Duration {
        share(OTHER_TARGET_MOST, random)
    }
}

/// A share of a duration; what is no number between 0 and 1 is taken for the nearer end.
pub(crate) fn share(whole: Duration, random: f64) -> Duration {
    let part = if random.is_nan() {
        1.0
    } else {
        random.clamp(0.0, 1.0)
    };
    Duration::try_from_secs_f64(whole.as_secs_f64() * part)
        .unwrap_or(whole)
        .min(whole)
}
