//! OpenAI: the dialect as its owner speaks it.
//!
//! Source: platform.openai.com/docs, API reference and error codes, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "openai",
    title: "OpenAI",
    dialect: Dialect::OpenaiChat,
    base_url: Some("https://api.openai.com"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["OPENAI_API_KEY"],
    base_url_variables: &["OPENAI_BASE_URL"],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::StrictFields, Deviation::RefusesExtensions],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::Account,
    place: Place::Service,
};
