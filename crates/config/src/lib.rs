//! What is written, in a file, the environment and flags, made into a [`Snapshot`] that runs, or into every reason
//! why it cannot.
//!
//! The only reader of the environment and of configuration files. Start with [`load()`] (a file) or [`discover()`]
//! (no file), then [`snapshot`] for what comes out of them.

mod assemble;
mod calendar;
mod compile;
pub mod diagnostic;
pub mod discover;
pub mod environment;
mod file;
mod guard_file;
pub mod keys;
mod load;
mod near;
mod overrides;
mod reader;
pub mod resolve;
mod route_file;
mod schema;
mod section;
mod sections;
pub mod snapshot;
mod text;
mod words;
mod yaml;

pub use diagnostic::{Colour, Diagnostic, Place, Severity, Source, Span};
pub use discover::{Candidate, Discovery, Found, Ignored, discover, discover_with};
pub use environment::Environment;
pub use load::{Loaded, Unreadable, load};
pub use resolve::{Resolved, Unresolved};
pub use schema::{reference_markdown, schema_json};
pub use snapshot::{
    Access, Admin, Credential, DeclaredKey, ErrorDetail, Exception, HeaderEdits, HealthCheck, Hold,
    HostPattern, HttpVersion, ListedModel, LogFormat, Maintenance, Matched, ModelPolicy, Network,
    Origin, PathPattern, PrefixRewrite, Provider, Resilience, Route, RouteStrategy, RouteUpstream,
    Server, Snapshot, Sticky, Storage, Target, Telemetry, Timeouts, TlsSettings, TlsVersion,
    TraceExport, Window,
};
pub use words::words;

#[cfg(test)]
mod tests;
