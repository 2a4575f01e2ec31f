//! The Gemini API of Google AI Studio.
//!
//! Source: ai.google.dev/api, generateContent and troubleshooting, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "gemini",
    title: "Google Gemini",
    dialect: Dialect::Gemini,
    base_url: Some("https://generativelanguage.googleapis.com"),
    version_segment: "/v1beta",
    auth: Auth::GoogApiKey,
    key_variables: &["GOOGLE_API_KEY", "GEMINI_API_KEY"],
    base_url_variables: &["GOOGLE_GEMINI_BASE_URL"],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::StrictFields],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::Account,
    place: Place::Service,
};
