//! What keeps upstreams from being hurt and calls from being lost: backoff, the retry budget, cooldowns, breakers, the
//! adaptive limit.
//!
//! Pure state machines: they are told the time and roll no dice of their own, know neither HTTP nor language models,
//! and wait for nothing. An attempt goes past all of them in [`ticket`].

pub mod backoff;
pub mod balance;
pub mod breaker;
pub mod choice;
pub mod concurrency;
pub mod cooldown;
pub mod health;
pub mod latency;
pub mod lesson;
pub mod outlier;
pub mod registry;
pub mod retry_budget;
pub mod settings;
pub mod state;
pub mod throttle;
pub mod ticket;

pub use backoff::Backoff;
pub use breaker::{Alternative, Ask, OpenedBy};
pub use lesson::{Fault, Lesson, Level, Weight};
pub use registry::Registry;
pub use retry_budget::RetryBudget;
pub use settings::{Mode, Settings};
pub use ticket::{Denied, Door, Ticket, Why};
