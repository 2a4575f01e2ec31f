//! `DeepSeek`.
//!
//! Source: api-docs.deepseek.com, error codes and rate limit, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "deepseek",
    title: "DeepSeek",
    dialect: Dialect::OpenaiChat,
    base_url: Some("https://api.deepseek.com"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["DEEPSEEK_API_KEY"],
    base_url_variables: &[],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[
        Deviation::NoRetryHint,
        Deviation::ReasoningContent,
        Deviation::MaxTokensOnly,
    ],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-ds-trace-id",
    billing: Billing::Account,
    place: Place::Service,
};
