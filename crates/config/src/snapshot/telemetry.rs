//! What the gateway tells of itself, and to whom.

/// Metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// The path of the metrics; `None` where they are off. `/metrics` by default.
    pub metrics: Option<String>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            metrics: Some("/metrics".to_owned()),
        }
    }
}
