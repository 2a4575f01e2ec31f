//! In which order a route's upstreams are tried: as written or by weight, those that are not well last.

use config::{Route, RouteStrategy};

use crate::policy::ReadyUpstream;

/// The places of a route's upstreams in the order in which they are tried. `random` gives numbers from 0 to 1.
pub(crate) fn order<'u>(
    route: &Route,
    ready: impl Fn(usize) -> Option<&'u ReadyUpstream>,
    mut random: impl FnMut() -> f64,
) -> Vec<usize> {
    let mut places: Vec<(bool, f64, usize)> = route
        .upstreams
        .iter()
        .enumerate()
        .map(|(place, upstream)| {
            let is_unwell = ready(place).is_some_and(|ready| !ready.is_well());
            let rank = match route.strategy {
                RouteStrategy::Ordered => 0.0,
                RouteStrategy::Weighted => arrival(upstream.weight, random()),
            };
            (is_unwell, rank, place)
        })
        .collect();
    places.sort_by(|one, other| {
        one.0
            .cmp(&other.0)
            .then(one.1.total_cmp(&other.1))
            .then(one.2.cmp(&other.2))
    });
    places.into_iter().map(|(_, _, place)| place).collect()
}

/// When something that happens `weight` times as often as others happens first: the earliest of several is each of them
/// in proportion to its weight, and so is the earliest of those that are left.
fn arrival(weight: u32, random: f64) -> f64 {
    if weight == 0 {
        return f64::INFINITY;
    }
    -random.max(f64::MIN_POSITIVE).ln() / f64::from(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_order_falls_to_each_by_its_weight_and_nothing_goes_to_a_weight_of_zero() {
        let mut random = fastrand::Rng::with_seed(7);
        let weights = [1, 3, 0, 6];
        let mut first = [0_u32; 4];
        for _ in 0..10_000 {
            let mut arrivals: Vec<_> = weights
                .iter()
                .enumerate()
                .map(|(place, weight)| (arrival(*weight, random.f64()), place))
                .collect();
            arrivals.sort_by(|one, other| one.0.total_cmp(&other.0));
            first[arrivals[0].1] += 1;
            assert_eq!(arrivals[3].1, 2);
        }
        for (place, expected) in [(0, 1_000), (1, 3_000), (2, 0), (3, 6_000)] {
            assert!(first[place].abs_diff(expected) < 200, "{first:?}");
        }
    }
}
