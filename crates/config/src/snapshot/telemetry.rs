//! What the gateway tells of itself, and to whom.

use std::path::PathBuf;

use http::header::{HeaderName, HeaderValue};
use provider::Endpoint;

/// Metrics, traces, and where log lines go.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// The path of the metrics; `None` where they are off. `/metrics` by default.
    pub metrics: Option<String>,
    /// Where spans are sent; `None`, the default, for nowhere.
    pub traces: Option<TraceExport>,
    /// The file for the access log; `None` for standard output.
    pub log_file: Option<PathBuf>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            metrics: Some("/metrics".to_owned()),
            traces: None,
            log_file: None,
        }
    }
}

/// A collector of spans, and what is said to it.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceExport {
    /// Where it is.
    pub endpoint: Endpoint,
    /// The path, whole.
    pub path: String,
    /// Headers with its key.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `service.name`; `goodgate` by default.
    pub service: String,
    /// What else is said of this process.
    pub resource: Vec<(String, String)>,
    /// The share of the traces that begin here and are sampled, 0 to 1; all by default.
    pub sample: f64,
}
