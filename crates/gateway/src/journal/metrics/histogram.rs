//! Histograms whose limits double (or quadruple): the bucket is found by counting bits, not by comparing limits.

use types::CallId;

/// Buckets of a histogram, the last one without a limit: enough for the 14 limits of OpenTelemetry's GenAI conventions.
pub(super) const BUCKETS: usize = 15;

/// The limits of a histogram: `first`, then each `growth` times the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scale {
    /// The first limit, in whole units (microseconds, tokens).
    pub(super) first: u64,
    /// By how many bits a limit is greater than the one before it: 1 doubles, 2 quadruples.
    pub(super) growth: u32,
    /// Units in one of what is written: a million where microseconds are written as seconds.
    pub(super) units: u32,
}

/// 10 ms to 82 s. Source: OpenTelemetry semantic conventions, GenAI metrics, `gen_ai.client.operation.duration`, seen
/// 2026-11.
pub(super) const SECONDS: Scale = Scale {
    first: 10_000,
    growth: 1,
    units: 1_000_000,
};

/// 50 us to 0.4 s: what the gateway itself takes, and how late its loops are.
pub(super) const FINE_SECONDS: Scale = Scale {
    first: 50,
    growth: 1,
    units: 1_000_000,
};

/// 1 to 67 million. Source: OpenTelemetry semantic conventions, GenAI metrics, `gen_ai.client.token.usage`, seen 2026-11.
pub(super) const TOKENS: Scale = Scale {
    first: 1,
    growth: 2,
    units: 1,
};

impl Scale {
    /// The bucket of a value: the first whose limit is not below it.
    fn bucket(&self, value: u64) -> usize {
        if value <= self.first {
            return 0;
        }
        // value <= first * 2^bits exactly when (value - 1) / first has at most that many bits.
        let bits = u64::BITS - ((value - 1) / self.first).leading_zeros();
        let bucket = usize::try_from(bits.div_ceil(self.growth)).unwrap_or(usize::MAX);
        bucket.min(BUCKETS - 1)
    }

    /// The limits as they are written, without the last bucket's, which has none.
    pub(super) fn limits(&self) -> impl Iterator<Item = f64> {
        let (first, growth) = (self.first, self.growth);
        (0..BUCKETS - 1).map(move |bucket| {
            let shift = u32::try_from(bucket).unwrap_or(0) * growth;
            self.written(first << shift)
        })
    }

    /// A value as it is written.
    #[expect(
        clippy::cast_precision_loss,
        reason = "sums beyond 2^53 units lose what nobody reads"
    )]
    pub(super) fn written(&self, units: u64) -> f64 {
        units as f64 / f64::from(self.units)
    }
}

/// A call that stands for the others in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Example {
    pub(super) call: CallId,
    pub(super) value: u64,
}

/// How often values fell into each bucket. Plain numbers: whoever counts holds the lock of its worker's set.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    pub(super) scale: &'static Scale,
    pub(super) counts: [u64; BUCKETS],
    pub(super) sum: u64,
}

impl Histogram {
    pub(super) fn new(scale: &'static Scale) -> Self {
        Self {
            scale,
            counts: [0; BUCKETS],
            sum: 0,
        }
    }

    /// Counts a value; says into which bucket it fell.
    pub(super) fn observe(&mut self, value: u64) -> usize {
        let bucket = self.scale.bucket(value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
        bucket
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        for (own, others) in self.counts.iter_mut().zip(&other.counts) {
            *own += others;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// A histogram that keeps the latest call of each bucket.
#[derive(Clone, Debug)]
pub(super) struct Exemplary {
    pub(super) values: Histogram,
    pub(super) examples: [Option<Example>; BUCKETS],
}

impl Exemplary {
    pub(super) fn new(scale: &'static Scale) -> Self {
        Self {
            values: Histogram::new(scale),
            examples: [None; BUCKETS],
        }
    }

    pub(super) fn observe(&mut self, value: u64, call: CallId) {
        let bucket = self.values.observe(value);
        if let Some(example) = self.examples.get_mut(bucket) {
            *example = Some(Example { call, value });
        }
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        self.values.absorb(&other.values);
        for (own, others) in self.examples.iter_mut().zip(&other.examples) {
            // Ids sort by time: the later call stands for the bucket.
            if own.map(|example| example.call) < others.map(|example| example.call) {
                *own = *others;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCALES: [&Scale; 3] = [&SECONDS, &FINE_SECONDS, &TOKENS];

    #[test]
    fn the_limits_are_those_of_the_conventions() {
        let seconds: Vec<f64> = SECONDS.limits().collect();
        assert_eq!(seconds.len(), 14);
        assert_eq!(seconds[..4], [0.01, 0.02, 0.04, 0.08]);
        assert_eq!(seconds[12..], [40.96, 81.92]);
        let tokens: Vec<f64> = TOKENS.limits().collect();
        assert_eq!(tokens[..4], [1.0, 4.0, 16.0, 64.0]);
        assert_eq!(tokens[13..], [67_108_864.0]);
    }

    #[test]
    fn a_value_on_a_limit_belongs_below_it() {
        let check = |scale: &'static Scale, value, bucket| {
            assert_eq!(Histogram::new(scale).observe(value), bucket, "{value}");
        };
        check(&SECONDS, 0, 0);
        check(&SECONDS, 10_000, 0);
        check(&SECONDS, 10_001, 1);
        check(&SECONDS, 20_000, 1);
        check(&SECONDS, 20_001, 2);
        check(&SECONDS, 81_920_000, 13);
        check(&SECONDS, 81_920_001, 14);
        check(&TOKENS, 4, 1);
        check(&TOKENS, 5, 2);
        check(&TOKENS, u64::MAX, 14);
    }

    #[test]
    fn the_later_call_stands_for_a_bucket_of_two_workers() {
        let (earlier, later) = (CallId::generate(1), CallId::generate(2));
        let (mut one, mut other) = (Exemplary::new(&SECONDS), Exemplary::new(&SECONDS));
        one.observe(5, later);
        other.observe(7, earlier);
        other.observe(30_000, earlier);
        one.absorb(&other);
        assert_eq!(one.values.count(), 3);
        assert_eq!(one.examples[0].map(|example| example.call), Some(later));
        assert_eq!(one.examples[2].map(|example| example.call), Some(earlier));
    }

    proptest! {
        #[test]
        fn counting_bits_finds_the_bucket_that_comparing_limits_finds(
            value in prop_oneof![any::<u64>(), 0_u64..200_000_000, 0_u64..2_000],
            which in 0_usize..SCALES.len(),
        ) {
            let scale = SCALES[which];
            let limit = |bucket: usize| u128::from(scale.first) << (u32::try_from(bucket).unwrap() * scale.growth);
            let compared = (0..BUCKETS - 1).find(|bucket| u128::from(value) <= limit(*bucket));
            prop_assert_eq!(scale.bucket(value), compared.unwrap_or(BUCKETS - 1));
        }
    }
}
