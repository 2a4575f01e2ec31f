//! What an attempt taught, in words of this crate: the caller translates its verdicts.

use std::sync::Arc;
use std::time::Duration;

/// What an attempt taught about where it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lesson {
    /// A good answer.
    Answered,
    /// It failed.
    Failed(Fault),
    /// Nothing: the caller left, the request was wrong, or the caller's own timer fired.
    Nothing,
}

/// A failure that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What failed.
    pub level: Level,
    /// How much it counts.
    pub weight: Weight,
    /// Whether it shows that too many calls were under way: a limit of calls at a time follows.
    pub is_loss: bool,
    /// Whether the upstream said that it has more to do than it can.
    pub is_overload: bool,
    /// The name of the failure.
    pub cause: &'static str,
    /// What the upstream said, scrubbed.
    pub excerpt: Option<Arc<str>>,
    /// How long it asked to be left alone.
    pub hint: Option<Duration>,
    /// What rests that long for all calls.
    pub rests: Option<Level>,
}

/// What a state belongs to, and what a failure is a failure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A provider.
    Provider,
    /// One of a provider's keys.
    Credential,
    /// A provider and a model there.
    Target,
}

impl Level {
    /// The word, as in metrics and errors.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Credential => "credential",
            Self::Target => "target",
        }
    }
}

/// How much a failure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// In the rate, but not in the row: a refused rate.
    Rate,
    /// In the rate and in the row.
    Full,
    /// It opens the breaker at once.
    Opens,
    /// It opens the breaker at once, for a minute: nothing heals by trying again.
    OpensFlat,
}

impl Fault {
    /// A failure of the target that counts fully and says nothing else.
    #[must_use]
    pub fn of_target(cause: &'static str) -> Self {
        Self {
            level: Level::Target,
            weight: Weight::Full,
            is_loss: false,
            is_overload: false,
            cause,
            excerpt: None,
            hint: None,
            rests: None,
        }
    }
}
