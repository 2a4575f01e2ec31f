//! How hard is tried: timers, attempts, waits, and when a stream's head goes out.

use std::time::Duration;

use provider::{Code, Group};
use resilience::Settings;
use resilience::backoff::Backoff;

/// How hard is tried, all parts resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Resilience {
    /// Timers.
    pub timeout: Timeouts,
    /// Attempts of a call, the first counted.
    pub max_attempts: u32,
    /// Different targets of a call.
    pub max_targets: u32,
    /// Waits between attempts at the same target.
    pub backoff: Backoff,
    /// Repeats allowed for each first attempt; 0.2 is 20 %.
    pub retry_budget: f64,
    /// Whether `Retry-After` and its kin are obeyed.
    pub respect_retry_after: bool,
    /// What is not tried again.
    pub retry_except: Vec<Exception>,
    /// When a stream's head goes out.
    pub hold: Hold,
    /// How long it is held at most.
    pub hold_for: Duration,
    /// Breakers and limits, as the provider's or the route's entry has them.
    pub guards: Settings,
}

impl Default for Resilience {
    fn default() -> Self {
        Self {
            timeout: Timeouts::default(),
            max_attempts: 4,
            max_targets: 3,
            backoff: Backoff {
                initial: Duration::from_millis(200),
                max: Duration::from_secs(5),
            },
            retry_budget: 0.2,
            respect_retry_after: true,
            retry_except: Vec::new(),
            hold: Hold::FirstContent,
            hold_for: Duration::from_secs(20),
            guards: Settings::default(),
        }
    }
}

impl Resilience {
    /// Whether the configuration forbids trying again after this.
    #[must_use]
    pub fn excepts(&self, code: Code) -> bool {
        self.retry_except.iter().any(|exception| match exception {
            Exception::Code(own) => *own == code,
            Exception::Group(group) => *group == code.facts().group,
        })
    }
}

/// The timers of an attempt. Unset ones have variants by the kind of call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up; 2 s.
    pub dns: Duration,
    /// TCP connect, all addresses; 3 s.
    pub connect: Duration,
    /// TLS handshake; 5 s.
    pub tls: Duration,
    /// Sending without progress; 30 s.
    pub write: Duration,
    /// From the request sent to the whole head; unset: 60 s, 300 s for whole answers of models.
    pub response_header: Option<Duration>,
    /// From the request sent to the first content event; unset: 30 s, with reasoning 60 s.
    pub first_token: Option<Duration>,
    /// Silence in an answer's body; unset: 30 s, 60 s in streams.
    pub idle: Option<Duration>,
    /// All attempts together; unset: 600 s for streams, 300 s for others.
    pub total: Option<Duration>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(2),
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(5),
            write: Duration::from_secs(30),
            response_header: None,
            first_token: None,
            idle: None,
            total: None,
        }
    }
}

/// Something that is not to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exception {
    /// One code.
    Code(Code),
    /// A group of codes.
    Group(Group),
}

/// When a stream's head goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// With the first content event.
    FirstContent,
    /// When the whole answer is there.
    Whole,
}
