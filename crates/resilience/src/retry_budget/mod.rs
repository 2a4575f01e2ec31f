//! The retry budget: repeats are a share of first attempts, so that a dead upstream is not also stormed.
//!
//! Counted over a sliding window of 10 s in slices of one second. What was earned and not spent expires with its slice.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long what was earned may be spent.
const WINDOW_SLICES: u64 = 10;
/// Repeats that are always allowed in a window: one a second.
const FLOOR: f64 = 10.0;

/// The budget of one provider.
#[derive(Debug)]
pub struct RetryBudget {
    /// The bits of an `f64`.
    ratio: AtomicU64,
    start: Instant,
    window: Mutex<Window>,
    /// Repeats that were sent and have not ended.
    under_way: AtomicU32,
}

/// One second of the window.
#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    second: u64,
    deposits: u32,
    withdrawals: u32,
}

#[derive(Debug, Default)]
struct Window {
    slices: [Slice; 10],
}

impl Window {
    /// The slice of this second, emptied if it holds an older one.
    fn slice(&mut self, second: u64) -> Option<&mut Slice> {
        let place = usize::try_from(second % WINDOW_SLICES).ok()?;
        let slice = self.slices.get_mut(place)?;
        if slice.second < second {
            *slice = Slice {
                second,
                ..Slice::default()
            };
        }
        Some(slice)
    }

    /// Deposits and withdrawals of the last ten seconds.
    fn sums(&self, second: u64) -> (u32, u32) {
        self.slices
            .iter()
            .filter(|slice| slice.second + WINDOW_SLICES > second)
            .fold((0_u32, 0_u32), |(deposits, withdrawals), slice| {
                (
                    deposits.saturating_add(slice.deposits),
                    withdrawals.saturating_add(slice.withdrawals),
                )
            })
    }
}

impl RetryBudget {
    /// A budget of so many repeats per first attempt (default 0.2), with the floor of one a second from the start.
    #[must_use]
    pub fn new(ratio: f64, now: Instant) -> Self {
        Self {
            ratio: AtomicU64::new(sane(ratio).to_bits()),
            start: now,
            window: Mutex::new(Window::default()),
            under_way: AtomicU32::new(0),
        }
    }

    /// Changes the ratio, as a new configuration does; what is in the window stays counted.
    pub fn set_ratio(&self, ratio: f64) {
        self.ratio.store(sane(ratio).to_bits(), Ordering::Relaxed);
    }

    /// Notes a first attempt at this provider. Calls that are a client's own retry earn nothing: do not note them.
    pub fn deposit(&self, now: Instant) {
        let second = self.second(now);
        if let Some(slice) = self.window.lock().slice(second) {
            slice.deposits = slice.deposits.saturating_add(1);
        }
    }

    /// Takes a token for a repeat at a provider that this call has visited already, a hedge or a continuation.
    ///
    /// False means: do not repeat. The first visit of a call to another provider takes no token.
    #[must_use]
    pub fn withdraw(&self, now: Instant) -> bool {
        let second = self.second(now);
        let mut window = self.window.lock();
        let (deposits, withdrawals) = window.sums(second);
        if f64::from(withdrawals) + 1.0 > self.allowed(deposits) {
            return false;
        }
        let Some(slice) = window.slice(second) else {
            return false;
        };
        slice.withdrawals = slice.withdrawals.saturating_add(1);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Whether repeats are under way: one of them may give its token back.
    #[must_use]
    pub fn is_waited_for(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// A repeat ended without an answer: its token stays spent.
    pub fn spent(&self) {
        let less = |under_way: u32| under_way.checked_sub(1);
        // With nothing under way there is nothing to count down.
        self.under_way
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .unwrap_or_default();
    }

    /// Gives a token back: the repeat was answered, so it was no storm on a dead upstream.
    pub fn give_back(&self, now: Instant) {
        self.spent();
        let second = self.second(now);
        let mut window = self.window.lock();
        // The token may have been taken in an earlier second; the sum of the window is what counts.
        let taken = window
            .slices
            .iter_mut()
            .filter(|slice| slice.second + WINDOW_SLICES > second);
        if let Some(slice) = taken
            .into_iter()
            .filter(|slice| slice.withdrawals > 0)
            .max_by_key(|slice| slice.second)
        {
            slice.withdrawals -= 1;
        }
    }

    /// Gives back so many tokens that repeats at one target had used up, as far as they are in the window: the target is
    /// closed, its repeats are at an end.
    pub fn refund(&self, mut tokens: u32, now: Instant) {
        let second = self.second(now);
        let mut window = self.window.lock();
        let recent = window
            .slices
            .iter_mut()
            .filter(|slice| slice.second + WINDOW_SLICES > second);
        for slice in recent {
            let back = tokens.min(slice.withdrawals);
            slice.withdrawals -= back;
            tokens -= back;
        }
    }

    /// Repeats left at this moment, for people to read.
    #[must_use]
    pub fn left(&self, now: Instant) -> f64 {
        let (deposits, withdrawals) = self.window.lock().sums(self.second(now));
        (self.allowed(deposits) - f64::from(withdrawals)).max(0.0)
    }

    /// The cap of the design: the greater of the floor and the ratio.
    fn allowed(&self, deposits: u32) -> f64 {
        let ratio = f64::from_bits(self.ratio.load(Ordering::Relaxed));
        FLOOR.max(ratio * f64::from(deposits))
    }

    fn second(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start)
            .max(Duration::ZERO)
            .as_secs()
    }
}

/// A ratio that is no number, or below zero, is none at all.
fn sane(ratio: f64) -> f64 {
    if ratio.is_finite() {
        ratio.max(0.0)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
