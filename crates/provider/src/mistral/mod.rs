//! Mistral: close to the OpenAI dialect, and strict about every difference.
//!
//! Source: docs.mistral.ai/api and its `OpenAPI` document, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "mistral",
    title: "Mistral",
    dialect: Dialect::MistralChat,
    base_url: Some("https://api.mistral.ai"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["MISTRAL_API_KEY"],
    base_url_variables: &[],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[
        Deviation::NoStreamOptions,
        Deviation::MaxTokensOnly,
        Deviation::StrictFields,
    ],
    idle_limit: Duration::from_secs(60),
    request_id_header: "mistral-correlation-id",
    billing: Billing::Account,
    place: Place::Service,
};
