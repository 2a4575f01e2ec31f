//! What may be written of the loops that guard upstreams: breakers and limits. The doc comments here are the reference
//! that people read.
//!
//! A breaker belongs to a target, which several aliases share: it is set for all, for a provider or for a route, not for
//! an alias.

use std::time::Duration;

use resilience::Mode;
use schemars::JsonSchema;

use crate::file::{At, Number, Time};
use crate::schema;

/// The loops that guard upstreams. `act`: it acts; `shadow`: it only counts what it would have done; `off`.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct GuardFile {
    /// When a target that fails gets no more calls.
    pub(crate) circuit_breaker: BreakerFile,
    /// How many calls at a time a target gets.
    pub(crate) concurrency: ConcurrencyFile,
    /// Passing over targets that answer far worse than their siblings, from five of them on. Default shadow.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) outlier_ejection: Option<At<Mode>>,
    /// Refusing here what a provider would most likely refuse, from five calls a second on. Default shadow.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) local_throttle: Option<At<Mode>>,
    /// No repeats at a provider that is overloaded at all its targets. Default shadow.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) provider_refusal: Option<At<Mode>>,
}

/// When a target that fails gets no more calls.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct BreakerFile {
    /// `act` (default), `shadow` or `off`.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) mode: Option<At<Mode>>,
    /// Failures in a row that open it, 1 to 1000. Default 5.
    #[schemars(with = "Number")]
    pub(crate) consecutive: Option<At<u32>>,
    /// The share of failures in the window that opens it, 1% to 100%. Default 50%.
    #[schemars(with = "Option<schema::Share>")]
    pub(crate) failure_rate: Option<At<f64>>,
    /// Answers and failures that the window must hold for that, 1 to 100000. Default 20.
    #[schemars(with = "Number")]
    pub(crate) min_calls: Option<At<u32>>,
    /// The window, 100ms to 1h. Default 30s.
    #[schemars(with = "Time")]
    pub(crate) window: Option<At<Duration>>,
    /// How long it stays open the first time, 10ms to 1h; doubled each time. Default 5s.
    #[schemars(with = "Time")]
    pub(crate) open: Option<At<Duration>>,
    /// How long it stays open at most, the server's own wish apart; 10ms to 1h. Default 25s.
    #[schemars(with = "Time")]
    pub(crate) max_open: Option<At<Duration>>,
}

/// How many calls at a time a target gets.
#[derive(Debug, Default, JsonSchema)]
#[schemars(deny_unknown_fields, default)]
pub(crate) struct ConcurrencyFile {
    /// The limit that is learned from what a target refuses: `act` (default), `shadow` or `off`.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) mode: Option<At<Mode>>,
    /// The most calls at a time to one target in any case, 1 to 1000000. Default: no such limit.
    #[schemars(with = "Number")]
    pub(crate) max: Option<At<u32>>,
    /// Whether slow first tokens count as overload; for servers that queue instead of refusing. Default shadow.
    #[schemars(with = "Option<schema::Mode>")]
    pub(crate) latency: Option<At<Mode>>,
}
