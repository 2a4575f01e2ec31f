//! The words every other crate shares: ids, money, tokens, secrets and time.
//!
//! Nothing here does IO or knows of HTTP. Quantities are types, so that a unit never hides in a comment.

pub mod ids;
pub mod money;
pub mod priority;
pub mod secret;
pub mod time;
pub mod tokens;

pub use ids::{CallId, CredentialId, KeyId, ModelName, ProviderId, TeamId};
pub use money::NanoUsd;
pub use priority::Priority;
pub use secret::Secret;
pub use time::{Clock, ClockWatch, Deadline, Jump, ManualClock, SystemClock};
pub use tokens::TokenUsage;
