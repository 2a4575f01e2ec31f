//! The signal of targets that queue instead of refusing: first tokens that come much later than usual.
//!
//! The time to a first token grows with the prompt: taken plainly it would call ordinary mixed traffic an overload.
//! It is therefore divided by the prompt's size. What total answers take says nothing: that is the answer's length.

use std::time::{Duration, Instant};

/// First tokens are judged together in windows of this length. Source: failures, section on concurrency.
const WINDOW: Duration = Duration::from_secs(5);
/// How many times the usual is slow. Source: the same.
const SLOW: f64 = 3.0;
/// The share of slow ones that shows an overload. Source: the same.
const SLOW_SHARE: f64 = 0.3;
/// What is usual rises by at most this in a window. Source: the same.
const RISE: f64 = 1.02;
/// Fewer first tokens than this in a window show nothing.
const LEAST: usize = 10;
/// More are not looked at.
const MOST: usize = 256;
/// A prompt of this size takes about as long as all that is the same for every prompt.
const UNIT_BYTES: f64 = 16.0 * 1024.0;

/// The latencies of one target.
#[derive(Debug)]
pub struct Latency {
    since: Instant,
    seen: Vec<f64>,
    usual: Option<f64>,
}

impl Latency {
    /// Nothing is known.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            since: now,
            seen: Vec::new(),
            usual: None,
        }
    }

    /// A first token came so long after a prompt of so many bytes was sent. True when the window that this ends shows
    /// an overload.
    pub fn first_token(&mut self, after: Duration, prompt_bytes: u64, now: Instant) -> bool {
        let overloaded = now.saturating_duration_since(self.since) >= WINDOW && self.judge(now);
        if self.seen.len() < MOST {
            let bytes = u32::try_from(prompt_bytes).unwrap_or(u32::MAX);
            let size = 1.0 + f64::from(bytes) / UNIT_BYTES;
            self.seen.push(after.as_secs_f64() / size);
        }
        overloaded
    }

    fn judge(&mut self, now: Instant) -> bool {
        self.since = now;
        let mut seen = std::mem::take(&mut self.seen);
        if seen.len() < LEAST {
            return false;
        }
        seen.sort_unstable_by(f64::total_cmp);
        let Some(tenth) = seen.get(seen.len() / 10).copied() else {
            return false;
        };
        let usual = self.usual.map_or(tenth, |usual| tenth.min(usual * RISE));
        self.usual = Some(usual);
        let slow = seen.iter().filter(|one| **one > usual * SLOW).count();
        let counted = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        counted(slow) > counted(seen.len()) * SLOW_SHARE
    }
}

#[cfg(test)]
mod tests {
    use types::{Clock, ManualClock};

    use super::*;

    /// Prompts of all sizes for two minutes at 20 a second; how many windows show an overload.
    fn check(seconds_of: impl Fn(u64, u32) -> f64) -> u32 {
        let clock = ManualClock::default();
        let mut latency = Latency::new(clock.now());
        let mut random = fastrand::Rng::with_seed(5);
        let mut overloads = 0;
        for n in 0..2400 {
            clock.advance(Duration::from_millis(50));
            let bytes = 1 << random.u64(7..20);
            let after = Duration::from_secs_f64(seconds_of(bytes, n));
            overloads += u32::from(latency.first_token(after, bytes, clock.now()));
        }
        overloads
    }

    /// 300 ms and a second for each 32 KiB: what a prompt costs.
    fn ordinary(bytes: u64) -> f64 {
        0.3 + f64::from(u32::try_from(bytes).expect("small")) / 32_768.0
    }

    #[test]
    fn mixed_prompts_are_no_overload() {
        assert_eq!(check(|bytes, _| ordinary(bytes)), 0);
    }

    #[test]
    fn a_queue_is_one() {
        let seen = check(|bytes, n| ordinary(bytes) * if n < 1200 { 1.0 } else { 6.0 });
        assert!(seen >= 10, "{seen}");
    }

    #[test]
    fn a_target_that_grows_slow_for_good_is_usual_after_a_while() {
        let seen = check(|bytes, n| ordinary(bytes) * (1.0 + f64::from(n) / 2400.0));
        assert_eq!(seen, 0);
    }

    #[test]
    fn few_first_tokens_show_nothing() {
        let clock = ManualClock::default();
        let mut latency = Latency::new(clock.now());
        for n in 0..100 {
            clock.advance(Duration::from_secs(1));
            let after = Duration::from_millis(if n < 50 { 100 } else { 5000 });
            assert!(!latency.first_token(after, 100, clock.now()));
        }
    }
}
