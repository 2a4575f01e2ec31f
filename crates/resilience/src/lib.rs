//! What keeps upstreams from being hurt and calls from being lost: backoff, the retry budget, cooldowns.
//!
//! Pure state machines: they are told the time and roll no dice of their own, know neither HTTP nor language models,
//! and wait for nothing. Breakers and adaptive limits find their seams in [`admit`].

pub mod admit;
pub mod backoff;
pub mod balance;
pub mod health;
pub mod registry;
pub mod retry_budget;

pub use admit::{Admission, Lesson, TargetState};
pub use backoff::Backoff;
pub use registry::Registry;
pub use retry_budget::RetryBudget;
