//! What keeps callers from taking more than is theirs: rates, parallel calls, and turns where there is no room for all.
//! Budgets and leases come beside them.
//!
//! Pure state machines, decided locally; they are told the time and wait for nothing.

pub mod concurrency;
pub mod pressure;
pub mod queue;
pub mod rate;

pub use concurrency::{ConcurrencyLimit, Slot};
pub use rate::{Exceeded, RateLimit, Remaining};
