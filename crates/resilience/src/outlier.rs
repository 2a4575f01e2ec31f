//! Which of several targets answers far worse than its siblings. A pure question; whether anybody acts is a setting.

/// Fewer targets show nothing. Source: failures, section on breakers.
pub const LEAST_TARGETS: usize = 5;
/// A target with fewer answers is not compared. Source: the same.
const LEAST_CALLS: u32 = 100;
/// How far below the mean an outlier is, in standard deviations. Source: the same.
const DEVIATIONS: f64 = 1.9;

/// The places of the outliers among these counts of good and failed attempts, the worst first; at most half of all.
#[must_use]
pub fn outliers(counts: &[(u32, u32)]) -> Vec<usize> {
    let rates: Vec<(usize, f64)> = counts
        .iter()
        .enumerate()
        .filter(|(_, (good, failed))| good.saturating_add(*failed) >= LEAST_CALLS)
        .map(|(place, (good, failed))| {
            let good = f64::from(*good);
            (place, good / (good + f64::from(*failed)))
        })
        .collect();
    if rates.len() < LEAST_TARGETS {
        return Vec::new();
    }
    let count = f64::from(u32::try_from(rates.len()).unwrap_or(u32::MAX));
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let variance = rates
        .iter()
        .map(|(_, rate)| (rate - mean).powi(2))
        .sum::<f64>()
        / count;
    let least = mean - DEVIATIONS * variance.sqrt();
    let mut worst: Vec<(usize, f64)> = rates
        .into_iter()
        .filter(|(_, rate)| *rate < least)
        .collect();
    worst.sort_unstable_by(|(_, one), (_, other)| one.total_cmp(other));
    worst.truncate(counts.len() / 2);
    worst.into_iter().map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_five_that_answers_far_worse_stands_out() {
        let good = (990, 10);
        type Case<'a> = (&'a [(u32, u32)], &'a [usize]);
        let cases: [Case<'_>; 5] = [
            (&[good, good, good, good, (600, 400)], &[4]),
            (&[good, good, good, (600, 400)], &[]),
            (&[good, good, good, good, (6, 4)], &[]),
            (&[good, good, good, good, good], &[]),
            (
                &[good, (500, 500), (500, 500), (480, 520), (490, 510), good],
                &[],
            ),
        ];
        for (counts, expected) in cases {
            assert_eq!(outliers(counts), expected, "{counts:?}");
        }
    }
}
