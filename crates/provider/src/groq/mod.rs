//! Groq.
//!
//! Source: console.groq.com/docs, OpenAI compatibility and error codes, seen 2026-11.

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};
use crate::phrases;

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "groq",
    title: "Groq",
    dialect: Dialect::OpenaiChat,
    base_url: Some("https://api.groq.com/openai"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["GROQ_API_KEY"],
    base_url_variables: &["GROQ_BASE_URL"],
    explain: phrases::openai_shaped,
    models: include_str!("models.toml"),
    deviations: &[
        Deviation::StrictFields,
        Deviation::RefusesExtensions,
        Deviation::ReasoningField,
    ],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::Account,
    place: Place::Service,
};
