//! Cerebras Inference.
//!
//! Source: inference-docs.cerebras.ai, API reference and error codes, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "cerebras",
    title: "Cerebras",
    dialect: Dialect::OpenaiChat,
    base_url: Some("https://api.cerebras.ai"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["CEREBRAS_API_KEY"],
    base_url_variables: &[],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::ReasoningField],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::Account,
    place: Place::Service,
};
