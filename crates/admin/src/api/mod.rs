//! The admin API under `/api/v1`: one file per noun. The web UI and the CLI use nothing else.

pub mod codes;
pub mod counts;
pub mod drains;
pub mod guards;
pub mod in_flight;
pub mod incidents;
pub mod live;
pub mod models;
pub mod providers;
pub mod query;
pub mod requests;
pub mod seen;
pub mod session;
pub mod snippets;
pub mod status;
pub mod wire;

pub use guards::Guard;
pub use in_flight::RunningCall;
