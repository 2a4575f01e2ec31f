//! What may be set for the machines of one target, credential or provider, with the defaults of the design.

use std::time::Duration;

/// Whether a control loop acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It neither acts nor counts.
    Off,
    /// It counts what it would have done, and does nothing.
    Shadow,
    /// It acts.
    Act,
}

/// All settings of the machines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// The circuit breaker.
    pub breaker: BreakerSettings,
    /// The adaptive limit of calls at a time.
    pub concurrency: ConcurrencySettings,
    /// Ejection of targets that answer far worse than their siblings; in shadow by default.
    pub outlier_ejection: Mode,
    /// Local refusal of what a provider would most likely fail; in shadow by default.
    pub local_throttle: Mode,
    /// No repeats at a provider that is overloaded at all its targets; in shadow by default.
    pub provider_refusal: Mode,
}

impl Settings {
    const USUAL: Self = Self {
        breaker: BreakerSettings {
            mode: Mode::Act,
            consecutive: 5,
            failure_rate: 0.5,
            min_calls: 20,
            window: Duration::from_secs(30),
            open: Duration::from_secs(5),
            max_open: Duration::from_secs(25),
        },
        concurrency: ConcurrencySettings {
            mode: Mode::Act,
            max: None,
            latency: Mode::Shadow,
        },
        outlier_ejection: Mode::Shadow,
        local_throttle: Mode::Shadow,
        provider_refusal: Mode::Shadow,
    };

    /// Nothing acts or counts.
    pub const OFF: Self = Self {
        breaker: BreakerSettings {
            mode: Mode::Off,
            ..Self::USUAL.breaker
        },
        concurrency: ConcurrencySettings {
            mode: Mode::Off,
            max: None,
            latency: Mode::Off,
        },
        outlier_ejection: Mode::Off,
        local_throttle: Mode::Off,
        provider_refusal: Mode::Off,
    };
}

impl Default for Settings {
    fn default() -> Self {
        Self::USUAL
    }
}

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BreakerSettings {
    /// Whether it acts; it does by default.
    pub mode: Mode,
    /// Failures in a row that open it; 5.
    pub consecutive: u32,
    /// The share of failures in the window that opens it; 0.5.
    pub failure_rate: f64,
    /// How many answers and failures the window must hold for that; 20.
    pub min_calls: u32,
    /// The window; 30 s, in ten slices.
    pub window: Duration,
    /// How long it stays open the first time; 5 s. Doubled each time.
    pub open: Duration,
    /// How long it stays open at most, a server's own wish apart; 25 s: with a call every few seconds a target is tried
    /// within 30 s of its return.
    pub max_open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Settings::USUAL.breaker
    }
}

/// How many calls at a time a target gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConcurrencySettings {
    /// Whether the adaptive limit acts; it does by default.
    pub mode: Mode,
    /// The most in any case; none by default.
    pub max: Option<u32>,
    /// Whether slow first tokens count as overload; in shadow by default.
    pub latency: Mode,
}

impl Default for ConcurrencySettings {
    fn default() -> Self {
        Settings::USUAL.concurrency
    }
}
