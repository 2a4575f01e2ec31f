//! Good and failed attempts of the last while, in ten slices, and whose calls failed.

use std::time::{Duration, Instant};

const SLICES: u64 = 10;

/// Who is behind what was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Callers {
    #[default]
    Nobody,
    One(u64),
    Several,
}

impl Callers {
    pub(super) fn with(self, caller: u64) -> Self {
        match self {
            Self::Nobody => Self::One(caller),
            Self::One(known) if known == caller => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }

    fn and(self, other: Self) -> Self {
        match other {
            Self::Nobody => self,
            Self::One(caller) => self.with(caller),
            Self::Several => other,
        }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    number: u64,
    good: u32,
    failed: u32,
    failed_for: Callers,
}

/// What the window holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) good: u32,
    pub(super) failed: u32,
    pub(super) failed_for: Callers,
}

impl Sums {
    pub(super) fn total(self) -> u32 {
        self.good.saturating_add(self.failed)
    }
}

#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    slice: Duration,
    slices: [Slice; 10],
}

impl Window {
    pub(super) fn new(start: Instant, length: Duration) -> Self {
        Self {
            start,
            slice: slice_of(length),
            slices: [Slice::default(); 10],
        }
    }

    /// Goes on with another length; what was counted by the old one is forgotten.
    pub(super) fn resize(&mut self, length: Duration) {
        if self.slice != slice_of(length) {
            *self = Self::new(self.start, length);
        }
    }

    pub(super) fn clear(&mut self) {
        self.slices = [Slice::default(); 10];
    }

    /// Counts a good answer; the number of its slice can be given to [`Self::take_back`].
    pub(super) fn good(&mut self, now: Instant) -> u64 {
        let slice = self.at(now);
        slice.good = slice.good.saturating_add(1);
        slice.number
    }

    pub(super) fn failed(&mut self, caller: u64, now: Instant) {
        let slice = self.at(now);
        slice.failed = slice.failed.saturating_add(1);
        slice.failed_for = slice.failed_for.with(caller);
    }

    /// What was counted as good turned out to be none.
    pub(super) fn take_back(&mut self, number: u64) {
        if let Some(slice) = self.slices.iter_mut().find(|slice| slice.number == number) {
            slice.good = slice.good.saturating_sub(1);
        }
    }

    pub(super) fn sums(&self, now: Instant) -> Sums {
        let newest = self.number(now);
        let recent = self
            .slices
            .iter()
            .filter(|slice| slice.number <= newest && slice.number + SLICES > newest);
        recent.fold(Sums::default(), |sums, slice| Sums {
            good: sums.good.saturating_add(slice.good),
            failed: sums.failed.saturating_add(slice.failed),
            failed_for: sums.failed_for.and(slice.failed_for),
        })
    }

    fn at(&mut self, now: Instant) -> &mut Slice {
        let number = self.number(now);
        let place = usize::try_from(number % SLICES).unwrap_or(0);
        #[expect(
            clippy::indexing_slicing,
            reason = "a remainder by ten is below the ten slices"
        )]
        let slice = &mut self.slices[place];
        if slice.number != number {
            *slice = Slice {
                number,
                ..Slice::default()
            };
        }
        slice
    }

    /// Numbers begin at ten, so that an empty slice is an old one.
    fn number(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start).as_nanos();
        let number = since / self.slice.as_nanos().max(1);
        u64::try_from(number)
            .unwrap_or(u64::MAX / 2)
            .saturating_add(SLICES)
    }
}

fn slice_of(length: Duration) -> Duration {
    (length / 10).max(Duration::from_millis(1))
}
