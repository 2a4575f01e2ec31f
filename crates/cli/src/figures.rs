//! Figures for people: percentiles, money, shares.

/// The value that so many percent of the sorted values do not exceed; `None` of none.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = sorted.len().checked_mul(percent)?.div_ceil(100);
    sorted.get(rank.max(1) - 1).copied()
}

/// `$0.0003`, `$12.40`: two significant decimals of a small amount, cents of a large one.
pub(crate) fn money(nano_usd: u64) -> String {
    let dollars = nano_usd / 1_000_000_000;
    let rest = nano_usd % 1_000_000_000;
    if nano_usd == 0 {
        return "$0".to_owned();
    }
    let digits = format!("{rest:09}");
    let shown = if dollars > 0 || rest >= 100_000_000 {
        2
    } else {
        let zeros = digits.bytes().take_while(|digit| *digit == b'0').count();
        (zeros + 2).min(9)
    };
    format!("${dollars}.{}", digits.get(..shown).unwrap_or(&digits))
}

/// `97.1`: a share in percent with one decimal.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0.0".to_owned();
    }
    let tenths = u128::from(part) * 1000 / u128::from(whole);
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 95), Some(95));
        assert_eq!(percentile(&hundred, 100), Some(100));
        assert_eq!(percentile(&[7], 1), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn money_shows_what_matters_of_it() {
        for (nanos, text) in [
            (0, "$0"),
            (1, "$0.000000001"),
            (312_345, "$0.00031"),
            (40_000_000, "$0.040"),
            (250_000_000, "$0.25"),
            (12_405_000_000, "$12.40"),
        ] {
            assert_eq!(money(nanos), text);
        }
    }

    #[test]
    fn shares_have_one_decimal() {
        assert_eq!(percent(0, 0), "0.0");
        assert_eq!(percent(971, 1000), "97.1");
        assert_eq!(percent(3, 3), "100.0");
    }
}
