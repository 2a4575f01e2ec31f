//! When a provider is out of use by plan.

/// One planned window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// When.
    pub window: Window,
    /// Why, where it is written.
    pub reason: Option<String>,
}

/// A span of time, once or again and again. All times are milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Once.
    Once {
        /// Its first moment.
        start: u64,
        /// The first moment after it.
        end: u64,
    },
    /// Every day or every week.
    Every {
        /// From one beginning to the next: a day or a week.
        period: u64,
        /// The first beginning after 1970; shorter than the period.
        first: u64,
        /// How long it lasts; shorter than the period.
        length: u64,
    },
}

impl Window {
    /// The occurrence in which this moment lies, or the next one: its beginning and its end.
    #[must_use]
    pub fn next(&self, now: u64) -> Option<(u64, u64)> {
        match *self {
            Self::Once { start, end } => (now < end).then_some((start, end)),
            Self::Every { period, length, .. } => {
                let end = match self.until(now) {
                    Some(end) => end,
                    None => now
                        .saturating_add(period - self.since(now))
                        .saturating_add(length),
                };
                Some((end.saturating_sub(length), end))
            }
        }
    }

    /// How long ago the last occurrence began, past or present.
    fn since(&self, now: u64) -> u64 {
        match *self {
            Self::Once { start, .. } => now.saturating_sub(start),
            // One may have begun in the period before the first.
            Self::Every { period, first, .. } => {
                now.saturating_add(period).saturating_sub(first) % period.max(1)
            }
        }
    }

    /// The end of the window in which this moment lies.
    #[must_use]
    pub fn until(&self, now: u64) -> Option<u64> {
        match *self {
            Self::Once { start, end } => (start..end).contains(&now).then_some(end),
            Self::Every { length, .. } => {
                let since = self.since(now);
                (since < length).then(|| now.saturating_add(length - since))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR: u64 = 3_600_000;
    const DAY: u64 = 24 * HOUR;

    #[test]
    fn a_window_holds_from_its_first_moment_and_not_at_its_end() {
        let once = Window::Once {
            start: DAY,
            end: DAY + HOUR,
        };
        for (now, until) in [
            (DAY - 1, None),
            (DAY, Some(DAY + HOUR)),
            (DAY + HOUR - 1, Some(DAY + HOUR)),
            (DAY + HOUR, None),
        ] {
            assert_eq!(once.until(now), until, "{now}");
        }
        assert_eq!(once.next(0), Some((DAY, DAY + HOUR)));
        assert_eq!(once.next(DAY + HOUR), None, "it is over");
    }

    #[test]
    fn a_nightly_window_may_lie_across_midnight() {
        let nightly = Window::Every {
            period: DAY,
            first: 23 * HOUR,
            length: 2 * HOUR,
        };
        for (hour, until) in [(22, None), (23, Some(25)), (24, Some(25)), (25, None)] {
            let of = |hours: u64| 400 * DAY + hours * HOUR;
            assert_eq!(nightly.until(of(hour)), until.map(of), "{hour}");
        }
        assert_eq!(nightly.until(0), Some(HOUR), "also before the first");
        let hours = |from: u64, to: u64| Some((from * HOUR, to * HOUR));
        assert_eq!(nightly.next(24 * HOUR), hours(23, 25), "the present one");
        assert_eq!(nightly.next(25 * HOUR), hours(47, 49), "the next one");
    }

    proptest! {
        #[test]
        fn whoever_is_in_a_window_is_out_of_it_at_its_end(
            first in 0..DAY, length in 1..DAY, now in any::<u64>(),
        ) {
            let window = Window::Every { period: DAY, first, length };
            if let Some(until) = window.until(now) {
                prop_assert!(until > now || until == u64::MAX);
                prop_assert!(until - now <= length);
                if until < u64::MAX - DAY {
                    prop_assert_eq!(window.until(until), None);
                    prop_assert_eq!(window.until(until - 1), Some(until));
                }
            }
        }
    }
}
