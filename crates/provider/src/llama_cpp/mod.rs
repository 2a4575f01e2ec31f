//! llama.cpp's own server.
//!
//! Source: llama.cpp, tools/server/README.md, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "llama-cpp",
    title: "llama.cpp",
    dialect: Dialect::OpenaiChat,
    base_url: Some("http://127.0.0.1:8080"),
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["LLAMA_API_KEY"],
    base_url_variables: &[],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::MaxTokensOnly, Deviation::ReasoningContent],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::None,
    place: Place::OwnServer,
};
