//! Any server that speaks the OpenAI dialect at an address of its own.

use std::time::Duration;

use dialect::Dialect;

use crate::auth::Auth;
use crate::kind::{Billing, Kind, Place};
use crate::phrases;

/// The record.
pub(crate) static KIND: Kind = Kind {
    name: "openai-compatible",
    title: "OpenAI-compatible server",
    dialect: Dialect::OpenaiChat,
    base_url: None,
    version_segment: "/v1",
    auth: Auth::Bearer,
    key_variables: &[],
    base_url_variables: &[],
    explain: phrases::openai_shaped,
    models: include_str!("models.toml"),
    deviations: &[],
    idle_limit: Duration::from_secs(60),
    request_id_header: "x-request-id",
    billing: Billing::Account,
    place: Place::OwnServer,
};
