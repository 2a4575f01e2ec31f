//! Anthropic Messages.
//!
//! Source: platform.claude.com/docs, Messages and Errors, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "anthropic",
    title: "Anthropic",
    dialect: Dialect::AnthropicMessages,
    base_url: Some("https://api.anthropic.com"),
    version_segment: "/v1",
    auth: Auth::XApiKey,
    key_variables: &["ANTHROPIC_API_KEY"],
    base_url_variables: &["ANTHROPIC_BASE_URL"],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::StrictFields],
    idle_limit: Duration::from_secs(60),
    request_id_header: "request-id",
    billing: Billing::Account,
    place: Place::Service,
};
