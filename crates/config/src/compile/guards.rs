//! Breakers and limits: the narrowest that says something wins.

use std::time::Duration;

use resilience::Settings;
use resilience::settings::{BreakerSettings, ConcurrencySettings};

use super::within;
use crate::file::At;
use crate::guard_file::{BreakerFile, ConcurrencyFile, GuardFile};
use crate::reader::Reader;
use crate::text;

const HOUR: Duration = Duration::from_secs(3_600);

/// `base`, with what `written` says.
pub(super) fn resolved(reader: &Reader<'_>, written: &GuardFile, base: &Settings) -> Settings {
    Settings {
        breaker: breaker(reader, &written.circuit_breaker, &base.breaker),
        concurrency: concurrency(&written.concurrency, &base.concurrency),
        outlier_ejection: or(written.outlier_ejection.as_ref(), base.outlier_ejection),
        local_throttle: or(written.local_throttle.as_ref(), base.local_throttle),
        provider_refusal: or(written.provider_refusal.as_ref(), base.provider_refusal),
    }
}

fn breaker(reader: &Reader<'_>, written: &BreakerFile, base: &BreakerSettings) -> BreakerSettings {
    let rate = within(
        reader,
        written.failure_rate.as_ref(),
        0.01,
        1.0,
        "1% to 100%",
    );
    let tenth = Duration::from_millis(100);
    let window = within(reader, written.window.as_ref(), tenth, HOUR, "100ms to 1h");
    let least = Duration::from_millis(10);
    let rest = |at: Option<&At<Duration>>| within(reader, at, least, HOUR, "10ms to 1h");
    let breaker = BreakerSettings {
        mode: or(written.mode.as_ref(), base.mode),
        consecutive: or(written.consecutive.as_ref(), base.consecutive),
        failure_rate: rate.unwrap_or(base.failure_rate),
        min_calls: or(written.min_calls.as_ref(), base.min_calls),
        window: window.unwrap_or(base.window),
        open: rest(written.open.as_ref()).unwrap_or(base.open),
        max_open: rest(written.max_open.as_ref()).unwrap_or(base.max_open),
    };
    if breaker.open > breaker.max_open
        && let Some(at) = written.open.as_ref().or(written.max_open.as_ref())
    {
        reader
            .error(
                "out_of_range",
                &at.spot,
                "circuit_breaker.open is longer than circuit_breaker.max_open",
            )
            .label(format!(
                "open is {}, max_open is {}",
                text::show(breaker.open),
                text::show(breaker.max_open)
            ));
    }
    breaker
}

fn concurrency(written: &ConcurrencyFile, base: &ConcurrencySettings) -> ConcurrencySettings {
    ConcurrencySettings {
        mode: or(written.mode.as_ref(), base.mode),
        max: written.max.as_ref().map(|at| at.value).or(base.max),
        latency: or(written.latency.as_ref(), base.latency),
    }
}

fn or<T: Copy>(written: Option<&At<T>>, base: T) -> T {
    written.map_or(base, |at| at.value)
}
