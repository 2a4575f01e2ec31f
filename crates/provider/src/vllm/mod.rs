//! vLLM's OpenAI-compatible server.
//!
//! Source: docs.vllm.ai, OpenAI-compatible server; vllm/entrypoints/openai, seen 2026-11.

mod errors;

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::deviations::Deviation;
use crate::kind::{Billing, Kind, Place};

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "vllm",
    title: "vLLM",
    dialect: Dialect::OpenaiChat,
    base_url: None,
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &["VLLM_API_KEY"],
    base_url_variables: &[],
    explain: errors::explain,
    models: include_str!("models.toml"),
    deviations: &[Deviation::RepeatedToolIndex, Deviation::ReasoningContent],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::None,
    place: Place::OwnServer,
};
