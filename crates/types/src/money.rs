//! Money in whole nano-dollars: exact, ordered and never a float.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

/// An amount in units of 10⁻⁹ US dollars; saturating, so that arithmetic on a hostile price cannot wrap.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many nano-dollars.
    #[must_use]
    pub const fn new(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The number of nano-dollars.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The same in dollars, for whoever reads floats; exact up to nine million dollars.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "a graph needs no nano-dollars beside millions"
    )]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The sum, at most the greatest amount there is.
    #[must_use]
    pub const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The price of so many tokens when this is the price of one.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with as many digits as it takes: `$0.0002`, `$12.4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0 / 1_000_000_000;
        let fraction = self.0 % 1_000_000_000;
        if fraction == 0 {
            return write!(f, "${whole}");
        }
        let digits = format!("{fraction:09}");
        write!(f, "${whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_dollars_without_rounding() {
        for (nanos, text) in [
            (0, "$0"),
            (200_000, "$0.0002"),
            (12_400_000_000, "$12.4"),
            (1, "$0.000000001"),
        ] {
            assert_eq!(NanoUsd::new(nanos).to_string(), text);
        }
    }

    #[test]
    fn a_hostile_price_saturates() {
        assert_eq!(NanoUsd::new(u64::MAX).times(3).as_nanos(), u64::MAX);
    }
}
