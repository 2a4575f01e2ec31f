//! What keeps callers from taking more than is theirs: rates and parallel calls. Budgets and leases come beside them.
//!
//! Pure state machines, decided locally and without a lock; they are told the time and wait for nothing.

pub mod concurrency;
pub mod rate;

pub use concurrency::{ConcurrencyLimit, Slot};
pub use rate::{Exceeded, RateLimit, Remaining};
